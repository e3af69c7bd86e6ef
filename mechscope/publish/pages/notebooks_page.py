"""The page *Notebooks*: the executed analyses."""

from __future__ import annotations

from mechscope.publish.markup import code, escaped, front_matter, link
from mechscope.publish.pages.context import Context
from mechscope.publish.pages.words import in_words


def notebooks_page(context: Context) -> str:
    """The page as Markdown."""
    text = (
        front_matter(
            title="Notebooks",
            subtitle=f"The executed analyses of the run {escaped(context.title)}",
            format="html",
            toc=False,
        )
        + "\n"
    )
    for analysis in context.shelf.analyses():
        ledger = context.shelf.ledger(analysis)
        findings = ledger.findings
        counts = in_words(findings.counts)
        if findings.applicability:
            counts += f"; {escaped(findings.applicability)}"
        name = link(escaped(ledger.title), context.notebook(ledger))
        text += f"{name}\n:   {escaped(ledger.description) or code(analysis)}\n\n    {counts}\n\n"
    lost = {keyed.analysis: keyed for keyed in context.absent() if keyed.source is None}
    for keyed in lost.values():
        title = context.shelf.title(keyed.run, keyed.analysis)
        text += f"{escaped(title)}\n:   {escaped(context.shelf.said(keyed))}\n\n"
    return text

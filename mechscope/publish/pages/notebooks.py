"""The page *Notebooks*: the executed analyses."""

from __future__ import annotations

from mechscope.ledger.schema import KINDS
from mechscope.publish.markdown import code, escaped, front_matter, link
from mechscope.publish.pages.context import Context


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
        counts = ", ".join(
            _count(len(getattr(findings, kind)), kind) for kind in KINDS if getattr(findings, kind)
        )
        name = link(escaped(ledger.title), context.notebook(ledger))
        text += f"{name}\n:   {escaped(ledger.description) or code(analysis)}\n\n    {counts}\n\n"
    return text


def _count(number: int, kind: str) -> str:
    one = {"passages": "set of passages"}.get(kind, kind.removesuffix("s"))
    many = {"passages": "sets of passages"}.get(kind, kind)
    return f"{number} {one if number == 1 else many}"

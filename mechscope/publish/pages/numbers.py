"""The page *Numbers*: every statistic with all that is known about it."""

from __future__ import annotations

from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import LedgerFile, Statistic
from mechscope.publish.findings import Found
from mechscope.publish.markdown import code, definitions, escaped, front_matter, link, table
from mechscope.publish.pages.context import Context
from mechscope.publish.pages.popovers import exactly


def numbers_page(context: Context) -> str:
    """The page as Markdown: the inputs of each analysis, then its statistics."""
    parts = [
        front_matter(
            title="Numbers", subtitle=f"Every statistic of the run {context.title}", format="html", toc=True
        )
        + "\n"
        + "Each number in the articles links to its entry here. It was printed from a ledger, which "
        "an analysis wrote; none was typed. The same "
        f"{link('as a graph', 'graph.qmd')} and {link('for programs', 'numbers.json')} (described by its "
        f"{link('schema', 'numbers.schema.json')}).\n"
    ]
    for analysis in context.shelf.analyses():
        ledger = context.shelf.ledger(analysis)
        entries = [
            _number(context, found)
            for found in context.shelf.records("statistics")
            if found.analysis == analysis
        ]
        parts.append(_heading(ledger) + _inputs(context, ledger) + "\n".join(entries))
    foreign = context.foreign("statistics")
    if foreign:
        parts.append(
            "## From other runs {#other-runs}\n\n" + "\n".join(_number(context, found) for found in foreign)
        )
    return "\n".join(parts)


def _heading(ledger: LedgerFile) -> str:
    description = escaped(ledger.description) + "\n\n" if ledger.description else ""
    return f"## {escaped(ledger.title)} {{#{ledger.analysis}}}\n\n{description}"


def _inputs(context: Context, ledger: LedgerFile) -> str:
    inputs = ledger.inputs
    parameters = ", ".join(
        f"{code(name)} = {code(value)}" for name, value in sorted(inputs.parameters.items())
    )
    rows = [("the script", f"analyses/{ledger.analysis}.py", inputs.script)]
    rows += [("a module", path, digest) for path, digest in sorted(inputs.modules.items())]
    rows += [("data", path, digest) for path, digest in sorted(inputs.data.items())]
    rows += [("a model", model.name, model.sha256) for model in inputs.models.values()]
    rows += [("an autoencoder", sae.name, sae.sha256) for sae in inputs.saes.values()]
    rows += [("findings of", need, digest) for need, digest in sorted(inputs.needs.items())]
    packages = ", ".join(
        f"{escaped(name)} {escaped(value)}" for name, value in sorted(ledger.environment.items())
    )
    accepted = "\n".join(
        f"- Accepted without a rerun: {', '.join(code(change) for change in item.changed)}, because "
        f"{escaped(item.because)}"
        for item in ledger.accepted
    )
    hashes = table(
        ["Input", "Which", "SHA-256"],
        [[kind, code(name), code(digest[:16])] for kind, name, digest in rows],
        [14, 40, 24],
    )
    about = definitions(
        [
            ("Parameters", parameters),
            (
                "Notebook",
                link(
                    code(f"results/{ledger.run}/{ledger.analysis}/notebook.ipynb"), context.notebook(ledger)
                ),
            ),
            ("Findings", code(ledger.sha256[:16])),
        ]
    )
    folded = (
        '::: {.callout-note collapse="true" title="Inputs, by hash"}\n'
        f"{hashes}\n{accepted}\n\nRecorded with {packages}.\n:::\n"
    )
    return f"{about}\n{folded}\n"


def _number(context: Context, found: Found) -> str:
    record: Statistic = found.record
    value = f"**{escaped(record.text.value)}**"
    if record.value is None:
        value = f"not measured: {escaped(record.because)}"
    resamples = f"{format_value(record.resamples, ',d')} resamples" if record.resamples else ""
    test = ", ".join(part for part in (escaped(record.test), resamples) if part)
    body = definitions(
        [
            ("Value", value),
            ("In full", escaped(exactly(record))),
            (
                "Interval",
                f"{record.level:.0%} {escaped(record.text.ci)}".replace("%", "\\%") if record.text.ci else "",
            ),
            ("n", format_value(record.n, ",d") if record.n is not None else ""),
            ("p", escaped(record.text.p)),
            ("Test", test),
            ("May differ", escaped(str(record.tolerance))),
            *context.common(found),
        ]
    )
    return context.entry(found, escaped(record.label), body)

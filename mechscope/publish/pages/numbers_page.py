"""The page *Numbers*: every statistic with all that is known about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mechscope.files import hash_value
from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import LedgerFile, Statistic
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.publish.markup import code, definitions, escaped, folded, front_matter, link, table
from mechscope.publish.pages.context import Context
from mechscope.publish.pages.given import given_part
from mechscope.publish.pages.popovers import exactly
from mechscope.publish.pages.words import interval_words, repeat_command, resampling_words, tolerance_words

_LEAD_TO_GIVEN = (
    " Numbers that the authors gave, with a thin grey line below them, link nowhere; they are "
    f"{link('listed at the end', '#given')}."
)


def numbers_page(context: Context) -> str:
    """The page as Markdown: the inputs of each analysis, then its statistics."""
    given = given_part(context)
    parts = [
        front_matter(
            title="Numbers",
            subtitle=f"Every statistic of the run {escaped(context.title)}",
            format="html",
            toc=True,
        )
        + "\n"
        + "Each number in the articles links to its entry here. It was printed from a ledger, which "
        f"an analysis wrote; none of these was typed.{_LEAD_TO_GIVEN if given else ''} The same "
        f"{link('as a graph', 'graph.qmd')} and {link('for programs', 'numbers.json')} (described by its "
        f"{link('schema', 'numbers.schema.json')}).\n\n"
        "::: {#verification}\n"
        "A number is *verified* when the authors themselves ran its analysis again, with `mechscope verify`, "
        "and found it again within the tolerance that is declared beside it; each analysis says below when, "
        "and with which versions. That is their word, of their machines, and no check by anybody else. To "
        f"check it yourself, run {code(repeat_command(context.run))}, or add the name of one analysis; what "
        "you find takes the place of theirs in your copy. *Not verified* means that nobody ran it again "
        "since it last changed, not that something came out differently.\n"
        ":::\n"
    ]
    parts.append("::: {.ms-filter}\n:::\n")  # the site's script puts a search in it
    for analysis in context.shelf.analyses():
        ledger = context.shelf.ledger(analysis)
        every = [keyed for keyed in context.shelf.records("statistics") if keyed.analysis == analysis]
        cited = [keyed for keyed in every if context.citations(keyed.short_key)]
        others = [keyed for keyed in every if keyed not in cited]
        parts.append(_heading(ledger) + _inputs(context, ledger) + _entries(context, cited))
        if others:
            rest = f"{format_value(len(others), ',d')} {'more that no' if cited else 'that no'} article cites"
            parts.append(folded(rest, _entries(context, others), classes="ms-uncited"))
    parts += _absent(context)
    foreign = context.foreign("statistics")
    if foreign:
        parts.append(
            "## From other runs {#other-runs}\n\n" + "\n".join(_number(context, keyed) for keyed in foreign)
        )
    return "\n".join([*parts, given] if given else parts)


def _absent(context: Context) -> list[str]:
    """What the run does not have, and why: by analysis, or as a whole where that has no results."""
    entries = []
    for keyed in context.absent():
        body = definitions(
            [
                ("Why", escaped(context.shelf.said(keyed))),
                *((name, text) for name, text in context.common(keyed) if name != "Rerun"),
            ]
        )
        title = context.shelf.title(keyed.run, keyed.analysis)
        label = getattr(context.shelf.elsewhere(keyed), "label", title)
        if context.cited_as(keyed) == "claim":
            label = context.shelf.claimed(keyed)[0]
        entries.append(context.entry(keyed, escaped(label), body))
    if not entries:
        return []
    return [
        "## What this run does not have {#absent}\n\n"
        "These records do not apply to the model of the run, or their analysis failed or was not run. "
        "Articles say so in their place.\n\n" + "\n".join(entries)
    ]


def _entries(context: Context, every: Sequence[KeyedRecord]) -> str:
    return "\n".join(_number(context, keyed) for keyed in every)


def _heading(ledger: LedgerFile) -> str:
    description = escaped(ledger.description) + "\n\n" if ledger.description else ""
    if words := ledger.findings.applicability:
        description += f"*{escaped(words[0].upper() + words[1:])}.*\n\n"
    return f"## {escaped(ledger.title)} {{#{ledger.analysis}}}\n\n{description}"


def _inputs(context: Context, ledger: LedgerFile) -> str:
    inputs = ledger.inputs
    parameters = ", ".join(
        f"{code(name)} = {code(value)}" for name, value in sorted(inputs.parameters.items())
    )
    rows = [("the script", f"analyses/{ledger.analysis}.py", inputs.script)]
    rows += [("a module", path, hash_value(hashes)) for path, hashes in inputs.modules.items()]
    rows += [("data", path, digest) for path, digest in sorted(inputs.data.items())]
    rows += [("a model", model.name, model.sha256) for model in inputs.models.values()]
    rows += [("an autoencoder", sae.name, sae.sha256) for sae in inputs.saes.values()]
    rows += [("findings of", need, digest) for need, digest in sorted(inputs.needs.items())]
    packages = _versions(ledger.environment)
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
            ("Rerun", _rerun(context, ledger)),
        ]
    )
    by_hash = (
        '::: {.callout-note collapse="true" title="Inputs, by hash"}\n'
        f"{hashes}\n{accepted}\n\nRecorded with {packages}.\n:::\n"
    )
    return f"{about}\n{by_hash}\n"


def _rerun(context: Context, ledger: LedgerFile) -> str:
    """By whom, when and with what an analysis was run again, and how a reader does that."""
    rerun = context.shelf.rerun_of(ledger)
    repeat = f"run it yourself: {code(repeat_command(ledger.run, ledger.analysis))}"
    if rerun is None:
        return f"not verified; {repeat}"
    said = escaped(rerun.said)
    if not rerun.environment:
        return f"{said}; {repeat}"
    there, here = ledger.environment, rerun.environment
    same = "the versions with which it was recorded" if here == there else _versions(here)
    return (
        f"{said}, on {escaped(here.get('platform', 'a platform that was not noted'))} with {same}; {repeat}"
    )


def _versions(environment: Mapping[str, str]) -> str:
    return ", ".join(f"{escaped(name)} {escaped(value)}" for name, value in sorted(environment.items()))


def _number(context: Context, keyed: KeyedRecord) -> str:
    record: Statistic = keyed.record
    value = f"**{escaped(record.text.value)}**"
    if record.value is None:
        value = f"not measured: {escaped(record.because)}"
    body = definitions(
        [
            ("Value", value),
            ("In full", escaped(exactly(record))),
            ("Interval", escaped(interval_words(record))),
            ("n", format_value(record.n, ",d") if record.n is not None else ""),
            ("p", escaped(record.text.p)),
            ("Test", escaped(resampling_words(record))),
            ("Tolerance on rerun", escaped(tolerance_words(record.tolerance))),
            *context.common(keyed),
        ]
    )
    return context.entry(keyed, escaped(record.label), body)

"""`mechscope trace`, and how it shows a trace."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click

from mechscope.articles.sources import shortcodes_in
from mechscope.cli.command import Helpful
from mechscope.cli.completion import KEY, RUN
from mechscope.cli.options import project_of
from mechscope.ledger.formatting import format_p, format_value
from mechscope.ledger.schema import KINDS, Absent, Claim, Statistic
from mechscope.pipeline.runs import load_runs
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.publish.pages.popovers import exactly
from mechscope.publish.pages.words import NOT_AVAILABLE, why_untestable
from mechscope.publish.provenance import as_dot, as_json, as_text, build_graph
from mechscope.review.trace import Cell, Input, Trace, parse_place, records_of, traces_at
from mechscope.review.trace import trace as follow

_LABEL = 12
_WIDTH = 110
_VALUE = 24
_EXAMPLES = """
mechscope trace topic_geometry                     the keys of an analysis
mechscope trace topic_geometry.topics              one number: code, inputs, where it is cited
mechscope trace paper/articles/topic-geometry.qmd:42   the numbers on a line
mechscope trace --graph --format dot               the whole way, for Graphviz
"""


@click.command(
    cls=Helpful, short_help="Follow a number to its code, or prose to its numbers.", examples=_EXAMPLES
)
@click.argument("what", type=KEY, required=False, metavar="[KEY | ANALYSIS | FILE:LINE]")
@click.option("--run", "run_name", type=RUN, metavar="NAME", help="The run (default: that of runs.yml).")
@click.option("--graph", is_flag=True, help="The whole way instead: data → analysis → number → article.")
@click.option(
    "--format", "form", type=click.Choice(["text", "dot", "json"]), default="text", help="Of the graph."
)
@click.pass_context
def trace(context: click.Context, what: str | None, run_name: str | None, graph: bool, form: str) -> None:
    """Follow a number to its code and inputs and to where it is cited; or every number on a line.

    Of an analysis: list its keys.
    """
    if graph == bool(what):
        raise click.UsageError("give a key, an analysis, a place such as paper/articles/x.qmd:42, or --graph")
    if form != "text" and not graph:
        raise click.UsageError("--format goes with --graph")
    project = project_of(context)
    runs = load_runs(project)
    run = run_name or runs.default
    runs.run(run)
    if graph:
        drawn = build_graph(project, run, shortcodes_in(project))
        click.echo({"text": as_text, "dot": as_dot, "json": as_json}[form](drawn).rstrip("\n"))
        return
    place = parse_place(what or "")
    records = None if place else records_of(project, what or "", run)
    if records is not None:
        click.echo(records_text(records))
        return
    traces = traces_at(project, *place, run) if place else [follow(project, what or "", run)]
    click.echo("\n\n".join(trace_text(one) for one in traces))


def trace_text(trace: Trace) -> str:
    """Everything that is known about a record, a labelled block for each step of its way."""
    keyed = trace.keyed
    lines = [f"{trace.key}  {_headline(trace)}"]
    for label, value in _record(trace):
        lines += _labelled(label, value)
    verified = f"reproduced by a rerun, {trace.verified}"
    if trace.verified is None:
        said = (
            "not verified"
            if trace.contradicted is None
            else f"NOT REPRODUCED by the rerun of {trace.contradicted}"
        )
        verified = f"{said}: mechscope verify {keyed.analysis} --run {keyed.run}"
    lines += _labelled("verified", verified)
    lines += _labelled("run", keyed.run)
    lines += _labelled("analysis", f"{keyed.ledger.title} ({trace.script})")
    lines += _labelled("cell", _cell_place(trace))
    lines += list(_source(trace.cell))
    helpers = [
        f"{helper.name} ({f'{trace.script}:{line}' if line else helper.cell})"
        for helper, line in trace.cell.helpers
    ]
    lines += _labelled("uses", ", ".join(helpers))
    parameters = keyed.ledger.inputs.parameters
    shown = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items()]
    lines += _labelled("parameters", ", ".join(shown))
    lines += list(_inputs(trace.inputs))
    for item in keyed.ledger.accepted:
        lines += _labelled("accepted", f"without a rerun: {', '.join(item.changed)}, because {item.because}")
    lines += list(_citations(trace))
    return "\n".join(lines)


def records_text(records: Sequence[tuple[str, KeyedRecord]]) -> str:
    """A line for each record: its key, its kind, what it came to and what it is, one below the other."""
    rows = [
        (key, KINDS[keyed.kind].noun, _shortly(keyed.record), _about(keyed.record)) for key, keyed in records
    ]
    keys, kinds, values = (max((len(row[at]) for row in rows), default=0) for at in range(3))
    return "\n".join(
        f"{key:<{keys}}  {kind:<{kinds}}  {value:<{values}}  {about}".rstrip()
        for key, kind, value, about in rows
    )


def _shortly(record: Any) -> str:
    if isinstance(record, Statistic):
        text = "not measured" if record.value is None else " ".join(record.text.value.split())
        return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"
    if isinstance(record, Absent):
        return NOT_AVAILABLE
    return str(record.outcome) if isinstance(record, Claim) else ""


def _about(record: Any) -> str:
    if isinstance(record, Statistic):
        return record.label
    if isinstance(record, Absent):
        return f"does not apply: {record.because}"
    return textwrap.shorten(
        record.sentence if isinstance(record, Claim) else record.caption, 90, placeholder=" …"
    )


def _headline(trace: Trace) -> str:
    record = trace.keyed.record
    if isinstance(record, Statistic):
        return f"= {record.text.value}" if record.value is not None else f"not measured: {record.because}"
    if isinstance(record, Claim):
        return f"{record.outcome}, exploratory" if trace.exploratory else str(record.outcome)
    if isinstance(record, Absent):
        return f"does not apply: {record.because}"
    return f"({KINDS[trace.keyed.kind].noun})"


def _record(trace: Trace) -> Iterator[tuple[str, str]]:
    record = trace.keyed.record
    if isinstance(record, Statistic):
        yield "", record.label
        yield "in full", exactly(record)
        interval = f"{record.level:.0%} {record.text.ci}" if record.text.ci else ""
        count = f"n = {format_value(record.n, ',d')}" if record.n is not None else ""
        yield "interval", ", ".join(part for part in (interval, count) if part)
        resamples = f"{record.resamples:,d} resamples" if record.resamples else ""
        p = format_p(record.p) if record.p is not None else ""
        yield "test", ", ".join(part for part in (p, record.test, resamples) if part)
        yield "tolerance", str(record.tolerance)
    elif isinstance(record, Claim):
        yield "", record.sentence
        yield "criterion", record.criterion
        evidence = (f"{name} = {_plain(value)}" for name, value in record.evidence.items())
        yield "evidence", ", ".join(evidence)
        yield "why", why_untestable(trace.keyed)
        yield "written", trace.written
    elif isinstance(record, Absent):
        return
    else:
        yield "", record.caption
        tolerance = getattr(record, "tolerance", None)
        if isinstance(tolerance, dict):
            yield "tolerance", ", ".join(f"{name}: {value}" for name, value in sorted(tolerance.items()))
        elif tolerance is not None:
            yield "tolerance", str(tolerance)
        else:
            yield "tolerance", ", ".join(f"{column.name}: {column.tolerance}" for column in record.columns)


def _plain(value: object) -> str:
    return "not measured" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _labelled(label: str, text: str) -> list[str]:
    if not text:
        return []
    margin = " " * (_LABEL + 2)
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"  {label:<{_LABEL}}",
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cell_place(trace: Trace) -> str:
    cell = trace.cell
    if cell.first is None:
        return f"{cell.id}; {trace.script} no longer has it as it was run" if cell.lines else cell.id
    place = f"{cell.id}, {trace.script}:{cell.first}-{cell.first + len(cell.lines) - 1}"
    return place + (f", recorded in line {cell.recorded}" if cell.recorded else "")


def _source(cell: Cell) -> Iterator[str]:
    width = len(str((cell.first or 1) + len(cell.lines)))
    for number, line in enumerate(cell.lines):
        at = "" if cell.first is None else str(cell.first + number)
        mark = "→" if cell.first is not None and cell.first + number == cell.recorded else " "
        yield f"    {mark} {at:>{width}} │ {line}".rstrip()
    if cell.function:
        yield f"      {'⋮':>{width}}   which calls"
    for number, line in enumerate(cell.function, start=cell.function_first):
        yield f"    {'→' if number == cell.recorded else ' '} {number:>{width}} │ {line}".rstrip()


def _inputs(inputs: tuple[Input, ...]) -> Iterator[str]:
    width = max(len(item.name) for item in inputs)
    label = "inputs"
    for item in inputs:
        sha256, _, convention = item.sha256.partition(" ")
        about = [f"{item.kind:<8} {item.name:<{width}}  {sha256[:16]}  {item.state}"]
        yield f"  {label:<{_LABEL}}{about[0]}"
        label = ""
        for extra in (item.source, convention and f"text begins with BOS: {convention.removeprefix('bos:')}"):
            if extra:
                yield f"  {'':<{_LABEL}}{'':<8} {extra}"


def _citations(trace: Trace) -> Iterator[str]:
    if not trace.citations:
        yield from _labelled("cited in", "no article")
    label = "cited in"
    for citation in trace.citations:
        own = citation.where.rsplit(":", 2)[0]
        shown = [page for page in citation.pages if page != own]
        by = f"  (shown by {', '.join(shown)})" if shown else ""
        dropped = "" if citation.shown else "  (a branch that this run drops)"
        yield f"  {label:<{_LABEL}}{citation.where}{by}{dropped}"
        label = ""
        if citation.sentence:
            margin = " " * (_LABEL + 4)
            yield from textwrap.wrap(
                citation.sentence, _WIDTH, initial_indent=margin, subsequent_indent=margin
            )

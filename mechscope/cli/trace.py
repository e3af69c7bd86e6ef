"""`mechscope trace`."""

from __future__ import annotations

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import KEY, RUN
from mechscope.cli.options import project_of

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
    from mechscope.pipeline.runs import load_runs

    if graph == bool(what):
        raise click.UsageError("give a key, an analysis, a place such as paper/articles/x.qmd:42, or --graph")
    if form != "text" and not graph:
        raise click.UsageError("--format goes with --graph")
    project = project_of(context)
    runs = load_runs(project)
    run = run_name or runs.default
    runs.run(run)
    if graph:
        from mechscope.articles.sources import shortcodes_in
        from mechscope.publish.provenance import as_dot, as_json, as_text, build_graph

        drawn = build_graph(project, run, shortcodes_in(project))
        click.echo({"text": as_text, "dot": as_dot, "json": as_json}[form](drawn).rstrip("\n"))
        return
    from mechscope.review.trace import parse_place, records_of, traces_at
    from mechscope.review.trace import trace as follow
    from mechscope.review.trace_screen import records_text, trace_text

    place = parse_place(what or "")
    records = None if place else records_of(project, what or "", run)
    if records is not None:
        click.echo(records_text(records))
        return
    traces = traces_at(project, *place, run) if place else [follow(project, what or "", run)]
    click.echo("\n\n".join(trace_text(one) for one in traces))

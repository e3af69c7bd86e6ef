"""`mechscope accept`."""

from __future__ import annotations

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import ANALYSIS, RUN
from mechscope.cli.options import project_of

_EXAMPLES = """
mechscope accept topic_geometry --because "renamed a variable"
"""


@click.command(cls=Helpful, short_help="Say that a change can't alter results.", examples=_EXAMPLES)
@click.argument("analysis", type=ANALYSIS)
@click.option(
    "--because", required=True, metavar="REASON", help="Why the change can't alter results; recorded."
)
@click.option("--run", "run_name", type=RUN, metavar="NAME", help="The run (default: that of runs.yml).")
@click.pass_context
def accept(context: click.Context, analysis: str, because: str, run_name: str | None) -> None:
    """Adopt ANALYSIS' present inputs without running it: for a change that can't alter what it finds."""
    from mechscope.pipeline.accept import accept as adopt
    from mechscope.pipeline.runs import load_places

    project = project_of(context)
    places = load_places(project)
    name = run_name or places.runs.default
    accepted = adopt(project, analysis, name, because, say=lambda text: click.echo(text, err=True))
    for change in accepted:
        click.echo(f"{':'.join(places.node(name, analysis))} accepted: {change}")

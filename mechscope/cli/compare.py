"""`mechscope compare`."""

from __future__ import annotations

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import ANALYSIS, RUN
from mechscope.cli.options import project_of

_EXAMPLES = """
mechscope compare smollm2-135m gemma-3-270m
mechscope compare smollm2-135m gemma-3-270m topic_geometry --format json
"""


@click.command(cls=Helpful, short_help="What two runs found, side by side.", examples=_EXAMPLES)
@click.argument("run_a", type=RUN)
@click.argument("run_b", type=RUN)
@click.argument("analyses", type=ANALYSIS, nargs=-1, metavar="[ANALYSIS]...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def compare(context: click.Context, run_a: str, run_b: str, analyses: tuple[str, ...], form: str) -> None:
    """What two runs found, side by side: claims that flipped first, then every number."""
    from mechscope.pipeline.comparison import as_json, compare_runs
    from mechscope.review import screen

    compared = compare_runs(project_of(context), run_a, run_b, analyses)
    click.echo(as_json(compared) if form == "json" else screen.comparison_text(compared), nl=form == "text")

"""`mechscope compare`."""

from __future__ import annotations

import click

from mechscope.cli.options import project_of


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@click.argument("analyses", nargs=-1, metavar="[ANALYSIS]...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def compare(context: click.Context, run_a: str, run_b: str, analyses: tuple[str, ...], form: str) -> None:
    """What two runs found, side by side: claims that flipped first, then every number."""
    from mechscope.review import screen
    from mechscope.review.compare import as_json, compare_runs

    compared = compare_runs(project_of(context), run_a, run_b, analyses)
    click.echo(as_json(compared) if form == "json" else screen.comparison_text(compared), nl=form == "text")

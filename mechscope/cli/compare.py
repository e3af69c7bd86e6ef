"""`mechscope compare`, and how it shows two runs."""

from __future__ import annotations

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import ANALYSIS, RUN
from mechscope.cli.options import project_of
from mechscope.cli.tables import table_text
from mechscope.pipeline.comparison import (
    RunComparison,
    as_json,
    compare_runs,
    outcome_text,
    overlap_text,
    value_text,
)
from mechscope.publish.pages.words import SHARED_WORDS

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
    compared = compare_runs(project_of(context), run_a, run_b, analyses)
    click.echo(as_json(compared) if form == "json" else comparison_text(compared), nl=form == "text")


def comparison_text(compared: RunComparison) -> str:
    """What `compare` shows: a table of claims, flipped ones first, and one of numbers."""
    blocks = []
    if compared.claims:
        rows = [
            (
                "FLIPPED" if pair.flipped else "same" * pair.same,
                outcome_text(pair, 0),
                outcome_text(pair, 1),
                pair.key,
            )
            for pair in compared.claims
        ]
        blocks.append(table_text(("", compared.run_a, compared.run_b, "claim"), rows))
    if compared.statistics:
        numbers = [
            (
                pair.key,
                value_text(pair.first),
                value_text(pair.second),
                compared.difference_text(pair),
                overlap_text(pair),
            )
            for pair in compared.statistics
        ]
        blocks.append(
            table_text(("number", compared.run_a, compared.run_b, "difference", "intervals"), numbers)
        )
    if compared.absent:
        blocks.append(table_text(("not there", "run", "why"), compared.absent))
    apart, paired = compared.intervals
    sums = [
        f"{len(compared.flipped)} of {len(compared.judged)} claims flipped; "
        f"{apart} of {paired} pairs of intervals do not overlap"
    ]
    for shared in compared.shared:
        counts = f"{_many(shared.claims, 'claim')}, {_many(shared.statistics, 'number')}"
        sums.append(f"not counted: {shared.analysis} ({counts}) is {SHARED_WORDS}")
    blocks.append("\n".join(sums))
    return "\n\n".join(blocks)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)

"""`mechscope verify`, and how it shows what reruns said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import ANALYSIS
from mechscope.cli.options import chosen_runs, device_option, jobs_option, project_of, runs_options
from mechscope.cli.tables import table_text
from mechscope.pipeline.progress import reporter
from mechscope.publish.pages.words import in_words
from mechscope.review.differences import Comparison, Drift
from mechscope.review.verdicts import Verdict
from mechscope.review.verify import Check
from mechscope.review.verify import quick as quick_checks
from mechscope.review.verify import verify as rerun

_MOST = 8
"""How many drifts of one record are listed."""
_LONGEST = 60
_STATES = {
    "reproduced": "reproduced",
    "drifted": "drifted",
    "missing": "missing from the rerun",
    "new": "new in the rerun",
    "flipped": "CLAIM FLIPPED",
}
_EXAMPLES = """
mechscope verify topic_geometry   run it again, compare value by value
mechscope verify --quick          run nothing: are hashes, texts and citations in order?
"""


@click.command(cls=Helpful, short_help="Compute again; compare with what is committed.", examples=_EXAMPLES)
@click.argument("analyses", type=ANALYSIS, nargs=-1, metavar="[ANALYSIS]...")
@runs_options("that of runs.yml; with --quick all that have results")
@click.option(
    "--quick",
    is_flag=True,
    help="Run nothing: look at hashes, inputs, printed texts, cited keys and the lock of claims.",
)
@click.option("--list", "every", is_flag=True, help="List the records that were reproduced as well.")
@device_option
@jobs_option
@click.pass_context
def verify(
    context: click.Context,
    analyses: tuple[str, ...],
    runs: tuple[str, ...],
    all_runs: bool,
    quick: bool,
    every: bool,
    device: str | None,
    jobs: int,
) -> None:
    """Run the analyses again (all, or those named) and compare with what is committed, value by value.

    The rerun stays in .mechscope/verify; of results/ only RUN/verification.json is written. Exits with 1 if
    anything is not what it was: a value beyond its tolerance, a claim, an input, an edited file.
    """
    project = project_of(context)
    chosen = chosen_runs(project, runs, all_runs)
    if quick:
        checks = quick_checks(project, analyses, chosen)
        click.echo(checks_text(checks))
        context.exit(1 if any(check.problems for check in checks) else 0)
    with reporter() as progress:
        verdicts = rerun(project, analyses, chosen, jobs=jobs, device=device, reporter=progress)
    click.echo(verdicts_text(verdicts, every=every))
    context.exit(0 if all(verdict.reproduced for verdict in verdicts) else 1)


def verdicts_text(verdicts: Sequence[Verdict], *, every: bool = False) -> str:
    """What `verify` found, run by run: what disagrees, then a sum.

    Args:
        every: List the records that were reproduced as well.
    """
    blocks = [_verdict(verdict, every) for verdict in verdicts]
    good = sum(verdict.reproduced for verdict in verdicts)
    compared = sum(verdict.values for verdict in verdicts)
    total = f"{good} of {len(verdicts)} reproduced; {compared:,} values compared"
    return "\n\n".join([*blocks, total])


def _verdict(verdict: Verdict, every: bool) -> str:
    word = "reproduced" if verdict.reproduced else "NOT REPRODUCED"
    lines = [
        f"{verdict.run}:{verdict.analysis}  {word}"
        + (f" ({verdict.seconds:.1f} s)" if verdict.seconds else "")
    ]
    lines += [f"  input changed: {change}" for change in verdict.inputs]
    lines += [f"  {problem}" for problem in verdict.problems]
    lines += [
        f"  environment: {name} {there} when it was found, {here} here"
        for name, (there, here) in (verdict.environment or {}).items()
    ]
    if verdict.comparisons:
        counts = (f"{n.reproduced} of {in_words({kind: n.compared})}" for kind, n in verdict.counts.items())
        lines.append(f"  reproduced: {', '.join(counts)} ({verdict.values:,} values)")
    listed = list(verdict.comparisons) if every else verdict.failures
    if listed:
        head = ("record", "state", "value", "committed", "rerun", "differs by", "may differ by")
        rows = [row for comparison in listed for row in _rows(comparison)]
        lines += ["", table_text(head, rows)]
    if verdict.rerun and not verdict.reproduced:
        lines += ["", f"  What the rerun found is in {verdict.rerun}"]
    return "\n".join(lines)


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    state = _STATES[comparison.state]
    if not comparison.drifts:
        values = f"{comparison.compared} values" if comparison.compared else ""
        yield (comparison.key, state, values, "", "", "", "")
    for drift in comparison.drifts[:_MOST]:
        yield (comparison.key, state, *_drift(drift))
    if len(comparison.drifts) > _MOST:
        yield (comparison.key, state, f"and {len(comparison.drifts) - _MOST:,} more values", "", "", "", "")


def _drift(drift: Drift) -> tuple[str, ...]:
    by = "" if drift.by is None else f"{drift.by:.3g}"
    return (drift.place, _short(drift.old), _short(drift.new), by, str(drift.tolerance))


def _short(value: Any) -> str:
    text = "—" if value is None else repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def checks_text(checks: Sequence[Check]) -> str:
    """What `verify --quick` found."""
    lines = []
    for check in checks:
        lines.append(
            f"{check.subject}  {'FAULTY' if check.problems else 'in order'}  {check.looked_at}".rstrip()
        )
        lines += [f"  {problem}" for problem in check.problems]
    return "\n".join([*lines, "nothing was run: mechscope verify without --quick does that"])

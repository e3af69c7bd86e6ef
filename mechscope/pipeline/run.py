"""Bring runs up to date, for whoever needs fresh results before going on (rendering, verifying)."""

from __future__ import annotations

from collections.abc import Sequence

from mechscope.errors import AnalysisFailed
from mechscope.pipeline.outcome import Outcome
from mechscope.pipeline.progress import reporter
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.project import Project


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """What went wrong, each thing once: several analyses can lack the same model."""
    return list(dict.fromkeys(outcome.detail for outcome in outcomes if outcome.what == "failed"))


def run(project: Project, runs: Sequence[str], *, analyses: Sequence[str] = ()) -> list[Outcome]:
    """Run what is stale in `runs`, with progress on standard error.

    Args:
        analyses: Only these and what they need; none means all.

    Returns:
        How it went with each analysis; all of them are fresh now.

    Raises:
        AnalysisFailed: At least one failed; the message holds all errors.
        MechscopeError: As `run_analyses` does.
    """
    outcomes = attempt(project, runs, analyses=analyses, retry=True)
    if failed := failures(outcomes):
        raise AnalysisFailed("\n".join(failed))
    return outcomes


def attempt(
    project: Project, runs: Sequence[str], *, analyses: Sequence[str] = (), retry: bool = False
) -> list[Outcome]:
    """Like `run`, but failures are among the outcomes.

    Args:
        retry: Run also what failed before from the same inputs.
    """
    with reporter() as screen:
        return run_analyses(project, Order(tuple(analyses), tuple(runs), retry=retry), screen)

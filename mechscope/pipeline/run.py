"""Bring runs up to date, for whoever needs fresh results before going on (rendering, verifying)."""

from __future__ import annotations

from collections.abc import Sequence

from mechscope.errors import AnalysisFailed
from mechscope.pipeline.progress import reporter
from mechscope.pipeline.schedule import Order, Outcome, run_analyses
from mechscope.project import Project


def run(
    project: Project, runs: Sequence[str], *, analyses: Sequence[str] = (), jobs: int = 2
) -> list[Outcome]:
    """Run what is stale in `runs`, with progress on standard error.

    Args:
        analyses: Only these and what they need; none means all.

    Returns:
        How it went with each analysis; all of them are fresh now.

    Raises:
        AnalysisFailed: At least one failed; the message holds all errors.
        MechscopeError: As `run_analyses` does.
    """
    with reporter() as screen:
        outcomes = run_analyses(project, Order(tuple(analyses), tuple(runs), jobs=jobs), screen)
    failed = [outcome.detail for outcome in outcomes if outcome.what == "failed"]
    if failed:
        raise AnalysisFailed("\n".join(failed))
    return outcomes

"""How it went with an analysis in a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """How it went with an analysis in a run.

    Attributes:
        run: SHARED for what is the same in all runs.
        what: ran, was fresh, failed, or could not run because one that it needs failed.
        detail: Why it ran, or what went wrong.
        applicability: "does not apply: …" or "applies in part: …", where it says so; that is no failure.
        seconds: How long it took.
        folder: Where the results are, shown relative to the project.
        replaced: Files of the results that had been edited by hand, and that the run wrote anew.
        large: Which files of the results are so large that they hurt the repository, a sentence each.
    """

    run: str
    analysis: str
    what: Literal["ran", "fresh", "failed", "blocked"]
    detail: str = ""
    seconds: float = 0.0
    folder: str = ""
    replaced: tuple[str, ...] = ()
    large: tuple[str, ...] = ()
    applicability: str = ""

    @property
    def succeeded(self) -> bool:
        return self.what in ("ran", "fresh")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should know although it succeeded, a sentence each."""
        return (*([self.loss] if self.loss else []), *self.large)

    @property
    def loss(self) -> str:
        """That an edit is gone, as a sentence; empty where there was none."""
        if not self.replaced:
            return ""
        return (
            f"{self.run}:{self.analysis} ran anew, and what had been edited by hand in "
            f"{' and '.join(self.replaced)} is gone; to change what is found, change "
            f"analyses/{self.analysis}.py"
        )


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """What went wrong, each thing once: several analyses can lack the same model."""
    return list(dict.fromkeys(outcome.detail for outcome in outcomes if outcome.what == "failed"))

"""What reruns said of the analyses of a run: written to `verification.json`, and whether that can be so."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from mechscope.errors import LedgerDamaged
from mechscope.files import write_atomically
from mechscope.ledger.store import committed_ledger
from mechscope.ledger.verification import (
    Count,
    Difference,
    Rerun,
    ValueDrift,
    Verification,
    read_verification,
    verification_file,
)
from mechscope.project import Project
from mechscope.review.differences import Comparison

_MOST = 20
"""How many differences of a record are kept; their number is kept whole."""


@dataclass(frozen=True)
class Verdict:
    """How an analysis fared in one run when it was run again.

    Attributes:
        sha256: What the committed ledger states as its hash; empty if it can't be read.
        inputs_sha256: The hash of the inputs that it states.
        comparisons: Record by record; empty when nothing could be compared (`problems` says why).
        inputs: Inputs that are not those that the ledger was found from.
        problems: Anything else that speaks against it: an edited file, a contradiction, a failed rerun.
        environment: What differs between where the ledger was found and here: (there, here) by name.
        rerun: The folder with what the rerun found, shown relative to the project.
        seconds: How long the rerun took.
    """

    run: str
    analysis: str
    sha256: str = ""
    comparisons: tuple[Comparison, ...] = ()
    inputs: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    environment: Mapping[str, tuple[str, str]] | None = None
    rerun: str = ""
    seconds: float = 0.0
    inputs_sha256: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether everything that was committed was found again, from the same inputs."""
        return bool(self.comparisons) and not (self.inputs or self.problems or self.failures)

    @property
    def failures(self) -> list[Comparison]:
        """The records that were not reproduced, claims that flipped first."""
        failed = [comparison for comparison in self.comparisons if comparison.state != "reproduced"]
        return sorted(failed, key=lambda comparison: comparison.state != "flipped")

    @property
    def values(self) -> int:
        """How many values were held against each other."""
        return sum(comparison.compared for comparison in self.comparisons)

    @property
    def counts(self) -> dict[str, Count]:
        """How many committed records of each kind there are, and how many of them were reproduced."""
        by_kind: dict[str, list[bool]] = {}
        for comparison in self.comparisons:
            if comparison.state != "new":
                by_kind.setdefault(comparison.kind, []).append(comparison.state == "reproduced")
        return {kind: Count(reproduced=sum(ok), compared=len(ok)) for kind, ok in by_kind.items()}


def write_verification(
    project: Project, run: str, verdicts: list[Verdict], environment: Mapping[str, str]
) -> bool:
    """Write what `verdicts` say about `run`; entries of other analyses stay while their ledgers do.

    Returns:
        Whether the file changed.
    """
    today = date.today().isoformat()
    try:
        before = read_verification(project, run)
    except LedgerDamaged:
        before = None
    entries = _still_true(project, run, before) if before else {}
    entries |= {
        verdict.analysis: _entry(verdict, today, environment) for verdict in verdicts if verdict.sha256
    }
    content = Verification(
        date=today,
        environment=dict(environment),
        ledgers={name: entry.ledger for name, entry in entries.items() if entry.reproduced},
        analyses=entries,
    )
    return write_atomically(verification_file(project, run), content.text)


def check_verification(project: Project, run: str, today: date) -> tuple[str, list[str]] | None:
    """What `verification.json` of a run says, in words, and what can't be so; None if there is none."""
    try:
        content = read_verification(project, run)
    except LedgerDamaged:
        return "", ["is not a verification that was written here"]
    if content is None:
        return None
    dates = {"it": content.date} | {name: rerun.date for name, rerun in content.analyses.items()}
    problems = [
        f"{name} is dated {day}, in the future" for name, day in dates.items() if day > today.isoformat()
    ]
    good = {name: rerun.ledger for name, rerun in content.analyses.items() if rerun.reproduced}
    for name in sorted(good):
        if content.analyses[name].differences or content.analyses[name].problems:
            problems.append(f"{name} is stated as reproduced, beside what differs")
    if content.ledgers is not None and content.ledgers.keys() != good.keys():
        problems.append("its list of ledgers is not that of what was reproduced")
    older = sorted(content.analyses.keys() - _still_true(project, run, content).keys())
    words = f"{len(good)} of {len(content.analyses)} reproduced by its authors' word"
    return words + (f"; of other results than those here: {', '.join(older)}" if older else ""), problems


def _still_true(project: Project, run: str, content: Verification) -> dict[str, Rerun]:
    """The entries whose ledgers and inputs have not changed since."""
    kept = {}
    for name, entry in content.analyses.items():
        with suppress(FileNotFoundError, LedgerDamaged):
            if entry.is_of(committed_ledger(project, run, name)):
                kept[name] = entry
    return kept


def _entry(verdict: Verdict, today: str, environment: Mapping[str, str]) -> Rerun:
    return Rerun(
        date=today,
        ledger=verdict.sha256,
        inputs=verdict.inputs_sha256,
        reproduced=verdict.reproduced,
        records=verdict.counts,
        values=verdict.values,
        environment=dict(environment),
        environment_differs=dict(verdict.environment or {}),
        inputs_changed=verdict.inputs,
        problems=verdict.problems,
        differences=tuple(map(_difference, verdict.failures)),
    )


def _difference(comparison: Comparison) -> Difference:
    drifts = tuple(
        ValueDrift(
            place=drift.place,
            committed=drift.old,
            rerun=drift.new,
            by=drift.by,
            tolerance=str(drift.tolerance),
        )
        for drift in comparison.drifts[:_MOST]
    )
    return Difference(
        key=comparison.key, state=comparison.state, values=len(comparison.drifts), drifts=drifts
    )

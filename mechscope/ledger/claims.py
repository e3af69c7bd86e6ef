"""`analyses/claims.lock`: when each claim's criterion was fixed, and what was known by then.

An append-only file, a JSON object a line. A criterion gets an entry when a script that contains it is about
to be run for the first time, and again whenever it changed. An entry names the runs that had results of
that analysis by then, on disk or in a commit: for those the claim is *exploratory*, because whoever wrote the
criterion could have seen them. Results that are the same in all runs could be seen for each of them. Entries
of an analysis that is gone stay: it may be on another branch, and one that comes back with other criteria is
no new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from mechscope.errors import LedgerDamaged
from mechscope.files import read_text, write_atomically
from mechscope.ledger.history import results_ever
from mechscope.ledger.store import nodes_with_results
from mechscope.project import SHARED, Project


@dataclass(frozen=True)
class ClaimText:
    """A claim as it stands in a script, before anything was run."""

    name: str
    criterion: str
    sentence: str
    line: int


class ClaimEntry(BaseModel):
    """One line of the lock. `sentence` is as it was then; only another criterion makes a new entry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    analysis: str
    claim: str
    criterion: str
    sentence: str
    results_existed: tuple[str, ...]

    def saw(self, run: str) -> bool:
        """Whether results of `run` were there when it was written: its own, or those of all runs.

        Those of all runs could be seen in any run: they may have been kept under its name then.
        """
        return (
            bool(self.results_existed)
            if run == SHARED
            else not {run, SHARED}.isdisjoint(self.results_existed)
        )


def lines_of_lock(text: str) -> list[str]:
    """The lines of a lock; a sentence may hold characters that Python would also end a line at."""
    return text.removesuffix("\n").split("\n") if text else []


def read_claims(project: Project) -> list[ClaimEntry]:
    """All entries, oldest first.

    Raises:
        LedgerDamaged: A line is not an entry.
    """
    path = project.claims_lock
    if not path.is_file():
        return []
    entries = []
    for number, line in enumerate(lines_of_lock(read_text(path, project.relative(path))), start=1):
        try:
            entries.append(ClaimEntry.model_validate_json(line))
        except ValidationError as error:
            raise LedgerDamaged(
                f"{project.relative(path)}:{number} is not an entry of the lock: {error.errors()[0]['msg']}.",
                hint=f"the file is only ever appended to; restore it:  git checkout {project.relative(path)}",
            ) from error
    return entries


def register(project: Project, claims: Iterable[tuple[str, ClaimText]]) -> list[ClaimEntry]:
    """Append an entry for each (analysis, claim) whose criterion is new or changed; returns those entries.

    Raises:
        LedgerDamaged: The lock can't be read.
    """
    new = unregistered(project, claims)
    if new:
        path = project.claims_lock
        before = lines_of_lock(path.read_text(encoding="utf-8")) if path.is_file() else []
        added = [
            json.dumps(entry.model_dump(mode="json"), ensure_ascii=False, sort_keys=True) for entry in new
        ]
        write_atomically(path, "\n".join([*before, *added]) + "\n")
    return new


def unregistered(project: Project, claims: Iterable[tuple[str, ClaimText]]) -> list[ClaimEntry]:
    """The entries that the lock lacks, for each (analysis, claim) whose criterion is new or changed.

    Raises:
        LedgerDamaged: The lock can't be read.
    """
    latest = {(entry.analysis, entry.claim): entry.criterion for entry in read_claims(project)}
    new = [
        (analysis, claim)
        for analysis, claim in claims
        if latest.get((analysis, claim.name)) != claim.criterion
    ]
    ever = results_ever(project) if new else set()
    return [
        ClaimEntry(
            analysis=analysis,
            claim=claim.name,
            criterion=claim.criterion,
            sentence=claim.sentence,
            results_existed=_runs_with_results(project, analysis, ever),
        )
        for analysis, claim in new
    ]


def is_exploratory(
    project: Project,
    run: str,
    analysis: str,
    claim: str,
    criterion: str,
    entries: list[ClaimEntry] | None = None,
) -> bool:
    """Whether results of `run` were there when this criterion was written or last changed.

    A criterion without an entry was never registered before a run: it is exploratory too.

    Args:
        entries: What `read_claims` gave, for a caller that asks about many claims.
    """
    entry = latest_entry(read_claims(project) if entries is None else entries, analysis, claim)
    return entry is None or entry.criterion != criterion or entry.saw(run)


def latest_entry(entries: list[ClaimEntry], analysis: str, claim: str) -> ClaimEntry | None:
    """The entry that counts for a claim: its last one; None if it has none."""
    same = (entry for entry in reversed(entries) if (entry.analysis, entry.claim) == (analysis, claim))
    return next(same, None)


def _runs_with_results(project: Project, analysis: str, ever: set[tuple[str, str]]) -> tuple[str, ...]:
    """The runs that have results of an analysis on disk, and those that had some in a commit before."""
    return tuple(sorted({run for run, name in {*nodes_with_results(project), *ever} if name == analysis}))

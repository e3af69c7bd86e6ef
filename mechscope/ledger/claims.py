"""`analyses/claims.lock`: when each claim's criterion was fixed, and what was known by then.

An append-only file, a JSON object a line. A criterion gets an entry when a script that contains it is about
to be run for the first time, and again whenever it changed. An entry names the runs that had results of
that analysis by then, on disk or in a commit: for those the claim is *exploratory*, because whoever wrote the
criterion could have seen them. Results that are the same in all runs could be seen for each of them. Entries
of an analysis that is gone stay: it may be on another branch, and one that comes back with other criteria is
no new one.

An analysis that was renamed or split declares `moved_from: <old name>` in its script's header. A claim that
the old analysis had under the same name and by the same criterion keeps its standing: its first entry repeats
which results existed, and says where it was moved from. Any other claim of the new analysis is new, and
results of the old one existed before it. So they did where nothing is declared and a claim is like one of an
analysis that is gone (by its name, its criterion or its sentence), or is one that left a script which stays
(by its sentence, or by name and criterion).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from mechscope.errors import LedgerDamaged, UnknownName
from mechscope.files import read_text, write_atomically
from mechscope.ledger.history import Node, results_ever
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
    moved_from: str = ""
    """The analysis whose claim it was, by this criterion; empty where it was written for this one."""

    def is_like(self, claim: ClaimEntry | ClaimText) -> bool:
        """Whether a claim of another analysis may be this one under another name."""
        name = claim.name if isinstance(claim, ClaimText) else claim.claim
        return (
            self.claim == name or self.criterion == claim.criterion or self.sentence == claim.sentence != ""
        )

    def is_same(self, claim: ClaimEntry | ClaimText) -> bool:
        """Whether a claim of another analysis is this one: by its sentence, or by its name and criterion."""
        name = claim.name if isinstance(claim, ClaimText) else claim.claim
        named = (self.claim, self.criterion) == (name, claim.criterion)
        return named or self.sentence == claim.sentence != ""

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


def register(
    project: Project,
    claims: Iterable[tuple[str, ClaimText]],
    moves: Mapping[str, str] | None = None,
    scripts: Mapping[str, Collection[str]] | None = None,
) -> list[ClaimEntry]:
    """Append an entry for each (analysis, claim) whose criterion is new or changed; returns those entries.

    Args:
        moves: The old name of each analysis that declares one.
        scripts: The names of the claims that each script has now. One that left its script may be another's
            new one.

    Raises:
        LedgerDamaged: The lock can't be read.
        UnknownName: The lock has entries, and nothing is known of an analysis that another says it was moved
            from.
    """
    new = unregistered(project, claims, moves, scripts)
    if new:
        path = project.claims_lock
        before = lines_of_lock(path.read_text(encoding="utf-8")) if path.is_file() else []
        added = [
            json.dumps(
                entry.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False, sort_keys=True
            )
            for entry in new
        ]
        write_atomically(path, "\n".join([*before, *added]) + "\n")
    return new


def unregistered(
    project: Project,
    claims: Iterable[tuple[str, ClaimText]],
    moves: Mapping[str, str] | None = None,
    scripts: Mapping[str, Collection[str]] | None = None,
) -> list[ClaimEntry]:
    """The entries that the lock lacks, for each (analysis, claim) whose criterion is new or changed.

    Args, raises: As `register`.
    """
    entries = read_claims(project)
    latest = {(entry.analysis, entry.claim): entry.criterion for entry in entries}
    new = [
        (analysis, claim)
        for analysis, claim in claims
        if latest.get((analysis, claim.name)) != claim.criterion
    ]
    nodes = {*nodes_with_results(project), *results_ever(project)} if new else set()
    moves = moves or {}
    known = {entry.analysis for entry in entries} | {name for _, name in nodes}
    for analysis in dict.fromkeys(analysis for analysis, _ in new):
        # Without any entry (scripts that were copied without their lock) nothing can be carried over.
        if entries and analysis in moves and moves[analysis] not in known - {analysis}:
            where = f"{project.relative(project.analyses / analysis)}.py: moved_from"
            raise UnknownName("earlier analysis", moves[analysis], known - {analysis}, where=where)
    gone = [e for e in entries if not (project.analyses / f"{e.analysis}.py").is_file()]
    left = [e for e in entries if scripts and e.claim not in scripts.get(e.analysis, [e.claim])]
    return [
        _new_entry(
            entries,
            {e.analysis for e in gone if e.is_like(claim)} | {e.analysis for e in left if e.is_same(claim)},
            nodes,
            analysis,
            claim,
            moves,
        )
        for analysis, claim in new
    ]


def _new_entry(
    entries: Sequence[ClaimEntry],
    alike: set[str],
    nodes: set[Node],
    analysis: str,
    claim: ClaimText,
    moves: Mapping[str, str],
) -> ClaimEntry:
    old = latest_entry(entries, moves.get(analysis, ""), claim.name)
    is_first = latest_entry(entries, analysis, claim.name) is None
    moved = old if old is not None and is_first and old.criterion == claim.criterion else None
    names = {analysis}
    if moved is None:
        names = earlier_names(analysis, entries, moves) | alike
    existed = {run for run, name in nodes if name in names}
    return ClaimEntry(
        analysis=analysis,
        claim=claim.name,
        criterion=claim.criterion,
        sentence=claim.sentence,
        results_existed=tuple(sorted(existed.union(moved.results_existed if moved else ()))),
        moved_from=moved.analysis if moved else "",
    )


def earlier_names(
    analysis: str, entries: Sequence[ClaimEntry], moves: Mapping[str, str] | None = None
) -> set[str]:
    """An analysis and all that it was moved from, directly or not, as the lock or a header (`moves`) says."""
    names: set[str] = set()
    waiting = {analysis}
    while waiting:
        name = waiting.pop()
        names.add(name)
        origins = {entry.moved_from for entry in entries if entry.analysis == name}
        waiting |= {*origins, (moves or {}).get(name, "")} - {""} - names
    return names


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


def latest_entry(entries: Sequence[ClaimEntry], analysis: str, claim: str) -> ClaimEntry | None:
    """The entry that counts for a claim: its last one; None if it has none."""
    same = (entry for entry in reversed(entries) if (entry.analysis, entry.claim) == (analysis, claim))
    return next(same, None)

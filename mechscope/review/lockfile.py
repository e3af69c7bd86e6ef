"""Whether `analyses/claims.lock` can be believed: whole, and by what git remembers only ever appended to.

"Written before there were results" rests on this file alone, and anybody can edit it. What cannot be edited
unseen is the history that it was committed with: an entry that was taken out or rewritten still stands
there, and so do the results that lay in the project before the commit that added an entry.

Two things stay out of reach: a history that was rewritten as a whole, and results that were seen but never
committed before the entry was.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from mechscope.errors import LedgerDamaged
from mechscope.files import lines_of, read_text
from mechscope.ledger.claims import ClaimEntry, latest_entry, read_claims
from mechscope.ledger.store import LEDGER_NAME, load_ledger
from mechscope.project import Project
from mechscope.publish.findings import runs_with_results


@dataclass(frozen=True)
class LockCheck:
    """What was found out about the lock.

    Attributes:
        looked_at: What was looked at, in words.
        problems: What speaks against it, a phrase each.
    """

    looked_at: str
    problems: tuple[str, ...]


def check_lock(project: Project, runs: Sequence[str], analyses: Sequence[str]) -> LockCheck:
    """Hold the lock against the claims of some ledgers and against its own history."""
    try:
        entries = read_claims(project)
    except LedgerDamaged as error:
        return LockCheck("", (error.message,))
    history = _history(project)
    about = "no history of git to hold it against"
    if history is not None:
        shallow = (_git(project, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
        about = f"held against {'the part of its history that is here' if shallow else 'its history'}"
    problems = [
        *_unregistered(project, entries, runs, analyses),
        *_rewritten(project, entries, history or []),
    ]
    return LockCheck(
        f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {about}",
        tuple(dict.fromkeys(problems)),
    )


def _unregistered(
    project: Project, entries: list[ClaimEntry], runs: Sequence[str], analyses: Sequence[str]
) -> Iterator[str]:
    """Claims of ledgers that the lock doesn't have, or has by another criterion."""
    for run in runs:
        for analysis in analyses:
            try:
                claims = load_ledger(project.found(run, analysis)).findings.claims
            except (FileNotFoundError, LedgerDamaged):
                continue  # said elsewhere
            for name, claim in sorted(claims.items()):
                entry = latest_entry(entries, analysis, name)
                if entry is None:
                    yield f"{analysis}.{name} has no entry: nothing says when its criterion was written"
                elif entry.criterion != claim.criterion:
                    yield f"{run}:{analysis}.{name} was judged by another criterion than its last entry has"


@dataclass(frozen=True)
class _Added:
    """An entry as a line, and the commit that added it first: its short name and the results before it."""

    line: str
    commit: str
    before: frozenset[tuple[str, str]]


def _rewritten(project: Project, entries: list[ClaimEntry], history: list[_Added]) -> Iterator[str]:
    """Entries that history has and the file lost, and entries that deny results that were there by then."""
    now = set(lines_of(read_text(project.claims_lock))) if entries else set()
    runs = set(runs_with_results(project))  # a run that is gone since is nobody's outcome
    for added in history:
        try:
            entry = ClaimEntry.model_validate_json(added.line)
        except ValidationError:
            continue  # of another version, or mended since
        key = f"{entry.analysis}.{entry.claim}"
        if added.line not in now:
            yield f"{key}: the entry that {added.commit} added was taken out or rewritten"
            continue
        seen = {run for run, analysis in added.before if analysis == entry.analysis} & runs
        if denied := sorted(seen - set(entry.results_existed)):
            yield (
                f"{key}: its entry knows of no results of {' and '.join(denied)}, "
                f"which were there before {added.commit} added it"
            )


def _history(project: Project) -> list[_Added] | None:
    """Every line that the lock ever had, oldest first, what is not yet committed last; None without git."""
    path = project.shown(project.claims_lock)
    logged = _git(
        project,
        "log",
        "-m",
        "-p",
        "--reverse",
        "--topo-order",
        "--unified=0",
        "--format=commit %H %P",
        "--",
        path,
    )
    if logged is None:
        return None
    first: dict[str, tuple[str, ...]] = {}
    commits: tuple[str, ...] = ()
    for line in lines_of(logged):
        if line.startswith("commit "):
            commits = tuple(line.split()[1:])
        elif line.startswith("+{"):
            first.setdefault(line[1:], commits)
    if project.claims_lock.is_file():
        for line in lines_of(read_text(project.claims_lock)):
            first.setdefault(line, ("", "HEAD"))
    results = {parent: _results_in(project, parent) for _, *parents in first.values() for parent in parents}
    return [
        _Added(line, commit[:7] or "this working copy", frozenset().union(*(results[one] for one in parents)))
        for line, (commit, *parents) in first.items()
    ]


def _results_in(project: Project, commit: str) -> frozenset[tuple[str, str]]:
    """(run, analysis) of each ledger that a commit holds."""
    folder = project.shown(project.results)
    names = (_git(project, "ls-tree", "-r", "--name-only", commit, "--", folder) or "").split("\n")
    parts = [name.removeprefix(f"{folder}/").split("/") for name in names]
    return frozenset((part[0], part[1]) for part in parts if len(part) == 3 and part[2] == LEDGER_NAME)


def _git(project: Project, *arguments: str) -> str | None:
    """What git prints at the project's root; None where there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            cwd=project.root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None

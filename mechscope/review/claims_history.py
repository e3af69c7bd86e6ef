"""Whether `analyses/claims.lock` can be believed: whole, and by what git remembers only ever appended to.

Only this file says that a claim was "written before there were results", and anybody can edit it. But nobody
can edit unseen the history that it was committed with: an entry that was removed, rewritten or moved is still
there as it was, and so is every result that any commit before the entry ever held, removed since or not.

Two things stay out of reach: a history that was rewritten as a whole, and results that were seen but never
committed before the entry was.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import ValidationError

from mechscope.errors import LedgerDamaged
from mechscope.ledger.claims import ClaimEntry, earlier_names, latest_entry, lines_of_lock, read_claims
from mechscope.ledger.history import Node, changes, contents, git_prints, node_of
from mechscope.ledger.store import load_ledger
from mechscope.pipeline.shelf import runs_with_results
from mechscope.project import SHARED, Project


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
        shallow = (git_prints(project, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
        about = f"held against {'the part of its history that is here' if shallow else 'its history'}"
    problems = [
        *_unregistered(project, entries, runs, analyses),
        *(_against(history, entries) if history else ()),
    ]
    return LockCheck(
        f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}, {about}",
        tuple(dict.fromkeys(problems)),
    )


def _unregistered(
    project: Project, entries: list[ClaimEntry], runs: Sequence[str], analyses: Sequence[str]
) -> Iterator[str]:
    """Claims of ledgers that the lock doesn't have, or has by another criterion."""
    for run in (*runs, SHARED):
        for analysis in analyses:
            try:
                claims = load_ledger(project.results_dir(run, analysis)).findings.claims
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
    """An entry as a line, and the commit that added it first ("" for none yet)."""

    line: str
    commit: str

    @property
    def where(self) -> str:
        return self.commit[:7] or "this working copy"


@dataclass(frozen=True)
class _History:
    """What git remembers of the lock and of results.

    Attributes:
        versions: The lines of the lock after each commit that changed it, parents first, the present last.
        before: The ledgers that any ancestor of a commit ever held, by commit; of all commits under "".
        ledgers: The last object of each ledger that there ever was.
    """

    project: Project
    versions: Sequence[tuple[str, list[str]]]
    before: Mapping[str, frozenset[Node]]
    ledgers: Mapping[Node, str]
    runs: frozenset[str] = field(default_factory=frozenset)

    @property
    def added(self) -> list[_Added]:
        """Every line that the lock ever had, as often as it stood there at a time, oldest first."""
        first: dict[tuple[str, int], str] = {}
        for commit, lines in self.versions:
            counted: Counter[str] = Counter()
            for line in lines:
                counted[line] += 1
                first.setdefault((line, counted[line]), commit)
        return [_Added(line, commit) for (line, _), commit in first.items()]

    def seen(self, commit: str, analyses: set[str]) -> dict[str, str]:
        """The present runs that had results of `analyses` before a commit, each with its old name."""
        runs: dict[str, str] = {}
        for run, analysis in sorted(self.before.get(commit, ())):
            if analysis in analyses:
                runs.setdefault(self._present_names.get((run, analysis), run), run)
        return {now: then for now, then in runs.items() if now in self.runs}

    @functools.cached_property
    def _present_names(self) -> dict[Node, str]:
        """Runs that are gone and have another name now: one with the same parameters."""
        gone = {node: blob for node, blob in self.ledgers.items() if node[0] not in self.runs}
        texts = contents(self.project, list(gone.values()))
        names = {}
        for (run, analysis), blob in gone.items():
            with suppress(ValueError, KeyError, TypeError):
                parameters = json.loads(texts[blob])["inputs"]["parameters"]
                for present in sorted(self.runs):
                    with suppress(FileNotFoundError, LedgerDamaged):
                        if (
                            load_ledger(self.project.results_dir(present, analysis)).inputs.parameters
                            == parameters
                        ):
                            names[run, analysis] = present
        return names

    def names(self, entry: ClaimEntry, entries: Sequence[ClaimEntry], commit: str) -> set[str]:
        """The analysis of an entry, and those that were this one under another name, or made its claim.

        They are if the lock says so, if they are gone and git knows their script as renamed to this one's, or
        if they made a claim like this one and are gone, or made this very claim and no longer did so in
        `commit`, which added the entry. Those that a claim was moved from don't count for it: their results
        came after its criterion, if the entry that was moved is right.
        """
        origins = earlier_names(entry.analysis, entries)
        gone = {
            name
            for name in self._gone_analyses
            if self._renamed.get(name) == entry.analysis
            or any(known.analysis == name and known.is_like(entry) for known in entries)
        }
        gone |= {
            known.analysis
            for known in entries
            if known.analysis != entry.analysis
            and known.is_same(entry)
            and not self._still_made(known, commit)
        }
        return {entry.analysis} | (gone - origins if entry.moved_from else gone | origins)

    @functools.cached_property
    def _gone_analyses(self) -> set[str]:
        folder = self.project.analyses
        return {name for _, name in self.before.get("", ()) if not (folder / f"{name}.py").is_file()}

    def _still_made(self, claim: ClaimEntry, commit: str) -> bool:
        """Whether the script that a claim was written for had it still when a commit was made."""
        path = self.project.analyses / f"{claim.analysis}.py"
        if commit:
            source = git_prints(self.project, "show", f"{commit}:./{self.project.relative(path)}")
        else:
            source = path.read_text(encoding="utf-8") if path.is_file() else None
        return source is not None and re.search(rf"[\"']{claim.claim}[\"']", source) is not None

    @functools.cached_property
    def _renamed(self) -> dict[str, str]:
        """The present names of analyses whose scripts were renamed, by their earlier names."""
        if not self._gone_analyses:
            return {}
        folder = self.project.relative(self.project.analyses)
        logged = git_prints(
            self.project,
            *("log", "--full-history", "--topo-order", "--reverse", "-m", "-M", "--diff-filter=R"),
            *("--name-status", "--relative", "--format=", "--", folder),
        )
        names: dict[str, str] = {}
        for line in (logged or "").split("\n"):
            if line.startswith("R"):
                old, new = (
                    path.removeprefix(f"{folder}/").removesuffix(".py") for path in line.split("\t")[1:]
                )
                names = {name: new if now == old else now for name, now in names.items()} | {old: new}
        return names


def _against(history: _History, entries: list[ClaimEntry]) -> Iterator[str]:
    """Entries that history has and the file lost or moved, and those that deny results that were there."""
    lines = Counter(history.versions[-1][1])
    known = [entry for added in history.added if (entry := _entry(added.line)) is not None]
    counted: Counter[str] = Counter()
    earlier: list[ClaimEntry] = []
    for added in history.added:
        entry = _entry(added.line)
        if entry is None:
            continue  # of another version, or corrected since
        key = f"{entry.analysis}.{entry.claim}"
        counted[added.line] += 1
        if counted[added.line] > lines[added.line]:
            yield f"{key}: the entry that {added.where} added was taken out or rewritten"
            continue
        if entry.moved_from and (problem := _wrongly_moved(entry, earlier)):
            yield f"{key}: {problem}"
        earlier.append(entry)
        names = history.names(entry, known, added.commit)
        seen = history.seen(added.commit, names)
        if denied := sorted(run for run in seen if not entry.saw(run)):
            older = [f"{now} as {then}" if now != then else now for now, then in sorted(seen.items())]
            named = [name for name, now in zip(older, sorted(seen), strict=True) if now in denied]
            alike = [known for known in earlier if known.analysis != entry.analysis and known.is_like(entry)]
            like = next((f"{known.analysis}.{known.claim}" for known in alike if known.analysis in names), "")
            yield (
                f"{key}: its entry knows of no results of {' and '.join(named)}, "
                f"which were there before {added.where} added it"
                + (f"; it looks like {like}, which was taken out: declare moved_from" if like else "")
            )
    for commit, version in history.versions[:-1]:
        for claim in sorted({(entry.analysis, entry.claim) for entry in entries}):
            then, now = (_of_claim(listed, claim) for listed in (version, history.versions[-1][1]))
            rest = iter(now)
            if set(then) <= set(now) and not all(line in rest for line in then):
                yield f"{'.'.join(claim)}: its entries are in another order than in {commit[:7]}"


def _wrongly_moved(entry: ClaimEntry, earlier: list[ClaimEntry]) -> str:
    """Why an entry can't have been moved as it says, given those before it; empty if it can."""
    old = latest_entry(earlier, entry.moved_from, entry.claim)
    source = f"{entry.moved_from}.{entry.claim}"
    if old is None:
        return f"it says that it was moved from {source}, which had no entry by then"
    if old.criterion != entry.criterion:
        return f"it says that it was moved from {source}, which had another criterion"
    if missing := sorted({*old.results_existed} - {*entry.results_existed}):
        return f"it was moved from {source}, whose entry knows of results of {' and '.join(missing)}"
    return ""


def _of_claim(lines: Sequence[str], key: tuple[str, str]) -> list[str]:
    return [
        line for line in lines if (entry := _entry(line)) is not None and (entry.analysis, entry.claim) == key
    ]


@functools.lru_cache(maxsize=4096)
def _entry(line: str) -> ClaimEntry | None:
    try:
        return ClaimEntry.model_validate_json(line)
    except ValidationError:
        return None


def _history(project: Project) -> _History | None:
    """None without git, or without a commit."""
    path = project.relative(project.claims_lock)
    listed = git_prints(project, "rev-list", "--topo-order", "--reverse", "--parents", "HEAD")
    known = changes(project, project.relative(project.results), path)
    if listed is None or known is None:
        return None
    ledgers: dict[Node, str] = {}
    held: dict[str, set[Node]] = {}
    locks: dict[str, str] = {}
    for change in known:
        node = node_of(project, change.path)
        if node is not None and change.blob:
            ledgers[node] = change.blob
            held.setdefault(change.commit, set()).add(node)
        elif change.path == path:
            locks[change.commit] = change.blob
    before: dict[str, frozenset[Node]] = {}
    upto: dict[str, frozenset[Node]] = {}
    for line in listed.split("\n")[:-1]:
        commit, *parents = line.split(" ")
        before[commit] = _union(upto.get(parent, frozenset()) for parent in parents)
        upto[commit] = _union((before[commit], frozenset(held.get(commit, ()))))
    before[""] = _union(upto.values())
    texts = contents(project, [blob for blob in locks.values() if blob])
    versions = [(commit, lines_of_lock(texts.get(blob, ""))) for commit, blob in locks.items()]
    now = project.claims_lock.read_text(encoding="utf-8") if project.claims_lock.is_file() else ""
    runs = frozenset({*runs_with_results(project), SHARED})
    return _History(project, [*versions, ("", lines_of_lock(now))], before, ledgers, runs)


def _union(sets: Iterable[frozenset[Node]]) -> frozenset[Node]:
    """The union, sharing a set that holds it already: most commits add nothing."""
    whole: frozenset[Node] = frozenset()
    for one in sets:
        whole = one if whole <= one else whole if one <= whole else whole | one
    return whole

"""`mechscope compare RUN_A RUN_B`: what two runs found, side by side.

Here no tolerance applies: two models may differ as they like, and it is for the reader to see by how much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mechscope.errors import InvalidRecord, UnknownName
from mechscope.files import stable_json
from mechscope.ledger.formatting import MISSING, format_value
from mechscope.ledger.schema import LedgerFile, Statistic
from mechscope.pipeline.shelf import KeyedRecord, Shelf, runs_with_results
from mechscope.project import SHARED, Project


@dataclass(frozen=True)
class ClaimPair:
    """A claim in two runs; None where it was not made.

    Attributes:
        exploratory: For each of them, whether its criterion was written after a look at results of that run.
    """

    key: str
    first: KeyedRecord | None
    second: KeyedRecord | None
    exploratory: tuple[bool, bool] = (False, False)

    @property
    def sentence(self) -> str:
        keyed = self.first or self.second
        return str(keyed.record.sentence) if keyed else ""

    @property
    def outcomes(self) -> tuple[str | None, str | None]:
        return _field(self.first, "outcome"), _field(self.second, "outcome")

    @property
    def flipped(self) -> bool:
        """Whether it has another outcome in the other run."""
        return None not in self.outcomes and self.outcomes[0] != self.outcomes[1]

    @property
    def same(self) -> bool:
        """Whether this is one result that both runs share."""
        return _is_shared(self.first, self.second)


@dataclass(frozen=True)
class StatisticPair:
    """A statistic in two runs; None where it was not recorded."""

    key: str
    first: KeyedRecord | None
    second: KeyedRecord | None

    @property
    def label(self) -> str:
        keyed = self.first or self.second
        return str(keyed.record.label) if keyed else ""

    @property
    def difference(self) -> float | int | None:
        """The other run's value less the first one's; None unless both are numbers."""
        before, after = _field(self.first, "value"), _field(self.second, "value")
        if isinstance(before, (int, float)) and isinstance(after, (int, float)):
            return after - before
        return None

    @property
    def difference_text(self) -> str:
        """The difference as the statistic is printed, with its sign."""
        record = self.first.record if self.first else None
        if self.difference is None or record is None:
            return "" if value_text(self.first) == value_text(self.second) else "differs"
        spec = record.format if record.format[:1] in "+-" else f"+{record.format}"
        try:
            text = format_value(self.difference, spec, record.unit)
        except InvalidRecord:
            text = format_value(self.difference, "+.4g", record.unit)
        return text if any(digit in text for digit in "123456789") else text.lstrip("+")

    @property
    def overlap(self) -> bool | None:
        """Whether the intervals overlap; None unless both have one of the same level."""
        before, after = _field(self.first, "ci"), _field(self.second, "ci")
        if not before or not after or _field(self.first, "level") != _field(self.second, "level"):
            return None
        return bool(before[0] <= after[1] and after[0] <= before[1])

    @property
    def same(self) -> bool:
        """Whether this is one result that both runs share."""
        return _is_shared(self.first, self.second)


@dataclass(frozen=True)
class Shared:
    """An analysis whose results two runs share: how many claims and statistics it has."""

    analysis: str
    ledger: LedgerFile
    claims: int
    statistics: int


@dataclass(frozen=True)
class RunComparison:
    """Two runs by name; claims that flipped come first, those that are one result last."""

    run_a: str
    run_b: str
    claims: tuple[ClaimPair, ...]
    statistics: tuple[StatisticPair, ...]
    absent: tuple[tuple[str, str, str], ...] = ()
    """What one run has and the other can't have, or has no results for: its key, that run, and why."""

    def why_absent(self, key: str, run: str) -> str:
        """Why a run does not have what the other has; empty where nothing says."""
        return next((why for of, in_run, why in self.absent if (of, in_run) == (key, run)), "")

    def difference_text(self, pair: StatisticPair) -> str:
        """The difference as the statistic is printed; empty where a run can't have it."""
        return "" if any(key == pair.key for key, _, _ in self.absent) else pair.difference_text

    @property
    def flipped(self) -> list[ClaimPair]:
        return [pair for pair in self.claims if pair.flipped]

    @property
    def judged(self) -> list[ClaimPair]:
        """The claims that each run judged for itself: all but those that are one result."""
        return [pair for pair in self.claims if not pair.same]

    @property
    def intervals(self) -> tuple[int, int]:
        """How many pairs of intervals lie apart, of how many; those that are one result don't count."""
        overlaps = [pair.overlap for pair in self.statistics if pair.overlap is not None and not pair.same]
        return overlaps.count(False), len(overlaps)

    @property
    def shared(self) -> list[Shared]:
        """The analyses with results that both runs have as one."""
        same = [pair.first for pair in self.claims if pair.same and pair.first]
        same += [pair.first for pair in self.statistics if pair.same and pair.first]
        ledgers = {keyed.analysis: keyed.ledger for keyed in same}
        return [
            Shared(
                name,
                ledger,
                sum(keyed.analysis == name and keyed.kind == "claims" for keyed in same),
                sum(keyed.analysis == name and keyed.kind == "statistics" for keyed in same),
            )
            for name, ledger in sorted(ledgers.items())
        ]


def compare_runs(project: Project, run_a: str, run_b: str, analyses: Sequence[str] = ()) -> RunComparison:
    """Everything that two runs found; of `analyses`, if any are named.

    Raises:
        UnknownName: A run has no results, or an analysis has none in either.
        LedgerDamaged: A ledger can't be trusted.
    """
    known = runs_with_results(project)
    for run in (run_a, run_b):
        if run not in known:
            raise UnknownName("run with results", run, known)
    shelf = Shelf(project, run_a)
    there = {*shelf.analyses(run_a), *shelf.analyses(run_b)}
    for name in analyses:
        if name not in there:
            raise UnknownName("analysis with results", name, there)
    claims = []
    for key, here, there_too in _pairs(shelf, "claims", run_a, run_b, analyses):
        first, second = (keyed is not None and shelf.exploratory(keyed) for keyed in (here, there_too))
        claims.append(ClaimPair(key, here, there_too, (first, second)))
    statistics = [StatisticPair(*pair) for pair in _pairs(shelf, "statistics", run_a, run_b, analyses)]
    return RunComparison(
        run_a,
        run_b,
        tuple(sorted(claims, key=lambda pair: (not pair.flipped, pair.same))),
        tuple(statistics),
        tuple(_absent(shelf, run_a, run_b, (*claims, *statistics))),
    )


def _absent(
    shelf: Shelf, run_a: str, run_b: str, pairs: Sequence[ClaimPair | StatisticPair]
) -> Iterator[tuple[str, str, str]]:
    for pair in pairs:
        for run, own, there in ((run_a, pair.first, pair.second), (run_b, pair.second, pair.first)):
            if own is None and there is not None and (why := shelf.absent(run, there.analysis, there.name)):
                yield pair.key, run, shelf.said(why)


def _pairs(
    shelf: Shelf, kind: str, run_a: str, run_b: str, analyses: Sequence[str]
) -> Iterator[tuple[str, KeyedRecord | None, KeyedRecord | None]]:
    sides = [{keyed.short_key: keyed for keyed in shelf.records(kind, run=run)} for run in (run_a, run_b)]
    for key in sorted({*sides[0], *sides[1]}):
        if not analyses or key.partition(".")[0] in analyses:
            yield key, sides[0].get(key), sides[1].get(key)


def outcome_text(pair: ClaimPair, side: int) -> str:
    """An outcome as a word; one that was judged after a look says so."""
    outcome = pair.outcomes[side]
    return MISSING if outcome is None else outcome + ", exploratory" * pair.exploratory[side]


def value_text(keyed: KeyedRecord | None) -> str:
    """A statistic as it is printed, with its interval."""
    if keyed is None:
        return MISSING
    record: Statistic = keyed.record
    return f"{record.text.value} {record.text.ci}".strip()


def overlap_text(pair: StatisticPair) -> str:
    """Whether intervals overlap, as a word; "same" where there is one result."""
    if pair.same:
        return "same"
    return {None: "", True: "overlap", False: "apart"}[pair.overlap]


def as_json(compared: RunComparison) -> str:
    """A comparison as stable JSON."""
    claims = [
        {
            "key": pair.key,
            "sentence": pair.sentence,
            "flipped": pair.flipped,
            "shared": pair.same,
            "absent": _why_absent(compared, pair.key),
            "outcomes": list(pair.outcomes),
            "exploratory": list(pair.exploratory),
            "evidence": [_field(pair.first, "evidence"), _field(pair.second, "evidence")],
        }
        for pair in compared.claims
    ]
    statistics = [
        {
            "key": pair.key,
            "label": pair.label,
            "values": [_field(pair.first, "value"), _field(pair.second, "value")],
            "intervals": [_field(pair.first, "ci"), _field(pair.second, "ci")],
            "p": [_field(pair.first, "p"), _field(pair.second, "p")],
            "difference": pair.difference,
            "intervals_overlap": pair.overlap,
            "absent": _why_absent(compared, pair.key),
            "shared": pair.same,
        }
        for pair in compared.statistics
    ]
    return stable_json({"runs": [compared.run_a, compared.run_b], "claims": claims, "statistics": statistics})


def _why_absent(compared: RunComparison, key: str) -> list[str | None]:
    return [compared.why_absent(key, run) or None for run in (compared.run_a, compared.run_b)]


def _is_shared(first: KeyedRecord | None, second: KeyedRecord | None) -> bool:
    return first is not None and second is not None and first.run == second.run == SHARED


def _field(keyed: KeyedRecord | None, name: str) -> Any:
    return None if keyed is None else getattr(keyed.record, name)

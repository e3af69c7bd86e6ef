"""Two sets of findings, record by record: what was reproduced, and what drifted by how much against what.

Each value is held against its own declared tolerance. One rule, written here, for what a record does not
declare itself: interval ends and p-values may differ by the default for measured numbers, and those that come
from resampling by `RESAMPLED`, because their draws compare numbers with float32 noise in them; labels,
captions, counts, the tolerances themselves and everything else that is not a measured number must be the same
to the letter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, assert_never

from mechscope.ledger.recording import EXACT, FLOAT32, RESAMPLED
from mechscope.ledger.schema import (
    KINDS,
    Absent,
    Claim,
    Figure,
    Findings,
    Passages,
    Record,
    Statistic,
    Table,
    Tolerance,
)
from mechscope.ledger.store import figure_files

State = Literal["reproduced", "drifted", "missing", "new", "flipped"]


@dataclass(frozen=True)
class Drift:
    """One value that is not what it was.

    Attributes:
        place: Which part of the record ("value", "p", "row topic=war, column T", "mark 3, field y").
        old: The committed value.
        new: The value of the rerun.
        tolerance: What it may differ by.
    """

    place: str
    old: Any
    new: Any
    tolerance: Tolerance

    @property
    def by(self) -> float | None:
        """The absolute difference of two numbers."""
        return abs(self.new - self.old) if _is_number(self.old) and _is_number(self.new) else None


@dataclass(frozen=True)
class Comparison:
    """How one record fared.

    Attributes:
        kind: "statistics", "figures" …
        state: reproduced; drifted (see `drifts`); missing from the rerun; new in it; a claim that flipped.
        compared: How many values were held against each other.
        drifts: Those that are out of tolerance.
    """

    analysis: str
    kind: str
    name: str
    state: State
    compared: int = 0
    drifts: tuple[Drift, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.analysis}.{self.name}"


@dataclass(frozen=True)
class _Value:
    place: str
    old: Any
    new: Any
    tolerance: Tolerance

    @property
    def same(self) -> bool:
        if _is_number(self.old) and _is_number(self.new):
            return self.tolerance.allows(float(self.old), float(self.new))
        return type(self.old) is type(self.new) and self.old == self.new


def compare_findings(
    analysis: str, old: Findings, new: Findings, old_folder: Path, new_folder: Path
) -> list[Comparison]:
    """Hold every record of `new` against the same record of `old`.

    Args:
        old_folder: Where the figures' specifications of `old` lie; `new_folder` likewise.
    """
    found = []
    for kind in KINDS:
        before, after = getattr(old, kind), getattr(new, kind)
        for name in sorted({*before, *after}):
            if name not in after:
                found.append(Comparison(analysis, kind, name, "missing"))
            elif name not in before:
                found.append(Comparison(analysis, kind, name, "new"))
            else:
                specs = (figure_files(old_folder, name)[0], figure_files(new_folder, name)[0])
                values = list(_values(before[name], after[name], specs))
                drifts = tuple(
                    Drift(value.place, value.old, value.new, value.tolerance)
                    for value in values
                    if not value.same
                )
                found.append(Comparison(analysis, kind, name, _state(drifts), len(values), drifts))
    return found


def _state(drifts: Sequence[Drift]) -> State:
    if any(drift.place == "outcome" for drift in drifts):
        return "flipped"
    return "drifted" if drifts else "reproduced"


def _values(old: Record, new: Any, specs: tuple[Path, Path]) -> Iterator[_Value]:
    match old:
        case Statistic():
            yield from _statistic(old, new)
        case Table():
            yield from _table(old, new)
        case Figure():
            yield from _figure(old, new, specs)
        case Passages():
            yield from _passages(old, new)
        case Claim():
            yield from _exact(old, new, ("outcome", "sentence", "criterion", "exploratory", "cell"))
        case Absent():
            yield from _exact(old, new, ("because", "cell"))
        case _:
            assert_never(old)


def _exact(old: Any, new: Any, fields: Sequence[str]) -> Iterator[_Value]:
    for field in fields:
        yield _Value(field, getattr(old, field), getattr(new, field), EXACT)


def _statistic(old: Statistic, new: Statistic) -> Iterator[_Value]:
    yield _Value("value", old.value, new.value, old.tolerance)
    measured = _wider(old.tolerance, FLOAT32 if old.resamples is None else RESAMPLED)
    for end, place in enumerate(("interval's lower end", "interval's upper end")):
        ends = [record.ci[end] if record.ci else None for record in (old, new)]
        if ends != [None, None]:
            yield _Value(place, ends[0], ends[1], measured)
    if old.p is not None or new.p is not None:
        yield _Value("p", old.p, new.p, measured)
    yield from _exact(
        old, new, ("label", "because", "level", "n", "test", "resamples", "unit", "format", "cell")
    )
    yield _Value("tolerance", str(old.tolerance), str(new.tolerance), EXACT)


def _wider(first: Tolerance, second: Tolerance) -> Tolerance:
    reasons = [tolerance.because for tolerance in (first, second) if tolerance.because]
    because = "; ".join(dict.fromkeys(reasons))
    return Tolerance(rtol=max(first.rtol, second.rtol), atol=max(first.atol, second.atol), because=because)


def _table(old: Table, new: Table) -> Iterator[_Value]:
    yield from _exact(old, new, ("caption", "key", "cell"))
    after_by_name = {column.name: column for column in new.columns}
    yield _Value("columns", [column.name for column in old.columns], list(after_by_name), EXACT)
    for column in old.columns:
        if column.name in after_by_name:
            for field in ("label", "kind", "format", "tolerance"):
                ways = [str(getattr(one, field)) for one in (column, after_by_name[column.name])]
                yield _Value(f"{field} of column {column.name}", ways[0], ways[1], EXACT)
    yield _Value("number of rows", len(old.rows), len(new.rows), EXACT)
    yield _Value("number of rows shown", len(old.text), len(new.text), EXACT)
    if old.key != new.key:
        return
    before, after = _by_key(old), _by_key(new)
    for row in [*before, *(row for row in after if row not in before)]:
        shown = ", ".join(f"{column}={cell}" for column, cell in zip(old.key, row, strict=True))
        if row not in before or row not in after:
            there = ["there" if row in table else "missing" for table in (before, after)]
            yield _Value(f"row {shown}", there[0], there[1], EXACT)
            continue
        for column in old.columns:
            if column.name in after_by_name and column.name not in old.key:
                place = f"row {shown}, column {column.name}"
                cells = [table[row].get(column.name) for table in (before, after)]
                yield _Value(place, cells[0], cells[1], column.tolerance)


def _by_key(table: Table) -> dict[tuple[Any, ...], dict[str, Any]]:
    names = [column.name for column in table.columns]
    # Not strict: a table that was edited by hand is compared too.
    rows = [dict(zip(names, row, strict=False)) for row in table.rows]
    return {tuple(row.get(column) for column in table.key): row for row in rows}


def _passages(old: Passages, new: Passages) -> Iterator[_Value]:
    yield from _exact(old, new, ("caption", "cell"))
    yield _Value("tolerance", str(old.tolerance), str(new.tolerance), EXACT)
    yield _Value("largest value", old.largest, new.largest, old.tolerance)
    yield _Value("number of texts", len(old.passages), len(new.passages), EXACT)
    for number, (before, after) in enumerate(zip(old.passages, new.passages, strict=False), start=1):
        yield _Value(f"text {number}", before.title, after.title, EXACT)
        yield _Value(f"tokens of text {number}", list(before.tokens), list(after.tokens), EXACT)
        yield _Value(f"number of values of text {number}", len(before.values), len(after.values), EXACT)
        for at, (one, other) in enumerate(zip(before.values, after.values, strict=False), start=1):
            yield _Value(f"text {number}, token {at}", one, other, old.tolerance)


def _figure(old: Figure, new: Figure, specs: tuple[Path, Path]) -> Iterator[_Value]:
    yield from _exact(old, new, ("caption", "alt", "cell"))
    allowed = [{column: str(one) for column, one in figure.tolerance.items()} for figure in (old, new)]
    yield _Value("tolerance", allowed[0], allowed[1], EXACT)
    before, after = (_specification(path) for path in specs)
    if before is None or after is None:
        states = ["cannot be read" if spec is None else "there" for spec in (before, after)]
        yield _Value("specification", states[0], states[1], EXACT)
    else:
        yield from _walk(_with_plain_names(before), _with_plain_names(after), "", "*", old.tolerance)


def _specification(path: Path) -> Any:
    """A chart's specification; None when it is missing or was damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _with_plain_names(spec: Any) -> Any:
    """Datasets numbered in the order of their use.

    Altair names each by a hash of its content, which noise in its last digit changes.
    """
    names: dict[str, str] = {}

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            used = value.get("data")
            if isinstance(used, dict) and isinstance(used.get("name"), str):
                names.setdefault(used["name"], f"data {len(names) + 1}")
        for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(item)

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {names.get(key, key): renamed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [renamed(item) for item in value]
        return names.get(value, value) if isinstance(value, str) else value

    collect(spec)
    return renamed(spec)


def _walk(old: Any, new: Any, place: str, field: str, tolerance: Mapping[str, Tolerance]) -> Iterator[_Value]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            within = f"{place}, {key}" if place else key
            if key in old and key in new:
                yield from _walk(old[key], new[key], within, key, tolerance)
            else:
                there = ["there" if key in spec else "missing" for spec in (old, new)]
                yield _Value(within, there[0], there[1], EXACT)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield _Value(f"number of {place}", len(old), len(new), EXACT)
            return
        for number, (one, other) in enumerate(zip(old, new, strict=True), start=1):
            yield from _walk(one, other, f"{place} {number}", field, tolerance)
    else:
        allowed = tolerance.get(field, tolerance.get("*", EXACT)) if _is_number(old) else EXACT
        yield _Value(place, old, new, allowed)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

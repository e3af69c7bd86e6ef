"""A pandas frame as the columns of a table: named by texts, with cells that a ledger can hold."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mechscope.characters import visible
from mechscope.errors import InvalidRecord, UnknownName
from mechscope.ledger.schema import Cell
from mechscope.ledger.values import cell

if TYPE_CHECKING:
    import pandas as pd

_Given = TypeVar("_Given")


@dataclass(frozen=True)
class FrameColumn:
    """A column of a frame.

    Attributes:
        label: What pandas calls it: a text, a number, a date, several of them …
        name: The same as a text, which no other column has.
        heading: What is above it.
        kind: "int", "float", "str" or "bool".
        cells: Its cells, missing ones None.
    """

    label: Hashable
    name: str
    heading: str
    kind: str
    cells: list[Cell]


def read_frame(frame: Any, key: Any, table: str) -> tuple[list[FrameColumn], tuple[str, ...]]:
    """The columns of a frame, and the names of those that are its key.

    The index is read where the key asks for it, by its name, or as "index" (pandas' word) where it has none.

    Args:
        frame: A frame, or a series with an index.
        key: Label or name of a column or a level of the index, or several.
        table: The table's name, for messages.

    Raises:
        InvalidRecord: No frame; columns of the same name or of none; a cell that a ledger can't hold.
        UnknownName: A key that is no column.
    """
    import pandas as pd

    where = f"table '{table}'"
    if isinstance(frame, pd.Series):
        frame = frame.to_frame("value" if frame.name is None else frame.name)
    if not isinstance(frame, pd.DataFrame):
        raise InvalidRecord(
            f"{where} is a {type(frame).__name__}, not a pandas frame.", hint="pandas.DataFrame(…) makes one"
        )
    with_index = _with_index(frame, where)
    labels = [*frame.columns, *with_index.columns]
    key = key.tolist() if hasattr(key, "tolist") else key
    several = not isinstance(key, (str, bytes)) and isinstance(key, Sequence) and key not in labels
    keys = tuple(key) if several else (key,)
    if not keys:
        raise InvalidRecord(f"{where} has no key.", hint="name the columns that tell rows apart")
    if not all(_is_among(each, frame) for each in keys):
        default = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
        if all(_is_among(each, with_index) for each in keys):
            frame = with_index
        elif not default:
            frame = with_index  # to be listed among the names that there are
    names = _names(frame, where)
    by_label = dict(zip(frame.columns, names, strict=True))
    for each in keys:
        if each not in by_label and each not in names:
            raise UnknownName("column", str(each), names, where=where)
    columns = [
        _column(label, name, _heading(label, frame.columns), frame.iloc[:, at], f"{where}, column '{name}'")
        for at, (label, name) in enumerate(by_label.items())
    ]
    return columns, tuple(by_label.get(each, each) for each in keys)


def by_name(
    given: Mapping[Any, _Given] | None, columns: Sequence[FrameColumn], where: str
) -> dict[str, _Given]:
    """What was given by column, by the columns' names; "*" stands for the rest.

    Raises:
        UnknownName: It names no column.
    """
    names = {column.label: column.name for column in columns}
    names |= {column.name: column.name for column in columns}
    for label in given or {}:
        if label not in names and label != "*":
            raise UnknownName("column", str(label), [column.name for column in columns], where=where)
    return {names.get(label, "*"): value for label, value in (given or {}).items()}


def _with_index(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    try:
        return frame.reset_index()
    except ValueError:  # a column and the index share a name: the column is meant
        return frame


def _is_among(key: Any, frame: pd.DataFrame) -> bool:
    return key in list(frame.columns) or key in [_name(label) for label in frame.columns]


def _names(frame: pd.DataFrame, where: str) -> list[str]:
    names: list[str] = []
    for number, label in enumerate(frame.columns, start=1):
        name = _name(label)
        if not name.strip():
            raise InvalidRecord(f"{where}: column {number} has no name.", hint="frame.columns = [ … ]")
        if name in names:
            raise InvalidRecord(
                f"{where} has two columns named '{name}', columns {names.index(name) + 1} and {number}.",
                hint="give each column a name of its own:  frame.columns = [ … ]",
            )
        names.append(name)
    return names


def _parts(label: Any) -> list[Any]:
    """The label of each level; levels that say nothing ("" beside a column of the index) are left out."""
    return [part for part in (label if isinstance(label, tuple) else (label,)) if part != ""]


def _name(label: Any) -> str:
    return "_".join(_text(part) for part in _parts(label))


def _text(part: Any) -> str:
    if isinstance(part, str):
        return visible(part)
    value = cell(part, "a column's label")
    return "" if value is None else str(value)


def _heading(label: Any, columns: pd.Index) -> str:
    """A text with spaces; a number with what it counts, where the level has a name ("layer 0")."""
    parts = label if isinstance(label, tuple) else (label,)
    levels = columns.names if len(columns.names) == len(parts) else [None] * len(parts)
    words = []
    for part, of in zip(parts, levels, strict=True):
        if part == "":
            continue
        counted = isinstance(of, str) and not isinstance(part, str)
        words.append(f"{of} {_text(part)}" if counted else _text(part))
    return " ".join(words).replace("_", " ")


def _column(label: Hashable, name: str, heading: str, column: pd.Series, where: str) -> FrameColumn:
    cells = [cell(value, f"{where}, row {row}") for row, value in enumerate(column.tolist(), start=1)]
    if str(column.dtype).lower() == "float32":  # with the digits that it has: 0.1, not 0.10000000149011612
        import numpy as np

        cells = [float(str(np.float32(value))) if isinstance(value, float) else value for value in cells]
    kind = _kind(cells, where)
    if kind == "float":
        cells = [None if value is None else float(value) for value in cells]
    return FrameColumn(label, name, heading, kind, cells)


def _kind(cells: Sequence[Cell], where: str) -> str:
    kinds = {type(value).__name__ for value in cells if value is not None}
    if kinds <= {"int", "float"}:
        return "float" if "float" in kinds or not kinds else "int"
    if len(kinds) > 1:
        raise InvalidRecord(f"{where} mixes {' and '.join(sorted(kinds))}.")
    return kinds.pop()

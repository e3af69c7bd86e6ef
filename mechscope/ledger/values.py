"""Values of any library as what a ledger holds: plain numbers, texts, yes or no, or nothing."""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mechscope.characters import visible
from mechscope.errors import InvalidRecord
from mechscope.ledger.schema import Cell, Value

_MISSING = ("NAType", "NaTType")
_PANDAS_TEXTS = ("Interval", "Period", "Timedelta")


def plain(value: Any, where: str) -> Value | bool | None:
    """A plain number, text or truth value from a scalar of numpy, torch, pandas or the standard library.

    Dates and intervals become texts, decimals and fractions floats.

    Args:
        value: The value; None and pandas' NA and NaT are None.
        where: What it is, for messages ("statistic 'x'").

    Raises:
        InvalidRecord: More than one number; a number that is not finite or not real; anything else.
    """
    kind = type(value).__name__
    if value is None or isinstance(value, bool):
        return value
    if kind in _MISSING:
        return None
    if isinstance(value, str):
        return visible(str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidRecord(
                f"{where} is {value}, not a finite number.",
                hint='what could not be measured is None, and a statistic then says why:  because="…"',
            )
        return float(value)
    if isinstance(value, (Decimal, Fraction)):
        return plain(float(value), where)
    if isinstance(value, (datetime.date, datetime.time)):
        text = value.isoformat()
        return text.removesuffix("T00:00:00").replace("T", " ")
    if kind in _PANDAS_TEXTS or isinstance(value, datetime.timedelta):
        return str(value)
    if kind in ("datetime64", "timedelta64"):  # whose item() may be a number of nanoseconds
        import pandas as pd

        return plain(pd.Timestamp(value) if kind == "datetime64" else pd.Timedelta(value), where)
    if hasattr(value, "item") and not isinstance(value, complex):
        try:
            single = value.item()
        except (RuntimeError, ValueError, TypeError) as error:
            shape = tuple(getattr(value, "shape", ()))
            raise InvalidRecord(f"{where} is an array of shape {shape}, not one number.") from error
        if type(single) is not type(value):
            return plain(single, where)
    raise InvalidRecord(f"{where} is a {kind}, not a number or a text.")


def cell(value: Any, where: str) -> Cell:
    """Like `plain`, for a cell of a table: NaN is a missing one."""
    return None if isinstance(value, numbers.Number) and value != value else plain(value, where)


def whole(value: Any, where: str, *, least: int) -> int:
    """A number of things.

    Raises:
        InvalidRecord: It is not a whole number, or below `least`.
    """
    number = plain(value, where)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or number < least:
        raise InvalidRecord(f"{where} is {number!r}: it must be a whole number, at least {least}.")
    return number


def real(value: Any, where: str) -> int | float:
    """A number.

    Raises:
        InvalidRecord: It is none.
    """
    number = plain(value, where)
    if isinstance(number, (bool, str)) or number is None:
        raise InvalidRecord(f"{where} is {number!r}, not a number.")
    return number


def interval(ends: Any, where: str) -> tuple[int | float, int | float]:
    """The two ends of an interval, low and high, from anything that has two.

    Raises:
        InvalidRecord: Not two numbers, or the higher one first.
    """
    try:
        both: Sequence[Any] = list(ends)
    except TypeError:
        both = []
    if len(both) != 2:
        raise InvalidRecord(f"{where} is {ends!r}: it needs two ends, low and high.", hint="ci=(low, high)")
    low, high = (real(end, f"{name} end of {where}") for end, name in zip(both, ("low", "high"), strict=True))
    if low > high:
        raise InvalidRecord(f"{where}: {low!r} to {high!r} is not low to high.", hint=f"ci=({high}, {low})")
    return low, high


def share(value: Any, where: str, hint: str) -> float:
    """A number above 0 and at most 1.

    Raises:
        InvalidRecord: It is none.
    """
    number = float(real(value, where))
    if not 0 < number <= 1:
        raise InvalidRecord(f"{where} is {number:g}: it must be above 0 and at most 1.", hint=hint)
    return number

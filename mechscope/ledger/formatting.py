"""How numbers read: one formatter for prose, tables, terminal and pages.

Conventions: a true minus sign (U+2212); no negative zero; a p-value is never printed as 0; intervals in
brackets with the same format as their value.
"""

from __future__ import annotations

import math

from mechscope.errors import InvalidRecord
from mechscope.ledger.schema import StatisticText, Value

MINUS = "\u2212"
MISSING = "—"


def format_value(value: Value | bool | None, spec: str, unit: str = "") -> str:
    """`value` by a Python format specification (".2f", ",d", ".1%", ".3g"), with its unit.

    Raises:
        InvalidRecord: The specification does not fit the value.
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    try:
        text = format(value, spec)
    except (TypeError, ValueError) as error:
        raise InvalidRecord(
            f"format '{spec}' does not fit {value!r}: {error}.",
            hint="use a Python format specification such as '.2f', ',d', '.1%' or '.3g'",
        ) from error
    if text.startswith("-") and not any(digit in text for digit in "123456789"):
        text = text[1:]  # -0.00 is 0.00
    text = text.replace("-", MINUS)
    return text + (unit if unit in ("", "%", "×", "°") else f" {unit}")


def format_p(p: float, *, name: str = "p") -> str:
    """A p-value with its relation: "p = 0.012", "p < 0.001"; with `name=""` without the letter."""
    if not 0 < p <= 1:
        raise InvalidRecord(
            f"a p-value is above 0 and at most 1, not {p}.",
            hint="a permutation p-value is (1 + exceedances) / (permutations + 1)",
        )
    if p < 0.001:
        relation, number = "<", "0.001"
    else:
        # Two significant digits, but never so few decimals that p = 0.0495 reads as 0.05.
        decimals = max(2, 1 - math.floor(math.log10(p)))
        number = f"{p:.{decimals}f}"
        relation = "="
        if float(number) == 0.05 and p != 0.05:
            number = f"{p:.4f}"
    return f"{name} {relation} {number}".strip() if name else (f"< {number}" if relation == "<" else number)


def format_interval(low: float, high: float, spec: str) -> str:
    """An interval in brackets, its ends by the format of its value."""
    return f"[{format_value(low, spec)}, {format_value(high, spec)}]"


def statistic_text(
    value: Value | None,
    *,
    spec: str,
    unit: str,
    ci: tuple[float, float] | None,
    level: float,
    p: float | None,
    n: int | None,
) -> StatisticText:
    """All the ways in which a statistic is printed.

    `full` is, for example, "0.42 (95% CI [0.31, 0.55], p = 0.012, n = 20)".
    """
    shown = format_value(value, spec, unit)
    interval = format_interval(*ci, spec) if ci else ""
    probability = format_p(p) if p is not None else ""
    details = [
        f"{100 * level:g}% CI {interval}" if interval else "",
        probability,
        f"n = {format_value(n, ',d')}" if n is not None else "",
    ]
    extra = ", ".join(detail for detail in details if detail)
    return StatisticText(
        value=shown, ci=interval, p=probability, full=f"{shown} ({extra})" if extra else shown
    )

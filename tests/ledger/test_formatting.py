from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechscope.errors import InvalidRecord
from mechscope.ledger.formatting import format_p, format_value, statistic_text


@pytest.mark.parametrize(
    ("value", "spec", "unit", "text"),
    [
        (0.847, ".2f", "", "0.85"),
        (-0.84, ".2f", "", "−0.84"),
        (-0.001, ".2f", "", "0.00"),
        (12345, ",d", "", "12,345"),
        (0.4211, ".1%", "", "42.1%"),
        (3.5, ".1f", "nats", "3.5 nats"),
        (3.5, ".1f", "×", "3.5×"),
        (2.6e-7, ".1e", "", "2.6e−07"),
        ("Paris", ".2f", "", "Paris"),
        (None, ".2f", "", "—"),
        (True, "", "", "yes"),
    ],
)
def test_values_read_as_in_print(value: object, spec: str, unit: str, text: str) -> None:
    assert format_value(value, spec, unit) == text  # type: ignore[arg-type]


def test_a_format_that_does_not_fit_is_named() -> None:
    with pytest.raises(InvalidRecord, match="',d' does not fit 0.5"):
        format_value(0.5, ",d")


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (1.0, "p = 1.00"),
        (0.25, "p = 0.25"),
        (0.012, "p = 0.012"),
        (0.0012, "p = 0.0012"),
        (0.0495, "p = 0.0495"),
    ],
)
def test_p_values_keep_two_significant_digits(p: float, text: str) -> None:
    assert format_p(p) == text


@given(st.floats(min_value=0, max_value=1, exclude_min=True))
def test_a_p_value_is_never_printed_as_zero_and_never_changes_side_of_one_in_twenty(p: float) -> None:
    text = format_p(p)
    number = float(text.split()[-1])
    assert number > 0
    if "=" in text:
        assert (number < 0.05) == (p < 0.05) or abs(p - 0.05) < 1e-4


@pytest.mark.parametrize("p", [0.0, -0.1, 1.2])
def test_a_p_value_outside_its_range_is_refused(p: float) -> None:
    with pytest.raises(InvalidRecord):
        format_p(p)


def test_the_full_text_has_interval_p_and_n() -> None:
    text = statistic_text(0.42, spec=".2f", unit="", ci=(-0.31, 0.55), level=0.95, p=0.0004, n=1200)
    assert text.full == "0.42 (95% CI [−0.31, 0.55], p < 0.001, n = 1,200)"
    assert (text.value, text.ci, text.p) == ("0.42", "[−0.31, 0.55]", "p < 0.001")

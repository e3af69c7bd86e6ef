"""Values of any library become plain ones, or a message names what they are."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mechscope.errors import InvalidRecord
from mechscope.ledger.values import cell, interval, plain, share, whole


class Size(enum.IntEnum):
    SMALL = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array(3), 3),
        (torch.tensor(2), 2),
        (torch.tensor(2.5, requires_grad=True), 2.5),
        (pd.Series([2.5]), 2.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (Decimal("2.5"), 2.5),
        (Fraction(1, 4), 0.25),
        (Size.SMALL, 1),
        (pd.NA, None),
        (pd.NaT, None),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (pd.Timestamp("2024-01-02"), "2024-01-02"),
        (pd.Timestamp("2024-01-02 10:30"), "2024-01-02 10:30:00"),
        (np.datetime64("2024-01-02", "ns"), "2024-01-02"),
        (np.datetime64("NaT"), None),
        (pd.Interval(0, 1), "(0, 1]"),
        (pd.Period("2024-01", "M"), "2024-01"),
        ("\x0c\ud800", "<U+000C><U+D800>"),
        (10**30, 10**30),
    ],
)
def test_a_value_of_any_library_becomes_a_plain_one(value: Any, expected: Any) -> None:
    made = plain(value, "it")
    assert made == expected and type(made) is type(expected)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1j, "it is a complex"),
        (np.complex64(1), "it is a complex"),
        (b"x", "it is a bytes"),
        ([1], "it is a list"),
        ({}, "it is a dict"),
        (np.zeros(3), r"it is an array of shape \(3,\)"),
        (torch.zeros(2, 2), r"it is an array of shape \(2, 2\)"),
        (torch.tensor(float("nan")), "it is nan, not a finite number"),
        (Decimal("Infinity"), "it is inf"),
    ],
)
def test_what_is_no_number_or_text_is_named(value: Any, said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        plain(value, "it")


@pytest.mark.parametrize("value", [float("nan"), np.float32("nan"), Decimal("NaN"), None, pd.NA])
def test_a_cell_may_be_missing(value: Any) -> None:
    assert cell(value, "it") is None


@pytest.mark.parametrize("value", [10, 10.0, np.int64(10), np.float64(10), torch.tensor(10), np.array([10])])
def test_a_number_of_things_is_whole(value: Any) -> None:
    assert whole(value, "n", least=1) == 10


@pytest.mark.parametrize("value", [10.7, -3, 0, True, "10", None, float("nan"), [3], 1e400])
def test_a_number_of_things_is_nothing_else(value: Any) -> None:
    with pytest.raises(InvalidRecord, match="^n is "):
        whole(value, "n", least=1)


@pytest.mark.parametrize("ends", [(0, 1.5), [0, 1.5], np.array([0, 1.5]), torch.tensor([0, 1.5])])
def test_an_interval_comes_from_anything_with_two_ends(ends: Any) -> None:
    assert interval(ends, "ci") == (0, 1.5)


@pytest.mark.parametrize(
    "ends", [(2, 1), (1,), (1, 2, 3), 0.5, ("a", "b"), (None, 1), (float("nan"), 1), (True, 2)]
)
def test_an_interval_is_two_numbers_low_to_high(ends: Any) -> None:
    with pytest.raises(InvalidRecord, match="ci"):
        interval(ends, "ci")


@pytest.mark.parametrize("value", [0, -1, 1.2, 95, float("nan"), "0.5", True, None])
def test_a_share_is_above_0_and_at_most_1(value: Any) -> None:
    with pytest.raises(InvalidRecord, match="^p is "):
        share(value, "p", "")

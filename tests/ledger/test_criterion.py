from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechscope.errors import InvalidRecord, UnknownName
from mechscope.ledger.criterion import judge, operand_names
from mechscope.ledger.recording import FLOAT32
from mechscope.ledger.schema import Statistic, StatisticText


def statistic(value: Any, **more: Any) -> Statistic:
    return Statistic(
        label="x", value=value, tolerance=FLOAT32, text=StatisticText(value="", full=""), cell="", **more
    )


KNOWN = {
    "a": statistic(2.0, ci=(1.0, 3.0), p=0.01, n=20),
    "b": statistic(-1.0),
    "word": statistic("Paris"),
    "missing": statistic(None, because="not known"),
}


@pytest.mark.parametrize(
    ("criterion", "outcome"),
    [
        ("a > 0", "held"),
        ("a - b > 0 and a.p < 0.05", "held"),
        ("a.low > 1.5", "failed"),
        ("a.high <= 3 and a.n == 20", "held"),
        ("0 < a < 1", "failed"),
        ("1 < a < 3", "held"),
        ("not b > 0", "held"),
        ("abs(b) == 1 or a / 0.5 < 0", "held"),
        ("-b ** 2 < 0", "held"),
        ("word == 'Paris'", "held"),
        ("word != 'Paris'", "failed"),
        ("missing > 0", "untestable"),
        ("a > 0 or missing > 0", "untestable"),
    ],
)
def test_the_outcome_follows_from_the_statistics(criterion: str, outcome: str) -> None:
    assert judge(criterion, KNOWN).outcome == outcome


def test_the_evidence_names_every_operand_as_it_is_written() -> None:
    assert judge("a.low > 0 and a > b", KNOWN).evidence == {"a.low": 1.0, "a": 2.0, "b": -1.0}


def test_operand_names_are_statistics_in_order_of_appearance() -> None:
    assert operand_names("a.p < 0.05 and b < a") == ["a", "b"]


@pytest.mark.parametrize(
    "criterion",
    [
        "__import__('os').system('true') == 0",
        "a.__class__ == 1",
        "(lambda: a > 0)()",
        "[a > 0]",
        "a if a > 0 else b",
        "f'{a}' == '2'",
        "a > 0; b",
        "a >",
        "a",
        "a and b > 0",
        "not a",
        "1 > 0",
        "True",
        "a / 0 > 1",
        "a > word",
        "b ** 0.5 > 0",
        "b.p < 0.05",
    ],
)
def test_what_is_not_a_yes_or_no_question_about_statistics_is_refused(criterion: str) -> None:
    with pytest.raises((InvalidRecord, UnknownName)):
        judge(criterion, KNOWN)


def test_an_unknown_statistic_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match="did you mean 'missing'"):
        judge("mising > 0", KNOWN)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.1, 1e3))
def test_arithmetic_agrees_with_python(a: float, b: float, c: float) -> None:
    known = {"a": statistic(a), "b": statistic(b), "c": statistic(c)}
    written = "abs(a - b) / c + a * 2 >= -b and not a + c < b"
    assert judge(written, known).outcome == (
        "held" if eval(written, {"abs": abs}, {"a": a, "b": b, "c": c}) else "failed"
    )


@pytest.mark.parametrize(
    ("part", "said", "argument"),
    [
        ("p", "no p-value", "p=…"),
        ("low", "no interval", "ci="),
        ("high", "no interval", "ci="),
        ("n", "no n", "n=…"),
    ],
)
def test_a_part_that_a_statistic_lacks_is_named_with_the_argument_that_gives_it(
    part: str, said: str, argument: str
) -> None:
    with pytest.raises(InvalidRecord, match=f"'b' has {said}") as error:
        judge(f"b.{part} > 0", KNOWN)
    assert argument in error.value.hint and '"b"' in error.value.hint


@pytest.mark.parametrize("character", ["\x00", "\x0c", "\u2028", "\ud800"])
def test_a_criterion_has_no_character_that_cannot_be_seen(character: str) -> None:
    with pytest.raises(InvalidRecord, match="a character that can't be seen"):
        judge(f"x == '{character}'", {})

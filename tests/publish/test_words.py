"""Records in a reader's words."""

from __future__ import annotations

from typing import Any

import pytest

from mechscope.ledger.formatting import statistic_text
from mechscope.ledger.schema import Claim, Statistic, Tolerance
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.publish.pages.words import (
    evidence_words,
    interval_words,
    resampling_words,
    tolerance_words,
)


def _statistic(value: Any, spec: str = "", unit: str = "", **other: Any) -> Statistic:
    ci, p, n = (other.pop(name, None) for name in ("ci", "p", "n"))
    because = "" if value is not None else "no such head"
    text = statistic_text(value, spec=spec, unit=unit, ci=ci, level=0.95, p=p, n=n)
    return Statistic(
        label="x", value=value, because=because, ci=ci, p=p, n=n, format=spec, unit=unit, text=text,
        tolerance=Tolerance(), cell="c", **other,
    )  # fmt: skip


# Claims ----------------------------------------------------------------------------------------------------


class _Ledger:
    """As much of a ledger as a claim's evidence needs."""

    def __init__(self, statistics: dict[str, Statistic]) -> None:
        self.findings = self
        self.statistics = statistics


def _evidence(criterion: str, evidence: dict[str, Any], **statistics: Statistic) -> str:
    claim = Claim(sentence="S.", criterion=criterion, outcome="held", evidence=evidence, cell="c")
    return evidence_words(KeyedRecord("run", "a", "c", "claims", claim, _Ledger(statistics)))  # type: ignore[arg-type]


def test_the_least_and_the_greatest_read_as_a_range() -> None:
    words = _evidence(
        "x_min < -0.5 and x_max > 0.5",
        {"x_max": 0.676, "x_min": -0.486},
        x_min=_statistic(-0.486, ".2f"),
        x_max=_statistic(0.676, ".2f"),
    )
    assert words == "−0.49 to 0.68"


def test_evidence_has_the_interval_and_the_p_that_the_criterion_reads_in_its_order() -> None:
    first = _statistic(0.5, ".1f", ci=(0.4, 0.6), p=0.012)
    second = _statistic(7, "d")
    assert _evidence("b > 1 and a.low > 0", {"a.low": 0.4, "b": 7}, a=first, b=second) == "7; 0.5 [0.4, 0.6]"
    assert _evidence("a > 0 and a.p < 0.05", {"a": 0.5, "a.p": 0.012}, a=first) == "0.5, p = 0.012"
    assert _evidence("a > 0", {"a": None}, a=_statistic(None)) == "not measured"


def test_a_criterion_over_many_statistics_is_cut() -> None:
    many = {name: _statistic(1, "d") for name in "abcdef"}
    words = _evidence("a > b + c + d + e + f", dict.fromkeys("abcdef", 1), **many)
    assert words == "1; 1; 1; 1; …"


# Tolerances and tests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tolerance", "words"),
    [
        (Tolerance(), "none: exactly the same"),
        (Tolerance(rtol=0.002, atol=0.0002), "±0.2% ± 0.0002"),
        (Tolerance(rtol=0.002), "±0.2%"),
        (Tolerance(atol=0.5, because="ties"), "±0.5 (ties)"),
        (Tolerance(rtol=1e-4, atol=1e-6), "±0.01% ± 10⁻⁶"),
    ],
)
def test_a_tolerance_reads_as_how_far_a_rerun_may_be_off(tolerance: Tolerance, words: str) -> None:
    assert tolerance_words(tolerance) == words


def test_draws_belong_to_the_test_or_else_to_the_interval() -> None:
    tested = _statistic(0.5, ".1f", ci=(0.4, 0.6), p=0.01, test="label permutation", resamples=10_000)
    assert interval_words(tested) == "95% [0.4, 0.6]"
    assert resampling_words(tested) == "label permutation, 10,000 resamples"
    drawn = _statistic(0.5, ".1f", ci=(0.4, 0.6), resamples=10_000)
    assert interval_words(drawn) == "95% [0.4, 0.6], bootstrap, 10,000 resamples"
    assert resampling_words(drawn) == ""

from __future__ import annotations

import numpy as np
import pytest

from mechscope.stats.drawn import Drawn, average, share_of_gap
from mechscope.stats.estimates import Draws, Estimate, Missing

RNG = np.random.default_rng(6)
VALUES, WHOLE = RNG.normal(1, 1, size=30), RNG.uniform(2, 4, size=30)
DRAWS = Draws(seed=0, resamples=2_000)
WEIGHTS = DRAWS.weights("w", 30)


def test_a_mean_and_a_ratio_are_those_of_seeded_draws_of_the_same_name() -> None:
    mean = Drawn.mean(VALUES, WEIGHTS / 30).estimate(30)
    ratio = Drawn.ratio(VALUES, WHOLE, WEIGHTS).estimate(30)
    for drawn, expected in ((mean, DRAWS.mean("w", VALUES)), (ratio, DRAWS.mean("w", VALUES, over=WHOLE))):
        assert isinstance(drawn, Estimate)
        assert [drawn.value, drawn.low, drawn.high] == pytest.approx(
            [expected.value, expected.low, expected.high]
        )
        assert (drawn.n, drawn.resamples) == (30, 2_000)


def test_a_difference_and_a_ratio_of_numbers_are_taken_draw_by_draw() -> None:
    mean, whole = Drawn.mean(VALUES, WEIGHTS / 30), Drawn.mean(WHOLE, WEIGHTS / 30)
    same = (mean - mean).estimate()
    assert isinstance(same, Estimate) and same.low == same.high == same.value == 0
    assert np.allclose((mean / whole).draws, Drawn.ratio(VALUES, WHOLE, WEIGHTS).draws)
    apart = Drawn.mean(VALUES - WHOLE, WEIGHTS / 30)
    assert np.allclose((mean - whole).draws, apart.draws)


def test_rows_that_are_resampled_too_widen_the_interval_and_leave_the_value() -> None:
    values = VALUES + RNG.normal(0, 5, size=(8, 1))
    rows = DRAWS.weights("rows", 8) / 8
    crossed = Drawn.crossed(values, rows, WEIGHTS / 30)
    fixed = Drawn.mean(values.mean(0), WEIGHTS / 30)
    assert crossed.value == pytest.approx(fixed.value)
    assert crossed.draws.std() > 2 * fixed.draws.std()
    shares = Drawn.ratio(values, WHOLE, WEIGHTS, rows)
    assert np.allclose(shares.draws, crossed.draws / (WEIGHTS @ WHOLE / 30))


def test_crossed_draws_spread_as_two_way_sampling_does() -> None:
    rows, items = RNG.normal(0, 1, size=(40, 1)), RNG.normal(0, 2, size=(1, 60))
    crossed = Drawn.crossed(rows + items, DRAWS.weights("r", 40) / 40, DRAWS.weights("i", 60) / 60)
    expected = np.sqrt(rows.var() / 40 + items.var() / 60)
    assert crossed.draws.std() == pytest.approx(expected, rel=0.1)


def test_the_average_of_numbers_is_taken_draw_by_draw() -> None:
    first, second = Drawn.mean(VALUES, WEIGHTS / 30), Drawn.mean(WHOLE, WEIGHTS / 30)
    both = average([first, second])
    assert both.value == (first.value + second.value) / 2
    assert np.allclose(both.draws, (first.draws + second.draws) / 2)


@pytest.mark.parametrize(
    "number",
    [average([]), Drawn.mean(VALUES, WEIGHTS / 30) / Drawn(0.0, np.zeros(2_000)), Drawn(np.nan, np.ones(3))],
    ids=["of none", "over 0", "no value"],
)
def test_a_number_without_value_is_missing_and_says_why(number: Drawn) -> None:
    assert number.estimate(3, "there is nothing") == Missing("there is nothing")


UPPER = np.array([True, False] * 3)
SCORE = np.array([3.0, -1.0, 2.0, 0.5, 4.0, -2.0])


def test_a_shift_by_the_whole_distance_is_a_share_of_one_and_the_distance_is_resampled() -> None:
    gap = SCORE[UPPER].mean() - SCORE[~UPPER].mean()
    weights = Draws(seed=0, resamples=200).weights("w", 3).repeat(2, axis=1)
    whole = share_of_gap(np.full(6, gap), SCORE, UPPER, weights)
    assert whole.value == pytest.approx(1)
    upper, lower = (weights[:, mask] @ SCORE[mask] / 3 for mask in (UPPER, ~UPPER))
    assert np.allclose(whole.draws, gap / (upper - lower))
    here = np.arange(6) < 4
    half = share_of_gap(np.full(6, 2.75 / 2), SCORE, UPPER, np.ones((5, 6)), among=here)
    assert half.value == pytest.approx(0.5) and half.draws == pytest.approx([0.5] * 5)


def test_groups_moved_to_the_middle_have_gone_half_of_the_way() -> None:
    middle = (SCORE[UPPER].mean() + SCORE[~UPPER].mean()) / 2
    shift = np.where(UPPER, SCORE - middle, middle - SCORE)
    assert share_of_gap(shift, SCORE, UPPER, np.ones((1, 6))).value == pytest.approx(0.5)

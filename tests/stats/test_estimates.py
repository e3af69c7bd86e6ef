from __future__ import annotations

import zlib
from functools import partial

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Draws, Estimate
from mechscope.stats.resampling import bootstrap_weights, percentile_interval
from mechscope.stats.samples import mean_difference_interval, mean_difference_test

VALUES = np.random.default_rng(3).normal(1.0, 2.0, size=40)


def test_a_name_gives_the_same_draws_whatever_was_drawn_before() -> None:
    draws = Draws(seed=7)
    first = draws.rng("gain").random(5)
    draws.rng("loss").random(100)
    assert np.array_equal(first, draws.rng("gain").random(5))
    assert np.array_equal(first, np.random.default_rng([7, zlib.crc32(b"gain")]).random(5))
    assert not np.array_equal(first, draws.rng("loss").random(5))
    assert not np.array_equal(first, Draws(seed=8).rng("gain").random(5))


def test_the_interval_of_a_mean_is_the_percentile_bootstrap_and_near_the_normal_one() -> None:
    draws = Draws(seed=0, resamples=4_000)
    mean = draws.mean("m", VALUES)
    weights = bootstrap_weights(np.zeros(40, dtype=np.int64), 4_000, draws.rng("m"))
    ends = percentile_interval((weights @ VALUES / 40)[:, None])
    assert (mean.value, mean.low, mean.high) == (VALUES.mean(), ends.low[0], ends.high[0])
    assert (mean.n, mean.resamples, mean.level, mean.p) == (40, 4_000, 0.95, None)
    error = VALUES.std() / np.sqrt(40)
    assert np.allclose([mean.low, mean.high], scipy_stats.norm(VALUES.mean(), error).interval(0.95), atol=0.1)


def test_a_ratio_resamples_both_of_its_means_together() -> None:
    below = np.random.default_rng(1).uniform(1, 2, size=40)
    ratio = Draws(seed=0, resamples=500).mean("r", 3 * below, over=below)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((3, 3, 3))


def test_strata_keep_their_sizes_in_every_resample() -> None:
    strata = np.repeat([0, 1], [10, 30])
    weights = Draws(seed=0, resamples=50).weights("s", strata)
    assert np.array_equal(weights[:, :10].sum(1), np.full(50, 10.0))
    assert np.array_equal(weights[:, 10:].sum(1), np.full(50, 30.0))
    between = Draws(seed=0, resamples=50).mean("s", strata.astype(float), strata=strata)
    assert between.low == between.high == 0.75


def test_labels_are_permuted_within_levels_only() -> None:
    labels, levels = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    permuted = Draws(seed=0, resamples=20).permuted("p", labels, levels)
    assert (permuted[:, :2].sum(1) == 1).all() and (permuted[:, 2:].sum(1) == 1).all()


@pytest.mark.parametrize("unit", [0, 1])
def test_a_test_and_an_interval_of_one_unit_are_one_estimate(unit: int) -> None:
    values, labels = np.random.default_rng(0).normal(size=(20, 2)), np.repeat([0, 1], 10)
    draws = Draws(seed=0, resamples=200)
    test = mean_difference_test(values, labels, resamples=200, rng=draws.rng("test"))
    ends = mean_difference_interval(values, labels, strata=labels, resamples=200, rng=draws.rng("ends"))
    estimate = Estimate.of(interval=ends, test=test, by="labels shuffled, two-sided", unit=unit, n=20)
    assert (estimate.value, estimate.p) == (test.observed[unit], test.p[unit])
    assert (estimate.low, estimate.high, estimate.n) == (ends.low[unit], ends.high[unit], 20)
    assert Estimate.of(test=test).p is None, "a p-value is stated together with what was tested"


def test_an_estimate_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="needs a value"):
        Estimate.of()
    with pytest.raises(InvalidInput, match="no value in some resample"):
        Estimate.of_draws(1.0, np.array([1.0, np.nan]))


def test_a_tested_estimate_keeps_everything_else() -> None:
    assert Estimate(1.0, 0.5, 1.5, n=4).tested(0.03, "sign flips") == Estimate(
        1.0, 0.5, 1.5, p=0.03, test="sign flips", n=4
    )


def test_a_scan_finds_the_planted_layer_and_each_layer_is_an_estimate_of_its_own() -> None:
    labels = np.repeat([0, 1], 20)
    values = np.random.default_rng(5).normal(size=(40, 3))
    values[labels == 1, 2] += 3
    scan = Draws(seed=0, resamples=500).scan(
        "planted",
        partial(mean_difference_test, values, labels),
        partial(mean_difference_interval, values, labels, strata=labels),
    )
    assert (scan.largest, scan.beyond_chance) == (2, 1)
    difference = values[labels == 1, 2].mean() - values[labels == 0, 2].mean()
    layer = scan.estimate("permutation, two-sided", unit=2, n=40)
    assert layer.value == pytest.approx(difference)
    assert layer.low is not None and layer.high is not None and layer.low < difference < layer.high
    assert (layer.p, layer.n, layer.resamples) == (1 / 501, 40, 500)
    frame = scan.frame("difference")
    assert frame.loc[2, ["layer", "value", "low", "high", "label"]].tolist() == [
        2, layer.value, layer.low, layer.high, "difference",
    ]  # fmt: skip
    assert (frame["value"] > frame["threshold"]).tolist() == [False, False, True]


def test_the_test_and_the_interval_of_a_scan_have_draws_of_their_own() -> None:
    labels = np.repeat([0, 1], 5)
    values = np.random.default_rng(6).normal(size=(10, 1))
    draws = Draws(seed=3, resamples=50)
    scan = draws.scan(
        "d",
        partial(mean_difference_test, values, labels),
        partial(mean_difference_interval, values, labels, strata=labels),
    )
    test = mean_difference_test(values, labels, resamples=50, rng=draws.rng("d test"))
    ends = mean_difference_interval(values, labels, strata=labels, resamples=50, rng=draws.rng("d"))
    assert (scan.test.p, scan.interval.low, scan.interval.high) == (test.p, ends.low, ends.high)

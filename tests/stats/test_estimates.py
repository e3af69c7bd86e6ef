from __future__ import annotations

import zlib
from functools import partial

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Draws, Estimate, Estimates, Missing, estimates_frame, stacked
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
        by="permutation, two-sided",
        n=40,
    )
    assert (scan.largest, scan.beyond_chance) == (2, 1)
    difference = values[labels == 1, 2].mean() - values[labels == 0, 2].mean()
    layer = scan[2]
    assert layer.value == pytest.approx(difference)
    assert layer.low is not None and layer.high is not None and layer.low < difference < layer.high
    assert (layer.p, layer.n, layer.resamples) == (1 / 501, 40, 500)
    frame = scan.frame(layer=range(3), label="difference")
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
    assert scan.test is not None and scan.interval is not None
    assert (scan.test.p, scan.interval.low, scan.interval.high) == (test.p, ends.low, ends.high)


def test_an_estimate_on_another_scale_moves_its_ends_along() -> None:
    ratio = Estimate(0.0, -1.0, 1.0, p=0.5, test="t").through(np.exp)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1, 1 / np.e, np.e))
    assert (ratio.p, ratio.test) == (0.5, "t")
    assert Estimate(2.0).through(np.log2) == Estimate(1.0)


def three_units(resamples: int = 200) -> Estimates:
    values = (
        np.random.default_rng(0).normal(size=(20, 3)) + np.array([0, 0, 3]) * np.repeat([0, 1], 10)[:, None]
    )
    labels, draws = np.repeat([0, 1], 10), Draws(seed=0, resamples=resamples)
    test = mean_difference_test(values, labels, resamples=resamples, rng=draws.rng("test"))
    ends = mean_difference_interval(values, labels, strata=labels, resamples=resamples, rng=draws.rng("ends"))
    return Estimates(test.observed, ends, test, "labels shuffled, two-sided", 20)


def test_a_unit_has_its_own_p_value_or_the_one_for_the_search_over_all() -> None:
    units = three_units()
    assert units.test is not None and units.interval is not None
    assert units.largest == 2 and units.beyond_chance == 1
    alone, searched = units[0], units.adjusted(0, "layers")
    assert (alone.p, searched.p) == (units.test.p[0], units.test.p_max[0]) and searched.p > alone.p
    assert searched.test == "labels shuffled, two-sided, maximum over layers"
    assert (alone.low, alone.high, alone.n) == (units.interval.low[0], units.interval.high[0], 20)


def test_units_that_nothing_was_tested_of_have_no_p_values() -> None:
    untested = Draws(seed=0, resamples=20).means("m", VALUES[:, None])
    assert untested[0].p is None
    for ask in (
        lambda: untested.p_max,
        lambda: untested.beyond_chance,
        lambda: untested.adjusted(0, "heads"),
    ):
        with pytest.raises(InvalidInput, match="no test"):
            ask()


def test_means_of_units_are_the_means_of_each_with_the_same_draws() -> None:
    draws, values = Draws(seed=0, resamples=300), np.stack([VALUES, VALUES**2], axis=1)
    means = draws.means("m", values)
    for unit in range(2):
        alone = draws.mean("m", values[:, unit])
        assert (means[unit].value, means[unit].low, means[unit].high) == pytest.approx(
            (alone.value, alone.low, alone.high)
        )
    strata = np.repeat([0, 1], 20)
    assert draws.means("m", strata[:, None], strata=strata)[0].low == 0.5


def test_frames_hold_a_row_a_unit_and_stack_by_label() -> None:
    units = three_units()
    frame = units.frame(layer=range(3), label="all")
    assert list(frame) == ["layer", "label", "value", "low", "high", "threshold", "p", "p_max"]
    assert list(Estimates(units.value).frame(head=[0, 1, 2])) == ["head", "value"]
    both = stacked({"first": units, "second": units}, layer=range(3))
    assert list(both["label"]) == ["first"] * 3 + ["second"] * 3 and list(both["layer"]) == [0, 1, 2] * 2
    assert list(both)[:2] == ["label", "layer"] and list(both.index) == list(range(6))


def test_a_statistic_of_means_is_a_mean_where_it_is_the_mean() -> None:
    draws = Draws(seed=0, resamples=300)
    estimate, mean = draws.of_means("m", VALUES, np.asarray), draws.mean("m", VALUES)
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == pytest.approx(
        (mean.value, mean.low, mean.high, 40)
    )


def test_a_statistic_of_means_sees_each_item_in_its_own_shape() -> None:
    """The largest of the means, and not the mean of the largest."""
    values = np.random.default_rng(0).normal([[0.0, 3.0], [1.0, 2.0]], 0.1, size=(50, 2, 2))
    draws = Draws(seed=0, resamples=200)
    estimate = draws.of_means("m", values, lambda means: means[..., 0, 1] - means[..., 1, 0])
    assert estimate.value == pytest.approx(values[:, 0, 1].mean() - values[:, 1, 0].mean())
    assert estimate.low is not None and estimate.low < 2 < (estimate.high or 0) < 2.2


def test_a_statistic_without_a_value_in_some_resample_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no value in some resample"):
        Draws(0, 50).of_means("m", np.ones((4, 2)), lambda means: (means[..., 0] - 1) / (means[..., 1] - 1))


def test_a_share_of_what_is_clearly_above_zero_is_the_ratio_of_two_means() -> None:
    draws = Draws(seed=0, resamples=500)
    whole = np.random.default_rng(1).uniform(1, 2, size=40)
    share, mean = draws.share("s", VALUES, of=whole, what="gain"), draws.mean("s", VALUES, over=whole)
    assert isinstance(share, Estimate) and share.value == VALUES.mean() / whole.mean()
    assert (share.low, share.high, share.n) == (mean.low, mean.high, 40)


@pytest.mark.parametrize("mean, said", [(0.0, "0.00"), (-1.0, "-1.00")])
def test_a_share_of_what_may_be_nothing_is_missing_and_says_why(mean: float, said: str) -> None:
    whole = np.array([1.0, -1.0] * 10) + mean
    share = Draws(seed=0, resamples=500).share("s", whole, of=whole, what="gain")
    assert share == Missing(f"shares of gain need gain clearly above 0, and in this model it is {said}")


def test_a_frame_has_a_row_for_each_estimate_that_is_not_missing() -> None:
    estimate = Estimate(0.5, 0.25, 0.75)
    frame = estimates_frame([({"k": 1}, estimate), ({"k": 2}, Missing("none"))], value="share")
    assert frame.to_dict("records") == [{"k": 1, "share": 0.5, "low": 0.25, "high": 0.75}]
    assert estimates_frame([({"k": 2}, Missing("none"))]).empty

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mechscope.errors import InvalidInput
from mechscope.stats.agreement import agreement_sums, correlation, mean_distance, rms, rms_error, sign_share
from mechscope.stats.estimates import Draws

MEASURES = [correlation, mean_distance, rms_error, rms, sign_share]


def planted(items: int = 12) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two noisy measurements of the same places; items have different numbers of them."""
    rng = np.random.default_rng(4)
    truth = [rng.normal(0.3, 1, size=(2, 3 + item % 4)) for item in range(items)]
    return [x + rng.normal(0, 0.5, size=x.shape) for x in truth], truth


def test_every_measure_is_what_it_is_over_all_places_at_once() -> None:
    first, second = planted()
    x, y = (np.concatenate([values.ravel() for values in side]) for side in (first, second))
    means = agreement_sums(first, second, large=0.2).mean(0)
    large = np.abs(y) > 0.2
    assert correlation(means) == pytest.approx(scipy_stats.pearsonr(x, y).statistic)
    assert mean_distance(means) == pytest.approx(np.abs(x - y).mean())
    assert rms_error(means) == pytest.approx(np.sqrt(((x - y) ** 2).mean()))
    assert rms(means) == pytest.approx(np.sqrt((y**2).mean()))
    assert sign_share(means) == pytest.approx((np.sign(x) == np.sign(y))[large].mean())


@pytest.mark.parametrize("measure", MEASURES)
def test_a_resample_is_measured_like_the_items_that_are_in_it(measure) -> None:
    first, second = planted()
    weights = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=5)
    resampled = measure(weights @ agreement_sums(first, second) / 12)
    for draw, times in enumerate(weights):
        chosen = np.repeat(np.arange(12), times)
        alone = agreement_sums([first[item] for item in chosen], [second[item] for item in chosen])
        assert resampled[draw] == pytest.approx(float(measure(alone.mean(0))))


def test_a_place_that_either_side_lacks_does_not_count() -> None:
    first, second = planted()
    with_gaps = [np.append(values, [np.nan, 1.0]) for values in first]
    other_gaps = [np.append(values, [1.0, np.nan]) for values in second]
    flat = agreement_sums([x.ravel() for x in first], [y.ravel() for y in second])
    np.testing.assert_allclose(agreement_sums(with_gaps, other_gaps), flat)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_what_does_not_vary_has_no_correlation(constant: float) -> None:
    """Nor one that rounding makes."""
    varied = [np.arange(7.0)] * 3
    sums = agreement_sums([np.full(7, constant)] * 3, varied)
    assert np.isnan(correlation(sums.mean(0)))
    assert np.isnan(correlation(agreement_sums(varied, [np.full(7, constant)] * 3).mean(0)))


def test_there_is_no_share_of_signs_without_a_large_value() -> None:
    assert np.isnan(sign_share(agreement_sums([np.ones(3)], [np.full(3, 0.01)]).mean(0)))


@pytest.mark.parametrize("second", [[np.ones(3)], [np.ones(4), np.ones(2)]])
def test_measurements_of_other_places_are_refused(second: list[np.ndarray]) -> None:
    with pytest.raises(InvalidInput, match="same shapes"):
        agreement_sums([np.ones(3), np.ones(2)], second)


def test_the_interval_of_a_correlation_holds_the_planted_one() -> None:
    """True r = 1 / √1.25: values of variance 1 and noise of variance 1/4."""
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(60, 8))
    noisy = truth + rng.normal(0, 0.5, size=truth.shape)
    estimate = Draws(0, 500).of_means("r", agreement_sums(noisy, truth), correlation)
    assert estimate.low is not None and estimate.high is not None
    assert estimate.low < 1 / np.sqrt(1.25) < estimate.high < estimate.low + 0.1

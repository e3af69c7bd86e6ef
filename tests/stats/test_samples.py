from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Draws, Estimate
from mechscope.stats.multiple import benjamini_hochberg, holm, holm_frame, holm_together
from mechscope.stats.samples import (
    above_median,
    mean_difference,
    mean_difference_estimate,
    mean_difference_interval,
    mean_difference_test,
    own_minus_others,
    rank_correlation_test,
    sign_flip_test,
)


def test_mean_difference_is_the_difference_of_means_for_one_and_many_labellings():
    values = np.array([[1.0], [3.0], [10.0], [20.0]])
    np.testing.assert_allclose(mean_difference(values, np.array([1, 1, 0, 0])), [-13])
    both = mean_difference(values, np.array([[1, 1, 0, 0], [0, 1, 0, 1]]))
    np.testing.assert_allclose(both[:, 0], [-13, 6])


def test_own_minus_others_is_a_difference_of_means_of_each_group_and_then_their_mean():
    values = np.array([[1.0, 3.0, 10.0, 20.0], [4.0, 4.0, 4.0, 8.0]])
    own = np.array([[True, True, False, False], [False, False, False, True]])
    assert own_minus_others(values, own) == pytest.approx([(-13 + 4) / 2])
    for row in (0, 1):
        expected = mean_difference(values[row][:, None], own[row].astype(int))
        assert own_minus_others(values[[row]], own[[row]]) == pytest.approx(expected)


def test_own_minus_others_with_multiplicities_is_that_of_items_repeated():
    rng = np.random.default_rng(1)
    values, own = rng.normal(size=(3, 9)), np.tile(np.arange(9) % 3, (3, 1)) == np.arange(3)[:, None]
    weights = np.array([[1, 2, 1, 0, 1, 1, 2, 0, 1], [1] * 9])
    found = own_minus_others(values, own, weights.astype(float))
    repeated = np.repeat(np.arange(9), weights[0])
    assert found[0] == pytest.approx(own_minus_others(values[:, repeated], own[:, repeated])[0])
    assert found[1] == pytest.approx(own_minus_others(values, own)[0])


@pytest.mark.parametrize("own", [[False, False], [True, True]])
def test_a_group_without_items_of_its_own_or_without_others_is_refused(own):
    with pytest.raises(InvalidInput, match="items of its own and others"):
        own_minus_others(np.ones((1, 2)), np.array([own]))


def test_a_permutation_test_of_means_agrees_with_scipy():
    from scipy import stats

    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=30), np.repeat([0, 1], 15)
    values[labels == 1] += 0.7
    ours = mean_difference_test(values[:, None], labels, resamples=4999, rng=rng).p[0]
    theirs = stats.permutation_test(
        (values[labels == 1], values[labels == 0]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        vectorized=True,
        n_resamples=4999,
        rng=1,
    ).pvalue
    assert ours == pytest.approx(theirs, abs=0.02)
    assert 0.001 < ours < 0.4


def test_shuffling_within_levels_does_not_credit_a_label_with_the_other():
    # Values depend on the level only, and the label goes along with the level: 8 of 10 against 2 of 10.
    rng = np.random.default_rng(1)
    levels = np.repeat([0, 1], 10)
    labels = np.array([1] * 8 + [0] * 2 + [1] * 2 + [0] * 8)
    values = (levels * -5.0 + rng.normal(size=20))[:, None]
    assert mean_difference_test(values, labels, resamples=999, rng=rng).p[0] < 0.05
    assert mean_difference_test(values, labels, within=levels, resamples=999, rng=rng).p[0] > 0.05


def test_the_interval_of_a_difference_covers_the_truth():
    rng = np.random.default_rng(2)
    labels, strata = np.repeat([1, 0], 20), np.repeat([0, 1, 2, 3], 10)
    covered = 0
    for _ in range(200):
        values = rng.exponential(size=40)
        values[labels == 1] += 1
        found = mean_difference_interval(values[:, None], labels, strata=strata, resamples=300, rng=rng)
        covered += found.low[0] <= 1 <= found.high[0]
    assert 0.86 <= covered / 200 <= 0.99
    with pytest.raises(InvalidInput, match="both labels"):
        mean_difference_interval(values[:, None], labels, strata=np.zeros(40, dtype=int), rng=rng)


def test_sign_flip_is_exact_for_few_pairs():
    six = sign_flip_test(np.arange(1.0, 7.0), alternative="greater")
    assert six.p == 1 / 64 and six.exact and six.n_patterns == 64 and six.mean == 3.5
    assert sign_flip_test(np.arange(1.0, 7.0)).p == 2 / 64
    assert sign_flip_test(np.array([1.0, -1.0])).p == 1
    assert sign_flip_test(np.array([2.0]), alternative="greater").p == 0.5


def test_drawn_signs_agree_with_scipy():
    from scipy import stats

    rng = np.random.default_rng(3)
    differences = rng.normal(loc=0.35, size=25)
    ours = sign_flip_test(differences, rng=rng, resamples=4999)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=4999, rng=4
    ).pvalue
    assert not ours.exact
    assert ours.p == pytest.approx(theirs, abs=0.02)
    with pytest.raises(InvalidInput, match="rng"):
        sign_flip_test(differences)


def test_corrections_give_the_textbook_values():
    p = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, 0.04, 0.04, 0.02])


def test_faulty_input_is_refused():
    for wrong in ([], [0.0, 0.5], [1.2]):
        with pytest.raises(InvalidInput):
            holm(wrong)
    with pytest.raises(InvalidInput, match="labels 0 and 1"):
        mean_difference(np.ones((3, 1)), np.array([1, 1, 1]))
    with pytest.raises(InvalidInput):
        sign_flip_test(np.array([np.nan]))


def test_an_estimated_difference_is_the_test_and_the_interval_with_draws_of_their_own():
    values, labels = np.random.default_rng(0).normal(size=20), np.repeat([0, 1], 10)
    draws = Draws(seed=0, resamples=200)
    estimate = mean_difference_estimate(draws, "m", values, labels, strata=labels, by="shuffled")
    test = mean_difference_test(values[:, None], labels, resamples=200, rng=draws.rng("m test"))
    ends = mean_difference_interval(
        values[:, None], labels, strata=labels, resamples=200, rng=draws.rng("m interval")
    )
    assert estimate.value == pytest.approx(values[10:].mean() - values[:10].mean())
    assert (estimate.p, estimate.low, estimate.high) == (test.p[0], ends.low[0], ends.high[0])
    assert (estimate.test, estimate.n, estimate.resamples) == ("shuffled", 20, 200)


def test_half_of_each_level_is_above_its_own_median():
    values, levels = np.array([1, 2, 3, 4, 10, 20, 30, 40, 30]), np.repeat([7, 3], [4, 5])
    assert above_median(values, levels).tolist() == [0, 0, 1, 1, 0, 0, 0, 1, 0]


def test_a_rank_correlation_and_its_test_agree_with_scipy():
    rng = np.random.default_rng(4)
    first = rng.normal(size=60).round(1)  # with ties
    second = first + rng.normal(size=60)
    test = rank_correlation_test(first, second, resamples=4_000, alternative="greater", rng=rng)
    expected = scipy_stats.spearmanr(first, second, alternative="greater")
    assert test.observed[0] == pytest.approx(expected.statistic)
    weak = rank_correlation_test(first, rng.normal(size=60), resamples=4_000, rng=np.random.default_rng(0))
    assert test.p[0] < 0.001 < weak.p[0]


def test_ranks_that_only_levels_have_in_common_are_not_significant_within_these():
    rng = np.random.default_rng(5)
    level = np.repeat([0, 1, 2], 20)
    first, second = (10 * level + rng.normal(size=60) for _ in range(2))
    within = rank_correlation_test(first, second, within=level, resamples=2_000, rng=rng)
    over_all = rank_correlation_test(first, second, resamples=2_000, rng=rng)
    assert within.observed[0] == over_all.observed[0] > 0.8
    assert over_all.p[0] < 0.001 and within.p[0] > 0.05


@pytest.mark.parametrize(
    "first, second, within, problem",
    [
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], None, "all the same"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], None, "cannot be correlated"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [0, 1, 2], "constant within every level"),
    ],
)
def test_ranks_that_cannot_be_correlated_are_refused(first, second, within, problem):
    levels = None if within is None else np.array(within)
    with pytest.raises(InvalidInput, match=problem):
        rank_correlation_test(np.array(first), np.array(second), within=levels, rng=np.random.default_rng(0))


def test_estimates_are_corrected_together_and_their_tests_say_so():
    tested = {
        name: Estimate(1.0, n=5).tested(p, name) for name, p in zip("abc", [0.01, 0.04, 0.03], strict=True)
    }
    corrected = holm_together(tested, family="three tests")
    assert [round(estimate.p, 6) for estimate in corrected.values()] == [0.03, 0.06, 0.06]
    assert corrected["b"].test == "b; Holm over three tests" and corrected["b"].n == 5
    frame = holm_frame(tested, corrected, {"a": "A", "b": "B", "c": "C"})
    assert frame.iloc[1].to_dict() == {"what": "B", "test": "b", "p": 0.04, "p_holm": corrected["b"].p}
    with pytest.raises(InvalidInput, match="d has no p-value"):
        holm_together(tested | {"d": Estimate(1.0)}, family="four tests")

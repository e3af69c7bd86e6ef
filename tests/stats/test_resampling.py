from __future__ import annotations

import numpy as np
import pytest

from mechscope.errors import InvalidInput, UnknownName
from mechscope.stats.resampling import (
    bootstrap_weights,
    compare_with_null,
    percentile_interval,
    permuted_within,
    pooled_strata,
    swapped_roles,
)


def test_labels_are_shuffled_within_levels_only():
    rng = np.random.default_rng(0)
    labels, levels = np.array([0, 1, 1, 0, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1, 2])
    draws = permuted_within(labels, levels, 500, rng)
    for level in (0, 1, 2):
        at = levels == level
        assert (np.sort(draws[:, at], axis=1) == np.sort(labels[at])).all()
    assert len(np.unique(draws, axis=0)) == 9  # 3 arrangements in each of two levels, 1 in the third


def test_all_arrangements_are_equally_frequent():
    draws = permuted_within(np.array([1, 0, 0, 0]), None, 8000, np.random.default_rng(1))
    np.testing.assert_allclose(draws.mean(0), 0.25, atol=0.025)


def test_a_label_that_cannot_be_shuffled_is_refused():
    rng = np.random.default_rng(2)
    with pytest.raises(InvalidInput, match="nothing to permute"):
        permuted_within(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 9, rng)
    with pytest.raises(InvalidInput, match="levels"):
        permuted_within(np.array([0, 1]), np.array([0]), 9, rng)
    with pytest.raises(InvalidInput, match="resamples"):
        permuted_within(np.array([0, 1]), None, 0, rng)


def test_roles_are_exchanged_topic_by_topic():
    first, second = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])
    a, b = swapped_roles(first, second, 4000, np.random.default_rng(3))
    assert (a + b == first + second).all()
    assert (a[:, [0, 3]] == first[[0, 3]]).all()
    np.testing.assert_allclose(a[:, 1].mean(), 0.5, atol=0.04)
    assert abs(np.corrcoef(a[:, 1], a[:, 2])[0, 1]) < 0.06
    with pytest.raises(InvalidInput, match="the same"):
        swapped_roles(first, first, 9, np.random.default_rng(3))


def test_bootstrap_weights_keep_the_size_of_each_stratum():
    strata = np.array([0, 0, 0, 1, 1])
    weights = bootstrap_weights(strata, 3000, np.random.default_rng(4))
    assert (weights[:, :3].sum(1) == 3).all() and (weights[:, 3:].sum(1) == 2).all()
    np.testing.assert_allclose(weights.mean(0), 1, atol=0.06)
    with pytest.raises(InvalidInput, match="single item"):
        bootstrap_weights(np.array([0, 0, 1]), 9, np.random.default_rng(4))


def test_p_counts_the_observed_arrangement_and_is_never_zero():
    null = np.arange(99.0)[:, None]
    assert compare_with_null(np.array([1000.0]), null, alternative="greater").p[0] == 0.01
    assert compare_with_null(np.array([-1.0]), null, alternative="greater").p[0] == 1
    assert compare_with_null(np.array([89.5]), null, alternative="greater").p[0] == (1 + 9) / 100


def test_a_tie_counts_as_reached_whatever_the_rounding():
    null = np.array([[0.3], [0.1 + 0.2], [0.0]])
    assert compare_with_null(np.array([0.1 + 0.2]), null, alternative="greater").p[0] == 3 / 4
    assert compare_with_null(np.array([0.3]), null, alternative="greater").p[0] == 3 / 4


def test_two_sided_counts_both_ends():
    null = np.array([[-3.0], [2.0], [0.5], [-0.1]])
    assert compare_with_null(np.array([-2.0]), null, alternative="two-sided").p[0] == 3 / 5
    assert compare_with_null(np.array([-2.0]), null, alternative="greater").p[0] == 4 / 5


def test_the_maximum_statistic_controls_the_search_over_units():
    # 40 units of very different spread, all null: some unit falls below p = 0.05 nearly always, p_max rarely.
    rng = np.random.default_rng(5)
    scale = np.geomspace(0.01, 100, 40)
    alone, searched = 0, 0
    for _ in range(200):
        draws = rng.normal(size=(200, 40)) * scale
        test = compare_with_null(draws[0], draws[1:], alternative="greater")
        alone += test.p.min() <= 0.05
        searched += test.p_max.min() <= 0.05
    assert alone > 150
    assert 2 <= searched <= 22


def test_the_maximum_statistic_finds_a_unit_of_small_spread_and_its_threshold_agrees():
    rng = np.random.default_rng(6)
    scale = np.array([0.01, 100.0])
    null = rng.normal(size=(999, 2)) * scale
    test = compare_with_null(np.array([0.06, 50.0]), null, alternative="greater")
    assert (test.p_max < 0.05).tolist() == [True, False]
    assert (test.observed > test.threshold).tolist() == [True, False]


def test_one_unit_has_the_same_p_with_and_without_the_search():
    null = np.random.default_rng(7).normal(size=(499, 1))
    test = compare_with_null(np.array([1.3]), null, alternative="greater")
    assert test.p[0] == test.p_max[0]


def test_a_unit_that_never_varies_is_never_significant():
    null = np.column_stack([np.zeros(99), np.arange(99.0)])
    test = compare_with_null(np.array([0.0, 200.0]), null, alternative="greater")
    assert test.p[0] == 1 and test.p_max[0] == 1
    assert test.p_max[1] == 0.01


def test_percentiles_are_central_and_units_separate():
    draws = np.column_stack([np.arange(1001.0), np.zeros(1001)])
    found = percentile_interval(draws, 0.9)
    np.testing.assert_allclose(found.low, [50, 0])
    np.testing.assert_allclose(found.high, [950, 0])


@pytest.mark.parametrize(
    "labels, together",
    [
        ("aaaaabbbbb", ["aaaaa", "bbbbb"]),
        ("aaaaabbccc", ["aaaaa", "bbccc"]),
        ("aaaaaabbbbbc", ["aaaaaac", "bbbbb"]),  # a single one would never vary
        ("abc", ["abc"]),
    ],
)
def test_rare_labels_are_one_stratum_and_a_single_item_goes_with_the_largest(labels, together):
    strata = pooled_strata(list(labels))
    found = {"".join(np.array(list(labels))[strata == stratum]) for stratum in np.unique(strata)}
    assert found == set(together)


def test_impossible_comparisons_are_refused():
    with pytest.raises(UnknownName, match="did you mean 'greater'"):
        compare_with_null(np.zeros(1), np.zeros((3, 1)), alternative="grater")
    with pytest.raises(InvalidInput, match="fit"):
        compare_with_null(np.zeros(2), np.zeros((3, 1)), alternative="greater")
    with pytest.raises(InvalidInput, match="finite"):
        compare_with_null(np.zeros(1), np.full((3, 1), np.nan), alternative="greater")
    with pytest.raises(InvalidInput, match="level"):
        percentile_interval(np.zeros((3, 1)), 95)
    with pytest.raises(InvalidInput, match="no value"):
        percentile_interval(np.full((3, 1), np.nan))

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mechscope.errors import InvalidInput
from mechscope.stats.auroc import (
    auroc,
    auroc_difference,
    mean_auroc_interval,
    mean_auroc_resampled,
    mean_auroc_test,
)
from mechscope.stats.resampling import bootstrap_weights

LABELS = np.repeat([0, 1, 2], [4, 5, 6])


def values_of(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, len(LABELS))).round(1)  # rounded: with ties


def test_auroc_is_that_of_the_mann_whitney_test():
    values = values_of(7)
    found = auroc(values, LABELS)
    for unit, row in enumerate(values):
        for label in range(3):
            inside, outside = row[label == LABELS], row[label != LABELS]
            expected = mannwhitneyu(inside, outside).statistic / (len(inside) * len(outside))
            assert found[unit, label] == pytest.approx(expected)


def test_a_unit_that_puts_a_label_on_top_has_auroc_one_for_it_and_less_than_half_for_the_others():
    found = auroc((LABELS == 1)[None].astype(float), LABELS)[0]
    assert found[1] == 1
    assert (found[[0, 2]] < 0.5).all()


def test_the_observed_statistic_is_the_mean_over_the_units_of_a_group():
    values, targets, groups = values_of(6), np.array([0, 1, 2, 0, 0, 1]), np.array([0, 0, 1, 1, 1, 1])
    each = auroc(values, LABELS)[np.arange(6), targets]
    test = mean_auroc_test(values, LABELS, targets, groups, resamples=50, rng=np.random.default_rng(0))
    assert test.observed == pytest.approx([each[:2].mean(), each[2:].mean()])


def test_a_resample_is_auroc_with_items_repeated():
    values, targets, groups = values_of(3), np.array([0, 1, 1]), np.zeros(3, dtype=int)
    draws = mean_auroc_resampled(values, LABELS, targets, groups, resamples=5, rng=np.random.default_rng(1))
    weights = bootstrap_weights(LABELS, 5, np.random.default_rng(1))
    for draw, weight in zip(draws[:, 0], weights, strict=True):
        items = np.repeat(np.arange(len(LABELS)), weight)
        each = auroc(values[:, items], LABELS[items])[np.arange(3), targets]
        assert draw == pytest.approx(each.mean())


def test_p_is_uniform_when_labels_mean_nothing_although_units_are_copies_of_each_other():
    rng = np.random.default_rng(2)
    p = []
    for _ in range(300):
        # A hundred units that all say the same: as observations they would look like overwhelming evidence.
        values = np.repeat(rng.normal(size=(1, len(LABELS))), 100, axis=0)
        ones = np.ones(100, dtype=int)
        test = mean_auroc_test(values, LABELS, ones, ones * 0, resamples=99, rng=rng)
        p.append(test.p[0])
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.09
    assert 0.42 <= np.mean(np.array(p) <= 0.5) <= 0.58


def test_a_planted_label_is_found_in_its_group_only():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(20, len(LABELS)))
    values[:10] += 2.0 * (LABELS == 2)
    targets, groups = np.full(20, 2), np.repeat([0, 1], 10)
    test = mean_auroc_test(values, LABELS, targets, groups, resamples=999, rng=rng)
    assert test.p_max[0] < 0.05 < test.p_max[1]
    interval = mean_auroc_interval(values, LABELS, targets, groups, resamples=500, rng=rng)
    assert interval.low[0] > 0.8
    assert interval.high[1] < interval.low[0]


def test_intervals_cover_the_true_auroc():
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1], [12, 30])
    shift, truth = 1.0, 0.7602  # Φ(1/√2)
    covered = 0
    for _ in range(200):
        values = rng.normal(size=(1, 42)) + shift * (labels == 0)
        zero = np.zeros(1, dtype=int)
        found = mean_auroc_interval(values, labels, zero, zero, resamples=300, rng=rng)
        covered += found.low[0] <= truth <= found.high[0]
    assert 0.86 <= covered / 200 <= 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(15, dtype=int)}, "two or more labels"),
        ({"labels": np.repeat([0, 2], [7, 8])}, "without a gap"),
        ({"labels": np.array([0, 1])}, "do not fit 2 labels"),
        ({"targets": np.array([0, 3])}, "from 0 to 2"),
        ({"targets": np.array([0])}, "a target and a group each"),
        ({"groups": np.array([0, 2])}, "group has no units"),
    ],
)
def test_refusals(change, message):
    wanted = {"labels": LABELS, "targets": np.array([0, 1]), "groups": np.array([0, 0])} | change
    with pytest.raises(InvalidInput, match=message):
        mean_auroc_test(values_of(2), **wanted, rng=np.random.default_rng(0))


def test_the_difference_between_units_that_know_their_label_and_others_is_theirs():
    values, targets = values_of(40, seed=4), np.tile([0, 1], 20)
    upper = np.arange(40) < 20
    values[upper] += 9 * (LABELS[None] == targets[upper, None])  # a perfect AUROC
    found = auroc_difference(values, LABELS, targets, upper, resamples=200, rng=np.random.default_rng(0))
    each = auroc(values, LABELS)[np.arange(40), targets]
    assert found.value == pytest.approx(1 - each[~upper].mean())
    assert found.low is not None and found.high is not None
    assert 0.2 < found.low < found.value < found.high
    assert (found.n, found.resamples) == (len(LABELS), 200)


@pytest.mark.parametrize("upper", [True, False])
def test_a_difference_needs_units_in_both_groups(upper):
    groups = np.full(3, upper)
    with pytest.raises(InvalidInput):
        auroc_difference(values_of(3), LABELS, np.zeros(3, int), groups, rng=np.random.default_rng(0))

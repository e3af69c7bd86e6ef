"""How well a unit's values tell the items of one label from all others: AUROC, averaged over many units.

AUROC is the chance that a random item of the label has the larger value than a random other item (ties
count one half): 0.5 tells nothing. Averages are over units, but units are no observations (all read the same
items), so tests permute the labels of items and intervals resample items. A pair has one item of the label
and one without it, so an item is never compared with its own copy.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Estimate
from mechscope.stats.resampling import (
    Interval,
    PermutationTest,
    bootstrap_weights,
    compare_with_null,
    percentile_interval,
    permuted_within,
)


def auroc(
    values: Float[np.ndarray, "unit item"], labels: Int[np.ndarray, " item"]
) -> Float[np.ndarray, "unit label"]:
    """AUROC of each unit for each label 0, 1, 2 … against all other labels.

    Raises:
        InvalidInput: Labels that do not fit the values or are not 0, 1, 2 …; a single label.
    """
    sizes = _sizes(values, labels)
    own = np.eye(len(sizes))[labels]
    rank_sums = rankdata(values, axis=1) @ own
    return (rank_sums - sizes * (sizes + 1) / 2) / (sizes * (len(labels) - sizes))


def mean_auroc_test(
    values: Float[np.ndarray, "unit item"],
    labels: Int[np.ndarray, " item"],
    targets: Int[np.ndarray, " unit"],
    groups: Int[np.ndarray, " unit"],
    *,
    resamples: int = 10_000,
    rng: np.random.Generator,
) -> PermutationTest:
    """Is the mean AUROC of a group of units larger than when labels are shuffled (one-sided)?

    Args:
        targets: The label that each unit is asked about, chosen without looking at these items.
        groups: Which group (layer) each unit belongs to: 0, 1, 2 …; all of them are tested jointly.

    Raises:
        InvalidInput: As `auroc`; also a target that is no label, or a group without units.
    """
    sizes, n_groups = _check_units(values, labels, targets, groups)
    ranks = rankdata(values, axis=1)
    # All that a shuffle needs of the units: the sum of their ranks of each item, by group and target.
    summed = np.zeros((n_groups, len(sizes), len(labels)))
    np.add.at(summed, (groups, targets), ranks)
    counts = np.zeros((n_groups, len(sizes)))
    np.add.at(counts, (groups, targets), 1)

    def means(draws: Int[np.ndarray, "draw item"]) -> Float[np.ndarray, "draw group"]:
        total = np.zeros((len(draws), n_groups))
        for label, size in enumerate(sizes):
            wins = (draws == label).astype(np.float64) @ summed[:, label].T
            wins -= counts[:, label] * size * (size + 1) / 2
            total += wins / (size * (len(labels) - size))
        return total / counts.sum(1)

    null = means(permuted_within(labels, None, resamples, rng))
    return compare_with_null(means(labels[None])[0], null, alternative="greater")


def mean_auroc_resampled(
    values: Float[np.ndarray, "unit item"],
    labels: Int[np.ndarray, " item"],
    targets: Int[np.ndarray, " unit"],
    groups: Int[np.ndarray, " unit"],
    *,
    resamples: int = 10_000,
    rng: np.random.Generator,
) -> Float[np.ndarray, "draw group"]:
    """Mean AUROC of each group in bootstrap resamples of the items within their label.

    Raises:
        InvalidInput: As `mean_auroc_test`; also a label with a single item.
    """
    sizes, n_groups = _check_units(values, labels, targets, groups)
    counts = np.bincount(groups, minlength=n_groups)
    weights = bootstrap_weights(labels, resamples, rng).astype(np.float64)
    out = np.zeros((resamples, n_groups))
    for label, size in enumerate(sizes):
        inside, outside = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        for group in range(n_groups):
            chosen = values[(targets == label) & (groups == group)]
            if not len(chosen):
                continue
            first, second = chosen[:, inside, None], chosen[:, None, outside]
            wins = ((first > second) + 0.5 * (first == second)).sum(0)
            # Strata are the labels, so the sums of the weights inside and outside are the same in all draws.
            pairs = ((weights[:, inside] @ wins) * weights[:, outside]).sum(1)
            out[:, group] += pairs / (size * (len(labels) - size))
    return out / counts


def mean_auroc_interval(
    values: Float[np.ndarray, "unit item"],
    labels: Int[np.ndarray, " item"],
    targets: Int[np.ndarray, " unit"],
    groups: Int[np.ndarray, " unit"],
    *,
    resamples: int = 10_000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Interval:
    """Bootstrap interval of the mean AUROC of each group of units; raises as `mean_auroc_resampled`."""
    draws = mean_auroc_resampled(values, labels, targets, groups, resamples=resamples, rng=rng)
    return percentile_interval(draws, level)


def auroc_difference(
    values: Float[np.ndarray, "unit item"],
    labels: Int[np.ndarray, " item"],
    targets: Int[np.ndarray, " unit"],
    upper: Bool[np.ndarray, " unit"],
    *,
    resamples: int = 10_000,
    rng: np.random.Generator,
) -> Estimate:
    """Mean AUROC of some units minus that of the others, with its bootstrap interval over items.

    Raises:
        InvalidInput: As `mean_auroc_resampled`; no units in one of the two groups.
    """
    groups = upper.astype(np.int64)
    draws = mean_auroc_resampled(values, labels, targets, groups, resamples=resamples, rng=rng)
    if draws.shape[1] < 2:
        raise InvalidInput("all units are of one group: there is nothing to compare them with.")
    each = auroc(values, labels)[np.arange(len(values)), targets]
    value = float(each[upper].mean() - each[~upper].mean())
    return Estimate.of_draws(value, draws[:, 1] - draws[:, 0], n=len(labels))


def _sizes(
    values: Float[np.ndarray, "unit item"], labels: Int[np.ndarray, " item"]
) -> Int[np.ndarray, " label"]:
    if values.ndim != 2 or values.shape[1] != len(labels):
        raise InvalidInput(f"values of shape {values.shape} do not fit {len(labels)} labels.")
    sizes = np.bincount(labels)
    if len(sizes) < 2 or not sizes.all():
        raise InvalidInput("AUROC needs two or more labels, numbered 0, 1, 2 … without a gap.")
    return sizes


def _check_units(
    values: Float[np.ndarray, "unit item"],
    labels: Int[np.ndarray, " item"],
    targets: Int[np.ndarray, " unit"],
    groups: Int[np.ndarray, " unit"],
) -> tuple[Int[np.ndarray, " label"], int]:
    """How many items each label has, and how many groups there are; everything that comes in is checked."""
    sizes = _sizes(values, labels)
    if targets.shape != (len(values),) or groups.shape != (len(values),):
        raise InvalidInput(f"{len(values)} units need a target and a group each.")
    if not len(values) or targets.min() < 0 or targets.max() >= len(sizes):
        raise InvalidInput(f"targets must be labels from 0 to {len(sizes) - 1}.")
    if not np.bincount(groups).all():
        raise InvalidInput("a group has no units.", hint="number groups 0, 1, 2 … without a gap")
    return sizes, int(groups.max()) + 1

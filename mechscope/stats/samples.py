"""Two groups of numbers, and paired differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Draws, Estimate
from mechscope.stats.resampling import (
    Alternative,
    Interval,
    PermutationTest,
    bootstrap_weights,
    compare_with_null,
    percentile_interval,
    permuted_within,
)

_ENUMERATED = 16  # up to 2^16 sign patterns are listed, above that they are drawn


def mean_difference(
    values: Float[np.ndarray, "item unit"], labels: Int[np.ndarray, "*draw item"]
) -> Float[np.ndarray, "*draw unit"]:
    """Mean of the items labelled 1 minus mean of the items labelled 0, for one labelling or many at once."""
    _check_two_groups(labels)
    ones = labels.astype(np.float64)
    upper = ones @ values / ones.sum(-1, keepdims=True)
    lower = (1 - ones) @ values / (1 - ones).sum(-1, keepdims=True)
    return upper - lower


def own_minus_others(
    values: Float[np.ndarray, "group item"],
    own: Bool[np.ndarray, "group item"],
    weights: Float[np.ndarray, "draw item"] | None = None,
) -> Float[np.ndarray, " draw"]:
    """Mean of each group over its own items minus that over all others, averaged over groups.

    Args:
        values: What each group does to each item.
        own: Which items are the group's own.
        weights: Bootstrap multiplicities of the items; None: each once, which gives one value.

    Raises:
        InvalidInput: A group whose own items are none, or all there are.
    """
    if not (own.any(1).all() and (~own).any(1).all()):
        raise InvalidInput("each group needs items of its own and others.")
    each = np.ones((1, values.shape[1])) if weights is None else weights
    on_own = np.einsum("rt,ct,ct->rc", each, values, own) / (each @ own.T)
    on_others = np.einsum("rt,ct,ct->rc", each, values, ~own) / (each @ (~own).T)
    return (on_own - on_others).mean(1)


def mean_difference_test(
    values: Float[np.ndarray, "item unit"],
    labels: Int[np.ndarray, " item"],
    *,
    within: Int[np.ndarray, " item"] | None = None,
    resamples: int = 10_000,
    alternative: Alternative = "two-sided",
    rng: np.random.Generator,
) -> PermutationTest:
    """Permutation test of a difference of means, labels shuffled within the levels of another label."""
    draws = permuted_within(labels, within, resamples, rng)
    null = mean_difference(values, draws)
    return compare_with_null(mean_difference(values, labels), null, alternative=alternative)


def mean_difference_interval(
    values: Float[np.ndarray, "item unit"],
    labels: Int[np.ndarray, " item"],
    *,
    strata: Int[np.ndarray, " item"],
    resamples: int = 10_000,
    level: float = 0.95,
    rng: np.random.Generator,
) -> Interval:
    """Bootstrap interval of a difference of means, resampling items within strata that share their label.

    Raises:
        InvalidInput: A stratum holds both labels, so that a resample could lose one of them.
    """
    _check_two_groups(labels)
    for level_of in np.unique(strata):
        if len(np.unique(labels[strata == level_of])) > 1:
            raise InvalidInput(f"stratum {level_of} holds both labels.", hint="stratify by category")
    weights = bootstrap_weights(strata, resamples, rng).astype(np.float64)
    upper, lower = weights * (labels == 1), weights * (labels == 0)
    draws = upper @ values / upper.sum(1, keepdims=True) - lower @ values / lower.sum(1, keepdims=True)
    return percentile_interval(draws, level)


def mean_difference_estimate(
    draws: Draws,
    name: str,
    values: Float[np.ndarray, " item"],
    labels: Int[np.ndarray, " item"],
    *,
    within: Int[np.ndarray, " item"] | None = None,
    strata: Int[np.ndarray, " item"],
    by: str,
) -> Estimate:
    """A difference of means with its interval and its two-sided permutation test.

    Args:
        name: Of the draws: the test's are "NAME test" and the interval's "NAME interval".
        within: Shuffle only among items that agree on this other label.
        strata: Resample items within these, each of one label.
        by: How labels are shuffled, in words.

    Raises:
        InvalidInput: As `mean_difference_test` and `mean_difference_interval`.
    """
    column, resamples = values[:, None], draws.resamples
    test = mean_difference_test(
        column, labels, within=within, resamples=resamples, rng=draws.rng(f"{name} test")
    )
    interval = mean_difference_interval(
        column, labels, strata=strata, resamples=resamples, rng=draws.rng(f"{name} interval")
    )
    return Estimate.of(interval=interval, test=test, by=by, n=len(labels))


def above_median(
    values: Float[np.ndarray, " item"] | Int[np.ndarray, " item"], within: Int[np.ndarray, " item"]
) -> Int[np.ndarray, " item"]:
    """1 for items above the median of their level of `within`, else 0."""
    upper = np.zeros(len(values), dtype=np.int64)
    for level in np.unique(within):
        members = within == level
        upper[members] = values[members] > np.median(values[members])
    return upper


@dataclass(frozen=True)
class SignFlip:
    """A test of paired differences.

    Attributes:
        mean: The mean difference.
        p: Share of sign patterns with a mean at least as extreme; the observed pattern is one of them.
        n_patterns: How many patterns were looked at.
        exact: Whether these were all there are.
    """

    mean: float
    p: float
    n_patterns: int
    exact: bool


def sign_flip_test(
    differences: Float[np.ndarray, " pair"],
    *,
    alternative: Alternative = "two-sided",
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> SignFlip:
    """Paired test: under the null hypothesis each difference is as likely to have the other sign.

    Exact for up to 16 pairs; for more, patterns are drawn and p = (1 + number as extreme) / (draws + 1).

    Raises:
        InvalidInput: No differences, one that is not finite, or more than 16 without a generator.
    """
    if differences.ndim != 1 or not len(differences) or not np.isfinite(differences).all():
        raise InvalidInput("a sign-flip test needs at least one difference, all of them finite.")
    n = len(differences)
    observed = np.array([differences.mean()])
    if n <= _ENUMERATED:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        means = (1.0 - 2.0 * bits) @ differences[:, None] / n
        # The identity is among the patterns: leave it out here, the +1 of the p-value stands for it.
        test = compare_with_null(observed, means[1:], alternative=alternative)
        return SignFlip(float(observed[0]), float(test.p[0]), 2**n, True)
    if rng is None:
        raise InvalidInput(f"{n} differences are too many to list all signs.", hint="pass rng=…")
    signs = rng.choice([-1.0, 1.0], size=(resamples, n))
    test = compare_with_null(observed, signs @ differences[:, None] / n, alternative=alternative)
    return SignFlip(float(observed[0]), float(test.p[0]), resamples, False)


def rank_correlation_test(
    first: Float[np.ndarray, " item"],
    second: Float[np.ndarray, " item"],
    *,
    within: Int[np.ndarray, " item"] | None = None,
    resamples: int = 10_000,
    alternative: Alternative = "two-sided",
    rng: np.random.Generator,
) -> PermutationTest:
    """Spearman's rank correlation over all items, and its test: items permuted within levels of a label.

    Args:
        within: A level for each item; None: all are permuted.

    Raises:
        InvalidInput: Numbers of different length or all the same, or levels of a single item each.
    """
    if first.shape != second.shape:
        raise InvalidInput(f"{len(first)} numbers cannot be correlated with {len(second)}.")
    middle = (len(first) + 1) / 2
    ranks, other_ranks = rankdata(first) - middle, rankdata(second) - middle
    scale = np.sqrt((ranks**2).sum() * (other_ranks**2).sum())
    if not scale > 0:
        raise InvalidInput("numbers that are all the same have no correlation with others.")
    order = permuted_within(np.arange(len(first)), within, resamples, rng)
    observed = np.array([ranks @ other_ranks / scale])
    return compare_with_null(observed, (ranks[order] @ other_ranks / scale)[:, None], alternative=alternative)


def _check_two_groups(labels: Int[np.ndarray, "*draw item"]) -> None:
    if not np.isin(labels, (0, 1)).all() or not (labels.any(-1).all() and (labels == 0).any(-1).all()):
        raise InvalidInput("a difference of means needs labels 0 and 1, both of them present.")

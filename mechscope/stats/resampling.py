"""Draws (permutations, bootstrap resamples, sign flips) and how an observed statistic compares with them.

Every function takes a `numpy.random.Generator`; the same generator state gives the same draws.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from mechscope.errors import InvalidInput, UnknownName

Alternative = Literal["greater", "two-sided"]

# Two arrangements with the same value must count as equal although their sums were added up in another order.
_TIE = 1e-9


@dataclass(frozen=True)
class PermutationTest:
    """Observed statistics of one or more units against draws under the null hypothesis.

    Attributes:
        observed: The statistic of each unit (a layer, a head; one unit for a single test).
        p: Of each unit alone: (1 + number of draws at least as extreme) / (draws + 1).
        p_max: Adjusted for the search over all units by the maximum of the standardised statistic.
        null_quantile: 0.95 quantile of each unit's draws (of their absolute value when two-sided).
        threshold: What a unit must exceed to have p_max < 0.05 (its upper end when two-sided).
        resamples: Number of draws.
        alternative: "greater" or "two-sided".
    """

    observed: Float[np.ndarray, " unit"]
    p: Float[np.ndarray, " unit"]
    p_max: Float[np.ndarray, " unit"]
    null_quantile: Float[np.ndarray, " unit"]
    threshold: Float[np.ndarray, " unit"]
    resamples: int
    alternative: Alternative


@dataclass(frozen=True)
class Interval:
    """Percentile bootstrap intervals of one or more units."""

    low: Float[np.ndarray, " unit"]
    high: Float[np.ndarray, " unit"]
    level: float
    resamples: int


def compare_with_null(
    observed: Float[np.ndarray, " unit"],
    null: Float[np.ndarray, "draw unit"],
    *,
    alternative: Alternative,
) -> PermutationTest:
    """Compare statistics with draws that were made jointly for all units.

    For the search over units, each unit is standardised by the mean and standard deviation of its own draws
    (the observed arrangement counted among them, so that all arrangements are treated alike), and compared
    with the distribution of the largest standardised value over units (Westfall & Young 1993, single step).

    Raises:
        UnknownName: An unknown alternative.
        InvalidInput: Shapes that do not fit, no draws, or a value that is not finite.
    """
    if alternative not in get_args(Alternative):
        raise UnknownName("alternative", alternative, get_args(Alternative))
    if null.ndim != 2 or observed.shape != null.shape[1:] or not len(null):
        raise InvalidInput(
            f"observed statistics of shape {observed.shape} do not fit draws of shape {null.shape}."
        )
    if not np.isfinite(null).all() or not np.isfinite(observed).all():
        raise InvalidInput(
            "a statistic is not finite in some draw.",
            hint="every arrangement needs pairs of items within and across",
        )
    folded = np.abs if alternative == "two-sided" else np.asarray
    p = _p_value(folded(observed), folded(null))

    together = np.concatenate([observed[None], null])
    mean, spread = together.mean(0), together.std(0)
    scale = np.where(spread > 0, spread, 1.0)
    largest = folded((null - mean) / scale).max(1)
    p_max = _p_value(folded((observed - mean) / scale), largest[:, None])
    return PermutationTest(
        observed=observed,
        p=p,
        p_max=p_max,
        null_quantile=np.quantile(folded(null), 0.95, axis=0),
        threshold=mean + scale * np.quantile(largest, 0.95),
        resamples=len(null),
        alternative=alternative,
    )


def _p_value(
    extreme: Float[np.ndarray, " unit"], draws: Float[np.ndarray, "draw unit"]
) -> Float[np.ndarray, " unit"]:
    reached = draws >= extreme - _TIE * np.maximum(1.0, np.abs(extreme))
    return (1 + reached.sum(0)) / (len(draws) + 1)


def permuted_within(
    labels: Int[np.ndarray, " item"],
    levels: Int[np.ndarray, " item"] | None,
    resamples: int,
    rng: np.random.Generator,
) -> Int[np.ndarray, "draw item"]:
    """Labels shuffled among the items of each level (of a stratifying label); None shuffles all.

    Raises:
        InvalidInput: Labels and levels of different length, no draws, or labels constant in every level.
    """
    _check_resamples(resamples)
    strata = np.zeros(len(labels), dtype=np.int64) if levels is None else np.asarray(levels)
    if strata.shape != labels.shape:
        raise InvalidInput(f"{len(labels)} labels, but {len(strata)} levels.")
    draws = np.tile(labels, (resamples, 1))
    varied = False
    for level in np.unique(strata):
        members = np.flatnonzero(strata == level)
        varied = varied or len(np.unique(labels[members])) > 1
        draws[:, members] = rng.permuted(draws[:, members], axis=1)
    if not varied:
        raise InvalidInput(
            "the label is constant within every level: there is nothing to permute.",
            hint="the two labels are confounded; cross them in the design",
        )
    return draws


def swapped_roles(
    first: Int[np.ndarray, " item"],
    second: Int[np.ndarray, " item"],
    resamples: int,
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, "draw item"], Int[np.ndarray, "draw item"]]:
    """Two labels whose roles are exchanged item by item, each with probability one half.

    Raises:
        InvalidInput: Labels of different length, or equal on every item (nothing to exchange).
    """
    _check_resamples(resamples)
    if first.shape != second.shape:
        raise InvalidInput(f"{len(first)} items have the first label, {len(second)} the second.")
    if np.array_equal(first, second):
        raise InvalidInput("the two labels are the same on every item: exchanging them changes nothing.")
    swap = rng.random((resamples, len(first))) < 0.5
    return np.where(swap, second, first), np.where(swap, first, second)


def bootstrap_weights(
    strata: Int[np.ndarray, " item"], resamples: int, rng: np.random.Generator
) -> Int[np.ndarray, "draw item"]:
    """How often each item comes into each resample, drawn with replacement within its stratum.

    Raises:
        InvalidInput: No resamples, or a stratum with a single item (it would never vary).
    """
    _check_resamples(resamples)
    weights = np.zeros((resamples, len(strata)), dtype=np.int64)
    for level in np.unique(strata):
        members = np.flatnonzero(strata == level)
        if len(members) < 2:
            raise InvalidInput(f"stratum {level} has a single item: resampling it changes nothing.")
        weights[:, members] = rng.multinomial(
            len(members), np.full(len(members), 1 / len(members)), resamples
        )
    return weights


def pooled_strata(labels: Sequence[Hashable], *, fewest: int = 5) -> Int[np.ndarray, " item"]:
    """Strata for a bootstrap within labels, those of fewer than `fewest` items taken together.

    Resampled alone, n items vary by only (n − 1) / n of what they should. Where the rare labels have a single
    item together, it goes with the label that has most.
    """
    _, strata, sizes = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    rare = sizes[strata] < fewest
    strata[rare] = len(sizes)
    if rare.sum() == 1:
        strata[rare] = sizes.argmax()
    return strata


def percentile_interval(draws: Float[np.ndarray, "draw unit"], level: float = 0.95) -> Interval:
    """The central `level` of bootstrap draws, per unit.

    Raises:
        InvalidInput: A level outside (0, 1), or a draw that is not finite (a resample without any pair).
    """
    if not 0 < level < 1:
        raise InvalidInput(f"{level} is not a confidence level.", hint="level=0.95")
    if not np.isfinite(draws).all():
        raise InvalidInput("the statistic has no value in some resample: too few items in a stratum.")
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return Interval(low, high, level, len(draws))


def _check_resamples(resamples: int) -> None:
    if resamples < 1:
        raise InvalidInput(f"{resamples} resamples cannot be drawn.", hint="resamples=10_000")

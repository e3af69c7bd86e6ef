"""Numbers with their bootstrap draws: what is computed from several of them is computed draw by draw.

near, far = Drawn.ratio(moved, gap, weights), Drawn.ratio(moved_far, gap_far, weights)
ledger.statistic("far_over_near", (far / near).estimate(n, because), "…")
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from mechscope.stats.estimates import Estimate, Missing


@dataclass(frozen=True)
class Drawn:
    """One number and its bootstrap draws; differences and ratios of two have draws of their own.

    Attributes:
        value: The number; NaN where there is none.
        draws: The same number in each resample.
    """

    value: float
    draws: Float[np.ndarray, " draw"]

    @classmethod
    def mean(cls, values: Float[np.ndarray, " item"], weights: Float[np.ndarray, "draw item"]) -> Drawn:
        """The mean over items.

        Args:
            weights: Bootstrap multiplicities over the number of items, so that each draw's sum to 1.
        """
        return cls(values.mean(), weights @ values)

    @classmethod
    def crossed(
        cls,
        values: Float[np.ndarray, "row item"],
        rows: Float[np.ndarray, "draw row"],
        items: Float[np.ndarray, "draw item"],
    ) -> Drawn:
        """The mean over rows and items that are resampled apart from each other.

        Args:
            rows: As `weights` of `mean`, for the rows.
            items: The same for the items.
        """
        return cls(values.mean(), (items * (rows @ values)).sum(1))

    @classmethod
    def ratio(
        cls,
        values: Float[np.ndarray, "*row item"],
        whole: Float[np.ndarray, " item"],
        weights: Float[np.ndarray, "draw item"],
        rows: Float[np.ndarray, "draw row"] | None = None,
    ) -> Drawn:
        """The mean of `values` as a share of the mean of `whole`, over the same items.

        Args:
            values: One for each item, or several rows of them.
            weights: Bootstrap multiplicities of the items.
            rows: As `rows` of `crossed`, where there are several.
        """
        summed = weights @ values if rows is None else (weights * (rows @ values)).sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls(values.mean() / whole.mean(), summed / (weights @ whole))

    def __sub__(self, subtracted: Drawn) -> Drawn:
        return Drawn(self.value - subtracted.value, self.draws - subtracted.draws)

    def __truediv__(self, divisor: Drawn) -> Drawn:
        with np.errstate(invalid="ignore", divide="ignore"):
            return Drawn(float(np.float64(self.value) / divisor.value), self.draws / divisor.draws)

    def estimate(self, n: int | None = None, because: str = "") -> Estimate | Missing:
        """The number with its percentile interval; missing, `because`, where a draw has no value."""
        if not np.isfinite(self.value) or not np.isfinite(self.draws).all():
            return Missing(because)
        return Estimate.of_draws(float(self.value), self.draws, n=n)


def share_of_gap(
    shift: Float[np.ndarray, " item"],
    score: Float[np.ndarray, " item"],
    upper: Bool[np.ndarray, " item"],
    weights: Float[np.ndarray, "draw item"],
    *,
    among: Bool[np.ndarray, " item"] | None = None,
) -> Drawn:
    """How far items move, as a share of the distance between two groups of them: 1 is all of the way.

    It is the mean shift over the mean score of one group minus that of the other, all resampled together.

    Args:
        shift: How far the score of each item moves towards the other group.
        score: Before it moves.
        upper: Which items are of the group with the higher scores.
        weights: Bootstrap multiplicities of the items.
        among: Only these items; default all.
    """
    here = np.ones(len(score), dtype=bool) if among is None else among

    def mean(values: np.ndarray, mask: np.ndarray, each: np.ndarray) -> np.ndarray:
        weighted: np.ndarray = (each[..., mask] @ values[mask]) / each[..., mask].sum(-1)
        return weighted

    def share(each: np.ndarray) -> np.ndarray:
        return mean(shift, here, each) / (mean(score, here & upper, each) - mean(score, here & ~upper, each))

    with np.errstate(invalid="ignore", divide="ignore"):
        return Drawn(float(share(np.ones(len(shift)))), share(weights))


def average(numbers: Iterable[Drawn]) -> Drawn:
    """The mean of several numbers, draw by draw; NaN of none."""
    listed = list(numbers)
    if not listed:
        return Drawn(np.nan, np.array([np.nan]))
    value = float(np.mean([number.value for number in listed]))
    return Drawn(value, np.mean([number.draws for number in listed], axis=0))

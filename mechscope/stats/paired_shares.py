"""Shares of items, and two shares of the same items: how far apart they are, and McNemar's exact test of it.

Two intervals say little about the difference: they ignore that easy items are easy both times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Estimate


@dataclass(frozen=True)
class PairedShares:
    """The difference of two shares over the same items.

    Attributes:
        difference: Share of items for which the first is true minus share for which the second is.
        low: Lower end of its interval.
        high: Upper end.
        p: Of the hypothesis that the shares are equal, two-sided.
        first_only: Items for which the first is true and the second is not.
        second_only: The other way round.
        n: All items.
    """

    difference: float
    low: float
    high: float
    p: float
    first_only: int
    second_only: int
    n: int

    @property
    def estimate(self) -> Estimate:
        """The difference with its interval and its test."""
        by = "exact McNemar test, two-sided; interval of Bonett and Price"
        return Estimate(self.difference, self.low, self.high, p=self.p, test=by, n=self.n)


def share_of(true: Bool[np.ndarray, " item"]) -> Estimate:
    """The share of items for which something is true, with Wilson's interval.

    A bootstrap of items that are all alike would give a single point.

    Raises:
        InvalidInput: No items.
    """
    from statsmodels.stats.proportion import proportion_confint

    if not len(true):
        raise InvalidInput("a share needs items.")
    count, n = int(true.sum()), len(true)
    low, high = proportion_confint(count, n, method="wilson")
    return Estimate(count / n, float(low), float(high), n=n, test="Wilson interval of a proportion")


def compare_paired_shares(
    first: Bool[np.ndarray, " item"], second: Bool[np.ndarray, " item"], *, level: float = 0.95
) -> PairedShares:
    """Compare two yes-or-no outcomes of the same items.

    The p-value is McNemar's, exact: of the items whose outcomes differ, as many should differ one way as the
    other (McNemar 1947). The interval is Bonett & Price's (2012) adjusted Wald interval; it adds an item to
    each kind that differs, which keeps its coverage when few do.

    Raises:
        InvalidInput: Outcomes that are not yes or no, different numbers of them, or none; a level outside
            (0, 1).
    """
    from scipy.stats import binomtest, norm

    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise InvalidInput(
            f"outcomes of shape {first.shape} and {second.shape} are not pairs.",
            hint="give both outcomes of each item, in the same order",
        )
    if first.dtype != np.bool_ or second.dtype != np.bool_:
        raise InvalidInput("outcomes are yes or no.", hint="known = values == answers")
    if not 0 < level < 1:
        raise InvalidInput(f"{level} is not a confidence level.", hint="level=0.95")
    n = len(first)
    first_only, second_only = int((first & ~second).sum()), int((~first & second).sum())
    differ = first_only + second_only
    p = float(binomtest(first_only, differ, 0.5).pvalue) if differ else 1.0
    one_way, other_way = (first_only + 1) / (n + 2), (second_only + 1) / (n + 2)
    middle = one_way - other_way
    half = float(norm.ppf((1 + level) / 2)) * np.sqrt((one_way + other_way - middle**2) / (n + 2))
    return PairedShares(
        difference=(first_only - second_only) / n,
        low=max(-1.0, float(middle - half)),
        high=min(1.0, float(middle + half)),
        p=p,
        first_only=first_only,
        second_only=second_only,
        n=n,
    )

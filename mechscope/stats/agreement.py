"""How two measurements of the same places agree: correlation, errors and signs, from sums over each item.

An item (a pair of prompts) has many places (layers, positions, heads), which are not independent of each
other, so items are resampled and not places. All measures are functions of means over items of a few sums:

    sums = agreement_sums(approximate, exact)
    correlation(sums.mean(0))
    draws.of_means("r", sums, correlation)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

from mechscope.errors import InvalidInput

Means = Float[np.ndarray, "*draw 9"]
"""Means over items of what `agreement_sums` gives, of the items themselves or of any number of resamples."""


def agreement_sums(
    first: Sequence[Shaped[np.ndarray, "*place"]],
    second: Sequence[Shaped[np.ndarray, "*place"]],
    *,
    large: float = 0.05,
) -> Float[np.ndarray, "item 9"]:
    """What all measures of agreement need of each item.

    Args:
        first: The values of each item's places. Items may have different numbers of places; a place where
            either value is NaN does not count.
        second: The same places measured another way; the reference, where one is.
        large: Places with a larger |second| count for `sign_share`.

    Returns:
        The number of places, and sums over them of x, y, x², y², xy, |x − y|, of the large y, and of those
        whose sign x has.

    Raises:
        InvalidInput: Two measurements of different shapes.
    """
    if [np.shape(x) for x in first] != [np.shape(y) for y in second]:
        raise InvalidInput("the two measurements do not have the same shapes.")
    sums = np.empty((len(first), 9))
    for item, (x, y) in enumerate(zip(first, second, strict=True)):
        both = ~np.isnan(x) & ~np.isnan(y)
        x, y = x[both], y[both]
        is_large = np.abs(y) > large
        agreed = is_large & (np.sign(x) == np.sign(y))
        squares = (x * x).sum(), (y * y).sum(), (x * y).sum()
        sums[item] = (
            len(x), x.sum(), y.sum(), *squares, np.abs(x - y).sum(), is_large.sum(), agreed.sum()
        )  # fmt: skip
    return sums


def correlation(means: Means) -> Float[np.ndarray, "*draw"]:
    """Pearson's r over all places of all items; NaN where one side does not vary."""
    n, x, y, xx, yy, xy = np.moveaxis(means, -1, 0)[:6]
    return _ratio(n * xy - x * y, np.sqrt(_varied(n * xx, x * x) * _varied(n * yy, y * y)))


def mean_distance(means: Means) -> Float[np.ndarray, "*draw"]:
    """Mean absolute difference."""
    return _ratio(means[..., 6], means[..., 0])


def rms_error(means: Means) -> Float[np.ndarray, "*draw"]:
    """Root of the mean squared difference."""
    return np.sqrt(_ratio((means[..., 3] + means[..., 4] - 2 * means[..., 5]).clip(0), means[..., 0]))


def rms(means: Means) -> Float[np.ndarray, "*draw"]:
    """Root mean square of the second measurement, beside which an error is large or small."""
    return np.sqrt(_ratio(means[..., 4], means[..., 0]))


def sign_share(means: Means) -> Float[np.ndarray, "*draw"]:
    """Share of the large values of the second measurement whose sign the first one has; NaN without any."""
    return _ratio(means[..., 8], means[..., 7])


def _varied(
    squares: Float[np.ndarray, "*draw"], squared_sum: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    """n²·variance; 0 where only rounding is left of it."""
    difference = squares - squared_sum
    return np.where(difference > 1e-12 * squares, difference, 0.0)


def _ratio(
    above: Float[np.ndarray, "*draw"], below: Float[np.ndarray, "*draw"]
) -> Float[np.ndarray, "*draw"]:
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)

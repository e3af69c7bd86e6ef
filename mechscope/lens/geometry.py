"""The geometry of a set of vectors: cosines, what dominates them, and which vectors lie together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform
from torch import Tensor

from mechscope.errors import InvalidInput


def cosines(vectors: Float[Tensor, "*unit item d"], *, centred: bool) -> Float[np.ndarray, "*unit item item"]:
    """Cosine of every pair of items, separately in each unit (a layer, a head).

    Args:
        vectors: One vector an item and unit.
        centred: Subtract the unit's mean over items first. Centring n vectors forces the mean of their
            off-diagonal inner products to −1/(n−1) of the mean squared norm, so centred cosines scatter
            around about −1/(n−1), not around 0.

    Returns:
        Symmetric matrices with ones on the diagonal, in float64: items that share a large common part differ
        in the last digits of float32.

    Raises:
        InvalidInput: Fewer than 2 items, a value that is not finite, or a vector of length 0 (after centring:
            all items of a unit are the same).
    """
    if not has_cosines(vectors, centred=centred).all():
        raise InvalidInput(
            "a vector has length 0" + (" after centring." if centred else "."),
            hint="items that share their last token are all the same before the first block",
        )
    exact = _exact(vectors, centred=centred)
    unit = exact / exact.norm(dim=-1, keepdim=True)
    return (unit @ unit.transpose(-1, -2)).clamp(-1, 1).numpy()


def has_cosines(vectors: Float[Tensor, "*unit item d"], *, centred: bool) -> Bool[np.ndarray, "*unit"]:
    """In which units `cosines` has an answer: where no vector has length 0 (after centring, if wanted).

    A head that writes nothing has none, nor has a layer up to which all items are the same.

    Raises:
        InvalidInput: Fewer than 2 items, or a value that is not finite.
    """
    if vectors.shape[-2] < 2:
        raise InvalidInput(f"cosines need at least 2 vectors, not {vectors.shape[-2]}.")
    if not bool(torch.isfinite(vectors).all()):
        raise InvalidInput("a vector holds a value that is not finite.")
    largest = vectors.detach().cpu().double().abs().amax((-2, -1))
    shortest = _exact(vectors, centred=centred).norm(dim=-1).amin(-1)
    # What is left of float32 inputs after centring is rounding when it is 1e-7 of their size.
    return (shortest > 1e-7 * largest).numpy()


def _exact(vectors: Float[Tensor, "*unit item d"], *, centred: bool) -> Float[Tensor, "*unit item d"]:
    exact = vectors.detach().cpu().double()
    return exact - exact.mean(-2, keepdim=True) if centred else exact


def off_diagonal(matrix: Float[np.ndarray, "*unit item item"]) -> Float[np.ndarray, "*unit pair"]:
    """The values of all unordered pairs of different items, row by row above the diagonal."""
    first, second = np.triu_indices(matrix.shape[-1], k=1)
    return matrix[..., first, second]


@dataclass(frozen=True)
class Dominance:
    """What makes raw cosines large.

    Attributes:
        mean_share: Squared norm of the mean vector over the items' mean squared norm: 1 when all items are
            the same vector, about 1/n for vectors in unrelated directions.
        dimensions: Dimensions in the order of their share, largest first.
        shares: Share of each of these dimensions in an item's squared norm, averaged over items.
    """

    mean_share: float
    dimensions: Int[np.ndarray, " d"]
    shares: Float[np.ndarray, " d"]


def dominance(vectors: Float[Tensor, "item d"]) -> Dominance:
    """Which dimensions, and how much of a common mean, make up the length of vectors."""
    exact = vectors.detach().cpu().double()
    squares = exact**2
    share = (squares / squares.sum(-1, keepdim=True)).mean(0)
    order = torch.argsort(share, descending=True, stable=True)
    mean_share = (exact.mean(0) ** 2).sum() / squares.sum(-1).mean()
    return Dominance(float(mean_share), order.numpy(), share[order].numpy())


def without_dimensions(
    vectors: Float[Tensor, "item d"], dimensions: Int[np.ndarray, " k"]
) -> Float[Tensor, "item d_minus_k"]:
    """The vectors with some dimensions left out."""
    keep = torch.ones(vectors.shape[-1], dtype=torch.bool)
    keep[torch.as_tensor(dimensions.copy())] = False
    return vectors[..., keep]


@dataclass(frozen=True)
class Clustering:
    """Average-linkage hierarchical clustering of items at distance 1 − cosine.

    Attributes:
        merges: SciPy's linkage matrix: the two clusters merged, at which distance, how many items then.
        order: Items as leaves from left to right, neighbours as similar as the tree allows.
    """

    merges: Float[np.ndarray, "merge 4"]
    order: Int[np.ndarray, " item"]

    def cut(self, n_clusters: int) -> Int[np.ndarray, " item"]:
        """Each item's cluster, 0, 1 …, when the tree is cut into (at most) `n_clusters`."""
        return hierarchy.fcluster(self.merges, n_clusters, criterion="maxclust").astype(np.int64) - 1


def cluster(similarity: Float[np.ndarray, "item item"]) -> Clustering:
    """Cluster items by their cosines (average linkage, SciPy; leaves in optimal order).

    Raises:
        InvalidInput: Not a symmetric matrix with ones on its diagonal.
    """
    square = similarity.ndim == 2 and similarity.shape[0] == similarity.shape[1]
    if not square or not np.allclose(similarity, similarity.T) or not np.allclose(np.diag(similarity), 1):
        raise InvalidInput("clustering needs a symmetric matrix of cosines with ones on its diagonal.")
    distance = np.clip(1 - (similarity + similarity.T) / 2, 0, None)
    np.fill_diagonal(distance, 0)
    merges = hierarchy.linkage(squareform(distance, checks=False), method="average", optimal_ordering=True)
    return Clustering(merges, hierarchy.leaves_list(merges).astype(np.int64))

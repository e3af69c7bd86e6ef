"""What neurons write into the residual stream, and how these directions share it.

A layer has several times as many neurons as the stream has dimensions, so their directions cannot all be
orthogonal. Independent Gaussian directions are what to compare with, and all about them is known: two of them
in d dimensions have a cosine with mean 0 and standard deviation 1/√d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy.special import gammaln
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import norm_behind_mlp, require_layers
from mechscope.lens.core.readout import norm_gain
from mechscope.lens.geometry import dominance, without_dimensions
from mechscope.lens.toy_superposition import dimensionality


def output_directions(
    bridge: TransformerBridge, layer: int, *, gain: bool = True
) -> Float[Tensor, "neuron d_model"]:
    """The direction in which each MLP neuron writes: its row of W_out.

    Behind an MLP with a norm after it (Gemma) the stream receives that row times the norm's gain; the norm's
    scale depends on the text, but is one number for all neurons.

    Args:
        gain: Whether that gain counts; without it these are the rows as they are.

    Raises:
        InvalidInput: A layer out of range, or an MLP without plain neurons, or with a norm behind it that
            subtracts the mean.
    """
    require_layers(bridge, [layer])
    block = bridge.blocks[layer]
    weights = getattr(getattr(block, "mlp", None), "W_out", None)
    if weights is None or weights.dim() != 2:
        raise InvalidInput(f"the MLP of layer {layer} has no neurons with output weights of their own.")
    norm = norm_behind_mlp(block) if gain else None
    if norm is None:
        return weights.detach().cpu().double()
    if not norm.uses_rms_norm:
        raise InvalidInput(f"the norm behind the MLP of layer {layer} subtracts a mean.")
    gains = norm_gain(norm)
    return weights.detach().cpu().double() * (gains.cpu() if isinstance(gains, Tensor) else gains)


def of_some_length(directions: Float[Tensor, "n d"]) -> Float[Tensor, "m d"]:
    """Those directions that have a length: a pruned neuron writes nothing, and has no direction."""
    return directions[directions.norm(dim=-1) > 0]


@dataclass(frozen=True)
class Spread:
    """How n directions lie in d dimensions; lengths do not matter.

    Attributes:
        n: Number of directions.
        d: Number of dimensions.
        rms: Root mean square cosine of all pairs.
        rms_random: The same of independent Gaussian directions: 1/√d.
        mean: Mean cosine of all pairs (0 for such directions).
        smallest: The most negative cosine.
        largest: The largest.
        opposed: Pairs with a cosine below −0.5.
        aligned: Pairs with a cosine above 0.5.
        participation: Effective dimension (Σλ)²/Σλ² of the directions' second moments; at most d.
        participation_random: The same of independent Gaussian directions: n·d/(n + d − 1).
        counts: Pairs in each bin of `edges`.
        edges: Of the histogram of cosines.
    """

    n: int
    d: int
    rms: float
    rms_random: float
    mean: float
    smallest: float
    largest: float
    opposed: int
    aligned: int
    participation: float
    participation_random: float
    counts: Float[np.ndarray, " bin"]
    edges: Float[np.ndarray, " edge"]

    @property
    def ratio(self) -> float:
        """How many times as large cosines are as those of random directions."""
        return self.rms / self.rms_random

    @property
    def pairs(self) -> int:
        """Number of pairs of directions."""
        return self.n * (self.n - 1) // 2

    def densities(self, reach: float = 1.0) -> pd.DataFrame:
        """The histogram as `charts.cosine_densities` takes it: its bins within ±reach that hold a pair."""
        density = self.counts / self.counts.sum() / np.diff(self.edges)
        centre = (self.edges[1:] + self.edges[:-1]) / 2
        kept = (self.counts > 0) & (np.abs(centre) < reach)
        return pd.DataFrame({"cosine": centre[kept], "density": density[kept]})


def spread(directions: Float[Tensor, "n d"], *, bins: int = 400) -> Spread:
    """Cosines of all pairs of directions and their effective dimension.

    Raises:
        InvalidInput: Fewer than two directions, or one of length 0.
    """
    n, d = directions.shape
    if n < 2:
        raise InvalidInput(f"{n} direction has no other to be compared with.")
    exact = directions.double()
    norms = exact.norm(dim=-1, keepdim=True)
    if not bool((norms > 0).all()):
        raise InvalidInput("a direction has length 0.")
    unit = exact / norms
    gram = unit @ unit.T
    first, second = torch.triu_indices(n, n, offset=1)
    cosines = gram[first, second].clamp(-1, 1).numpy()
    counts, edges = np.histogram(cosines, bins=bins, range=(-1, 1))
    return Spread(
        n=n,
        d=d,
        rms=float(np.sqrt((cosines**2).mean())),
        rms_random=d**-0.5,
        mean=float(cosines.mean()),
        smallest=float(cosines.min()),
        largest=float(cosines.max()),
        opposed=int((cosines < -0.5).sum()),
        aligned=int((cosines > 0.5).sum()),
        # Σλ = n for unit vectors, Σλ² = the squared norm of the Gram matrix.
        participation=float(n**2 / (gram**2).sum()),
        participation_random=n * d / (n + d - 1),
        counts=counts,
        edges=edges,
    )


@dataclass(frozen=True)
class LayerSpread:
    """How the output directions of one layer's neurons lie; neurons that write nothing are left out.

    Attributes:
        directions: As the stream receives them.
        rows: Rows of W_out, without the gain of a norm behind the MLP.
        without: The directions without the dimensions of the stream in which they are longest.
        own_dimension: The share of a dimension that each direction has for itself (lengths do not matter).
        largest_dimension: The dimension of the stream in which the directions are longest.
        largest_share: The share of a direction's squared length that lies in it, mean over directions.
    """

    directions: Spread
    rows: Spread
    without: Spread
    own_dimension: Float[np.ndarray, " neuron"]
    largest_dimension: int
    largest_share: float


def layer_spread(bridge: TransformerBridge, layer: int, *, left_out: int = 2) -> LayerSpread:
    """The output directions of one layer, also without the norm's gain and without a few dimensions.

    Args:
        left_out: Without how many of the dimensions in which the directions are longest.

    Raises:
        InvalidInput: As `output_directions`; fewer than two neurons that write anything.
    """
    directions = of_some_length(output_directions(bridge, layer))
    together = spread(directions)
    rows = together
    if norm_behind_mlp(bridge.blocks[layer]) is not None:
        rows = spread(of_some_length(output_directions(bridge, layer, gain=False)))
    unit = directions / directions.norm(dim=1, keepdim=True)
    by_dimension = dominance(unit)
    rest = without_dimensions(directions, by_dimension.dimensions[:left_out])
    return LayerSpread(
        directions=together,
        rows=rows,
        without=spread(of_some_length(rest)),
        own_dimension=dimensionality(unit.T).numpy(),
        largest_dimension=int(by_dimension.dimensions[0]),
        largest_share=float(by_dimension.shares[0]),
    )


def random_cosine_density(cosine: Float[np.ndarray, " point"], d: int) -> Float[np.ndarray, " point"]:
    """Density of the cosine of two independent Gaussian directions in d ≥ 2 dimensions.

    Γ(d/2) / (√π·Γ((d−1)/2)) · (1 − c²)^((d−3)/2)
    """
    if d < 2:
        raise InvalidInput(f"directions in {d} dimension have no angles.")
    constant = gammaln(d / 2) - gammaln((d - 1) / 2) - 0.5 * np.log(np.pi)
    return np.exp(constant + (d - 3) / 2 * np.log1p(-np.square(cosine)))

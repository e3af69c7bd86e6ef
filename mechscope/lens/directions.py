"""What neurons write into the residual stream, and how these directions share it.

A layer has several times as many neurons as the stream has dimensions, so their directions cannot all be
orthogonal. Independent Gaussian directions are what to compare with, and all about them is known: two of them
in d dimensions have a cosine with mean 0 and standard deviation 1/√d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import gammaln
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import norm_behind_mlp, require_layers
from mechscope.lens.core.readout import norm_gain


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


def random_cosine_density(cosine: Float[np.ndarray, " point"], d: int) -> Float[np.ndarray, " point"]:
    """Density of the cosine of two independent Gaussian directions in d ≥ 2 dimensions.

    Γ(d/2) / (√π·Γ((d−1)/2)) · (1 − c²)^((d−3)/2)
    """
    if d < 2:
        raise InvalidInput(f"directions in {d} dimension have no angles.")
    constant = gammaln(d / 2) - gammaln((d - 1) / 2) - 0.5 * np.log(np.pi)
    return np.exp(constant + (d - 3) / 2 * np.log1p(-np.square(cosine)))

"""Statistics of every MLP neuron over a set of texts, in one streaming pass, and the texts that drive it.

A neuron is a coordinate of `mlp.hook_post`: in a gated MLP act(gate) · up, which may be negative. "Firing" is
therefore not "above 0" by itself: the threshold is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import n_neurons
from mechscope.lens.core.forward import forward
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import Batch, Padding, TokenisedTexts, batches

_SIZES = tuple(2.0**power for power in range(-6, 7))
HISTOGRAM_EDGES: tuple[float, ...] = (*(-size for size in reversed(_SIZES)), 0.0, *_SIZES)
"""Edges of the histogram of activations, the same for all neurons of all models: 0, and powers of 2 from 1/64
to 64 on either side, since activations of a gated MLP have either sign. They are fixed beforehand because one
pass over the texts knows no range, and grow by factors because neurons differ in scale."""

_EDGES = torch.tensor(HISTOGRAM_EDGES)


@dataclass(frozen=True)
class NeuronStatistics:
    """What each neuron does over all tokens of the texts that count: padding, special tokens and, without a
    BOS, each text's first token are left out (see `mechscope.lens.core.tokens`).

    Attributes:
        layers: Which blocks these are.
        n_tokens: Number of these tokens.
        maximum: Largest activation.
        mean: Mean activation.
        std: Standard deviation.
        kurtosis: Fourth standardised moment (3 for a Gaussian; large for a neuron that is rarely but strongly
            active); NaN for a neuron that never varies.
        firing_rate: Share of tokens with an activation above the threshold.
        histogram: Number of tokens in each bin of `HISTOGRAM_EDGES`: below the first edge, from each edge
            (that value itself included) up to the next, and from the last on.
        top_texts: Texts with the largest activations, largest first, each text counted once.
        top_values: These activations.
        top_positions: At which token of the text, special tokens not counted.
    """

    layers: tuple[int, ...]
    n_tokens: int
    maximum: Float[Tensor, "layer neuron"]
    mean: Float[Tensor, "layer neuron"]
    std: Float[Tensor, "layer neuron"]
    kurtosis: Float[Tensor, "layer neuron"]
    firing_rate: Float[Tensor, "layer neuron"]
    histogram: Int[Tensor, "layer neuron bin"]
    top_texts: Int[Tensor, "layer neuron k"]
    top_values: Float[Tensor, "layer neuron k"]
    top_positions: Int[Tensor, "layer neuron k"]


def neuron_statistics(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    layers: Sequence[int],
    *,
    threshold: float = 0.0,
    top: int = 10,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> NeuronStatistics:
    """Stream texts through the model and keep sums, never all activations.

    Where there is no BOS, the first token of each text, an attention sink, is read but not counted.

    Args:
        layers: Blocks with an MLP.
        threshold: A neuron fires at a token where its activation is above this.
        top: How many texts to keep for each neuron, at most the number of texts.
        padding: How rows of one batch are brought to one length; the answer does not depend on it.
        batch_size: Texts in a batch; default as many as memory has room for.

    Raises:
        InvalidInput: No layers, one that is not there or has no neurons, a text of a single token at the
            first position, or a `top` below 1 or above the number of texts.
    """
    if not layers:
        raise InvalidInput("no layers to look at.")
    width = n_neurons(bridge, layers)
    tokenised.require_counted()
    if not 1 <= top <= len(tokenised):
        raise InvalidInput(f"there are no top {top} of {len(tokenised)} texts.")
    # The sums are made in float64, from the first four powers of all activations of a layer.
    held = 10 * width * tokenised.longest
    size = rows_at_once(bridge, batch_size, 32, tokenised.longest, kept=held, unembedded=1)
    sums = {layer: _Sums(len(tokenised), width, threshold, tokenised.n_special) for layer in layers}
    for batch in batches(tokenised, padding=padding, batch_size=size):
        read = {f"blocks.{layer}.mlp.hook_post": partial(sums[layer].add, batch) for layer in layers}
        forward(bridge, batch.ids, attended=batch.attended, read=read)
    found = [sums[layer].finish(top) for layer in layers]
    n_tokens = sum(len(row) - tokenised.first_counted for row in tokenised.ids)
    stacked = [torch.stack(parts) for parts in zip(*found, strict=True)]
    return NeuronStatistics(tuple(layers), n_tokens, *stacked)


def _histogram(activations: Float[Tensor, "token neuron"]) -> Int[Tensor, "neuron bin"]:
    bins = len(_EDGES) + 1
    which = torch.bucketize(activations, _EDGES, right=True)
    which += bins * torch.arange(activations.shape[1])
    return torch.bincount(which.flatten(), minlength=bins * activations.shape[1]).view(-1, bins)


class _Sums:
    """Running sums of one layer, in float64."""

    def __init__(self, n_texts: int, width: int, threshold: float, n_special: int) -> None:
        self.threshold, self.n_special = threshold, n_special
        self.n = 0
        self.shift: Tensor | None = None
        self.moments = torch.zeros(4, width, dtype=torch.float64)
        self.fired = torch.zeros(width, dtype=torch.float64)
        self.histogram = torch.zeros(width, len(_EDGES) + 1, dtype=torch.long)
        self.best = torch.empty(n_texts, width)
        self.where = torch.empty(n_texts, width, dtype=torch.long)

    def add(self, batch: Batch, value: Float[Tensor, "batch pos neuron"]) -> None:
        counted = batch.counted.to(value.device)
        tokens = value[counted].double().cpu()
        if self.shift is None:
            # Moments about a value near the mean: about 0 they would lose digits for a biased neuron.
            self.shift = tokens.mean(0)
        shifted = tokens - self.shift
        self.moments += torch.stack([(shifted**power).sum(0) for power in (1, 2, 3, 4)])
        self.fired += (tokens > self.threshold).sum(0)
        self.histogram += _histogram(value[counted].float().cpu())
        self.n += len(tokens)
        largest = value.float().masked_fill(~counted[..., None], -torch.inf).max(1)
        first = batch.attended.argmax(1) + self.n_special
        self.best[batch.rows] = largest.values.cpu()
        self.where[batch.rows] = largest.indices.cpu() - first[:, None]

    def finish(self, top: int) -> tuple[Tensor, ...]:
        assert self.shift is not None  # texts were added
        m1, m2, m3, m4 = self.moments / self.n
        variance = (m2 - m1**2).clamp_min(0)
        fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
        kurtosis = torch.where(variance > 0, fourth / variance**2, torch.nan)
        # Stable, so that equal activations come in the order of the texts wherever this runs.
        values, texts = self.best.sort(dim=0, descending=True, stable=True)
        texts, values = texts[:top], values[:top]
        return (
            self.best.max(0).values,
            (m1 + self.shift).float(),
            variance.sqrt().float(),
            kurtosis.float(),
            (self.fired / self.n).float(),
            self.histogram,
            texts.T,
            values.T,
            self.where.gather(0, texts).T,
        )


def topics_among_top(
    top_texts: Int[Tensor, "*unit k"], topics: Int[np.ndarray, " text"]
) -> Int[np.ndarray, "*unit"]:
    """How many different topics the top texts of each neuron come from: 1 for a neuron of one topic."""
    labels = np.sort(np.asarray(topics)[top_texts.numpy()], axis=-1)
    return 1 + (np.diff(labels, axis=-1) != 0).sum(-1)


def reaches_further_down(histogram: Int[Tensor, "*unit bin"]) -> Bool[np.ndarray, "*unit"]:
    """Whether activations reach further below 0 than above it, by a bin of `HISTOGRAM_EDGES` or more.

    A value is seen no finer than by its bin, whose edges are powers of 2.
    """
    counted = histogram.numpy() > 0
    side = counted.shape[-1] // 2  # bins below 0, the outermost first; then as many from 0 on
    lower, upper = counted[..., :side], counted[..., : side - 1 : -1]
    down, up = (np.where(part.any(-1), side - part.argmax(-1), 0) for part in (lower, upper))
    return down > up


def shares_by_size(
    histogram: Int[Tensor, "*unit bin"], cuts: Sequence[float]
) -> Float[np.ndarray, "*unit part"]:
    """Shares of activations below the first cut, between each cut and the next, and from the last on.

    Args:
        cuts: Some of `HISTOGRAM_EDGES`, ascending.

    Raises:
        InvalidInput: A cut that is no edge, or cuts out of order.
    """
    if not set(cuts) <= set(HISTOGRAM_EDGES) or sorted(set(cuts)) != list(cuts):
        raise InvalidInput(
            f"activations were not counted between {', '.join(f'{cut:g}' for cut in cuts)}.",
            hint="ascending edges of HISTOGRAM_EDGES: 0 and powers of 2 from 1/64 to 64 on either side",
        )
    counts = histogram.numpy()
    starts = [0, *(1 + HISTOGRAM_EDGES.index(cut) for cut in cuts)]
    return np.add.reduceat(counts, starts, axis=-1) / counts.sum(-1, keepdims=True)

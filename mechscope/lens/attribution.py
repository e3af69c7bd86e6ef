"""Direct logit attribution: a logit as an exact sum over embedding, heads, MLPs, neurons and biases.

The stream after the last block is a sum of what every component wrote, and a logit is linear in it once the
final norm's scale is frozen (Elhage et al. 2021; Wang et al. 2022):

1. One pass reads, at each text's last token, the embedding, every head's z, every MLP's output and the norms'
   scales.
2. The logit's direction is carried in front of the final norm (`mechscope.lens.core.readout`) and, where a
   norm stands behind a block's attention or MLP (Gemma's sandwich norms), in front of that one too.
3. A part is what a component wrote, along that direction; biases are parts of their own.
4. The parts must sum to the model's own logit, within what its pass may lose to rounding; otherwise the call
   fails.

A model with folded norms (`load_model(name, folded=True)`) is taken as it is. Parts of centred logits and of
logit differences stay what they were, but for the value biases: folding moves them from the heads into their
layer's b_O (a row of attention sums to 1, so they are a constant). Only models that have some show it: GPT-2.
Folding also centres the unembedding: raw logits become the unfolded model's centred ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.lens.core.components import (
    mlp_output,
    n_neurons,
    neuron_weights,
    norm_behind_attention,
    norm_behind_mlp,
    require_layers,
)
from mechscope.lens.core.forward import last_only, read_positions
from mechscope.lens.core.readout import make_readout, norm_bias, read_logit, soft_cap, through_norm
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import Padding, TokenisedTexts, batches, require_answers

_SUMS = 50
"""How many roundings of float32 or better, relative to all that was added up, a sum may lose: half precision
is added up in float32."""
_STORED = 6
"""How many times the root of their squares the roundings of stored values may be."""


@dataclass
class _Rounding:
    """How far a pass may be from the exact sum of what it read: rounding, and nothing that was left out.

    Each value that a pass stores is rounded by itself, so these errors add up as a root of squares, and sums
    lose a little of all that was added up, sign by sign (what two blocks write can be much larger than what
    is left of both). A bound on the second alone would let half precision hide whole components.
    """

    eps: float
    size: Float[Tensor, " text"]
    squares: Float[Tensor, " text"]

    @classmethod
    def of(cls, dtype: torch.dtype, n: int) -> _Rounding:
        """No rounding yet, for `n` texts."""
        nothing = torch.zeros(n, dtype=torch.float64)
        return cls(torch.finfo(dtype).eps, nothing, nothing.clone())

    def add(self, rows: Tensor, stored: Tensor, size: Tensor) -> None:
        """Note a value that was stored: its parts along the direction, and what was added up to get it."""
        self.squares[rows] += stored.square().sum(-1).cpu()
        self.size[rows] += size.cpu()

    @property
    def allowed(self) -> Float[Tensor, " text"]:
        """The largest difference that is rounding."""
        in_sums = min(self.eps, torch.finfo(torch.float32).eps)
        return _SUMS * in_sums * self.size + _STORED * self.eps * self.squares.sqrt()


@dataclass(frozen=True)
class Attribution:
    """The parts of a logit (or logit difference) at each text's last token, in float64.

    Attributes:
        logit: The model's own value, before soft-capping.
        embedding: The last token's embedding.
        position: Its position's embedding; zeros where positions are rotary.
        heads: What each head wrote (z · W_O, through the norm behind attention where there is one).
        attention_biases: b_O of each layer, and the bias of the norm behind attention.
        mlps: What each MLP wrote, without its output bias.
        mlp_biases: b_out of each layer, and the bias of the norm behind the MLP.
        final_bias: The final norm's bias, and b_U.
    """

    logit: Float[Tensor, " text"]
    embedding: Float[Tensor, " text"]
    position: Float[Tensor, " text"]
    heads: Float[Tensor, "layer head text"]
    attention_biases: Float[Tensor, "layer text"]
    mlps: Float[Tensor, "layer text"]
    mlp_biases: Float[Tensor, "layer text"]
    final_bias: Float[Tensor, " text"]

    @property
    def total(self) -> Float[Tensor, " text"]:
        """The sum of all parts."""
        return self.by_layer.sum(0) + self.embedding + self.position + self.final_bias

    @property
    def by_layer(self) -> Float[Tensor, "layer text"]:
        """What each layer added: its heads, its MLP and their biases."""
        return self.heads.sum(1) + self.attention_biases + self.mlps + self.mlp_biases

    @property
    def rounding(self) -> Float[Tensor, " text"]:
        """The model's logit minus the sum: what its pass lost to the working precision."""
        return self.logit - self.total

    def parts(self) -> tuple[tuple[str, ...], Float[Tensor, "part text"]]:
        """Every part by name ("embedding", "L3H1", "MLP 3", "bias of attention 3" …); they sum to `total`."""
        names: list[str] = ["embedding", "position"]
        values = [self.embedding, self.position]
        for layer, heads in enumerate(self.heads):
            names += [f"L{layer}H{head}" for head in range(len(heads))]
            names += [f"bias of attention {layer}", f"MLP {layer}", f"bias of MLP {layer}"]
            values += [*heads, self.attention_biases[layer], self.mlps[layer], self.mlp_biases[layer]]
        return (*names, "final bias"), torch.stack([*values, self.final_bias])

    def sublayers(self, text: int = 0) -> dict[str, float]:
        """One text's parts in the order of the pass, a layer's heads as one part, with their biases."""
        parts = {"embedding": (self.embedding + self.position)[text]}
        for layer, heads in enumerate(self.heads):
            parts[f"attention {layer}"] = heads[:, text].sum() + self.attention_biases[layer, text]
            parts[f"MLP {layer}"] = self.mlps[layer, text] + self.mlp_biases[layer, text]
        return {name: float(part) for name, part in (parts | {"final bias": self.final_bias[text]}).items()}


def largest_parts(parts: Mapping[str, float], k: int, *, rest: str = "all other parts") -> dict[str, float]:
    """The k parts of largest size in their own order, and the sum of the others as the last one, if any."""
    large = sorted(parts, key=lambda name: -abs(parts[name]))[:k]
    kept = {name: value for name, value in parts.items() if name in large}
    others = [value for name, value in parts.items() if name not in large]
    return kept | ({rest: sum(others)} if others else {})


@dataclass(frozen=True)
class NeuronAttribution:
    """What each MLP neuron has to do with a logit, at each text's last token.

    Attributes:
        layers: Which layers were looked at.
        activations: Values behind the activation function (and the gate), where W_out reads them.
        contributions: To the logit; over a layer's neurons they sum to that layer's `Attribution.mlps`.
    """

    layers: tuple[int, ...]
    activations: Float[Tensor, "layer neuron text"]
    contributions: Float[Tensor, "layer neuron text"]

    def top(self, k: int, *, by: NeuronOrder, text: int) -> list[Neuron]:
        """The k neurons with the largest absolute activation or contribution in one text, largest first.

        Raises:
            UnknownName: `by` is neither.
            InvalidInput: k below 1 or above the number of neurons, or a text that is not there.
        """
        if by not in get_args(NeuronOrder):
            raise UnknownName("order of neurons", by, get_args(NeuronOrder))
        n_layers, width, n_texts = self.activations.shape
        if not 1 <= k <= n_layers * width:
            raise InvalidInput(f"there are no top {k} of {n_layers * width} neurons.")
        if not 0 <= text < n_texts:
            raise InvalidInput(f"there is no text {text}: these are texts 0 to {n_texts - 1}.")
        values = self.activations if by == "activation" else self.contributions
        order = values[:, :, text].abs().flatten().sort(descending=True, stable=True).indices[:k]
        return [
            Neuron(
                self.layers[at // width],
                at % width,
                float(self.activations[at // width, at % width, text]),
                float(self.contributions[at // width, at % width, text]),
            )
            for at in order.tolist()
        ]

    def frame(self, k: int, *, text: int = 0) -> pd.DataFrame:
        """The k largest neurons of one text by activation, then by contribution.

        Returns:
            The columns order, place (from 1 on), neuron ("L3N120"), activation and adds (its contribution).

        Raises:
            InvalidInput: As `top`.
        """
        rows = [
            (by, place, f"L{neuron.layer}N{neuron.neuron}", neuron.activation, neuron.contribution)
            for by in get_args(NeuronOrder)
            for place, neuron in enumerate(self.top(k, by=by, text=text), start=1)
        ]
        return pd.DataFrame(rows, columns=["order", "place", "neuron", "activation", "adds"])

    def overlap(self, k: int) -> Float[np.ndarray, " text"]:
        """In each text, the share of the k most active neurons that is among the k that contribute most.

        Raises:
            InvalidInput: k below 1 or above the number of neurons.
        """
        return self._overlap(self.contributions, k)

    def overlap_exchanged(self, k: int, *, exchanges: int, seed: int) -> Float[np.ndarray, " text"]:
        """`overlap` when neurons of a layer exchange their output weights, mean over so many exchanges.

        What is left is due to activity alone: a neuron that is twice as active contributes twice as much,
        whatever it writes.

        Raises:
            InvalidInput: As `overlap`.
        """
        generator = torch.Generator().manual_seed(seed)
        weights = (self.contributions / self.activations).nan_to_num(0.0, posinf=0.0, neginf=0.0)
        shares = []
        for _ in range(exchanges):
            exchanged = [layer[torch.randperm(len(layer), generator=generator)] for layer in weights]
            shares.append(self._overlap(self.activations * torch.stack(exchanged), k))
        return np.mean(shares, axis=0)

    def _overlap(
        self, contributions: Float[Tensor, "layer neuron text"], k: int
    ) -> Float[np.ndarray, " text"]:
        n = self.activations[..., 0].numel()
        if not 1 <= k <= n:
            raise InvalidInput(f"there are no top {k} of {n} neurons.")
        active, added = (
            values.abs().flatten(0, 1).topk(k, dim=0).indices for values in (self.activations, contributions)
        )
        return (active[:, None] == added[None]).any(1).double().mean(0).numpy()


NeuronOrder = Literal["activation", "contribution"]


@dataclass(frozen=True)
class Neuron:
    """One neuron in one text: where it is, how active, and what it adds to the logit."""

    layer: int
    neuron: int
    activation: float
    contribution: float


def attribute(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    answers: Int[Tensor, " text"],
    others: Int[Tensor, " text"] | None = None,
    *,
    centred: bool = False,
    before_cap: bool = False,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> Attribution:
    """Take the logit of one token after each text apart.

    Args:
        answers: The token whose logit it is. An answer of several tokens: its first, or one text for each of
            its tokens, with the tokens before it appended.
        others: Take the logit difference answer − other apart instead.
        centred: Without `others`: minus the mean logit over the vocabulary, which no probability depends on
            but which raw logits hold.
        before_cap: Accept a model that soft-caps its logits; the parts then sum to the logit before the cap.

    Raises:
        InvalidInput: Answers that do not fit the texts or the vocabulary, or a model with soft-capped logits
            without `before_cap`.
        ModelMismatch: The parts do not sum to the model's logit: it adds something up in another way than
            embedding, attention and MLPs.
    """
    _require_sum(bridge, before_cap)
    require_answers(bridge, tokenised, answers)
    n, n_layers, n_heads = len(tokenised), bridge.cfg.n_layers, bridge.cfg.n_heads
    readout = make_readout(bridge, answers, others, centred=centred)

    def empty(*shape: int) -> Tensor:
        return torch.zeros(*shape, n, dtype=torch.float64)

    kept = Attribution(
        empty(), empty(), empty(), empty(n_layers, n_heads), empty(n_layers), empty(n_layers),
        empty(n_layers), empty(),
    )  # fmt: skip
    rounding = _Rounding.of(bridge.W_U.dtype, n)
    held = _numbers_read(bridge)
    size = rows_at_once(bridge, batch_size, 16, tokenised.longest, kept=held, unembedded=1)
    for batch in batches(tokenised, padding=padding, batch_size=size):
        read = read_positions(bridge, batch, _hooks(bridge), last_only(batch), logits=True)
        direction, rows = readout.direction[batch.rows], batch.rows
        frozen = through_norm(bridge.ln_final, read["ln_final.hook_scale"], direction)
        chosen = None if others is None else others[rows].to(frozen.device)
        logits = read["unembed.hook_out"]
        kept.logit[rows] = read_logit(logits, answers[rows].to(frozen.device), chosen, centred=centred).cpu()
        kept.embedding[rows] = _along(read[_embedding(bridge)], frozen)
        if "pos_embed.hook_out" in read:
            kept.position[rows] = _along(read["pos_embed.hook_out"], frozen)
        constant = (direction * norm_bias(bridge.ln_final)).sum(-1)
        kept.final_bias[rows] = (constant + readout.bias[rows]).cpu()
        largest = logits.double().abs().amax(-1, keepdim=True)
        rounding.add(rows, largest, largest.sum(-1))
        for layer in range(n_layers):
            _attention_parts(bridge, layer, read, frozen, rows, kept, rounding)
            _mlp_parts(bridge, layer, read, frozen, rows, kept, rounding)
            along = read[f"blocks.{layer}.hook_resid_post"].double() * frozen
            for _ in ("attention", "MLP"):  # each is added to the stream, which is stored
                rounding.add(rows, along, along.abs().sum(-1))
    _require_exact(kept, rounding)
    return kept


def attribute_neurons(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    answers: Int[Tensor, " text"],
    others: Int[Tensor, " text"] | None = None,
    *,
    layers: Sequence[int] | None = None,
    centred: bool = False,
    before_cap: bool = False,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> NeuronAttribution:
    """Take the MLPs' parts of a logit apart into neurons; arguments as in `attribute`.

    Args:
        layers: Which layers; None for all.

    Returns:
        16 bytes a neuron, layer and text.

    Raises:
        InvalidInput: As `attribute` does; also a layer out of range, or MLPs without plain neurons.
        ModelMismatch: A layer's neurons do not sum to its MLP's output.
    """
    _require_sum(bridge, before_cap)
    require_answers(bridge, tokenised, answers)
    chosen = tuple(range(bridge.cfg.n_layers)) if layers is None else tuple(layers)
    require_layers(bridge, chosen)
    n = len(tokenised)
    weights = {layer: neuron_weights(bridge, layer) for layer in chosen}
    width = n_neurons(bridge, chosen)
    readout = make_readout(bridge, answers, others, centred=centred)
    activations = torch.empty(len(chosen), width, n, dtype=torch.float64)
    contributions = torch.empty_like(activations)
    held = _numbers_read(bridge) + 10 * width + len(chosen) * width
    size = rows_at_once(bridge, batch_size, 16, tokenised.longest, kept=held, unembedded=1)
    for batch in batches(tokenised, padding=padding, batch_size=size):
        read = read_positions(
            bridge, batch, [*_hooks(bridge), *_neuron_hooks(chosen)], last_only(batch), logits=True
        )
        direction = readout.direction[batch.rows]
        frozen = through_norm(bridge.ln_final, read["ln_final.hook_scale"], direction)
        for at, layer in enumerate(chosen):
            post = read[f"blocks.{layer}.mlp.hook_post"].double()
            ahead = _ahead(norm_behind_mlp(bridge.blocks[layer]), read, frozen)
            weight = weights[layer].double().T
            contribution = post * (ahead @ weight)
            expected = _along_raw(_mlp_output(bridge, layer, read), ahead)
            rounding = _Rounding.of(bridge.W_U.dtype, len(post))
            along = read[mlp_output(bridge, layer)].double() * ahead
            # Each neuron is rounded in each dimension, before anything cancels along the direction.
            added = (post.abs() * (ahead.abs() @ weight.abs())).sum(-1) + along.abs().sum(-1)
            rounding.add(torch.arange(len(post)), along, added)
            off = (contribution.sum(-1) - expected).abs().cpu()
            if not bool((off <= rounding.allowed).all()):
                raise ModelMismatch(f"layer {layer}: the neurons do not sum to the MLP's output.")
            activations[at][:, batch.rows] = post.T.cpu()
            contributions[at][:, batch.rows] = contribution.T.cpu()
    return NeuronAttribution(chosen, activations, contributions)


def _attention_parts(
    bridge: TransformerBridge, layer: int, read: dict[str, Tensor], frozen: Tensor, rows: Tensor,
    kept: Attribution, rounding: _Rounding,
) -> None:  # fmt: skip
    """Note what a layer's heads wrote."""
    attention, norm = bridge.blocks[layer].attn, norm_behind_attention(bridge.blocks[layer])
    ahead = _ahead(norm, read, frozen)
    z: Float[Tensor, "batch head d_head"] = read[f"blocks.{layer}.attn.hook_z"].double()
    weights = attention.W_O.detach().double()
    parts = (z * torch.einsum("hdm,bm->bhd", weights, ahead)).sum(-1)
    kept.heads[layer][:, rows] = parts.T.cpu()
    bias = _bias(norm, getattr(attention, "b_O", None), ahead, frozen)
    kept.attention_biases[layer][rows] = bias
    along = torch.einsum("bhd,hdm->bm", z, weights) * ahead
    size = torch.einsum("bhd,hdm,bm->b", z.abs(), weights.abs(), ahead.abs())
    # Beside the output, the scale of a norm behind it is stored: a share of the whole part.
    rounding.add(rows, torch.cat([along, parts.sum(-1, keepdim=True)], -1), size)


def _mlp_parts(
    bridge: TransformerBridge, layer: int, read: dict[str, Tensor], frozen: Tensor, rows: Tensor,
    kept: Attribution, rounding: _Rounding,
) -> None:  # fmt: skip
    """Note what a layer's MLP wrote."""
    block = bridge.blocks[layer]
    if not hasattr(block, "mlp"):
        return
    norm = norm_behind_mlp(block)
    ahead = _ahead(norm, read, frozen)
    kept.mlps[layer][rows] = _along(_mlp_output(bridge, layer, read), ahead)
    kept.mlp_biases[layer][rows] = _bias(norm, getattr(block.mlp, "b_out", None), ahead, frozen)
    along = read[mlp_output(bridge, layer)].double() * ahead
    rounding.add(rows, torch.cat([along, along.sum(-1, keepdim=True)], -1), along.abs().sum(-1))


def _mlp_output(bridge: TransformerBridge, layer: int, read: dict[str, Tensor]) -> Tensor:
    """What the MLP wrote, before the norm behind it and without its output bias."""
    output = read[mlp_output(bridge, layer)].double()
    bias = getattr(bridge.blocks[layer].mlp, "b_out", None)
    return output if bias is None else output - bias.detach().double()


def _ahead(norm: Any, read: dict[str, Tensor], frozen: Tensor) -> Tensor:
    """The direction in which a block's part of the stream is read, in front of the norm behind it if any."""
    if norm is None:
        return frozen
    return through_norm(norm, read[norm.hook_scale.name], frozen)


def _bias(norm: Any, bias: Tensor | None, ahead: Tensor, frozen: Tensor) -> Tensor:
    total = torch.zeros(len(frozen), dtype=torch.float64, device=frozen.device)
    if bias is not None:
        total = total + (ahead * bias.detach().double()).sum(-1)
    if norm is not None:
        total = total + (frozen * norm_bias(norm)).sum(-1)
    return total.cpu()


def _along_raw(value: Tensor, direction: Tensor) -> Float[Tensor, " batch"]:
    return (value.double() * direction).sum(-1)


def _along(value: Tensor, direction: Tensor) -> Float[Tensor, " batch"]:
    return _along_raw(value, direction).cpu()


def _hooks(bridge: TransformerBridge) -> list[str]:
    """What has to be read: embedding, each head's z, each MLP's output, and the scales to freeze."""
    names = [_embedding(bridge), "ln_final.hook_scale"]
    if "pos_embed.hook_out" in bridge.hook_dict:
        names.append("pos_embed.hook_out")
    for layer, block in enumerate(bridge.blocks):
        names += [f"blocks.{layer}.attn.hook_z", f"blocks.{layer}.hook_resid_post"]
        if hasattr(block, "mlp"):
            names.append(mlp_output(bridge, layer))
        behind = (norm_behind_attention(block), norm_behind_mlp(block))
        names += [norm.hook_scale.name for norm in behind if norm is not None]
    return names


def _numbers_read(bridge: TransformerBridge) -> int:
    """About how many numbers a pass keeps of each text: what is read of every block, with copies."""
    cfg = bridge.cfg
    return cfg.n_layers * (4 * cfg.d_model + cfg.n_heads * (getattr(cfg, "d_head", None) or cfg.d_model))


def _embedding(bridge: TransformerBridge) -> str:
    """BLOOM has a norm behind the embedding."""
    return "embed_ln.hook_out" if "embed_ln.hook_out" in bridge.hook_dict else "embed.hook_out"


def _neuron_hooks(layers: Sequence[int]) -> list[str]:
    return [f"blocks.{layer}.mlp.hook_post" for layer in layers]


def _require_sum(bridge: TransformerBridge, before_cap: bool) -> None:
    cap = soft_cap(bridge)
    if cap is not None and not before_cap:
        raise InvalidInput(
            f"this model caps its logits at ±{cap:g} (tanh): no sum of parts gives a capped logit.",
            hint="pass before_cap=True to take the logit before the cap apart",
        )


def _require_exact(found: Attribution, rounding: _Rounding) -> None:
    allowed = rounding.allowed
    off = found.rounding.abs()
    worst = int((off - allowed).argmax())
    if not bool(torch.isfinite(off).all()) or off[worst] > allowed[worst]:
        raise ModelMismatch(
            f"text {worst}: the parts sum to {found.total[worst]:.6f}, but the model's logit is "
            f"{found.logit[worst]:.6f}.",
            hint="attribution needs a model that only adds up embedding, attention and MLPs",
        )

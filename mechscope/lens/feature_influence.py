"""How a feature of one layer's dictionary acts on a feature of a later one, in three ways.

*Virtual weight*: W_dec[source] · W_enc[:, target], the direct path only, the same for all texts. *Gradient ×
activation*: the source's activation times the derivative of the target's pre-activation along the source's
decoder row, through all blocks between. *Causal*: take the source's contribution out of the residual stream
and see how much the target's pre-activation falls. The last two move the source at all of a text's tokens and
add the target up over all of them, so that what attention carries to later tokens counts; they agree where
the blocks between are linear, and all three (per unit of activation) where there is nothing between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import residual_hook
from mechscope.lens.core.forward import Reader, forward
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import TokenisedTexts, batches
from mechscope.lens.dictionaries import Dictionary, require_folded


@dataclass(frozen=True)
class PlainDictionary:
    """A dictionary of plain tensors: f = relu((x − b_dec) W_enc + b_enc)."""

    W_enc: Float[Tensor, "d_model feature"]
    b_enc: Float[Tensor, " feature"]
    W_dec: Float[Tensor, "feature d_model"]
    b_dec: Float[Tensor, " d_model"]

    def encode(self, x: Float[Tensor, "*at d_model"]) -> Float[Tensor, "*at feature"]:
        return ((x - self.b_dec) @ self.W_enc + self.b_enc).relu()


@dataclass(frozen=True)
class Influence:
    """Influence of source features (rows) on target features (columns), over the tokens of all texts.

    Attributes:
        virtual: W_dec · W_enc, per unit of the source's activation.
        gradient: Source's activation × derivative of the sum of the target's pre-activation over all tokens
            of the text, by the stream at the source's token; summed over tokens, for each token at which the
            source is active.
        causal: How far that sum falls when the source is taken out at all tokens of the text; summed over
            texts, for each token at which the source is active.
        active: Number of tokens at which each source is active.
    """

    virtual: Float[Tensor, "source target"]
    gradient: Float[Tensor, "source target"]
    causal: Float[Tensor, "source target"]
    active: Float[Tensor, " source"]

    def agreement(self) -> dict[str, float]:
        """Pearson correlations between the three, over pairs whose source is active somewhere."""
        used = self.active > 0
        flat = {
            name: getattr(self, name)[used].double().flatten() for name in ("virtual", "gradient", "causal")
        }
        pairs = (("virtual", "gradient"), ("virtual", "causal"), ("gradient", "causal"))
        return {
            f"{one}_{other}": float(torch.corrcoef(torch.stack([flat[one], flat[other]]))[0, 1])
            for one, other in pairs
        }


def feature_influence(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    *,
    source_layer: int,
    source: Dictionary,
    sources: list[int],
    target_layer: int,
    target: Dictionary,
    targets: list[int],
    batch_size: int | None = None,
) -> Influence:
    """Measure all three for some features; both dictionaries read the stream after their block.

    Special tokens, padding and, without a BOS, each text's first token (see
    `mechscope.lens.core.tokens`) count neither as the source's tokens nor as the target's.

    Raises:
        InvalidInput: Layers that are not there or not in order, features that are not there, or an
            autoencoder of another width or with scaling that is not folded into its weights.
    """
    n_layers = bridge.cfg.n_layers
    if not 0 <= source_layer <= target_layer < n_layers:
        raise InvalidInput(
            f"a feature after block {source_layer} cannot act on one after block {target_layer}.",
            hint=f"layers are 0 to {n_layers - 1}, the source not after the target",
        )
    for kind, dictionary, chosen, width in (
        ("source", source, sources, source.W_dec.shape[0]),
        ("target", target, targets, target.W_enc.shape[1]),
    ):
        require_folded(dictionary)
        if dictionary.W_enc.shape[0] != bridge.cfg.d_model:
            raise InvalidInput(
                f"the {kind}'s autoencoder reads {dictionary.W_enc.shape[0]} dimensions.",
                hint=f"this model's residual stream has {bridge.cfg.d_model}",
            )
        if not chosen or not all(0 <= feature < width for feature in chosen):
            raise InvalidInput(
                f"{kind} features {chosen} are not all there.", hint=f"valid: 0 to {width - 1}"
            )
    encoder = target.W_enc[:, targets].detach()
    rows = source.W_dec[sources].detach()
    gradient = torch.zeros(len(sources), len(targets), dtype=torch.float64)
    causal = torch.zeros_like(gradient)
    active = torch.zeros(len(sources), dtype=torch.float64)
    longest = tokenised.longest
    held = longest * (source.W_dec.shape[0] + (2 + len(targets)) * bridge.cfg.d_model)
    size = rows_at_once(bridge, batch_size, 16, longest, kept=held, unembedded=1, gradients=True)
    from_source, to_target = residual_hook(source_layer), residual_hook(target_layer)
    read: dict[str, Reader] = {hook: lambda value: value for hook in (from_source, to_target)}
    for batch in batches(tokenised, batch_size=size):
        counted = batch.counted.to(bridge.cfg.device)

        run = partial(forward, bridge, batch.ids, attended=batch.attended, read=read)
        streams = run(gradients_from=from_source)
        with torch.enable_grad():
            stream, before = streams[from_source], streams[to_target] @ encoder
            activations = source.encode(stream.detach())[..., sources].detach() * counted[..., None]
            total = (before * counted[..., None]).sum((0, 1))
            slopes = torch.stack(
                [
                    torch.autograd.grad(each, stream, retain_graph=number + 1 < len(targets))[0]
                    for number, each in enumerate(total)
                ]
            )
        gradient += torch.einsum("bps,tbpd,sd->st", activations, slopes, rows).double().cpu()
        active += (activations > 0).sum((0, 1)).double().cpu()
        with torch.inference_mode():
            for number, row in enumerate(rows):
                change = -activations[..., number, None] * row
                edit = [(from_source, partial(_added, change))]
                fall = (before.detach() - run(edit=edit)[to_target] @ encoder) * counted[..., None]
                causal[number] += fall.sum((0, 1)).double().cpu()
    n = active.clamp_min(1)[:, None]
    return Influence((rows @ encoder).double().cpu(), gradient / n, causal / n, active)


def _added(change: Tensor, value: Tensor, hook: Any) -> Tensor:
    return value + change

"""Steering: add a direction to the residual stream, or take one out, and see what moves and what breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.texts import TokenisedTexts, batches

Hook = tuple[str, Callable[[Tensor, Any], Tensor]]
Where = Literal["all", "last"]


class Dictionary(Protocol):
    """What is asked of a sparse autoencoder: rows of `W_dec` are the directions its features write."""

    W_dec: Tensor


def mean_difference_direction(
    towards: Float[Tensor, "text d_model"], away: Float[Tensor, "text d_model"]
) -> Float[Tensor, " d_model"]:
    """Mean of one group's residuals minus mean of the other's; its length is kept: adding it once moves the
    mean of `away` onto the mean of `towards`.

    Raises:
        InvalidInput: An empty group, or means that are the same.
    """
    if not len(towards) or not len(away):
        raise InvalidInput("a difference of means needs at least one residual on each side.")
    direction = towards.mean(0) - away.mean(0)
    if not bool(direction.norm() > 0):
        raise InvalidInput("the two groups have the same mean: there is no direction between them.")
    return direction


def feature_direction(dictionary: Dictionary, feature: int) -> Float[Tensor, " d_model"]:
    """The direction that a feature of a sparse autoencoder writes: its row of the decoder.

    Raises:
        InvalidInput: There is no such feature.
    """
    n = dictionary.W_dec.shape[0]
    if not 0 <= feature < n:
        raise InvalidInput(f"there is no feature {feature}.", hint=f"valid: 0 to {n - 1}")
    return dictionary.W_dec[feature].detach()


def steer(
    bridge: TransformerBridge,
    layer: int,
    direction: Float[Tensor, " d_model"],
    strength: float,
    *,
    where: Where = "all",
) -> list[Hook]:
    """Hooks that add strength × direction to the residual stream after a block.

    Args:
        where: At all positions, or only at the last one of each row (texts of equal length).

    Raises:
        InvalidInput: A layer that is not there or a direction of another width.
        UnknownName: An unknown `where`.
    """
    _check(bridge, layer, direction)
    if where not in get_args(Where):
        raise UnknownName("place", where, get_args(Where))

    def hook(value: Float[Tensor, "batch pos d_model"], hook: Any) -> Float[Tensor, "batch pos d_model"]:
        added = (strength * direction).to(value)
        if where == "all":
            return value + added
        changed = value.clone()
        changed[:, -1] += added
        return changed

    return [(f"blocks.{layer}.hook_resid_post", hook)]


def ablate_direction(
    bridge: TransformerBridge,
    layers: Sequence[int],
    direction: Float[Tensor, " d_model"],
    *,
    to: float = 0.0,
) -> list[Hook]:
    """Hooks that set the residual stream's component along a direction to one value at all positions.

    Args:
        layers: After which blocks.
        to: The component's new value, in units of the residual stream (0: the direction is gone; the mean
            over a reference set: mean ablation).

    Raises:
        InvalidInput: A layer that is not there, or a direction of another width or of length 0.
    """
    for layer in layers:
        _check(bridge, layer, direction)
    if not bool(direction.norm() > 0):
        raise InvalidInput("a direction of length 0 cannot be ablated.")

    def hook(value: Float[Tensor, "batch pos d_model"], hook: Any) -> Float[Tensor, "batch pos d_model"]:
        unit = (direction / direction.norm()).to(value)
        return value + (to - value @ unit)[..., None] * unit

    return [(f"blocks.{layer}.hook_resid_post", hook) for layer in layers]


def ablate_heads(bridge: TransformerBridge, heads: Sequence[tuple[int, int]]) -> list[Hook]:
    """Hooks that set the outputs of (layer, head) to 0 at all positions.

    Raises:
        InvalidInput: A layer or head that is not there.
    """
    by_layer: dict[int, list[int]] = {}
    for layer, head in heads:
        _check_layer(bridge, layer)
        if not 0 <= head < bridge.cfg.n_heads:
            raise InvalidInput(f"there is no head {head}.", hint=f"valid: 0 to {bridge.cfg.n_heads - 1}")
        by_layer.setdefault(layer, []).append(head)

    def silence(which: list[int]) -> Callable[[Tensor, Any], Tensor]:
        def hook(value: Float[Tensor, "batch pos head d_head"], hook: Any) -> Tensor:
            changed = value.clone()
            changed[:, :, which] = 0
            return changed

        return hook

    return [(f"blocks.{layer}.attn.hook_z", silence(which)) for layer, which in sorted(by_layer.items())]


@dataclass(frozen=True)
class Damage:
    """What an edit does to texts that it should leave alone.

    Attributes:
        kl: KL(unedited ‖ edited) of the next token, in nats, averaged over each text's positions.
        same_top: Share of each text's positions with the same most probable token.
    """

    kl: Float[Tensor, " text"]
    same_top: Float[Tensor, " text"]


def damage(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    edit: Sequence[Hook],
    *,
    batch_size: int = 4,
) -> Damage:
    """Compare the next-token distributions with and without an edit, at every token of each text."""
    kl, same = torch.zeros(len(tokenised)), torch.zeros(len(tokenised))
    with torch.inference_mode():
        for batch in batches(tokenised, batch_size=batch_size):
            ids, attended = batch.ids.to(bridge.cfg.device), batch.attended.to(bridge.cfg.device)
            before = bridge(ids, attention_mask=attended, return_type="logits").float().log_softmax(-1)
            with bridge.hooks(fwd_hooks=list(edit)):
                after = bridge(ids, attention_mask=attended, return_type="logits").float().log_softmax(-1)
            scored = batch.scored.to(before)
            n = scored.sum(1)
            each = (before.exp() * (before - after)).sum(-1)
            agree = (before.argmax(-1) == after.argmax(-1)).to(before)
            kl[batch.rows] = ((each * scored).sum(1) / n).cpu()
            same[batch.rows] = ((agree * scored).sum(1) / n).cpu()
    return Damage(kl, same)


def _check(bridge: TransformerBridge, layer: int, direction: Tensor) -> None:
    _check_layer(bridge, layer)
    if direction.shape != (bridge.cfg.d_model,):
        raise InvalidInput(
            f"a direction of shape {tuple(direction.shape)} does not fit the residual stream.",
            hint=f"expected: ({bridge.cfg.d_model},)",
        )


def _check_layer(bridge: TransformerBridge, layer: int) -> None:
    if not 0 <= layer < bridge.cfg.n_layers:
        raise InvalidInput(f"there is no layer {layer}.", hint=f"valid: 0 to {bridge.cfg.n_layers - 1}")

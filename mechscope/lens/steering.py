"""Directions in the residual stream: made from means or from a dictionary, added, or taken out.

The functions return hooks; `mechscope.lens.edited` runs texts under them, and says what that does to texts
that should have been left alone (`damage`). Special tokens at the beginning of a row are never edited: BOS
holds a few enormous coordinates in some models, and what is done to these would pass for an effect of the
direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import require_layers
from mechscope.lens.core.forward import Hook
from mechscope.lens.dictionaries import Dictionary, require_folded


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


def random_directions(
    shape: tuple[int, int], like: Float[Tensor, " d_model"], rng: np.random.Generator
) -> Float[Tensor, "draw item d_model"]:
    """Directions of the length of another, drawn uniformly: the control of anything said about that one.

    Args:
        shape: Draws, and items that have each their own.
        like: The direction that they are compared with.
    """
    drawn = torch.from_numpy(rng.standard_normal((*shape, len(like)))).float()
    return _as_long(drawn, like)


def shuffled_directions(
    residuals: Float[Tensor, "pair side d_model"],
    shape: tuple[int, int],
    like: Float[Tensor, " d_model"],
    rng: np.random.Generator,
) -> Float[Tensor, "draw item d_model"]:
    """Directions between random halves of pairs of texts, of the length of another direction.

    Each half holds both sides of its pairs, so that nothing is left of what tells the sides apart; unlike
    uniformly random ones, these directions stay among those in which the texts do differ.

    Args:
        residuals: Of the texts.
        shape: Draws, and items that have each their own.
        like: The direction that they are compared with.

    Raises:
        InvalidInput: Fewer than two pairs.
    """
    pairs = residuals.mean(1)
    if len(pairs) < 2:
        raise InvalidInput(f"{len(pairs)} pairs have no two halves.", hint="at least two pairs of texts")
    sign = np.tile(np.where(np.arange(len(pairs)) % 2 == 0, 1.0, -1.0), (*shape, 1))
    return _as_long(torch.from_numpy(rng.permuted(sign, axis=2)).to(pairs) @ pairs, like)


def _as_long(directions: Float[Tensor, "*any d_model"], like: Tensor) -> Float[Tensor, "*any d_model"]:
    return directions / directions.norm(dim=-1, keepdim=True) * like.norm()


def feature_direction(dictionary: Dictionary, feature: int) -> Float[Tensor, " d_model"]:
    """The direction that a feature of a sparse autoencoder writes: its row of the decoder.

    Raises:
        InvalidInput: There is no such feature; or the autoencoder's scaling is not folded into its weights.
    """
    require_folded(dictionary)
    n = dictionary.W_dec.shape[0]
    if not 0 <= feature < n:
        raise InvalidInput(f"there is no feature {feature}.", hint=f"valid: 0 to {n - 1}")
    return dictionary.W_dec[feature].detach()


def steer(
    bridge: TransformerBridge,
    layer: int,
    direction: Float[Tensor, " d_model"] | Float[Tensor, "row d_model"],
    strength: float = 1.0,
    *,
    n_special: int,
    last: Int[Tensor, " row"] | None = None,
) -> list[Hook]:
    """Hooks that add strength × direction to the residual stream after a block (Turner et al. 2023).

    Args:
        direction: One for all rows, or one for each row of the batches that will be read.
        n_special: How many positions at the beginning of each row are left alone (`TokenisedTexts.n_special`;
            rows filled up on the right).
        last: Each row's last position: add there only; default at all positions but the special ones.

    Raises:
        InvalidInput: A layer that is not there, a direction of another width, a special position as the last
            one; and from the hook, a batch of another number of rows than `direction` or `last` has.
    """
    require_layers(bridge, [layer])
    if direction.ndim not in (1, 2) or direction.shape[-1] != bridge.cfg.d_model:
        raise _does_not_fit(bridge, direction)
    if n_special < 0:
        raise InvalidInput(f"{n_special} special tokens cannot be left alone.", hint="tokenised.n_special")
    if last is not None and bool((last < n_special).any()):
        raise InvalidInput(
            f"the last position of row {int((last < n_special).nonzero()[0])} is a special token.",
            hint="count positions from the beginning of each row, special tokens included",
        )
    added = strength * direction

    def hook(value: Float[Tensor, "row pos d_model"], hook: Any) -> Float[Tensor, "row pos d_model"]:
        for what, given in (("directions", direction if direction.ndim == 2 else None), ("places", last)):
            if given is not None and len(given) != len(value):
                raise InvalidInput(f"{len(given)} {what} for a batch of {len(value)} rows.")
        changed = value.clone()
        each = added.to(value)
        if last is None:
            changed[:, n_special:] += each if direction.ndim == 1 else each[:, None]
        else:
            changed[torch.arange(len(value), device=value.device), last.to(value.device)] += each
        return changed

    return [(f"blocks.{layer}.hook_resid_post", hook)]


def ablate_direction(
    bridge: TransformerBridge,
    layers: Sequence[int],
    direction: Float[Tensor, " d_model"],
    *,
    n_special: int,
    to: float = 0.0,
) -> list[Hook]:
    """Hooks that set the residual stream's component along a direction to one value at all positions of text.

    Args:
        layers: After which blocks.
        n_special: How many positions at the beginning of each row are left alone.
        to: The component's new value, in units of the residual stream (0: the direction is gone; the mean
            over a reference set: mean ablation).

    Raises:
        InvalidInput: A layer that is not there, or a direction of another width or of length 0.
    """
    require_layers(bridge, layers)
    if direction.shape != (bridge.cfg.d_model,):
        raise _does_not_fit(bridge, direction)
    if not bool(direction.norm() > 0):
        raise InvalidInput("a direction of length 0 cannot be ablated.")

    def hook(value: Float[Tensor, "batch pos d_model"], hook: Any) -> Float[Tensor, "batch pos d_model"]:
        unit = (direction / direction.norm()).to(value)
        changed = value.clone()
        changed[:, n_special:] += (to - value[:, n_special:] @ unit)[..., None] * unit
        return changed

    return [(f"blocks.{layer}.hook_resid_post", hook) for layer in layers]


def _does_not_fit(bridge: TransformerBridge, direction: Tensor) -> InvalidInput:
    width = bridge.cfg.d_model
    return InvalidInput(
        f"a direction of shape {tuple(direction.shape)} does not fit the residual stream.",
        hint=f"expected: ({width},), or (rows, {width}) when steering each row its own way",
    )

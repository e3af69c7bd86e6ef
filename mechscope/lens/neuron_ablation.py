"""What MLP neurons are for: set some of them to a constant and read what the model then makes of texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import n_neurons
from mechscope.lens.core.forward import Hook
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import TokenisedTexts
from mechscope.lens.edited import edited_logits, read_streams


def ablate_neurons(
    bridge: TransformerBridge,
    chosen: Bool[Tensor, "layer neuron"],
    values: Float[Tensor, "layer neuron"] | None = None,
) -> list[Hook]:
    """Hooks that set MLP neurons to a constant at all positions.

    Args:
        chosen: Which neurons, for all layers of the model.
        values: What each is set to (mean ablation: its mean over reference texts); None for 0.

    Raises:
        InvalidInput: Masks or values of another shape than the model's neurons, a layer without neurons, or
            layers with different numbers of them.
    """
    n_layers = bridge.cfg.n_layers
    shape = (n_layers, n_neurons(bridge, range(n_layers)))
    for what, given in (("mask", chosen), ("values", values)):
        if given is not None and tuple(given.shape) != shape:
            raise InvalidInput(
                f"a {what} of shape {tuple(given.shape)} does not fit the neurons of this model.",
                hint=f"expected: {shape} (layers, neurons of a layer)",
            )

    def put(mask: Tensor, constant: Tensor) -> Callable[[Tensor, Any], Tensor]:
        def hook(value: Float[Tensor, "batch pos neuron"], hook: Any) -> Float[Tensor, "batch pos neuron"]:
            return torch.where(mask.to(value.device), constant.to(value), value)

        return hook

    constants = torch.zeros(shape) if values is None else values
    return [
        (f"blocks.{layer}.mlp.hook_post", put(chosen[layer], constants[layer]))
        for layer in range(shape[0])
        if bool(chosen[layer].any())
    ]


def matched_neurons(
    chosen: Bool[np.ndarray, "layer neuron"],
    free: Bool[np.ndarray, "layer neuron"],
    rng: np.random.Generator,
) -> Bool[np.ndarray, "layer neuron"]:
    """As a control, as many neurons of each layer as were chosen there, drawn from those that are free.

    Where a layer has fewer free ones, these are all.
    """
    drawn = np.zeros_like(chosen)
    for layer, neurons in enumerate(free):
        candidates = np.flatnonzero(neurons)
        size = min(int(chosen[layer].sum()), len(candidates))
        drawn[layer, rng.choice(candidates, size=size, replace=False)] = True
    return drawn


class TextLosses:
    """Loss of each text's last tokens, with and without edits; the unedited pass is made once."""

    def __init__(
        self,
        bridge: TransformerBridge,
        tokenised: TokenisedTexts,
        last: int,
        *,
        batch_size: int | None = None,
    ) -> None:
        """Read how well the last `last` tokens of each text are predicted.

        Predictions made at a special token or at the first position, an attention sink, are not read.

        Args:
            batch_size: Texts in a batch; default as many as memory has room for.

        Raises:
            InvalidInput: `last` below 1, or a text with too few tokens before them.
        """
        most = min(len(row) for row in tokenised.ids) - 1 - tokenised.first_counted
        if not 1 <= last <= most:
            raise InvalidInput(
                f"the last {last} tokens of each text cannot be read: of the shortest, {max(most, 0)} tokens "
                "are predicted at a position that counts.",
                hint=f"1 to {most}" if most > 0 else "longer texts",
            )
        reads = [list(range(len(row) - last - 1, len(row) - 1)) for row in tokenised.ids]
        self._bridge, self._last = bridge, last
        self._batch_size = rows_at_once(bridge, batch_size, 8, tokenised.longest, unembedded=last)
        self._streams = read_streams(bridge, tokenised, [0], reads=reads)
        self._next = torch.tensor([row[-last:] for row in tokenised.ids])
        self.clean = self._loss(self._streams.logits, self._next)

    def edited(self, edit: list[Hook]) -> Float[Tensor, " text"]:
        """Mean loss of each text's last tokens under an edit, in nats a token."""
        parts = []
        for rows in torch.arange(len(self._next)).split(self._batch_size):
            logits = edited_logits(self._bridge, self._streams, 0, edit, rows=rows.tolist())
            parts.append(self._loss(logits, self._next[rows]))
        return torch.cat(parts)

    def rise(self, edit: list[Hook]) -> Float[Tensor, " text"]:
        """How much an edit raises each text's loss, in nats a token."""
        return self.edited(edit) - self.clean

    def _loss(self, logits: Float[Tensor, "item vocab"], wanted: Tensor) -> Float[Tensor, " text"]:
        flat = wanted.flatten().to(logits.device)
        own = logits.gather(1, flat[:, None])[:, 0].double() - torch.logsumexp(logits, 1).double()
        return -own.view(-1, self._last).mean(1).cpu()

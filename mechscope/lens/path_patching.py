"""Path patching for K-composition: what one head writes, as it reaches another head's keys and nothing else.

The two-head story of induction (Elhage et al. 2021) says that a previous-token head writes into each
position which token came before, and that the induction head's keys read it there. Patching the sender's
output alone would change everything behind it, so only one path is patched (Wang et al. 2022;
Goldowsky-Dill et al. 2023):

1. One pass over the rows and one over their donors, rows of other tokens, keep what every earlier head holds
   and what its layer writes; both end at the receiver's attention pattern.
2. The senders' z on the rows is exchanged for that on the donors. Through W_O, and the norm behind attention
   where there is one, this gives the change of the residual stream.
3. The change goes straight to the input of the receiver's layer: heads and MLPs in between don't see it.
4. There the receiver's keys (or queries) are computed from the changed stream; its other inputs, and all
   other heads, stay as they were. Its attention, run alone, gives the patched pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge
from transformers import DynamicCache

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.lens.core.components import (
    Head,
    attention_output,
    attention_written,
    norm_before_attention,
    norm_behind_attention,
    require_components,
)
from mechscope.lens.core.forward import Reader, forward, hooked
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.repeats import RepeatedTokens

Into = Literal["key", "query"]


@dataclass(frozen=True)
class Received:
    """The receiver with one or more senders' outputs exchanged on the way to its keys (or queries).

    Attributes:
        pattern: Its attention pattern.
        z: What it then reads out, before its output matrix.
    """

    pattern: Float[Tensor, "row query key"]
    z: Float[Tensor, "row pos d_head"]


class PathPatcher:
    """Keeps what one pass over the rows, and one over their donors, leave at the senders and the receiver.

    Args:
        bridge: The model, in eval mode.
        ids: The rows.
        donors: As many rows of the same length: what the senders are made to have read.
        receiver: The head whose keys or queries are patched.

    Raises:
        InvalidInput: A head that the model doesn't have, a receiver in layer 0, or rows and donors of
            different shape.
        ModelMismatch: The parts that the patch is put together from don't add up to what the model computes.
    """

    def __init__(
        self,
        bridge: TransformerBridge,
        ids: Int[Tensor, "row pos"],
        donors: Int[Tensor, "row pos"],
        receiver: Head,
    ) -> None:
        require_components(bridge, [receiver])
        if receiver.layer == 0:
            raise InvalidInput(f"{receiver} has no head before it.", hint="a receiver in layer 1 or later")
        if ids.shape != donors.shape:
            raise _differ(ids, donors)
        self.bridge, self.receiver = bridge, receiver
        self._stream = f"blocks.{receiver.layer}.hook_resid_pre"
        self._pattern = f"blocks.{receiver.layer}.attn.hook_pattern"
        # The same sums in another order: in half precision a few roundings of what is stored.
        self._rounding = max(1e-4, 8 * torch.finfo(bridge.W_U.dtype).eps)
        self.attention = bridge.blocks[receiver.layer].attn
        n_kv = bridge.cfg.n_key_value_heads or bridge.cfg.n_heads
        self.key_head = receiver.head // (bridge.cfg.n_heads // n_kv)
        with torch.inference_mode():
            self._clean = self._read(ids)
            self._donor = self._read(donors)
            self.clean = self._receive(None, "key")
        off = (self.clean.pattern - self._clean[self._pattern].cpu()).abs().max()
        if off > self._rounding:
            raise ModelMismatch(
                f"the attention of layer {receiver.layer}, called alone, is off by {off:.1e}."
            )

    def patched(self, senders: Sequence[Head], *, into: Into = "key") -> Received:
        """Exchange these senders' outputs on their way into the receiver's keys (or queries).

        Raises:
            InvalidInput: No senders, or one that doesn't come before the receiver.
            UnknownName: `into` is neither "key" nor "query".
        """
        if into not in get_args(Into):
            raise UnknownName("input of a head", into, get_args(Into))
        if not senders:
            raise InvalidInput("no senders.")
        require_components(self.bridge, senders)
        late = [head for head in senders if head.layer >= self.receiver.layer]
        if late:
            raise InvalidInput(
                f"{late[0]} does not come before {self.receiver}.",
                hint=f"senders lie in layers 0 to {self.receiver.layer - 1}",
            )
        with torch.inference_mode():
            return self._receive(self._difference(senders), into)

    def _read(self, ids: Tensor) -> dict[str, Any]:
        """One pass up to the receiver's attention pattern: by hook name, what is needed of it."""
        read: dict[str, Reader] = {}
        for before in range(self.receiver.layer):
            read[f"blocks.{before}.attn.hook_z"] = torch.clone
            read[attention_output(self.bridge, before)] = torch.clone
            read[attention_written(self.bridge, before)] = torch.clone
        read |= {self._stream: torch.clone, self._pattern: self._of_receiver}
        arguments: dict[str, Any] = {}

        def note(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            arguments.update(args=args, kwargs=dict(kwargs))

        handle = self.attention.register_forward_pre_hook(note, with_kwargs=True)
        try:
            return forward(self.bridge, ids, read=read) | arguments
        finally:
            handle.remove()

    def _of_receiver(self, pattern: Float[Tensor, "row head query key"]) -> Float[Tensor, "row query key"]:
        return pattern[:, self.receiver.head].float().clone()

    def _difference(self, senders: Sequence[Head]) -> Float[Tensor, "row pos d_model"]:
        """By how much the residual stream changes when these heads write what they wrote on the donors."""
        total = torch.zeros_like(self._clean[self._stream])
        for layer in sorted({head.layer for head in senders}):
            block = self.bridge.blocks[layer]
            heads = [head.head for head in senders if head.layer == layer]
            z = f"blocks.{layer}.attn.hook_z"
            change = (self._donor[z] - self._clean[z])[:, :, heads]
            out = self._clean[attention_output(self.bridge, layer)]
            changed = out + torch.einsum("bphd,hdm->bpm", change, block.attn.W_O[heads])
            written = self._clean[attention_written(self.bridge, layer)]
            # Gemma has a norm between the heads and the residual stream, which sees their sum.
            norm = norm_behind_attention(block)
            as_written = out if norm is None else norm(out)
            scale = written.abs().max().clamp_min(1e-30)
            if (as_written - written).abs().max() > self._rounding * scale:
                raise ModelMismatch(
                    f"layer {layer}: what attention writes to the residual stream is not its heads' output"
                    + ("." if norm is None else ", normed."),
                )
            total += (changed if norm is None else norm(changed)) - as_written
        return total

    def _receive(self, difference: Tensor | None, into: Into) -> Received:
        """Run the receiver's attention alone, its keys or queries computed from another residual stream."""
        stream = self._clean[self._stream]
        norm = norm_before_attention(self.bridge.blocks[self.receiver.layer])
        attention = f"blocks.{self.receiver.layer}.attn"
        name = f"{attention}.hook_{'k' if into == 'key' else 'q'}"
        head = self.key_head if into == "key" else self.receiver.head
        kept: dict[str, Tensor] = {}

        def keep(what: str, take: Reader) -> Callable[[Tensor, Any], None]:
            return lambda value, hook: kept.update({what: take(value)})

        def put(value: Tensor, hook: Any) -> Tensor:
            changed = value.clone()
            changed[:, :, head] = kept["new"]
            return changed

        def attend(stream: Tensor) -> None:
            self._attend(stream if norm is None else norm(stream))

        hooks: list[tuple[str, Callable[[Tensor, Any], Any]]] = [
            (self._pattern, keep("pattern", self._of_receiver)),
            (f"{attention}.hook_z", keep("z", lambda z: z[:, :, self.receiver.head].clone())),
        ]
        if difference is not None:
            with hooked(self.bridge, [(name, keep("new", lambda value: value[:, :, head].clone()))]):
                attend(stream + difference)
            hooks.append((name, put))
        with hooked(self.bridge, hooks):
            attend(stream)
        return Received(kept["pattern"].cpu(), kept["z"].float().cpu())

    def _attend(self, hidden: Tensor) -> None:
        args, kwargs = self._clean["args"], dict(self._clean["kwargs"])
        # The cache of the pass already holds its keys. An empty one, not none: OLMo 2 in half precision
        # multiplies float32 by bfloat16 where no cache has made values of both.
        for cache in ("past_key_values", "past_key_value", "layer_past"):
            if kwargs.get(cache) is not None:
                kwargs[cache] = DynamicCache()
        if "hidden_states" in kwargs:
            kwargs["hidden_states"] = hidden
        else:
            args = (hidden, *args[1:])
        self.attention(*args, **kwargs)


def _differ(ids: Tensor, donors: Tensor) -> InvalidInput:
    return InvalidInput(
        f"rows of shape {tuple(ids.shape)} cannot be patched from donors of shape {tuple(donors.shape)}."
    )


@dataclass(frozen=True)
class Composition:
    """How much of a receiver's induction attention each sender carries into its keys (or queries).

    Attributes:
        receiver: The receiving head.
        senders: The sending heads, each patched alone.
        clean: The receiver's induction score, unpatched.
        drop: By how much it falls with each sender patched alone.
        drop_all: By how much it falls with all senders patched together.
    """

    receiver: Head
    senders: tuple[Head, ...]
    clean: Float[np.ndarray, " sequence"]
    drop: Float[np.ndarray, "sender sequence"]
    drop_all: Float[np.ndarray, " sequence"]

    def mean_drop(self, decimals: int | None = None) -> Float[np.ndarray, " sender"]:
        """Each sender's mean drop over sequences; rounded, so that what is float32 noise apart is a tie."""
        mean = self.drop.mean(1)
        return mean if decimals is None else mean.round(decimals)

    def order(self, decimals: int | None = None) -> list[int]:
        """The senders' numbers, largest mean drop first."""
        return np.argsort(-self.mean_drop(decimals)).tolist()


def composition(
    bridge: TransformerBridge,
    repeated: RepeatedTokens,
    donors: RepeatedTokens,
    receiver: Head,
    senders: Sequence[Head],
    *,
    into: Into = "key",
) -> Composition:
    """Which heads an induction head's keys (or queries) are made of.

    Rows go through the model as many at a time as memory has room for.

    Args:
        bridge: The model, in eval mode.
        repeated: Rows on which the receiver does induction.
        donors: As many rows of other random tokens, of the same length.
        receiver: The induction head.
        senders: Heads in earlier layers.
        into: Patch the way into its keys (K-composition) or into its queries (Q-composition).

    Raises:
        InvalidInput, ModelMismatch, UnknownName: As `PathPatcher` and its `patched`.
    """
    if not senders:
        raise InvalidInput("no senders.")
    if repeated.ids.shape != donors.ids.shape:
        raise _differ(repeated.ids, donors.ids)
    length = repeated.length
    start = repeated.n_special + 1  # the diagonal's first query of the second copy

    def score(pattern: Tensor) -> np.ndarray:
        return pattern.diagonal(-(length - 1), -2, -1)[:, start:].double().mean(-1).numpy()

    n, width = repeated.ids.shape
    held = 8 * (receiver.layer + 1) * width * bridge.cfg.d_model  # what both passes leave at each layer
    size = rows_at_once(bridge, None, n, width, kept=held)
    clean, drop, together = [], [], []
    for part in (slice(first, first + size) for first in range(0, n, size)):
        patcher = PathPatcher(bridge, repeated.ids[part], donors.ids[part], receiver)
        clean.append(score(patcher.clean.pattern))
        after = [score(patcher.patched([sender], into=into).pattern) for sender in senders]
        drop.append(clean[-1] - np.stack(after))
        together.append(clean[-1] - score(patcher.patched(senders, into=into).pattern))
    return Composition(
        receiver, tuple(senders), np.concatenate(clean), np.concatenate(drop, 1), np.concatenate(together)
    )


def strongest_senders(compositions: Iterable[Composition]) -> pd.DataFrame:
    """A row a receiver: its score, the sender it needs most, the fall without that path, and the second fall.

    Returns:
        The columns `receiver`, `score`, `sender`, `fall` and `second` (NaN where there is one sender).
    """
    rows = []
    for path in compositions:
        falls, (most, *less) = path.mean_drop(), path.order()
        rows.append(
            {
                "receiver": str(path.receiver),
                "score": path.clean.mean(),
                "sender": str(path.senders[most]),
                "fall": falls[most],
                "second": falls[less[0]] if less else np.nan,
            }
        )
    return pd.DataFrame(rows, columns=["receiver", "score", "sender", "fall", "second"])

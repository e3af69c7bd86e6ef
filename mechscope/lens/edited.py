"""Many edits of the same texts: what is before an edit is run once, and only what is read is unembedded.

`read_streams` runs the texts as they are and keeps their residual streams before some blocks.
`edited_logits` starts from there with an edit's hooks (`mechscope.lens.steering.steer`,
`mechscope.lens.ablation.ablation`), for any rows of the texts, each as often as wanted: ten strengths of a
direction are ten rows of one batch. `damage` says what an edit does to texts that it should leave alone.
An edit whose hook the model doesn't have, or doesn't call, is refused: it would pass for one without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import require_layers
from mechscope.lens.core.forward import Hook, Reader, forward, require_hooks
from mechscope.lens.core.readout import soft_cap
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import TokenisedTexts, filled_up, require_tokens


@dataclass(frozen=True)
class Streams:
    """Texts with their residual streams before some blocks.

    Attributes:
        ids: Token ids, filled up on the right (causal attention never looks there).
        lengths: How many of them each text has, special tokens included.
        n_special: How many tokens at the beginning of each text are not text.
        reads: For each text the positions whose next token is read.
        before: By block, the stream that goes into it; on the model's device and in its precision, for edits
            start there.
        tokens: Whose logits are read, in this order; None for the whole vocabulary.
        logits: What the unedited model says at the positions read, text by text; on the CPU in float32.
    """

    ids: Int[Tensor, "text pos"]
    lengths: tuple[int, ...]
    n_special: int
    reads: tuple[tuple[int, ...], ...]
    before: dict[int, Float[Tensor, "text pos d_model"]]
    tokens: Int[Tensor, " token"] | None
    logits: Float[Tensor, "item token"]

    @cached_property
    def log_probs(self) -> Float[Tensor, "item vocab"]:
        """What the unedited model says, normalised.

        Raises:
            InvalidInput: Only some tokens' logits were read.
        """
        if self.tokens is not None:
            raise InvalidInput(
                "some tokens' logits make no distribution.", hint="read_streams(…, tokens=None)"
            )
        return self.logits.log_softmax(-1)


def last_reads(tokenised: TokenisedTexts) -> list[list[int]]:
    """The last position of each text."""
    return [[len(row) - 1] for row in tokenised.ids]


def spread_reads(tokenised: TokenisedTexts, places: int) -> list[list[int]]:
    """Positions spread evenly over each text, all with a next token in it; fewer where a text is short.

    Raises:
        InvalidInput: No places, or a text of fewer than two tokens, of which none follows another.
    """
    if places < 1:
        raise InvalidInput(f"a text cannot be read at {places} places.", hint="places=4")
    if min(map(len, tokenised.ids)) < tokenised.n_special + 2:
        raise InvalidInput("in a text of one token no next token can be read.", hint="texts of two or more")
    return [
        sorted({round(place) for place in np.linspace(tokenised.n_special, len(row) - 2, places).tolist()})
        for row in tokenised.ids
    ]


def read_streams(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    layers: Sequence[int],
    *,
    reads: Sequence[Sequence[int]] | None = None,
    tokens: Sequence[int] | None = None,
) -> Streams:
    """Run texts once, as many at a time as memory has room for, and keep what goes into some blocks.

    Args:
        layers: Before which blocks the stream is kept: those at which edits begin.
        reads: Positions read in each text; default the last one of each.
        tokens: Whose logits are wanted, here and under each edit; default all of the vocabulary, which is
            most of the work of a small model that has a large one.

    Raises:
        InvalidInput: A block or token that is not there, or reads that do not fit the texts.
    """
    require_layers(bridge, layers)
    wanted = last_reads(tokenised) if reads is None else [list(places) for places in reads]
    if len(wanted) != len(tokenised):
        raise InvalidInput(f"{len(tokenised)} texts, but positions for {len(wanted)}.")
    for text, (row, places) in enumerate(zip(tokenised.ids, wanted, strict=True)):
        if not places or not all(0 <= place < len(row) for place in places):
            raise InvalidInput(
                f"text {text} has {len(row)} tokens and cannot be read at {places}.",
                hint=f"positions 0 to {len(row) - 1}, at least one",
            )
    if tokens is not None:
        require_tokens(bridge, tokens)
    columns = None if tokens is None else torch.tensor(list(tokens), dtype=torch.long)
    lengths = tuple(len(row) for row in tokenised.ids)
    ids = filled_up(tokenised.ids).to(bridge.cfg.device)
    hooks = {layer: f"blocks.{layer}.hook_resid_pre" for layer in sorted(set(layers))}
    keep: dict[str, Reader] = dict.fromkeys(hooks.values(), torch.clone)
    reads_ = tuple(tuple(places) for places in wanted)
    most = max(len(places) for places in reads_) if tokens is None else 0
    held = len(hooks) * ids.shape[1] * bridge.cfg.d_model
    size = rows_at_once(bridge, None, len(ids), ids.shape[1], kept=held, unembedded=most)
    passes = [
        _logits(bridge, ids[part], reads_[part], columns, read=keep)
        for part in (slice(start, start + size) for start in range(0, len(ids), size))
    ]
    before = {layer: torch.cat([values[hook] for _, values in passes]) for layer, hook in hooks.items()}
    logits = torch.cat([logits.cpu() for logits, _ in passes])
    return Streams(ids, lengths, tokenised.n_special, reads_, before, columns, logits)


def edited_logits(
    bridge: TransformerBridge,
    streams: Streams,
    start: int,
    edit: Sequence[Hook],
    *,
    rows: Sequence[int] | None = None,
) -> Float[Tensor, "item token"]:
    """Logits at the positions read when an edit is made at or after a block; on the CPU in float32.

    Args:
        start: The pass starts before this block; its stream must have been kept.
        edit: Hooks; each sees a batch of as many rows as `rows` has: how much memory that takes is yours to
            choose (`mechscope.lens.core.room.rows_at_once`).
        rows: Which texts, in which order, repeated as often as wanted; default all of them once.

    Raises:
        UnknownName: A hook that the model does not have.
        ModelMismatch: A hook that it has and does not call.
        InvalidInput: The stream before `start` was not kept, there is no such text, or a hook that belongs to
            an earlier block (it would never fire).
    """
    return _edited(bridge, streams, start, edit, rows).cpu()


def _edited(
    bridge: TransformerBridge,
    streams: Streams,
    start: int,
    edit: Sequence[Hook],
    rows: Sequence[int] | None,
) -> Float[Tensor, "item token"]:
    """`edited_logits`, on the model's device."""
    if start not in streams.before:
        raise InvalidInput(
            f"the stream before block {start} was not kept.",
            hint=f"kept: {', '.join(map(str, sorted(streams.before)))}; read_streams(…, layers=[…])",
        )
    require_hooks(bridge, [name for name, _ in edit])
    for name, _ in edit:
        parts = name.split(".")
        if parts[0] != "blocks" or int(parts[1]) < start:
            raise InvalidInput(f"the hook {name} is not in block {start} or a later one.")
    chosen = _chosen(streams, rows)
    stream = start, streams.before[start][chosen]
    reads = tuple(streams.reads[row] for row in chosen)
    return _logits(bridge, streams.ids[chosen], reads, streams.tokens, edit=edit, start=stream)[0]


@dataclass(frozen=True)
class Damage:
    """What an edit does to texts that it should leave alone: means over the positions read of each, in nats.

    Attributes:
        kl: KL(unedited ‖ edited) of the next token.
        loss_rise: How much less probable the text's own next token gets (unedited minus edited log p).
    """

    kl: Float[Tensor, " row"]
    loss_rise: Float[Tensor, " row"]


def damage(
    bridge: TransformerBridge,
    streams: Streams,
    start: int,
    edit: Sequence[Hook],
    *,
    rows: Sequence[int] | None = None,
) -> Damage:
    """Compare the next-token distributions with and without an edit at or after a block.

    With d the change of a logit and p the unedited distribution, KL = log E_p[exp d] − E_p[d]: exact over the
    whole vocabulary, and without the difference of two large log-probabilities.

    Args:
        start: As in `edited_logits`, as are `edit` and `rows`.

    Raises:
        UnknownName: A hook that the model does not have.
        ModelMismatch: A hook that it has and does not call.
        InvalidInput: What `edited_logits` refuses, streams with some tokens' logits only, or a text that is
            read at its last position: there is no next token.
    """
    log_probs = streams.log_probs
    chosen = _chosen(streams, rows)
    for row in chosen:
        if max(streams.reads[row]) + 1 >= streams.lengths[row]:
            raise InvalidInput(f"text {row} is read at its last position: nothing of it follows.")
    first = torch.tensor([0, *(len(places) for places in streams.reads)]).cumsum(0).tolist()
    items = [item for row in chosen for item in range(first[row], first[row + 1])]
    own = [int(streams.ids[row, place + 1]) for row in chosen for place in streams.reads[row]]
    text = [at for at, row in enumerate(chosen) for _ in streams.reads[row]]

    with torch.inference_mode():
        change = _edited(bridge, streams, start, edit, chosen)
        before = log_probs[items].to(change.device)
        change -= streams.logits[items].to(change.device)
        mean = torch.einsum("iv,iv->i", before.exp(), change)
        at_own = change.gather(1, torch.tensor(own, device=change.device)[:, None])[:, 0]
        normaliser = before.add_(change).logsumexp(1)

    def by_row(each: Float[Tensor, " item"]) -> Float[Tensor, " row"]:
        summed = torch.zeros(len(chosen), dtype=torch.float64)
        summed.index_add_(0, torch.tensor(text), each.double().cpu())
        return summed / torch.bincount(torch.tensor(text))

    return Damage(by_row(normaliser - mean), by_row(normaliser - at_own))


def continue_greedily(
    bridge: TransformerBridge, ids: Int[Tensor, "row pos"], edit: Sequence[Hook], *, n: int
) -> Int[Tensor, "row n"]:
    """The tokens that an edited model writes when it always takes the most probable one.

    Args:
        ids: Rows of one length, BOS included.
        edit: Hooks, in force at the prompt and at what is written.
        n: How many tokens.

    Raises:
        UnknownName: A hook that the model does not have.
        ModelMismatch: A hook that it has and does not call.
        InvalidInput: No token wanted, or more than the model's context holds.
    """
    if n < 1 or ids.shape[1] + n > bridge.cfg.n_ctx:
        raise InvalidInput(
            f"{n} tokens after {ids.shape[1]} cannot be written.",
            hint=f"at least one; the model reads {bridge.cfg.n_ctx} tokens",
        )
    whole = ids.to(bridge.cfg.device)
    for _ in range(n):
        last = tuple((whole.shape[1] - 1,) for _ in range(len(whole)))
        logits, _ = _logits(bridge, whole, last, None, edit=edit)
        whole = torch.cat([whole, logits.argmax(-1, keepdim=True)], dim=1)
    return whole[:, ids.shape[1] :].cpu()


def _logits(
    bridge: TransformerBridge,
    ids: Int[Tensor, "row pos"],
    reads: Sequence[Sequence[int]],
    tokens: Int[Tensor, " token"] | None,
    *,
    read: Mapping[str, Reader] = MappingProxyType({}),
    **options: Any,
) -> tuple[Float[Tensor, "item token"], dict[str, Any]]:
    """What a pass says at the positions read, of some tokens or of all, and what it read on the way."""
    rows = [text for text, places in enumerate(reads) for _ in places]
    positions = [place for places in reads for place in places]
    if tokens is None:
        values = forward(bridge, ids, read=read, logits_at=(rows, positions), **options)
        return values["logits"].float(), values
    normed: dict[str, Reader] = {"unembed.hook_in": lambda value: value[rows, positions]}
    values = forward(bridge, ids, read={**read, **normed}, **options)
    columns = tokens.to(bridge.W_U.device)
    weights, bias = bridge.W_U.detach()[:, columns], bridge.b_U.detach()[columns]
    logits = (values["unembed.hook_in"] @ weights + bias).float()
    cap = soft_cap(bridge)
    return logits if cap is None else cap * torch.tanh(logits / cap), values


def _chosen(streams: Streams, rows: Sequence[int] | None) -> list[int]:
    """Which texts are meant."""
    chosen = list(range(len(streams.reads))) if rows is None else list(rows)
    if not chosen or not all(0 <= row < len(streams.reads) for row in chosen):
        raise InvalidInput(f"the rows {chosen} are not all texts.", hint=f"0 to {len(streams.reads) - 1}")
    return chosen


def ablation_estimates(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    score: Callable[[Float[Tensor, "text token"], list[int]], Float[Tensor, " text"]],
    *,
    tokens: Sequence[int] | None = None,
    batch_size: int | None = None,
) -> Float[Tensor, "layer head text"]:
    """What zeroing each head does to each text's score, to first order: −z · ∂ score / ∂ z.

    All heads of all blocks from one forward and one backward pass (attribution patching towards zero; Nanda
    2023). Good for a shortlist; what is said about a head should come from its exact ablation.

    Args:
        score: Called for each batch with the logits at the last position of its texts and with the numbers of
            these texts; returns one number a text.
        tokens: Whose logits the score gets, in this order; default all of the vocabulary.

    Raises:
        InvalidInput: A score that is not one number a text, or a token that is not there.
    """
    cfg = bridge.cfg
    if tokens is not None:
        require_tokens(bridge, tokens)
    columns = None if tokens is None else torch.tensor(list(tokens), dtype=torch.long)
    out = torch.empty(cfg.n_layers, cfg.n_heads, len(tokenised))
    size = rows_at_once(bridge, batch_size, 16, tokenised.longest, unembedded=1, gradients=True)
    whole: dict[str, Reader] = {
        f"blocks.{layer}.attn.hook_z": lambda value: value for layer in range(cfg.n_layers)
    }
    for start in range(0, len(tokenised), size):
        rows = tokenised.ids[start : start + size]
        last = [(len(row) - 1,) for row in rows]
        with torch.enable_grad():
            logits, values = _logits(
                bridge, filled_up(rows), last, columns, read=whole, gradients_from="blocks.0.hook_resid_pre"
            )
            scores = score(logits, list(range(start, start + len(rows))))
            if scores.shape != (len(rows),):
                raise InvalidInput(f"the score of {len(rows)} texts has the shape {tuple(scores.shape)}.")
            z = [values[hook] for hook in whole]
            gradients = torch.autograd.grad(scores.sum(), z)
        for layer in range(cfg.n_layers):
            effect = -(z[layer].detach() * gradients[layer]).sum((1, 3))
            out[layer, :, start : start + len(rows)] = effect.T.float().cpu()
    return out

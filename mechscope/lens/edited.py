"""Many edits of the same texts: what is before an edit is run once, and only what is read is unembedded.

`read_streams` runs the texts as they are and keeps their residual streams before some blocks.
`edited_logits` starts from there with an edit's hooks (see `mechscope.lens.steering`), for any rows of the
texts, each as often as wanted: ten strengths of a direction are ten rows of one batch (`add_vectors`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.patching import starting_at
from mechscope.lens.readout import require_layers
from mechscope.lens.steering import Hook
from mechscope.lens.texts import TokenisedTexts


@dataclass(frozen=True)
class Streams:
    """Texts with their residual streams before some blocks.

    Attributes:
        ids: Token ids, filled up on the right (causal attention never looks there).
        reads: For each text the positions whose next token is read.
        before: By block, the stream that goes into it.
        logits: What the unedited model says at the positions read, text by text.
    """

    ids: Int[Tensor, "text pos"]
    reads: tuple[tuple[int, ...], ...]
    before: dict[int, Float[Tensor, "text pos d_model"]]
    logits: Float[Tensor, "item vocab"]

    @property
    def text_of(self) -> Int[Tensor, " item"]:
        """Which text each item that is read belongs to."""
        return torch.tensor([text for text, places in enumerate(self.reads) for _ in places])


def last_reads(tokenised: TokenisedTexts) -> list[list[int]]:
    """The last position of each text."""
    return [[len(row) - 1] for row in tokenised.ids]


def read_streams(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    layers: Sequence[int],
    *,
    reads: Sequence[Sequence[int]] | None = None,
) -> Streams:
    """Run texts once and keep what goes into some blocks.

    Args:
        layers: Before which blocks the stream is kept: those at which edits begin.
        reads: Positions read in each text; default the last one of each.

    Raises:
        InvalidInput: A block that is not there, or reads that do not fit the texts.
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
    length = max(len(row) for row in tokenised.ids)
    ids = torch.zeros(len(tokenised), length, dtype=torch.long)
    for at, row in enumerate(tokenised.ids):
        ids[at, : len(row)] = torch.tensor(row)
    ids = ids.to(bridge.cfg.device)
    before: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[[Tensor, Any], None]:
        def hook(value: Tensor, hook: Any) -> None:
            before[layer] = value.clone()

        return hook

    hooks = [(f"blocks.{layer}.hook_resid_pre", keep(layer)) for layer in sorted(set(layers))]
    reads_ = tuple(tuple(places) for places in wanted)
    with torch.inference_mode(), bridge.hooks(fwd_hooks=[*hooks, ("unembed.hook_in", _cut(reads_))]):
        logits = bridge(ids, return_type="logits")[:, 0].float()
    return Streams(ids, reads_, before, logits)


def edited_logits(
    bridge: TransformerBridge,
    streams: Streams,
    start: int,
    edit: Sequence[Hook],
    *,
    rows: Sequence[int] | None = None,
) -> Float[Tensor, "item vocab"]:
    """Logits at the positions read when an edit is made at or after a block.

    Args:
        start: The pass starts before this block; its stream must have been kept.
        edit: Hooks; each sees a batch of as many rows as `rows` has.
        rows: Which texts, in which order, repeated as often as wanted; default all of them once.

    Raises:
        InvalidInput: The stream before `start` was not kept, there is no such text, or a hook that belongs to
            an earlier block (it would never fire).
    """
    if start not in streams.before:
        raise InvalidInput(
            f"the stream before block {start} was not kept.",
            hint=f"kept: {', '.join(map(str, sorted(streams.before)))}; read_streams(…, layers=[…])",
        )
    for name, _ in edit:
        parts = name.split(".")
        if parts[0] != "blocks" or int(parts[1]) < start:
            raise InvalidInput(f"the hook {name} is not in block {start} or a later one.")
    chosen = list(range(len(streams.reads))) if rows is None else list(rows)
    if not chosen or not all(0 <= row < len(streams.reads) for row in chosen):
        raise InvalidInput(f"the rows {chosen} are not all texts.", hint=f"0 to {len(streams.reads) - 1}")
    stream = streams.before[start][chosen]
    put: Hook = (f"blocks.{start}.hook_resid_pre", lambda value, hook: stream)
    cut = ("unembed.hook_in", _cut(tuple(streams.reads[row] for row in chosen)))
    with (
        torch.inference_mode(),
        starting_at(bridge, start),
        bridge.hooks(fwd_hooks=[put, *edit, cut]),
    ):
        return bridge(streams.ids[chosen], return_type="logits")[:, 0].float()


def add_vectors(bridge: TransformerBridge, layer: int, vectors: Float[Tensor, "row d_model"]) -> list[Hook]:
    """Hooks that add a vector of its own to each row's residual stream after a block, at all positions.

    Raises:
        InvalidInput: A layer that is not there, or vectors of another width.
    """
    require_layers(bridge, [layer])
    if vectors.ndim != 2 or vectors.shape[1] != bridge.cfg.d_model:
        raise InvalidInput(
            f"vectors of shape {tuple(vectors.shape)} do not fit the residual stream.",
            hint=f"expected: (rows, {bridge.cfg.d_model})",
        )

    def hook(value: Float[Tensor, "row pos d_model"], hook: Any) -> Float[Tensor, "row pos d_model"]:
        if len(value) != len(vectors):
            raise InvalidInput(f"{len(vectors)} vectors for a batch of {len(value)} rows.")
        return value + vectors[:, None].to(value)

    return [(f"blocks.{layer}.hook_resid_post", hook)]


def continue_greedily(
    bridge: TransformerBridge, ids: Int[Tensor, "row pos"], edit: Sequence[Hook], *, n: int
) -> Int[Tensor, "row n"]:
    """The tokens that an edited model writes when it always takes the most probable one.

    Args:
        ids: Rows of one length, BOS included.
        edit: Hooks, in force at the prompt and at what is written.
        n: How many tokens.

    Raises:
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
        with torch.inference_mode(), bridge.hooks(fwd_hooks=[*edit, ("unembed.hook_in", _cut(last))]):
            logits = bridge(whole, return_type="logits")
        whole = torch.cat([whole, logits[:, 0].argmax(-1, keepdim=True)], dim=1)
    return whole[:, ids.shape[1] :].cpu()


def _cut(reads: Sequence[Sequence[int]]) -> Callable[[Tensor, Any], Tensor]:
    """Only the positions that are read go on, as rows of one position."""
    row = [text for text, places in enumerate(reads) for _ in places]
    place = [at for places in reads for at in places]

    def hook(value: Float[Tensor, "row pos d_model"], hook: Any) -> Float[Tensor, "item 1 d_model"]:
        return value[row, place].unsqueeze(1)

    return hook


def ablation_estimates(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    score: Callable[[Float[Tensor, "text vocab"], list[int]], Float[Tensor, " text"]],
    *,
    batch_size: int = 16,
) -> Float[Tensor, "layer head text"]:
    """What zeroing each head does to each text's score, to first order: −z · ∂ score / ∂ z.

    All heads of all blocks from one forward and one backward pass (attribution patching towards zero; Nanda
    2023). Good for a shortlist; what is said about a head should come from its exact ablation.

    Args:
        score: Called for each batch with the logits at the last position of its texts and with the numbers of
            these texts; returns one number a text.

    Raises:
        InvalidInput: A score that is not one number a text.
    """
    cfg = bridge.cfg
    out = torch.empty(cfg.n_layers, cfg.n_heads, len(tokenised))
    for start in range(0, len(tokenised), batch_size):
        rows = tokenised.ids[start : start + batch_size]
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = torch.tensor(row)
        held: list[Tensor] = []

        def hold(value: Tensor, hook: Any, held: list[Tensor] = held) -> Tensor:
            held.append(value)
            return value

        def leaf(value: Tensor, hook: Any) -> Tensor:
            return value.detach().requires_grad_()

        hooks: list[Hook] = [("blocks.0.hook_resid_pre", leaf)]
        hooks += [(f"blocks.{layer}.attn.hook_z", hold) for layer in range(cfg.n_layers)]
        hooks.append(("unembed.hook_in", _cut([(len(row) - 1,) for row in rows])))
        with torch.enable_grad(), bridge.hooks(fwd_hooks=hooks):
            logits = bridge(ids.to(cfg.device), return_type="logits")[:, 0].float()
            found = score(logits, list(range(start, start + len(rows))))
            if found.shape != (len(rows),):
                raise InvalidInput(f"the score of {len(rows)} texts has the shape {tuple(found.shape)}.")
            gradients = torch.autograd.grad(found.sum(), held)
        for layer in range(cfg.n_layers):
            effect = -(held[layer].detach() * gradients[layer]).sum((1, 3))
            out[layer, :, start : start + len(rows)] = effect.T.cpu()
    return out

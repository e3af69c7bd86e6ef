"""One forward pass that computes what is asked for and no more; every technique runs its model through it.

1. Hooks are set: first those of an edit, then those that read, which see the values as edited.
2. With `start`, the blocks before it are skipped: it goes on from a stream that another pass has left there.
3. Where no logits are wanted, the pass ends as soon as everything has been read. Where they are, only the
   positions that are asked for go into the unembedding (over half of a forward pass of a model with a large
   vocabulary).
4. A hook that never fired is an error: an edit there would pass for one without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.hook_points import HookPoint
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.lens.core.components import attention_output, residual_hook
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import Batch, Padding, TokenisedTexts, batches

Hook = tuple[str, Callable[..., Tensor]]
"""A hook's name and what makes a new value of the one there, called as TransformerLens does: with the value
and `hook=…`."""

Reader = Callable[[Tensor], Any]
"""What is kept of a value; it may also reduce the value on the way and return nothing."""


def forward(
    bridge: TransformerBridge,
    ids: Int[Tensor, "row pos"],
    *,
    attended: Int[Tensor, "row pos"] | None = None,
    read: Mapping[str, Reader] = MappingProxyType({}),
    edit: Sequence[Hook] = (),
    logits_at: tuple[Any, ...] | None = None,
    start: tuple[int, Float[Tensor, "row pos d_model"]] | None = None,
    gradients_from: str | None = None,
) -> dict[str, Any]:
    """Run a batch through the model.

    Args:
        attended: 1 at tokens, 0 at padding. Rows that are filled up on the right can do without.
        read: By hook name, what is kept of the value there.
        edit: Hooks that change values.
        logits_at: Rows and positions whose logits are wanted, as two index tensors: both of shape (item,), or
            (row, 1) and (row, k) for k positions of each row.
        start: A block, and the stream that goes into it; the blocks before it are skipped.
        gradients_from: The hook at which the graph of gradients begins; without it, none is recorded.

    Returns:
        What the readers returned, by hook name; and as "logits" the model's logits, item × vocabulary or
        row × k × vocabulary.

    Raises:
        UnknownName: A hook that the model does not have.
        ModelMismatch: A hook that it has and does not call.
    """
    values: dict[str, Any] = {}
    called: set[str] = set()
    by_row = logits_at is not None and torch.as_tensor(logits_at[0]).dim() == 2

    def editing(name: str, change: Callable[..., Tensor]) -> Hook:
        def act(value: Tensor, hook: Any) -> Tensor:
            called.add(name)
            return change(value, hook=hook)

        return name, act

    def reading(name: str, take: Reader) -> tuple[str, Callable[..., Tensor | None]]:
        def act(value: Tensor, hook: Any) -> Tensor | None:
            called.add(name)
            values[name] = take(value)
            if logits_at is None and len(values) == len(read):
                raise _PassEnds
            # Some values are copies; for a gradient, what was read must be what goes on.
            return None if gradients_from is None else value

        return name, act

    def cut(value: Float[Tensor, "row pos d_model"], hook: Any) -> Tensor:
        if logits_at is None:
            raise _PassEnds
        rows, positions = (torch.as_tensor(index, device=value.device) for index in logits_at)
        chosen = value[rows, positions]
        return chosen if by_row else chosen.unsqueeze(1)

    hooks: list[tuple[str, Callable[..., Tensor | None]]] = [editing(*each) for each in edit]
    if start is not None:
        hooks.insert(0, (f"blocks.{start[0]}.hook_resid_pre", lambda value, hook: start[1]))
    if gradients_from is not None:
        hooks.append((gradients_from, lambda value, hook: value.detach().requires_grad_()))
    hooks += [reading(*each) for each in read.items()]
    device = bridge.cfg.device
    mask = None if attended is None else attended.to(device)
    recording = torch.inference_mode() if gradients_from is None else torch.enable_grad()
    with (
        recording,
        starting_at(bridge, 0 if start is None else start[0]),
        hooked(bridge, [*hooks, ("unembed.hook_in", cut)]),
        suppress(_PassEnds),
    ):
        logits = bridge(ids.to(device), attention_mask=mask, return_type="logits")
        values["logits"] = logits if by_row else logits[:, 0]
    for name in (*read, *(name for name, _ in edit)):
        if name not in called:
            raise ModelMismatch(f"the hook {name} did not fire in a forward pass of this model.")
    return values


class _PassEnds(Exception):
    """Raised when nothing behind is wanted."""


def require_hooks(bridge: TransformerBridge, names: Iterable[str]) -> dict[str, HookPoint]:
    """The hooks of a model by name, unless it lacks one of these.

    Raises:
        UnknownName: The nearest names that it has are proposed.
    """
    points: dict[str, HookPoint] = bridge.hook_dict
    for name in names:
        if name not in points:
            raise UnknownName("hook", name, points, hint="bridge.hook_dict lists the names of this model")
    return points


@contextmanager
def hooked(
    bridge: TransformerBridge, hooks: Sequence[tuple[str, Callable[..., Tensor | None]]]
) -> Iterator[None]:
    """`bridge.hooks`, which looks through all names again for each hook: that takes longer than a short pass.

    Raises:
        UnknownName: As `require_hooks`.
    """
    points = require_hooks(bridge, [name for name, _ in hooks])
    bridge.context_level += 1
    level = bridge.context_level
    try:
        for name, act in hooks:
            points[name].add_hook(act, level=level)
        yield
    finally:
        for name, _ in hooks:
            points[name].remove_hooks("fwd", level=level)
        bridge.context_level -= 1


@contextmanager
def starting_at(bridge: TransformerBridge, layer: int) -> Iterator[None]:
    """Within this context a forward pass skips the blocks before `layer` (their hooks do not fire).

    Give block `layer` its input through a hook on `blocks.{layer}.hook_resid_pre`; without one it gets the
    embeddings. TransformerBridge has no `start_at_layer` of its own.
    """
    skipped = [bridge.blocks[number] for number in range(layer)]
    width = _output_width(bridge) if layer else None

    def pass_through(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor | tuple[Tensor | None, ...]:
        return hidden_states if width is None else (hidden_states, *[None] * (width - 1))

    for block in skipped:
        block.__dict__["forward"] = pass_through
    try:
        yield
    finally:
        for block in skipped:
            del block.__dict__["forward"]


_WIDTHS: WeakKeyDictionary[TransformerBridge, int | None] = WeakKeyDictionary()


def _output_width(bridge: TransformerBridge) -> int | None:
    """How many values a block returns in a tuple; None where it returns the stream itself.

    Architectures differ, and a model that expects a tuple would take the first row of a bare tensor. A pass
    over one token tells.
    """
    if bridge not in _WIDTHS:

        def look(module: Any, args: Any, output: Any) -> None:
            _WIDTHS[bridge] = len(output) if isinstance(output, tuple) else None

        handle = bridge.blocks[0].register_forward_hook(look)
        try:
            with torch.no_grad():  # not inference_mode: what modules keep must serve gradients later
                bridge(torch.zeros(1, 1, dtype=torch.long, device=bridge.cfg.device), return_type="logits")
        finally:
            handle.remove()
    return _WIDTHS[bridge]


def read_positions(
    bridge: TransformerBridge,
    batch: Batch,
    hooks: Sequence[str],
    positions: Bool[Tensor, "batch pos"],
    *,
    logits: bool,
) -> dict[str, Tensor]:
    """What stands at some positions of a batch, read off in one pass.

    Args:
        hooks: Canonical hook names; values have the batch and the position as their first two dimensions.
        positions: Where to read; items come row by row.
        logits: Also return the logits there, as "logits", and as "unembed.hook_out" what they are before a
            model caps them.

    Returns:
        By hook name, a tensor of shape (item, …).

    Raises:
        UnknownName, ModelMismatch: As `forward`.
    """
    places = positions.nonzero(as_tuple=True)
    rows, columns = (index.to(bridge.cfg.device) for index in places)

    def take(value: Tensor) -> Tensor:
        # Parts that do not depend on the text (positions) come once for all rows.
        return value.expand(len(batch.ids), *value.shape[1:])[rows, columns]

    read: dict[str, Reader] = dict.fromkeys(hooks, take)
    if logits:
        read["unembed.hook_out"] = lambda value: value[:, 0]
    return forward(
        bridge, batch.ids, attended=batch.attended, read=read, logits_at=places if logits else None
    )


def next_token_losses(
    bridge: TransformerBridge,
    ids: Int[Tensor, "row pos"],
    positions: Int[Tensor, "row k"],
    *,
    attended: Int[Tensor, "row pos"] | None = None,
    edit: Sequence[Hook] = (),
) -> Float[Tensor, "row k"]:
    """How surprising the tokens after some positions are, in nats; on the CPU in float32.

    Raises:
        UnknownName, ModelMismatch: As `forward`.
    """
    at = torch.arange(len(ids))[:, None], positions
    logits = forward(bridge, ids, attended=attended, edit=edit, logits_at=at)["logits"]
    following = ids.gather(1, positions + 1).to(logits.device)
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), following.flatten(), reduction="none"
    )
    return losses.view(positions.shape).cpu()


def last_only(batch: Batch) -> Bool[Tensor, "batch pos"]:
    """The last token of each row."""
    chosen = torch.zeros_like(batch.scored)
    chosen[torch.arange(len(batch.last)), batch.last] = True
    return chosen


@dataclass(frozen=True)
class LastPosition:
    """Readings at the last token of each text; None where they were not asked for.

    Attributes:
        residuals: The residual stream after each block, in the units of the model's raw weights.
        heads: What each attention head writes: its z times its W_O, without the output bias. Summed over
            heads (plus b_O) it is the attention block's output, in models with a norm after attention
            (Gemma) the input of that norm.
        log_probs: Natural logarithms of the next token's probabilities.
    """

    residuals: Float[Tensor, "layer text d_model"] | None
    heads: Float[Tensor, "layer head text d_model"] | None
    log_probs: Float[Tensor, "text vocab"] | None


def read_last_position(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    *,
    residuals: bool = True,
    heads: bool = False,
    log_probs: bool = False,
    padding: Padding = "right",
    batch_size: int | None = None,
    progress: bool = False,
) -> LastPosition:
    """Read the last position of every text.

    Args:
        bridge: The model, in eval mode, without compatibility mode's folding unless that is what you want.
        tokenised: From `mechscope.lens.core.tokens.tokenise`.
        residuals: Keep the residual stream after every block.
        heads: Keep every head's output.
        log_probs: Keep the next-token distribution (4 bytes × texts × vocabulary).
        padding: How rows of one batch are brought to one length; the answer does not depend on it.
        batch_size: Texts in a batch; default as many as memory has room for.
        progress: Show a progress bar.

    Returns:
        The readings on the CPU in float32, texts in the given order.

    Raises:
        InvalidInput: Nothing was asked for.
        ModelMismatch: The heads' outputs do not add up to the attention block's output.
    """
    if not (residuals or heads or log_probs):
        raise InvalidInput("nothing to read.", hint="pass residuals=True, heads=True or log_probs=True")
    cfg = bridge.cfg
    n = len(tokenised)
    kept = LastPosition(
        residuals=torch.empty(cfg.n_layers, n, cfg.d_model) if residuals else None,
        heads=torch.empty(cfg.n_layers, cfg.n_heads, n, cfg.d_model) if heads else None,
        log_probs=torch.empty(n, cfg.d_vocab) if log_probs else None,
    )
    each = cfg.n_layers * cfg.d_model * (residuals + heads * cfg.n_heads)
    size = rows_at_once(bridge, batch_size, 32, tokenised.longest, kept=each, unembedded=int(log_probs))
    bar = tqdm(total=n, desc="reading texts", unit="text", disable=not progress)
    layers = range(cfg.n_layers)
    hooks = [residual_hook(layer) for layer in layers if residuals]
    for layer in layers if heads else ():
        hooks += [f"blocks.{layer}.attn.hook_z", attention_output(bridge, layer)]
    with bar:
        for batch in batches(tokenised, padding=padding, batch_size=size):
            read = read_positions(bridge, batch, hooks, last_only(batch), logits=log_probs)
            for layer in layers:
                if kept.residuals is not None:
                    kept.residuals[layer][batch.rows] = read[residual_hook(layer)].float().cpu()
                if kept.heads is not None:
                    kept.heads[layer][:, batch.rows] = _written_by_heads(bridge, layer, read).cpu()
            if kept.log_probs is not None:
                kept.log_probs[batch.rows] = read["logits"].float().log_softmax(-1).cpu()
            bar.update(len(batch.rows))
    return kept


def _written_by_heads(
    bridge: TransformerBridge, layer: int, read: Mapping[str, Tensor]
) -> Float[Tensor, "head item d_model"]:
    """What each head writes, checked: it must add up to the attention block's output."""
    attention = bridge.blocks[layer].attn
    z: Float[Tensor, "item head d_head"] = read[f"blocks.{layer}.attn.hook_z"].float()
    written = torch.einsum("bhd,hdm->hbm", z, attention.W_O.detach().float())
    bias = getattr(attention, "b_O", None)
    total = written.sum(0) if bias is None else written.sum(0) + bias.detach().float()
    output = read[attention_output(bridge, layer)]
    expected = output.float()
    off = (total - expected).abs().max() / expected.abs().max().clamp_min(1e-30)
    # The output is stored in the working precision, but added up in float32 or better.
    eps, in_sums = (torch.finfo(dtype).eps for dtype in (output.dtype, torch.float32))
    if not off <= 2 * eps + 100 * min(eps, in_sums):
        raise ModelMismatch(
            f"layer {layer}: the heads' outputs do not add up to the attention block's output "
            f"(off by {off:.1e} of its largest component)."
        )
    return written

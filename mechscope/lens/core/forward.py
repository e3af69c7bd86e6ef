"""A forward pass that reads what is asked for, where it is asked for, and computes nothing else.

Only the positions whose logits are wanted go into the unembedding (over half of a forward pass of a model
with a large vocabulary). When none are, the pass ends after the last block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.lens.core.components import attention_output
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import Batch, Padding, TokenisedTexts, batches

Hook = tuple[str, Callable[[Tensor, Any], Tensor]]


def require_hooks(bridge: TransformerBridge, names: Sequence[str]) -> None:
    """Refuse hook names that the model does not have.

    Raises:
        UnknownName: The nearest names that it has are proposed.
    """
    valid = bridge.hook_dict
    for name in names:
        if name not in valid:
            raise UnknownName("hook", name, valid, hint="bridge.hook_dict lists the names of this model")


class _PassEnds(Exception):
    """Raised by the last hook when nothing behind it is wanted."""


@contextmanager
def starting_at(bridge: TransformerBridge, layer: int) -> Iterator[None]:
    """Within this context a forward pass skips the blocks before `layer` (their hooks do not fire).

    Give block `layer` its input through a hook on `blocks.{layer}.hook_resid_pre`; without one it gets the
    embeddings. TransformerBridge has no `start_at_layer` of its own.
    """
    skipped = [bridge.blocks[number] for number in range(layer)]
    width = _output_width(bridge)

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
        logits: Also run the unembedding, on these positions only, and return its output (before soft-capping)
            as "unembed.hook_out". Without it the pass ends after the last block.

    Returns:
        By hook name, a tensor of shape (item, …).

    Raises:
        UnknownName: A hook that the model does not have.
    """
    require_hooks(bridge, hooks)
    device = bridge.cfg.device
    rows, places = (index.to(device) for index in positions.nonzero(as_tuple=True))
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Tensor, Any], None]:
        def hook(value: Tensor, hook: Any) -> None:
            # Parts that do not depend on the text (positions) come once for all rows.
            found[name] = value.expand(len(batch.ids), *value.shape[1:])[rows, places].detach()

        return hook

    def cut_down(value: Tensor, hook: Any) -> Tensor:
        return value[rows, places].unsqueeze(1)

    def keep_logits(value: Tensor, hook: Any) -> None:
        found["unembed.hook_out"] = value[:, 0].detach()
        raise _PassEnds

    def end(value: Tensor, hook: Any) -> None:
        raise _PassEnds

    wanted: list[tuple[str, Callable[..., Any]]] = [(name, keep(name)) for name in hooks]
    if logits:
        wanted += [("unembed.hook_in", cut_down), ("unembed.hook_out", keep_logits)]
    else:
        wanted.append((f"blocks.{bridge.cfg.n_layers - 1}.hook_resid_post", end))
    try:
        with torch.inference_mode(), bridge.hooks(fwd_hooks=wanted):
            bridge(batch.ids.to(device), attention_mask=batch.attended.to(device), return_type="logits")
    except _PassEnds:
        pass
    missing = [name for name in hooks if name not in found]
    if missing:
        raise ModelMismatch(f"the hook {missing[0]} did not fire in a forward pass of this model.")
    return found


def last_only(batch: Batch) -> Bool[Tensor, "batch pos"]:
    """The last token of each row."""
    chosen = torch.zeros_like(batch.scored)
    chosen[torch.arange(len(batch.last)), batch.last] = True
    return chosen


_Hook = tuple[str, Callable[[Tensor, Any], Tensor | None]]


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
    with torch.inference_mode(), bar:
        for batch in batches(tokenised, padding=padding, batch_size=size):
            _read_batch(bridge, batch, kept)
            bar.update(len(batch.rows))
    return kept


def _read_batch(bridge: TransformerBridge, batch: Batch, kept: LastPosition) -> None:
    device = bridge.cfg.device
    rows, last = batch.rows, batch.last.to(device)
    each = torch.arange(len(rows), device=device)
    hooks: list[_Hook] = []
    for layer in range(bridge.cfg.n_layers):
        if kept.heads is not None:
            hooks += _head_hooks(bridge, layer, kept.heads, rows, each, last)
        if kept.residuals is not None:
            hooks.append((f"blocks.{layer}.hook_resid_post", _keep(kept.residuals[layer], rows, each, last)))
    if kept.log_probs is not None:
        hooks.append(("unembed.hook_in", _cut_down(each, last)))
    else:
        hooks.append((f"blocks.{bridge.cfg.n_layers - 1}.hook_resid_post", _end))
    try:
        with bridge.hooks(fwd_hooks=hooks):
            logits = bridge(
                batch.ids.to(device), attention_mask=batch.attended.to(device), return_type="logits"
            )
    except _PassEnds:
        return
    if kept.log_probs is not None:
        kept.log_probs[rows] = logits[:, -1].float().log_softmax(-1).cpu()


def _keep(into: Tensor, rows: Tensor, each: Tensor, last: Tensor) -> Callable[[Tensor, Any], None]:
    def hook(value: Float[Tensor, "batch pos d_model"], hook: Any) -> None:
        into[rows] = value[each, last].float().cpu()

    return hook


def _cut_down(each: Tensor, last: Tensor) -> Callable[[Tensor, Any], Tensor]:
    def hook(value: Float[Tensor, "batch pos d_model"], hook: Any) -> Float[Tensor, "batch 1 d_model"]:
        return value[each, last].unsqueeze(1)

    return hook


def _end(value: Tensor, hook: Any) -> None:
    raise _PassEnds


def _head_hooks(
    bridge: TransformerBridge, layer: int, into: Tensor, rows: Tensor, each: Tensor, last: Tensor
) -> list[_Hook]:
    """Two hooks: one keeps the heads' outputs, one checks that they add up to the block's output."""
    attention = bridge.blocks[layer].attn
    w_o: Float[Tensor, "head d_head d_model"] = attention.W_O
    bias = getattr(attention, "b_O", None)
    written: dict[str, Tensor] = {}

    def keep(z: Float[Tensor, "batch pos head d_head"], hook: Any) -> None:
        out = torch.einsum("bhd,hdm->hbm", z[each, last].float(), w_o.float())
        written["sum"] = out.sum(0) if bias is None else out.sum(0) + bias.float()
        into[layer][:, rows] = out.cpu()

    def check(output: Float[Tensor, "batch pos d_model"], hook: Any) -> None:
        expected = output[each, last].float()
        off = (written["sum"] - expected).abs().max() / expected.abs().max().clamp_min(1e-30)
        # The output is stored in the working precision, but added up in float32 or better.
        eps, in_sums = (torch.finfo(dtype).eps for dtype in (output.dtype, torch.float32))
        if not off <= 2 * eps + 100 * min(eps, in_sums):
            raise ModelMismatch(
                f"layer {layer}: the heads' outputs do not add up to the attention block's output "
                f"(off by {off:.1e} of its largest component)."
            )

    return [(f"blocks.{layer}.attn.hook_z", keep), (attention_output(bridge, layer), check)]

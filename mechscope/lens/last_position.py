"""What a model holds and predicts after the last token of each text, in one pass over all texts.

The pass hooks only what is asked for and keeps only the last position. When next-token distributions are
wanted, only the last position goes into the unembedding (over half of a forward pass of a model with a large
vocabulary); when they are not, the pass ends after the last block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, ModelMismatch
from mechscope.lens.components import attention_output
from mechscope.lens.room import rows_at_once
from mechscope.lens.texts import Batch, Padding, TokenisedTexts, batches

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


class _PassEnds(Exception):
    """Raised by the last hook when nothing behind it is wanted."""


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
        tokenised: From `mechscope.lens.texts.tokenise`.
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

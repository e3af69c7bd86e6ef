"""How many rows a pass takes at once: as many as there is memory for, and no more than make it faster."""

from __future__ import annotations

import torch
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.memory import free_memory

_SHARE = 0.5  # of the free memory: the estimate is rough, and others use the machine too
_WIDER = 16  # an accelerator is busy with this many times the rows that keep a CPU busy
_STREAMS = 10  # tensors as wide as the residual stream that a block holds at once: norms, q, k, v, z, sums
_HIDDEN = 4  # tensors as wide as the MLP: gate, up, their product, an activation's copy
_PATTERNS = 4  # tensors of query × key for each head: scores, masked, softmax, a copy in another precision
_LOGITS = 4  # tensors as wide as the vocabulary: logits, in float32, log-probabilities, probabilities
_BYTES = 4  # of a number; half precision is widened in places


def row_bytes(
    bridge: TransformerBridge,
    positions: int,
    *,
    kept: int = 0,
    unembedded: int = 0,
    gradients: bool = False,
) -> int:
    """Bytes of memory that one row of a forward pass takes at most, the model's weights not counted.

    Args:
        positions: Tokens of the row.
        kept: Numbers of the row that are held until the pass is over: activations asked for × positions ×
            their width.
        unembedded: At how many positions logits are computed.
        gradients: All blocks' activations are held for a backward pass.
    """
    cfg = bridge.cfg
    hidden = getattr(cfg, "d_mlp", None) or 4 * cfg.d_model
    block = positions * (_STREAMS * cfg.d_model + _HIDDEN * hidden + _PATTERNS * cfg.n_heads * positions)
    if gradients:
        block *= cfg.n_layers
    return _BYTES * (block + kept + _LOGITS * unembedded * cfg.d_vocab)


def rows_at_once(
    bridge: TransformerBridge,
    batch_size: int | None,
    most: int,
    positions: int,
    *,
    kept: int = 0,
    unembedded: int = 0,
    gradients: bool = False,
) -> int:
    """How many rows go through the model together. No result depends on it but for rounding.

    Args:
        batch_size: What the caller asks for, which is taken as it is; None for what there is room for.
        most: More rows than this make a pass on a CPU no faster.
        positions: Tokens of the longest row; the others as in `row_bytes`.

    Raises:
        InvalidInput: A batch size below 1.
    """
    if batch_size is not None:
        if batch_size < 1:
            raise InvalidInput(f"a batch of {batch_size} rows cannot be formed.", hint="batch_size=32")
        return batch_size
    device = torch.device(bridge.cfg.device or "cpu")
    each = row_bytes(bridge, positions, kept=kept, unembedded=unembedded, gradients=gradients)
    enough = most if device.type == "cpu" else _WIDER * most
    return max(1, min(enough, int(_SHARE * free_memory(device)) // each))

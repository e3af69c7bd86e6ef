"""From a model's name to a `TransformerBridge` that has been checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mechscope.errors import InvalidInput
from mechscope.models.gguf import ensure_dequantised
from mechscope.models.registry import Model, find_model

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge

DTYPES = ("float32", "bfloat16", "float16")


def load_model(
    name: str, *, device: str = "cpu", dtype: str | torch.dtype = "float32", folded: bool = False
) -> TransformerBridge:
    """Load a model as a TransformerLens bridge, in eval mode, with its tokenizer.

    Args:
        name: An embedded model, a hub model (`name@revision` pins it) or a folder; see `mechscope models`.
        device: "cpu", "cuda", "cuda:1", "mps" …
        dtype: "float32" (what committed numbers are computed in), "bfloat16" or "float16".
        folded: Fold LayerNorm and centre the weights (`enable_compatibility_mode`). Off by default: raw
            weights are the model's own.

    Returns:
        The bridge. `cfg.default_prepend_bos` holds the model's BOS convention, and texts of unequal length
        are padded on the right.

    Raises:
        UnknownName: No model is called that.
        InvalidInput: The device or dtype cannot be used, or the folder holds no model.
        ModelUnavailable: The weights are not here and cannot be fetched now.
        ModelMismatch: The bridge does not compute what the Hugging Face model computes.
    """
    model = find_model(name)
    number_type = _number_type(dtype)
    _require_device(device)
    return _load_folder(model, model_folder(model), device, number_type, folded)


def model_folder(model: Model) -> Path:
    """The folder from which a model loads; fetches or builds it when it is not there yet.

    Raises:
        ModelUnavailable, ModelMismatch: As `load_model` does.
    """
    if model.kind == "embedded":
        return ensure_dequantised(model)
    if model.folder is not None:
        return model.folder
    from mechscope.models.hub import ensure_snapshot

    return ensure_snapshot(model)


def _load_folder(
    model: Model, folder: Path, device: str, dtype: torch.dtype, folded: bool
) -> TransformerBridge:
    from transformer_lens.model_bridge import TransformerBridge

    from mechscope.models import selfcheck

    original = _load_original(folder, device, dtype)
    tokens = selfcheck.sentence_tokens(folder, original)
    # Computed before the bridge exists: it replaces the modules of this very object by its own.
    expected = selfcheck.log_probabilities(original, tokens)
    bridge = TransformerBridge.boot_transformers(str(folder), hf_model=original, device=device, dtype=dtype)
    bridge.cfg.model_name = model.name
    bridge.cfg.default_prepend_bos = _prepend_bos(model, folder)
    bridge.tokenizer.padding_side = "right"
    bridge.eval()
    if folded:
        bridge.enable_compatibility_mode()
    selfcheck.require_agreement(bridge, tokens, expected, model, folded=folded)
    return bridge

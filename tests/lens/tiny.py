"""Booting a tiny Hugging Face model of any make as a bridge, and running it in float64."""

from __future__ import annotations

from pathlib import Path

import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoTokenizer

from tests.lens.conftest import _tokenizer


def boot(original: torch.nn.Module, folder: Path) -> TransformerBridge:
    """A bridge around this very model, with the tokenizer of one token a word and no BOS."""
    original.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    bridge = TransformerBridge.boot_transformers(
        str(folder), hf_model=original, tokenizer=tokenizer, device="cpu", dtype=torch.float32
    )
    bridge.cfg.default_prepend_bos = False
    return bridge.eval()


def make_telling(model: torch.nn.Module, seed: int = 0) -> None:
    """Weights large enough to matter; gains and biases that are not 1 and 0, which would hide omissions."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            if "norm" in name or "ln_" in name:
                value.add_(0.2 * noise)
            else:
                value.copy_(0.3 * noise)


def in_float64(bridge: TransformerBridge) -> TransformerBridge:
    """The same model in float64 all the way: Hugging Face's RMSNorms round to float32, the bridge's don't."""
    bridge.double()
    for module in bridge.modules():
        if hasattr(module, "use_native_layernorm_autograd"):
            module.use_native_layernorm_autograd = False
    return bridge

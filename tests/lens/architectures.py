"""Tiny random models of many architectures, saved and loaded as a user would, beside their originals.

Their shapes differ on purpose: one to four layers, one to eight heads, heads that are not d_model / n_heads
wide, shared keys and values, tied and untied, with and without a BOS, and one that reads sixteen tokens only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from mechscope.models import load_model
from tests.lens.conftest import WORDS, _tokenizer
from tests.lens.tiny import make_telling


def _rotary(layers: int, heads: int, shared: int, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared,
        "max_position_embeddings": 64,
        **more,
    }


ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}),
    "gpt2-one-layer-one-head": ("gpt2", {"n_embd": 16, "n_layer": 1, "n_head": 1, "n_positions": 64}),
    "gpt2-sixteen-tokens": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 16}),
    "gpt-neo": (
        "gpt_neo",
        {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]},
    ),
    "gpt-j": ("gptj", {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "n_positions": 64}),
    "pythia": ("gpt_neox", _rotary(2, 4, 4, rotary_pct=0.25)),
    "pythia-sequential": ("gpt_neox", _rotary(2, 4, 4, rotary_pct=0.25, use_parallel_residual=False)),
    "llama": ("llama", _rotary(2, 4, 2)),
    "llama-wide-heads-biases-tied": (
        "llama",
        _rotary(1, 8, 2, head_dim=12, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    ),
    "mistral-window": ("mistral", _rotary(2, 4, 2, sliding_window=3)),
    "qwen2": ("qwen2", _rotary(2, 4, 2)),
    "qwen3": ("qwen3", _rotary(2, 4, 2, head_dim=16)),
    "gemma": ("gemma", _rotary(2, 4, 1, head_dim=16)),
    "gemma2": ("gemma2", _rotary(4, 2, 1, head_dim=16, sliding_window=3)),
    "gemma3": ("gemma3_text", _rotary(3, 4, 2, head_dim=16, sliding_window=3)),
    "opt": (
        "opt",
        {
            "hidden_size": 32,
            "ffn_dim": 40,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 64,
            "word_embed_proj_dim": 32,
        },
    ),
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "phi": ("phi", _rotary(2, 4, 4, partial_rotary_factor=0.5)),
    "phi3": ("phi3", _rotary(2, 4, 2)),
    "olmo": ("olmo", _rotary(2, 4, 4)),
    "olmo2": ("olmo2", _rotary(2, 4, 2)),
    "stablelm": ("stablelm", _rotary(2, 4, 2)),
    "falcon": ("falcon", {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}),
    "mpt": ("mpt", {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64}),
    "mixtral": ("mixtral", _rotary(2, 4, 2, num_local_experts=2, num_experts_per_tok=1)),
    "granite": ("granite", _rotary(2, 4, 2)),
}
"""Name → (transformers' model type, shape)."""


@dataclass(frozen=True)
class Made:
    """A model as mechscope loads it, and the original that it must agree with."""

    bridge: TransformerBridge
    original: PreTrainedModel


def make(name: str, folder: Path, *, prepend_bos: bool) -> Made:
    """Save a model of an architecture, and load it twice."""
    kind, shape = ARCHITECTURES[name]
    special = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, vocab_size=len(WORDS), **special, **shape)
    )
    make_telling(model)
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    bridge = load_model(str(folder))
    bridge.cfg.default_prepend_bos = prepend_bos
    original = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return Made(bridge, original)

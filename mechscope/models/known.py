"""Facts about the hub models that are used most, by repository, for the registry's table.

Sizes are those of the published configurations. What is not listed here is read from the model itself when
it is loaded.
"""

from __future__ import annotations

from typing import Any

_ATTENTION_SINK = "trained without one; TransformerLens' convention, as heads rest on the first position"
_TRAINED = "it was trained with BOS first"

_GPT2 = "GPT-2 architecture: LayerNorm, learned positions, GELU, tied unembedding."
_NEOX = "GPT-NeoX architecture: LayerNorm, rotary positions, attention beside the MLP, GELU. The Pile."
_GEMMA2 = "Gemma 2 architecture: RMSNorm around each sublayer, soft caps on attention and logits, GeGLU."
_GEMMA3 = "Gemma 3 architecture: RMSNorm around each sublayer, 5 of 6 layers attend to a sliding window."
_LLAMA = "Llama architecture: RMSNorm, rotary positions, SwiGLU, grouped queries."
_QWEN2 = "Qwen 2 architecture: as Llama, with biases on queries, keys and values."
_TOY = "A toy model by Neel Nanda, trained on C4 and code, kept in TransformerLens' own format."
_NEO = "GPT-Neo architecture: as GPT-2, with local attention in every other layer."
_TINY = "GPT-Neo architecture: LayerNorm, learned positions, GELU. Trained on generated short stories."


def _facts(
    title: str,
    licence: str,
    parameters: float,
    shape: tuple[int, int, int, int, int],
    vocabulary: int,
    bos: tuple[bool, str],
    notes: str,
) -> dict[str, Any]:
    """`shape`: layers, width, MLP width, heads, key-value heads."""
    layers, width, mlp_width, heads, kv_heads = shape
    return {
        "title": title,
        "licence": licence,
        "parameters": int(parameters),
        "layers": layers,
        "width": width,
        "mlp_width": mlp_width,
        "heads": heads,
        "kv_heads": kv_heads,
        "vocabulary": vocabulary,
        "prepend_bos": bos[0],
        "bos_reason": bos[1],
        "notes": notes,
    }


_SINK = (True, _ATTENTION_SINK)
_BOS = (True, _TRAINED)
_NO_BOS = (False, "it has no BOS token")

FACTS: dict[str, dict[str, Any]] = {
    "distilgpt2": _facts("DistilGPT-2", "Apache-2.0", 82e6, (6, 768, 3072, 12, 12), 50257, _SINK, _GPT2),
    "gpt2": _facts("GPT-2 small", "MIT", 124e6, (12, 768, 3072, 12, 12), 50257, _SINK, _GPT2),
    "gpt2-medium": _facts("GPT-2 medium", "MIT", 355e6, (24, 1024, 4096, 16, 16), 50257, _SINK, _GPT2),
    "gpt2-large": _facts("GPT-2 large", "MIT", 774e6, (36, 1280, 5120, 20, 20), 50257, _SINK, _GPT2),
    "gpt2-xl": _facts("GPT-2 XL", "MIT", 1558e6, (48, 1600, 6400, 25, 25), 50257, _SINK, _GPT2),
    **{
        f"EleutherAI/pythia-{size}": _facts(
            f"Pythia {size.upper()}", "Apache-2.0", count, shape, vocabulary, _SINK, _NEOX
        )
        for size, count, shape, vocabulary in [
            ("70m", 70e6, (6, 512, 2048, 8, 8), 50304),
            ("160m", 162e6, (12, 768, 3072, 12, 12), 50304),
            ("410m", 405e6, (24, 1024, 4096, 16, 16), 50304),
            ("1b", 1012e6, (16, 2048, 8192, 8, 8), 50304),
            ("1.4b", 1415e6, (24, 2048, 8192, 16, 16), 50304),
            ("2.8b", 2775e6, (32, 2560, 10240, 32, 32), 50304),
            ("6.9b", 6857e6, (32, 4096, 16384, 32, 32), 50432),
            ("12b", 11846e6, (36, 5120, 20480, 40, 40), 50688),
        ]
    },
    "google/gemma-2-2b": _facts(
        "Gemma 2 2B", "Gemma Terms of Use", 2614e6, (26, 2304, 9216, 8, 4), 256_000, _BOS, _GEMMA2
    ),
    "google/gemma-2-9b": _facts(
        "Gemma 2 9B", "Gemma Terms of Use", 9242e6, (42, 3584, 14336, 16, 8), 256_000, _BOS, _GEMMA2
    ),
    "google/gemma-2-27b": _facts(
        "Gemma 2 27B", "Gemma Terms of Use", 27227e6, (46, 4608, 36864, 32, 16), 256_000, _BOS, _GEMMA2
    ),
    "google/gemma-3-270m": _facts(
        "Gemma 3 270M, unquantised",
        "Gemma Terms of Use",
        268e6,
        (18, 640, 2048, 4, 1),
        262_144,
        _BOS,
        _GEMMA3,
    ),
    "google/gemma-3-1b-pt": _facts(
        "Gemma 3 1B", "Gemma Terms of Use", 1000e6, (26, 1152, 6912, 4, 1), 262_144, _BOS, _GEMMA3
    ),
    "meta-llama/Llama-3.2-1B": _facts(
        "Llama 3.2 1B", "Llama 3.2 Community", 1236e6, (16, 2048, 8192, 32, 8), 128_256, _BOS, _LLAMA
    ),
    "meta-llama/Llama-3.2-3B": _facts(
        "Llama 3.2 3B", "Llama 3.2 Community", 3213e6, (28, 3072, 8192, 24, 8), 128_256, _BOS, _LLAMA
    ),
    "meta-llama/Meta-Llama-3-8B": _facts(
        "Llama 3 8B", "Meta Llama 3 Community", 8030e6, (32, 4096, 14336, 32, 8), 128_256, _BOS, _LLAMA
    ),
    "Qwen/Qwen2.5-0.5B": _facts(
        "Qwen 2.5 0.5B", "Apache-2.0", 494e6, (24, 896, 4864, 14, 2), 151_936, _NO_BOS, _QWEN2
    ),
    "Qwen/Qwen2.5-1.5B": _facts(
        "Qwen 2.5 1.5B", "Apache-2.0", 1544e6, (28, 1536, 8960, 12, 2), 151_936, _NO_BOS, _QWEN2
    ),
    "EleutherAI/gpt-neo-125M": _facts(
        "GPT-Neo 125M", "MIT", 125e6, (12, 768, 3072, 12, 12), 50257, _SINK, _NEO
    ),
    **{
        f"roneneldan/TinyStories-{size}": _facts(
            f"TinyStories {size}", "see its model card", count, shape, 50257, _SINK, _TINY
        )
        for size, count, shape in [
            ("1M", 3.7e6, (8, 64, 256, 16, 16)),
            ("3M", 8.3e6, (8, 128, 512, 16, 16)),
            ("8M", 19.7e6, (8, 256, 1024, 16, 16)),
            ("28M", 51.9e6, (8, 512, 2048, 16, 16)),
            ("33M", 68.5e6, (4, 768, 3072, 16, 16)),
        ]
    },
    **{
        f"NeelNanda/{family}_{layers}L512W_C4_Code": _facts(
            f"{family.replace('_', '-')} {layers}L",
            "see its model card",
            2 * 48262 * 512 + 1024 * 512 + layers * (4 * 512 * 512 + 2 * 512 * mlp),
            (layers, 512, mlp, 8, 8),
            48262,
            _SINK,
            f"{what} {_TOY}",
        )
        for family, mlp, what in [
            ("Attn_Only", 0, "Attention layers only."),
            ("GELU", 2048, "LayerNorm, GELU."),
            ("SoLU", 2048, "LayerNorm, SoLU activations."),
        ]
        for layers in (1, 2, 3, 4)
    },
}

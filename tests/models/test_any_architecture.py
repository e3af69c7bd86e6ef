"""Any model of transformers either loads as what it is, or is refused in one sentence that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    PretrainedConfig,
    PreTrainedModel,
)

from mechscope.errors import InvalidInput, MechscopeError, ModelMismatch
from mechscope.models import load_model
from tests.lens.architectures import make
from tests.lens.conftest import WORDS, _tokenizer
from tests.lens.tiny import make_telling

COMMON: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 16}
LOCAL = {"num_local_experts": 2, "num_experts_per_tok": 1}
SPEECH = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
}
OPT = {"hidden_size": 32, "ffn_dim": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
FALCON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}

LOADED: list[tuple[str, dict[str, Any]]] = [
    ("granite", {**COMMON, "attention_multiplier": 0.5}),
    ("granite", {**COMMON, "embedding_multiplier": 12.0}),
    ("gpt_oss", {**COMMON, **LOCAL, "head_dim": 8}),
    ("qwen2_moe", {**COMMON, **EXPERTS, "shared_expert_intermediate_size": 16}),
    ("qwen3_moe", {**COMMON, **EXPERTS, "head_dim": 8}),
    ("llama4_text", {**COMMON, **LOCAL, "head_dim": 8, "intermediate_size_mlp": 40, "moe_layers": [1]}),
    ("gpt_bigcode", GPT),
    ("codegen", {**GPT, "rotary_dim": 4}),
    ("xglm", {"d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 40}),
    ("smollm3", COMMON),
    ("nemotron", COMMON),
    ("glm4", {**COMMON, "head_dim": 8}),
    ("starcoder2", COMMON),
    ("vaultgemma", {**COMMON, "head_dim": 8}),
    ("gpt2", {**GPT, "scale_attn_by_inverse_layer_idx": True}),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("mamba", COMMON, r"MambaForCausalLM\) has no attention heads"),
    (
        "mamba2",
        {**COMMON, "num_heads": 8, "head_dim": 8, "n_groups": 1, "state_size": 8},
        r"Mamba2ForCausalLM\) has no attention heads",
    ),
    (
        "rwkv",
        {"hidden_size": 32, "attention_hidden_size": 32, "num_hidden_layers": 2, "context_length": 64},
        r"RwkvForCausalLM\) has no attention heads",
    ),
    ("lfm2", {**COMMON, "layer_types": ["conv", "full_attention"]}, r"no attention heads .* block 0"),
    ("lfm2", {**COMMON, "layer_types": ["full_attention", "conv"]}, r"no attention heads .* block 1"),
    (
        "falcon_h1",
        {
            **COMMON,
            "mamba_d_ssm": 32,
            "mamba_n_heads": 4,
            "mamba_d_head": 8,
            "mamba_n_groups": 1,
            "mamba_d_state": 8,
        },
        "output of block 0 is not its input and what",
    ),
    ("cohere", COMMON, "0.0625 times"),
    ("cohere2", COMMON, "0.0625 times"),
    ("granite", {**COMMON, "logits_scaling": 8.0}, "0.125 times"),
    ("granite", {**COMMON, "residual_multiplier": 0.22}, "output of block 0 is not its input and what"),
    ("t5", {"d_model": 32, "d_kv": 8, "d_ff": 40, "num_layers": 2, "num_heads": 4}, "'t5'.* no causal"),
    ("bert", COMMON, "not causal"),
    ("bert", {**COMMON, "is_decoder": True}, "output of block 0 is not its input and what"),
    ("roberta", {**COMMON, "is_decoder": True}, r"cannot wrap .*RobertaForCausalLM"),
    ("bart", SPEECH, r"cannot wrap .*BartForCausalLM"),
    ("whisper", {**SPEECH, "decoder_start_token_id": 1}, r"cannot wrap .*WhisperForCausalLM"),
    ("persimmon", COMMON, r"cannot wrap .*PersimmonForCausalLM"),
    ("xlnet", {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 40}, r"cannot wrap .*XLNetLM"),
    ("opt", {**OPT, "word_embed_proj_dim": 16, "do_layer_norm_before": False}, "output of block 0 is not"),
    ("opt", {**OPT, "word_embed_proj_dim": 32, "do_layer_norm_before": False}, r"cannot wrap .*OPTFor"),
    ("falcon", {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}, r"cannot wrap .*Falcon"),
    ("gpt2", {**GPT, "scale_attn_weights": False}, "nats away"),
]  # fmt: skip


def random_model(config: PretrainedConfig) -> PreTrainedModel:
    for kind in (AutoModelForCausalLM, AutoModelForSeq2SeqLM):
        if type(config) in kind._model_mapping:
            return kind.from_config(config)
    return AutoModel.from_config(config)


def save(kind: str, shape: dict[str, Any], folder: Path) -> None:
    special = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    model = random_model(AutoConfig.for_model(kind, vocab_size=len(WORDS), **special, **shape))
    make_telling(model)
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(("kind", "shape"), LOADED, ids=[kind for kind, _ in LOADED])
def test_what_loads_says_what_hugging_face_says(tmp_path, kind, shape):
    save(kind, shape, tmp_path)
    bridge = load_model(str(tmp_path))
    original = AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        torch.testing.assert_close(bridge(ids), original(ids).logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("kind", "shape", "message"), REFUSED, ids=[kind for kind, *_ in REFUSED])
def test_what_cannot_be_looked_into_is_refused_in_one_sentence(tmp_path, kind, shape, message):
    save(kind, shape, tmp_path)
    with pytest.raises(MechscopeError, match=message) as refused:
        load_model(str(tmp_path))
    assert isinstance(refused.value, InvalidInput | ModelMismatch)
    assert str(tmp_path) in refused.value.message
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 400 + len(str(tmp_path))


@pytest.mark.parametrize(
    "raised", [KeyError("x"), IndexError("y"), RuntimeError("a\nlast line"), TypeError("z")]
)
def test_whatever_a_library_raises_is_told_in_one_sentence(tmp_path, monkeypatch, raised):
    from transformer_lens.model_bridge import TransformerBridge

    def fail(*args: Any, **options: Any) -> None:
        raise raised

    save("gpt2", GPT, tmp_path)
    monkeypatch.setattr(TransformerBridge, "boot_transformers", fail)
    last = str(raised).splitlines()[-1]
    with pytest.raises(InvalidInput, match=rf"cannot wrap .*GPT2LMHeadModel\): {last}\n"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("name", ["mpt", "gpt2-sixteen-tokens", "gpt-neo", "opt", "bloom", "llama", "gemma3"])
def test_a_model_reads_as_many_tokens_as_it_says(tmp_path: Path, name: str) -> None:
    bridge = make(name, tmp_path, prepend_bos=True).bridge
    with torch.inference_mode():
        assert torch.isfinite(bridge(torch.ones(1, bridge.cfg.n_ctx, dtype=torch.long))).all()

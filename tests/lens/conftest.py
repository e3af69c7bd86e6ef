"""Tiny models of three families, with random weights and a tokenizer of one token a word."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformer_lens.model_bridge import TransformerBridge
from transformers import (
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

WORDS = ["<pad>", "<bos>", "<unk>", *(f"w{number}" for number in range(60))]


def _tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<bos>", unk_token="<unk>", eos_token="<bos>"
    )


def _original(family: str) -> torch.nn.Module:
    common = {"vocab_size": len(WORDS), "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0}
    rotary = {
        **common,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,  # grouped queries
        "head_dim": 8,
        "max_position_embeddings": 64,
        "attn_implementation": "eager",
    }
    if family == "gpt2":  # absolute positions, biases
        config = GPT2Config(
            n_embd=32, n_layer=3, n_head=4, n_positions=64, attn_implementation="eager", **common
        )
        model: torch.nn.Module = GPT2LMHeadModel(config)
    elif family == "llama":
        model = LlamaForCausalLM(LlamaConfig(**rotary))
    else:  # a norm after attention and MLP, a window of three tokens
        model = Gemma3ForCausalLM(Gemma3TextConfig(sliding_window=3, **rotary))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "norm" not in name and "ln_" not in name:
                weights.normal_(std=0.3)  # the usual 0.02 would leave nothing to see
    return model.eval()


@pytest.fixture(scope="session", params=["gpt2", "llama", "gemma3"])
def bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TransformerBridge:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    original = _original(request.param)
    original.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)  # the bridge wants to know where it came from
    made = TransformerBridge.boot_transformers(
        str(folder), hf_model=original, tokenizer=tokenizer, device="cpu", dtype=torch.float32
    )
    made.cfg.default_prepend_bos = False
    return made.eval()


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return ["w1 w2", "w3", "w4 w5 w6 w7 w8", "w9 w10 w11", "w1", "w12 w13 w14 w15 w16 w17 w18"]

"""Tiny models that are made on the spot, and the real ones, loaded once."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mechscope.files import hash_file
from mechscope.models.wheels import Wheel

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

TEXT = [
    "The capital of France is Paris, and the river that runs through it is the Seine.",
    "A tiny tokenizer learns from a tiny corpus.",
]


def save_tiny_model(
    folder: Path,
    architecture: str = "llama",
    *,
    tokenizer: bool = True,
    vocabulary: int | None = None,
    context: int = 64,
) -> Path:
    """A random model with two layers and its tokenizer, as `save_pretrained` writes them."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE(unk_token=None))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    raw.train_from_iterator(TEXT, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    )

    shapes: dict[str, dict[str, object]] = {
        "llama": {"hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 2},
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": context},
        "gpt_neox": {"hidden_size": 32, "intermediate_size": 64, "rotary_pct": 0.25},
        "qwen2": {"hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 2},
        "gemma3_text": {"hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 8},
    }
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, **shapes[architecture]}
    if architecture == "gpt2":
        shape = shapes["gpt2"]
    torch.manual_seed(0)
    size = vocabulary or len(wrapped)
    config = AutoConfig.for_model(
        architecture, vocab_size=size, bos_token_id=0, eos_token_id=1, pad_token_id=1, **shape
    )
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():  # freshly initialised models predict nearly nothing
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    if tokenizer:
        wrapped.save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_model(tmp_path: Path) -> Callable[..., Path]:
    """Saves a tiny model: `tiny_model("gpt2")` gives its folder."""
    return lambda architecture="llama", **options: save_tiny_model(
        tmp_path / f"tiny-{architecture}", architecture, **options
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("MECHSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@dataclass(frozen=True)
class Index:
    """A package index: a folder of wheels."""

    folder: Path

    def publish(self, package: str, content: bytes) -> Wheel:
        """Add a wheel of version 1.0 with one file in it."""
        module = package.replace("-", "_")
        path = self.folder / f"{module}-1.0-py3-none-any.whl"
        info = f"{module}-1.0.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{module}/piece", content)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        return Wheel(package, "1.0", hash_file(path), f"{module}/piece")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An empty package index, the only one that pip has."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return Index(folder)


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub that cannot be reached, and an empty cache of it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def require_batch_equals_singles() -> Callable[..., None]:
    """Fails unless each text of a padded batch gets the predictions that it gets alone."""
    import torch

    texts = ["Paris is the capital of France", "A river", "The Seine runs through Paris, a city in France"]

    def require(bridge: TransformerBridge, side: str, atol: float = 1e-4) -> None:
        with torch.inference_mode():
            batch = bridge(texts, padding_side=side).log_softmax(-1)
            for row, text in zip(batch, texts, strict=True):
                alone = bridge(text)[0].log_softmax(-1)
                real = row[: len(alone)] if side == "right" else row[-len(alone) :]
                assert torch.allclose(real, alone, atol=atol)

    return require

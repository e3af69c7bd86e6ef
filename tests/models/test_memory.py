"""What a model needs is known from its files, and compared with what there is before anything is read."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.models import load_model
from mechscope.models.memory import memory_needed

TinyModel = Callable[..., Path]


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma3_text"])
@pytest.mark.parametrize("width", [2, 4])
def test_the_memory_that_weights_need_is_known_from_the_header(
    tiny_model: TinyModel, architecture: str, width: int
) -> None:
    from transformers import AutoModelForCausalLM

    folder = tiny_model(architecture)
    model = AutoModelForCausalLM.from_pretrained(folder)
    n_values = sum(parameter.numel() for parameter in model.parameters())
    assert memory_needed(folder, width) == n_values * width


def test_a_model_that_does_not_fit_is_refused_before_its_weights_are_read(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_model()
    fits = memory_needed(folder, torch.float32.itemsize)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=fits - 1))
    with pytest.raises(InvalidInput, match=r"GB in float32; .* GB are free on cpu"):
        load_model(str(folder))
    assert load_model(str(folder), dtype="bfloat16").cfg.n_layers == 2


def test_a_damaged_file_is_its_loaders_to_refuse(tmp_path: Path) -> None:
    for content in (b"", b"short", b"\xff" * 64):
        (tmp_path / "model.safetensors").write_bytes(content)
        assert memory_needed(tmp_path, 4) == 0

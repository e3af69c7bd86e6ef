from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mechscope
from mechscope.errors import InvalidInput
from mechscope.files import (
    folder_in_place,
    hash_content,
    hash_file,
    hash_text,
    hash_value,
    lines_of,
    read_text,
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


@given(st.text(st.sampled_from("ab\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029 é")))
def test_lines_end_where_python_ends_them(text: str) -> None:
    kept = lines_of(text, keepends=True)
    assert "".join(kept) == text
    assert [line.rstrip("\r\n") for line in kept] == lines_of(text)
    assert lines_of(text) == [
        line.decode() for line in text.encode().splitlines()
    ]  # bytes know three ends only


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_text_is_the_same_with_any_line_ends_and_with_a_byte_order_mark(
    tmp_path: Path, mark: bytes, end: bytes
) -> None:
    path = tmp_path / "text"
    path.write_bytes(mark + end.join([b"one \xc3\xa9", b"", "two\u2028".encode(), b""]))
    assert read_text(path) == "one é\n\ntwo\u2028\n"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"one\r\ntwo caf\xe9\n", "t:2: this is not UTF-8 text: byte 0xe9 after 'two caf'."),
        (b"\xe9", "t:1: this is not UTF-8 text: byte 0xe9."),
        (b"one\n\x93smart\x94", "t:2: this is not UTF-8 text: byte 0x93."),
        ("é".encode("utf-16"), "t: this is UTF-16 or UTF-32 text, not UTF-8."),
        (b"\xfe\xff\0a", "t: this is UTF-16 or UTF-32 text, not UTF-8."),
        ("one\ntwo".encode("utf-16-le"), "t:1: this is no text: it has a NUL byte."),
    ],
)
def test_what_is_not_text_is_said_with_its_line(tmp_path: Path, raw: bytes, says: str) -> None:
    (tmp_path / "t").write_bytes(raw)
    with pytest.raises(InvalidInput) as raised:
        read_text(tmp_path / "t", "t")
    assert raised.value.message == says


GIT = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "core.safecrlf=false"]
_BIG = (b"x" * 70 + b"\r\n") * 30_000  # more than is read at a time


@pytest.mark.parametrize(
    "raw",
    [
        b"a,b\r\n1,2\r\n",
        b"\xef\xbb\xbfa,b\r\n1,2",
        b"a,b\n1,2\r\n",
        b"a\rb\r\r\nc",
        b"\r\n",
        b"",
        b"\x00\x01\r\n\x02\r\n",
        b"a\r\n" * 5000 + b"\x00\r\n",
        b"caf\xe9\r\n",
        "a\r\nb".encode("utf-16"),
        _BIG,
        b"x" * ((1 << 20) - 1) + b"\r\n",
        b"x" * ((1 << 20) - 2) + b"\r\r\n",
    ],
)
@pytest.mark.parametrize("eol", ["lf", "crlf"])
def test_a_file_has_the_same_hash_before_and_after_git(tmp_path: Path, raw: bytes, eol: str) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "data").write_bytes(raw)
    (here / ".gitattributes").write_text(f"* text=auto eol={eol}\n")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "--no-gpg-sign", "-m", "all"]):
        subprocess.run([*GIT, *arguments], cwd=here, check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", str(here), str(there)], check=True, capture_output=True)
    assert hash_content(there / "data") == hash_content(here / "data")


@given(st.binary(max_size=300))
def test_a_file_without_windows_line_ends_has_the_hash_of_its_bytes(raw: bytes) -> None:
    raw = raw.replace(b"\r", b"")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.write_bytes(raw)
        assert hash_content(path) == hash_file(path)


@given(st.text(st.sampled_from("ab\n\r\x85é")))
def test_a_text_has_the_hash_of_its_file(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text"
        write_atomically(path, text)
        assert hash_content(path) == hash_text(text)


def test_text_that_changed_has_another_hash(tmp_path: Path) -> None:
    hashes = set()
    for raw in (b"a\nb", b"a\r\nb\n", b"a\rb", b"\xef\xbb\xbfa\nb", b"\0a\nb", b"\0a\r\nb"):
        (tmp_path / "data").write_bytes(raw)
        hashes.add(hash_content(tmp_path / "data"))
    assert len(hashes) == 6


def test_nothing_in_the_package_ends_lines_where_python_and_pandoc_do_not() -> None:
    package = Path(mechscope.__file__).parent
    callers = [
        str(path) for path in package.rglob("*.py") if ".splitlines(" in path.read_text(encoding="utf-8")
    ]
    assert callers == []

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mechscope.errors import ModelUnavailable
from mechscope.models.cache import cached_folder, is_whole, looks_whole

# A builder in a process of its own: notes that it began, writes one file, waits for `go`, writes the other.
BUILDER = """
import sys, time
from pathlib import Path
from mechscope.models.cache import cached_folder
target, go = Path(sys.argv[1]), Path(sys.argv[2])
def build(folder):
    (folder / "first").write_bytes(b"1" * 1000)
    with (target.parent / "begun").open("a") as log:
        log.write("x")
    while not go.exists():
        time.sleep(0.01)
    (folder / "second").write_bytes(b"2" * 1000)
print(sorted(path.name for path in cached_folder(target, "key", build).iterdir()))
"""


def build_two(folder: Path) -> None:
    (folder / "first").write_bytes(b"1" * 1000)
    (folder / "second").write_bytes(b"2" * 1000)


def never(folder: Path) -> None:
    raise AssertionError("built again")


def start(target: Path, go: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(target), str(go)], stdout=subprocess.PIPE, text=True
    )


def wait_for(path: Path) -> None:
    for _ in range(1000):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never came")


def test_a_whole_folder_is_not_built_again(tmp_path: Path) -> None:
    first = cached_folder(tmp_path / "m", "key", build_two)
    assert cached_folder(tmp_path / "m", "key", never) == first


@pytest.mark.parametrize("name", ["first", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "empty"])
def test_planted_damage_is_found_and_built_again(tmp_path: Path, name: str, damage: str) -> None:
    folder = cached_folder(tmp_path / "m", "key", build_two)
    path = folder / name
    before = path.stat()
    if damage == "flip":
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(raw)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as failing hardware would
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: before.st_size // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    assert not is_whole(folder, "key")
    cached_folder(folder, "key", build_two)
    assert is_whole(folder, "key")
    assert (folder / "first").read_bytes() == b"1" * 1000


def test_building_anew_what_is_damaged_is_said_and_building_at_first_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cached_folder(tmp_path / "m", "key", build_two)
    assert capsys.readouterr().err == ""
    (folder / "first").write_bytes(b"")
    cached_folder(folder, "key", build_two)
    assert capsys.readouterr().err.startswith(f"m: {folder} is not what was put there")


def test_a_quick_look_sees_a_file_that_was_written_later_though_its_size_is_right(tmp_path: Path) -> None:
    folder = cached_folder(tmp_path / "m", "key", build_two)
    assert looks_whole(folder, "key")
    later = (folder / "manifest.json").stat().st_mtime_ns + 10**9
    os.utime(folder / "first", ns=(later, later))
    assert looks_whole(folder, "key")  # only its time changed
    (folder / "first").write_bytes(b"3" * 1000)
    os.utime(folder / "first", ns=(later, later))
    assert not looks_whole(folder, "key")


def test_a_file_that_does_not_belong_makes_a_folder_unfit(tmp_path: Path) -> None:
    folder = cached_folder(tmp_path / "m", "key", build_two)
    (folder / "adapter_config.json").write_text("{}")
    assert not is_whole(folder, "key")


def test_another_source_is_another_content(tmp_path: Path) -> None:
    folder = cached_folder(tmp_path / "m", "old", build_two)
    assert not looks_whole(folder, "new")
    cached_folder(folder, "new", lambda staged: (staged / "only").write_text("x") and None)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "only"]


def test_two_processes_build_once_and_both_get_the_whole_folder(tmp_path: Path) -> None:
    target, go = tmp_path / "m", tmp_path / "go"
    racers = [start(target, go) for _ in range(2)]
    wait_for(tmp_path / "begun")
    go.touch()
    assert [racer.communicate()[0].strip() for racer in racers] == [
        "['first', 'manifest.json', 'second']"
    ] * 2
    assert (tmp_path / "begun").read_text() == "x"


def test_after_a_kill_in_the_middle_nothing_shows_and_the_next_call_finishes(tmp_path: Path) -> None:
    target = tmp_path / "m"
    victim = start(target, tmp_path / "go")
    wait_for(tmp_path / "begun")
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert not target.exists()
    cached_folder(target, "key", build_two)
    assert is_whole(target, "key")
    leftovers = [path.name for path in tmp_path.iterdir() if path.is_dir() and path != target]
    assert leftovers == []


def test_a_builder_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = cached_folder(tmp_path / "m", "old", build_two)
    with pytest.raises(AssertionError, match="built again"):
        cached_folder(folder, "new", never)
    assert is_whole(folder, "old")


def test_too_little_room_is_said_before_the_work_begins(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="are free") as caught:
        cached_folder(tmp_path / "m", "key", never, room=10**18)
    assert "MECHSCOPE_CACHE" in str(caught.value)

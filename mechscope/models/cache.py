"""Folders in the cache that are either whole or built anew.

A cached folder holds a manifest with the size and SHA-256 of each of its files. It is checked in full each
time it is used: hashing runs at over a gigabyte a second and leaves the weights in memory for the loader
that comes next. A folder that fails the check is built again.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mechscope.errors import ModelUnavailable
from mechscope.files import folder_in_place, hash_file, stable_json

MANIFEST = "manifest.json"


def cached_folder(target: Path, key: str, build: Callable[[Path], None], *, room: int = 0) -> Path:
    """The folder `target`, built by `build(folder)` unless a whole one with this `key` is there.

    Processes that ask for the same folder at the same time build it once: the others wait. The lock is the
    operating system's, so it falls when its holder dies; the folder appears in one move, so a builder that
    is killed leaves nothing that could be taken for a result.

    Args:
        target: Where the folder belongs.
        key: What the content was made from; another key in the manifest means another content.
        build: Fills an empty folder; called at most once.
        room: Bytes that `build` will need on disk.

    Raises:
        ModelUnavailable: There is too little room on the disk.
    """
    if is_whole(target, key):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target):
        if is_whole(target, key):
            return target
        if target.exists():
            _say(f"{target.name}: {target} is not what was put there, or older; making it anew …")
        _require_room(target.parent, room)
        with folder_in_place(target) as staged:
            build(staged)
            _write_manifest(staged, key)
    return target


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    lock = FileLock(target.parent / f".{target.name}.lock")
    try:
        lock.acquire(timeout=1)
    except Timeout:
        _say(f"{target.name}: waiting for another process that prepares it …")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_whole(folder: Path, key: str) -> bool:
    """Whether `folder` was built from `key` and every file of it has its size and SHA-256."""
    try:
        files = _listed_files(folder, key)
        return _sizes_agree(folder, files) and all(
            hash_file(folder / name) == sha256 for name, (_, sha256) in files.items()
        )
    except OSError:
        return False


def looks_whole(folder: Path, key: str) -> bool:
    """`is_whole` for tables that must be quick: files are read only if one was written after the manifest."""
    try:
        files = _listed_files(folder, key)
        if not _sizes_agree(folder, files):
            return False
        written = (folder / MANIFEST).stat().st_mtime_ns
        touched = any((folder / name).stat().st_mtime_ns > written for name in files)
    except OSError:
        return False
    return not touched or is_whole(folder, key)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _listed_files(folder: Path, key: str) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file that the manifest lists; empty when it is not one of `key`."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["key"] != key:
            return {}
        return {name: (entry["size"], entry["sha256"]) for name, entry in manifest["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _sizes_agree(folder: Path, files: dict[str, tuple[int, str]]) -> bool:
    """Whether `folder` holds these files with these sizes and no other, which could change what is loaded."""
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return (
        bool(files)
        and present == {MANIFEST, *files}
        and all((folder / name).stat().st_size == size for name, (size, _) in files.items())
    )


def _write_manifest(folder: Path, key: str) -> None:
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        path.chmod(0o644)  # safetensors files come out readable by their writer alone
        _flush_to_disk(path)
        files[path.relative_to(folder).as_posix()] = {"size": path.stat().st_size, "sha256": hash_file(path)}
    manifest = folder / MANIFEST
    manifest.write_text(stable_json({"key": key, "files": files}), encoding="utf-8")
    _flush_to_disk(manifest)


def _flush_to_disk(path: Path) -> None:
    # Without this a power cut after the move could leave files of the right size that are full of zeros.
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _require_room(folder: Path, room: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < room:
        raise ModelUnavailable(
            f"{room / 1e9:.1f} GB are needed in {folder}, {free / 1e9:.1f} GB are free.",
            hint="make room there, or set MECHSCOPE_CACHE to a folder on another disk",
        )

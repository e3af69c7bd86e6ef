"""Inside an analysis' kernel: refuse to read a project file, or a model, that is not a declared input.

An undeclared input would make a stale ledger look fresh. The watch is an audit hook on `open`, so it sees
what Python opens (pandas' and numpy's readers included); what a C++ library opens by itself it does not see.
A model can lie anywhere, and is known by its folder: a config.json, which every loader opens, beside weights.

This module is imported before anything else in the kernel, so it imports little.
"""
# The hook runs at every file that the kernel opens; texts are much cheaper than Path objects.
# ruff: noqa: PTH100, PTH113, PTH118, PTH120, PTH123, PTH206, PTH208

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Mapping

VARIABLE = "MECHSCOPE_READS"
"""Environment variable with a JSON object of paths: `root`, `allowed` (files, folders), `log`, `cache`."""
_MODEL = "the model "
"""What a refusal begins with that is of a model and not of a file."""
_CONFIG = "config.json"
_WEIGHTS = (".safetensors", ".bin", ".pth")


class UndeclaredRead(Exception):
    """An analysis reads a project file or a model that its header does not declare."""


def watch(root: str, allowed: list[str], log: str, cache: str = "") -> None:
    """From now on let only `allowed` be read below `root`, and of models anywhere; log each refusal to `log`.

    The log is for the pipeline: an analysis may swallow the exception, and must fail all the same.

    Args:
        cache: A folder that may lie below `root` and be read all the same, but for the models in it.
    """
    root = os.path.realpath(root)
    declared = tuple(os.path.realpath(path) for path in (*allowed, sys.prefix, sys.base_prefix))
    free = (*declared, os.path.realpath(cache or sys.prefix))
    kept = os.path.join(free[-1], "models")
    made: set[str] = set()
    busy = threading.local()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or getattr(busy, "now", False):
            return
        path, mode, flags = arguments[:3]
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        if _only_writes(mode, flags):
            if os.fsdecode(path).endswith(_CONFIG):  # a model that the analysis saves is no input of it
                made.add(os.path.dirname(_place(os.fsdecode(path))))
            return
        busy.now = True
        try:
            full = _place(os.fsdecode(path))
            if any(_below(full, place) for place in declared):
                return
            read = "" if os.path.dirname(full) in made else _model(full, (kept, root))
            if not read:
                if not _below(full, root) or any(_below(full, place) for place in free):
                    return
                if _of_a_tool(full, root) or not os.path.lexists(full):
                    return
                read = os.path.relpath(full, root).replace(os.sep, "/")
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{read}\n")
        finally:
            busy.now = False
        raise UndeclaredRead(f"{read} is not among the declared inputs; {how_to_declare(read)}")

    sys.addaudithook(hook)


def how_to_declare(read: str, parameters: Mapping[str, object] | None = None) -> str:
    """The header line that declares `read`, a project file or a model.

    Args:
        parameters: Those of the script, by name: the line names the one that holds the model's name.
    """
    if read.startswith(_MODEL):
        model = read.removeprefix(_MODEL)
        holders = (
            name
            for name, value in (parameters or {}).items()
            if isinstance(value, str) and os.path.normpath(value) == model
        )
        if holder := next(holders, ""):
            return f"add to the script's header, under mechscope:  models: [{holder}]"
        return "let a parameter name it, and add to the header, under mechscope:  models: [PARAMETER]"
    parts = read.split("/")
    if parts[0] == "results" and len(parts) > 2:
        return f"add to the script's header, under mechscope:  needs: [{parts[2]}]"
    if read.endswith(".py"):
        return "import it with an import statement, so that its code counts"
    inside = read.removeprefix("analyses/") if parts[0] == "analyses" else f"../{read}"
    return f"add to the script's header, under mechscope:  data: [{inside}]"


def _place(path: str) -> str:
    """The absolute path, links resolved in its folder but not the file itself; a .pyc as its source."""
    folder, name = os.path.split(os.path.abspath(path))
    full = os.path.join(os.path.realpath(folder), name)
    if full.endswith(".pyc"):
        try:
            return importlib.util.source_from_cache(full)
        except ValueError:
            return full
    return full


def _model(full: str, homes: tuple[str, ...]) -> str:
    """The saved model that the file `full` belongs to, in words; empty if it is none's.

    Args:
        homes: Folders in which a model is called by its path from there.
    """
    folder, name = os.path.split(full)
    if name != _CONFIG and not name.endswith(_WEIGHTS):
        return ""
    if not os.path.isfile(os.path.join(folder, _CONFIG)):
        return ""
    if not any(other.endswith(_WEIGHTS) for other in os.listdir(folder)):
        return ""
    parts = folder.split(os.sep)
    of_the_hub = next((part for part in parts if part.startswith("models--")), "")
    if of_the_hub:
        return _MODEL + of_the_hub.removeprefix("models--").replace("--", "/")
    home = next((home for home in homes if _below(folder, home)), "")
    return _MODEL + (os.path.relpath(folder, home).replace(os.sep, "/") if home else folder)


def _only_writes(mode: object, flags: object) -> bool:
    if isinstance(mode, str):
        return "r" not in mode and "+" not in mode
    return isinstance(flags, int) and flags & (os.O_WRONLY | getattr(os, "O_DIRECTORY", 0)) != 0


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _of_a_tool(path: str, root: str) -> bool:
    """Whether it lies in a hidden folder that is not ours: environments, version control, editors."""
    parts = os.path.relpath(path, root).split(os.sep)
    return any(part.startswith(".") and part != ".mechscope" for part in parts[:-1])


def watch_as_told() -> None:
    """Begin to watch as the environment variable says, if it is there."""
    told = os.environ.pop(VARIABLE, "")
    if told:
        settings = json.loads(told)
        watch(settings["root"], settings["allowed"], settings["log"], settings["cache"])

"""Inside an analysis' kernel: refuse to read a project file that is not among the declared inputs.

An undeclared input would make a stale ledger look fresh. The watch is an audit hook on `open`, so it sees
what Python opens (pandas' and numpy's readers included); what a C++ library opens by itself it does not see.

This module is imported before anything else in the kernel, so it imports little.
"""
# The hook runs at every file that the kernel opens; texts are much cheaper than Path objects.
# ruff: noqa: PTH100, PTH118, PTH123, PTH206

from __future__ import annotations

import importlib.util
import json
import os
import sys
import threading

VARIABLE = "MECHSCOPE_READS"
"""Environment variable with a JSON object: `root`, `allowed` (files and folders) and `log`, as paths."""


class UndeclaredRead(Exception):
    """An analysis reads a project file that its header does not declare."""


def watch(root: str, allowed: list[str], log: str) -> None:
    """From now on let only `allowed` be read below `root`; also write each refusal to `log`.

    The log is for the pipeline: an analysis may swallow the exception, and must fail all the same.
    """
    root = os.path.realpath(root)
    roots = tuple(os.path.realpath(path) for path in (*allowed, sys.prefix, sys.base_prefix))
    busy = threading.local()

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or getattr(busy, "now", False):
            return
        path, mode, flags = arguments[:3]
        if not isinstance(path, (str, bytes, os.PathLike)) or _only_writes(mode, flags):
            return
        busy.now = True
        try:
            full = _place(os.fsdecode(path))
            if not _below(full, root) or any(_below(full, place) for place in roots):
                return
            if _of_a_tool(full, root) or not os.path.lexists(full):
                return
            shown = os.path.relpath(full, root).replace(os.sep, "/")
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{shown}\n")
        finally:
            busy.now = False
        raise UndeclaredRead(f"{shown} is not among the declared inputs; {how_to_declare(shown)}")

    sys.addaudithook(hook)


def how_to_declare(shown: str) -> str:
    """The header line that declares the project file `shown`."""
    parts = shown.split("/")
    if parts[0] == "results" and len(parts) > 2:
        return f"add to the script's header, under mechscope:  needs: [{parts[2]}]"
    if shown.endswith(".py"):
        return "import it with an import statement, so that its code counts"
    inside = shown.removeprefix("analyses/") if parts[0] == "analyses" else f"../{shown}"
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
        watch(settings["root"], settings["allowed"], settings["log"])

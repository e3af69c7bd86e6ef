"""How a render says where it is: a line that changes in a terminal, a line for each page elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
from types import TracebackType
from typing import Protocol


class Report(Protocol):
    """Is told what a render is doing.

    Args:
        passing: One of many such lines, which the next may replace.
    """

    def __call__(self, line: str, *, passing: bool = False) -> None: ...


def silent(line: str, *, passing: bool = False) -> None:
    """A `Report` that says nothing."""


class Screen:
    """A `Report` on standard error; as a context manager it leaves no unfinished line behind."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._unfinished = False
        self._lock = threading.Lock()  # pages are rendered side by side

    def __call__(self, line: str, *, passing: bool = False) -> None:
        with self._lock:
            self._say(line, passing)

    def _say(self, line: str, passing: bool) -> None:
        if not self._terminal:
            print(f"{line} …", file=sys.stderr, flush=True)
            return
        self._clear()
        width = shutil.get_terminal_size().columns
        shown = f"{line} …" if len(line) + 2 < width else f"{line[: width - 2]}…"
        print(shown, end="" if passing else "\n", file=sys.stderr, flush=True)
        self._unfinished = passing

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._unfinished:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._unfinished = False

"""One writer of results at a time; a second one waits and says for whom."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from filelock import FileLock, Timeout

from mechscope.files import write_atomically
from mechscope.project import Project


@contextmanager
def results_lock(project: Project, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock around a project's results.

    It is the operating system's lock, so it falls with the process that holds it.

    Args:
        say: Told, once, for which process this one waits.
    """
    project.scratch.mkdir(exist_ok=True)
    lock = FileLock(project.scratch / "results.lock")
    holder = project.scratch / "results.holder"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for {_described(holder.read_text(encoding='utf-8') if holder.is_file() else '')}")
        lock.acquire()
    try:
        since = datetime.now().astimezone().strftime("%H:%M:%S")
        about = {"pid": os.getpid(), "host": platform.node(), "since": since}
        with suppress(OSError):  # who waits is told less then
            write_atomically(holder, json.dumps(about))
        yield
    finally:
        lock.release()


def _described(holder: str) -> str:
    try:
        found = json.loads(holder)
        return f"process {found['pid']} on {found['host']}, which has been running since {found['since']} …"
    except (ValueError, KeyError, TypeError):
        return "another mechscope run …"

"""Claims about reading Python source."""

import gc
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mechscope
from mechscope.syntax import parse

PACKAGE = Path(mechscope.__file__).parent


class _Yields:
    """Garbage whose finalizer lets another thread in, as any library's may."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(0.0002)


@pytest.fixture
def collected_often() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collected_often")
def test_threads_parse_side_by_side_although_the_interpreter_is_interrupted_in_the_middle() -> None:
    source = (PACKAGE / "cli.py").read_text(encoding="utf-8")
    errors: list[BaseException] = []

    def read() -> None:
        for _ in range(5):
            for _ in range(5):
                _Yields()
            try:
                parse(source)
            except SystemError as error:
                errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_nothing_else_in_the_package_parses_python() -> None:
    callers = [
        path.name
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\bast\.parse\(", path.read_text(encoding="utf-8"))
    ]
    assert callers == ["syntax.py"]

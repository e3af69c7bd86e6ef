"""Claims about reading Python source."""

import gc
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mechscope
from mechscope.errors import InvalidInput
from mechscope.syntax import parse, read_source

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
    source = (PACKAGE / "cli" / "look.py").read_text(encoding="utf-8")
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


@pytest.mark.parametrize(
    "source",
    ["x = (", "a\0b", "x = '\ud800'", "+".join(["1"] * 50_000), "(" * 500 + ")" * 500, "-" * 100_000 + "1"],
    ids=["unfinished", "NUL", "surrogate", "long sum", "brackets", "signs"],
)
def test_whatever_is_not_python_is_a_syntax_error(source: str) -> None:
    with pytest.raises(SyntaxError):
        parse(source)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "iso-8859-15", "utf-8-sig"])
def test_a_declared_encoding_is_the_one_that_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "m.py"
    path.write_bytes(f"# -*- coding: {encoding.removesuffix('-sig')} -*-\nx = 'é'\n".encode(encoding))
    assert read_source(path, "m.py").endswith("x = 'é'\n")


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^m.py: this file can't be read: No such file"):
        read_source(tmp_path / "m.py", "m.py")

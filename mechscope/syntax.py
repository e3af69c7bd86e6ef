"""Reading Python source: the one place where the package calls `ast.parse`."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path
from threading import Lock
from typing import Literal, overload

from mechscope.errors import InvalidInput
from mechscope.files import decoded

_ONE_AT_A_TIME = Lock()


@overload
def parse(source: str | bytes, mode: Literal["exec"] = "exec") -> ast.Module: ...


@overload
def parse(source: str | bytes, mode: Literal["eval"]) -> ast.Expression: ...


def parse(source: str | bytes, mode: Literal["exec", "eval"] = "exec") -> ast.AST:
    """As `ast.parse`, and safe in several threads.

    CPython before 3.11.9 and 3.12.3 counts its recursion while building the tree in a place that all
    threads share: a thread switch in the middle (a finalizer is enough) ends in "SystemError: AST constructor
    recursion depth mismatch" (https://github.com/python/cpython/issues/106905). Analyses are scheduled in
    threads, so one reads at a time.

    Raises:
        SyntaxError: `source` is not Python, or nested deeper than Python can read.
    """
    try:
        with _ONE_AT_A_TIME:
            return ast.parse(source, mode=mode)
    except (RecursionError, MemoryError) as error:
        raise SyntaxError("an expression is nested too deeply") from error
    except ValueError as error:  # a NUL byte, or half of a surrogate pair
        raise SyntaxError(str(error)) from error


def read_source(path: Path, file: str) -> str:
    """The text of a Python file as Python reads it: with its declared encoding, without a byte order mark.

    Args:
        file: How messages call the file.

    Raises:
        InvalidInput: It can't be read, or is not text in that encoding; with the line and the byte.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{file}: this file can't be read: {error.strerror}.") from error
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
    except SyntaxError as error:
        decoded(raw, file)  # what can't be read is more to the point than what declares it
        raise InvalidInput(f"{file}:1: {error.msg}.", hint="save it again as UTF-8 text") from error
    return decoded(raw, file, encoding.removesuffix("-sig"))


def not_python(error: SyntaxError, file: str, text: str = "") -> InvalidInput:
    """The message that a file is not Python.

    Args:
        text: The file's, to tell a command of IPython from other mistakes.
    """
    line = error.lineno
    lines = text.split("\n")
    written = lines[line - 1].strip() if line and line <= len(lines) else ""
    command = written[:1] in ("%", "!", "?") or written.endswith("?")
    return InvalidInput(
        f"{file}{f':{line}' if line else ''}: this is not Python: {error.msg}.",
        hint=f"'{written}' is a command of IPython; an analysis also runs as python {file}"
        if command
        else "",
    )

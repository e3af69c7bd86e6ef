"""Reading Python source: the one place where the package calls `ast.parse`."""

from __future__ import annotations

import ast
from threading import Lock
from typing import Literal, overload

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
        SyntaxError: `source` is not Python.
    """
    with _ONE_AT_A_TIME:
        return ast.parse(source, mode=mode)

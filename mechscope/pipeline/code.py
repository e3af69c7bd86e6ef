"""What a piece of Python code *is*, comments, formatting and docstrings aside."""

from __future__ import annotations

import ast
from collections.abc import Callable

from mechscope.files import hash_text

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_LEFT_OUT = ("kind", "type_comment", "type_ignores")


def code_hash(tree: ast.AST) -> str:
    """SHA-256 of a syntax tree without docstrings.

    The tree is written out by ourselves, empty fields left out: `ast.dump` differs between Python
    versions, and a ledger computed under one of them must be fresh under the next.
    """
    pieces: list[str] = []
    _write(tree, pieces.append)
    return hash_text("".join(pieces))


def _write(node: ast.AST, put: Callable[[str], None]) -> None:
    """Into a list and not by nested generators: every command does this to all the project's code."""
    put(f"({type(node).__name__}")
    for name in node._fields:
        value = getattr(node, name, None)
        if name in _LEFT_OUT or value is None or value == []:
            continue
        if name == "body" and isinstance(node, _DOCUMENTED):
            value = without_docstring(value)
        put(f" {name}=")
        if isinstance(value, list):
            for item in value:
                _put_field(item, put)
                put(",")
        else:
            _put_field(value, put)
    put(")")


def _put_field(value: object, put: Callable[[str], None]) -> None:
    if isinstance(value, ast.AST):
        _write(value, put)
    else:
        put(f"{type(value).__name__}:{value!r}")


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """A module's, class' or function's statements, its docstring left out."""
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body

"""What a piece of Python code *is*, comments, formatting and docstrings aside."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from mechscope.files import hash_text

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_hash(tree: ast.AST) -> str:
    """SHA-256 of a syntax tree without docstrings.

    The tree is written out by ourselves, empty fields left out: `ast.dump` differs between Python
    versions, and a ledger computed under one of them must be fresh under the next.
    """
    return hash_text("".join(_written(tree)))


def _written(node: ast.AST) -> Iterator[str]:
    yield f"({type(node).__name__}"
    for name, value in ast.iter_fields(node):
        if name in ("kind", "type_comment", "type_ignores") or value is None or value == []:
            continue
        if name == "body" and isinstance(node, _DOCUMENTED):
            value = without_docstring(value)
        yield f" {name}="
        if isinstance(value, list):
            for item in value:
                yield from _field(item)
                yield ","
        else:
            yield from _field(value)
    yield ")"


def _field(value: object) -> Iterator[str]:
    if isinstance(value, ast.AST):
        yield from _written(value)
    else:
        yield f"{type(value).__name__}:{value!r}"


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """A module's, class' or function's statements, its docstring left out."""
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body

"""What a piece of Python code *is*, comments, formatting and docstrings aside."""

from __future__ import annotations

import ast

from mechscope.files import hash_text

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_LEFT_OUT = ("kind", "type_comment", "type_ignores")


def code_hash(tree: ast.AST) -> str:
    """SHA-256 of a syntax tree without docstrings and imports.

    What an import brings in is hashed by whoever follows imports: the same definition may come from another
    module tomorrow.

    The tree is written out by ourselves, empty fields left out: `ast.dump` differs between Python
    versions, and a ledger computed under one of them must be fresh under the next.
    """
    pieces: list[str] = []
    waiting: list[ast.AST | str] = [tree]  # no recursion: a sum can be nested deeper than Python's own stack
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            pieces.append(part)
        else:
            waiting.extend(reversed(_parts(part)))
    return hash_text("".join(pieces))


def _parts(node: ast.AST) -> list[ast.AST | str]:
    """How a node is written: its name and its fields, nodes in them still to be written."""
    parts: list[ast.AST | str] = [f"({type(node).__name__}"]
    for name in node._fields:
        value = getattr(node, name, None)
        if name in _LEFT_OUT or value is None or value == []:
            continue
        if name == "body" and isinstance(node, _DOCUMENTED):
            value = without_docstring(value)
        parts.append(f" {name}=")
        if isinstance(value, list):
            for item in value:
                if isinstance(item, (ast.Import, ast.ImportFrom)):
                    continue
                parts += [_field(item), ","]
        else:
            parts.append(_field(value))
    parts.append(")")
    return parts


def _field(value: object) -> ast.AST | str:
    return value if isinstance(value, ast.AST) else f"{type(value).__name__}:{value!r}"


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """A module's, class' or function's statements, its docstring left out."""
    return body[1:] if body and is_text(body[0]) else body


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else: a docstring, or a note on what stands before it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )

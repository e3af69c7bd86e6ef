"""Which functions of earlier cells a cell of an analysis uses: more places that a number came from."""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from pathlib import Path

from mechscope.errors import InvalidInput
from mechscope.ledger.notebook import read_notebook
from mechscope.syntax import parse


@dataclass(frozen=True)
class Helper:
    """A function, and the id of the cell that defines it."""

    name: str
    cell: str


def helpers(notebook: Path) -> dict[str, tuple[Helper, ...]]:
    """By the id of each cell of a notebook, the functions of earlier cells that it names, as they come in it.

    Read from the names in the code, with nothing run. A name that the cell binds itself is not one of them.
    A notebook that is not there or can't be read has none.
    """
    try:
        cells = [
            (cell.id, _names(cell.source))
            for cell in read_notebook(notebook).cells
            if cell.cell_type == "code"
        ]
    except (OSError, InvalidInput, SyntaxError):
        return {}
    defined: dict[str, str] = {}
    found = {}
    for cell, (bound, read, functions) in cells:
        used = [name for name in read if name in defined and name not in bound]
        found[cell] = tuple(Helper(name, defined[name]) for name in used)
        defined = {name: at for name, at in defined.items() if name not in bound}
        defined |= dict.fromkeys(functions, cell)
    return found


@functools.lru_cache(maxsize=1024)  # the notebooks of all runs have the same cells
def _names(source: str) -> tuple[set[str], list[str], list[str]]:
    """The names that code binds, anywhere in it; those that it reads, once and as they come; its functions.

    Raises SyntaxError.
    """
    tree = parse(source)
    bound: set[str] = set()
    read: list[tuple[int, int, str]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.append((node.lineno, node.col_offset, name))
            case ast.Name(id=name) | ast.arg(arg=name):
                bound.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.alias(name=name, asname=asname):
                bound.add(asname or name.partition(".")[0])
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return bound, list(dict.fromkeys(name for _, _, name in sorted(read))), functions

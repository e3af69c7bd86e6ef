"""The cells of a percent script, as Python sees it.

A cell begins at a comment `# %%` that stands between two statements. In a string, in brackets or inside a
function the same characters are text or an ordinary comment.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mechscope.errors import InvalidInput
from mechscope.files import lines_of

_MARKER = re.compile(r"#\s*%%+(?=[\s\[]|$)(?P<options>.*)", re.DOTALL)
_NOT_CODE = re.compile(r"\[(markdown|md|raw)\]")
_PARAMETERS = re.compile(r"tags\s*=\s*\[[^\]]*[\"']parameters[\"']|\"tags\"\s*:\s*\[[^\]]*\"parameters\"")
_FENCE = re.compile(r"#? {0,4}(`{3,}|~{3,})(.*)", re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """A cell of a script.

    Attributes:
        options: What follows `# %%`; None for what comes before the first marker.
        first: Index of its first line after the marker.
        end: Index of the line after its last.
        source: Its lines, the empty ones at its end left out.
    """

    options: str | None
    first: int
    end: int
    source: str

    @property
    def code(self) -> bool:
        return not _NOT_CODE.search(self.options or "")

    @property
    def parameters(self) -> bool:
        return bool(_PARAMETERS.search(self.options or ""))

    def holds(self, statement: ast.stmt) -> bool:
        """Whether a statement of the script is in it."""
        return self.first < statement.lineno <= self.end


def cells_of(lines: list[str], first: int, tree: ast.Module) -> list[Cell]:
    """The cells of a script; what comes before the first marker is a cell too.

    Args:
        first: Index of the first line after the header.
        tree: The whole script.
    """
    starts = [(first - 1, None), *_markers(lines, first, tree)]
    ends = [start for start, _ in starts[1:]] + [len(lines)]
    return [
        Cell(options, start + 1, end, "\n".join(lines[start + 1 : end]).rstrip("\n"))
        for (start, options), end in zip(starts, ends, strict=True)
    ]


def _markers(lines: list[str], first: int, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Index and options of each line that begins a cell."""
    inside = {
        line for statement in tree.body for line in range(_first_line(statement), statement.end_lineno or 0)
    }
    in_prose, fenced = False, first
    for n in range(first, len(lines)):
        if n in inside or n < fenced:
            continue
        if found := _MARKER.fullmatch(lines[n]):
            options = found["options"].strip()
            in_prose = bool(_NOT_CODE.search(options))
            yield n, options
        elif in_prose:
            fenced = _end_of_fence(lines, n)


def _first_line(statement: ast.stmt) -> int:
    return min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", []))])


def _end_of_fence(lines: list[str], start: int) -> int:
    """Index of the line that closes the fenced block beginning in line `start`; 0 if none begins there.

    A diagram in it may have comments of its own that begin with %%.
    """
    opening = _FENCE.fullmatch(lines[start])
    if not opening:
        return 0
    for n in range(start + 1, len(lines)):
        if not lines[n].startswith("#"):
            return 0
        closing = _FENCE.fullmatch(lines[n])
        if closing and closing[1].startswith(opening[1]) and not closing[2].strip():
            return n + 1
    return 0


def lines_before(source: str, script: str, start: int = 0) -> int | None:
    """How many lines of a script stand before those of a cell; None where they don't stand in it as they are.

    Args:
        start: How many lines belong to earlier cells.
    """
    wanted, there = ([line.rstrip() for line in lines_of(text)] for text in (source, script))
    places = range(start, len(there) - len(wanted) + 1)
    return next((place for place in places if there[place : place + len(wanted)] == wanted), None)


def refuse_code_in_prose(cells: list[Cell], tree: ast.Module, file: str) -> None:
    """Refuse statements in a cell of prose, which Python would run and the notebook would not.

    Raises:
        InvalidInput: With the line.
    """
    for statement in tree.body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
        if any(cell.holds(statement) for cell in cells if not cell.code):
            raise InvalidInput(
                f"{file}:{statement.lineno}: this is code in a cell of prose.",
                hint="begin each line of prose with '# ', and the next cell of code with '# %%'",
            )

"""The files that lint reads, each as Markdown with the places of its words.

An analysis' script becomes Markdown line by line: its header the front matter, its markdown cells the text,
its code empty lines. What is written in its records (captions, labels, alternative texts, claims) is prose
too, and is read from the code without running it.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from mechscope.articles.markdown import Block, Scan, scan
from mechscope.articles.sources import notebook_prose
from mechscope.errors import InvalidInput
from mechscope.files import read_text
from mechscope.ledger.schema import KINDS
from mechscope.project import Project
from mechscope.syntax import not_python, parse, read_source

_CELL = re.compile(r"#\s?%%+(?P<rest>.*)$")
_MARKDOWN_CELL = re.compile(r"\[(markdown|md)\]")
_DOCSTRING = re.compile(r'\s*[rR]?("""|\'\'\')\s*$')
_TEXTS = {"caption", "alt", "label", "sentence", "title"}
_RECORDS = {kind.method for field, kind in KINDS.items() if field != "absent"}
_LITERAL = re.compile(
    r"""(?P<prefix>[A-Za-z]*)(?P<quote>\"\"\"|'''|"|')(?P<body>(?:\\.|(?!(?P=quote))[\s\S])*)(?P=quote)"""
)


@dataclass(frozen=True)
class Document:
    """One file: its text, what of it is prose, and how an offset reads as line and column."""

    path: Path
    file: str
    """As a person would write it."""
    raw: str
    scan: Scan
    records: Scan | None = None
    """The prose of records, for an analysis; in the raw text."""
    margins: tuple[int, ...] = ()
    """How many characters of each line of `raw` are not in `scan.text`."""

    @property
    def is_script(self) -> bool:
        return self.records is not None

    @cached_property
    def tree(self) -> ast.Module:
        """The script's code."""
        return parse(self.raw)

    @cached_property
    def names_recorded(self) -> list[ast.expr]:
        """What a script's records are called, as its code says it."""
        return [call.args[0] for _, call in record_calls(self.tree) if call.args]

    @cached_property
    def literals(self) -> list[ast.expr]:
        """Every literal of a script's code, but for what it says does not apply."""
        absent = {
            id(argument)
            for call in ast.walk(self.tree)
            if isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "does_not_apply"
            for argument in call.args
        }
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in absent
        ]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column in the file, from 1, of an offset into `scan.text`."""
        line = bisect_right(self._starts, offset) - 1
        margin = self.margins[line] if self.margins else 0
        return line + 1, offset - self._starts[line] + margin + 1

    def raw_place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of an offset into `raw`."""
        line = bisect_right(self._raw_starts, offset) - 1
        margin = self.margins[line] if self.margins and not self.is_script else 0
        return line + 1, offset - self._raw_starts[line] + margin + 1

    def offset(self, line: int, column: int) -> int:
        """The offset into `scan.text` of a line and a column."""
        margin = self.margins[line - 1] if self.margins else 0
        return self._starts[line - 1] + max(0, column - margin - 1)

    @cached_property
    def _starts(self) -> list[int]:
        return _line_starts(self.scan.text)

    @cached_property
    def _raw_starts(self) -> list[int]:
        return _line_starts(self.raw)


def read_document(project: Project, path: Path) -> Document:
    """A file of the paper or an analysis.

    Raises:
        InvalidInput: It isn't there, isn't UTF-8, or is a script that isn't Python.
    """
    file = project.relative(path)
    try:
        raw = read_source(path, file) if path.suffix == ".py" else read_text(path, file)
    except FileNotFoundError as error:
        raise InvalidInput(
            f"there is no file {file}.", hint="mechscope lint   (without FILE: everything)"
        ) from error
    if path.suffix == ".ipynb":
        lines, margins = _markdown_of_notebook(raw, file)
        text = "\n".join(lines)
        return Document(path, file, text, scan(text), margins=tuple(margins))
    if path.suffix != ".py":
        return Document(path, file, raw, scan(raw))
    try:
        tree = parse(raw)
    except SyntaxError as error:
        raise not_python(error, file, raw) from error
    lines, margins = markdown_of_script(raw.split("\n"))
    return Document(path, file, raw, scan("\n".join(lines)), _records_of(raw, tree), tuple(margins))


def record_calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """The calls that record something, each with what it records ("statistic" …)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _RECORDS:
            yield node.func.attr, node


def numbers_in_code(tree: ast.Module) -> set[float]:
    """The numbers that a script's code holds, in criteria too: its settings; without their signs.

    0.95 is always one: the level of intervals unless the code says another.
    """
    found = {0.95}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, (int, float))
            and not isinstance(node.value, bool)
        ):
            found.add(float(node.value))
    for _, call in record_calls(tree):
        for word in call.keywords:
            if word.arg == "criterion" and isinstance(word.value, ast.Constant):
                found |= {float(number) for number in re.findall(r"\d+(?:\.\d+)?", str(word.value.value))}
    return found


def _line_starts(text: str) -> list[int]:
    return [0, *accumulate(len(line) + 1 for line in text.split("\n"))][:-1]


def markdown_of_script(lines: list[str]) -> tuple[list[str], list[int]]:
    """A percent script's header and markdown cells, line by line, and how much was cut off each."""
    found, margins = [], []
    in_header = bool(lines) and lines[0].rstrip() == "# ---"
    in_text = False
    for number, line in enumerate(lines):
        cell = _CELL.match(line)
        if cell and not in_header:
            in_text = bool(_MARKDOWN_CELL.search(cell["rest"]))
        if cell or not (in_header or in_text) or _DOCSTRING.match(line):
            cut = len(line)
        else:
            cut = re.match(r"# ?|", line).end()  # type: ignore[union-attr]  # the empty pattern always matches
        found.append(line[cut:])
        margins.append(cut)
        if in_header and number and line.rstrip() == "# ---":
            in_header = False
    return found, margins


def _markdown_of_notebook(raw: str, file: str) -> tuple[list[str], list[int]]:
    """A notebook's Markdown, each line where its file holds it, and how much comes before it there.

    Raises:
        InvalidInput: It is no notebook.
    """
    height = raw.count("\n") + 1
    lines, margins = [""] * height, [0] * height
    number = 0
    for line, start in (placed for _, cell in notebook_prose(raw, file) for placed in cell):
        if start >= 0:
            number = max(number, raw.count("\n", 0, start))
        while number < len(lines) and lines[number]:  # a file whose cells have no lines of their own
            number += 1
        if number == len(lines):
            lines.append("")
            margins.append(0)
        lines[number] = line.rstrip("\n")
        margins[number] = start - raw.rfind("\n", 0, start) - 1 if start >= 0 else 0
    return lines, margins


def _records_of(raw: str, tree: ast.Module) -> Scan:
    """The literal texts of records, each a block of prose."""
    found = Scan("")
    mask = ["\n" if char == "\n" else " " for char in raw]
    starts = _line_starts(raw)
    lines = raw.split("\n")

    def offset(line: int, byte: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:byte].decode())

    for kind, call in record_calls(tree):
        texts = [word.value for word in call.keywords if word.arg in _TEXTS]
        if kind == "claim" and len(call.args) > 1:
            texts.append(call.args[1])
        for node in texts:
            if node.end_lineno is None or node.end_col_offset is None:
                continue
            start, end = offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)
            for literal in _LITERAL.finditer(raw, start, end):
                body = literal["body"]
                if "f" in literal["prefix"].lower():
                    body = re.sub(r"\{\{|\}\}|\{[^{}]*\}", lambda value: "\ufffc" * len(value.group()), body)
                mask[literal.start("body") : literal.end("body")] = body
            found.blocks.append(Block(start, end))
    found.text = found.prose = "".join(mask)
    return found

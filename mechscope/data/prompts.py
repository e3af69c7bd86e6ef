"""Prompt sets and word lists from CSV files, checked before any model sees them.

A prompt set is a CSV file with a header, one prompt a row, and columns that were fixed before the prompts
were run: a category, yes/no labels. Spaces belong to a prompt (" abortion is" and "abortion is" are different
tokens), so nothing is stripped from it. A file as a spreadsheet saves it is read as it is meant (byte order
mark, line ends, empty rows and columns at the end), or refused with what has to be saved otherwise.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from mechscope.errors import InvalidInput, UnknownName
from mechscope.files import read_text
from mechscope.project import find_project

_YES_NO = {"yes": 1, "no": 0}
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_QUOTES = "“”„‟«»"
_AFTER_SPACE = re.compile(r'\s+".*"\s*', re.DOTALL)
_SPREADSHEET_ERROR = re.compile(r"#(NAME\?|REF!|VALUE!|DIV/0!|N/A|NUM!|NULL!)")


@dataclass(frozen=True)
class PromptSet:
    """Prompts in the order of their file, with what was fixed about them beforehand.

    Attributes:
        path: The file they came from.
        frame: One row a prompt; all columns as texts.
    """

    path: Path
    frame: pd.DataFrame

    @property
    def prompts(self) -> list[str]:
        """The texts that go into the model, spaces included."""
        return self.column("prompt")

    def __len__(self) -> int:
        return len(self.frame)

    def column(self, name: str) -> list[str]:
        """The cells of one column.

        Raises:
            UnknownName: The file has no such column.
        """
        if name not in self.frame.columns:
            raise UnknownName("column", name, map(str, self.frame.columns), where=str(self.path))
        return [str(cell) for cell in self.frame[name]]

    def label(self, name: str) -> Int[np.ndarray, " prompt"]:
        """A yes/no column as 1 and 0.

        Raises:
            UnknownName: The file has no such column.
            InvalidInput: A cell is neither "yes" nor "no".
        """
        cells = self.column(name)
        for row, cell in enumerate(cells):
            if cell not in _YES_NO:
                raise InvalidInput(
                    f"{self.path}, prompt {row + 1}: '{name}' is {cell!r}, but must be yes or no."
                )
        return np.array([_YES_NO[cell] for cell in cells])

    def balanced(self, keep: Bool[np.ndarray, " prompt"], by: str) -> PromptSet:
        """Some of the prompts, as many of each value of a column: the first ones, up to the rarest's number.

        Raises:
            UnknownName: The file has no such column.
        """
        values = np.array(self.column(by), dtype=object)
        least = min(int((keep & (values == value)).sum()) for value in set(values))
        frame = self.frame[keep].groupby(by, sort=False).head(least)
        return PromptSet(self.path, frame.reset_index(drop=True))

    def codes(self, name: str) -> Int[np.ndarray, " prompt"]:
        """A column's values as numbers 0, 1, 2 … in the order of their first appearance."""
        return pd.factorize(np.array(self.column(name), dtype=object))[0].astype(np.int64)


def load_prompts(path: Path, *, labels: Sequence[str] = (), columns: Sequence[str] = ()) -> PromptSet:
    """Read a prompt set.

    Args:
        path: A CSV file with a header that has the column `prompt`.
        labels: Columns that must hold "yes" or "no" in every row.
        columns: Further columns that must be there.

    Raises:
        InvalidInput: The file is missing, empty or malformed, holds an empty cell, a prompt twice, or a label
            that is neither yes nor no; the message names the line.
        UnknownName: A column is missing.
    """
    wanted = ["prompt", *columns, *labels]
    rows, lines = _read_rows(path, wanted)
    _refuse_duplicates(path, [row["prompt"] for row in rows], lines, "prompt")
    for row, line in zip(rows, lines, strict=True):
        for name in labels:
            if row[name] not in _YES_NO:
                raise InvalidInput(
                    f"{path}:{line}: '{name}' is {row[name]!r}, but must be yes or no.",
                    hint="write the label in lower case, without spaces",
                )
    return PromptSet(path, pd.DataFrame(rows))


def load_words(path: Path) -> dict[str, str]:
    """Read a word list: the columns `word` and `kind`, words in lower case.

    Returns:
        The kind of each word, in the order of the file.

    Raises:
        InvalidInput: As `load_prompts`; also when a word is not one word in lower case.
    """
    rows, lines = _read_rows(path, ["word", "kind"])
    _refuse_duplicates(path, [row["word"] for row in rows], lines, "word")
    for row, line in zip(rows, lines, strict=True):
        word = row["word"]
        if word != word.strip().lower() or " " in word:
            raise InvalidInput(f"{path}:{line}: {word!r} is not one word in lower case.")
    return {row["word"]: row["kind"] for row in rows}


def analysis_file(relative: str) -> Path:
    """A file that an analysis declares, by its path relative to `analyses/`.

    The answer is the same in a notebook, in the pipeline and in `python analyses/x.py`, whatever the working
    directory inside the project.

    Raises:
        InvalidInput: There is no such file, it lies outside `analyses/`, or this is not a project.
    """
    folder = find_project().analyses
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InvalidInput(f"'{relative}' lies outside {folder}.", hint="analyses read files below analyses/")
    if not path.is_file():
        beside = [found.relative_to(folder.resolve()).as_posix() for found in path.parent.glob("*.*")]
        raise UnknownName("data file", relative, beside, where=str(folder))
    return path


def _read_rows(path: Path, wanted: Sequence[str]) -> tuple[list[dict[str, str]], list[int]]:
    """The rows of a CSV file and the line each one ends on."""
    if not path.is_file():
        raise InvalidInput(f"{path}: there is no such file.", hint="name it relative to analyses/")
    text = read_text(path)
    _refuse_separator(path, text.partition("\n")[0], wanted)
    rows: list[dict[str, str]] = []
    lines: list[int] = []
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header, wanted)
        for cells in reader:
            if any(cells):  # a spreadsheet leaves empty rows below the last one
                _check_cells(path, reader.line_num, cells, header, text)
                named = [(name, cell) for name, cell in zip(header, cells, strict=False) if name]
                rows.append(dict(named))
                lines.append(reader.line_num)
    except csv.Error as error:
        raise InvalidInput(f"{path}:{reader.line_num}: not valid CSV ({error}).") from error
    if not rows:
        raise InvalidInput(f"{path}: no rows below the header.", hint="add at least one row")
    return rows, lines


def _refuse_separator(path: Path, first: str, wanted: Sequence[str]) -> None:
    """Refuse a file whose first line shows that something else than commas separates its cells."""
    as_csv = 'save it with commas (in a spreadsheet: "CSV UTF-8, comma delimited")'
    if first.startswith("sep="):
        raise InvalidInput(
            f"{path}:1: '{first}' tells a spreadsheet what separates cells; expected was the header.",
            hint=f"take the line out; if the separator is no comma, {as_csv}",
        )
    if wanted[0] in _names(first, ","):
        return
    for separator, word in _SEPARATORS.items():
        names = _names(first, separator)
        if len(names) > 1 and ("," not in first or set(wanted) & set(names)):
            raise InvalidInput(
                f"{path}:1: {word} ({separator!r}) separate the cells; expected were commas.", hint=as_csv
            )


def _names(line: str, separator: str) -> list[str]:
    return [name.strip().strip('"') for name in line.split(separator)]


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in header and name in [other.strip(_QUOTES) for other in header]:
            raise InvalidInput(
                f"{path}:1: the column '{name}' is named in typographic quotes, which belong to the name.",
                hint=f'write  {name}  or  "{name}"',
            )
        if name not in header:
            raise UnknownName("column", name, filter(None, header), where=f"{path}:1")
    for name in filter(None, header):
        if header.count(name) > 1:
            raise InvalidInput(f"{path}:1: there are {header.count(name)} columns called '{name}'.")


def _check_cells(path: Path, line: int, cells: Sequence[str], header: Sequence[str], text: str) -> None:
    """Whether a row fits the header.

    Args:
        text: The whole file.
    """
    where = f"{path}:{line}"
    if len(cells) < len(header) or any(cells[len(header) :]):
        raise InvalidInput(
            f"{where}: this row does not have the header's {len(header)} cells.", hint=_why(cells)
        )
    for name, cell in zip(header, cells, strict=False):
        if not name and cell:
            raise InvalidInput(
                f"{where}: {cell!r} stands in a column without a name.", hint="name it in line 1"
            )
        if name and not cell.strip():
            raise InvalidInput(f"{where}: '{name}' is empty.")
        if _SPREADSHEET_ERROR.fullmatch(cell):
            raise InvalidInput(
                f"{where}: '{name}' is {cell}, a spreadsheet's error.", hint="write it as text"
            )
        if _AFTER_SPACE.fullmatch(cell) and f",{cell}" in text:
            raise InvalidInput(
                f"{where}: '{name}' has a space before its quotation mark, which then belongs to the text.",
                hint='quotes follow the comma at once: first,"second"',
            )


def _why(cells: Sequence[str]) -> str:
    """What most often makes the cells of a row too many or too few, as far as they show it."""
    for separator, word in _SEPARATORS.items():
        if len(cells) == 1 and separator in cells[0]:
            return f"commas separate cells, not {word}"
    if any(cell.lstrip()[:1] in tuple(_QUOTES) for cell in cells):
        return 'a cell is quoted with straight quotes ("), not with typographic ones'
    if any(cell.lstrip() != cell and cell.lstrip().startswith('"') for cell in cells):
        return 'quotes follow the comma at once: first,"second"'
    return 'put quotes around a cell that holds a comma: "first, second"'


def _refuse_duplicates(path: Path, cells: Sequence[str], lines: Sequence[int], name: str) -> None:
    first: dict[str, int] = {}
    for cell, line in zip(cells, lines, strict=True):
        if cell in first:
            raise InvalidInput(f"{path}:{line}: the {name} {cell!r} stands in line {first[cell]} already.")
        first[cell] = line

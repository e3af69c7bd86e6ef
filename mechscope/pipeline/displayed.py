"""Whether an executed notebook shows what its ledger holds: it is where a click on a number leads.

A ledger has the hashes of its findings and of its figures, not of its notebook, whose prose may change
without a run. Code, parameters and everything that was found must stand in it nevertheless, and its prose
must be the script's.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from html import escape, unescape
from pathlib import Path
from typing import Any

from mechscope.errors import MechscopeError
from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import KINDS, Claim, Figure, LedgerFile, Passages, Statistic, Table
from mechscope.pipeline.notebook import INJECTED, from_script
from mechscope.pipeline.scripts import Analysis, cells_hash
from mechscope.syntax import parse, read_source

_RECORD = re.compile(r'id="record-([a-z0-9_]+)"')
_CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)
_PICTURE = re.compile(r'<img src="([^"]*)"')
_TOKEN = re.compile(r'<span style="[^"]*" title="([^"]*)">(.*?)</span>', re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")


def notebook_problems(path: Path, ledger: LedgerFile) -> Iterator[tuple[str, str]]:
    """What a notebook shows otherwise than its ledger: (the record's key, or "" for all of it; a phrase)."""
    try:
        codes = {cell["id"]: cell for cell in _cells(path) if cell["id"].startswith("cell-")}
        sources = {name: "".join(cell["source"]) for name, cell in codes.items()}
        tagged = [name for name, cell in codes.items() if "parameters" in cell["metadata"].get("tags", [])]
        displays = {name: _displays(cell) for name, cell in codes.items()}
    except FileNotFoundError:
        yield "", "is missing"
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        yield "", "is not a notebook that was executed here"
        return
    set_by = [*tagged, *([INJECTED] if INJECTED in sources else [])]
    try:
        executed = cells_hash([source for name, source in sources.items() if name not in set_by])
        parameters = {name: value for cell in set_by for name, value in _assigned(sources[cell])}
    except (SyntaxError, ValueError):
        executed, parameters = "", {}
    if executed != ledger.executed:
        yield "", "shows other code than the ledger was found with"
    elif parameters != ledger.inputs.parameters:
        yield "", "shows other parameters than the ledger was found with"
    for kind in KINDS:
        for name, record in sorted(getattr(ledger.findings, kind).items()):
            display = displays.get(record.cell, {}).get(name)
            with suppress(MechscopeError):  # a format that does not fit is the ledger's own fault
                if display is None or not _shows(display, name, record):
                    yield f"{ledger.analysis}.{name}", f"shows it otherwise, or not in {record.cell}"


def prose_problems(path: Path, analysis: Analysis, ledger: LedgerFile) -> Iterator[str]:
    """Where a notebook says something else than its script, a phrase each; titles, prose and comments.

    Nothing where the script's code is not what was executed: its prose is about other code then.
    """
    if analysis.code != ledger.executed:
        return
    try:
        script = from_script(analysis, read_source(analysis.path, analysis.path.name))
    except MechscopeError as error:
        yield f"can't be held against {analysis.path.name}: {error.message}"
        return
    expected = {cell.id: cell.source for cell in script.cells}
    found = {cell["id"]: "".join(cell["source"]) for cell in _cells(path) if cell["id"] != INJECTED}
    update = f"(to bring it up to date:  mechscope run {analysis.name} --run {ledger.run})"
    if list(found) != list(expected):
        yield f"has other cells than {analysis.path.name} {update}"
        return
    for name, source in expected.items():
        if found[name] != source:
            yield f"says something else than {analysis.path.name} in {name} {update}"


def unrecorded(path: Path) -> dict[str, list[str]]:
    """What cells show beside their records, by the cell's id: no ledger vouches for it.

    Numbers are replaced by #, because nothing says how much they may vary.
    """
    shown = {}
    for cell in _cells(path):
        texts = [
            _NUMBER.sub("#", text)
            for output in cell.get("outputs", [])
            if not _RECORD.search(_html(output))
            for text in ("".join(output.get("text", "")), *map("".join, output.get("data", {}).values()))
            if text
        ]
        if texts:
            shown[cell["id"]] = texts
    return shown


def _cells(path: Path) -> list[Any]:
    cells: list[Any] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def _assigned(source: str) -> Iterator[tuple[str, Any]]:
    """Names and values of a cell of parameters. Raises SyntaxError, ValueError."""
    for node in parse(source).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                yield name, ast.literal_eval(value)


def _displays(cell: Any) -> dict[str, str]:
    """The HTML of the records that a cell displays, by name."""
    pages = [_html(output) for output in cell.get("outputs", [])]
    return {match[1]: page for page in pages if (match := _RECORD.search(page))}


def _html(output: Any) -> str:
    return "".join(output.get("data", {}).get("text/html", ""))


def _shows(html: str, name: str, record: Any) -> bool:
    """Whether a display says what a record holds; how it is laid out may be an older version's way."""
    match record:
        case Statistic():
            return f">{escape(record.text.full)}<" in html or record.value is None
        case Claim():
            return record.outcome in html and escape(record.sentence) in html
        case Table():
            known = {
                escape(format_value(cell, column.format))
                for row in record.rows
                for cell, column in zip(row, record.columns, strict=False)
            }
            return known.issuperset(_CELL.findall(html))
        case Figure():
            pictures = [f"figures/{name}.svg"]
            return _PICTURE.findall(html) == pictures and escape(record.caption) in html
        case Passages():
            texts = [pair for text in record.passages for pair in zip(text.tokens, text.values, strict=True)]
            shown = [(unescape(token), value) for value, token in _TOKEN.findall(html)]
            return shown == [(token, f"{value:.3g}") for token, value in texts[: len(shown)]] and (
                bool(shown) or not texts
            )
    return True

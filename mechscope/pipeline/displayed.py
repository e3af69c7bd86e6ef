"""Whether an executed notebook shows what its ledger holds: it is where a click on a number leads.

A ledger has the hashes of its findings and of its figures, not of its notebook, whose prose may change
without a run. So each record is displayed again here, from the ledger, and nothing in a display may differ;
code, parameters and everything that was found must stand in it, and its prose must be the script's.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mechscope.errors import MechscopeError
from mechscope.files import parsed_json
from mechscope.ledger.schema import LedgerFile
from mechscope.pipeline.extract import display_of
from mechscope.pipeline.notebook import INJECTED, from_script, imitates_record, is_readable
from mechscope.pipeline.scripts import Analysis, cells_hash
from mechscope.syntax import parse, read_source

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)
"""What comes of reading a file as a notebook that is none."""

_NUMBER = re.compile(r"[-+−]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
_SPACES = re.compile(r" {2,}")
_KEYS = {"cell_type", "id", "metadata", "source", "outputs", "execution_count"}
_NEUTRAL: dict[str, Any] = {"execution_count": None, "metadata": {}}
"""What an output may also say, and what it then says."""


def notebook_problems(path: Path, ledger: LedgerFile) -> Iterator[tuple[str, str]]:
    """What a notebook shows otherwise than its ledger: (the record's key, or "" for all of it; a phrase)."""
    try:
        codes = [cell for cell in _cells(path) if cell["id"].startswith("cell-")]
        sources = [(_joined(cell["source"]), _sets_parameters(cell)) for cell in codes]
        displays = [*_displays(_cells(path), ledger)]
    except FileNotFoundError:
        yield "", "is missing"
        return
    except UNREADABLE:
        yield "", "is not a notebook that was executed here"
        return
    try:
        executed = cells_hash([source for source, sets in sources if not sets])
        parameters = {name: value for source, sets in sources if sets for name, value in _assigned(source)}
    except (SyntaxError, ValueError):
        executed, parameters = "", {}
    if executed != ledger.executed:
        yield "", "shows other code than the ledger was found with"
    elif parameters != ledger.inputs.parameters:
        yield "", "shows other parameters than the ledger was found with"
    yield from displays


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
    expected = {cell.id: (cell.cell_type, dict(cell.metadata), cell.source) for cell in script.cells}
    update = f"(to bring it up to date:  mechscope run {analysis.name} --run {ledger.run})"
    notebook = _notebook(path)
    cells = notebook["cells"]
    if {**notebook["metadata"], "mechscope": None} != {**script.metadata, "mechscope": None}:
        yield "says something about itself that no run leaves there"
    own = [cell for cell in cells if cell["id"] != INJECTED]
    if [cell["id"] for cell in own] != list(expected) or len(cells) > len(own) + 1:
        yield f"has other cells than {analysis.path.name} {update}"
        return
    for before, cell in zip([None, *cells], cells, strict=False):
        name = cell["id"]
        if name == INJECTED:
            if before is None or not _tagged(before, "parameters") or not _only_sets_parameters(cell):
                yield f"has other cells than {analysis.path.name}: {name} does more than set parameters"
        elif _written(cell) != expected[name] or not _KEYS.issuperset(cell):
            yield f"says something else than {analysis.path.name} in {name} {update}"


def unrecorded(path: Path, ledger: LedgerFile) -> dict[str, list[str]]:
    """What cells show beside the records of their ledger, by the cell's id: no ledger vouches for it.

    Numbers are replaced by #, because nothing says how much they may vary.

    Raises:
        UNREADABLE: It is no notebook.
    """
    shown: dict[str, list[str]] = {}
    expected = _expected(ledger)
    for cell in _cells(path):
        own = expected.get(cell["id"], {}).values()
        texts = [
            _SPACES.sub(" ", _NUMBER.sub("#", text))
            for output in map(_output, cell.get("outputs", []))
            if output not in own
            for text in (output["text"], *output["data"].values())
            if text
        ]
        if texts:
            shown.setdefault(cell["id"], []).extend(texts)
    return shown


def _cells(path: Path) -> list[Any]:
    """Raises UNREADABLE."""
    cells: list[Any] = _notebook(path)["cells"]
    return cells


def _notebook(path: Path) -> Any:
    return parsed_json(path.read_text(encoding="utf-8"))


def _written(cell: Any) -> tuple[str, Any, str]:
    return cell["cell_type"], cell["metadata"], _joined(cell["source"])


def _tagged(cell: Any, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", [])


def _sets_parameters(cell: Any) -> bool:
    return cell["id"] == INJECTED or _tagged(cell, "parameters")


def _only_sets_parameters(cell: Any) -> bool:
    """Whether a cell is as papermill injects it: values by name, nothing in words, nothing displayed."""
    source = _joined(cell["source"])
    try:
        body = parse(source).body
        words = [
            token
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        ]
    except (SyntaxError, ValueError, tokenize.TokenError):
        return False
    return (
        [token.string for token in words] == ["# Parameters"]
        and len(body) == len(list(_assigned(source)))
        and cell["metadata"] == {"tags": ["injected-parameters"]}
        and not cell.get("outputs")
        and _KEYS.issuperset(cell)
    )


def _assigned(source: str) -> Iterator[tuple[str, Any]]:
    """Names and values of a cell of parameters. Raises SyntaxError, ValueError."""
    for node in parse(source).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                yield name, ast.literal_eval(value)


def _expected(ledger: LedgerFile) -> dict[str, dict[str, dict[str, Any]]]:
    """How each record is displayed, by its cell and its name."""
    displays: dict[str, dict[str, dict[str, Any]]] = {}
    for _, name, record in ledger.findings.records():
        with suppress(MechscopeError, ValueError):  # that it can't be displayed is the ledger's own fault
            data = display_of(ledger.analysis, name, record)
            displays.setdefault(record.cell, {})[name] = {
                "output_type": "display_data",
                "text": "",
                "data": data,
            }
    return displays


def _displays(cells: list[Any], ledger: LedgerFile) -> Iterator[tuple[str, str]]:
    """Records that are not displayed as they are, and what looks like the display of one and is none."""
    expected = _expected(ledger)
    displayed: Counter[tuple[str, str]] = Counter()
    strange: dict[str, None] = {}
    for cell in cells:
        own = expected.get(cell["id"], {})
        if cell["cell_type"] != "code" and imitates_record(_joined(cell["source"])):
            strange[cell["id"]] = None
        for output in map(_output, cell.get("outputs", [])):
            name = next((name for name, display in own.items() if display == output), None)
            if name is not None:
                displayed[cell["id"], name] += 1
            elif not _is_left_by_runs(output):
                strange[cell["id"]] = None
    for _, name, record in ledger.findings.records():
        if displayed[record.cell, name] == 0:
            yield f"{ledger.analysis}.{name}", f"shows it otherwise, or not in {record.cell}"
        elif displayed[record.cell, name] > 1:
            yield f"{ledger.analysis}.{name}", f"shows it more than once in {record.cell}"
    for cell in strange:
        yield "", f"shows something in {cell} that imitates a record, or that no run leaves there"


def _output(output: Any) -> dict[str, Any]:
    """An output with its texts in one piece, without what says nothing. Raises UNREADABLE."""
    rest = {key: value for key, value in output.items() if value != _NEUTRAL.get(key, ...)}
    data = {kind: _joined(text) for kind, text in rest.pop("data", {}).items()}
    return {**rest, "text": _joined(rest.pop("text", "")), "data": data}


def _joined(text: Any) -> str:
    """Notebooks hold a text as one or as a list of its lines."""
    return text if isinstance(text, str) else "".join(text)


def _is_left_by_runs(output: dict[str, Any]) -> bool:
    """Whether a run leaves such an output in a notebook, beside its records."""
    data = output["data"]
    printed = output["output_type"] == "stream" and output.get("name") == "stdout" and not data
    shown = output["output_type"] in ("display_data", "execute_result") and not output["text"]
    return (
        (printed or shown)
        and {"output_type", "name", "text", "data"}.issuperset(output)
        and all(is_readable(kind, text) and not imitates_record(text) for kind, text in data.items())
    )

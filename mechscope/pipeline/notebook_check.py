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
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mechscope.errors import InvalidInput, MechscopeError
from mechscope.ledger.notebook import INJECTED, Notebook, NotebookCell, Output, read_notebook
from mechscope.ledger.schema import LedgerFile
from mechscope.pipeline.committed_notebook import from_script, imitates_record, is_readable
from mechscope.pipeline.extract import display_of
from mechscope.pipeline.scripts import Analysis, cells_hash
from mechscope.syntax import parse, read_source

UNREADABLE = (OSError, InvalidInput)
"""What comes of reading a file as a notebook that is none."""

_NUMBER = re.compile(r"[-+−]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")
_SPACES = re.compile(r" {2,}")


def notebook_problems(path: Path, ledger: LedgerFile) -> Iterator[tuple[str, str]]:
    """Where a notebook differs from its ledger: (the record's key, or "" for all of it; a phrase)."""
    try:
        cells = read_notebook(path).cells
    except FileNotFoundError:
        yield "", "is missing"
        return
    except UNREADABLE:
        yield "", "is not a notebook that was executed here"
        return
    codes = [cell for cell in cells if cell.id.startswith("cell-")]
    try:
        executed = cells_hash([cell.source for cell in codes if not cell.sets_parameters])
        parameters = dict(pair for cell in codes if cell.sets_parameters for pair in _assigned(cell.source))
    except (SyntaxError, ValueError):
        executed, parameters = "", {}
    if executed != ledger.executed:
        yield "", "shows other code than the ledger was found with"
    elif parameters != ledger.inputs.parameters:
        yield "", "shows other parameters than the ledger was found with"
    yield from _displays(cells, ledger)


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
    expected = {cell.id: _written(cell) for cell in Notebook.model_validate(script).cells}
    update = f"(to bring it up to date:  mechscope run {analysis.name} --run {ledger.run})"
    notebook = read_notebook(path)
    cells = notebook.cells
    if {**notebook.metadata, "mechscope": None} != {**script.metadata, "mechscope": None}:
        yield "says something about itself that no run leaves there"
    own = [cell for cell in cells if cell.id != INJECTED]
    if [cell.id for cell in own] != list(expected) or len(cells) > len(own) + 1:
        yield f"has other cells than {analysis.path.name} {update}"
        return
    for before, cell in zip([None, *cells], cells, strict=False):
        if cell.id == INJECTED:
            if before is None or "parameters" not in before.tags or not _only_sets_parameters(cell):
                yield f"has other cells than {analysis.path.name}: {cell.id} does more than set parameters"
        elif _written(cell) != expected[cell.id] or cell.model_extra:
            yield f"says something else than {analysis.path.name} in {cell.id} {update}"


def unrecorded(path: Path, ledger: LedgerFile) -> dict[str, list[str]]:
    """What cells show besides their records, by the cell's id: no ledger holds it.

    Numbers are replaced by #, because nothing says how much they may vary.

    Raises:
        UNREADABLE: It is no notebook.
    """
    printed: dict[str, list[str]] = {}
    expected = _expected(ledger)
    for cell in read_notebook(path).cells:
        own = expected.get(cell.id, {}).values()
        texts = [
            _SPACES.sub(" ", _NUMBER.sub("#", str(text)))
            for output in cell.outputs
            if output not in own
            for text in (output.text, *output.data.values())
            if text
        ]
        if texts:
            printed.setdefault(cell.id, []).extend(texts)
    return printed


def _written(cell: NotebookCell) -> tuple[str, Any, str]:
    return cell.cell_type, cell.metadata, cell.source


def _only_sets_parameters(cell: NotebookCell) -> bool:
    """Whether a cell is as papermill injects it: values by name, nothing in words, nothing displayed."""
    try:
        body = parse(cell.source).body
        words = [
            token
            for token in tokenize.generate_tokens(io.StringIO(cell.source).readline)
            if token.type == tokenize.COMMENT
        ]
    except (SyntaxError, ValueError, tokenize.TokenError):
        return False
    return (
        [token.string for token in words] == ["# Parameters"]
        and len(body) == len(list(_assigned(cell.source)))
        and cell.metadata == {"tags": ["injected-parameters"]}
        and not cell.outputs
        and not cell.model_extra
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


def _expected(ledger: LedgerFile) -> dict[str, dict[str, Output]]:
    """How each record is displayed, by its cell and its name."""
    displays: dict[str, dict[str, Output]] = {}
    for _, name, record in ledger.findings.records():
        with suppress(MechscopeError, ValueError):  # that it can't be displayed is the ledger's own fault
            display = Output(output_type="display_data", data=display_of(ledger.analysis, name, record))
            displays.setdefault(record.cell, {})[name] = display
    return displays


def _displays(cells: Sequence[NotebookCell], ledger: LedgerFile) -> Iterator[tuple[str, str]]:
    """Records that are not displayed as they are, and what looks like the display of one and is none."""
    expected = _expected(ledger)
    displayed: Counter[tuple[str, str]] = Counter()
    strange: dict[str, None] = {}
    for cell in cells:
        own = expected.get(cell.id, {})
        if cell.cell_type != "code" and imitates_record(cell.source):
            strange[cell.id] = None
        for output in cell.outputs:
            name = next((name for name, display in own.items() if display == output), None)
            if name is not None:
                displayed[cell.id, name] += 1
            elif not _is_left_by_runs(output):
                strange[cell.id] = None
    for _, name, record in ledger.findings.records():
        if displayed[record.cell, name] == 0:
            yield f"{ledger.analysis}.{name}", f"shows it otherwise, or not in {record.cell}"
        elif displayed[record.cell, name] > 1:
            yield f"{ledger.analysis}.{name}", f"shows it more than once in {record.cell}"
    for place in strange:
        yield "", f"shows something in {place} that imitates a record, or that no run leaves there"


def _is_left_by_runs(output: Output) -> bool:
    """Whether a run leaves such an output in a notebook, beside its records."""
    left = [
        Output(output_type="stream", name="stdout", text=output.text),
        *(Output(output_type=kind, data=output.data) for kind in ("display_data", "execute_result")),
    ]
    return output in left and all(
        is_readable(kind, text) and not imitates_record(text) for kind, text in output.data.items()
    )

"""Whether a ledger agrees with itself, without running anything.

Hashes show that a ledger is as it was written. Whoever edits one and mends its hashes still leaves a value
that is printed as another one, an outcome that its criterion does not give, or a notebook that shows other
numbers than the ledger holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from mechscope.errors import MechscopeError
from mechscope.ledger.criterion import judge
from mechscope.ledger.formatting import format_value, statistic_text
from mechscope.ledger.schema import KINDS, Claim, Findings, LedgerFile, Passages, Statistic, Table
from mechscope.ledger.store import NOTEBOOK_NAME
from mechscope.pipeline.scripts import cells_hash

_RECORD = re.compile(r'id="record-([a-z0-9_]+)"')
_CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)


def inconsistencies(folder: Path, ledger: LedgerFile) -> Iterator[str]:
    """What in the folder of a ledger contradicts the ledger, a phrase each, with the record's key."""
    for kind in KINDS:
        for name, record in sorted(getattr(ledger.findings, kind).items()):
            for problem in _of_record(record, ledger.findings):
                yield f"{ledger.analysis}.{name}: {problem}"
    yield from _of_notebook(folder / NOTEBOOK_NAME, ledger)


def _of_record(record: Any, findings: Findings) -> Iterator[str]:
    try:
        match record:
            case Statistic():
                yield from _of_statistic(record)
            case Table():
                yield from _of_table(record)
            case Passages():
                largest = max((max(text.values, default=0.0) for text in record.passages), default=0.0)
                if record.largest != largest:
                    yield f"states {record.largest} as its largest value, which is {largest}"
            case Claim():
                verdict = judge(record.criterion, findings.statistics)
                if verdict.outcome != record.outcome:
                    yield f"'{record.outcome}' is stated, but the criterion gives '{verdict.outcome}'"
                for name, value in verdict.evidence.items():
                    if (stated := record.evidence.get(name)) != value:
                        yield f"its evidence states {name} = {stated}, which is {value}"
    except MechscopeError as error:  # a format that does not fit, a criterion that cannot be computed
        yield error.message


def _of_statistic(record: Statistic) -> Iterator[str]:
    made = statistic_text(
        record.value,
        spec=record.format,
        unit=record.unit,
        ci=record.ci,
        level=record.level,
        p=record.p,
        n=record.n,
    )
    for part in type(made).model_fields:
        if (printed := getattr(record.text, part)) != getattr(made, part):
            yield f"is printed as '{printed}' ({part}), but its value reads '{getattr(made, part)}'"
            return  # the full text holds the others


def _of_table(record: Table) -> Iterator[str]:
    for number, row in enumerate(record.rows, start=1):
        if len(row) != len(record.columns):
            yield f"row {number} has {len(row)} cells for {len(record.columns)} columns"
            return
    if len(record.text) > len(record.rows):
        yield f"prints {len(record.text)} rows but has {len(record.rows)}"
    for number, (row, texts) in enumerate(zip(record.rows, record.text, strict=False), start=1):
        made = tuple(format_value(cell, col.format) for cell, col in zip(row, record.columns, strict=True))
        if made != texts:
            where = next(
                (at for at, (a, b) in enumerate(zip(made, texts, strict=False)) if a != b),
                min(len(made), len(texts)) - 1,
            )
            yield (
                f"row {number}, column {record.columns[where].name} is printed as "
                f"'{texts[where] if texts else ''}', but its value reads '{made[where]}'"
            )


def _of_notebook(path: Path, ledger: LedgerFile) -> Iterator[str]:
    """The executed notebook, which is where a click on a number leads."""
    shown = f"results/{ledger.run}/{ledger.analysis}/{path.name}"
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        codes = {cell["id"]: cell for cell in cells if cell["id"].startswith("cell-")}
        sources = [
            "".join(cell["source"])
            for name, cell in codes.items()
            if name != "cell-parameters" and "parameters" not in cell["metadata"].get("tags", [])
        ]
        displays = {name: _displays(cell) for name, cell in codes.items()}
    except FileNotFoundError:
        yield f"{shown} is missing"
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        yield f"{shown} is not a notebook that was executed here"
        return
    try:
        same_code = cells_hash(sources) == ledger.inputs.script
    except SyntaxError:
        same_code = False
    if not same_code and not ledger.accepted:
        yield f"{shown} shows other code than the ledger was found with"
    for kind in KINDS:
        for name, record in sorted(getattr(ledger.findings, kind).items()):
            display = displays.get(record.cell, {}).get(name)
            with suppress(MechscopeError):  # a format that does not fit was told above
                if display is None or not _shows(display, record):
                    yield f"{ledger.analysis}.{name}: {shown} shows it otherwise, or not in {record.cell}"


def _displays(cell: Any) -> dict[str, str]:
    """The HTML of the records that a cell displays, by name."""
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]
    return {match[1]: page for page in pages if (match := _RECORD.search(page))}


def _shows(html: str, record: Any) -> bool:
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
    return True

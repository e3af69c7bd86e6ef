"""Whether an executed notebook shows what its ledger holds: it is where a click on a number leads.

A ledger has the hashes of its findings and of its figures, not of its notebook, whose prose may change
without a run. What was found must stand in it nevertheless.
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
from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import KINDS, Claim, LedgerFile, Statistic, Table
from mechscope.pipeline.scripts import cells_hash

_RECORD = re.compile(r'id="record-([a-z0-9_]+)"')
_CELL = re.compile(r"<td>(.*?)</td>", re.DOTALL)


def notebook_problems(path: Path, ledger: LedgerFile) -> Iterator[tuple[str, str]]:
    """What a notebook shows otherwise than its ledger: (the record's key, or "" for all of it; a phrase)."""
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
        yield "", "is missing"
        return
    except (ValueError, KeyError, TypeError, AttributeError):
        yield "", "is not a notebook that was executed here"
        return
    try:
        same_code = cells_hash(sources) == ledger.inputs.script
    except SyntaxError:
        same_code = False
    if not same_code and not ledger.accepted:
        yield "", "shows other code than the ledger was found with"
    for kind in KINDS:
        for name, record in sorted(getattr(ledger.findings, kind).items()):
            display = displays.get(record.cell, {}).get(name)
            with suppress(MechscopeError):  # a format that does not fit is the ledger's own fault
                if display is None or not _shows(display, record):
                    yield f"{ledger.analysis}.{name}", f"shows it otherwise, or not in {record.cell}"


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

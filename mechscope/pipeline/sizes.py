"""What in an analysis' results is so large that it hurts the repository they are committed to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mechscope.ledger.notebook import read_notebook
from mechscope.ledger.store import LEDGER_NAME, NOTEBOOK_NAME

LARGE = 5_000_000
"""Bytes of a file that is worth a warning: git keeps every version of it, and no review page shows it."""


def oversized(folder: Path, relative: str) -> tuple[str, ...]:
    """A sentence for each large file of a result, with what makes it large.

    Args:
        folder: The results of an analysis that ran.
        relative: How messages call the folder.
    """
    return tuple(_sentences(folder, relative))


def _sentences(folder: Path, relative: str) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or (size := path.stat().st_size) <= LARGE:
            continue
        name = path.relative_to(folder).as_posix()
        said = f"{relative}/{name} has {_mb(size)}, and git keeps every version of it"
        if name == NOTEBOOK_NAME:
            outputs = {cell.id: cell.model_dump()["outputs"] for cell in read_notebook(path).cells}
            cell, length = _largest(outputs)
            said += f": {cell} shows {_mb(length)}; let it show less"
        elif name == LEDGER_NAME:
            kinds = json.loads(path.read_bytes())["findings"].values()
            record, length = _largest({key: record for kind in kinds for key, record in kind.items()})
            said += f": '{record}' takes {_mb(length)}; record a summary of it"
        else:
            said += "; draw fewer marks: a sample, bins or a mean"
        yield said


def _largest(parts: Mapping[str, Any]) -> tuple[str, int]:
    lengths = {name: len(json.dumps(part)) for name, part in parts.items()}
    return max(lengths.items(), key=lambda pair: pair[1], default=("", 0))


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"

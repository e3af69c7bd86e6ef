"""Tables on standard output: drawn in a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for standard output."""
    if sys.stdout.isatty():
        return _drawn(head, rows)
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _drawn(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for text in head:
        table.add_column(Text(text))
    for row in rows:
        table.add_row(*[Text(text) for text in row])
    console = Console()
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip("\n")

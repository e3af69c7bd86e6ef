"""Tables for a reviewer's terminal: drawn in a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from mechscope.pipeline.comparison import RunComparison, outcome_text, overlap_text, value_text
from mechscope.publish.pages.words import SHARED_WORDS, in_words
from mechscope.review.differences import Comparison, Drift
from mechscope.review.verdicts import Verdict
from mechscope.review.verify import Check

_MOST = 8
"""How many drifts of one record are listed."""
_LONGEST = 60
_STATES = {
    "reproduced": "reproduced",
    "drifted": "drifted",
    "missing": "missing from the rerun",
    "new": "new in the rerun",
    "flipped": "CLAIM FLIPPED",
}


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


def verdicts_text(verdicts: Sequence[Verdict], *, every: bool = False) -> str:
    """What `verify` found, run by run: what disagrees, then a sum.

    Args:
        every: List the records that were reproduced as well.
    """
    blocks = [_verdict(one, every) for one in verdicts]
    good = sum(one.reproduced for one in verdicts)
    compared = sum(one.values for one in verdicts)
    total = f"{good} of {len(verdicts)} reproduced; {compared:,} values compared"
    return "\n\n".join([*blocks, total])


def _verdict(one: Verdict, every: bool) -> str:
    word = "reproduced" if one.reproduced else "NOT REPRODUCED"
    lines = [f"{one.run}:{one.analysis}  {word}" + (f" ({one.seconds:.1f} s)" if one.seconds else "")]
    lines += [f"  input changed: {change}" for change in one.inputs]
    lines += [f"  {problem}" for problem in one.problems]
    lines += [
        f"  environment: {name} {there} when it was found, {here} here"
        for name, (there, here) in (one.environment or {}).items()
    ]
    if one.comparisons:
        counts = (f"{n.reproduced} of {in_words({kind: n.compared})}" for kind, n in one.counts.items())
        lines.append(f"  reproduced: {', '.join(counts)} ({one.values:,} values)")
    listed = list(one.comparisons) if every else one.failures
    if listed:
        head = ("record", "state", "value", "committed", "rerun", "differs by", "may differ by")
        rows = [row for comparison in listed for row in _rows(comparison)]
        lines += ["", table_text(head, rows)]
    if one.rerun and not one.reproduced:
        lines += ["", f"  What the rerun found is in {one.rerun}"]
    return "\n".join(lines)


def _rows(one: Comparison) -> Iterator[tuple[str, ...]]:
    state = _STATES[one.state]
    if not one.drifts:
        values = f"{one.compared} values" if one.compared else ""
        yield (one.key, state, values, "", "", "", "")
    for drift in one.drifts[:_MOST]:
        yield (one.key, state, *_drift(drift))
    if len(one.drifts) > _MOST:
        yield (one.key, state, f"and {len(one.drifts) - _MOST:,} more values", "", "", "", "")


def _drift(drift: Drift) -> tuple[str, ...]:
    by = "" if drift.by is None else f"{drift.by:.3g}"
    return (drift.place, _short(drift.old), _short(drift.new), by, str(drift.tolerance))


def _short(value: Any) -> str:
    text = "—" if value is None else repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def checks_text(checks: Sequence[Check]) -> str:
    """What `verify --quick` found."""
    lines = []
    for check in checks:
        lines.append(
            f"{check.subject}  {'FAULTY' if check.problems else 'in order'}  {check.looked_at}".rstrip()
        )
        lines += [f"  {problem}" for problem in check.problems]
    return "\n".join([*lines, "nothing was run: mechscope verify without --quick does that"])


def comparison_text(compared: RunComparison) -> str:
    """What `compare` shows: a table of claims, flipped ones first, and one of numbers."""
    one, other = compared.run_a, compared.run_b
    blocks = []
    if compared.claims:
        rows = [
            (
                "FLIPPED" if pair.flipped else "same" * pair.same,
                outcome_text(pair, 0),
                outcome_text(pair, 1),
                pair.key,
            )
            for pair in compared.claims
        ]
        blocks.append(table_text(("", one, other, "claim"), rows))
    if compared.statistics:
        numbers = [
            (
                pair.key,
                value_text(pair.first),
                value_text(pair.second),
                compared.difference_text(pair),
                overlap_text(pair),
            )
            for pair in compared.statistics
        ]
        blocks.append(table_text(("number", one, other, "difference", "intervals"), numbers))
    if compared.absent:
        blocks.append(table_text(("not there", "run", "why"), compared.absent))
    apart, paired = compared.intervals
    sums = [
        f"{len(compared.flipped)} of {len(compared.judged)} claims flipped; "
        f"{apart} of {paired} pairs of intervals do not overlap"
    ]
    sums += [
        f"not counted: {one.analysis} ({_many(one.claims, 'claim')}, {_many(one.statistics, 'number')}) is "
        f"{SHARED_WORDS}"
        for one in compared.shared
    ]
    blocks.append("\n".join(sums))
    return "\n\n".join(blocks)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)

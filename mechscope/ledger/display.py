"""How a record looks: HTML in a notebook, one line in a terminal.

Everything that came from a model or a corpus is escaped here.
"""

from __future__ import annotations

import base64
from html import escape

from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import WHOLE, Absent, Claim, Figure, Passages, Record, Statistic, Table

MARKS = {"held": "✓", "failed": "✗", "untestable": "?"}
_ABOVE, _BELOW, _FULL = "214,120,30", "51,102,153", 0.64
"""Tokens with values above zero in orange, below in blue; never so dense that text is hard to read on it."""
_ROWS = 20
_TEXTS = 5


def record_line(key: str, record: Record) -> str:
    """One line for the terminal."""
    match record:
        case Statistic():
            value = record.text.full if record.value is not None else f"missing: {record.because}"
            return f"{key} = {value}  · {record.label}"
        case Figure():
            return f"{key}  figure · {record.caption}"
        case Table():
            return f"{key}  table, {len(record.rows)} rows · {record.caption}"
        case Passages():
            return f"{key}  {len(record.passages)} passages · {record.caption}"
        case Claim():
            return (
                f"{key}  {MARKS[record.outcome]} {record.outcome} · {record.sentence}  [{record.criterion}]"
            )
        case Absent():
            what = key.removesuffix(f".{WHOLE}")
            return f"{what}  does not apply: {record.because}"


def record_html(
    analysis: str,
    name: str,
    record: Record,
    *,
    svg: str | None = None,
    picture: str | None = None,
) -> str:
    """The record as an element with the id `record-<name>`, to which pages link.

    Args:
        svg: A figure's picture, embedded (in a live notebook).
        picture: A figure's picture as a relative address instead (in a committed notebook).
    """
    kind = type(record).__name__.lower()
    match record:
        case Statistic():
            body = _statistic(record)
        case Figure():
            body = _figure(record, svg, picture)
        case Table():
            body = _table(record)
        case Passages():
            body = _passages(record)
        case Claim():
            body = _claim(record)
        case Absent():
            body = f'<em class="ms-note">does not apply: {escape(record.because)}</em>'
    key = f'<code class="ms-key">{escape(f"{analysis}.{name}")}</code>'
    return f'<div class="ms-record ms-{kind}" id="record-{escape(name)}">{body} {key}</div>'


def _statistic(record: Statistic) -> str:
    value = record.text.full if record.value is not None else f"missing: {record.because}"
    test = f' <span class="ms-note">{escape(record.test)}</span>' if record.test else ""
    return (
        f'<span class="ms-label">{escape(record.label)}:</span> '
        f'<strong class="ms-value">{escape(value)}</strong>{test}'
    )


def _figure(record: Figure, svg: str | None, picture: str | None) -> str:
    if picture is None:
        picture = "data:image/svg+xml;base64," + base64.b64encode((svg or "").encode()).decode()
    return (
        f'<img src="{escape(picture)}" alt="{escape(record.alt)}" style="max-width:100%">'
        f'<p class="ms-caption">{escape(record.caption)}</p>'
    )


def _table(record: Table) -> str:
    head = "".join(f'<th scope="col">{escape(column.label)}</th>' for column in record.columns)
    lines = [
        [format_value(cell, column.format) for cell, column in zip(row, record.columns, strict=True)]
        for row in record.rows[:_ROWS]
    ]
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    more = len(record.rows) - len(lines)
    rest = f'<p class="ms-note">and {more:,} more rows</p>' if more > 0 else ""
    return (
        f"<table><caption>{escape(record.caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"
    )


def _passages(record: Passages) -> str:
    def shaded(token: str, value: float) -> str:
        share = min(1.0, abs(value) / record.largest) if record.largest > 0 else 0.0
        colour = f"background:rgba({_BELOW if value < 0 else _ABOVE},{_FULL * share:.2f})"
        said = format_value(value, ".3g")
        return f'<span style="{colour}" aria-description="{said}" title="{said}">{escape(token)}</span>'

    texts = []
    for passage in record.passages[:_TEXTS]:
        title = f"<em>{escape(passage.title)}</em> " if passage.title else ""
        tokens = zip(passage.tokens, passage.values, strict=True)
        texts.append(
            '<p style="white-space:pre-wrap">'
            + title
            + "".join(shaded(token, value) for token, value in tokens)
            + "</p>"
        )
    more = len(record.passages) - len(texts)
    rest = f'<p class="ms-note">and {more:,} more</p>' if more > 0 else ""
    return f'{"".join(texts)}{rest}<p class="ms-caption">{escape(record.caption)}</p>'


def _claim(record: Claim) -> str:
    evidence = ", ".join(
        f"{name} = {format_value(value, '.4g' if isinstance(value, float) else '')}"
        for name, value in record.evidence.items()
    )
    return (
        f'<strong class="ms-{record.outcome}">{MARKS[record.outcome]} {record.outcome}</strong> '
        f"{escape(record.sentence)} "
        f"{f'<em>exploratory: {escape(record.exploratory)}</em> ' if record.exploratory else ''}"
        f'<span class="ms-note">criterion: <code>{escape(record.criterion)}</code>; {escape(evidence)}</span>'
    )

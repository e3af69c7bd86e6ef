"""A look as one HTML page that asks nothing of any network: styles and pictures are inside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from mechscope.charts import lens_grid, value_by_layer, waterfall
from mechscope.ledger.drawing import draw
from mechscope.ledger.formatting import MINUS, format_value
from mechscope.look.measure import Look, differing_heads, largest_parts, shared_parts, summary
from mechscope.look.readable_tokens import dotted, quoted, shortened

_STYLE = """
:root{color-scheme:light dark;--ink:#1c1f23;--paper:#fdfdfc;--faint:#636b74;--good:#1d5b9e;--line:#7b828a40;
--shade:#7b828a22}
@media(prefers-color-scheme:dark){:root{--ink:#e4e6e8;--paper:#15181b;--faint:#9aa1a9;--good:#75a9d6}
figure svg{filter:invert(.9) hue-rotate(180deg)}}
body{font:16px/1.5 Helvetica,Arial,sans-serif;color:var(--ink);background:var(--paper);max-width:46rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.1rem;margin-top:2.2rem}
.note,figcaption{color:var(--faint);font-size:.85rem}figure{margin:1rem 0;overflow-x:auto}
figure svg{max-width:100%;height:auto}.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.15rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:normal;color:var(--faint)}td.text,th.text{text-align:left}
tr.settles td{color:var(--good);font-weight:bold}code{font-size:.95em}
.pair{display:flex;flex-wrap:wrap;gap:0 2.5rem}.pair>div{flex:1 1 24rem;min-width:0}
body:has(.pair){max-width:94rem}.prompt{white-space:pre-wrap}
td code{background:var(--shade);padding:0 .25em;margin-left:.35em;border-radius:.2em}
"""

_COLUMNS = 24
"""Positions that the grid has room for; those of a longer prompt would be too narrow for a word."""


def as_page(look: Look) -> str:
    """The whole page; whatever came from a model or a user is escaped."""
    prompt, followed = quoted(shortened(look.prompt)), quoted(look.answer_tokens[0])
    comes = look.answer_tokens[0] == look.says
    title = f"How {prompt} comes to {followed}" if comes else f"{followed} after {prompt}"
    body = [
        f"<h1>{escape(title)}</h1>",
        *_whole_prompt(look),
        *(f"<p>{escape(sentence)}</p>" for sentence in summary(look, MINUS)),
        f"<h2>{_GRID_TITLE}</h2>",
        _grid(look),
        f"<h2>The last token, following {escape(followed)}</h2>",
        _curve({"probability": look}),
        _lens_table(look),
        f"<h2>{_SUM_TITLE}</h2>",
        _sum(look),
        "<h2>Heads that add most</h2>",
        _table(["head", "adds"], [(name, format_value(value, "+.3f")) for name, value in look.heads[:15]]),
        *_neurons(look),
    ]
    return _whole(title, body, look.model)


def page_of_two(first: Look, second: Look) -> str:
    """A page with two prompts side by side, A and B."""
    both = {"A": first, "B": second}
    title = " and ".join(quoted(shortened(look.prompt, 40)) for look in both.values())
    said = {
        letter: "".join(
            [
                f"<p><b>{letter}</b> {escape(quoted(shortened(look.prompt)))}</p>",
                *_whole_prompt(look),
                *(f"<p>{escape(sentence)}</p>" for sentence in summary(look, MINUS)),
            ]
        )
        for letter, look in both.items()
    }
    followed = {letter: quoted(look.answer_tokens[0]) for letter, look in both.items()}
    parts = shared_parts([first, second], 24)
    sums = [*((name, values[0], values[1]) for name, values in parts), ("logit", first.logit, second.logit)]
    body = [
        f"<h1>{escape(title)}</h1>",
        _pair(said),
        f"<h2>{_GRID_TITLE}</h2>",
        _pair({letter: _grid(look) for letter, look in both.items()}),
        f"<h2>The last token, following {escape(followed['A'])} in A and {escape(followed['B'])} in B</h2>",
        _curve({f"{letter}: {followed[letter]}": look for letter, look in both.items()}),
        _pair({letter: _lens_table(look) for letter, look in both.items()}),
        f"<h2>{_SUM_TITLE}</h2>",
        _pair({letter: _sum(look) for letter, look in both.items()}),
        _compared("part", sums),
        "<h2>Heads that differ most</h2>",
        _compared("head", differing_heads(first, second, 15)),
        _pair({letter: "".join(_neurons(look)) for letter, look in both.items()}),
    ]
    return _whole(title, body, first.model)


_GRID_TITLE = "What it would say after each block"
_SUM_TITLE = "What adds up to its logit"


def _whole(title: str, body: Sequence[str], model: str) -> str:
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><link rel="icon" href="data:,">'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    inside = "\n".join(
        [
            *body,
            '<p class="note">Direct parts only: a head or MLP that works through later ones is not seen '
            f"here. Model: {escape(model)}.</p>",
        ]
    )
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}{view}<style>{_STYLE}</style></head>\n'
        f"<body>\n{inside}\n</body></html>\n"
    )


def _whole_prompt(look: Look) -> list[str]:
    """The prompt in full where a title has room only for its ends."""
    if shortened(look.prompt) == look.prompt:
        return []
    return [
        f'<details><summary>The whole prompt</summary><p class="prompt">{escape(look.prompt)}</p></details>'
    ]


def _pair(sides: Mapping[str, str]) -> str:
    """Two things beside each other where there is room, else one below the other."""
    return f'<div class="pair">{"".join(f"<div>{side}</div>" for side in sides.values())}</div>'


def _grid(look: Look) -> str:
    cells = pd.DataFrame([vars(cell) for cell in look.cells])
    cells[["read", "says"]] = cells[["read", "says"]].map(dotted)
    positions = sorted(cells["position"].unique())
    part = f", here of the last {_COLUMNS} of {len(positions):,}" if len(positions) > _COLUMNS else ""
    return _figure(
        lens_grid(cells[cells["position"].isin(positions[-_COLUMNS:])]),
        f"Each cell holds the most probable next token at a position{part} after a block (logit lens).",
        "A grid of the most probable next tokens, positions by layers.",
    )


def _curve(looks: Mapping[str, Look]) -> str:
    rows = (
        {"layer": row.layer, "value": row.probability, "label": label}
        for label, look in looks.items()
        for row in look.lens
    )
    return _figure(
        value_by_layer(pd.DataFrame(rows), y_title="probability"),
        "Its probability after each block, read through the final norm and the unembedding.",
        "A curve of the followed token's probability over the layers.",
    )


def _sum(look: Look) -> str:
    parts = largest_parts(look, 24)
    cap = ", before the soft cap" if look.capped else ""
    return _figure(
        waterfall(
            [name for name, _ in parts],
            [value for _, value in parts],
            total="logit",
            x_title=f"logit above the vocabulary's mean{cap}",
        ),
        f"The parts sum to the model's logit within {_power(look.rounding)}; small ones are together.",
        "A waterfall of the largest parts of the logit.",
    )


def _neurons(look: Look) -> list[str]:
    rows = [
        (
            f"L{neuron.layer}N{neuron.neuron}",
            format_value(neuron.contribution, "+.3f"),
            format_value(neuron.activation, "+.2f"),
        )
        for neuron in look.neurons
    ]
    heading = "<h2>Neurons that add most</h2>"
    return [heading, _table(["neuron", "adds", "activation"], rows)] if rows else []


def _compared(what: str, rows: Sequence[tuple[str, float, float]]) -> str:
    cells = [
        (name, *(format_value(value, "+.3f") for value in (first, second, second - first)))
        for name, first, second in rows
    ]
    return _table([what, "A", "B", f"B {MINUS} A"], cells)


def _power(value: float) -> str:
    """A size as a power of ten above it: "10⁻⁶"."""
    power = math.ceil(math.log10(abs(value))) if value else -9
    return f"10{str(power).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _figure(chart: Any, caption: str, alt: str) -> str:
    svg = draw(chart.to_dict())
    picture = f'<div role="img" aria-label="{escape(alt)}">{svg}</div>'
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _lens_table(look: Look) -> str:
    lines = []
    for row in look.lens:
        mark = ' class="settles"' if row.layer == look.convergence else ""
        tops = " ".join(f"<code>{escape(dotted(token))}</code> {p:.2f}" for token, p in row.top)
        name = "embedding" if row.layer < 0 else str(row.layer)
        lines.append(
            f"<tr{mark}><td>{name}</td><td>{row.rank:,}</td><td>{row.probability:.4f}</td>"
            f'<td>{row.entropy:.2f}</td><td>{row.kl:.2f}</td><td class="text">{tops}</td></tr>'
        )
    header = (
        "<tr><th>after block</th><th>rank</th><th>probability</th><th>entropy</th><th>KL to the end</th>"
        '<th class="text">most probable tokens</th></tr>'
    )
    return f'<div class="wide"><table><thead>{header}</thead><tbody>{"".join(lines)}</tbody></table></div>'


def _table(headings: list[str], rows: Sequence[tuple[str, ...]]) -> str:
    header = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    lines = ("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{header}</tr></thead><tbody>{''.join(lines)}</tbody></table>"

"""A look as one HTML page that asks nothing of any network: styles and pictures are inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import pandas as pd

from mechscope.charts_lens import lens_grid, value_by_layer, waterfall
from mechscope.ledger.formatting import MINUS, format_value
from mechscope.look.findings import Look, largest_parts, summary

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
td code{background:var(--shade);padding:0 .25em;margin-left:.35em;border-radius:.2em}
"""

_SIGNS = {"\n": "↵", "\r": "␍", "\t": "⇥", "\xa0": "⍽"}
"""White space that would not be seen, as signs; a space itself is one (␣) where there is nothing else."""

_COLUMNS = 24
"""Positions that the grid has room for; those of a longer prompt would be too narrow for a word."""


def as_page(look: Look) -> str:
    """The whole page; whatever came from a model or a user is escaped."""
    followed = quoted(look.answer_tokens[0])
    comes = look.answer_tokens[0] == look.says
    title = (
        f"How {quoted(look.prompt)} comes to {followed}"
        if comes
        else f"{followed} after {quoted(look.prompt)}"
    )
    cap = ", before the soft cap" if look.capped else ""
    cells = pd.DataFrame([vars(cell) for cell in look.cells])
    cells[["read", "says"]] = cells[["read", "says"]].map(in_cell)
    positions = sorted(cells["position"].unique())
    part = f", here of the last {_COLUMNS} of {len(positions):,}" if len(positions) > _COLUMNS else ""
    cells = cells[cells["position"].isin(positions[-_COLUMNS:])]
    shown = largest_parts(look, 24)
    ranks = pd.DataFrame(
        {"layer": row.layer, "value": row.probability, "label": "probability"} for row in look.lens
    )
    body = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(sentence)}</p>" for sentence in summary(look, quoted, MINUS)),
        "<h2>What it would say after each block</h2>",
        _figure(
            lens_grid(cells),
            f"Each cell holds the most probable next token at a position{part} after a block (logit lens).",
            "A grid of the most probable next tokens, positions by layers.",
        ),
        f"<h2>The last token, following {escape(followed)}</h2>",
        _figure(
            value_by_layer(ranks, y_title="probability"),
            "Its probability after each block, read through the final norm and the unembedding.",
            "A curve of the followed token's probability over the layers.",
        ),
        _lens_table(look),
        "<h2>What adds up to its logit</h2>",
        _figure(
            waterfall(
                [name for name, _ in shown],
                [value for _, value in shown],
                total="logit",
                x_title=f"logit above the vocabulary's mean{cap}",
            ),
            f"The parts sum to the model's logit within {_power(look.rounding)}; small ones are together.",
            "A waterfall of the largest parts of the logit.",
        ),
        "<h2>Heads that add most</h2>",
        _table(["head", "adds"], [(name, format_value(value, "+.3f")) for name, value in look.heads[:15]]),
    ]
    if look.neurons:
        rows = [
            (
                f"L{one.layer}N{one.neuron}",
                format_value(one.contribution, "+.3f"),
                format_value(one.activation, "+.2f"),
            )
            for one in look.neurons
        ]
        body += ["<h2>Neurons that add most</h2>", _table(["neuron", "adds", "activation"], rows)]
    body.append(
        '<p class="note">Direct parts only: a head or MLP that works through later ones is not seen here. '
        f"Model: {escape(look.model)}.</p>"
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><link rel="icon" href="data:,">'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    inside = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}{view}<style>{_STYLE}</style></head>\n'
        f"<body>\n{inside}\n</body></html>\n"
    )


def quoted(text: str) -> str:
    """A text in quotation marks with its spaces, and signs for what would not be seen."""
    return f"“{_visible(text)}”"


def in_cell(token: str) -> str:
    """A token where room is short: without the spaces around it."""
    return _visible(token.strip(" ") or token)


def _visible(text: str) -> str:
    seen = "".join(
        _SIGNS.get(letter) or (letter if letter.isprintable() else f"⟨U+{ord(letter):04X}⟩")
        for letter in text
    )
    return seen if seen.strip() else "␣" * len(seen)


def _power(value: float) -> str:
    """A size as a power of ten above it: "10⁻⁶"."""
    power = math.ceil(math.log10(abs(value))) if value else -9
    return f"10{str(power).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _figure(chart: Any, caption: str, alt: str) -> str:
    import vl_convert

    from mechscope.ledger.recording import vega_lite_version

    spec = chart.to_dict()
    svg = vl_convert.vegalite_to_svg(spec, vl_version=vega_lite_version(spec))
    picture = f'<div role="img" aria-label="{escape(alt)}">{svg}</div>'
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _lens_table(look: Look) -> str:
    lines = []
    for row in look.lens:
        mark = ' class="settles"' if row.layer == look.convergence else ""
        tops = " ".join(f"<code>{escape(in_cell(token))}</code> {p:.2f}" for token, p in row.top)
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

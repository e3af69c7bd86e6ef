"""The attention viewer: point at a token, and see what each of a few heads attends to from there.

One row a head, the text's tokens in it. The chart is one Vega-Lite specification: with JavaScript, pointing
at (or tapping) a token makes it the query of all rows; drawn without, it shows the default query.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float

from mechscope.characters import shown_token
from mechscope.charts.theme import NEUTRAL, PALETTE, WIDTH, themed
from mechscope.errors import InvalidInput

QUERY = "query"
"""Name of the chart's parameter: the token that is pointed at."""

_SHADES = ("#e9eef3", "#75a9d6", "#1d5b9e")
_MOST_CELLS = 6_000  # pairs of tokens, over heads: about 150 kB
_SMALLEST = 0.005  # attention below this is written to the chart as 0
_WORTH_A_NUMBER = 0.1

# Sizes in pixels. Tokens stand in a font of one width, so that their places can be worked out here.
_FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_FONT_SIZE = 12
_CHARACTER, _MARGIN, _GAP, _NARROWEST = 7.3, 4, 2, 24
_CELL, _TITLE, _APART = 34, 19, 13


def attention_viewer(
    patterns: Float[np.ndarray, "head query key"],
    titles: Sequence[str],
    tokens: Sequence[str],
    *,
    query: int | None = None,
    width: int = WIDTH,
) -> Any:
    """What heads attend to from a token that the reader chooses.

    Args:
        patterns: One pattern a head; weights on later tokens are not shown.
        titles: What stands above each head's row.
        tokens: The text's tokens, in order.
        query: The token that is chosen at first, and in a static picture; by default the last one.
        width: Of the whole chart, in pixels; longer texts go on in a further line.

    Raises:
        InvalidInput: Shapes that do not fit, two equal titles, a query that is no token, or more pairs of
            tokens than a page should carry.
    """
    n = len(tokens)
    if not n or not len(titles) or patterns.shape != (len(titles), n, n):
        raise InvalidInput(
            f"patterns of shape {patterns.shape} do not fit {len(titles)} titles and {n} tokens."
        )
    if len(set(titles)) != len(titles):
        raise InvalidInput("two rows of the viewer have the same title.")
    if patterns.size > _MOST_CELLS:
        raise InvalidInput(
            f"{len(titles)} heads on {n} tokens are too many for a viewer.",
            hint="fewer heads or a shorter text",
        )
    at_first = n - 1 if query is None else query
    if not 0 <= at_first < n:
        raise InvalidInput(f"there is no token {query}.", hint=f"tokens go from 0 to {n - 1}")

    cells, n_lines = _places(tokens, width)
    # Each head's row in pixels from the top: its title, then the lines of tokens.
    pitch = _TITLE + n_lines * _CELL + _APART
    rows = [{"head": title, "top": number * pitch} for number, title in enumerate(titles)]
    height = len(titles) * pitch - _APART
    # Every token in each row: what is pointed at, so its position goes by the name of what is chosen.
    strip = cells.merge(pd.DataFrame(rows), how="cross").rename(columns={"key": "query"})
    strip["y"] = strip["top"] + _TITLE + strip["line"] * _CELL
    earlier, later = np.tril_indices(n)[::-1]
    weights = np.where(patterns < _SMALLEST, 0.0, patterns)[:, later, earlier]
    attention = pd.DataFrame(
        {
            "head": np.repeat(list(titles), len(later)),
            "query": np.tile(later, len(titles)),
            "key": np.tile(earlier, len(titles)),
            "attention": weights.ravel().astype(float).round(3),
        }
    )
    return themed(
        _layers(strip, attention, cells, rows, at_first).properties(width=width - 10, height=height)
    )


def _layers(
    strip: pd.DataFrame,
    attention: pd.DataFrame,
    cells: pd.DataFrame,
    rows: list[dict[str, Any]],
    at_first: int,
) -> alt.LayerChart:
    # Pixels as they are: no scale comes between, and nothing is aligned with an axis.
    def across(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=None, axis=None)

    def down(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=None, axis=None)

    chosen = alt.selection_point(
        name=QUERY, fields=["query"], on="pointerover", clear=False, empty=False, value=[{"query": at_first}]
    )
    titles = (
        alt.Chart(pd.DataFrame(rows))
        .mark_text(align="left", baseline="top", fontSize=12, aria=False)
        .encode(x=alt.value(_GAP), y=down("top"), text="head:N")
    )
    everything = alt.Chart(strip)
    word = {"font": _FONT, "fontSize": _FONT_SIZE, "dy": round(_CELL * 0.36), "baseline": "middle"}
    to_come = (  # what comes behind the query it cannot attend to
        everything.transform_filter(f"datum.query > {QUERY}.query[0]")
        .mark_text(aria=False, **word)
        .encode(x=across("middle"), y=down("y"), text="token:N")
    )
    here = cells.drop(columns="line").assign(y=_TITLE + cells["line"] * _CELL)
    read = (
        alt.Chart(attention)
        .transform_filter(chosen)
        .transform_lookup("key", alt.LookupData(here, "key", ["token", "x", "x2", "middle", "y"]))
        .transform_lookup("head", alt.LookupData(pd.DataFrame(rows), "head", ["top"]))
        .transform_calculate(
            y="datum.y + datum.top",
            y2=f"datum.y + {_CELL - _GAP}",
            said="datum.token + ': ' + format(datum.attention, '.2f')",
        )
    )
    ink = alt.condition("datum.attention > 0.7", alt.value("#ffffff"), alt.value("#1c1c1c"))
    shades = read.mark_rect(cornerRadius=3, aria=False).encode(
        x=across("x"),
        x2="x2:Q",
        y=down("y"),
        y2="y2:Q",
        color=alt.Color(
            "attention:Q",
            scale=alt.Scale(domain=[0, 0.5, 1], range=list(_SHADES), interpolate="rgb"),
            legend=alt.Legend(title="attention", gradientLength=150, gradientThickness=10, tickCount=3),
        ),
    )
    words = read.mark_text(**word).encode(
        x=across("middle"), y=down("y"), text="token:N", color=ink, description="said:N"
    )
    numbers = (
        read.transform_filter(f"datum.attention >= {_WORTH_A_NUMBER}")
        .mark_text(fontSize=9, dy=round(_CELL * 0.74), baseline="middle", aria=False)
        .encode(x=across("middle"), y=down("y"), text=alt.Text("attention:Q", format=".2f"), color=ink)
    )
    mark = (
        everything.transform_filter(chosen)
        .transform_calculate(y2=f"datum.y + {_CELL - _GAP}")
        .mark_rect(filled=False, stroke=PALETTE[1], strokeWidth=2, cornerRadius=3, aria=False)
        .encode(x=across("x"), x2="x2:Q", y=down("y"), y2="y2:Q")
    )
    # On top of all, and invisible: what the pointer meets. No gaps, so that it never falls between tokens.
    touched = (
        everything.transform_calculate(y2=f"datum.y + {_CELL}")
        .mark_rect(opacity=0, color=NEUTRAL, cursor="pointer", aria=False)
        .encode(x=across("x"), x2="x2:Q", y=down("y"), y2="y2:Q")
        .properties(name="tokens")  # Altair would number it by how many charts were made before
        .add_params(chosen)
    )
    return alt.layer(titles, to_come, shades, words, numbers, mark, touched)


def _places(tokens: Sequence[str], width: int) -> tuple[pd.DataFrame, int]:
    """Where each token stands, in pixels and lines, and how many lines there are."""
    found = []
    x, line = 0.0, 0
    for at, token in enumerate(tokens):
        text = shown_token(token)
        wide = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
        end = x + max(wide * _CHARACTER + 2 * _MARGIN, _NARROWEST) + _GAP
        if end > width - 10 and x:
            end, x, line = end - x, 0.0, line + 1
        found.append(
            {
                "key": at,
                "token": text,
                "line": line,
                "x": round(x, 1),
                "x2": round(end - _GAP, 1),
                "middle": round((x + end - _GAP) / 2, 1),
            }
        )
        x = end
    return pd.DataFrame(found), line + 1

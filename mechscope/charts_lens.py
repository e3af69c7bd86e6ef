"""Charts of one prompt under the microscope: the lens' grid, the waterfall of parts, the logit by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from mechscope.characters import visible
from mechscope.charts import NEUTRAL, PALETTE, WIDTH, themed
from mechscope.errors import InvalidInput

_MORE = (("rank", "rank of the final token", ",d"), ("entropy", "entropy (nats)", ".2f"))


def lens_grid(frame: pd.DataFrame, *, width: int = WIDTH) -> Any:
    """What the logit lens says at every position (left to right) after every block (bottom to top).

    Args:
        frame: One row a cell: `layer` (−1 for the embedding), `position`, `read` (the token read there),
            `says` (the most probable next token) and `probability`; `rank` (of the token that the last
            block says) and `entropy` (nats) are shown on hovering if they are there.

    Raises:
        InvalidInput: A column is missing.
    """
    _require(frame, ["layer", "position", "read", "says", "probability"])
    cells = frame.copy()
    cells["says"] = [shown_token(token) for token in cells["says"]]
    cells["read"] = cells["read"].map(visible)
    cells["probability"] = cells["probability"].astype(float).round(6)
    n_positions, n_layers = cells["position"].nunique(), cells["layer"].nunique()
    height = 15 * n_layers
    layers = sorted(cells["layer"].unique().tolist(), reverse=True)
    heads = dict(zip(cells["position"], cells["read"], strict=True))
    cells["column"] = [f"{at} {shown_token(heads[at])}" for at in cells["position"]]
    base = alt.Chart(cells).encode(
        x=alt.X(
            "column:N",
            sort=[f"{at} {shown_token(heads[at])}" for at in sorted(heads)],
            title="token read",
            axis=alt.Axis(labelAngle=0, orient="top", ticks=False, domain=False),
        ),
        y=alt.Y(
            "layer:O",
            sort=layers,
            title="after block (−1: embedding)",
            axis=alt.Axis(ticks=False, domain=False),
        ),
    )
    rectangles = base.mark_rect().encode(
        color=alt.Color(
            "probability:Q",
            scale=alt.Scale(domain=[0, 1], range=["#e9eef3", "#75a9d6", "#1d5b9e"], interpolate="rgb"),
            legend=alt.Legend(
                title="probability of the most probable token", titleLimit=width, gradientLength=180
            ),
        ),
        tooltip=[
            alt.Tooltip("read:N", title="after"),
            alt.Tooltip("layer:O"),
            alt.Tooltip("says:N"),
            alt.Tooltip("probability:Q", format=".3f"),
            *(
                alt.Tooltip(f"{name}:Q", title=title, format=spec)
                for name, title, spec in _MORE
                if name in cells
            ),
        ],
    )
    texts = base.mark_text(fontSize=9, limit=(width - 80) / n_positions - 4).encode(
        text="says:N",
        color=alt.condition("datum.probability > 0.5", alt.value("#ffffff"), alt.value("#1c1c1c")),
    )
    return themed(alt.layer(rectangles, texts).properties(width=width - 80, height=height))


def waterfall(
    names: Sequence[str], values: Sequence[float], *, total: str, x_title: str, width: int = WIDTH
) -> Any:
    """Parts one after the other from 0 to their sum, and the sum itself as the last bar.

    Args:
        names: What each part is called, in the order of the pass.
        values: What each part adds.
        total: What the sum is called.

    Raises:
        InvalidInput: Names that do not fit the values, or names that occur twice.
    """
    if len(names) != len(values) or len(set(names)) != len(names) or total in names:
        raise InvalidInput("a waterfall needs a name of its own for each of its values.")
    steps = np.asarray(values, dtype=float)
    ends = steps.cumsum()
    frame = pd.DataFrame(
        {
            "part": [*names, total],
            "from": [*(ends - steps), 0.0],
            "to": [*ends, ends[-1]],
            "adds": [*steps, ends[-1]],
            "kind": [*("adds" if step >= 0 else "takes away" for step in steps), "sum"],
        }
    )
    for column in ("from", "to", "adds"):
        frame[column] = frame[column].round(6)
    base = alt.Chart(frame).encode(
        y=alt.Y("part:N", sort=[*names, total], title=None, axis=alt.Axis(ticks=False, domain=False))
    )
    bars = base.mark_bar(height={"band": 0.75}).encode(
        x=alt.X("from:Q", title=x_title),
        x2="to:Q",
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=["adds", "takes away", "sum"], range=[PALETTE[0], PALETTE[1], NEUTRAL]),
            legend=alt.Legend(title=None),
        ),
        tooltip=["part:N", alt.Tooltip("adds:Q", format="+.3f"), alt.Tooltip("to:Q", format=".3f")],
    )
    return themed(alt.layer(bars).properties(width=width - 140, height=16 * len(frame)))


def value_by_layer(
    frame: pd.DataFrame,
    *,
    y_title: str,
    x_title: str = "after block (−1: embedding)",
    width: int = WIDTH,
    height: int = 240,
) -> Any:
    """A value at each layer for a few series, with bands where the columns `low` and `high` are there.

    Raises:
        InvalidInput: A column is missing (`layer`, `value`, `label`).
    """
    _require(frame, ["layer", "value", "label"])
    names = list(dict.fromkeys(frame["label"]))
    rounded = frame.copy()
    for column in {"value", "low", "high"} & set(frame.columns):
        rounded[column] = rounded[column].astype(float).round(6)
    colour = alt.Color(
        "label:N",
        scale=alt.Scale(domain=names, range=list(PALETTE)),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
    )
    base = alt.Chart(rounded).encode(
        x=alt.X(
            "layer:Q",
            title=x_title,
            axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
            scale=alt.Scale(nice=False, padding=8),
        )
    )
    y = alt.Y("value:Q", title=y_title)
    layers: list[Any] = []
    if {"low", "high"} <= set(frame.columns):
        layers.append(
            base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour)
        )
    layers.append(base.mark_line(strokeWidth=2).encode(y=y, color=colour))
    layers.append(
        base.mark_point(size=30, filled=True, opacity=1).encode(
            y=y, color=colour, tooltip=["label:N", "layer:Q", alt.Tooltip("value:Q", format=".3f")]
        )
    )
    return themed(alt.layer(*layers).properties(width=width - 60, height=height))


def shown_token(token: str) -> str:
    """A token without the spaces around it; white space itself as it would be written in code.

    Characters that no chart can draw are there by number: a form feed is "<U+000C>".
    """
    seen = visible(token)
    return seen.strip() or repr(seen)[1:-1].replace(" ", "␣")


def _require(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise InvalidInput(f"the chart's data lack {', '.join(missing)}.")

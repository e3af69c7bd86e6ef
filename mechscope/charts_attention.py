"""Charts of attention patterns and of training runs, in the look of `mechscope.charts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float

from mechscope.charts import DIVERGING, NEUTRAL, PALETTE, WIDTH, themed
from mechscope.errors import InvalidInput

_MOST_TOKENS = 24


def pattern_grid(
    patterns: Float[np.ndarray, "head query key"],
    titles: Sequence[str],
    tokens: Sequence[str],
    *,
    columns: int = 3,
    width: int = WIDTH,
) -> Any:
    """Attention patterns of a few heads on one text: each row is a token, and shades where it attends.

    Args:
        patterns: One pattern a head.
        titles: What stands above each.
        tokens: The text's tokens.
        columns: Patterns side by side.
        width: Of the whole chart, in pixels.

    Raises:
        InvalidInput: Shapes that do not fit, or more than 24 tokens (every cell is a rectangle of an SVG).
    """
    n = len(tokens)
    if patterns.shape != (len(titles), n, n):
        raise InvalidInput(
            f"patterns of shape {patterns.shape} do not fit {len(titles)} titles and {n} tokens."
        )
    if n > _MOST_TOKENS:
        raise InvalidInput(f"a grid of {n} tokens is too fine to read.", hint="take a shorter sentence")
    # Tokens come more than once, so the axis is over numbered tokens and shows what stands behind the number.
    names = [f"{at}|{token}" for at, token in enumerate(tokens)]
    shown = "slice(datum.label, indexof(datum.label, '|') + 1)"
    side = (width - 20) / columns - 70
    query, key = np.tril_indices(n)
    panels = []
    for at, title in enumerate(titles):
        frame = pd.DataFrame(
            {
                "query": [names[q] for q in query],
                "key": [names[k] for k in key],
                "attention": patterns[at][query, key].astype(float).round(4),
            }
        )
        base = alt.Chart(frame).encode(
            x=alt.X(
                "key:N",
                sort=names,
                title=None,
                scale=alt.Scale(domain=names),
                axis=alt.Axis(labelExpr=shown, labelAngle=-60, ticks=False, domain=False, labelFontSize=9),
            ),
            y=alt.Y(
                "query:N",
                sort=names,
                title=None,
                scale=alt.Scale(domain=names),
                axis=alt.Axis(labelExpr=shown, ticks=False, domain=False, labelFontSize=9),
            ),
            color=alt.Color(
                "attention:Q",
                scale=alt.Scale(domain=[0, 0.5, 1], range=list(DIVERGING[2:]), interpolate="rgb"),
                legend=alt.Legend(title="attention", gradientLength=150, gradientThickness=10, tickCount=3),
            ),
            tooltip=["query:N", "key:N", alt.Tooltip("attention:Q", format=".2f")],
        )
        panels.append(base.mark_rect().properties(width=side, height=side, title=title))
    rows = [
        alt.hconcat(*panels[start : start + columns], spacing=12) for start in range(0, len(panels), columns)
    ]
    return themed(alt.vconcat(*rows, spacing=16))


def training_curves(
    frame: pd.DataFrame,
    *,
    panels: dict[str, str],
    series: str = "model",
    replicate: str = "seed",
    window: tuple[int, int] | None = None,
    width: int = WIDTH,
    height: int = 170,
) -> Any:
    """Curves over training steps: one panel a quantity, one line a replicate, a band at the phase change.

    Args:
        frame: One row a checkpoint, with the columns `step`, the series, the replicate and those of `panels`.
        panels: Column by column, the titles of the vertical axes.
        series: The column that colours the lines.
        replicate: The column that tells lines of one series apart.
        window: First and last step of a band that marks the phase change.

    Raises:
        InvalidInput: A column is missing.
    """
    missing = [name for name in ("step", series, replicate, *panels) if name not in frame.columns]
    if missing:
        raise InvalidInput(f"the chart's data lack {', '.join(missing)}.")
    names = list(dict.fromkeys(frame[series]))
    colour = alt.Color(
        f"{series}:N",
        scale=alt.Scale(domain=names, range=list(PALETTE)),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
    )
    x_scale = alt.Scale(domain=[0, int(frame["step"].max())], nice=False)
    stacked = []
    for at, (column, title) in enumerate(panels.items()):
        last = at == len(panels) - 1
        x = alt.X(
            "step:Q",
            title="training step" if last else None,
            scale=x_scale,
            axis=alt.Axis(grid=False, labels=last, tickCount=8),
        )
        rounded = frame[["step", series, replicate, column]].assign(
            **{column: frame[column].astype(float).round(5)}
        )
        lines = (
            alt.Chart(rounded)
            .mark_line(strokeWidth=1.8, opacity=0.85)
            .encode(
                x=x,
                y=alt.Y(f"{column}:Q", title=title, axis=alt.Axis(tickCount=5)),
                color=colour,
                detail=f"{replicate}:N",
                tooltip=[f"{series}:N", f"{replicate}:N", "step:Q", alt.Tooltip(f"{column}:Q", format=".3f")],
            )
        )
        layers: list[Any] = [lines]
        if window is not None:
            band = pd.DataFrame({"step": [window[0]], "until": [window[1]]})
            layers.insert(
                0,
                alt.Chart(band).mark_rect(color=NEUTRAL, opacity=0.18).encode(x=x, x2="until:Q"),
            )
        stacked.append(alt.layer(*layers).properties(width=width - 70, height=height))
    return themed(alt.vconcat(*stacked, spacing=10))

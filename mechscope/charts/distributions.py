"""Distributions: strips of items by group, densities and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from mechscope.charts.theme import NEUTRAL, PALETTE, WIDTH, require_columns, themed
from mechscope.errors import InvalidInput


def strip_plot(
    frame: pd.DataFrame,
    *,
    value: str,
    group: str,
    item: str,
    x_title: str,
    log: bool = False,
    width: int = WIDTH,
    row_height: int = 44,
) -> Any:
    """One tick an item on a line for each group, with the group's median.

    Args:
        frame: One row an item.
        log: Logarithmic axis (values must be positive).

    Raises:
        InvalidInput: A column is missing, or a value is not positive on a logarithmic axis.
    """
    require_columns(frame, [value, group, item])
    if log and (frame[value] <= 0).any():
        raise InvalidInput(f"column '{value}' holds values that a logarithmic axis cannot show.")
    groups = list(dict.fromkeys(frame[group]))
    scale = alt.Scale(type="log", nice=False, padding=10) if log else alt.Scale(zero=False, padding=10)
    colour = alt.Color(f"{group}:N", scale=alt.Scale(domain=groups, range=list(PALETTE)), legend=None)
    y = alt.Y(f"{group}:N", sort=groups, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=220))
    tall = row_height * 0.55
    base = alt.Chart(frame[[item, group, value]])
    ticks = base.mark_tick(thickness=2, size=tall, opacity=0.65).encode(
        x=alt.X(f"{value}:Q", title=x_title, scale=scale, axis=alt.Axis(tickCount=6, grid=False)),
        y=y,
        color=colour,
        tooltip=[f"{item}:N", f"{group}:N", alt.Tooltip(f"{value}:Q", format=".3g")],
    )
    medians = base.mark_tick(thickness=4, size=row_height * 0.8, color=NEUTRAL).encode(
        x=alt.X(f"median({value}):Q", title=x_title, scale=scale), y=y
    )
    return themed(alt.layer(ticks, medians).properties(width=width - 170, height=row_height * len(groups)))


def cosine_densities(
    frame: pd.DataFrame,
    expected: pd.DataFrame,
    *,
    reach: float,
    width: int = WIDTH,
    height: int = 250,
) -> Any:
    """Densities of cosines on a logarithmic axis, and what random directions would have (dashed).

    Args:
        frame: One row a bin and series: `cosine`, `density`, `label`; bins with nothing in them left out.
        expected: The random directions' density: `cosine`, `density`.
        reach: The horizontal axis goes from −reach to reach.

    Raises:
        InvalidInput: A column is missing, or a density that a logarithmic axis cannot show.
    """
    require_columns(frame, ["cosine", "density", "label"])
    require_columns(expected, ["cosine", "density"])
    if (frame["density"] <= 0).any():
        raise InvalidInput("a logarithmic axis cannot show a density of 0: leave empty bins out.")
    names = list(dict.fromkeys(frame["label"]))
    least = float(frame["density"].min()) / 2
    x = alt.X(
        "cosine:Q",
        title="cosine of two neurons' output directions",
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=alt.Axis(grid=False, tickCount=9),
    )
    most = max(float(frame["density"].max()), float(expected["density"].max()))
    y = alt.Y(
        "density:Q",
        title="density (logarithmic)",
        scale=alt.Scale(type="log", domain=[least, 2 * most], nice=False, clamp=True),
        axis=alt.Axis(tickCount=5, format=".0e"),
    )
    shown = expected[expected["density"] > least]
    lines = (
        alt.Chart(_rounded(frame, ["cosine", "density"]))
        .mark_line(strokeWidth=1.6, opacity=0.9)
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "label:N",
                scale=alt.Scale(domain=names, range=list(PALETTE)),
                legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
            ),
        )
    )
    random = (
        alt.Chart(_rounded(shown, ["cosine", "density"]))
        .mark_line(color=NEUTRAL, strokeDash=[4, 3], strokeWidth=2)
        .encode(x=x, y=y)
    )
    return themed(alt.layer(lines, random).properties(width=width - 70, height=height))


def activation_histograms(frame: pd.DataFrame, *, width: int = WIDTH, height: int = 110) -> Any:
    """How often a few neurons have which activation, one panel each; tokens are counted on a log scale.

    Args:
        frame: One row a bin: `label` (the panel), `from`, `to` and `tokens`.

    Raises:
        InvalidInput: A column is missing.
    """
    require_columns(frame, ["label", "from", "to", "tokens"])
    names = list(dict.fromkeys(frame["label"]))
    rounded = frame[frame["tokens"] > 0].copy()
    for column in ("from", "to"):
        rounded[column] = rounded[column].astype(float).round(4)
    # Bars stand on half a token: on a log scale nothing can stand on nought, and one token must be seen.
    rounded["foot"] = 0.5
    panels = [
        alt.Chart(rounded[rounded["label"] == name], title=name)
        .mark_bar(color=PALETTE[at % len(PALETTE)])
        .encode(
            x=alt.X("from:Q", title="activation", axis=alt.Axis(grid=False)),
            x2="to:Q",
            y=alt.Y(
                "tokens:Q",
                title="tokens",
                scale=alt.Scale(type="log", domainMin=0.5),
                axis=alt.Axis(values=[1, 10, 100, 1000], format="d"),
            ),
            y2="foot:Q",
            tooltip=[alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("to:Q", format=".2f"), "tokens:Q"],
        )
        .properties(width=width - 70, height=height)
        for at, name in enumerate(names)
    ]
    return themed(alt.vconcat(*panels, spacing=18))


def _rounded(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    out = frame.copy()
    for column in columns:
        out[column] = [float(f"{value:.5g}") for value in out[column].astype(float)]
    return out

"""Chart builders: one look, readable on light and dark pages, the same bytes for the same data.

Charts are committed as Vega-Lite and SVG and shown on pages with a light and a dark mode, so the background
is transparent, text and axes are a grey that reads on both, and the colours are told apart by people with any
kind of colour vision. Nothing here names a view or parameter (Altair numbers those by how many charts were
made before), and the look is in the specification itself rather than in a global theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mechscope.errors import InvalidInput

WIDTH = 640
"""Width of an article's column, in pixels."""

NEUTRAL = "#636b74"
"""Text and axes: contrast above 5 on white; a dark page inverts pictures."""

FAINT = "#636b7433"
"""Grid lines."""

PALETTE = ("#3987c9", "#de7a22", "#1ba37e", "#c56aa0", "#b3a125", "#7f7ad1")
"""Categories: blue, orange, green, purple-red, yellow, violet (after Okabe & Ito), mid-tone."""

DIVERGING = ("#1d5b9e", "#75a9d6", "#f1f0ec", "#eba468", "#ad4c0b")
"""Blue below, orange above a light middle; symmetric in lightness."""

_MOST_ITEMS = 60
_FONT = "Helvetica, Arial, sans-serif"
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "padding": 5,
    "view": {"stroke": None},
    "axis": {
        "labelColor": NEUTRAL,
        "titleColor": NEUTRAL,
        "domainColor": NEUTRAL,
        "tickColor": NEUTRAL,
        "gridColor": FAINT,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "legend": {
        "labelColor": NEUTRAL,
        "titleColor": NEUTRAL,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
        "symbolType": "square",
        "columnPadding": 16,
        "labelLimit": 300,
    },
    "title": {
        "color": NEUTRAL,
        "fontSize": 13,
        "fontWeight": "normal",
        "anchor": "start",
        "offset": 8,
    },
    "header": {"labelColor": NEUTRAL, "titleColor": NEUTRAL, "labelFontSize": 12},
    "text": {"color": NEUTRAL, "font": _FONT},
}


def themed(chart: alt.TopLevelMixin) -> Any:
    """The chart with mechscope's look written into it; call it once, on the finished chart."""
    return chart.configure(**_CONFIG)


def cosine_heatmap(
    similarity: Float[np.ndarray, "item item"],
    items: Sequence[str],
    groups: Sequence[str],
    *,
    order: Int[np.ndarray, " item"],
    merges: Float[np.ndarray, "merge 4"] | None = None,
    group_title: str = "",
    width: int = WIDTH,
) -> Any:
    """Cosines of all pairs, items in the order of a clustering, its tree on top, a mark for each group.

    Args:
        similarity: Cosines; the colour scale is symmetric about 0 and ends at the largest absolute value off
            the diagonal.
        items: What each item is called; written beside the rows.
        groups: Which group (category) each item belongs to.
        order: Items from top to bottom and from left to right.
        merges: SciPy's linkage matrix, to draw the tree.
        group_title: Heading of the legend of groups.
        width: Of the whole chart, in pixels.

    Raises:
        InvalidInput: Names or groups that do not fit the matrix, or more than 60 items (every cell is a
            rectangle of a committed SVG: average over groups first).
    """
    n = len(similarity)
    if similarity.shape != (n, n) or len(items) != n or len(groups) != n or sorted(order) != list(range(n)):
        raise InvalidInput(f"a heatmap of {n} items needs {n} × {n} cosines, {n} names, groups and places.")
    if n > _MOST_ITEMS:
        raise InvalidInput(f"a heatmap of {n} items is too large.", hint="average over groups first")
    # Everything shares one coordinate system in units of a cell, so tree, marks and cells cannot shift apart.
    margin = 0.26 * n
    strip = 0.03 * n
    tree = 0.18 * n if merges is not None else 0.0
    cell = width / (n + margin + 2 * strip)
    x = alt.Scale(domain=[-margin - 2 * strip, n], nice=False, zero=False)
    y = alt.Scale(domain=[n, -tree - 0.01 * n], nice=False, zero=False)

    place = np.argsort(order)
    first, second = (index.ravel() for index in np.indices((n, n)))
    cells = pd.DataFrame(
        {
            "row": np.array(items, dtype=object)[first],
            "column": np.array(items, dtype=object)[second],
            "cosine": similarity[first, second].round(6),
            "x": place[second],
            "y": place[first],
        }
    )
    off = np.abs(similarity[~np.eye(n, dtype=bool)])
    end = float(np.ceil(off.max() * 20) / 20)
    colour = alt.Scale(
        domain=[-end, -end / 2, 0, end / 2, end], range=list(DIVERGING), clamp=True, interpolate="rgb"
    )
    marks = pd.DataFrame({"item": list(items), "group": list(groups), "y": place})
    layers: list[Any] = [
        alt.Chart(cells)
        .transform_calculate(x2="datum.x + 1", y2="datum.y + 1")
        .mark_rect(stroke=None)
        .encode(
            x=alt.X("x:Q", scale=x, axis=None),
            x2="x2:Q",
            y=alt.Y("y:Q", scale=y, axis=None),
            y2="y2:Q",
            color=alt.Color(
                "cosine:Q",
                scale=colour,
                legend=alt.Legend(title="cosine", gradientLength=150, gradientThickness=10, tickCount=5),
            ),
            tooltip=["row:N", "column:N", alt.Tooltip("cosine:Q", format=".3f")],
        ),
        alt.Chart(marks)
        .transform_calculate(left=str(-1.5 * strip), right=str(-0.5 * strip), y2="datum.y + 1")
        .mark_rect()
        .encode(
            x=alt.X("left:Q", scale=x, axis=None),
            x2="right:Q",
            y=alt.Y("y:Q", scale=y, axis=None),
            y2="y2:Q",
            fill=alt.Fill(
                "group:N",
                scale=alt.Scale(domain=list(dict.fromkeys(groups)), range=list(PALETTE)),
                legend=alt.Legend(title=group_title or None, columns=2),
            ),
            tooltip=["item:N", "group:N"],
        ),
    ]
    layers.append(
        alt.Chart(marks)
        .transform_calculate(left=str(-1.9 * strip), middle="datum.y + 0.5")
        .mark_text(align="right", baseline="middle", fontSize=min(12, 0.62 * cell))
        .encode(
            x=alt.X("left:Q", scale=x, axis=None),
            y=alt.Y("middle:Q", scale=y, axis=None),
            text="item:N",
        )
    )
    if merges is not None:
        layers.append(_tree(merges, order, tree, x, y))
    chart = alt.layer(*layers).resolve_scale(color="independent", fill="independent")
    return themed(chart.properties(width=width, height=round(cell * (n + tree + 0.01 * n))))


def _tree(
    merges: Float[np.ndarray, "merge 4"],
    order: Int[np.ndarray, " item"],
    height: float,
    x: alt.Scale,
    y: alt.Scale,
) -> alt.Chart:
    """The clustering as brackets above the cells, heights in proportion to the distance of a merge."""
    n = len(order)
    centre = {int(item): at + 0.5 for at, item in enumerate(order)}
    level = dict.fromkeys(range(n), 0.0)
    tallest = float(merges[:, 2].max()) or 1.0
    points = []
    for number, (left, right, distance, _) in enumerate(merges):
        a, b = int(left), int(right)
        top = -0.95 * height * float(distance) / tallest - 0.02 * height
        corners = [(centre[a], level[a]), (centre[a], top), (centre[b], top), (centre[b], level[b])]
        for step, (across, up) in enumerate(corners):
            points.append({"merge": number, "step": step, "x": round(across, 4), "y": round(up, 4)})
        centre[n + number] = (centre[a] + centre[b]) / 2
        level[n + number] = top
    return (
        alt.Chart(pd.DataFrame(points))
        .mark_line(color=NEUTRAL, strokeWidth=1)
        .encode(
            x=alt.X("x:Q", scale=x, axis=None),
            y=alt.Y("y:Q", scale=y, axis=None),
            order="step:O",
            detail="merge:N",
        )
    )


def layer_curves(
    frame: pd.DataFrame,
    *,
    y_title: str,
    value: str = "value",
    low: str = "low",
    high: str = "high",
    threshold: str = "threshold",
    series: str = "label",
    width: int = WIDTH,
    height: int = 260,
) -> Any:
    """A value in each layer for a few series, with interval bands and what chance reaches (dashed).

    Args:
        frame: One row a layer and series, with the columns `layer`, the series' name, the value, the ends of
            its interval, and the threshold that a layer must exceed. Layers above it have a filled dot.

    Raises:
        InvalidInput: A column is missing.
    """
    _require_columns(frame, ["layer", value, low, high, threshold, series])
    names = list(dict.fromkeys(frame[series]))
    colour = alt.Color(
        f"{series}:N",
        scale=alt.Scale(domain=names, range=list(PALETTE)),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
    )
    rounded = frame.copy()
    for column in (value, low, high, threshold):
        rounded[column] = rounded[column].astype(float).round(6)
    base = alt.Chart(rounded).encode(
        x=alt.X(
            "layer:Q",
            title="after block",
            axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
            scale=alt.Scale(nice=False, padding=8),
        )
    )
    tips = [
        f"{series}:N",
        alt.Tooltip("layer:Q", format="d"),
        *(alt.Tooltip(f"{column}:Q", format=".3f") for column in (value, low, high, threshold)),
    ]
    y = alt.Y(f"{value}:Q", title=y_title, axis=alt.Axis(tickCount=6))
    dots = base.transform_calculate(above=f"datum['{value}'] > datum['{threshold}']")
    chart = alt.layer(
        alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=NEUTRAL, strokeWidth=1).encode(y="zero:Q"),
        base.mark_area(opacity=0.2).encode(y=alt.Y(f"{low}:Q", title=y_title), y2=f"{high}:Q", color=colour),
        base.mark_line(strokeDash=[4, 3], strokeWidth=1.2, opacity=0.9).encode(
            y=alt.Y(f"{threshold}:Q", title=y_title), color=colour
        ),
        base.mark_line(strokeWidth=2).encode(y=y, color=colour),
        dots.transform_filter("datum.above")
        .mark_point(size=34, filled=True, opacity=1)
        .encode(y=y, color=colour, tooltip=tips),
        dots.transform_filter("!datum.above")
        .mark_point(size=34, filled=False, opacity=1, strokeWidth=1.5)
        .encode(y=y, color=colour, tooltip=tips),
    )
    return themed(chart.properties(width=width - 60, height=height))


def head_map(
    frame: pd.DataFrame,
    *,
    value_title: str,
    value: str = "value",
    marked: str = "marked",
    series: str = "label",
    width: int = WIDTH,
) -> Any:
    """A value for each head (layer × head), one panel a series, dots on the heads that are marked.

    Args:
        frame: One row a head and series: the columns `layer`, `head`, the series' name, the value, and
            whether it is marked (true or false).

    Raises:
        InvalidInput: A column is missing.
    """
    _require_columns(frame, ["layer", "head", value, marked, series])
    rounded = frame.assign(**{value: frame[value].astype(float).round(6)})
    n_layers = int(frame["layer"].max()) + 1
    names = list(dict.fromkeys(frame[series]))
    end = float(np.ceil(frame[value].abs().max() * 20) / 20)
    scale = alt.Scale(
        domain=[-end, -end / 2, 0, end / 2, end], range=list(DIVERGING), clamp=True, interpolate="rgb"
    )
    panel_width = (width - 60) / len(names) - 20
    every = 1 if n_layers <= 20 else 2
    panels = []
    for at, name in enumerate(names):
        base = alt.Chart(rounded[rounded[series] == name].reset_index(drop=True)).encode(
            x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0, ticks=False, domain=False)),
            y=alt.Y(
                "layer:O",
                title="layer" if at == 0 else None,
                sort="descending",
                axis=alt.Axis(
                    ticks=False,
                    domain=False,
                    labels=at == 0,
                    values=list(range(0, n_layers, every)),
                ),
            ),
        )
        cells = base.mark_rect().encode(
            color=alt.Color(
                f"{value}:Q",
                scale=scale,
                legend=alt.Legend(title=value_title, gradientLength=200, gradientThickness=10, tickCount=4),
            ),
            tooltip=[
                alt.Tooltip("layer:O"),
                alt.Tooltip("head:O"),
                alt.Tooltip(f"{value}:Q", format=".3f"),
                alt.Tooltip(f"{marked}:N"),
            ],
        )
        dots = base.transform_filter(f"datum['{marked}']").mark_point(
            filled=True, size=12, color="#1c1c1c", opacity=0.9
        )
        panels.append(
            alt.layer(cells, dots).properties(width=panel_width, height=max(12 * n_layers, 160), title=name)
        )
    return themed(alt.hconcat(*panels, spacing=20))


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
    _require_columns(frame, [value, group, item])
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


def _require_columns(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise InvalidInput(
            f"the chart's data lack {', '.join(missing)}; they have {', '.join(map(str, frame.columns))}."
        )

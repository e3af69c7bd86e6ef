"""Charts of neurons, their directions and toy superposition, in the look of `mechscope.charts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float

from mechscope.charts import DIVERGING, NEUTRAL, PALETTE, WIDTH, themed
from mechscope.errors import InvalidInput

_SEQUENTIAL = ["#e9eef3", "#75a9d6", "#1d5b9e"]


def scan_by_layer(
    frame: pd.DataFrame,
    *,
    y_title: str,
    chance: float | None = None,
    width: int = WIDTH,
    height: int = 250,
) -> Any:
    """A value of each layer for a few series.

    Args:
        frame: One row a layer and series: `layer`, `value`, `label`; where there are intervals `low` and
            `high` (a band), and where there is a test `threshold`, which a layer must exceed (dashed; layers
            above it have a filled dot).
        y_title: Title of the vertical axis.
        chance: Where to draw a line for what chance gives.

    Raises:
        InvalidInput: A column is missing.
    """
    _require(frame, ["layer", "value", "label"])
    names = list(dict.fromkeys(frame["label"]))
    rounded = frame.copy()
    numbers = [name for name in ("value", "low", "high", "threshold") if name in frame.columns]
    for column in numbers:
        rounded[column] = rounded[column].astype(float).round(6)
    colour = alt.Color(
        "label:N",
        scale=alt.Scale(domain=names, range=list(PALETTE)),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1, columns=2),
    )
    base = alt.Chart(rounded).encode(
        x=alt.X(
            "layer:Q",
            title="layer",
            axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
            scale=alt.Scale(nice=False, padding=8),
        )
    )
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    layers: list[Any] = []
    if chance is not None:
        line = pd.DataFrame({"chance": [round(float(chance), 6)]})
        layers.append(alt.Chart(line).mark_rule(color=NEUTRAL, strokeWidth=1).encode(y="chance:Q"))
    if {"low", "high"} <= set(numbers):
        layers.append(
            base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour)
        )
    tips = ["label:N", "layer:Q", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in numbers)]
    layers.append(base.mark_line(strokeWidth=2).encode(y=y, color=colour))
    if "threshold" in numbers:
        layers.append(
            base.mark_line(strokeDash=[4, 3], strokeWidth=1.2, opacity=0.9).encode(
                y=alt.Y("threshold:Q", title=y_title), color=colour
            )
        )
        open_dots = base.transform_filter("datum.value <= datum.threshold")
        layers.append(
            open_dots.mark_point(size=34, filled=False, opacity=1, strokeWidth=1.5).encode(
                y=y, color=colour, tooltip=tips
            )
        )
        base = base.transform_filter("datum.value > datum.threshold")
    layers.append(base.mark_point(size=34, filled=True, opacity=1).encode(y=y, color=colour, tooltip=tips))
    return themed(alt.layer(*layers).properties(width=width - 60, height=height))


def stacked_by_layer(frame: pd.DataFrame, *, y_title: str, width: int = WIDTH, height: int = 240) -> Any:
    """Bars of each layer, cut by kind.

    Args:
        frame: One row a layer and kind: `layer`, `kind`, `value`; kinds are stacked in their order.
        y_title: Title of the vertical axis.

    Raises:
        InvalidInput: A column is missing, or there are more kinds than colours.
    """
    _require(frame, ["layer", "kind", "value"])
    kinds = list(dict.fromkeys(frame["kind"]))
    colours = [*PALETTE, NEUTRAL]
    if len(kinds) > len(colours):
        raise InvalidInput(f"{len(kinds)} kinds are more than there are colours ({len(colours)}).")
    rows = frame.assign(
        value=frame["value"].astype(float).round(6), place=[kinds.index(kind) for kind in frame["kind"]]
    )
    bars = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, ticks=False, grid=False)),
            y=alt.Y("value:Q", title=y_title, axis=alt.Axis(tickCount=5)),
            order="place:Q",
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=colours[: len(kinds)]),
                legend=alt.Legend(title=None, columns=4),
            ),
            tooltip=["layer:O", "kind:N", alt.Tooltip("value:Q", format=".3f")],
        )
    )
    return themed(bars.properties(width=width - 60, height=height))


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
    _require(frame, ["cosine", "density", "label"])
    _require(expected, ["cosine", "density"])
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


def toy_grid(
    values: Float[np.ndarray, "column feature"],
    columns: Sequence[str],
    *,
    x_title: str,
    value_title: str,
    written: Float[np.ndarray, "column feature"],
    width: int = WIDTH,
) -> Any:
    """How much of each feature a toy model holds (darker: more), one column a model.

    Args:
        written: Numbers that stand in the cells of features held at least half (a value of 0.5 or more).

    Raises:
        InvalidInput: A number of columns that does not fit the values.
    """
    if values.ndim != 2 or len(values) != len(columns) or values.shape != written.shape:
        raise InvalidInput(f"values of shape {values.shape} do not fit {len(columns)} columns.")
    column, feature = (index.ravel() for index in np.indices(values.shape))
    frame = pd.DataFrame(
        {
            "model": np.array(columns, dtype=object)[column],
            "feature": feature + 1,
            "value": values.ravel().astype(float).round(3),
            "written": written.ravel().astype(float).round(3),
        }
    )
    base = alt.Chart(frame).encode(
        x=alt.X("model:N", sort=list(columns), title=x_title, axis=alt.Axis(labelAngle=0, ticks=False)),
        y=alt.Y(
            "feature:O",
            title="feature, most important first",
            axis=alt.Axis(ticks=False, domain=False),
        ),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "value:Q",
            scale=alt.Scale(domain=[0, 0.6, 1.2], range=_SEQUENTIAL, clamp=True, interpolate="rgb"),
            legend=alt.Legend(title=value_title, gradientLength=180, gradientThickness=10, tickCount=4),
        ),
        tooltip=[
            "model:N",
            "feature:O",
            alt.Tooltip("value:Q", format=".2f"),
            alt.Tooltip("written:Q", format=".2f"),
        ],
    )
    texts = (
        base.transform_filter("datum.value >= 0.5")
        .mark_text(fontSize=10, color="#ffffff")
        .encode(text=alt.Text("written:Q", format=".2f"))
    )
    return themed(alt.layer(cells, texts).properties(width=width - 80, height=15 * values.shape[1]))


def toy_plane(
    directions: Float[np.ndarray, "panel 2 feature"], titles: Sequence[str], *, width: int = WIDTH
) -> Any:
    """Features as arrows in the plane, one panel a model, most important feature first in the legend.

    Raises:
        InvalidInput: Directions that are not in a plane, more features than colours, or titles that do not
            fit.
    """
    panels, dimensions, features = directions.shape
    if dimensions != 2 or len(titles) != panels or features > len(PALETTE):
        raise InvalidInput(
            f"directions of shape {directions.shape} do not fit {len(titles)} panels of arrows in a plane."
        )
    reach = float(np.ceil(10 * np.abs(directions).max() + 1) / 10)
    names = [str(number + 1) for number in range(features)]
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    side = (width - 12 * (panels - 1)) / panels - 4
    drawn = []
    for at, title in enumerate(titles):
        frame = pd.DataFrame(
            {
                "feature": names,
                "x": directions[at, 0].astype(float).round(3),
                "y": directions[at, 1].astype(float).round(3),
                "nought": 0.0,
            }
        )
        colour = alt.Color(
            "feature:N",
            scale=alt.Scale(domain=names, range=list(PALETTE)),
            legend=alt.Legend(title="feature", symbolType="circle"),
        )
        x, y = alt.X("x:Q", scale=scale, axis=None), alt.Y("y:Q", scale=scale, axis=None)
        base = alt.Chart(frame)
        arrows = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("nought:Q", scale=scale, axis=None),
            x2="x:Q",
            y=alt.Y("nought:Q", scale=scale, axis=None),
            y2="y:Q",
            color=colour,
        )
        tips = base.mark_point(filled=True, size=60, opacity=1).encode(
            x=x, y=y, color=colour, tooltip=["feature:N", "x:Q", "y:Q"]
        )
        drawn.append(alt.layer(arrows, tips).properties(width=side, height=side, title=title))
    return themed(alt.hconcat(*drawn, spacing=12))


def overlap_grid(
    values: Float[np.ndarray, "group group"],
    groups: Sequence[str],
    *,
    value_title: str,
    width: int = WIDTH,
) -> Any:
    """A mean for every two groups, on and below the diagonal, written into its cell.

    Raises:
        InvalidInput: Groups that do not fit the matrix.
    """
    n = len(groups)
    if values.shape != (n, n):
        raise InvalidInput(f"a grid of {n} groups needs {n} × {n} values.")
    first, second = np.tril_indices(n)
    names = np.array(groups, dtype=object)
    frame = pd.DataFrame(
        {"row": names[first], "column": names[second], "value": values[first, second].astype(float).round(4)}
    )
    end = float(frame["value"].max())
    base = alt.Chart(frame).encode(
        x=alt.X("column:N", sort=list(groups), title=None, axis=alt.Axis(labelAngle=-40, ticks=False)),
        y=alt.Y("row:N", sort=list(groups), title=None, axis=alt.Axis(ticks=False, domain=False)),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "value:Q",
            scale=alt.Scale(domain=[0, end / 2, end], range=list(DIVERGING[2:]), interpolate="rgb"),
            legend=alt.Legend(title=value_title, gradientLength=160, gradientThickness=10, tickCount=3),
        ),
        tooltip=["row:N", "column:N", alt.Tooltip("value:Q", format=".3f")],
    )
    written = base.mark_text(fontSize=11).encode(
        text=alt.Text("value:Q", format=".2f"),
        color=alt.condition(f"datum.value > {0.7 * end:.4f}", alt.value("#ffffff"), alt.value("#1c1c1c")),
    )
    return themed(alt.layer(cells, written).properties(width=width - 170, height=36 * n))


def _rounded(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    out = frame.copy()
    for column in columns:
        out[column] = [float(f"{value:.5g}") for value in out[column].astype(float)]
    return out


def activation_histograms(frame: pd.DataFrame, *, width: int = WIDTH, height: int = 110) -> Any:
    """How often a few neurons have which activation, one panel each; tokens are counted on a log scale.

    Args:
        frame: One row a bin: `label` (the panel), `from`, `to` and `tokens`.

    Raises:
        InvalidInput: A column is missing.
    """
    _require(frame, ["label", "from", "to", "tokens"])
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


def _require(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise InvalidInput(f"the chart's data lack {', '.join(missing)}.")

"""Curves: values over layers, depth, training steps or doses, with their intervals."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from mechscope.charts.theme import NEUTRAL, PALETTE, WIDTH, require_columns, themed
from mechscope.errors import InvalidInput


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
    require_columns(frame, ["layer", value, low, high, threshold, series])
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
    require_columns(frame, ["layer", "value", "label"])
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


def effect_curves(
    frame: pd.DataFrame,
    *,
    x_title: str,
    y_title: str,
    doubling: bool = False,
    width: int = WIDTH,
    height: int = 260,
) -> Any:
    """Curves with interval bands: the columns `x`, `value`, `low`, `high` and `label`.

    Args:
        doubling: Each x is about twice the one before: a tick at each, evenly spaced.
    """
    scale = alt.Scale(nice=False, padding=8)
    axis = alt.Axis(grid=False)
    if doubling:
        scale = alt.Scale(type="log", base=2, nice=False, padding=8)
        axis = alt.Axis(grid=False, values=sorted(set(frame["x"])), format="~g")
    names = list(dict.fromkeys(frame["label"]))
    colour = alt.Color(
        "label:N",
        scale=alt.Scale(domain=names, range=list(PALETTE)),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
    )
    base = alt.Chart(frame.round(6)).encode(x=alt.X("x:Q", title=x_title, axis=axis, scale=scale))
    y = alt.Y("value:Q", title=y_title)
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=NEUTRAL).encode(y="zero:Q")
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour)
    line = base.mark_line(strokeWidth=2, point=True).encode(
        y=y, color=colour, tooltip=["label:N", "x:Q", alt.Tooltip("value:Q", format=".3f")]
    )
    return themed(alt.layer(zero, band, line).properties(width=width - 60, height=height))


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


def removal_curves(
    frame: pd.DataFrame, *, x_title: str, y_title: str, width: int = WIDTH, height: int = 230
) -> Any:
    """What is lost by the number of parts taken out: a line a series, whiskers for its interval.

    Args:
        frame: One row a number and series: the columns `heads` (a number), `label` (the series), `removed`,
            `low` and `high`.

    Raises:
        InvalidInput: A column is missing, or a number that is not positive (the axis is logarithmic).
    """
    require_columns(frame, ["heads", "label", "removed", "low", "high"])
    if (frame["heads"] <= 0).any():
        raise InvalidInput("a logarithmic axis has no place for 0 heads.")
    rounded = frame[["heads", "label", "removed", "low", "high"]].copy()
    for column in ("removed", "low", "high"):
        rounded[column] = rounded[column].astype(float).round(5)
    counts = sorted(frame["heads"].unique().tolist())
    colour = alt.Color(
        "label:N",
        scale=alt.Scale(domain=list(dict.fromkeys(frame["label"])), range=list(PALETTE)),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
    )
    x = alt.X(
        "heads:Q",
        title=x_title,
        scale=alt.Scale(type="log", base=2, nice=False, padding=14),
        axis=alt.Axis(grid=False, values=counts, format="d"),
    )
    base = alt.Chart(rounded).encode(x=x, color=colour)
    y = alt.Y("removed:Q", title=y_title, axis=alt.Axis(tickCount=6))
    tips = [
        "label:N",
        "heads:Q",
        *(alt.Tooltip(f"{name}:Q", format=".2f") for name in ("removed", "low", "high")),
    ]
    chart = alt.layer(
        alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=NEUTRAL, strokeWidth=1).encode(y="zero:Q"),
        base.mark_rule(strokeWidth=1.5, opacity=0.7).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y),
        base.mark_point(size=40, filled=True, opacity=1).encode(y=y, tooltip=tips),
    )
    return themed(chart.properties(width=width - 70, height=height))


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
    require_columns(frame, ["layer", "value", "label"])
    names = list(dict.fromkeys(frame["label"]))
    numbers = [name for name in ("value", "low", "high", "threshold") if name in frame.columns]
    rounded = frame[["layer", "label", *numbers]].copy()
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


def trade_off(
    frame: pd.DataFrame, *, x_title: str, y_title: str, width: int = WIDTH, height: int = 300
) -> Any:
    """One path a series through its doses: how far it moves what it should, against the damage it does.

    Args:
        frame: One row a dose and series: the columns `damage` (positive; its axis is logarithmic), `share`,
            `dose` (written beside the dots of the first series) and `label`.

    Raises:
        InvalidInput: A column is missing.
    """
    require_columns(frame, ["damage", "share", "dose", "label"])
    names = list(dict.fromkeys(frame["label"]))
    rounded = frame.assign(damage=frame["damage"].round(7), share=frame["share"].round(6))
    colour = alt.Color(
        "label:N",
        scale=alt.Scale(domain=names, range=list(PALETTE)),
        legend=alt.Legend(title=None, symbolType="stroke", symbolStrokeWidth=3),
    )
    base = alt.Chart(rounded).encode(
        x=alt.X(
            "damage:Q",
            title=x_title,
            scale=alt.Scale(type="log", nice=False, padding=14),
            axis=alt.Axis(grid=False, tickCount=5, format="~g"),
        ),
        y=alt.Y("share:Q", title=y_title, axis=alt.Axis(tickCount=6)),
        color=colour,
    )
    line = base.mark_line(strokeWidth=2).encode(order="dose:Q")
    dots = base.mark_point(filled=True, size=36, opacity=1).encode(
        tooltip=[
            "label:N",
            "dose:Q",
            alt.Tooltip("damage:Q", format=".3g"),
            alt.Tooltip("share:Q", format=".2f"),
        ]
    )
    words = (
        base.transform_filter(alt.datum.label == names[0])
        .transform_calculate(text="'×' + datum.dose")
        .mark_text(dx=-6, dy=-9, fontSize=10)
        .encode(text="text:N")
    )
    zero = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=NEUTRAL, strokeWidth=1).encode(y="zero:Q")
    return themed(alt.layer(zero, line, dots, words).properties(width=width - 60, height=height))

"""Charts about attention heads: what is lost without them, and what they feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from mechscope.charts import DIVERGING, NEUTRAL, PALETTE, WIDTH, head_map, themed
from mechscope.errors import InvalidInput


def score_map(frame: pd.DataFrame, *, value_title: str, width: int = WIDTH) -> Any:
    """`mechscope.charts.head_map` for shares of attention, which are never negative: light is 0, dark is 1.

    Args:
        frame: As there.

    Raises:
        InvalidInput: A column is missing, or a value lies outside 0 to 1.
    """
    chart = head_map(frame, value_title=value_title, width=width)
    if not frame["value"].between(0, 1).all():
        raise InvalidInput("a share of attention lies between 0 and 1.")
    for panel in chart.hconcat:
        panel.layer[0].encoding.color.scale = alt.Scale(
            domain=[0, 0.5, 1], range=list(DIVERGING[2:]), clamp=True, interpolate="rgb"
        )
    return chart


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
    _require(frame, ["heads", "label", "removed", "low", "high"])
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


def sender_scatter(
    frame: pd.DataFrame,
    *,
    x_title: str,
    y_title: str,
    kinds: Sequence[str],
    named: Sequence[str] = (),
    width: int = WIDTH,
    height: int = 260,
) -> Any:
    """A dot for each sending head: what kind of head it is, across, and what its path carries, up.

    Args:
        frame: One row a head, with the columns `sender` (its name), `previous`, `drop` and `category`.
        kinds: All categories; each has its own colour, whichever of them occur.
        named: The heads whose name is written beside their dot.

    Raises:
        InvalidInput: A column is missing, a category is none of `kinds`, there are more of those than
            colours, or a name is nobody's.
    """
    _require(frame, ["sender", "previous", "drop", "category"])
    unknown = [name for name in named if name not in set(frame["sender"])]
    if unknown:
        raise InvalidInput(f"there is no dot for {', '.join(unknown)}.")
    colours = dict(zip(kinds, (*PALETTE, NEUTRAL, "#a3563a"), strict=False))
    present = [kind for kind in colours if kind in set(frame["category"])]
    if len(present) < frame["category"].nunique():
        raise InvalidInput(f"not every category has a colour; those that have: {', '.join(colours)}.")
    rounded = frame[["sender", "previous", "drop", "category"]].copy()
    for column in ("previous", "drop"):
        rounded[column] = rounded[column].astype(float).round(5)
    base = alt.Chart(rounded).encode(
        x=alt.X("previous:Q", title=x_title, axis=alt.Axis(grid=False, tickCount=6)),
        y=alt.Y("drop:Q", title=y_title, axis=alt.Axis(tickCount=6)),
    )
    dots = base.mark_point(size=42, filled=True, opacity=0.8).encode(
        color=alt.Color(
            "category:N",
            scale=alt.Scale(domain=present, range=[colours[kind] for kind in present]),
            legend=alt.Legend(title=None, symbolType="circle", columns=4),
        ),
        tooltip=[
            "sender:N",
            "category:N",
            alt.Tooltip("previous:Q", format=".3f"),
            alt.Tooltip("drop:Q", format=".3f"),
        ],
    )
    names = (
        base.transform_filter(alt.FieldOneOfPredicate(field="sender", oneOf=list(named)))
        .mark_text(align="right", dx=-7, fontSize=11)
        .encode(text="sender:N")
    )
    return themed(alt.layer(dots, names).properties(width=width - 70, height=height))


def _require(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise InvalidInput(f"the chart's data lack {', '.join(missing)}.")

"""Scatter plots: two measurements of the same heads, places or features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float

from mechscope.charts.theme import NEUTRAL, PALETTE, WIDTH, require_columns, themed
from mechscope.errors import InvalidInput


def approximation_scatter(frame: pd.DataFrame, *, width: int = WIDTH, height: int = 320) -> Any:
    """Approximate against exact effects, one dot a place, with the line on which they are equal.

    Args:
        frame: The columns `exact`, `approximate`, `kind` and `place` (what a tooltip says).
    """
    rounded = frame.assign(exact=frame["exact"].round(5), approximate=frame["approximate"].round(5))
    low = float(min(rounded["exact"].min(), rounded["approximate"].min()))
    high = float(max(rounded["exact"].max(), rounded["approximate"].max()))
    kinds = list(dict.fromkeys(frame["kind"]))
    dots = (
        alt.Chart(rounded)
        .mark_circle(size=22, opacity=0.6)
        .encode(
            x=alt.X("exact:Q", title="exact effect", axis=alt.Axis(grid=False)),
            y=alt.Y("approximate:Q", title="first-order approximation", axis=alt.Axis(grid=False)),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=kinds, range=list(PALETTE)), legend=alt.Legend(title=None)
            ),
            tooltip=["place:N", "kind:N", "exact:Q", "approximate:Q"],
        )
    )
    line = (
        alt.Chart(pd.DataFrame({"exact": [low, high], "approximate": [low, high]}))
        .mark_line(color=NEUTRAL, strokeDash=[4, 3], strokeWidth=1)
        .encode(x="exact:Q", y="approximate:Q")
    )
    return themed(alt.layer(line, dots).properties(width=width - 60, height=height))


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
    require_columns(frame, ["sender", "previous", "drop", "category"])
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


def two_scores(
    frame: pd.DataFrame,
    *,
    x_title: str,
    y_title: str,
    kinds: Sequence[str],
    named: Sequence[str] = (),
    width: int = WIDTH,
    height: int = 300,
) -> Any:
    """A dot for each head: its score on one material, across, and on another, up; on the line they agree.

    Args:
        frame: One row a head, with the columns `head` (its name), `x`, `y` (shares of attention) and
            `category`.
        kinds: All categories; each has its own colour, whichever of them occur.
        named: The heads whose name is written beside their dot.

    Raises:
        InvalidInput: A column is missing, a score lies outside 0 to 1, a category is none of `kinds`, or a
            name is nobody's.
    """
    missing = [column for column in ("head", "x", "y", "category") if column not in frame.columns]
    if missing:
        raise InvalidInput(f"the chart's data lack {', '.join(missing)}.")
    if not all(frame[column].between(0, 1).all() for column in ("x", "y")):
        raise InvalidInput("a share of attention lies between 0 and 1.")
    unknown = [name for name in named if name not in set(frame["head"])]
    if unknown:
        raise InvalidInput(f"there is no dot for {', '.join(unknown)}.")
    colours = dict(zip(kinds, (*PALETTE, NEUTRAL, "#a3563a"), strict=False))
    present = [kind for kind in colours if kind in set(frame["category"])]
    if len(present) < frame["category"].nunique():
        raise InvalidInput(f"not every category has a colour; those that have: {', '.join(colours)}.")
    rounded = frame[["head", "x", "y", "category"]].copy()
    for column in ("x", "y"):
        rounded[column] = rounded[column].astype(float).round(5)
    scale = alt.Scale(domain=[0, 1], nice=False)
    x = alt.X("x:Q", title=x_title, scale=scale, axis=alt.Axis(grid=False, tickCount=6))
    y = alt.Y("y:Q", title=y_title, scale=scale, axis=alt.Axis(tickCount=6))
    base = alt.Chart(rounded).encode(x=x, y=y)
    dots = base.mark_point(size=42, filled=True, opacity=0.8).encode(
        color=alt.Color(
            "category:N",
            scale=alt.Scale(domain=present, range=[colours[kind] for kind in present]),
            legend=alt.Legend(title=None, symbolType="circle", columns=4),
        ),
        tooltip=[
            "head:N",
            "category:N",
            alt.Tooltip("x:Q", format=".3f", title=x_title),
            alt.Tooltip("y:Q", format=".3f", title=y_title),
        ],
    )
    names = (
        base.transform_filter(alt.FieldOneOfPredicate(field="head", oneOf=list(named)))
        .mark_text(align="left", dx=7, fontSize=11)
        .encode(text="head:N")
    )
    agree = (
        alt.Chart(pd.DataFrame({"x": [0, 1], "y": [0, 1]}))
        .mark_line(color=NEUTRAL, strokeWidth=1, strokeDash=[4, 4])
        .encode(x=x, y=y)
    )
    return themed(alt.layer(agree, dots, names).properties(width=width - 70, height=height))


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

"""Charts of heads on texts in which something is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from mechscope.charts import NEUTRAL, PALETTE, WIDTH, themed
from mechscope.errors import InvalidInput


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

"""Bars and areas that add up: the parts of a logit, the kinds of neurons in each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from mechscope.charts.theme import NEUTRAL, PALETTE, WIDTH, require_columns, themed
from mechscope.errors import InvalidInput


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


def stacked_by_layer(frame: pd.DataFrame, *, y_title: str, width: int = WIDTH, height: int = 240) -> Any:
    """Bars of each layer, cut by kind.

    Args:
        frame: One row a layer and kind: `layer`, `kind`, `value`; kinds are stacked in their order.
        y_title: Title of the vertical axis.

    Raises:
        InvalidInput: A column is missing, or there are more kinds than colours.
    """
    require_columns(frame, ["layer", "kind", "value"])
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

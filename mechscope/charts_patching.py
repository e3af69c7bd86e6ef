"""Charts of interventions: patching maps, an approximation beside the exact result, effect curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float

from mechscope.charts import DIVERGING, NEUTRAL, PALETTE, WIDTH, themed
from mechscope.errors import InvalidInput


def patching_heatmap(
    effects: Float[np.ndarray, "layer place"], places: Sequence[str], *, width: int = WIDTH
) -> Any:
    """Effect of each single patch, layers from the bottom up, tokens from left to right.

    Raises:
        InvalidInput: Names that do not fit the places.
    """
    n_layers, n_places = effects.shape
    if len(places) != n_places:
        raise InvalidInput(f"{n_places} places need {n_places} names, not {len(places)}.")
    layer, place = (index.ravel() for index in np.indices(effects.shape))
    frame = pd.DataFrame(
        {
            "layer": layer,
            "position": place,
            "token": np.array(places, dtype=object)[place],
            "effect": effects.ravel().round(6),
        }
    )
    labels = " : ".join(f"datum.value == {at} ? {name!r}" for at, name in enumerate(places)) + " : ''"
    chart = (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X(
                "position:O",
                title=None,
                axis=alt.Axis(labelExpr=labels, labelAngle=-35, ticks=False, domain=False),
            ),
            y=alt.Y(
                "layer:O",
                title="before block",
                sort="descending",
                axis=alt.Axis(ticks=False, domain=False, values=list(range(0, n_layers, 2))),
            ),
            color=alt.Color(
                "effect:Q",
                scale=alt.Scale(
                    domain=[-1, -0.5, 0, 0.5, 1], range=list(DIVERGING), clamp=True, interpolate="rgb"
                ),
                legend=alt.Legend(title="effect", gradientLength=200, gradientThickness=10, tickCount=5),
            ),
            tooltip=["token:N", "position:O", "layer:O", alt.Tooltip("effect:Q", format=".3f")],
        )
    )
    return themed(chart.properties(width=width - 60, height=max(12 * n_layers, 160)))


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

"""Charts of edits: what they achieve against what they break, and what breaks where."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from mechscope.charts import DIVERGING, NEUTRAL, PALETTE, WIDTH, _require_columns, themed


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
    _require_columns(frame, ["damage", "share", "dose", "label"])
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


def loss_matrix(
    frame: pd.DataFrame, *, x_title: str, y_title: str, value_title: str, width: int = WIDTH
) -> Any:
    """What each edit (a row) takes away from each task (a column), written into the cells.

    Args:
        frame: One row a cell: the columns `edit`, `task` and `loss` (a share; the colours end at its largest
            absolute value).

    Raises:
        InvalidInput: A column is missing.
    """
    _require_columns(frame, ["edit", "task", "loss"])
    edits, tasks = (list(dict.fromkeys(frame[name])) for name in ("edit", "task"))
    end = max(0.05, float(np.ceil(frame["loss"].abs().max() * 20) / 20))
    base = alt.Chart(frame.assign(loss=frame["loss"].round(6))).encode(
        x=alt.X(
            "task:N",
            title=x_title,
            sort=tasks,
            axis=alt.Axis(labelAngle=-30, ticks=False, domain=False, labelLimit=140),
        ),
        y=alt.Y(
            "edit:N", title=y_title, sort=edits, axis=alt.Axis(ticks=False, domain=False, labelLimit=220)
        ),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "loss:Q",
            scale=alt.Scale(
                domain=[-end, -end / 2, 0, end / 2, end], range=list(DIVERGING), clamp=True, interpolate="rgb"
            ),
            legend=alt.Legend(
                title=value_title, gradientLength=200, gradientThickness=10, tickCount=5, format="~%"
            ),
        ),
        tooltip=["edit:N", "task:N", alt.Tooltip("loss:Q", format=".1%")],
    )
    # The cells are coloured by a scale of their own on light and dark pages alike: dark text on the light
    # middle, light text on the ends.
    text = base.mark_text(fontSize=11).encode(
        text=alt.Text("loss:Q", format=".0%"),
        color=alt.condition(f"abs(datum.loss) > {0.7 * end:.6f}", alt.value("#ffffff"), alt.value("#26292c")),
    )
    return themed(alt.layer(cells, text).properties(width=width - 200, height=max(34 * len(edits), 120)))

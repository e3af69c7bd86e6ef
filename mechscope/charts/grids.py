"""Grids: layers by heads or positions, prompts by prompts, and the toy models' matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mechscope.characters import shown_token, visible
from mechscope.charts.theme import DIVERGING, NEUTRAL, PALETTE, WIDTH, require_columns, themed
from mechscope.errors import InvalidInput

_MOST_ITEMS = 60
_MOST_TOKENS = 24
_MORE = (("rank", "rank of the final token", ",d"), ("entropy", "entropy (nats)", ".2f"))
_SEQUENTIAL = ["#e9eef3", "#75a9d6", "#1d5b9e"]


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
    require_columns(frame, ["layer", "head", value, marked, series])
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


def lens_grid(frame: pd.DataFrame, *, width: int = WIDTH) -> Any:
    """What the logit lens says at every position (left to right) after every block (bottom to top).

    Args:
        frame: One row a cell: `layer` (−1 for the embedding), `position`, `read` (the token read there),
            `says` (the most probable next token) and `probability`; `rank` (of the token that the last
            block says) and `entropy` (nats) are shown on hovering if they are there.

    Raises:
        InvalidInput: A column is missing.
    """
    require_columns(frame, ["layer", "position", "read", "says", "probability"])
    cells = frame.copy()
    cells["says"] = [shown_token(token) for token in cells["says"]]
    cells["read"] = cells["read"].map(visible)
    cells["probability"] = cells["probability"].astype(float).round(6)
    n_positions, n_layers = cells["position"].nunique(), cells["layer"].nunique()
    height = 15 * n_layers
    layers = sorted(cells["layer"].unique().tolist(), reverse=True)
    heads = dict(zip(cells["position"], cells["read"], strict=True))
    cells["column"] = [f"{at} {shown_token(heads[at])}" for at in cells["position"]]
    base = alt.Chart(cells).encode(
        x=alt.X(
            "column:N",
            sort=[f"{at} {shown_token(heads[at])}" for at in sorted(heads)],
            title="token read",
            axis=alt.Axis(labelAngle=0, orient="top", ticks=False, domain=False),
        ),
        y=alt.Y(
            "layer:O",
            sort=layers,
            title="after block (−1: embedding)",
            axis=alt.Axis(ticks=False, domain=False),
        ),
    )
    rectangles = base.mark_rect().encode(
        color=alt.Color(
            "probability:Q",
            scale=alt.Scale(domain=[0, 1], range=["#e9eef3", "#75a9d6", "#1d5b9e"], interpolate="rgb"),
            legend=alt.Legend(
                title="probability of the most probable token", titleLimit=width, gradientLength=180
            ),
        ),
        tooltip=[
            alt.Tooltip("read:N", title="after"),
            alt.Tooltip("layer:O"),
            alt.Tooltip("says:N"),
            alt.Tooltip("probability:Q", format=".3f"),
            *(
                alt.Tooltip(f"{name}:Q", title=title, format=spec)
                for name, title, spec in _MORE
                if name in cells
            ),
        ],
    )
    texts = base.mark_text(fontSize=9, limit=(width - 80) / n_positions - 4).encode(
        text="says:N",
        color=alt.condition("datum.probability > 0.5", alt.value("#ffffff"), alt.value("#1c1c1c")),
    )
    return themed(alt.layer(rectangles, texts).properties(width=width - 80, height=height))


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


def pattern_grid(
    patterns: Float[np.ndarray, "head query key"],
    titles: Sequence[str],
    tokens: Sequence[str],
    *,
    columns: int = 3,
    width: int = WIDTH,
) -> Any:
    """Attention patterns of a few heads on one text: each row is a token, and shades where it attends.

    Args:
        patterns: One pattern a head.
        titles: What stands above each.
        tokens: The text's tokens.
        columns: Patterns side by side.
        width: Of the whole chart, in pixels.

    Raises:
        InvalidInput: Shapes that do not fit, or more than 24 tokens (every cell is a rectangle of an SVG).
    """
    n = len(tokens)
    if patterns.shape != (len(titles), n, n):
        raise InvalidInput(
            f"patterns of shape {patterns.shape} do not fit {len(titles)} titles and {n} tokens."
        )
    if n > _MOST_TOKENS:
        raise InvalidInput(f"a grid of {n} tokens is too fine to read.", hint="take a shorter sentence")
    # Tokens come more than once, so the axis is over numbered tokens and shows what stands behind the number.
    names = [f"{at}|{token}" for at, token in enumerate(tokens)]
    shown = "slice(datum.label, indexof(datum.label, '|') + 1)"
    side = (width - 20) / columns - 70
    query, key = np.tril_indices(n)
    panels = []
    for at, title in enumerate(titles):
        frame = pd.DataFrame(
            {
                "query": [names[q] for q in query],
                "key": [names[k] for k in key],
                "attention": patterns[at][query, key].astype(float).round(4),
            }
        )
        base = alt.Chart(frame).encode(
            x=alt.X(
                "key:N",
                sort=names,
                title=None,
                scale=alt.Scale(domain=names),
                axis=alt.Axis(labelExpr=shown, labelAngle=-60, ticks=False, domain=False, labelFontSize=9),
            ),
            y=alt.Y(
                "query:N",
                sort=names,
                title=None,
                scale=alt.Scale(domain=names),
                axis=alt.Axis(labelExpr=shown, ticks=False, domain=False, labelFontSize=9),
            ),
            color=alt.Color(
                "attention:Q",
                scale=alt.Scale(domain=[0, 0.5, 1], range=list(DIVERGING[2:]), interpolate="rgb"),
                legend=alt.Legend(title="attention", gradientLength=150, gradientThickness=10, tickCount=3),
            ),
            tooltip=["query:N", "key:N", alt.Tooltip("attention:Q", format=".2f")],
        )
        panels.append(base.mark_rect().properties(width=side, height=side, title=title))
    rows = [
        alt.hconcat(*panels[start : start + columns], spacing=12) for start in range(0, len(panels), columns)
    ]
    return themed(alt.vconcat(*rows, spacing=16))


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
    require_columns(frame, ["edit", "task", "loss"])
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

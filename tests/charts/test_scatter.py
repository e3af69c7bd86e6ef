"""Charts: scatter."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import vl_convert

from mechscope.charts.curves import effect_curves
from mechscope.charts.scatter import approximation_scatter, sender_scatter, toy_plane, two_scores
from mechscope.errors import InvalidInput

KINDS = ["induction", "previous token", "mixed"]


SENDERS = pd.DataFrame(
    {
        "sender": ["L0H0", "L0H1"],
        "previous": [0.9, 0.1],
        "drop": [0.7, 0.0],
        "category": ["previous token", "mixed"],
    }
)


KINDS_SPANS = ["induction", "mixed"]


SCORES = pd.DataFrame(
    {"head": ["L0H0", "L0H1"], "x": [0.9, 0.1], "y": [0.7, 0.0], "category": ["induction", "mixed"]}
)


def rows_of(chart) -> list[dict]:
    return max(chart.to_dict()["datasets"].values(), key=len)


def test_a_scatter_of_senders_names_only_those_that_are_asked_for():
    svg = vl_convert.vegalite_to_svg(
        sender_scatter(SENDERS, x_title="x", y_title="y", kinds=KINDS, named=["L0H0"]).to_dict()
    )
    assert ">L0H0<" in svg and ">L0H1<" not in svg
    assert ">L0H0<" not in vl_convert.vegalite_to_svg(
        sender_scatter(SENDERS, x_title="x", y_title="y", kinds=KINDS).to_dict()
    )
    with pytest.raises(InvalidInput, match="no dot for L9H9"):
        sender_scatter(SENDERS, x_title="x", y_title="y", kinds=KINDS, named=["L9H9"])


def test_a_category_has_the_same_colour_whichever_others_occur():
    def colour_of(frame, kind):
        scale = sender_scatter(frame, x_title="x", y_title="y", kinds=KINDS).to_dict()["layer"][0][
            "encoding"
        ]["color"]["scale"]
        return dict(zip(scale["domain"], scale["range"], strict=True))[kind]

    assert colour_of(SENDERS, "mixed") == colour_of(SENDERS[1:], "mixed")
    with pytest.raises(InvalidInput, match="has a colour"):
        sender_scatter(SENDERS, x_title="x", y_title="y", kinds=["mixed"])


def test_charts_are_the_same_bytes_for_the_same_data():
    scatter = pd.DataFrame(
        {"exact": [0.1, 1], "approximate": [0.2, 0.8], "kind": "heads", "place": ["a", "b"]}
    )
    curve = pd.DataFrame(
        {"x": [0, 1], "value": [0.1, 1], "low": [0, 0.9], "high": [0.2, 1.1], "label": "last"}
    )
    for build in (
        lambda: approximation_scatter(scatter),
        lambda: effect_curves(curve, x_title="before block", y_title="effect"),
    ):
        assert json.dumps(build().to_dict()) == json.dumps(build().to_dict())


def test_a_scatter_of_two_scores_names_only_the_heads_that_are_asked_for():
    spec = two_scores(SCORES, x_title="random", y_title="text", kinds=KINDS_SPANS, named=["L0H0"]).to_dict()
    svg = vl_convert.vegalite_to_svg(spec)
    assert ">L0H0<" in svg and ">L0H1<" not in svg
    assert ">random<" in svg and ">text<" in svg


def test_both_axes_run_from_nothing_to_all_so_that_the_diagonal_means_agreement():
    spec = two_scores(SCORES, x_title="x", y_title="y", kinds=KINDS_SPANS).to_dict()
    for layer in spec["layer"]:
        assert layer["encoding"]["x"]["scale"]["domain"] == [0, 1]
        assert layer["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_bad_frames_are_refused():
    with pytest.raises(InvalidInput, match="lack category"):
        two_scores(SCORES.drop(columns="category"), x_title="x", y_title="y", kinds=KINDS_SPANS)
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        two_scores(SCORES.assign(y=1.2), x_title="x", y_title="y", kinds=KINDS_SPANS)
    with pytest.raises(InvalidInput, match="not every category"):
        two_scores(SCORES, x_title="x", y_title="y", kinds=KINDS_SPANS[:1])
    with pytest.raises(InvalidInput, match="no dot for L9H9"):
        two_scores(SCORES, x_title="x", y_title="y", kinds=KINDS_SPANS, named=["L9H9"])


def test_arrows_in_a_plane_begin_at_nought_and_share_one_scale():
    chart = toy_plane(np.array([[[1.0, 0.0], [0.0, 0.5]]]), ["dense"])
    rows = rows_of(chart)
    assert [(row["x"], row["y"]) for row in rows] == [(1.0, 0.0), (0.0, 0.5)]
    x, y = (chart.to_dict()["hconcat"][0]["layer"][0]["encoding"][axis]["scale"] for axis in "xy")
    assert x["domain"] == y["domain"] and x["domain"][1] > 1
    with pytest.raises(InvalidInput, match="in a plane"):
        toy_plane(np.zeros((1, 3, 2)), ["dense"])

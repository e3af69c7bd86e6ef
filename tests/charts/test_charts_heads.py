from __future__ import annotations

import pandas as pd
import pytest
import vl_convert

from mechscope.charts_heads import removal_curves, score_map, sender_scatter
from mechscope.errors import InvalidInput

HEADS = pd.DataFrame(
    {
        "layer": [0, 0, 1, 1],
        "head": [0, 1, 0, 1],
        "label": "induction",
        "value": [0.1, 0, 0.9, 0.2],
        "marked": 0,
    }
)
REMOVED = pd.DataFrame(
    {"heads": [1, 4, 1, 4], "label": list("aabb"), "removed": [0.1, 0.4, 0, 0.1], "low": 0.0, "high": 0.5}
)
KINDS = ["induction", "previous token", "mixed"]
SENDERS = pd.DataFrame(
    {
        "sender": ["L0H0", "L0H1"],
        "previous": [0.9, 0.1],
        "drop": [0.7, 0.0],
        "category": ["previous token", "mixed"],
    }
)


def test_a_score_map_has_no_colours_for_negative_attention():
    spec = score_map(HEADS, value_title="attention").to_dict()
    assert spec["hconcat"][0]["layer"][0]["encoding"]["color"]["scale"]["domain"] == [0, 0.5, 1]
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        score_map(HEADS.assign(value=-0.1), value_title="attention")


def test_removal_curves_mark_the_numbers_of_heads_that_were_taken_out():
    spec = removal_curves(REMOVED, x_title="heads ablated", y_title="removed").to_dict()
    assert spec["layer"][2]["encoding"]["x"]["axis"]["values"] == [1, 4]
    assert "heads ablated" in vl_convert.vegalite_to_svg(spec)
    with pytest.raises(InvalidInput, match="lack low"):
        removal_curves(REMOVED.drop(columns="low"), x_title="x", y_title="y")
    with pytest.raises(InvalidInput, match="no place for 0"):
        removal_curves(REMOVED.assign(heads=0), x_title="x", y_title="y")


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

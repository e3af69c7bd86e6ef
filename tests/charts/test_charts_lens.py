from __future__ import annotations

import pandas as pd
import pytest

from mechscope.charts_lens import lens_grid, shown_token, value_by_layer, waterfall
from mechscope.errors import InvalidInput
from mechscope.ledger.drawing import draw


def rows_of(chart) -> list[dict]:
    return max(chart.to_dict()["datasets"].values(), key=len)


def test_each_bar_of_a_waterfall_begins_where_the_one_before_ended():
    rows = rows_of(waterfall(["a", "b", "c"], [2.0, -0.5, 1.0], total="logit", x_title="logit"))
    assert [(row["from"], row["to"]) for row in rows] == [(0, 2), (2, 1.5), (1.5, 2.5), (0, 2.5)]
    assert [row["kind"] for row in rows] == ["adds", "takes away", "adds", "sum"]
    with pytest.raises(InvalidInput):
        waterfall(["a", "a"], [1.0, 2.0], total="logit", x_title="logit")


def test_columns_of_the_lens_grid_are_told_apart_by_position_when_a_token_repeats():
    frame = pd.DataFrame(
        {"layer": [-1, -1], "position": [0, 1], "read": [" the", " the"], "says": [" a", "\n"],
         "probability": [0.5, 0.25]}
    )  # fmt: skip
    rows = rows_of(lens_grid(frame))
    assert [row["column"] for row in rows] == ["0 the", "1 the"]
    assert [row["says"] for row in rows] == ["a", "\\n"]
    with pytest.raises(InvalidInput, match="lack layer"):
        lens_grid(frame.drop(columns="layer"))


def test_curves_have_bands_only_where_there_are_intervals():
    frame = pd.DataFrame({"layer": [0, 1], "value": [1.0, 2.0], "label": ["x", "x"]})
    assert len(value_by_layer(frame, y_title="y").to_dict()["layer"]) == 2
    assert len(value_by_layer(frame.assign(low=0.0, high=3.0), y_title="y").to_dict()["layer"]) == 3


def test_white_space_is_shown_as_it_would_be_written():
    assert [shown_token(token) for token in (" a", " ", "\n")] == ["a", "␣", "\\n"]


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0c", "\x1b", "\x85", "\u2028", "\ufffe", "\ud800"])
def test_a_token_that_no_chart_can_draw_is_shown_by_its_number(character: str) -> None:
    assert shown_token(f" {character}a") == f"<U+{ord(character):04X}>a"
    frame = pd.DataFrame(
        {
            "layer": [-1, 0],
            "position": [0, 0],
            "read": pd.Series([character] * 2, dtype=object),
            "says": pd.Series([" the", character], dtype=object),
            "probability": [0.5, 0.3],
        }
    )
    assert f"U+{ord(character):04X}" in draw(lens_grid(frame).to_dict())

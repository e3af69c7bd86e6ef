"""Charts: grids."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import vl_convert

from mechscope.charts.grids import (
    lens_grid,
    loss_matrix,
    overlap_grid,
    patching_heatmap,
    pattern_grid,
    score_map,
    toy_grid,
)
from mechscope.errors import InvalidInput
from mechscope.ledger.drawing import draw


def patterns(n_heads, n):
    return np.tril(np.ones((n_heads, n, n))) / np.arange(1, n + 1)[:, None]


CELLS = pd.DataFrame(
    {"edit": ["a", "a", "b", "b"], "task": ["x", "y", "x", "y"], "loss": [0.5, 0.0, -0.25, 0.1]}
)


HEADS = pd.DataFrame(
    {
        "layer": [0, 0, 1, 1],
        "head": [0, 1, 0, 1],
        "label": "induction",
        "value": [0.1, 0, 0.9, 0.2],
        "marked": 0,
    }
)


def rows_of(chart) -> list[dict]:
    return max(chart.to_dict()["datasets"].values(), key=len)


def drawn(chart) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


def test_a_grid_has_a_panel_for_each_head_and_a_cell_for_each_pair_that_attention_can_join():
    spec = pattern_grid(patterns(4, 3), ["a", "b", "c", "d"], ["the", "cat", "the"]).to_dict()
    assert [len(row["hconcat"]) for row in spec["vconcat"]] == [3, 1]
    assert all(len(rows) == 6 for rows in spec["datasets"].values())
    assert "0|the" in json.dumps(spec) and "2|the" in json.dumps(spec)


def test_a_grid_that_cannot_be_drawn_is_refused():
    with pytest.raises(InvalidInput, match="do not fit"):
        pattern_grid(patterns(2, 3), ["a"], ["x", "y", "z"])
    with pytest.raises(InvalidInput, match="too fine"):
        pattern_grid(patterns(1, 25), ["a"], list("abcdefghijklmnopqrstuvwxy"))


def test_the_colours_of_a_matrix_are_symmetric_about_nought():
    spec = loss_matrix(CELLS, x_title="on", y_title="out", value_title="loss").to_dict()
    domain = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert domain == [-0.5, -0.25, 0, 0.25, 0.5]


def test_a_score_map_has_no_colours_for_negative_attention():
    spec = score_map(HEADS, value_title="attention").to_dict()
    assert spec["hconcat"][0]["layer"][0]["encoding"]["color"]["scale"]["domain"] == [0, 0.5, 1]
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        score_map(HEADS.assign(value=-0.1), value_title="attention")


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


def test_the_heatmap_has_a_cell_for_each_place_and_keeps_repeated_tokens_apart():
    effects = np.arange(6.0).reshape(2, 3) / 6
    spec = patching_heatmap(effects, [" the", " cat", " the"]).to_dict()
    rows = next(iter(spec["datasets"].values()))
    assert sorted((row["layer"], row["position"]) for row in rows) == [
        (y, x) for y in (0, 1) for x in (0, 1, 2)
    ]
    assert {row["effect"] for row in rows} == {round(value, 6) for value in effects.ravel()}
    with pytest.raises(InvalidInput, match="3 names, not 2"):
        patching_heatmap(effects, ["a", "b"])


def test_a_toy_grid_has_a_cell_for_each_model_and_feature_and_a_number_where_it_is_held():
    values = np.arange(6).reshape(2, 3) / 5
    chart = toy_grid(values, ["dense", "sparse"], x_title="x", value_title="v", written=values + 10)
    rows = {(row["model"], row["feature"]): row for row in rows_of(chart)}
    assert len(rows) == 6
    assert (rows["sparse", 3]["value"], rows["sparse", 3]["written"]) == (1.0, 11.0)
    assert [f">{number}<" in drawn(chart) for number in ("10.40", "10.60", "11.00")] == [False, True, True]
    with pytest.raises(InvalidInput, match="2 columns"):
        toy_grid(np.zeros((3, 2)), ["a", "b"], x_title="x", value_title="v", written=np.zeros((3, 2)))


def test_an_overlap_grid_shows_each_pair_of_groups_once():
    values = np.array([[0.9, 0.1], [0.1, 0.8]])
    rows = rows_of(overlap_grid(values, ["a", "b"], value_title="overlap"))
    assert [(row["row"], row["column"], row["value"]) for row in rows] == [
        ("a", "a", 0.9),
        ("b", "a", 0.1),
        ("b", "b", 0.8),
    ]
    with pytest.raises(InvalidInput, match="2 groups"):
        overlap_grid(np.zeros((3, 3)), ["a", "b"], value_title="overlap")


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0c", "\x1b", "\x85", "\u2028", "\ufffe", "\ud800"])
def test_a_token_that_no_chart_can_draw_is_in_the_lens_grid_by_its_number(character: str) -> None:
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

from __future__ import annotations

import json

import pandas as pd
import pytest

from mechscope.charts_editing import loss_matrix, trade_off
from mechscope.errors import InvalidInput

PATHS = pd.DataFrame(
    {
        "damage": [0.01, 0.1, 0.02, 0.3],
        "share": [0.2, 0.8, 0.0, 0.1],
        "dose": [1.0, 4.0, 1.0, 4.0],
        "label": ["number", "number", "random", "random"],
    }
)
CELLS = pd.DataFrame(
    {"edit": ["a", "a", "b", "b"], "task": ["x", "y", "x", "y"], "loss": [0.5, 0.0, -0.25, 0.1]}
)


def drawn(chart):
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


def test_every_dose_and_every_cell_is_drawn():
    rows = [row for row in drawn(trade_off(PATHS, x_title="damage", y_title="share")) if "dose" in row]
    assert {(row["label"], row["dose"], row["share"]) for row in rows} == {
        ("number", 1.0, 0.2), ("number", 4.0, 0.8), ("random", 1.0, 0.0), ("random", 4.0, 0.1)
    }  # fmt: skip
    found = {
        (row["edit"], row["task"]): row["loss"]
        for row in drawn(loss_matrix(CELLS, x_title="on", y_title="out", value_title="loss"))
    }
    assert found == {("a", "x"): 0.5, ("a", "y"): 0.0, ("b", "x"): -0.25, ("b", "y"): 0.1}


def test_the_colours_of_a_matrix_are_symmetric_about_nought():
    spec = loss_matrix(CELLS, x_title="on", y_title="out", value_title="loss").to_dict()
    domain = spec["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert domain == [-0.5, -0.25, 0, 0.25, 0.5]


def test_charts_are_the_same_bytes_for_the_same_data():
    for build in (
        lambda: trade_off(PATHS, x_title="damage", y_title="share"),
        lambda: loss_matrix(CELLS, x_title="on", y_title="out", value_title="loss"),
    ):
        assert json.dumps(build().to_dict()) == json.dumps(build().to_dict())


def test_a_missing_column_is_named():
    with pytest.raises(InvalidInput, match="dose"):
        trade_off(PATHS.drop(columns="dose"), x_title="damage", y_title="share")
    with pytest.raises(InvalidInput, match="loss"):
        loss_matrix(CELLS.drop(columns="loss"), x_title="on", y_title="out", value_title="loss")

"""Charts: curves."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import vl_convert

from mechscope.charts.bars import stacked_by_layer
from mechscope.charts.curves import removal_curves, scan_by_layer, trade_off, training_curves, value_by_layer
from mechscope.charts.grids import loss_matrix
from mechscope.errors import InvalidInput

CELLS = pd.DataFrame(
    {"edit": ["a", "a", "b", "b"], "task": ["x", "y", "x", "y"], "loss": [0.5, 0.0, -0.25, 0.1]}
)


PATHS = pd.DataFrame(
    {
        "damage": [0.01, 0.1, 0.02, 0.3],
        "share": [0.2, 0.8, 0.0, 0.1],
        "dose": [1.0, 4.0, 1.0, 4.0],
        "label": ["number", "number", "random", "random"],
    }
)


def drawn(chart):
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


REMOVED = pd.DataFrame(
    {"heads": [1, 4, 1, 4], "label": list("aabb"), "removed": [0.1, 0.4, 0, 0.1], "low": 0.0, "high": 0.5}
)


SCAN = pd.DataFrame({"layer": [0, 1, 2], "value": [0.5, 0.7, 0.4], "label": "x"})


def drawn_of_superposition(chart) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


def test_curves_have_a_panel_for_each_quantity_and_a_band_only_where_one_is_given():
    frame = pd.DataFrame(
        {"model": ["m", "m"], "seed": [0, 0], "step": [0, 10], "loss": [4.0, 1.0], "s": [0, 1]}
    )
    with_band = training_curves(frame, panels={"loss": "loss", "s": "score"}, window=(2, 4)).to_dict()
    assert [len(panel["layer"]) for panel in with_band["vconcat"]] == [2, 2]
    without = training_curves(frame, panels={"loss": "loss"}).to_dict()
    assert [len(panel["layer"]) for panel in without["vconcat"]] == [1]
    with pytest.raises(InvalidInput, match="lack score"):
        training_curves(frame, panels={"score": "score"})


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


def test_removal_curves_mark_the_numbers_of_heads_that_were_taken_out():
    spec = removal_curves(REMOVED, x_title="heads ablated", y_title="removed").to_dict()
    assert spec["layer"][2]["encoding"]["x"]["axis"]["values"] == [1, 4]
    assert "heads ablated" in vl_convert.vegalite_to_svg(spec)
    with pytest.raises(InvalidInput, match="lack low"):
        removal_curves(REMOVED.drop(columns="low"), x_title="x", y_title="y")
    with pytest.raises(InvalidInput, match="no place for 0"):
        removal_curves(REMOVED.assign(heads=0), x_title="x", y_title="y")


def test_curves_have_bands_only_where_there_are_intervals():
    frame = pd.DataFrame({"layer": [0, 1], "value": [1.0, 2.0], "label": ["x", "x"]})
    assert len(value_by_layer(frame, y_title="y").to_dict()["layer"]) == 2
    assert len(value_by_layer(frame.assign(low=0.0, high=3.0), y_title="y").to_dict()["layer"]) == 3


def test_a_scan_has_bands_thresholds_and_chance_only_where_they_are_given():
    def marks(frame: pd.DataFrame, **more) -> list[str]:
        return [
            layer["mark"]["type"] for layer in scan_by_layer(frame, y_title="y", **more).to_dict()["layer"]
        ]

    assert marks(SCAN) == ["line", "point"]
    assert marks(SCAN, chance=0.5) == ["rule", "line", "point"]
    assert marks(SCAN.assign(low=0.1, high=0.9)) == ["area", "line", "point"]
    assert marks(SCAN.assign(threshold=0.6)) == ["line", "line", "point", "point"]


def test_only_layers_above_the_threshold_have_filled_dots():
    svg = drawn_of_superposition(scan_by_layer(SCAN.assign(threshold=0.6), y_title="y"))
    assert svg.count('aria-roledescription="point"') == 3
    filled = scan_by_layer(SCAN.assign(threshold=0.6), y_title="y").to_dict()["layer"][-1]
    assert filled["transform"] == [{"filter": "datum.value > datum.threshold"}]


def test_columns_that_are_missing_are_named():
    for chart in (
        lambda: scan_by_layer(SCAN.drop(columns="value"), y_title="y"),
        lambda: stacked_by_layer(pd.DataFrame({"layer": [0], "kind": ["a"]}), y_title="y"),
    ):
        with pytest.raises(InvalidInput, match="lack value"):
            chart()

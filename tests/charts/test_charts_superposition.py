from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import vl_convert

from mechscope.charts_superposition import (
    activation_histograms,
    cosine_densities,
    overlap_grid,
    scan_by_layer,
    stacked_by_layer,
    toy_grid,
    toy_plane,
)
from mechscope.errors import InvalidInput


def rows_of(chart) -> list[dict]:
    return max(chart.to_dict()["datasets"].values(), key=len)


def drawn(chart) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


SCAN = pd.DataFrame({"layer": [0, 1, 2], "value": [0.5, 0.7, 0.4], "label": "x"})


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
    svg = drawn(scan_by_layer(SCAN.assign(threshold=0.6), y_title="y"))
    assert svg.count('aria-roledescription="point"') == 3
    filled = scan_by_layer(SCAN.assign(threshold=0.6), y_title="y").to_dict()["layer"][-1]
    assert filled["transform"] == [{"filter": "datum.value > datum.threshold"}]


def test_bars_keep_the_order_of_their_kinds_and_refuse_more_kinds_than_colours():
    frame = pd.DataFrame({"layer": [0, 0], "kind": ["z", "a"], "value": [0.1, 0.2]})
    assert [row["place"] for row in rows_of(stacked_by_layer(frame, y_title="y"))] == [0, 1]
    many = pd.DataFrame({"layer": 0, "kind": list("abcdefgh"), "value": 0.1})
    with pytest.raises(InvalidInput, match="8 kinds"):
        stacked_by_layer(many, y_title="y")


def test_a_density_of_nought_is_refused_on_a_logarithmic_axis():
    frame = pd.DataFrame({"cosine": [-0.1, 0.1], "density": [1.0, 2.0], "label": "layer 0"})
    assert "svg" in drawn(cosine_densities(frame, frame, reach=0.5))
    with pytest.raises(InvalidInput, match="density of 0"):
        cosine_densities(frame.assign(density=0.0), frame, reach=0.5)


def test_a_toy_grid_has_a_cell_for_each_model_and_feature_and_a_number_where_it_is_held():
    values = np.arange(6).reshape(2, 3) / 5
    chart = toy_grid(values, ["dense", "sparse"], x_title="x", value_title="v", written=values + 10)
    rows = {(row["model"], row["feature"]): row for row in rows_of(chart)}
    assert len(rows) == 6
    assert (rows["sparse", 3]["value"], rows["sparse", 3]["written"]) == (1.0, 11.0)
    assert [f">{number}<" in drawn(chart) for number in ("10.40", "10.60", "11.00")] == [False, True, True]
    with pytest.raises(InvalidInput, match="2 columns"):
        toy_grid(np.zeros((3, 2)), ["a", "b"], x_title="x", value_title="v", written=np.zeros((3, 2)))


def test_arrows_in_a_plane_begin_at_nought_and_share_one_scale():
    chart = toy_plane(np.array([[[1.0, 0.0], [0.0, 0.5]]]), ["dense"])
    rows = rows_of(chart)
    assert [(row["x"], row["y"]) for row in rows] == [(1.0, 0.0), (0.0, 0.5)]
    x, y = (chart.to_dict()["hconcat"][0]["layer"][0]["encoding"][axis]["scale"] for axis in "xy")
    assert x["domain"] == y["domain"] and x["domain"][1] > 1
    with pytest.raises(InvalidInput, match="in a plane"):
        toy_plane(np.zeros((1, 3, 2)), ["dense"])


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


def test_columns_that_are_missing_are_named():
    for chart in (
        lambda: scan_by_layer(SCAN.drop(columns="value"), y_title="y"),
        lambda: stacked_by_layer(pd.DataFrame({"layer": [0], "kind": ["a"]}), y_title="y"),
    ):
        with pytest.raises(InvalidInput, match="lack value"):
            chart()


def test_histograms_have_a_bar_for_each_bin_that_holds_a_token():
    frame = pd.DataFrame(
        {"label": ["a", "a", "b"], "from": [0.0, 1.0, 0.0], "to": [1.0, 2.0, 1.0], "tokens": [100, 0, 1]}
    )
    svg = drawn(activation_histograms(frame))
    assert svg.count('aria-roledescription="bar"') == 2
    with pytest.raises(InvalidInput, match="tokens"):
        activation_histograms(frame.drop(columns="tokens"))

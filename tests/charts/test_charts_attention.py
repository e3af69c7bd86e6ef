from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mechscope.charts_attention import pattern_grid, training_curves
from mechscope.errors import InvalidInput


def patterns(n_heads, n):
    return np.tril(np.ones((n_heads, n, n))) / np.arange(1, n + 1)[:, None]


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

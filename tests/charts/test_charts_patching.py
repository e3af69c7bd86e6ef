from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mechscope.charts_patching import approximation_scatter, effect_curves, patching_heatmap
from mechscope.errors import InvalidInput


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

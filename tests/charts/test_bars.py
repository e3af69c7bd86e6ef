"""Charts: bars."""

from __future__ import annotations

import pandas as pd
import pytest

from mechscope.charts.bars import stacked_by_layer, waterfall
from mechscope.errors import InvalidInput


def rows_of(chart) -> list[dict]:
    return max(chart.to_dict()["datasets"].values(), key=len)


def test_each_bar_of_a_waterfall_begins_where_the_one_before_ended():
    rows = rows_of(waterfall(["a", "b", "c"], [2.0, -0.5, 1.0], total="logit", x_title="logit"))
    assert [(row["from"], row["to"]) for row in rows] == [(0, 2), (2, 1.5), (1.5, 2.5), (0, 2.5)]
    assert [row["kind"] for row in rows] == ["adds", "takes away", "adds", "sum"]
    with pytest.raises(InvalidInput):
        waterfall(["a", "a"], [1.0, 2.0], total="logit", x_title="logit")


def test_bars_keep_the_order_of_their_kinds_and_refuse_more_kinds_than_colours():
    frame = pd.DataFrame({"layer": [0, 0], "kind": ["z", "a"], "value": [0.1, 0.2]})
    assert [row["place"] for row in rows_of(stacked_by_layer(frame, y_title="y"))] == [0, 1]
    many = pd.DataFrame({"layer": 0, "kind": list("abcdefgh"), "value": 0.1})
    with pytest.raises(InvalidInput, match="8 kinds"):
        stacked_by_layer(many, y_title="y")

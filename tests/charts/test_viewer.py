from __future__ import annotations

import re
from html import unescape
from itertools import pairwise

import numpy as np
import pytest
import vl_convert

from mechscope.charts.viewer import QUERY, attention_viewer
from mechscope.errors import InvalidInput

TOKENS = ["The", " cat", " sat", ",", " cat", "<i>", "\n"]


def planted():
    """Two heads: even attention, and one that goes from token 4 to token 2 with 0.875."""
    n = len(TOKENS)
    even = np.tril(np.ones((n, n))) / np.arange(1, n + 1)[:, None]
    sharp = even.copy()
    sharp[4] = [0.0625, 0, 0.875, 0, 0.0625, 0, 0]
    return np.stack([even, sharp])


def drawn(spec):
    """What the static picture says: for each cell its token and attention, and all visible texts."""
    svg = vl_convert.vegalite_to_svg(spec)
    said = [unescape(label) for label in re.findall(r'aria-label="([^"]*)"', svg)]
    return said, [unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def test_the_static_picture_shows_every_token_in_every_row_and_the_default_querys_attention():
    chart = attention_viewer(planted(), ["even", "sharp"], TOKENS, query=4)
    said, texts = drawn(chart.to_dict())
    for token in ("The", "cat", "sat", ",", "<i>", "\\n"):
        assert texts.count(token) == 2 * (2 if token == "cat" else 1)
    assert "sat: 0.88" in said and "0.88" in texts
    assert said.count("sat: 0.20") == 1, "the even head's row"
    assert not any(label.startswith("<i>:") for label in said), "later tokens have no attention"


def test_another_query_draws_another_picture():
    said, _ = drawn(attention_viewer(planted(), ["even", "sharp"], TOKENS, query=2).to_dict())
    assert "sat: 0.33" in said and "sat: 0.88" not in said
    last, _ = drawn(attention_viewer(planted(), ["even", "sharp"], TOKENS).to_dict())
    assert last.count("\\n: 0.14") == 2, "the last token is the default"


def test_the_query_is_framed_once_a_row():
    svg = vl_convert.vegalite_to_svg(
        attention_viewer(planted(), ["even", "sharp"], TOKENS, query=1).to_dict()
    )
    assert len(re.findall(r'stroke="#de7a22"', svg)) == 2


def test_pointing_at_a_token_makes_it_the_query_and_pointing_at_nothing_leaves_it():
    spec = attention_viewer(planted(), ["even", "sharp"], TOKENS, query=4).to_dict()
    [parameter] = spec["params"]
    assert parameter["name"] == QUERY and parameter["value"] == [{"query": 4}]
    assert parameter["select"] == {
        "type": "point",
        "on": "pointerover",
        "fields": ["query"],
        "clear": False,
    }
    assert parameter["views"] == [spec["layer"][-1]["name"]], "what is pointed at lies on top"


def test_the_same_data_give_the_same_bytes_however_many_charts_were_made_before():
    first = attention_viewer(planted(), ["even", "sharp"], TOKENS).to_json()
    assert attention_viewer(planted(), ["even", "sharp"], TOKENS).to_json() == first


def test_no_cell_reaches_beyond_the_width_and_none_covers_another():
    tokens = [" word" * (1 + at % 3) for at in range(20)] + [" 漢字かな", "x" * 30]
    patterns = np.tril(np.ones((1, 22, 22))) / np.arange(1, 23)[:, None]
    spec = attention_viewer(patterns, ["even"], tokens, width=400).to_dict()
    [strip] = [rows for rows in spec["datasets"].values() if {"query", "x", "x2", "line"} <= set(rows[0])]
    assert max(row["line"] for row in strip) > 0 and max(row["x2"] for row in strip) <= 400
    for one, other in pairwise(strip):
        assert other["line"] > one["line"] or other["x"] >= one["x2"]


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(InvalidInput, match="do not fit"):
        attention_viewer(planted(), ["even"], TOKENS)
    with pytest.raises(InvalidInput, match="same title"):
        attention_viewer(planted(), ["even", "even"], TOKENS)
    with pytest.raises(InvalidInput, match="go from 0 to 6"):
        attention_viewer(planted(), ["even", "sharp"], TOKENS, query=7)
    with pytest.raises(InvalidInput, match="too many"):
        attention_viewer(np.zeros((1, 100, 100)), ["long"], ["a"] * 100)

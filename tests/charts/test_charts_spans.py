from __future__ import annotations

import pandas as pd
import pytest
import vl_convert

from mechscope.charts_spans import two_scores
from mechscope.errors import InvalidInput

KINDS = ["induction", "mixed"]
SCORES = pd.DataFrame(
    {"head": ["L0H0", "L0H1"], "x": [0.9, 0.1], "y": [0.7, 0.0], "category": ["induction", "mixed"]}
)


def test_a_scatter_of_two_scores_names_only_the_heads_that_are_asked_for():
    spec = two_scores(SCORES, x_title="random", y_title="text", kinds=KINDS, named=["L0H0"]).to_dict()
    svg = vl_convert.vegalite_to_svg(spec)
    assert ">L0H0<" in svg and ">L0H1<" not in svg
    assert ">random<" in svg and ">text<" in svg


def test_both_axes_run_from_nothing_to_all_so_that_the_diagonal_means_agreement():
    spec = two_scores(SCORES, x_title="x", y_title="y", kinds=KINDS).to_dict()
    for layer in spec["layer"]:
        assert layer["encoding"]["x"]["scale"]["domain"] == [0, 1]
        assert layer["encoding"]["y"]["scale"]["domain"] == [0, 1]


def test_bad_frames_are_refused():
    with pytest.raises(InvalidInput, match="lack category"):
        two_scores(SCORES.drop(columns="category"), x_title="x", y_title="y", kinds=KINDS)
    with pytest.raises(InvalidInput, match="between 0 and 1"):
        two_scores(SCORES.assign(y=1.2), x_title="x", y_title="y", kinds=KINDS)
    with pytest.raises(InvalidInput, match="not every category"):
        two_scores(SCORES, x_title="x", y_title="y", kinds=KINDS[:1])
    with pytest.raises(InvalidInput, match="no dot for L9H9"):
        two_scores(SCORES, x_title="x", y_title="y", kinds=KINDS, named=["L9H9"])

"""Charts: distributions."""

from __future__ import annotations

import pandas as pd
import pytest
import vl_convert

from mechscope.charts.distributions import activation_histograms, cosine_densities
from mechscope.errors import InvalidInput


def drawn(chart) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


def test_a_density_of_nought_is_refused_on_a_logarithmic_axis():
    frame = pd.DataFrame({"cosine": [-0.1, 0.1], "density": [1.0, 2.0], "label": "layer 0"})
    assert "svg" in drawn(cosine_densities(frame, frame, reach=0.5))
    with pytest.raises(InvalidInput, match="density of 0"):
        cosine_densities(frame.assign(density=0.0), frame, reach=0.5)


def test_histograms_have_a_bar_for_each_bin_that_holds_a_token():
    frame = pd.DataFrame(
        {"label": ["a", "a", "b"], "from": [0.0, 1.0, 0.0], "to": [1.0, 2.0, 1.0], "tokens": [100, 0, 1]}
    )
    svg = drawn(activation_histograms(frame))
    assert svg.count('aria-roledescription="bar"') == 2
    with pytest.raises(InvalidInput, match="tokens"):
        activation_histograms(frame.drop(columns="tokens"))

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import vl_convert

from mechscope import charts
from mechscope.errors import InvalidInput
from mechscope.lens.geometry import Clustering, cluster


def similarity(n: int) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(n, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x @ x.T


def heatmap(n: int = 6):
    matrix = similarity(n)
    tree: Clustering = cluster(matrix)
    names = [f"topic {at}" for at in range(n)]
    groups = [f"group {at % 2}" for at in range(n)]
    return charts.cosine_heatmap(matrix, names, groups, order=tree.order, merges=tree.merges)


def curves():
    frame = pd.DataFrame(
        [
            {
                "label": label,
                "layer": layer,
                "value": 0.1 * layer - shift,
                "low": -0.1,
                "high": 0.5,
                "threshold": 0.15,
            }
            for label, shift in (("abstract", 0.0), ("controversial", 0.1))
            for layer in range(4)
        ]
    )
    return charts.layer_curves(frame, y_title="T")


def heads():
    frame = pd.DataFrame(
        [
            {"label": label, "layer": layer, "head": head, "value": 0.1 * head - 0.1, "marked": head == 2}
            for label in ("abstract", "controversial")
            for layer in range(3)
            for head in range(3)
        ]
    )
    return charts.head_map(frame, value_title="T")


def strips():
    frame = pd.DataFrame({"topic": list("abcd"), "kind": list("xxyy"), "mass": [0.1, 0.2, 0.01, 0.5]})
    return charts.strip_plot(frame, value="mass", group="kind", item="topic", x_title="probability", log=True)


BUILDERS = [heatmap, curves, heads, strips]


def svg_of(chart) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


@pytest.mark.parametrize("build", BUILDERS)
def test_the_same_data_give_the_same_bytes_whatever_was_drawn_before(build):
    first = json.dumps(build().to_dict())
    for other in BUILDERS:
        other().to_dict()
    again = json.dumps(build().to_dict())
    assert first == again
    assert not re.search(r"view_\d|param_\d", first)


@pytest.mark.parametrize("build", BUILDERS)
def test_every_chart_draws_within_an_articles_column(build):
    svg = ElementTree.fromstring(svg_of(build()))
    assert 0 < float(svg.attrib["width"]) <= charts.WIDTH + 20
    assert float(svg.attrib["height"]) > 50


@pytest.mark.parametrize("build", BUILDERS)
def test_text_reads_on_light_pages_and_inverted_on_dark_ones_and_the_background_is_transparent(build):
    svg = svg_of(build())
    assert build().to_dict()["config"]["background"] == "transparent"
    root = ElementTree.fromstring(svg)
    fills = {node.attrib.get("fill") for node in root.iter() if node.tag.endswith("}text")}
    assert fills == {charts.NEUTRAL}
    for page, shown in (("#ffffff", str), ("#16181b", inverted)):
        assert contrast(shown(charts.NEUTRAL), page) > 4.5
        assert all(contrast(shown(colour), page) > 2.4 for colour in charts.PALETTE)


def inverted(colour: str) -> str:
    """As dark pages show pictures: `filter: invert(0.9)`, which turns lightness round."""
    return "#" + "".join(f"{round(229.5 - 0.8 * int(colour[at : at + 2], 16)):02x}" for at in (1, 3, 5))


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(first: str, second: str) -> float:
    """Contrast of two colours as WCAG 2 defines it."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_heatmap_shows_every_pair_at_its_place():
    spec = heatmap().to_dict()
    cells = next(data for data in spec["datasets"].values() if "cosine" in data[0])
    matrix = similarity(6)
    assert len(cells) == 36
    order = [int(cell["row"].split()[1]) for cell in sorted(cells, key=lambda cell: cell["y"])[::6]]
    assert order == cluster(matrix).order.tolist()
    for cell in cells:
        row, column = (int(cell[name].split()[1]) for name in ("row", "column"))
        assert cell["cosine"] == pytest.approx(matrix[row, column], abs=1e-6)


def test_the_colour_scale_is_symmetric_about_zero():
    text = json.dumps(heatmap().to_dict())
    domain = json.loads(re.search(r'"domain": (\[-[^\]]+\]), "interpolate"', text).group(1))
    assert domain == [-value for value in reversed(domain)]
    assert domain[len(domain) // 2] == 0


def test_dots_stand_on_what_exceeds_its_threshold():
    root = ElementTree.fromstring(svg_of(curves()))
    dots = [node for node in root.iter() if node.attrib.get("aria-roledescription") == "point"]
    filled = [node for node in dots if node.attrib.get("fill", "transparent") != "transparent"]
    assert (len(dots), len(filled)) == (8, 3)
    root = ElementTree.fromstring(svg_of(heads()))
    marked = [node for node in root.iter() if node.attrib.get("fill") == "#1c1c1c"]
    assert len(marked) == 2 * 3


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(InvalidInput, match="lack"):
        charts.layer_curves(pd.DataFrame({"layer": [0]}), y_title="T")
    frame = pd.DataFrame({"topic": ["a"], "kind": ["x"], "mass": [0.0]})
    with pytest.raises(InvalidInput, match="logarithmic"):
        charts.strip_plot(frame, value="mass", group="kind", item="topic", x_title="p", log=True)
    with pytest.raises(InvalidInput, match="too large"):
        heatmap(61)
    with pytest.raises(InvalidInput, match="needs"):
        charts.cosine_heatmap(similarity(3), ["a"], ["b"], order=np.arange(3))

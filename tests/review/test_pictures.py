"""Pictures: what a forger changes in one is seen; what another machine makes of it is not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mechscope.ledger.drawing import draw
from mechscope.review.pictures import alike

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.1.0.json"
CELLS = [{"row": row, "column": column, "v": row * column} for row in (1, 2, 3) for column in (1, 2)]
X, Y = ({"field": field, "type": "ordinal"} for field in ("column", "row"))
SHADE = {"field": "v", "type": "quantitative", "legend": {"title": "How much"}}
HEATMAP = {
    "$schema": SCHEMA,
    "data": {"values": CELLS},
    "title": "A title",
    "hconcat": [
        {"mark": {"type": "rect", "clip": True}, "encoding": {"x": X, "y": Y, "color": SHADE}},
        {"mark": "point", "encoding": {"x": X, "y": {**Y, "title": "Lines"}, "fill": SHADE}},
    ],
    "resolve": {"scale": {"color": "independent", "fill": "independent"}},
}


def with_titles(title: str) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(json.dumps(HEATMAP))
    spec["hconcat"][0]["encoding"]["y"]["title"] = title
    return spec


def changed(pattern: str, new: str) -> Callable[[str], str]:
    def change(svg: str) -> str:
        assert re.search(pattern, svg), pattern
        return re.sub(pattern, new, svg, count=1)

    return change


def swapped(one: str, other: str) -> Callable[[str], str]:
    return lambda svg: svg.replace(one, "\0").replace(other, one).replace("\0", other)


FORGERIES = {
    "a bar changed": changed(r'd="M0,0h20v20h-20Z"', 'd="M0,0h20v19h-20Z"'),
    "a bar moved by a pixel": changed(r'(rect mark" d="M)0,', r"\g<1>1,"),
    "a point moved": changed(r'(point" transform="translate\()10,', r"\g<1>11,"),
    "a label swapped": swapped(">1</text>", ">2</text>"),
    "a label moved": changed(r"(translate\(-7,)12", r"\g<1>52"),
    "an axis moved": changed(r'(role-axis".{0,150}?<g transform="translate\(0.5,)60.5', r"\g<1>40.5"),
    "a title changed": changed(">Lines<", ">Layers<"),
    "the frame cropped": changed(r'viewBox="0 0 (\d+)', 'viewBox="0 0 90'),
    "a mark removed": changed(r'<path aria-label="[^"]*" role="graphics-symbol"[^>]*/>', ""),
    "a mark added": changed(r'(<path aria-label="[^"]*" role="graphics-symbol"[^>]*/>)', r"\1\1"),
    "a mark hidden": changed(r'role="graphics-symbol"', 'role="graphics-symbol" display="none"'),
    "a colour changed": changed(r'fill="rgb\(\d+', 'fill="rgb(1'),
    "an opacity changed": changed(r'opacity="1"', 'opacity="0"'),
    "another gradient": swapped("url(#gradient_0)", "url(#gradient_1)"),
    "a gradient's colour changed": changed(r'stop-color="[^"]*"', 'stop-color="red"'),
    "a gradient's stop moved": changed(r'stop offset="1"', 'stop offset="0.5"'),
    "a clip removed": changed(r' clip-path="[^"]*"', ""),
    "a clip narrowed": changed(r'(<clipPath id="clip0"><rect [^>]*width=")40', r"\g<1>20"),
    "an alternative text changed": changed(r'aria-label="column: 1', 'aria-label="column: 9'),
    "coordinates that are none": changed(r'd="M0,0h20v20h-20Z"', 'd="M#,#h#v#h#Z"'),
    "digits that are none": changed(r'd="M0,0h20v20h-20Z"', 'd="M0,0h٢٠v20h-20Z"'),
    "a style": changed("</svg>", "<style>path {fill: red}</style></svg>"),
    "a style sheet": lambda svg: '<?xml-stylesheet href="x.css"?>' + svg,
    "a comment": changed("</svg>", "<!-- true -->\n</svg>"),
    "something on top": changed("</svg>", '<rect width="9" height="9"/></svg>'),
    "no picture at all": lambda svg: "",
}


@pytest.fixture(scope="module")
def drawn() -> str:
    return draw(HEATMAP)


@pytest.mark.parametrize("name", FORGERIES)
def test_what_is_changed_in_a_picture_is_seen(drawn: str, name: str) -> None:
    forged = FORGERIES[name](drawn)
    assert forged != drawn
    assert not alike(forged, drawn)
    assert not alike(drawn, forged)


def test_how_ids_are_numbered_is_nothing_that_shows(drawn: str) -> None:
    late = re.sub(r"(gradient_|clip)(\d)", lambda id_: f"{id_[1]}{int(id_[2]) + 17}", drawn)
    assert late != drawn
    assert alike(late, drawn)


FAMILIES = ("Georgia, serif", "Helvetica", "Menlo, monospace", "No Such Font", "DejaVu Sans", "sans-serif")
ELSEWHERE = """
import json, sys
from mechscope.ledger.drawing import draw
print(json.dumps([draw(spec) for spec in json.load(sys.stdin)]))
"""


def in_fonts(family: str) -> list[dict[str, Any]]:
    """The chart with the family in each place in which one can be named."""
    bars = {"mark": "bar", "encoding": {"x": X, "y": {**Y, "axis": {"labelFont": family}}}}
    words = {"mark": {"type": "text", "font": family}, "encoding": {"x": X, "y": Y, "text": SHADE}}
    by_expression = {"mark": {"type": "text", "font": {"expr": f"'{family}'"}}, "encoding": {"text": SHADE}}
    specs: list[dict[str, Any]] = [
        {**HEATMAP, "config": {"font": family}},
        {
            **HEATMAP,
            "config": {part: {"labelFont": family, "titleFont": family} for part in ("axis", "legend")},
        },
        {**HEATMAP, "title": {"text": "wide and IIIIIIIIIII", "font": family, "subtitleFont": family}},
        *({"$schema": SCHEMA, "data": {"values": CELLS}, **spec} for spec in (bars, words, by_expression)),
    ]
    return specs


def test_a_picture_is_the_same_with_other_fonts(tmp_path: Path) -> None:
    specs = [HEATMAP, *(spec for family in FAMILIES for spec in in_fonts(family))]
    (tmp_path / "fonts.conf").write_text(f"<fontconfig><dir>{tmp_path}</dir></fontconfig>")
    bare = {**os.environ, "FONTCONFIG_FILE": str(tmp_path / "fonts.conf")}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=json.dumps(specs), env=bare, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == [draw(spec) for spec in specs]


def test_a_chart_is_shown_in_its_own_fonts() -> None:
    for family in FAMILIES:
        for spec in in_fonts(family):
            assert set(re.findall('font-family="([^"]*)"', draw(spec))) <= {family, "sans-serif"}


def widened(svg: str) -> str:
    width = re.findall(r'viewBox="0 0 (\d+)', svg)[0]
    return svg.replace(f'viewBox="0 0 {width}', f'viewBox="0 0 {int(width) + 9}')


def test_letters_that_no_common_font_has_may_move_what_makes_room_for_them_and_nothing_else() -> None:
    foreign, plain = draw(with_titles("ラベル")), draw(with_titles("Label"))
    assert alike(foreign, widened(foreign))
    assert not alike(plain, widened(plain))
    for name in ("a bar moved by a pixel", "a point moved", "a label moved", "an axis moved"):
        assert not alike(FORGERIES[name](foreign), foreign), name

"""Drawing: one specification gives one picture, whatever the process drew before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import vl_convert

from mechscope.ledger.drawing import draw, with_plain_ids

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.1.0.json"
ROWS = [{"a": 1, "b": 2, "c": "x"}, {"a": 2, "b": 5, "c": "y"}, {"a": 3, "b": 1, "c": "x"}]


def number(field: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative"}


PLACE = {"x": number("a"), "y": number("b")}
SHADED = {**PLACE, "color": number("b")}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


def gradient(kind: str) -> dict[str, Any]:
    stops = [{"offset": 0, "color": "red"}, {"offset": 1, "color": "blue"}]
    return {"gradient": kind, "stops": stops}


def specifications() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way in which Vega makes ids: clips by every mark, gradients of legends and of marks."""
    by_kind = {"x": {"field": "c"}, "y": number("b")}
    encodings: dict[str, dict[str, Any]] = {
        **dict.fromkeys(("area", "bar", "circle", "line", "point", "rect", "rule", "square"), SHADED),
        **dict.fromkeys(("tick", "trail", "geoshape"), SHADED),
        **dict.fromkeys(("boxplot", "errorbar", "errorband"), by_kind),
        "text": {**SHADED, "text": {"value": "gradient_7 url(#clip7)"}},
        "arc": {"theta": number("b"), "color": number("a")},
        "image": {**PLACE, "url": {"value": PIXEL}},
    }
    for mark, encoding in encodings.items():
        for clip in (False, True):
            yield f"{mark}{' clipped' * clip}", {"mark": {"type": mark, "clip": clip}, "encoding": encoding}
    for kind in ("linear", "radial"):
        yield f"{kind} gradient", {"mark": {"type": "bar", "color": gradient(kind)}, "encoding": PLACE}
    inner = {"mark": {"type": "line", "clip": True}, "encoding": SHADED}
    scales = {"name": "p", "select": "interval", "bind": "scales"}
    yield "zoomed", {"mark": "point", "params": [scales], "encoding": SHADED}
    yield "layered", {"layer": [inner, {"mark": "point", "encoding": {**PLACE, "fill": number("a")}}]}
    apart = {"resolve": {"scale": {"color": "independent"}}}
    yield "side by side", {"hconcat": [inner, {"mark": "rect", "encoding": SHADED}], **apart}
    yield "facets", {"facet": {"row": {"field": "c"}}, "spec": inner}
    yield "rounded", {"mark": "bar", "encoding": SHADED, "config": {"view": {"clip": True}}}
    named = {"description": {"value": 'url(#clip7) id="clip7"'}}
    yield "named like ids", {"mark": "bar", "encoding": {**SHADED, **named}}


SPECIFICATIONS = {
    name: {"$schema": SCHEMA, "data": {"values": ROWS}, **spec} for name, spec in specifications()
}


def raw(spec: Mapping[str, Any]) -> str:
    svg: str = vl_convert.vegalite_to_svg(spec, vl_version="6.1")
    return svg


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_a_picture_is_the_same_whatever_was_drawn_before(name: str) -> None:
    spec = SPECIFICATIONS[name]
    before = draw(spec)
    raw(SPECIFICATIONS["side by side"])
    assert draw(spec) == before
    raw(SPECIFICATIONS["radial gradient"])
    raw(SPECIFICATIONS["facets"])
    assert draw(spec) == before


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_in_a_picture_everything_still_refers_to_what_it_referred_to(name: str) -> None:
    svg = raw(SPECIFICATIONS[name])
    plain = with_plain_ids(svg)
    ids, new_ids = (re.findall(r' id="([^"]*)"', text) for text in (svg, plain))
    assert len(set(new_ids)) == len(new_ids)
    pattern = r' (?:fill|clip-path)="url\(#([^)]*)\)"'
    refers, new_refers = ([found[1] for found in re.finditer(pattern, text)] for text in (svg, plain))
    assert new_refers == [dict(zip(ids, new_ids, strict=True))[name] for name in refers]


def test_texts_that_look_like_ids_stay_as_they_are() -> None:
    raw(SPECIFICATIONS["radial gradient"])
    assert ">gradient_7 url(#clip7)</text>" in draw(SPECIFICATIONS["text"])
    label = 'aria-label="url(#clip7) id=&quot;clip7&quot;"'
    assert label in draw(SPECIFICATIONS["named like ids"])


def test_another_gradient_or_clip_is_another_picture() -> None:
    svg = draw(SPECIFICATIONS["linear gradient"])
    first, second = re.findall(r'fill="url\(#(\w+)\)"', svg)[:2]
    assert with_plain_ids(svg.replace(f'"url(#{second})"', f'"url(#{first})"', 1)) != svg
    swapped = svg.replace(f'id="{first}"', 'id="x"').replace(f'id="{second}"', f'id="{first}"')
    assert with_plain_ids(swapped.replace('id="x"', f'id="{second}"')) != svg


@pytest.mark.parametrize("address", ["https://example.org/rows.csv", "data/rows.csv"])
def test_nothing_is_fetched_for_a_picture(address: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        draw({"$schema": SCHEMA, "data": {"url": address}, "mark": "bar", "encoding": PLACE})

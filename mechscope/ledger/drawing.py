"""Drawing a specification: the same specification, the same picture, on any machine and at any time.

Two things would make it differ. Vega numbers gradients and clips through the life of a process, so the id of
a legend's gradient tells how many charts came before it; here they are numbered from 0 in each picture. And
it makes room for texts as wide as they are in the fonts that the machine has; here they are measured in the
one font that vl-convert brings along, and shown in the chart's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BROUGHT_ALONG = "Liberation Sans, "
"""Before the chart's own fonts, so that it is the one that texts are measured in."""
_TAG = re.compile(r"<[^<>]*>")
_NUMBERED_ID = re.compile(r'(?<= )(id="|(?:fill|stroke|clip-path)="url\(#)([A-Za-z_]+)([0-9]+)(?=\)?")')


def draw(spec: Mapping[str, Any]) -> str:
    """The picture of a Vega-Lite specification, as SVG; nothing is fetched for it.

    Raises:
        ValueError: Vega-Lite refuses it, or its data lie elsewhere.
    """
    import vl_convert

    svg = vl_convert.vegalite_to_svg(
        _measured_alike(spec),
        vl_version=vega_lite_version(spec),
        config={"font": f"{_BROUGHT_ALONG}sans-serif"},
        allowed_base_urls=[],
    )
    own_fonts = svg.replace(f' font-family="{_BROUGHT_ALONG}', ' font-family="')
    return with_plain_ids(own_fonts)


def vega_lite_version(spec: Mapping[str, Any]) -> str | None:
    """The major.minor version in the specification's `$schema`, for the converter."""
    found = re.search(r"/v(\d+\.\d+)", str(spec.get("$schema", "")))
    return found.group(1) if found else None


def with_plain_ids(svg: str) -> str:
    """An SVG whose ids are numbered, kind by kind, in the order in which they first stand in it.

    What referred to the same thing does so afterwards, and what referred to another thing does not.
    """
    numbers: dict[str, dict[str, int]] = {}

    def renumbered(match: re.Match[str]) -> str:
        of_kind = numbers.setdefault(match[2], {})
        return f"{match[1]}{match[2]}{of_kind.setdefault(match[3], len(of_kind))}"

    return _TAG.sub(lambda tag: _NUMBERED_ID.sub(renumbered, tag[0]), svg)


def _measured_alike(spec: Any) -> Any:
    """A specification whose texts are measured in the font that is everywhere."""
    if isinstance(spec, list):
        return [_measured_alike(item) for item in spec]
    if not isinstance(spec, Mapping):
        return spec
    return {
        key: value
        if key in ("data", "datasets")
        else _with_font(value)
        if key.endswith(("font", "Font"))
        else _measured_alike(value)
        for key, value in spec.items()
    }


def _with_font(fonts: Any) -> Any:
    match fonts:
        case str():
            return f"{_BROUGHT_ALONG}{fonts}"
        case {"expr": str() as expression}:
            return {"expr": f"'{_BROUGHT_ALONG}' + ({expression})"}
    return fonts

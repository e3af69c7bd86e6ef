"""Drawing a specification: the same specification, the same picture, on any machine and at any time.

Two things would make it differ. Vega numbers gradients and clips through the life of a process, so the id of
a legend's gradient tells how many charts came before it; here they are numbered from 0 in each picture. And
it makes room for texts as wide as they are in the fonts that the machine has; here they are measured in the
one font that vl-convert brings along, and shown in the chart's own.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from mechscope.characters import has_unseen, visible

_EXPRESSIONS = ("calculate", "expr", "filter", "labelExpr", "test", "and", "or", "not")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4}))")
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

    svg: str = vl_convert.vegalite_to_svg(
        _measured_alike(printable(spec)),  # an unseen character would end the process
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


def draws_nothing(svg: str) -> bool:
    """Whether a picture has axes and titles at most: no mark is in it."""
    return not any(
        _is_drawn(element)
        for group in ElementTree.fromstring(svg).iter()
        if "role-mark" in group.get("class", "").split()
        for element in group
    )


def _is_drawn(element: ElementTree.Element) -> bool:
    tag = element.tag.rpartition("}")[2]
    if "NaN" in element.get("transform", "") + element.get("d", ""):
        return False
    if tag == "path":
        return bool(element.get("d"))
    return bool("".join(element.itertext()).strip()) if tag == "text" else True


def printable(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """The specification with characters that can be shown; texts that differ stay different."""
    texts = set(_texts(spec))
    if not any(map(has_unseen, texts)):
        return spec
    brackets = next(n for n in count(1) if len({visible(text, n) for text in texts}) == len(texts))
    changed: dict[str, Any] = _changed(spec, brackets)
    return changed


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        yield from (key for key in node if isinstance(key, str))
        for part in node.values():
            yield from _texts(part)
    elif isinstance(node, (list, tuple)):
        for part in node:
            yield from _texts(part)


def _changed(node: Any, brackets: int, key: str = "") -> Any:
    if isinstance(node, str):
        if key in _EXPRESSIONS:  # Altair writes a form feed as '\x0c' there
            node = _ESCAPE.sub(lambda match: _unescaped(match, brackets), node)
        return visible(node, brackets)
    if isinstance(node, dict):
        return {_changed(name, brackets): _changed(part, brackets, name) for name, part in node.items()}
    if isinstance(node, (list, tuple)):
        return [_changed(part, brackets, key) for part in node]
    return node


def _unescaped(match: re.Match[str], brackets: int) -> str:
    character = chr(int(match[1] or match[2], 16))
    return visible(character, brackets) if has_unseen(character) else match[0]

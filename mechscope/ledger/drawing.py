"""Drawing a specification: the same specification, the same bytes, whatever was drawn before.

Vega numbers gradients and clips through the life of a process, so the id of a legend's gradient tells how
many charts came before it. Here they are numbered from 0 in each picture.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TAG = re.compile(r"<[^<>]*>")
_NUMBERED_ID = re.compile(r'(?<= )(id="|(?:fill|stroke|clip-path)="url\(#)([A-Za-z_]+)(\d+)(?=\)?")')


def draw(spec: dict[str, Any]) -> str:
    """The picture of a Vega-Lite specification, as SVG; nothing is fetched for it.

    Raises:
        ValueError: Vega-Lite refuses it, or its data lie elsewhere.
    """
    import vl_convert

    version = vega_lite_version(spec)
    return with_plain_ids(vl_convert.vegalite_to_svg(spec, vl_version=version, allowed_base_urls=[]))


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

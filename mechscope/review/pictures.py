"""Whether a figure's picture is what its specification draws: pictures could be edited, hashes and all.

The same specification is drawn here and compared, to the letter but for coordinates. What stands for data
must lie where it did. Where axes, titles and legends lie depends on how wide texts are, and letters that the
font lacks in which texts are measured are as wide as some font of the machine makes them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mechscope.ledger.drawing import draw, with_plain_ids
from mechscope.ledger.schema import LedgerFile
from mechscope.ledger.store import figure_files

_NOISE = 0.01
"""Pixels by which anything may differ."""
_PIXELS = 6.0
"""Pixels by which another edition of the font may move what makes room for texts."""
_WIDEST = 24.0
"""Pixels that one letter may be wider in one font than in another."""
_FOREIGN = re.compile("[^\\u0000-\\u052f\\u2010-\\u2026\\u2190-\\u2195\\u2212\\u2248\\u2260\\u2264\\u2265]")
"""A letter that is not measured in the same font everywhere."""
_COORDINATES = re.compile(r'(?<= )(?:d|transform|width|height|viewBox|x|y|x1|x2|y1|y2)="([^"]*)"')
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?")
_TAG = re.compile(r"<[^<>]*>")
_CLASS = re.compile(r' class="([^"]*)"')
_BY_FONTS = {
    "svg": "",
    "rect": "",
    "g": "marks|mark-group role-(?:scope|title|legend|[a-z]+-title).*",
    "text": "$|mark-text role-[a-z]+-title",
}
"""What lies where the widths of texts put it: tags, and the groups in which they stand."""


def altered_pictures(ledger: LedgerFile, folder: Path, converter: str) -> Iterator[tuple[str, str]]:
    """The figures whose picture in `folder` is not what their specification there draws: (name, a phrase).

    Args:
        converter: The version of vl-convert here. The ledger's own word that another one drew its pictures
            excuses nothing, for it can be edited; it is said beside what differs.
    """
    recorded = ledger.environment.get("vl-convert-python", "none")
    versions = "" if recorded == converter else f" (by vl-convert {converter}; the ledger states {recorded})"
    for name in ledger.findings.figures:
        spec, svg = figure_files(folder, name)
        if not (spec.is_file() and svg.is_file()):
            continue  # said elsewhere
        drawn = _drawn(spec.read_text(encoding="utf-8", errors="replace"))
        if drawn is not None and not alike(svg.read_text(encoding="utf-8", errors="replace"), drawn):
            yield name, f"its picture is not the one that its data draw{versions}"


def alike(one: str, other: str) -> bool:
    """Whether two SVG show the same, but for how their ids are numbered and where fonts put it."""
    if one == other:
        return True
    pieces, other_pieces = (list(_pieces(with_plain_ids(svg))) for svg in (one, other))
    skeletons = [[(text, len(numbers)) for text, _, numbers in listed] for listed in (pieces, other_pieces)]
    if skeletons[0] != skeletons[1]:
        return False
    texts = (text for text, _, _ in pieces if not text.startswith("<"))
    foreign = max((len(_FOREIGN.findall(text)) for text in texts), default=0)
    return all(
        abs(a - b) <= (_PIXELS + _WIDEST * foreign if placed else _NOISE)
        for (_, placed, before), (_, _, after) in zip(pieces, other_pieces, strict=True)
        for a, b in zip(before, after, strict=True)
    )


def _pieces(svg: str) -> Iterator[tuple[str, bool, list[float]]]:
    """Tags and texts: without coordinates, whether fonts decide on these, and the coordinates."""
    groups = [""]
    end = 0
    for tag in _TAG.finditer(svg):
        yield svg[end : tag.start()], False, []
        end = tag.end()
        numbers: list[float] = []

        def without(match: re.Match[str], numbers: list[float] = numbers) -> str:
            numbers.extend(float(number) for number in _NUMBER.findall(match[1]))
            return _NUMBER.sub("#", match[0])

        text = tag[0]
        yield _COORDINATES.sub(without, text), _by_fonts(text, groups), numbers
        if text.startswith("</"):
            groups = groups[:-1] or [""]
        elif not text.endswith("/>"):
            own = _CLASS.search(text)
            groups.append(own[1] if own else groups[-1])
    yield svg[end:], False, []


def _by_fonts(tag: str, groups: list[str]) -> bool:
    """Whether where a tag lies depends on fonts; `groups` are the classes of those that it is in."""
    name = re.match(r"<([a-z]*)", tag)
    pattern = _BY_FONTS.get(name[1]) if name else None
    return 'class="background"' in tag or (pattern is not None and bool(re.match(pattern, groups[-1])))


def _drawn(spec: str) -> str | None:
    """The picture that a specification draws; None if it draws none, which its comparison says."""
    try:
        content = json.loads(spec)
        return draw(content) if isinstance(content, dict) else None
    except ValueError:
        return None

"""Whether a figure's picture is what its specification draws: pictures could be edited, hashes and all.

The same specification is drawn here and compared. Fonts differ between machines and move axes by some pixels,
so coordinates may differ a little; texts, colours, labels and the number of marks may not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mechscope.ledger.drawing import draw, with_plain_ids
from mechscope.ledger.schema import LedgerFile
from mechscope.ledger.store import figure_files

_PIXELS = 6.0
_COORDINATES = re.compile(r'(?<= )(?:d|transform|width|height|viewBox|x|y|x1|x2|y1|y2)="([^"]*)"')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


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
        drawn = _drawn(spec.read_text(encoding="utf-8"))
        if drawn is not None and not alike(svg.read_text(encoding="utf-8"), drawn):
            yield name, f"its picture is not the one that its data draw{versions}"


def alike(one: str, other: str) -> bool:
    """Whether two SVG show the same, but for how their ids are numbered and where fonts put it."""
    if one == other:
        return True
    (skeleton, numbers), (other_skeleton, other_numbers) = _taken_apart(one), _taken_apart(other)
    return (
        skeleton == other_skeleton
        and len(numbers) == len(other_numbers)
        and all(abs(a - b) <= _PIXELS for a, b in zip(numbers, other_numbers, strict=True))
    )


def _taken_apart(svg: str) -> tuple[str, list[float]]:
    """An SVG without its coordinates, and these."""
    numbers: list[float] = []

    def without(match: re.Match[str]) -> str:
        numbers.extend(float(number) for number in _NUMBER.findall(match[1]))
        return _NUMBER.sub("#", match[0])

    return _COORDINATES.sub(without, with_plain_ids(svg)), numbers


def _drawn(spec: str) -> str | None:
    """The picture that a specification draws; None if it draws none, which its comparison says."""
    try:
        content = json.loads(spec)
        return draw(content) if isinstance(content, dict) else None
    except ValueError:
        return None

"""Whether a figure's picture is what its specification draws: pictures could be edited, hashes and all.

The same specification is drawn here and compared. Fonts differ between machines and move axes by some pixels,
so coordinates may differ a little; texts, colours, labels and the number of marks may not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mechscope.ledger.recording import vega_lite_version
from mechscope.ledger.schema import LedgerFile
from mechscope.ledger.store import figure_files

_PIXELS = 6.0
_COORDINATES = re.compile(r'(?<= )(?:d|transform|width|height|viewBox|x|y|x1|x2|y1|y2)="([^"]*)"')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def altered_pictures(ledger: LedgerFile, folder: Path, rerun: Path, converter: str) -> Iterator[str]:
    """The figures whose picture in `folder` is not what their specification there draws, by name.

    Args:
        rerun: The folder of the rerun, whose pictures were drawn here.
        converter: The version of vl-convert that drew them; another one draws in another way, and then
            nothing can be said.
    """
    if ledger.environment.get("vl-convert-python") != converter:
        return
    for name in ledger.findings.figures:
        spec, svg = figure_files(folder, name)
        here_spec, here_svg = figure_files(rerun, name)
        if not (spec.is_file() and svg.is_file()):
            continue  # said elsewhere
        text = spec.read_text(encoding="utf-8")
        same = here_spec.is_file() and here_spec.read_text(encoding="utf-8") == text
        drawn = here_svg.read_text(encoding="utf-8") if same else _drawn(text)
        if drawn is not None and not alike(svg.read_text(encoding="utf-8"), drawn):
            yield name


def alike(one: str, other: str) -> bool:
    """Whether two SVG show the same, but for where fonts put it."""
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

    return _COORDINATES.sub(without, svg), numbers


def _drawn(spec: str) -> str | None:
    """The picture that a specification draws; None if it draws none, which its comparison says."""
    import vl_convert

    try:
        content = json.loads(spec)
        svg: str = vl_convert.vegalite_to_svg(content, vl_version=vega_lite_version(content))
    except ValueError:
        return None
    return svg

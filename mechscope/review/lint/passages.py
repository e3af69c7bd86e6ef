"""The passages of a text in which numbers are judged, as a reader reads them.

A passage is what stands between two blank lines. A table, a list or a figure's caption is read with the
paragraph before it, which says what its numbers are. Comments are left out, and so are the marks of
`[70]{.given}` and spaces beyond one: none of them must change how numbers are judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mechscope.articles.markdown import Scan
from mechscope.review.lint.reading import Reading, read

_BREAK = re.compile(r"\n(?:[ \t>]*\n)+")
_STRUCTURE = re.compile(
    r"(?:\s*<!--[\s\S]*?-->)*[\s>]*(?:\||[-*+:][ \t]|\d+[.)][ \t]|\+[-=]|```|!\[|<(?!!--))"
)
_GIVEN = re.compile(r"\[(?P<number>[^\[\]]*)\]\{\.given\}")
_PART = re.compile(r"(?<=[.!?])\s|\n")
_LONGEST = 1000
_BEFORE = 300
"""Characters."""


@dataclass(frozen=True)
class Passage:
    """A passage as it is read.

    Attributes:
        start, end: Where the part is that is judged; what is read before it is there to be understood.
    """

    start: int
    end: int
    reading: Reading


def passages(scan: Scan) -> Iterator[Passage]:
    """The passages of a text, in order; each place is in exactly one."""
    text = scan.text
    dropped = _dropped(scan)
    starts = [0, *(match.end() for match in _BREAK.finditer(text))]
    ends = [*(match.start() for match in _BREAK.finditer(text)), len(text)]
    before = 0
    for start, end in zip(starts, ends, strict=True):
        context = max(before, start - _BEFORE) if _STRUCTURE.match(text, start) else start
        for first, last in _parts(text, start, end):
            near = [span for span in dropped if span[0] < last and span[1] > context]
            yield Passage(
                first, last, _without(_joined(read(text, context, start), read(text, first, last)), near)
            )
        if not _STRUCTURE.match(text, start):
            before = start


def _parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A long passage in parts, which end with a sentence or a line."""
    while end - start > _LONGEST:
        cuts = [match.end() for match in _PART.finditer(text, start + _LONGEST // 2, start + _LONGEST)]
        cut = cuts[-1] if cuts else start + _LONGEST
        yield start, cut
        start = cut
    yield start, end


def _dropped(scan: Scan) -> Sequence[tuple[int, int]]:
    spans = list(scan.comments)
    for match in _GIVEN.finditer(scan.text):
        first, last = match.span("number")
        spans += [(match.start(), first), (last, match.end())]
    return sorted(spans)


def _joined(head: Reading, body: Reading) -> Reading:
    return Reading(head.text + body.text, (*head.places[:-1], *body.places))


def _without(reading: Reading, spans: Sequence[tuple[int, int]]) -> Reading:
    """A reading without what is written in some spans, and with one space where there are many."""
    letters: list[str] = []
    places: list[int] = []
    for letter, place in zip(reading.text, reading.places, strict=False):
        if any(start <= place < end for start, end in spans):
            continue
        if letter.isspace() and (not letters or letters[-1].isspace()):
            if letters and letter == "\n":
                letters[-1] = letter
            continue
        letters.append(letter)
        places.append(place)
    return Reading("".join(letters), (*places, reading.places[-1]))

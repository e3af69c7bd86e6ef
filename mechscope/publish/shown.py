"""What a page shows in a run, in reading order: includes followed, branches that the run drops left out.

The filters of both engines work on one document before its shortcodes are expanded; so what a banner counts
and an appendix lists is read from the sources here, once, before anything is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mechscope.errors import MechscopeError
from mechscope.project import Project
from mechscope.publish.findings import Found, Shelf
from mechscope.publish.sources import (
    DIV,
    FRONT_MATTER,
    KIND_OF_SHORTCODE,
    SHORTCODE,
    Shortcode,
    article_files,
    fenced,
    included,
)

_DIV_END = re.compile(r"^[ \t]*(?:>[ \t]*)*:{3,}[ \t]*$", re.MULTILINE)
_DIV_NAMED = re.compile(r"^[ \t]*(?:>[ \t]*)*:{3,}[ \t]*[A-Za-z][\w-]*[ \t]*:*[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(?P<text>.+?)[ \t]*#*$", re.MULTILINE)
_ATTRIBUTES = re.compile(r"\s+\{[^{}]*\}\s*$")
ABSTRACT = "Abstract"
"""The section of what stands in a document's front matter."""


@dataclass(frozen=True)
class Shown:
    """A record where a page shows it, or depends on it (`code.name` is then "when-claim").

    Attributes:
        code: The shortcode, with the file and line in which it is written.
        section: The heading it stands under.
    """

    code: Shortcode
    found: Found
    section: str

    @property
    def kept(self) -> bool:
        """Whether this is prose that depends on a claim, and that the run keeps."""
        return self.code.name == "when-claim" and self.found.record.outcome in _wanted(self.code)


@dataclass(frozen=True)
class _Outline:
    """What a file's Markdown says about its lines."""

    headings: list[tuple[int, str]]
    divs: dict[int, int]
    """The last line of each Div by its first."""


def shown_in(project: Project, shelf: Shelf, codes: Sequence[Shortcode]) -> dict[str, list[Shown]]:
    """By page ("paper/articles/x.qmd"): what it shows in the shelf's run.

    Args:
        codes: The shortcodes of all articles. One whose key this run doesn't have is left out.
    """
    by_file: dict[str, list[Shortcode]] = {}
    for code in codes:
        by_file.setdefault(code.file, []).append(code)
    outlines: dict[str, _Outline] = {}

    def outline(file: str) -> _Outline:
        if file not in outlines:
            path = project.root / file
            text = path.read_text(encoding="utf-8").replace("\r\n", "\n") if path.is_file() else ""
            outlines[file] = _Outline([], {}) if path.suffix == ".ipynb" else _outline(text)
        return outlines[file]

    def walk(file: str, section: str, above: tuple[str, ...]) -> Iterator[Shown]:
        here = outline(file)
        hidden_until = 0
        for code in by_file.get(file, ()):
            if code.place == "comment" or code.line <= hidden_until:
                continue
            heading = next((text for line, text in reversed(here.headings) if line <= code.line), section)
            target = included(code, project)
            if target is not None and (part := project.shown(target)) not in above:
                yield from walk(part, heading, (*above, part))
            found = _found(shelf, code)
            if found is None:
                continue
            item = Shown(code, found, ABSTRACT if code.place == "yaml" else heading)
            if code.name == "when-claim" and not item.kept:
                hidden_until = here.divs.get(code.line, code.line)
            yield item

    pages = [project.shown(path) for path in article_files(project) if not path.name.startswith("_")]
    return {page: list(walk(page, "", (page,))) for page in pages}


def _found(shelf: Shelf, code: Shortcode) -> Found | None:
    if not code.key:
        return None
    try:
        return shelf.find(code.key, KIND_OF_SHORTCODE[code.name])
    except MechscopeError:
        return None


def _wanted(code: Shortcode) -> list[str]:
    return re.split(r"[,\s]+", code.options.get("is", ""))


def _outline(text: str) -> _Outline:
    front = FRONT_MATTER.match(text)
    start = front.end() if front else 0
    spans = [(first, end) for first, end, _ in fenced(text, start)] + [(0, start)]

    def outside(offset: int) -> bool:
        return not any(first <= offset < end for first, end in spans)

    def line_of(offset: int) -> int:
        return text.count("\n", 0, offset) + 1

    headings = [
        (line_of(match.start()), plain_words(match["text"]))
        for match in _HEADING.finditer(text)
        if outside(match.start())
    ]
    marks = [(match.start("colons"), True) for match in DIV.finditer(text)]
    marks += [(match.start(), True) for match in _DIV_NAMED.finditer(text)]
    marks += [(match.start(), False) for match in _DIV_END.finditer(text)]
    divs: dict[int, int] = {}
    open_lines: list[int] = []
    for offset, opens in sorted(mark for mark in marks if outside(mark[0])):
        if opens:
            open_lines.append(line_of(offset))
        elif open_lines:
            divs[open_lines.pop()] = line_of(offset)
    return _Outline(headings, divs)


def plain_words(markdown: str) -> str:
    """A line of Markdown as words; what a shortcode puts in is "…"."""
    words = SHORTCODE.sub("…", _ATTRIBUTES.sub("", markdown))
    words = re.sub(r"\[([^\[\]]*)\](?:\{[^{}]*\}|\([^()]*\))", r"\1", words)
    return re.sub(r"(?<!\\)[*`]|\\(?=[!-/:-@\[-`{-~])", "", words).strip()

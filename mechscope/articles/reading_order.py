"""What a page shows in a run, in reading order: includes followed, branches that the run drops left out.

The filters of both engines work on one document before its shortcodes are expanded; so what a banner counts
and an appendix lists is read from the sources here, once, before anything is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mechscope.articles.sources import (
    CONDITIONS,
    DIV,
    FRONT_MATTER,
    KIND_OF_SHORTCODE,
    SHORTCODE,
    Shortcode,
    article_files,
    article_text,
    fenced,
    included,
    offset_of,
)
from mechscope.errors import MechscopeError
from mechscope.pipeline.shelf import KeyedRecord, Shelf
from mechscope.project import Project

_DIV_END = re.compile(r"^[ \t]*(?:>[ \t]*)*:{3,}[ \t]*$", re.MULTILINE)
_DIV_NAMED = re.compile(r"^[ \t]*(?:>[ \t]*)*:{3,}[ \t]*[A-Za-z][\w-]*[ \t]*:*[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}(?P<level>#{1,6})[ \t]+(?P<text>.+?)[ \t]*#*$", re.MULTILINE)
_UNDERLINED = re.compile(r"^ {0,3}(?P<text>\S.*?)[ \t]*\n(?P<level>=|-)(?P=level)*[ \t]*$", re.MULTILINE)
_ATTRIBUTES = re.compile(r"\s+\{[^{}]*\}\s*$")
ABSTRACT = "Abstract"
"""The section of a document's front matter."""


@dataclass(frozen=True)
class CitedRecord:
    """A record where a page shows it, or depends on it (`code.name` is then "when-claim").

    Attributes:
        code: The shortcode, with the file and line in which it is written.
        section: The heading it is under.
    """

    code: Shortcode
    keyed: KeyedRecord
    section: str

    @property
    def kept(self) -> bool:
        """Whether this is prose that depends on a claim, and that the run keeps."""
        return self.code.name == "when-claim" and self.keyed.outcome in self.code.listed("is")


@dataclass(frozen=True)
class _Outline:
    """What a file's Markdown says about its parts."""

    text: str
    headings: list[tuple[int, str]]
    """Line and words of each."""
    parts: dict[tuple[int, int], tuple[int, int]]
    """From where to where in `text` each condition holds, by the line and column where it is written."""


def cited_by_page(project: Project, shelf: Shelf, codes: Sequence[Shortcode]) -> dict[str, list[CitedRecord]]:
    """By page ("paper/articles/x.qmd"): what it shows in the shelf's run.

    Args:
        codes: The shortcodes of all articles. One whose key this run doesn't have is left out.
    """
    by_file: dict[str, list[Shortcode]] = {}
    for code in codes:
        by_file.setdefault(code.file, []).append(code)
    outlines: dict[str, _Outline] = {}

    def walk(file: str, section: str, above: tuple[str, ...]) -> Iterator[CitedRecord]:
        if file not in outlines:
            outlines[file] = _outline_of(project, file, by_file.get(file, ()))
        here = outlines[file]
        hidden = _hidden(shelf, here, by_file.get(file, ()))
        for code in by_file.get(file, ()):
            if code.place == "comment" or _inside(here, code, hidden):
                continue
            heading = next((text for line, text in reversed(here.headings) if line <= code.line), section)
            target = included(code, project)
            if target is not None and (part := project.relative(target)) not in above:
                yield from walk(part, heading, (*above, part))
            keyed = _found(shelf, code)
            if keyed is not None:
                yield CitedRecord(code, keyed, ABSTRACT if code.place == "yaml" else heading)

    pages = [project.relative(path) for path in article_files(project) if not path.name.startswith("_")]
    return {page: list(walk(page, "", (page,))) for page in pages}


def printed_in(
    project: Project, run: str, codes: Sequence[Shortcode]
) -> tuple[list[Shortcode], frozenset[str]]:
    """Those of `codes` that a render of `run` reads, and the files in which it can print anything.

    All but what is in a `.when-run` of other runs, and in files that are only included there. A branch of
    a `.when-claim` counts as read whatever became of the claim.
    """
    by_file: dict[str, list[Shortcode]] = {}
    for code in codes:
        by_file.setdefault(code.file, []).append(code)
    read: dict[str, list[Shortcode]] = {}
    for file, own in by_file.items():
        dropped = [code for code in own if code.name == "when-run" and not code.prints_in(run)]
        outline = _outline_of(project, file, dropped) if dropped else _Outline("", [], {})
        read[file] = [code for code in own if not _inside(outline, code, outline.parts)]
    parts = {project.relative(target) for code in codes if (target := included(code, project))}
    waiting = [file for file in by_file if file not in parts or not file.rpartition("/")[2].startswith("_")]
    reached: set[str] = set()
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += [
                project.relative(target)
                for code in read.get(file, ())
                if (target := included(code, project)) and code.place == "prose"
            ]
    return [code for file in by_file if file in reached for code in read[file]], frozenset(reached)


def parts_with_condition(
    text: str, codes: Sequence[Shortcode], names: Collection[str] = CONDITIONS
) -> list[tuple[Shortcode, int, int]]:
    """The conditions (of `names`) in `text`, each with from where to where it holds; none in a notebook.

    Args:
        codes: The shortcodes of `text`.
    """
    own = [code for code in codes if code.name in names and not code.file.endswith(".ipynb")]
    parts = _outline(text, own).parts if own else {}
    return [(code, *parts[code.line, code.column]) for code in own]


def hidden_parts(shelf: Shelf, text: str, codes: Sequence[Shortcode]) -> list[tuple[int, int]]:
    """From where to where `text`, a file whose shortcodes are `codes`, is dropped in the shelf's run."""
    return list(_hidden(shelf, _outline(text, codes), codes).values())


def _hidden(
    shelf: Shelf, outline: _Outline, codes: Sequence[Shortcode]
) -> dict[tuple[int, int], tuple[int, int]]:
    """What is dropped, by the line and column of its condition."""
    hidden = {}
    for code in codes:
        part = outline.parts.get((code.line, code.column)) if code.name in CONDITIONS else None
        if part and _is_dropped(shelf, code):
            hidden[code.line, code.column] = part
    return hidden


def _is_dropped(shelf: Shelf, code: Shortcode) -> bool:
    """Whether the shelf's run doesn't print what depends on a condition; not where that can't be known."""
    if code.name == "when-run":
        return not code.prints_in(shelf.run)
    keyed = _found(shelf, code)
    return keyed is not None and not CitedRecord(code, keyed, "").kept


def _inside(outline: _Outline, code: Shortcode, hidden: Mapping[tuple[int, int], tuple[int, int]]) -> bool:
    """Whether a shortcode is in something that is dropped, for another condition than itself."""
    if not hidden:
        return False
    place = code.line, code.column
    offset = offset_of(outline.text, *place)
    return any(start < offset < end for own, (start, end) in hidden.items() if own != place)


def _found(shelf: Shelf, code: Shortcode) -> KeyedRecord | None:
    if not code.key:
        return None
    try:
        return shelf.find(code.key, KIND_OF_SHORTCODE[code.name])
    except MechscopeError:
        return None


def _outline_of(project: Project, file: str, codes: Sequence[Shortcode]) -> _Outline:
    path = project.root / file
    if not path.is_file() or path.suffix == ".ipynb":
        return _Outline("", [], {})
    return _outline(article_text(project, path), codes)


def _outline(text: str, codes: Sequence[Shortcode]) -> _Outline:
    front = FRONT_MATTER.match(text)
    start = front.end() if front else 0
    spans = [(first, end) for first, end, _ in fenced(text, start)] + [(0, start)]

    def outside(offset: int) -> bool:
        return not any(first <= offset < end for first, end in spans)

    def line_of(offset: int) -> int:
        return text.count("\n", 0, offset) + 1

    headings = [
        match
        for pattern in (_HEADING, _UNDERLINED)
        for match in pattern.finditer(text)
        if outside(match.start())
    ]
    headings.sort(key=lambda match: match.start())
    marks = [(match.start("colons"), True) for match in DIV.finditer(text)]
    marks += [(match.start(), True) for match in _DIV_NAMED.finditer(text)]
    marks += [(match.start(), False) for match in _DIV_END.finditer(text)]
    divs: dict[int, int] = {}
    open_divs: list[int] = []
    for offset, opens in sorted(mark for mark in marks if outside(mark[0])):
        if opens:
            open_divs.append(offset)
        elif open_divs:
            divs[open_divs.pop()] = offset
    parts = {}
    for code in codes:
        if code.name in CONDITIONS:
            offset = offset_of(text, code.line, code.column)
            parts[code.line, code.column] = _part(text, offset, headings, divs)
    return _Outline(text, [(line_of(match.start()), plain_words(match["text"])) for match in headings], parts)


def _part(
    text: str, offset: int, headings: Sequence[re.Match[str]], divs: Mapping[int, int]
) -> tuple[int, int]:
    """From where to where a condition that is written at `offset` holds.

    That of a Div to its end; that of a heading to the next one that isn't below it, within the same Div; that
    of a span in its brackets.
    """
    if text[offset] == ":":
        return offset, divs.get(offset, len(text))
    heading = next((match for match in headings if match.start() <= offset < match.end()), None)
    if heading is None or text[offset - 1] == "]":
        return _bracket(text, offset - 1), offset
    around = [end for start, end in divs.items() if start < offset < end]
    following = [
        match.start() for match in headings if match.start() > offset and _level(match) <= _level(heading)
    ]
    return heading.start(), min([*around, *following], default=len(text))


def _level(heading: re.Match[str]) -> int:
    return len(heading["level"]) if heading["level"][0] == "#" else "=-".index(heading["level"]) + 1


def _bracket(text: str, end: int) -> int:
    """Where the bracket opens that closes at `end`; `end` itself where none does."""
    depth = 0
    for offset in range(end, -1, -1):
        if text[offset] in "[]" and text[max(0, offset - 1)] != "\\":
            depth += 1 if text[offset] == "]" else -1
            if depth == 0:
                return offset
    return end


def plain_words(markdown: str) -> str:
    """A line of Markdown as words; what a shortcode puts in is "…"."""
    words = SHORTCODE.sub("…", _ATTRIBUTES.sub("", markdown))
    words = re.sub(r"\[([^\[\]]*)\](?:\{[^{}]*\}|\([^()]*\))", r"\1", words)
    return re.sub(r"(?<!\\)[*`]|\\(?=[!-/:-@\[-`{-~])", "", words).strip()

"""Which `:::` Pandoc takes for the fence of a Div, and which for text.

A Div begins only where a block can begin: after an empty line, a heading, another fence, code, a table; not
after a line of a paragraph or a list item. One that doesn't is printed, attributes and all, and what should
depend on it appears in any case. A closing fence may follow any line, but is indented as its Div is. These
are the rules of Pandoc's own Markdown, which both engines read (tests hold them against Pandoc).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from mechscope.articles.sources import DIV, QUOTED

GLUED = "the line before this ::: is text, so this is no Div but text as well"
INDENTED = "this ::: is not indented as the text around it, so it is text as well"
UNREADABLE = "what follows this ::: are not the attributes of a Div, so this is text"
HINTS = {
    GLUED: "leave an empty line before ::: {…}",
    INDENTED: "begin it where the text around it begins, and ::: where its ::: {…} begins",
    UNREADABLE: 'write ::: {.class key="value"} or ::: class, and the text in a line of its own',
}

_QUOTE = re.compile(r"(?:[ \t]*>[ ]?)*")
_ITEM = re.compile(r"(?:[-*+•]|#\.|\(?(?:\d{1,9}|[A-Za-z]|[ivxIVX]+)[.)]|\(@[\w-]*\)|[:~])[ \t]+")
_NOTE = re.compile(r"\[\^[^\]]+\]:")
_WORD = re.compile(r"[ \t]*[^\s{]\S*[ \t]*:*[ \t]*$")
_ATTRIBUTES = re.compile(
    rf"""\{{\s*(?:(?:
        [#.][^\s{{}}#.=,"'][^\s{{}}#=,"']*+
        | -(?=[\s}}])
        | [^\W\d_][\w.:-]*=(?:{QUOTED}|[^\s{{}}"'][^\s{{}}]*+)?
    )\s*)*\}}""",
    re.VERBOSE,
)
_RULE = re.compile(r"(?:(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:-[ \t]*){3,})$")
_UNDERLINE = re.compile(r"(?:=+|-+)[ \t]*$")
_OF_TABLE = re.compile(r"\+[-=:+]+\+[ \t]*$|(?=.*-)(?=.*[| \t])[-:| \t+]*-[-:| \t+]*$")
_BLOCK = re.compile(
    rf"""[#]{{1,6}}(?:[ \t]|$) | \| | \[(?!\^)[^\]]+\]:[ \t]+\S | {_RULE.pattern}
    | \\[A-Za-z]+(?:\[[^\]]*\]|\{{[^}}]*\}})*[ \t]*$""",
    re.VERBOSE,
)
"""Lines that are a block of their own: headings, rows, definitions of links, rules, TeX."""
_HTML = (
    "address|article|aside|blockquote|details|div|dl|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|li|main"
    "|nav|ol|p|pre|script|section|style|summary|table|tbody|td|tfoot|th|thead|tr|ul"
)
_END_OF_BLOCK = re.compile(rf"(?:\\end\{{[^{{}}]*\}}|</?(?:{_HTML})\b[^<>]*>)[ \t]*$", re.IGNORECASE)


@dataclass(frozen=True)
class Fence:
    """A line (or, with attributes over several lines, some) that begins with `:::`.

    Attributes:
        start, end: From the colons to the end.
        opens: Whether it is written as the beginning of a Div, or as the end of one.
        body: Where its attributes stand between braces; None if it has a bare class, or none.
        problem: Why Pandoc takes it for text; empty if it doesn't.
    """

    start: int
    end: int
    opens: bool
    body: tuple[int, int] | None = None
    problem: str = ""


@dataclass
class _Lines:
    """What the lines so far mean for the next one."""

    paragraph: int = 0
    """How many lines the paragraph has that a line of text would go on with."""
    table: bool = False
    columns: tuple[int, ...] = ()
    """Where the text of those list items begins that the next line may be part of."""

    def enter(self, content: str) -> tuple[int, str]:
        """A line's indentation and text, without the marks of list items that it begins."""
        indent, text = len(content.expandtabs(4)) - len(content.expandtabs(4).lstrip()), content.strip()
        if not self.paragraph and text and not _ITEM.match(text):
            self.columns = tuple(column for column in self.columns if column <= indent)
        while (item := _ITEM.match(text)) and not _RULE.match(text):
            if self.paragraph and not self.columns and text[0] not in ":~":
                break
            self.columns = (*(column for column in self.columns if column <= indent), indent + item.end())
            indent, text = indent + item.end(), text[item.end() :]
            self.break_off()
        if not self.paragraph and _NOTE.match(text):
            self.columns = (4,)
        return indent, text

    def read(self, indent: int, text: str) -> None:
        """Go on by a line without a fence."""
        if not text:
            self.break_off()
        elif self.table or _END_OF_BLOCK.search(text):
            self.paragraph = 0
        elif _OF_TABLE.match(text) and (self.paragraph == 1 or not (self.paragraph or _RULE.match(text))):
            self.paragraph, self.table = 0, True
        elif self.paragraph:
            self.paragraph = 0 if self.paragraph == 1 and _UNDERLINE.match(text) else self.paragraph + 1
        else:
            code = indent >= 4 and not self.columns
            self.paragraph = 0 if code or _BLOCK.match(text) else 1

    def break_off(self) -> None:
        """What follows begins a block."""
        self.paragraph, self.table = 0, False


def read_fences(
    text: str, masked: str, blank: Iterable[tuple[int, int]], code: Iterable[tuple[int, int]]
) -> list[Fence]:
    """The fences of a text, in order.

    Args:
        masked: The text, blanked where a `:::` can only be text: in code, comments, math, addresses.
        blank: Where comments stand, of which Pandoc sees nothing.
        code: Where fenced code and the front matter stand, after which a Div may begin.
    """
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))][:-1]
    coded = {number for span in code for number in _lines_of(starts, *span)}
    unseen = list(text)
    hidden: set[int] = set()
    for start, end in blank:
        hidden.update(starts[number] for number in _lines_of(starts, start, end)[1:])
        unseen[start:end] = ["\n" if char == "\n" else " " for char in text[start:end]]
    with_attributes = {match.start("colons"): match for match in DIV.finditer(masked)}
    lines = _Lines()
    opened: list[tuple[int, int]] = []
    found: list[Fence] = []
    for number, (start, seen) in enumerate(zip(starts, "".join(unseen).split("\n"), strict=True)):
        raw = text[start : start + len(seen)]
        if number in coded:
            lines.break_off()
            continue
        if (found and start < found[-1].end) or (not seen.strip() and (raw.strip() or start in hidden)):
            continue
        quote = _QUOTE.match(seen)
        assert quote
        indent, rest = lines.enter(seen[quote.end() :])
        at = start + len(seen.rstrip()) - len(rest)
        code_of_four = indent >= 4 and not lines.paragraph and not lines.columns
        if code_of_four or not rest.startswith(":::") or masked[at : at + 3] != ":::":
            lines.read(indent, rest)
            continue
        place = seen[: quote.end()].count(">"), indent
        whole = with_attributes.get(at)
        end = max(start + len(seen), whole.end() if whole else 0)
        problem = ""
        if opens := bool(rest.strip(":").strip()):
            if lines.paragraph:
                problem = GLUED
            elif indent not in (0, *lines.columns):
                problem = INDENTED
            elif not _readable(text[at : text.find("\n", end) if "\n" in text[end:] else len(text)]):
                problem = UNREADABLE
            opened.append(place)
        elif opened:
            expected = opened.pop()
            if place != expected and not (lines.paragraph and place < expected):
                problem = INDENTED
        found.append(Fence(at, end, opens, whole.span("body") if whole else None, problem))
        lines.break_off()
    return found


def _lines_of(starts: Sequence[int], start: int, end: int) -> range:
    """The lines that a stretch of the text touches."""
    return range(bisect_right(starts, start) - 1, bisect_right(starts, max(start, end - 1)))


def _readable(fence: str) -> bool:
    """Whether an opening fence has attributes, or a class, and nothing behind."""
    rest = fence.lstrip(":").strip()
    attributes = _ATTRIBUTES.match(rest)
    if attributes:
        return not rest[attributes.end() :].strip(": \t") and not re.search(
            r"\n[ \t>]*\n", attributes.group()
        )
    return bool(_WORD.match(rest))

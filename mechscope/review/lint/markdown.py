"""What in a Markdown text is prose, without rendering it: a mask that keeps every offset.

`scan` gives the text again, as long as it was, with everything that a reader doesn't read as words blanked
out (code, comments, attributes, targets of links) or replaced by a mark (shortcodes, math, citations), and
what it met on the way: links, images, citations, Divs. It is not a parser of Markdown. It knows what Pandoc
counts as code, and where paragraphs end; that is enough to say of each word whether it is prose, and where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mechscope.files import lines_of
from mechscope.publish.sources import (
    FRONT_MATTER,
    QUOTED,
    SHORTCODE,
    attributes,
    fenced,
)
from mechscope.review.lint.fences import read_fences

MARK = "\ufffc"
"""Stands in the mask for what may be a number: a shortcode, math, what is marked as given."""

NAME = "\ufffb"
"""Stands in the mask for what is printed but is neither prose nor a number: code, citations, addresses."""

CROSS_REFERENCES = (
    "fig",
    "tbl",
    "sec",
    "eq",
    "lst",
    "thm",
    "lem",
    "cor",
    "prp",
    "def",
    "exm",
    "alg",
    "tip",
    "nte",
)
"""What identifiers of Quarto's cross-references begin with, before a hyphen."""

_YAML_PROSE = {"title", "subtitle", "description", "abstract", "plain-language-summary"}
_PROSE_ATTRIBUTES = {"alt", "fig-alt", "fig-cap", "tbl-cap", "lst-cap", "title", "aria-label", "description"}

_SPARED = re.compile(
    r"""(?P<escape>\\[!-/:-@\[-`{-~])
    | (?P<comment><!--[\s\S]*?-->)
    | (?P<ticks>(?<!`)`+(?!`))(?:(?!\n[ \t]*\n)[\s\S])*?(?<!`)(?P=ticks)(?!`)
    | (?P<math>\$\$(?:(?!\n[ \t]*\n)[\s\S])+?\$\$|
        \$(?![\s$])(?:(?!\n[ \t]*\n)(?:\\.|[^$\\]))*?(?<!\s)\$(?!\d))
    | (?P<script><(?P<raw>script|style)\b[\s\S]*?</(?P=raw)>)
    | (?P<address><[A-Za-z][\w+.-]*:[^\s<>]*>|<[\w.+-]+@[\w.-]+>
        |\b(?:https?|ftp)://[^\s<>()\]]*(?:\([^\s()]*\)[^\s<>()\]]*)*)
    | (?P<tag></?[A-Za-z][\w-]*(?:\s+[\w:@-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*\s*/?>)""",
    re.VERBOSE,
)
_HTML_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_BRACES = re.compile(rf"\{{(?:{QUOTED}|[^{{}}\"'])*\}}")
_TARGET = re.compile(
    r"\((?:\s*<(?P<angle>[^<>\n]*)>|(?P<plain>(?:[^\s()]|\([^\s()]*\))*))(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
)
_DEFINITION = re.compile(
    r"^ {0,3}\[(?!\^)(?P<name>[^\]\n]+)\]:[ \t]+<?(?P<target>\S+?)>?[ \t]*(?:[\"'(].*)?$", re.MULTILINE
)
_CITATION = re.compile(r"(?<![\w@./])-?@(?:\{(?P<braced>[^}\s]+)\}|(?P<key>\w(?:[\w:.#$%&+?<>~/-]*\w)?))")
_OPEN_SHORTCODE = "this shortcode is not closed"
_HEADING = re.compile(r"^ {0,3}(?P<level>#{1,6})[ \t]+(?P<text>.*?)[ \t]*#*[ \t]*$")
_ITEM = re.compile(
    r"[ \t]*(?:(?:[-*+•]|#\.|\(?(?:\d{1,9}|[A-Za-z]|[ivxIVX]+)[.)]|\(?@[\w-]*\)|[:~](?=[ \t]))[ \t]+)"
)
_EXAMPLE = re.compile(r"^[ \t]*\(@([\w-]+)\)[ \t]", re.MULTILINE)
_INDENTED = re.compile(r" {4}|\t")
_NUMBERING = re.compile(r"[ \t]*(?:\d+(?:\.\d+)*[.)]|\d+(?:\.\d+)+|\d{1,2}(?=[ \t]+[A-Z])|[A-Z]\.)(?=[ \t])")


@dataclass(frozen=True)
class Block:
    """A stretch of prose that no sentence crosses: a paragraph, a heading, an item, a row of a table."""

    start: int
    end: int
    row: bool = False
    """Whether it is a row of a table, which is one sentence."""


@dataclass(frozen=True)
class Link:
    """A link or picture: where it stands and what it points to."""

    start: int
    target: str


@dataclass(frozen=True)
class Image:
    """A picture in Markdown or HTML, and whether somebody who can't see it is told what it shows."""

    start: int
    described: bool


@dataclass(frozen=True)
class Citation:
    """`@key`: somebody else's work, or with `cross_reference` a place in this one."""

    start: int
    end: int
    key: str
    cross_reference: bool


@dataclass(frozen=True)
class Div:
    """A fenced Div, with everything inside."""

    start: int
    end: int
    classes: tuple[str, ...]
    attributes: dict[str, str]


@dataclass
class Scan:
    """What `scan` found. All positions are offsets into `text`, as which `prose` is just as long."""

    text: str
    prose: str = ""
    blocks: list[Block] = field(default_factory=list)
    asides: list[tuple[int, int]] = field(default_factory=list)
    """Prose in attributes (alternative texts, captions), which stands in the middle of other text."""
    math: list[tuple[int, int, str]] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    divs: list[Div] = field(default_factory=list)
    unclosed: list[tuple[int, str]] = field(default_factory=list)
    """Where a Div or a shortcode begins that ends nowhere, or a Div ends that began nowhere."""
    given: list[tuple[int, int]] = field(default_factory=list)
    """What is marked as given: spans, Divs, and sections."""
    not_divs: list[tuple[int, str]] = field(default_factory=list)
    """Where a `:::` stands that Pandoc takes for text, and why (one of `fences.HINTS`)."""
    comments: list[tuple[int, int]] = field(default_factory=list)
    identifiers: set[str] = field(default_factory=set)
    """What a link's fragment may name: explicit identifiers, and those that Pandoc gives to headings."""

    def sentences(self, block: Block) -> Iterator[tuple[int, int]]:
        """The sentences of a block, as offsets."""
        if block.row:
            yield block.start, block.end
            return
        start = block.start
        for match in _SENTENCE_END.finditer(self.prose, block.start, block.end):
            before = self.prose[start : match.start() + 1]
            if not _ABBREVIATION.search(before):
                yield start, match.end()
                start = match.end()
        yield start, block.end


_SENTENCE_END = re.compile(rf"[.!?][\"'”’)\]*_]*(?=\s+[\"'“‘(\[*_]*[A-Z0-9{MARK}{NAME}])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|al|approx|resp|ca|c|Figs?|Eqs?|Secs?|Tabs?|No|Nos|Dr|Prof|St|pp?)|\b[A-Z])\.$"
)


def scan(text: str) -> Scan:
    """Read a Markdown text, with `\\n` at the ends of its lines."""
    return _Scanner(text).run()


def heading_identifier(title: str) -> str:
    """The identifier that Pandoc gives to a heading."""
    plain = re.sub(r"[^\w\s.-]", "", title.lower())
    return re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", plain.strip())) or "section"


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found = Scan(text)
        self.text = text
        self.mask = list(text)
        self.breaks: set[int] = set()
        """Lines at which a block of the front matter begins, or its end."""
        self.examples = set(_EXAMPLE.findall(text))
        self.body = 0

    def run(self) -> Scan:
        self._front_matter()
        for start, end, _ in fenced(self.text, self.body):
            self._blank(start, end)
        for match in SHORTCODE.finditer(self._now()):
            if len(match["open"]) == 2 and "{{<" in match["body"]:
                self.found.unclosed.append((match.start(), _OPEN_SHORTCODE))
            self._blank(*match.span(), MARK)
        self._spared()
        self.found.unclosed += [
            (match.start(), _OPEN_SHORTCODE) for match in re.finditer(r"\{\{<", self._now())
        ]
        self._div_fences()
        for match in _DEFINITION.finditer(self._now()):
            start, end = match.span("target")
            self.found.links.append(Link(start, self.text[start:end]))
            self._blank(*match.span())
        self._headings()
        self._brackets()
        self._braces()
        self._cite(0, len(self.text))
        self._lines()
        self._emphasis()
        for start, end in self.found.given:
            self._blank(start, end, MARK)
        self.found.prose = self._now()
        self.found.asides.sort()
        self.found.citations.sort(key=lambda citation: citation.start)
        self.found.math = [math for math in self.found.math if not self._is_given(math[0], math[1])]
        self.found.asides = [span for span in self.found.asides if not self._is_given(*span)]
        return self.found

    def _now(self) -> str:
        return "".join(self.mask)

    def _blank(self, start: int, end: int, fill: str = " ") -> None:
        for at in range(start, end):
            if self.mask[at] != "\n":
                self.mask[at] = fill

    def _is_given(self, start: int, end: int) -> bool:
        return any(first <= start and end <= last for first, last in self.found.given)

    def _front_matter(self) -> None:
        front = FRONT_MATTER.match(self.text)
        if not front:
            return
        import yaml

        self.body = front.end()
        self._blank(0, front.end())
        self.breaks.add(self.text.count("\n", 0, front.end()))
        inner = self.text.index("\n") + 1
        closing = front.group().rstrip().rfind("\n")
        try:
            root = yaml.compose(self.text[inner : closing + 1], Loader=yaml.SafeLoader)
        except yaml.YAMLError:
            return  # whoever renders it says so, with the line
        if not isinstance(root, yaml.MappingNode):
            return
        for key, value in root.value:
            if key.value not in _YAML_PROSE or not isinstance(value, yaml.ScalarNode):
                continue
            start, end = inner + value.start_mark.index, inner + value.end_mark.index
            if value.style in ("|", ">"):
                start = self.text.index("\n", start) + 1
            elif value.style:
                start, end = start + 1, end - 1
            self.mask[start:end] = self.text[start:end]
            self.breaks.add(self.text.count("\n", 0, start))

    def _spared(self) -> None:
        """Comments, inline code, math, addresses and tags: whichever comes first wins."""
        for match in _SPARED.finditer(self._now()):
            if match["escape"] or match["script"]:
                self._blank(*match.span())
            elif match["comment"]:
                self.found.comments.append(match.span())
                self._blank(*match.span())
            elif match["math"]:
                self.found.math.append((*match.span(), match["math"].strip("$")))
                self._blank(*match.span(), MARK)
            elif match["tag"]:
                self._tag(match)
            else:
                self._blank(*match.span(), NAME)

    def _tag(self, match: re.Match[str]) -> None:
        self._blank(*match.span())
        name = re.match(r"</?([\w-]+)", match["tag"])
        values = {}
        for found in _HTML_ATTRIBUTE.finditer(match["tag"]):
            group = 2 if found[2] is not None else 3
            values[found[1].lower()] = found[group]
            start = match.start() + found.start(group)
            if found[1].lower() in _PROSE_ATTRIBUTES:
                self.found.asides.append((start, start + len(found[group])))
            elif found[1].lower() in ("href", "src"):
                self.found.links.append(Link(start, found[group]))
            elif found[1].lower() in ("id", "name"):
                self.found.identifiers.add(found[group])
        if name and name[1].lower() == "img":
            self.found.images.append(Image(match.start(), "alt" in values))

    def _div_fences(self) -> None:
        opened: list[tuple[int, tuple[tuple[str, ...], dict[str, str]]]] = []
        code = [(0, self.body)] if self.body else []
        code += [(start, end) for start, end, _ in fenced(self.text, self.body)]
        for fence in read_fences(self.text, self._now(), self.found.comments, code):
            self._blank(fence.start, fence.end)
            if fence.problem:
                self.found.not_divs.append((fence.start, fence.problem))
            if fence.opens and fence.body:
                opened.append((fence.start, self._attributes(fence.body[0], self.text[slice(*fence.body)])))
            elif fence.opens:
                words = self.text[fence.start : fence.end].strip(": \t")
                opened.append((fence.start, ((words,), {})))
            elif opened:
                start, read = opened.pop()
                self.found.divs.append(Div(start, fence.end, *read))
            else:
                self.found.unclosed.append((fence.start, "this ::: closes nothing"))
        self.found.unclosed += [
            (start, "this Div is not closed, so it goes on to the end") for start, _ in opened
        ]
        self.found.divs += [Div(start, len(self.text), *rest) for start, rest in opened]
        self.found.given += [(div.start, div.end) for div in self.found.divs if "given" in div.classes]

    def _headings(self) -> None:
        """Identifiers of headings, and sections whose heading has the class `.given`."""
        opened: tuple[int, int] | None = None
        offset = 0
        for line in self._now().split("\n"):
            heading = _HEADING.match(line)
            if heading:
                level = len(heading["level"])
                if opened and level <= opened[1]:
                    self.found.given.append((opened[0], offset))
                    opened = None
                written = self.text[offset + heading.start("text") : offset + heading.end("text")]
                braces = re.search(r"\{([^{}]*)\}$", written)
                words = attributes(braces[1])[0] if braces else ()
                self._name_heading(written[: braces.start()] if braces else written, words)
                if ".given" in words and not opened:
                    opened = offset, level
            offset += len(line) + 1
        if opened:
            self.found.given.append((opened[0], len(self.text)))

    def _name_heading(self, title: str, words: tuple[str, ...]) -> None:
        explicit = [word[1:] for word in words if word.startswith("#")]
        name = base = (
            explicit[0] if explicit else heading_identifier(re.sub(r"\]\([^)]*\)|[\[\]*]", "", title))
        )
        number = 0
        while name in self.found.identifiers and not explicit:
            number += 1
            name = f"{base}-{number}"
        self.found.identifiers.add(name)

    def _attributes(self, start: int, body: str) -> tuple[tuple[str, ...], dict[str, str]]:
        """The classes and settings between braces; notes identifiers, and prose among the settings."""
        words, settings = attributes(body)
        self.found.identifiers.update(word[1:] for word in words if word.startswith("#"))
        for name in _PROSE_ATTRIBUTES & settings.keys():
            at = re.compile(rf"(?<![\w-]){name}\s*=\s*[\"']?").search(body)
            if at:
                self.found.asides.append((start + at.end(), start + at.end() + len(settings[name])))
        return tuple(word[1:] for word in words if word.startswith(".")), settings

    def _brackets(self) -> None:
        """Links, pictures, spans, citations in brackets, and notes, from the inside out."""
        now = self._now()
        opened: list[int] = []
        for at, char in enumerate(now):
            if char == "[":
                opened.append(at)
            elif char == "]" and opened:
                self._bracket(now, opened.pop(), at)
            elif char == "\n" and now.startswith("\n", at + 1):
                opened.clear()

    def _bracket(self, now: str, start: int, end: int) -> None:
        image = start > 0 and now[start - 1] == "!"
        after = end + 1
        target = _TARGET.match(now, after)
        reference = re.compile(r"\[[^\[\]\n]*\]").match(now, after)
        described = bool(self.text[start + 1 : end].strip())
        if target:
            group = "angle" if target["angle"] is not None else "plain"
            start_of, end_of = target.span(group)
            self.found.links.append(Link(start_of, self.text[start_of:end_of]))
            after = target.end()
        elif reference and not now.startswith("[^", after) and not _CITATION.search(reference.group()):
            after = reference.end()
        braces = _BRACES.match(now, after)
        if braces and (target or reference or re.match(r"\{\s*[#.\w]", braces.group())):
            classes, settings = self._attributes(braces.start() + 1, braces.group()[1:-1])
            described = described or bool((settings.get("fig-alt") or settings.get("alt") or "").strip())
            after = braces.end()
            if "given" in classes:
                self.found.given.append((start, after))
        elif now.startswith("[^", start):
            self._blank(start, after)
        elif after == end + 1 and not now.startswith(":", after) and _CITATION.search(now, start, end):
            self._cite(start, end)
            self._blank(start, after, NAME)
        if image and (target or reference):
            self.found.images.append(Image(start - 1, described))
        self._blank(end + 1, after)
        if after > end + 1 or now.startswith("[^", start):
            self._blank(start - image, start + 1)
            self._blank(end, end + 1)

    def _cite(self, start: int, end: int) -> None:
        for match in _CITATION.finditer(self._now(), start, end):
            key = match["braced"] or match["key"]
            if key in self.examples:
                self._blank(*match.span(), NAME)
                continue
            crossing = key.partition("-")[0].lower() in CROSS_REFERENCES and "-" in key
            self.found.citations.append(Citation(match.start(), match.end(), key, crossing))
            self._blank(*match.span(), NAME)

    def _braces(self) -> None:
        """Attributes of what isn't in brackets: headings, code, captions of tables."""
        for match in _BRACES.finditer(self._now()):
            if re.match(r"\{\s*(?:[#.][\w-]|[\w-]+=)", match.group()):
                self._attributes(match.start() + 1, match.group()[1:-1])
                self._blank(*match.span())

    def _lines(self) -> None:
        """Blocks; and blanks what marks lines: headings, items, quotations, indented code."""
        opened: int | None = None
        in_list = False
        blank_before = True
        offset = 0

        def close(at: int) -> None:
            nonlocal opened
            if opened is not None:
                self.found.blocks.append(Block(opened, at))
                opened = None

        for number, line in enumerate(lines_of(self._now(), keepends=True)):
            end = offset + len(line)
            margin = re.match(r"(?:[ \t]*>)*", line)
            assert margin
            self._blank(offset, offset + margin.end())
            content = line[margin.end() :].rstrip("\n")
            starts = blank_before or opened is None
            if number in self.breaks:
                close(offset)
            if not content.strip():
                close(offset)
                blank_before = True
                offset = end
                continue
            at = offset + margin.end()
            item = _ITEM.match(content)
            heading = _HEADING.match(content)
            if offset >= self.body and heading:
                close(offset)
                self._blank(at, at + heading.start("text"))
                numbering = _NUMBERING.match(heading["text"])
                if numbering:
                    self._blank(at + heading.start("text"), at + heading.start("text") + numbering.end())
                self.found.blocks.append(Block(at, end))
                in_list = False
            elif offset >= self.body and starts and not in_list and _INDENTED.match(self.text, at):
                self._blank(offset, end)
            elif content.lstrip().startswith("|"):
                close(offset)
                self.found.blocks.append(Block(offset, end, row=True))
            elif offset >= self.body and (starts or in_list) and item:
                close(offset)
                self._blank(at, at + item.end())
                in_list, opened = True, offset
            else:
                if starts and not re.match(r"[ \t]", content):
                    in_list = False
                if opened is None:
                    opened = offset
            blank_before = False
            offset = end
        close(len(self.text))

    def _emphasis(self) -> None:
        for match in re.finditer(r"\*+|(?<![^\W_])_+|_+(?![^\W_])", self._now()):
            self._blank(*match.span())

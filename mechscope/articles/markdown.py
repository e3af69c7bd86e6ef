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
from typing import Any

from mechscope.articles import raw_text
from mechscope.articles.fences import read_fences
from mechscope.articles.sources import (
    FRONT_MATTER,
    QUOTED,
    SHORTCODE,
    attributes,
    fenced,
)
from mechscope.files import lines_of

MARK = "\ufffc"
"""Stands in a mask for what may be a number: a shortcode, math, what is marked as given."""

NAME = "\ufffb"
"""Stands in a mask for what is printed but is neither prose nor a number: code, citations, addresses."""

GONE = "\ufff9"
"""Stands in a mask for what is not printed and parts no words: marks of emphasis, tags, comments."""

COUNTED = (
    r"(?:heads?|layers?|blocks?|neurons?|features?|latents?|dimensions?|directions?|components?|circuits?"
    r"|edges?|nodes?|parameters?|positions?|subspaces?|clusters?|groups?|hits?|tokens?|words?|topics?"
    r"|prompts?|sentences?|texts?|items?|pairs?|cases?|documents?|samples?"
    r"|times|percent|per\s+cent|percentage|points?|nats?|bits?|deviations?"
    r"|orders\s+of\s+magnitude|errors?|hours?|minutes?|seconds?|days?|weeks?|epochs?)"
)
"""What experiments count or measure in; not labels, methods, models, questions, which authors choose."""

CROSS_REFERENCES = frozenset(
    {"fig", "tbl", "eq", "sec", "lst", "thm", "lem", "cor", "prp", "cnj", "def", "exm", "exr", "alg"}
    | {"sol", "rem", "prf", "nte", "tip", "wrn", "imp", "cau"}
)
"""What an identifier begins with ("fig-a") that Quarto numbers and `@fig-a` refers to."""

"""What identifiers of Quarto's cross-references begin with, before a hyphen."""

_YAML_PROSE = {
    "title", "subtitle", "description", "abstract", "plain-language-summary", "pagetitle", "shorttitle",
    "thanks", "keywords", "categories", "image-alt", "fig-cap", "fig-alt", "tbl-cap", "page-footer",
    "announcement", "content", "summary", "key-points", "highlights", "note", "notes", "status",
    "epigraph", "acknowledgements", "text",
}  # fmt: skip
"""Keys of the front matter, at any depth, whose values are printed."""

_SPARED = re.compile(
    r"""(?P<escape>\\[!-/:-@\[-`{-~])
    | (?P<comment><!--[\s\S]*?-->)
    | (?P<ticks>(?<!`)`+(?!`))(?P<code>(?:(?!\n[ \t]*\n)[\s\S])*?)(?<!`)(?P=ticks)(?!`)
        (?:\{=(?P<format>\w+)\})?
    | (?P<math>\\begin\{(?P<set>(?:equation|align|gather|multline|eqnarray|displaymath|flalign|math)\*?)\}
            [\s\S]*?\\end\{(?P=set)\}
        |\$\$(?:(?!\n[ \t]*\n)[\s\S])+?\$\$|
        \$(?![\s$])(?:(?!\n[ \t]*\n)(?:\\.|[^$\\]))*?(?<!\s)\$(?!\d))
    | (?P<script><(?P<raw>script|style)\b[\s\S]*?</(?P=raw)>)
    | (?P<address><[A-Za-z][\w+.-]*:[^\s<>]*>|<[\w.+-]+@[\w.-]+>
        |\b(?:https?|ftp)://[^\s<>()\]]*(?:\([^\s()]*\)[^\s<>()\]]*)*)
    | (?P<tag></?[A-Za-z][\w-]*(?:\s+[\w:@-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*\s*/?>)""",
    re.VERBOSE,
)
_CELL_OPTION = re.compile(
    r"^[ \t>]*(?:#|%%|//|--)\|[ \t]*(?:(?:fig|tbl|lst)-(?:(?:sub|s)?cap|alt)|title|alt)[ \t]*:(?P<value>.*)$",
    re.MULTILINE,
)
_INFO = re.compile(
    r"[ \t>]*(?:`{3,}|~{3,})[ \t]*(?:\{[ \t]*=(?P<raw>\w+)[ \t]*\}|\{?[ \t]*\.?(?P<language>[\w+-]*))"
)
_BRACES = re.compile(rf"\{{(?:{QUOTED}|[^{{}}\"'])*\}}")
_TARGET = re.compile(
    r"\((?:\s*<(?P<angle>[^<>\n]*)>|(?P<plain>(?:[^\s()]|\([^\s()]*\))*))(?:\s+(?:\"(?P<title>[^\"]*)\"|'(?P<title2>[^']*)'))?\s*\)"
)
_DEFINITION = re.compile(
    r"^ {0,3}\[(?!\^)(?P<name>[^\]\n]+)\]:[ \t]+<?(?P<target>\S+?)>?[ \t]*(?P<title>[\"'(].*)?$", re.MULTILINE
)
_CITATION = re.compile(r"(?<![\w@./])-?@(?:\{(?P<braced>[^}\s]+)\}|(?P<key>\w(?:[\w:.#$%&+?<>~/-]*\w)?))")
_OWN_IN_CITATION = re.compile(r"\b(?:ours?|we|us)\b[^;@\]]*")
"""What a citation's suffix says of us: "[@wang2023, who see more than our 0.52]"."""
_OPEN_SHORTCODE = "this shortcode is not closed"
_HEADING = re.compile(r"^ {0,3}(?P<level>#{1,6})[ \t]+(?P<text>.*?)[ \t]*#*[ \t]*$")
_ITEM = re.compile(
    r"[ \t]*(?:(?:[-*+•]|#\.|\(?(?:\d{1,9}|[A-Za-z]|[ivxIVX]+)[.)]|\(?@[\w-]*\)|[:~](?=[ \t]))[ \t]+)"
)
_EXAMPLE = re.compile(r"^[ \t]*\(@([\w-]+)\)[ \t]", re.MULTILINE)
_INDENTED = re.compile(r" {4}|\t")
_NUMBERING = re.compile(
    rf"""[ \t]*(?:(?!0\.\d)\d{{1,2}}(?:\.\d+)*[.)]
        | (?!0\.)\d{{1,2}}(?:\.\d+)*(?=[ \t]+[A-Z])(?![ \t]+(?:Of|Out|(?i:{COUNTED}))\b)
        | [A-Z]\.)(?=[ \t])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    """A stretch of prose that no sentence crosses: a paragraph, a heading, an item, a row of a table."""

    start: int
    end: int
    row: bool = False
    """Whether it is a row of a table, which is one sentence."""


@dataclass(frozen=True)
class Link:
    """A link or picture: where it is and what it points to."""

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
class Aside:
    """What is printed, or read aloud, from the middle of something else: an attribute, raw text, a diagram.

    Attributes:
        start: Where `prose` begins, a mask of the text from there on.
    """

    start: int
    prose: str

    @property
    def end(self) -> int:
        return self.start + len(self.prose)


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
    asides: list[Aside] = field(default_factory=list)
    math: list[tuple[int, int, str]] = field(default_factory=list)
    """Where math is, with its marks, and what is between them, padded to the same length."""
    citations: list[Citation] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    divs: list[Div] = field(default_factory=list)
    unclosed: list[tuple[int, str]] = field(default_factory=list)
    """Where a Div or a shortcode begins that ends nowhere, or a Div ends that began nowhere."""
    given: list[tuple[int, int]] = field(default_factory=list)
    """What is marked as given: spans, Divs, and sections."""
    not_divs: list[tuple[int, str]] = field(default_factory=list)
    """Where a `:::` is that Pandoc takes for text, and why (one of `fences.HINTS`)."""
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


_SENTENCE_END = re.compile(
    rf"[.!?][\"'”’)\]*_{GONE}]*(?=\s[\s{GONE}]*[\"'“‘(\[*_{GONE}]*[A-Z0-9{MARK}{NAME}])"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|al|approx|resp|ca|c|[Ff]igs?|[Ee]qs?|[Ss]ect?s?|ch|Tabs?|Algs?|Thms?|Lem|Prop|Defs?|Ch|Apps?|Ex|Suppl|Vols?|Refs?|[Nn]os?|Dr|Prof|St|pp?)|\b[A-Z])\.$"
)


def scan(text: str) -> Scan:
    """Read a Markdown text, with `\\n` at the ends of its lines."""
    return _Scanner(text).run()


def heading_identifier(title: str) -> str:
    """The identifier that Pandoc gives to a heading."""
    plain = re.sub(r"[^\w\s.-]", "", title.lower())
    return re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", plain.strip())) or "section"


_COMMENTS = re.compile(r"<!--[\s\S]*?-->")


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _printed_by(code: str) -> list[str]:
    """What a shortcode prints of the front matter: the names of values."""
    words = code.split()
    return words[1:2] if words and words[0] == "meta" else []


def _scalars(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """The values of a YAML tree: where each is found, its key's node and its own."""
    import yaml

    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*path, str(key.value))
        items = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for item in items:
            if isinstance(item, yaml.ScalarNode):
                yield here, key, item
            else:
                yield from _scalars(item, here)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found = Scan(text)
        self.text = text
        self.mask = list(text)
        self.breaks: set[int] = set()
        """Lines at which a block of the front matter begins, or its end."""
        self.examples = set(_EXAMPLE.findall(text))
        self.printed_attributes = raw_text.printed_attributes(text)
        self.body = 0

    def run(self) -> Scan:
        self._front_matter()
        for start, end, _ in fenced(self.text, self.body):
            self._fence(start, end)
        for match in SHORTCODE.finditer(self._now()):
            if len(match["open"]) == 2 and "{{<" in match["body"]:
                self.found.unclosed.append((match.start(), _OPEN_SHORTCODE))
            else:
                self._printed_arguments(match)
            self._blank(*match.span(), MARK)
        self._spared()
        self.found.unclosed += [
            (match.start(), _OPEN_SHORTCODE) for match in re.finditer(r"\{\{<", self._now())
        ]
        for match in raw_text.SETTINGS_OF_LATEX.finditer(self._now()):
            self._blank(*match.span())
        self._div_fences()
        for match in _DEFINITION.finditer(self._now()):
            start, end = match.span("target")
            self.found.links.append(Link(start, self.text[start:end]))
            if match["title"]:
                self._aside(*match.span("title"))
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
        self.found.asides.sort(key=lambda aside: aside.start)
        self.found.citations.sort(key=lambda citation: citation.start)
        self.found.math = [math for math in self.found.math if not self._is_given(math[0], math[1])]
        self.found.asides = [
            aside for aside in self.found.asides if not self._is_given(aside.start, aside.end)
        ]
        return self.found

    def _now(self) -> str:
        return "".join(self.mask)

    def _blank(self, start: int, end: int, fill: str = " ") -> None:
        for at in range(start, end):
            if self.mask[at] != "\n":
                self.mask[at] = fill

    def _printed_arguments(self, code: re.Match[str]) -> None:
        """What a shortcode of Quarto prints: keys, and titles."""
        body = code["body"]
        if body.split()[:1] == ["kbd"]:
            self._aside(code.start("body"), code.end("body"))
        for name, start, end in raw_text.attribute_values(body):
            if raw_text.is_shown(name):
                self._aside(code.start("body") + start, code.start("body") + end)

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
            return  # a render says so, with the line
        printed = {
            words[0] for match in SHORTCODE.finditer(self.text) if (words := _printed_by(match["body"]))
        }
        for path, key, value in _scalars(root, ()):
            shown_by_name = ".".join(path) in printed
            if not shown_by_name and not _YAML_PROSE.intersection(path):
                continue
            start, end = inner + value.start_mark.index, inner + value.end_mark.index
            if shown_by_name and not _YAML_PROSE.intersection(path):
                start = inner + key.start_mark.index  # "version: 2.1" is known by its name
            elif value.style in ("|", ">"):
                start = self.text.index("\n", start) + 1
            elif value.style:
                start, end = start + 1, end - 1
            self.mask[start:end] = self.text[start:end]
            self.breaks.add(self.text.count("\n", 0, start))

    def _aside(self, start: int, end: int, prose: str | None = None) -> None:
        """What readers see of the text from `start` to `end` (default: all of it)."""
        shown = self.text[start:end] if prose is None else prose
        for match in SHORTCODE.finditer(self.text[start:end]):
            first, last = match.span()
            shown = shown[:first] + MARK * (last - first) + shown[last:]
        if any(char.isalnum() or char == "&" for char in shown):
            self.found.asides.append(Aside(start, shown))

    def _fence(self, start: int, end: int) -> None:
        """Fenced text: what is printed of raw text, diagrams and output, and captions in cell options."""
        lines = lines_of(self.text[start:end], keepends=True)
        info = _INFO.match(lines[0])
        first, last = start + len(lines[0]), end - len(lines[-1] if len(lines) > 1 else "")
        body = self.text[first:last]
        if info and info["raw"]:
            shown = raw_text.RAW.get(info["raw"].lower(), raw_text.html)(body)
            self.found.comments += [
                (first + match.start(), first + match.end()) for match in _COMMENTS.finditer(body)
            ]
        elif info:
            shown = raw_text.BLOCKS.get(info["language"].lower(), raw_text.code)(body)
        else:
            shown = ""
        if shown:
            self._aside(first, last, shown)
        for option in _CELL_OPTION.finditer(self.text, first, last):
            self._aside(*option.span("value"))
        title = re.compile(r"(?:fig-cap|lst-cap|fig-alt|filename|title)\s*=\s*\"([^\"]*)\"").search(lines[0])
        if title:
            self._aside(start + title.start(1), start + title.end(1))
        self._blank(start, end)

    def _spared(self) -> None:
        """Comments, inline code, math, addresses and tags: whichever comes first wins."""
        for match in _SPARED.finditer(self._now()):
            start, end = match.span()
            if match["escape"]:
                self._blank(start, end)
            elif match["script"]:
                self._aside(start, end, raw_text.hidden_text(match["script"]))
                self._blank(start, end)
            elif match["comment"]:
                self.found.comments.append((start, end))
                self._blank(start, end, GONE)
            elif match["math"]:
                body = match["math"].strip("$")
                self.found.math.append((start, end, match["math"].replace("$", " ") if body else ""))
                self._blank(start, end, MARK)
            elif match["ticks"]:
                body = match["code"]
                shown = raw_text.RAW.get(match["format"] or "", raw_text.output)(
                    re.sub(r"^\{?[A-Za-z]+\}?\s(?=[\d.]+$)", _spaces, body)
                )
                self._aside(*match.span("code"), shown)
                self._blank(start, end, NAME)
            elif match["tag"]:
                self._tag(match)
            else:
                self._blank(start, end, NAME)

    def _tag(self, match: re.Match[str]) -> None:
        tag = match["tag"]
        name = raw_text.tag_name(tag)
        self._blank(*match.span(), " " if raw_text.parts_words(tag) else GONE)
        values = {}
        for attribute, first, last in raw_text.attribute_values(tag):
            values[attribute] = tag[first:last]
            start = match.start() + first
            if raw_text.is_shown(attribute, name) or attribute in self.printed_attributes:
                self._aside(start, match.start() + last)
            elif attribute in ("href", "src"):
                self.found.links.append(Link(start, values[attribute]))
            elif attribute in ("id", "name"):
                self.found.identifiers.add(values[attribute])
        if name == "img":
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
        for name in settings:
            at = re.compile(rf"(?<![\w-]){re.escape(name)}\s*=\s*[\"']?").search(body)
            if at and (
                raw_text.is_shown(name) or not self.printed_attributes.isdisjoint({name, f"data-{name}"})
            ):
                self._aside(start + at.end(), start + at.end() + len(settings[name]))
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
            for title in ("title", "title2"):
                if target[title]:
                    self._aside(*target.span(title))
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
            for own in _OWN_IN_CITATION.finditer(now, start, end):
                self._aside(*own.span(), own.group())
            self._cite(start, end)
            self._blank(start, after, NAME)
        if image and (target or reference):
            self.found.images.append(Image(start - 1, described))
        note = now.startswith("[^", start)
        fill = " " if note else GONE
        self._blank(end + 1, after, fill)
        if after > end + 1 or note:
            self._blank(start - image, start + 1, fill)
            self._blank(end, end + 1, fill)

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
        counting = self._counting()
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
                self._aside(offset, end, raw_text.output(self.text[offset:end]))
                self._blank(offset, end)
            elif content.lstrip().startswith("|"):
                close(offset)
                self.found.blocks.append(Block(offset, end, row=True))
            elif offset >= self.body and (starts or in_list) and item:
                close(offset)
                digits = re.search(r"\d+", item.group())
                place = int(digits.group()) if digits else 0
                if place < 2 or place - 1 in counting or place + 1 in counting:
                    self._blank(at, at + item.end())  # else it is no list that counts, as "93. percent"
                in_list, opened = True, offset
            else:
                if starts and not re.match(r"[ \t]", content):
                    in_list = False
                if opened is None:
                    opened = offset
            blank_before = False
            offset = end
        close(len(self.text))

    def _counting(self) -> set[int]:
        """The numbers of all items of lists that count."""
        items = (_ITEM.match(line.lstrip("> \t")) for line in self._now().split("\n"))
        return {0} | {int(digits[0]) for item in items if item and (digits := re.search(r"\d+", item[0]))}

    def _emphasis(self) -> None:
        for match in re.finditer(r"\*+|(?<![^\W_])_+|_+(?![^\W_])|~~", self._now()):
            self._blank(*match.span(), GONE)

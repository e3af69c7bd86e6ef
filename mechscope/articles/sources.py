"""What articles cite, read from their sources: every shortcode with its file, line and column.

Rendering would find a mistyped key too, but late, and never in a branch that is dropped for this run. Both
engines expand shortcodes in code, in YAML and in comments' raw HTML as well as in prose; so all of these are
read. Not read are escaped shortcodes (`{{{< … >}}}`, `{{</* … */>}}`), blocks with `shortcodes="false"` and
executable cells.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from mechscope.errors import InvalidInput
from mechscope.files import read_text
from mechscope.ledger.notebook import parse_notebook
from mechscope.ledger.schema import KINDS
from mechscope.project import Project

Place = Literal["prose", "code", "yaml", "comment"]

KIND_OF_SHORTCODE = {kind.shortcode: field for field, kind in KINDS.items() if kind.shortcode} | {
    "when-claim": "claims"
}
"""Our shortcodes (and the class `.when-claim`) and the kind of record each takes."""

CONDITIONS = ("when-claim", "when-run")
"""Classes of what is printed only where a claim came out so, or only in the render of some runs."""

QUARTO_SHORTCODES = frozenset(
    {"include", "embed", "meta", "var", "env", "pagebreak", "brand", "contents", "video", "kbd"}
    | {"placeholder", "lipsum", "version"}
)
"""Shortcodes that come with Quarto."""

PARTS = ("value", "ci", "p", "n", "full")
CLAIM_PARTS = ("sentence", "evidence", "outcome")
OUTCOMES = ("held", "failed", "untestable")

QUOTED = r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'"
SHORTCODE = re.compile(rf"(?P<open>\{{{{2,}})<(?P<body>(?:{QUOTED}|(?!>\}}\}})[\s\S])*?)>\}}\}}")
DIV = re.compile(
    r"^[ \t]*(?:>[ \t]*)*(?:(?:[-*+]|\d+[.)])[ \t]+)?"
    rf"(?P<colons>:{{3,}})\s*\{{(?P<body>(?:{QUOTED}|[^}}])*)\}}",
    re.MULTILINE,
)
_WORD = re.compile(rf"(?:(?P<name>[\w-]+)\s*=\s*)?(?P<value>{QUOTED}|[^\s=]+)")
_CONDITION = re.compile(
    rf"\{{(?P<body>(?:{QUOTED}|[^{{}}\"'])*?\.(?P<condition>{'|'.join(CONDITIONS)})(?![\w-])(?:{QUOTED}|[^{{}}\"'])*)\}}"
)
_CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)(?:(?!\n[ \t]*\n)[\s\S])*?(?<!`)\1(?!`)")
_FENCE = re.compile(r"^(?P<margin>\s*(?:>\s*)*)(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
_COMMENT = re.compile(r"<!--[\s\S]*?-->")
FRONT_MATTER = re.compile(r"\A---[ \t]*\n[\s\S]*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)")


@dataclass(frozen=True)
class Shortcode:
    """A shortcode, or a condition (`.when-claim`, `.when-run`) of what is printed, where it is.

    `arguments` are its words without a name, `options` those with one, both without quotes. `line` and
    `column` count from 1.
    """

    name: str
    arguments: tuple[str, ...]
    file: str
    line: int
    column: int
    place: Place
    options: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """As editors and terminals link it: "paper/articles/x.qmd:12:5"."""
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def key(self) -> str | None:
        """The key that it cites, if it is one of ours and has one."""
        if self.name == "when-claim":
            return self.options.get("key")
        if self.name in KIND_OF_SHORTCODE and self.arguments:
            return self.arguments[0]
        return None

    def listed(self, option: str) -> list[str]:
        """The words of an option that may hold several: those of `is="held, failed"`."""
        return re.findall(r"[^,\s]+", self.options.get(option, ""))

    def prints_in(self, run: str) -> bool:
        """For a `.when-run`: whether the render of `run` prints what depends on it."""
        chosen = self.listed("is")
        return run in chosen if chosen else run not in self.listed("is-not")


def article_files(project: Project) -> list[Path]:
    """The hand-written sources of the paper, parts that others include among them, in order."""
    found = [
        path
        for suffix in ("qmd", "md", "ipynb")
        for path in project.paper.rglob(f"*.{suffix}")
        if not any(
            part == "_generated" or part.startswith(".") for part in path.relative_to(project.paper).parts
        )
    ]
    return sorted(found)


def article_text(project: Project, path: Path) -> str:
    """The text of an article, without a byte order mark and with "\\n" at the end of each line.

    Raises:
        InvalidInput: It isn't UTF-8; says where.
    """
    return read_text(path, project.relative(path))


def settings_of(path: Path) -> dict[str, Any]:
    """The front matter of an article, or what a YAML file holds; empty where that can't be read.

    A render says what is wrong with it.
    """
    import yaml

    try:
        text = read_text(path)
        if path.suffix in (".qmd", ".md", ".ipynb"):
            front = FRONT_MATTER.match(text)
            text = front[0].strip().strip("-.") if front else ""
        settings = yaml.safe_load(text)
    except (OSError, InvalidInput, yaml.YAMLError):
        return {}
    return settings if isinstance(settings, dict) else {}


def shortcodes_in(project: Project, files: Iterable[Path] | None = None) -> list[Shortcode]:
    """Every shortcode and condition of `files` (default: of all articles)."""
    found: list[Shortcode] = []
    for path in article_files(project) if files is None else files:
        file = project.relative(path)
        text = article_text(project, path)
        if path.suffix == ".ipynb":
            found.extend(_in_notebook(text, file))
        else:
            found.extend(shortcodes(text, file))
    return found


def shortcodes(text: str, file: str = "") -> list[Shortcode]:
    """The shortcodes of a Markdown text, in order."""
    place_of = _places(text)
    found = []
    for start, name, words in sorted([*_in_text(text), *_conditions(text)]):
        place = place_of(start)
        if place is None or (name in CONDITIONS and place == "code"):
            continue
        arguments, options = attributes(words)
        line, column = line_and_column(text, start)
        found.append(Shortcode(name, arguments, file, line, column, place, options))
    return found


def included(code: Shortcode, project: Project) -> Path | None:
    """The file that an `include` shortcode names; None for any other shortcode."""
    if code.name != "include" or not code.arguments:
        return None
    target = code.arguments[0]
    base = project.root if target.startswith("/") else (project.root / code.file).parent
    return (base / target.lstrip("/")).resolve()


def pages_with(file: str, codes: Iterable[Shortcode], project: Project) -> list[str]:
    """The pages that show `file`: itself (unless it is a part, "_x.qmd") and those that include it."""
    parents: dict[str, set[str]] = {}
    for code in codes:
        target = included(code, project)
        if target is not None and code.place == "prose":
            parents.setdefault(project.relative(target), set()).add(code.file)
    pages, seen, waiting = set(), set(), [file]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if not current.rpartition("/")[2].startswith("_"):
            pages.add(current)
        waiting.extend(parents.get(current, ()))
    return sorted(pages)


def _in_text(text: str) -> Iterator[tuple[int, str, str]]:
    for match in SHORTCODE.finditer(text):
        body = re.sub(r"\n\s*(?:>\s*)+", "\n", match["body"]).strip()  # without the margin of a quotation
        if len(match["open"]) > 2 or body.startswith("/*"):
            continue
        name, words = [*body.split(None, 1), "", ""][:2]
        yield match.start(), name, words


def _conditions(text: str) -> Iterator[tuple[int, str, str]]:
    """Every condition with its class: that of a Div from its colons on, another from its brace on."""
    divs = {match.end(): match.start("colons") for match in DIV.finditer(text)}
    quoted = [match.span() for match in _CODE_SPAN.finditer(text)]
    for match in _CONDITION.finditer(text):
        if any(start <= match.start() < end for start, end in quoted):
            continue
        yield divs.get(match.end(), match.start()), match["condition"], match["body"]


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Where an offset of `text` is, both counted from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def offset_of(text: str, line: int, column: int) -> int:
    """The offset in `text` of a line and column, both counted from 1."""
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def attributes(words: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Words of a shortcode, or between the braces of attributes: those without a name, and those with one."""
    arguments, options = [], {}
    for match in _WORD.finditer(words):
        value = match["value"]
        if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
            value = value[1:-1]
        if match["name"]:
            options[match["name"]] = value
        else:
            arguments.append(value)
    return tuple(arguments), options


def _places(text: str) -> Callable[[int], Place | None]:
    """What is at an offset of `text`; None where shortcodes are not expanded."""
    spans: list[tuple[int, int, Place | None]] = [
        (match.start(), match.end(), "comment") for match in _COMMENT.finditer(text)
    ]
    front = FRONT_MATTER.match(text)
    if front:
        spans.append((0, front.end(), "yaml"))
    spans[:0] = fenced(text, front.end() if front else 0)

    def place(offset: int) -> Place | None:
        return next((place for start, end, place in spans if start <= offset < end), "prose")

    return place


def fenced(text: str, start: int) -> list[tuple[int, int, Place | None]]:
    """The fenced blocks from `start` on: where each begins and ends; None where shortcodes are left alone."""
    spans: list[tuple[int, int, Place | None]] = []
    opened: tuple[int, str, Place | None] | None = None
    offset = start
    for line in _lines(text[start:]):
        match = _FENCE.match(line.rstrip("\n"))
        if match and opened is None and not ("`" in match["info"] and match["fence"][0] == "`"):
            info = match["info"].strip()
            executable = re.match(r"\{[A-Za-z]\w*[\s},]", info) is not None
            verbatim = re.search(r"""shortcodes\s*=\s*["']?false""", info) is not None
            opened = (offset, match["fence"], None if executable or verbatim else "code")
        elif match and opened and match["fence"].startswith(opened[1]) and not match["info"].strip():
            spans.append((opened[0], offset + len(line), opened[2]))
            opened = None
        offset += len(line)
    if opened:
        spans.append((opened[0], offset, opened[2]))
    return spans


def _lines(text: str) -> list[str]:
    """The lines of a text with their ends; `splitlines` would also part them at U+2028 and its like."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _in_notebook(raw: str, file: str) -> list[Shortcode]:
    """The shortcodes of a notebook's Markdown and raw cells, with lines and columns of the file itself."""
    found = []
    for source, lines in notebook_prose(raw, file):
        for code in shortcodes(source, file):
            start = max(lines[code.line - 1][1], 0) + code.column - 1
            line, column = line_and_column(raw, start)
            found.append(replace(code, line=line, column=column))
    return found


def notebook_prose(raw: str, file: str) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """The Markdown and raw cells of a notebook: their text, and each line with its offset in the file.

    The offset is -1 where the file writes a line in a way of its own.

    Raises:
        InvalidInput: It is no notebook.
    """
    position = 0
    for cell in parse_notebook(raw, file).cells:
        if cell.cell_type not in ("markdown", "raw"):
            continue
        lines = []
        for line in _lines(cell.source):
            written = (json.dumps(line, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
            start = max(raw.find(text, position) for text in written)
            position = max(position, start + 1)
            lines.append((line, start))
        yield cell.source, lines

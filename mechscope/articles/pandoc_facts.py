"""What Pandoc, and so either engine, reads in an article: where a shortcode becomes an element, and more.

The patterns of `sources` find what is written; only a reader of Markdown knows what becomes of it. A
private character stands for each shortcode, as in the built-in engine.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

from mechscope.articles.sources import FRONT_MATTER, SHORTCODE, article_text, fenced, line_and_column
from mechscope.errors import RenderFailed
from mechscope.project import Project

_SCRIPT = Path(__file__).with_name("pandoc_facts.lua")
_FIRST = 0xF0000

Kind = Literal[
    "element",  # a shortcode where an element can stand, a link among them
    "formula",  # a shortcode in a formula
    "tabled",  # a shortcode in a cell of a table
    "id",  # an identifier: "fig-a"
    "citation",  # of a work or of a figure, table …: what follows the @
    "depends",  # `.when-claim` or `.when-run` on a Div, a span or a heading
    "condition",  # one of these, `class`, where it can't be: `what` it is on
    "computed",  # `{python} 1 + 1`: in which `language`
    "latex",  # LaTeX that is no formula: `what`
    "tag",  # a formula's own number
]


@dataclass(frozen=True)
class Fact:
    """Something that Pandoc read at `offset` of a text; `more` as the kind says."""

    kind: Kind
    offset: int
    more: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Article:
    """A file of the paper as Pandoc reads it."""

    path: Path
    file: str
    text: str
    facts: tuple[Fact, ...]

    def of(self, kind: Kind) -> Iterable[Fact]:
        """The facts of one kind, in order."""
        return (fact for fact in self.facts if fact.kind == kind)

    def where(self, offset: int) -> str:
        """ "paper/articles/x.qmd:12:5"."""
        line, column = line_and_column(self.text, offset)
        return f"{self.file}:{line}:{column}"


def read_articles(project: Project, files: Iterable[Path]) -> dict[str, Article]:
    """By name ("paper/articles/x.qmd"), what Pandoc reads in the files that are Markdown.

    Raises:
        RenderFailed: There is no Pandoc.
        InvalidInput: A file isn't UTF-8.
    """
    paths = [path for path in files if path.suffix in (".qmd", ".md")]
    texts = tuple(article_text(project, path) for path in paths)
    articles = zip(paths, texts, _facts(texts), strict=True)
    return {
        project.relative(path): Article(path, project.relative(path), text, facts)
        for path, text, facts in articles
    }


@cache
def pandoc_binary() -> str:
    """The Pandoc of pypandoc_binary, else the one on PATH.

    Raises:
        RenderFailed: There is none.
    """
    package = importlib.util.find_spec("pypandoc")
    for folder in (package.submodule_search_locations or []) if package else []:
        for name in ("pandoc", "pandoc.exe"):
            if (path := Path(folder) / "files" / name).is_file():
                return str(path)
    found = shutil.which("pandoc")
    if not found:
        raise RenderFailed(
            "The built-in engine needs Pandoc, and there is none.", hint="pip install pypandoc_binary"
        )
    return found


@lru_cache(maxsize=8)
def _facts(texts: tuple[str, ...]) -> tuple[tuple[Fact, ...], ...]:
    readable = [_for_pandoc(text) for text in texts]
    done = subprocess.run(
        [pandoc_binary(), "lua", str(_SCRIPT)],
        input=json.dumps([text for text, _ in readable]),
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise RenderFailed(f"Pandoc could not read the articles:\n{done.stderr.strip()[-2000:]}")
    return tuple(
        tuple(_placed(text, shortcodes, facts))
        for text, (_, shortcodes), facts in zip(texts, readable, json.loads(done.stdout), strict=True)
    )


def _for_pandoc(text: str) -> tuple[str, dict[str, int]]:
    """An article without its front matter, a character repeated for each shortcode, and where these stood."""
    front = FRONT_MATTER.match(text)
    start = front.end() if front else 0
    for first, end, place in fenced(text, start):
        if place is None:  # a cell that would be executed: Pandoc takes its fence for inline code
            text = text[:first] + re.sub(r"[^\n]", " ", text[first:end]) + text[end:]
    pieces, words = ["\n" * text.count("\n", 0, start)], {}
    for number, match in enumerate(SHORTCODE.finditer(text, start)):
        word = chr(_FIRST + number)
        words[word] = match.start()
        # As wide as what it stands for: the columns of some tables are where they are drawn.
        width = 1 if "\n" in match[0] else len(match[0])
        pieces += [text[start : match.start()], word * width]
        start = match.end()
    return "".join([*pieces, text[start:]]), words


def _placed(text: str, shortcodes: Mapping[str, int], facts: Iterable[dict[str, Any]]) -> Iterable[Fact]:
    """Facts where they stand: they come in the order of the text, all but those of notes."""
    position = 0
    for fact in facts:
        needle = fact.pop("text")
        offset = shortcodes.get(needle)
        if offset is None:
            written = needle.split(chr(_FIRST))[0] if any(word in needle for word in shortcodes) else needle
            offset = text.find(written, position)
            if offset < 0:
                offset = max(text.find(written), 0)
            else:
                position = offset + 1
        yield Fact(fact.pop("kind"), offset, fact)

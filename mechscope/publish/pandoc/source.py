"""A document as text for Pandoc: includes put in, shortcodes replaced by words that Pandoc leaves alone.

A shortcode `{{< name … >}}` may stand anywhere: in prose, code, math, an address, an attribute, the front
matter. Each one becomes a private character, which survives Pandoc's reader in all of these places and counts
for nothing in the names that it gives to headings, as in Quarto; `lua/shortcodes.lua` puts the result
where it finds the character. Every line remembers the file it came from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mechscope.articles.sources import article_text
from mechscope.errors import InvalidInput, RenderFailed
from mechscope.files import read_text
from mechscope.ledger.notebook import parse_notebook
from mechscope.project import Project
from mechscope.publish.pandoc.config import Metadata, parse_yaml
from mechscope.publish.pandoc.notebook_markdown import as_markdown

FIRST = 0xF0000
"""This private character and those after it stand for shortcodes, in order; as in lua/shortcodes.lua."""

_SHORTCODE = re.compile(
    r"\{\{\{<(?P<braced>.*?)>\}\}\}|\{\{</\*(?P<starred>.*?)\*/>\}\}|\{\{<(?P<inner>.*?)>\}\}", re.DOTALL
)
_INCLUDE = re.compile(r"^\s*\{\{<\s*include\s+(?P<path>\"[^\"]+\"|'[^']+'|\S+?)\s*>\}\}\s*$")
_ARGUMENT = re.compile(r"""(?:([^\s=:/?"']+)\s*=\s*)?("[^"]*"|'[^']*'|[^\s]+)""")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*$\n?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Line:
    """Where a line was written."""

    file: str
    number: int

    def __str__(self) -> str:
        # The lines of a notebook's file say nothing to a person.
        return self.file if self.file.endswith(".ipynb") else f"{self.file}:{self.number}"


@dataclass
class Source:
    """A document that is ready for Pandoc."""

    path: Path
    file: str
    front_matter: Metadata
    body: str
    lines: list[Line]
    written: list[str]
    """The body's lines as they were written, shortcodes and all; `lines` says where."""
    shortcodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By number: name, args, raw (the text as written), where."""
    included: list[Path] = field(default_factory=list)
    yaml: str = ""
    """The front matter as it was written, from line 2 of the file on."""

    def where(self, needle: str) -> str:
        """`file:line` of the first line that contains `needle`; the file alone when none does."""
        found = next(
            (line for line, text in zip(self.lines, self.written, strict=True) if needle in text), None
        )
        if found is None and needle:
            lines = read_text(self.path, self.file).split("\n")
            number = next((number for number, line in enumerate(lines, 1) if needle in line), 0)
            return f"{self.file}:{number}" if number else self.file
        return str(found) if found else self.file


def read_source(project: Project, path: Path) -> Source:
    """Read a `.qmd`, `.md` or `.ipynb` document.

    Raises:
        RenderFailed: An included file does not exist or includes itself; front matter is not YAML.
    """
    file = project.relative(path)
    text = article_text(project, path)
    source = Source(path, file, {}, "", [], [])
    notebook = path.suffix == ".ipynb"
    if notebook:
        try:
            text = as_markdown(parse_notebook(text, file), lambda cell: _replace(source, cell, []))
        except InvalidInput as error:
            raise RenderFailed(error.message) from error
    front_matter, body, offset = split_front_matter(text, file)
    if front := _FRONT_MATTER.match(text):
        source.yaml = front[1]
    _collect(project, source, path, body, offset, [path])
    # What is above a notebook are texts of its ledger.
    replaced = (
        front_matter if notebook else _map_strings(front_matter, lambda value: _replace(source, value, None))
    )
    source.front_matter = replaced
    body = "\n".join(source.written) + "\n"
    source.body = body if notebook else _replace(source, body, source.lines)
    return source


def split_front_matter(text: str, file: str) -> tuple[Metadata, str, int]:
    """The YAML at the top of a document, the rest, and how many lines the YAML took."""
    found = _FRONT_MATTER.match(text)
    if not found:
        return {}, text, 0
    return parse_yaml(found.group(1), file, 2), text[found.end() :], text.count("\n", 0, found.end())


def _collect(project: Project, source: Source, path: Path, body: str, offset: int, stack: list[Path]) -> None:
    file = project.relative(path)
    for number, text in enumerate(body.removesuffix("\n").split("\n"), offset + 1):
        include = _INCLUDE.match(text)
        line = Line(file, number)
        if not include:
            source.lines.append(line)
            source.written.append(text)
            continue
        name = include.group("path").strip("\"'")
        target = (project.root / name[1:] if name.startswith("/") else path.parent / name).resolve()
        if not target.is_file():
            raise RenderFailed(f"{line}: includes '{name}', and there is no such file.")
        if target in (above.resolve() for above in stack):
            raise RenderFailed(f"{line}: '{name}' includes itself.")
        source.included.append(target)
        _, inner, skipped = split_front_matter(article_text(project, target), project.relative(target))
        _collect(project, source, target, inner, skipped, [*stack, target])


def _replace(source: Source, text: str, lines: list[Line] | None) -> str:
    def stand_in(found: re.Match[str]) -> str:
        number = len(source.shortcodes)
        where = (
            source.where(found.group(0).split("\n")[0])
            if lines is None
            else (str(lines[text.count("\n", 0, found.start())]) if lines else source.file)
        )
        entry: dict[str, Any] = {"raw": found.group(0), "where": where}
        escaped = found.group("braced") or found.group("starred")
        if escaped is not None:
            entry["literal"] = "{{<" + escaped + ">}}"
        else:
            name, *arguments = parse_arguments(found.group("inner")) or [{"value": ""}]
            entry |= {"name": name["value"], "args": arguments}
        source.shortcodes[str(number)] = entry
        return chr(FIRST + number)

    return _SHORTCODE.sub(stand_in, text)


def parse_arguments(inner: str) -> list[dict[str, str]]:
    """What is between `{{<` and `>}}`: values, and values with a name, in order; quotes are taken off."""
    arguments = []
    for name, value in _ARGUMENT.findall(inner):
        bare = value[1:-1] if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0] else value
        arguments.append({"name": name, "value": bare} if name else {"value": bare})
    return arguments


def _map_strings(value: Any, change: Any) -> Any:
    if isinstance(value, dict):
        return {key: _map_strings(entry, change) for key, entry in value.items()}
    if isinstance(value, list):
        return [_map_strings(entry, change) for entry in value]
    return change(value) if isinstance(value, str) else value

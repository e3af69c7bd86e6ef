"""What `_quarto.yml`, its profile, `_metadata.yml` and front matter say together, merged as Quarto does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from mechscope.errors import RenderFailed
from mechscope.files import read_text
from mechscope.project import Project

Metadata = dict[str, Any]

FORMATS = {"html": ".html", "typst": ".pdf"}
"""The formats that the engine writes, and the ending of what it writes."""

_INPUT_ENDINGS = {".qmd", ".md", ".ipynb"}
_NOT_INPUTS = {"README.md", "README.qmd", "AGENTS.md", "CLAUDE.md"}
_NOT_WALKED = {"_site", "node_modules", "__pycache__", "venv", "env"}
_PATH_KEYS = ("css", "bibliography", "csl", "resources")
_INCLUDE_KEYS = ("include-in-header", "include-before-body", "include-after-body")
# What the engine would have to imitate: refused rather than rendered otherwise.
_REFUSED_PROJECT = ("metadata-files", "book", "manuscript")
# Known, or without effect on what a page says: search, cards for other sites, addresses of a published site.
_WEBSITE_KEYS = {
    "title", "navbar", "sidebar", "page-footer", "favicon", "search", "description", "image", "site-url",
    "site-path", "repo-url", "open-graph", "twitter-card", "back-to-top-navigation", "bread-crumbs",
}  # fmt: skip
_NAVBAR_KEYS = {
    "title", "left", "right", "logo-href", "background", "foreground", "search", "pinned", "collapse",
    "collapse-below",
}  # fmt: skip


def merge(first: Any, second: Any) -> Any:
    """Quarto's merge: maps merge key by key, lists add (without repeats), anything else is replaced."""
    if isinstance(first, dict) and isinstance(second, dict):
        merged = dict(first)
        for key, value in second.items():
            merged[key] = merge(first[key], value) if key in first else value
        return merged
    if (isinstance(first, list) or isinstance(second, list)) and first is not None and second is not None:
        combined: list[Any] = []
        for value in [*as_list(first), *as_list(second)]:
            if value not in combined:
                combined.append(value)
        return combined
    return first if second is None and isinstance(first, (dict, list)) else second


def as_list(value: Any) -> list[Any]:
    """A scalar as a list of one; nothing as no entries."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def read_yaml(path: Path, file: str) -> Metadata:
    """A YAML file that holds a map.

    Raises:
        RenderFailed: It is not YAML, or not a map; says where.
    """
    return parse_yaml(read_text(path, file), file)


def parse_yaml(text: str, file: str, first_line: int = 1) -> Metadata:
    """A YAML map from `text`, whose first line is line `first_line` of `file`."""
    try:
        # Dates stay text: "2026-11-21" is formatted for the reader later, in one place.
        value = yaml.load(text, Loader=_TextDates)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + first_line}" if mark else ""
        raise RenderFailed(f"{file}{line}: this is not YAML: {getattr(error, 'problem', error)}.") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RenderFailed(f"{file}:{first_line}: expected 'key: value' lines.")
    return value


class _TextDates(yaml.SafeLoader):
    pass


_TextDates.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Config:
    """A project's settings for one run; paths in `metadata` are absolute."""

    project: Project
    run: str
    metadata: Metadata
    folders: dict[Path, Metadata] = field(default_factory=dict, compare=False)
    """`_metadata.yml` by folder, read once."""

    def files(self) -> list[Path]:
        """The files that settings were read from so far."""
        own = [self.root / "_quarto.yml", self.root / f"_quarto-{self.run}.yml"]
        return [
            path for path in [*own, *(folder / "_metadata.yml" for folder in self.folders)] if path.is_file()
        ]

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def website(self) -> Metadata:
        return self.metadata.get("website") or {}

    def inputs(self) -> list[Path]:
        """The documents of the site, in order of `project.render` (all of them where it is not given)."""
        patterns = as_list((self.metadata.get("project") or {}).get("render"))
        return matching(self.root, patterns, _INPUT_ENDINGS)

    def resources(self) -> list[Path]:
        """The files that `project.resources` names."""
        patterns = as_list((self.metadata.get("project") or {}).get("resources"))
        return matching(self.root, patterns, None) if patterns else []

    def page(self, source: Path, front_matter: Metadata) -> dict[str, Metadata]:
        """The settings of a document, for each format that it is rendered to."""
        folder = self._folder_metadata(source.parent)
        own = rebase(front_matter, source.parent, self.root)
        levels = [self.metadata, folder, own]
        declared = next(
            (keys for level in (own, folder, self.metadata) if (keys := _formats(level))), ["html"]
        )
        return {name: self._for_format(levels, name) for name in declared}

    def _for_format(self, levels: list[Metadata], name: str) -> Metadata:
        merged: Metadata = {}
        for level in levels:
            common = {
                key: value for key, value in level.items() if key not in ("format", "project", "website")
            }
            merged = merge(merged, common)
            formats = level.get("format")
            special = formats.get(name) if isinstance(formats, dict) else None
            if isinstance(special, dict):
                merged = merge(merged, special)
        return merged

    def _folder_metadata(self, folder: Path) -> Metadata:
        if folder not in self.folders:
            own: Metadata = {}
            path = folder / "_metadata.yml"
            if path.is_file():
                own = rebase(read_yaml(path, self.project.relative(path)), folder, self.root)
            inside = folder != self.root and folder.is_relative_to(self.root)
            above = self._folder_metadata(folder.parent) if inside else {}
            self.folders[folder] = merge(above, own)
        return self.folders[folder]


def read_config(project: Project, run: str) -> Config:
    """`_quarto.yml` with the profile `_quarto-<run>.yml` merged into it.

    Raises:
        RenderFailed: A file is missing or is not YAML, or asks for what this engine does not have.
    """
    base, profile = project.root / "_quarto.yml", project.root / f"_quarto-{run}.yml"
    if not base.is_file():
        raise RenderFailed(
            f"There is no _quarto.yml in {project.root}: nothing says what the site is.",
            hint="render inside a project; `mechscope --help` shows how to name one",
        )
    metadata = read_yaml(base, base.name)
    if profile.is_file():
        metadata = merge(metadata, read_yaml(profile, profile.name))
    metadata.pop("profile", None)
    problems = [f"_quarto.yml: '{key}'" for key in _REFUSED_PROJECT if key in metadata]
    kind = (metadata.get("project") or {}).get("type", "website")
    if kind not in ("website", "default"):
        problems.append(f"_quarto.yml: 'project: type: {kind}'")
    problems += [
        f"_quarto.yml: 'website: {key}'" for key in metadata.get("website") or {} if key not in _WEBSITE_KEYS
    ]
    if problems:
        raise RenderFailed("The built-in engine does not know:\n  " + "\n  ".join(problems), hint=USE_QUARTO)
    return Config(project, run, rebase(metadata, project.root, project.root))


USE_QUARTO = "render with Quarto (--engine quarto), or write it with what both engines know"


def refused_formats(metadata: Metadata) -> list[str]:
    """The formats that settings ask for and this engine does not write."""
    return [f"'format: {name}'" for name in _formats(metadata) if name not in FORMATS]


def _formats(level: Metadata) -> list[str]:
    declared = level.get("format")
    if isinstance(declared, dict):
        return [name for name, options in declared.items() if options is not False]
    return as_list(declared)


# Paths -----------------------------------------------------------------------------------------------------


def rebase(metadata: Metadata, folder: Path, root: Path) -> Metadata:
    """`metadata` with the files it names made absolute: they are relative to the file that names them."""
    rebased = dict(metadata)
    for key in _PATH_KEYS:
        if key in rebased:
            rebased[key] = _absolute(rebased[key], folder, root)
    for key in _INCLUDE_KEYS:
        if key in rebased:
            rebased[key] = [_absolute_include(entry, folder, root) for entry in as_list(rebased[key])]
    if isinstance(rebased.get("format"), dict):
        rebased["format"] = {
            name: rebase(options, folder, root) if isinstance(options, dict) else options
            for name, options in rebased["format"].items()
        }
    return rebased


def _absolute(value: Any, folder: Path, root: Path) -> Any:
    if isinstance(value, list):
        return [_absolute(entry, folder, root) for entry in value]
    if not isinstance(value, str) or re.match(r"[a-z]+:", value):
        return value
    return str(root / value.lstrip("/")) if value.startswith("/") else os.path.normpath(folder / value)


def _absolute_include(entry: Any, folder: Path, root: Path) -> Metadata:
    if isinstance(entry, dict):
        return {"file": _absolute(entry["file"], folder, root)} if "file" in entry else entry
    return {"file": _absolute(entry, folder, root)}


def matching(root: Path, patterns: list[str], endings: Iterable[str] | None) -> list[Path]:
    """The files below `root` that Quarto's globs choose, in the patterns' order.

    A pattern with wildcards matches at any depth unless it starts with `/`; `!pattern` takes away; a folder
    means everything in it. Names that start with `_` or `.` count only where a path without wildcards spells
    them out, or, among resources (`endings` is None), any pattern.
    """
    files = list(_walk(root))
    chosen: list[Path] = []
    refused: set[Path] = set()
    for pattern in patterns or ["**/*"]:
        away = pattern.startswith("!")
        glob = pattern.lstrip("!")
        hits = _glob(root, files, glob, smart=away, strict=endings is not None)
        refused.update(hits if away else [])
        chosen += [] if away else sorted(hits)
    wanted = [root / path for path in dict.fromkeys(chosen) if path not in refused]
    if endings is None:
        return wanted
    return [path for path in wanted if path.suffix in endings and path.name not in _NOT_INPUTS]


def _glob(root: Path, files: list[Path], glob: str, *, smart: bool, strict: bool) -> list[Path]:
    wild = any(sign in glob for sign in "*?[{")
    spelled = set() if wild and strict else set(Path(glob).parts)
    if (root / glob.strip("/")).is_dir():
        glob = glob.rstrip("/") + "/**/*"
        wild = True
    if glob.startswith("/"):
        glob = glob[1:]
    elif smart or wild:
        glob = glob if glob.startswith("**/") else "**/" + glob
    pattern = re.compile(_regex(glob))

    def hidden(path: Path) -> bool:
        return any(part[0] in "_." and part not in spelled for part in path.parts)

    return [path for path in files if pattern.fullmatch(path.as_posix()) and not hidden(path)]


def _walk(root: Path) -> Iterable[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _NOT_WALKED and not name.startswith(".")]
        for name in names:
            yield Path(folder, name).relative_to(root)


def _regex(glob: str) -> str:
    pieces = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    split = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return "".join(pieces.get(piece, re.escape(piece)) for piece in split)


# Dates -----------------------------------------------------------------------------------------------------


def readable_date(value: Any, lang: str, source: Path) -> str:
    """A date as a reader of `lang` expects it; `today` and `last-modified` are resolved."""
    text = str(value)
    if text in ("today", "now"):
        day = date.today()
    elif text == "last-modified":
        day = date.fromtimestamp(source.stat().st_mtime)
    else:
        try:
            day = date.fromisoformat(text[:10])
        except ValueError:
            return text
    return f"{day.day} {day:%B} {day.year}" if lang.startswith("en-GB") else f"{day:%B} {day.day}, {day.year}"

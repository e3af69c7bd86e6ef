"""Links within the project, and cross-references: whether there is something at their other end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from mechscope.articles.documents import Document
from mechscope.articles.finding import Finding
from mechscope.articles.markdown import scan
from mechscope.articles.sources import Shortcode, included, pages_with, shortcodes_in
from mechscope.files import read_text
from mechscope.pipeline.shelf import parse_key
from mechscope.project import Project

_ELSEWHERE = re.compile(r"[A-Za-z][\w+.-]*:|//")
_SOURCES = (".qmd", ".md", ".ipynb")
_MADE_FROM_SOURCES = (".html", ".pdf", ".docx", ".typ")
_PREFIX = {"figure": "fig", "table": "tbl"}


class Links:
    """Follows the links of documents; reads each target once.

    Args:
        codes: The shortcodes of all articles.
    """

    def __init__(self, project: Project, codes: Sequence[Shortcode]) -> None:
        self.project = project
        self.codes = codes
        self._identifiers = cache(self._read_identifiers)

    def problems(self, document: Document) -> Iterator[Finding]:
        """What leads nowhere."""
        names = pages_with(document.file, self.codes, self.project) or [document.file]
        pages = [self.project.root / name for name in names]
        for link in document.scan.links:
            target = link.target.strip()
            if not target or _ELSEWHERE.match(target) or "{{<" in target:
                continue
            said = next((said for page in pages if (said := self._follow(page, target))), "")
            if said:
                place = document.place(link.start)
                yield Finding(document.file, *place, "dead-link", said, "correct the target", text=target)
        for citation in document.scan.citations:
            if not citation.cross_reference:
                continue
            for page in pages:
                if citation.key not in self._identifiers(page):
                    said = f"{self.project.relative(page)} has nothing named '{citation.key}'"
                    place = document.place(citation.start)
                    hint = f"show the record on that page, or name it with {{#{citation.key}}}"
                    yield Finding(document.file, *place, "dead-link", said, hint, text=f"@{citation.key}")
                    break

    def _follow(self, page: Path, target: str) -> str:
        """What is wrong with a link on `page`, or nothing."""
        path, _, fragment = target.partition("#")
        path, fragment = unquote(path.partition("?")[0]), unquote(fragment)
        if path:
            base = self.project.root if path.startswith("/") else page.parent
            file = (base / path.lstrip("/")).resolve()
            if {"_generated", "_site"} & set(file.parts):
                return ""  # made when the site is
            if not file.exists() and file.suffix in _MADE_FROM_SOURCES:
                file = next((made for end in _SOURCES if (made := file.with_suffix(end)).is_file()), file)
            if not file.exists():
                return f"'{target}' leads nowhere: there is no {self.project.relative(file)}"
        else:
            file = page
        if fragment and file.suffix in (".qmd", ".md") and fragment not in self._identifiers(file):
            return f"'{target}' leads nowhere: {self.project.relative(file)} has nothing named '{fragment}'"
        return ""

    def _read_identifiers(self, page: Path) -> frozenset[str]:
        """Everything on a page that a link may name, included parts among it."""
        found: set[str] = set()
        waiting, seen = [page.resolve()], set()
        while waiting:
            file = waiting.pop()
            if file in seen or not file.is_file() or file.suffix not in (".qmd", ".md"):
                continue
            seen.add(file)
            found |= scan(read_text(file, self.project.relative(file))).identifiers
            for code in shortcodes_in(self.project, [file]):
                target = included(code, self.project)
                if target is not None and code.place == "prose":
                    waiting.append(target)
                found |= _identifiers_of(code)
        return frozenset(found)


def _identifiers_of(code: Shortcode) -> set[str]:
    """The cross-reference that a figure's or a table's shortcode makes."""
    parsed = parse_key(code.key or "") if code.name in _PREFIX else None
    if parsed is None:
        return set()
    run, analysis, name = parsed
    own = f"{_PREFIX[code.name]}-{analysis}-{name}".replace("_", "-")
    return {own, f"{own}-{re.sub(r'[^A-Za-z0-9]', '-', run)}"} if run else {own}

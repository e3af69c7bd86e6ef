"""What is wrong in an article whatever was found: a citation that no bibliography holds, a Div that is none.

Lint says so; and a render stops at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mechscope.articles.allow import allowances, apply
from mechscope.articles.documents import Document, read_document
from mechscope.articles.fences import HINTS
from mechscope.articles.finding import Finding
from mechscope.articles.sources import article_files
from mechscope.errors import nearest
from mechscope.files import read_text
from mechscope.project import Project

_ENTRY = re.compile(r"^\s*@\w+\s*\{\s*([^\s,}]+)", re.MULTILINE)


def stopping(project: Project, files: Sequence[Path] | None = None) -> list[Finding]:
    """What stops a render, without what is allowed: what no bibliography holds, and broken Divs.

    Engines go on after an open Div: all that follows would depend on the claim of a `.when-claim`. And what
    they don't take for a Div they print: every branch of a `.when-claim` would be there.

    Args:
        files: Only in these articles (None: in all).
    """
    works = bibliography(project)
    chosen = article_files(project) if files is None else files
    documents = [read_document(project, path) for path in chosen if path.suffix != ".ipynb"]
    found = [finding for document in documents for finding in unknown_references(document, works)]
    found += [finding for document in documents for finding in broken(document)]
    given = {document.file: allowances(document)[0] for document in documents}
    return sorted(
        finding
        for finding in apply(found, given, set(), {})
        if finding.rule in ("reference", "unclosed", "not-a-div")
    )


def unknown_references(document: Document, works: set[str] | None) -> Iterator[Finding]:
    """Citations of what is not among `works`; none where nothing says which there are (None)."""
    for citation in document.scan.citations if works is not None else ():
        assert works is not None
        if citation.cross_reference or citation.key in works:
            continue
        near = nearest(citation.key, works)
        yield Finding(
            document.file,
            *document.place(citation.start),
            "reference",
            f"no bibliography holds '{citation.key}'" + (f" — did you mean '{near[0]}'?" if near else ""),
            "add it to the bibliography; an @ that is none is written \\@",
            text=citation.key,
        )


def broken(document: Document) -> Iterator[Finding]:
    """Divs and shortcodes that are not closed, and each `:::` that Pandoc takes for text."""
    for start, what in document.scan.unclosed:
        hint = (
            "end it with >}}"
            if document.scan.text.startswith("{{<", start)
            else "every ::: {…} ends with :::"
        )
        yield Finding(document.file, *document.place(start), "unclosed", what, hint)
    for start, why in document.scan.not_divs:
        yield Finding(document.file, *document.place(start), "not-a-div", why, HINTS[why])


def bibliography(project: Project) -> set[str] | None:
    """The keys of all bibliographies; None if there is none to look into."""
    files = sorted(project.paper.rglob("*.bib"))
    if not files:
        return None
    return {key for file in files for key in _ENTRY.findall(read_text(file, project.relative(file)))}

"""What articles print that is written elsewhere: values of YAML files, and files that aren't articles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mechscope.articles.documents import Document
from mechscope.articles.finding import Finding
from mechscope.articles.markdown import scan
from mechscope.articles.sources import SHORTCODE, Shortcode, included, pages_with, settings_of
from mechscope.project import Project
from mechscope.review.lint.names import Names
from mechscope.review.lint.numerals import numerals

_READABLE = (".qmd", ".md", ".txt", ".html", ".htm", ".typ", ".tex", ".csv")


def included_files(project: Project, codes: Iterable[Shortcode], known: Iterable[Path]) -> list[Path]:
    """The files that articles include and that are none themselves."""
    targets = {target for code in codes if code.place != "comment" and (target := included(code, project))}
    return sorted(
        target
        for target in targets - {path.resolve() for path in known}
        if target.is_file() and target.suffix in _READABLE and target.is_relative_to(project.root)
    )


def value_findings(
    project: Project, codes: Sequence[Shortcode], documents: Iterable[Document], names: Names
) -> Iterator[Finding]:
    """Typed numbers that `{{< meta … >}}` and `{{< var … >}}` print from another file than their own."""
    by_file = {document.file: document for document in documents}
    settings = cache(settings_of)
    for code in codes:
        if code.name not in ("meta", "var") or not code.arguments or code.place == "comment":
            continue
        document = by_file.get(code.file)
        if document is None or _is_given(document, code):
            continue
        key = code.arguments[0]
        for path in _sources(project, code, codes):
            value = _looked_up(settings(path), key.split("."))
            if value is None:
                continue
            typed = _typed_in(document, code, str(value), names)
            if typed:
                yield Finding(
                    code.file,
                    code.line,
                    code.column,
                    "numeral",
                    f"'{typed}' is typed in {project.relative(path)}, from where this prints it: "
                    "it comes from no ledger and isn't marked as given",
                    "cite it with {{< stat KEY >}}; or mark what was chosen, not measured:  "
                    f"[{{{{< {code.name} {key} >}}}}]{{.given}}",
                    text=typed,
                )
                break


def _typed_in(document: Document, code: Shortcode, value: str, names: Names) -> str:
    """The typed number in a value, judged in the paragraph that prints it; "" if there is none."""
    text, start = document.scan.text, document.offset(code.line, code.column)
    written = SHORTCODE.match(text, start)
    end = written.end() if written else start
    before = text[text.rfind("\n\n", 0, start) + 1 : start].lstrip("\n")
    found = numerals(scan(before + value + text[end:].split("\n\n")[0]), names)
    place = len(before)
    return next((n.text for n in found if n.place < place + len(value) and n.stop > place), "")


def _is_given(document: Document, code: Shortcode) -> bool:
    at = document.offset(code.line, code.column)
    return any(start <= at < end for start, end in document.scan.given)


def _sources(project: Project, code: Shortcode, codes: Sequence[Shortcode]) -> Iterator[Path]:
    """The files that a shortcode may look into, but for its own."""
    if code.name == "var":
        yield project.root / "_variables.yml"
        return
    yield from (project.root / page for page in pages_with(code.file, codes, project) if page != code.file)
    folder = (project.root / code.file).parent
    while folder.is_relative_to(project.root):
        yield folder / "_metadata.yml"
        folder = folder.parent
    yield from sorted(project.root.glob("_quarto*.yml"))


def _looked_up(settings: Any, path: Sequence[str]) -> str | int | float | None:
    for name in path:
        settings = settings.get(name) if isinstance(settings, Mapping) else None
    return settings if isinstance(settings, (str, int, float)) and not isinstance(settings, bool) else None

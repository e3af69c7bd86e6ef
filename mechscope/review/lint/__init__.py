"""`mechscope lint`: what in the paper's sources nobody could trace, before it is rendered.

Read are the articles (every branch, also those that are dropped in this run) and the prose of the analyses:
their headers, markdown cells, captions, labels, alternative texts and claims. The rules are in
`RULES`; the one about typed numbers is explained in `numerals`.

A number is *given* when somebody chose it rather than measured it:

- `[20]{.given}` marks a span, `::: {.given}` … `:::` a Div, `## Design {.given}` a section;
- a caption, label or claim in an analysis may hold any number that the script's code holds, and takes others
  in an f-string: `f"The {top_k} most probable …"`;
- a citation in the same sentence says whose number it is.

Anything else is allowed where it stands, with a reason: see `allow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mechscope.articles.allow import allowances, apply
from mechscope.articles.broken import bibliography, broken, unknown_references
from mechscope.articles.documents import Document, numbers_in_code, read_document
from mechscope.articles.finding import RULES, Finding
from mechscope.articles.links import Links
from mechscope.articles.sources import article_files, shortcodes_in
from mechscope.errors import InvalidInput, ModelUnavailable, nearest
from mechscope.project import Project
from mechscope.review.lint.borrowed import included_files, value_findings
from mechscope.review.lint.models_named import ModelsNamed
from mechscope.review.lint.names import Names, project_names
from mechscope.review.lint.numerals import Numeral, results, value_of, written
from mechscope.review.lint.records import (
    citation_findings,
    flip_findings,
    read_ledgers,
    silence_findings,
    unused_findings,
    used_records,
)
from mechscope.review.lint.tolerances import tolerance_findings

__all__ = ["RULES", "Finding", "lint"]

_GIVEN = "cite it with {{< stat KEY >}}; or mark what was chosen, not measured:  [%s]{.given}"
_ASIDE = "say it without the number, or allow it:  <!-- lint: allow numeral because … -->"
_GIVEN_TEXT = "put it in with an f-string, say it without the number, or:  # lint: allow numeral because …"


def lint(project: Project, files: Iterable[Path] | None = None) -> list[Finding]:
    """Everything that is wrong with `files` (default: all articles and analyses), in their order.

    Raises:
        InvalidInput: A file isn't there or can't be read; `runs.yml` can't be read.
        UnknownName: `runs.yml` names something that there isn't.
    """
    from mechscope.pipeline.runs import load_runs

    names, runs = project_names(project), load_runs(project)
    articles, scripts = article_files(project), _scripts(project)
    wanted = [*articles, *scripts] if files is None else [_checked(project, path) for path in files]
    documents, unread = _documents(project, wanted)
    codes = shortcodes_in(
        project, dict.fromkeys([*articles, *(path for path in wanted if path.suffix != ".py")])
    )
    if files is None:
        documents += _documents(project, included_files(project, codes, articles))[0]
    ledgers, damaged = read_ledgers(project)
    found = [*unread, *damaged.values()]
    wanted_files = {project.relative(path) for path in wanted}
    found += [
        finding
        for finding in citation_findings(project, runs.default, codes, damaged)
        if finding.file in wanted_files
    ]
    links, works = Links(project, codes), bibliography(project)
    models_named = ModelsNamed(project, runs, codes)
    typed = _typed(project, documents, names)
    for document in documents:
        found += typed[document.file]
        found += unknown_references(document, works)
        found += broken(document)
        found += _undescribed(document)
        if not document.is_script:
            if document.path.suffix != ".ipynb":
                found += links.problems(document)
            own = [code for code in codes if code.file == document.file]
            found += flip_findings(document, own, ledgers)
            found += models_named.findings(document, own)
    found += value_findings(project, codes, documents, names)
    by_name = {document.path.stem: document for document in documents if document.is_script}
    used = used_records(ledgers, codes)
    found += tolerance_findings(ledgers, used, by_name)
    found += silence_findings(ledgers, codes, by_name)
    if files is None:
        found += unused_findings(ledgers, used, by_name)
    given = {}
    for document in documents:
        given[document.file], problems = allowances(document)
        found += problems
    checked = set(RULES) - (set() if files is None else {"unused-record"})
    numbers = {document.file: _lines_with_numbers(document, names) for document in documents}
    order = {document.file: number for number, document in enumerate(documents)}
    return sorted(
        set(apply(found, given, checked, numbers)),
        key=lambda finding: (order.get(finding.file, len(order)), finding),
    )


def _documents(project: Project, paths: Iterable[Path]) -> tuple[list[Document], list[Finding]]:
    """What can be read, and a finding for each script that can't. Raises InvalidInput for an article."""
    documents, unread = [], []
    for path in dict.fromkeys(paths):
        file = project.relative(path)
        try:
            documents.append(read_document(project, path))
        except InvalidInput as error:
            if path.suffix != ".py":
                raise
            place = re.match(rf"{re.escape(file)}(?::(\d+))?: ", error.message)
            line = int(place[1] or 1) if place else 1
            message = error.message[place.end() :] if place else error.message
            unread.append(Finding(file, line, 1, "script", message, error.hint))
    return documents, unread


def _scripts(project: Project) -> list[Path]:
    return sorted(path for path in project.analyses.glob("*.py") if not path.name.startswith("_"))


def _checked(project: Project, path: Path) -> Path:
    """A file that lint can read."""
    if not path.is_file():
        there = [project.relative(file) for file in [*article_files(project), *_scripts(project)]]
        near = nearest(project.relative(path), there)
        proposal = f" — did you mean '{near[0]}'?" if near else "."
        raise InvalidInput(
            f"there is no file {project.relative(path)}{proposal}", hint="mechscope lint  checks everything"
        )
    if path.suffix not in (".qmd", ".md", ".ipynb", ".py"):
        raise InvalidInput(
            f"{project.relative(path)} is neither an article (.qmd, .md, .ipynb) nor an analysis (.py)."
        )
    return path.resolve()


def _typed(project: Project, documents: Sequence[Document], names: Names) -> dict[str, list[Finding]]:
    """The typed numbers of each document, judged together: one pass is faster than many."""
    in_prose = [(document.scan, written(document.scan, names)) for document in documents]
    in_records = [
        (document.records, _unexplained(document, names)) for document in documents if document.records
    ]
    try:
        numbers = iter(results([*in_prose, *in_records], kept=project.scratch / "lint.json"))
    except ModelUnavailable as error:
        # The other rules need no model; that this one was not checked is an error, not silence.
        message = f"typed numbers were not looked for: {error.message}"
        unchecked = Finding(documents[0].file, 1, 1, "numeral", message, error.hint)
        return {document.file: [unchecked] if document is documents[0] else [] for document in documents}
    findings = {
        document.file: [_in_prose(document, number) for number in next(numbers)] for document in documents
    }
    for document in documents:
        if document.records:
            findings[document.file] += [_in_record(document, number) for number in next(numbers)]
    return findings


def _in_prose(document: Document, number: Numeral) -> Finding:
    text = " ".join(number.text.split())
    return Finding(
        document.file,
        *document.place(number.place),
        "numeral",
        f"'{text}' is typed: it comes from no ledger and isn't marked as given",
        _ASIDE if number.aside else _GIVEN % text,
        text=text,
    )


def _in_record(document: Document, number: Numeral) -> Finding:
    return Finding(
        document.file,
        *document.raw_place(number.start),
        "numeral",
        f"'{number.text}' is typed in a record's text, and the code holds no such number",
        _GIVEN_TEXT,
        text=number.text,
    )


def _lines_with_numbers(document: Document, names: Names) -> set[int]:
    lines = {document.place(number.place)[0] for number in written(document.scan, names)}
    if document.records:
        lines |= {document.raw_place(number.start)[0] for number in written(document.records, names)}
    return lines


def _unexplained(document: Document, names: Names) -> Iterator[Numeral]:
    """The numbers in texts of records that the script's code doesn't hold."""
    if document.records:
        settings = numbers_in_code(document.tree)
        for number in written(document.records, names):
            value = value_of(number.text)
            explaining = {abs(value)} if value is not None else set()
            if value and not re.search(r"\d", number.text):
                explaining.add(1 / value)  # "half", where the code says n / 2
            if settings.isdisjoint(explaining):
                yield number


def _undescribed(document: Document) -> Iterator[Finding]:
    for image in document.scan.images:
        if not image.described:
            yield Finding(
                document.file,
                *document.place(image.start),
                "alt-text",
                "this picture says nothing to those who can't see it",
                'write ![what it shows](…), or ![caption](…){fig-alt="what it shows"}',
            )

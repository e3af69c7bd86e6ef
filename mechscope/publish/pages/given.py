"""Numbers that the authors gave (`.given`): chosen, or known beforehand, and measured by no analysis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mechscope.articles.documents import Document, read_document
from mechscope.articles.reading_order import plain_words
from mechscope.articles.sources import article_files, pages_with
from mechscope.publish.markup import code, div, escaped, folded, link, table
from mechscope.publish.pages.context import UP, Context

_LONGEST = 240
"""Characters of a sentence that are shown."""


@dataclass(frozen=True)
class Given:
    """What a sentence gives.

    Attributes:
        texts: What is marked, in order.
        sentence: The words around it.
        sources: The keys of the works that the sentence cites.
        file, line: Where the sentence is written.
    """

    texts: tuple[str, ...]
    sentence: str
    sources: tuple[str, ...]
    file: str
    line: int


def given_numbers(context: Context) -> list[Given]:
    """Every sentence of the articles that gives a number, by file and line; a Div or section is one entry."""
    return [
        given
        for path in article_files(context.project)
        for given in _of(read_document(context.project, path))
    ]


def _of(document: Document) -> Iterator[Given]:
    scan = document.scan
    sentences = [ends for block in scan.blocks for ends in scan.sentences(block)]
    spans: dict[tuple[int, int], list[str]] = {}
    for start, end in sorted(scan.given):
        around = next((one for one in sentences if one[0] <= start and end <= one[1]), None)
        text = scan.text[start:end]
        if around and text.startswith("["):
            spans.setdefault(around, []).append(plain_words(text))
        else:
            spans.setdefault((start, end), [])
    for (start, end), texts in spans.items():
        cited = [one.key for one in scan.citations if start <= one.start < end and not one.cross_reference]
        first = start + len(scan.text[start:end]) - len(scan.text[start:end].lstrip())
        yield Given(
            tuple(dict.fromkeys(texts)),
            _cut(plain_words(re.sub(r":{3,}(\s*\{[^{}]*\})?|<!--[\s\S]*?-->", " ", scan.text[start:end]))),
            tuple(dict.fromkeys(cited)),
            document.file,
            document.place(first)[0],
        )


def _cut(words: str) -> str:
    words = re.sub(r"^(#+|[-*+]|\d+[.)])\s+", "", " ".join(words.split()))
    return words if len(words) <= _LONGEST else words[:_LONGEST].rsplit(" ", 1)[0] + " …"


def given_part(context: Context) -> str:
    """What the page of numbers says of given ones, and the list of them; empty where there is none."""
    every = given_numbers(context)
    if not every:
        return ""
    rows = [
        [
            escaped(", ".join(given.texts) or "a passage"),
            escaped(given.sentence)
            + (f" (cites {', '.join(map(code, given.sources))})" if given.sources else ""),
            _where(context, given),
        ]
        for given in every
    ]
    listed = table(["Given", "Where it is said", "On"], rows, [14, 60, 26])
    count = f"{len(every)} sentence{'s' * (len(every) != 1)} with given numbers"
    return (
        "## Given by the authors {#given}\n\n"
        "These numbers were written by hand and come from no ledger: what the authors chose (how many texts, "
        "which threshold), what follows from the design, or what is known from elsewhere. In the articles a "
        "thin grey line lies below them; no analysis measured them, and no rerun checks them. Numbers that "
        "others reported stand beside a citation.\n\n"
        + folded(count, div(listed, classes=["ms-claims-table"]), classes="ms-given-list")
    )


def _where(context: Context, given: Given) -> str:
    pages = pages_with(given.file, context.codes, context.project)
    pages = [page for page in pages if context.is_web_page(page)] or pages
    links = [link(escaped(context.page_title(page)), f"{UP}/{page}") for page in pages]
    return f"{', '.join(links)} {code(f'{given.file}:{given.line}')}".strip()

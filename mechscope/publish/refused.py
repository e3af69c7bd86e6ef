"""What an article may not hold, because a page would be wrong without a word; told before a render starts.

Each is a thing that an engine reads as something else, drops, or prints twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mechscope.articles.documents import markdown_of_script
from mechscope.articles.markdown import CROSS_REFERENCES
from mechscope.articles.pandoc_facts import Article, Fact, read_articles
from mechscope.articles.reading_order import CitedRecord, cited_by_page, hidden_parts
from mechscope.articles.sources import (
    SHORTCODE,
    Shortcode,
    article_files,
    offset_of,
    pages_with,
)
from mechscope.errors import InvalidInput, nearest
from mechscope.ledger.schema import KINDS
from mechscope.pipeline.shelf import Shelf, parse_key
from mechscope.project import Project

Problem = tuple[str, str]
"""What is wrong, with its place; what to do."""

_PIPES = re.compile(
    r"^[ \t>]*(?=.*\|)\|?[ \t]*:?-+:?[ \t]*(?:[|+][ \t]*:?-+:?[ \t]*)*\|?[ \t]*$", re.MULTILINE
)
_P_EQUALS = re.compile(
    r"(?<![\w-])([*_$]*)p(?:~[^~\s]+~|_\{[^{}]*\}|_\w)?\1(?:[- ]value)?(?:~[^~\s]+~)?(?:[ \t\u00a0~]|&nbsp;)*"
    r"(?:=|<|>|≤|≥|≈|&lt;|\\leq?|\\approx)\$?[ \t\u00a0~]*\n?[ \t]*\$?$",
    re.IGNORECASE,
)
_PREFIXES = {KINDS[kind].shortcode: KINDS[kind].anchor for kind in ("figures", "tables")}


def check_constructs(
    project: Project, run: str, codes: Sequence[Shortcode], files: Sequence[Path] | None = None
) -> None:
    """Refuse what a page of `run` would show wrongly.

    Args:
        codes: The shortcodes of these articles, whose keys are there.
        files: The articles that are rendered, with all that they include; None for all there are.

    Raises:
        InvalidInput: Lists all of it, each with file, line and column.
    """
    articles = read_articles(project, article_files(project) if files is None else files)
    by_file = {file: [code for code in codes if code.file == file] for file in articles}
    problems = [problem for file, article in articles.items() for problem in _in_file(article, by_file[file])]
    problems += _in_analyses(project)
    problems += _on_pages(project, Shelf(project, run), articles, codes)
    if problems:
        listing = [f"{said}\n  → {hint}" for said, hint in dict.fromkeys(problems)]
        *first, last = listing
        said, _, hint = last.partition("\n  → ")
        raise InvalidInput("\n".join([*first, said]), hint=hint)


# A file by itself ------------------------------------------------------------------------------------------


def _in_file(article: Article, codes: Sequence[Shortcode]) -> Iterator[Problem]:
    for fact in article.facts:
        yield from _unreadable(article, fact)
    for code in codes:
        if code.name == "stat" and code.options.get("part") == "p" and code.place != "comment":
            before = article.text[: offset_of(article.text, code.line, code.column)]
            if match := _P_EQUALS.search(before[-200:]):
                yield (
                    f"{code.where}: part=p prints 'p = …' itself, so this would read "
                    f"'{match[0].strip()} p = …'",
                    f"take away '{match[0].strip()}'",
                )


def _unreadable(article: Article, fact: Fact) -> Iterator[Problem]:
    where = article.where(fact.offset)
    match fact.kind:
        case "tabled" if not _in_pipe_table(article.text, fact.offset):
            yield (
                f"{where}: a shortcode in a table whose columns are drawn with spaces or '+---+': what it "
                "prints has another width, and the cells would be garbled",
                "write the table with pipes:  | a | b |  and  |---|---|  below the first row",
            )
        case "tabled" if "|" in SHORTCODE.match(article.text, fact.offset)[0]:  # type: ignore[index]
            yield f"{where}: a '|' in a shortcode would end the cell of this table", "say it without '|'"
        case "formula" if article.text.startswith("{{{<", fact.offset):
            yield (
                f"{where}: three braces make a shortcode literal, and this formula would show it",
                "part the braces:  x_{ {{< stat KEY >}} }",
            )
        case "condition":
            yield (
                f"{where}: .{fact.more['class']} is {_ELEMENTS.get(fact.more['what'], fact.more['what'])}, "
                "where no engine reads it",
                f"put what depends on it into a Div, ::: {{.{fact.more['class']} …}} … :::, or a span, "
                f"[…]{{.{fact.more['class']} …}}",
            )
        case "computed":
            yield (
                f"{where}: the inline code {{{fact.more['language']}}} would be printed, not computed: an "
                "article never computes",
                "record the number in an analysis and cite it: {{< stat KEY >}}",
            )
        case "latex":
            yield (
                f"{where}: '{fact.more['what'][:60]}' is LaTeX, which neither a web page nor a PDF shows",
                "write it in Markdown; an equation is numbered by  $$ … $$ {#eq-name}  and referred to by "
                "@eq-name; what is for LaTeX alone goes into ```{=latex}",
            )
        case "tag":
            yield (
                f"{where}: \\tag numbers no equation here",
                "write  $$ … $$ {#eq-name}, and refer to it by @eq-name",
            )


_ELEMENTS = {
    "Header": "on a title of a callout or tab",
    "CodeBlock": "on a block of code",
    "Code": "on a piece of code",
    "Link": "on a link",
    "Image": "on a picture",
    "Figure": "on a picture",
    "Table": "on a table",
    "Str": "among words, its brace not right behind a bracket or a heading",
    "Math": "in a formula",
}


def _in_pipe_table(text: str, offset: int) -> bool:
    start = max(text.rfind("\n\n", 0, offset), 0)
    end = text.find("\n\n", offset)
    return _PIPES.search(text[start : end if end >= 0 else len(text)]) is not None


def _in_analyses(project: Project) -> Iterator[Problem]:
    """Shortcodes in the text of an analysis, which Quarto would expand on the page of its notebook."""
    for path in sorted(project.analyses.glob("[!_]*.py")):
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        prose = zip(*markdown_of_script(text.split("\n")), strict=True)
        for number, (line, margin) in enumerate(prose, start=1):
            match = SHORTCODE.search(line)
            if match and len(match["open"]) == 2:
                column = margin + match.start() + 1
                yield (
                    f"{project.relative(path)}:{number}:{column}: {match[0]} in the text of an analysis: its "
                    "notebook is written before there is anything to cite",
                    "say it without; to show what a shortcode looks like, write {{{< … >}}} in `code`",
                )


# Pages, with the parts that they include -------------------------------------------------------------------


def _on_pages(
    project: Project, shelf: Shelf, articles: Mapping[str, Article], codes: Sequence[Shortcode]
) -> Iterator[Problem]:
    shown = cited_by_page(project, shelf, codes)
    files_of: dict[str, list[Article]] = {page: [] for page in shown}
    hidden: dict[str, list[tuple[int, int]]] = {}
    for file, article in articles.items():
        hidden[file] = hidden_parts(shelf, article.text, [code for code in codes if code.file == file])
        for page in pages_with(file, codes, project):
            files_of.setdefault(page, []).append(article)

    def kept(article: Article, facts: Iterable[Fact]) -> Iterator[Fact]:
        for fact in facts:
            if not any(start <= fact.offset < end for start, end in hidden[article.file]):
                yield fact

    for page, files in files_of.items():
        there: dict[str, str] = {}
        for article in files:
            for fact in kept(article, article.of("id")):
                name, where = fact.more["id"], article.where(fact.offset)
                if name in there and _prefix(name) in CROSS_REFERENCES:
                    yield _twice(name, there[name], where)
                there.setdefault(name, where)
        for name, where in _records(shelf, shown.get(page, ())):
            if name in there:
                yield _twice(name, there[name], where)
            there.setdefault(name, where)
        for article in files:
            for fact in kept(article, article.of("citation")):
                name = fact.more["id"][0].lower() + fact.more["id"][1:]
                if _prefix(name) in CROSS_REFERENCES and name not in there:
                    near = nearest(name, there)
                    proposal = f" — did you mean '@{near[0]}'?" if near else ""
                    yield (
                        f"{article.where(fact.offset)}: @{fact.more['id']} refers to nothing on {page}"
                        f"{proposal}",
                        f"show the record on that page, or name what is meant with {{#{name}}}",
                    )


def _prefix(name: str) -> str:
    return name.partition("-")[0]


def _twice(name: str, first: str, second: str) -> Problem:
    return (
        f"{second}: '{name}' is there twice, first at {first}: a reference could mean either",
        f"show it once on a page, and refer to it elsewhere: @{name}",
    )


def _records(shelf: Shelf, shown: Iterable[CitedRecord]) -> Iterator[tuple[str, str]]:
    """The figures and tables of ledgers that a page shows: their names and where they are."""
    for item in shown:
        if item.code.name in _PREFIXES and item.code.place == "prose":
            parsed = parse_key(shelf.key_of(item.keyed))
            run = parsed[0] if parsed else None
            name = f"{_PREFIXES[item.code.name]}-{item.keyed.analysis}-{item.keyed.name}".replace("_", "-")
            if run:
                name += "-" + re.sub(r"[^A-Za-z0-9]", "-", run)
            yield name, item.code.where

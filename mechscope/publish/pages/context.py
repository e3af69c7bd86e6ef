"""What every generated page of a run needs: its ledgers, its titles, and where articles cite what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from mechscope.articles.pandoc_facts import read_articles
from mechscope.articles.reading_order import CitedRecord, cited_by_page, plain_words, printed_in
from mechscope.articles.sources import (
    KIND_OF_SHORTCODE,
    Shortcode,
    line_and_column,
    pages_with,
    settings_of,
)
from mechscope.errors import InvalidInput, UnknownName
from mechscope.ledger.notebook import read_notebook
from mechscope.ledger.schema import KINDS, LedgerFile
from mechscope.ledger.store import NOTEBOOK_NAME
from mechscope.pipeline.shelf import KeyedRecord, Shelf
from mechscope.project import SHARED, Project
from mechscope.publish.entrance import runs_anchor
from mechscope.publish.helpers import Helper, helpers
from mechscope.publish.markup import code, div, escaped, link
from mechscope.publish.pages.words import repeat_command

OUTCOME_WORDS = {"held": "held", "failed": "failed", "untestable": "not testable"}
UP = "../../.."
"""From a generated page to the project's root."""


class Context:
    """A run that is being rendered.

    Args:
        codes: The shortcodes of the articles, which tell where a record is cited.
    """

    def __init__(self, project: Project, run: str, codes: Sequence[Shortcode]) -> None:
        self.project = project
        self.run = run
        self.shelf = Shelf(project, run)
        self.runs = self.shelf.declared
        self.run_title = self.shelf.run_title
        self.codes = list(codes)
        self.title = self.run_title(run)
        self._fronts: dict[str, dict[str, Any]] = {}
        self._shown: dict[str, dict[str, list[CitedRecord]]] = {}
        self._web: dict[str, bool] = {}
        self._helpers: dict[str, dict[str, tuple[Helper, ...]]] = {}
        self._cells: dict[tuple[str, str], dict[str, str]] = {}

    # Where things are -----------------------------------------------------------------------------------

    def notebook(self, ledger: LedgerFile) -> str:
        """The executed notebook of an analysis, from a generated page."""
        return f"{UP}/results/{ledger.run}/{ledger.analysis}/notebook.ipynb"

    def cell_title(self, keyed: KeyedRecord) -> str:
        """The heading above a record's cell in its notebook; without one, the cell's name."""
        place = keyed.run, keyed.analysis
        if place not in self._cells:
            self._cells[place] = cell_headings(self.project.results_dir(*place) / "notebook.ipynb")
        return self._cells[place].get(keyed.record.cell) or keyed.record.cell

    def other_run(self, text: str, run: str, page: str) -> str:
        """A link to a page of another run's site, which may not be rendered (yet).

        It leads to the list of runs, which always is; the site's script makes it lead to the page itself
        where that is there.

        Args:
            text: Markdown.
            page: The page in the site of that run, with an anchor ("paper/articles/x.html#claim-…").
        """
        target = link(text, f"{UP}/../runs.html#{runs_anchor(page)}")
        return f'{target}{{.ms-other-run data-run="{run}" data-page="{page}"}}'

    # Where records are cited ----------------------------------------------------------------------------

    def citations(self, key: str) -> list[tuple[str, Shortcode]]:
        """Every place that cites a record, with each page that shows it, by page and line."""
        return self._citations.get(self.shelf.cited_key(key), [])

    @cached_property
    def _citations(self) -> dict[str, list[tuple[str, Shortcode]]]:
        pages = {file: pages_with(file, self.codes, self.project) for file in {c.file for c in self.codes}}
        found: dict[str, list[tuple[str, Shortcode]]] = {}
        for item in self.codes:
            if item.key and item.place != "comment":
                places = found.setdefault(self.shelf.cited_key(item.key), [])
                places += [(page, item) for page in pages[item.file]]
        for places in found.values():
            places.sort(key=lambda pair: (pair[0], pair[1].file, pair[1].line, pair[1].column))
        return found

    def cited_by_page(self, run: str | None = None) -> dict[str, list[CitedRecord]]:
        """What each page shows in a run (default: this one), dropped branches left out, in reading order."""
        run = run or self.run
        if run not in self._shown:
            self._shown[run] = cited_by_page(self.project, self.shelf.seen_from(run), self.codes)
        return self._shown[run]

    def page_title(self, page: str) -> str:
        """The title in a page's front matter, as words."""
        return plain_words(str(self._front_matter(page).get("title") or page))

    def is_web_page(self, page: str) -> bool:
        """Whether a page has an HTML edition; a page that names no format has."""
        if page not in self._web:
            self._web[page] = self._has_html(page)
        return self._web[page]

    def _has_html(self, page: str) -> bool:
        formats = self._front_matter(page).get("format")
        names = [formats] if isinstance(formats, str) else list(formats or ["html"])
        return any(str(name).startswith("html") for name in names)

    def _front_matter(self, page: str) -> dict[str, Any]:
        if page not in self._fronts:
            self._fronts[page] = settings_of(self.project.root / page)
        return self._fronts[page]

    def absent(self) -> list[KeyedRecord]:
        """The records that do not apply to the run's model, and those that articles cite in vain, by key."""
        every = {self.shelf.key_of(keyed): keyed for keyed in self.shelf.records("absent")}
        for items in self.cited_by_page().values():
            every |= {self.shelf.key_of(item.keyed): item.keyed for item in items if item.keyed.absent}
        return [keyed for _, keyed in sorted(every.items())]

    def cited_as(self, keyed: KeyedRecord) -> str:
        """As what articles cite a record that the run lacks: "stat", "claim" …; empty if none does."""
        names = [code.name for _, code in self.citations(self.shelf.key_of(keyed))]
        return names[0].removeprefix("when-") if names else ""

    def foreign(self, *kinds: str) -> list[KeyedRecord]:
        """Records of other runs that articles cite.

        What isn't there is cited by an article that is not rendered now: it would have been refused.
        """
        codes, _ = printed_in(self.project, self.run, self.codes)
        keys = {item.key for item in codes if item.key and ":" in item.key and item.place != "comment"}
        found = []
        for key in sorted({self.shelf.cited_key(key) for key in keys}):
            with suppress(UnknownName, InvalidInput):
                found.append(self.shelf.find(key))
        return [item for item in found if not self.shelf.here(item) and item.kind in kinds]

    # Parts of pages -------------------------------------------------------------------------------------

    def entry(self, keyed: KeyedRecord, title: str, body: str) -> str:
        """A record's place on a page, with its key as anchor."""
        key = self.shelf.key_of(keyed)
        return div(f"**{title}** {code(key)}\n\n{body}", id=key, classes=["ms-entry"], fence=4)

    def common(self, keyed: KeyedRecord) -> list[tuple[str, str]]:
        """What is said of every record: its cell, its verification, where it is cited."""
        if keyed.source is None:
            return [("Cited in", self.cited(keyed))]
        where = f"{escaped(keyed.ledger.title)}, {escaped(self.cell_title(keyed))}"
        if self.shelf.here(keyed):
            where = link(where, self.notebook(keyed.ledger) + f"#record-{keyed.anchor}") + self._uses(keyed)
        else:
            title = escaped(self.run_title(keyed.run))
            where += f", shared by {title}" if keyed.run == SHARED else f", in the run {title}"
        return [
            ("Computed in", where),
            ("Rerun", self._rerun(keyed)),
            ("Cited in", self.cited(keyed)),
        ]

    def _rerun(self, keyed: KeyedRecord) -> str:
        """What a rerun said of a record, as Markdown; its analysis' entry has the rest."""
        rerun = self.shelf.rerun_of(keyed.ledger)
        if rerun is not None:
            return escaped(rerun.said)
        return f"not verified; run it yourself: {code(repeat_command(keyed.run, keyed.analysis))}"

    def _uses(self, found: KeyedRecord) -> str:
        """Which functions of earlier cells the cell of a statistic uses, each linked to its cell."""
        if found.kind != "statistics":
            return ""
        if found.analysis not in self._helpers:
            self._helpers[found.analysis] = helpers(
                self.project.results_dir(found.run, found.analysis) / NOTEBOOK_NAME
            )
        links = [
            link(code(helper.name), f"{self.notebook(found.ledger)}#{cell_anchor(helper.cell)}")
            for helper in self._helpers[found.analysis].get(found.record.cell, ())
        ]
        return f"; that cell uses {', '.join(links)}" if links else ""

    def cited(self, keyed: KeyedRecord) -> str:
        """Each page that cites a record, with a link to its first place there."""
        pages = dict.fromkeys(page for page, _ in self.citations(self.shelf.key_of(keyed)))
        return ", ".join(
            link(escaped(self.page_title(page)), f"{UP}/{page}{self.place_on(page, keyed)}") for page in pages
        )

    def place_on(self, page: str, keyed: KeyedRecord) -> str:
        """The anchor of a record on a page of this run's site ("#stat-…"); empty where it has none."""
        if not self.is_web_page(page):
            return ""
        mine = self._shown_on.get((page, keyed.run, keyed.short_key), [])
        kind = KIND_OF_SHORTCODE[mine[0].code.name] if keyed.absent and mine else keyed.kind
        if kind == "claims" and self.shelf.here(keyed):
            return self.claim_on(keyed, mine)
        prefix = KINDS[kind].anchor
        if not prefix or not any(self.becomes_element(item) for item in mine):
            return ""
        anchor = f"{prefix}-{keyed.analysis}-{keyed.name}".replace("_", "-")
        if not self.shelf.here(keyed):
            anchor += "-" + re.sub(r"[^A-Za-z0-9]", "-", keyed.run)
        return f"#{anchor}"

    def claim_on(self, keyed: KeyedRecord, shown: Sequence[CitedRecord]) -> str:
        """The anchor of a claim on a page: where it is stated, else the prose that depends on it."""
        stated = any(item.code.name == "claim" and self.becomes_element(item) for item in shown)
        kept = any(item.kept and item.code.place == "prose" for item in shown)
        return f"#{claim_anchor(keyed)}" if stated else f"#when-{claim_anchor(keyed)}" if kept else ""

    @cached_property
    def _shown_on(self) -> dict[tuple[str, str, str], list[CitedRecord]]:
        index: dict[tuple[str, str, str], list[CitedRecord]] = {}
        for page, items in self.cited_by_page().items():
            for item in items:
                index.setdefault((page, item.keyed.run, item.keyed.short_key), []).append(item)
        return index

    def becomes_element(self, item: CitedRecord) -> bool:
        """Whether a shortcode becomes an element: one in YAML, in code, in a formula … becomes text."""
        return (item.code.line, item.code.column) in self._elements.get(item.code.file, ())

    @cached_property
    def _elements(self) -> dict[str, set[tuple[int, int]]]:
        """Line and column of the shortcodes that become elements, by file."""
        files = [self.project.root / file for file in dict.fromkeys(code.file for code in self.codes)]
        return {
            file: {line_and_column(article.text, fact.offset) for fact in article.of("element")}
            for file, article in read_articles(self.project, files).items()
        }


def cell_headings(notebook: Path) -> dict[str, str]:
    """The heading above each code cell of a notebook, by the cell's id; cells above the first have none."""
    try:
        cells = read_notebook(notebook).cells
    except (OSError, InvalidInput):
        return {}
    found, heading = {}, ""
    for cell in cells:
        if cell.cell_type == "markdown":
            headings = re.findall(r"^#{2,6}[ \t]+(.+?)[ \t]*$", cell.source, re.MULTILINE)
            heading = re.sub(r"[*`]|\s*\{[^{}]*\}$", "", headings[-1]) if headings else heading
        elif heading:
            found[cell.id] = heading
    return found


def cell_anchor(cell: str) -> str:
    """The id that a cell has on its notebook's page, in either engine."""
    return f"cell-{cell.removeprefix('cell-')}"


def claim_anchor(keyed: KeyedRecord) -> str:
    """The id that a claim has where an article shows it; written by the extension too (shortcodes.lua)."""
    return f"claim-{keyed.analysis}-{keyed.name}".replace("_", "-")

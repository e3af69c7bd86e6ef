"""What every generated page of a run needs: its ledgers, its titles, and where articles cite what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from mechscope.ledger.schema import LedgerFile
from mechscope.pipeline.runs import load_runs
from mechscope.project import Project
from mechscope.publish.entrance import runs_anchor
from mechscope.publish.findings import Found, Shelf
from mechscope.publish.markdown import code, div, escaped, link
from mechscope.publish.shown import Shown, shown_in
from mechscope.publish.sources import FRONT_MATTER, Shortcode, pages_with

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
        self.runs = load_runs(project).runs
        self.codes = list(codes)
        self.title = self.run_title(run)
        self._titles: dict[str, str] = {}
        self._shown: dict[str, dict[str, list[Shown]]] = {}

    def run_title(self, run: str) -> str:
        """A run as readers know it."""
        return self.runs[run].title if run in self.runs else run

    # Where things are -----------------------------------------------------------------------------------

    def notebook(self, ledger: LedgerFile) -> str:
        """The executed notebook of an analysis, from a generated page."""
        return f"{UP}/results/{ledger.run}/{ledger.analysis}/notebook.ipynb"

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
        return self._citations.get(key.removeprefix(f"{self.run}:"), [])

    @cached_property
    def _citations(self) -> dict[str, list[tuple[str, Shortcode]]]:
        pages = {file: pages_with(file, self.codes, self.project) for file in {c.file for c in self.codes}}
        found: dict[str, list[tuple[str, Shortcode]]] = {}
        for item in self.codes:
            if item.key and item.place != "comment":
                places = found.setdefault(item.key.removeprefix(f"{self.run}:"), [])
                places += [(page, item) for page in pages[item.file]]
        for places in found.values():
            places.sort(key=lambda pair: (pair[0], pair[1].file, pair[1].line, pair[1].column))
        return found

    def shown(self, run: str | None = None) -> dict[str, list[Shown]]:
        """What each page shows in a run (default: this one), dropped branches left out, in reading order."""
        run = run or self.run
        if run not in self._shown:
            shelf = self.shelf if run == self.run else Shelf(self.project, run)
            self._shown[run] = shown_in(self.project, shelf, self.codes)
        return self._shown[run]

    def page_title(self, page: str) -> str:
        """The title in a page's front matter."""
        if page not in self._titles:
            text = (self.project.root / page).read_text(encoding="utf-8")
            match = re.search(r"^title:\s*(.+?)\s*$", text, re.MULTILINE)
            self._titles[page] = match[1].strip("\"'") if match else page
        return self._titles[page]

    def is_web_page(self, page: str) -> bool:
        """Whether a page has an HTML edition; a page that names no format has."""
        import yaml

        text = (self.project.root / page).read_text(encoding="utf-8").replace("\r\n", "\n")
        front = FRONT_MATTER.match(text)
        formats = (yaml.safe_load(front[0].strip().strip("-.")) or {}).get("format") if front else None
        names = [formats] if isinstance(formats, str) else list(formats or ["html"])
        return any(str(name).startswith("html") for name in names)

    def foreign(self, *kinds: str) -> list[Found]:
        """Records of other runs that articles cite."""
        keys = {item.key for item in self.codes if item.key and ":" in item.key and item.place != "comment"}
        found = [self.shelf.find(key) for key in sorted(keys)]
        return [item for item in found if item.run != self.run and item.kind in kinds]

    # Parts of pages -------------------------------------------------------------------------------------

    def entry(self, found: Found, title: str, body: str) -> str:
        """A record's place on a page, with its key as anchor."""
        key = self.shelf.key_of(found)
        return div(f"**{title}** {code(key)}\n\n{body}", id=key, classes=["ms-entry"], fence=4)

    def common(self, found: Found) -> list[tuple[str, str]]:
        """What is said of every record: its cell, its verification, where it is cited."""
        where = f"{escaped(found.ledger.title)}, {code(found.record.cell)}"
        if found.run == self.run:
            where = link(where, self.notebook(found.ledger) + f"#record-{found.name}")
        else:
            where += f", in the run {escaped(self.run_title(found.run))}"
        return [
            ("Computed in", where),
            ("Rerun", self.shelf.verified(found)),
            ("Cited in", self._cited(self.shelf.key_of(found))),
        ]

    def _cited(self, key: str) -> str:
        places: dict[str, dict[str, set[int]]] = {}
        for page, item in self.citations(key):
            places.setdefault(page, {}).setdefault(item.file, set()).add(item.line)
        return ", ".join(
            f"{link(escaped(self.page_title(page)), f'{UP}/{page}')} "
            f"({'; '.join(_lines(file, lines) for file, lines in files.items())})"
            for page, files in places.items()
        )


def _lines(file: str, lines: set[int]) -> str:
    """Where to look, in words and as Markdown: a page's own lines, or those of a part that it includes."""
    named = f"line{'s' * (len(lines) > 1)} {', '.join(str(line) for line in sorted(lines))}"
    return f"{named} of {code(file)}"


def claim_anchor(found: Found) -> str:
    """The id that a claim has where an article shows it; written by the extension too (shortcodes.lua)."""
    return f"claim-{found.analysis}-{found.name}".replace("_", "-")

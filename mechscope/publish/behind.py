"""Pages of the site that a render left as they were, and that show results of before.

Told by the dates of files: what is generated is written only when it changes, and a page that a render keeps
keeps its date. An analysis that was run again dates its ledger, though it may have found the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from mechscope.articles.reading_order import cited_by_page
from mechscope.articles.sources import Shortcode, shortcodes_in
from mechscope.ledger.store import LEDGER_NAME, nodes_with_results
from mechscope.ledger.verification import verification_file
from mechscope.pipeline.shelf import Shelf
from mechscope.project import SHARED, Project
from mechscope.publish.entrance import rendered_runs

_COMPARING = ("claims", "compare")
"""Generated pages that show every run."""
_NAMED = 4


def behind(project: Project) -> dict[str, tuple[str, ...]]:
    """By rendered run: its pages that are older than what they show, as paths within its site."""
    codes = shortcodes_in(project)
    found = {run: tuple(sorted(_behind(project, run, codes))) for run in rendered_runs(project)}
    return {run: pages for run, pages in found.items() if pages}


def _behind(project: Project, run: str, codes: Sequence[Shortcode]) -> Iterator[str]:
    site = project.site / run
    for source, shows in _sources(project, run, codes):
        for suffix in (".html", ".pdf"):
            page = (site / project.relative(source)).with_suffix(suffix)
            if page.is_file() and _latest(shows) > page.stat().st_mtime:
                yield page.relative_to(site).as_posix()


def _sources(project: Project, run: str, codes: Sequence[Shortcode]) -> Iterator[tuple[Path, list[Path]]]:
    """The source of each page, with the files that hold what it shows."""
    every = [project.results_dir(*node) / LEDGER_NAME for node in nodes_with_results(project)]
    for page in sorted(project.generated(run).glob("*.qmd")):
        yield page, [page, *(every if page.stem in _COMPARING else ())]
    notebooks = [(project.results / place).glob("[!._]*/notebook.ipynb") for place in (run, SHARED)]
    for notebook in sorted(chain(*notebooks)):
        yield notebook, [notebook]
    for shown_on, items in cited_by_page(project, Shelf(project, run), codes).items():
        places = {(item.keyed.run, item.keyed.analysis) for item in items}
        ledgers = [project.results_dir(*place) / LEDGER_NAME for place in sorted(places)]
        reruns = [verification_file(project, other) for other, _ in sorted(places)]
        yield project.root / shown_on, [*ledgers, *reruns]


def _latest(files: Iterable[Path]) -> float:
    return max((path.stat().st_mtime for path in files if path.is_file()), default=0.0)


def behind_words(run: str, pages: Sequence[str]) -> str:
    """What is behind in the site of a run, and what renews it."""
    named = ", ".join(pages[:_NAMED]) + (f" and {len(pages) - _NAMED} more" if len(pages) > _NAMED else "")
    are = "1 page of its site is" if len(pages) == 1 else f"{len(pages)} pages of its site are"
    older = f"{are} older than the results and may show those of before"
    return f"{run}: {older}: {named}; mechscope render --run {run}"

"""Pages and data that are made from ledgers, for both engines.

Numbers, claims, runs compared, notebooks and the graph are Markdown, so that both engines render them; what
popovers, banners and charts need is JSON and scripts. All go to `paper/_generated/<run>/`; each is written
only when it changed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mechscope.articles.sources import Shortcode
from mechscope.files import stable_json, write_atomically
from mechscope.ledger.store import figure_files
from mechscope.project import Project
from mechscope.publish.pages.chart_scripts import figure_script, vega_bundle
from mechscope.publish.pages.claims_page import claims_page
from mechscope.publish.pages.colophon import colophon
from mechscope.publish.pages.compare_page import compare_page
from mechscope.publish.pages.context import Context
from mechscope.publish.pages.document_notes import documents
from mechscope.publish.pages.graph_page import graph_page
from mechscope.publish.pages.notebooks_page import notebooks_page
from mechscope.publish.pages.numbers_json import numbers_json, numbers_schema
from mechscope.publish.pages.numbers_page import numbers_page
from mechscope.publish.pages.popovers import popovers

_PACKAGE = Path(__file__).parent.parent.parent
"""By this file: `mechscope.__file__` is None where a folder of that name lies in the working directory."""


@dataclass(frozen=True)
class Written:
    """What generating pages did: the files that there are now, and those that changed."""

    files: tuple[Path, ...]
    changed: tuple[Path, ...]


_STAMP = ".written"
"""In the folder of the pages: its date tells when all of them were written."""


def write_pages(project: Project, run: str, codes: Sequence[Shortcode], *, articles: bool = False) -> Written:
    """Generate the pages of `run`, remove those of records that are gone, and say what changed.

    Args:
        codes: The shortcodes of the articles, which tell where a record is cited.
        articles: Only articles will be rendered: as long as nothing else changed than their texts, only what
            they take in is written.
    """
    start = time.time()
    context = Context(project, run, codes)
    folder = project.generated(run)
    stamp = folder / _STAMP
    contents: dict[Path, str] = {
        folder / "popovers.json": stable_json(popovers(context)),
        folder / "documents.json": stable_json(documents(context)),
        folder / "site.json": stable_json(colophon(context)),
    }
    if articles and stamp.is_file() and not _changed_since(project, stamp.stat().st_mtime):
        return Written(tuple(contents), _write(contents))
    contents |= {
        folder / "numbers.qmd": numbers_page(context),
        folder / "numbers.json": numbers_json(context),
        folder / "numbers.schema.json": numbers_schema(),
        folder / "claims.qmd": claims_page(context),
        folder / "compare.qmd": compare_page(context),
        folder / "graph.qmd": graph_page(context),
        folder / "notebooks.qmd": notebooks_page(context),
        folder / "vega.js": vega_bundle(folder / "vega.js"),
    }
    for found in context.shelf.records("figures"):
        specification = figure_files(project.results_dir(found.run, found.analysis), found.name)[0]
        contents[folder / "figures" / f"{found.short_key}.js"] = figure_script(
            found.short_key, specification.read_text(encoding="utf-8")
        )
    changed = _write(contents)
    for path in sorted((folder / "figures").glob("*.js")):
        if path not in contents:
            path.unlink()
    stamp.touch()
    os.utime(stamp, (start, start))
    return Written(tuple(contents), changed)


def _write(contents: Mapping[Path, str]) -> tuple[Path, ...]:
    return tuple(path for path, content in contents.items() if write_atomically(path, content))


def _changed_since(project: Project, moment: float) -> bool:
    """Whether anything changed that pages are made from, other than the articles."""
    folders = (project.results, project.analyses, _PACKAGE)
    files = [path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts]
    files += [project.root / "CITATION.cff", *project.root.glob("_quarto*.yml")]
    return any(path.stat().st_mtime >= moment for path in files if path.exists())

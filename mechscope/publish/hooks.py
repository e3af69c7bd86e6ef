"""What Quarto runs around a render, at the project's root: `python -m mechscope.publish.hooks pre|post`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

from mechscope.articles.sources import article_files
from mechscope.errors import MechscopeError
from mechscope.files import lines_of
from mechscope.project import Project, find_project
from mechscope.publish.entrance import HOME, write_entrance
from mechscope.publish.leftovers import clear_leftovers, mark_begun, mark_ended
from mechscope.publish.offline import inline_modules, remove_foreign_scripts
from mechscope.publish.prerender import mode_from_environment, prepare, run_of_profiles
from mechscope.publish.staging import put_in_place, staged_run

QUARTO_PROCESS = "MECHSCOPE_QUARTO_PROCESS"
"""Set by paper/prerender.py, which Quarto starts: the number of Quarto's process."""
RENDERS_ALL = "QUARTO_PROJECT_RENDER_ALL"


def before() -> None:
    """Refuse an unknown profile; then bring everything up to date, unless that was done already."""
    project = find_project()
    run = run_of_profiles(project, os.environ.get("QUARTO_PROFILE", ""))
    quarto = os.environ.get(QUARTO_PROCESS)
    if quarto:
        clear_leftovers(project, int(quarto))
    mode = mode_from_environment()
    if mode is not None:
        prepared = prepare(project, run, mode, articles=_articles(project))
        for outcome in prepared.ran:
            print(f"mechscope: ran {outcome.run}:{outcome.analysis} because of this: {outcome.detail}")
        for warning in prepared.warnings:
            print(f"mechscope: {warning}", file=sys.stderr)
    if quarto:
        mark_begun(project, run, int(quarto))


def after() -> None:
    """Keep the pages from calling other hosts, make them the site, and give that its entrance."""
    project = find_project()
    output = os.environ.get("QUARTO_PROJECT_OUTPUT_DIR")
    run = None
    if output:
        folder = Path(project.root, output)
        rendered = _files(project, "OUTPUT")
        remove_foreign_scripts(folder, rendered)
        inline_modules(folder, rendered)
        run = staged_run(project, folder)
    if run:
        put_in_place(project, run, whole=RENDERS_ALL in os.environ, rendered=rendered)
    if quarto := os.environ.get(QUARTO_PROCESS):
        mark_ended(project, int(quarto))
    write_entrance(project)
    if run:
        home = project.relative(project.site / run / HOME)
        print(f"mechscope: the site of {run} is {home}; below Quarto names the copy that it works on")


def _articles(project: Project) -> list[Path] | None:
    """The articles that are rendered; None when other pages are, too, or when Quarto does not say."""
    documents = None if RENDERS_ALL in os.environ else _files(project, "INPUT")
    return documents if documents and set(documents) <= set(article_files(project)) else None


def _files(project: Project, which: Literal["INPUT", "OUTPUT"]) -> list[Path] | None:
    """The documents that Quarto renders, or the files that it made of them; None when it does not say."""
    listing = os.environ.get(f"QUARTO_USE_FILE_FOR_PROJECT_{which}_FILES")
    if listing:
        text = Path(project.root, listing).read_text(encoding="utf-8")
    else:
        text = os.environ.get(f"QUARTO_PROJECT_{which}_FILES", "")
    return [project.root / line for line in lines_of(text) if line] or None


def main(when: str) -> int:
    """Run a hook; a mistake is printed on standard error and stops the render."""
    try:
        {"pre": before, "post": after}[when]()
    except MechscopeError as error:
        print(f"mechscope: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""What Quarto runs around a render, at the project's root: `python -m mechscope.publish.hooks pre|post`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mechscope.errors import MechscopeError
from mechscope.project import find_project
from mechscope.publish.behind import behind, behind_words
from mechscope.publish.entrance import HOME, write_entrance
from mechscope.publish.offline import remove_foreign_scripts
from mechscope.publish.prerender import mode_from_environment, prepare, run_of_profiles
from mechscope.publish.staging import put_in_place, staged_run


def before() -> None:
    """Refuse an unknown profile; then bring everything up to date, unless that was done already."""
    project = find_project()
    run = run_of_profiles(project, os.environ.get("QUARTO_PROFILE", ""))
    mode = mode_from_environment()
    if mode is not None:
        prepared = prepare(project, run, mode)
        for outcome in prepared.ran:
            print(f"mechscope: ran {outcome.run}:{outcome.analysis} because of this: {outcome.detail}")
        for warning in prepared.warnings:
            print(f"mechscope: {warning}", file=sys.stderr)


def after() -> None:
    """Keep the pages from calling other hosts, make them the site, and give that its entrance."""
    project = find_project()
    output = os.environ.get("QUARTO_PROJECT_OUTPUT_DIR")
    run = None
    if output:
        folder = Path(project.root, output)
        remove_foreign_scripts(folder)
        run = staged_run(project, folder)
    if run:
        put_in_place(project, run, whole="QUARTO_PROJECT_RENDER_ALL" in os.environ)
    write_entrance(project)
    if run:
        home = project.shown(project.site / run / HOME)
        print(f"mechscope: the site of {run} is {home}; below Quarto names the copy that it works on")
        for other, pages in behind(project).items():
            print(f"mechscope: {behind_words(other, pages)}", file=sys.stderr)


def main(when: str) -> int:
    """Run a hook; a mistake is told on standard error and stops the render."""
    try:
        {"pre": before, "post": after}[when]()
    except MechscopeError as error:
        print(f"mechscope: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

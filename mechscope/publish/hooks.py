"""What Quarto runs around a render, at the project's root: `python -m mechscope.publish.hooks pre|post`."""

from __future__ import annotations

import os
import sys

from mechscope.errors import MechscopeError
from mechscope.project import find_project
from mechscope.publish.entrance import write_entrance
from mechscope.publish.offline import remove_foreign_scripts
from mechscope.publish.prerender import mode_from_environment, prepare, run_of_profiles


def before() -> None:
    """Refuse an unknown profile; then bring everything up to date, unless that was done already."""
    project = find_project()
    run = run_of_profiles(project, os.environ.get("QUARTO_PROFILE", ""))
    mode = mode_from_environment()
    if mode is not None:
        for name in prepare(project, run, mode).ran:
            print(f"mechscope: ran {name} ({run})")


def after() -> None:
    """Keep the pages from calling other hosts, and give the site its entrance."""
    project = find_project()
    output = os.environ.get("QUARTO_PROJECT_OUTPUT_DIR")
    if output:
        remove_foreign_scripts(project.root / output)
    write_entrance(project)


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

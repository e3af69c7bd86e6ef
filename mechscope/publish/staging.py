"""Where a bare `quarto render` writes, and how that becomes the site.

Quarto empties its output folder before anything else, even before the hook that checks what it is given. So
the profiles let it write to `.mechscope/site/<run>`, and only a render that succeeded reaches `_site/<run>`.
What was staged stays there: `quarto preview` serves it, and renders into it what changed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock

from mechscope.files import folder_in_place, write_atomically
from mechscope.project import Project


def staging(project: Project, run: str) -> Path:
    """The folder into which Quarto renders `run` by itself: its profile's `output-dir`."""
    return project.scratch / "site" / run


def staged_run(project: Project, output: Path) -> str | None:
    """The run whose staging folder `output` is; None for another folder, as `mechscope render` has it."""
    run = output.resolve().name
    return run if output.resolve() == staging(project, run).resolve() else None


def render_lock(project: Project, run: str) -> FileLock:
    """Held by whoever changes the site of `run`: two renders would clear each other's folders."""
    project.scratch.mkdir(exist_ok=True)
    return FileLock(project.scratch / f"render-{run}.lock")


def put_in_place(project: Project, run: str, *, whole: bool) -> Path:
    """Make what is staged the site of `run`, and return where that is.

    Args:
        whole: Everything was rendered, so what else the site holds is of pages that are gone. Otherwise the
            pages that were not rendered stay.
    """
    staged, site = staging(project, run), project.site / run
    with render_lock(project, run):
        if whole:
            with folder_in_place(site) as fresh:
                shutil.copytree(staged, fresh, dirs_exist_ok=True)
        else:
            for path in sorted(path for path in staged.rglob("*") if path.is_file()):
                target = site / path.relative_to(staged)
                write_atomically(target, path.read_bytes())
                shutil.copystat(path, target)  # the date tells when it was rendered, changed or not
    return site


def clear_staging(project: Project, run: str) -> None:
    """Forget what is staged, because the site of `run` is newer."""
    shutil.rmtree(staging(project, run), ignore_errors=True)

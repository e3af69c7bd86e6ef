"""Where a bare `quarto render` writes, and how that becomes the site.

Quarto empties its output folder before anything else, even before the hook that checks what it is given. So
the profiles let it write to `.mechscope/site/<run>`, and only a render that succeeded reaches `_site/<run>`.
What was staged stays there: `quarto preview` serves it, and renders into it what changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mechscope.files import folder_in_place, write_atomically
from mechscope.project import Project


@dataclass(frozen=True)
class Built:
    """The pages and PDFs that an engine made, as paths in the site."""

    pages: list[Path]
    pdfs: list[Path]


def staging(project: Project, run: str) -> Path:
    """The folder into which Quarto renders `run` by itself: its profile's `output-dir`."""
    return project.scratch / "site" / run


def staged_run(project: Project, output: Path) -> str | None:
    """The run whose staging folder `output` is; None for another folder, as `mechscope render` has it."""
    run = output.resolve().name
    return run if output.resolve() == staging(project, run).resolve() else None


def render_lock(project: Project, run: str) -> FileLock:
    """Hold it to change the site of `run`: two renders would clear each other's folders."""
    project.scratch.mkdir(exist_ok=True)
    return FileLock(project.scratch / f"render-{run}.lock")


def put_in_place(
    project: Project, run: str, *, whole: bool, rendered: Collection[Path] | None = None
) -> Path:
    """Make what is staged the site of `run`, and return where that is.

    Args:
        whole: Everything was rendered, so what else the site holds is of pages that are gone. Otherwise the
            pages that were not rendered stay.
        rendered: The files that this render made. Of other pages nothing is taken: the staging folder may
            hold what an earlier render left that was killed. None: everything that is staged was rendered.
    """
    staged, site = staging(project, run), project.site / run
    with render_lock(project, run):
        if whole:
            with folder_in_place(site) as fresh:
                shutil.copytree(staged, fresh, dirs_exist_ok=True)
        else:
            for path in sorted(path for path in staged.rglob("*") if path.is_file()):
                within = path.relative_to(staged)
                if (
                    rendered is not None
                    and path not in rendered
                    and _of_another_page(project, staged, within, rendered)
                ):
                    continue
                write_atomically(site / within, path.read_bytes())
                shutil.copystat(path, site / within)  # the date tells when it was rendered, changed or not
    return site


_DOCUMENTS = (".qmd", ".ipynb", ".md", ".Rmd")


def _of_another_page(project: Project, staged: Path, within: Path, rendered: Collection[Path]) -> bool:
    """Whether a staged file is a page that was not rendered, or belongs to one.

    All else is a resource of the project or a library, which pages share.
    """
    if staged / within in rendered:
        return False
    for folder in within.parents:
        if folder.name.endswith("_files"):
            page = folder.with_name(folder.name.removesuffix("_files") + ".html")
            if _has_source(project, page):
                return staged / page not in rendered
    if within.suffix not in (".html", ".pdf"):
        return False
    return _has_source(project, within) or not (project.root / within).is_file()


def _has_source(project: Project, page: Path) -> bool:
    return any((project.root / page).with_suffix(suffix).is_file() for suffix in _DOCUMENTS)


def clear_staging(project: Project, run: str) -> None:
    """Forget what is staged, because the site of `run` is newer."""
    shutil.rmtree(staging(project, run), ignore_errors=True)

"""What a render of Quarto's leaves when it is killed, and how the next one gets rid of it.

Quarto writes every page beside its source and moves all of them into its output folder at the end. After a
kill they lie among the sources, where the next render takes them for files of the project and publishes them.

The hook before a render leaves a mark with the number of Quarto's process, and the hook after it takes the
mark away. So a mark whose process is gone tells of a render that never ended, and its date when that began.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from mechscope.articles.sources import article_files
from mechscope.files import write_atomically
from mechscope.project import SHARED, Project

_SUFFIXES = (".html", ".pdf", ".typ", ".quarto_ipynb")
_MARGIN = 2.0
"""Seconds by which the dates of files may be off: some file systems keep even seconds only."""


def mark_begun(project: Project, run: str, quarto: int) -> None:
    """Remember that a Quarto with this process number renders `run`."""
    write_atomically(_mark(project, quarto), json.dumps({"run": run}))


def mark_ended(project: Project, quarto: int) -> None:
    """Forget it: what was rendered is where it belongs."""
    _mark(project, quarto).unlink(missing_ok=True)


def clear_leftovers(project: Project, quarto: int) -> list[Path]:
    """Remove what renders left among the sources that did not end: pages, what belongs to them, libraries.

    What git tracks stays, and what is older than the render. What is staged stays, too: a preview may be
    serving it, and of it only what a render made reaches the site.

    Args:
        quarto: The process number of the Quarto that is about to render. An own mark is of its last render,
            which failed.

    Returns:
        What was removed.
    """
    marks = sorted((project.scratch / "rendering").glob("*.json"))
    if any(mark != _mark(project, quarto) and _is_running(mark) for mark in marks):
        return []  # its pages lie there, too
    removed: list[Path] = []
    for mark in marks:
        since = mark.stat().st_mtime
        run = str(json.loads(mark.read_text(encoding="utf-8"))["run"])
        strays = [path for path in _strays(project, run) if path.stat().st_mtime > since - _MARGIN]
        strays += [path for path in (project.root / "site_libs",) if path.is_dir()]  # Quarto's alone
        for path in _untracked(project, strays):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed.append(path)
        mark.unlink()
    return removed


def _mark(project: Project, quarto: int) -> Path:
    return project.scratch / "rendering" / f"{quarto}.json"


def _is_running(mark: Path) -> bool:
    """Whether the process that left a mark is still there, and not another with its number."""
    try:
        return bool(psutil.Process(int(mark.stem)).create_time() <= mark.stat().st_mtime + _MARGIN)
    except psutil.Error:
        return False


def _strays(project: Project, run: str) -> Iterator[Path]:
    documents = [
        *article_files(project),
        *project.generated(run).glob("*.qmd"),
        *(project.results / run).glob("*/notebook.ipynb"),
        *(project.results / SHARED).glob("*/notebook.ipynb"),
    ]
    for document in documents:
        beside = [document.with_suffix(suffix) for suffix in _SUFFIXES]
        yield from (path for path in beside if path.is_file() and path != document)
        if (folder := document.with_name(f"{document.stem}_files")).is_dir():
            yield folder


def _untracked(project: Project, paths: Iterable[Path]) -> list[Path]:
    """Those of `paths` of which git tracks nothing; outside a repository, all."""
    found = list(dict.fromkeys(paths))
    if not found:
        return []
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--", *(str(path) for path in found)],
            cwd=project.root,
            capture_output=True,
            encoding="utf-8",
        )
    except OSError:  # no git here
        return found
    tracked = [project.root / name for name in done.stdout.split("\0") if name]
    return [path for path in found if not any(file == path or path in file.parents for file in tracked)]

"""The Quarto engine: `quarto render` into a folder of our choice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from mechscope.errors import InvalidInput, RenderFailed
from mechscope.files import folder_in_place
from mechscope.project import Project
from mechscope.publish.offline import remove_foreign_scripts
from mechscope.publish.prerender import DONE, MODE_VARIABLE
from mechscope.publish.staging import render_lock

_ERROR = re.compile(r"\b(ERROR|FATAL)\b|\(E\)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def find_quarto() -> str | None:
    """The `quarto` that `$QUARTO` names, else the one on PATH; None when there is none.

    Raises:
        InvalidInput: `$QUARTO` is not a program.
    """
    named = os.environ.get("QUARTO")
    if not named:
        return shutil.which("quarto")
    found = shutil.which(named)
    if found is None:
        raise InvalidInput(
            f"QUARTO={named} is not a program.", hint="unset QUARTO, or let it name the quarto program"
        )
    return found


@dataclass(frozen=True)
class QuartoRun:
    """What a render made, as paths in the site, and how long it took."""

    pages: list[Path]
    pdfs: list[Path]
    seconds: float
    warnings: tuple[str, ...] = ()


def render_run(
    project: Project, run: str, *, output: Path, only: list[Path] | None = None, program: str = "quarto"
) -> QuartoRun:
    """Render the documents of `run` into `output`, which changes only when everything succeeded.

    Quarto empties its output folder first and leaves half a site when a document fails; so it renders into a
    folder beside, which takes the place of `output` in the end. `prepare` was called before.

    Args:
        only: Render these documents and keep what `output` holds of the others (None: render all).

    Raises:
        RenderFailed: With what Quarto said.
    """
    started = time.perf_counter()
    with render_lock(project, run), folder_in_place(output) as staged:
        if only is not None and output.is_dir():
            shutil.copytree(output, staged, dirs_exist_ok=True)
        # Quarto wants the output folder relative to the project.
        common = ["--profile", run, "--output-dir", os.path.relpath(staged, project.root), "--no-clean"]
        for document in [None] if only is None else only:
            _quarto(project, run, program, [*([project.shown(document)] if document else []), *common])
        remove_foreign_scripts(staged)
    return QuartoRun(
        pages=sorted(path for path in output.rglob("*.html") if "site_libs" not in path.parts),
        pdfs=sorted(output.rglob("*.pdf")),
        seconds=time.perf_counter() - started,
    )


def _quarto(project: Project, run: str, program: str, arguments: list[str]) -> None:
    # A QUARTO_PROFILE of the caller would be added to --profile, and another run with it.
    environment = {**os.environ, MODE_VARIABLE: DONE, "QUARTO_PYTHON": sys.executable}
    environment.pop("QUARTO_PROFILE", None)
    done = subprocess.run(
        [program, "render", *arguments],
        cwd=project.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        raise RenderFailed(
            f"quarto could not render the run '{run}':\n{_what_went_wrong(done.stdout)}",
            hint=f"quarto render --profile {run}  shows everything that it says",
        )


def _what_went_wrong(output: str) -> str:
    """The part of Quarto's output that matters: from its first error, without colours."""
    lines = [line.rstrip() for line in _COLOUR.sub("", output).splitlines() if line.strip()]
    errors = [number for number, line in enumerate(lines) if _ERROR.search(line)]
    first = errors[0] if errors else max(0, len(lines) - 12)
    return "\n".join(f"  {line}" for line in lines[first : first + 20])

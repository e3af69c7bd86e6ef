"""The Quarto engine: `quarto render` into a folder of our choice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mechscope.errors import InvalidInput, RenderFailed
from mechscope.files import folder_in_place, lines_of
from mechscope.project import Project
from mechscope.publish.offline import inline_modules, remove_foreign_scripts
from mechscope.publish.prerender import DONE, MODE_VARIABLE
from mechscope.publish.render_progress import Report, silent
from mechscope.publish.staging import Built, render_lock

_ERROR = re.compile(r"\b(ERROR|FATAL)\b|\(E\)")
_UNRESOLVED = re.compile(
    r"(?P<what>Unable to resolve (?:crossref|link target:?) \S+|Citeproc: citation \S+ not found"
    r"|Could not convert TeX math.*?(?=, rendering as TeX|$))"
)
_DOCUMENT = re.compile(r"^\s*\[\s*\d+/\d+\]\s+(?P<document>\S.*?)\s*$")
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


def render_run(
    project: Project,
    run: str,
    *,
    output: Path,
    only: list[Path] | None = None,
    program: str = "quarto",
    report: Report = silent,
) -> Built:
    """Render the documents of `run` into `output`, which changes only when everything succeeded.

    Quarto empties its output folder first and leaves half a site when a document fails; so it renders into a
    folder beside, which takes the place of `output` in the end. `prepare` was called before.

    Args:
        only: Render these documents and keep what `output` holds of the others (None: render all).
        report: Is told which document Quarto is at.

    Raises:
        RenderFailed: With what Quarto said.
    """
    with render_lock(project, run), folder_in_place(output) as staged:
        if only is not None and output.is_dir():
            shutil.copytree(output, staged, dirs_exist_ok=True)
        # Quarto wants the output folder relative to the project.
        common = ["--profile", run, "--output-dir", os.path.relpath(staged, project.root), "--no-clean"]
        for document in [None] if only is None else only:
            named = [project.relative(document)] if document else []
            for name in named:
                report(name, passing=True)
            _quarto(project, run, program, [*named, *common], report)
        remove_foreign_scripts(staged)
        inline_modules(staged)
    made = [output] if only is None else [output / project.relative(document) for document in only]
    return Built(
        pages=[page for path in made for page in _outputs(path, ".html")],
        pdfs=[page for path in made for page in _outputs(path, ".pdf")],
    )


def _outputs(path: Path, suffix: str) -> list[Path]:
    """The pages in a folder, or that of one document."""
    if path.is_dir():
        return sorted(page for page in path.rglob(f"*{suffix}") if "site_libs" not in page.parts)
    return [page] if (page := path.with_suffix(suffix)).is_file() else []


def _quarto(project: Project, run: str, program: str, arguments: list[str], report: Report) -> None:
    # A QUARTO_PROFILE of the caller would be added to --profile, and another run with it.
    environment = {**os.environ, MODE_VARIABLE: DONE, "QUARTO_PYTHON": sys.executable}
    environment.pop("QUARTO_PROFILE", None)
    done = _followed([program, "render", *arguments], project.root, environment, report)
    if done.returncode != 0:
        raise RenderFailed(
            f"quarto could not render the run '{run}':\n{_what_went_wrong(done.stdout)}",
            hint=f"quarto render --profile {run}  shows everything that it says",
        )
    if unresolved := dict.fromkeys(_unresolved(done.stdout, arguments[0])):  # in each format
        raise RenderFailed(
            "Quarto only warns of this, and a page would be wrong:\n  " + "\n  ".join(unresolved)
        )


def _followed(
    command: list[str], folder: Path, environment: dict[str, str], report: Report
) -> subprocess.CompletedProcess[str]:
    """Run Quarto and tell which page it is at; what it said is kept."""
    said = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                said.append(line)
                if page := _DOCUMENT.match(_COLOUR.sub("", line)):
                    report(" ".join(page[0].split()), passing=True)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(command, process.returncode, "".join(said))


def _unresolved(output: str, document: str) -> Iterator[str]:
    """What Quarto said that it could not resolve or read, with the document that it was rendering."""
    for line in lines_of(_COLOUR.sub("", output)):
        if progress := _DOCUMENT.match(line):
            document = progress["document"]
        elif found := _UNRESOLVED.search(line):
            yield f"{document}: {found['what']}" if not document.startswith("--") else found["what"]


def _what_went_wrong(output: str) -> str:
    """The part of Quarto's output that matters: from its first error, without colours."""
    lines = [line.rstrip() for line in lines_of(_COLOUR.sub("", output)) if line.strip()]
    errors = [number for number, line in enumerate(lines) if _ERROR.search(line)]
    first = errors[0] if errors else max(0, len(lines) - 12)
    return "\n".join(f"  {line}" for line in lines[first : first + 20])

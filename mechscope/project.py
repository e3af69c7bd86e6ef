"""Where a project keeps what: the one place that knows folder names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mechscope.errors import InvalidInput

_MARKER = Path("analyses") / "runs.yml"
SHARED = "shared"
"""In place of a run's name: of results that are the same in all runs. They lie in `results/shared`."""


@dataclass(frozen=True)
class Project:
    """A mechscope project, found by its `analyses/runs.yml`."""

    root: Path

    @property
    def analyses(self) -> Path:
        return self.root / "analyses"

    @property
    def runs_file(self) -> Path:
        return self.root / _MARKER

    @property
    def claims_lock(self) -> Path:
        return self.analyses / "claims.lock"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def paper(self) -> Path:
        return self.root / "paper"

    @property
    def site(self) -> Path:
        return self.root / "_site"

    @property
    def scratch(self) -> Path:
        """Uncommitted working files: the lock, logs, notebooks of failed runs."""
        return self.root / ".mechscope"

    def results_dir(self, run: str, analysis: str) -> Path:
        """The folder with what `analysis` found in `run`; in SHARED, for all runs."""
        return self.results / run / analysis

    def generated(self, run: str) -> Path:
        """The folder with the pages that are generated for `run`."""
        return self.paper / "_generated" / run

    def relative(self, path: Path) -> str:
        """`path` as a person would write it: relative to the root, with forward slashes."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return str(path)


def find_project(start: Path | None = None) -> Project:
    """The project that contains `start` (default: the working directory).

    Raises:
        InvalidInput: No folder from `start` upwards holds `analyses/runs.yml`.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / _MARKER).is_file():
            return Project(folder)
    raise InvalidInput(
        f"{here} is not inside a mechscope project: no {_MARKER.as_posix()} here or in any folder above.",
        hint="change into the project's folder, or pass --project FOLDER",
    )


def cache_folder() -> Path:
    """Where fetched weights and texts live, shared by all projects of a user (`MECHSCOPE_CACHE` moves it)."""
    chosen = os.environ.get("MECHSCOPE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mechscope"

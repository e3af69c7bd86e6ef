"""The Quarto profile of a run: `_quarto-<run>.yml`."""

from __future__ import annotations

from pathlib import Path

from mechscope.files import write_atomically
from mechscope.project import Project

_PROFILE = """\
# What the run {run} adds to _quarto.yml. Lists are added to those there, so all of project.render is here.
project:
  output-dir: _site/{run}
  render:
    - paper/index.qmd
    - paper/articles/*.qmd
    - paper/paper.qmd
    - paper/_generated/{run}/numbers.qmd
    - paper/_generated/{run}/claims.qmd
    - paper/_generated/{run}/notebooks.qmd
    - results/{run}/*/notebook.ipynb
  resources:
    - /paper/_generated/{run}/vega.js # with a slash: else copies in other folders match too
    - /paper/_generated/{run}/figures/*.js

mechscope:
  run: {run}

website:
  navbar:
    left:
      - text: Numbers
        href: paper/_generated/{run}/numbers.qmd
      - text: Claims
        href: paper/_generated/{run}/claims.qmd
      - text: Notebooks
        href: paper/_generated/{run}/notebooks.qmd
    right:
      - text: "Run: {run}"
        href: paper/_generated/{run}/claims.qmd#runs
"""


def profile_path(project: Project, run: str) -> Path:
    """Where the profile of `run` lies."""
    return project.root / f"_quarto-{run}.yml"


def profile_text(run: str) -> str:
    """The profile of `run`; the run's name is all that differs between profiles."""
    return _PROFILE.format(run=run)


def write_profile(project: Project, run: str) -> bool:
    """Write the profile of `run`, and say whether it changed anything.

    A new run also has to be named in `profile.group` of `_quarto.yml`; declaring a run does that.
    """
    return write_atomically(profile_path(project, run), profile_text(run))


def profiles(project: Project) -> list[str]:
    """The profiles that Quarto would find, by name."""
    return sorted(
        path.name.removeprefix("_quarto-").removesuffix(".yml") for path in project.root.glob("_quarto-*.yml")
    )

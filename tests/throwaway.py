"""Whole small projects in a temporary folder, for tests that run, render or break one."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mechscope.pipeline.profiles import write_profile
from mechscope.pipeline.scripts import Analysis, survey_analyses
from mechscope.project import Project

ROOT = Path(__file__).parents[1]
RUNS = """\
# Which runs there are.
default: one
runs:
  one: {title: Run one, parameters: {seed: 0}}  # the usual
  two: {title: Run two, parameters: {seed: 2}}
"""


def script(
    body: str,
    *,
    title: str = "A title",
    description: str = "",
    parameters: str = "seed = 100",
    data: Sequence[str] = (),
    models: Sequence[str] = (),
    needs: Sequence[str] = (),
) -> str:
    """An analysis script; `body` are its cells after the parameters, its first cell without a marker.

    Its results are each run's own, because the runs above give it other seeds than its default.
    """
    inputs = {"data": list(data), "models": list(models), "needs": list(needs)}
    header = yaml.safe_dump(
        {"title": title, "description": description, "mechscope": inputs}, sort_keys=False
    )
    lines = "".join(f"# {line}\n" for line in header.splitlines())
    return (
        f'# ---\n{lines}# ---\n\n# %% tags=["parameters"]\n{textwrap.dedent(parameters).strip()}\n\n'
        f"# %%\n{textwrap.dedent(body).strip()}\n"
    )


def make_project(
    root: Path,
    *,
    scripts: Mapping[str, str],
    runs: str | Mapping[str, Any] = RUNS,
    files: Mapping[str, str] | None = None,
    git: bool = False,
) -> Project:
    """A project with these analyses.

    Args:
        scripts: Text of each script by name.
        runs: `runs.yml`, as text or as what it holds.
        files: More files by their path in the project.
        git: Make it a repository with everything committed.
    """
    analyses = root / "analyses"
    analyses.mkdir(parents=True)
    text = runs if isinstance(runs, str) else yaml.safe_dump(dict(runs), sort_keys=False)
    (analyses / "runs.yml").write_text(text, encoding="utf-8")
    for name, content in scripts.items():
        (analyses / f"{name}.py").write_text(content, encoding="utf-8")
    for path, content in (files or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, encoding="utf-8")
    if git:
        (root / ".gitignore").write_text(".mechscope/\n__pycache__/\n", encoding="utf-8")
        commit(root)
    return Project(root)


def add_site(project: Project) -> None:
    """What a render needs beside articles: settings, a profile a run, the extension, assets."""
    shutil.copytree(ROOT / "_extensions", project.root / "_extensions")
    shutil.copytree(ROOT / "paper" / "assets", project.paper / "assets")
    settings = yaml.safe_load((ROOT / "_quarto.yml").read_text())
    settings["website"].pop("navbar")
    settings["profile"] = {"default": "one", "group": [["one", "two"]]}
    (project.root / "_quarto.yml").write_text(yaml.safe_dump(settings))
    for run in ("one", "two"):
        write_profile(project, run, run)
    (project.paper / "references.bib").write_text("")


def copy_of(project: Project, target: Path) -> Project:
    """The project with its results, elsewhere, for a test to change."""
    shutil.copytree(project.root, target)
    return Project(target)


def commit(root: Path) -> None:
    """Commit everything in `root`, which becomes a repository if it is none."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        [*identity, "commit", "-q", "--no-gpg-sign", "-m", "all"],
    ):
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def changes(root: Path) -> str:
    """What `git status` says has changed since the last commit."""
    done = subprocess.run(["git", "status", "--short"], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def edit(path: Path, old: str, new: str) -> None:
    """Replace `old`, which must be there, by `new`."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def every_analysis(project: Project) -> dict[str, Analysis]:
    """The analyses by name; raises what is wrong with a script."""
    return {analysis.name: analysis for analysis in survey_analyses(project).select([])}

"""The Quarto profile of a run: `_quarto-<run>.yml`, and its name among the profiles of `_quarto.yml`."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from mechscope.errors import InvalidInput
from mechscope.files import read_text, write_atomically
from mechscope.pipeline.yamltext import flow, node_at
from mechscope.project import Project

_PROFILE = """\
# What the run {run} adds to _quarto.yml. Lists are added to those there, so all of project.render is here.
project:
  output-dir: .mechscope/site/{run} # from there to _site/{run} when everything succeeded
  render:
    - paper/index.qmd
    - paper/articles/*.qmd
    - paper/paper.qmd
    - paper/_generated/{run}/numbers.qmd
    - paper/_generated/{run}/claims.qmd
    - paper/_generated/{run}/compare.qmd
    - paper/_generated/{run}/graph.qmd
    - paper/_generated/{run}/notebooks.qmd
    - results/{run}/*/notebook.ipynb
    - results/shared/*/notebook.ipynb
  resources:
    - /paper/_generated/{run}/vega.js # with a slash: else copies in other folders match too
    - /paper/_generated/{run}/figures/*.js
    - /paper/_generated/{run}/numbers.json
    - /paper/_generated/{run}/numbers.schema.json

mechscope:
  run: {run}
  title: {title}

website:
  navbar:
    left:
      - text: Evidence
        menu:
          - text: Numbers
            href: paper/_generated/{run}/numbers.qmd
          - text: Claims × runs
            href: paper/_generated/{run}/claims.qmd
          - text: Runs compared
            href: paper/_generated/{run}/compare.qmd
          - text: Graph
            href: paper/_generated/{run}/graph.qmd
          - text: Notebooks
            href: paper/_generated/{run}/notebooks.qmd
    right:
      - text: {label}
        href: ../runs.html # of all runs, beside this one's site
"""


def profile_path(project: Project, run: str) -> Path:
    """Where the profile of `run` lies."""
    return project.root / f"_quarto-{run}.yml"


def profile_text(run: str, title: str) -> str:
    """The profile of `run`; its name and title are all that differs between profiles."""
    return _PROFILE.format(run=run, title=_quoted(title), label=_quoted(f"Run: {title}"))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON text is a YAML one, whatever characters it holds


def write_profile(project: Project, run: str, title: str) -> list[Path]:
    """Give a run its profile; a project without `_quarto.yml` has no profiles.

    Returns:
        The files that changed.

    Raises:
        InvalidInput: `_quarto.yml` has no profile group to name the run in.
    """
    main = project.root / "_quarto.yml"
    if not main.is_file():
        return []
    own, text = profile_path(project, run), read_text(main, main.name)
    contents = {own: profile_text(run, title), main: _with_profile(text, run, project.relative(main))}
    return [path for path, content in contents.items() if write_atomically(path, content)]


def profiles(project: Project) -> list[str]:
    """The profiles that Quarto would find, by name."""
    return sorted(
        path.name.removeprefix("_quarto-").removesuffix(".yml") for path in project.root.glob("_quarto-*.yml")
    )


def _with_profile(text: str, run: str, file: str) -> str:
    """`text` of `_quarto.yml` with `run` in the first group of `profile.group`."""
    group = node_at(yaml.compose(text), ["profile", "group"])
    while (
        isinstance(group, yaml.SequenceNode) and group.value and isinstance(group.value[0], yaml.SequenceNode)
    ):
        group = group.value[0]
    if not isinstance(group, yaml.SequenceNode) or not group.value:
        raise InvalidInput(
            f"{file} has no profile.group to add '{run}' to.", hint=f"profile: {{group: [[…, {run}]]}}"
        )
    if run in [item.value for item in group.value]:
        return text
    last = group.value[-1]
    if group.flow_style:
        return f"{text[: last.end_mark.index]}, {flow(run)}{text[last.end_mark.index :]}"
    cut = text.find("\n", last.end_mark.index)
    cut = len(text) if cut < 0 else cut
    dash = " " * (text.rindex("-", 0, last.start_mark.index) - text.rfind("\n", 0, last.start_mark.index) - 1)
    return f"{text[:cut]}\n{dash}- {flow(run)}{text[cut:]}"

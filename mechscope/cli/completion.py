"""What a shell proposes after Tab: names in this project and of models, read without anything heavy.

A proposal is a courtesy: whatever goes wrong while it is looked for, nothing is proposed and nothing printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from mechscope.files import read_text
from mechscope.project import SHARED, Project, find_project

Proposals = Iterable[CompletionItem | str]


class Names(click.ParamType):
    """Names that a shell can complete; any text is taken.

    Args:
        kind: What they name, for the help.
        proposals: The names, given the project's folder (None: around here) and what is typed so far.
    """

    def __init__(self, kind: str, proposals: Callable[[Path | None, str], Proposals]) -> None:
        self.name = kind
        self._proposals = proposals

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        return value

    def shell_complete(
        self, context: click.Context, parameter: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        try:
            found = list(self._proposals(context.find_root().params.get("folder"), typed))
        except Exception:  # half a project, a broken file: Tab is no place to tell of it
            return []
        items = [CompletionItem(item) if isinstance(item, str) else item for item in found]
        return [item for item in items if item.type != "plain" or item.value.startswith(typed)]


def _analyses(folder: Path | None, typed: str) -> Proposals:
    return analysis_names(find_project(folder))


def analysis_names(project: Project) -> list[str]:
    """The names of the scripts, without a look inside."""
    return sorted(path.stem for path in project.analyses.glob("*.py") if not path.name.startswith("_"))


def _runs(folder: Path | None, typed: str) -> Proposals:
    import yaml

    declared = yaml.safe_load(read_text(find_project(folder).runs_file))["runs"]
    return [CompletionItem(name, help=str(run.get("title", ""))) for name, run in declared.items()]


def _articles(folder: Path | None, typed: str) -> Proposals:
    if "/" in typed:
        return [CompletionItem(typed, type="file")]
    from mechscope.articles.sources import article_files

    return [path.stem for path in article_files(find_project(folder)) if not path.name.startswith("_")]


def _models(folder: Path | None, typed: str) -> Proposals:
    from mechscope.models.known import FACTS
    from mechscope.models.registry import EMBEDDED, hub_names

    if typed.startswith((".", "/", "~")):
        return [CompletionItem(typed, type="dir")]
    own = [CompletionItem(name, help=model.title) for name, model in EMBEDDED.items()]
    return own + sorted(set(hub_names() if typed else FACTS) - set(EMBEDDED))


def _model_words(folder: Path | None, typed: str) -> Proposals:
    return ["fetch", *_models(folder, typed)]


def _keys(folder: Path | None, typed: str) -> Proposals:
    """Analyses; after a dot, the keys of one in the default run."""
    if "/" in typed:
        return [CompletionItem(typed, type="file")]
    project = find_project(folder)
    analysis, dot, _ = typed.partition(".")
    return _keys_of(project, analysis) if dot else analysis_names(project)


def _keys_of(project: Project, analysis: str) -> Iterator[str]:
    import yaml

    default = yaml.safe_load(read_text(project.runs_file))["default"]
    ledgers = [project.results_dir(place, analysis) / "ledger.json" for place in (default, SHARED)]
    ledger = json.loads(next(path for path in ledgers if path.is_file()).read_text(encoding="utf-8"))
    for records in ledger["findings"].values():
        yield from (f"{analysis}.{name}" for name in records)


ANALYSIS = Names("analysis", _analyses)
RUN = Names("run", _runs)
ARTICLE = Names("article", _articles)
MODEL = Names("model", _models)
MODEL_OR_FETCH = Names("model", _model_words)
KEY = Names("key", _keys)
DEVICE = Names("device", lambda folder, typed: ("cpu", "cuda", "mps"))

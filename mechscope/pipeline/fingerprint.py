"""What an analysis depends on in a run, as values and hashes; needs neither torch nor weights."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechscope.errors import InvalidInput, MechscopeError
from mechscope.files import hash_content
from mechscope.ledger.schema import SCHEMA_VERSION, Inputs, ModelInput
from mechscope.ledger.store import LEDGER_NAME
from mechscope.pipeline.imports import ImportGraph
from mechscope.pipeline.scripts import Analysis
from mechscope.project import Project

if TYPE_CHECKING:
    from mechscope.models.registry import Model

_PACKAGE = Path(__file__).parent.parent
_IMPORTS = "imports"
"""The entry in `Inputs.code` that says what imports bring in, beside those of definitions."""
_LISTED = 3
"""Changed definitions that are named one by one."""


class UpstreamMissing(MechscopeError):
    """An analysis that another needs has no results yet."""


def present_inputs(
    project: Project,
    analysis: Analysis,
    parameters: Mapping[str, Any],
    upstream: Sequence[tuple[str, str, str]] = (),
) -> Inputs:
    """The inputs as they are now.

    Args:
        upstream: What it needs and where that lies, as `Places.upstream` says.

    Raises:
        InvalidInput: A declared data file or model isn't there.
        UnknownName: A parameter names a model that there isn't.
        UpstreamMissing: An analysis that it needs was never run.
    """
    return Inputs(
        schema_version=SCHEMA_VERSION,
        parameters=dict(parameters),
        script=analysis.code,
        code=_code(project, analysis),
        data={project.relative(path): hash_content(path) for path in data_files(project, analysis)},
        models={name: _model(project, parameters[name], name, analysis) for name in analysis.models},
        saes={name: _sae(parameters[name], name, analysis) for name in analysis.saes},
        needs={need: _ledger_hash(project, *node) for need, *node in upstream},
    )


def data_files(project: Project, analysis: Analysis) -> list[Path]:
    """The files that an analysis declares under `data`, patterns resolved, in a fixed order.

    Raises:
        InvalidInput: One isn't there.
    """
    found: set[Path] = set()
    for declared in analysis.data:
        # Without "..", so that a file outside analyses/ has one name only.
        pattern = os.path.normpath(project.analyses.relative_to(project.root) / declared)
        inside = not (os.path.isabs(pattern) or pattern.startswith(".."))  # noqa: PTH117 - a pattern, no path
        matches = [path for path in project.root.glob(pattern) if path.is_file()] if inside else []
        if not matches:
            raise InvalidInput(
                f"{project.relative(analysis.path)} declares the data file '{declared}', but there is no "
                f"analyses/{declared}.",
                hint="paths under 'data' are relative to analyses/ and stay inside the project",
            )
        found.update(matches)
    return sorted(found)


def local_modules(project: Project, analysis: Analysis) -> list[Path]:
    """The modules in `analyses/` that an analysis imports, directly or not."""
    loaded = _graph(project).reached(analysis.tree).modules.values()
    return [path for path in loaded if path.is_relative_to(project.analyses)]


def _code(project: Project, analysis: Analysis) -> dict[str, str]:
    reached = _graph(project).reached(analysis.tree)
    return {_IMPORTS: reached.imports} | {
        f"{_shown_module(project, path)}: {name}": sha256 for path, name, sha256 in reached.definitions
    }


def _graph(project: Project) -> ImportGraph:
    return ImportGraph({_PACKAGE.name: _PACKAGE.parent, "": project.analyses})


def _shown_module(project: Project, path: Path) -> str:
    """`mechscope/stats.py`, wherever the package is installed; `analyses/_helpers.py`."""
    if path.is_relative_to(_PACKAGE):
        return path.relative_to(_PACKAGE.parent).as_posix()
    return project.relative(path)


def model_of(project: Project, name: str) -> Model:
    """The model that `name` means in an analysis; a folder is relative to the project, not to who asks.

    Raises:
        UnknownName, InvalidInput: There is no such model.
    """
    from mechscope.models.registry import find_model

    return find_model(_placed(project, name))


def _placed(project: Project, name: str) -> str:
    return str(project.root / name) if name.startswith(".") else name


def _model(project: Project, name: Any, parameter: str, analysis: Analysis) -> ModelInput:
    from mechscope.models.registry import source_hash

    text = _text(name, parameter, analysis, "model")
    # The BOS convention stands in the registry, not in the weights, and changes every activation.
    convention = {None: "own", True: "prepended", False: "none"}[model_of(project, text).prepend_bos]
    return ModelInput(name=text, sha256=f"{source_hash(_placed(project, text))} bos:{convention}")


def _sae(name: Any, parameter: str, analysis: Analysis) -> ModelInput:
    from mechscope import models

    text = _text(name, parameter, analysis, "sparse autoencoder")
    pinned_source = getattr(models, "sae_source_hash", None)
    if pinned_source is None:
        raise InvalidInput(
            f"{analysis.path.name} declares the sparse autoencoder '{text}', which this version of mechscope "
            "cannot load."
        )
    return ModelInput(name=text, sha256=pinned_source(text))


def _text(value: Any, parameter: str, analysis: Analysis, kind: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(
            f"{analysis.path.name}: parameter '{parameter}' should hold a {kind}'s name, not {value!r}."
        )
    return value


def _ledger_hash(project: Project, run: str, analysis: str) -> str:
    """What the upstream ledger states as the hash of its findings (`read_ledger` checks that it is so)."""
    path = project.results_dir(run, analysis) / LEDGER_NAME
    try:
        sha256 = json.loads(path.read_text(encoding="utf-8"))["sha256"]
    except FileNotFoundError:
        raise UpstreamMissing(
            f"'{analysis}' has no results in run '{run}' yet.", hint=f"mechscope run {analysis} --run {run}"
        ) from None
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidInput(
            f"{project.relative(path)} is damaged.", hint=f"mechscope run {analysis}"
        ) from error
    return str(sha256)


def why_stale(old: Inputs, new: Inputs) -> list[str]:
    """What changed from `old` to `new`, as short phrases; empty if nothing did."""
    reasons = []
    if old.schema_version != new.schema_version:
        reasons.append(f"ledger schema {old.schema_version} → {new.schema_version}")
    for name, before, after in _changes(old.parameters, new.parameters):
        reasons.append(f"parameter {name} {_shown(before)} → {_shown(after)}")
    if old.script != new.script:
        reasons.append("the script's code changed")
    reasons.extend(_code_reasons(changed_code(old, new)))
    for name, before, after in _changes(old.data, new.data):
        reasons.append(f"{name} {_verb(before, after)}")
    for kind, word in (("models", "model"), ("saes", "sparse autoencoder")):
        for name, before, after in _changes(getattr(old, kind), getattr(new, kind)):
            if before is _ABSENT or after is _ABSENT:
                lists = "now lists" if before is _ABSENT else "no longer lists"
                reasons.append(f"the script's header {lists} '{name}' under {kind}")
            elif before.name == after.name:
                reasons.append(f"{word} {after.name} has other weights")
            elif (name, before.name, after.name) not in _changes(old.parameters, new.parameters):
                reasons.append(f"{word} {name} {before.name} → {after.name}")
    for name, before, after in _changes(old.needs, new.needs):
        verb = "found something else" if _ABSENT not in (before, after) else _verb(before, after)
        reasons.append(f"{name} {verb}")
    return reasons


def changed_code(old: Inputs, new: Inputs) -> list[tuple[str, Any, Any]]:
    """Entries of `code` whose hash has no equal on the other side, under whatever key: key, before, after."""
    there, here = Counter(old.code.values()), Counter(new.code.values())
    gone, come = there - here, here - there
    return [change for change in _changes(old.code, new.code) if gone[change[1]] or come[change[2]]]


def _code_reasons(changes: list[tuple[str, Any, Any]]) -> list[str]:
    definitions = [change for change in changes if change[0] != _IMPORTS]
    if len(definitions) > _LISTED:
        some = ", ".join(name for name, *_ in definitions[:_LISTED])
        return [f"{len(definitions)} definitions changed, among them {some}"]
    if changes and not definitions:
        return ["a name is imported from elsewhere and means something else"]
    return [f"{name} {_verb(before, after)}" for name, before, after in definitions]


class _Absent:
    def __repr__(self) -> str:
        return "none"


_ABSENT = _Absent()


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    found = []
    for name in sorted({*old, *new}):
        before, after = old.get(name, _ABSENT), new.get(name, _ABSENT)
        # 1, 1.0 and True are equal to Python and differ as parameters.
        if before != after or type(before) is not type(after):
            found.append((name, before, after))
    return found


def _verb(before: Any, after: Any) -> str:
    if before is _ABSENT:
        return "is new among the inputs"
    return "is no longer an input" if after is _ABSENT else "changed"


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, (str, _Absent)) else json.dumps(value, ensure_ascii=False)

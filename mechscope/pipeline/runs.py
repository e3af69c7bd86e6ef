"""The runs of a project (`analyses/runs.yml`): which parameters each gives to which analysis."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mechscope.errors import InvalidInput, UnknownName
from mechscope.files import write_atomically
from mechscope.pipeline.profiles import write_profile
from mechscope.pipeline.scripts import Analysis, is_plain
from mechscope.pipeline.yamltext import end_of, flow, line_of, node_at
from mechscope.project import Project

RUN_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"
"""Names of runs: they are folders, Quarto profiles and the first part of a key."""

_RunName = Annotated[str, Field(pattern=RUN_PATTERN)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(_Strict):
    """A named set of parameters. `analyses` holds those that are for one analysis only."""

    title: str
    needs: Literal["hub"] | None = None
    parameters: dict[str, Any] = {}
    analyses: dict[str, dict[str, Any]] = {}


class Runs(_Strict):
    """`analyses/runs.yml`."""

    default: _RunName
    runs: dict[_RunName, Run]

    def run(self, name: str) -> Run:
        """The run called `name`.

        Raises:
            UnknownName: There is none.
        """
        if name not in self.runs:
            raise UnknownName("run", name, self.runs, where="analyses/runs.yml")
        return self.runs[name]


def load_runs(project: Project) -> Runs:
    """Read `analyses/runs.yml`.

    Raises:
        InvalidInput: It is not YAML, or not what it should hold; with the line.
        UnknownName: It has a field that there isn't, or its default is not one of its runs.
    """
    path = project.runs_file
    text = path.read_text(encoding="utf-8")
    shown = project.shown(path)
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{shown}:{mark.line + 1}" if mark else shown
        raise InvalidInput(f"{place}: not YAML: {getattr(error, 'problem', None) or error}.") from error
    try:
        runs = Runs.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"] if part != "[key]"]
        where = f"{shown}:{line_of(text, keys)}"
        if first["type"] == "extra_forbidden":
            valid = Runs.model_fields if len(keys) == 1 else Run.model_fields
            raise UnknownName("field", keys[-1], valid, where=where) from error
        raise InvalidInput(
            f"{where}: {'.'.join(keys) or 'the file'}: {first['msg']}.",
            hint="default: NAME, and runs: {NAME: {title: …, parameters: {model: …}}}",
        ) from error
    if runs.default not in runs.runs:
        raise UnknownName("run", runs.default, runs.runs, where=f"{shown}:{line_of(text, ['default'])}")
    return runs


def check_parameters(
    project: Project, runs: Runs, analyses: Mapping[str, Analysis], unread: Collection[str] = ()
) -> None:
    """Whether `runs.yml` names only analyses and parameters that there are.

    Args:
        unread: Analyses whose scripts can't be read: any parameter could be theirs.

    Raises:
        UnknownName: With the line and the nearest valid name.
        InvalidInput: A value is of another type than the parameter's default.
    """
    text = project.runs_file.read_text(encoding="utf-8")
    shown = project.shown(project.runs_file)
    every = {name for analysis in analyses.values() for name in analysis.parameters}
    for run_name, run in runs.runs.items():
        for name in run.parameters:
            where = f"{shown}:{line_of(text, ['runs', run_name, 'parameters', name])}"
            if name not in every and not unread:
                raise UnknownName("parameter", name, every, where=where)
        for analysis_name, own in run.analyses.items():
            where = f"{shown}:{line_of(text, ['runs', run_name, 'analyses', analysis_name])}"
            if analysis_name in unread:
                continue
            if analysis_name not in analyses:
                raise UnknownName("analysis", analysis_name, analyses, where=where)
            for name in own:
                if name not in analyses[analysis_name].parameters:
                    raise UnknownName(
                        f"parameter of {analysis_name}", name, analyses[analysis_name].parameters, where=where
                    )
        for analysis in analyses.values():
            parameters_of(runs, run_name, analysis)


def parameters_of(runs: Runs, run: str, analysis: Analysis) -> dict[str, Any]:
    """The parameters of `analysis` in `run`: its defaults, the run's, then the run's for this analysis."""
    declared = runs.run(run)
    given = {**declared.parameters, **declared.analyses.get(analysis.name, {})}
    return {
        name: _fitting(given[name], default, f"analyses/runs.yml, run '{run}': parameter '{name}'")
        if name in given
        else default
        for name, default in analysis.parameters.items()
    }


def parse_overrides(texts: list[str] | tuple[str, ...], analyses: list[Analysis]) -> dict[str, Any]:
    """`key=value` pairs as the types that the parameters' defaults have.

    Raises:
        InvalidInput: Not `key=value`, or not of that type.
        UnknownName: No selected analysis has such a parameter.
    """
    defaults: dict[str, Any] = {}
    for analysis in reversed(analyses):
        defaults |= analysis.parameters
    found = {}
    for text in texts:
        name, equals, raw = text.partition("=")
        if not equals:
            raise InvalidInput(f"-p {text}: a parameter is given as key=value.", hint=f"-p {text}=VALUE")
        if name not in defaults:
            raise UnknownName("parameter", name, defaults, where=f"-p {text}")
        default = defaults[name]
        try:
            value = raw if isinstance(default, str) else yaml.safe_load(raw)
        except yaml.YAMLError as error:
            raise InvalidInput(f"-p {text}: '{raw}' is not a value.", hint="write it as in YAML") from error
        found[name] = _fitting(value, default, f"-p {text}")
    return found


def _fitting(value: Any, default: Any, where: str) -> Any:
    """`value` if a parameter with this default can have it; a whole number can stand for a float."""
    if isinstance(default, float) and type(value) in (int, str):
        with suppress(ValueError):
            value = float(value)  # YAML reads 1e-3 as a text
    if not is_plain(value) or not (default is None or type(value) is type(default)):
        expected = type(default).__name__
        raise InvalidInput(
            f"{where}: {value!r} is not of the default's type, {expected} (default {default!r})."
        )
    return value


def declare_run(project: Project, name: str, *, title: str, parameters: dict[str, Any]) -> None:
    """Append a run to `runs.yml`, leaving everything else in it as it is, and give it its Quarto profile.

    Declaring a run again with the same parameters does nothing.

    Raises:
        InvalidInput: The name can't name a run, or names one with other parameters.
    """
    if not re.match(RUN_PATTERN, name):
        raise InvalidInput(
            f"'{name}' cannot name a run: lower-case letters, digits, '.', '_' and '-', beginning with a "
            "letter or digit."
        )
    runs = load_runs(project)
    if name in runs.runs:
        if runs.runs[name].parameters != parameters:
            raise InvalidInput(
                f"there is a run '{name}' already, with other parameters: {runs.runs[name].parameters}.",
                hint="choose another name with --as, or edit analyses/runs.yml",
            )
    else:
        path = project.runs_file
        text = path.read_text(encoding="utf-8")
        entry = {"title": title, "parameters": parameters}
        write_atomically(path, _with_entry(text, name, entry, project.shown(path)))
    write_profile(project, name, title)


def _with_entry(text: str, name: str, entry: dict[str, Any], shown: str) -> str:
    """`text` with a last entry in its `runs:`; written as a line so that comments and layout stay."""
    runs = node_at(yaml.compose(text), ["runs"])
    line = f"{flow(name)}: {flow(entry)}"
    if isinstance(runs, yaml.MappingNode) and runs.flow_style:
        at = runs.end_mark.index - 1
        comma = ", " if runs.value else ""
        changed = f"{text[:at].rstrip()}{comma}{line}{text[at:]}"
    elif isinstance(runs, yaml.MappingNode):
        margin = " " * runs.value[0][0].start_mark.column
        # A block mapping's own end mark lies behind the comments that follow it.
        at = end_of(runs.value[-1][1])
        rest = text[at:]
        cut = at + (rest.index("\n") if "\n" in rest else len(rest))
        changed = f"{text[:cut]}\n{margin}{line}{text[cut:]}"
    else:
        changed = text
    expected = yaml.safe_load(text)
    expected["runs"] = {**(expected["runs"] or {}), name: entry}
    if yaml.safe_load(changed) != expected:
        raise InvalidInput(f"cannot add a run to {shown} by itself.", hint=f"add under 'runs:'  {line}")
    return changed if changed.endswith("\n") else changed + "\n"

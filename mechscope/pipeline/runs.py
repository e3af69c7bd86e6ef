"""The runs of a project (`analyses/runs.yml`): which parameters each gives to which analysis.

And with that, where results lie: an analysis that depends on nothing of a run is computed, kept and verified
once for all runs (`Places`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mechscope.errors import InvalidInput, UnknownName
from mechscope.files import hash_value, read_text, write_atomically
from mechscope.ledger.history import Node
from mechscope.ledger.store import nodes_with_results
from mechscope.pipeline.profiles import write_profile
from mechscope.pipeline.scripts import Analysis, is_plain, need_of, survey_analyses
from mechscope.pipeline.yamltext import PlainLoader, end_of, flow, line_of, node_at, problem_of
from mechscope.project import SHARED, Project

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
            if name == SHARED:
                raise InvalidInput(
                    f"'{SHARED}' is no run: {SHARED} results are shown in every run.",
                    hint=f"name a run: {', '.join(self.runs)}",
                )
            raise UnknownName("run", name, self.runs, where="analyses/runs.yml")
        return self.runs[name]


def load_runs(project: Project) -> Runs:
    """Read `analyses/runs.yml`.

    Raises:
        InvalidInput: It is not YAML, or not what it should hold; with the line.
        UnknownName: It has a field that there isn't, or its default is not one of its runs.
    """
    path = project.runs_file
    file = project.relative(path)
    text = read_text(path, file)
    try:
        content = yaml.load(text, Loader=PlainLoader)
    except yaml.YAMLError as error:
        line, problem, mended = problem_of(error, text)
        what = problem if isinstance(error, yaml.constructor.ConstructorError) else f"not YAML: {problem}"
        raise InvalidInput(
            f"{file}:{line}: {what}.",
            hint=f"put the value in quotes:  {mended}" if mended else "",
        ) from error
    try:
        runs = Runs.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"] if part != "[key]"]
        where = f"{file}:{line_of(text, keys)}"
        if first["type"] == "extra_forbidden":
            valid = Runs.model_fields if len(keys) == 1 else Run.model_fields
            raise UnknownName("field", keys[-1], valid, where=where) from error
        raise InvalidInput(
            f"{where}: {'.'.join(keys) or 'the file'}: {first['msg']}.",
            hint="default: NAME, and runs: {NAME: {title: …, parameters: {model: …}}}",
        ) from error
    if SHARED in runs.runs:
        _refuse_shared(f"{file}:{line_of(text, ['runs', SHARED])}: ")
    if runs.default not in runs.runs:
        raise UnknownName("run", runs.default, runs.runs, where=f"{file}:{line_of(text, ['default'])}")
    return runs


def _refuse_shared(where: str = "") -> None:
    raise InvalidInput(
        f"{where}'{SHARED}' cannot name a run: results/{SHARED} holds what is the same in all runs.",
        hint="give the run another name",
    )


@dataclass(frozen=True)
class Places:
    """Where the results of each analysis lie in each run: under the run itself, or SHARED.

    Shared is what depends on nothing of a run: the analysis declares no model and no autoencoder, the run
    gives it exactly its default parameters, and all that it needs is shared too, or always one named run's.
    """

    runs: Runs
    analyses: Mapping[str, Analysis]

    def shares(self, run: str, name: str) -> bool:
        """Whether the results that an analysis has in a run are shared; in SHARED, whether they can be."""
        analysis = self.analyses.get(name)
        if analysis is None or not (run == SHARED or run in self.runs.runs):
            return False
        return (
            not (analysis.models or analysis.saes)
            and hash_value(parameters_of(self.runs, run, analysis)) == hash_value(dict(analysis.parameters))
            and all(":" in need or self.shares(run, need) for need in analysis.needs)
        )

    def node(self, run: str, name: str) -> Node:
        """Where the results lie that an analysis has in a run: under which name for a run, and its own."""
        return (SHARED if self.shares(run, name) else run), name

    def nodes(self, runs: Sequence[str], names: Collection[str]) -> list[Node]:
        """Where the results of some analyses in some runs lie, each place once; SHARED counts as a run."""
        places = [
            self.node(run, name) for run in runs for name in names if run != SHARED or self.shares(run, name)
        ]
        return list(dict.fromkeys(places))

    def upstream(self, run: str, analysis: Analysis) -> list[tuple[str, str, str]]:
        """What an analysis needs in a run: (as declared, and where it lies: run, analysis) for each."""
        return [(need, *self.node(*need_of(need, run))) for need in analysis.needs]

    def unused(self, project: Project) -> list[Path]:
        """Folders of results that no run shows any more: they became shared, or a run's own."""
        known = self.nodes([*self.runs.runs, SHARED], self.analyses)
        return [
            project.results_dir(run, name)
            for run, name in nodes_with_results(project)
            if name in self.analyses and run in (*self.runs.runs, SHARED) and (run, name) not in known
        ]

    def check(self, runs: Collection[str], names: Collection[str] = ()) -> None:
        """Whether there are such runs, and analyses by these names in them.

        Raises:
            UnknownName: There is no such run; or SHARED is among them, and an analysis can't be shared.
        """
        for run in runs:
            if run != SHARED:
                self.runs.run(run)
                continue
            for name in names:
                if not self.shares(SHARED, name):
                    known = [other for other in self.analyses if self.shares(SHARED, other)]
                    raise UnknownName("shared analysis", name, known, where=f"--run {SHARED}")


def load_places(project: Project) -> Places:
    """Where results of a project lie, by its `runs.yml` and the scripts that can be read.

    Raises:
        InvalidInput, UnknownName: As `load_runs` does.
    """
    return Places(load_runs(project), survey_analyses(project).analyses)


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
    file = project.relative(project.runs_file)
    text = read_text(project.runs_file, file)
    every = {name for analysis in analyses.values() for name in analysis.parameters}
    for run_name, run in runs.runs.items():
        for name in run.parameters:
            where = f"{file}:{line_of(text, ['runs', run_name, 'parameters', name])}"
            if name not in every and not unread:
                raise UnknownName("parameter", name, every, where=where)
        for analysis_name, own in run.analyses.items():
            where = f"{file}:{line_of(text, ['runs', run_name, 'analyses', analysis_name])}"
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
    """The parameters of `analysis` in `run`: its defaults, the run's, then the run's for this analysis.

    Shared results are found with the defaults.
    """
    if run == SHARED:
        return dict(analysis.parameters)
    declared = runs.run(run)
    given = {**declared.parameters, **declared.analyses.get(analysis.name, {})}
    return {
        name: fitting(given[name], default, f"analyses/runs.yml, run '{run}': parameter '{name}'")
        if name in given
        else default
        for name, default in analysis.parameters.items()
    }


def parse_overrides(texts: list[str] | tuple[str, ...], analyses: list[Analysis]) -> dict[str, Any]:
    """`key=value` pairs as the types that the parameters' defaults have.

    Raises:
        InvalidInput: Not `key=value`, given twice, or not of that type.
        UnknownName: No selected analysis has such a parameter.
    """
    known = [name for analysis in analyses for name in analysis.parameters]
    given: dict[str, Any] = {}
    for text in texts:
        name, equals, raw = text.partition("=")
        where = f"-p {text}"
        if not equals:
            raise InvalidInput(f"{where}: a parameter is given as key=value.", hint=f"{where}=VALUE")
        if name not in known:
            raise UnknownName("parameter", name, known, where=where)
        if name in given:
            raise InvalidInput(f"{where}: '{name}' is given twice.", hint="give it once")
        defaults = [analysis.parameters[name] for analysis in analyses if name in analysis.parameters]
        values = [_read(raw, default, where) for default in defaults]
        if any(not _same(value, values[0]) for value in values):
            users = [analysis.name for analysis in analyses if name in analysis.parameters]
            raise InvalidInput(
                f"{where}: '{name}' has values of different types in {', '.join(users)}.",
                hint="name the analysis that should have it:  mechscope run ANALYSIS -p …",
            )
        # Where one takes whole numbers only, the whole number; `fitting` makes a float of it for the others.
        given[name] = next((value for value in values if isinstance(value, int)), values[0])
    return given


def _same(value: Any, first: Any) -> bool:
    return value == first and isinstance(value, bool) == isinstance(first, bool)


def _read(raw: str, default: Any, where: str) -> Any:
    """A parameter's value from the command line. Raises InvalidInput."""
    if isinstance(default, str):
        return raw
    try:
        value = yaml.load(raw, Loader=PlainLoader)
    except yaml.constructor.ConstructorError as error:
        raise InvalidInput(f"{where}: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise InvalidInput(
            f"{where}: '{raw}' is not {_kind(default)}.", hint="write it as in YAML"
        ) from error
    if value is None and default is not None:
        raise InvalidInput(f"{where}: '{raw}' is not {_kind(default)}, as the default {default!r} is.")
    return fitting(value, default, where)


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list"}


def _kind(default: Any) -> str:
    return _KINDS.get(type(default), "a value")


def fitting(value: Any, default: Any, where: str) -> Any:
    """`value` if a parameter with this default can have it; a whole number can stand for a float.

    The items of a list are held against the default's, if those are all of one type.

    Raises:
        InvalidInput: It can't; with the type that was expected.
    """
    if isinstance(default, float) and type(value) is int:
        with suppress(OverflowError):
            value = float(value)
    if not is_plain(value) or not (default is None or type(value) is type(default)):
        quotes = isinstance(default, str) and not isinstance(value, list)
        raise InvalidInput(
            f"{where}: {value!r} is not {_kind(default)}, as the default {default!r} is.",
            hint="put it in quotes: YAML reads yes, no, on, off, numbers and dates as such" if quotes else "",
        )
    if isinstance(default, list) and len({type(item) for item in default}) == 1:
        return [fitting(item, default[0], where) for item in value]
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
    if name == SHARED:
        _refuse_shared()
    runs = load_runs(project)
    if name in runs.runs:
        if runs.runs[name].parameters != parameters:
            raise InvalidInput(
                f"there is a run '{name}' already, with other parameters: {runs.runs[name].parameters}.",
                hint="choose another name with --as, or edit analyses/runs.yml",
            )
    else:
        path = project.runs_file
        text = read_text(path, project.relative(path))
        entry = {"title": title, "parameters": parameters}
        write_atomically(path, _with_entry(text, name, entry, project.relative(path)))
    write_profile(project, name, title)


def _with_entry(text: str, name: str, entry: dict[str, Any], file: str) -> str:
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
    expected = yaml.load(text, Loader=PlainLoader)
    expected["runs"] = {**(expected["runs"] or {}), name: entry}
    if yaml.load(changed, Loader=PlainLoader) != expected:
        raise InvalidInput(f"cannot add a run to {file} by itself.", hint=f"add under 'runs:'  {line}")
    return changed if changed.endswith("\n") else changed + "\n"

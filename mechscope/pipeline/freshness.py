"""Whether what was found is what would be found now: the ledger compared with the present inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mechscope.errors import LedgerDamaged, MechscopeError
from mechscope.ledger.schema import Inputs, LedgerFile
from mechscope.ledger.store import BY_HAND, NOTEBOOK_NAME, committed_ledger, inputs_hash
from mechscope.pipeline.fingerprint import UpstreamMissing, present_inputs, why_stale
from mechscope.pipeline.notebook_check import notebook_problems
from mechscope.pipeline.runs import Places, fitting, parameters_of
from mechscope.pipeline.scripts import Analysis
from mechscope.project import Project

NEVER_RUN = "never run"


@dataclass(frozen=True)
class State:
    """Whether an analysis is fresh in a run, or in all runs that share its results.

    Attributes:
        run: SHARED where the results are those of all runs.
        reasons: Why it is stale; empty when it is fresh.
        parameters: Those that it has now.
        inputs: The present inputs; None when they can't be determined (`problem` says why).
        ledger: What was found, if it is whole.
        upstream: What it needs, as declared, and the run and the analysis under which that lies.
    """

    run: str
    analysis: str
    reasons: tuple[str, ...]
    parameters: Mapping[str, Any]
    inputs: Inputs | None = None
    ledger: LedgerFile | None = None
    problem: MechscopeError | None = None
    upstream: tuple[tuple[str, str, str], ...] = ()

    @property
    def fresh(self) -> bool:
        return not self.reasons

    @property
    def edited(self) -> tuple[str, ...]:
        """The files of its results that were edited by hand."""
        marked = [reason.partition(f" {BY_HAND}") for reason in self.reasons]
        return tuple(file for file, by_hand, _ in marked if by_hand)


def state_of(
    project: Project, places: Places, run: str, analysis: Analysis, overrides: Mapping[str, Any] | None = None
) -> State:
    """Compare the ledger of `analysis` in `run` with the present inputs.

    Args:
        run: Where its results lie (`Places.node`).

    Raises:
        UnknownName: There is no such run.
        InvalidInput: The run gives a parameter a value of another type than its default has.
    """
    parameters = parameters_of(places.runs, run, analysis)
    upstream = tuple(places.upstream(run, analysis))
    for name, value in (overrides or {}).items():
        if name in parameters:
            parameters[name] = fitting(value, analysis.parameters[name], f"-p {name}")
    inputs, problem, reasons = None, None, []
    try:
        inputs = present_inputs(project, analysis, parameters, upstream)
    except MechscopeError as error:
        problem = error
    ledger, state = _ledger(project, run, analysis.name)
    if state:
        reasons.append(state)
    if isinstance(problem, UpstreamMissing):
        if ledger is not None:
            reasons.append(problem.message)
    elif problem is not None:
        reasons.append(f"cannot run: {problem.message}")
    if ledger is not None and inputs is not None:
        reasons.extend(why_stale(ledger.inputs, inputs))
    failed = failed_notebook(project, project.results_dir(run, analysis.name))
    if reasons and failed.is_file():
        reasons.append(f"its last run failed: {project.relative(failed)}")
    return State(run, analysis.name, tuple(reasons), parameters, inputs, ledger, problem, upstream)


def failed_notebook(project: Project, target: Path) -> Path:
    """Where the notebook is kept that failed to fill the folder `target`, until one succeeds.

    A trial or a verification fills another folder than the run does, and its failure is not the run's.
    """
    home = project.results if target.is_relative_to(project.results) else project.scratch
    return project.scratch / "failed" / target.relative_to(home).with_suffix(".ipynb")


def failed_inputs(project: Project, target: Path) -> Path:
    """Where the hash of the inputs is kept from which the folder `target` could not be filled."""
    return failed_notebook(project, target).with_suffix(".inputs")


def failed_before(project: Project, state: State) -> bool:
    """Whether an analysis failed when it last ran, from the very inputs that it has now."""
    note = failed_inputs(project, project.results_dir(state.run, state.analysis))
    if state.inputs is None or not note.is_file():
        return False
    return note.read_text(encoding="utf-8").strip() == inputs_hash(state.inputs)


def states_of(project: Project, places: Places, runs: Sequence[str]) -> list[State]:
    """The state of every analysis in the runs, shared ones once; one that needs a stale one says so."""
    states = {
        (run, name): state_of(project, places, run, places.analyses[name])
        for run, name in places.nodes(runs, places.analyses)
    }
    return [_with_upstream(state, states) for state in states.values()]


def _with_upstream(state: State, states: Mapping[tuple[str, str], State]) -> State:
    stale = [
        need for need, run, name in state.upstream if (found := states.get((run, name))) and not found.fresh
    ]
    if not state.fresh or not stale:
        return state
    reasons = tuple(f"needs {need}, which is stale" for need in stale)
    return replace(state, reasons=reasons)


def _ledger(project: Project, run: str, analysis: str) -> tuple[LedgerFile | None, str]:
    try:
        ledger = committed_ledger(project, run, analysis)
    except FileNotFoundError:
        return None, NEVER_RUN
    except LedgerDamaged as error:
        return None, error.message.rstrip(".")
    return ledger, _notebook(project, project.results_dir(run, analysis) / NOTEBOOK_NAME, ledger)


def _notebook(project: Project, path: Path, ledger: LedgerFile) -> str:
    """Why the executed notebook can't stay as it is; empty when it shows what the ledger holds."""
    if not path.is_file():
        return f"{project.relative(path)} is missing"
    problems = list(notebook_problems(path, ledger))
    if not problems:
        return ""
    key, problem = problems[0]
    of = f" (of {key})" if key else ""
    more = f"; {len(problems) - 1} more like it" if len(problems) > 1 else ""
    return f"{project.relative(path)} {BY_HAND}: {problem}{of}{more}"

"""Running what is stale: the analyses of one or several runs as a dask graph.

Whether an analysis runs is decided when the graph reaches it, so a rerun upstream that finds the same thing
leaves what is downstream fresh. The same graph runs in threads here (each analysis has a kernel process of
its own) or on the workers of a `dask.distributed` scheduler that see the same files.
"""

from __future__ import annotations

import secrets
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from mechscope.errors import AnalysisFailed, InvalidInput, MechscopeError, UnknownName
from mechscope.files import hash_text, recover_folder, why_not, write_atomically
from mechscope.ledger import claims
from mechscope.ledger.history import Node
from mechscope.ledger.schema import LedgerFile
from mechscope.ledger.store import LEDGER_NAME, NOTEBOOK_NAME, ledger_text
from mechscope.pipeline import committed_notebook as notebooks
from mechscope.pipeline import times
from mechscope.pipeline.devices import analyses_at_a_time, chosen_device, device_name
from mechscope.pipeline.freshness import State, failed_before, failed_notebook, state_of
from mechscope.pipeline.mutex import results_lock
from mechscope.pipeline.outcome import Outcome
from mechscope.pipeline.runs import Places, check_parameters, load_places, load_runs, parse_overrides
from mechscope.pipeline.scripts import Analysis, read_analysis, survey_analyses
from mechscope.pipeline.sizes import oversized
from mechscope.project import SHARED, Project
from mechscope.syntax import read_source

_FAILED_BEFORE = (
    "{name} in run {run} failed before from the same inputs, and was not run again; "
    "the notebook is kept in {kept}"
)


class Reporter(Protocol):
    """Who is told how it goes; called from several threads."""

    def say(self, text: str) -> None: ...

    def started(self, run: str, analysis: str, why: str) -> None: ...

    def cell(self, run: str, analysis: str, number: int, count: int) -> None: ...

    def finished(self, outcome: Outcome) -> None: ...


class Silent:
    """A reporter that keeps quiet."""

    def say(self, text: str) -> None:
        pass

    def started(self, run: str, analysis: str, why: str) -> None:
        pass

    def cell(self, run: str, analysis: str, number: int, count: int) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        pass


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        analyses: By name; none means all.
        runs: By name; none means the default run. SHARED means what is the same in all runs.
        overrides: `key=value` for parameters. Results then are a trial: they go to `.mechscope/trials/`,
            because a ledger in `results/` that doesn't have its run's parameters would be stale at once.
        force: Run also what is fresh (of the analyses asked for, not of what they need).
        jobs: How many analyses at a time.
        scheduler: Address of a `dask.distributed` scheduler to use instead of threads.
        device: What models compute on ("cpu", "cuda", "cuda:1", "mps"). It is no input: what is found agrees
            between devices within the declared tolerances, and a ledger's environment says which it was.
        retry: Run also what failed before from the same inputs.
    """

    analyses: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    force: bool = False
    jobs: int = field(default_factory=analyses_at_a_time)
    scheduler: str = ""
    device: str = field(default_factory=chosen_device)
    retry: bool = True


def run_analyses(project: Project, order: Order, reporter: Reporter | None = None) -> list[Outcome]:
    """Run what is stale of what is asked for and of what that needs; failures are among the outcomes.

    Raises:
        UnknownName: A run, analysis or parameter that there isn't.
        InvalidInput: A script or `runs.yml` is not what it should be.
        LedgerDamaged: `analyses/claims.lock` can't be read.
        InvalidInput: There is no such device here.
        ModelUnavailable: The run needs the hub, which can't be reached, for a model that is not here.
    """
    reporter = reporter or Silent()
    if not order.scheduler:  # there, it is the workers' device
        device_name(order.device)
    places, wanted, unread = _plan(project, order)  # a mistake is told before waiting for anybody
    if not (unread or order.force or order.overrides):
        nodes = _with_needs(wanted, places)
        if fresh := _all_fresh(project, nodes, places):
            for outcome in fresh:
                reporter.finished(outcome)
            return fresh
    with results_lock(project, reporter.say):
        places, wanted, unread = _plan(project, order)  # as things are now that it is our turn
        for outcome in unread:
            reporter.finished(outcome)
        if order.overrides:
            return unread + _trial(project, order, places, reporter)
        nodes = _with_needs(wanted, places)
        for node in nodes:
            if project.results_dir(*node).parent.is_dir():
                recover_folder(project.results_dir(*node))
        forced = set(wanted) if order.force else set()
        if not order.scheduler:
            _require_hub(project, nodes, places, forced)
        claims.register(
            project, _claims_of(nodes, places.analyses), _moves(places.analyses), _written(places.analyses)
        )
        if order.scheduler:
            return unread + _distributed(project, nodes, places, forced, order, reporter)
        return unread + _threaded(project, nodes, places, forced, order, reporter)


def _claims_of(nodes: Sequence[Node], analyses: Mapping[str, Analysis]) -> list[tuple[str, claims.ClaimText]]:
    reached = dict.fromkeys(name for _, name in nodes)
    return [(name, claim) for name in reached for claim in analyses[name].claims]


def _moves(analyses: Mapping[str, Analysis]) -> dict[str, str]:
    return {name: analysis.moved_from for name, analysis in analyses.items() if analysis.moved_from}


def _written(analyses: Mapping[str, Analysis]) -> dict[str, set[str]]:
    return {name: {claim.name for claim in analysis.claims} for name, analysis in analyses.items()}


def _all_fresh(project: Project, nodes: Sequence[Node], places: Places) -> list[Outcome]:
    """The outcomes of `nodes` if there is nothing to do for any of them, else none: then nobody has to wait.

    Results are exchanged as whole folders, so this may look while somebody else holds the lock: whatever is
    under way is either not there yet or whole.
    """
    if claims.unregistered(project, _claims_of(nodes, places.analyses), _moves(places.analyses)):
        return []
    outcomes = []
    for run, name in nodes:
        state = state_of(project, places, run, places.analyses[name])
        try:
            if not state.fresh or _refreshed(project, state, places.analyses[name]):
                return []
        except MechscopeError:  # it is told when its turn comes, and the others have theirs
            return []
        outcomes.append(_fresh(project, state))
    return outcomes


def _fresh(project: Project, state: State) -> Outcome:
    reason = state.ledger.findings.applicability if state.ledger else ""
    folder = project.relative(project.results_dir(state.run, state.analysis))
    return Outcome(state.run, state.analysis, "fresh", folder=folder, applicability=reason)


def _plan(project: Project, order: Order) -> tuple[Places, list[Node], list[Outcome]]:
    """Everything declared, what is asked for and can be read, and what can't be."""
    runs, survey = load_runs(project), survey_analyses(project)
    check_parameters(project, runs, survey.analyses, survey.problems)
    places = Places(runs, survey.analyses)
    names = order.runs or (runs.default,)
    part = survey.chosen(order.analyses)
    places.check(names, [name for name in order.analyses if name in part.analyses])
    parse_overrides(order.overrides, list(part.analyses.values()))
    unread = [
        Outcome(run, name, "failed", str(problem)) for run in names for name, problem in part.problems.items()
    ]
    return places, places.nodes(names, part.analyses), unread


def every_run(project: Project) -> list[str]:
    """The runs that `--all-runs` means: all but those that need a hub and have no results yet."""
    return [
        name
        for name, run in load_runs(project).runs.items()
        if run.needs is None or any(project.results_dir(name, "").glob("*/ledger.json"))
    ]


def _require_hub(project: Project, nodes: Sequence[Node], places: Places, forced: set[Node]) -> None:
    """Tell at once that a run needs the hub and it isn't there, not after what can run without it.

    Of several runs the others go on, and the analyses of this one fail.
    """
    from mechscope.pipeline.execute import require_models

    own = [(run, name) for run, name in nodes if run != SHARED]
    if len({run for run, _ in own}) > 1:
        return
    for run, name in own:
        if places.runs.runs[run].needs == "hub":
            analysis = places.analyses[name]
            state = state_of(project, places, run, analysis)
            if not state.fresh or (run, name) in forced:
                require_models(project, state, analysis)


def _with_needs(wanted: Sequence[Node], places: Places) -> list[Node]:
    """What is wanted and all that it needs, each after what it needs."""
    nodes: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node in nodes:
            return
        run, name = node
        for need, of, upstream in places.upstream(run, places.analyses[name]):
            where = f"analyses/{name}.py: needs '{need}'"
            if of not in (*places.runs.runs, SHARED):
                raise UnknownName("run", of, places.runs.runs, where=where)
            if of == SHARED and not places.shares(SHARED, upstream):
                raise InvalidInput(f"{where}: each run has its own results of {upstream}.", hint="name a run")
            visit((of, upstream))
        nodes[node] = None

    for node in wanted:
        visit(node)
    return list(nodes)


def _graph(
    root: Path,
    nodes: Sequence[Node],
    places: Places,
    forced: set[Node],
    device: str,
    retry: bool,
    reporter: Reporter,
) -> tuple[dict[str, Any], dict[str, Node]]:
    """A dask graph with a task a node, and the nodes by key; a task gives an `Outcome` and never raises."""
    # A scheduler takes tasks of the same key for the same task, whichever client sends them.
    unique = secrets.token_hex(4)
    keys = {node: f"{':'.join(node)}-{unique}" for node in nodes}
    graph: dict[str, Any] = {}
    for node in nodes:
        upstream = places.upstream(node[0], places.analyses[node[1]])
        needs = [keys[run, name] for _, run, name in upstream]
        graph[keys[node]] = (_reach, root, node, node in forced, device, retry, reporter, needs)
    return graph, {key: node for node, key in keys.items()}


def _threaded(
    project: Project,
    nodes: Sequence[Node],
    places: Places,
    forced: set[Node],
    order: Order,
    reporter: Reporter,
) -> list[Outcome]:
    from dask.threaded import get

    graph, keys = _graph(project.root, nodes, places, forced, order.device, order.retry, reporter)
    try:
        return list(get(graph, list(keys), num_workers=max(1, order.jobs)))
    except KeyboardInterrupt:
        from mechscope.pipeline.execute import stop_kernels

        stop_kernels()
        raise


def _distributed(
    project: Project,
    nodes: Sequence[Node],
    places: Places,
    forced: set[Node],
    order: Order,
    reporter: Reporter,
) -> list[Outcome]:
    from distributed import Client, as_completed

    graph, keys = _graph(project.root, nodes, places, forced, order.device, order.retry, Silent())
    try:
        client = Client(order.scheduler, timeout=20)
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"there is no dask scheduler at {order.scheduler} ({error}).",
            hint="start one with:  dask scheduler",
        ) from error
    with client:
        client.subscribe_topic("all", lambda event: _tell_of_lost(client, keys, event[1], reporter))
        futures = {future.key: future for future in client.get(graph, list(keys), sync=False)}
        outcomes: dict[str, Outcome] = {}
        for future in as_completed(futures.values()):
            outcomes[future.key] = _outcome_of(keys[future.key], future)
            reporter.finished(outcomes[future.key])
        return [outcomes[key] for key in futures]


def _tell_of_lost(client: Any, keys: Mapping[str, Node], event: Any, reporter: Reporter) -> None:
    """Say which worker is gone and what ran there, when the scheduler takes one from its list."""
    if not isinstance(event, dict) or event.get("action") != "remove-worker":
        return
    interrupted = [":".join(keys[key]) for key in event["processing-tasks"] if key in keys]
    if not interrupted:
        return
    text = f"the worker {event['worker']} is lost, with what it ran: {', '.join(sorted(interrupted))}"
    left = len(client.scheduler_info(n_workers=-1)["workers"])
    again = "it runs again on another one" if left else "no worker is left; it waits for one to come"
    reporter.say(f"{text}; {again}")


def _outcome_of(node: Node, future: Any) -> Outcome:
    """What a task gave; one that took worker after worker with it, or lost the scheduler, has failed."""
    from distributed.client import FutureCancelledError
    from distributed.scheduler import KilledWorker

    try:
        outcome: Outcome = future.result()
        return outcome
    except FutureCancelledError:
        detail = f"{node[1]} in run {node[0]}: the connection to the dask scheduler is lost."
        return Outcome(*node, "failed", f"{detail}\n  → start it again with:  dask scheduler")
    except KilledWorker as error:
        died = error.task.rpartition("-")[0]
        if died != ":".join(node):
            return Outcome(*node, "blocked", f"needs {died.rpartition(':')[2]}")
        detail = (
            f"{node[1]} in run {node[0]}: each worker that ran it ended meanwhile, the last one at "
            f"{error.last_worker.address}."
        )
        return Outcome(*node, "failed", f"{detail}\n  → look into that worker's log")


def _reach(
    root: Path,
    node: Node,
    forced: bool,
    device: str,
    retry: bool,
    reporter: Reporter,
    upstream: Sequence[Outcome],
) -> Outcome:
    """One task: run the analysis if it is stale now."""
    project = Project(root)
    run, name = node
    failed = [outcome.analysis for outcome in upstream if not outcome.succeeded]
    if failed:
        outcome = Outcome(run, name, "blocked", f"needs {', '.join(failed)}")
    else:
        outcome = _attempt(project, run, name, forced, device, retry, reporter)
    if _interrupted():
        return outcome
    reporter.finished(outcome)
    times.note(project, outcome)
    return outcome


def _interrupted() -> bool:
    """Whether the whole run is being stopped; nothing was, if nothing was ever executed."""
    execute = sys.modules.get("mechscope.pipeline.execute")
    return execute is not None and execute.stopped()


def _attempt(
    project: Project, run: str, name: str, forced: bool, device: str, retry: bool, reporter: Reporter
) -> Outcome:
    began = time.monotonic()
    folder = project.relative(project.results_dir(run, name))
    try:
        analysis = read_analysis(project, project.analyses / f"{name}.py")
        state = state_of(project, load_places(project), run, analysis)
        if state.fresh and not forced:
            for path, text in _refreshed(project, state, analysis).items():
                write_atomically(path, text)
            return _fresh(project, state)
        if not (forced or retry) and failed_before(project, state):
            kept = project.relative(failed_notebook(project, project.results_dir(run, name)))
            return Outcome(run, name, "failed", _FAILED_BEFORE.format(name=name, run=run, kept=kept))
        why = "; ".join(state.reasons) or "forced"
        reason = _execute(project, state, analysis, why, device, reporter).findings.applicability
        large = oversized(project.results_dir(run, name), folder)
        return Outcome(run, name, "ran", why, time.monotonic() - began, folder, state.edited, large, reason)
    except MechscopeError as error:
        return Outcome(run, name, "failed", str(error), time.monotonic() - began)
    except OSError as error:  # the disk, or somebody's permissions
        detail = f"{name} in run {run}: {why_not(error)}."
        return Outcome(run, name, "failed", detail, time.monotonic() - began)
    except Exception as error:  # one analysis must not take the others with it
        detail = f"{name} in run {run}: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        return Outcome(run, name, "failed", detail, time.monotonic() - began)


def _execute(
    project: Project,
    state: State,
    analysis: Analysis,
    why: str,
    device: str,
    reporter: Reporter,
    target: Path | None = None,
) -> LedgerFile:
    from mechscope.pipeline.execute import execute

    if state.inputs is None:
        raise state.problem or AnalysisFailed(
            f"{analysis.name} in run {state.run}: its inputs are not known."
        )
    takes = times.rerun_takes(project, [(state.run, state.analysis)])
    reporter.started(state.run, state.analysis, f"{why} ({takes})" if takes else why)
    return execute(
        project,
        state,
        analysis,
        target=target,
        device=device,
        on_cell=lambda number, count: reporter.cell(state.run, state.analysis, number, count),
    )


def _refreshed(project: Project, state: State, analysis: Analysis) -> dict[Path, str]:
    """Files of fresh results whose title or prose is an older one than the script's, as they should be."""
    folder = project.results_dir(state.run, state.analysis)
    text = read_source(analysis.path, project.relative(analysis.path))
    files = {}
    if notebooks.script_of(folder / NOTEBOOK_NAME) != hash_text(text):
        changed = notebooks.refreshed(folder / NOTEBOOK_NAME, analysis, text)
        if changed:
            files[folder / NOTEBOOK_NAME] = changed
    ledger = state.ledger
    if ledger and (ledger.title, ledger.description) != (analysis.title, analysis.description):
        title = {"title": analysis.title, "description": analysis.description}
        files[folder / LEDGER_NAME] = ledger_text(ledger.model_copy(update=title))
    return files


def _trial(project: Project, order: Order, places: Places, reporter: Reporter) -> list[Outcome]:
    """Run with other parameters than the run's, one after the other, and leave `results/` alone."""
    selected = [
        analysis for name, analysis in places.analyses.items() if not order.analyses or name in order.analyses
    ]
    overrides = parse_overrides(order.overrides, selected)
    outcomes = []
    for run, analysis in product(order.runs or (places.runs.default,), selected):
        name = analysis.name
        if run == SHARED and not places.shares(run, name):
            continue
        if not order.analyses and not set(overrides) & set(analysis.parameters):
            continue
        began = time.monotonic()
        target = project.scratch / "trials" / run / name
        try:
            state = state_of(project, places, run, analysis, overrides)
            changed = ", ".join(f"{key} = {value}" for key, value in overrides.items())
            target.parent.mkdir(parents=True, exist_ok=True)
            why = f"trial with {changed}"
            ledger = _execute(project, state, analysis, why, order.device, reporter, target)
            outcome = Outcome(
                run,
                name,
                "ran",
                why,
                time.monotonic() - began,
                project.relative(target),
                applicability=ledger.findings.applicability,
            )
        except MechscopeError as error:
            outcome = Outcome(run, name, "failed", str(error), time.monotonic() - began)
        reporter.finished(outcome)
        outcomes.append(outcome)
    return outcomes

"""`mechscope verify`: run again what is committed, in a scratch folder, and compare.

The rerun uses the present code, inputs and environment, and never touches `results/`. A ledger that was
edited by hand is compared as it stands, so that what was edited is named.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from mechscope.errors import LedgerDamaged, MechscopeError
from mechscope.files import why_not
from mechscope.ledger.schema import LedgerFile
from mechscope.ledger.store import NOTEBOOK_NAME, damages, inputs_hash, load_ledger
from mechscope.ledger.verification import verification_file
from mechscope.pipeline.devices import analyses_at_a_time, chosen_device
from mechscope.pipeline.fingerprint import why_stale
from mechscope.pipeline.freshness import NEVER_RUN, State, state_of
from mechscope.pipeline.mutex import results_lock
from mechscope.pipeline.notebook_check import UNREADABLE, unrecorded
from mechscope.pipeline.outcome import Outcome
from mechscope.pipeline.runs import Places, Runs, check_parameters, load_runs
from mechscope.pipeline.schedule import Reporter, Silent
from mechscope.pipeline.scripts import Analysis, Survey, survey_analyses
from mechscope.pipeline.shelf import runs_with_results
from mechscope.project import SHARED, Project
from mechscope.publish.pages.words import in_words
from mechscope.review.claims_history import check_lock
from mechscope.review.consistency import inconsistencies
from mechscope.review.differences import compare_findings
from mechscope.review.pictures import altered_pictures
from mechscope.review.verdicts import (
    Verdict,
    check_verification,
    write_verification,
)


def verify(
    project: Project,
    analyses: Sequence[str] = (),
    runs: Sequence[str] = (),
    *,
    jobs: int | None = None,
    device: str | None = None,
    reporter: Reporter | None = None,
) -> list[Verdict]:
    """Rerun analyses and compare, shared ones once; writes `verification.json` of each run, and of SHARED.

    Args:
        analyses: By name; none means all.
        runs: By name; none means the default run.
        jobs: How many analyses at a time; None for as many as have cores of their own.
        device: What models compute on; None for what `MECHSCOPE_DEVICE` says, else the CPU.

    Raises:
        UnknownName: A run or analysis that there isn't.
        InvalidInput: A script or `runs.yml` is not what it should be, or there is no such device here.
    """
    from mechscope.pipeline.execute import environment, stop_kernels

    reporter, device = reporter or Silent(), device or chosen_device()
    here = environment(device)
    places, part = _plan(project, analyses, runs)
    declared = places.runs
    with results_lock(project, reporter.say):
        todo = places.nodes(_named(runs, declared), part.analyses)
        with ThreadPoolExecutor(jobs or analyses_at_a_time()) as pool:
            try:
                futures = [pool.submit(_verdict, project, places, *node, device, reporter) for node in todo]
                verdicts = [future.result() for future in futures]
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                stop_kernels()
                raise
        verdicts = _with_upstream(verdicts, places)
        verdicts += [
            Verdict(run, name, problems=(str(problem),))
            for run in _named(runs, declared)
            for name, problem in part.problems.items()
        ]
        for run in dict.fromkeys(verdict.run for verdict in verdicts):
            mine = [verdict for verdict in verdicts if verdict.run == run]
            if any(verdict.sha256 for verdict in mine):
                try:
                    write_verification(project, run, mine, here)
                except OSError as error:  # the verdict is the same
                    reporter.say(f"warning: {why_not(error)}; what was found is printed only")
    return verdicts


def _plan(project: Project, analyses: Sequence[str], runs: Sequence[str]) -> tuple[Places, Survey]:
    """Where results lie, and the analyses that are asked for."""
    declared, survey = load_runs(project), survey_analyses(project)
    check_parameters(project, declared, survey.analyses, survey.problems)
    places, part = Places(declared, survey.analyses), survey.chosen(analyses)
    places.check(runs, [name for name in analyses if name in part.analyses])
    return places, part


def _named(runs: Sequence[str], declared: Runs) -> list[str]:
    return list(dict.fromkeys(runs)) or [declared.default]


def _verdict(
    project: Project, places: Places, run: str, name: str, device: str, reporter: Reporter
) -> Verdict:
    from mechscope.pipeline.execute import execute, stopped

    analysis, folder = places.analyses[name], project.results_dir(run, name)
    state = state_of(project, places, run, analysis)
    ledger, problems = _standing(project, run, analysis)
    if ledger is None:
        return Verdict(run, name, problems=tuple(problems))
    verdict = Verdict(
        run, name, ledger.sha256, inputs=_inputs(ledger, state), inputs_sha256=inputs_hash(ledger.inputs)
    )
    target = project.scratch / "verify" / run / name
    began = time.monotonic()
    reporter.started(run, name, "verifying")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        rerun = execute(
            project,
            state,
            analysis,
            target=target,
            device=device,
            on_cell=lambda number, count: reporter.cell(run, name, number, count),
        )
    except (MechscopeError, OSError) as error:
        seconds = time.monotonic() - began
        why = why_not(error) if isinstance(error, OSError) else str(error)
        if not stopped():
            reporter.finished(Outcome(run, name, "failed", why, seconds))
        return replace(verdict, problems=(*problems, f"could not be run again: {why}"), seconds=seconds)
    seconds = time.monotonic() - began
    reporter.finished(Outcome(run, name, "ran", seconds=seconds))
    comparisons = compare_findings(name, ledger.findings, rerun.findings, folder, target)
    altered = altered_pictures(ledger, folder, rerun.environment.get("vl-convert-python", ""))
    problems += [f"{name}.{figure}: {problem}" for figure, problem in altered]
    problems += _shown_beside(project, folder, ledger, target, rerun)
    return replace(
        verdict,
        comparisons=tuple(comparisons),
        problems=tuple(problems),
        environment=_differing(ledger.environment, rerun.environment),
        rerun=project.relative(target),
        seconds=seconds,
    )


def _standing(project: Project, run: str, analysis: Analysis) -> tuple[LedgerFile | None, list[str]]:
    """The committed ledger as it is, and what speaks against it before anything is run."""
    folder = project.results_dir(run, analysis.name)
    try:
        ledger = load_ledger(folder)
    except FileNotFoundError:
        return None, [f"{NEVER_RUN}; run it with:  mechscope run {analysis.name} --run {run}"]
    except LedgerDamaged as error:
        return None, [error.message]
    found = [text.rstrip(".") for text in damages(folder, ledger)]
    if (ledger.analysis, ledger.run) != (analysis.name, run):
        found.append(f"the ledger says that it is of {ledger.analysis} in {ledger.run}")
    return ledger, [*found, *inconsistencies(project, folder, analysis, ledger)]


def _shown_beside(
    project: Project, folder: Path, ledger: LedgerFile, rerun_folder: Path, rerun: LedgerFile
) -> Iterator[str]:
    """Where cells print something other than in the rerun, beside what they record."""
    try:
        before = unrecorded(folder / NOTEBOOK_NAME, ledger)
        after = unrecorded(rerun_folder / NOTEBOOK_NAME, rerun)
    except UNREADABLE:
        return  # it was named as none before
    notebook = project.relative(folder / NOTEBOOK_NAME)
    for cell in sorted({*before, *after}):
        if before.get(cell) != after.get(cell):
            yield f"{notebook} shows something in {cell} that the rerun does not"


def _inputs(ledger: LedgerFile, state: State) -> tuple[str, ...]:
    """What changed among the inputs since the ledger was found, each named."""
    if state.inputs is None:
        return ()  # the rerun fails, and says why
    script = f"analyses/{ledger.analysis}.py changed"
    return tuple(
        script if change == "the script's code changed" else change
        for change in why_stale(ledger.inputs, state.inputs)
    )


def _differing(there: Mapping[str, str], here: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    names = sorted({*there, *here})
    pairs = {name: (there.get(name, "none"), here.get(name, "none")) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _with_upstream(verdicts: Sequence[Verdict], places: Places) -> list[Verdict]:
    """What needs an analysis that was not reproduced is not reproduced either, even if its rerun agrees."""
    done: dict[tuple[str, str], Verdict] = {}
    by_node = {(verdict.run, verdict.analysis): verdict for verdict in verdicts}

    def settled(node: tuple[str, str]) -> Verdict:
        if node not in done:
            shaky = [
                need
                for need, run, name in places.upstream(node[0], places.analyses[node[1]])
                if (run, name) in by_node and not settled((run, name)).reproduced
            ]
            mine = by_node[node]
            needing = tuple(f"needs {need}, which was not reproduced" for need in shaky)
            done[node] = replace(mine, problems=(*mine.problems, *needing))
        return done[node]

    return [settled(node) for node in by_node]


@dataclass(frozen=True)
class Check:
    """What a look without a rerun says about something.

    Attributes:
        subject: `run:analysis`, or the articles as a run sees them.
        looked_at: What was looked at, in words.
        problems: What is wrong.
    """

    subject: str
    looked_at: str
    problems: tuple[str, ...]


def quick(project: Project, analyses: Sequence[str] = (), runs: Sequence[str] = ()) -> list[Check]:
    """Look without running anything: hashes, inputs, printed texts, outcomes, notebooks and cited keys.

    And whether the lock of claims is whole, and was only ever appended to.

    Args:
        runs: By name; none means every declared run that has results.

    Raises:
        UnknownName, InvalidInput: As `verify` does.
    """
    places, part = _plan(project, analyses, runs)
    there = [run for run in runs_with_results(project) if run in places.runs.runs]
    names = _named(runs or there, places.runs)
    checks = [_check(project, places, *node) for node in places.nodes(names, part.analyses)]
    names = [run for run in names if run != SHARED]
    lock = check_lock(project, names, [*part.analyses, *part.problems])
    return [
        *checks,
        *(Check(f"analyses/{name}.py", "", (str(problem),)) for name, problem in part.problems.items()),
        *_verifications(project, names),
        Check("analyses/claims.lock", lock.looked_at, lock.problems),
        *_citations(project, names),
    ]


def _verifications(project: Project, runs: Sequence[str]) -> Iterator[Check]:
    for run in (*runs, SHARED):
        if said := check_verification(project, run, date.today()):
            words, problems = said
            yield Check(project.relative(verification_file(project, run)), words, tuple(problems))


def _check(project: Project, places: Places, run: str, name: str) -> Check:
    analysis = places.analyses[name]
    ledger, problems = _standing(project, run, analysis)
    looked_at = ""
    if ledger is not None:
        state = state_of(project, places, run, analysis)
        problems += [f"input: {change}" for change in _inputs(ledger, state)]
        if state.problem is not None:
            problems.append(f"inputs can't be determined: {state.problem.message}")
        looked_at = in_words(ledger.findings.counts)
        for item in ledger.accepted:
            looked_at += f"; accepted without a rerun: {', '.join(item.changed)}, because {item.because}"
        with suppress(*UNREADABLE):
            if beside := unrecorded(project.results_dir(run, analysis.name) / NOTEBOOK_NAME, ledger):
                looked_at += f"; not recorded, so held against nothing: what {', '.join(beside)} prints"
    return Check(f"{run}:{analysis.name}", looked_at, tuple(problems))


def _citations(project: Project, runs: Sequence[str]) -> Iterator[Check]:
    from mechscope.articles.citations import citation_problems
    from mechscope.articles.sources import shortcodes_in

    codes = shortcodes_in(project)
    if not codes:
        return
    cited = sum(code.key is not None for code in codes)
    for run in runs:
        try:
            problems = [error.message for error in citation_problems(project, run, codes)]
        except LedgerDamaged as error:
            problems = [f"citations can't be looked up: {error.message}"]
        yield Check(f"{run}: articles", f"{cited} citations", tuple(problems))

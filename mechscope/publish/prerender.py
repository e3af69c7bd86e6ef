"""What happens before a render, whichever engine does it: results, citations and generated pages put right.

Everything that can fail fails here, because an error inside a render of Quarto's leaves half a site.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from mechscope.articles.broken import stopping
from mechscope.articles.citations import check_citations
from mechscope.articles.reading_order import printed_in
from mechscope.articles.sources import Shortcode, included, shortcodes_in
from mechscope.errors import AnalysisFailed, InvalidInput, LedgerDamaged, RenderFailed, UnknownName
from mechscope.ledger.store import LEDGER_NAME, committed_ledger
from mechscope.pipeline.outcome import Outcome, failures
from mechscope.pipeline.profiles import profiles
from mechscope.pipeline.runs import load_places, load_runs
from mechscope.pipeline.shelf import parse_key, runs_with_results
from mechscope.project import SHARED, Project
from mechscope.publish.codecheck import write_codecheck
from mechscope.publish.pages import Written, write_pages
from mechscope.publish.refused import check_constructs

if TYPE_CHECKING:
    from mechscope.pipeline.freshness import State

Mode = Literal["run", "check", "skip"]
"""Of stale analyses: run them; fail and name them; don't look."""

MODE_VARIABLE = "MECHSCOPE_PRERENDER"
DONE = "done"
"""Value of the variable when `prepare` was called already, by the command that started Quarto."""


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        ran: The stale analyses that were run.
        codes: The shortcodes of all articles.
        warnings: What failed and is missing from the pages, and what is stale in other runs and shown beside
            this one, a sentence each.
    """

    run: str
    ran: tuple[Outcome, ...]
    written: Written
    codes: tuple[Shortcode, ...]
    warnings: tuple[str, ...]


def prepare(
    project: Project, run: str, mode: Mode = "run", *, articles: Sequence[Path] | None = None
) -> Prepared:
    """Bring the results of `run` up to date, check what articles cite, write what is generated from them.

    That is the pages of the run, and the project's `codecheck.yml`.

    Args:
        articles: Only these will be rendered: bring up to date, check and write only what they need.
            None means everything.

    Raises:
        UnknownName: There is no such run; or an article cites something that isn't there.
        AnalysisFailed: A stale analysis failed, and has older results.
        RenderFailed: Analyses are stale and `mode` is "check".
        InvalidInput: Several mistakes in the articles.
    """
    outcomes = bring_up_to_date(project, run, mode, articles=articles)
    ran = tuple(outcome for outcome in outcomes if outcome.what == "ran")
    failed = failure_warnings(outcomes)
    codes = tuple(shortcodes_in(project))
    if articles is not None:
        taken_in = _with_included(project, articles)
        cited = [code for codes_of_file in taken_in.values() for code in codes_of_file]
        check_citations(project, run, cited)
        _check_references(project, sorted(taken_in))
        check_constructs(project, run, cited, sorted(taken_in))
        return Prepared(run, ran, write_pages(project, run, codes, articles=True), codes, failed)
    check_citations(project, run, codes)
    _check_references(project)
    check_constructs(project, run, codes)
    write_codecheck(project)
    warnings = () if mode == "skip" else (*unread(project), *stale_beside(project, [run]))
    return Prepared(run, ran, write_pages(project, run, codes), codes, (*failed, *warnings))


def _check_references(project: Project, files: Sequence[Path] | None = None) -> None:
    """Refuse a citation that no bibliography holds: Typst would stop at it, with a dump of its own.

    And a Div that is not closed, or that Pandoc takes for text: no engine stops at that.
    """
    if found := stopping(project, files):
        said = "\n".join(
            f"{finding.file}:{finding.line}:{finding.column}: {finding.message}" for finding in found
        )
        raise InvalidInput(said, hint=found[0].hint)


def bring_up_to_date(
    project: Project, run: str, mode: Mode, *, articles: Sequence[Path] | None = None
) -> tuple[Outcome, ...]:
    """Run what is stale of `run`, and of other runs what articles cite or what is damaged; or refuse it.

    Args:
        articles: Only what these cite, with what that needs; None means all of `run`.

    What failed before from the same inputs is not run again.

    Returns:
        What ran, and why; and what failed, or needs something that failed, and has no older results:
        pages say that it is missing.

    Raises:
        UnknownName: There is no such run.
        AnalysisFailed: A stale analysis failed, and has older results, or nothing else has any.
        RenderFailed: Analyses are stale and `mode` is "check".
    """
    load_runs(project).run(run)
    if mode == "skip":
        return ()
    codes = shortcodes_in(project) if articles is None else codes_of(project, articles)
    own = None if articles is None else cited_analyses(project, run, articles)
    others = _wanted_of_others(project, run, codes)
    if mode == "run":
        return _run_stale(project, run, own, others)
    _refuse_stale(project, run, own, others)
    return ()


def codes_of(project: Project, articles: Iterable[Path]) -> list[Shortcode]:
    """The shortcodes of some articles and of all that these include."""
    return [code for codes in _with_included(project, articles).values() for code in codes]


def _with_included(project: Project, articles: Iterable[Path]) -> dict[Path, list[Shortcode]]:
    """The shortcodes of some articles and of all that these include, by file."""
    found: dict[Path, list[Shortcode]] = {}
    waiting = [path.resolve() for path in articles]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file():
            continue
        found[path] = shortcodes_in(project, [path])
        waiting += [target for code in found[path] if (target := included(code, project))]
    return found


def cited_analyses(project: Project, run: str, articles: Iterable[Path]) -> list[str]:
    """The analyses that some articles cite from the run that is rendered, and those that these need.

    What the run shares with others is its own, too.
    """
    places = load_places(project)
    codes, _ = printed_in(project, run, codes_of(project, articles))
    keys = [parse_key(code.key or "") for code in codes]
    cited = {places.node(key[0] or run, key[1]) for key in keys if key}
    own = places.nodes([run], places.analyses)
    wanted = [node for node in own if node in cited]
    for of, name in wanted:  # grows
        needs = [(other, need) for _, other, need in places.upstream(of, places.analyses[name])]
        wanted += [need for need in needs if need not in wanted and need[1] in places.analyses]
    return [node[1] for node in wanted if node in own]


def _wanted_of_others(project: Project, run: str, codes: Iterable[Shortcode]) -> dict[str, list[str]]:
    """The analyses of other runs, by run, without which no page of `run` is right.

    Articles cite them (with `codes`); or their ledgers are damaged, and the pages that compare runs can't
    be made.
    """
    from mechscope.pipeline.scripts import survey_analyses

    places, survey = load_places(project), survey_analyses(project)
    analyses = survey.analyses
    printed, _ = printed_in(project, run, list(codes))
    keys = [parse_key(code.key or "") for code in printed if code.place != "comment"]
    for name in dict.fromkeys(key[1] for key in keys if key):
        if name in survey.problems:
            raise survey.problems[name]
    cited = [places.node(key[0], key[1]) for key in keys if key and key[0]]
    compared = places.nodes([*runs_with_results(project), SHARED], analyses)
    own = places.nodes([run], analyses)
    found: dict[str, list[str]] = {}
    for other, name in dict.fromkeys([*cited, *_damaged(project, compared)]):
        known = name in analyses and (other in places.runs.runs or places.shares(other, name))
        if known and other != run and (other, name) not in own:
            found.setdefault(other, []).append(name)
    return found


def _damaged(project: Project, nodes: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for run, name in nodes:
        try:
            committed_ledger(project, run, name)
        except FileNotFoundError:
            continue
        except LedgerDamaged:
            yield run, name


def run_of_profiles(project: Project, active: str) -> str:
    """The run that `QUARTO_PROFILE` names.

    Raises:
        UnknownName: One of its names has no profile; Quarto itself would ignore it silently.
        InvalidInput: It names several runs.
    """
    names = [name for name in re.split(r"[ ,]+", active) if name]
    runs = load_runs(project)
    for name in names:
        if name not in profiles(project):
            raise UnknownName("profile", name, profiles(project), where="--profile")
    chosen = [name for name in names if name in runs.runs] or [runs.default]
    if len(chosen) > 1:
        raise InvalidInput(
            f"one render shows one run, not {' and '.join(chosen)}.",
            hint=f"quarto render --profile {chosen[0]}",
        )
    return chosen[0]


def _refuse_stale(
    project: Project, run: str, wanted: Sequence[str] | None, foreign: Mapping[str, Sequence[str]]
) -> None:
    own = [
        state
        for state in _states(project, [run])
        if not state.fresh and (wanted is None or state.analysis in wanted)
    ]
    others = [
        state
        for other, names in foreign.items()
        for state in _states(project, [other])
        if state.analysis in names and not state.fresh
    ]
    if not own and not others:
        return
    said = []
    if own:
        said.append(f"analyses of the run '{run}' are stale:")
        said += [f"  {state.analysis}: {'; '.join(state.reasons)}" for state in own]
    if others:
        said.append("analyses of other runs that articles cite, or that can't be shown, are stale:")
        said += [_stale_line(state) for state in others]
    if edited := [file for state in (*own, *others) for file in state.edited]:
        said.append(f"running them writes anew what was edited by hand: {', '.join(edited)}")
    named = "" if wanted is None else "".join(f"{state.analysis} " for state in own)
    commands = [f"mechscope run {named}--run {run}"] if own else []
    for other in dict.fromkeys(state.run for state in others):
        names = " ".join(state.analysis for state in others if state.run == other)
        commands.append(f"mechscope run {names} --run {other}")
    raise RenderFailed("\n".join(said), hint="; ".join(commands))


def _stale_line(state: State) -> str:
    return f"  {state.run}:{state.analysis}: {'; '.join(state.reasons)}"


def stale_beside(project: Project, runs: Iterable[str]) -> tuple[str, ...]:
    """What is stale in runs with results other than `runs`, a sentence each."""
    declared = load_runs(project).runs
    others = [other for other in runs_with_results(project) if other in declared and other not in runs]
    return tuple(
        f"{state.run}:{state.analysis} is stale, and the pages that compare runs show it: "
        f"{'; '.join(state.reasons)}"
        for state in _states(project, others)
        if state.ledger is not None and not state.fresh
    )


def left_stale(project: Project, run: str, articles: Iterable[Path]) -> tuple[str, ...]:
    """What is stale of `run` and stays so, because these articles don't cite it."""
    cited = cited_analyses(project, run, articles)
    return tuple(
        state.analysis for state in _states(project, [run]) if not state.fresh and state.analysis not in cited
    )


def _states(project: Project, runs: list[str]) -> list[State]:
    from mechscope.pipeline.freshness import states_of

    return states_of(project, load_places(project), runs)


def unread(project: Project) -> tuple[str, ...]:
    """What is wrong with scripts that can't be read; articles cite nothing of theirs."""
    from mechscope.pipeline.scripts import survey_analyses

    return tuple(
        f"{problem.message} Nothing says whether its results are fresh."
        for problem in survey_analyses(project).problems.values()
    )


def _run_stale(
    project: Project, run: str, own: Sequence[str] | None, foreign: Mapping[str, Sequence[str]]
) -> tuple[Outcome, ...]:
    from mechscope.pipeline.scripts import survey_analyses

    survey = survey_analyses(project)
    if own is None and survey.problems:
        own = list(survey.analyses)  # no name at all would mean every script
    outcomes = []
    if own is None:
        outcomes = attempt(project, runs=[run])
    elif own:
        outcomes = attempt(project, runs=[run], analyses=own)
    for other, names in foreign.items():
        outcomes += attempt(project, runs=[other], analyses=names)
    lost = [outcome for outcome in outcomes if not outcome.succeeded]
    if lost and run not in runs_with_results(project):
        raise AnalysisFailed("\n".join(failures(lost)))
    _refuse_outdated(project, lost)
    return tuple(outcome for outcome in outcomes if outcome.what != "fresh")


def attempt(project: Project, runs: Sequence[str], analyses: Sequence[str] = ()) -> list[Outcome]:
    """Run what is stale in `runs`, but not what failed before from the same inputs; show progress.

    Args:
        analyses: Only these and what they need; none means all.
    """
    from mechscope.pipeline.progress import reporter
    from mechscope.pipeline.schedule import Order, run_analyses

    with reporter() as screen:
        return run_analyses(project, Order(tuple(analyses), tuple(runs), retry=False), screen)


def _refuse_outdated(project: Project, lost: Sequence[Outcome]) -> None:
    """Stop where what failed, or could not run, has older results: pages would show those."""
    folders = {outcome: project.results_dir(outcome.run, outcome.analysis) for outcome in lost}
    old = {outcome: folder for outcome, folder in folders.items() if (folder / LEDGER_NAME).is_file()}
    if not old:
        return
    listed = "\n".join(
        f"{project.relative(folder)} holds older results, which pages would show although the present code "
        "does not find them."
        for folder in old.values()
    )
    again = dict.fromkeys(f"mechscope run {outcome.analysis} --run {outcome.run}" for outcome in old)
    raise AnalysisFailed(
        "\n".join([*failures(lost), listed]),
        hint=f"{'; '.join(again)}; or remove the old results, and pages say that it failed",
    )


def failure_warnings(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """What failed, or could not run, and is missing from the pages, each with the command that repeats it."""
    said = []
    for outcome in outcomes:
        if not outcome.succeeded:
            blocked = f"{outcome.analysis} in run {outcome.run} was not run: it {outcome.detail}."
            again = f"mechscope run {outcome.analysis} --run {outcome.run}"
            problem = blocked if outcome.what == "blocked" else outcome.detail
            said.append(f"{problem}\n  Pages say that it is missing. Try it again with:  {again}")
    return tuple(said)


def mode_from_environment() -> Mode | None:
    """What `MECHSCOPE_PRERENDER` asks for; None when everything is done already.

    Raises:
        UnknownName: It has another value.
    """
    value = os.environ.get(MODE_VARIABLE, "run")
    if value == DONE:
        return None
    if value not in get_args(Mode):
        raise UnknownName("mode", value, get_args(Mode), where=MODE_VARIABLE)
    return value  # type: ignore[return-value]

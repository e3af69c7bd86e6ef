"""What happens before a render, whichever engine does it: results, citations and generated pages put right.

Everything that can fail fails here, because an error inside a render of Quarto's leaves half a site.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal, get_args

from mechscope.errors import InvalidInput, RenderFailed, UnknownName
from mechscope.pipeline.profiles import profiles
from mechscope.pipeline.runs import load_runs
from mechscope.project import Project
from mechscope.publish.citations import check_citations
from mechscope.publish.codecheck import write_codecheck
from mechscope.publish.pages import Written, write_pages
from mechscope.publish.sources import Shortcode, shortcodes_in

Mode = Literal["run", "check", "skip"]
"""Of stale analyses: run them; fail and name them; don't look."""

MODE_VARIABLE = "MECHSCOPE_PRERENDER"
DONE = "done"
"""Value of the variable when `prepare` was called already, by whoever started Quarto."""


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        ran: The stale analyses that were run.
        codes: The shortcodes of all articles.
    """

    run: str
    ran: tuple[str, ...]
    written: Written
    codes: tuple[Shortcode, ...]


def prepare(project: Project, run: str, mode: Mode = "run") -> Prepared:
    """Bring the results of `run` up to date, check what articles cite, write what is generated from them.

    That is the pages of the run, and the project's `codecheck.yml`.

    Raises:
        UnknownName: There is no such run; or an article cites something that isn't there.
        AnalysisFailed: A stale analysis failed.
        RenderFailed: Analyses are stale and `mode` is "check".
        InvalidInput: Several mistakes in the articles.
    """
    load_runs(project).run(run)
    ran: tuple[str, ...] = ()
    if mode == "run":
        ran = _run_stale(project, run)
    elif mode == "check":
        _refuse_stale(project, run)
    codes = tuple(shortcodes_in(project))
    check_citations(project, run, codes)
    write_codecheck(project)
    return Prepared(run, ran, write_pages(project, run, codes), codes)


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


def _refuse_stale(project: Project, run: str) -> None:
    stale = _stale(project, run)
    if stale:
        reasons = "\n".join(f"  {name}: {'; '.join(why)}" for name, why in stale.items())
        raise RenderFailed(
            f"analyses of the run '{run}' are stale:\n{reasons}", hint=f"mechscope run --run {run}"
        )


def _stale(project: Project, run: str) -> dict[str, tuple[str, ...]]:
    from mechscope.pipeline.freshness import look_at_all
    from mechscope.pipeline.scripts import find_analyses

    states = look_at_all(project, load_runs(project), [run], find_analyses(project))
    return {state.analysis: state.reasons for state in states if not state.fresh}


def _run_stale(project: Project, run: str) -> tuple[str, ...]:
    from mechscope.pipeline.run import run as run_analyses

    outcomes = run_analyses(project, runs=[run])
    return tuple(outcome.analysis for outcome in outcomes if outcome.run == run and outcome.what == "ran")


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

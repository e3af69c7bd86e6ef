"""Rendering runs: results up to date, one engine, and a site that is replaced only when it is whole."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mechscope.articles.sources import article_files
from mechscope.errors import InvalidInput, UnknownName
from mechscope.pipeline.runs import load_runs
from mechscope.pipeline.shelf import runs_with_results
from mechscope.project import Project
from mechscope.publish import quarto
from mechscope.publish.entrance import write_entrance
from mechscope.publish.prerender import (
    Mode,
    bring_up_to_date,
    cited_analyses,
    failure_warnings,
    left_stale,
    prepare,
    stale_beside,
    unread,
)
from mechscope.publish.quarto import find_quarto
from mechscope.publish.render_progress import Report, silent
from mechscope.publish.staging import Built, clear_staging

if TYPE_CHECKING:
    from mechscope.pipeline.outcome import Outcome

ENGINES = ("quarto", "pandoc")


@dataclass(frozen=True)
class RenderedRun:
    """One run's site.

    Attributes:
        ran: Analyses that were stale and were run first, those of other runs among them.
        pages, pdfs: The files that there are now.
        preparing: Seconds for analyses, checks and generated pages.
        rendering: Seconds that the engine took.
        cited: The analyses that the rendered articles cite or need; None when all articles were rendered.
        left: Of all other analyses, those that are stale and were not run.
        failed: What failed, or needs something that failed, a text each; `missing` are their names.
        warnings: Edits by hand that are gone, scripts that can't be read, and what is stale in other runs and
            shown beside this one.
    """

    run: str
    ran: tuple[Outcome, ...]
    pages: tuple[Path, ...]
    pdfs: tuple[Path, ...]
    preparing: float
    rendering: float
    warnings: tuple[str, ...] = ()
    cited: tuple[str, ...] | None = None
    left: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rendered:
    """What a render did."""

    engine: str
    runs: tuple[RenderedRun, ...]
    seconds: float


def render(
    project: Project,
    runs: Sequence[str] = (),
    *,
    engine: str | None = None,
    articles: Sequence[str] | None = None,
    mode: Mode = "run",
    report: Report = silent,
) -> Rendered:
    """Render runs, each into `_site/<run>/`, which is replaced only when its render succeeded.

    Args:
        runs: Default: every run that has results; where none has, the default run.
        engine: "quarto" or "pandoc" (the built-in one). Default: quarto where it is found.
        articles: Only these (paths, or names like "topic-geometry"), and only the analyses that they cite;
            the rest of the site stays as it is.
        mode: What to do about stale analyses.
        report: Is told what is being done.

    Raises:
        UnknownName: An unknown run, engine, article, or something that an article cites.
        RenderFailed: The engine failed, or analyses are stale and `mode` is "check".
        AnalysisFailed: A stale analysis failed, and has older results, or nothing else has any.
    """
    start = time.perf_counter()
    declared = load_runs(project)
    wanted = (
        list(runs)
        or [run for run in runs_with_results(project) if run in declared.runs]
        or [declared.default]
    )
    for run in wanted:
        declared.run(run)
    chosen, program = choose_engine(engine)
    only = [_article(project, name) for name in articles or ()] or None
    # All of them first: the pages that compare runs show the others as they are when the site is done.
    refreshed = {}
    for run in wanted:
        report(f"bringing {run} up to date")
        began = time.perf_counter()
        outcomes = bring_up_to_date(project, run, mode, articles=only)
        refreshed[run] = (outcomes, time.perf_counter() - began)
    done = []
    for run in wanted:
        outcomes, took = refreshed[run]
        ran = tuple(outcome for outcome in outcomes if outcome.what == "ran")
        lost = tuple(outcome.analysis for outcome in outcomes if not outcome.succeeded and outcome.run == run)
        report(f"preparing {run}")
        began = time.perf_counter() - took
        prepare(project, run, "skip", articles=only)
        warnings = tuple(warning for outcome in ran for warning in outcome.warnings)
        warnings += () if mode == "skip" or only else (*unread(project), *stale_beside(project, wanted))
        ready = time.perf_counter()
        report(f"rendering {run} with {chosen}")
        built = _build(project, run, chosen, program, only, report)
        took = time.perf_counter() - ready
        clear_staging(project, run)
        done.append(
            RenderedRun(
                run,
                ran,
                tuple(built.pages),
                tuple(built.pdfs),
                ready - began,
                took,
                warnings,
                tuple(cited_analyses(project, run, only)) if only else None,
                left_stale(project, run, only) if only else (),
                failure_warnings(outcomes),
                lost,
            )
        )
        write_entrance(project)
    return Rendered(chosen, tuple(done), time.perf_counter() - start)


def choose_engine(name: str | None = None) -> tuple[str, str]:
    """The engine called `name` and its program ("" for the built-in one). Default: Quarto where it is found.

    Raises:
        UnknownName: There is no such engine.
        InvalidInput: Quarto is asked for and not here.
    """
    if name is not None and name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    program = find_quarto() if name != "pandoc" else None
    if program:
        return "quarto", program
    if name == "quarto":
        raise InvalidInput(
            "quarto is not on PATH.",
            hint="install it (environment.yml has it), set QUARTO to the program, or use --engine pandoc",
        )
    return "pandoc", ""


def _build(
    project: Project, run: str, engine: str, program: str, only: list[Path] | None, report: Report
) -> Built:
    output = project.site / run
    if engine == "quarto":
        return quarto.render_run(project, run, output=output, only=only, program=program, report=report)
    from mechscope.publish import pandoc

    return pandoc.render_run(project, run, output=output, only=only, report=report)


def _article(project: Project, name: str) -> Path:
    """The source that a person means by `name`: a path from the root or from here, or the file's stem."""
    files = [path for path in article_files(project) if not path.name.startswith("_")]
    for path in files:
        if name in (project.relative(path), path.name, path.stem) or Path(name).resolve() == path.resolve():
            return path
    raise UnknownName(
        "article", name, [*(path.stem for path in files), *(project.relative(path) for path in files)]
    )

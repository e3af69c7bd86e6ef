"""The command line: thin, and quick to start (everything heavy is imported by the command that needs it)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mechscope.errors import InvalidInput, MechscopeError
from mechscope.pipeline.cores import analyses_at_a_time

if TYPE_CHECKING:
    from mechscope.pipeline.schedule import Outcome
    from mechscope.project import Project
    from mechscope.publish import Rendered

_WORDS = {"ran": "ran", "fresh": "fresh", "failed": "FAILED", "blocked": "not run"}
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model")
"""Files of which a folder with a tokenizer holds one at least."""


class _Commands(click.Group):
    """Shows errors that a person can mend as text, and leaves bugs their traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MechscopeError as error:
            click.echo(f"mechscope: {error}", err=True)
            context.exit(1)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="mechscope")
@click.option(
    "--project",
    "folder",
    type=click.Path(path_type=Path),
    help="The project's folder (default: around here).",
)
@click.pass_context
def cli(context: click.Context, folder: Path | None) -> None:
    """Papers about mechanisms inside language models, regenerated from code."""
    context.obj = folder


def main() -> None:
    """The entry point `mechscope`."""
    cli(prog_name="mechscope")


def _project(context: click.Context) -> Project:
    from mechscope.project import find_project

    return find_project(context.obj)


_jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=analyses_at_a_time,
    show_default="as many as have cores of their own",
    help="Analyses at a time.",
)


@cli.command()
@click.argument("analyses", nargs=-1, metavar="[ANALYSIS]...")
@click.option(
    "--run", "runs", multiple=True, metavar="NAME", help="The run (default: that of runs.yml); repeatable."
)
@click.option("--all-runs", is_flag=True, help="Every run, except those that need a hub and have no results.")
@click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a parameter: a trial in .mechscope/trials/, or with --as a new run.",
)
@click.option("--model", metavar="NAME_OR_PATH", help="Another model: -p model=…; with --as.")
@click.option(
    "--as", "new_run", metavar="NAME", help="Declare a run with these parameters in runs.yml, and run it."
)
@click.option("--force", is_flag=True, help="Run also what is fresh.")
@_jobs
@click.option("--scheduler", default="", metavar="ADDRESS", help="Run on this dask.distributed scheduler.")
@click.pass_context
def run(
    context: click.Context,
    analyses: tuple[str, ...],
    runs: tuple[str, ...],
    all_runs: bool,
    parameters: tuple[str, ...],
    model: str | None,
    new_run: str | None,
    force: bool,
    jobs: int,
    scheduler: str,
) -> None:
    """Run the analyses that are stale (all of them, or those named and what they need).

    Results go to results/RUN/ANALYSIS and are meant to be committed. New criteria of claims go to
    analyses/claims.lock before anything is computed; a trial writes none.
    """
    from mechscope.pipeline.progress import reporter
    from mechscope.pipeline.schedule import Order, every_run, run_analyses

    project = _project(context)
    if all_runs and runs:
        raise click.UsageError("give --run or --all-runs, not both")
    if model and not new_run:
        raise click.UsageError(
            f"--model needs a name for the new run: --model {model} --as NAME; for a trial: -p model={model}"
        )
    if new_run:
        if len(runs) > 1 or all_runs:
            raise click.UsageError("--as makes one run: give at most one --run to start from")
        _declare(project, new_run, runs[0] if runs else None, parameters, model)
        runs, parameters = (new_run,), ()
    chosen = tuple(every_run(project)) if all_runs else runs
    order = Order(analyses, chosen, parameters, force, jobs, scheduler)
    with reporter() as screen:
        outcomes = run_analyses(project, order, screen)
    _print_outcomes(project, outcomes)
    if not all(outcome.succeeded for outcome in outcomes):
        context.exit(1)


def _declare(
    project: Project, name: str, base: str | None, parameters: tuple[str, ...], model: str | None
) -> None:
    from mechscope.pipeline.runs import declare_run, load_runs, parse_overrides
    from mechscope.pipeline.scripts import find_analyses

    runs = load_runs(project)
    analyses = list(find_analyses(project).values())
    texts = (*parameters, f"model={_portable(project, model)}") if model else parameters
    overrides = parse_overrides(texts, analyses)
    if not overrides:
        raise InvalidInput(
            f"the run '{name}' has no parameters of its own.", hint="give --model or -p KEY=VALUE"
        )
    if model:
        from mechscope.pipeline.fingerprint import model_of

        folder = model_of(project, overrides["model"]).folder  # before anything is declared
        if folder and not any(True for kind in _TOKENIZERS for _ in folder.glob(kind)):
            raise InvalidInput(
                f"{model} holds a model but no tokenizer.",
                hint=f"save it beside the model: tokenizer.save_pretrained({model!r})",
            )
    start = runs.run(base or runs.default)
    title = Path(model).name if model else f"{start.title}, {', '.join(parameters)}"
    if not start.analyses:
        declare_run(project, name, title=title, parameters={**start.parameters, **overrides})
        return
    raise InvalidInput(
        f"the run '{base or runs.default}' gives parameters to single analyses; a run that starts from it is "
        "written by hand.",
        hint="add it to analyses/runs.yml",
    )


def _portable(project: Project, model: str) -> str:
    """A folder inside the project relative to it, any other folder as an absolute path; a name as it is."""
    given = Path(model).expanduser()
    if not given.is_dir():
        return model
    full = given.resolve()
    return f"./{project.shown(full)}" if full.is_relative_to(project.root.resolve()) else str(full)


def _print_outcomes(project: Project, outcomes: list[Outcome]) -> None:
    """What became of each analysis; of a trial also its numbers and claims, which no other command shows."""
    from mechscope.pipeline.run import failures

    width = max((len(f"{outcome.run}:{outcome.analysis}") for outcome in outcomes), default=0)
    for outcome in outcomes:
        key = f"{outcome.run}:{outcome.analysis}"
        took = f" ({outcome.seconds:.1f} s)" if outcome.what == "ran" else ""
        why = f"  {outcome.detail}" if outcome.what in ("ran", "blocked") else ""
        trial = outcome.what == "ran" and not outcome.folder.startswith("results/")
        where = f"  → {outcome.folder}" if trial else ""
        click.echo(f"{key:<{width}}  {_WORDS[outcome.what]}{took}{why}{where}")
        if trial:
            from mechscope.ledger.display import record_line
            from mechscope.ledger.store import read_ledger

            found = read_ledger(project.root / outcome.folder).findings
            lines = [record_line(f"{outcome.analysis}.{name}", one) for name, one in found.statistics.items()]
            lines += [record_line(f"{outcome.analysis}.{name}", one) for name, one in found.claims.items()]
            click.echo("".join(f"  {line}\n" for line in lines), nl=False)
    for problem in failures(outcomes):
        click.echo(f"\nmechscope: {problem}", err=True)


@cli.command()
@click.option("--run", "runs", multiple=True, metavar="NAME", help="Only this run; repeatable.")
@click.pass_context
def status(context: click.Context, runs: tuple[str, ...]) -> None:
    """What is stale, and why. Exits with 1 if a script can't be read."""
    from mechscope.pipeline.freshness import look_at_all
    from mechscope.pipeline.runs import check_parameters, load_runs
    from mechscope.pipeline.scripts import survey_analyses

    project = _project(context)
    declared, survey = load_runs(project), survey_analyses(project)
    check_parameters(project, declared, survey.analyses, survey.problems)
    for name in runs:
        declared.run(name)
    chosen = list(runs) or list(declared.runs)
    states = look_at_all(project, declared, chosen, survey.analyses)
    width = max((len(name) for name in (*survey.analyses, *survey.problems)), default=0)
    for name in chosen:
        mine = [state for state in states if state.run == name]
        default = "  (default)" if name == declared.default else ""
        needs = "  (needs the hub)" if declared.runs[name].needs == "hub" else ""
        click.echo(f"{name}{default}{needs}")
        for state in mine:
            accepted = (
                "".join(f"; accepted: {one.because}" for one in state.ledger.accepted) if state.ledger else ""
            )
            first = "fresh" + accepted if state.fresh else f"stale: {state.reasons[0]}"
            click.echo(f"  {state.analysis:<{width}}  {first}")
            for reason in state.reasons[1:]:
                click.echo(f"  {'':<{width}}         {reason}")
        for broken in survey.problems:
            click.echo(f"  {broken:<{width}}  cannot be read")
    stale = sum(not state.fresh for state in states)
    click.echo(f"{stale} of {len(states)} stale" if stale else f"all {len(states)} fresh")
    for problem in survey.problems.values():
        click.echo(f"\nmechscope: {problem}", err=True)
    if survey.problems:
        context.exit(1)


@cli.command()
@click.argument("analysis")
@click.option(
    "--because", required=True, metavar="REASON", help="Why the change can't alter results; recorded."
)
@click.option("--run", "run_name", metavar="NAME", help="The run (default: that of runs.yml).")
@click.pass_context
def accept(context: click.Context, analysis: str, because: str, run_name: str | None) -> None:
    """Adopt ANALYSIS' present inputs without running it: for a change that can't alter what it finds."""
    from mechscope.pipeline.accept import accept as adopt
    from mechscope.pipeline.runs import load_runs

    project = _project(context)
    name = run_name or load_runs(project).default
    accepted = adopt(project, analysis, name, because, say=lambda text: click.echo(text, err=True))
    for change in accepted:
        click.echo(f"{name}:{analysis} accepted: {change}")


@cli.command()
@click.argument("analyses", nargs=-1, metavar="[ANALYSIS]...")
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="NAME",
    help="The run (default: that of runs.yml; with --quick all that have results); repeatable.",
)
@click.option("--all-runs", is_flag=True, help="Every run, except those that need a hub and have no results.")
@click.option(
    "--quick",
    is_flag=True,
    help="Run nothing: look at hashes, inputs, printed texts, cited keys and the lock of claims.",
)
@click.option("--list", "every", is_flag=True, help="List the records that were reproduced as well.")
@_jobs
@click.pass_context
def verify(
    context: click.Context,
    analyses: tuple[str, ...],
    runs: tuple[str, ...],
    all_runs: bool,
    quick: bool,
    every: bool,
    jobs: int,
) -> None:
    """Run the analyses again (all, or those named) and compare with what is committed, value by value.

    The rerun stays in .mechscope/verify; of results/ only RUN/verification.json is written. Exits with 1 if
    anything is not what it was: a value beyond its tolerance, a claim, an input, an edited file.
    """
    from mechscope.pipeline.progress import reporter
    from mechscope.pipeline.schedule import every_run
    from mechscope.review import screen, verify

    project = _project(context)
    if all_runs and runs:
        raise click.UsageError("give --run or --all-runs, not both")
    chosen = tuple(every_run(project)) if all_runs else runs
    if quick:
        checks = verify.quick(project, analyses, chosen)
        click.echo(screen.checks_text(checks))
        context.exit(1 if any(check.problems for check in checks) else 0)
    with reporter() as progress:
        verdicts = verify.verify(project, analyses, chosen, jobs=jobs, reporter=progress)
    click.echo(screen.verdicts_text(verdicts, every=every))
    context.exit(0 if all(verdict.reproduced for verdict in verdicts) else 1)


@cli.command()
@click.argument("run_a")
@click.argument("run_b")
@click.argument("analyses", nargs=-1, metavar="[ANALYSIS]...")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def compare(context: click.Context, run_a: str, run_b: str, analyses: tuple[str, ...], form: str) -> None:
    """What two runs found, side by side: claims that flipped first, then every number."""
    from mechscope.review import screen
    from mechscope.review.compare import as_json, compare_runs

    compared = compare_runs(_project(context), run_a, run_b, analyses)
    click.echo(as_json(compared) if form == "json" else screen.comparison_text(compared), nl=form == "text")


@cli.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--notes", is_flag=True, help="A line for each note, too, instead of how many there are.")
@click.pass_context
def lint(context: click.Context, files: tuple[Path, ...], form: str, notes: bool) -> None:
    """Typed numbers, unknown keys, prose that a result could contradict, dead links, missing alt texts.

    A number that was chosen, not measured, is marked: [20]{.given} in a sentence, ::: {.given} around
    paragraphs, ## Design {.given} on a section. Anything else can be allowed where it stands, with a reason:

    \b
      <!-- lint: allow RULE because … -->    in an article
      # lint: allow RULE because …           in YAML, and in the code of an analysis

    \b
    The rules: numeral, shortcode, key, reference, unclosed, not-a-div, alt-text,
    flipping-claim, dead-link, unused-record, silent-failure, loose-tolerance,
    ledger, allow. Only errors make it exit with 1, not warnings and notes.
    """
    from mechscope.review import lint as desk

    found = desk.lint(_project(context), list(files) or None)
    click.echo(desk.main_json(found) if form == "json" else desk.main_text(found, notes=notes))
    if desk.has_errors(found):
        context.exit(1)


@cli.command()
@click.argument("name", nargs=-1)
def models(name: tuple[str, ...]) -> None:
    """The models there are; with NAME, what is known about it; "fetch NAME" gets its weights now."""
    from mechscope.models import report

    match name:
        case ():
            click.echo(report.table_text(report.models_table()))
        case ("fetch", *wanted) if wanted:
            for one in wanted:
                click.echo(f"{one}: {report.fetch(one)}")
        case ("fetch",):
            raise click.UsageError("models fetch needs the name of a model")
        case _:
            for one in name:
                click.echo(report.describe(one))


@cli.command()
@click.argument("prompt")
@click.option("--model", default="smollm2-135m", show_default=True, metavar="NAME_OR_PATH")
@click.option("--answer", metavar="TEXT", help='What to follow, " Austin" (default: what the model says).')
@click.option(
    "--page", type=click.Path(dir_okay=False, path_type=Path), default=Path("look.html"), show_default=True
)
def look(prompt: str, model: str, answer: str | None, page: Path) -> None:
    """One prompt under the microscope: logit lens, attribution, top heads; also as one HTML page."""
    if not prompt.strip():
        raise InvalidInput("the prompt is empty.", hint='mechscope look "The capital of Texas is"')
    if answer is not None and not answer.strip():
        raise InvalidInput("the answer is empty.", hint='--answer " Austin"')
    if not page.absolute().parent.is_dir():
        raise InvalidInput(
            f"--page {page}: there is no folder {page.parent}.", hint=f"mkdir -p {page.parent}"
        )
    from mechscope.files import write_atomically
    from mechscope.look.findings import look_at
    from mechscope.look.page import as_page
    from mechscope.look.terminal import as_text
    from mechscope.models import load_model

    found = look_at(load_model(model), prompt, answer)
    click.echo(as_text(found))
    write_atomically(page, as_page(found))
    click.echo(f"\nPage: {page}")


@cli.command()
@click.argument("articles", nargs=-1, metavar="[ARTICLE]...")
@click.option(
    "--engine", type=click.Choice(["quarto", "pandoc"]), help="Default: quarto where it is on PATH."
)
@click.option(
    "--run", "runs", multiple=True, metavar="NAME", help="The run (default: all with results); repeatable."
)
@click.option("--all-runs", is_flag=True, help="Every run, except those that need a hub and have no results.")
@click.pass_context
def render(
    context: click.Context,
    articles: tuple[str, ...],
    engine: str | None,
    runs: tuple[str, ...],
    all_runs: bool,
) -> None:
    """Render the site and the PDFs (all articles, or those named), stale analyses first."""
    from mechscope import publish
    from mechscope.pipeline.schedule import every_run
    from mechscope.publish.prerender import mode_from_environment

    project = _project(context)
    if all_runs and runs:
        raise click.UsageError("give --run or --all-runs, not both")
    done = publish.render(
        project,
        every_run(project) if all_runs else runs,
        engine=engine,
        articles=articles,
        mode=mode_from_environment() or "skip",
        report=lambda line: click.echo(f"{line} …", err=True),
    )
    _print_rendered(project, done, bool(articles))


def _print_rendered(project: Project, done: Rendered, named: bool) -> None:
    from mechscope.pipeline.scripts import find_analyses
    from mechscope.publish.behind import behind_words

    analyses = find_analyses(project)
    for rendered in done.runs:
        click.echo(rendered.run)
        for name in analyses:
            own = [one for one in rendered.ran if (one.run, one.analysis) == (rendered.run, name)]
            click.echo(f"  {name}: {f'ran: {own[0].detail}' if own else 'fresh'}")
        for one in (one for one in rendered.ran if one.run != rendered.run):
            click.echo(f"  {one.run}:{one.analysis}: ran, because this run's pages need it: {one.detail}")
        if named:
            for page in rendered.pages:
                click.echo(f"  {project.shown(page)}")
        else:
            count = len(rendered.pages)
            pages = "1 page" if count == 1 else f"{count} pages"
            click.echo(f"  {pages} in {project.shown(project.site / rendered.run)}")
        for pdf in rendered.pdfs:
            click.echo(f"  {project.shown(pdf)}")
        click.echo(
            f"  analyses and checks {rendered.preparing:.1f} s, {done.engine} {rendered.rendering:.1f} s"
        )
        for warning in rendered.warnings:
            click.echo(f"  warning: {warning}")
    for run, left in done.behind.items():
        click.echo(f"warning: {behind_words(run, left)}", err=True)
    entrance = project.site / "index.html"
    rest = "; the rest of the site: mechscope render"
    where = f": {project.shown(entrance)}" if entrance.is_file() else rest
    click.echo(f"rendered with {done.engine} in {done.seconds:.1f} s{where}")


@cli.command()
@click.argument("what", required=False, metavar="[KEY | ANALYSIS | FILE:LINE]")
@click.option("--run", "run_name", metavar="NAME", help="The run (default: that of runs.yml).")
@click.option("--graph", is_flag=True, help="The whole way instead: data → analysis → number → article.")
@click.option(
    "--format", "form", type=click.Choice(["text", "dot", "json"]), default="text", help="Of the graph."
)
@click.pass_context
def trace(context: click.Context, what: str | None, run_name: str | None, graph: bool, form: str) -> None:
    """Follow a number to its code and inputs and to where it is cited; or every number on a line.

    Of an analysis: list its keys.
    """
    from mechscope.pipeline.runs import load_runs

    if graph == bool(what):
        raise click.UsageError("give a key, an analysis, a place such as paper/articles/x.qmd:42, or --graph")
    if form != "text" and not graph:
        raise click.UsageError("--format goes with --graph")
    project = _project(context)
    runs = load_runs(project)
    run = run_name or runs.default
    runs.run(run)
    if graph:
        from mechscope.publish.graph import as_dot, as_json, as_text, build_graph
        from mechscope.publish.sources import shortcodes_in

        drawn = build_graph(project, run, shortcodes_in(project))
        click.echo({"text": as_text, "dot": as_dot, "json": as_json}[form](drawn).rstrip("\n"))
        return
    from mechscope.review.trace import parse_place, records_of, traces_at
    from mechscope.review.trace import trace as follow
    from mechscope.review.trace_screen import records_text, trace_text

    place = parse_place(what or "")
    records = None if place else records_of(project, what or "", run)
    if records is not None:
        click.echo(records_text(records))
        return
    traces = traces_at(project, *place, run) if place else [follow(project, what or "", run)]
    click.echo("\n\n".join(trace_text(one) for one in traces))

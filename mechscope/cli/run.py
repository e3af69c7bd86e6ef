"""`mechscope run`, and how it ends on screen: what became of each analysis, and what it found."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import ANALYSIS, MODEL
from mechscope.cli.options import (
    chosen_runs,
    device_option,
    dtype_option,
    jobs_option,
    project_of,
    runs_options,
)
from mechscope.errors import InvalidInput
from mechscope.ledger.display import MARKS, record_line
from mechscope.ledger.store import read_ledger
from mechscope.pipeline.devices import chosen_device
from mechscope.pipeline.fingerprint import model_of
from mechscope.pipeline.outcome import Outcome, failures
from mechscope.pipeline.progress import reporter
from mechscope.pipeline.runs import declare_run, load_runs, parse_overrides
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.pipeline.scripts import survey_analyses
from mechscope.project import Project

_LINES, _FEWEST = 24, 3
"""Statistics that are printed altogether, and of each analysis at least."""
_WORDS = {"ran": "ran", "fresh": "fresh", "failed": "FAILED", "blocked": "not run"}
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model")
"""Files of which a folder with a tokenizer holds one at least."""

_EXAMPLES = """
mechscope run                                     what is stale, in the default run
mechscope run topic_geometry --run gemma-3-270m   one analysis and what it needs, in one run
mechscope run topic_geometry -p seed=1            a trial: prints what it finds, leaves results/ alone
mechscope run --model ./my-model --as mine        a new run of everything, on another model
mechscope run --device cuda                       the same numbers within their tolerances, on a GPU
"""


@click.command(cls=Helpful, short_help="Run the stale analyses; print what they find.", examples=_EXAMPLES)
@click.argument("analyses", type=ANALYSIS, nargs=-1, metavar="[ANALYSIS]...")
@runs_options("that of runs.yml")
@click.option(
    "-p",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a parameter: a trial in .mechscope/trials/, or with --as a new run.",
)
@click.option("--model", type=MODEL, metavar="NAME_OR_PATH", help="Another model: -p model=…; with --as.")
@dtype_option
@click.option(
    "--as", "new_run", metavar="NAME", help="Declare a run with these parameters in runs.yml, and run it."
)
@click.option("--force", is_flag=True, help="Run also what is fresh.")
@device_option
@jobs_option
@click.option("--scheduler", default="", metavar="ADDRESS", help="Run on this dask.distributed scheduler.")
@click.pass_context
def run(
    context: click.Context,
    analyses: tuple[str, ...],
    runs: tuple[str, ...],
    all_runs: bool,
    parameters: tuple[str, ...],
    model: str | None,
    dtype: str | None,
    new_run: str | None,
    force: bool,
    device: str | None,
    jobs: int,
    scheduler: str,
) -> None:
    """Run the analyses that are stale (all of them, or those named and what they need).

    Results go to results/RUN/ANALYSIS and are meant to be committed. On another device the numbers agree
    within their tolerances; half precision finds others, so --dtype is short for -p dtype=…: a trial, or
    with --as a new run. New criteria of claims go to analyses/claims.lock before anything is computed; a
    trial writes none.
    """
    project = project_of(context)
    if dtype:
        parameters = (*parameters, f"dtype={dtype}")
    if model and not new_run:
        raise click.UsageError(
            f"--model needs a name for the new run: --model {model} --as NAME; for a trial: -p model={model}"
        )
    if new_run:
        if len(runs) > 1 or all_runs:
            raise click.UsageError("--as makes one run: give at most one --run to start from")
        _declare(project, new_run, runs[0] if runs else None, parameters, model)
        runs, parameters = (new_run,), ()
    chosen = chosen_runs(project, runs, all_runs)
    order = Order(analyses, chosen, parameters, force, jobs, scheduler, device or chosen_device())
    with reporter() as screen:
        outcomes = run_analyses(project, order, screen)
    print_outcomes(project, outcomes, analyses)
    if not all(outcome.succeeded for outcome in outcomes):
        context.exit(1)


def _declare(
    project: Project, name: str, base: str | None, parameters: tuple[str, ...], model: str | None
) -> None:
    runs = load_runs(project)
    analyses = list(survey_analyses(project).analyses.values())
    texts = (*parameters, f"model={_portable(project, model)}") if model else parameters
    overrides = parse_overrides(texts, analyses)
    if not overrides:
        raise InvalidInput(
            f"the run '{name}' has no parameters of its own.", hint="give --model or -p KEY=VALUE"
        )
    if model:
        folder = model_of(project, overrides["model"]).folder  # before anything is declared
        if folder and not any(True for kind in _TOKENIZERS for _ in folder.glob(kind)):
            raise InvalidInput(
                f"{model} holds a model but no tokenizer.",
                hint=f"save it beside the model: tokenizer.save_pretrained({model!r})",
            )
    start = runs.run(base or runs.default)
    title = ", ".join([Path(model).name if model else start.title, *parameters])
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
    return f"./{project.relative(full)}" if full.is_relative_to(project.root.resolve()) else str(full)


def print_outcomes(project: Project, outcomes: list[Outcome], named: Collection[str] = ()) -> None:
    """What became of each analysis, and what it found.

    Args:
        named: The analyses that were asked for by name: what is fresh of them is shown, too.
    """
    width = max((len(f"{outcome.run}:{outcome.analysis}") for outcome in outcomes), default=0)
    told = [outcome for outcome in outcomes if outcome.what == "ran" or _fresh_of(outcome, named)]
    most = max(_FEWEST, _LINES // max(1, len(told)))
    for outcome in outcomes:
        key = f"{outcome.run}:{outcome.analysis}"
        took = f" ({outcome.seconds:.1f} s)" if outcome.what == "ran" else ""
        why = (
            f"  {outcome.detail}" if outcome.what in ("ran", "blocked") and not outcome.applicability else ""
        )
        word = outcome.applicability or _WORDS[outcome.what]
        trial = outcome.what == "ran" and not outcome.folder.startswith("results/")
        where = f"  → {outcome.folder}" if trial else ""
        click.echo(f"{key:<{width}}  {word}{took}{why}{where}")
        if outcome in told:
            lines = _trial_lines(project, outcome) if trial else _found_lines(project, outcome, most)
            click.echo("".join(f"  {_printable(line)}\n" for line in lines), nl=False)
    for problem in failures(outcomes):
        click.echo(f"\nmechscope: {problem}", err=True)


def _printable(line: str) -> str:
    """Without control characters, which a terminal would obey: what a model says can hold them."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def _fresh_of(outcome: Outcome, named: Collection[str]) -> bool:
    return outcome.what == "fresh" and outcome.analysis in named


def _trial_lines(project: Project, outcome: Outcome) -> list[str]:
    """All numbers and claims of a trial, which no other command shows."""
    found = read_ledger(project.root / outcome.folder).findings
    lines = [record_line(f"{outcome.analysis}.{name}", claim) for name, claim in found.claims.items()]
    return lines + [record_line(f"{outcome.analysis}.{name}", one) for name, one in found.statistics.items()]


def _found_lines(project: Project, outcome: Outcome, most: int) -> list[str]:
    """All claims, and `most` statistics: first those that decide claims."""
    found = read_ledger(project.root / outcome.folder).findings
    lines = [
        f"{outcome.analysis}.{name}  {MARKS[claim.outcome]} {claim.outcome} · {claim.sentence}"
        for name, claim in found.claims.items()
    ]
    evidence = {re.split(r"\W", name)[0] for claim in found.claims.values() for name in claim.evidence}
    statistics = sorted(found.statistics, key=lambda name: name not in evidence)
    for name in statistics[:most]:
        record = found.statistics[name]
        value = record.text.value if record.value is not None else f"missing: {record.because}"
        lines.append(f"{outcome.analysis}.{name} = {value}  · {record.label}")
    more = len(statistics) - most
    rest = [f"{more} more statistic{'s' * (more > 1)}"] if more > 0 else []
    rest += [f"{len(found.figures)} figure{'s' * (len(found.figures) > 1)}"] if found.figures else []
    rest += [f"{len(found.tables)} table{'s' * (len(found.tables) > 1)}"] if found.tables else []
    rest += ["passages"] if found.passages else []
    if rest:
        lines.append(f"and {', '.join(rest)}: mechscope trace {outcome.analysis} --run {outcome.run}")
    return lines

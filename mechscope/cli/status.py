"""`mechscope status`."""

from __future__ import annotations

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import RUN
from mechscope.cli.options import project_of

_EXAMPLES = """
mechscope status
mechscope status --run gemma-3-270m
"""


@click.command(cls=Helpful, short_help="What is stale, why, and how long a rerun takes.", examples=_EXAMPLES)
@click.option("--run", "runs", type=RUN, multiple=True, metavar="NAME", help="Only this run; repeatable.")
@click.pass_context
def status(context: click.Context, runs: tuple[str, ...]) -> None:
    """What is stale, and why. Exits with 1 if a script can't be read."""
    from mechscope.pipeline.freshness import states_of
    from mechscope.pipeline.runs import Places, check_parameters, load_runs
    from mechscope.pipeline.scripts import survey_analyses
    from mechscope.pipeline.times import rerun_takes
    from mechscope.project import SHARED

    project = project_of(context)
    declared, survey = load_runs(project), survey_analyses(project)
    check_parameters(project, declared, survey.analyses, survey.problems)
    places = Places(declared, survey.analyses)
    places.check(runs)
    chosen = [name for name in runs or declared.runs if name != SHARED]
    states = states_of(project, places, [*chosen, *(name for name in runs if name == SHARED)])
    width = max((len(name) for name in (*survey.analyses, *survey.problems)), default=0)
    for name in [*chosen, *([SHARED] if any(state.run == SHARED for state in states) else [])]:
        mine = [state for state in states if state.run == name]
        notes = [
            *(["default"] if name == declared.default else []),
            *(["needs the hub"] if name in declared.runs and declared.runs[name].needs == "hub" else []),
            *(["found once for all runs"] if name == SHARED else []),
        ]
        click.echo("  ".join([name, *(f"({note})" for note in notes)]))
        for state in mine:
            accepted = (
                "".join(f"; accepted: {acceptance.because}" for acceptance in state.ledger.accepted)
                if state.ledger
                else ""
            )
            current = state.ledger.findings.applicability if state.ledger else ""
            first = (current or "fresh") + accepted if state.fresh else f"stale: {state.reasons[0]}"
            click.echo(f"  {state.analysis:<{width}}  {first}")
            for reason in state.reasons[1:]:
                click.echo(f"  {'':<{width}}         {reason}")
        for broken in survey.problems if name != SHARED else ():
            click.echo(f"  {broken:<{width}}  cannot be read")
    for folder in places.unused(project):
        unused = project.relative(folder)
        click.echo(f"{unused} is shown in no run any more; remove it:  git rm -r {unused}")
    stale = [(state.run, state.analysis) for state in states if not state.fresh]
    takes = rerun_takes(project, stale)
    running = f"; running {'it' if len(stale) == 1 else 'them'} takes {takes}" if takes else ""
    click.echo(f"{len(stale)} of {len(states)} stale{running}" if stale else f"all {len(states)} fresh")
    for problem in survey.problems.values():
        click.echo(f"\nmechscope: {problem}", err=True)
    if survey.problems:
        context.exit(1)

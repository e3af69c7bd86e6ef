"""`mechscope verify`."""

from __future__ import annotations

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import ANALYSIS
from mechscope.cli.options import chosen_runs, device_option, jobs_option, project_of, runs_options

_EXAMPLES = """
mechscope verify topic_geometry   run it again, compare value by value
mechscope verify --quick          run nothing: are hashes, texts and citations in order?
"""


@click.command(cls=Helpful, short_help="Compute again; compare with what is committed.", examples=_EXAMPLES)
@click.argument("analyses", type=ANALYSIS, nargs=-1, metavar="[ANALYSIS]...")
@runs_options("that of runs.yml; with --quick all that have results")
@click.option(
    "--quick",
    is_flag=True,
    help="Run nothing: look at hashes, inputs, printed texts, cited keys and the lock of claims.",
)
@click.option("--list", "every", is_flag=True, help="List the records that were reproduced as well.")
@device_option
@jobs_option
@click.pass_context
def verify(
    context: click.Context,
    analyses: tuple[str, ...],
    runs: tuple[str, ...],
    all_runs: bool,
    quick: bool,
    every: bool,
    device: str | None,
    jobs: int,
) -> None:
    """Run the analyses again (all, or those named) and compare with what is committed, value by value.

    The rerun stays in .mechscope/verify; of results/ only RUN/verification.json is written. Exits with 1 if
    anything is not what it was: a value beyond its tolerance, a claim, an input, an edited file.
    """
    from mechscope.pipeline.progress import reporter
    from mechscope.review import screen, verify

    project = project_of(context)
    chosen = chosen_runs(project, runs, all_runs)
    if quick:
        checks = verify.quick(project, analyses, chosen)
        click.echo(screen.checks_text(checks))
        context.exit(1 if any(check.problems for check in checks) else 0)
    with reporter() as progress:
        verdicts = verify.verify(project, analyses, chosen, jobs=jobs, device=device, reporter=progress)
    click.echo(screen.verdicts_text(verdicts, every=every))
    context.exit(0 if all(verdict.reproduced for verdict in verdicts) else 1)

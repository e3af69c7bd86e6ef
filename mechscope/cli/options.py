"""What several commands take: the project, and options of the same meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from mechscope.cli.completion import DEVICE, RUN
from mechscope.pipeline.devices import analyses_at_a_time

if TYPE_CHECKING:
    from mechscope.project import Project

_Command = TypeVar("_Command", bound=Callable[..., None])


def project_of(context: click.Context) -> Project:
    """The project that `--project` names, or the one around here.

    Raises:
        InvalidInput: There is none.
    """
    from mechscope.project import find_project

    return find_project(context.obj)


jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=analyses_at_a_time,
    show_default="as many as have cores of their own",
    help="Analyses at a time.",
)


device_option = click.option(
    "--device",
    type=DEVICE,
    envvar="MECHSCOPE_DEVICE",
    metavar="NAME",
    help="What models compute on: cpu (default), cuda, cuda:1, mps; also as MECHSCOPE_DEVICE.",
)


dtype_option = click.option(
    "--dtype",
    type=click.Choice(("float32", "bfloat16", "float16")),
    help="What models compute in (default: float32).",
)


def runs_options(default: str) -> Callable[[_Command], _Command]:
    """The options `--run` (repeatable) and `--all-runs`; `default` says in words what neither means."""

    def decorate(command: _Command) -> _Command:
        all_runs = click.option(
            "--all-runs", is_flag=True, help="Every run, except those that need a hub and have no results."
        )
        return click.option(
            "--run",
            "runs",
            type=RUN,
            multiple=True,
            metavar="NAME",
            help=f"The run (default: {default}); repeatable.",
        )(all_runs(command))

    return decorate


def chosen_runs(project: Project, runs: tuple[str, ...], all_runs: bool) -> tuple[str, ...]:
    """The runs that `--run` or `--all-runs` name; none for the default.

    Raises:
        UsageError: Both are given.
    """
    from mechscope.pipeline.schedule import every_run

    if all_runs and runs:
        raise click.UsageError("give --run or --all-runs, not both")
    return tuple(every_run(project)) if all_runs else runs

"""What several commands take: the project, and options of the same meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mechscope.pipeline.cores import analyses_at_a_time

if TYPE_CHECKING:
    from mechscope.project import Project


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

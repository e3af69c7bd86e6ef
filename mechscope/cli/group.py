"""`mechscope` itself: the group that holds the commands, one module each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mechscope.cli.accept import accept
from mechscope.cli.compare import compare
from mechscope.cli.lint import lint
from mechscope.cli.look import look
from mechscope.cli.models import models
from mechscope.cli.render import render
from mechscope.cli.run import run
from mechscope.cli.status import status
from mechscope.cli.trace import trace
from mechscope.cli.verify import verify
from mechscope.errors import MechscopeError


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


for command in (run, status, accept, verify, compare, lint, models, look, render, trace):
    cli.add_command(command)


def main() -> None:
    """The entry point `mechscope`."""
    cli(prog_name="mechscope")

"""`mechscope` itself: the group that holds the commands, one module each."""

from __future__ import annotations

import errno
import io
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from mechscope.cli.command import Helpful
from mechscope.errors import MechscopeError, did_you_mean

_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
_NAMES = ("run", "status", "render", "look", "models", "trace", "verify", "compare", "lint", "accept")
"""The commands, in the order in which a person needs them; each is a module here, imported when asked for."""
_INTERRUPTED = 130
"""What shells give a command that Ctrl-C ended."""


class _Commands(Helpful, click.Group):
    """Shows a user's errors as text, and bugs with their traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MechscopeError as error:
            click.echo(f"mechscope: {error}", err=True)
        except OSError as error:  # the disk, or somebody's permissions; click itself knows a closed pipe
            if error.errno == errno.EPIPE or not error.strerror:
                raise
            place = f"{error.filename}: " if error.filename else ""
            hint = "\n  → make it writable, or work in a copy" if error.errno in _NOT_WRITABLE else ""
            click.echo(f"mechscope: {place}{error.strerror}.{hint}", err=True)
        except KeyboardInterrupt:
            click.echo("mechscope: interrupted; what was finished before is kept.", err=True)
            context.exit(_INTERRUPTED)
        context.exit(1)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_NAMES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return getattr(import_module(f"mechscope.cli.{name}"), name) if name in _NAMES else None

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if words and words[0] not in _NAMES and not context.resilient_parsing:
            raise click.UsageError(
                f"there is no command '{words[0]}'{did_you_mean(words[0], _NAMES)}", context
            )
        return super().resolve_command(context, words)


_EXAMPLES = """
mechscope look "The capital of Texas is"    a model and one prompt; needs no project
mechscope run next_word                     run an analysis, print what it finds
mechscope render next-word                  render an article that cites it
mechscope COMMAND --help                    options and more examples
"""


@click.group(
    cls=_Commands,
    examples=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
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
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks a letter shows its number
        sys.stdout.reconfigure(errors="backslashreplace")
    cli(prog_name="mechscope")

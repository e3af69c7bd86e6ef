"""The help shows how each command is typed."""

from __future__ import annotations

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.cli.command import Helpful

_CONTEXT = click.Context(cli)
COMMANDS = {name: cli.get_command(_CONTEXT, name) for name in cli.list_commands(_CONTEXT)}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_examples_that_it_can_read(name: str) -> None:
    command = COMMANDS[name]
    assert isinstance(command, Helpful) and command.examples
    said = CliRunner().invoke(cli, [name, "--help"]).output
    assert "Examples:\n" in said
    for example in command.examples:
        typed = re.split(r"\s{2,}", example)[0]
        assert f"  {typed}" in said
        program, called, *words = shlex.split(typed)
        assert (program, called) == ("mechscope", name)
        if name != "lint":  # which looks whether its files are there
            command.make_context(name, words)


def test_without_a_command_all_of_them_are_listed_whole_with_examples() -> None:
    done = CliRunner().invoke(cli, [], terminal_width=80)
    assert done.output.count("...") == 1 and "Examples:\n" in done.output
    assert list(COMMANDS) == re.findall(r"^  ([a-z]+) {2,}[A-Z]", done.output, re.MULTILINE)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["sttaus"], "there is no command 'sttaus' — did you mean 'status'?"),
        (["Run"], "there is no command 'Run' — did you mean 'run'?"),
        (["12"], "there is no command '12'.\n"),
        (["run", "--jbos", "1"], "there is no option '--jbos' — did you mean '--jobs'?"),
        (["--projct", ".", "run"], "there is no option '--projct' — did you mean '--project'?"),
        (["run", "-q"], "there is no option '-q'.\n"),
    ],
)
def test_a_mistyped_command_or_option_is_understood(typed: list[str], says: str) -> None:
    done = CliRunner().invoke(cli, typed)
    assert done.exit_code == 2
    assert says in done.stderr

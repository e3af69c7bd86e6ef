"""How our commands differ from click's: their help has examples, and a mistyped option is understood."""

from __future__ import annotations

import re
from typing import Any

import click

from mechscope.errors import did_you_mean


class Helpful(click.Command):
    """A command with examples.

    Args:
        examples: Lines as a person types them, each with what it does after two spaces.
    """

    def __init__(self, *arguments: Any, examples: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples.strip().split("\n")

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            rows = [(*re.split(r"\s{2,}", line, maxsplit=1), "")[:2] for line in self.examples]
            width = max(len(command) for command, _ in rows)
            with formatter.section("Examples"):
                for command, what in rows:
                    formatter.write(f"  {command:<{width}}   {what}".rstrip() + "\n")

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        try:
            return super().parse_args(context, words)
        except click.NoSuchOption as error:
            options = [name for one in self.get_params(context) for name in one.opts if name[0] == "-"]
            raise click.UsageError(
                f"there is no option '{error.option_name}'{did_you_mean(error.option_name, options)}",
                context,
            ) from error

"""The command line: thin, and quick to start (everything heavy is imported by the command that needs it)."""

from mechscope.cli.group import cli, main

__all__ = ["cli", "main"]

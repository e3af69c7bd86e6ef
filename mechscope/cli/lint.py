"""`mechscope lint`."""

from __future__ import annotations

from pathlib import Path

import click

from mechscope.cli.command import Helpful
from mechscope.cli.options import project_of

_EXAMPLES = """
mechscope lint                              everything
mechscope lint paper/articles/next-word.qmd one article
"""


@click.command(cls=Helpful, short_help="Typed numbers, dead links, contradicted prose.", examples=_EXAMPLES)
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--notes", is_flag=True, help="A line for each note, too, instead of how many there are.")
@click.pass_context
def lint(context: click.Context, files: tuple[Path, ...], form: str, notes: bool) -> None:
    """Typed numbers, unknown keys, prose that a result could contradict, dead links, missing alt texts.

    A typed number is found if it looks like a measured result to a linear probe on SmolLM2-135M.
    A number that was chosen, not measured, is marked: [20]{.given} in a sentence, ::: {.given} around
    paragraphs, ## Design {.given} on a section. Anything else can be allowed where it stands, with a reason:

    \b
      <!-- lint: allow RULE because … -->    in an article
      # lint: allow RULE because …           in YAML, and in the code of an analysis

    \b
    The rules: numeral, shortcode, key, reference, unclosed, not-a-div, alt-text,
    flipping-claim, model-named, dead-link, unused-record, silent-failure,
    loose-tolerance, ledger, script, allow. Only errors make it exit with 1, not
    warnings and notes.
    """
    from mechscope.review import lint as desk

    found = desk.lint(project_of(context), list(files) or None)
    click.echo(desk.main_json(found) if form == "json" else desk.main_text(found, notes=notes))
    if desk.has_errors(found):
        context.exit(1)

"""`mechscope models`."""

from __future__ import annotations

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import MODEL_OR_FETCH

_EXAMPLES = """
mechscope models                      a table
mechscope models smollm2-135m         what is known about one
mechscope models fetch gemma-3-270m   get its weights now
"""


@click.command(cls=Helpful, short_help="The models there are; fetch one beforehand.", examples=_EXAMPLES)
@click.argument("name", type=MODEL_OR_FETCH, nargs=-1, metavar="[NAME | fetch NAME]...")
def models(name: tuple[str, ...]) -> None:
    """The models there are; with NAME, what is known about it; "fetch NAME" gets its weights now."""
    from mechscope.models import report

    match name:
        case ():
            click.echo(report.table_text(report.models_table()))
        case ("fetch", *wanted) if wanted:
            for model in wanted:
                click.echo(f"{model}: {report.fetch(model)}")
        case ("fetch",):
            raise click.UsageError("models fetch needs the name of a model")
        case _:
            for model in name:
                click.echo(report.describe(model))

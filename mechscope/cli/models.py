"""`mechscope models`."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", nargs=-1)
def models(name: tuple[str, ...]) -> None:
    """The models there are; with NAME, what is known about it; "fetch NAME" gets its weights now."""
    from mechscope.models import report

    match name:
        case ():
            click.echo(report.table_text(report.models_table()))
        case ("fetch", *wanted) if wanted:
            for one in wanted:
                click.echo(f"{one}: {report.fetch(one)}")
        case ("fetch",):
            raise click.UsageError("models fetch needs the name of a model")
        case _:
            for one in name:
                click.echo(report.describe(one))

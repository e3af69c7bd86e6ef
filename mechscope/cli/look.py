"""`mechscope look`."""

from __future__ import annotations

from pathlib import Path

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import MODEL
from mechscope.errors import InvalidInput

_EXAMPLES = """
mechscope look "The capital of Texas is"
mechscope look "The capital of Texas is" --answer " Austin" --model gemma-3-270m
mechscope look "The capital of Texas is" "The capital of France is" --answer " Austin"   side by side
mechscope look "The capital of Texas is" --json    for a program
"""


@click.command(cls=Helpful, short_help="One prompt or two, under the microscope.", examples=_EXAMPLES)
@click.argument("prompt")
@click.option("--model", type=MODEL, default="smollm2-135m", show_default=True, metavar="NAME_OR_PATH")
@click.option("--answer", metavar="TEXT", help='What to follow, " Austin" (default: what the model says).')
@click.option(
    "--page", type=click.Path(dir_okay=False, path_type=Path), default=Path("look.html"), show_default=True
)
def look(prompt: str, model: str, answer: str | None, page: Path) -> None:
    """One prompt under the microscope: logit lens, attribution, top heads; also as one HTML page."""
    if not prompt.strip():
        raise InvalidInput("the prompt is empty.", hint='mechscope look "The capital of Texas is"')
    if answer is not None and not answer.strip():
        raise InvalidInput("the answer is empty.", hint='--answer " Austin"')
    if not page.absolute().parent.is_dir():
        raise InvalidInput(
            f"--page {page}: there is no folder {page.parent}.", hint=f"mkdir -p {page.parent}"
        )
    from mechscope.files import write_atomically
    from mechscope.look.findings import look_at
    from mechscope.look.page import as_page
    from mechscope.look.terminal import as_text
    from mechscope.models import load_model

    found = look_at(load_model(model), prompt, answer)
    click.echo(as_text(found))
    write_atomically(page, as_page(found))
    click.echo(f"\nPage: {page}")

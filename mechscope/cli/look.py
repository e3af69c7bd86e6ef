"""`mechscope look`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import MODEL
from mechscope.cli.options import device_option, dtype_option
from mechscope.errors import InvalidInput

if TYPE_CHECKING:
    from mechscope.look.measure import Look

_PAGE = Path("look.html")
_EXAMPLES = """
mechscope look "The capital of Texas is"
mechscope look "The capital of Texas is" --answer " Austin" --model gemma-3-270m
mechscope look "The capital of Texas is" "The capital of France is" --answer " Austin"   side by side
mechscope look "The capital of Texas is" --json    for a program
"""


@click.command(
    cls=Helpful, short_help="One prompt, or two side by side, under the microscope.", examples=_EXAMPLES
)
@click.argument("prompts", nargs=-1, required=True, metavar="PROMPT [PROMPT]")
@click.option("--model", type=MODEL, default="smollm2-135m", show_default=True, metavar="NAME_OR_PATH")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="TEXT",
    help='What to follow, " Austin" (default: what the model says); for two prompts one, or one each.',
)
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default=str(_PAGE),
    help="The page to write; with --json none unless it is named.",
)
@device_option
@dtype_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead of tables.")
def look(
    prompts: tuple[str, ...],
    model: str,
    answers: tuple[str, ...],
    page: Path | None,
    device: str | None,
    dtype: str | None,
    as_json: bool,
) -> None:
    """One prompt under the microscope: logit lens, attribution, top heads; also as one HTML page.

    Of two prompts, everything is shown side by side, and what differs most comes first.
    """
    written = page or (None if as_json else _PAGE)
    _check(prompts, answers, written)
    looks = _look(prompts, model, answers, device or "cpu", dtype or "float32")
    if as_json:
        from mechscope.look import measure

        click.echo(measure.as_json(looks))
    else:
        from mechscope.look.terminal import as_text, two_as_text

        click.echo(as_text(*looks) if len(looks) == 1 else two_as_text(*looks))
    if written:
        from mechscope.files import write_atomically
        from mechscope.look.page import as_page, page_of_two

        write_atomically(written, as_page(*looks) if len(looks) == 1 else page_of_two(*looks))
        click.echo(f"\nPage: {written}", err=as_json)


def _check(prompts: tuple[str, ...], answers: tuple[str, ...], page: Path | None) -> None:
    """Refuse what can be known to be wrong without a model: loading one takes a while."""
    if len(prompts) > 2:
        quoted = " ".join(prompts)
        raise click.UsageError(
            f'give one prompt or two, not {len(prompts)}; a prompt of several words is quoted: "{quoted}"'
        )
    if len(answers) not in (0, 1, len(prompts)):
        raise click.UsageError(
            f"{len(answers)} answers for {'one prompt' if len(prompts) == 1 else 'two prompts'}: "
            "give one --answer, or one for each prompt"
        )
    if not all(prompt.strip() for prompt in prompts):
        raise InvalidInput("the prompt is empty.", hint='mechscope look "The capital of Texas is"')
    if not all(answer.strip() for answer in answers):
        raise InvalidInput("the answer is empty.", hint='--answer " Austin"')
    for text in (*prompts, *answers):
        if not _is_text(text):
            raise InvalidInput(
                f"{text!a} is not text in UTF-8.", hint="save or type it in UTF-8: export LANG=C.UTF-8"
            )
    if page and not page.absolute().parent.is_dir():
        raise InvalidInput(
            f"--page {page}: there is no folder {page.parent}.", hint=f"mkdir -p {page.parent}"
        )
    if page and not os.access(page.absolute().parent, os.W_OK):
        raise InvalidInput(
            f"--page {page}: {page.absolute().parent} can't be written to.",
            hint="name a page elsewhere: --page FILE",
        )


def _is_text(text: str) -> bool:
    """Whether no byte of what was typed was left over, as it is where the shell does not speak UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _look(
    prompts: tuple[str, ...], model: str, answers: tuple[str, ...], device: str, dtype: str
) -> list[Look]:
    from mechscope.models import find_model
    from mechscope.models.report import is_here

    found = find_model(model)
    with _steps() as doing:
        doing("starting PyTorch")
        from mechscope.look.measure import look_at
        from mechscope.models import load_model

        fetching = "" if is_here(found) else ", once its weights are fetched (some minutes)"
        doing(f"loading {model}{fetching}")
        bridge = load_model(model, device=device, dtype=dtype)
        doing("reading the prompt" if len(prompts) == 1 else "reading the prompts")
        wanted = answers if len(answers) == len(prompts) else (*answers, None)[:1] * len(prompts)
        return [look_at(bridge, prompt, answer) for prompt, answer in zip(prompts, wanted, strict=True)]


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """A function that is told what is being done: a clock in a terminal, elsewhere a line a step."""
    if not sys.stderr.isatty():
        yield lambda text: print(f"{text} …", file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda text: progress.update(task, description=text, refresh=True)

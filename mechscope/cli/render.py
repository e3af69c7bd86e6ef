"""`mechscope render`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mechscope.cli.command import Helpful
from mechscope.cli.completion import ARTICLE
from mechscope.cli.options import chosen_runs, project_of, runs_options

if TYPE_CHECKING:
    from mechscope.project import Project
    from mechscope.publish import Rendered

_EXAMPLES = """
mechscope render                         every run with results
mechscope render next-word               one article, after the analyses that it cites
mechscope render next-word --run mine    the same, in one run
mechscope render --engine pandoc         without Quarto
"""


@click.command(cls=Helpful, short_help="Render the site and the PDFs.", examples=_EXAMPLES)
@click.argument("articles", type=ARTICLE, nargs=-1, metavar="[ARTICLE]...")
@click.option(
    "--engine", type=click.Choice(["quarto", "pandoc"]), help="Default: quarto where it is on PATH."
)
@runs_options("all with results")
@click.pass_context
def render(
    context: click.Context,
    articles: tuple[str, ...],
    engine: str | None,
    runs: tuple[str, ...],
    all_runs: bool,
) -> None:
    """Render the site and the PDFs (all articles, or those named), stale analyses first."""
    from mechscope import publish
    from mechscope.publish.prerender import mode_from_environment
    from mechscope.publish.render_progress import Screen

    project = project_of(context)
    with Screen() as screen:
        done = publish.render(
            project,
            chosen_runs(project, runs, all_runs),
            engine=engine,
            articles=articles,
            mode=mode_from_environment() or "skip",
            report=screen,
        )
    _print_rendered(project, done, bool(articles))


def _print_rendered(project: Project, done: Rendered, named: bool) -> None:
    from mechscope.pipeline.scripts import survey_analyses
    from mechscope.project import SHARED

    analyses = survey_analyses(project).analyses
    for rendered in done.runs:
        click.echo(rendered.run)
        for name in analyses if rendered.cited is None else rendered.cited:
            own = [
                outcome
                for outcome in rendered.ran
                if outcome.run in (rendered.run, SHARED) and outcome.analysis == name
            ]
            word = "missing: it failed, or needs one that failed" if name in rendered.missing else "fresh"
            click.echo(f"  {name}: {f'ran: {own[0].detail}' if own else word}")
        for outcome in (outcome for outcome in rendered.ran if outcome.run not in (rendered.run, SHARED)):
            click.echo(
                f"  {outcome.run}:{outcome.analysis}: ran, because this run's pages need it: {outcome.detail}"
            )
        if rendered.left:
            click.echo(
                f"  stale, and left so because nothing rendered here cites it: {', '.join(rendered.left)}"
            )
        if named:
            for page in rendered.pages:
                click.echo(f"  {project.relative(page)}")
        else:
            count = len(rendered.pages)
            pages = "1 page" if count == 1 else f"{count} pages"
            click.echo(f"  {pages} in {project.relative(project.site / rendered.run)}")
        for pdf in rendered.pdfs:
            click.echo(f"  {project.relative(pdf)}")
        click.echo(
            f"  analyses and checks {rendered.preparing:.1f} s, {done.engine} {rendered.rendering:.1f} s"
        )
        for failure in rendered.failed:
            click.echo(f"warning: {failure}", err=True)
        for warning in rendered.warnings:
            click.echo(f"  warning: {warning}")
    entrance = project.site / "index.html"
    rest = "; the rest of the site: mechscope render"
    where = f": {project.relative(entrance)}" if entrance.is_file() else rest
    click.echo(f"rendered with {done.engine} in {done.seconds:.1f} s{where}")

"""The first page of the site, which leads to the default run, and the list of the runs that are rendered.

Both engines write them after each run: `_site/<run>/` holds a whole site, `_site/` only these two pages.
"""

from __future__ import annotations

from html import escape

from mechscope.files import write_atomically
from mechscope.pipeline.runs import Runs, load_runs
from mechscope.project import Project

HOME = "paper/index.html"
"""The home page within a run's site."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto; padding: 0 1rem; }}
</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def rendered_runs(project: Project) -> list[str]:
    """Runs whose site is there."""
    return sorted(path.name for path in project.site.glob("[!.]*") if (path / HOME).is_file())


def write_entrance(project: Project) -> None:
    """Write `_site/index.html` and `_site/runs.html` for the runs that are rendered now."""
    rendered = rendered_runs(project)
    if not rendered:
        return
    runs = load_runs(project)
    first = runs.default if runs.default in rendered else rendered[0]
    target = f"{first}/{HOME}"
    items = "\n".join(
        f'<li><a href="{escape(run)}/{HOME}">{escape(_title(runs, run))}</a></li>' for run in rendered
    )
    listing = _PAGE.format(
        head="",
        title="Runs",
        body=f"<h1>Runs</h1>\n<p>The same articles from each run:</p>\n<ul>\n{items}\n</ul>",
    )
    write_atomically(project.site / "index.html", _redirect(target, _title(runs, first)))
    for run in rendered:
        write_atomically(project.site / run / "index.html", _redirect(HOME, _title(runs, run)))
    write_atomically(project.site / "runs.html", listing)
    # GitHub Pages would leave out folders that begin with an underscore.
    write_atomically(project.site / ".nojekyll", "")


def _redirect(target: str, title: str) -> str:
    return _PAGE.format(
        head=f'<meta http-equiv="refresh" content="0; url={escape(target)}">\n',
        title=escape(title),
        body=f'<p><a href="{escape(target)}">The paper, from {escape(title)}</a></p>',
    )


def _title(runs: Runs, run: str) -> str:
    return runs.runs[run].title if run in runs.runs else run

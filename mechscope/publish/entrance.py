"""The first page of the site, which leads to the default run, and the list of the runs that are rendered.

Both engines write it after each run: `_site/<run>/` holds a whole site, `_site/` only these two pages.
"""

from __future__ import annotations

import sys
from html import escape

from mechscope.errors import MechscopeError
from mechscope.files import write_atomically
from mechscope.pipeline.runs import Runs, load_runs
from mechscope.project import Project, find_project

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
  body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 15vh auto 0; padding: 0 1.2rem; }}
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
    redirect = _PAGE.format(
        head=f'<meta http-equiv="refresh" content="0; url={escape(target)}">\n',
        title=escape(_title(runs, first)),
        body=f'<p><a href="{escape(target)}">Read it as rendered from {escape(_title(runs, first))}</a></p>',
    )
    items = "\n".join(
        f'<li><a href="{escape(run)}/{HOME}">{escape(_title(runs, run))}</a></li>' for run in rendered
    )
    listing = _PAGE.format(
        head="",
        title="Runs",
        body=f"<h1>Runs</h1>\n<p>The same articles from each run:</p>\n<ul>\n{items}\n</ul>",
    )
    write_atomically(project.site / "index.html", redirect)
    write_atomically(project.site / "runs.html", listing)
    # GitHub Pages would leave out folders that begin with an underscore.
    write_atomically(project.site / ".nojekyll", "")


def _title(runs: Runs, run: str) -> str:
    return runs.runs[run].title if run in runs.runs else run


def main() -> int:
    """The hook that Quarto runs after a render."""
    try:
        write_entrance(find_project())
    except MechscopeError as error:
        print(f"mechscope: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The first page of the site, which leads to the default run, and the list of the runs that are rendered.

Both engines write them after each run: `_site/<run>/` holds a whole site, `_site/` only these two pages, and
`runs.js`, by which a link to another run's page leads to that page where it is there and to the list of runs
where it isn't.
"""

from __future__ import annotations

import json
import re
from html import escape, unescape
from pathlib import Path

from mechscope.articles.sources import settings_of
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
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  :root {{ --ink: #22262b; --muted: #5a636c; --rule: #e2ded5; --paper: #fdfcf9; --link: #0a646c; }}
  @media (prefers-color-scheme: dark) {{
    :root {{ --ink: #dedbd4; --muted: #a0a8af; --rule: #33383f; --paper: #16191d; --link: #74c7c9; }}
  }}
  body {{
    max-width: 42rem; margin: 12vh auto 4rem; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
    font: 1.05rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  }}
  h1 {{ font-size: 1.8rem; line-height: 1.2; }}
  h2 {{ margin-top: 2.2rem; font-size: 1.2rem; }}
  a {{ color: var(--link); text-underline-offset: 0.2em; }}
  ul {{ padding: 0; list-style: none; }}
  li, dl {{ border-top: 1px solid var(--rule); padding: 0.45rem 0; }}
  dt {{ margin-top: 0.8rem; }}
  dt:target {{ font-weight: 650; }}
  dd {{ margin: 0; color: var(--muted); }}
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
    """Runs whose site is there, by name; the default run first."""
    there = sorted(path.name for path in project.site.glob("[!.]*") if (path / HOME).is_file())
    default = load_runs(project).default
    return sorted(there, key=lambda run: run != default)


def run_pages(project: Project, run: str) -> dict[str, str]:
    """The hand-written pages of a rendered run, as addresses within its site, with their titles.

    The home page has the site's title, and is named for what it is.
    """
    site = project.site / run
    pages = sorted(
        path for path in (site / "paper").rglob("*.html") if "_generated" not in path.relative_to(site).parts
    )
    named = f" – {_site_title(project)}"
    titles = {path.relative_to(site).as_posix(): _title_of(path).removesuffix(named) for path in pages}
    return titles | {page: "Home page" for page in titles if page == HOME}


def _title_of(page: Path) -> str:
    found = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(unescape(found[1]).split()) if found else page.stem


def _site_title(project: Project) -> str:
    """What engines add to the title of every page."""
    website = settings_of(project.root / "_quarto.yml").get("website") or {}
    return str(website.get("title") or "")


def write_entrance(project: Project) -> None:
    """Write `_site/index.html`, `_site/runs.html` and `_site/runs.js` for the runs that are rendered now."""
    rendered = rendered_runs(project)
    if not rendered:
        return
    runs = load_runs(project)
    first = runs.default if runs.default in rendered else rendered[0]
    target = f"{first}/{HOME}"
    items = "\n".join(
        f'<li><a href="{escape(run)}/{HOME}">{escape(_title(runs, run))}</a></li>' for run in rendered
    )
    pages = {run: run_pages(project, run) for run in rendered}
    listing = _PAGE.format(
        head="",
        title="Runs",
        body=f"<h1>Runs</h1>\n<p>The same articles from each run:</p>\n<ul>\n{items}\n</ul>\n"
        f"<h2>By page</h2>\n{_by_page(runs, pages)}",
    )
    addresses = json.dumps({run: list(titles) for run, titles in pages.items()})
    titles = json.dumps({run: _title(runs, run) for run in rendered}, ensure_ascii=False)
    script = f"window.mechscopeRuns = {addresses};\nwindow.mechscopeRunTitles = {titles};\n"
    write_atomically(project.site / "runs.js", script)
    write_atomically(project.site / "index.html", _redirect(target, _title(runs, first)))
    for run in rendered:
        write_atomically(project.site / run / "index.html", _redirect(HOME, _title(runs, run)))
    write_atomically(project.site / "runs.html", listing)
    # GitHub Pages would leave out folders that begin with an underscore.
    write_atomically(project.site / ".nojekyll", "")


def _by_page(runs: Runs, pages: dict[str, dict[str, str]]) -> str:
    """Each page with the runs that have it; the ids are those to which links to other runs fall back."""
    titles = {page: title for found in pages.values() for page, title in found.items()}
    parts = []
    for page, title in sorted(titles.items(), key=lambda item: (item[0] != HOME, item)):
        there = ", ".join(
            f'<a href="{escape(run)}/{escape(page)}">{escape(_title(runs, run))}</a>'
            for run, found in pages.items()
            if page in found
        )
        parts.append(f'<dt id="{escape(runs_anchor(page))}">{escape(title)}</dt>\n<dd>{there}</dd>')
    return "<dl>\n" + "\n".join(parts) + "\n</dl>"


def runs_anchor(page: str) -> str:
    """The id of a page in the list of runs ("paper/articles/x.html" → "paper-articles-x")."""
    return re.sub(r"[^A-Za-z0-9]+", "-", page.partition("#")[0].rpartition(".")[0])


def _redirect(target: str, title: str) -> str:
    return _PAGE.format(
        head=f'<meta http-equiv="refresh" content="0; url={escape(target)}">\n',
        title=escape(title),
        body=f'<p><a href="{escape(target)}">The paper, from {escape(title)}</a></p>',
    )


def _title(runs: Runs, run: str) -> str:
    return runs.runs[run].title if run in runs.runs else run

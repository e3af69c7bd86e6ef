"""What stands at the foot of every page: what it came from, how to cite it, the articles beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from mechscope.articles.sources import settings_of
from mechscope.project import SHARED
from mechscope.publish.pages.context import Context

_CITATION = "CITATION.cff"


def colophon(context: Context) -> dict[str, Any]:
    """The texts and addresses of the foot of a run's pages; empty where nothing is known.

    `runs` are all that have results, this one first; `same` says how many of their claims are one result
    that each of them counts; `shared` names, by run, the analyses whose results it shares. `around` holds, by
    article, the `previous` and the `next` one in the order of the site's bar, each with title and page.
    """
    citation = settings_of(context.project.root / _CITATION)
    return {
        "run": context.title,
        "results": _results_of(context.project.root, context.run),
        "shared": {run: context.shelf.shared(run) for run in context.runs},
        "cite": _cite(citation),
        "licence": str(citation.get("license", "")),
        "repository": str(citation.get("repository-code") or citation.get("url") or ""),
        "around": _around(context),
        "runs": [
            {
                "run": run,
                "title": context.run_title(run),
                "held": _held(context, run),
                "here": run == context.run,
            }
            for run in sorted(context.shelf.every_run, key=lambda run: (run != context.run, run))
            if run in context.runs
        ],
        "same": _same(context),
    }


def _held(context: Context, run: str) -> str:
    """How many claims held in a run: of all of its own, so that the runs compare."""
    claims = list(context.shelf.records("claims", run=run))
    held = sum(found.record.outcome == "held" for found in claims)
    untestable = sum(found.record.outcome == "untestable" for found in claims)
    words = f"{held} of {len(claims)} claims held" if claims else ""
    return f"{words}, {untestable} could not be tested" if untestable else words


def _same(context: Context) -> str:
    """How many claims count in several runs though they are one result, and why; empty if none do."""
    count = sum(found.run == SHARED for found in context.shelf.records("claims"))
    if not count or len(context.shelf.every_run) < 2:
        return ""
    were = "was" if count == 1 else "were"
    return f"Of these claims, {count} {were} judged once for all runs: no model is used for them."


def _cite(citation: dict[str, Any]) -> str:
    """A line for a list of references: authors, title, version, date."""
    names = [
        str(
            author.get("name")
            or " ".join(str(author[key]) for key in ("given-names", "family-names") if key in author)
        )
        for author in citation.get("authors") or []
    ]
    version = f"Version {citation['version']}" if citation.get("version") else ""
    parts = [
        ", ".join(names),
        str(citation.get("title") or ""),
        version,
        str(citation.get("date-released") or ""),
    ]
    return ". ".join(part for part in parts if part)


def _results_of(root: Path, run: str) -> str:
    """The commit that last changed the results of a run, with its date; empty if they have changed since."""
    folders = [f"results/{place}" for place in (run, SHARED)]

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments, "--", *folders],
                cwd=root,
                capture_output=True,
                encoding="utf-8",
                timeout=20,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if not (root / ".git").exists() or git("status", "--porcelain") != "":
        return ""
    return git("log", "-1", "--format=%h of %cs") or ""


def _around(context: Context) -> dict[str, dict[str, dict[str, str]]]:
    pages = _articles(context)
    around: dict[str, dict[str, dict[str, str]]] = {}
    for number, page in enumerate(pages):
        beside = {"previous": pages[number - 1] if number else "", "next": [*pages, ""][number + 1]}
        around[page] = {
            side: {"title": context.page_title(other), "page": f"{other.rpartition('.')[0]}.html"}
            for side, other in beside.items()
            if other
        }
    return around


def _articles(context: Context) -> list[str]:
    """The articles that the site's bar names, in its order."""
    bar = (settings_of(context.project.root / "_quarto.yml").get("website") or {}).get("navbar") or {}
    named = [str(entry.get("href", "")) for entry in bar.get("left") or [] if isinstance(entry, dict)]
    return [
        page
        for page in named
        if page.startswith("paper/articles/") and (context.project.root / page).is_file()
    ]

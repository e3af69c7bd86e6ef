"""A render of one article runs the analyses that it cites, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mechscope.cli import cli
from mechscope.project import Project
from mechscope.publish.prerender import bring_up_to_date, cited_analyses
from tests.throwaway import add_site, every_analysis, make_project, script


def _records(name: str, needs: str = "") -> str:
    read = f"from mechscope.ledger import upstream\nupstream('{needs}')\n" if needs else ""
    body = f"from mechscope.ledger import Ledger\n{read}ledger = Ledger('{name}')\n"
    return script(body + "ledger.statistic('seed', seed, label='Seed')", needs=[needs] if needs else [])


ARTICLES = {
    "cites-below": "---\ntitle: Cites below\n---\n\n{{< stat below.seed >}}\n",
    "includes": "---\ntitle: Includes\n---\n\n{{< include _part.qmd >}}\n",
    "_part": "{{< stat lone.seed >}}\n",
    "cites-nothing": "---\ntitle: Cites nothing\n---\n\nWords.\n",
    "other-run": "---\ntitle: Other run\n---\n\n{{< stat two:lone.seed >}}\n",
    "for-two": "---\ntitle: For two\n---\n\n::: {.when-run is=two}\n{{< stat lone.seed >}}\n"
    "{{< stat two:below.seed >}}\n\n{{< include _part.qmd >}}\n:::\n",
    "not-for-two": "---\ntitle: Not for two\n---\n\nIt is [{{< stat lone.seed >}}]{.when-run is-not=two}.\n",
    "broken": "---\ntitle: Broken\n---\n\n{{< stat lone.sede >}} {{< stat nowhere.x >}}\n",
}
ANALYSES = {"above": _records("above"), "below": _records("below", "above"), "lone": _records("lone")}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {f"paper/articles/{name}.qmd": text for name, text in ARTICLES.items()}
    return make_project(tmp_path / "p", scripts=ANALYSES, files=files)


def _article(project: Project, name: str) -> Path:
    return project.paper / "articles" / f"{name}.qmd"


@pytest.mark.parametrize(
    ("articles", "run"),
    [
        (["cites-below"], ["one:above", "one:below"]),
        (["includes"], ["one:lone"]),
        (["cites-nothing"], []),
        (["other-run"], ["two:lone"]),
        (["for-two"], []),
        (["not-for-two"], ["one:lone"]),
        (["cites-below", "includes"], ["one:above", "one:below", "one:lone"]),
    ],
)
def test_only_what_an_article_cites_is_run_with_what_that_needs(
    project: Project, articles: list[str], run: list[str]
) -> None:
    ran = bring_up_to_date(project, "one", "run", articles=[_article(project, name) for name in articles])
    assert sorted(f"{outcome.run}:{outcome.analysis}" for outcome in ran) == run
    there = {f"{path.parts[-3]}:{path.parts[-2]}" for path in project.results.glob("*/*/ledger.json")}
    assert sorted(there) == run


def test_what_an_article_cites_is_listed_in_the_order_of_the_needs(project: Project) -> None:
    assert set(every_analysis(project)) == {"above", "below", "lone"}
    assert set(cited_analyses(project, "one", [_article(project, "cites-below")])) == {"above", "below"}


@pytest.fixture
def site(project: Project) -> Project:
    add_site(project)
    _article(project, "broken").unlink()
    return project


def _render(project: Project, *arguments: str) -> Result:
    root = str(project.root)
    return CliRunner().invoke(cli, ["--project", root, "render", "--engine", "pandoc", *arguments])


def test_the_command_says_what_it_ran_and_what_it_left(site: Project) -> None:
    done = _render(site, "includes")
    assert done.exit_code == 0, done.output
    assert "  lone: ran: never run\n" in done.stdout
    assert "  stale, and left so because nothing rendered here cites it: above, below\n" in done.stdout
    assert "  above:" not in done.stdout and "_site/one/paper/articles/includes.html" in done.stdout
    again = _render(site, "includes")
    assert "  lone: fresh\n" in again.stdout


def test_a_mistake_in_an_article_that_is_not_rendered_stops_no_other(site: Project) -> None:
    _article(site, "broken").write_text(ARTICLES["broken"])
    assert _render(site, "includes").exit_code == 0
    refused = _render(site, "broken")
    assert refused.exit_code == 1 and "nowhere" in refused.stderr and "lone.sede" in refused.stderr


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("includs", "did you mean 'includes'"),
        ("INCLUDES", "did you mean 'includes'"),
        ("paper/articles/includs.qmd", "did you mean 'paper/articles/includes.qmd'"),
        ("_part", "unknown article '_part'"),
        ("/etc/hostname", "unknown article '/etc/hostname'"),
    ],
)
def test_an_unknown_article_is_told_with_the_nearest_before_anything_runs(
    project: Project, name: str, says: str
) -> None:
    done = _render(project, name)
    assert done.exit_code == 1 and says in done.stderr
    assert not project.results.exists()

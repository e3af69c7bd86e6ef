"""What a render leaves as it was is named when the results are newer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.project import Project
from mechscope.publish.behind import behind, behind_words
from mechscope.publish.prerender import prepare
from mechscope.publish.render import render
from tests.publish.sample_project import (
    sample_findings,
    write_sample_ledger,
    write_sample_verification,
)

RUN, OTHER = "smollm2-135m", "gemma-3-270m"
PAGES = (
    "paper/index.html",
    "paper/articles/topic-geometry.html",
    "paper/paper.pdf",
    "paper/_generated/{run}/numbers.html",
    "paper/_generated/{run}/claims.html",
    "results/{run}/topic_geometry/notebook.html",
)
RENDERED, LATER = 2_000_000_000, 2_000_000_100


def _date(path: Path, when: int) -> None:
    os.utime(path, (when, when))


@pytest.fixture
def site(sample: Project) -> Project:
    """Two runs whose pages are newer than everything."""
    for run in (RUN, OTHER):
        prepare(sample, run, "skip")
        for name in PAGES:
            page = sample.site / run / name.format(run=run)
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text("<title>x</title>")
            _date(page, RENDERED)
    return sample


def test_a_site_newer_than_its_results_is_not_behind(site: Project) -> None:
    assert behind(site) == {}


def test_pages_that_show_a_newer_ledger_are_behind_in_every_run(site: Project) -> None:
    _date(site.results_dir(RUN, "topic_geometry") / "ledger.json", LATER)
    found = behind(site)
    assert found[RUN] == (
        f"paper/_generated/{RUN}/claims.html",
        "paper/articles/topic-geometry.html",
        "paper/paper.pdf",
    )  # not the home page, which shows nothing of it
    assert found[OTHER] == (f"paper/_generated/{OTHER}/claims.html",)


def test_a_generated_page_and_a_notebook_are_behind_when_their_sources_are_newer(site: Project) -> None:
    _date(site.generated(RUN) / "numbers.qmd", LATER)
    _date(site.results_dir(RUN, "topic_geometry") / "notebook.ipynb", LATER)
    assert behind(site) == {
        RUN: (f"paper/_generated/{RUN}/numbers.html", f"results/{RUN}/topic_geometry/notebook.html")
    }


def test_a_newer_verification_leaves_banners_behind(site: Project) -> None:
    write_sample_verification(site, RUN)
    _date(site.results / RUN / "verification.json", LATER)
    assert behind(site) == {RUN: ("paper/articles/topic-geometry.html", "paper/paper.pdf")}


def test_many_pages_are_counted_and_some_named() -> None:
    words = behind_words(RUN, [f"{name}.html" for name in "abcdef"])
    assert "6 pages of its site are older" in words and "d.html and 2 more; " in words
    assert words.endswith("mechscope render --run smollm2-135m")


def test_one_article_rendered_after_a_rerun_says_what_was_left(sample: Project) -> None:
    assert render(sample, [RUN], engine="pandoc", mode="skip").behind == {}
    write_sample_ledger(sample, RUN, sample_findings(centred_max=0.77))
    arguments = [
        "--project",
        str(sample.root),
        "render",
        "topic-geometry",
        "--engine",
        "pandoc",
        "--run",
        RUN,
    ]
    done = CliRunner().invoke(cli, arguments, env={"MECHSCOPE_PRERENDER": "skip"})
    assert done.exit_code == 0, done.output
    warning = next(line for line in done.output.splitlines() if line.startswith("warning: "))
    assert f"paper/_generated/{RUN}/" in warning and "topic-geometry.html" not in warning
    assert f"paper/_generated/{RUN}/numbers.html" in behind(sample)[RUN]
    assert render(sample, [RUN], engine="pandoc", mode="skip").behind == {}

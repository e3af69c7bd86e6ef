"""The head and the foot of pages: what others are told of them, what they came from, what is beside them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from mechscope.project import Project
from mechscope.publish.entrance import write_entrance
from mechscope.publish.prerender import prepare
from mechscope.publish.render import render

RUN = "smollm2-135m"

CITATION = """\
title: "A paper & more"
version: 1.2.0
license: MIT
repository-code: https://example.org/paper
authors: [{name: The authors}, {given-names: Ada, family-names: Lovelace}]
date-released: 2026-11-20
"""


def _site(project: Project) -> dict:
    prepare(project, RUN, "skip")
    return json.loads((project.generated(RUN) / "site.json").read_text())


def _article(project: Project, name: str = "articles/topic-geometry") -> str:
    render(project, [RUN], engine="pandoc", mode="skip")
    return (project.site / RUN / "paper" / f"{name}.html").read_text()


def test_a_page_says_how_to_cite_it_its_licence_and_where_its_source_is(sample: Project) -> None:
    (sample.root / "CITATION.cff").write_text(CITATION)
    foot = _article(sample).split('<footer class="ms-colophon">')[1].split("</footer>")[0]
    assert "The authors, Ada Lovelace. A paper &amp; more. Version 1.2.0. 2026-11-20" in foot
    assert "licence MIT" in foot and 'href="https://example.org/paper"' in foot
    assert "Run SmolLM2-135M" in foot


def test_a_project_without_a_citation_file_says_only_what_is_known(sample: Project) -> None:
    foot = _article(sample).split('<footer class="ms-colophon">')[1].split("</footer>")[0]
    assert "Run SmolLM2-135M" in foot
    assert "licence" not in foot and "Cite as" not in foot and "commit" not in foot


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_results_are_named_by_their_commit_unless_they_changed_since(sample: Project) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *words], cwd=sample.root, check=True, capture_output=True)

    git("init", "-q")
    git("add", "results")
    git("commit", "-qm", "results", "--date", "2026-11-20T12:00:00")
    said = _site(sample)["results"]
    assert re.fullmatch(r"[0-9a-f]{7,} of \d{4}-\d\d-\d\d", said)
    (sample.root / "other.txt").write_text("not a result")
    assert _site(sample)["results"] == said
    (sample.results_dir(RUN, "topic_geometry") / "new.txt").write_text("a result")
    assert _site(sample)["results"] == ""


def test_articles_lead_to_those_beside_them_in_the_order_of_the_bar(sample: Project) -> None:
    settings = sample.root / "_quarto.yml"
    entry = "        href: paper/articles/topic-geometry.qmd\n"
    text = settings.read_text()
    assert text.count(entry) == 1
    more = "      - text: Second\n        href: paper/articles/a-second.qmd\n"
    settings.write_text(text.replace(entry, entry + more))
    (sample.paper / "articles" / "a-second.qmd").write_text("---\ntitle: The second\n---\n\nText.\n")
    around = _site(sample)["around"]
    assert around["paper/articles/topic-geometry.qmd"] == {
        "next": {"title": "The second", "page": "paper/articles/a-second.html"}
    }
    assert list(around["paper/articles/a-second.qmd"]) == ["previous"]
    page = _article(sample)
    assert 'rel="next" href="../../paper/articles/a-second.html"' in page
    assert 'rel="prev"' in _article(sample, "articles/a-second")
    assert 'class="ms-beside"' not in _article(sample, "index")


def test_other_sites_are_told_a_page_s_title_and_description_once(sample: Project) -> None:
    path = sample.paper / "articles" / "topic-geometry.qmd"
    text = path.read_text()
    for line, expected in (
        ("subtitle: Yes & 1 < 2", "Yes &amp; 1 &lt; 2"),
        ("subtitle: Sub\ndescription: It says yes and no.", "It says yes and no."),
    ):
        path.write_text(text.replace("format:", f"{line}\nformat:", 1))
        head = _article(sample).split("</head>")[0]
        assert re.findall(r'<meta name="description" content="([^"]*)"', head) == [expected]
        assert re.findall(r'<meta property="og:description" content="([^"]*)"', head) == [expected]
        assert '<meta property="og:title" content="Does a small model represent controversy?">' in head


def test_the_run_in_the_bar_leads_to_the_list_of_runs(sample: Project) -> None:
    bar = _article(sample).split("<main")[0]
    target = re.search(r'href="([^"]*runs\.html)"[^>]*><span class="menu-text">Run: smollm2-135m<', bar)
    assert target is not None
    page = sample.site / RUN / "paper" / "articles"
    assert (page / target[1]).resolve() == (sample.site / "runs.html").resolve()
    assert "window.mechscopeRunTitles" in (sample.site / "runs.js").read_text()


def test_the_list_of_runs_leaves_the_site_s_name_out_of_titles(sample: Project) -> None:
    page = sample.site / RUN / "paper" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<title>mechscope</title>")
    article = page.parent / "articles" / "x.html"
    article.parent.mkdir()
    article.write_text("<title>Neurons – and mechscope – mechscope</title>")
    write_entrance(sample)
    assert ">Neurons – and mechscope</dt>" in (sample.site / "runs.html").read_text()


def test_the_list_of_runs_has_the_default_run_first_and_the_home_page_by_that_name(sample: Project) -> None:
    for run in (RUN, "gemma-3-270m", "another"):
        for name in ("index", "articles/x"):
            path = sample.site / run / "paper" / f"{name}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("<title>mechscope</title>")
    write_entrance(sample)
    page = (sample.site / "runs.html").read_text()
    order = [f"{RUN}/paper/index.html", "another/paper/index.html", "gemma-3-270m/paper/index.html"]
    assert re.findall(r'<li><a href="([^"]*)"', page) == order
    assert re.findall(r"<dt id=[^>]*>([^<]*)</dt>", page) == ["Home page", "mechscope"]

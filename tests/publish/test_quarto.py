"""Rendering with Quarto: what we do around it always, and the real program where it is found."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mechscope.errors import InvalidInput, RenderFailed, UnknownName
from mechscope.pipeline.outcome import Outcome
from mechscope.pipeline.profiles import profile_text
from mechscope.pipeline.runs import declare_run, load_runs
from mechscope.project import Project
from mechscope.publish.entrance import write_entrance
from mechscope.publish.offline import remove_foreign_scripts
from mechscope.publish.render import choose_engine, render
from tests.publish.sample_project import REPOSITORY, sample_findings, write_sample_ledger

RUN = "smollm2-135m"
QUARTO = shutil.which(os.environ.get("QUARTO") or "quarto")
needs_quarto = pytest.mark.skipif(QUARTO is None, reason="needs quarto on PATH, or named by $QUARTO")


def _pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Let a Python script stand in for Quarto."""
    program = tmp_path / "quarto"
    program.write_text(f"#!{sys.executable}\nimport os, sys\nfrom pathlib import Path\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("QUARTO", str(program))


WRITES = """
out = Path(sys.argv[sys.argv.index("--output-dir") + 1])
(out / "paper").mkdir(parents=True, exist_ok=True)
(out / "paper" / "index.html").write_text(os.environ["MECHSCOPE_PRERENDER"] + " " + " ".join(sys.argv[1:-4]))
"""


def test_a_site_is_replaced_only_when_its_render_succeeded(
    sample: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(tmp_path, monkeypatch, WRITES)
    render(sample, [RUN], mode="skip")
    before = (sample.site / RUN / "paper" / "index.html").read_text()
    _pretend(tmp_path, monkeypatch, WRITES + "print('ERROR: no such luck'); sys.exit(1)")
    with pytest.raises(RenderFailed, match="no such luck"):
        render(sample, [RUN], mode="skip")
    assert (sample.site / RUN / "paper" / "index.html").read_text() == before
    assert sorted(path.name for path in sample.site.iterdir()) == [
        ".nojekyll",
        "index.html",
        "runs.html",
        "runs.js",
        RUN,
    ]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        (
            "WARNING (/x/crossref/refs.lua:128) Unable to resolve crossref @fig-a",
            "Unable to resolve crossref @fig-a",
        ),
        (
            "\\x1b[33mWARN: Unable to resolve link target: paper/none.qmd\\x1b[39m",
            "link target: paper/none.qmd",
        ),
        ("[WARNING] Citeproc: citation smith2020 not found", "citation smith2020 not found"),
        ("[WARNING] Could not convert TeX math \\\\foo, rendering as TeX", "Could not convert TeX math"),
    ],
)
def test_what_quarto_only_warns_of_stops_the_render_and_names_the_document(
    sample: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, named: str
) -> None:
    _pretend(tmp_path, monkeypatch, WRITES + f'print("[ 2/12] paper/articles/x.qmd"); print("{said}")')
    with pytest.raises(RenderFailed) as caught:
        render(sample, [RUN], mode="skip")
    assert "paper/articles/x.qmd: " in str(caught.value) and named in str(caught.value)
    assert not (sample.site / RUN).exists()


def test_every_run_with_results_is_rendered_by_default(
    sample: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(tmp_path, monkeypatch, WRITES)
    rendered = render(sample, mode="skip")
    assert [run.run for run in rendered.runs] == ["gemma-3-270m", RUN]
    assert rendered.engine == "quarto"
    assert f"url={RUN}/paper/index.html" in (sample.site / "index.html").read_text()
    runs = (sample.site / "runs.html").read_text()
    assert "gemma-3-270m/paper/index.html" in runs and "Gemma 3 270M" in runs


def test_every_run_is_up_to_date_before_any_of_them_is_shown_beside_another(
    sample: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(tmp_path, monkeypatch, WRITES)

    def bring_up_to_date(project: Project, runs: list[str]) -> list[Outcome]:
        if runs == [RUN]:  # the second that is rendered
            write_sample_ledger(project, RUN, sample_findings(centred_max=0.77))
        return [Outcome(runs[0], "topic_geometry", "ran")]

    monkeypatch.setattr("mechscope.publish.prerender.attempt", bring_up_to_date)
    rendered = render(sample)
    assert [run.run for run in rendered.runs] == ["gemma-3-270m", RUN]
    assert "0\\.77" in (sample.generated("gemma-3-270m") / "compare.qmd").read_text()
    assert not any(run.warnings for run in rendered.runs)


def test_a_render_of_one_run_warns_of_what_is_stale_beside_it(
    sample: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(tmp_path, monkeypatch, WRITES)
    monkeypatch.setattr("mechscope.publish.prerender.attempt", lambda project, runs: [])
    rendered = render(sample, ["gemma-3-270m"])
    assert rendered.runs[0].warnings[0].startswith(f"{RUN}:topic_geometry is stale")


def test_one_article_leaves_the_rest_of_the_site(
    sample: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(tmp_path, monkeypatch, WRITES)
    render(sample, [RUN], mode="skip")
    other = sample.site / RUN / "paper" / "other.html"
    other.write_text("kept")
    render(sample, [RUN], articles=["topic-geometry"], mode="skip")
    assert other.read_text() == "kept"
    command = (sample.site / RUN / "paper" / "index.html").read_text()
    assert command.startswith("done render paper/articles/topic-geometry.qmd")
    (sample.site / RUN / "paper" / "articles").mkdir()
    (sample.site / RUN / "paper" / "articles" / "topic-geometry.html").write_text("")
    named = render(sample, [RUN], articles=["topic-geometry"], mode="skip").runs[0]
    assert [path.name for path in (*named.pages, *named.pdfs)] == ["topic-geometry.html"]


def test_an_unknown_article_run_or_engine_is_refused_with_the_nearest(
    sample: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pretend(tmp_path, monkeypatch, WRITES)
    for arguments, nearest in (
        ({"articles": ["topic-geomety"]}, "topic-geometry"),
        ({"runs": ["gemma-3-27m"]}, "gemma-3-270m"),
        ({"engine": "qarto"}, "quarto"),
    ):
        with pytest.raises(UnknownName) as caught:
            render(sample, **arguments, mode="skip")
        assert caught.value.nearest[0] == nearest


def test_the_built_in_engine_stands_in_where_quarto_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("QUARTO", raising=False)
    assert choose_engine() == ("pandoc", "")
    with pytest.raises(InvalidInput, match="not on PATH"):
        choose_engine("quarto")
    monkeypatch.setenv("QUARTO", "/nowhere/quarto")
    with pytest.raises(InvalidInput, match="QUARTO=/nowhere/quarto"):
        choose_engine()


def test_no_page_keeps_a_script_from_another_host(tmp_path: Path) -> None:
    page = tmp_path / "results" / "r" / "a" / "notebook.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        '<script src="https://cdn.jsdelivr.net/npm/requirejs@2.3.6/require.min.js" integrity="x"></script>\n'
        '<script src="https://cdn.jsdelivr.net/npm/jquery@3.5.1/dist/jquery.min.js" integrity="x"></script>\n'
        '<script type="application/javascript">'
        "define('jquery', [],function() {return window.jQuery;})</script>\n"
        '<script src="own.js"></script>'
    )
    assert remove_foreign_scripts(tmp_path) == 1
    assert page.read_text() == '<script src="own.js"></script>'


def test_the_first_page_leads_to_a_run_that_is_there(sample: Project) -> None:
    write_entrance(sample)
    assert not sample.site.exists()
    home = sample.site / "gemma-3-270m" / "paper" / "index.html"
    home.parent.mkdir(parents=True)
    home.write_text("")
    write_entrance(sample)
    assert "url=gemma-3-270m/paper/index.html" in (sample.site / "index.html").read_text()
    assert "url=paper/index.html" in (sample.site / "gemma-3-270m" / "index.html").read_text()


def test_committed_profiles_are_those_of_the_template(sample: Project) -> None:
    for name, run in load_runs(Project(REPOSITORY)).runs.items():
        assert (REPOSITORY / f"_quarto-{name}.yml").read_text() == profile_text(name, run.title)


def test_a_new_run_gets_the_same_profile(sample: Project) -> None:
    declare_run(sample, "mine", title="Mine", parameters={"model": "./mine"})
    assert (sample.root / "_quarto-mine.yml").read_text() == profile_text("mine", "Mine")
    assert "mine" in (sample.root / "_quarto.yml").read_text()


@needs_quarto
def test_quarto_renders_the_whole_site(sample: Project) -> None:
    rendered = render(sample, [RUN], engine="quarto", mode="skip")
    site = sample.site / RUN
    names = {path.relative_to(site).as_posix() for path in (*rendered.runs[0].pages, *rendered.runs[0].pdfs)}
    generated = f"paper/_generated/{RUN}"
    assert names >= {
        "paper/index.html",
        "paper/articles/topic-geometry.html",
        "paper/articles/topic-geometry.pdf",
        "paper/paper.pdf",
        f"{generated}/numbers.html",
        f"{generated}/claims.html",
        f"{generated}/notebooks.html",
        f"results/{RUN}/topic_geometry/notebook.html",
    }
    article = (site / "paper/articles/topic-geometry.html").read_text()
    assert 'class="quarto-xref">Figure&nbsp;1</a>' in article
    assert 'class="quarto-xref">Table&nbsp;1</a>' in article
    assert "Abstraction <strong>won</strong>" in article and "lost" not in article
    assert "<code>x = 0.42</code>" in article
    assert 'onerror="alert(1)"&gt;' in article
    assert (site / generated / "vega.js").is_file()
    assert (site / generated / "figures/topic_geometry.similarity.js").is_file()
    for path in rendered.runs[0].pages:
        assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css|woff2?)"', path.read_text()), path
    notebook = (site / f"results/{RUN}/topic_geometry/notebook.html").read_text()
    assert 'id="record-centred_max"' in notebook
    assert (site / "paper/paper.pdf").read_bytes().startswith(b"%PDF")


def _quarto(project: Project, *arguments: str, mode: str = "skip") -> subprocess.CompletedProcess[str]:
    """`quarto render`, as a person types it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QUARTO_")}
    return subprocess.run(
        [str(QUARTO), "render", *arguments],
        cwd=project.root,
        env={**clean, "MECHSCOPE_PRERENDER": mode, "QUARTO_PYTHON": sys.executable},
        capture_output=True,
        encoding="utf-8",
    )


@needs_quarto
def test_a_bare_render_that_fails_leaves_the_site_as_it_was(sample: Project) -> None:
    home = sample.site / RUN / "paper" / "index.html"
    home.parent.mkdir(parents=True)
    home.write_text("old")
    mistyped = _quarto(sample, "--profile", "gema-3-270m")
    assert "did you mean 'gemma-3-270m'" in mistyped.stderr
    article = sample.paper / "articles" / "topic-geometry.qmd"
    text = article.read_text()
    article.write_text(text + "\n{{< stat topic_geometry.centred_mx >}}\n")
    assert _quarto(sample).returncode != 0  # stopped by the hook
    assert _quarto(sample, mode="done").returncode != 0  # stopped by Quarto, in the middle
    assert [path.name for path in sample.site.rglob("*") if path.is_file()] == ["index.html"]
    assert home.read_text() == "old"
    article.write_text(text)
    done = _quarto(sample)
    assert done.returncode == 0, done.stderr
    assert f"_site/{RUN}/paper/index.html" in done.stdout + done.stderr
    assert "A paper" in home.read_text()
    assert (sample.site / RUN / "paper" / "paper.pdf").is_file()


@needs_quarto
def test_of_a_killed_render_nothing_reaches_the_site_with_the_next_page(sample: Project) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QUARTO_")}
    with subprocess.Popen(
        [str(QUARTO), "render"],
        cwd=sample.root,
        env={**clean, "MECHSCOPE_PRERENDER": "skip", "QUARTO_PYTHON": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    ) as killed:
        assert killed.stdout is not None
        assert any("[ 4/" in line or "[4/" in line for line in killed.stdout)
        os.killpg(killed.pid, signal.SIGKILL)
    assert (sample.root / "site_libs").is_dir()  # else this test could not fail
    article = "paper/articles/topic-geometry"
    done = _quarto(sample, f"{article}.qmd")
    assert done.returncode == 0, done.stderr
    site = sample.site / RUN
    pages = {
        path.relative_to(site).as_posix() for path in site.rglob("*") if path.suffix in (".html", ".pdf")
    }
    assert pages == {f"{article}.html", f"{article}.pdf"}
    assert (site / "site_libs" / "quarto-html").is_dir()
    assert (site / f"paper/_generated/{RUN}/figures/topic_geometry.similarity.js").is_file()
    left = [path for path in sample.paper.rglob("*") if path.suffix in (".html", ".pdf")]
    assert not left and not (sample.root / "site_libs").exists()
    assert '<script type="module">' in (site / f"{article}.html").read_text()  # not by address


@needs_quarto
def test_quarto_stops_at_a_wrong_key_even_when_nothing_was_checked_before(sample: Project) -> None:
    article = sample.paper / "articles" / "topic-geometry.qmd"
    article.write_text(article.read_text() + "\n{{< stat topic_geometry.centred_mx >}}\n")
    environment = {**os.environ, "MECHSCOPE_PRERENDER": "done", "QUARTO_PYTHON": sys.executable}
    done = subprocess.run(
        [str(QUARTO), "render", "paper/articles/topic-geometry.qmd", "--profile", RUN],
        cwd=sample.root,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode != 0
    assert "paper/articles/topic-geometry.qmd: unknown key 'topic_geometry.centred_mx'" in done.stderr


FOR_RUNS = """
---
title: One
abstract: "For all[, stays]{.when-run is=smollm2-135m}[, goes]{.when-run is-not=smollm2-135m}."
format:
  html: default
  typst: default
---

Here [it stays]{.when-run is="smollm2-135m gpt2-small"}[it goes, by
{{< stat topic_geometry.nowhere >}}]{.when-run is=gemma-3-270m}.

::: {.when-run is-not=gemma-3-270m}
It stays, by {{< stat topic_geometry.topics >}}.

{{< figure topic_geometry.similarity >}}
:::

## It goes {.when-run is=gemma-3-270m}

It goes.
"""


@pytest.mark.parametrize("engine", ["pandoc", pytest.param("quarto", marks=needs_quarto)])
def test_what_is_for_other_runs_is_in_neither_page_nor_pdf(sample: Project, engine: str) -> None:
    findings = sample_findings()
    more = {"nowhere": findings.statistics["topics"]}
    findings = findings.model_copy(update={"statistics": findings.statistics | more})
    write_sample_ledger(sample, "gemma-3-270m", findings)
    article = sample.paper / "articles" / "topic-geometry.qmd"
    article.write_text(FOR_RUNS.lstrip())
    render(sample, [RUN], engine=engine, mode="skip", articles=["topic-geometry"])
    folder = sample.site / RUN / "paper" / "articles"
    page = (folder / "topic-geometry.html").read_text()
    text = re.sub(r"<[^>]*>|\s+", " ", re.sub(r"<(head|script)[\s\S]*?</\1>", " ", page))
    assert "For all , stays ." in text or "For all, stays." in text
    assert "Here it stays ." in text or "Here it stays." in text
    assert "It stays, by" in text and "Figure" in text
    assert not re.search(r"\bgoes\b", text) and "when-run" not in page
    if shutil.which("pdftotext"):
        done = subprocess.run(
            ["pdftotext", str(folder / "topic-geometry.pdf"), "-"], capture_output=True, text=True
        )
        pdf = " ".join(done.stdout.split())
        assert "For all, stays." in pdf and "Here it stays." in pdf and "goes" not in pdf

"""A bare `quarto render`: what Quarto wrote reaches the site through the hook after it, or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mechscope.files import write_atomically
from mechscope.pipeline.profiles import profile_text
from mechscope.project import Project
from mechscope.publish.staging import clear_staging, put_in_place, staged_run, staging

RUN = "smollm2-135m"


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        write_atomically(folder / name, text)


def _files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()
    }


def _after(project: Project, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QUARTO_PROJECT")}
    return subprocess.run(
        [sys.executable, "paper/postrender.py"],
        cwd=project.root,
        env={**clean, **environment},
        capture_output=True,
        encoding="utf-8",
    )


def test_a_profile_lets_quarto_write_to_the_staging_folder(sample: Project) -> None:
    output = yaml.safe_load(profile_text("mine", "Mine"))["project"]["output-dir"]
    assert sample.root / output == staging(sample, "mine")
    assert staged_run(sample, sample.root / output) == "mine"
    assert staged_run(sample, sample.site / "mine") is None


def test_a_whole_render_replaces_the_site(sample: Project) -> None:
    _write(sample.site / RUN, {"paper/index.html": "old", "paper/gone.html": "old"})
    _write(staging(sample, RUN), {"paper/index.html": "new", "paper/paper.pdf": "pdf"})
    done = _after(sample, QUARTO_PROJECT_OUTPUT_DIR=f".mechscope/site/{RUN}", QUARTO_PROJECT_RENDER_ALL="1")
    assert done.returncode == 0, done.stderr
    assert f"_site/{RUN}/paper/index.html" in done.stdout
    found = _files(sample.site / RUN)
    assert found.pop("index.html")  # the entrance
    assert found == {"paper/index.html": "new", "paper/paper.pdf": "pdf"}
    assert f'"{RUN}"' in (sample.site / "runs.js").read_text()


def test_a_page_that_is_rendered_alone_leaves_the_others(sample: Project) -> None:
    _write(sample.site / RUN, {"paper/index.html": "old", "paper/articles/a.html": "old"})
    _write(staging(sample, RUN), {"paper/articles/a.html": "new"})
    done = _after(sample, QUARTO_PROJECT_OUTPUT_DIR=str(staging(sample, RUN)))
    assert done.returncode == 0, done.stderr
    found = _files(sample.site / RUN)
    assert (found["paper/index.html"], found["paper/articles/a.html"]) == ("old", "new")


def test_a_render_into_another_folder_is_not_put_in_place(sample: Project) -> None:
    _write(sample.site / RUN, {"paper/index.html": "old"})
    _write(staging(sample, RUN), {"paper/index.html": "of another render"})
    _after(sample, QUARTO_PROJECT_OUTPUT_DIR=f"_site/.{RUN}.new-x", QUARTO_PROJECT_RENDER_ALL="1")
    assert (sample.site / RUN / "paper" / "index.html").read_text() == "old"


def test_what_is_staged_is_forgotten_when_the_site_is_newer(sample: Project) -> None:
    _write(staging(sample, RUN), {"paper/articles/a.html": "older"})
    clear_staging(sample, RUN)
    _write(sample.site / RUN, {"paper/articles/a.html": "newer"})
    _write(staging(sample, RUN), {"paper/articles/b.html": "b"})
    put_in_place(sample, RUN, whole=False)
    assert _files(sample.site / RUN) == {"paper/articles/a.html": "newer", "paper/articles/b.html": "b"}


def test_pages_lose_foreign_scripts_before_they_reach_the_site(sample: Project) -> None:
    page = f"results/{RUN}/a/notebook.html"
    foreign = '<script src="https://cdn.jsdelivr.net/npm/requirejs@2.3.6/require.min.js"></script>'
    _write(staging(sample, RUN), {page: f"{foreign}<p>", "paper/index.html": ""})
    _after(sample, QUARTO_PROJECT_OUTPUT_DIR=f".mechscope/site/{RUN}", QUARTO_PROJECT_RENDER_ALL="1")
    assert (sample.site / RUN / page).read_text() == "<p>"


@pytest.mark.parametrize("run", [RUN, "gemma-3-270m"])
def test_no_committed_profile_renders_into_the_site_itself(run: str) -> None:
    text = (Path(__file__).resolve().parents[2] / f"_quarto-{run}.yml").read_text()
    assert not re.search(r"output-dir: _site", text)


UNFINISHED = {
    "paper/articles/b.html": "half",
    "paper/articles/b.pdf": "half",
    "paper/articles/b_files/figure.png": "half",
    f"paper/_generated/{RUN}/gone.html": "of a source that is gone",
}
RENDERED = {
    "paper/articles/a.html": "new",
    "paper/articles/a.pdf": "new",
    "paper/articles/a_files/figure.png": "new",
}
SHARED = {
    "site_libs/x/x.js": "library",
    f"paper/_generated/{RUN}/figures/f.js": "chart",
    "paper/assets/poster.pdf": "resource",
    "search.json": "[]",
}


@pytest.mark.parametrize("by_file", [False, True])
def test_of_what_a_killed_render_staged_nothing_reaches_the_site(sample: Project, by_file: bool) -> None:
    _write(
        sample.root, {"paper/articles/a.qmd": "", "paper/articles/b.qmd": "", "paper/assets/poster.pdf": "p"}
    )
    _write(staging(sample, RUN), {**UNFINISHED, **RENDERED, **SHARED})
    _write(sample.site / RUN, {"paper/index.html": "old", "paper/articles/b.html": "old"})
    lines = "\n".join(f".mechscope/site/{RUN}/{name}" for name in RENDERED if "_files" not in name)
    environment = {"QUARTO_PROJECT_OUTPUT_FILES": lines}
    if by_file:
        (sample.root / "listing").write_text(lines)
        environment = {"QUARTO_USE_FILE_FOR_PROJECT_OUTPUT_FILES": "listing"}
    done = _after(sample, QUARTO_PROJECT_OUTPUT_DIR=str(staging(sample, RUN)), **environment)
    assert done.returncode == 0, done.stderr
    found = _files(sample.site / RUN)
    assert found.pop("index.html")  # the entrance
    assert found == {"paper/index.html": "old", "paper/articles/b.html": "old", **RENDERED, **SHARED}

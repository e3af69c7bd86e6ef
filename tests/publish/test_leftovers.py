"""What a killed render leaves beside the sources is gone before the next one could publish it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mechscope.files import write_atomically
from mechscope.project import Project
from mechscope.publish.leftovers import clear_leftovers, mark_begun, mark_ended
from mechscope.publish.staging import staging
from tests.publish.sample_project import REPOSITORY

RUN = "smollm2-135m"
ARTICLE = "paper/articles/topic-geometry"
STRAYS = (
    f"{ARTICLE}.html",
    f"{ARTICLE}.pdf",
    f"{ARTICLE}.typ",
    f"{ARTICLE}.quarto_ipynb",
    f"{ARTICLE}_files/figure-html/x.png",
    "paper/index.html",
    "paper/paper.typ",
    f"results/{RUN}/topic_geometry/notebook.html",
    "site_libs/quarto-html/quarto.js",
)
KEPT = (
    f"{ARTICLE}.qmd",
    f"{ARTICLE}.bib",
    f"{ARTICLE}.md.html",
    "paper/articles/own.html",
    "paper/assets/paper.typ",
    f"results/{RUN}/topic_geometry/notebook.ipynb",
    f"results/{RUN}/topic_geometry/ledger.json",
)


def _dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def _killed(project: Project, process: int) -> None:
    """As a killed Quarto leaves it."""
    mark_begun(project, RUN, process)
    for name in (*STRAYS, *(name for name in KEPT if not (project.root / name).exists())):
        write_atomically(project.root / name, "half")
    write_atomically(staging(project, RUN) / "paper/articles/half.html", "half")


def _there(project: Project, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if (project.root / name).exists()]


def test_what_a_killed_render_left_is_cleared_and_nothing_else(sample: Project) -> None:
    _killed(sample, _dead())
    removed = clear_leftovers(sample, os.getpid())
    assert sample.root / "site_libs" in removed
    assert _there(sample, STRAYS) == []
    assert _there(sample, KEPT) == list(KEPT)
    assert (staging(sample, RUN) / "paper/articles/half.html").is_file()  # a preview may be serving it
    assert clear_leftovers(sample, os.getpid()) == []


def test_a_render_that_ended_or_never_began_leaves_everything(sample: Project) -> None:
    process = _dead()
    _killed(sample, process)
    mark_ended(sample, process)
    mark_ended(sample, process)
    assert clear_leftovers(sample, os.getpid()) == []
    assert _there(sample, STRAYS) == list(STRAYS)


def test_a_render_that_is_under_way_is_left_alone(sample: Project) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        time.sleep(0.1)
        _killed(sample, other.pid)
        mark_begun(sample, RUN, _dead())  # one that was killed meanwhile waits, too
        assert clear_leftovers(sample, os.getpid()) == []
        assert _there(sample, STRAYS) == list(STRAYS)
    finally:
        other.kill()
        other.wait()
    assert clear_leftovers(sample, os.getpid())


def test_the_number_of_a_killed_process_may_be_another_s_by_now(sample: Project) -> None:
    _killed(sample, os.getppid())
    mark = sample.scratch / "rendering" / f"{os.getppid()}.json"
    os.utime(mark, (1, 1))  # long before that process began
    assert clear_leftovers(sample, os.getpid())
    assert _there(sample, STRAYS) == []


def test_the_last_render_of_the_same_preview_that_failed_is_cleared(sample: Project) -> None:
    _killed(sample, os.getpid())
    assert clear_leftovers(sample, os.getpid())
    assert _there(sample, STRAYS) == []


def test_what_is_older_than_the_render_stays(sample: Project) -> None:
    write_atomically(sample.root / STRAYS[0], "mine")
    os.utime(sample.root / STRAYS[0], (1, 1))
    mark_begun(sample, RUN, _dead())
    assert clear_leftovers(sample, os.getpid()) == []
    assert (sample.root / STRAYS[0]).read_text() == "mine"


def test_what_git_tracks_stays(sample: Project) -> None:
    _killed(sample, _dead())
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(sample.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    tracked = (f"{ARTICLE}.pdf", f"{ARTICLE}_files/figure-html/x.png")
    subprocess.run([*git, "add", "-f", *tracked], check=True)
    clear_leftovers(sample, os.getpid())
    assert _there(sample, STRAYS) == list(tracked)


@pytest.mark.skipif(
    shutil.which("git") is None or not (REPOSITORY / ".git").exists(), reason="needs the repository"
)
def test_git_ignores_what_a_killed_render_leaves() -> None:
    command = ["git", "check-ignore", "--no-index", *STRAYS]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, encoding="utf-8")
    assert done.stdout.split() == list(STRAYS)
    assert Path(REPOSITORY, "paper/assets/paper.typ").is_file()
    shown = [
        "git",
        "check-ignore",
        "--no-index",
        "paper/assets/paper.typ",
        "paper/assets/x.pdf",
        "paper/x.qmd",
    ]
    assert subprocess.run(shown, cwd=REPOSITORY, capture_output=True).stdout == b""


def _hook(project: Project, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"paper/{script}.py"],
        cwd=project.root,
        env={**os.environ, "MECHSCOPE_PRERENDER": "done", **environment},
        capture_output=True,
        encoding="utf-8",
    )


def test_the_hooks_mark_a_render_from_its_beginning_to_its_end(sample: Project) -> None:
    marks = sample.scratch / "rendering"
    assert _hook(sample, "prerender", QUARTO_PROFILE="nope").returncode == 1
    assert not marks.exists()  # refused: nothing was rendered
    assert _hook(sample, "prerender").returncode == 0
    assert [path.stem for path in marks.iterdir()] == [str(os.getpid())]
    write_atomically(sample.root / STRAYS[0], "half")
    assert _hook(sample, "prerender").returncode == 0
    assert not (sample.root / STRAYS[0]).exists()
    assert _hook(sample, "postrender").returncode == 0
    assert list(marks.iterdir()) == []

"""A render says which page it is at: a line that changes in a terminal, a line for each page elsewhere."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from mechscope.errors import RenderFailed
from mechscope.project import Project
from mechscope.publish.render import render
from mechscope.publish.render_progress import Screen

RUN = "smollm2-135m"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _lines(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "30")
    with Screen() as screen:
        screen("rendering one")
        screen("[1/2] paper/index.qmd", passing=True)
        screen("[2/2] paper/articles/a-very-long-name.qmd", passing=True)
    return stream.getvalue()


def test_elsewhere_each_page_has_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _lines(monkeypatch, io.StringIO()).splitlines() == [
        "rendering one …",
        "[1/2] paper/index.qmd …",
        "[2/2] paper/articles/a-very-long-name.qmd …",
    ]


def test_in_a_terminal_a_page_takes_the_place_of_the_last_and_none_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = _lines(monkeypatch, _Terminal())
    assert shown.count("\n") == 1
    first, *pages = shown.split("\r\x1b[K")
    assert first == "rendering one …\n[1/2] paper/index.qmd …"
    assert pages == ["[2/2] paper/articles/a-very-…", ""]  # as wide as the terminal, then cleared


def _told(project: Project, **options: object) -> list[tuple[str, bool]]:
    told: list[tuple[str, bool]] = []

    def report(line: str, *, passing: bool = False) -> None:
        told.append((line, passing))

    render(project, [RUN], mode="skip", report=report, **options)  # type: ignore[arg-type]
    return told


def test_the_built_in_engine_tells_each_page(sample: Project) -> None:
    passing = [line for line, passing in _told(sample, engine="pandoc") if passing]
    assert len(passing) > 5
    assert {line.split("]")[0] for line in passing} == {
        f"[{n}/{len(passing)}" for n in range(1, len(passing) + 1)
    }
    assert any(line.endswith("] paper/articles/topic-geometry.html") for line in passing)


QUARTO = """
import sys, os
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--output-dir") + 1])
out.mkdir(parents=True, exist_ok=True)
print("\\x1b[1m\\x1b[34m[ 1/2] paper/index.qmd\\x1b[39m\\x1b[22m", flush=True)
print("pandoc [ 7/8] is no page", file=sys.stderr, flush=True)
print("[ 2/2] paper/paper.qmd", flush=True)
if "fail" in os.environ: sys.exit("ERROR: no such luck")
"""


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "quarto"
    program.write_text(f"#!{sys.executable}{QUARTO}")
    program.chmod(0o755)
    monkeypatch.setenv("QUARTO", str(program))


@pytest.mark.usefixtures("pretended")
def test_quarto_s_own_progress_is_passed_through(sample: Project) -> None:
    assert [line for line, passing in _told(sample) if passing] == [
        "[ 1/2] paper/index.qmd",
        "[ 2/2] paper/paper.qmd",
    ]
    one = [line for line, passing in _told(sample, articles=["topic-geometry"]) if passing]
    assert one[0] == "paper/articles/topic-geometry.qmd"


@pytest.mark.usefixtures("pretended")
def test_what_quarto_said_is_still_told_when_it_fails(
    sample: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("fail", "1")
    with pytest.raises(RenderFailed, match="no such luck"):
        _told(sample)

"""What a run shows on screen never mixes with what it prints."""

from __future__ import annotations

import pytest

from mechscope.pipeline.progress import Bars, Lines
from mechscope.pipeline.schedule import Outcome


@pytest.mark.parametrize("screen", [Lines(), Bars()])
def test_progress_goes_to_standard_error(screen: Lines | Bars, capsys: pytest.CaptureFixture[str]) -> None:
    with screen as told:
        told.say("waiting for process 12")
        told.started("one", "first", "never run")
        told.cell("one", "first", 2, 5)
        told.finished(Outcome("one", "first", "ran", seconds=1.5))
        told.finished(Outcome("one", "second", "fresh"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "waiting for process 12" in captured.err
    assert "second" not in captured.err


@pytest.mark.parametrize("kind", [Lines, Bars])
def test_why_an_analysis_runs_and_what_it_replaced_are_told_on_every_screen(
    kind: type[Lines] | type[Bars], capsys: pytest.CaptureFixture[str]
) -> None:
    done = Outcome("one", "first", "ran", replaced=("results/one/first/ledger.json",))
    with kind() as told:
        told.started("one", "first", "[the script]'s code changed")
        told.finished(done)
    said = capsys.readouterr().err
    assert "one:first runs: [the script]'s code changed" in said
    assert done.loss and f"warning: {done.loss}" in said


def test_without_a_terminal_there_is_a_line_for_each_start_and_finish(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Lines() as told:
        told.started("one", "first", "parameter seed 0 → 1")
        told.cell("one", "first", 2, 5)
        told.finished(Outcome("one", "first", "ran", seconds=1.5))
    assert capsys.readouterr().err.splitlines() == [
        "one:first runs: parameter seed 0 → 1",
        "one:first ran after 1.5 s",
    ]

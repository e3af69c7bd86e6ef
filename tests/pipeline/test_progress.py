"""What a run shows on screen never mixes with what it prints."""

from __future__ import annotations

import time

import pytest

from mechscope.pipeline.outcome import Outcome
from mechscope.pipeline.progress import Bars, Lines, passed


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


def test_without_a_terminal_a_long_run_says_every_so_often_where_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Lines(every=0.05) as told:
        told.started("one", "first", "never run")
        time.sleep(0.12)
        told.cell("one", "first", 2, 5)
        told.started("two", "second", "never run")
        time.sleep(0.12)
        told.finished(Outcome("one", "first", "ran", seconds=1.5))
        seen = capsys.readouterr().err
        time.sleep(0.12)
    later = capsys.readouterr().err
    assert "one:first is at its start after 0 s\n" in seen
    assert "one:first is at cell 2 of 5 after 0 s\n" in seen and "two:second is at its start" in seen
    assert "one:first" not in later and "two:second is at its start" in later
    time.sleep(0.12)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(8.9, "8 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (5000, "1 h 23 min")]
)
def test_the_time_that_has_passed_is_said_in_words(seconds: float, words: str) -> None:
    assert passed(seconds) == words

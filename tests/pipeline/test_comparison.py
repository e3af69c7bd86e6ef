"""Two runs side by side: differences as numbers are printed, intervals, and flipped claims first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mechscope.cli import cli
from mechscope.errors import UnknownName
from mechscope.pipeline.comparison import RunComparison, compare_runs
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.project import Project
from mechscope.publish.prerender import prepare
from tests.throwaway import copy_of, edit, make_project, script

SCORES = script(
    """
    from mechscope.ledger import Ledger

    ledger = Ledger("scores")
    ledger.statistic("score", shift + 0.5, label="Score", ci=(shift, shift + 1.0), format=".2f")
    ledger.statistic("wide", shift, label="Wide", ci=(shift - 5.0, shift + 5.0))
    ledger.statistic("count", int(shift * 1000), label="Count")
    ledger.statistic("same", 3, label="Same")
    ledger.statistic("word", "big" if shift > 1 else "small", label="Word")
    ledger.claim("always", "The score is more than nothing.", criterion="score > 0")
    ledger.claim("small", "The score is small.", criterion="score < 1")
    if shift > 1:
        ledger.statistic("extra", 1.0, label="Extra")
    """,
    title="Scores",
    parameters="shift = 0.5",
)
RUNS = {
    "default": "one",
    "runs": {
        "one": {"title": "Run one", "parameters": {"shift": 0.0}},
        "two": {"title": "Run two", "parameters": {"shift": 2.0}},
        "three": {"title": "Run three", "parameters": {"shift": 9.0}},
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = make_project(tmp_path_factory.mktemp("compare") / "p", scripts={"scores": SCORES}, runs=RUNS)
    outcomes = run_analyses(made, Order(runs=("one", "two")))
    assert all(outcome.what == "ran" for outcome in outcomes), outcomes
    return made


@pytest.fixture(scope="module")
def compared(project: Project) -> RunComparison:
    return compare_runs(project, "one", "two")


def mechscope(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--project", str(project.root), *arguments])


def test_claims_that_flipped_come_first(compared: RunComparison) -> None:
    assert [(pair.key, pair.flipped, pair.outcomes) for pair in compared.claims] == [
        ("scores.small", True, ("held", "failed")),
        ("scores.always", False, ("held", "held")),
    ]


def test_differences_read_as_the_numbers_do_with_their_sign(compared: RunComparison) -> None:
    differences = {pair.key.partition(".")[2]: pair.difference_text for pair in compared.statistics}
    assert differences == {
        "count": "+2,000",
        "extra": "differs",
        "same": "0",
        "score": "+2.00",
        "wide": "+2.00",
        "word": "differs",
    }
    back = {pair.key: pair.difference_text for pair in _back(compared)}
    assert back["scores.score"] == "−2.00"


def _back(compared: RunComparison) -> list[object]:
    from dataclasses import replace

    return [replace(pair, first=pair.second, second=pair.first) for pair in compared.statistics]


def test_intervals_overlap_or_lie_apart_and_without_two_there_is_nothing_to_say(
    compared: RunComparison,
) -> None:
    overlap = {pair.key.partition(".")[2]: pair.overlap for pair in compared.statistics}
    assert overlap == {
        "count": None,
        "extra": None,
        "same": None,
        "score": False,
        "wide": True,
        "word": None,
    }


def test_the_terminal_shows_both_runs_and_a_sum(project: Project) -> None:
    result = mechscope(project, "compare", "one", "two")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[1].split() == ["FLIPPED", "held", "failed", "scores.small"]
    row = next(line for line in lines if line.startswith("scores.score"))
    assert " ".join(row.split()) == "scores.score 0.50 [0.00, 1.00] 2.50 [2.00, 3.00] +2.00 apart"
    assert next(line for line in lines if line.startswith("scores.extra")).split()[1:3] == ["—", "1.00"]
    assert lines[-1] == "1 of 2 claims flipped; 1 of 2 pairs of intervals do not overlap"


def test_a_claim_that_was_written_after_a_look_says_so_wherever_runs_are_compared(
    project: Project, tmp_path: Path
) -> None:
    project = copy_of(project, tmp_path / "p")
    lock = project.claims_lock
    lines = [json.loads(line) for line in lock.read_text().splitlines()]
    seen = [line | {"results_existed": ["two"] if line["claim"] == "small" else []} for line in lines]
    lock.write_text("".join(json.dumps(line) + "\n" for line in seen))
    row = mechscope(project, "compare", "one", "two").output.splitlines()[1]
    assert " ".join(row.split()) == "FLIPPED held failed, exploratory scores.small"
    content = json.loads(mechscope(project, "compare", "one", "two", "--format", "json").stdout)
    assert [claim["exploratory"] for claim in content["claims"]] == [[False, True], [False, False]]
    prepare(project, "one", "skip")
    page = (project.generated("one") / "compare.qmd").read_text(encoding="utf-8")
    assert "[held]{.ms-outcome .ms-held} | [failed]{.ms-outcome .ms-failed}, exploratory |" in page


FIXED = script(
    """
    from mechscope.ledger import Ledger

    ledger = Ledger("fixed")
    ledger.statistic("coin", 0.5, label="Coin", ci=(0.4, 0.6))
    ledger.claim("fair", "The coin is fair.", criterion="coin.low < 0.5 < coin.high")
    """,
    title="A coin",
    parameters="throws = 100",
)


def test_what_does_not_use_the_runs_model_is_one_result_and_counted_once(
    project: Project, tmp_path: Path
) -> None:
    project = copy_of(project, tmp_path / "p")
    (project.analyses / "fixed.py").write_text(FIXED)
    run_analyses(project, Order(runs=("one", "two")))
    lines = mechscope(project, "compare", "one", "two").output.splitlines()
    assert lines[3].split() == ["same", "held", "held", "fixed.fair"]
    assert next(line for line in lines if line.startswith("fixed.coin")).endswith(" same")
    assert lines[-2:] == [
        "1 of 2 claims flipped; 1 of 2 pairs of intervals do not overlap",
        "not counted: fixed (1 claim, 1 number) is found once for all runs: it does not use their models",
    ]
    content = json.loads(mechscope(project, "compare", "one", "two", "--format", "json").stdout)
    same = {one["key"]: one["shared"] for one in (*content["claims"], *content["statistics"])}
    assert {key for key, value in same.items() if value} == {"fixed.fair", "fixed.coin"}
    # With a parameter of its own in one of the runs it is two results.
    edit(project.runs_file, "      shift: 2.0\n", "      shift: 2.0\n      throws: 50\n")
    run_analyses(project, Order(runs=("two",)))
    lines = mechscope(project, "compare", "one", "two").output.splitlines()
    assert lines[-1] == "1 of 3 claims flipped; 1 of 3 pairs of intervals do not overlap"


def test_json_holds_the_same_as_values(project: Project) -> None:
    content = json.loads(mechscope(project, "compare", "one", "two", "scores", "--format", "json").stdout)
    assert content["runs"] == ["one", "two"]
    assert content["claims"][0]["outcomes"] == ["held", "failed"]
    assert content["claims"][0]["evidence"] == [{"score": 0.5}, {"score": 2.5}]
    score = next(one for one in content["statistics"] if one["key"] == "scores.score")
    assert (score["difference"], score["intervals"], score["intervals_overlap"]) == (
        2.0,
        [[0.0, 1.0], [2.0, 3.0]],
        False,
    )


def test_a_run_without_results_or_a_mistyped_analysis_is_refused(project: Project) -> None:
    with pytest.raises(UnknownName, match="'three'"):
        compare_runs(project, "one", "three")
    with pytest.raises(UnknownName, match="did you mean 'scores'"):
        compare_runs(project, "one", "two", ["scorez"])


def test_a_page_sets_the_rendered_run_beside_every_other_one(project: Project) -> None:
    prepare(project, "one", "skip")
    page = (project.generated("one") / "compare.qmd").read_text(encoding="utf-8")
    assert "## Run two {#run-two}" in page
    assert "1 of 2 claims came out differently; 1 of 2 pairs of intervals do not overlap" in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows[2].startswith(r"| **Flipped:** [The score is small\.](<claims.qmd#scores.small>)")
    score = next(row for row in rows if "`scores.score`" in row)
    assert r"(<numbers.qmd#scores.score>)" in score
    assert r"| \+2\.00 | **apart** |" in score


def test_the_page_of_the_only_run_says_that_it_is_alone(tmp_path: Path) -> None:
    alone = make_project(tmp_path / "p", scripts={"scores": SCORES}, runs=RUNS)
    run_analyses(alone, Order())
    prepare(alone, "one", "skip")
    assert "No other run has results yet." in (alone.generated("one") / "compare.qmd").read_text()

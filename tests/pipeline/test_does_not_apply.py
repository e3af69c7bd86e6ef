"""An analysis, or a part of it, that does not apply to a model: a state of its own, with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mechscope.cli.group import cli
from mechscope.ledger.store import read_ledger
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.project import Project
from mechscope.review.verify import verify
from tests.throwaway import edit, make_project, script

WHOLE = """
from mechscope.ledger import Ledger
ledger = Ledger("heads")
ledger.statistic("n_layers", layers, label="Layers")
if layers < 2:
    ledger.does_not_apply(f"a head that reads another one needs two layers, and this model has {layers}.")
# %%
ledger.statistic("score", 0.5, label="Score")
ledger.statistic("chance", 0.1, label="Chance")
ledger.claim("copies", "A head copies.", criterion="score > 0.4 and chance < 0.2")
ledger.claim("deep", "The model has layers enough.", criterion="n_layers > 1")
"""
PART = """
from mechscope.ledger import Ledger
ledger = Ledger("heads")
ledger.statistic("n_layers", layers, label="Layers")
if layers < 2:
    ledger.does_not_apply("it has one layer only", "score", "curve")
else:
    ledger.statistic("score", 0.5, label="Score")
ledger.claim("copies", "A head copies.", criterion="score > 0.4")
"""
NEEDS = """
from mechscope.ledger import Ledger, upstream
ledger = Ledger("after")
ledger.statistic("twice", 2 * upstream("heads").statistics["score"].value, label="Twice")
ledger.claim("large", "It is large.", criterion="twice > 0.5")
"""
RUNS = {
    "default": "shallow",
    "runs": {
        "shallow": {"title": "Shallow", "parameters": {"layers": 1}},
        "deep": {"title": "Deep", "parameters": {"layers": 2}},
    },
}


def project_with(root: Path, body: str) -> Project:
    scripts = {"heads": script(body, parameters="layers = 3")}
    return make_project(root, scripts=scripts, runs=RUNS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = project_with(tmp_path_factory.mktemp("whole") / "project", WHOLE)
    (project.analyses / "after.py").write_text(script(NEEDS, parameters="layers = 3", needs=["heads"]))
    outcomes = run_analyses(
        project,
        Order(
            runs=(
                "shallow",
                "deep",
            )
        ),
    )
    assert all(outcome.succeeded for outcome in outcomes), outcomes
    return project


def test_an_analysis_that_does_not_apply_is_a_result_with_a_reason_and_no_failure(whole: Project) -> None:
    findings = read_ledger(whole.results_dir("shallow", "heads")).findings
    assert findings.does_not_apply.endswith("two layers, and this model has 1")
    assert findings.statistics["n_layers"].value == 1  # what was recorded before it ended stays
    assert not read_ledger(whole.results_dir("deep", "heads")).findings.does_not_apply


def test_its_claims_are_untestable_unless_what_they_need_was_recorded(whole: Project) -> None:
    claims = read_ledger(whole.results_dir("shallow", "heads")).findings.claims
    assert {name: claim.outcome for name, claim in claims.items()} == {
        "copies": "untestable",
        "deep": "failed",
    }
    assert claims["copies"].evidence == {"score": None, "chance": None}


def test_what_needs_it_does_not_apply_either(whole: Project) -> None:
    findings = read_ledger(whole.results_dir("shallow", "after")).findings
    assert findings.does_not_apply.startswith("it needs heads, which does not apply: a head that")
    assert findings.claims["large"].outcome == "untestable"


def test_run_status_and_a_second_run_say_that_it_does_not_apply(whole: Project) -> None:
    for command in (["run", "--run", "shallow"], ["status", "--run", "shallow"]):
        done = CliRunner().invoke(cli, ["--project", str(whole.root), *command])
        assert done.exit_code == 0, done.output
        assert "does not apply" in done.output
        assert "two layers, and this model has 1" in done.output
        assert "stale" not in done.output


def test_a_rerun_reproduces_that_it_does_not_apply(whole: Project) -> None:
    verdicts = verify(whole, ["heads"], runs=["shallow"])
    assert [one.reproduced for one in verdicts] == [True]


def test_the_committed_notebook_shows_the_reason_and_nothing_after_it(whole: Project) -> None:
    text = (whole.results_dir("shallow", "heads") / "notebook.ipynb").read_text()
    assert "does not apply: a head that reads" in text
    assert "Traceback" not in text and "ename" not in text


def test_a_reason_edited_by_hand_is_caught(whole: Project, tmp_path: Path) -> None:
    from tests.throwaway import copy_of

    copy = copy_of(whole, tmp_path / "copy")
    edit(copy.results_dir("shallow", "heads") / "ledger.json", "this model has 1", "this model has 9")
    done = CliRunner().invoke(cli, ["--project", str(copy.root), "status", "--run", "shallow"])
    assert "was edited by hand" in done.output


def test_parts_that_do_not_apply_make_claims_untestable_and_leave_the_rest(tmp_path: Path) -> None:
    project = project_with(tmp_path / "project", PART)
    assert all(
        outcome.succeeded
        for outcome in run_analyses(
            project,
            Order(
                runs=(
                    "shallow",
                    "deep",
                )
            ),
        )
    )
    shallow, deep = (read_ledger(project.results_dir(name, "heads")).findings for name in ("shallow", "deep"))
    assert shallow.claims["copies"].outcome == "untestable"
    assert deep.claims["copies"].outcome == "held"
    assert shallow.why_missing("score") == shallow.why_missing("curve") == "it has one layer only"
    assert not shallow.why_missing("n_layers") and not deep.absent


def test_a_ledger_to_which_all_applies_says_nothing_of_it(tmp_path: Path) -> None:
    project = project_with(tmp_path / "project", PART)
    run_analyses(project, Order(runs=("deep",)))
    assert '"absent"' not in (project.results_dir("deep", "heads") / "ledger.json").read_text()


def test_an_absent_record_needs_a_reason_and_a_name_of_its_own(tmp_path: Path) -> None:
    from mechscope.errors import InvalidRecord
    from mechscope.ledger import Ledger

    ledger = Ledger("heads")
    ledger.statistic("score", 0.5, label="Score")
    with pytest.raises(InvalidRecord, match="no reason"):
        ledger.does_not_apply(" ", "curve")
    with pytest.raises(InvalidRecord, match="recorded twice"):
        ledger.does_not_apply("one layer only", "score")

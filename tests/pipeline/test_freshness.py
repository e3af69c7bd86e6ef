"""An analysis is fresh when its ledger's inputs equal the present ones; otherwise it says what changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mechscope.errors import InvalidInput, LedgerDamaged
from mechscope.ledger import read_ledger
from mechscope.ledger.schema import Inputs, ModelInput
from mechscope.ledger.store import ledger_text, load_ledger
from mechscope.pipeline.accept import accept
from mechscope.pipeline.fingerprint import data_files, why_stale
from mechscope.pipeline.freshness import NEVER_RUN, states_of
from mechscope.pipeline.runs import load_places
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.project import Project
from tests.throwaway import edit, every_analysis, make_project, script


def reasons(project: Project, run: str = "one") -> dict[str, list[str]]:
    """Why each stale analysis is stale."""
    states = states_of(project, load_places(project), [run])
    return {state.analysis: list(state.reasons) for state in states if not state.fresh}


UPSTREAM = ["needs source, which is stale"]


def test_what_was_just_run_is_fresh(project: Project) -> None:
    assert reasons(project) == {}


def test_another_run_was_never_run(project: Project) -> None:
    assert reasons(project, "two") == {name: [NEVER_RUN] for name in ("source", "derived", "apart")}


def test_a_parameter_that_changed_is_named_with_its_values(project: Project) -> None:
    edit(project.runs_file, "one, parameters: {seed: 0}", "one, parameters: {seed: 1}")
    assert reasons(project) == {
        "source": ["parameter seed 0 → 1"],
        "apart": ["parameter seed 0 → 1"],
        "derived": UPSTREAM,
    }


def test_a_default_that_the_run_overrides_does_not_count(project: Project) -> None:
    edit(project.analyses / "source.py", "seed = 100", "seed = 9")
    assert reasons(project) == {}


def test_code_that_changed_makes_its_analysis_stale_and_what_needs_it(project: Project) -> None:
    edit(project.analyses / "source.py", "+ seed", "- seed")
    assert reasons(project) == {"source": ["the script's code changed"], "derived": UPSTREAM}


def test_a_comment_makes_nothing_stale(project: Project) -> None:
    edit(project.analyses / "source.py", "# The numbers, added up.", "# The numbers, summed.")
    edit(project.analyses / "_shared.py", '"""Twice x."""', '"""Two times x."""  # really')
    assert reasons(project) == {}


def test_a_module_that_a_script_imports_counts(project: Project) -> None:
    edit(project.analyses / "_shared.py", "2 * x", "x * 2")
    assert reasons(project) == {"source": ["analyses/_shared.py: doubled changed"], "derived": UPSTREAM}


def test_a_data_file_that_changed_is_named(project: Project) -> None:
    edit(project.analyses / "data/numbers.csv", "2", "3")
    assert reasons(project) == {"source": ["analyses/data/numbers.csv changed"], "derived": UPSTREAM}


def test_a_data_file_that_is_missing_is_named(project: Project) -> None:
    (project.analyses / "data/numbers.csv").unlink()
    found = reasons(project)
    assert set(found) == {"source", "derived"}
    assert "cannot run: analyses/source.py declares the data file 'data/numbers.csv'" in found["source"][0]


def test_a_ledger_edited_by_hand_is_caught(project: Project) -> None:
    edit(project.results_dir("one", "apart") / "ledger.json", '"failed"', '"held"')
    (reason,) = reasons(project)["apart"]
    assert reason.startswith("results/one/apart/ledger.json was edited by hand")


def test_an_upstream_ledger_with_another_result_makes_what_needs_it_stale(project: Project) -> None:
    path = project.results_dir("one", "source") / "ledger.json"
    content = json.loads(path.read_text())
    path.write_text(path.read_text().replace(content["sha256"], "0" * 64))
    assert reasons(project)["derived"] == ["source found something else"]


@pytest.mark.parametrize("file", ["bars.svg", "bars.vl.json"])
def test_a_figure_edited_or_missing_is_named(project: Project, file: str) -> None:
    path = project.results_dir("one", "apart") / "figures" / file
    path.write_text(path.read_text() + " ")
    assert reasons(project) == {"apart": [f"results/one/apart/figures/{file} was edited by hand"]}
    path.unlink()
    assert reasons(project) == {"apart": [f"results/one/apart/figures/{file} is missing"]}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (">0</strong>", ">1</strong>", "shows it otherwise, or not in cell-"),
        ("ledger.statistic(", "ledger.statistic(  1 or ", "shows other code"),
        ('"cells"', '"sells"', "is not a notebook"),
    ],
)
def test_a_notebook_edited_by_hand_is_named(project: Project, old: str, new: str, says: str) -> None:
    edit(project.results_dir("one", "apart") / "notebook.ipynb", old, new)
    (reason,) = reasons(project)["apart"]
    assert reason.startswith("results/one/apart/notebook.ipynb was edited by hand: ")
    assert says in reason


def test_a_ledger_that_is_no_ledger_is_stale_and_not_a_crash(project: Project) -> None:
    (project.results_dir("one", "apart") / "ledger.json").write_text('{"half": ')
    (reason,) = reasons(project)["apart"]
    assert "results/one/apart/ledger.json is not JSON" in reason


def test_each_kind_of_change_of_a_model_is_told_apart() -> None:
    def inputs(name: str, sha256: str, **parameters: object) -> Inputs:
        return Inputs(
            parameters={"model": name, **parameters},
            script="",
            code={},
            data={},
            models={"model": ModelInput(name=name, sha256=sha256)},
            saes={},
            needs={},
        )

    assert why_stale(inputs("a", "1"), inputs("a", "1")) == []
    assert why_stale(inputs("a", "1"), inputs("a", "2")) == ["model a has other weights"]
    assert why_stale(inputs("a", "1"), inputs("b", "2")) == ["parameter model a → b"]
    assert why_stale(inputs("a", "1", n=1), inputs("a", "1", n=1.0)) == ["parameter n 1 → 1.0"]
    assert why_stale(inputs("a", "1"), inputs("a", "1", k=True)) == ["parameter k none → true"]


def test_a_model_that_is_declared_no_longer_is_missed_in_the_header() -> None:
    def inputs(models: dict[str, ModelInput]) -> Inputs:
        common = {
            "parameters": {"model": "a"},
            "script": "s",
            "code": {},
            "data": {},
            "saes": {},
            "needs": {},
        }
        return Inputs(models=models, **common)

    declared, undeclared = inputs({"model": ModelInput(name="a", sha256="1")}), inputs({})
    assert why_stale(declared, undeclared) == ["the script's header no longer lists 'model' under models"]
    assert why_stale(undeclared, declared) == ["the script's header now lists 'model' under models"]


def test_an_accepted_change_is_fresh_and_keeps_its_reason(project: Project) -> None:
    edit(project.analyses / "_shared.py", "2 * x", "x * 2")
    before = read_ledger(project.results_dir("one", "source"))
    assert accept(project, "source", "one", "multiplication commutes") == (
        "analyses/_shared.py: doubled changed",
    )
    assert reasons(project) == {}
    after = read_ledger(project.results_dir("one", "source"))
    assert (after.findings, after.sha256) == (before.findings, before.sha256)
    assert [(one.changed, one.because) for one in after.accepted] == [
        (("analyses/_shared.py: doubled changed",), "multiplication commutes")
    ]


def test_after_accepted_code_the_notebook_keeps_what_was_executed_and_is_still_watched(
    project: Project,
) -> None:
    notebook = project.results_dir("one", "source") / "notebook.ipynb"
    executed = notebook.read_bytes()
    for old, new in (("doubled(sum(numbers)) + seed", "seed + doubled(sum(numbers))"), ('"on', '"now on')):
        edit(project.analyses / "source.py", old, new)
        accept(project, "source", "one", "addition commutes, and nothing reads stderr")
    assert [outcome.what for outcome in run_analyses(project, Order())] == ["fresh"] * 3
    assert notebook.read_bytes() == executed
    edit(notebook, "sum(numbers)", "max(numbers)")
    (reason,) = reasons(project)["source"]
    assert "shows other code than the ledger was found with" in reason


def test_a_parameter_decides_the_result_and_cannot_be_accepted(project: Project) -> None:
    edit(project.runs_file, "one, parameters: {seed: 0}", "one, parameters: {seed: 1}")
    with pytest.raises(InvalidInput, match="has other parameters now"):
        accept(project, "source", "one", "it hardly matters")
    assert "source" in reasons(project)


@pytest.mark.parametrize("lock", ["left", "rewritten"])
def test_a_claim_that_is_judged_otherwise_now_cannot_be_accepted(project: Project, lock: str) -> None:
    (path,) = (file for file in project.analyses.glob("*.py") if '"seeded"' in file.read_text())
    edit(path, 'criterion="seed > 0"', 'criterion="seed >= 0"')
    if lock == "rewritten":
        edit(project.claims_lock, '"seed > 0"', '"seed >= 0"')
    with pytest.raises(InvalidInput, match="now judges seeded by a criterion that"):
        accept(project, path.stem, "one", "much the same")


def test_a_new_claim_cannot_be_accepted(project: Project) -> None:
    (path,) = (file for file in project.analyses.glob("*.py") if '"seeded"' in file.read_text())
    path.write_text(path.read_text() + 'ledger.claim("late", "It is so.", criterion="seed < 9")\n')
    with pytest.raises(InvalidInput, match="now judges late by a criterion that"):
        accept(project, path.stem, "one", "only one more")


def test_what_another_run_found_is_stale_here_though_all_inputs_are_the_same(project: Project) -> None:
    folder = project.results_dir("one", "apart")
    other = load_ledger(folder).model_copy(update={"run": "two"})
    (folder / "ledger.json").write_text(ledger_text(other))
    assert reasons(project)["apart"] == ["results/one/apart holds what apart found in two"]


def test_what_is_fresh_or_damaged_or_was_never_run_cannot_be_accepted(project: Project) -> None:
    with pytest.raises(InvalidInput, match="nothing to accept"):
        accept(project, "source", "one", "why not")
    with pytest.raises(InvalidInput, match="never run"):
        accept(project, "source", "two", "why not")
    edit(project.results_dir("one", "apart") / "ledger.json", '"failed"', '"held"')
    with pytest.raises(LedgerDamaged, match="edited by hand") as raised:
        accept(project, "apart", "one", "why not")
    assert "mechscope run apart --run one" in str(raised.value)


def test_declared_data_may_be_patterns_and_lie_elsewhere_in_the_project_but_not_outside(
    tmp_path: Path,
) -> None:
    def declared(*data: str) -> list[str]:
        edit_header = script("1", data=data)
        (project.analyses / "one.py").write_text(edit_header)
        return [project.relative(path) for path in data_files(project, every_analysis(project)["one"])]

    files = {"analyses/data/b.csv": "1", "analyses/data/a.csv": "1", "paper/notes.txt": "1"}
    project = make_project(tmp_path / "p", scripts={"one": script("1")}, files=files)
    (tmp_path / "outside.csv").write_text("1")
    assert declared("data/*.csv", "data/a.csv") == ["analyses/data/a.csv", "analyses/data/b.csv"]
    assert declared("../paper/notes.txt") == ["paper/notes.txt"]
    for outside in ("../../outside.csv", str(tmp_path / "outside.csv"), "data/none*.csv"):
        with pytest.raises(InvalidInput, match="declares the data file"):
            declared(outside)

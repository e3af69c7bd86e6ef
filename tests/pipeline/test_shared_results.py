"""An analysis that depends on nothing of a run is computed, kept, verified and shown once for all runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.errors import InvalidInput, MechscopeError
from mechscope.ledger.claims import is_exploratory, read_claims
from mechscope.ledger.store import read_ledger
from mechscope.pipeline.accept import accept
from mechscope.pipeline.comparison import compare_runs
from mechscope.pipeline.runs import declare_run, load_places, load_runs
from mechscope.pipeline.schedule import Order, every_run, run_analyses
from mechscope.pipeline.shelf import Shelf, runs_with_results
from mechscope.project import SHARED, Project
from mechscope.review.claims_history import check_lock
from mechscope.review.verify import quick, verify
from tests.throwaway import commit, copy_of, edit, make_project, script

TOY = script(
    """
    import altair as alt
    import pandas as pd

    from mechscope.ledger import Ledger

    ledger = Ledger("toy")
    ledger.statistic("size", seed + 1, label="Size")
    chart = alt.Chart(pd.DataFrame({"x": [1, 2], "y": [1, seed]})).mark_line().encode(x="x:Q", y="y:Q")
    ledger.figure("line", chart, caption="A line.", alt="A line")
    ledger.claim("small", "The size is small.", criterion="size < 5")
    """,
    title="A toy",
    parameters="seed = 0",
)
DOUBLED = script(
    """
    from mechscope.ledger import Ledger, upstream

    ledger = Ledger("doubled")
    ledger.statistic("size", 2 * upstream("toy").statistics["size"].value, label="Size, doubled")
    """,
    title="Doubled",
    parameters="seed = 0",
    needs=["toy"],
)
READS = script(
    """
    from mechscope.ledger import Ledger, upstream

    ledger = Ledger("reads")
    ledger.statistic("size", upstream("toy").statistics["size"].value, label="Size of the toy")
    ledger.statistic("name", model, label="Model")
    """,
    title="It reads a model",
    parameters='model = "smollm2-135m"',
    models=["model"],
    needs=["toy"],
)
BOTH = script(
    """
    from mechscope.ledger import Ledger, upstream

    ledger = Ledger("both")
    names = [upstream("reads", run=run).statistics["name"].value for run in ("one", "two")]
    ledger.statistic("names", " ".join(names), label="Models")
    """,
    title="It puts two runs side by side",
    parameters="seed = 0",
    needs=["one:reads", "two:reads"],
)
RUNS = {
    "default": "one",
    "runs": {
        "one": {"title": "Run one", "parameters": {"model": "smollm2-135m"}},
        "two": {"title": "Run two", "parameters": {"model": "gemma-3-270m", "seed": 0}},
        "seeded": {
            "title": "Run seeded",
            "parameters": {"model": "smollm2-135m"},
            "analyses": {"toy": {"seed": 7}},
        },
    },
}


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    scripts = {"toy": TOY, "doubled": DOUBLED, "reads": READS, "both": BOTH}
    project = make_project(tmp_path_factory.mktemp("shared") / "p", scripts=scripts, runs=RUNS)
    outcomes = run_analyses(project, Order(runs=tuple(every_run(project))))
    assert {(one.run, one.analysis): one.what for one in outcomes} == {
        (SHARED, "toy"): "ran",
        (SHARED, "doubled"): "ran",
        (SHARED, "both"): "ran",
        ("one", "reads"): "ran",
        ("two", "reads"): "ran",
        ("seeded", "toy"): "ran",
        ("seeded", "doubled"): "ran",
        ("seeded", "reads"): "ran",
    }, outcomes
    return project


@pytest.fixture
def project(executed: Project, tmp_path: Path) -> Project:
    return copy_of(executed, tmp_path / "p")


def mechscope(project: Project, *arguments: str) -> str:
    result = CliRunner().invoke(cli, ["--project", str(project.root), *arguments])
    assert result.exit_code in (0, 1), (result.output, result.exception)
    return result.output


def value(project: Project, run: str, key: str) -> object:
    return Shelf(project, run).find(key).record.value


def test_what_depends_on_nothing_of_a_run_lies_once_under_a_name_of_its_own(executed: Project) -> None:
    ledgers = {
        path.parent.relative_to(executed.results).as_posix() for path in executed.results.rglob("ledger.json")
    }
    assert ledgers == {
        "shared/toy", "shared/doubled", "shared/both", "one/reads", "two/reads",
        "seeded/toy", "seeded/doubled", "seeded/reads",
    }  # fmt: skip
    assert read_ledger(executed.results_dir(SHARED, "toy")).run == SHARED
    assert runs_with_results(executed) == ["one", "seeded", "two"]


def test_a_need_leads_to_the_results_that_the_run_has(executed: Project) -> None:
    assert [value(executed, run, "reads.size") for run in ("one", "two", "seeded")] == [1, 1, 8]
    assert [value(executed, run, "doubled.size") for run in ("one", "two", "seeded")] == [2, 2, 16]
    assert value(executed, "two", "both.names") == "smollm2-135m gemma-3-270m"


def test_a_run_declared_afterwards_finds_it_fresh(project: Project) -> None:
    declare_run(project, "late", title="Late", parameters={"model": "smollm2-135m"})
    before = (project.results_dir(SHARED, "toy") / "ledger.json").stat().st_mtime_ns
    outcomes = run_analyses(project, Order(runs=("late",)))
    assert {(one.run, one.analysis, one.what) for one in outcomes} == {
        (SHARED, "toy", "fresh"),
        (SHARED, "doubled", "fresh"),
        (SHARED, "both", "fresh"),
        ("one", "reads", "fresh"),
        ("two", "reads", "fresh"),
        ("late", "reads", "ran"),
    }
    assert (project.results_dir(SHARED, "toy") / "ledger.json").stat().st_mtime_ns == before
    assert sorted(path.name for path in (project.results / "late").iterdir()) == ["reads"]


def test_status_shows_it_once_and_says_what_it_is(project: Project) -> None:
    said = mechscope(project, "status")
    shared = said.partition("\nshared  (found once for all runs)\n")[2]
    assert sorted(line.split()[0] for line in shared.splitlines()) == ["all", "both", "doubled", "toy"]
    assert shared.endswith("all 8 fresh\n")
    assert said.count("  toy      fresh") == 2 and "seeded\n" in said
    edit(project.analyses / "toy.py", "seed + 1", "seed + 2")
    said = mechscope(project, "status", "--run", "two")
    assert "one" not in said.split() and said.count("stale: the script's code changed") == 1
    assert "stale: needs toy, which is stale" in said
    assert mechscope(project, "status", "--run", SHARED).startswith("shared  (found once for all runs)\n")


def test_results_that_no_run_shows_any_more_are_named_and_not_shown(project: Project) -> None:
    left = project.results_dir("one", "toy")
    shutil.copytree(project.results_dir("seeded", "toy"), left)
    assert value(project, "one", "toy.size") == 1
    assert "results/one/toy is shown in no run any more; remove it:  git rm -r results/one/toy" in mechscope(
        project, "status"
    )


def test_another_parameter_makes_it_a_runs_own_and_what_rests_on_it_too(project: Project) -> None:
    places = load_places(project)
    assert [places.node(run, "toy")[0] for run in ("one", "two", "seeded")] == [SHARED, SHARED, "seeded"]
    assert [places.node(run, "doubled")[0] for run in ("one", "seeded")] == [SHARED, "seeded"]
    assert [places.node(run, "both")[0] for run in ("one", "seeded")] == [SHARED, SHARED]
    edit(project.runs_file, "model: gemma-3-270m", "model: gemma-3-270m\n      seed: 4\n      #")
    edit(project.runs_file, "      seed: 0\n", "")
    # What the run does not have yet is not there; what the others share never stands in for it.
    shelf = Shelf(project, "two")
    assert shelf.analyses() == ["reads"]
    assert shelf.find("toy.size").absent and "was not run in this run" in shelf.said(shelf.find("toy.size"))
    assert shelf.find("shared:toy.size").record.value == 1


@pytest.mark.parametrize("header", ["models: [name]", "saes: [name]"])
def test_what_reads_a_model_or_an_autoencoder_is_never_shared(tmp_path: Path, header: str) -> None:
    text = script("1", parameters='name = "smollm2-135m"')
    kind = header.partition(":")[0]
    text = text.replace(f"#   {kind}: []\n", "").replace("# mechscope:\n", f"# mechscope:\n#   {header}\n")
    runs = {"default": "one", "runs": {"one": {"title": "One"}}}
    places = load_places(make_project(tmp_path / "p", scripts={"x": text}, runs=runs))
    assert places.node("one", "x") == ("one", "x")


def test_keys_work_in_every_run_and_with_the_shared_name(executed: Project) -> None:
    for run, key in (
        ("one", "toy.size"),
        ("two", "toy.size"),
        ("one", "two:toy.size"),
        ("two", "shared:toy.size"),
    ):
        shelf = Shelf(executed, run)
        found = shelf.find(key)
        assert (found.run, shelf.key_of(found), shelf.cited_key(key)) == (SHARED, "toy.size", "toy.size")
    seeded = Shelf(executed, "seeded")
    assert seeded.key_of(seeded.find("toy.size")) == "toy.size" and seeded.find("toy.size").run == "seeded"
    for key in ("one:toy.size", "shared:toy.size"):
        assert seeded.key_of(seeded.find(key)) == seeded.cited_key(key) == "shared:toy.size"
    with pytest.raises(MechscopeError, match=r"unknown run with results 'nine'.*|nine"):
        Shelf(executed, "one").find("nine:toy.size")


def test_it_is_verified_once_and_every_run_says_so(project: Project) -> None:
    (verdict,) = verify(project, ["toy"], ["one", "two"])
    assert (verdict.run, verdict.analysis, verdict.reproduced) == (SHARED, "toy", True)
    assert sorted(path.parent.name for path in project.results.rglob("verification.json")) == [SHARED]
    for run in ("one", "two"):
        shelf = Shelf(project, run)
        assert shelf.verified_on(shelf.ledger("toy"))
    seeded = Shelf(project, "seeded")
    assert seeded.verified_on(seeded.ledger("toy")) is None
    whole = verify(project, (), ["two"])
    assert sorted((one.run, one.analysis) for one in whole) == [
        (SHARED, "both"), (SHARED, "doubled"), (SHARED, "toy"), ("two", "reads"),
    ]  # fmt: skip
    assert all(one.reproduced for one in whole), whole
    checked = [check.subject for check in quick(project) if not check.problems]
    assert checked.count("shared:toy") == 1 and "results/shared/verification.json" in checked
    edit(project.results_dir(SHARED, "toy") / "ledger.json", '"value": 1', '"value": 3')
    (verdict,) = verify(project, ["toy"], ["two"])
    assert not verdict.reproduced


def test_a_change_is_accepted_once(project: Project) -> None:
    edit(project.analyses / "toy.py", "size is small", "size is very small")
    said = mechscope(project, "accept", "toy", "--run", "two", "--because", "words")
    assert said == "shared:toy accepted: the script's code changed\n"
    assert read_ledger(project.results_dir(SHARED, "toy")).accepted[0].because == "words"
    with pytest.raises(InvalidInput, match="nothing to accept"):
        accept(project, "toy", "one", "again")


def test_runs_compared_count_it_once(executed: Project) -> None:
    compared = compare_runs(executed, "one", "two")
    assert [one.analysis for one in compared.shared] == ["both", "doubled", "toy"]
    assert compared.judged == [] and [pair.key for pair in compared.claims if pair.same] == ["toy.small"]
    flipped = compare_runs(executed, "one", "seeded").flipped
    assert [pair.key for pair in flipped] == ["toy.small"]


def test_a_trial_is_of_the_run_that_asks_for_it(project: Project) -> None:
    (outcome,) = run_analyses(project, Order(("toy",), ("two",), ("seed=2",)))
    assert (outcome.run, outcome.what, outcome.folder) == ("two", "ran", ".mechscope/trials/two/toy")
    (outcome,) = run_analyses(project, Order(("reads",), ("two",), ("model=smollm2-135m",)))
    assert outcome.what == "ran", outcome


def test_a_criterion_written_when_shared_results_were_there_is_exploratory_in_all_runs(
    project: Project,
) -> None:
    assert not any(is_exploratory(project, run, "toy", "small", "size < 5") for run in ("one", SHARED))
    edit(project.analyses / "toy.py", "size < 5", "size < 4")
    run_analyses(project, Order(("toy",)))
    assert read_claims(project)[-1].results_existed == ("seeded", SHARED)
    assert all(
        is_exploratory(project, run, "toy", "small", "size < 4") for run in ("one", "two", "seeded", SHARED)
    )
    shelf = Shelf(project, "two")
    assert shelf.written(shelf.find("toy.small")).startswith(
        "after results of seeded and all runs were there"
    )


def test_results_of_a_run_that_came_to_be_shared_still_count_as_seen(project: Project) -> None:
    shutil.rmtree(project.results_dir("seeded", "toy"))
    kept = project.root / "kept"
    lock = project.claims_lock.read_text()
    (project.results / SHARED).rename(kept)
    shutil.copytree(kept / "toy", project.results_dir("one", "toy"))
    project.claims_lock.unlink()
    commit(project.root)  # results of the analysis under a run's own name, and no entry yet
    shutil.rmtree(project.results_dir("one", "toy"))
    kept.rename(project.results / SHARED)
    project.claims_lock.write_text(lock)
    problems = [
        one for one in check_lock(project, ["one", "two"], ["toy"]).problems if one.startswith("toy.small")
    ]
    assert problems == [
        "toy.small: its entry knows of no results of one, which were there before this working copy added it"
    ]
    (entry,) = [one for one in lock.splitlines() if '"toy"' in one]
    owned = {**json.loads(entry), "results_existed": ["one"]}
    project.claims_lock.write_text(lock.replace(entry, json.dumps(owned, sort_keys=True)))
    assert not [
        one for one in check_lock(project, ["one", "two"], ["toy"]).problems if one.startswith("toy.small")
    ]
    assert is_exploratory(project, SHARED, "toy", "small", "size < 5")


def test_no_run_can_have_the_shared_name(project: Project) -> None:
    with pytest.raises(InvalidInput, match="'shared' cannot name a run"):
        declare_run(project, SHARED, title="S", parameters={"seed": 1})
    assert "'shared' is no run" in mechscope(project, "render", "--run", SHARED)
    assert "unknown shared analysis 'reads'" in mechscope(project, "run", "reads", "--run", SHARED)
    edit(project.runs_file, "  seeded:", "  shared:")
    with pytest.raises(InvalidInput, match=r"runs.yml:\d+: 'shared' cannot name a run"):
        load_runs(project)


def test_a_need_of_shared_results_by_name_works_and_is_refused_where_there_are_none(tmp_path: Path) -> None:
    runs = {
        "default": "one",
        "runs": {"one": {"title": "One", "parameters": {"model": "smollm2-135m", "seed": 3}}},
    }
    asks = (
        READS.replace("# needs:", "#")
        .replace("#   - toy", "#   - shared:toy")
        .replace('upstream("toy")', 'upstream("toy", run="shared")')
    )
    project = make_project(tmp_path / "p", scripts={"toy": TOY, "reads": asks}, runs=runs)
    outcomes = run_analyses(project, Order(("reads",)))
    assert [(one.run, one.analysis, one.what) for one in outcomes] == [
        (SHARED, "toy", "ran"), ("one", "reads", "ran"),
    ], outcomes  # fmt: skip
    assert value(project, "one", "reads.size") == 1
    (project.analyses / "more.py").write_text(
        asks.replace("shared:toy", "shared:reads").replace('"reads"', '"more"')
    )
    with pytest.raises(InvalidInput, match="each run has its own results of reads"):
        run_analyses(project, Order(("more",)))

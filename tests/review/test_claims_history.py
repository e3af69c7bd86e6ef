"""The lock of claims: what was taken out, rewritten or denies results is named, by what git remembers."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.ledger.claims import ClaimText, register
from mechscope.ledger.store import read_ledger
from mechscope.project import Project
from mechscope.review.claims_history import check_lock
from tests.publish.sample_project import build_sample
from tests.throwaway import commit, copy_of

RUN, OTHER = "smollm2-135m", "gemma-3-270m"
KEY = "topic_geometry.abstraction"


def entry(project: Project, **changed: object) -> str:
    """A line of the lock for the sample's claim, as if it had been written before all results."""
    claim = read_ledger(project.results_dir(RUN, "topic_geometry")).findings.claims["abstraction"]
    whole = {
        "analysis": "topic_geometry",
        "claim": "abstraction",
        "criterion": claim.criterion,
        "sentence": claim.sentence,
        "results_existed": [],
    }
    return json.dumps(whole | changed) + "\n"


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose claim was committed first, and its results in a second commit."""
    project = build_sample(tmp_path_factory.mktemp("lock") / "project")
    project.claims_lock.write_text(entry(project))
    aside = project.root.with_name("aside")
    shutil.move(project.results, aside)
    commit(project.root)
    shutil.move(aside, project.results)
    commit(project.root)
    return project


@pytest.fixture
def project(registered: Project, tmp_path: Path) -> Project:
    return copy_of(registered, tmp_path / "project")


def problems(project: Project) -> tuple[str, ...]:
    return check_lock(project, [RUN, OTHER], ["topic_geometry"]).problems


def test_a_lock_that_came_before_the_results_is_in_order(project: Project) -> None:
    assert check_lock(project, [RUN, OTHER], ["topic_geometry"]).looked_at == (
        "1 entry, held against its history"
    )
    assert problems(project) == ()


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda lock, line: lock.write_text(""), "taken out or rewritten"),
        (lambda lock, line: lock.unlink(), "taken out or rewritten"),
        (lambda lock, line: lock.write_text(line(criterion="centred_max > 0")), "taken out or rewritten"),
        (lambda lock, line: lock.write_text(""), "has no entry"),
        (
            lambda lock, line: lock.write_text(line() + line(criterion="centred_max > 0")),
            f"by another criterion than its last entry has; knows of no results of {OTHER} and {RUN}",
        ),
    ],
    ids=["emptied", "deleted", "rewritten", "missing", "appended"],
)
def test_what_was_done_to_the_lock_is_named(
    project: Project, change: Callable[..., None], named: str, committed: bool
) -> None:
    change(project.claims_lock, lambda **changed: entry(project, **changed))
    if committed:
        commit(project.root)
    said = problems(project)
    for part in named.split("; "):
        assert any(part in problem and KEY in problem for problem in said), said


def git(project: Project, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)


def take_out(project: Project) -> Path:
    """Commit that there are no results, and say where they are meanwhile."""
    aside = project.root.with_name("taken out")
    shutil.move(project.results, aside)
    commit(project.root)
    return aside


def judge_anew(project: Project, aside: Path, **changed: object) -> None:
    """Commit an entry that knows of no results, and results beside it."""
    first = json.loads(project.claims_lock.read_text().splitlines()[0])
    with project.claims_lock.open("a") as lock:
        lock.write(json.dumps(first | {"criterion": "centred_max > 0"} | changed) + "\n")
    shutil.move(aside, project.results)
    commit(project.root)


DENIED = f"its entry knows of no results of {OTHER} and {RUN}, which were there before"


@pytest.mark.parametrize("between", [0, 1, 3])
def test_results_that_were_taken_out_before_a_criterion_changed_are_remembered(
    project: Project, between: int
) -> None:
    aside = take_out(project)
    for number in range(between):
        (project.root / "other.txt").write_text(str(number))
        commit(project.root)
    judge_anew(project, aside, criterion="centred_max > 0")
    assert any(DENIED in problem for problem in problems(project)), problems(project)


def test_results_of_a_branch_that_was_merged_without_them_are_remembered(project: Project) -> None:
    aside = project.root.with_name("aside")
    shutil.copytree(project.results, aside)
    git(project, "checkout", "-q", "-b", "side", "HEAD~1")
    (project.root / "side.txt").write_text("Nothing was ever found here.")
    commit(project.root)
    git(project, "merge", "-q", "-s", "ours", "-m", "without results", "-")
    assert not project.results.exists()
    judge_anew(project, aside)
    assert any(DENIED in problem for problem in problems(project)), problems(project)


def test_an_entry_of_a_branch_without_results_is_in_order_when_it_is_merged(project: Project) -> None:
    git(project, "checkout", "-q", "-b", "side", "HEAD~1")
    first = json.loads(project.claims_lock.read_text())
    with project.claims_lock.open("a") as lock:
        lock.write(json.dumps(first | {"claim": "late"}) + "\n")
    commit(project.root)
    git(project, "merge", "-q", "-m", "with results", "-")
    assert project.results.exists()
    assert problems(project) == ()


def test_a_run_under_another_name_has_the_results_of_before(project: Project) -> None:
    aside = take_out(project)
    (aside / RUN).rename(aside / "renamed")
    judge_anew(project, aside)
    said = check_lock(project, ["renamed"], ["topic_geometry"]).problems
    assert any(f"renamed as {RUN}" in problem for problem in said), said


@pytest.mark.parametrize("kept", ["claim", "sentence", "script"])
def test_an_analysis_under_another_name_has_the_results_of_before(project: Project, kept: str) -> None:
    scripts = project.analyses
    (scripts / "topic_geometry.py").write_text("".join(f"x{n} = {n}\n" for n in range(50)))
    commit(project.root)
    aside = take_out(project)
    (scripts / "topic_geometry.py").rename(scripts / "other.py")
    commit(project.root)
    if kept != "script":
        (scripts / "other.py").write_text("y = 2\n")
        git(project, "add", "-A")
        git(project, "commit", "-q", "--amend", "-m", "another script")
    new: dict[str, object] = {"analysis": "other"}
    new |= {} if kept == "claim" else {"claim": "other_claim"}
    new |= {} if kept == "sentence" else {"sentence": "Another sentence."}
    for run in (RUN, OTHER):
        (aside / run / "topic_geometry").rename(aside / run / "other")
    judge_anew(project, aside, **new)
    assert any("other." in problem and "knows of no results" in problem for problem in problems(project))


def test_entries_in_another_order_or_again_are_named(project: Project) -> None:
    first = project.claims_lock.read_text()
    owned = entry(project, criterion="centred_max > 0", results_existed=[OTHER, RUN])
    project.claims_lock.write_text(first + owned)
    commit(project.root)
    project.claims_lock.write_text(owned + first)
    assert any("are in another order than in" in problem for problem in problems(project))
    project.claims_lock.write_text(first + owned + first)
    assert any(DENIED in problem for problem in problems(project))


def test_a_criterion_is_registered_with_the_results_that_only_history_has(project: Project) -> None:
    take_out(project)
    (new,) = register(project, [("topic_geometry", ClaimText("late", "centred_max > 0", "It is.", 1))])
    assert new.results_existed == (OTHER, RUN)
    commit(project.root)
    assert problems(project) == ()


def test_a_sentence_may_hold_any_character(project: Project) -> None:
    sentence = "One\u2028two\x85three\x0bfour."
    register(project, [("topic_geometry", ClaimText("late", "centred_max > 0", sentence, 1))])
    commit(project.root)
    assert problems(project) == ()


def test_an_entry_that_owns_up_to_the_results_of_its_time_is_in_order(project: Project) -> None:
    owned = entry(project, criterion="centred_max > 0", results_existed=[OTHER, RUN])
    project.claims_lock.write_text(entry(project) + owned)
    commit(project.root)
    assert all("another criterion" in problem for problem in problems(project))  # the ledgers are older


def test_without_a_repository_only_the_file_itself_is_looked_at(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    assert "no history" in check_lock(project, [RUN], ["topic_geometry"]).looked_at
    assert problems(project) == ()
    project.claims_lock.write_text("")
    assert problems(project) == (f"{KEY} has no entry: nothing says when its criterion was written",)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_clone_is_held_against_the_history_that_is_here(
    project: Project, tmp_path: Path, depth: int
) -> None:
    (project.root / "later.txt").write_text("A commit after the results.")
    commit(project.root)
    clone = Project(tmp_path / "clone")
    command = ["git", "clone", "-q", "--depth", str(depth), project.root.as_uri(), str(clone.root)]
    subprocess.run(command, check=True)
    found = check_lock(clone, [RUN, OTHER], ["topic_geometry"])
    assert "the part of its history that is here" in found.looked_at and found.problems == ()
    clone.claims_lock.write_text("")
    assert any("taken out or rewritten" in problem for problem in problems(clone))


def test_the_quick_look_at_everything_includes_the_lock(project: Project) -> None:
    project.claims_lock.write_text("no entry\n")
    done = CliRunner().invoke(cli, ["--project", str(project.root), "verify", "--quick"])
    assert done.exit_code == 1
    assert "analyses/claims.lock  FAULTY" in done.output
    assert "analyses/claims.lock:1 is not an entry of the lock" in done.output
    assert f"{OTHER}:topic_geometry" in done.output  # every run that has results is looked at


# Analyses that are renamed or split -------------------------------------------------------------------------


def move(project: Project, *names: str, **changed: object) -> None:
    """Commit that the analysis has other names now, and an entry for each; then results of all of them."""
    aside = take_out(project)
    first = json.loads(project.claims_lock.read_text().splitlines()[0])
    with project.claims_lock.open("a") as lock:
        for name in names:
            lock.write(
                json.dumps(first | {"analysis": name, "moved_from": "topic_geometry"} | changed) + "\n"
            )
    for name in names:
        (project.analyses / f"{name}.py").write_text("y = 2\n")
        for run in (RUN, OTHER):
            shutil.copytree(aside / run / "topic_geometry", project.results / run / name)
    (project.analyses / "topic_geometry.py").unlink(missing_ok=True)
    commit(project.root)


@pytest.mark.parametrize("names", [("other",), ("other", "second", "third")], ids=["renamed", "split"])
def test_an_entry_that_says_where_it_was_moved_from_is_in_order(
    project: Project, names: tuple[str, ...]
) -> None:
    move(project, *names)
    assert problems(project) == ()


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"moved_from": ""}, f"{DENIED}; looks like {KEY}, which was taken out: declare moved_from"),
        ({"moved_from": "", "claim": "b"}, f"{DENIED}; looks like {KEY}"),
        ({"moved_from": "nobody"}, "moved from nobody.abstraction, which had no entry by then"),
        ({"claim": "never_there"}, "moved from topic_geometry.never_there, which had no entry by then"),
        ({"criterion": "centred_max > 0"}, f"moved from {KEY}, which had another criterion"),
    ],
    ids=["not declared", "not declared, renamed", "from nowhere", "never there", "changed on the way"],
)
def test_an_entry_that_was_not_moved_as_it_says_is_named(
    project: Project, changed: dict[str, object], named: str
) -> None:
    move(project, "other", **changed)
    said = problems(project)
    for part in named.split("; "):
        assert any(part in problem and problem.startswith("other.") for problem in said), said


@pytest.mark.parametrize("leaves", [True, False])
def test_a_claim_that_left_a_script_which_stays_is_named_where_it_is_not_declared(
    project: Project, leaves: bool
) -> None:
    claim = 'ledger.claim("abstraction", "…", criterion="…")\n'
    (project.analyses / "topic_geometry.py").write_text("" if leaves else claim)
    (project.analyses / "other.py").write_text(claim)
    with project.claims_lock.open("a") as lock:
        lock.write(entry(project, analysis="other"))
    commit(project.root)
    said = [problem for problem in problems(project) if problem.startswith("other.")]
    assert bool(said) == leaves
    assert all(f"looks like {KEY}, which was taken out: declare moved_from" in problem for problem in said)
    (project.analyses / "topic_geometry.py").write_text(
        "y = 3\n"
    )  # what a copy's original does later is no fault
    commit(project.root)
    assert bool([problem for problem in problems(project) if problem.startswith("other.")]) == leaves


def test_an_entry_that_forgets_on_its_way_which_results_existed_is_named(project: Project) -> None:
    owned = entry(project, criterion="centred_max > 0", results_existed=[OTHER, RUN])
    project.claims_lock.write_text(entry(project) + owned)
    commit(project.root)
    move(project, "other", criterion="centred_max > 0")
    named = f"it was moved from {KEY}, whose entry knows of results of {OTHER} and {RUN}"
    assert any(named in problem for problem in problems(project)), problems(project)


def test_an_entry_that_is_moved_to_an_analysis_with_results_has_to_know_of_them(project: Project) -> None:
    made_up = entry(project, claim="second", analysis="dummy")
    forged = entry(project, claim="second", analysis="other", moved_from="dummy")
    move(project, "other")
    for line in (made_up, forged):
        with project.claims_lock.open("a") as lock:
            lock.write(line)
        commit(project.root)
    assert any("other.second" in problem and DENIED in problem for problem in problems(project))

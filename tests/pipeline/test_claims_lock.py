"""A claim is exploratory where results existed when its criterion was written or last changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mechscope.errors import InvalidInput, LedgerDamaged, UnknownName
from mechscope.ledger.claims import ClaimText, is_exploratory, read_claims, register
from mechscope.project import Project
from tests.throwaway import every_analysis, make_project, script


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "p", scripts={"a": script("1")})


def claim(criterion: str, sentence: str = "It holds.") -> list[tuple[str, ClaimText]]:
    return [("a", ClaimText("held", criterion, sentence, 1))]


def results(project: Project, run: str, analysis: str = "a") -> None:
    folder = project.results_dir(run, analysis)
    folder.mkdir(parents=True)
    (folder / "ledger.json").write_text("{}")


def test_a_criterion_fixed_before_any_result_is_confirmatory(project: Project) -> None:
    register(project, claim("x > 0"))
    results(project, "one")
    register(project, claim("x > 0"))
    assert len(read_claims(project)) == 1
    assert not is_exploratory(project, "one", "a", "held", "x > 0")


def test_a_criterion_written_after_results_is_exploratory_for_those_runs_only(project: Project) -> None:
    results(project, "one")
    (entry,) = register(project, claim("x > 0"))
    assert entry.results_existed == ("one",)
    assert is_exploratory(project, "one", "a", "held", "x > 0")
    assert not is_exploratory(project, "two", "a", "held", "x > 0")


def test_a_criterion_changed_after_results_is_exploratory_even_when_changed_back(project: Project) -> None:
    register(project, claim("x > 0"))
    results(project, "one")
    register(project, claim("x > 1"))
    assert is_exploratory(project, "one", "a", "held", "x > 1")
    register(project, claim("x > 0"))
    assert is_exploratory(project, "one", "a", "held", "x > 0")
    assert [entry.criterion for entry in read_claims(project)] == ["x > 0", "x > 1", "x > 0"]


def test_a_reworded_sentence_changes_nothing(project: Project) -> None:
    register(project, claim("x > 0", "It holds."))
    assert register(project, claim("x > 0", "It holds indeed.")) == []


def test_a_criterion_that_was_never_registered_is_exploratory(project: Project) -> None:
    assert is_exploratory(project, "one", "a", "held", "x > 0")


def test_entries_are_only_ever_appended(project: Project) -> None:
    register(project, claim("x > 0"))
    before = project.claims_lock.read_text()
    register(project, claim("x > 1"))
    assert project.claims_lock.read_text().startswith(before)


def test_a_damaged_lock_is_named_with_its_line(project: Project) -> None:
    register(project, claim("x > 0"))
    project.claims_lock.write_text(project.claims_lock.read_text() + "{half\n")
    with pytest.raises(LedgerDamaged, match=r"analyses/claims.lock:2"):
        read_claims(project)


# Analyses that are renamed or split -------------------------------------------------------------------------


@pytest.fixture
def moved(tmp_path: Path) -> Project:
    """`a` had three claims, one of them written after results of run "one"; `b` takes its place."""
    project = make_project(tmp_path / "p", scripts={"a": script("1")})
    register(project, [("a", claim_of("early")), ("a", claim_of("changed"))])
    results(project, "one")
    register(project, [("a", claim_of("late"))])
    (project.analyses / "a.py").rename(project.analyses / "b.py")
    return project


def claim_of(name: str, criterion: str = "", sentence: str = "") -> ClaimText:
    return ClaimText(name, criterion or f"{name} > 0", sentence or f"It is {name}.", 1)


def test_a_renamed_analysis_that_says_so_keeps_the_standing_of_its_claims(moved: Project) -> None:
    early, late = register(moved, [("b", claim_of("early")), ("b", claim_of("late"))], {"b": "a"})
    assert (early.results_existed, early.moved_from) == ((), "a")
    assert (late.results_existed, late.moved_from) == (("one",), "a")
    assert not is_exploratory(moved, "one", "b", "early", "early > 0")
    assert is_exploratory(moved, "one", "b", "late", "late > 0")


@pytest.mark.parametrize(
    ("claim", "moves"),
    [
        (claim_of("early"), {}),
        (claim_of("other", "early > 0"), {}),
        (claim_of("other", sentence="It is early."), {}),
        (claim_of("early", "early > 1"), {"b": "a"}),
        (claim_of("other"), {"b": "a"}),
        (claim_of("other", "early > 0"), {"b": "a"}),
    ],
    ids=[
        "same name",
        "same criterion",
        "same sentence",
        "another criterion, declared",
        "a new claim, declared",
        "another name, declared",
    ],
)
def test_what_was_not_moved_as_it_was_is_exploratory_where_the_old_analysis_had_results(
    moved: Project, claim: ClaimText, moves: dict[str, str]
) -> None:
    (entry,) = register(moved, [("b", claim)], moves)
    assert (entry.results_existed, entry.moved_from) == (("one",), "")


@pytest.mark.parametrize(
    ("left", "existed"), [({"late"}, ("one",)), ({"early", "late"}, ())], ids=["taken out", "still there"]
)
def test_a_claim_that_left_its_script_takes_the_results_along_and_a_copy_of_one_that_stays_does_not(
    project: Project, left: set[str], existed: tuple[str, ...]
) -> None:
    register(project, [("a", claim_of("early")), ("a", claim_of("late"))])
    results(project, "one")
    (project.analyses / "b.py").write_text(script("1"))
    scripts = {"a": left, "b": {"early"}}
    (entry,) = register(project, [("b", claim_of("early"))], scripts=scripts)
    assert (entry.results_existed, entry.moved_from) == (existed, "")


def test_scripts_that_were_copied_without_their_lock_can_be_registered(moved: Project) -> None:
    moved.claims_lock.unlink()
    (entry,) = register(moved, [("b", claim_of("early"))], {"b": "a"})
    assert entry.moved_from == ""


def test_a_claim_that_is_like_none_of_the_old_analysis_is_new_where_nothing_is_declared(
    moved: Project,
) -> None:
    (entry,) = register(moved, [("b", claim_of("other"))])
    assert entry.results_existed == ()


def test_an_analysis_may_be_split_and_moved_again(moved: Project) -> None:
    for name in ("c", "d"):
        (moved.analyses / f"{name}.py").write_text(script("1"))
    moves = {"b": "a", "c": "a", "d": "a"}
    claims = [("b", claim_of("early")), ("c", claim_of("changed")), ("d", claim_of("late"))]
    assert [entry.results_existed for entry in register(moved, claims, moves)] == [(), (), ("one",)]
    (moved.analyses / "b.py").rename(moved.analyses / "e.py")
    again, new = register(moved, [("e", claim_of("early")), ("e", claim_of("new"))], {"e": "b"})
    assert (again.results_existed, again.moved_from) == ((), "b")
    assert new.results_existed == ("one",)


def test_a_claim_that_moves_to_an_analysis_with_results_knows_of_them(moved: Project) -> None:
    results(moved, "two", "b")
    (entry,) = register(moved, [("b", claim_of("early"))], {"b": "a"})
    assert entry.results_existed == ("two",)


def test_a_criterion_that_changes_after_the_move_knows_of_the_results_before_it(moved: Project) -> None:
    register(moved, [("b", claim_of("early"))], {"b": "a"})
    (entry,) = register(moved, [("b", claim_of("early", "early > 1"))])
    assert (entry.results_existed, entry.moved_from) == (("one",), "")


def test_an_analysis_that_nothing_is_known_of_is_named_with_the_nearest(moved: Project) -> None:
    with pytest.raises(UnknownName, match=r"analyses/b.py: moved_from") as raised:
        register(moved, [("b", claim_of("early"))], {"b": "aa"})
    assert "valid: a" in str(raised.value)


def test_entries_that_were_not_moved_are_written_as_ever(project: Project) -> None:
    register(project, claim("x > 0"))
    assert "moved_from" not in project.claims_lock.read_text()


def test_a_header_says_where_an_analysis_was_moved_from(project: Project) -> None:
    text = script("1").replace("mechscope:\n", "mechscope:\n#   moved_from: old\n")
    (project.analyses / "a.py").write_text(text)
    assert every_analysis(project)["a"].moved_from == "old"


@pytest.mark.parametrize("origin", ["a", "3", "../old", "old.py", "Old"])
def test_a_name_that_no_earlier_analysis_can_have_had_is_refused(project: Project, origin: str) -> None:
    text = script("1").replace("mechscope:\n", f"mechscope:\n#   moved_from: {origin}\n")
    (project.analyses / "a.py").write_text(text)
    with pytest.raises(InvalidInput, match="analyses/a.py: moved_from: .* had before") as raised:
        every_analysis(project)
    assert "without .py" in raised.value.hint

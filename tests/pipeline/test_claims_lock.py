"""A claim is exploratory where results existed when its criterion was written or last changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mechscope.errors import LedgerDamaged
from mechscope.ledger.claims import ClaimText, is_exploratory, read_claims, register
from mechscope.project import Project
from tests.throwaway import make_project, script


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "p", scripts={"a": script("1")})


def claim(criterion: str, sentence: str = "It holds.") -> list[tuple[str, ClaimText]]:
    return [("a", ClaimText("held", criterion, sentence, 1))]


def results(project: Project, run: str) -> None:
    folder = project.results_dir(run, "a")
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

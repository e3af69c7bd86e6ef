"""The shelf: the ledgers of a project as a run sees them, each read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mechscope.ledger import store
from mechscope.pipeline import shelf as module
from mechscope.pipeline.shelf import Shelf, runs_with_results
from mechscope.project import SHARED, Project
from tests.publish.sample_project import build_sample, share_an_analysis

RUN, OTHER = "smollm2-135m", "gemma-3-270m"


@pytest.fixture
def sample(tmp_path: Path) -> Project:
    """A project with results of two runs, and one analysis that both share."""
    project = build_sample(tmp_path / "project")
    share_an_analysis(project)
    return project


def test_each_runs_view_is_that_of_a_shelf_of_its_own(sample: Project) -> None:
    shelf = Shelf(sample, RUN)
    for run in (RUN, OTHER):
        view, own = shelf.seen_from(run), Shelf(sample, run)
        assert view.analyses() == own.analyses() == ["other", "topic_geometry"]
        assert [view.key_of(found) for found in view.records()] == [
            own.key_of(found) for found in own.records()
        ]
        assert view.find("topic_geometry.centred_max") == own.find("topic_geometry.centred_max")
        assert view.find("topic_geometry.centred_max").run == run
        assert view.find("other.centred_max").run == SHARED
        assert view.cited_key(f"{OTHER}:topic_geometry.topics") == own.cited_key(
            f"{OTHER}:topic_geometry.topics"
        )
    assert shelf.run == RUN


def test_views_read_each_ledger_and_the_scripts_once(
    sample: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, str]] = []

    def counted(project: Project, run: str, analysis: str) -> object:
        read.append((run, analysis))
        return store.committed_ledger(project, run, analysis)

    monkeypatch.setattr(module, "committed_ledger", counted)
    shelf = Shelf(sample, RUN)
    for view in (shelf, shelf.seen_from(OTHER), shelf.seen_from(RUN)):
        assert list(view.records())
        for run in (RUN, OTHER):
            assert view.find(f"{run}:topic_geometry.centred_max").run == run
    assert sorted(read) == store.nodes_with_results(sample)
    assert shelf.seen_from(OTHER).places is shelf.places


def test_runs_with_results_are_those_with_ledgers_and_those_that_share_all(sample: Project) -> None:
    shelf = Shelf(sample, RUN)
    assert shelf.every_run == runs_with_results(sample) == [OTHER, RUN]
    assert shelf.runs() == [OTHER, RUN, SHARED]

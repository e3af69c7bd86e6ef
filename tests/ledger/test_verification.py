"""`verification.json`: one schema writes and reads it, and older files are still read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mechscope.errors import LedgerDamaged
from mechscope.files import stable_json, write_atomically
from mechscope.ledger.schema import Acceptance
from mechscope.ledger.store import inputs_hash, read_ledger
from mechscope.ledger.verification import Rerun, read_verification, verification_file
from mechscope.project import Project
from tests.ledger.test_store import written

ROOT = Path(__file__).parents[2]
COMMITTED = sorted(path.parent.name for path in (ROOT / "results").glob("*/verification.json"))
BEFORE_INPUTS = {
    "date": "2026-11-20",
    "environment": {"python": "3.11.7"},
    "ledgers": {"demo": "a"},
    "analyses": {
        "demo": {
            "date": "2026-11-20",
            "ledger": "a",
            "reproduced": True,
            "records": {"claims": {"compared": 1, "reproduced": 1}},
            "values": 3,
            "environment": {"python": "3.11.7"},
            "environment_differs": {"numpy": ["2.0", "2.1"]},
            "inputs_changed": [],
            "problems": [],
            "differences": [],
        }
    },
}
DRIFTED = {
    "key": "demo.half",
    "state": "drifted",
    "values": 2,
    "drifts": [
        {"place": "value", "committed": 7, "rerun": 9, "by": 2, "tolerance": "exact"},
        {"place": "label", "committed": "a", "rerun": None, "by": None, "tolerance": "exact"},
    ],
}


def kept(root: Path, content: Any) -> Project:
    project = Project(root)
    write_atomically(verification_file(project, "r"), stable_json(content))
    return project


@pytest.mark.parametrize("run", COMMITTED)
def test_what_is_committed_is_read_whole_and_written_unchanged(run: str) -> None:
    content = read_verification(Project(ROOT), run)
    assert content and content.analyses
    assert content.text == verification_file(Project(ROOT), run).read_text()


@pytest.mark.parametrize(
    "content",
    [
        BEFORE_INPUTS,
        {"analyses": {"demo": {"ledger": "a", "reproduced": False, "differences": [DRIFTED]}}},
    ],
    ids=["before inputs were noted", "with differences"],
)
def test_what_an_older_file_does_not_say_is_not_added(tmp_path: Path, content: Any) -> None:
    read = read_verification(kept(tmp_path, content), "r")
    assert read and json.loads(read.text) == content
    assert read.text == stable_json(content)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"analyses": [1]},
        {"analyses": {"demo": 3}},
        {"analyses": {"demo": {"ledger": "a"}}},
        {**BEFORE_INPUTS, "by": "somebody"},
    ],
)
def test_what_is_no_verification_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(LedgerDamaged, match="results/r/verification.json is not a verification"):
        read_verification(kept(tmp_path, content), "r")


def test_a_run_that_nobody_verified_has_none(tmp_path: Path) -> None:
    assert read_verification(Project(tmp_path), "r") is None


def test_a_rerun_is_of_the_findings_and_inputs_that_it_names(tmp_path: Path) -> None:
    ledger = read_ledger(written(tmp_path))
    noted = Rerun(ledger=ledger.sha256, inputs=inputs_hash(ledger.inputs), reproduced=True)
    unnoted = noted.model_copy(update={"inputs": None})
    assert noted.is_of(ledger) and unnoted.is_of(ledger)
    assert not noted.is_of(ledger.model_copy(update={"sha256": "another"}))
    accepted = ledger.model_copy(
        update={
            "accepted": (Acceptance(changed=("x",), because="a new name"),),
            "inputs": ledger.inputs.model_copy(update={"script": "t"}),
        }
    )
    assert not noted.is_of(accepted) and not unnoted.is_of(accepted)

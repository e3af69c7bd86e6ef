"""Every analysis on models that it was not written on: it runs, or says what does not apply and why."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from mechscope.ledger import recording
from mechscope.ledger.schema import WHOLE, Absent, Claim, Findings
from mechscope.ledger.store import read_ledger
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.pipeline.scripts import script_cells
from mechscope.project import Project
from tests.analyses.strangers import ROOT, STRANGERS, make
from tests.throwaway import every_analysis

ANALYSES = sorted(name for name, analysis in every_analysis(Project(ROOT)).items() if analysis.models)
FEWER = {"resamples": 100, "shuffles": 100, "toy_steps": 50}
"""Draws and steps: how many there are decides how long it takes, and not whether it runs."""
ONLY_SOMETIMES = {"patching": {"n_unfit"}}
"""Records that count what was left out, where something was; by analysis."""


@pytest.fixture(scope="module", params=STRANGERS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one of the models."""
    return make(request.param, tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, recording.Record]:
    """What is recorded from now on, by name."""
    records: dict[str, recording.Record] = {}
    monkeypatch.setattr(recording, "_show", lambda payload, record: records.update({payload.name: record}))
    return records


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_runs_or_says_what_does_not_apply_and_why(
    model: Path, name: str, recorded: dict[str, recording.Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "analyses")
    ended = executed(name, {"model": str(model), **FEWER}, monkeypatch)
    absent = {record_name for record_name, record in recorded.items() if isinstance(record, Absent)}
    expected = {*read_ledger(Project(ROOT).results_dir("smollm2-135m", name)).findings.names}
    if not ended:
        silent = expected - {*recorded} - ONLY_SOMETIMES.get(name, set())
        assert not silent, "neither recorded nor said not to apply"
    for record_name, record in recorded.items():
        if isinstance(record, Claim) and record.outcome == "untestable":
            operands = {operand.partition(".")[0] for operand in record.evidence}
            unmeasured = {one for one in operands if getattr(recorded[one], "value", None) is None}
            assert unmeasured, f"{record_name} is untestable for no reason"
            assert all(getattr(recorded[one], "because", "") for one in unmeasured)
    assert ended or len(absent) < len(expected)


def executed(name: str, parameters: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a script's cells here, which saves the start of a kernel; why it ended early, "" if it did not."""
    analysis = every_analysis(Project(ROOT))[name]
    module = ModuleType("analysis")
    monkeypatch.setitem(sys.modules, "analysis", module)
    _, cells = script_cells(analysis.path.read_text(encoding="utf-8"), analysis.path.name)
    try:
        for cell in cells:
            if cell.code:
                exec(compile(cell.source, f"{name}.py:{cell.first}", "exec"), vars(module))
            if cell.parameters:
                own = {key: value for key, value in parameters.items() if key in analysis.parameters}
                vars(module).update(own)
    except SystemExit as end:
        assert "does not apply: " in str(end)
        return str(end)
    return ""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project's analyses, all run on one of the models by the pipeline."""
    root = tmp_path_factory.mktemp("mine") / "project"
    shutil.copytree(ROOT / "analyses", root / "analyses", ignore=shutil.ignore_patterns("claims.lock"))
    (root / "analyses" / "train_induction.py").unlink()  # it reads no model, and has a minute's work
    make("llama-two-layers", root / "model")
    run_of_it = {"title": "mine", "parameters": {"model": "./model", **FEWER}}
    runs = {"default": "mine", "runs": {"mine": run_of_it}}
    (root / "analyses" / "runs.yml").write_text(yaml.safe_dump(runs))
    project = Project(root)
    outcomes = run_analyses(project, Order(runs=("mine",)))
    assert [outcome.what for outcome in outcomes] == ["ran"] * len(ANALYSES)
    yield project


def test_a_whole_run_on_another_model_has_all_claims_and_no_failure(mine: Project) -> None:
    for name, analysis in every_analysis(mine).items():
        findings: Findings = read_ledger(mine.results_dir("mine", name)).findings
        written = {claim.name for claim in analysis.claims}
        assert written == {*findings.claims} | (written & {*findings.absent})
        assert WHOLE not in findings.absent or findings.does_not_apply

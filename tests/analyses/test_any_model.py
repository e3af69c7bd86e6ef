"""Every analysis on models that it was not written on: it runs, or says what does not apply and why."""

from __future__ import annotations

import shutil

import pytest
import yaml

from mechscope.ledger.schema import Findings
from mechscope.ledger.store import read_ledger
from mechscope.pipeline.run import run
from mechscope.pipeline.scripts import find_analyses
from mechscope.project import Project
from tests.analyses.strangers import ROOT, STRANGERS, make

ANALYSES = sorted(name for name, analysis in find_analyses(Project(ROOT)).items() if analysis.models)
FEWER = {"resamples": 100, "shuffles": 100, "toy_steps": 50}
"""Draws: how many there are decides how long it takes, and not whether it runs."""


@pytest.fixture(scope="module", params=STRANGERS)
def paper(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project's analyses, with one run, on one of the models."""
    root = tmp_path_factory.mktemp(request.param) / "project"
    shutil.copytree(ROOT / "analyses", root / "analyses", ignore=shutil.ignore_patterns("claims.lock"))
    make(request.param, root / "model")
    mine = {"title": request.param, "parameters": {"model": "./model", **FEWER}}
    (root / "analyses" / "runs.yml").write_text(yaml.safe_dump({"default": "mine", "runs": {"mine": mine}}))
    return Project(root)


@pytest.mark.parametrize("name", ANALYSES)
def test_an_analysis_runs_or_says_what_does_not_apply_and_why(paper: Project, name: str) -> None:
    (outcome,) = run(paper, runs=["mine"], analyses=[name])
    assert outcome.what == "ran", outcome.detail
    findings = read_ledger(paper.found("mine", name)).findings
    written = {claim.name for claim in find_analyses(paper)[name].claims}
    assert written - {*findings.absent} == {*findings.claims}, "a claim is neither recorded nor absent"
    for claim_name, claim in findings.claims.items():
        if claim.outcome == "untestable":
            assert _reasons(findings, list(claim.evidence)), f"{claim_name} is untestable for no reason"


def _reasons(findings: Findings, operands: list[str]) -> list[str]:
    return [reason for name in operands if (reason := findings.why_missing(name.partition(".")[0]))]

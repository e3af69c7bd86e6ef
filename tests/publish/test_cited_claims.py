"""The list of a document's claims: by it alone a reader of the PDF can judge them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from mechscope.project import Project
from mechscope.publish.prerender import prepare
from mechscope.publish.render import render
from tests.publish.sample_project import (
    HOSTILE,
    sample_findings,
    write_sample_ledger,
    write_sample_verification,
)
from tests.publish.test_lua import lua

RUN, OTHER = "smollm2-135m", "gemma-3-270m"
PAPER = "paper/paper.qmd"
LISTED = "::: {.cited-claims}\n:::\n"


def _sections(project: Project, page: str = PAPER) -> list[dict]:
    prepare(project, RUN, "skip")
    return json.loads((project.generated(RUN) / "documents.json").read_text())[page]["claims"]


def _with_another_claim(project: Project, sentence: str = "All topics lie in one place.") -> None:
    findings = sample_findings()
    one = findings.claims["abstraction"]
    claims = {**findings.claims, "unsaid": one.model_copy(update={"sentence": sentence, "outcome": "failed"})}
    write_sample_ledger(project, RUN, findings.model_copy(update={"claims": claims}))


def test_a_cited_claim_comes_once_with_all_that_decides_it(sample: Project) -> None:
    write_sample_verification(sample, RUN)
    (section,) = _sections(sample)
    assert section["section"] == "Topic geometry"
    assert section["rerun"] == "verified by the authors' own rerun of 2026-11-20"
    assert section["repeat"] == "mechscope verify topic_geometry --run smollm2-135m"
    (row,) = section["rows"]
    assert row["key"] == "topic_geometry.abstraction" and row["outcome"] == "held" and row["exploratory"]
    assert row["sentence"] == "Topics cluster by abstractness, not by controversy."
    assert row["criterion"] == "centred_max > 0.2 and centred_max.p < 0.05"
    assert row["evidence"] == "centred_max = 0.42, centred_max.p = 0.012"


def test_a_claim_that_only_prose_of_a_dropped_branch_depends_on_is_listed(sample: Project) -> None:
    (sample.root / PAPER).write_text(
        "---\ntitle: P\nformat: typst\n---\n\n"
        "::: {.when-claim key=topic_geometry.abstraction is=failed}\nNo.\n:::\n"
    )
    assert [row["key"] for row in _sections(sample)[0]["rows"]] == ["topic_geometry.abstraction"]


def test_what_an_analysis_claimed_and_the_text_leaves_out_is_named(sample: Project) -> None:
    _with_another_claim(sample)
    (section,) = _sections(sample)
    assert [row["key"] for row in section["rows"]] == ["topic_geometry.abstraction"]
    assert [(one["key"], one["outcome"]) for one in section["rest"]] == [("topic_geometry.unsaid", "failed")]


def test_a_claim_of_another_run_says_of_which(sample: Project) -> None:
    path = sample.root / PAPER
    path.write_text(path.read_text() + f"\n{{{{< claim {OTHER}:topic_geometry.abstraction >}}}}\n")
    assert [one["section"] for one in _sections(sample)] == ["Topic geometry", "Topic geometry, Gemma 3 270M"]


@pytest.mark.parametrize("format", ["typst", "html"])
def test_both_formats_list_outcome_sentence_criterion_and_evidence(sample: Project, format: str) -> None:
    _with_another_claim(sample)
    prepare(sample, RUN, "skip")
    page = " ".join(lua(sample, "filter", format=format, text=LISTED)[0].replace("&gt;", ">").split())
    for expected in (
        "held, exploratory",
        "Topics cluster by abstractness, not by controversy.",
        "centred_max > 0.2 and centred_max.p",
        "centred_max = 0.42",
        "mechscope verify topic_geometry --run smollm2-135m",
        "All topics lie in one place",
    ):
        assert expected in page, page


def test_what_a_claim_says_cannot_leave_its_string_in_a_pdf(sample: Project) -> None:
    _with_another_claim(sample, HOSTILE + ' \\") #panic()')
    prepare(sample, RUN, "skip")
    page = lua(sample, "filter", format="typst", text=LISTED)[0]
    assert re.search(r'onerror=\\"alert\(1\)\\"> \\\\\\"\) #panic\(\)"', page)


def test_a_document_without_claims_says_so(sample: Project) -> None:
    assert "This document makes no claim." in lua(sample, "filter", text=LISTED)[0]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext")
def test_the_pdf_holds_the_list(sample: Project) -> None:
    _with_another_claim(sample, HOSTILE + " [x] $y")
    path = sample.root / PAPER
    path.write_text(path.read_text() + f"\n# Claims\n\n{LISTED}")
    render(sample, [RUN], engine="pandoc", articles=["paper"], mode="skip")
    pdf = sample.site / RUN / "paper" / "paper.pdf"
    done = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, encoding="utf-8", check=True)
    text = " ".join(done.stdout.split())
    assert "centred_max > 0.2 and centred_max.p < 0.05" in text and "not verified; run it yourself" in text
    assert "[x] $y (failed, exploratory)" in text

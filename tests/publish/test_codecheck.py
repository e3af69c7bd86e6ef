"""`codecheck.yml`: generated, kept, validated."""

from __future__ import annotations

import pytest
import yaml

from mechscope.errors import InvalidInput
from mechscope.project import Project, find_project
from mechscope.publish.codecheck import NAME, SPECIFICATION, read_codecheck, write_codecheck
from mechscope.publish.prerender import prepare
from tests.publish.sample_project import REPOSITORY

RUN = "smollm2-135m"


def _change(project: Project, **fields: object) -> None:
    path = project.root / NAME
    content = {**yaml.safe_load(path.read_text()), **fields}
    path.write_text("---\n" + yaml.safe_dump(content, sort_keys=False))


def test_rendering_lists_every_ledger_figure_and_paper(sample: Project) -> None:
    prepare(sample, RUN, "skip")
    check = read_codecheck(sample)
    files = [output.file for output in check.manifest]
    for run in (RUN, "gemma-3-270m"):
        assert f"results/{run}/topic_geometry/ledger.json" in files
        assert f"results/{run}/topic_geometry/figures/similarity.svg" in files
        assert f"_site/{run}/paper/paper.pdf" in files
    assert all(output.comment for output in check.manifest)
    assert (check.paper.title, check.version) == ("The paper", SPECIFICATION)


def test_writing_again_changes_nothing(sample: Project) -> None:
    assert write_codecheck(sample)
    before = (sample.root / NAME).read_bytes()
    assert not write_codecheck(sample)
    prepare(sample, "gemma-3-270m", "skip")
    assert (sample.root / NAME).read_bytes() == before


def test_what_people_added_is_kept(sample: Project) -> None:
    (sample.paper / "paper.qmd").write_text(
        "---\ntitle: Another title\nauthor: [Josiah Carberry]\nformat: typst\n---\n"
    )
    write_codecheck(sample)
    orcid = "0000-0002-1825-0097"
    author = {"name": "Josiah Carberry", "ORCID": orcid}
    reference = "https://doi.org/10.5555/12345678"
    _change(
        sample,
        paper={"title": "Old", "authors": [author], "reference": reference},
        codechecker=[author],
        summary="All outputs reproduced.",
        report="https://doi.org/10.5281/zenodo.1234567",
        certificate="2026-001",
    )
    write_codecheck(sample)
    check = read_codecheck(sample)
    assert check.missing == []
    assert check.paper.title == "Another title" and check.paper.reference == reference
    assert orcid == check.paper.authors[0].ORCID


def test_it_says_what_a_certificate_still_needs(sample: Project) -> None:
    write_codecheck(sample)
    missing = read_codecheck(sample).missing
    assert missing[1:] == ["paper.reference", "codechecker", "summary", "report", "certificate"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"manifest": []}, "manifest"),
        ({"manifest": [{"comment": "no file"}]}, "manifest.0.file"),
        ({"manifest": [{"file": "/etc/passwd"}]}, "not a path inside"),
        ({"manifest": [{"file": "../outside.csv"}]}, "not a path inside"),
        ({"manifest": [{"file": "results/gone/x/ledger.json"}]}, "which is not there"),
        ({"certificate": "2026-1"}, "certificate"),
        ({"report": "https://doi.org/10.5281/zenodo.FIXME"}, "placeholder"),
        ({"codechecker": [{"ORCID": "0000-0002-1825-0097"}]}, "codechecker.0.name"),
        ({"codechecker": [{"name": "A", "ORCID": "0000-0002-1825-0098"}]}, "last character"),
        ({"codechecker": [{"name": "A", "ORCID": "https://orcid.org/0000-0002-1825-0097"}]}, "without https"),
        ({"version": "https://codecheck.org.uk/spec/config/1.0/"}, "version"),
        ({"paper": {"title": "T", "authors": []}}, "paper.authors"),
    ],
)
def test_a_broken_rule_is_named(sample: Project, fields: dict, said: str) -> None:
    write_codecheck(sample)
    _change(sample, **fields)
    with pytest.raises(InvalidInput, match=said):
        read_codecheck(sample)


def test_an_orcid_may_end_with_x(sample: Project) -> None:
    write_codecheck(sample)
    _change(sample, codechecker=[{"name": "A", "ORCID": "0000-0002-1694-233X"}])
    assert read_codecheck(sample).codechecker is not None


def test_it_begins_with_the_marker_of_a_document(sample: Project) -> None:
    write_codecheck(sample)
    path = sample.root / NAME
    path.write_text(path.read_text().removeprefix("---\n"))
    with pytest.raises(InvalidInput, match="---"):
        read_codecheck(sample)


def test_the_repository_s_own_is_valid_and_lists_its_ledgers() -> None:
    project = find_project(REPOSITORY)
    files = {output.file for output in read_codecheck(project).manifest}
    there = {project.relative(path) for path in project.results.glob("[!.]*/*/ledger.json")}
    assert there and {file for file in files if file.endswith("ledger.json")} == there, (
        "run: mechscope render"
    )

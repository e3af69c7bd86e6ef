"""`codecheck.yml`: generated, and what people added is kept."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from mechscope.errors import InvalidInput
from mechscope.project import Project, find_project
from mechscope.publish.codecheck import NAME, SPECIFICATION, write_codecheck
from mechscope.publish.prerender import prepare
from tests.publish.sample_project import REPOSITORY

RUN = "smollm2-135m"


def _read(project: Project) -> dict[str, Any]:
    text = (project.root / NAME).read_text()
    assert text.startswith("---\n")  # as the specification asks
    return dict(yaml.safe_load(text))


def _change(project: Project, **fields: object) -> None:
    path = project.root / NAME
    content = {**yaml.safe_load(path.read_text()), **fields}
    path.write_text("---\n" + yaml.safe_dump(content, sort_keys=False))


def test_rendering_lists_every_ledger_figure_and_paper(sample: Project) -> None:
    prepare(sample, RUN, "skip")
    check = _read(sample)
    files = [output["file"] for output in check["manifest"]]
    for run in (RUN, "gemma-3-270m"):
        assert f"results/{run}/topic_geometry/ledger.json" in files
        assert f"results/{run}/topic_geometry/figures/similarity.svg" in files
        assert f"_site/{run}/paper/paper.pdf" in files
    assert all(output["comment"] for output in check["manifest"])
    assert (check["paper"]["title"], check["version"]) == ("The paper", SPECIFICATION)


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
    check = _read(sample)
    assert check["certificate"] == "2026-001" and check["codechecker"] == [author]
    assert check["paper"]["title"] == "Another title" and check["paper"]["reference"] == reference
    assert check["paper"]["authors"][0]["ORCID"] == orcid


def test_a_file_that_is_not_yaml_is_not_written_over(sample: Project) -> None:
    (sample.root / NAME).write_text("---\nsummary: [half")
    with pytest.raises(InvalidInput, match="not YAML"):
        write_codecheck(sample)


def test_the_repository_s_own_lists_its_ledgers() -> None:
    project = find_project(REPOSITORY)
    files = {output["file"] for output in _read(project)["manifest"]}
    there = {project.relative(path) for path in project.results.glob("[!.]*/*/ledger.json")}
    assert there and {file for file in files if file.endswith("ledger.json")} == there, (
        "run: mechscope render"
    )

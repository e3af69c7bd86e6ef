from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mechscope.errors import LedgerDamaged, UnknownName
from mechscope.files import hash_text, stable_json, write_atomically
from mechscope.ledger.formatting import statistic_text
from mechscope.ledger.recording import FLOAT32
from mechscope.ledger.schema import Figure, Findings, Inputs, LedgerFile, Statistic
from mechscope.ledger.store import (
    committed_ledger,
    figure_files,
    findings_hash,
    ledger_text,
    read_ledger,
    upstream,
)
from mechscope.project import Project

INPUTS = Inputs(parameters={"seed": 0}, script="s", code={}, data={}, models={}, saes={}, needs={})


def written(root: Path) -> Path:
    """A ledger with one statistic and one figure, as it lies in a project's results."""
    text = statistic_text(0.5, spec=".2f", unit="", ci=None, level=0.95, p=None, n=None)
    spec, svg = stable_json({"mark": "bar"}), "<svg/>"
    findings = Findings(
        statistics={"half": Statistic(label="Half", value=0.5, tolerance=FLOAT32, text=text, cell="cell-01")},
        figures={
            "bars": Figure(
                caption="Bars",
                alt="Bars",
                spec_sha256=hash_text(spec),
                svg_sha256=hash_text(svg),
                tolerance={"*": FLOAT32},
                cell="cell-02",
            )
        },
    )
    ledger = LedgerFile(
        analysis="demo",
        run="r",
        title="Demo",
        inputs=INPUTS,
        environment={},
        findings=findings,
        sha256=findings_hash(findings),
    )
    folder = root / "results" / "r" / "demo"
    for path, content in zip(figure_files(folder, "bars"), (spec, svg), strict=True):
        write_atomically(path, content)
    write_atomically(folder / "ledger.json", ledger_text(ledger))
    return folder


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    folder = written(tmp_path)
    assert ledger_text(read_ledger(folder)) == (folder / "ledger.json").read_text()


def test_a_number_edited_by_hand_is_caught(tmp_path: Path) -> None:
    path = written(tmp_path) / "ledger.json"
    path.write_text(path.read_text().replace('"value": 0.5', '"value": 0.6'))
    with pytest.raises(LedgerDamaged, match="edited by hand"):
        read_ledger(path.parent)


def _change(raw: dict[str, Any], field: str) -> None:
    """Another value in a field, whatever it holds."""
    match raw[field]:
        case str() as text:
            raw[field] = text + "x"
        case list() as items:
            raw[field] = [*items, {"changed": ["x"], "because": "x"}]
        case dict() as entries:
            inner = next((name for name in entries if name == "parameters"), None)
            raw[field] = {**entries, inner: {"seed": 1}} if inner else {**entries, "python": "2.7"}


@pytest.mark.parametrize("field", sorted({*LedgerFile.model_fields} - {"schema_version", "findings"}))
def test_whatever_is_edited_in_a_ledger_is_caught(tmp_path: Path, field: str) -> None:
    path = written(tmp_path) / "ledger.json"
    raw = json.loads(path.read_text())
    before = json.dumps(raw)
    _change(raw, field)
    assert json.dumps(raw) != before
    path.write_text(stable_json(raw))
    with pytest.raises(LedgerDamaged, match="edited by hand"):
        read_ledger(path.parent)


@pytest.mark.parametrize("title", ["Demo", "Another"])
def test_the_hash_of_the_whole_cannot_be_left_out(tmp_path: Path, title: str) -> None:
    path = written(tmp_path) / "ledger.json"
    raw = json.loads(path.read_text())
    del raw["whole_sha256"]
    path.write_text(stable_json({**raw, "title": title}))
    with pytest.raises(LedgerDamaged, match="states no hash of its whole") as caught:
        read_ledger(path.parent)
    assert caught.value.hint == "mechscope run demo --run r --force"


def test_a_ledger_that_readers_may_read_differently_is_none(tmp_path: Path) -> None:
    path = written(tmp_path) / "ledger.json"
    path.write_text(path.read_text().replace('"title": "Demo"', '"title": "Other", "title": "Demo"'))
    with pytest.raises(LedgerDamaged, match="two entries named 'title'"):
        read_ledger(path.parent)


@pytest.mark.parametrize("which", [0, 1])
def test_a_figure_edited_or_removed_is_caught_and_named(tmp_path: Path, which: int) -> None:
    folder = written(tmp_path)
    file = figure_files(folder, "bars")[which]
    file.write_text(file.read_text() + " ")
    with pytest.raises(LedgerDamaged, match=f"{file.name} was edited"):
        read_ledger(folder)
    file.unlink()
    with pytest.raises(LedgerDamaged, match=f"{file.name} is missing"):
        read_ledger(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raw: {**raw, "schema_version": 99}, "schema version 99"),
        (lambda raw: {**raw, "surprise": 1}, "surprise"),
        (lambda raw: {key: raw[key] for key in raw if key != "run"}, "run"),
        (lambda raw: [raw], "schema version None"),
    ],
)
def test_a_ledger_of_another_shape_is_one_clear_error_with_its_command(
    tmp_path: Path, change: object, said: str
) -> None:
    folder = written(tmp_path)
    raw = json.loads((folder / "ledger.json").read_text())
    (folder / "ledger.json").write_text(json.dumps(change(raw)))  # type: ignore[operator]
    with pytest.raises(LedgerDamaged, match=said) as caught:
        read_ledger(folder)
    assert caught.value.hint == "mechscope run demo --run r --force"


def test_a_half_written_ledger_is_one_clear_error(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / "ledger.json").write_bytes((folder / "ledger.json").read_bytes()[:100])
    with pytest.raises(LedgerDamaged, match="not JSON"):
        read_ledger(folder)


def test_upstream_gives_the_findings_of_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    write_atomically(tmp_path / "analyses" / "runs.yml", "default: r\nruns: {r: {}}\n")
    project = Project(tmp_path)
    assert upstream("demo", project=project).statistics["half"].value == 0.5
    monkeypatch.setenv("MECHSCOPE_RUN", "other")
    with pytest.raises(UnknownName, match="run 'other'"):
        upstream("demo", project=project)


@pytest.mark.parametrize(("run", "analysis"), [("r", "other"), ("s", "demo")])
def test_a_ledger_in_the_folder_of_another_analysis_or_run_is_not_its_own(
    tmp_path: Path, run: str, analysis: str
) -> None:
    project = Project(tmp_path)
    folder = written(tmp_path)
    assert committed_ledger(project, "r", "demo").analysis == "demo"
    project.results_dir(run, analysis).parent.mkdir(exist_ok=True)
    folder.rename(project.results_dir(run, analysis))
    with pytest.raises(LedgerDamaged, match=f"results/{run}/{analysis} holds what demo found in r"):
        committed_ledger(project, run, analysis)

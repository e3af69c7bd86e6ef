"""An analysis reads what it declares; the watch names anything else, and leaves other files alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mechscope.pipeline.reads import how_to_declare


def run(tmp_path: Path, code: str, *, allowed: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    """What the last line of stderr says, and which reads were refused, in a project with a few files."""
    root = tmp_path / "project"
    for name in ("analyses/data/declared.csv", "analyses/data/other.csv", "results/one/up/ledger.json"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x\n1\n")
    (root / "analyses/_helper.py").write_text("x = 1\n")
    (root / ".venv").mkdir(exist_ok=True)
    (root / ".venv/config").write_text("1")
    (tmp_path / "outside.txt").write_text("1")
    start = (
        "import sys; from mechscope.pipeline.reads import watch; sys.path.insert(0, '.')\n"
        f"watch({str(root)!r}, {[str(root / path) for path in allowed]!r}, {str(tmp_path / 'log')!r}, "
        f"{str(tmp_path / 'cache')!r})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + code],
        cwd=root / "analyses",
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
    )
    log = tmp_path / "log"
    error = done.stderr.strip().splitlines()[-1] if done.returncode else ""
    refused = log.read_text().splitlines() if log.is_file() else []
    log.unlink(missing_ok=True)
    return error, refused


@pytest.mark.parametrize(
    "code",
    [
        "open('data/declared.csv').read()",
        "open('../analyses/data/declared.csv', 'rb').read()",
        "open('../../outside.txt').read()",
        "open('../.venv/config').read()",
        "open('data/written.csv', 'w').write('1')",
        "import json, email.message",
        "try: open('data/not_there.csv')\nexcept FileNotFoundError: pass",
    ],
)
def test_declared_and_foreign_files_are_read_freely(tmp_path: Path, code: str) -> None:
    assert run(tmp_path, code, allowed=("analyses/data/declared.csv",)) == ("", [])


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("open('data/other.csv')", "analyses/data/other.csv"),
        ("import os; os.open('data/other.csv', os.O_RDONLY)", "analyses/data/other.csv"),
        ("import pathlib; pathlib.Path('data/other.csv').read_bytes()", "analyses/data/other.csv"),
        ("open('data/other.csv', 'r+')", "analyses/data/other.csv"),
        ("import os; os.chdir('/'); open(sys.path[0] and path)", "analyses/data/other.csv"),
        ("open('../results/one/up/ledger.json')", "results/one/up/ledger.json"),
        ("import _helper", "analyses/_helper.py"),
    ],
)
def test_an_undeclared_project_file_is_refused_by_name(tmp_path: Path, code: str, names: str) -> None:
    code = f"path = {str(tmp_path / 'project/analyses/data/other.csv')!r}\n{code}"
    error, refused = run(tmp_path, code, allowed=("analyses/data/declared.csv",))
    assert "UndeclaredRead" in error
    assert names in error
    assert refused == [names]


def test_a_compiled_module_is_its_source(tmp_path: Path) -> None:
    assert run(tmp_path, "import _helper", allowed=("analyses/_helper.py",)) == ("", [])
    assert list((tmp_path / "project/analyses/__pycache__").glob("_helper*.pyc"))
    error, refused = run(tmp_path, "import _helper")
    assert refused == ["analyses/_helper.py"]
    assert "import statement" in error


def test_a_link_counts_as_the_project_file_that_it_is(tmp_path: Path) -> None:
    (tmp_path / "project/analyses/data").mkdir(parents=True)
    (tmp_path / "project/analyses/data/link.csv").symlink_to(tmp_path / "outside.txt")
    _, refused = run(tmp_path, "open('data/link.csv')")
    assert refused == ["analyses/data/link.csv"]


def test_a_swallowed_refusal_is_still_known(tmp_path: Path) -> None:
    code = "try: open('data/other.csv')\nexcept Exception: pass"
    assert run(tmp_path, code) == ("", ["analyses/data/other.csv"])


MODELS = {
    "cache/models/smollm2-135m": "the model smollm2-135m",
    "hub/models--owner--name/snapshots/1a2b": "the model owner/name",
    "project/models/mine": "the model models/mine",
}


def save_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")


@pytest.mark.parametrize("folder", [*MODELS, "elsewhere"])
def test_a_model_is_refused_wherever_it_lies_unless_it_is_declared(tmp_path: Path, folder: str) -> None:
    save_model(tmp_path / folder)
    code = f"open({str(tmp_path / folder / 'config.json')!r})"
    error, refused = run(tmp_path, code)
    assert refused == [MODELS.get(folder, f"the model {tmp_path / folder}")]
    assert "UndeclaredRead" in error and "models: [PARAMETER]" in error
    assert run(tmp_path, code, allowed=(f"../{folder}",)) == ("", [])


def test_a_tokenizer_beside_weights_is_read_freely(tmp_path: Path) -> None:
    save_model(tmp_path / "hub")
    assert run(tmp_path, "open('../../hub/tokenizer.json')") == ("", [])


def test_a_model_that_the_analysis_saved_itself_is_no_input(tmp_path: Path) -> None:
    save_model(tmp_path / "saved")
    read = "open('../../saved/config.json')"
    assert run(tmp_path, f"open('../../saved/config.json', 'w').write('1')\n{read}") == ("", [])
    assert run(tmp_path, read)[1]


def test_a_config_without_weights_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert run(tmp_path, "open('../../config.json')") == ("", [])


def test_the_parameter_that_names_a_model_is_given() -> None:
    parameters = {"seed": 0, "model": "./models/mine"}
    assert how_to_declare("the model models/mine", parameters).endswith("models: [model]")


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        ("analyses/data/x.csv", "data: [data/x.csv]"),
        ("paper/notes.txt", "data: [../paper/notes.txt]"),
        ("results/one/up/ledger.json", "needs: [up]"),
    ],
)
def test_the_header_line_to_add_is_given(shown: str, line: str) -> None:
    assert line in how_to_declare(shown)

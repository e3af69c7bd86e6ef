"""Whichever Python Quarto starts, the hooks run in one that has what they need, or say why none has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from mechscope.project import Project
from tests.publish.sample_project import REPOSITORY


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the standard library only."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


def _script(path: Path, text: str, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def _hook(project: Project, python: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    names = ("VIRTUAL_ENV", "CONDA_PREFIX", "QUARTO_PYTHON")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [python, "paper/prerender.py"],
        cwd=project.root,
        env={**clean, "MECHSCOPE_PRERENDER": "done", **environment},
        capture_output=True,
        encoding="utf-8",
    )


def test_everything_that_the_package_depends_on_is_looked_for() -> None:
    spaces: dict[str, object] = {
        "__file__": str(REPOSITORY / "paper" / "prerender.py"),
        "__name__": "prerender",
    }
    exec((REPOSITORY / "paper" / "prerender.py").read_text(), spaces)
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = {line.split(">=")[0].split("==")[0].lower().replace("_", "-") for line in declared} - {"pip"}
    of_module = packages_distributions()
    needed = spaces["NEEDED"]
    assert isinstance(needed, tuple)
    looked_for = {name.lower().replace("_", "-") for module in needed for name in of_module.get(module, ())}
    assert wanted <= looked_for
    assert all(module in of_module for module in needed)


def test_a_python_without_what_is_needed_hands_over_to_the_project_s_own(sample: Project, bare: Path) -> None:
    refused = _hook(sample, bare)
    assert refused.returncode == 1
    assert refused.stderr.count("it lacks") == 1
    assert "make environment" in refused.stderr and "Traceback" not in refused.stderr
    _script(sample.root / ".venv" / "bin" / "python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    done = _hook(sample, bare, QUARTO_PROFILE="nope")  # it runs there, and refuses what it should
    assert "unknown profile 'nope'" in done.stderr


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
@pytest.mark.parametrize("place", ["bin/python", "Scripts/python.exe", "python.exe"])
def test_an_active_environment_is_used(
    sample: Project, bare: Path, tmp_path: Path, variable: str, place: str
) -> None:
    _script(tmp_path / "an env" / place, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    done = _hook(sample, bare, **{variable: str(tmp_path / "an env")})
    assert (done.returncode, done.stderr) == (0, "")


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


BROKEN = {
    "a link to nowhere": (_dangling, "No such file"),
    "no program": (lambda path: _script(path, "", 0o644), "Permission denied"),
    "too old": (
        lambda path: _script(path, "#!/bin/sh\necho 'it is Python 3.7' >&2; exit 1\n"),
        "it is Python 3.7",
    ),
    "one that crashes": (lambda path: _script(path, "#!/bin/sh\nkill -9 $$\n"), "it fails"),
    "a folder": (lambda path: path.mkdir(), "Permission denied"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_environment_is_passed_over_and_named(sample: Project, bare: Path, kind: str) -> None:
    make, why = BROKEN[kind]
    own = sample.root / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    make(own)
    assert _hook(sample, sys.executable).returncode == 0
    refused = _hook(sample, bare)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    line = next(line for line in refused.stderr.splitlines() if str(own) in line)
    assert why in line


def test_the_python_that_quarto_python_names_comes_first(sample: Project) -> None:
    _script(sample.root / ".venv" / "bin" / "python", "#!/bin/sh\necho own >&2; exit 0\n")
    assert "own" in _hook(sample, sys.executable).stderr
    assert "own" not in _hook(sample, sys.executable, QUARTO_PYTHON=sys.executable).stderr


OLD = [path for name in ("python2", "python2.7", "python3.6", "python3.7") if (path := shutil.which(name))]


@pytest.mark.parametrize("python", OLD or [pytest.param("", marks=pytest.mark.skip("no old Python here"))])
def test_an_old_python_hands_over(sample: Project, python: str) -> None:
    if subprocess.run([python, "--version"], capture_output=True).returncode != 0:
        pytest.skip(f"{python} does not start")
    assert "needs 3.11 or newer" in _hook(sample, python).stderr
    _script(sample.root / ".venv" / "bin" / "python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    assert _hook(sample, python).returncode == 0

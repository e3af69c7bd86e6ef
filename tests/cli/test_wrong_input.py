"""Every command, given what it can't use: one message that names it, exit code 1 or 2, no traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mechscope.cli import cli
from mechscope.project import Project
from tests.throwaway import commit, copy_of, make_project, script

RECORD = "from mechscope.ledger import Ledger\nLedger('{name}').statistic('{key}', seed, label='Seed')\n"
ARTICLE = "---\ntitle: Small\n---\n\n{{< stat small.seed >}}\n"
COMMANDS = {
    "run": ["run"],
    "status": ["status"],
    "accept": ["accept", "small", "--because", "x"],
    "verify": ["verify"],
    "verify --quick": ["verify", "--quick"],
    "compare": ["compare", "one", "two"],
    "lint": ["lint"],
    "render": ["render", "--engine", "pandoc"],
    "trace": ["trace", "small.seed"],
    "trace --graph": ["trace", "--graph"],
}
"""What needs a project, as it is typed when nothing is wrong."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    scripts = {
        "small": script(RECORD.format(name="small", key="seed"), parameters="seed = 0\nrate = 0.5"),
        "other": script(RECORD.format(name="other", key="bare")),
    }
    files = {"paper/articles/small.qmd": ARTICLE}
    project = make_project(tmp_path_factory.mktemp("wrong") / "p", scripts=scripts, files=files, git=True)
    assert mechscope(project.root, "run", "--run", "one", "--run", "two").exit_code == 0
    commit(project.root)
    return project


def mechscope(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--project", str(folder), *words])


def _refused(result: Result, says: str) -> None:
    """Refused with one message, and not by a crash."""
    assert result.exit_code in (1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    assert says in result.stderr
    assert len(re.findall("^(?:mechscope|Error): ", result.stderr, re.MULTILINE)) == 1, result.stderr


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("where", ["empty", "not there", "a file"])
def test_where_there_is_no_project_it_is_said(tmp_path: Path, words: list[str], where: str) -> None:
    folder = {"empty": tmp_path, "not there": tmp_path / "none", "a file": tmp_path / "file"}[where]
    (tmp_path / "file").write_text("x")
    _refused(mechscope(folder, *words), "is not inside a mechscope project")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "smal"], "unknown analysis 'smal' — did you mean 'small'?"),
        (["run", "Small"], "unknown analysis 'Small' — did you mean 'small'?"),
        (["run", "small.py"], "unknown analysis 'small.py' — did you mean 'small'?"),
        (["run", "analyses/small.py"], "unknown analysis 'analyses/small.py' — did you mean 'small'?"),
        (["run", "caf\udce9"], "unknown analysis 'caf"),
        (["run", "12"], "unknown analysis '12'.\n"),
        (["run", ""], "unknown analysis ''.\n"),
        (["run", "--run", "3"], "unknown run '3'.\n"),
        (["run", "--run", "One"], "unknown run 'One' — did you mean 'one'?"),
        (["run", "--all-runs", "--run", "one"], "--run or --all-runs, not both"),
        (["run", "-p", "seed"], "given as key=value"),
        (["run", "-p", "=1"], "unknown parameter ''"),
        (["run", "-p", "sede=1"], "unknown parameter 'sede' — did you mean 'seed'?"),
        (["run", "-p", "rate=fast"], "is not a number, as the default 0.5 is"),
        (["run", "--device", "cuda:99"], "The device 'cuda:99' cannot be used"),
        (["run", "--device", "gpu"], "'gpu' is not a device"),
        (["verify", "--device", "gpu"], "'gpu' is not a device"),
        (["run", "--dtype", "half"], "'half' is not one of"),
        (["run", "--dtype", "bfloat16"], "unknown parameter 'dtype'"),
        (["run", "--jobs", "none"], "'none' is not a valid integer"),
        (["run", "--jobs", "0"], "0 is not in the range"),
        (["run", "--model", "smollm2-135m"], "--as NAME"),
        (["run", "--as", "one two", "-p", "seed=1"], "cannot name a run"),
        (["run", "--as", "mine"], "has no parameters of its own"),
        (["run", "--as", "mine", "--all-runs"], "--as makes one run"),
        (["run", "--force", "--run", "one", "--scheduler", "nowhere"], "no dask scheduler at nowhere"),
        (["status", "--run", "onne"], "unknown run 'onne' — did you mean 'one'?"),
        (["status", "small"], "unexpected extra argument"),
        (["accept", "smal", "--because", "x"], "unknown analysis 'smal' — did you mean 'small'?"),
        (["accept", "small"], "--because"),
        (["accept", "small", "--because", ""], "because"),
        (["accept", "small", "--because", "x", "--run", "4"], "unknown run '4'"),
        (["verify", "smal"], "unknown analysis 'smal' — did you mean 'small'?"),
        (["verify", "smal", "--quick"], "unknown analysis 'smal' — did you mean 'small'?"),
        (["verify", "--run", "onee"], "unknown run 'onee' — did you mean 'one'?"),
        (["verify", "--quick", "--run", "onee"], "unknown run 'onee' — did you mean 'one'?"),
        (["verify", "--all-runs", "--run", "one"], "--run or --all-runs, not both"),
        (["compare", "one"], "Missing argument"),
        (["compare", "one", "tow"], "'tow' — did you mean 'two'?"),
        (["compare", "one", "2"], "'2'"),
        (["compare", "one", "two", "smal"], "'smal' — did you mean 'small'?"),
        (["compare", "one", "two", "--format", "xml"], "'xml' is not one of"),
        (["lint", "none.qmd"], "'none.qmd' does not exist"),
        (["render", "smal"], "unknown article 'smal' — did you mean 'small'?"),
        (["render", "7"], "unknown article '7'"),
        (["render", "/etc/hostname"], "unknown article '/etc/hostname'"),
        (["render", "--engine", "word"], "'word' is not one of"),
        (["render", "--run", "6"], "unknown run '6'"),
        (["render", "--all-runs", "--run", "one"], "--run or --all-runs, not both"),
        (["trace"], "give a key"),
        (["trace", "small.seed", "--graph"], "give a key"),
        (["trace", "small.seed", "--format", "dot"], "--format goes with --graph"),
        (["trace", "small.sede"], "unknown key 'small.sede' — did you mean 'small.seed'?"),
        (["trace", "small.bare"], "unknown key 'small.bare' — did you mean 'other.bare'?"),
        (["trace", "nowhere.seed"], "unknown key 'nowhere.seed' — did you mean 'small.seed'?"),
        (["trace", "one:small.bare"], "did you mean 'one:other.bare'?"),
        (["trace", "three:small.seed"], "unknown run with results 'three'"),
        (["trace", "5"], "unknown analysis '5'"),
        (["trace", "paper/articles/smal.qmd:2"], "did you mean 'paper/articles/small.qmd'?"),
        (["trace", "paper/articles/small.qmd:99"], "99"),
        (["trace", "/etc/hostname:1"], "/etc/hostname"),
        (["models", "smollm2-135"], "did you mean 'smollm2-135m'"),
        (["models", "fetch"], "needs the name of a model"),
        (["models", "fetch", "smolm2"], "unknown model 'smolm2'"),
        (["models", "./none"], "no folder none"),
        (["nothing"], "there is no command 'nothing'"),
        (["run", "--none"], "there is no option '--none'"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(done: Project, words: list[str], says: str) -> None:
    before = done.runs_file.read_text()
    _refused(mechscope(done.root, *words), says)
    assert done.runs_file.read_text() == before


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(
    "content",
    [b"", b"- 1\n", b"default: [", b"default: one\nruns: 3\n", b"default: 1\nruns: {}\n"],
)
def test_a_broken_runs_file_is_named(done: Project, tmp_path: Path, words: list[str], content: bytes) -> None:
    project = copy_of(done, tmp_path / "p")
    project.runs_file.write_bytes(content)
    result = mechscope(project.root, *words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    if result.exit_code and words[0] != "lint":  # which lists it beside all else that it finds
        _refused(result, "runs.yml")
    else:
        assert words[0] in ("compare", "lint")  # which can do without it


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_where_nothing_can_be_written_one_sentence_says_so(
    done: Project, tmp_path: Path, words: list[str]
) -> None:
    """For root everything can be written, so files stand where folders should be made."""
    project = copy_of(done, tmp_path / "p")
    (project.analyses / "small.py").write_text(
        (project.analyses / "small.py").read_text().replace("'Seed'", "'Sown'")
    )
    for folder in (project.scratch, project.site, project.paper / "_generated"):
        if folder.is_dir():
            folder.rename(folder.with_name("away"))
        folder.write_text("in the way")
    result = mechscope(project.root, *words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    if result.exit_code:
        assert len(re.findall("^mechscope: ", result.stderr, re.MULTILINE)) <= 1, result.stderr


def test_a_reader_who_closes_the_pipe_gets_no_traceback(done: Project) -> None:
    command = [sys.executable, "-m", "mechscope", "--project", str(done.root), "trace", "--graph"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout and running.stderr
    running.stdout.close()
    assert "Traceback" not in running.stderr.read()
    running.wait()


def test_a_terminal_without_the_letters_gets_no_traceback(done: Project) -> None:
    command = [sys.executable, "-m", "mechscope", "--project", str(done.root), "verify", "--quick"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    for words in (command, [*command[:-2], "status"], [*command[:-2], "trace", "--graph"]):
        ran = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert "Traceback" not in ran.stderr and ran.stdout

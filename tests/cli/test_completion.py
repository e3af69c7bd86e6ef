"""Tab proposes what there is, quickly, and never shows an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from mechscope.cli import cli
from mechscope.project import Project
from tests.throwaway import make_project, script

_CONTEXT = click.Context(cli)
COMMANDS = {name: cli.get_command(_CONTEXT, name) for name in cli.list_commands(_CONTEXT)}

RECORD = "from mechscope.ledger import Ledger\nLedger('small').statistic('seed', seed, label='Seed')\n"
FILES = {
    "paper/articles/small-article.qmd": "---\ntitle: Small\n---\n",
    "paper/articles/_part.qmd": "",
    "paper/_generated/one/numbers.qmd": "",
    "results/one/small/ledger.json": '{"findings": {"statistics": {"seed": {}}, "claims": {"sure": {}}}}',
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    scripts = {"small": script(RECORD), "other": script(RECORD), "_helper": "x = 1\n"}
    return make_project(tmp_path / "p", scripts=scripts, files=FILES)


def complete(folder: Path, *words: str, shell: str = "bash") -> list[str]:
    """What the shell is told after `mechscope words…` with the last word unfinished."""
    typed = words[-1] if shell == "fish" else str(len(words))
    asked = {"_MECHSCOPE_COMPLETE": f"{shell}_complete", "COMP_CWORD": typed}
    environment = os.environ | asked | {"COMP_WORDS": " ".join(["mechscope", *words])}
    done = subprocess.run(
        [sys.executable, "-m", "mechscope"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.stderr == "" and "Traceback" not in done.stdout
    return [line.removeprefix("plain,") for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (["st"], ["status"]),
        (["run", ""], ["other", "small"]),
        (["run", "other", "sm"], ["small"]),
        (["run", "--run", ""], ["one", "two"]),
        (["status", "--run", "t"], ["two"]),
        (["verify", "s"], ["small"]),
        (["accept", "o"], ["other"]),
        (["compare", "on"], ["one"]),
        (["compare", "one", "tw"], ["two"]),
        (["compare", "one", "two", "o"], ["other"]),
        (["render", ""], ["small-article"]),
        (["render", "--run", "o"], ["one"]),
        (["render", "--engine", "p"], ["pandoc"]),
        (["look", "--model", "smol"], ["smollm2-135m"]),
        (["models", "fetch", "smol"], ["smollm2-135m"]),
        (["models", "fe"], ["fetch"]),
        (["trace", "s"], ["small"]),
        (["trace", "small."], ["small.seed", "small.sure"]),
        (["trace", "small.su"], ["small.sure"]),
        (["trace", "nowhere."], []),
        (["run", "--mod"], ["--model"]),
    ],
)
def test_names_are_proposed(project: Project, words: list[str], proposed: list[str]) -> None:
    assert complete(project.root, *words) == proposed


def test_a_path_is_left_to_the_shell(project: Project) -> None:
    assert complete(project.root, "look", "--model", "./") == ["dir,./"]
    assert complete(project.root, "render", "paper/ar") == ["file,paper/ar"]


def test_the_project_can_be_another_folder(project: Project, tmp_path: Path) -> None:
    assert complete(tmp_path, "--project", str(project.root), "run", "sm") == ["small"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_titles_too(project: Project, shell: str) -> None:
    assert "Run two" in "\n".join(complete(project.root, "status", "--run", "tw", shell=shell))


@pytest.mark.parametrize("words", [["run", ""], ["status", "--run", ""], ["render", ""], ["trace", "small."]])
@pytest.mark.parametrize("broken", ["no project", "no YAML", "no mapping", "runs without an end", "no text"])
def test_where_nothing_can_be_read_nothing_is_proposed_and_nothing_said(
    project: Project, tmp_path: Path, words: list[str], broken: str
) -> None:
    contents = {
        "no YAML": b"default: [",
        "no mapping": b"- 1\n",
        "runs without an end": b"default: one\nruns: {one: 3",
        "no text": b"\xff\xfe\x00",
    }
    (project.results_dir("one", "small") / "ledger.json").write_text('{"half":')
    if broken == "no project":
        assert complete(tmp_path, *words) == []
        return
    project.runs_file.write_bytes(contents[broken])
    found = complete(project.root, *words)
    assert found == {"run": ["other", "small"], "render": ["small-article"]}.get(words[0], [])


def test_nothing_heavy_is_imported(project: Project) -> None:
    code = (
        "import sys\nfrom click.shell_completion import BashComplete\nfrom mechscope.cli import cli\n"
        "for words in (['run'], ['run', '--run'], ['render'], ['look', '--model'], ['trace']):\n"
        "    complete = BashComplete(cli, {}, 'mechscope', '_X')\n"
        f"    given = ['--project', {str(project.root)!r}, *words]\n"
        "    assert complete.get_completions(given, ''), words\n"
        "    assert complete.get_completions(['look', '--model'], 'gpt2')\n"
        "heavy = {'torch', 'transformers', 'transformer_lens', 'pandas', 'numpy', 'rich', 'dask'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "HEAVY []\n", done.stdout + done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_can_be_told_how_to_ask(shell: str, tmp_path: Path) -> None:
    environment = os.environ | {"_MECHSCOPE_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-c", "from mechscope.cli import main; main()"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "_MECHSCOPE_COMPLETE" in done.stdout and "Traceback" not in done.stderr


def test_every_name_that_is_asked_for_can_be_completed() -> None:
    """A new command forgets it easily."""
    texts = {"because", "prompts", "answers", "parameters", "new_run", "scheduler"}
    for name, command in COMMANDS.items():
        for parameter in command.params:
            plain = type(parameter.type).__name__ == "StringParamType"
            assert not plain or parameter.name in texts, f"{name}: {parameter.name}"

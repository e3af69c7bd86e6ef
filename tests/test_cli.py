"""The command line: quick to start, one clear error and an exit code for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from mechscope.cli import cli
from mechscope.cli.render import _print_rendered
from mechscope.project import Project
from mechscope.publish import Rendered, RenderedRun
from tests.throwaway import commit, copy_of, edit, make_project, script

RECORD = """
from mechscope.ledger import Ledger
ledger = Ledger("small")
ledger.statistic("seed", seed, label="Seed")
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one analysis, run and committed."""
    scripts = {"small": script(RECORD, parameters='seed = 0\nmodel = "smollm2-135m"', models=["model"])}
    project = make_project(tmp_path_factory.mktemp("cli") / "p", scripts=scripts, git=True)
    result = mechscope(project, "run")
    assert result.exit_code == 0, result.output
    commit(project.root)
    return project


@pytest.fixture
def project(done: Project, tmp_path: Path) -> Project:
    return copy_of(done, tmp_path / "p")


def mechscope(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--project", str(project.root), *arguments])


@pytest.mark.parametrize("command", ["status", "run"])
def test_in_a_fresh_clone_nothing_runs_and_nothing_heavy_is_imported(
    done: Project, tmp_path: Path, command: str
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(done.root), str(clone)], check=True)
    code = (
        "import sys\nfrom mechscope.cli import cli\n"
        f"cli(['--project', {str(clone)!r}, {command!r}], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'transformer_lens', 'pandas', 'numpy', 'altair', 'papermill', "
        "'jupytext', 'nbformat', 'distributed', 'rich'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "HEAVY []" in result.stdout, result.stderr
    assert "small  fresh" in result.stdout
    assert "stale: " not in result.stdout.partition("two")[0]


def test_status_says_what_is_stale_and_why(project: Project) -> None:
    edit(project.runs_file, "one, parameters: {seed: 0}", "one, parameters: {seed: 1}")
    result = mechscope(project, "status", "--run", "one")
    assert result.exit_code == 0
    assert "one  (default)\n  small  stale: parameter seed 0 → 1\n1 of 1 stale" in result.output


def test_run_ends_by_saying_what_it_did(project: Project) -> None:
    result = mechscope(project, "run", "--run", "one", "--run", "two")
    assert result.exit_code == 0
    assert "one:small  fresh\n" in result.stdout
    assert "two:small  ran (" in result.stdout
    assert "two:small runs: never run\n" in result.stderr


MUCH = """
from mechscope.ledger import Ledger
ledger = Ledger("small")
for number in range(40):
    ledger.statistic(f"s{number}", number, label=f"Number {number}", p=0.5, test="a test")
ledger.statistic("word", "\\x1b[31mred", label="A word")
ledger.statistic("low", 1, label="Low")
ledger.claim("sure", "It is low.", criterion="low < 2")
ledger.claim("unsure", "It is high.", criterion="low > 2")
"""


def test_a_run_prints_all_claims_and_some_numbers_and_says_where_the_rest_is(tmp_path: Path) -> None:
    project = make_project(
        tmp_path / "p", scripts={"small": script(MUCH), "also": script(RECORD.replace("small", "also"))}
    )
    ran = mechscope(project, "run")
    assert ran.exit_code == 0, ran.output
    said = ran.stdout
    assert (
        "  small.sure  ✓ held · It is low.\n" in said and "  small.unsure  ✗ failed · It is high.\n" in said
    )
    assert "  small.low = 1  · Low\n" in said and "  also.seed = 0  · Seed\n" in said
    assert "p = 0.5" not in said
    assert "  and 30 more statistics: mechscope trace small --run one\n" in said
    assert len(said.splitlines()) < 30 and "\x1b" not in said
    assert len(mechscope(project, "run").stdout.splitlines()) == 2
    assert "small.sure  ✓ held" in mechscope(project, "run", "small").stdout


def test_how_long_a_rerun_takes_is_known_from_the_last_run(project: Project) -> None:
    log = project.scratch / "log" / "runs.jsonl"
    entry = {"run": "one", "analysis": "small", "outcome": "ran", "seconds": 185}
    log.write_text(
        f'{json.dumps(entry)}\n{json.dumps(entry | {"outcome": "failed", "seconds": 1})}\n{{"run": "on'
    )
    edit(project.runs_file, "one, parameters: {seed: 0}", "one, parameters: {seed: 1}")
    one, both = mechscope(project, "status", "--run", "one"), mechscope(project, "status")
    assert "1 of 1 stale; running it takes about 3 min, as last time\n" in one.stdout
    assert "running them takes about 3 min, as last time (without 1 that never ran here)\n" in both.stdout
    assert (
        "one:small runs: parameter seed 0 → 1 (about 3 min, as last time)\n"
        in mechscope(project, "run").stderr
    )
    log.unlink()
    edit(project.runs_file, "one, parameters: {seed: 1}", "one, parameters: {seed: 3}")
    assert mechscope(project, "status", "--run", "one").stdout.endswith("1 of 1 stale\n")


def test_a_changed_input_can_be_accepted_with_a_reason(project: Project) -> None:
    edit(project.analyses / "small.py", 'label="Seed"', 'label=str("Seed")')
    result = mechscope(project, "accept", "small", "--because", "str of a text is the text")
    assert "one:small accepted: the script's code changed" in result.output
    assert "small  fresh; accepted: str of a text is the text" in mechscope(project, "status").output


def test_a_failed_analysis_is_an_exit_code_and_its_error_goes_to_stderr(project: Project) -> None:
    edit(project.analyses / "small.py", "ledger.statistic(", "ledger.statistics(")
    result = mechscope(project, "run")
    assert result.exit_code == 1
    assert "one:small  FAILED" in result.stdout
    assert "cell-02 (cell 2 of 2) failed: AttributeError" in result.stderr


def test_a_new_run_is_declared_in_one_line_with_its_profile_and_run(project: Project) -> None:
    (project.root / "_quarto.yml").write_text("profile: {default: one, group: [[one, two]]}\n")
    result = mechscope(project, "run", "-p", "seed=7", "--as", "mine")
    assert result.exit_code == 0, result.output
    assert "mine:small  ran" in result.stdout
    declared = yaml.safe_load(project.runs_file.read_text())["runs"]["mine"]
    assert declared["parameters"] == {"seed": 7}
    assert (project.root / "_quarto-mine.yml").is_file()
    assert yaml.safe_load((project.root / "_quarto.yml").read_text())["profile"]["group"] == [
        ["one", "two", "mine"]
    ]
    assert (project.results_dir("mine", "small") / "ledger.json").is_file()


def test_a_trial_says_what_it_found(project: Project) -> None:
    result = mechscope(project, "run", "-p", "seed=7")
    assert result.exit_code == 0, result.output
    assert "trial with seed = 7  → .mechscope/trials/one/small\n  small.seed = 7  · Seed\n" in result.stdout


def test_a_model_in_a_folder_becomes_a_run_that_other_machines_understand(project: Project) -> None:
    folder = project.root / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text('{"hidden_size": 8}')
    (folder / "model.safetensors").write_bytes(b"weights")
    refused = mechscope(project, "run", "--model", str(folder), "--as", "mine")
    assert refused.exit_code == 1 and "holds a model but no tokenizer" in refused.stderr
    assert "mine" not in project.runs_file.read_text()
    (folder / "tokenizer.json").write_text("{}")
    result = mechscope(project, "run", "--model", str(folder), "--as", "mine")
    assert result.exit_code == 0, result.output
    declared = yaml.safe_load(project.runs_file.read_text())["runs"]["mine"]
    assert declared == {"title": "my-model", "parameters": {"seed": 0, "model": "./my-model"}}
    (folder / "model.safetensors").write_bytes(b"others.")
    assert "stale: model ./my-model has other weights" in mechscope(project, "status", "--run", "mine").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "smal"], "unknown analysis 'smal' — did you mean 'small'?"),
        (["run", "--run", "on"], "unknown run 'on' — did you mean 'one'"),
        (["run", "-p", "sead=1"], "unknown parameter 'sead' — did you mean 'seed'?"),
        (["run", "-p", "seed=high"], "'high' is not a whole number, as the default 0 is"),
        (
            ["run", "--model", "smollm2-135", "--as", "mine"],
            "unknown model 'smollm2-135' — did you mean 'smollm2-135m'",
        ),
        (["run", "--model", "./nowhere", "--as", "mine"], "nowhere"),
        (["status", "--run", "tow"], "unknown run 'tow' — did you mean 'two'?"),
        (["accept", "small", "--because", "x"], "nothing to accept"),
        (["models", "gema-3-270m"], "did you mean 'gemma-3-270m'"),
    ],
)
def test_a_mistake_is_one_clear_error(done: Project, arguments: list[str], says: str) -> None:
    result = mechscope(done, *arguments)
    assert result.exit_code == 1
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert "mine" not in yaml.safe_load(done.runs_file.read_text())["runs"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["runn"],
        ["run", "--jobs", "0"],
        ["run", "--model", "gpt2"],
        ["run", "--all-runs", "--run", "one"],
        ["accept", "small"],
        ["render", "--engine", "word"],
    ],
)
def test_a_wrong_use_has_its_own_exit_code(done: Project, arguments: list[str]) -> None:
    assert mechscope(done, *arguments).exit_code == 2


def test_outside_a_project_the_error_says_what_was_looked_for(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["--project", str(tmp_path), "status"])
    assert result.exit_code == 1
    assert "analyses/runs.yml" in result.stderr


def test_a_broken_ledger_file_is_stale_not_a_crash_and_a_run_mends_it(project: Project) -> None:
    path = project.results_dir("one", "small") / "ledger.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    assert "ledger.json is not JSON" in mechscope(project, "status").output
    assert mechscope(project, "run").exit_code == 0
    assert path.read_text() == whole


def test_all_runs_leaves_out_those_that_need_a_hub_and_have_no_results(project: Project) -> None:
    edit(project.runs_file, "two: {title: Run two,", "two: {title: Run two, needs: hub,")
    assert "two:" not in mechscope(project, "run", "--all-runs").stdout


def test_models_are_listed(done: Project) -> None:
    assert "smollm2-135m" in mechscope(done, "models").output
    assert "Apache-2.0" in mechscope(done, "models", "smollm2-135m").output


def test_a_render_ends_with_what_it_ran_and_why_and_which_edits_are_gone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = project.results_dir("one", "small")
    edit(results / "ledger.json", '"Seed"', '"Sneed"')
    rendering = import_module("mechscope.publish.render")
    monkeypatch.setattr(rendering, "_build", lambda *given: RenderedRun("one", (), (), (), 0, 0))
    monkeypatch.setattr(rendering, "prepare", lambda *given, **named: None)
    first, again = (mechscope(project, "render", "--engine", "pandoc", "--run", "one") for _ in "ab")
    assert "  small: ran: results/one/small/ledger.json was edited by hand" in first.stdout
    assert "  warning: one:small ran anew, and what had been edited by hand in " in first.stdout
    assert "  small: fresh\n" in again.stdout and "edited" not in again.output
    assert '"Seed"' in (results / "ledger.json").read_text()


def test_a_render_of_one_article_names_its_page_and_no_entrance_that_is_not_there(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    page = project.site / "one" / "paper" / "one.html"
    done = Rendered("pandoc", (RenderedRun("one", (), (page,), (), 0.1, 0.2),), 0.3)
    _print_rendered(project, done, named=True)
    said = capsys.readouterr().out
    assert "  _site/one/paper/one.html\n" in said and "index.html" not in said
    (project.site / "one").mkdir(parents=True)
    (project.site / "index.html").touch()
    _print_rendered(project, done, named=False)
    said = capsys.readouterr().out
    assert "  1 page in _site/one\n" in said and said.endswith("_site/index.html\n")

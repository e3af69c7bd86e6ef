"""One script that can't be read stops no command for the others; each command says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.errors import InvalidInput
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.project import Project
from mechscope.publish.prerender import bring_up_to_date, unread
from mechscope.review.lint import lint
from mechscope.review.verify import quick, verify
from tests.throwaway import edit, make_project, script

BODY = 'from mechscope.ledger import Ledger\n\nLedger("{}").statistic("x", 1, label="X")'
BROKEN = {
    "latin1": script('x = "é"').encode("latin-1"),
    "magic": script("%matplotlib inline").encode(),
    "colon": script("1").replace("# title: A title", "# title: Heads: which").encode(),
    "empty": b"",
    "unfinished": script("x = (").encode(),
}
SAYS = {
    "latin1": "not UTF-8",
    "magic": "a command of IPython",
    "colon": '# title: "Heads: which"',
    "empty": "begins with a header",
    "unfinished": "not Python",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Analyses that ran; then all but one were saved so that they can't be read."""
    names = ["good", *BROKEN]
    made = make_project(
        tmp_path_factory.mktemp("unread") / "p",
        scripts={name: script(BODY.format(name)) for name in names},
        files={"paper/index.qmd": "---\ntitle: T\n---\n\nOf {{< stat good.x >}}.\n"},
    )
    assert all(outcome.what == "ran" for outcome in run_analyses(made, Order()))
    for name, raw in BROKEN.items():
        (made.analyses / f"{name}.py").write_bytes(raw)
    return made


@pytest.mark.parametrize(
    "command", [["status"], ["run"], ["verify", "--quick"], ["trace", "good.x"], ["run", "good"]]
)
def test_no_command_stops_at_it(project: Project, command: list[str]) -> None:
    done = CliRunner().invoke(cli, ["--project", str(project.root), *command])
    assert "good" in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    others = command[0] == "trace" or "good" in command
    assert done.exit_code == (0 if others else 1)
    for name, says in SAYS.items():
        assert others or says in done.output, name


def test_a_verification_without_a_rerun_checks_the_others(project: Project) -> None:
    checks = {check.subject: check.problems for check in quick(project)}
    assert checks["one:good"] == checks["analyses/claims.lock"] == checks["one: articles"] == ()
    for name, says in SAYS.items():
        (problem,) = checks[f"analyses/{name}.py"]
        assert says in problem


def test_a_verification_reruns_the_others(project: Project) -> None:
    verdicts = {verdict.analysis: verdict for verdict in verify(project)}
    assert verdicts["good"].reproduced
    for name, says in SAYS.items():
        assert not verdicts[name].reproduced and says in verdicts[name].problems[0]


def test_lint_names_what_is_no_python_with_its_line(project: Project) -> None:
    found = {finding.file: finding for finding in lint(project) if finding.rule == "script"}
    assert set(found) == {f"analyses/{name}.py" for name in ("latin1", "magic", "unfinished")}
    line = BROKEN["magic"].split(b"\n").index(b"%matplotlib inline") + 1
    assert found["analyses/magic.py"].line == line


def test_a_render_goes_on_and_warns(project: Project) -> None:
    assert bring_up_to_date(project, "one", "run") == bring_up_to_date(project, "one", "check") == ()
    assert len(unread(project)) == len(BROKEN)


def test_a_render_stops_where_an_article_cites_it(project: Project) -> None:
    index = project.paper / "index.qmd"
    edit(index, "good.x", "magic.x")
    try:
        with pytest.raises(InvalidInput, match=r"analyses/magic.py:\d+: this is not Python"):
            bring_up_to_date(project, "one", "run")
    finally:
        edit(index, "magic.x", "good.x")


def test_a_marker_that_only_jupytext_reads_otherwise_stops_no_other(tmp_path: Path) -> None:
    scripts = {name: script(f"{BODY.format(name)}\n\n# %%\ny = 1") for name in ("good", "odd")}
    project = make_project(tmp_path / "p", scripts=scripts)
    assert all(outcome.what == "ran" for outcome in run_analyses(project, Order()))
    edit(project.analyses / "odd.py", "# %%\ny = 1", '# %% active="py"\ny = 1')
    line = (project.analyses / "odd.py").read_text().split("\n").index('# %% active="py"') + 1
    said = f"analyses/odd.py:{line}: jupytext can't read this cell's marker"
    outcomes = {outcome.analysis: outcome for outcome in run_analyses(project, Order())}
    assert (outcomes["good"].what, outcomes["odd"].what) == ("fresh", "failed")
    assert said in outcomes["odd"].detail
    checks = {check.subject: check.problems for check in quick(project)}
    assert checks["one:good"] == ()
    assert any(said in problem for problem in checks["one:odd"])


def test_a_number_of_a_script_that_is_no_python_any_more_is_traced_without_its_lines(
    project: Project,
) -> None:
    done = CliRunner().invoke(cli, ["--project", str(project.root), "trace", "unfinished.x"])
    assert done.exit_code == 0 and "unfinished.x  = 1" in done.output

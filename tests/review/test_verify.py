"""Verifying: whatever is planted is caught and named; what is as it was passes; nothing else is touched."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mechscope.cli import cli
from mechscope.ledger.store import ledger_text, load_ledger, read_ledger
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.pipeline.shelf import Shelf
from mechscope.project import Project
from tests.review.planted import edit_figure, edit_ledger, folder_of, plant, save_weights
from tests.throwaway import changes, commit, copy_of, edit


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = plant(tmp_path_factory.mktemp("verify") / "project")
    outcomes = run_analyses(project, Order())
    assert [outcome.what for outcome in outcomes] == ["ran", "ran"], outcomes
    (project.root / ".gitignore").write_text(".mechscope/\n__pycache__/\n")
    commit(project.root)
    return project


@pytest.fixture
def project(executed: Project, tmp_path: Path) -> Project:
    return copy_of(executed, tmp_path / "project")


def mechscope(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--project", str(project.root), *arguments])


def verification(project: Project) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project.results / "one" / "verification.json").read_text())
    return content


def statistic(name: str, field: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(findings: dict[str, Any]) -> None:
        findings["statistics"][name][field] = value

    return change


def line_with(output: str, *parts: str) -> str:
    found = [line for line in output.splitlines() if all(part in line for part in parts)]
    assert found, f"no line with {parts} in:\n{output}"
    return found[0]


def test_an_untouched_project_verifies_and_only_the_verification_is_new(project: Project) -> None:
    result = mechscope(project, "verify")
    assert result.exit_code == 0, result.output
    line_with(result.output, "one:everything", "reproduced")
    line_with(result.output, "4 of 4 statistics", "1 of 1 figure", "1 of 1 table", "1 of 1 claim")
    assert changes(project.root) == "?? results/one/verification.json\n"
    written = verification(project)
    ledger = read_ledger(folder_of(project))
    assert written["ledgers"] == {
        "everything": ledger.sha256,
        "after": read_ledger(project.results_dir("one", "after")).sha256,
    }
    assert written["environment"] == ledger.environment
    assert written["analyses"]["everything"]["records"]["statistics"] == {"compared": 4, "reproduced": 4}
    assert written["analyses"]["everything"]["values"] > 40
    python = written["environment"]["python"]
    said = Shelf(project, "one").verified(Shelf(project, "one").find("everything.longest"))
    assert said.startswith(f"verified by the authors' own rerun of {written['date']} (")
    assert f"Python {python}" in said
    assert "all 2 fresh" in mechscope(project, "status", "--run", "one").output  # it is nobody's input
    commit(project.root)
    assert mechscope(project, "verify", "after").exit_code == 0
    assert changes(project.root) == ""  # the other entry stays, and the day is the same


@pytest.mark.parametrize("mend", [False, True], ids=["hash as it was", "hash mended"])
def test_a_number_edited_in_a_ledger_is_named(project: Project, mend: bool) -> None:
    edit_ledger(project, statistic("longest", "value", 9), mend=mend)
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "everything.longest", "drifted", "value", "9", "8", "1", "exact")
    line_with(result.output, "everything.longest", "is printed as '8'", "its value reads '9'")
    assert ("ledger.json was edited by hand" in result.output) is not mend
    assert "everything" not in verification(project)["ledgers"]
    if mend:  # the others can't be cited at all
        shelf = Shelf(project, "one")
        assert shelf.verified(shelf.find("everything.loose")).startswith(
            "not reproduced by the authors' own "
        )
    drift = verification(project)["analyses"]["everything"]["differences"][0]
    assert drift["key"] == "everything.longest"
    assert drift["drifts"][0] == {
        "place": "value",
        "committed": 9,
        "rerun": 8,
        "by": 1,
        "tolerance": "exact",
    }
    assert Shelf(project, "one").project.results.joinpath("one", "verification.json").is_file()
    assert mechscope(project, "verify", "everything", "--quick").exit_code == 1


@pytest.mark.parametrize("mend", [False, True], ids=["hash as it was", "hash mended"])
def test_an_edited_figure_is_named_with_the_place_in_its_data(project: Project, mend: bool) -> None:
    edit_figure(project, "0.25", "0.45", mend=mend)
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "everything.bars", "drifted", "data, values 2, y", "0.45", "0.25")
    assert ("figures/bars.vl.json was edited by hand" in result.output) is not mend
    line_with(result.output, "everything.bars", "its picture is not the one that its data draw")


def test_a_picture_that_its_data_do_not_draw_is_named_though_all_hashes_are_right(project: Project) -> None:
    edit_figure(project, "h18v150h-18Z", "h18v180h-18Z", mend=True, svg=True)
    assert mechscope(project, "verify", "everything", "--quick").exit_code == 0  # nothing is drawn there
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "everything.bars", "its picture is not the one that its data draw")
    assert verification(project)["ledgers"] == {}


def edit_whole(project: Project, **fields: object) -> None:
    """Change a ledger beside its findings, as a forger does who computes every hash anew."""
    ledger = load_ledger(folder_of(project))
    text = ledger_text(ledger.model_copy(update=fields))
    (folder_of(project) / "ledger.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("version", ["0.1", None])
def test_a_forged_picture_is_named_whatever_version_its_ledger_states(
    project: Project, version: str | None
) -> None:
    edit_figure(project, "h18v150h-18Z", "h18v180h-18Z", mend=True, svg=True)
    environment = dict(load_ledger(folder_of(project)).environment)
    environment |= {"vl-convert-python": version} if version else {}
    if not version:
        del environment["vl-convert-python"]
    edit_whole(project, environment=environment)
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    said = line_with(result.output, "everything.bars", "its picture is not the one that its data draw")
    assert f"the ledger states {version or 'none'}" in said


@pytest.mark.parametrize("field", ["title", "description"])
def test_a_title_that_is_not_the_scripts_is_named_though_all_hashes_are_right(
    project: Project, field: str
) -> None:
    edit_whole(project, **{field: "Nothing but the best"})
    for arguments in (["--quick"], []):
        result = mechscope(project, "verify", "everything", *arguments)
        assert result.exit_code == 1
        line_with(result.output, f"states the {field} 'Nothing but the best'", "everything.py has")
    assert mechscope(project, "run", "everything").exit_code == 0
    assert mechscope(project, "verify", "everything", "--quick").exit_code == 0


def test_other_parameters_than_those_of_the_run_are_named_though_all_hashes_are_right(
    project: Project,
) -> None:
    inputs = load_ledger(folder_of(project)).inputs
    edit_whole(project, inputs=inputs.model_copy(update={"parameters": {**inputs.parameters, "seed": 7}}))
    forge(project, lambda notebook: cell(notebook, "cell-parameters").update(source=[
        "# Parameters\n", "seed = 7\n", 'model = "./model"\n',
    ]))  # fmt: skip
    for arguments in (["--quick"], []):
        result = mechscope(project, "verify", "everything", *arguments)
        assert result.exit_code == 1
        line_with(result.output, "input", "parameter seed 7 → 0")


CLAIMS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "caption of a figure": (lambda found: found["figures"]["bars"].update(caption="Best."), "caption"),
    "alternative text": (lambda found: found["figures"]["bars"].update(alt="Two best bars"), "alt"),
    "tolerance of a figure": (
        lambda found: found["figures"]["bars"]["tolerance"]["*"].update(atol=9.0), "tolerance"
    ),
    "caption of a table": (lambda found: found["tables"]["prompts"].update(caption="Best."), "caption"),
    "heading": (
        lambda found: found["tables"]["prompts"]["columns"][1].update(label="width"), "label of column length"
    ),
    "label": (lambda found: found["statistics"]["longest"].update(label="Best prompt"), "label"),
    "test": (lambda found: found["statistics"]["drawn"].update(test="exact"), "test"),
    "caption of passages": (lambda found: found["passages"]["texts"].update(caption="Best."), "caption"),
    "token": (
        lambda found: found["passages"]["texts"]["passages"][0].update(tokens=["a", "c"]), "tokens of text 1"
    ),
    "title of a passage": (
        lambda found: found["passages"]["texts"]["passages"][0].update(title="Best"), "text 1"
    ),
    "sentence": (lambda found: found["claims"]["positive"].update(sentence="All is well."), "sentence"),
    "criterion": (lambda found: found["claims"]["positive"].update(criterion="weight > -1"), "criterion"),
    "exploratory": (lambda found: found["claims"]["positive"].update(exploratory="no"), "exploratory"),
}  # fmt: skip


@pytest.mark.parametrize("forgery", CLAIMS)
def test_words_that_a_rerun_does_not_say_are_named_though_all_hashes_are_right(
    project: Project, forgery: str
) -> None:
    change, place = CLAIMS[forgery]

    edit_ledger(project, change, mend=True)
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "everything.", "drifted", place)


def test_evidence_that_no_criterion_names_is_named(project: Project) -> None:
    edit_ledger(project, lambda found: found["claims"]["positive"]["evidence"].update(n=10_000), mend=True)
    result = mechscope(project, "verify", "everything", "--quick")
    assert result.exit_code == 1
    line_with(
        result.output, "everything.positive", "its evidence states n, which its criterion does not name"
    )


def test_changed_inputs_are_named_beside_what_they_change(project: Project) -> None:
    edit(project.runs_file, "seed: 0", "seed: 5")
    edit(project.analyses / "data/prompts.csv", "Peace is", "Concord is")
    edit(project.analyses / "_scale.py", "1", "2")
    edit(project.analyses / "everything.py", 'label="Longest prompt"', 'label="The longest prompt"')
    save_weights(project.root / "model", -0.25)
    result = mechscope(project, "verify")
    assert result.exit_code == 1
    for named in (
        "parameter seed 0 → 5",
        "analyses/data/prompts.csv changed",
        "analyses/_scale.py: SCALE changed",
        "analyses/everything.py changed",
        "model ./model has other weights",
    ):
        line_with(result.output, "input changed: ", named)
    rows = result.output.splitlines()
    assert "everything.positive" in next(row for row in rows if "CLAIM FLIPPED" in row)
    order = [row.split()[0] for row in rows if row.startswith("everything.")]
    assert order[0] == "everything.positive"  # claims that flipped come first
    line_with(result.output, "row prompt=Peace is", "there", "missing")
    line_with(result.output, "everything.weight", "value", "1.0", "-1.0", "rtol 0.0001")
    line_with(result.output, "everything.drawn", "interval")
    line_with(result.output, "label", "Longest prompt", "The longest prompt")
    # Its own rerun agrees, because it starts from the committed ledger; but that one is not to be trusted.
    line_with(result.output, "needs everything, which was not reproduced")
    assert verification(project)["ledgers"] == {}
    assert changes(project.root).count("results/") == 1


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (lambda p: edit(p.runs_file, "seed: 0", "seed: 5"), "parameter seed 0 → 5"),
        (lambda p: save_weights(p.root / "model", 0.3), "model ./model has other weights"),
        (
            lambda p: edit(p.analyses / "data/prompts.csv", "Peace", "Piece"),
            "analyses/data/prompts.csv changed",
        ),
    ],
    ids=["seed", "model", "prompt"],
)
def test_one_changed_input_is_enough_and_is_the_only_one_named(
    project: Project, fault: Callable[[Project], None], named: str
) -> None:
    fault(project)
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    assert [line.strip() for line in result.output.splitlines() if "input changed" in line] == [
        f"input changed: {named}"
    ]
    assert "drifted" in result.output
    quick = mechscope(project, "verify", "everything", "--quick")
    assert quick.exit_code == 1
    line_with(quick.output, f"input: {named}")


def test_noise_within_tolerance_passes_and_noise_beyond_it_fails(project: Project) -> None:
    value = read_ledger(folder_of(project)).findings.statistics["weight"].value
    assert isinstance(value, float)

    def noise(findings: dict[str, Any]) -> None:
        findings["statistics"]["weight"]["value"] = value * (1 + 4e-5)
        findings["statistics"]["drawn"]["p"] = 0.2501
        findings["claims"]["positive"]["evidence"]["weight"] = value * (1 + 4e-5)
        findings["tables"]["prompts"]["rows"][0][2] *= 1 + 4e-5

    edit_ledger(project, noise, mend=True)
    edit_figure(project, "0.25", "0.2500001", mend=True)
    edit_figure(project, "y: 0.25", "y: 0.2500001", mend=True, svg=True)
    within = mechscope(project, "verify", "everything")
    assert within.exit_code == 0, within.output
    edit_ledger(project, statistic("weight", "value", value * (1 + 2e-4)), mend=True)
    beyond = mechscope(project, "verify", "everything")
    assert beyond.exit_code == 1
    line_with(beyond.output, "everything.weight", "drifted", "0.0002", "rtol 0.0001 + atol 1e-06")
    assert "everything.drawn" not in beyond.output


def test_an_outcome_written_by_hand_is_a_flipped_claim(project: Project) -> None:
    edit_ledger(project, lambda findings: findings["claims"]["positive"].update(outcome="failed"), mend=True)
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "everything.positive", "CLAIM FLIPPED", "failed", "held")
    quick = mechscope(project, "verify", "--quick")
    line_with(quick.output, "everything.positive", "'failed' is stated, but the criterion gives 'held'")


def test_a_record_that_is_gone_or_new_is_told(project: Project) -> None:
    def rename(findings: dict[str, Any]) -> None:
        findings["statistics"]["forged"] = findings["statistics"].pop("loose")

    edit_ledger(project, rename, mend=True)
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "everything.forged", "missing from the rerun")
    line_with(result.output, "everything.loose", "new in the rerun")


def test_what_cannot_be_run_again_is_not_verified(project: Project) -> None:
    assert mechscope(project, "verify").exit_code == 0
    edit(project.analyses / "everything.py", "draws =", "draws = 1 / 0 *")
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "could not be run again", "ZeroDivisionError")
    written = verification(project)
    assert list(written["ledgers"]) == ["after"]
    assert written["analyses"]["after"]["reproduced"] is True


def test_an_entry_goes_with_its_ledger(project: Project) -> None:
    assert mechscope(project, "verify").exit_code == 0
    edit_ledger(project, statistic("loose", "because", "changed since"), mend=True)
    assert mechscope(project, "verify", "after").exit_code == 1  # found from another ledger
    assert list(verification(project)["analyses"]) == ["after"]


def test_what_is_accepted_afterwards_is_not_verified_until_it_is_run_again(project: Project) -> None:
    def verified() -> bool:
        shelf = Shelf(project, "one")
        return shelf.verified(shelf.find("everything.longest")).startswith("verified")

    assert mechscope(project, "verify").exit_code == 0
    assert verified()
    edit(project.analyses / "_scale.py", "SCALE = 1", "SCALE = 1 + 0")
    assert mechscope(project, "accept", "everything", "--run", "one", "--because", "the same").exit_code == 0
    assert not verified()
    line_with(
        mechscope(project, "verify", "--quick").output,
        "in order",
        "_scale.py: SCALE changed, because the same",
    )
    assert mechscope(project, "verify", "after").exit_code == 0
    assert list(verification(project)["analyses"]) == ["after"]
    assert mechscope(project, "verify", "everything").exit_code == 0
    assert verified()


def test_a_verdict_is_printed_though_it_cannot_be_kept(project: Project) -> None:
    in_the_way = project.results / "one" / "verification.json"
    (in_the_way / "folder").mkdir(parents=True)
    result = mechscope(project, "verify", "after")
    assert result.exit_code == 0, result.output
    line_with(result.output, "one:after", "reproduced")
    line_with(result.output, "warning", str(in_the_way), "what was found is printed only")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda content: content["analyses"]["after"].update(date="2999-01-01"), "in the future"),
        (lambda content: content.update(date="2999-01-01"), "in the future"),
        (lambda content: content["analyses"]["after"].update(problems=["x"]), "beside what differs"),
        (lambda content: content["ledgers"].update(forged="x"), "its list of ledgers is not"),
        (lambda content: content.pop("analyses"), "is not a verification"),
        (lambda content: content["analyses"]["after"].update(ledger="x"), "of other results than those here"),
    ],
)
def test_quick_names_what_cannot_be_so_in_a_verification(
    project: Project, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    assert mechscope(project, "verify", "after").exit_code == 0
    line_with(mechscope(project, "verify", "--quick").output, "verification.json  in order", "1 of 1")
    content = verification(project)
    change(content)
    (project.results / "one" / "verification.json").write_text(json.dumps(content))
    assert named in mechscope(project, "verify", "--quick").output


@pytest.mark.parametrize("command", ["run", "verify", "render"])
def test_an_interrupted_command_says_one_thing(
    project: Project, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    for module in ("pipeline.runs", "pipeline.schedule", "review.verify", "publish.render"):
        monkeypatch.setattr(importlib.import_module(f"mechscope.{module}"), "load_runs", interrupted)
    result = mechscope(project, command)
    assert result.exit_code == 130
    assert result.output == "mechscope: interrupted; what was finished before is kept.\n"


def test_a_run_that_was_never_made_is_not_verified(project: Project) -> None:
    result = mechscope(project, "verify", "--run", "two")
    assert result.exit_code == 1
    line_with(result.output, "never run; run it with:  mechscope run everything --run two")
    assert not (project.results / "two").exists()


# Quick --------------------------------------------------------------------------------------------------


def test_quick_finds_an_untouched_project_in_order_and_imports_nothing_heavy(executed: Project) -> None:
    code = (
        "import sys\nfrom mechscope.cli import cli\n"
        f"cli(['--project', {str(executed.root)!r}, 'verify', '--quick'], standalone_mode=False)\n"
    )
    heavy = "{'torch', 'transformers', 'pandas', 'numpy', 'altair', 'papermill', 'rich'}"
    code += f"print('HEAVY', sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "HEAVY []" in result.stdout, result.stdout + result.stderr
    line_with(result.stdout, "one:everything", "in order", "4 statistics, 1 figure, 1 table")
    line_with(result.stdout, "one: articles", "in order", "2 citations")
    assert not (executed.results / "one" / "verification.json").exists()


def test_a_run_named_twice_is_checked_once(project: Project) -> None:
    once = mechscope(project, "verify", "--quick", "--run", "one")
    assert mechscope(project, "verify", "--quick", "--run", "one", "--run", "one").output == once.output


def _table_text(findings: dict[str, Any]) -> None:
    findings["tables"]["prompts"]["text"][1][2] = "1.41"


def _evidence(findings: dict[str, Any]) -> None:
    findings["claims"]["positive"]["evidence"]["weight"] = 7.0


def _largest(findings: dict[str, Any]) -> None:
    findings["passages"]["texts"]["largest"] = 1.5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (statistic("longest", "n", 12), "everything.longest: is printed as '8' (full)"),
        (_table_text, "everything.prompts: row 2, column share is printed as '1.41'"),
        (_evidence, "everything.positive: its evidence states weight = 7.0, which is 1.0"),
        (_largest, "everything.texts: states 1.5 as its largest absolute value, which is 0.75"),
    ],
    ids=["printed", "table", "evidence", "passages"],
)
def test_quick_names_what_contradicts_itself_though_all_hashes_are_right(
    project: Project, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    edit_ledger(project, change, mend=True)
    result = mechscope(project, "verify", "--quick")
    assert result.exit_code == 1
    line_with(result.output, named)


def test_quick_names_a_notebook_that_shows_something_else(project: Project) -> None:
    notebook = folder_of(project) / "notebook.ipynb"
    edit(notebook, '<strong class=\\"ms-value\\">8</strong>', '<strong class=\\"ms-value\\">88</strong>')
    line_with(mechscope(project, "verify", "--quick").output, "everything.longest", "shows it otherwise")
    edit(notebook, "max(lengths)", "min(lengths)")
    line_with(mechscope(project, "verify", "--quick").output, "shows other code than the ledger")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('title=\\"0.75\\">b</span>', 'title=\\"0.75\\">c</span>', "everything.texts"),
        ('title=\\"0.25\\">a', 'title=\\"0.5\\">a', "everything.texts"),
        ("figures/bars.svg", "figures/others.svg", "everything.bars"),
        ('ms-caption\\">Two bars.', 'ms-caption\\">Three bars.', "everything.bars"),
        ("seed = 0\\n", "seed = 1\\n", "shows other parameters than the ledger"),
        ("# What is planted", "# What is not planted", "says something else than everything.py in text-"),
    ],
    ids=["token", "activation", "picture", "caption", "parameter", "prose"],
)  # fmt: skip
def test_quick_names_what_a_notebook_says_beside_the_numbers(
    project: Project, old: str, new: str, named: str
) -> None:
    notebook = folder_of(project) / "notebook.ipynb"
    text = notebook.read_text(encoding="utf-8")
    assert old in text
    notebook.write_text(text.replace(old, new), encoding="utf-8")
    result = mechscope(project, "verify", "--quick")
    assert result.exit_code == 1
    line_with(result.output, named)


SHOWN = ["longest", "bars", "prompts", "texts", "positive"]
"""A record of each kind."""


def find(notebook: Any, name: str) -> tuple[Any, Any]:
    """The cell that displays a record, and the output that does."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if f'id="record-{name}"' in "".join(output.get("data", {}).get("text/html", "")):
                return cell, output
    raise AssertionError(name)


def html_edit(change: Callable[[str], str]) -> Callable[[Any, str], None]:
    def forge(notebook: Any, name: str) -> None:
        data = find(notebook, name)[1]["data"]
        old = "".join(data["text/html"])
        data["text/html"] = change(old)
        assert data["text/html"] != old

    return forge


def _more(kind: str, content: Any) -> Callable[[Any, str], None]:
    return lambda notebook, name: find(notebook, name)[1]["data"].update({kind: content})


def _plain(notebook: Any, name: str) -> None:
    find(notebook, name)[1]["data"]["text/plain"] = ["something else"]


def _twice(notebook: Any, name: str) -> None:
    cell, output = find(notebook, name)
    cell["outputs"].append(output)


def _elsewhere(notebook: Any, name: str) -> None:
    cell, output = find(notebook, name)
    cell["outputs"].remove(output)
    next(one for one in notebook["cells"] if one["id"] == "cell-02")["outputs"].append(output)


def _gone(notebook: Any, name: str) -> None:
    cell, output = find(notebook, name)
    cell["outputs"].remove(output)


def _of_another_type(notebook: Any, name: str) -> None:
    find(notebook, name)[1].update(output_type="execute_result", execution_count=None)


DISPLAYS: dict[str, Callable[[Any, str], None]] = {
    "words added inside": html_edit(lambda html: html.replace("</div>", " (a record!)</div>")),
    "words added before": html_edit(lambda html: "The best of all: " + html),
    "true text hidden": html_edit(lambda html: f"<i>99</i><p hidden>{html}</p>"),
    "hidden by style": html_edit(lambda html: html.replace("<div ", '<div style="display:none" ', 1)),
    "another key": html_edit(lambda html: html.replace("everything.", "everywhere.", 1)),
    "another class": html_edit(lambda html: html.replace("ms-record", "ms-record ms-best", 1)),
    "whitespace": html_edit(lambda html: html.replace("</div>", "\n</div>")),
    "another MIME type": _more("text/markdown", "**99**"),
    "a picture beside": _more("image/png", "aGk="),
    "plain text": _plain,
    "twice": _twice,
    "in another cell": _elsewhere,
    "not at all": _gone,
    "another type of output": _of_another_type,
}  # fmt: skip


def forge(project: Project, change: Callable[[Any], None]) -> None:
    path = folder_of(project) / "notebook.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("forgery", DISPLAYS)
def test_nothing_in_the_display_of_a_record_is_let_stand(project: Project, forgery: str, name: str) -> None:
    forge(project, lambda notebook: DISPLAYS[forgery](notebook, name))
    result = mechscope(project, "verify", "everything", "--quick")
    assert result.exit_code == 1
    line_with(result.output, f"everything.{name}", "notebook.ipynb shows it")


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (">8<", '>88<i hidden>8</i><', "longest"),
        ("ms-held\">✓ held", "ms-failed\">✗ failed", "positive"),
        ("✓ held", "✓ held beyond doubt", "positive"),
        ("weight &gt; 0", "weight &gt; -9", "positive"),
        ("Two bars of different height", "Two bars of equal height", "bars"),
        ("max-width:100%", "max-width:1%", "bars"),
        (">War is<", ">War was<", "prompts"),
        ("<td>6</td>", "<td>8</td>", "prompts"),
        ("share</th>", "length</th>", "prompts"),
        ("rgba(", "rgba(0,", "texts"),
    ],
)  # fmt: skip
def test_a_careful_change_of_what_a_display_says_is_named(
    project: Project, old: str, new: str, name: str
) -> None:
    forge(project, lambda notebook: html_edit(lambda html: html.replace(old, new))(notebook, name))
    for arguments in (["--quick"], []):
        result = mechscope(project, "verify", "everything", *arguments)
        assert result.exit_code == 1
        line_with(result.output, f"everything.{name}", "notebook.ipynb shows it otherwise")
    assert "edited by hand" in mechscope(project, "status", "--run", "one").output


def output(html: str, kind: str = "text/html") -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": {kind: html, "text/plain": "an object"}}


def cell(notebook: Any, name: str) -> Any:
    return next(one for one in notebook["cells"] if one["id"] == name)


def _copied_cell(notebook: Any) -> None:
    at = next(n for n, one in enumerate(notebook["cells"]) if one["cell_type"] == "markdown")
    copied = json.loads(json.dumps(notebook["cells"][at]))
    copied["source"] = ["# The best result"]
    notebook["cells"].insert(at, copied)


def _words_beside_parameters(notebook: Any) -> None:
    cell(notebook, "cell-parameters")["source"].append("# seed 1 gives the same\n")


def _code_beside_parameters(notebook: Any) -> None:
    cell(notebook, "cell-parameters")["source"].append('"seed 1 gives the same"\n')


def _parameters_elsewhere(notebook: Any) -> None:
    moved = cell(notebook, "cell-parameters")
    notebook["cells"].remove(moved)
    notebook["cells"].append(moved)


IMITATION = '<div class="ms-record" id="record-best"><strong>99</strong></div>'
BESIDE: dict[str, tuple[Callable[[Any], None], str]] = {
    "a record that is none": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(output(IMITATION)),
        "shows something in cell-02 that imitates a record",
    ),
    "one of another analysis": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(
            output(IMITATION.replace("best", "doubled"))
        ),
        "shows something in cell-02 that imitates a record",
    ),
    "an anchor": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(output("<a NAME = 'record-x'>9</a>")),
        "shows something in cell-02 that imitates a record",
    ),
    "an id in disguise": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(output('<p id="&#114;ecord-x">9</p>')),
        "shows something in cell-02 that imitates a record",
    ),
    "the looks of a record": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(output("<p class='x ms-value'>99</p>")),
        "shows something in cell-02 that imitates a record",
    ),
    "one in Markdown": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(output(IMITATION, "text/markdown")),
        "shows something in cell-02 that imitates a record",
    ),
    "a script": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(output("<SCRIPT>document</SCRIPT>")),
        "or that no run leaves there",
    ),
    "a picture": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(output("aGk=", "image/png")),
        "or that no run leaves there",
    ),
    "an error": (
        lambda notebook: cell(notebook, "cell-02")["outputs"].append(
            {"output_type": "error", "ename": "E", "evalue": "e", "traceback": []}
        ),
        "or that no run leaves there",
    ),
    "one in prose": (
        lambda notebook: cell(notebook, "text-02")["source"].append(IMITATION),
        "shows something in text-02 that imitates a record",
    ),
    "a cell twice": (_copied_cell, "has other cells than everything.py"),
    "words beside parameters": (_words_beside_parameters, "cell-parameters does more than set parameters"),
    "code beside parameters": (_code_beside_parameters, "cell-parameters does more than set parameters"),
    "parameters elsewhere": (_parameters_elsewhere, "cell-parameters does more than set parameters"),
    "parameters that print": (
        lambda notebook: cell(notebook, "cell-parameters")["outputs"].append(output("99")),
        "cell-parameters does more than set parameters",
    ),
    "a cell of another type": (
        lambda notebook: cell(notebook, "text-02").update(cell_type="raw"),
        "says something else than everything.py in text-02",
    ),
    "a tag": (
        lambda notebook: cell(notebook, "cell-03")["metadata"].update(tags=["remove_output"]),
        "says something else than everything.py in cell-03",
    ),
    "an attachment": (
        lambda notebook: cell(notebook, "text-02").update(attachments={"x.png": {"image/png": "aGk="}}),
        "says something else than everything.py in text-02",
    ),
    "a title of its own": (
        lambda notebook: notebook["metadata"].update(title="A better title"),
        "says something about itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", BESIDE)
def test_what_is_put_beside_the_records_of_a_notebook_is_named(project: Project, forgery: str) -> None:
    change, named = BESIDE[forgery]
    forge(project, change)
    result = mechscope(project, "verify", "everything", "--quick")
    assert result.exit_code == 1
    line_with(result.output, "results/one/everything/notebook.ipynb", named)


def test_a_notebook_that_readers_may_read_differently_is_none(project: Project) -> None:
    notebook = folder_of(project) / "notebook.ipynb"
    edit(notebook, '"nbformat": 4', '"cells": [],\n "nbformat": 4')
    result = mechscope(project, "verify", "everything", "--quick")
    assert result.exit_code == 1
    line_with(result.output, "notebook.ipynb is not a notebook that was executed here")


def test_a_rerun_names_what_is_displayed_beside_records(project: Project) -> None:
    forge(project, lambda notebook: cell(notebook, "cell-03")["outputs"].append(output("<b>All hold.</b>")))
    assert mechscope(project, "verify", "everything", "--quick").exit_code == 0  # it says that nobody knows
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "results/one/everything/notebook.ipynb shows something in cell-03")


def test_quick_says_what_no_ledger_vouches_for(project: Project) -> None:
    output = mechscope(project, "verify", "--quick").output
    line_with(output, "one:everything", "not recorded, so held against nothing: what cell-02 prints")
    assert "not recorded" not in line_with(output, "one:after")


def test_a_rerun_names_what_a_notebook_prints_otherwise_but_for_numbers(project: Project) -> None:
    notebook = folder_of(project) / "notebook.ipynb"
    edit(notebook, "read 2 prompts", "read 3 prompts")
    assert mechscope(project, "verify", "everything").exit_code == 0
    edit(notebook, "read 3 prompts", "read all prompts")
    result = mechscope(project, "verify", "everything")
    assert result.exit_code == 1
    line_with(result.output, "results/one/everything/notebook.ipynb shows something in cell-02")


def test_quick_names_a_cited_key_that_is_not_there(project: Project) -> None:
    edit(project.root / "paper/article.qmd", "everything.longest", "everything.longst")
    result = mechscope(project, "verify", "--quick")
    assert result.exit_code == 1
    line_with(
        result.output, "paper/article.qmd:5:17", "everything.longst", "did you mean", "everything.longest"
    )


def test_a_file_that_is_no_ledger_is_one_problem(project: Project) -> None:
    (folder_of(project) / "ledger.json").write_text("{", encoding="utf-8")
    for arguments in (["verify", "everything", "--quick"], ["verify", "everything"]):
        result = mechscope(project, *arguments)
        assert result.exit_code == 1
        line_with(result.output, "results/one/everything/ledger.json is not JSON")

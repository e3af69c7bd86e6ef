"""`runs.yml` gives parameters to analyses; a mistake in it is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mechscope.errors import InvalidInput, MechscopeError, UnknownName
from mechscope.pipeline.runs import (
    check_parameters,
    declare_run,
    load_runs,
    parameters_of,
    parse_overrides,
)
from mechscope.pipeline.scripts import find_analyses
from mechscope.project import Project
from tests.throwaway import RUNS, make_project, script

PARAMETERS = 'seed = 0\nrate = 0.5\nname = "x"\nquick = False\nlayers = [1]\nlimit = None'


A = "default: a\nruns:\n  a: "


def checked(tmp_path: Path, runs: str) -> str:
    project = make_project(
        tmp_path / "p", scripts={"one_analysis": script("1", parameters=PARAMETERS)}, runs=runs
    )
    with pytest.raises(MechscopeError) as raised:
        check_parameters(project, load_runs(project), find_analyses(project))
    return str(raised.value)


def test_a_run_overrides_defaults_and_an_analysis_entry_overrides_the_run(tmp_path: Path) -> None:
    runs = {
        "default": "a",
        "runs": {"a": {"title": "A", "parameters": {"seed": 1, "rate": 2}, "analyses": {"x": {"seed": 5}}}},
    }
    scripts = {"x": script("1", parameters=PARAMETERS), "y": script("1", parameters="seed = 0\nother = 3")}
    project = make_project(tmp_path / "p", scripts=scripts, runs=runs)
    loaded, analyses = load_runs(project), find_analyses(project)
    found = parameters_of(loaded, "a", analyses["x"])
    assert (found["seed"], found["rate"], found["name"]) == (5, 2.0, "x")
    assert isinstance(found["rate"], float)
    assert parameters_of(loaded, "a", analyses["y"]) == {"seed": 1, "other": 3}


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        (A + "{title: A, parameters: {sead: 1}}", "runs.yml:3: unknown parameter 'sead' — did you mean"),
        (A + "\n    title: A\n    parametres: {}\n", "analyses/runs.yml:5: unknown field 'parametres'"),
        ("default: b\nruns:\n  a: {title: A}\n", "analyses/runs.yml:1: unknown run 'b'"),
        (A + "{title: A, analyses: {one_analisis: {}}}", "did you mean 'one_analysis'?"),
        (A + "{title: A, analyses: {one_analysis: {sead: 1}}}", "unknown parameter of one_analysis 'sead'"),
        (A + "{title: A, parameters: {seed: high}}", "'high' is not of the default's type, int"),
        (A + "{title: A, parameters: {rate: fast}}", "'fast' is not of the default's type, float"),
        (A + "{title: A, needs: a GPU}", "analyses/runs.yml:3"),
        ("default: a\nruns:\n  A b: {title: A}\n", "analyses/runs.yml:3"),
        ("default: a\nruns: {a: [\n", "analyses/runs.yml:3: not YAML"),
        ("", "analyses/runs.yml:1"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, runs: str, says: str) -> None:
    assert says in checked(tmp_path, runs)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=3", 3),
        ("rate=1e-3", 0.001),
        ("rate=2", 2.0),
        ("name=12", "12"),
        ("name=a=b", "a=b"),
        ("quick=true", True),
        ("layers=[2, 3]", [2, 3]),
        ("limit=7", 7),
    ],
)
def test_an_override_has_the_type_of_the_default(tmp_path: Path, text: str, value: object) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1", parameters=PARAMETERS)})
    found = parse_overrides([text], list(find_analyses(project).values()))
    assert list(found.values()) == [value]
    assert type(next(iter(found.values()))) is type(value)


@pytest.mark.parametrize(
    "text", ["seed=x", "seed=1.5", "rate=nan", "layers=[", "quick=1", "rate=fast", "layers=1", "seed"]
)
def test_an_override_of_another_type_is_refused(tmp_path: Path, text: str) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1", parameters=PARAMETERS)})
    with pytest.raises(InvalidInput, match=f"-p {text.partition('=')[0]}"):
        parse_overrides([text], list(find_analyses(project).values()))


def test_an_unknown_override_gets_the_nearest_name(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1", parameters=PARAMETERS)})
    with pytest.raises(UnknownName, match="did you mean 'seed'"):
        parse_overrides(["sead=1"], list(find_analyses(project).values()))


@pytest.mark.parametrize(
    "text",
    [
        RUNS,
        "default: one\nruns:\n  one:\n    title: One\n    parameters:\n      seed: 1\n# the end\n",
        "default: one\nruns: {one: {title: One}}\n",
        "runs:\n    one: {title: One}  # last\n\n# why\ndefault: one",
    ],
)
def test_declaring_a_run_leaves_the_rest_of_the_file_as_it_is(tmp_path: Path, text: str) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1")}, runs=text)
    declare_run(project, "mine", title="Mine: a test", parameters={"seed": 4})
    after = project.runs_file.read_text()
    before = yaml.safe_load(text)
    before["runs"]["mine"] = {"title": "Mine: a test", "parameters": {"seed": 4}}
    assert yaml.safe_load(after) == before
    kept = [line for line in text.splitlines() if "#" in line]
    assert [line for line in after.splitlines() if "#" in line] == kept
    if "{one" not in text:
        assert len(after.splitlines()) == len(text.splitlines()) + 1


def test_declaring_a_run_twice_is_nothing_and_with_other_parameters_an_error(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1")})
    declare_run(project, "mine", title="Mine", parameters={"seed": 4})
    text = project.runs_file.read_text()
    declare_run(project, "mine", title="Mine", parameters={"seed": 4})
    assert project.runs_file.read_text() == text
    with pytest.raises(InvalidInput, match="with other parameters"):
        declare_run(project, "mine", title="Mine", parameters={"seed": 5})


def test_a_run_cannot_be_called_what_a_folder_or_profile_cannot(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1")})
    with pytest.raises(InvalidInput, match="cannot name a run"):
        declare_run(project, "../mine", title="Mine", parameters={"seed": 4})


@pytest.mark.parametrize(
    "group",
    [
        "[[one, two]]",
        "[one, two]",
        "\n    - [one, two]",
        "\n    - - one\n      - two\n",
        "\n    - one\n    - two",
    ],
)
def test_a_declared_run_gets_a_quarto_profile(tmp_path: Path, group: str) -> None:
    quarto = f"project: {{type: website}}\nprofile:\n  default: one\n  group: {group}\nlang: en # kept\n"
    project: Project = make_project(tmp_path / "p", scripts={"a": script("1")}, files={"_quarto.yml": quarto})
    declare_run(project, "mine", title="Mine", parameters={"seed": 4})
    profile = yaml.safe_load((project.root / "_quarto-mine.yml").read_text())
    assert profile["project"]["output-dir"] == ".mechscope/site/mine"
    main = (project.root / "_quarto.yml").read_text()
    groups = yaml.safe_load(main)["profile"]["group"]
    assert (groups[0] if isinstance(groups[0], list) else groups) == ["one", "two", "mine"]
    assert "lang: en # kept" in main

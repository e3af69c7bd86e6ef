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
from mechscope.project import Project
from tests.throwaway import RUNS, every_analysis, make_project, script

PARAMETERS = 'seed = 0\nrate = 0.5\nname = "x"\nquick = False\nlayers = [1]\nlimit = None'


A = "default: a\nruns:\n  a: "


def checked(tmp_path: Path, runs: str) -> str:
    project = make_project(
        tmp_path / "p", scripts={"one_analysis": script("1", parameters=PARAMETERS)}, runs=runs
    )
    with pytest.raises(MechscopeError) as raised:
        check_parameters(project, load_runs(project), every_analysis(project))
    return str(raised.value)


def test_a_run_overrides_defaults_and_an_analysis_entry_overrides_the_run(tmp_path: Path) -> None:
    runs = {
        "default": "a",
        "runs": {"a": {"title": "A", "parameters": {"seed": 1, "rate": 2}, "analyses": {"x": {"seed": 5}}}},
    }
    scripts = {"x": script("1", parameters=PARAMETERS), "y": script("1", parameters="seed = 0\nother = 3")}
    project = make_project(tmp_path / "p", scripts=scripts, runs=runs)
    loaded, analyses = load_runs(project), every_analysis(project)
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
        (A + "{title: A, parameters: {seed: high}}", "'high' is not a whole number, as the default 0 is"),
        (A + "{title: A, parameters: {rate: fast}}", "'fast' is not a number, as the default 0.5 is"),
        (A + "{title: A, needs: a GPU}", "analyses/runs.yml:3"),
        (A + "{title: A, parameters: {seed: 010}}", "yml:3: '010' is 8 to YAML, in base 8: write 10 or 8"),
        (A + "{title: A, parameters: {seed: 1:30}}", "runs.yml:3: '1:30' is 90 to YAML, in base 60"),
        (A + "{title: A, parameters: {name: on}}", "True is not a text, as the default 'x' is.\n  → put"),
        (A + "{title: A, parameters: {name: 1.10}}", "1.1 is not a text, as the default 'x' is.\n  → put"),
        (A + "{title: A, parameters: {layers: [1, b]}}", "'b' is not a whole number, as the default"),
        (A + "\n    title: GPT-2: small\n", "yml:4: not YAML: a value with a colon needs quotes"),
        (A + "\n    title: GPT-2: small\n", 'put the value in quotes:  title: "GPT-2: small"'),
        (A + "{title: GPT-2: small}", "runs.yml:3: not YAML: "),
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
        ("name=on", "on"),
        ("name=010", "010"),
        ("name=", ""),
        ("rate=1E+5", 100000.0),
        ("rate=1.5e3", 1500.0),
        ("rate=.5", 0.5),
        ("seed=-1", -1),
        ("seed=1_000", 1000),
        ("seed=0x1f", 31),
        ("quick=off", False),
        ("layers=[]", []),
        ("quick=true", True),
        ("layers=[2, 3]", [2, 3]),
        ("limit=7", 7),
    ],
)
def test_an_override_has_the_type_of_the_default(tmp_path: Path, text: str, value: object) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1", parameters=PARAMETERS)})
    found = parse_overrides([text], list(every_analysis(project).values()))
    assert list(found.values()) == [value]
    assert type(next(iter(found.values()))) is type(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed=x", "'x' is not a whole number, as the default 0 is"),
        ("seed=1.5", "1.5 is not a whole number"),
        ("seed=1.0", "1.0 is not a whole number"),
        ("seed=1e3", "1000.0 is not a whole number"),
        ("seed=010", "'010' is 8 to YAML, in base 8: write 10 or 8"),
        ("seed=-007", "'-007' is -7 to YAML, in base 8: write -7"),
        ("seed=08", "'08' is not a whole number"),
        ("seed=1:30", "'1:30' is 90 to YAML, in base 60"),
        ("seed=", "'' is not a whole number"),
        ("seed=true", "True is not a whole number"),
        ("rate=nan", "'nan' is not a number"),
        ("rate=.inf", "inf is not a number"),
        ("rate=0,5", "'0,5' is not a number"),
        ("rate=fast", "'fast' is not a number"),
        ("rate=on", "True is not a number"),
        ("rate=1" + 400 * "0", "is not a number"),
        ("layers=[", "'[' is not a list"),
        ("layers=1", "1 is not a list"),
        ("layers=[1, 010]", "'010' is 8 to YAML"),
        ("layers=[1, 2.5]", "2.5 is not a whole number"),
        ("layers={a: 1}", "{'a': 1} is not a list"),
        ("quick=1", "1 is not true or false, as the default False is"),
        ("limit=1:30", "'1:30' is 90 to YAML"),
        ("limit=2026-01-01", "is not a value"),
        ("seed", "a parameter is given as key=value"),
    ],
)
def test_an_override_of_another_type_is_refused(tmp_path: Path, text: str, says: str) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1", parameters=PARAMETERS)})
    with pytest.raises(InvalidInput) as raised:
        parse_overrides([text], list(every_analysis(project).values()))
    assert raised.value.message.startswith(f"-p {text}: ") and says in raised.value.message


def test_an_override_that_several_analyses_have_fits_all_of_them(tmp_path: Path) -> None:
    scripts = {
        "a": script("1", parameters="seed = 0.5\nname = 'x'\nflag = 1"),
        "b": script("1", parameters="seed = 0\nname = 1\nflag = True"),
    }
    analyses = list(every_analysis(make_project(tmp_path / "p", scripts=scripts)).values())
    (value,) = parse_overrides(["seed=2"], analyses).values()
    assert (value, type(value)) == (2, int)
    for text in ("seed=2.5", "name=3", "flag=1"):
        with pytest.raises(InvalidInput, match=f"-p {text}"):
            parse_overrides([text], analyses)
    with pytest.raises(InvalidInput, match="'seed' is given twice"):
        parse_overrides(["seed=2", "seed=3"], analyses)


def test_a_run_that_is_declared_means_what_was_given(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1", parameters=PARAMETERS)})
    analyses = every_analysis(project)
    given = parse_overrides(["name=1e3", "rate=1e-7", "layers=[3]"], list(analyses.values()))
    declare_run(project, "new", title="010", parameters=given)
    found = parameters_of(load_runs(project), "new", analyses["a"])
    assert {name: found[name] for name in given} == {"name": "1e3", "rate": 1e-7, "layers": [3]}
    assert load_runs(project).runs["new"].title == "010"


def test_an_unknown_override_gets_the_nearest_name(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1", parameters=PARAMETERS)})
    with pytest.raises(UnknownName, match="did you mean 'seed'"):
        parse_overrides(["sead=1"], list(every_analysis(project).values()))


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

"""Scripts are read without running them; what is wrong is said with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mechscope.errors import InvalidInput, MechscopeError, UnknownName
from mechscope.pipeline.notebook import code_cells, from_script
from mechscope.pipeline.runs import check_parameters, load_runs
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.pipeline.scripts import Analysis, find_analyses, survey_analyses
from tests.throwaway import make_project, script

BODY = """
import math

def area(r):
    return math.pi * r ** 2

# %% [markdown]
# Some prose.

# %%
print(area(seed))
"""


def read(tmp_path: Path, text: str) -> Analysis:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    return find_analyses(make_project(folder, scripts={"one": text}))["one"]


def error(tmp_path: Path, text: str) -> str:
    with pytest.raises(MechscopeError) as raised:
        read(tmp_path, text)
    return str(raised.value)


def test_header_and_parameters_are_read_without_running_the_script(tmp_path: Path) -> None:
    text = script(
        "raise SystemExit('this must not run')",
        title="Topic geometry",
        parameters="""
        model = "smollm2-135m"   # which model
        layers: list = [1, 2]
        rate = -0.5
        limit = None
        quick = False
        """,
        data=["data/topics.csv"],
        models=["model"],
    )
    found = read(tmp_path, text)
    assert found.title == "Topic geometry"
    assert found.parameters == {
        "model": "smollm2-135m",
        "layers": [1, 2],
        "rate": -0.5,
        "limit": None,
        "quick": False,
    }
    assert (found.data, found.models, found.needs) == (("data/topics.csv",), ("model",), ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# Some prose.", "# Other prose, and\n# more of it."),
        ("print(area(seed))", "# why\nprint(\n    area(seed),  # here\n)"),
        ("def area(r):\n", 'def area(r):\n    """Of a circle."""\n'),
        ("# %%\nprint", "# %%\n# only a comment\n\n# %% A title for the cell\nprint"),
        ("seed = 0", "seed = 1"),  # parameters count by their values in a run
    ],
)
def test_prose_comments_formatting_and_docstrings_are_not_code(tmp_path: Path, old: str, new: str) -> None:
    text = script(BODY)
    assert old in text
    assert read(tmp_path, text.replace(old, new)).code == read(tmp_path, text).code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("r ** 2", "r ** 3"),
        ("2\n", "2.0\n"),
        ("area(seed)", "area(-seed)"),
        ("import math\n", "import math\n\n# %%\n"),  # records know their cell
        ("print(area(seed))", "print('area(seed)')"),
    ],
)
def test_what_runs_is_code(tmp_path: Path, old: str, new: str) -> None:
    text = script(BODY)
    assert old in text
    assert read(tmp_path, text.replace(old, new)).code != read(tmp_path, text).code


def test_the_notebook_that_runs_has_the_code_that_was_fingerprinted(tmp_path: Path) -> None:
    text = script(BODY.replace("# %%\nprint", "# %%\n# a comment\n\n# %%\nprint"))
    notebook = from_script(read(tmp_path, text), text)
    assert [cell.id for cell in notebook.cells] == [
        "text-01", "cell-01", "cell-02", "text-02", "text-03", "cell-03",
    ]  # fmt: skip
    assert [cell.source for cell in code_cells(notebook)][-1] == "print(area(seed))"


def test_a_script_that_changed_after_it_was_fingerprinted_is_not_run(tmp_path: Path) -> None:
    text = script(BODY)
    with pytest.raises(InvalidInput, match="changed while it was read"):
        from_script(read(tmp_path, text), text.replace("** 2", "** 3"))


def test_a_magic_is_refused_because_the_script_must_run_as_plain_python(tmp_path: Path) -> None:
    text = script("# %matplotlib inline\nprint(seed)")
    with pytest.raises(InvalidInput, match="magics"):
        from_script(read(tmp_path, text), text)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.removeprefix("# ---\n"), "analyses/one.py:1: an analysis begins with a header"),
        (lambda text: text.replace("# ---\n\n", "\n"), "the header is not closed"),
        (
            lambda text: text.replace("title: A title", "title: [unclosed"),
            "analyses/one.py:3: the header is not YAML",
        ),
        (
            lambda text: text.replace("  needs:", "  need:"),
            "analyses/one.py:7: unknown input in the header 'need'",
        ),
        (lambda text: text.replace("data: []", "data: x"), "mechscope.data"),
        (
            lambda text: text.replace("mechscope:", "mechscop:"),
            "analyses/one.py:4: unknown key in the header 'mechscop' — did you mean 'mechscope'?",
        ),
        (lambda text: text.replace(' tags=["parameters"]', ""), "there are 0 cells with tags"),
        (lambda text: text.replace("seed = 0", "seed = 0; rate = 1"), "two parameters in one line"),
        (lambda text: text.replace("seed = 0", "import os\nseed = 0"), "only 'name = value'"),
        (lambda text: text.replace("seed = 0", "seed = range(3)"), "parameter 'seed' is not a plain value"),
        (lambda text: text.replace("import math", "import = math"), "this is not Python"),
    ],
)
def test_a_malformed_script_is_an_error_with_its_place(tmp_path: Path, change, says: str) -> None:
    text = script(BODY)
    assert change(text) != text
    assert says in error(tmp_path, change(text))


def test_other_tools_have_keys_of_their_own_in_the_header(tmp_path: Path) -> None:
    text = script("1").replace("# mechscope:", "# author: A\n# subtitle: B\n# jupyter: {}\n# mechscope:")
    assert read(tmp_path, text).title == "A title"


def test_a_syntax_error_is_reported_at_its_own_line(tmp_path: Path) -> None:
    text = script(BODY).replace("print(area(seed))", "print(area(seed)")
    line = text.splitlines().index("print(area(seed)") + 1
    assert f"analyses/one.py:{line}: this is not Python" in error(tmp_path, text)


def test_a_model_input_must_be_a_parameter(tmp_path: Path) -> None:
    message = error(tmp_path, script("print()", parameters='model = "x"', models=["modle"]))
    assert "unknown parameter 'modle' — did you mean 'model'?" in message


A = 'ledger.statistic("a", 1, label="A")'
CLAIM = 'ledger.claim("held", "It holds.", criterion="a > 0")'


def test_claims_are_found_with_their_criteria(tmp_path: Path) -> None:
    found = read(tmp_path, script(f"{A}\n{CLAIM}"))
    assert [(claim.name, claim.sentence, claim.criterion) for claim in found.claims] == [
        ("held", "It holds.", "a > 0")
    ]


@pytest.mark.parametrize(
    ("part", "call"),
    [
        ("criterion", 'ledger.claim("held", "It holds.", criterion=f"a > {seed}")'),
        ("sentence", 'ledger.claim("held", f"It is {seed}.", criterion="a > 0")'),
        ("name", 'ledger.claim(name, "It holds.", criterion="a > 0")'),
    ],
)
def test_a_computed_part_of_a_claim_is_refused(tmp_path: Path, part: str, call: str) -> None:
    assert f"a claim's {part} is not a literal text" in error(tmp_path, script(call))


@pytest.mark.parametrize(
    ("criterion", "says"),
    [
        ("a >", "criterion 'a >' is not an expression"),
        ("max(a, b) > 0", "'max(a, b)' is not allowed"),
    ],
)
def test_a_criterion_that_cannot_be_understood_is_refused_before_anything_runs(
    tmp_path: Path, criterion: str, says: str
) -> None:
    text = script(f'ledger.claim("held", "It holds.", criterion="{criterion}")')
    line = next(n for n, one in enumerate(text.splitlines(), start=1) if "ledger.claim" in one)
    found = error(tmp_path, text)
    assert found.startswith(f"analyses/one.py:{line}: ") and says in found


@pytest.mark.parametrize(
    "again",
    [
        'ledger.claim("held", "It holds.", criterion="a > 1")',
        'if seed:\n    ledger.claim(name="held", sentence="It holds.", criterion="a > 0")',
        'ledger.statistic("held", 1, label="A number")',
    ],
)
def test_a_second_claim_of_a_name_is_refused_before_it_runs_or_is_registered(
    tmp_path: Path, again: str
) -> None:
    text = script(f"raise SystemExit\n{A}\n{CLAIM}\n{again}")
    first, second = (n for n, one in enumerate(text.splitlines(), start=1) if "held" in one)
    project = make_project(tmp_path / "p", scripts={"one": text})
    (outcome,) = run_analyses(project, Order())
    assert outcome.what == "failed" and not project.claims_lock.exists()
    assert outcome.detail.startswith(f"analyses/one.py:{second}: 'held' is recorded in line {first} already.")


def claiming(body: str) -> str:
    return script(f'{body}\nledger.claim("sure", "It is.", criterion="x_mean.p > 0 and n > 0")\nn = "n"')


@pytest.mark.parametrize(
    "body",
    [
        'ledger.statistic("x_mean", 1, label="X")',
        'for one in "xy":\n    ledger.statistic(f"{one}_mean", 1, label="X")',
        'record("x" + "_mean")',
        "from _shared import record_all",
    ],
)
def test_a_criterion_may_name_what_the_script_can_record(tmp_path: Path, body: str) -> None:
    assert [claim.name for claim in read(tmp_path, claiming(body)).claims] == ["sure"]


@pytest.mark.parametrize(
    "body",
    [
        'ledger.statistic("x_meann", 1, label="X")',
        'ledger.table("x_mean", f, key="k", caption="C.")\nledger.statistic("x_meann", 1, label="X")',
        'ledger.claim("x_mean", "It is.", criterion="n > 0")\nledger.statistic("x_meann", 1, label="X")',
        'ledger.statistic("x_meann", 1, label=f"{x}")\nledger.statistic(f"{x}_maen", 1, label="X")',
    ],
)
def test_a_statistic_that_nothing_can_record_is_refused_before_its_claim_is_registered(
    tmp_path: Path, body: str
) -> None:
    text = claiming(body)
    line = next(n for n, one in enumerate(text.splitlines(), start=1) if "x_mean.p" in one)
    project = make_project(tmp_path / "p", scripts={"one": text})
    (outcome,) = run_analyses(project, Order())
    assert outcome.what == "failed" and not project.claims_lock.exists()
    assert outcome.detail.startswith(
        f"analyses/one.py:{line}: criterion 'x_mean.p > 0 and n > 0': unknown statistic 'x_mean' — did you "
        "mean 'x_meann'"
    )


def test_two_records_that_are_both_made_have_names_of_their_own(tmp_path: Path) -> None:
    found = error(
        tmp_path, script('ledger.table("x", f, key="k", caption="C.")\nledger.figure("x", c, caption="C.")')
    )
    assert "'x' is recorded in line" in found


def test_branches_that_exclude_each_other_may_record_the_same_name(tmp_path: Path) -> None:
    record = 'ledger.statistic("a", {}, label="A")'
    branches = f"if seed:\n    {record.format(1)}\nelse:\n    {record.format(2)}"
    found = read(tmp_path, script(f"{branches}\nplot.figure('held')\n{CLAIM}"))
    assert [claim.name for claim in found.claims] == ["held"]


def test_analyses_come_after_what_they_need(tmp_path: Path) -> None:
    scripts = {"a": script("1", needs=["z"]), "m": script("1"), "z": script("1", needs=["m"])}
    assert list(find_analyses(make_project(tmp_path / "p", scripts=scripts))) == ["m", "z", "a"]


def test_analyses_that_need_each_other_are_refused(tmp_path: Path) -> None:
    scripts = {"a": script("1", needs=["b"]), "b": script("1", needs=["a"])}
    with pytest.raises(InvalidInput, match="a → b → a"):
        find_analyses(make_project(tmp_path / "p", scripts=scripts))


def test_a_need_that_is_not_there_gets_the_nearest_name(tmp_path: Path) -> None:
    scripts = {"topic_geometry": script("1"), "b": script("1", needs=["topic_geometrie"])}
    with pytest.raises(UnknownName, match="did you mean 'topic_geometry'"):
        find_analyses(make_project(tmp_path / "p", scripts=scripts))


def test_files_with_an_underscore_are_modules_not_analyses(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1"), "_helpers": "x = 1\n"})
    assert list(find_analyses(project)) == ["a"]


def test_a_run_may_give_a_parameter_that_only_an_unreadable_script_has(tmp_path: Path) -> None:
    runs = "default: a\nruns:\n  a: {title: A, parameters: {depth: 1}, analyses: {one: {depth: 2}}}\n"
    project = make_project(tmp_path / "p", scripts={"one": "depth = 1", "two": script("1")}, runs=runs)
    survey = survey_analyses(project)
    assert (list(survey.analyses), list(survey.problems)) == (["two"], ["one"])
    check_parameters(project, load_runs(project), survey.analyses, survey.problems)
    with pytest.raises(UnknownName):
        check_parameters(project, load_runs(project), survey.analyses)
    assert [one.name for one in survey.select(["two"])] == ["two"]
    with pytest.raises(InvalidInput, match="analyses/one.py:1"):
        survey.select([])
    with pytest.raises(UnknownName, match="did you mean 'one'"):
        survey.select(["onee"])


def test_a_sync_with_jupyterlabs_notebook_leaves_a_script_as_it_is(tmp_path: Path) -> None:
    from jupytext.cli import jupytext

    source = Path(__file__).resolve().parents[2] / "analyses"
    analyses = tmp_path / "analyses"
    analyses.mkdir()
    shutil.copy(source / "jupytext.toml", analyses)
    scripts = sorted(source.glob("*.py"))
    assert scripts
    for path in scripts:
        copied = Path(shutil.copy(path, analyses))
        jupytext(["--quiet", "--sync", str(copied)])
        assert copied.with_suffix(".ipynb").is_file()
        jupytext(["--quiet", "--sync", str(copied.with_suffix(".ipynb"))])
        said, meant = copied.read_text(), path.read_text()
        if "\n# jupyter:\n" not in meant:  # as the README's example: the first sync adds that to the header
            said, meant = (text.split("# ---\n", 2)[2] for text in (said, meant))
        assert said == meant

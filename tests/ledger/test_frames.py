"""A frame with labels of any kind becomes a table with names, or a message names the column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mechscope.errors import InvalidRecord, MechscopeError, UnknownName
from mechscope.ledger import EXACT, Ledger, recording
from mechscope.ledger.frames import read_frame
from mechscope.ledger.schema import Table

LONG = pd.DataFrame({"head": [0, 0, 1, 1], "layer": [0, 1, 0, 1], "score": [0.1, 0.2, 0.3, 0.4]})
BY_NAME = pd.DataFrame({"v": [1, 2]}, index=["a", "b"])


def wide(**arguments: Any) -> pd.DataFrame:
    return LONG.pivot(index="head", columns="layer", **arguments)


@pytest.mark.parametrize(
    ("frame", "key", "names", "headings"),
    [
        (wide(values="score"), "head", ["head", "0", "1"], ["head", "layer 0", "layer 1"]),
        (wide(), "head", ["head", "score_0", "score_1"], ["head", "score layer 0", "score layer 1"]),
        (
            LONG.groupby("head").agg({"score": ["mean", "max"]}),
            "head",
            ["head", "score_mean", "score_max"],
            ["head", "score mean", "score max"],
        ),
        (LONG.groupby("head")["score"].mean(), "head", ["head", "score"], ["head", "score"]),
        (pd.Series([1, 2]), "index", ["index", "value"], ["index", "value"]),
        (BY_NAME, "index", ["index", "v"], ["index", "v"]),
        (
            BY_NAME.set_index(pd.MultiIndex.from_tuples([("x", 1), ("y", 2)])),
            ["level_0", "level_1"],
            ["level_0", "level_1", "v"],
            ["level 0", "level 1", "v"],
        ),
        (
            pd.DataFrame([[1, 2, 3, 4]], columns=["k", pd.Timestamp("2024-01-01"), pd.Interval(0, 1), 0.5]),
            "k",
            ["k", "2024-01-01", "(0, 1]", "0.5"],
            ["k", "2024-01-01", "(0, 1]", "0.5"],
        ),
        (pd.DataFrame([[1, 2]], columns=[0, 1]), 0, ["0", "1"], ["0", "1"]),
        (LONG[["head", "layer"]], LONG.columns[:2], ["head", "layer"], ["head", "layer"]),
        (pd.DataFrame([[1, 2]], columns=[("a", "b"), "c"]), ("a", "b"), ["a_b", "c"], ["a b", "c"]),
        (pd.DataFrame([[1, 2]], columns=["k", "a\x0c"]), "k", ["k", "a<U+000C>"], ["k", "a<U+000C>"]),
    ],
)
def test_labels_become_names_and_headings(
    frame: Any, key: Any, names: list[str], headings: list[str]
) -> None:
    columns, keys = read_frame(frame, key, "t")
    assert [column.name for column in columns] == names
    assert [column.heading for column in columns] == headings
    assert set(keys) <= set(names)


@pytest.mark.parametrize(
    ("cells", "kind", "read"),
    [
        (pd.Categorical(["a", "b"]), "str", ["a", "b"]),
        (pd.Categorical([3, 4]), "int", [3, 4]),
        (pd.array([1, None], dtype="Int64"), "int", [1, None]),
        (pd.array([1.5, None], dtype="Float64"), "float", [1.5, None]),
        (pd.array([True, None], dtype="boolean"), "bool", [True, None]),
        (pd.array(["x", None], dtype="string"), "str", ["x", None]),
        (pd.to_datetime(["2024-01-01", None]), "str", ["2024-01-01", None]),
        (pd.interval_range(0, 2), "str", ["(0, 1]", "(1, 2]"]),
        (pd.period_range("2024-01", periods=2, freq="M"), "str", ["2024-01", "2024-02"]),
        (np.array([0.1, np.nan], dtype="float32"), "float", [0.1, None]),
        (pd.Series([np.bool_(True), None], dtype=object), "bool", [True, None]),
    ],
)
def test_cells_of_any_type_are_kept(cells: Any, kind: str, read: list[Any]) -> None:
    columns, _ = read_frame(pd.DataFrame({"k": [0, 1], "v": cells}), "k", "t")
    assert (columns[1].kind, columns[1].cells) == (kind, read)


@pytest.mark.parametrize(
    ("frame", "key", "said"),
    [
        (pd.DataFrame([[1, 2, 3]], columns=["k", "v", "v"]), "k", "two columns named 'v', columns 2 and 3"),
        (pd.DataFrame([[1, 2, 3]], columns=["k", "1", 1]), "k", "two columns named '1'"),
        (pd.DataFrame([[1, 2]], columns=["k", None]), "k", "column 2 has no name"),
        (pd.DataFrame([[1, 2]], columns=["k", ""]), "k", "column 2 has no name"),
        (pd.DataFrame({"k": [1, 2], "v": [1j, 2]}), "k", "column 'v', row 1 is a complex"),
        (pd.DataFrame({"k": [1, 2], "v": [[1], [2]]}), "k", "column 'v', row 1 is a list"),
        (pd.DataFrame({"k": [1, 2], "v": [1, np.inf]}), "k", "column 'v', row 2 is inf"),
        ([1, 2], "k", "is a list, not a pandas frame"),
        ({"k": [1]}, "k", "is a dict, not a pandas frame"),
        (BY_NAME, [], "has no key"),
    ],
)
def test_what_a_table_cannot_be_is_named(frame: Any, key: Any, said: str) -> None:
    with pytest.raises(InvalidRecord, match=f"table 't'.*{said}"):
        read_frame(frame, key, "t")


@pytest.mark.parametrize(
    ("frame", "valid"), [(BY_NAME, "valid: index, v"), (LONG, "valid: head, layer, score")]
)
def test_an_unknown_key_lists_the_columns_and_an_index_that_could_be_one(
    frame: pd.DataFrame, valid: str
) -> None:
    with pytest.raises(UnknownName, match="unknown column 'row'") as error:
        read_frame(frame, "row", "t")
    assert error.value.hint == valid


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Table]:
    tables: list[Table] = []
    monkeypatch.setattr(recording, "_show", lambda payload, record: tables.append(record))
    return tables


def test_labels_formats_and_tolerances_go_by_label_or_name(recorded: list[Table]) -> None:
    Ledger("demo").table(
        "t",
        wide(values="score"),
        key="head",
        caption="C",
        labels={0: "first"},
        formats={"1": ".0%"},
        tolerance={1: EXACT},
    )
    head, first, second = recorded[0].columns
    assert (head.label, first.label, second.label) == ("head", "first", "layer 1")
    assert recorded[0].text[0] == ("0", "0.1", "20%")
    assert second.tolerance.exact and not first.tolerance.exact


@pytest.mark.parametrize(
    "arguments", [{"labels": {2: "x"}}, {"formats": {"x": "d"}}, {"tolerance": {"x": EXACT}}]
)
def test_a_label_for_no_column_is_refused(arguments: Any) -> None:
    with pytest.raises(UnknownName, match="table 't': unknown column"):
        Ledger("demo").table("t", LONG, key=["head", "layer"], caption="C", **arguments)


@pytest.mark.parametrize("shown", [-1, 0, 2.5, "3", True, float("nan")])
def test_a_number_of_rows_that_is_none_is_refused(shown: Any) -> None:
    with pytest.raises(InvalidRecord, match="table 't': shown is"):
        Ledger("demo").table("t", LONG, key=["head", "layer"], caption="C", shown=shown)


def test_a_format_that_does_not_fit_names_its_column() -> None:
    with pytest.raises(MechscopeError, match="table 't', column 'score': format 'd' does not fit"):
        Ledger("demo").table("t", LONG, key=["head", "layer"], caption="C", formats={"score": "d"})

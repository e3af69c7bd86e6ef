"""Comparing findings: each kind of record is held against its own tolerance, and nothing is overlooked."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mechscope.ledger.schema import Findings
from mechscope.review.differences import Comparison, compare_findings
from mechscope.review.pictures import alike

FLOAT = {"rtol": 1e-4, "atol": 1e-6, "because": "float32 reductions"}
EXACT: dict[str, Any] = {}
TEXT = {"value": "", "full": ""}


def findings() -> dict[str, Any]:
    statistic = {"label": "L", "tolerance": FLOAT, "text": TEXT, "cell": "cell-01"}
    columns = [
        {"name": "topic", "label": "topic", "kind": "str", "tolerance": EXACT},
        {"name": "t", "label": "T", "kind": "float", "tolerance": FLOAT},
        {"name": "p", "label": "p", "kind": "float", "tolerance": {"rtol": 0.02, "because": "draws"}},
    ]
    return {
        "statistics": {
            "plain": {**statistic, "value": 1.0},
            "count": {**statistic, "value": 7, "tolerance": EXACT, "ci": [5.0, 9.0], "n": 20},
            "drawn": {**statistic, "value": 1.0, "ci": [0.5, 1.5], "p": 0.04, "resamples": 1000},
            "missing": {**statistic, "value": None, "because": "no such head"},
        },
        "figures": {
            "bars": {
                "caption": "C",
                "alt": "A",
                "spec_sha256": "",
                "svg_sha256": "",
                "tolerance": {"*": FLOAT, "p": {"rtol": 0.02, "because": "draws"}},
                "cell": "cell-01",
            }
        },
        "tables": {
            "rows": {
                "caption": "C",
                "key": ["topic"],
                "columns": columns,
                "rows": [["war", 0.5, 0.04], ["peace", None, 0.5]],
                "text": [["war", "0.5", "0.04"]],
                "cell": "cell-01",
            }
        },
        "passages": {
            "texts": {
                "caption": "C",
                "passages": [{"tokens": ["a", "b"], "values": [0.1, 0.9], "title": "T"}],
                "largest": 0.9,
                "tolerance": FLOAT,
                "cell": "cell-01",
            }
        },
        "claims": {
            "more": {
                "sentence": "More.",
                "criterion": "plain > 0",
                "outcome": "held",
                "evidence": {"plain": 1.0},
                "cell": "cell-01",
            }
        },
    }


def spec() -> dict[str, Any]:
    values = [{"x": "one", "y": 0.5, "p": 0.04}, {"x": "two", "y": 0.25, "p": 0.5}]
    return {
        "data": {"name": "data-aaaa"},
        "datasets": {"data-aaaa": values},
        "mark": "bar",
        "encoding": {"y": {"field": "y"}},
    }


class Compare:
    """Compares the sample with a changed one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        change: Callable[[dict[str, Any]], None] = lambda found: None,
        draw: Callable[[dict[str, Any]], None] = lambda spec: None,
    ) -> list[Comparison]:
        new, chart = copy.deepcopy(findings()), copy.deepcopy(spec())
        change(new)
        draw(chart)
        for side, content in (("old", spec()), ("new", chart)):
            file = self.folder / side / "figures" / "bars.vl.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(content))
        old, after = Findings.model_validate(findings()), Findings.model_validate(new)
        return compare_findings("a", old, after, self.folder / "old", self.folder / "new")


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    return Compare(tmp_path)


def unlike(found: list[Comparison]) -> list[tuple[str, str, list[str]]]:
    return [
        (one.name, one.state, [drift.place for drift in one.drifts])
        for one in found
        if one.state != "reproduced"
    ]


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """Sets a value: `put("statistics", "plain", "value", 2.0)`."""

    def change(found: dict[str, Any]) -> None:
        at: Any = found
        for step in path[:-2]:
            at = at[step]
        at[path[-2]] = path[-1]

    return change


def test_what_is_the_same_is_reproduced_record_by_record(compare: Compare) -> None:
    found = compare()
    assert unlike(found) == []
    assert sorted(one.key for one in found) == [
        "a.bars", "a.count", "a.drawn", "a.missing", "a.more", "a.plain", "a.rows", "a.texts",
    ]  # fmt: skip
    assert all(one.compared > 2 for one in found)


@pytest.mark.parametrize(
    "change",
    [
        put("statistics", "plain", "value", 1.0 + 1.0e-4),
        put("statistics", "drawn", "p", 0.0408),
        put("statistics", "drawn", "ci", [0.509, 1.52]),
        put("statistics", "count", "ci", [5.0004, 9.0]),
        put("tables", "rows", "rows", 0, 1, 0.50004),
        put("tables", "rows", "rows", 0, 2, 0.0407),
        put("tables", "rows", "rows", [["peace", None, 0.5], ["war", 0.5, 0.04]]),
        put("passages", "texts", "passages", 0, "values", [0.100001, 0.9]),
    ],
)
def test_noise_within_a_tolerance_is_reproduced(
    compare: Compare, change: Callable[[dict[str, Any]], None]
) -> None:
    assert unlike(compare(change)) == []


@pytest.mark.parametrize(
    ("change", "name", "place"),
    [
        (put("statistics", "plain", "value", 1.0002), "plain", "value"),
        (put("statistics", "plain", "value", None), "plain", "value"),
        (put("statistics", "plain", "tolerance", {"rtol": 9.0}), "plain", "tolerance"),
        (put("statistics", "plain", "label", "Other"), "plain", "label"),
        (put("statistics", "plain", "cell", "cell-02"), "plain", "cell"),
        (put("statistics", "count", "value", 8), "count", "value"),
        (put("statistics", "count", "n", 21), "count", "n"),
        (put("statistics", "count", "ci", [5.01, 9.0]), "count", "interval's lower end"),
        (put("statistics", "count", "ci", None), "count", "interval's lower end"),
        (put("statistics", "drawn", "p", 0.042), "drawn", "p"),
        (put("statistics", "drawn", "p", None), "drawn", "p"),
        (put("statistics", "missing", "because", "other"), "missing", "because"),
        (put("statistics", "missing", "value", 1.0), "missing", "value"),
        (put("tables", "rows", "rows", 0, 1, 0.5002), "rows", "row topic=war, column t"),
        (put("tables", "rows", "rows", 1, 1, 0.0), "rows", "row topic=peace, column t"),
        (put("tables", "rows", "rows", 0, 0, "wars"), "rows", "row topic=war"),
        (put("tables", "rows", "columns", 1, "tolerance", {"rtol": 9.0}), "rows", "tolerance of column t"),
        (put("tables", "rows", "columns", 1, "label", "U"), "rows", "label of column t"),
        (put("tables", "rows", "columns", 1, "name", "u"), "rows", "columns"),
        (put("tables", "rows", "key", ["t"]), "rows", "key"),
        (put("tables", "rows", "text", []), "rows", "number of rows shown"),
        (put("passages", "texts", "passages", 0, "values", [0.2, 0.9]), "texts", "text 1, token 1"),
        (put("passages", "texts", "passages", 0, "values", [0.1]), "texts", "number of values of text 1"),
        (put("passages", "texts", "passages", 0, "tokens", ["a", "c"]), "texts", "tokens of text 1"),
        (put("passages", "texts", "passages", []), "texts", "number of texts"),
        (put("passages", "texts", "largest", 1.8), "texts", "largest value"),
        (put("figures", "bars", "alt", "Other"), "bars", "alt"),
        (put("figures", "bars", "tolerance", "*", {"rtol": 9.0}), "bars", "tolerance"),
        (put("claims", "more", "criterion", "plain > 0.5"), "more", "criterion"),
        (put("claims", "more", "sentence", "Less."), "more", "sentence"),
    ],
)
def test_each_change_is_named_and_touches_one_record(
    compare: Compare, change: Callable[[dict[str, Any]], None], name: str, place: str
) -> None:
    found = unlike(compare(change))
    assert [one[0] for one in found] == [name]
    assert found[0][1] == "drifted"
    assert place in found[0][2]


def test_a_row_that_stands_twice_is_noticed(compare: Compare) -> None:
    def twice(found: dict[str, Any]) -> None:
        found["tables"]["rows"]["rows"].insert(0, ["war", 0.9, 0.9])

    assert unlike(compare(twice)) == [("rows", "drifted", ["number of rows"])]


def test_a_drift_says_how_much_and_against_what(compare: Compare) -> None:
    found = compare(put("statistics", "plain", "value", 1.5))
    drift = next(one for one in found if one.drifts).drifts[0]
    assert (drift.old, drift.new, drift.by) == (1.0, 1.5, 0.5)
    assert str(drift.tolerance) == "rtol 0.0001 + atol 1e-06 (float32 reductions)"


def test_an_outcome_that_changed_is_a_flip_and_not_a_drift(compare: Compare) -> None:
    assert unlike(compare(put("claims", "more", "outcome", "failed"))) == [("more", "flipped", ["outcome"])]


def test_records_that_are_gone_or_new_or_of_another_kind_are_told(compare: Compare) -> None:
    def rename(found: dict[str, Any]) -> None:
        found["statistics"]["other"] = found["statistics"].pop("plain")

    assert unlike(compare(rename)) == [("other", "new", []), ("plain", "missing", [])]


@pytest.mark.parametrize(
    ("draw", "place"),
    [
        (put("datasets", "data-aaaa", 1, "y", 0.2501), "datasets, data 1 2, y"),
        (put("datasets", "data-aaaa", 1, "x", "three"), "datasets, data 1 2, x"),
        (put("datasets", "data-aaaa", 0, "p", 0.042), "datasets, data 1 1, p"),
        (put("datasets", "data-aaaa", 0, "z", 1), "datasets, data 1 1, z"),
        (put("datasets", "data-aaaa", []), "number of datasets, data 1"),
        (put("mark", "line"), "mark"),
        (put("encoding", "y", "field", "z"), "encoding, y, field"),
    ],
)
def test_a_figures_data_are_compared_value_by_value(
    compare: Compare, draw: Callable[[dict[str, Any]], None], place: str
) -> None:
    assert unlike(compare(draw=draw)) == [("bars", "drifted", [place])]


def test_a_figures_columns_have_tolerances_of_their_own_and_the_names_of_its_data_do_not_count(
    compare: Compare,
) -> None:
    def noise(spec: dict[str, Any]) -> None:
        values = spec["datasets"].pop("data-aaaa")
        values[0]["p"], values[0]["y"] = 0.0405, 0.50001
        spec["datasets"]["data-bbbb"], spec["data"]["name"] = values, "data-bbbb"

    assert unlike(compare(draw=noise)) == []


def test_a_specification_that_is_gone_is_a_drift(compare: Compare) -> None:
    compare()
    (compare.folder / "old" / "figures" / "bars.vl.json").write_text("{")
    old = Findings.model_validate(findings())
    found = compare_findings("a", old, old, compare.folder / "old", compare.folder / "new")
    assert unlike(found) == [("bars", "drifted", ["specification"])]


SVG = (
    '<svg width="90"><path aria-label="y: 0.5" d="M1,0h18v150h-18Z" fill="#4c78a8"/>'
    '<text x="4">0.5</text></svg>'
)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('width="90"', 'width="93"', True),
        ('x="4"', 'x="1"', True),
        ("v150", "v170", False),
        ("#4c78a8", "#4c78a9", False),
        (">0.5<", ">0.6<", False),
        ("y: 0.5", "y: 0.6", False),
        ("<text", "<g/><text", False),
    ],
)
def test_pictures_are_alike_but_for_where_fonts_put_things(old: str, new: str, same: bool) -> None:
    assert old in SVG
    assert alike(SVG, SVG.replace(old, new)) is same

"""What a figure may be: its fields are there, its data are inside, and it draws something."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from mechscope.errors import InvalidRecord
from mechscope.ledger import Ledger
from mechscope.ledger.drawing import draw, draws_nothing
from mechscope.ledger.fields import check_fields
from mechscope.ledger.specification import specification

ROOT = Path(__file__).parents[2]
FRAME = pd.DataFrame(
    {
        "step": [1, 2, 3, 4],
        "loss": [0.9, 0.5, 0.3, 0.2],
        "acc": [0.1, 0.5, 0.9, 0.95],
        "kind": list("abab"),
        "day": pd.date_range("2024-01-01", periods=4),
        "missing": [None] * 4,
        "parts": [[1, 2], [3], [4], [5]],
    }
)
WEIGHTS = pd.DataFrame({"k": ["a", "b"], "w": [1, 2]})
ODD = pd.DataFrame({"step": [1, 2], "acc": [3, 4], "acc.top1": [0.1, 0.5], "a[0]": [1, 2], "it's": [1, 2]})
POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [0, 10], [10, 10], [10, 0], [0, 0]]]}
ZERO = alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule().encode(y="zero:Q")


def chart() -> alt.Chart:
    return alt.Chart(FRAME)


def lines(y: str = "loss", x: str = "step") -> Any:
    return chart().mark_line().encode(x=x, y=y)


class Plain:
    """A specification that no library made."""

    def __init__(self, rows: list[Any], **encoding: Any) -> None:
        self.spec = {"mark": "bar", "data": {"values": rows}, "encoding": encoding}

    def to_dict(self) -> dict[str, Any]:
        return self.spec


GOOD: dict[str, Callable[[], Any]] = {
    "count": lambda: chart().mark_bar().encode(x="kind", y="count()"),
    "mean": lambda: chart().mark_bar().encode(x="kind", y="mean(loss)", tooltip=["kind", "count()"]),
    "fold": lambda: chart().transform_fold(["loss", "acc"]).mark_line().encode(x="step", y="value:Q"),
    "fold as": lambda: (
        chart().transform_fold(["loss", "acc"], as_=["what", "v"]).mark_line().encode(color="what:N", y="v:Q")
    ),
    "calculate": lambda: chart().transform_calculate(z="datum.loss * 2").mark_point().encode(x="z:Q"),
    "aggregate": lambda: (
        chart().transform_aggregate(m="mean(loss)", groupby=["kind"]).mark_bar().encode(x="kind:N", y="m:Q")
    ),
    "join": lambda: chart().transform_joinaggregate(m="mean(loss)").mark_point().encode(x="m:Q", y="loss"),
    "window": lambda: (
        chart().transform_window(rank="rank(loss)", n="row_number()").mark_point().encode(x="rank:Q", y="n:Q")
    ),
    "density": lambda: chart().transform_density("loss").mark_area().encode(x="value:Q", y="density:Q"),
    "density by group": lambda: (
        chart()
        .transform_density("loss", as_=["loss", "d"], groupby=["kind"])
        .mark_area()
        .encode(x="loss:Q", y="d:Q", color="kind:N")
    ),
    "bin": lambda: chart().transform_bin("b", "loss").mark_bar().encode(x="b:Q", x2="b_end:Q", y="count()"),
    "bin in the encoding": lambda: chart().mark_bar().encode(x=alt.X("loss", bin=True), y="count()"),
    "time unit": lambda: chart().transform_timeunit(m="month(day)").mark_bar().encode(x="m:T", y="loss"),
    "lookup": lambda: (
        chart()
        .transform_lookup("kind", alt.LookupData(WEIGHTS, "k", ["w"]))
        .mark_point()
        .encode(x="w:Q", y="loss")
    ),
    "regression": lambda: chart().transform_regression("step", "loss").mark_line().encode(x="step", y="loss"),
    "loess": lambda: chart().transform_loess("step", "loss").mark_line().encode(x="step", y="loss"),
    "quantile": lambda: chart().transform_quantile("loss").mark_point().encode(x="prob:Q", y="value:Q"),
    "impute": lambda: lines().transform_impute("loss", "step", groupby=["kind"], value=0),
    "pivot": lambda: lines("a:Q", "step:Q").transform_pivot("kind", value="loss", groupby=["step"]),
    "flatten": lambda: chart().transform_flatten(["parts"]).mark_point().encode(x="parts:Q", y="loss"),
    "stack": lambda: (
        chart()
        .transform_stack(stack="loss", groupby=["kind"], as_="from")
        .mark_bar()
        .encode(x="kind", y="from:Q", y2="from_end:Q")
    ),
    "filter": lambda: lines().transform_filter(alt.FieldOneOfPredicate("kind", ["a"])),
    "expression that asks": lambda: lines().transform_filter("isValid(datum.nowhere) || datum.loss > 0"),
    "repeat": lambda: (
        chart()
        .mark_point()
        .encode(x=alt.X(alt.repeat("column"), type="quantitative"), y="loss")
        .repeat(column=["step", "acc"])
    ),
    "repeat a list": lambda: (
        chart().mark_bar().encode(x=alt.X(alt.repeat(), type="quantitative")).repeat(["loss", "acc"])
    ),
    "facet": lambda: lines().facet(row="kind:N"),
    "row": lambda: chart().mark_point().encode(x="step", y="loss", row="kind"),
    "layer": lambda: alt.layer(lines(), ZERO),
    "layer with a shared encoding": lambda: alt.layer(
        alt.Chart().mark_line().encode(y="loss:Q"), ZERO, data=FRAME
    ).encode(x="step:Q"),
    "empty layer": lambda: alt.layer(lines(), lines().transform_filter("datum.loss > 9")),
    "concat": lambda: (lines() | lines("acc")) & ZERO,
    "datum and value": lambda: alt.layer(
        lines(), chart().mark_rule().encode(y=alt.datum(0.5), x=alt.value(3))
    ),
    "condition": lambda: lines().encode(
        color=alt.condition("datum.loss > 0.4", alt.Color("kind:N"), alt.value("grey"))
    ),
    "condition on what is computed": lambda: (
        chart()
        .mark_bar()
        .encode(
            x="kind",
            y="mean(loss)",
            color=alt.condition("datum.mean_loss > 0.4", alt.value("red"), alt.value("blue")),
        )
    ),
    "sort": lambda: (
        chart().mark_bar().encode(x=alt.X("kind", sort=alt.EncodingSortField("loss", "mean")), y="mean(acc)")
    ),
    "order and detail": lambda: lines().encode(order="step", detail=["kind", "acc"]),
    "escaped": lambda: alt.Chart(ODD).mark_point().encode(x="acc\\.top1:Q", y="a\\[0\\]:Q", color="it\\'s:Q"),
    "nested": lambda: Plain([{"x": {"y": 1}, "l": [1]}], x={"field": "x.y"}, y={"field": "l[0]"}),
    "uneven rows": lambda: Plain([{"x": 1}, {"x": 2, "y": 3}], x={"field": "x"}, y={"field": "y"}),
    "bare numbers": lambda: Plain([1, 2], x={"field": "data"}),
    "sequence": lambda: (
        alt.Chart(alt.sequence(0, 6, as_="x"))
        .transform_calculate(s="sin(datum.x)")
        .mark_line()
        .encode(x="x:Q", y="s:Q")
    ),
    "geography": lambda: (
        alt.Chart(alt.Data(values=[{"type": "Feature", "properties": {"v": 1}, "geometry": POLYGON}]))
        .mark_geoshape()
        .encode(color="properties.v:Q")
    ),
    "sphere": lambda: alt.Chart(alt.sphere()).mark_geoshape(),
    "boxplot": lambda: chart().mark_boxplot().encode(x="kind", y="loss"),
    "axis condition": lambda: lines(
        x=alt.X(
            "step",
            axis=alt.Axis(
                gridColor=alt.condition("datum.value > 2", alt.value("red"), alt.value("blue")),
                labelExpr="datum.label + 'k'",
            ),
        )
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_chart_that_draws_its_data_is_recorded(name: str) -> None:
    assert not draws_nothing(draw(specification(GOOD[name](), name)))


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "typo": (lambda: lines("los:Q"), "y names the field 'los'.* columns step, loss"),
    "typo without a type": (lambda: lines("los"), "names the field 'los'.* columns step, loss"),
    "dot": (lambda: alt.Chart(ODD).mark_line().encode(y="acc.top1"), r"acc.top1.*\n.*'acc\\\\.top1'"),
    "bracket": (lambda: alt.Chart(ODD).mark_line().encode(x="step", y="a[0]"), r"a\[0\].*\n.*rename"),
    "quote": (lambda: alt.Chart(ODD).mark_line().encode(x="step", y="it's"), r"it's.*\n.*rename"),
    "tooltip": (lambda: lines().encode(tooltip=["step", "kin:N"]), "tooltip names the field 'kin'"),
    "detail": (lambda: lines().encode(detail=["kin:N"]), "detail names the field 'kin'"),
    "row": (lambda: lines().encode(row="kin:N"), "row names the field 'kin'"),
    "facet": (lambda: lines().facet("kin:N"), "facet names the field 'kin'"),
    "sort": (
        lambda: chart().mark_bar().encode(x=alt.X("kind", sort=alt.EncodingSortField("los")), y="loss"),
        "the order of x names the field 'los'",
    ),
    "condition": (
        lambda: lines().encode(color=alt.condition("datum.loss > 0.4", "kin:N", alt.value("grey"))),
        "color names the field 'kin'",
    ),
    "condition's test": (
        lambda: lines().encode(color=alt.condition("datum.los > 1", alt.value("red"), alt.value("grey"))),
        "the condition of color names the field 'los'",
    ),
    "filter": (lambda: lines().transform_filter("datum['los'] > 1"), "the filter names the field 'los'"),
    "formula": (lambda: lines("z:Q").transform_calculate(z="datum.los"), "the formula of 'z' names"),
    "gone after a mean": (
        lambda: chart().transform_aggregate(m="mean(loss)").mark_bar().encode(x="step:N", y="m:Q"),
        "x names the field 'step'",
    ),
    "fold": (lambda: lines("value:Q").transform_fold(["loss", "ac"]), "'fold' names the field 'ac'"),
    "fold's names": (lambda: lines("v:Q").transform_fold(["loss", "acc"]), "y names the field 'v'"),
    "lookup": (
        lambda: lines().transform_lookup("kind", alt.LookupData(WEIGHTS, "k", ["ww"])),
        "'lookup' names the field 'ww'",
    ),
    "repeat": (
        lambda: (
            chart().mark_point().encode(x=alt.X(alt.repeat("row"), type="quantitative")).repeat(row=["steps"])
        ),
        "x names the field 'steps'",
    ),
    "layer": (lambda: alt.layer(lines(), lines("ac:Q")), "y names the field 'ac'"),
    "concat": (lambda: lines() | lines("ac:Q"), "y names the field 'ac'"),
    "by address": (lambda: alt.Chart("https://x.org/a.csv").mark_bar().encode(x="a:Q"), "the address https"),
    "by path": (lambda: alt.Chart(alt.UrlData("a.json")).mark_bar().encode(x="a:Q"), "the address a.json"),
    "map by address": (lambda: alt.Chart(alt.topo_feature("w.json", "c")).mark_geoshape(), "address w.json"),
    "lookup by address": (
        lambda: lines().transform_lookup("kind", alt.LookupData("https://x.org/a.csv", "k", ["w"])),
        "the address https",
    ),
    "picture by address": (
        lambda: chart().mark_image(url="https://x.org/a.png").encode(x="step", y="loss"),
        "a picture from the address",
    ),
    "pictures in the data": (
        lambda: (
            alt.Chart(pd.DataFrame({"x": [1], "i": ["//x.org/a.png"]})).mark_image().encode(x="x", url="i")
        ),
        "a picture from the address",
    ),
    "too many rows": (
        lambda: alt.Chart(pd.DataFrame({"x": np.arange(6000)})).mark_bar().encode(x="x"),
        "6,000 rows of data, more than 5,000",
    ),
    "schema": (lambda: lines(x=alt.X("step", scale={"typ": "log"})), "no parameter named 'typ'"),
    "a frame": (lambda: FRAME, "is a DataFrame, not a chart"),
    "not a number": (lambda: Plain([{"x": float("nan")}], x={"field": "x"}), "a value that can't be kept"),
    "numpy": (lambda: Plain([{"x": np.float32(1)}], x={"field": "x"}), "a value that can't be kept"),
    "half a character": (
        lambda: (
            alt.Chart(pd.DataFrame({"x": pd.Series(["\ud800"], dtype=object)})).mark_bar().encode(x="x:N")
        ),
        r"<U\+D800>.*half of a character",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_chart_that_would_lie_or_load_something_is_refused(name: str) -> None:
    made, said = BAD[name]
    with pytest.raises(InvalidRecord, match=said) as error:
        specification(made(), "plot")
    assert "figure 'plot'" in str(error.value)


@pytest.mark.parametrize(
    "made",
    [
        lambda: lines("missing:Q"),
        lambda: alt.Chart(FRAME[:0]).mark_line().encode(x="step:Q", y="loss:Q"),
        lambda: lines().transform_filter("datum.loss > 9"),
        lambda: chart().mark_point().encode(x="kind:Q", y="kind:Q"),
    ],
    ids=["no values", "no rows", "nothing passes", "texts as numbers"],
)
@pytest.mark.parametrize("around", [lambda one: one, lambda one: one & one, lambda one: one.facet("step:O")])
def test_a_chart_without_a_mark_is_refused(made: Callable[[], Any], around: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidRecord, match="figure 'plot' draws nothing"):
        Ledger("demo").figure("plot", around(made()), caption="C", alt="A")


def into_a_file(data: Any) -> Any:
    return alt.to_json(data)


@pytest.mark.parametrize("transformer", ["json", "csv", "own"])
def test_a_transformer_that_writes_files_writes_none(
    transformer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alt.data_transformers.register("own", into_a_file)
    with alt.data_transformers.enable(transformer):
        spec = specification(lines() | lines("acc"), "plot")
        assert alt.data_transformers.active == transformer
    assert [len(rows) for rows in spec["datasets"].values()] == [4]
    assert not list(tmp_path.iterdir())


UNSEEN = list("\x00\x01\x08\x0b\x0c\x1b\x7f\x85\x9f\u2028\u202e\ufffe\uffff")


def test_characters_that_no_page_can_show_are_drawn_as_distinct_names() -> None:
    tokens = [*UNSEEN, "\ud800", "\udfff", " the", "<U+000C>", "\\x0c", "\n", "", "\x0c\x0c"]
    rows = [{"token": token, "p": 1 + n} for n, token in enumerate(tokens)]
    spec = Plain(
        rows,
        y={"field": "token", "type": "nominal", "sort": tokens, "scale": {"domain": tokens}},
        x={"field": "p", "type": "quantitative", "title": "p \x00"},
    )
    spec.spec["title"] = "A \x1b title"
    svg = draw(specification(spec, "bars"))
    ElementTree.fromstring(svg)
    assert len(set(re.findall(r'aria-label="p[^"]*; token: ([^"]*)"', svg))) == len(tokens)
    assert "U+001B" in svg and "U+0000" in svg


@pytest.mark.parametrize("character", UNSEEN)
def test_a_filter_on_such_a_character_still_finds_it(character: str) -> None:
    frame = pd.DataFrame({"token": [character, "b"], "p": [1, 2]})
    bars = alt.Chart(frame).mark_bar().encode(x="p", y="token").transform_filter(alt.datum.token == character)
    assert draw(specification(bars, "bars")).count('aria-roledescription="bar"') == 1


def test_the_figures_of_this_project_have_their_fields_and_draw_something() -> None:
    specs = sorted((ROOT / "results").glob("*/*/figures/*.vl.json"))
    assert specs
    for path in specs:
        check_fields(json.loads(path.read_text()), path.name)
        assert not draws_nothing(path.with_name(path.name.replace(".vl.json", ".svg")).read_text())


@pytest.mark.parametrize("alt_text", ["", "  ", None])
def test_a_figure_without_alt_text_is_named(alt_text: Any) -> None:
    with pytest.raises(InvalidRecord, match="figure 'plot' has no alt text") as error:
        Ledger("demo").figure("plot", lines(), caption="C", alt=alt_text)
    assert "alt=" in error.value.hint

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import pytest
import torch

import mechscope.ledger.recording as recording
from mechscope.errors import InvalidRecord, MechscopeError, UnknownName
from mechscope.ledger import EXACT, Close, Ledger, Passage, RecordPayload
from mechscope.ledger.display import record_html
from mechscope.ledger.schema import Absent, Claim, Figure, Passages, Statistic, Table
from mechscope.stats.estimates import Estimate, Missing

BARS = pd.DataFrame({"x": ["a", "b"], "y": [1.0, 2.0]})


def bar_chart() -> alt.Chart:
    return alt.Chart(BARS).mark_bar().encode(x="x:N", y="y:Q")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[RecordPayload, object]]:
    """What a ledger displayed, in order."""
    shown: list[tuple[RecordPayload, object]] = []
    monkeypatch.setattr(recording, "_show", lambda payload, record: shown.append((payload, record)))
    return shown


@pytest.fixture
def ledger(recorded: list[tuple[RecordPayload, object]]) -> Ledger:
    return Ledger("demo")


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), np.float64(0.5), np.array(0.5), np.array([0.5]), torch.tensor(0.5)]
)
def test_scalars_of_any_library_become_plain_numbers(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Statistic]], value: object
) -> None:
    ledger.statistic("half", value, label="Half")
    assert recorded[0][1].value == 0.5 and type(recorded[0][1].value) is float


def test_counts_and_words_are_exact_and_floats_have_the_one_default(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Statistic]]
) -> None:
    ledger.statistic("count", np.int64(3), label="Count")
    ledger.statistic("word", "Paris", label="Word")
    ledger.statistic("share", 0.3, label="Share")
    ledger.statistic("wide", 0.3, label="Wide", tolerance=Close(atol=0.1, because="it is noisy"))
    tolerances = [record.tolerance for _, record in recorded]
    assert tolerances[:2] == [EXACT, EXACT]
    assert tolerances[2].because == "float32 reductions"
    assert tolerances[3].allows(0.3, 0.39) and not tolerances[3].allows(0.3, 0.41)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"value": float("nan")}, "nan"),
        ({"value": float("inf")}, "inf"),
        ({"value": np.zeros(3)}, r"shape \(3,\)"),
        ({"value": True}, "yes or no"),
        ({"value": None}, "no reason"),
        ({"value": [1]}, "list"),
        ({"value": 1.0, "ci": (2.0, 1.0)}, "not low to high"),
        ({"value": 1.0, "ci": (float("nan"), 1.0)}, "nan"),
        ({"value": 1.0, "p": 0.0}, "p-value of 'x'.*above 0"),
        ({"value": 1.0, "p": float("nan")}, "p-value of 'x' is nan"),
        ({"value": 1.0, "n": 10.7}, "n of 'x' is 10.7"),
        ({"value": 1.0, "n": -3}, "n of 'x' is -3"),
        ({"value": 1.0, "resamples": 9.5}, "resamples of 'x' is 9.5"),
        ({"value": 1.0, "level": 95, "ci": (0, 1)}, "level of 'x' is 95"),
        ({"value": 1.0, "ci": (1,)}, "interval of 'x'.*two ends"),
        ({"value": 1.0, "format": 2}, "format '2' does not fit"),
        ({"value": 1j}, "is a complex"),
        ({"value": 1.0, "format": ",d"}, "does not fit"),
        ({"value": 1.0, "label": "  "}, "no label"),
    ],
)
def test_a_statistic_that_cannot_be_read_is_refused(ledger: Ledger, arguments: dict, said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        ledger.statistic("x", **{"label": "X", **arguments})


@pytest.mark.parametrize("name", ["Big", "with-dash", "1st", "", "a b", "ä"])
def test_a_name_that_cannot_stand_in_a_criterion_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(InvalidRecord):
        ledger.statistic(name, 1, label="X")


def test_a_name_is_used_once_across_kinds(ledger: Ledger) -> None:
    ledger.statistic("x", 1, label="X")
    with pytest.raises(InvalidRecord, match=r"demo\.x' is recorded twice"):
        ledger.figure("x", bar_chart(), caption="Bars", alt="Two bars")


def test_a_refused_record_does_not_use_up_its_name(ledger: Ledger) -> None:
    with pytest.raises(InvalidRecord):
        ledger.statistic("x", float("nan"), label="X")
    ledger.statistic("x", 1, label="X")


def test_a_claim_is_decided_by_its_criterion_and_never_by_its_author(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Claim]]
) -> None:
    ledger.statistic("t", 0.2, label="T", ci=(0.1, 0.3))
    ledger.statistic("unknown", None, label="U", because="the model does not know the fact")
    ledger.claim("positive", "T is positive.", criterion="t.low > 0")
    ledger.claim("negative", "T is negative.", criterion="t < 0")
    ledger.claim("other", "U is positive.", criterion="unknown > 0")
    assert [record.outcome for _, record in recorded[2:]] == ["held", "failed", "untestable"]
    with pytest.raises(UnknownName, match="did you mean 't'"):
        ledger.claim("typo", "T is positive.", criterion="T > 0")


def test_an_author_can_say_that_a_claim_came_after_a_look(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Claim]]
) -> None:
    ledger.statistic("t", 0.2, label="T")
    ledger.claim("positive", "T is positive.", criterion="t > 0", exploratory="after a <first> look")
    assert recorded[1][1].exploratory == "after a <first> look"
    assert "exploratory: after a &lt;first&gt; look" in record_html("demo", "positive", recorded[1][1])


def test_a_figure_needs_alt_text_and_a_caption(ledger: Ledger) -> None:
    with pytest.raises(InvalidRecord, match="figure 'f' is a dict, not a chart"):
        ledger.figure("f", bar_chart().to_dict(), caption="Bars", alt="Two bars")
    with pytest.raises(InvalidRecord, match="no alt text"):
        ledger.figure("bars", bar_chart(), caption="Bars", alt=" ")
    with pytest.raises(InvalidRecord, match="no caption"):
        ledger.figure("bars", bar_chart(), caption="", alt="Two bars")


def test_the_same_chart_gives_the_same_bytes(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Figure]]
) -> None:
    ledger.figure("one", bar_chart(), caption="Bars", alt="Two bars")
    ledger.figure("two", bar_chart(), caption="Bars", alt="Two bars")
    (first, _), (second, _) = recorded
    assert first.record == second.record and first.svg == second.svg
    assert first.svg is not None and first.svg.startswith("<svg")


def test_a_table_keeps_all_rows_and_prints_the_first(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Table]]
) -> None:
    frame = pd.DataFrame(
        {
            "topic": ["war", "tea"],
            "p": np.array([0.1, np.nan], dtype=np.float32),
            "count": [1200, 3],
            "seen": [True, False],
        }
    )
    ledger.table("t", frame, key="topic", caption="Topics", formats={"p": ".1%"}, shown=1)
    table = recorded[0][1]
    assert table.rows == (("war", 0.1, 1200, True), ("tea", None, 3, False))
    assert table.text == (("war", "10.0%", "1,200", "yes"),)
    assert [column.kind for column in table.columns] == ["str", "float", "int", "bool"]


@pytest.mark.parametrize(
    ("frame", "key", "said"),
    [
        (pd.DataFrame({"a": [1, 1]}), "a", "a=1 is there twice"),
        (pd.DataFrame({"a": [1, 2]}), "b", "unknown column"),
        (pd.DataFrame({"a": [1, 2], "b": [1.0, np.inf]}), "a", "inf"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", 3]}), "a", "mixes int and str"),
        (pd.DataFrame({"a": ["x", None]}), "a", "no complete key"),
    ],
)
def test_a_table_that_cannot_be_compared_is_refused(
    ledger: Ledger, frame: pd.DataFrame, key: str, said: str
) -> None:
    with pytest.raises(MechscopeError, match=said):
        ledger.table("t", frame, key=key, caption="C")


def test_a_named_index_can_be_the_key(ledger: Ledger, recorded: list[tuple[RecordPayload, Table]]) -> None:
    ledger.table("t", pd.DataFrame({"a": [1]}, index=pd.Index(["r"], name="row")), key="row", caption="C")
    assert recorded[0][1].rows == (("r", 1),)


def test_passages_have_a_value_for_each_token(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Passages]]
) -> None:
    ledger.passages("p", [Passage(tokens=("a", "b"), values=(0.5, 2.0))], caption="C")
    assert recorded[0][1].largest == 2.0
    with pytest.raises(InvalidRecord, match="2 tokens but 1 values"):
        ledger.passages("q", [Passage(tokens=("a", "b"), values=(0.5,))], caption="C")
    with pytest.raises(InvalidRecord, match="empty"):
        ledger.passages("r", [], caption="C")


def test_everything_from_a_model_or_corpus_is_escaped(
    ledger: Ledger, recorded: list[tuple[RecordPayload, object]]
) -> None:
    evil = '<script>alert("x")</script>'
    ledger.statistic("s", evil, label=evil, test=evil)
    ledger.table("t", pd.DataFrame({evil: [evil]}), key=evil, caption=evil)
    ledger.passages("p", [Passage(tokens=(evil,), values=(1.0,), title=evil)], caption=evil)
    ledger.figure("f", bar_chart(), caption=evil, alt=evil)
    ledger.claim("c", evil, criterion=f"s == '{evil}'")
    for payload, record in recorded:
        html = record_html("demo", payload.name, record, svg=payload.svg)  # type: ignore[arg-type]
        assert "<script" not in html and f'id="record-{payload.name}"' in html


def test_a_plain_script_prints_its_records(capsys: pytest.CaptureFixture[str]) -> None:
    Ledger("demo").statistic("x", 0.5, label="Half of it", ci=(0.4, 0.6))
    assert capsys.readouterr().out == "demo.x = 0.50 (95% CI [0.40, 0.60])  · Half of it\n"


def test_a_script_that_records_under_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MECHSCOPE_ANALYSIS", "topic_geometry")
    with pytest.raises(InvalidRecord, match="is the analysis 'topic_geometry'"):
        Ledger("topic_geometri")


def test_an_estimate_brings_its_interval_test_and_n_along(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Statistic]]
) -> None:
    estimate = Estimate(1.5, 1.0, 2.0, level=0.9, p=0.01, test="sign flips", n=12, resamples=999)
    ledger.statistic("gain", estimate, "Gain", unit="nats")
    apart = {"ci": (1.0, 2.0), "level": 0.9, "p": 0.01, "test": "sign flips", "n": 12, "resamples": 999}
    Ledger("other").statistic("gain", 1.5, label="Gain", unit="nats", **apart)
    assert recorded[0][1] == recorded[1][1]


@pytest.mark.parametrize(
    "beside", [{"ci": (1.0, 2.0)}, {"level": 0.9}, {"p": 0.1}, {"test": "x"}, {"n": 3}, {"resamples": 9}]
)
def test_what_an_estimate_says_itself_is_not_said_beside_it(ledger: Ledger, beside: dict) -> None:
    with pytest.raises(InvalidRecord, match=f"gets {next(iter(beside))} beside it"):
        ledger.statistic("gain", Estimate(1.5), "Gain", **beside)


def test_a_missing_estimate_is_recorded_as_what_does_not_apply(
    ledger: Ledger, recorded: list[tuple[RecordPayload, Absent]]
) -> None:
    ledger.statistic("gain", Missing("two layers are needed, and this model has 1"), "Gain")
    payload, record = recorded[0]
    assert (payload.kind, record.because) == ("absent", "two layers are needed, and this model has 1")


def test_a_ledgers_tolerance_is_that_of_every_measured_number_that_has_none_of_its_own(
    recorded: list[tuple[RecordPayload, object]],
) -> None:
    noisy = Close(rtol=0.01, because="float32 activations")
    ledger = Ledger("demo", tolerance=noisy)
    ledger.statistic("share", 0.3, "Share")
    ledger.statistic("count", 3, "Count")
    ledger.figure("bars", bar_chart(), caption="Bars.", alt="Two bars.")
    ledger.table("rows", BARS, key="x", caption="Rows.")
    ledger.passages("texts", [Passage.of(["a"], [1.0])], caption="Texts.")
    share, count, figure, table, passages = (record for _, record in recorded)
    assert share.tolerance == figure.tolerance["*"] == passages.tolerance == noisy
    assert (count.tolerance, [column.tolerance for column in table.columns]) == (EXACT, [EXACT, noisy])

"""Kinds of records: one table has them all, and every part of mechscope knows each."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from mechscope.articles.sources import KIND_OF_SHORTCODE
from mechscope.cli.trace import records_text
from mechscope.ledger import Ledger
from mechscope.ledger.display import record_html, record_line
from mechscope.ledger.schema import KINDS, Findings, Record
from mechscope.pipeline.record_calls import kind_written
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.publish.pages.words import in_words
from mechscope.review.differences import compare_findings
from tests.review.test_differences import findings

EXTENSION = Path(__file__).parents[2] / "_extensions" / "mechscope"
RECORDING = [kind for kind in KINDS if KINDS[kind].argument]
CITED = {kind: KINDS[kind].shortcode for kind in KINDS if KINDS[kind].shortcode}


@pytest.fixture(scope="module")
def sample() -> Findings:
    """Findings with a record of every kind."""
    absent = {"absent": {"heads": {"because": "it has one layer", "cell": "cell-01"}}}
    return Findings.model_validate({**findings(), **absent})


def test_the_table_has_the_fields_of_findings_and_their_records(sample: Findings) -> None:
    assert list(KINDS) == list(Findings.model_fields)
    assert {kind.model for kind in KINDS.values()} == set(get_args(Record))
    for kind, name, record in sample.records():
        assert isinstance(record, KINDS[kind].model)
        assert sample.kind_of(name) == kind and sample.record(name) is record


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_each_kind_is_displayed_compared_listed_and_counted(kind: str, sample: Findings) -> None:
    listed = list(sample.records(kind))
    assert listed, "a kind without a sample is tested by nothing here"
    for _, name, record in listed:
        assert f"a.{name}" in record_line(f"a.{name}", record)
        assert f'id="record-{name}"' in record_html("a", name, record)
        row = records_text([(f"a.{name}", KeyedRecord("one", "a", name, kind, record, None))])
        assert re.search(rf"^a\.{name} +{KINDS[kind].noun}\b", row)
    of_kind = [one for one in compare_findings("a", sample, sample, Path(), Path()) if one.kind == kind]
    assert len(of_kind) == len(listed) and all(one.compared for one in of_kind)
    assert in_words({kind: 1}) == f"1 {KINDS[kind].counted[0]}"
    assert in_words({kind: 2}) == f"2 {KINDS[kind].counted[1]}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_ledger_has_a_method_for_each_kind(kind: str) -> None:
    parameters = inspect.signature(getattr(Ledger, KINDS[kind].method)).parameters
    assert not KINDS[kind].argument or KINDS[kind].argument in parameters


@pytest.mark.parametrize("kind", RECORDING)
def test_a_script_is_read_for_records_of_each_kind(kind: str) -> None:
    call = f'ledger.{KINDS[kind].method}("x", thing, {KINDS[kind].argument}="…")'
    assert kind_written([ast.parse(call)], "x") == kind


@pytest.mark.parametrize("kind", CITED)
def test_articles_and_the_extension_show_each_kind_by_the_same_shortcode(kind: str) -> None:
    assert KIND_OF_SHORTCODE[CITED[kind]] == kind
    listed = re.search(r"^M\.kinds = \{(.*)\}$", (EXTENSION / "ledger.lua").read_text(), re.MULTILINE)
    assert listed and dict(re.findall(r'(\w+) = "(\w+)"', listed[1])) == CITED
    handlers = (EXTENSION / "shortcodes.lua").read_text().rpartition("return {")[2]
    assert re.search(rf'(?:\b|"){CITED[kind]}(?:"\])? = ', handlers)

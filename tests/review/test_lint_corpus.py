"""How well lint tells typed results from other numbers, on fragments that it has not learned from.

Each line of `unseen.jsonl` is a fragment of an article by somebody who had not seen the linter: `typed` is
the measured result that was typed in it, or null where all its numbers are settings, shapes, definitions,
names, dates or results of others. A fragment is found if a finding shares a line with the typed number, and
a false alarm is any finding in a sound one. These fragments are never learned from: new ones go to `corpus/`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mechscope.articles.markdown import scan
from mechscope.review.lint.names import Names
from mechscope.review.lint.numerals import results, written
from tests.review.learn_probe import fragments, read_fragment

NAMES = Names(["Gemma 3", "Gemma 3 270M", "SmolLM2-135M"])


@pytest.fixture(scope="module")
def unseen() -> list[tuple[str, str | None]]:
    lines = Path(__file__).with_name("unseen.jsonl").read_text(encoding="utf-8").split("\n")
    return [(row["text"], row["typed"]) for row in map(json.loads, filter(None, lines))]


def test_typed_results_of_unseen_fragments_are_found_with_few_false_alarms(
    unseen: list[tuple[str, str | None]],
) -> None:
    scans = [scan(text) for text, _ in unseen]
    taken = results([(scanned, written(scanned, NAMES)) for scanned in scans])
    missed, alarms, found = [], [], 0
    for (text, typed), numbers in zip(unseen, taken, strict=True):
        lines = [_lines(text, number.place, number.end) for number in numbers]
        if typed is None:
            alarms += [(text, number.text) for number in numbers[:1]]
        elif any(here & _lines(text, text.index(typed), text.index(typed) + len(typed)) for here in lines):
            found += 1
        else:
            missed.append((text, typed))
    recall, precision = found / (found + len(missed)), found / (found + len(alarms))
    report = f"recall {recall:.3f}, precision {precision:.3f}\nmissed: {missed}\nalarms: {alarms}"
    assert len(unseen) > 500 and 200 < found + len(missed) < 300
    assert recall > 0.86 and precision > 0.84, report


@pytest.mark.parametrize(("name", "least"), [("numbers", 0.93), ("articles", 0.9)])
def test_most_results_that_were_learned_from_are_found_those_in_disguise_too(name: str, least: float) -> None:
    known = [fragment for fragment in fragments(name) if fragment.labels]
    scans = [scan(fragment.text) for fragment in known]
    taken = results([(scanned, written(scanned, NAMES)) for scanned in scans])
    verdicts = [
        (is_result, any(number.place < end and number.stop > start for number in numbers))
        for fragment, numbers in zip(known, taken, strict=True)
        for start, end, is_result in fragment.labels
    ]
    found = sum(is_result and is_taken for is_result, is_taken in verdicts)
    assert found / sum(is_result for is_result, _ in verdicts) >= least
    assert found / sum(is_taken for _, is_taken in verdicts) >= 0.93


def test_no_unseen_fragment_is_learned_from(unseen: list[tuple[str, str | None]]) -> None:
    assert not {text for text, _ in unseen} & {fragment.text for fragment in fragments()}


def test_labels_of_the_corpus_stand_where_they_were_written() -> None:
    fragment = read_fragment("Of ⟦n|12⟧ heads ⟦m|3⟧ copy.")
    assert fragment.text == "Of 12 heads 3 copy."
    assert fragment.labels == ((3, 5, False), (12, 13, True))
    known = fragments()
    kinds = [is_result for fragment in known for *_, is_result in fragment.labels]
    assert sum(kinds) > 4000 and len(kinds) - sum(kinds) > 7000


def _lines(text: str, start: int, end: int) -> set[int]:
    return set(range(text.count("\n", 0, start), text.count("\n", 0, end) + 1))

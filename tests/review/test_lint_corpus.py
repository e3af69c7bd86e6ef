"""How many typed numbers lint finds, and how many other numbers it takes for one, over labelled fragments.

Each file of `corpus/` has a fragment of an article a line: `typed` is the number in it that nobody could
trace, or null where every number is a name, a date, a term or marked as given. New kinds belong there.
The first 268 fragments of `articles.jsonl` were written before their author had read the rules, all of them
before the rules were mended for them. By now they are known: on a new text lint does a little worse.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mechscope.articles.markdown import scan
from mechscope.review.lint.names import Names
from mechscope.review.lint.numerals import numerals

CORPUS = Path(__file__).parent / "corpus"
NAMES = Names(["Gemma 3", "Gemma 3 270M", "SmolLM2-135M"])


@pytest.mark.parametrize(("name", "enough"), [("numbers", 300), ("articles", 200)])
def test_of_typed_numbers_few_are_missed_and_few_others_are_taken_for_one(name: str, enough: int) -> None:
    lines_of_file = (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    fragments = [json.loads(line) for line in lines_of_file]
    missed, alarms, right = [], [], 0
    for fragment in fragments:
        text, typed = fragment["text"], fragment["typed"]
        lines = [_lines(text, number.place, number.end) for number in numerals(scan(text), NAMES)]
        if typed is None:
            alarms += [text] if lines else []
            continue
        start = text.index(typed)
        if any(here & _lines(text, start, start + len(typed)) for here in lines):
            right += 1
        else:
            missed.append(f"{typed!r} in {text!r}")
    total = right + len(missed)
    report = f"recall {right}/{total}, false alarms {len(alarms)}\nmissed: {missed}\nfalse alarms: {alarms}"
    assert total >= enough and len(fragments) - total >= enough
    assert right / total >= 0.95 and right / (right + len(alarms)) >= 0.97, report


def _lines(text: str, start: int, end: int) -> set[int]:
    return set(range(text.count("\n", 0, start), text.count("\n", 0, end) + 1))

"""The pairs that the patching analyses read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mechscope.data.prompts import load_prompts

PAIRS = Path(__file__).parents[2] / "analyses" / "data" / "patching_pairs.csv"


def test_every_phenomenon_has_ten_pairs_and_answers_that_do_not_begin_alike():
    rows = load_prompts(PAIRS, columns=["corrupt", "answer", "wrong", "phenomenon"]).frame
    counts = Counter(rows["phenomenon"])
    assert min(counts.values()) >= 10 and "other languages" in counts
    for row in rows.itertuples(index=False):
        assert row.answer.split()[0] != row.wrong.split()[0], row.prompt


def test_no_fact_is_asked_twice():
    rows = load_prompts(PAIRS, columns=["corrupt", "answer", "wrong", "phenomenon"]).frame
    both = [*rows["prompt"], *rows["corrupt"]]
    assert len(set(both)) == len(both)

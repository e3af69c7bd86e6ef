"""The sentences with a repeated span are what the analysis of attention heads says they are."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parents[2] / "analyses" / "data"


def sentences() -> pd.DataFrame:
    return pd.read_csv(DATA / "induction_sentences.csv")


def test_half_of_the_spans_are_names_and_none_stands_in_two_sentences():
    frame = sentences()
    assert frame["kind"].value_counts().to_dict() == {"name": 12, "phrase": 12}
    assert frame["prompt"].is_unique and frame["span"].is_unique


def test_a_span_comes_twice_behind_a_space_and_does_not_begin_the_sentence():
    for prompt, span in sentences()[["prompt", "span"]].itertuples(index=False):
        at = [found.start() for found in re.finditer(re.escape(span), prompt)]
        assert len(at) == 2, span
        assert all(prompt[start - 1] == " " for start in at), span
        assert at[0] > 1 and all(not prompt[start + len(span)].isalpha() for start in at), span


def test_no_word_of_a_span_stands_anywhere_else_in_its_sentence():
    for prompt, span in sentences()[["prompt", "span"]].itertuples(index=False):
        words = re.findall(r"\w+", prompt.lower())
        assert all(words.count(word) == 2 for word in re.findall(r"\w+", span.lower())), span


def test_other_words_stand_between_the_two_occurrences():
    for prompt, span in sentences()[["prompt", "span"]].itertuples(index=False):
        between = prompt.split(span)[1]
        assert len(between.split()) >= 6, span

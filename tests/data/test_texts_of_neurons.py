"""The texts and prompts that neurons are read on are what the definitions of their analyses say."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

DATA = Path(__file__).parents[2] / "analyses" / "data"
ENDINGS = {"is": " is", "of": " of", "为": "为", "to": " to"}


def test_each_category_has_as_many_texts_and_none_stands_twice():
    texts = pd.read_csv(DATA / "topics_texts.csv")
    assert texts["category"].value_counts().tolist() == [10] * 7
    assert texts["text"].is_unique


def test_prompts_end_as_their_form_says_and_every_cell_has_as_many():
    prompts = pd.read_csv(DATA / "abstraction.csv")
    assert prompts["prompt"].is_unique
    assert prompts.groupby(["form", "kind"]).size().tolist() == [8] * 9
    for form, group in prompts.groupby("form"):
        assert group["prompt"].str.endswith(ENDINGS[form]).all()


def test_headquarters_and_what_they_are_compared_with_are_of_the_same_companies_in_the_same_order():
    prompts = pd.read_csv(DATA / "abstraction.csv").set_index("kind")["prompt"]
    companies = prompts.str.split().str[0]
    other = companies.loc["unrelated"].tolist()[-8:]
    assert companies.loc["headquarters"].tolist() == other

from __future__ import annotations

from pathlib import Path

from mechscope.data.prompts import load_prompts

DATA = Path(__file__).parents[2] / "analyses" / "data"


def test_the_inverse_prompts_ask_for_the_same_facts():
    there = load_prompts(DATA / "capitals.csv", columns=["answer", "place", "kind"])
    back = load_prompts(DATA / "capitals_inverse.csv", columns=["answer", "place", "kind"])
    capital_of = dict(zip(there.column("place"), there.column("answer"), strict=True))
    for prompt, answer, place in zip(back.prompts, back.column("answer"), back.column("place"), strict=True):
        assert prompt == f"{capital_of[place].strip()} is the capital of"
        assert answer == f" {place}"
    assert set(capital_of) == set(back.column("place"))


def test_answers_begin_with_the_space_that_their_language_writes():
    for name in ("capitals", "capitals_inverse", "capitals_languages"):
        prompts = load_prompts(DATA / f"{name}.csv", columns=["answer"])
        languages = prompts.frame.get("language", ["English"] * len(prompts))
        for prompt, answer, language in zip(
            prompts.prompts, prompts.column("answer"), languages, strict=True
        ):
            assert prompt == prompt.strip()
            assert answer.startswith(" ") == (language != "Chinese")


def test_every_language_asks_about_the_same_places():
    prompts = load_prompts(DATA / "capitals_languages.csv", columns=["place", "language"])
    places = prompts.frame.groupby("language")["place"].agg(frozenset)
    assert len(places) == 4 and len(set(places)) == 1

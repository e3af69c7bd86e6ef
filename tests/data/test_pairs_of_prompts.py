from __future__ import annotations

from collections import Counter
from pathlib import Path

from mechscope.data.prompts import load_prompts, load_words

DATA = Path(__file__).parents[2] / "analyses" / "data"


def test_the_prompts_of_a_patching_pair_differ_in_one_word_that_is_neither_first_nor_last():
    rows = load_prompts(
        DATA / "patching_pairs.csv", columns=["corrupt", "answer", "wrong", "phenomenon"]
    ).frame
    for row in rows.itertuples(index=False):
        clean, corrupt = row.prompt.split(), row.corrupt.split()
        assert len(clean) == len(corrupt)
        differ = [at for at, (one, other) in enumerate(zip(clean, corrupt, strict=True)) if one != other]
        assert len(differ) == 1 and 0 < differ[0] < len(clean) - 1, row.prompt
        assert row.answer != row.wrong and row.answer[0] == row.wrong[0] == " "


def test_steering_prompts_come_in_pairs_and_no_held_out_prompt_is_fitted():
    rows = load_prompts(DATA / "steering_prompts.csv", columns=["concept", "side", "part"]).frame
    counts = Counter(zip(rows["concept"], rows["part"], rows["side"], strict=True))
    for concept in set(rows["concept"]):
        for part, n in (("fit", 10), ("near", 6), ("far", 6)):
            assert counts[concept, part, "towards"] == counts[concept, part, "away"] == n


def test_no_steering_word_stands_on_both_sides():
    words = load_words(DATA / "steering_words.csv")
    concepts = {kind.rsplit(" ", 1)[0] for kind in words.values()}
    assert {f"{concept} {side}" for concept in concepts for side in ("towards", "away")} == set(
        words.values()
    )

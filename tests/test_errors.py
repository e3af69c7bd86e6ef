from __future__ import annotations

from mechscope.errors import UnknownName, nearest


def test_an_unknown_name_proposes_the_nearest_valid_one_and_lists_the_rest() -> None:
    error = UnknownName("model", "solu-11", ["gpt2-small", "solu-1l"], where="runs.yml:3")
    assert str(error) == (
        "runs.yml:3: unknown model 'solu-11' — did you mean 'solu-1l'?\n  → valid: gpt2-small, solu-1l"
    )


def test_a_name_like_no_other_gets_no_proposal() -> None:
    assert "did you mean" not in str(UnknownName("run", "zzz", ["smollm2-135m"]))


def test_the_beginning_of_a_long_name_is_near_it() -> None:
    runs = ["smollm2-135m", "gemma-3-270m", "gpt2-small"]
    assert nearest("gema", runs) == nearest("gemma", runs) == ["gemma-3-270m"]
    assert nearest("gpt2", runs) == ["gpt2-small"]
    assert nearest("g", runs) == nearest("mine", runs) == []


def test_a_beginning_is_nearer_than_another_word_with_the_same_letters() -> None:
    assert nearest("smolm", ["olmoe", "smollm2-135m", "gpt2-small"])[0] == "smollm2-135m"


def test_case_does_not_hide_a_near_name() -> None:
    assert nearest("GPT2-Small", ["gpt2-small"]) == ["gpt2-small"]

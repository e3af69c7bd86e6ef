from __future__ import annotations

import pytest

from mechscope.errors import InvalidInput, UnknownName, nearest, refusal
from mechscope.models.registry import EMBEDDED, hub_names

RUNS = ["smollm2-135m", "gemma-3-270m", "gpt2-small"]
COMMANDS = ["accept", "compare", "lint", "look", "models", "render", "run", "status", "trace", "verify"]


def test_an_unknown_name_proposes_the_nearest_valid_one_and_lists_the_rest() -> None:
    error = UnknownName("model", "solu-11", ["gpt2-small", "solu-1l"], where="runs.yml:3")
    assert str(error) == (
        "runs.yml:3: unknown model 'solu-11' — did you mean 'solu-1l'?\n  → valid: gpt2-small, solu-1l"
    )


def test_a_name_like_no_other_gets_no_proposal() -> None:
    assert "did you mean" not in str(UnknownName("run", "zzz", ["smollm2-135m"]))


def test_the_beginning_of_a_long_name_is_near_it() -> None:
    assert nearest("gema", RUNS) == nearest("gemma", RUNS) == ["gemma-3-270m"]
    assert nearest("gpt2", RUNS) == ["gpt2-small"]
    assert nearest("g", RUNS) == nearest("mine", RUNS) == []


def test_a_beginning_is_nearer_than_another_word_with_the_same_letters() -> None:
    assert nearest("smolm", ["olmoe", "smollm2-135m", "gpt2-small"])[0] == "smollm2-135m"


@pytest.mark.parametrize("name", ["GPT2-Small", "gpt2_small", "gpt2small", "GPT2 SMALL"])
def test_case_and_separators_do_not_hide_a_near_name(name: str) -> None:
    assert nearest(name, RUNS) == ["gpt2-small"]


@pytest.mark.parametrize(
    ("name", "valid", "meant"),
    [
        ("sttaus", COMMANDS, "status"),
        ("verfiy", COMMANDS, "verify"),
        ("rnu", COMMANDS, "run"),
        ("runn", COMMANDS, "run"),
        ("statsu", COMMANDS, "status"),
        ("on", ["one", "two"], "one"),
        ("geometry", ["topic_geometry", "editing"], "topic_geometry"),
        ("topic-geometry", ["topic_geometry", "editing"], "topic_geometry"),
        ("next_word.probabilty", ["next_word.word", "next_word.probability"], "next_word.probability"),
        ("paper/nxt-word.qmd", ["paper/next-word.qmd", "paper/x.qmd"], "paper/next-word.qmd"),
        ("gpt", [*EMBEDDED, *hub_names()], "gpt2"),
        ("smollm2-135", [*EMBEDDED, *hub_names()], "smollm2-135m"),
    ],
)  # fmt: skip
def test_a_typing_mistake_is_understood(name: str, valid: list[str], meant: str) -> None:
    assert meant in nearest(name, valid)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("x", ["p", "y", "xs", "x1"]),
        ("art", ["cat", "run", "tar_x"]),
        ("seed", ["need", "deed", "feed"]),
        ("p", ["n", "ci", "full"]),
        ("next_word.zebra", ["next_word.word", "next_word.sure"]),
        ("one:next_word.zebra", ["one:next_word.word", "one:next_word.sure"]),
        ("paper/articles/x.qmd", ["paper/articles/topic-geometry.qmd"]),
        ("", ["a", "run"]),
        ("---", ["a", "run"]),
        ("mode", COMMANDS[:4]),
    ],
)
def test_nothing_absurd_is_proposed(name: str, valid: list[str]) -> None:
    assert nearest(name, valid) == []


def test_a_name_can_be_proposed_whatever_it_looks_like() -> None:
    said = str(UnknownName("key", "a.x", ["a.y"], proposals=["other.x"]))
    assert "did you mean 'other.x'?" in said


def test_only_input_that_cannot_be_used_is_a_refusal() -> None:
    def needs(most: int, given: int = 0) -> int:
        if given > most:
            raise InvalidInput(f"{given} are too many.", hint="fewer")
        return 1 // most

    assert refusal(needs, 1) == ""
    assert refusal(needs, 1, given=2) == "2 are too many."
    with pytest.raises(ZeroDivisionError):
        refusal(needs, 0)

from __future__ import annotations

import pytest

from mechscope.errors import InvalidInput
from mechscope.lens.answers import score_answers
from mechscope.lens.readable import shared_ending, unreadable
from mechscope.lens.texts import tokenise


@pytest.fixture(params=[False, True])
def asked(bridge, request):
    bridge.cfg.default_prepend_bos = request.param
    yield bridge
    bridge.cfg.default_prepend_bos = False


def test_texts_are_unreadable_when_and_only_when_they_cannot_be_tokenised(asked):
    room = asked.cfg.n_ctx - asked.cfg.default_prepend_bos
    assert unreadable(asked, ["w1", "w2 " * room]) == ""
    tokenise(asked, ["w2 " * room])
    reason = f"a context of {asked.cfg.n_ctx + 1} tokens is needed, and this model reads {asked.cfg.n_ctx}"
    assert unreadable(asked, ["w1", "w2 " * (room + 1)]) == reason
    with pytest.raises(InvalidInput):
        tokenise(asked, ["w2 " * (room + 1)])


def test_answers_are_unreadable_when_and_only_when_they_cannot_be_scored(asked):
    room = asked.cfg.n_ctx - asked.cfg.default_prepend_bos
    prompts, answers = ["w1 " * (room - 1)], ["w3 w4"]  # nothing reads the last token
    assert unreadable(asked, prompts, answers) == ""
    score_answers(asked, prompts, answers)
    assert "context" in unreadable(asked, prompts, ["w3 w4 w5"])
    with pytest.raises(InvalidInput, match="and its answer have"):
        score_answers(asked, prompts, ["w3 w4 w5"])


@pytest.mark.parametrize(
    ("prompts", "answers"), [(["w1", "w2 Paris"], None), (["w1", "w2"], ["w3", "Paris"])]
)
def test_a_word_that_the_vocabulary_lacks_makes_its_text_unreadable(bridge, prompts, answers):
    assert "lacks one for a part of 1 of 2 texts ('w2" in unreadable(bridge, prompts, answers)


def test_a_text_without_tokens_is_unreadable(bridge):
    assert "lacks one for a part of 1 of 1 texts" in unreadable(bridge, [" "])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [([[1, 2, 3], [4, 2, 3]], 2), ([[1, 2], [1, 3]], 0), ([[3], [1, 3]], 1), ([[1, 2], [1, 2]], 2)],
)
def test_a_shared_ending_is_counted_from_the_end(rows, expected):
    assert shared_ending(rows) == expected

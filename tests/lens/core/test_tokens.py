"""Tests of mechscope.lens.core.tokens: texts as tokens and back, and which texts a model can read."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.answers import score_answers
from mechscope.lens.core.tokens import (
    TokenisedTexts,
    answer_tokens,
    batches,
    fits,
    one_token,
    readable_pieces,
    shared_ending,
    tokenise,
    unreadable,
)


def made(*lengths: int, n_special: int = 0) -> TokenisedTexts:
    # Every id is 0, so whatever is told apart here is told apart by position.
    return TokenisedTexts(tuple(map(str, lengths)), tuple((0,) * length for length in lengths), n_special)


def test_padding_and_special_tokens_are_told_apart_by_position_on_either_side():
    left, right = (next(batches(made(2, 4, n_special=1), padding=side)) for side in ("left", "right"))
    assert left.attended.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1]]
    assert left.scored.tolist() == [[False, False, False, True], [False, True, True, True]]
    assert left.last.tolist() == [3, 3]
    assert right.attended.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert right.scored.tolist() == [[False, True, False, False], [False, True, True, True]]
    assert right.last.tolist() == [1, 3]


def test_batches_hold_every_text_once_and_like_lengths_together():
    found = list(batches(made(5, 1, 5, 2, 1, 2, 9), batch_size=2))
    assert sorted(row for batch in found for row in batch.rows.tolist()) == list(range(7))
    assert [batch.ids.shape[1] for batch in found] == [1, 2, 5, 9]


def test_without_padding_a_batch_has_one_length():
    found = list(batches(made(3, 1, 3, 2), padding="none", batch_size=8))
    assert [batch.ids.shape for batch in found] == [(1, 1), (1, 2), (2, 3)]
    assert all(batch.attended.all() for batch in found)


def test_bos_follows_the_models_convention_unless_told_otherwise(bridge):
    text = ["w1 w2"]
    assert tokenise(bridge, text).ids == ((4, 5),)
    assert tokenise(bridge, text, prepend_bos=True).ids == ((1, 4, 5),)
    bridge.cfg.default_prepend_bos = True
    try:
        assert tokenise(bridge, text).ids == ((1, 4, 5),)
    finally:
        bridge.cfg.default_prepend_bos = False


def test_token_counts_leave_special_tokens_out(bridge):
    assert tokenise(bridge, ["w1 w2", "w3"], prepend_bos=True).n_tokens.tolist() == [2, 1]


def test_texts_that_cannot_be_read_are_refused(bridge):
    for texts in ([], ["w1", ""], ["w1 " * 65], "w1"):
        with pytest.raises(InvalidInput):
            tokenise(bridge, texts)
    with pytest.raises(UnknownName, match="did you mean 'right'"):
        next(batches(made(2), padding="rigth"))
    with pytest.raises(InvalidInput, match="batch"):
        next(batches(made(2), batch_size=0))


def test_texts_that_are_cut_keep_as_many_tokens_as_the_context_has(bridge):
    found = tokenise(bridge, ["w1 " * 65, "w2"], prepend_bos=True, cut=True)
    assert [len(row) for row in found.ids] == [bridge.cfg.n_ctx, 2]
    assert found.ids[0] == (1, *[4] * (bridge.cfg.n_ctx - 1))


@pytest.mark.parametrize("bos", [False, True])
def test_a_text_fits_when_and_only_when_it_can_be_tokenised(bridge, bos):
    room = bridge.cfg.n_ctx - bos
    bridge.cfg.default_prepend_bos = bos
    try:
        for length in (0, 1, room, room + 1):
            text = "w1 " * length
            (fitting,) = fits(bridge, [text])
            if fitting:
                tokenise(bridge, [text])
            else:
                with pytest.raises(InvalidInput):
                    tokenise(bridge, [text])
        long = "w1 " * (room + 1)
        assert fits(bridge, ["w1 w2", "w1", long], at_least=2).tolist() == [True, False, False]
        assert fits(bridge, ["w1 " * (room - 3), long], more=3).tolist() == [True, False]
        assert fits(bridge, ["w1", long, ""], at_least=2, cut=True).tolist() == [False, True, False]
        assert fits(bridge, [long], at_least=room + 1, cut=True).tolist() == [False]
        assert fits(bridge, []).tolist() == []
    finally:
        bridge.cfg.default_prepend_bos = False


TEXT = ["a capital of France is Paris", "the capital of Italy is Rome", "a word and a word"] * 3


def _tokenizer(kind: str) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    if kind == "bytes":
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif kind == "bytes, space before":
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    elif kind == "normaliser":  # as in Llama 2: "▁" before each text, and one for each space
        core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind)
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False)
    core.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")


@pytest.mark.parametrize("kind", ["bytes", "bytes, space before", "always", "first", "never", "normaliser"])
def test_an_answer_has_the_tokens_that_it_has_behind_its_prompt(kind):
    tokenizer = _tokenizer(kind)
    prompts, answers = ["a capital of France is", "the word"], [" Paris", " Rome and Italy"]
    for prompt, ids in zip(
        prompts, answer_tokens(SimpleNamespace(tokenizer=tokenizer), answers), strict=True
    ):
        whole = tokenizer(prompt + answers[prompts.index(prompt)], add_special_tokens=False)["input_ids"]
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        assert [*before, *ids] == whole


def test_no_answers_have_no_tokens_and_an_answer_without_tokens_is_refused(bridge):
    assert answer_tokens(bridge, []) == ()
    with pytest.raises(InvalidInput, match="has no tokens"):
        answer_tokens(bridge, ["w1", ""])


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


class Words:
    """A tokenizer of four words; what it does not know is token 0."""

    unk_token_id = 0

    def __call__(self, texts: list[str], add_special_tokens: bool) -> dict[str, list[list[int]]]:
        known = {"steel": 1, "is": 2, "gun": 3, "control": 4}
        return {"input_ids": [[known.get(word, 0) for word in text.split()] for text in texts]}


def test_a_text_is_one_token_when_its_ending_is_left_aside_and_the_vocabulary_knows_it() -> None:
    bridge = SimpleNamespace(tokenizer=Words())
    texts = ["steel is", "gun control is", "moss is", "is"]
    assert one_token(bridge, texts, ending=1).tolist() == [True, False, False, False]
    assert one_token(bridge, ["steel", "moss", "gun control", ""]).tolist() == [True, False, False, False]


class Bytes:
    """A tokenizer whose tokens are single bytes."""

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode("utf-8", errors="replace")


BRIDGE = SimpleNamespace(tokenizer=Bytes())


def test_a_character_of_several_tokens_is_one_piece() -> None:
    text = "a 为 🙂!"
    pieces = readable_pieces(BRIDGE, list(text.encode()))
    assert [piece for piece, _ in pieces] == list(text)
    covered = [at for _, part in pieces for at in range(part.start, part.stop)]
    assert covered == list(range(len(text.encode())))


def test_a_text_cut_within_a_character_still_ends() -> None:
    ids = list("为".encode())[:2]
    assert readable_pieces(BRIDGE, ids) == [("\ufffd", slice(0, 2))]


def test_broken_bytes_do_not_swallow_the_rest() -> None:
    pieces = readable_pieces(BRIDGE, [0x80] * 9 + list(b"ok"))
    assert "".join(piece for piece, _ in pieces).endswith("ok")
    assert all(part.stop - part.start <= 8 for _, part in pieces)

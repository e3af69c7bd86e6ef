from __future__ import annotations

import pytest

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.texts import TokenisedTexts, batches, fits, tokenise


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

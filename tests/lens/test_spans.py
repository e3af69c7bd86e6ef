from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechscope.errors import InvalidInput
from mechscope.lens.ablation import ablation, copying_loss
from mechscope.lens.core.components import Head, all_heads
from mechscope.lens.core.tokens import TokenisedTexts
from mechscope.lens.repeats import repeated_tokens
from mechscope.lens.spans import (
    RepeatedSpans,
    joined_rows,
    repeated_spans,
    second_loss,
    span_chance,
    span_loss,
    span_scores,
    spans_of_copies,
)
from tests.lens.planted import INDUCTION, PREVIOUS, VOCABULARY, planted_model

TEXTS = [
    "w1 w2 w3 w4 w10 w5 w6 w7 w8 w2 w3 w4 w10 w9",
    "w9 w8 w7 w6 w20 w21 w22 w7 w6 w20 w30",
    "w5 w1 w2 w30 w31 w1 w2",
]
SPANS = ["w2 w3 w4 w10", "w7 w6 w20", "w1 w2"]


def text_of(before: int, length: int, between: int, after: int) -> tuple[tuple[int, ...], int, int]:
    """Different tokens but for one span that comes twice; where it begins."""
    tokens = iter(range(1, VOCABULARY))
    row = [next(tokens) for _ in range(before)]
    span = [next(tokens) for _ in range(length)]
    row += [*span, *(next(tokens) for _ in range(between)), *span, *(next(tokens) for _ in range(after))]
    return tuple(row), before, before + length + between


def spans_of(*shapes: tuple[int, int, int, int]) -> RepeatedSpans:
    made = [text_of(*shape) for shape in shapes]
    tokenised = TokenisedTexts(tuple("x" * len(made)), tuple(row for row, _, _ in made), 0)
    first, second = (np.array([one[at] for one in made]) for at in (1, 2))
    return RepeatedSpans(tokenised, first, second, np.array([shape[1] for shape in shapes]))


@pytest.fixture(scope="module")
def planted():
    return planted_model()


def test_a_span_is_found_where_it_stands_with_and_without_bos(bridge):
    plain = repeated_spans(bridge, TEXTS, SPANS, prepend_bos=False)
    assert plain.first.tolist() == [1, 2, 1]
    assert plain.second.tolist() == [9, 7, 5]
    assert plain.length.tolist() == [4, 3, 2]
    shifted = repeated_spans(bridge, TEXTS, SPANS, prepend_bos=True)
    assert (shifted.first == plain.first + 1).all() and (shifted.second == plain.second + 1).all()
    assert shifted.width == plain.width + 1 == 15


@settings(max_examples=20)
@given(st.integers(1, 8), st.integers(2, 6), st.integers(1, 8), st.integers(0, 5))
def test_the_planted_induction_head_scores_one_on_any_repeated_span(before, length, between, after):
    found = span_scores(planted_model(), spans_of((before, length, between, after)))[0]
    assert found[INDUCTION.layer, INDUCTION.head] == pytest.approx(1, abs=1e-5)
    assert found[PREVIOUS.layer, PREVIOUS.head] == pytest.approx(0, abs=1e-5)


def test_an_even_head_scores_the_chance_level_exactly(planted):
    spans = spans_of((3, 4, 5, 2), (6, 2, 1, 0))
    np.testing.assert_allclose(span_scores(planted, spans)[:, 0, 1], span_chance(spans), rtol=1e-5)


def test_scores_on_spans_are_shares_of_attention_and_are_read_off_the_pattern(bridge):
    spans = repeated_spans(bridge, TEXTS, SPANS, prepend_bos=True)
    found = span_scores(bridge, spans, batch_size=2)
    assert ((found >= 0) & (found <= 1)).all()
    with torch.no_grad():
        _, cache = bridge.run_with_cache(torch.tensor([spans.tokenised.ids[0]]))
    pattern = cache["blocks.1.attn.hook_pattern"][0, 2]
    # The span's tokens stand at 2 to 5 and again at 10 to 13; the last one foresees nothing.
    assert found[0, 1, 2] == pytest.approx(
        (pattern[10, 3] + pattern[11, 4] + pattern[12, 5]).item() / 3, rel=1e-4
    )


def test_losses_on_spans_are_those_of_each_text_alone(bridge):
    spans = repeated_spans(bridge, TEXTS, SPANS, prepend_bos=True)
    found = span_loss(bridge, spans, batch_size=2)
    for at, row in enumerate(spans.tokenised.ids):
        with torch.no_grad():
            log_probs = bridge(torch.tensor([row]), return_type="logits")[0].log_softmax(-1)
        for starts, losses in ((spans.first, found.first), (spans.second, found.second)):
            positions = range(starts[at] + 1, starts[at] + spans.length[at])
            wanted = np.mean([-log_probs[p - 1, row[p]].item() for p in positions])
            assert losses[at] == pytest.approx(wanted, rel=1e-4)


def test_the_planted_circuit_copies_spans_and_not_without_either_of_its_heads(planted):
    spans = spans_of((3, 4, 5, 2), (6, 2, 1, 0))
    clean = span_loss(planted, spans)
    assert (clean.second < 0.01).all()
    assert (clean.first > math.log(VOCABULARY) * 0.9).all()
    idle = ablation(planted, [Head(0, 1), Head(1, 0)], "zero")
    np.testing.assert_array_equal(span_loss(planted, spans, ablated=idle).second, clean.second)
    reference = torch.randint(1, VOCABULARY, (12, spans.width), generator=torch.Generator().manual_seed(0))
    for head in (INDUCTION, PREVIOUS):
        for taken in (
            ablation(planted, [head], "zero"),
            ablation(planted, [head], "mean", reference=reference),
        ):
            assert (span_loss(planted, spans, ablated=taken).second > 2).all()


@pytest.mark.parametrize("with_bos", [False, True])
def test_copies_of_random_tokens_are_spans_with_the_same_losses_and_scores(bridge, with_bos):
    rng = np.random.default_rng(0)
    rows = repeated_tokens(bridge, 5, 9, rng=rng, prepend_bos=with_bos)
    reference = repeated_tokens(bridge, 5, 9, rng=rng, prepend_bos=with_bos).ids
    spans = spans_of_copies(rows)
    for taken in (None, ablation(bridge, [Head(1, 2)], "mean", reference=reference)):
        wanted = copying_loss(bridge, rows, ablated=taken)
        found = span_loss(bridge, spans, ablated=taken, batch_size=2)
        np.testing.assert_allclose(found.first, wanted.first, rtol=1e-4)
        np.testing.assert_allclose(found.second, wanted.second, rtol=1e-4)
        np.testing.assert_allclose(second_loss(bridge, spans, ablated=taken), wanted.second, rtol=1e-4)


def test_joined_rows_hold_all_tokens_in_order_behind_the_special_one(bridge):
    rows = joined_rows(bridge, ["w1 w2 w3", "w4 w5 w6 w7"], 4, prepend_bos=True)
    assert rows.shape == (2, 4)
    assert (rows[:, 0] == bridge.tokenizer.bos_token_id).all()
    wanted = bridge.tokenizer("w1 w2 w3 w4 w5 w6", add_special_tokens=False)["input_ids"]
    assert rows[:, 1:].flatten().tolist() == wanted
    assert joined_rows(bridge, ["w1 w2 w3", "w4"], 2, prepend_bos=False).shape == (2, 2)


def test_texts_longer_than_the_context_are_cut_into_rows_that_it_holds(bridge):
    text = " ".join(["w1 w2 w3 w4"] * bridge.cfg.n_ctx)
    assert joined_rows(bridge, [text], 8).shape[1] == 8
    assert joined_rows(bridge, ["", text], 8).shape[1] == 8
    with pytest.raises(InvalidInput, match="too long"):
        joined_rows(bridge, [text], bridge.cfg.n_ctx + 1)


def test_texts_of_a_span_can_be_ablated_by_the_mean_of_joined_rows(bridge):
    spans = repeated_spans(bridge, TEXTS, SPANS)
    rows = joined_rows(bridge, TEXTS, spans.width)
    taken = ablation(bridge, all_heads(bridge), "mean", reference=rows)
    assert not np.allclose(span_loss(bridge, spans, ablated=taken).second, span_loss(bridge, spans).second)


def test_bad_input_is_told_what_would_do(bridge):
    with pytest.raises(InvalidInput, match="1 texts, but 2 spans"):
        repeated_spans(bridge, TEXTS[:1], SPANS[:2])
    with pytest.raises(InvalidInput, match="is one token"):
        repeated_spans(bridge, ["w1 w2 w1"], ["w1"])
    with pytest.raises(InvalidInput, match="comes 1 times"):
        repeated_spans(bridge, ["w1 w2 w3"], ["w1 w2"])
    with pytest.raises(InvalidInput, match="comes 3 times"):
        repeated_spans(bridge, ["w1 w2 w1 w2 w3 w1 w2"], ["w1 w2"])
    with pytest.raises(InvalidInput, match="must come twice"):
        repeated_spans(bridge, ["w1 w1 w1"], ["w1 w1"])
    with pytest.raises(InvalidInput, match="do not fill a row of 40"):
        joined_rows(bridge, ["w1 w2"], 40)
    with pytest.raises(InvalidInput, match="at least one text"):
        joined_rows(bridge, [], 40)

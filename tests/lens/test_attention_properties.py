"""What must be true of head scores whatever the weights and the rows are."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechscope.lens.attention import HeadScores, head_scores
from mechscope.lens.repeats import RepeatedTokens, repeated_tokens
from mechscope.lens.training import Recipe, new_model
from tests.lens.planted import BOS, INDUCTION, PREVIOUS, planted_model

SHARES = ("induction", "duplicate", "previous", "first")
RECIPE = Recipe(d_model=16, n_heads=2, vocabulary=30, context=32, periods=(4, 8))
MODEL = new_model(RECIPE)
PLANTED = planted_model()


def scores_of(
    seed: int, sharpness: float, n: int, length: int, bos: bool
) -> tuple[HeadScores, RepeatedTokens]:
    """Scores of a model with random weights; the sharper, the more attention falls on one position."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in MODEL.original_model.parameters():
            value.copy_(sharpness * torch.randn(value.shape, generator=generator))
    rng = np.random.default_rng(seed)
    rows = repeated_tokens(MODEL, n, length, rng=rng, prepend_bos=bos, bos_id=0 if bos else None)
    return head_scores(MODEL, rows), rows


weights_and_rows = given(
    seed=st.integers(0, 2**31 - 1),
    sharpness=st.sampled_from([0.0, 0.01, 0.1, 1.0, 10.0]),
    n=st.integers(1, 4),
    length=st.integers(4, 15),
    bos=st.booleans(),
)


@settings(max_examples=40)
@weights_and_rows
def test_every_score_is_a_share_of_attention_and_entropy_of_the_largest_there_is(
    seed, sharpness, n, length, bos
):
    scores, _ = scores_of(seed, sharpness, n, length, bos)
    for name in (*SHARES, "entropy"):
        values = getattr(scores, name)
        assert values.shape == (n, RECIPE.n_layers, RECIPE.n_heads)
        assert (values >= 0).all() and (values <= 1 + 1e-5).all(), name
    if n > 1:
        assert (scores.positional >= 0).all() and (scores.positional <= 1).all()


@settings(max_examples=40)
@weights_and_rows
def test_scores_of_different_keys_for_the_same_queries_share_one_attention(seed, sharpness, n, length, bos):
    scores, rows = scores_of(seed, sharpness, n, length, bos)
    # Queries of the second copy: the token itself, and what followed it, are two positions.
    assert (scores.induction + scores.duplicate <= 1 + 1e-5).all()
    # Of all queries but the first, those of the second copy can give the first position only what induction
    # and duplicate-token attention leave (with BOS it is neither's key); those of the first copy, all.
    if bos:
        width = rows.ids.shape[1]
        second = rows.length / (width - 1)
        left = 1 - second * (scores.induction + scores.duplicate)
        assert (scores.first <= left + 1e-5).all()


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31 - 1), length=st.integers(4, 25), bos=st.booleans())
def test_the_planted_heads_spend_all_their_attention_on_what_they_are_for(seed, length, bos):
    rng = np.random.default_rng(seed)
    rows = repeated_tokens(PLANTED, 3, length, rng=rng, prepend_bos=bos, bos_id=BOS if bos else None)
    scores = head_scores(PLANTED, rows)
    for name in SHARES:
        values = getattr(scores, name)
        assert (values >= 0).all() and (values <= 1 + 1e-5).all()
    assert (scores.induction + scores.duplicate <= 1 + 1e-5).all()
    induction = scores.induction[:, INDUCTION.layer, INDUCTION.head]
    assert (induction >= 1 - 0.5 / length - 1e-5).all()  # without BOS the first position looks like a match
    assert (scores.previous[:, PREVIOUS.layer, PREVIOUS.head] >= 1 - 1e-5).all()


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31 - 1), length=st.integers(4, 15), bos=st.booleans())
def test_weights_of_nothing_score_by_chance(seed, length, bos):
    scores, _ = scores_of(seed, 0.0, 2, length, bos)
    for name in SHARES:
        np.testing.assert_allclose(getattr(scores, name), scores.chance[name], rtol=1e-5)
    np.testing.assert_allclose(scores.entropy, 1, rtol=1e-5)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(2, 5), length=st.integers(4, 15))
def test_the_order_of_rows_orders_the_scores_and_changes_nothing_else(seed, n, length):
    scores, rows = scores_of(seed, 1.0, n, length, False)
    turned = head_scores(MODEL, dataclasses.replace(rows, ids=rows.ids.flip(0)))
    for name in (*SHARES, "entropy"):
        np.testing.assert_allclose(getattr(turned, name)[::-1], getattr(scores, name), rtol=1e-4, atol=1e-5)
        assert turned.mean(name) == pytest.approx(scores.mean(name), rel=1e-4, abs=1e-5)

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformer_lens import head_detector

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.attention import (
    Thresholds,
    attention_patterns,
    categories,
    entropies,
    head_scores,
    mean_over_heads,
)
from mechscope.lens.core.components import Head, Mlp, all_heads, require_components
from mechscope.lens.core.tokens import TokenisedTexts, tokenise
from mechscope.lens.repeats import repeated_tokens
from tests.lens.planted import BOS, INDUCTION, PREVIOUS, planted_model


@pytest.fixture(scope="module")
def planted():
    return planted_model()


def rows_for(bridge, n=6, length=20, seed=0, **options):
    return repeated_tokens(bridge, n, length, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("with_bos", [False, True])
def test_planted_heads_score_one_and_all_others_about_chance(planted, with_bos):
    rows = rows_for(planted, prepend_bos=with_bos, bos_id=BOS)
    scores = head_scores(planted, rows)
    for name, head in (("induction", INDUCTION), ("previous", PREVIOUS)):
        found = scores.mean(name)
        # Without BOS the first position attends to itself, and so looks like what follows t₀.
        torn = 0 if with_bos or name == "previous" else 0.5 / rows.length
        assert found[head.layer, head.head] == pytest.approx(1 - torn, abs=1e-6)
        others = np.delete(found.ravel(), head.layer * 2 + head.head)
        assert (others < 1.5 * scores.chance[name]).all()
        assert scores.top(name, 1) == (head,)
    assert (scores.mean("duplicate") < 1.5 * scores.chance["duplicate"]).all()


def test_an_even_head_scores_the_chance_level_exactly(planted):
    scores = head_scores(planted, rows_for(planted, prepend_bos=True, bos_id=BOS))
    for name in ("induction", "duplicate", "previous", "first"):
        np.testing.assert_allclose(scores.mean(name)[0, 1], scores.chance[name], rtol=1e-6)
    assert scores.mean("entropy")[0, 1] == pytest.approx(1, abs=1e-6)
    assert scores.mean("entropy")[PREVIOUS.layer, PREVIOUS.head] == pytest.approx(0, abs=1e-6)


def test_planted_heads_get_their_categories(planted):
    found = categories(head_scores(planted, rows_for(planted)))
    assert found == [["previous token", "uniform"], ["uniform", "induction"]]


def test_a_frame_has_the_scores_and_the_category_of_each_head(planted):
    scores = head_scores(planted, repeated_tokens(planted, 8, 12, rng=np.random.default_rng(0)))
    frame = scores.frame().set_index(["layer", "head"])
    assert frame.index.tolist() == [(head.layer, head.head) for head in all_heads(planted)]
    assert frame.loc[(1, 1), "category"] == "induction" and frame.loc[(0, 0), "category"] == "previous token"
    for name in ("induction", "previous", "duplicate", "first", "entropy"):
        assert np.array_equal(frame[name].to_numpy().reshape(2, 2), scores.mean(name))


def test_a_mean_over_heads_is_row_by_row_and_of_none_not_a_number():
    scores = np.arange(12.0).reshape(3, 2, 2)
    assert mean_over_heads(scores, [Head(0, 1), Head(1, 1)]).tolist() == [2, 6, 10]
    assert np.isnan(mean_over_heads(scores, [])).all()


def test_scores_are_those_of_transformer_lens_head_detector(bridge):
    rows = rows_for(bridge, n=3, length=9, prepend_bos=True)
    scores = head_scores(bridge, rows)
    width = rows.ids.shape[1]
    for at, ids in enumerate(rows.ids):
        _, cache = bridge.run_with_cache(ids[None])
        for name, detector, queries in (
            ("induction", head_detector.get_induction_head_detection_pattern, rows.length),
            ("duplicate", head_detector.get_duplicate_token_head_detection_pattern, rows.length),
            ("previous", head_detector.get_previous_token_head_detection_pattern, width - 1),
        ):
            wanted = detector(ids[None])
            if name == "previous":
                wanted[1, 0] = 0  # the BOS token is nobody's previous token here
                queries -= 1
            for head in all_heads(bridge):
                theirs = head_detector.compute_head_attention_similarity_score(
                    cache[f"blocks.{head.layer}.attn.hook_pattern"][0, head.head],
                    wanted,
                    exclude_bos=False,
                    exclude_current_token=False,
                    error_measure="mul",
                )
                ours = getattr(scores, name)[at, head.layer, head.head]
                assert ours == pytest.approx(theirs * width / queries, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_scores_do_not_depend_on_the_batch(bridge, batch_size):
    rows = rows_for(bridge, n=5, length=8)
    together = head_scores(bridge, rows, batch_size=5)
    apart = head_scores(bridge, rows, batch_size=batch_size)
    for name in ("induction", "duplicate", "previous", "first", "entropy", "positional"):
        np.testing.assert_allclose(getattr(together, name), getattr(apart, name), rtol=1e-4, atol=1e-5)


def test_scoring_ends_before_the_unembedding(bridge):
    seen = []
    with bridge.hooks(fwd_hooks=[("unembed.hook_in", lambda value, hook: seen.append(1))]):
        head_scores(bridge, rows_for(bridge, n=2, length=8))
    assert seen == []


@pytest.mark.parametrize("padding", ["left", "right", "none"])
@pytest.mark.parametrize("prepend_bos", [False, True])
def test_patterns_in_a_batch_are_those_of_each_text_alone(bridge, texts, padding, prepend_bos):
    heads = [Head(2, 3), Head(0, 1)]
    tokenised = tokenise(bridge, texts, prepend_bos=prepend_bos)
    together = attention_patterns(bridge, tokenised, heads, padding=padding, batch_size=4)
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            _, cache = bridge.run_with_cache(torch.tensor([ids]))
        alone = torch.stack([cache[f"blocks.{h.layer}.attn.hook_pattern"][0, h.head] for h in heads])
        torch.testing.assert_close(together[at], alone, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together[at].sum(-1), torch.ones(2, len(ids)), rtol=1e-5, atol=1e-5)


def test_the_share_due_to_position_is_one_without_and_small_with_dependence_on_tokens(planted):
    rows = rows_for(planted, n=24)
    scores = head_scores(planted, rows)
    np.testing.assert_allclose(scores.positional[PREVIOUS.layer, PREVIOUS.head], 1, atol=1e-9)
    # The duplicate-token version of L1H1: it looks for its own token, wherever that is.
    wanders = planted_model()
    weights = dict(wanders.original_model.named_parameters())
    key = next(p for name, p in weights.items() if "layers.0" in name and "attn" in name and ".k." in name)
    query = next(p for name, p in weights.items() if "layers.0" in name and "attn" in name and ".q." in name)
    with torch.no_grad():  # L0H1 now attends by a random property of the token
        generator = torch.Generator().manual_seed(0)
        width = key.shape[0] // 2
        query[width:].zero_()[0, :40] = 40.0
        key[width:].zero_()[0, :40] = torch.randn(40, generator=generator)
    assert head_scores(wanders, rows).positional[0, 1] < 0.3


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(1, 40))
def test_entropy_is_the_logarithm_of_how_many_positions_share_the_weight(width, among):
    among = min(among, width)
    row = torch.zeros(1, width, dtype=torch.float64)
    row[0, :among] = 1 / among
    assert entropies(row).item() == pytest.approx(math.log(among), abs=1e-12)


def test_copies_hold_each_token_once_and_no_special_token(bridge):
    rows = rows_for(bridge, n=4, length=25, prepend_bos=True)
    assert (rows.ids[:, 0] == bridge.tokenizer.bos_token_id).all()
    first, second = rows.ids[:, 1:26], rows.ids[:, 26:]
    assert torch.equal(first, second)
    assert all(len(set(row)) == 25 for row in first.tolist())
    assert not set(first.flatten().tolist()) & set(bridge.tokenizer.all_special_ids)


def test_bad_input_is_told_what_would_do(bridge, planted):
    with pytest.raises(InvalidInput, match="has layers 0 to 2"):
        require_components(bridge, [Head(3, 0)])
    with pytest.raises(InvalidInput, match="heads of .* go from 0 to 3"):
        attention_patterns(bridge, tokenise(bridge, ["w1 w2"]), [Head(0, 4)])
    with pytest.raises(InvalidInput, match="no layer -1"):
        all_heads(bridge, [-1])
    with pytest.raises(InvalidInput, match="attention only"):
        require_components(planted, [Mlp(0)])
    with pytest.raises(InvalidInput, match="no heads"):
        attention_patterns(bridge, tokenise(bridge, ["w1"]), [])
    with pytest.raises(InvalidInput, match="too short"):
        rows_for(bridge, length=3)
    with pytest.raises(InvalidInput, match="length=32"):
        rows_for(bridge, length=40)
    with pytest.raises(InvalidInput, match="cannot be drawn from 12"):
        rows_for(bridge, length=20, vocabulary=range(12))
    with pytest.raises(InvalidInput, match="no BOS"):
        rows_for(planted, prepend_bos=True)
    scores = head_scores(planted, rows_for(planted, length=4))
    with pytest.raises(InvalidInput, match="longer sequences"):
        categories(scores)
    with pytest.raises(UnknownName, match="did you mean 'induction'"):
        scores.mean("inductoin")
    with pytest.raises(InvalidInput, match="no top 5"):
        scores.top("first", 5)


def test_thresholds_decide_in_their_order(planted):
    scores = head_scores(planted, rows_for(planted))
    strict = categories(scores, Thresholds(induction=1.1, duplicate=1.1, previous=1.1, first=1.1))
    assert strict[0][0] == "sparse"
    assert strict[0][1] == "uniform"


@pytest.mark.weights
def test_a_real_model_has_induction_and_previous_token_heads():
    from mechscope.models import load_model

    bridge = load_model("smollm2-135m")
    scores = head_scores(bridge, rows_for(bridge, n=4, length=30))
    assert scores.mean("induction").max() > 0.7
    assert scores.mean("previous").max() > 0.7


def test_a_token_of_the_text_that_is_the_padding_token_counts(bridge):
    ids = TokenisedTexts(("a", "b"), ((0, 5, 6, 7), (8, 0)), 0)
    together = attention_patterns(bridge, ids, [Head(1, 0)])
    assert together[1].shape == (1, 2, 2)
    assert together[1][0, 1].sum().item() == pytest.approx(1, abs=1e-5)

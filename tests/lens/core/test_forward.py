from __future__ import annotations

import pytest
import torch

from mechscope.errors import InvalidInput, ModelMismatch
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import tokenise


def read(bridge, tokenised, **options):
    return read_last_position(bridge, tokenised, residuals=True, heads=True, log_probs=True, **options)


@pytest.mark.parametrize("prepend_bos", [False, True])
@pytest.mark.parametrize("padding", ["left", "right", "none"])
def test_batched_equals_one_at_a_time(bridge, texts, padding, prepend_bos):
    tokenised = tokenise(bridge, texts, prepend_bos=prepend_bos)
    together = read(bridge, tokenised, padding=padding, batch_size=4)
    for at, text in enumerate(texts):
        alone = read(bridge, tokenise(bridge, [text], prepend_bos=prepend_bos), padding="none")
        torch.testing.assert_close(together.residuals[:, at], alone.residuals[:, 0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.heads[:, :, at], alone.heads[:, :, 0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.log_probs[at], alone.log_probs[0], rtol=1e-4, atol=1e-5)


def test_readings_equal_the_bridges_own_cache_and_logits(bridge, texts):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    found = read(bridge, tokenised)
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            logits, cache = bridge.run_with_cache(torch.tensor([ids]))
        torch.testing.assert_close(found.log_probs[at], logits[0, -1].log_softmax(-1), rtol=1e-4, atol=1e-5)
        for layer in range(bridge.cfg.n_layers):
            expected = cache[f"blocks.{layer}.hook_resid_post"][0, -1]
            torch.testing.assert_close(found.residuals[layer, at], expected, rtol=1e-4, atol=1e-5)


def test_heads_and_bias_add_up_to_the_attention_output(bridge, texts):
    tokenised = tokenise(bridge, texts)
    found = read(bridge, tokenised)
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            _, cache = bridge.run_with_cache(torch.tensor([ids]))
        for layer in range(bridge.cfg.n_layers):
            bias = getattr(bridge.blocks[layer].attn, "b_O", None)
            total = found.heads[layer, :, at].sum(0) + (0 if bias is None else bias)
            expected = cache[f"blocks.{layer}.attn.hook_out"][0, -1]
            torch.testing.assert_close(total, expected, rtol=1e-4, atol=1e-5)


def test_heads_that_do_not_add_up_are_refused(bridge, texts, monkeypatch):
    attention = bridge.blocks[1].attn
    wrong = attention.W_O.detach() * 1.01
    monkeypatch.setattr(type(attention), "W_O", property(lambda self: wrong))
    with pytest.raises(ModelMismatch, match="do not add up"):
        read_last_position(bridge, tokenise(bridge, texts), residuals=False, heads=True)


def test_what_is_asked_for_does_not_change_what_is_found(bridge, texts):
    tokenised = tokenise(bridge, texts)
    everything = read(bridge, tokenised)
    only = read_last_position(bridge, tokenised)
    assert only.heads is None and only.log_probs is None
    assert torch.equal(only.residuals, everything.residuals)


def test_the_unembedding_is_not_run_for_residuals_and_on_one_position_for_logits(bridge, texts):
    seen = []
    tokenised = tokenise(bridge, texts)
    with bridge.hooks(fwd_hooks=[("unembed.hook_out", lambda value, hook: seen.append(tuple(value.shape)))]):
        read_last_position(bridge, tokenised)
        assert seen == []
        read_last_position(bridge, tokenised, residuals=False, log_probs=True)
    assert seen == [(len(texts), 1, bridge.cfg.d_vocab)]


def test_nothing_stays_hooked_and_the_model_still_answers(bridge, texts):
    ids = torch.tensor([tokenise(bridge, texts).ids[2]])
    with torch.no_grad():
        before = bridge(ids)
        read_last_position(bridge, tokenise(bridge, texts))
        assert torch.equal(bridge(ids), before)


def test_asking_for_nothing_is_refused(bridge, texts):
    with pytest.raises(InvalidInput, match="nothing to read"):
        read_last_position(bridge, tokenise(bridge, texts), residuals=False)

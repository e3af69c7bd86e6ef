from __future__ import annotations

import pytest
import torch

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.lens.core.forward import forward, hooked, next_token_losses, read_last_position
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


IDS = torch.tensor([[3, 4, 5, 6, 7], [8, 9, 10, 11, 12]])


def whole(value):
    return value


@pytest.fixture
def fired(bridge):
    """The hooks that have fired, in order."""
    seen = []
    names = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post", "unembed.hook_in", "unembed.hook_out"]
    with bridge.hooks(fwd_hooks=[(name, lambda value, hook: seen.append(hook.name)) for name in names]):
        yield seen


def test_a_pass_ends_when_everything_has_been_read(bridge, fired):
    values = forward(bridge, IDS, read={"blocks.1.attn.hook_z": whole, "blocks.0.hook_resid_post": whole})
    assert set(values) == {"blocks.1.attn.hook_z", "blocks.0.hook_resid_post"}
    assert fired == ["blocks.0.hook_out"]


def test_what_is_read_and_the_logits_are_those_of_a_whole_pass(bridge, fired):
    with torch.no_grad():
        expected, cache = bridge.run_with_cache(IDS)
    fired.clear()
    name = "blocks.1.hook_resid_post"
    values = forward(bridge, IDS, read={name: whole}, logits_at=([0, 1, 1], [4, 0, 2]))
    assert torch.equal(values[name], cache[name])
    torch.testing.assert_close(values["logits"], expected[[0, 1, 1], [4, 0, 2]], rtol=1e-5, atol=1e-5)
    by_row = forward(bridge, IDS, logits_at=(torch.arange(2)[:, None], torch.tensor([[4, 1], [0, 2]])))
    torch.testing.assert_close(by_row["logits"][1], expected[1, [0, 2]], rtol=1e-5, atol=1e-5)
    assert fired.count("unembed.hook_out") == 2


def test_a_reader_sees_the_value_as_edited(bridge):
    name = "blocks.0.hook_resid_post"
    doubled = forward(bridge, IDS, read={name: whole}, edit=[(name, lambda value, hook: 2 * value)])
    assert torch.equal(doubled[name], 2 * forward(bridge, IDS, read={name: whole})[name])


def test_a_pass_that_starts_at_a_block_goes_on_as_the_whole_pass_did(bridge):
    into, out = "blocks.1.hook_resid_pre", "blocks.1.hook_resid_post"
    values = forward(bridge, IDS, read={into: torch.clone, out: torch.clone})
    assert torch.equal(forward(bridge, IDS, read={out: whole}, start=(1, values[into]))[out], values[out])
    with pytest.raises(ModelMismatch, match=r"blocks\.0\.hook_resid_post did not fire"):
        forward(bridge, IDS, read={"blocks.0.hook_resid_post": whole}, start=(1, values[into]))


@pytest.mark.parametrize("use", ["read", "edit"])
@pytest.mark.parametrize("logits_at", [None, ([0], [1])])
def test_a_hook_that_does_not_fire_or_does_not_exist_is_an_error(bridge, monkeypatch, use, logits_at):
    idle = type(bridge.hook_dict["blocks.0.hook_resid_post"])()
    monkeypatch.setattr(type(bridge), "hook_dict", {**bridge.hook_dict, "blocks.1.hook_idle": idle})
    for name, error in (("blocks.1.hook_idle", ModelMismatch), ("blocks.1.attn.hook_zz", UnknownName)):
        given = {"read": {name: whole}} if use == "read" else {"edit": [(name, lambda value, hook: value)]}
        with pytest.raises(error, match=name):
            forward(bridge, IDS, logits_at=logits_at, **given)


def test_gradients_begin_where_they_are_asked_for(bridge):
    z, into = "blocks.1.attn.hook_z", "blocks.1.hook_resid_pre"
    values = forward(bridge, IDS, read={z: whole, into: whole}, logits_at=([0], [4]), gradients_from=into)
    assert values[into].is_leaf and values[z].requires_grad
    (slope,) = torch.autograd.grad(values["logits"][0, 3], values[z])
    assert slope.shape == values[z].shape and bool(slope.abs().max() > 0)
    assert not forward(bridge, IDS, read={z: whole})[z].requires_grad


def test_losses_are_those_of_the_tokens_that_follow(bridge):
    with torch.no_grad():
        log_probs = bridge(IDS).log_softmax(-1)
    losses = next_token_losses(bridge, IDS, torch.tensor([[0, 3], [2, 2]]))
    for row, places in enumerate(([0, 3], [2, 2])):
        expected = torch.stack([-log_probs[row, place, IDS[row, place + 1]] for place in places])
        torch.testing.assert_close(losses[row], expected, rtol=1e-5, atol=1e-5)


def test_hooks_are_gone_after_an_error_and_those_of_others_are_not(bridge, fired):
    with pytest.raises(ZeroDivisionError), hooked(bridge, [("unembed.hook_in", lambda value, hook: 1 / 0)]):
        bridge(IDS)
    fired.clear()
    bridge(IDS)
    assert fired[-2:] == ["unembed.hook_in", "unembed.hook_out"]

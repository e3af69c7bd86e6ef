from __future__ import annotations

import pytest
import torch

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.lens.ablation import ablation
from mechscope.lens.core.components import Head
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.edited import (
    ablation_estimates,
    continue_greedily,
    damage,
    edited_logits,
    last_reads,
    read_streams,
    spread_reads,
)
from mechscope.lens.steering import steer

TEXTS = ["w1 w2 w3 w4 w5", "w6 w7", "w8 w9 w10"]


@pytest.fixture(scope="module")
def texts(bridge):
    return tokenise(bridge, TEXTS)


@pytest.fixture(scope="module")
def direction(bridge):
    return torch.randn(bridge.cfg.d_model, generator=torch.Generator().manual_seed(2))


def plain(bridge, tokenised, text, hooks):
    with torch.no_grad():
        return bridge.run_with_hooks(torch.tensor([tokenised.ids[text]]), fwd_hooks=list(hooks))[0]


@pytest.mark.parametrize("start", [0, 1, 2])
def test_an_edit_started_late_is_the_edit_of_a_whole_pass(bridge, texts, direction, start):
    reads = [[0, 2], [1], [0, 1, 2]]
    streams = read_streams(bridge, texts, [0, 1, 2], reads=reads)
    silent = ablation(bridge, [Head(2, 1)], "zero").hooks()
    edit = [*steer(bridge, start, direction, 0.7, n_special=0), *silent]
    found = edited_logits(bridge, streams, start, edit)
    expected = torch.cat([plain(bridge, texts, text, edit)[reads[text]] for text in range(len(TEXTS))])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, streams.logits, atol=1e-2)


def test_without_an_edit_the_logits_are_the_models_own(bridge, texts):
    streams = read_streams(bridge, texts, [1])
    expected = torch.stack([plain(bridge, texts, text, [])[-1] for text in range(len(TEXTS))])
    torch.testing.assert_close(streams.logits, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(edited_logits(bridge, streams, 1, []), expected, rtol=1e-4, atol=1e-4)


def test_each_row_gets_its_own_vector(bridge, texts, direction):
    streams = read_streams(bridge, texts, [1])
    rows, strengths = [2, 0, 2], torch.tensor([0.0, 1.0, -2.0])
    edit = steer(bridge, 1, strengths[:, None] * direction, n_special=0)
    found = edited_logits(bridge, streams, 1, edit, rows=rows)
    expected = [
        plain(bridge, texts, row, steer(bridge, 1, direction, strength, n_special=0))[-1]
        for row, strength in zip(rows, strengths.tolist(), strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_some_tokens_logits_are_those_of_the_whole_vocabulary(bridge, texts, direction):
    tokens, reads = [9, 4, 60], [[0, 2], [1], [0, 1, 2]]
    edit = steer(bridge, 1, direction, 0.7, n_special=0)
    whole = read_streams(bridge, texts, [1], reads=reads)
    some = read_streams(bridge, texts, [1], reads=reads, tokens=tokens)
    torch.testing.assert_close(some.logits, whole.logits[:, tokens], rtol=1e-4, atol=1e-4)
    found = edited_logits(bridge, some, 1, edit, rows=[2, 0])
    expected = edited_logits(bridge, whole, 1, edit, rows=[2, 0])[:, tokens]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    score = lambda logits, rows: logits[:, -1] - logits[:, 0]  # noqa: E731
    torch.testing.assert_close(
        ablation_estimates(bridge, texts, score, tokens=tokens),
        ablation_estimates(bridge, texts, lambda logits, rows: logits[:, 60] - logits[:, 9]),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_cap_on_the_logits_is_kept_when_only_some_are_read(bridge, texts, monkeypatch):
    plain = read_streams(bridge, texts, [1], tokens=[5, 6]).logits
    monkeypatch.setattr(bridge.cfg, "output_logits_soft_cap", 1.5, raising=False)
    torch.testing.assert_close(
        read_streams(bridge, texts, [1], tokens=[5, 6]).logits, 1.5 * torch.tanh(plain / 1.5)
    )


def expected_damage(bridge, tokenised, text, reads, edit):
    """By two plain passes of one text."""
    before = plain(bridge, tokenised, text, [])[reads].double().log_softmax(-1)
    after = plain(bridge, tokenised, text, edit)[reads].double().log_softmax(-1)
    own = [tokenised.ids[text][place + 1] for place in reads]
    at = torch.arange(len(reads))
    return (before.exp() * (before - after)).sum(-1).mean(), (before - after)[at, own].mean()


@pytest.mark.parametrize("bos", [False, True])
def test_damage_together_is_damage_one_at_a_time(bridge, direction, bos):
    texts = tokenise(bridge, TEXTS, prepend_bos=bos)
    reads = [list(range(texts.n_special, len(row) - 1)) for row in texts.ids]
    streams = read_streams(bridge, texts, [0, 1], reads=reads)
    rows, strengths = [2, 0, 1, 2], torch.tensor([3.0, 1.0, -2.0, 0.0])
    edit = steer(bridge, 1, strengths[:, None] * direction, n_special=texts.n_special)
    found = damage(bridge, streams, 1, edit, rows=rows)
    for at, (row, strength) in enumerate(zip(rows, strengths.tolist(), strict=True)):
        alone = steer(bridge, 1, direction, strength, n_special=texts.n_special)
        kl, rise = expected_damage(bridge, texts, row, reads[row], alone)
        torch.testing.assert_close(found.kl[at], kl, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(found.loss_rise[at], rise, rtol=1e-3, atol=1e-5)
    assert (found.kl[:3] > 1e-2).all()
    none = damage(bridge, streams, 0, [])
    torch.testing.assert_close(none.kl, torch.zeros(3).double(), rtol=0, atol=1e-5)


def test_steering_the_place_that_is_read_of_each_of_unequal_texts_is_steering_each_alone(bridge, direction):
    texts = tokenise(bridge, TEXTS)
    reads = [[len(row) - 2] for row in texts.ids]
    streams = read_streams(bridge, texts, [1], reads=reads)
    together = damage(
        bridge, streams, 1, steer(bridge, 1, direction, 2.0, n_special=0, last=torch.tensor(reads)[:, 0])
    )
    for text, (place,) in enumerate(reads):
        alone = steer(bridge, 1, direction, 2.0, n_special=0, last=torch.tensor([place]))
        kl, _ = expected_damage(bridge, texts, text, [place], alone)
        assert kl > 1e-3
        torch.testing.assert_close(together.kl[text], kl, rtol=1e-3, atol=1e-5)
    with pytest.raises(InvalidInput, match="1 places for a batch of 3 rows"):
        damage(bridge, streams, 1, alone)


@pytest.mark.parametrize(
    "name", ["blocks.1.attn.hook_zz", "blocks.9.hook_resid_post", "blocks.x.hook_resid_post", "blocks.1"]
)
def test_an_edit_at_a_hook_that_the_model_lacks_is_refused_and_not_passed_over(bridge, name):
    texts = tokenise(bridge, TEXTS)
    streams = read_streams(bridge, texts, [1], reads=[[0]] * 3)
    edit = [(name, lambda value, hook: 0 * value)]
    for attempt in (
        lambda: edited_logits(bridge, streams, 1, edit),
        lambda: damage(bridge, streams, 1, edit),
        lambda: continue_greedily(bridge, torch.tensor([texts.ids[0]]), edit, n=1),
    ):
        with pytest.raises(UnknownName, match="hook"):
            attempt()


def test_an_edit_at_a_hook_that_the_model_has_and_does_not_call_is_refused(bridge, monkeypatch):
    texts = tokenise(bridge, TEXTS)
    streams = read_streams(bridge, texts, [1])
    idle = type(bridge.hook_dict["blocks.1.attn.hook_z"])()
    monkeypatch.setattr(type(bridge), "hook_dict", {**bridge.hook_dict, "blocks.1.hook_idle": idle})
    with pytest.raises(ModelMismatch, match=r"blocks\.1\.hook_idle did not fire"):
        edited_logits(bridge, streams, 1, [("blocks.1.hook_idle", lambda value, hook: value)])


def test_the_estimate_is_the_derivative_of_scaling_a_head_down(bridge, texts):
    token = 7
    found = ablation_estimates(bridge, texts, lambda logits, rows: logits[:, token], batch_size=2)
    assert found.shape == (bridge.cfg.n_layers, bridge.cfg.n_heads, len(TEXTS))
    step, layer, head = 1e-2, 1, 2

    def scaled(by):
        def hook(value, hook):
            value = value.clone()
            value[:, :, head] *= by
            return value

        hooks = [(f"blocks.{layer}.attn.hook_z", hook)]
        return torch.stack([plain(bridge, texts, text, hooks)[-1, token] for text in range(len(TEXTS))])

    slope = (scaled(1 - step) - scaled(1 + step)) / (2 * step)
    torch.testing.assert_close(found[layer, head], slope, rtol=0.05, atol=2e-3)


def test_greedy_continuations_take_the_most_probable_token_of_the_edited_model(bridge, texts, direction):
    ids = torch.tensor([texts.ids[0], texts.ids[0]])
    vectors = torch.stack([torch.zeros_like(direction), 3 * direction])
    found = continue_greedily(bridge, ids, steer(bridge, 1, vectors, n_special=0), n=2)
    for row, strength in enumerate((0.0, 3.0)):
        so_far = ids[[row]]
        for step in range(2):
            with torch.no_grad():
                edit = steer(bridge, 1, direction, strength, n_special=0)
                logits = bridge.run_with_hooks(so_far, fwd_hooks=edit)
            assert found[row, step] == logits[0, -1].argmax()
            so_far = torch.cat([so_far, found[row, step].view(1, 1)], 1)


def test_refusals(bridge, texts, direction):
    streams = read_streams(bridge, texts, [1])
    with pytest.raises(InvalidInput, match="before block 2 was not kept"):
        edited_logits(bridge, streams, 2, [])
    with pytest.raises(InvalidInput, match=r"blocks\.0\.hook_resid_post is not in block 1"):
        edited_logits(bridge, streams, 1, steer(bridge, 0, direction, n_special=0))
    with pytest.raises(InvalidInput, match="are not all texts"):
        edited_logits(bridge, streams, 1, [], rows=[0, 3])
    with pytest.raises(InvalidInput, match="2 directions for a batch of 3"):
        edited_logits(bridge, streams, 1, steer(bridge, 1, direction.expand(2, -1), n_special=0))
    with pytest.raises(InvalidInput, match="cannot be read at"):
        read_streams(bridge, texts, [1], reads=[[0], [9], [0]])
    with pytest.raises(InvalidInput, match="positions for 1"):
        read_streams(bridge, texts, [1], reads=last_reads(texts)[:1])
    with pytest.raises(InvalidInput, match="has layers 0 to 2"):
        read_streams(bridge, texts, [3])
    with pytest.raises(InvalidInput, match="no token 63"):
        read_streams(bridge, texts, [1], tokens=[63])
    with pytest.raises(InvalidInput, match="no token 63"):
        ablation_estimates(bridge, texts, lambda logits, rows: logits[:, 0], tokens=[63])
    with pytest.raises(InvalidInput, match="make no distribution"):
        damage(bridge, read_streams(bridge, texts, [1], tokens=[5]), 1, [])
    with pytest.raises(InvalidInput, match="text 0 is read at its last position"):
        damage(bridge, streams, 1, [])
    with pytest.raises(InvalidInput, match="cannot be written"):
        continue_greedily(bridge, torch.tensor([texts.ids[0]]), [], n=0)


@pytest.mark.parametrize("places", [1, 2, 3, 9])
def test_spread_reads_are_different_places_that_all_have_a_next_token(texts, places):
    for row, reads in zip(texts.ids, spread_reads(texts, places), strict=True):
        assert reads == sorted(set(reads)) and reads[0] == texts.n_special and reads[-1] <= len(row) - 2
        assert len(reads) == min(places, len(row) - 1 - texts.n_special)


def test_what_has_no_next_token_is_not_read(bridge, texts):
    with pytest.raises(InvalidInput, match="0 places"):
        spread_reads(texts, 0)
    with pytest.raises(InvalidInput, match="in a text of one token"):
        spread_reads(tokenise(bridge, ["w1"]), 3)

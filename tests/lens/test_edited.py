from __future__ import annotations

import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.edited import (
    ablation_estimates,
    add_vectors,
    continue_greedily,
    edited_logits,
    last_reads,
    read_streams,
)
from mechscope.lens.steering import ablate_heads, steer
from mechscope.lens.texts import tokenise

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
    edit = [*steer(bridge, start, direction, 0.7), *ablate_heads(bridge, [(2, 1)])]
    found = edited_logits(bridge, streams, start, edit)
    expected = torch.cat([plain(bridge, texts, text, edit)[reads[text]] for text in range(len(TEXTS))])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert streams.text_of.tolist() == [0, 0, 1, 2, 2, 2]
    assert not torch.allclose(found, streams.logits, atol=1e-2)


def test_without_an_edit_the_logits_are_the_models_own(bridge, texts):
    streams = read_streams(bridge, texts, [1])
    expected = torch.stack([plain(bridge, texts, text, [])[-1] for text in range(len(TEXTS))])
    torch.testing.assert_close(streams.logits, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(edited_logits(bridge, streams, 1, []), expected, rtol=1e-4, atol=1e-4)


def test_each_row_gets_its_own_vector(bridge, texts, direction):
    streams = read_streams(bridge, texts, [1])
    rows, strengths = [2, 0, 2], torch.tensor([0.0, 1.0, -2.0])
    found = edited_logits(
        bridge, streams, 1, add_vectors(bridge, 1, strengths[:, None] * direction), rows=rows
    )
    expected = [
        plain(bridge, texts, row, steer(bridge, 1, direction, strength))[-1]
        for row, strength in zip(rows, strengths.tolist(), strict=True)
    ]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-4)


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
    found = continue_greedily(bridge, ids, add_vectors(bridge, 1, vectors), n=2)
    for row, strength in enumerate((0.0, 3.0)):
        so_far = ids[[row]]
        for step in range(2):
            with torch.no_grad():
                logits = bridge.run_with_hooks(so_far, fwd_hooks=steer(bridge, 1, direction, strength))
            assert found[row, step] == logits[0, -1].argmax()
            so_far = torch.cat([so_far, found[row, step].view(1, 1)], 1)


def test_refusals(bridge, texts, direction):
    streams = read_streams(bridge, texts, [1])
    with pytest.raises(InvalidInput, match="before block 2 was not kept"):
        edited_logits(bridge, streams, 2, [])
    with pytest.raises(InvalidInput, match=r"blocks\.0\.hook_resid_post is not in block 1"):
        edited_logits(bridge, streams, 1, steer(bridge, 0, direction, 1.0))
    with pytest.raises(InvalidInput, match="are not all texts"):
        edited_logits(bridge, streams, 1, [], rows=[0, 3])
    with pytest.raises(InvalidInput, match="2 vectors for a batch of 3"):
        edited_logits(bridge, streams, 1, add_vectors(bridge, 1, torch.stack([direction, direction])))
    with pytest.raises(InvalidInput, match="cannot be read at"):
        read_streams(bridge, texts, [1], reads=[[0], [9], [0]])
    with pytest.raises(InvalidInput, match="positions for 1"):
        read_streams(bridge, texts, [1], reads=last_reads(texts)[:1])
    with pytest.raises(InvalidInput, match="has layers 0 to 2"):
        read_streams(bridge, texts, [3])
    with pytest.raises(InvalidInput, match="do not fit the residual stream"):
        add_vectors(bridge, 0, direction)
    with pytest.raises(InvalidInput, match="cannot be written"):
        continue_greedily(bridge, torch.tensor([texts.ids[0]]), [], n=0)

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.steering import (
    ablate_direction,
    ablate_heads,
    damage,
    feature_direction,
    mean_difference_direction,
    steer,
)
from mechscope.lens.texts import tokenise

IDS = torch.tensor([[4, 5, 6, 7], [8, 9, 10, 11]])


def run(bridge, hooks, keep=None):
    kept = {}
    watch = [(keep, lambda value, hook: kept.update(value=value.clone()))] if keep else []
    with torch.no_grad():
        logits = bridge.run_with_hooks(IDS, fwd_hooks=[*hooks, *watch])
    return kept["value"] if keep else logits


@pytest.fixture(scope="module")
def direction(bridge):
    return torch.randn(bridge.cfg.d_model, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("where", ["all", "last"])
def test_steering_by_zero_changes_nothing_bit_for_bit(bridge, direction, where):
    assert torch.equal(run(bridge, steer(bridge, 1, direction, 0.0, where=where)), run(bridge, []))


def test_steering_moves_the_residual_stream_by_the_direction_and_nothing_before_it(bridge, direction):
    edit = steer(bridge, 1, direction, 2.0)
    moved = run(bridge, edit, "blocks.2.hook_resid_pre") - run(bridge, [], "blocks.2.hook_resid_pre")
    torch.testing.assert_close(moved, (2 * direction).expand_as(moved), rtol=1e-4, atol=1e-4)
    assert torch.equal(
        run(bridge, edit, "blocks.1.hook_resid_pre"), run(bridge, [], "blocks.1.hook_resid_pre")
    )
    last = run(bridge, steer(bridge, 1, direction, 2.0, where="last"), "blocks.2.hook_resid_pre")
    plain = run(bridge, [], "blocks.2.hook_resid_pre")
    assert torch.equal(last[:, :-1], plain[:, :-1])
    torch.testing.assert_close(
        last[:, -1] - plain[:, -1], (2 * direction).expand(2, -1), rtol=1e-4, atol=1e-4
    )


def test_the_mean_difference_moves_one_mean_onto_the_other():
    towards, away = torch.randn(5, 8), torch.randn(7, 8)
    direction = mean_difference_direction(towards, away)
    torch.testing.assert_close((away + direction).mean(0), towards.mean(0))


def test_an_ablated_direction_is_gone_and_the_rest_is_left_alone(bridge, direction):
    unit = direction / direction.norm()
    for to in (0.0, 3.0):
        edit = ablate_direction(bridge, [0, 1], direction, to=to)
        after = run(bridge, edit, "blocks.2.hook_resid_pre")
        torch.testing.assert_close(after @ unit, torch.full((2, 4), to), rtol=1e-4, atol=1e-3)
    before = run(bridge, [], "blocks.1.hook_resid_pre")
    after = run(bridge, ablate_direction(bridge, [0], direction), "blocks.1.hook_resid_pre")
    torch.testing.assert_close(after, before - (before @ unit)[..., None] * unit, rtol=1e-4, atol=1e-4)


def test_ablated_heads_write_nothing_and_others_are_left_alone(bridge):
    z = run(bridge, ablate_heads(bridge, [(1, 0), (1, 2)]), "blocks.1.attn.hook_z")
    plain = run(bridge, [], "blocks.1.attn.hook_z")
    assert not z[:, :, [0, 2]].any()
    assert torch.equal(z[:, :, [1, 3]], plain[:, :, [1, 3]])


def test_no_edit_does_no_damage_and_an_edit_does_what_plain_passes_say(bridge, texts, direction):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    none = damage(bridge, tokenised, steer(bridge, 1, direction, 0.0))
    assert not none.kl.any() and (none.same_top == 1).all()
    edit = steer(bridge, 1, direction, 3.0)
    found = damage(bridge, tokenised, edit)
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            before = bridge(torch.tensor([ids]))[0, 1:].log_softmax(-1)
            after = bridge.run_with_hooks(torch.tensor([ids]), fwd_hooks=edit)[0, 1:].log_softmax(-1)
        expected = (before.exp() * (before - after)).sum(-1).mean()
        torch.testing.assert_close(found.kl[at], expected, rtol=1e-3, atol=1e-5)
        assert float(found.kl[at]) > 0


def test_a_feature_steers_by_its_row_of_the_decoder(bridge):
    rows = torch.eye(bridge.cfg.d_model)[:5]
    direction = feature_direction(SimpleNamespace(W_dec=rows), 3)
    moved = run(bridge, steer(bridge, 0, direction, 4.0), "blocks.1.hook_resid_pre")
    difference = moved - run(bridge, [], "blocks.1.hook_resid_pre")
    torch.testing.assert_close(difference, (4 * rows[3]).expand_as(difference), rtol=1e-4, atol=1e-4)
    with pytest.raises(InvalidInput, match=r"no feature 5.\n.*0 to 4"):
        feature_direction(SimpleNamespace(W_dec=rows), 5)


def test_refusals(bridge, direction):
    with pytest.raises(InvalidInput, match=r"no layer 3.\n.*0 to 2"):
        steer(bridge, 3, direction, 1.0)
    with pytest.raises(InvalidInput, match="does not fit"):
        steer(bridge, 0, direction[:-1], 1.0)
    with pytest.raises(UnknownName, match="first"):
        steer(bridge, 0, direction, 1.0, where="first")
    with pytest.raises(InvalidInput, match="length 0"):
        ablate_direction(bridge, [0], 0 * direction)
    with pytest.raises(InvalidInput, match=r"no head 4"):
        ablate_heads(bridge, [(0, 4)])
    with pytest.raises(InvalidInput, match="same mean"):
        mean_difference_direction(torch.ones(2, 3), torch.ones(4, 3))

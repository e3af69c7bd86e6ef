from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.steering import ablate_direction, feature_direction, mean_difference_direction, steer

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


LAST = torch.tensor([3, 2])


@pytest.mark.parametrize("last", [None, LAST])
def test_steering_by_zero_changes_nothing_bit_for_bit(bridge, direction, last):
    edit = steer(bridge, 1, direction, 0.0, n_special=0, last=last)
    assert torch.equal(run(bridge, edit), run(bridge, []))


def test_steering_moves_the_residual_stream_by_the_direction_and_nothing_before_it(bridge, direction):
    edit = steer(bridge, 1, direction, 2.0, n_special=0)
    moved = run(bridge, edit, "blocks.2.hook_resid_pre") - run(bridge, [], "blocks.2.hook_resid_pre")
    torch.testing.assert_close(moved, (2 * direction).expand_as(moved), rtol=1e-4, atol=1e-4)
    assert torch.equal(
        run(bridge, edit, "blocks.1.hook_resid_pre"), run(bridge, [], "blocks.1.hook_resid_pre")
    )


def test_steering_leaves_special_tokens_alone_and_the_last_place_is_each_rows_own(bridge, direction):
    plain = run(bridge, [], "blocks.2.hook_resid_pre")
    rows = torch.stack([direction, -3 * direction])
    for vectors in (direction, rows):
        wanted = (2 * vectors).expand(2, -1)
        text = run(bridge, steer(bridge, 1, vectors, 2.0, n_special=1), "blocks.2.hook_resid_pre") - plain
        assert not text[:, 0].any()
        torch.testing.assert_close(text[:, 1:], wanted[:, None].expand(-1, 3, -1), rtol=1e-4, atol=1e-4)
        edit = steer(bridge, 1, vectors, 2.0, n_special=1, last=LAST)
        last = run(bridge, edit, "blocks.2.hook_resid_pre") - plain
        torch.testing.assert_close(last[torch.arange(2), LAST], wanted, rtol=1e-4, atol=1e-4)
        last[torch.arange(2), LAST] = 0
        assert not last.any()


def test_the_mean_difference_moves_one_mean_onto_the_other():
    towards, away = torch.randn(5, 8), torch.randn(7, 8)
    direction = mean_difference_direction(towards, away)
    torch.testing.assert_close((away + direction).mean(0), towards.mean(0))


def test_an_ablated_direction_is_gone_and_the_rest_is_left_alone(bridge, direction):
    unit = direction / direction.norm()
    for to in (0.0, 3.0):
        edit = ablate_direction(bridge, [0, 1], direction, to=to, n_special=0)
        after = run(bridge, edit, "blocks.2.hook_resid_pre")
        torch.testing.assert_close(after @ unit, torch.full((2, 4), to), rtol=1e-4, atol=1e-3)
    before = run(bridge, [], "blocks.1.hook_resid_pre")
    after = run(bridge, ablate_direction(bridge, [0], direction, n_special=0), "blocks.1.hook_resid_pre")
    torch.testing.assert_close(after, before - (before @ unit)[..., None] * unit, rtol=1e-4, atol=1e-4)
    spared = run(bridge, ablate_direction(bridge, [0], direction, n_special=1), "blocks.1.hook_resid_pre")
    assert torch.equal(spared[:, 0], before[:, 0])
    torch.testing.assert_close(spared[:, 1:], after[:, 1:], rtol=1e-5, atol=1e-5)


def test_a_feature_steers_by_its_row_of_the_decoder(bridge):
    rows = torch.eye(bridge.cfg.d_model)[:5]
    direction = feature_direction(SimpleNamespace(W_dec=rows), 3)
    moved = run(bridge, steer(bridge, 0, direction, 4.0, n_special=0), "blocks.1.hook_resid_pre")
    difference = moved - run(bridge, [], "blocks.1.hook_resid_pre")
    torch.testing.assert_close(difference, (4 * rows[3]).expand_as(difference), rtol=1e-4, atol=1e-4)
    with pytest.raises(InvalidInput, match=r"no feature 5.\n.*0 to 4"):
        feature_direction(SimpleNamespace(W_dec=rows), 5)
    unfolded = SimpleNamespace(
        W_dec=rows, cfg=SimpleNamespace(normalize_activations="expected_average_only_in")
    )
    with pytest.raises(InvalidInput, match="not folded into its weights"):
        feature_direction(unfolded, 3)


def test_refusals(bridge, direction):
    with pytest.raises(InvalidInput, match=r"no layer 3: .* 0 to 2"):
        steer(bridge, 3, direction, n_special=0)
    with pytest.raises(InvalidInput, match="does not fit"):
        steer(bridge, 0, direction[:-1], n_special=0)
    with pytest.raises(InvalidInput, match="row 1 is a special token"):
        steer(bridge, 0, direction, n_special=1, last=torch.tensor([2, 0]))
    with pytest.raises(InvalidInput, match="3 directions for a batch of 2 rows"):
        run(bridge, steer(bridge, 0, direction.expand(3, -1), n_special=0))
    with pytest.raises(InvalidInput, match="3 places for a batch of 2 rows"):
        run(bridge, steer(bridge, 0, direction, n_special=0, last=torch.tensor([1, 2, 3])))
    with pytest.raises(InvalidInput, match="-1 special tokens"):
        steer(bridge, 0, direction, n_special=-1)
    with pytest.raises(InvalidInput, match="length 0"):
        ablate_direction(bridge, [0], 0 * direction, n_special=0)
    with pytest.raises(InvalidInput, match="same mean"):
        mean_difference_direction(torch.ones(2, 3), torch.ones(4, 3))

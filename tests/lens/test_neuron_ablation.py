from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.neuron_ablation import TextLosses, ablate_neurons, matched_neurons

TEXTS = ["w1 w2 w3 w4 w5 w6", "w7 w8 w9 w4", "w10 w11 w12 w13 w1 w2 w3"]


def shape_of(bridge) -> tuple[int, int]:
    return bridge.cfg.n_layers, bridge.blocks[0].mlp.W_out.shape[0]


def one_by_one(bridge, tokenised, last: int, hooks=()) -> torch.Tensor:
    """The same by a plain forward pass of each text and torch's cross-entropy."""
    found = []
    for row in tokenised.ids:
        ids = torch.tensor([row])
        with torch.inference_mode(), bridge.hooks(fwd_hooks=list(hooks)):
            logits = bridge(ids, return_type="logits")[0]
        found.append(torch.nn.functional.cross_entropy(logits[-last - 1 : -1], ids[0, -last:]))
    return torch.stack(found).double()


def test_losses_are_those_of_a_plain_forward_pass(bridge):
    tokenised = tokenise(bridge, TEXTS)
    losses = TextLosses(bridge, tokenised, 2, batch_size=2)
    torch.testing.assert_close(losses.clean, one_by_one(bridge, tokenised, 2), atol=1e-5, rtol=1e-5)


def test_setting_neurons_to_a_constant_is_what_a_hook_on_each_does(bridge):
    tokenised = tokenise(bridge, TEXTS)
    chosen = torch.zeros(shape_of(bridge), dtype=torch.bool)
    chosen[0, 3] = chosen[1, [0, 5]] = True
    values = torch.linspace(-2, 2, chosen.numel()).view(chosen.shape)

    def put(layer: int, neurons: list[int]):
        def hook(value, hook):
            changed = value.clone()
            for neuron in neurons:
                changed[..., neuron] = values[layer, neuron]
            return changed

        return f"blocks.{layer}.mlp.hook_post", hook

    expected = one_by_one(bridge, tokenised, 2, [put(0, [3]), put(1, [0, 5])])
    losses = TextLosses(bridge, tokenised, 2, batch_size=2)
    found = losses.edited(ablate_neurons(bridge, chosen, values))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found - losses.clean).abs().max() > 1e-4
    edit = ablate_neurons(bridge, chosen, values)
    torch.testing.assert_close(losses.rise(edit), found - losses.clean)


def test_without_a_neuron_chosen_nothing_changes_and_nothing_is_hooked(bridge):
    none = torch.zeros(shape_of(bridge), dtype=torch.bool)
    assert ablate_neurons(bridge, none) == []
    losses = TextLosses(bridge, tokenise(bridge, TEXTS), 2)
    torch.testing.assert_close(losses.edited([]), losses.clean, atol=1e-6, rtol=1e-6)


def test_a_mask_of_another_shape_and_too_many_tokens_are_refused(bridge):
    with pytest.raises(InvalidInput, match="does not fit the neurons"):
        ablate_neurons(bridge, torch.ones(2, 2, dtype=torch.bool))
    with pytest.raises(InvalidInput, match="of the shortest"):
        TextLosses(bridge, tokenise(bridge, TEXTS), 40)


@pytest.mark.parametrize(
    "name", ["blocks.1.mlp.hook_pots", "blocks.9.mlp.hook_post", "blocks.x.mlp.hook_post"]
)
def test_losses_under_an_edit_that_the_model_has_no_hook_for_are_refused(bridge, name):
    losses = TextLosses(bridge, tokenise(bridge, TEXTS), 2)
    with pytest.raises(UnknownName, match="hook"):
        losses.edited([(name, lambda value, hook: 0 * value)])


def test_controls_are_as_many_free_neurons_of_each_layer_and_each_as_likely():
    chosen = np.zeros((3, 6), dtype=bool)
    chosen[0, [0, 1]] = chosen[2, [3, 4, 5]] = True
    free = ~chosen
    free[2, 0] = False  # two are left there, for three that are wanted
    rng = np.random.default_rng(0)
    drawn = np.array([matched_neurons(chosen, free, rng) for _ in range(2000)])
    assert not (drawn & ~free).any()
    assert (drawn.sum(2) == [2, 0, 2]).all()
    assert drawn[:, 0, 2:].mean(0) == pytest.approx(np.full(4, 1 / 2), abs=0.05)

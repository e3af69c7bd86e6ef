from __future__ import annotations

import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.feature_influence import PlainDictionary, feature_influence


def dictionary(bridge, seed, n=6):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(n, bridge.cfg.d_model, generator=generator), dim=-1)
    return PlainDictionary(rows.T.contiguous(), torch.zeros(n), rows, torch.zeros(bridge.cfg.d_model))


def influence(bridge, texts, **changes):
    chosen = {
        "source_layer": 0, "source": dictionary(bridge, 0), "sources": [0, 1, 2, 3],
        "target_layer": 2, "target": dictionary(bridge, 1), "targets": [1, 4, 5],
    } | changes  # fmt: skip
    return feature_influence(bridge, tokenise(bridge, texts), **chosen, batch_size=4)


def test_with_nothing_between_all_three_are_activation_times_virtual_weight(bridge, texts):
    found = influence(bridge, texts, source_layer=1, target_layer=1)
    source, total = dictionary(bridge, 0), torch.zeros(4)
    for ids in tokenise(bridge, texts).ids:
        name = "blocks.1.hook_resid_post"
        with torch.no_grad():
            _, cache = bridge.run_with_cache(torch.tensor([ids]), names_filter=name)
        total += source.encode(cache[name][0])[1:, :4].sum(
            0
        )  # there is no BOS: the first position is not counted
    mean = (total / found.active.clamp_min(1)).double()[:, None]
    torch.testing.assert_close(found.gradient, mean * found.virtual, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.causal, found.gradient, rtol=1e-3, atol=1e-4)
    assert found.agreement()["gradient_causal"] == pytest.approx(1, abs=1e-4)


def test_virtual_weights_are_products_of_decoder_and_encoder(bridge, texts):
    found = influence(bridge, texts)
    expected = dictionary(bridge, 0).W_dec[:4].double() @ dictionary(bridge, 1).W_enc[:, [1, 4, 5]].double()
    torch.testing.assert_close(found.virtual, expected, rtol=1e-4, atol=1e-6)


def test_the_causal_effect_is_that_of_taking_the_feature_out(bridge, texts):
    found = influence(bridge, texts)
    source, target = dictionary(bridge, 0), dictionary(bridge, 1)
    fall, active = 0.0, 0
    for ids in tokenise(bridge, texts).ids:
        kept = {}

        def without(value, hook, kept=kept):
            kept["f"] = source.encode(value)[..., [2]]
            kept["f"][:, 0] = 0
            return value - kept["f"] * source.W_dec[2]

        name = "blocks.2.hook_resid_post"
        read = (
            name,
            lambda value, hook, kept=kept: kept.update(target=(value[:, 1:] @ target.W_enc)[..., 4].sum()),
        )
        with torch.no_grad():
            bridge.run_with_hooks(torch.tensor([ids]), fwd_hooks=[read])
            plain = kept["target"]
            bridge.run_with_hooks(
                torch.tensor([ids]), fwd_hooks=[("blocks.0.hook_resid_post", without), read]
            )
        fall += float(plain - kept["target"])
        active += int((kept["f"] > 0).sum())
    assert active == int(found.active[2])
    assert float(found.causal[2, 1]) == pytest.approx(fall / active, rel=1e-3, abs=1e-4)


def test_a_feature_that_is_never_active_has_no_effect_bit_for_bit(bridge, texts):
    silent = dictionary(bridge, 0)
    silent.b_enc[3] = -1e6
    found = influence(bridge, texts, source=silent)
    assert found.active[3] == 0
    assert not found.causal[3].any() and not found.gradient[3].any()


def test_a_weak_feature_acts_as_its_gradient_says(bridge, texts):
    weak = dictionary(bridge, 0)
    weak = PlainDictionary(weak.W_enc * 1e-2, weak.b_enc, weak.W_dec, weak.b_dec)
    found = influence(bridge, texts, source=weak)
    assert found.agreement()["gradient_causal"] > 0.98


def test_refusals(bridge, texts):
    with pytest.raises(InvalidInput, match=r"cannot act.*\n.*0 to 2"):
        influence(bridge, texts, source_layer=2, target_layer=1)
    with pytest.raises(InvalidInput, match=r"source features \[6\]"):
        influence(bridge, texts, sources=[6])

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.attribution_patching import attribution_map
from mechscope.lens.patching import EncodedPairs, Pair, encode_pairs, patching_map
from mechscope.stats.agreement import agreement_sums, rms_error

COMPONENTS = ["residual", "attention", "heads"]


@pytest.fixture(scope="module")
def linear():
    """Attention without keys (a plain mean of what came before), no MLP, no norm: linear throughout."""
    cfg = TransformerBridgeConfig(
        n_layers=3, d_model=16, n_heads=2, d_head=8, n_ctx=16, d_vocab=20, attn_only=True,
        normalization_type=None, positional_embedding_type="standard", architecture="TransformerLensNative",
        seed=0,
    )  # fmt: skip
    bridge = TransformerBridge.boot_native(cfg)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weights in bridge.original_model.named_parameters():
            keyless = any(part in name for part in (".q.", ".k.", "q_proj", "k_proj", "W_Q", "W_K"))
            weights.normal_(std=0.3, generator=generator)
            if keyless:
                weights.zero_()
    return bridge.eval()


@pytest.fixture(scope="module")
def pairs():
    pair = Pair("a", "b", "c", "d")
    return EncodedPairs(
        (pair, pair), ((1, 2, 3, 4), (5, 6, 7)), ((1, 9, 3, 4), (8, 6, 7)), ((10,), (12,)), ((11,), (13,)), 0
    )


@pytest.mark.parametrize("direction", ["denoising", "noising"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_on_a_linear_model_attribution_is_activation_patching(linear, pairs, component, direction):
    exact = patching_map(linear, pairs, component, direction=direction, min_gap=1e-4).effects
    found = attribution_map(linear, pairs, component, direction=direction, min_gap=1e-4).effects
    assert max(np.abs(one).max() for one in exact) > 0.1
    for one, other in zip(found, exact, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("component", [*COMPONENTS, "mlp"])
def test_maps_have_the_shapes_of_exact_ones_and_zeros_before_the_difference(bridge, component):
    """Answers of several tokens too; before the first changed token nothing can have an effect."""
    encoded = encode_pairs(bridge, [Pair("w1 w2 w3", "w1 w9 w3", "w20 w21", "w22 w23 w24")])
    found = attribution_map(bridge, encoded, component, min_gap=1e-6).effects[0]
    assert np.isfinite(found).all() and np.abs(found).max() > 0
    if component == "heads":
        assert found.shape == (bridge.cfg.n_layers, bridge.cfg.n_heads)
    else:
        assert found.shape == (bridge.cfg.n_layers, 3)
        assert np.abs(found[:, 0]).max() < 1e-4


def test_the_gradient_is_the_slope_of_patching_a_nearby_source(bridge):
    """With a source 1/1000 of the way off, exact patching is linear: both must give the same."""
    encoded = encode_pairs(bridge, [Pair("w1 w2 w3", "w1 w9 w3", "w20", "w21")])
    embedding = bridge.original_model.get_input_embeddings().weight
    one, other = encoded.clean[0][1], encoded.corrupt[0][1]
    before = embedding.detach().clone()
    try:
        with torch.no_grad():
            embedding[one] = before[other] + 2e-3 * (before[one] - before[other])
        exact = patching_map(bridge, encoded, "residual", min_gap=1e-7).effects
        found = attribution_map(bridge, encoded, "residual", min_gap=1e-7).effects
    finally:
        with torch.no_grad():
            embedding.copy_(before)
    assert rms_error(agreement_sums(found, exact).mean(0)) < 0.05


def test_refusals(bridge):
    encoded = encode_pairs(bridge, [Pair("w1 w2", "w3 w2", "w4", "w5")])
    with pytest.raises(UnknownName, match="component"):
        attribution_map(bridge, encoded, "neurons")
    with pytest.raises(InvalidInput, match="too little to divide by"):
        attribution_map(bridge, encoded, "mlp", min_gap=1e9)

"""Patching in all its forms beside TransformerLens' own functions, on models small enough to run both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformer_lens import patching as theirs
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis.attribution_patching import attribution_patch
from transformer_lens.tools.analysis.direct_path_patching import get_act_patch_direct_path

from mechscope.lens.attribution_patching import attribution_map
from mechscope.lens.core.components import Head, all_heads
from mechscope.lens.patching import Pair, Site, encode_pairs, patch_sites
from mechscope.lens.path_patching import PathPatcher
from mechscope.lens.repeats import repeated_tokens
from tests.lens.planted import BOS, INDUCTION, PREVIOUS, planted_model

PAIRS = [
    Pair("w1 w2 w3 w4", "w1 w9 w3 w4", "w20", "w21"),
    Pair("w5 w6 w7 w8 w10 w11", "w5 w6 w12 w8 w13 w11", "w22", "w24"),
]


@pytest.fixture(scope="module")
def encoded(bridge):
    return encode_pairs(bridge, PAIRS)


def preference(encoded, pair):
    answer, wrong = encoded.answer[pair][0], encoded.wrong[pair][0]
    return lambda logits: logits[0, -1, answer] - logits[0, -1, wrong]


@pytest.mark.parametrize("direction", ["denoising", "noising"])
@pytest.mark.parametrize(
    ("component", "function"),
    [
        ("residual", theirs.get_act_patch_resid_pre),
        ("attention", theirs.get_act_patch_attn_out),
        ("mlp", theirs.get_act_patch_mlp_out),
        ("heads", theirs.get_act_patch_attn_head_out_all_pos),
    ],
)
def test_activation_patching_scores_what_transformer_lens_scores(
    bridge, encoded, component, function, direction
):
    for pair in range(len(encoded)):
        clean, corrupt = (torch.tensor([ids[pair]]) for ids in (encoded.clean, encoded.corrupt))
        base, source = (corrupt, clean) if direction == "denoising" else (clean, corrupt)
        with torch.no_grad():
            _, cache = bridge.run_with_cache(source)
            expected = function(bridge, base, cache, preference(encoded, pair)).numpy()
        assert expected.std() > 0.01, "patches that do nothing would agree, too"
        patches = [(pair, [Site(component, layer, (at,))]) for layer, at in np.ndindex(expected.shape)]
        found = patch_sites(bridge, encoded, patches, direction=direction).scores
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)


def test_attribution_patching_estimates_what_transformer_lens_estimates(bridge, encoded):
    maps = {
        component: attribution_map(bridge, encoded, component, min_gap=1e-6).effects
        for component in ("heads", "mlp")
    }
    for pair in range(len(encoded)):
        clean, corrupt = (torch.tensor([ids[pair]]) for ids in (encoded.clean, encoded.corrupt))
        metric = preference(encoded, pair)
        with torch.no_grad():
            gap = float(metric(bridge(clean)) - metric(bridge(corrupt)))
        expected = {component: np.zeros_like(maps[component][pair]) for component in maps}
        for node, score in attribution_patch(bridge, clean, corrupt, metric).node_scores.items():
            if node.kind == "attn_head_out":  # ours patches a head at all positions at once
                expected["heads"][node.layer, node.head] += score / gap
            elif node.kind == "mlp_out":
                expected["mlp"][node.layer, node.position] += score / gap
        for component, values in expected.items():
            assert values.std() > 1e-3
            np.testing.assert_allclose(maps[component][pair], values, rtol=1e-3, atol=1e-4)


def without_norm(seed: int = 0) -> TransformerBridge:
    """Three layers of attention with random weights and no norm, where their linear paths are exact."""
    config = TransformerBridgeConfig(
        n_layers=3, d_model=16, n_heads=2, d_head=8, n_ctx=32, d_vocab=20, attn_only=True,
        normalization_type=None, positional_embedding_type="standard", seed=seed,
    )  # fmt: skip
    bridge = TransformerBridge.boot_native(config, model_name="random")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in bridge.original_model.parameters():
            weights.normal_(std=0.4, generator=generator)
    return bridge.eval()


def score_by_path(bridge, rows, donors, sender, receiver, into, metric):
    """The rows' own run in which the receiver reads out what it does when the path is patched."""
    z = PathPatcher(bridge, rows, donors, receiver).patched([sender], into=into).z

    def put(value, hook):
        value = value.clone()
        value[:, :, receiver.head] = z
        return value

    with torch.no_grad():
        return float(
            metric(bridge.run_with_hooks(rows, fwd_hooks=[(f"blocks.{receiver.layer}.attn.hook_z", put)]))
        )


@pytest.mark.parametrize("into", ["key", "query"])
@pytest.mark.parametrize("model", ["planted", "random"])
def test_path_patching_does_what_transformer_lens_direct_paths_do_where_there_is_no_norm(model, into):
    bridge = planted_model() if model == "planted" else without_norm()
    rng = np.random.default_rng(0)
    rows, donors = (
        repeated_tokens(bridge, 4, 7, rng=rng, prepend_bos=True, bos_id=BOS).ids for _ in range(2)
    )

    def metric(logits):
        right = logits[:, :-1].log_softmax(-1).gather(-1, rows[:, 1:, None])
        return right[:, rows.shape[1] // 2 :].mean()

    with torch.no_grad():
        unpatched = float(metric(bridge(rows)))
        _, cache = bridge.run_with_cache(rows)
        _, other = bridge.run_with_cache(donors)
    # Without a norm there is no scale to divide by.
    base = {name: cache[name] for name in cache if name.endswith("hook_z")}
    base |= {f"blocks.{layer}.ln1.hook_scale": torch.ones(1) for layer in range(bridge.cfg.n_layers)}
    moved = 0.0
    for sender in [PREVIOUS] if model == "planted" else all_heads(bridge, [0, 1]):
        with torch.no_grad():
            expected = get_act_patch_direct_path(
                bridge, rows, other, base, metric, sender.layer, sender.head, into[0], verbose=False
            )
        for receiver in all_heads(bridge, list(range(sender.layer + 1, bridge.cfg.n_layers))):
            found = score_by_path(bridge, rows, donors, sender, receiver, into, metric)
            np.testing.assert_allclose(found, expected[receiver.layer, receiver.head], rtol=1e-4, atol=1e-4)
            moved = max(moved, abs(found - unpatched))
    # The planted previous-token head reaches nothing by the queries: there both must say so.
    assert moved > 0.01 or (model, into) == ("planted", "query")
    if (model, into) == ("planted", "key"):
        found = score_by_path(bridge, rows, donors, PREVIOUS, INDUCTION, into, metric)
        assert found < unpatched - 1
        assert (
            abs(score_by_path(bridge, rows, donors, Head(0, 1), INDUCTION, into, metric) - unpatched) < 1e-5
        )

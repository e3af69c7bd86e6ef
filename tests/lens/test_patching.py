from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.core.forward import starting_at
from mechscope.lens.patching import (
    Pair,
    Site,
    component_hook,
    encode_pairs,
    important,
    pair_scores,
    patch_sites,
    patching_map,
)

PAIRS = [
    Pair("w1 w2 w3 w4", "w1 w9 w3 w4", "w20", "w21"),
    Pair("w5 w6 w7 w8 w10 w11", "w5 w6 w12 w8 w13 w11", "w22 w23", "w24"),
    Pair("w3 w2 w1", "w4 w2 w1", "w25 w26", "w25 w27 w28"),
    Pair("w30 w31 w2", "w30 w32 w2", "w33 w34 w35", "w36 w37"),
]


@pytest.fixture(scope="module")
def encoded(bridge):
    return encode_pairs(bridge, PAIRS)


def log_p(bridge, prompt, answer, hooks=()):
    """Σ log p of an answer after a prompt, by one plain forward pass."""
    ids = torch.tensor([[*prompt, *answer]])
    with torch.no_grad():
        logits = bridge.run_with_hooks(ids, fwd_hooks=list(hooks))
    read = logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    return float(read.gather(1, torch.tensor(answer)[:, None]).sum())


def plain_score(bridge, encoded, pair, which, hooks_of=lambda answer: ()):
    prompt = getattr(encoded, which)[pair]
    answer, wrong = encoded.answer[pair], encoded.wrong[pair]
    return log_p(bridge, prompt, answer, hooks_of(answer)) - log_p(bridge, prompt, wrong, hooks_of(wrong))


def loop_score(bridge, encoded, pair, site, base, source):
    """A patched run as one would write it down: cache the source, overwrite in a hook, read the logits."""
    name = component_hook(bridge, site.component, site.layer)
    prompt = getattr(encoded, source)[pair]

    def hooks_of(answer):
        kept = {}
        with torch.no_grad():
            bridge.run_with_hooks(
                torch.tensor([[*prompt, *answer]]),
                fwd_hooks=[(name, lambda value, hook: kept.update(value=value.clone()))],
            )

        def overwrite(value, hook):
            value = value.clone()
            for place in site.places:
                if site.component == "heads":
                    value[:, : len(prompt), place] = kept["value"][:, : len(prompt), place]
                else:
                    value[:, place] = kept["value"][:, place]
            return value

        return [(name, overwrite)]

    return plain_score(bridge, encoded, pair, base, hooks_of)


@pytest.mark.parametrize("direction", ["denoising", "noising"])
@pytest.mark.parametrize("component", ["residual", "attention", "mlp", "heads"])
def test_batched_patching_equals_a_loop_over_single_patches(bridge, encoded, component, direction):
    base, source = ("corrupt", "clean") if direction == "denoising" else ("clean", "corrupt")
    places = [[(1,), (0, 3)], [(2,), (3,)], [(0,), (1,)], [(2,), (1, 2)]]
    patches = [
        (pair, [Site(component, layer, place)])
        for pair in range(len(PAIRS))
        for place in places[pair]
        for layer in range(bridge.cfg.n_layers)
    ]
    found = patch_sites(bridge, encoded, patches, direction=direction, batch_size=7, min_gap=1e-6)
    expected = [loop_score(bridge, encoded, pair, sites[0], base, source) for pair, sites in patches]
    np.testing.assert_allclose(found.scores, expected, rtol=1e-4, atol=1e-4)
    for which, values in ((base, found.base), (source, found.source)):
        plain = [plain_score(bridge, encoded, pair, which) for pair, _ in patches]
        np.testing.assert_allclose(values, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("score", ["logit_difference", "kl"])
def test_patching_everything_gives_the_source_and_nothing_the_base(bridge, encoded, score):
    patches = []
    for pair in range(len(encoded)):
        everywhere = tuple(range(len(encoded.clean[pair])))
        patches += [(pair, [Site("residual", 0, everywhere)]), (pair, [Site("residual", 1, ())]), (pair, [])]
    found = patch_sites(bridge, encoded, patches, score=score, min_gap=1e-6)
    np.testing.assert_allclose(found.effects[0::3], 1, atol=1e-4)
    np.testing.assert_allclose(found.effects[1::3], 0, atol=1e-4)
    np.testing.assert_allclose(found.effects[2::3], 0, atol=1e-4)


@pytest.mark.parametrize("direction", ["denoising", "noising"])
def test_the_kl_score_is_the_divergence_of_the_source_run_from_the_patched_one(bridge, encoded, direction):
    """Written out token by token; the divergence the other way round would be something else."""
    base, source = ("corrupt", "clean") if direction == "denoising" else ("clean", "corrupt")

    def next_token(pair, which, hooks=()):
        with torch.no_grad():
            logits = bridge.run_with_hooks(
                torch.tensor([getattr(encoded, which)[pair]]), fwd_hooks=list(hooks)
            )
        return logits[0, -1].double().softmax(-1).tolist()

    def divergence(of, other):
        return sum(p * math.log(p / q) for p, q in zip(of, other, strict=True))

    for pair, site in ((0, Site("mlp", 1, (1, 3))), (1, Site("residual", 1, (2,)))):
        name, kept = component_hook(bridge, site.component, site.layer), {}
        p = next_token(
            pair, source, [(name, lambda value, hook, kept=kept: kept.update(value=value.clone()))]
        )

        def overwrite(value, hook, site=site, kept=kept):
            value = value.clone()
            value[:, list(site.places)] = kept["value"][:, list(site.places)]
            return value

        q, unpatched = next_token(pair, base, [(name, overwrite)]), next_token(pair, base)
        found = patch_sites(bridge, encoded, [(pair, [site])], direction=direction, score="kl", min_gap=1e-6)
        np.testing.assert_allclose(found.scores[0], -divergence(p, q), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(found.base[0], -divergence(p, unpatched), rtol=1e-3, atol=1e-5)
        assert found.source[0] == 0
        expected = (divergence(p, unpatched) - divergence(p, q)) / divergence(p, unpatched)
        np.testing.assert_allclose(found.effects[0], expected, rtol=1e-2, atol=1e-4)
        assert abs(divergence(q, p) - divergence(p, q)) > 0.01 * divergence(p, q)


def test_what_a_block_adds_to_every_position_patched_in_every_block_with_the_input_is_everything(
    bridge, encoded
):
    patches = []
    for pair in range(len(encoded)):
        everywhere = tuple(range(len(encoded.clean[pair])))
        sites = [Site("residual", 0, everywhere)]
        for layer in range(bridge.cfg.n_layers):
            sites += [Site("heads", layer, tuple(range(bridge.cfg.n_heads))), Site("mlp", layer, everywhere)]
        patches.append((pair, sites))
    np.testing.assert_allclose(patch_sites(bridge, encoded, patches, min_gap=1e-6).effects, 1, atol=1e-4)


def test_positions_before_the_first_difference_have_no_effect(bridge, encoded):
    patches = [(1, [Site("residual", layer, (0, 1))]) for layer in range(bridge.cfg.n_layers)]
    np.testing.assert_allclose(patch_sites(bridge, encoded, patches, min_gap=1e-6).effects, 0, atol=1e-4)
    effects = patching_map(bridge, encoded, "residual", min_gap=1e-6).effects[1]
    assert effects.shape == (bridge.cfg.n_layers, 6)
    assert (effects[:, :2] == 0).all() and (effects[:, 2:] != 0).any()


def test_before_the_first_block_only_the_changed_tokens_matter(bridge, encoded):
    patches = [(pair, [Site("residual", 0, tuple(encoded.changed(pair)))]) for pair in range(len(encoded))]
    np.testing.assert_allclose(patch_sites(bridge, encoded, patches, min_gap=1e-6).effects, 1, atol=1e-4)


def test_heads_with_the_same_z_in_both_runs_have_no_effect(bridge, encoded):
    layer, head = 1, 2
    with bridge.hooks(fwd_hooks=[(f"blocks.{layer}.attn.hook_z", silence(head))]):
        effects = patching_map(bridge, encoded, "heads", min_gap=1e-6).effects
    for one in effects:
        assert abs(one[layer, head]) < 1e-4
        assert np.abs(one).max() > 1e-3


def silence(head):
    def hook(value, hook):
        value = value.clone()
        value[:, :, head] = 0
        return value

    return hook


def test_scores_before_patching_are_the_plain_ones_and_ranks_count_better_tokens(bridge, encoded):
    found = pair_scores(bridge, encoded)
    for pair in range(len(encoded)):
        np.testing.assert_allclose(found.clean[pair], plain_score(bridge, encoded, pair, "clean"), atol=1e-4)
        with torch.no_grad():
            logits = bridge(torch.tensor([encoded.clean[pair]]))[0, -1]
        assert found.rank[pair] == int((logits > logits[encoded.answer[pair][0]]).sum())


def test_a_pass_that_starts_at_a_layer_equals_the_whole_one_and_leaves_no_trace(bridge, texts):
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    kept = {}
    with torch.no_grad():
        whole = bridge.run_with_hooks(
            ids, fwd_hooks=[("blocks.2.hook_resid_pre", lambda value, hook: kept.update(value=value.clone()))]
        )
        with starting_at(bridge, 2):
            part = bridge.run_with_hooks(
                torch.zeros_like(ids),
                fwd_hooks=[("blocks.2.hook_resid_pre", lambda value, hook: kept["value"])],
            )
        assert torch.equal(part, whole)
        assert torch.equal(bridge(ids), whole)


def test_only_the_scored_position_reaches_the_unembedding(bridge):
    seen = []
    encoded = encode_pairs(bridge, PAIRS[:1])
    with bridge.hooks(fwd_hooks=[("unembed.hook_out", lambda value, hook: seen.append(value.shape[1]))]):
        patching_map(bridge, encoded, "residual", min_gap=1e-6)
    assert set(seen) == {1}


def test_a_pair_whose_scores_are_too_close_is_refused_and_named(bridge, encoded):
    scores = pair_scores(bridge, encoded)
    gaps = np.abs(scores.clean - scores.corrupt)
    limit = float(np.sort(gaps)[1])  # leaves one pair below
    assert scores.usable(limit).sum() == len(PAIRS) - 1
    with pytest.raises(InvalidInput, match="too little to divide by"):
        patching_map(bridge, encoded, "mlp", min_gap=limit)


def test_prompts_of_different_length_are_refused_and_the_differing_tokens_named(bridge):
    with pytest.raises(InvalidInput, match=r"4 tokens and .* 5; .*\['w2'\] against \['w7', 'w8'\]"):
        encode_pairs(bridge, [Pair("w1 w2 w3 w4", "w1 w7 w8 w3 w4", "w5", "w6")])


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (Pair("w1 w2", "w1 w2", "w5", "w6"), "same as the clean"),
        (Pair("w1 w2", "w1 w3", "w5", "w5"), "answers are the same"),
        (Pair("", "w1", "w5", "w6"), "no tokens"),
        (Pair("w1", "w2", "", "w6"), "no tokens"),
        (Pair("w1 " * 64, "w2 " * 64, "w3 w4", "w6"), "has 65 tokens"),
    ],
)
def test_pairs_that_cannot_be_patched_are_refused(bridge, pair, message):
    with pytest.raises(InvalidInput, match=message):
        encode_pairs(bridge, [pair])


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (Site("residual", 3, (0,)), r"no layer 3.\n.*valid: 0 to 2"),
        (Site("residual", 0, (4,)), r"no position 4.\n.*valid: 0 to 3"),
        (Site("heads", 0, (4,)), r"no head 4.\n.*valid: 0 to 3"),
    ],
)
def test_places_that_are_not_there_are_refused_with_the_valid_range(bridge, encoded, site, message):
    with pytest.raises(InvalidInput, match=message):
        patch_sites(bridge, encoded, [(0, [site])])


def test_unknown_names_are_refused(bridge, encoded):
    with pytest.raises(UnknownName, match="denoising"):
        patch_sites(bridge, encoded, [], direction="denoise")
    with pytest.raises(UnknownName, match="component"):
        patching_map(bridge, encoded, "head")


def test_important_places_are_those_above_the_threshold_largest_first():
    effects = np.array([[0.1, -0.6], [0.3, 0.2]])
    assert important(effects, 0.25) == [(0, 1, -0.6), (1, 0, 0.3)]


def test_some_of_the_pairs_are_what_they_would_be_encoded_alone(bridge, encoded):
    assert encoded.take([2, 0]) == encode_pairs(bridge, [PAIRS[2], PAIRS[0]])

from __future__ import annotations

import numpy as np
import pytest

from mechscope.errors import InvalidInput
from mechscope.lens.attribution_patching import attribution_map
from mechscope.lens.patching import Pair, Site, encode_pairs, patch_sites, patching_map
from mechscope.lens.patching_roles import (
    ROLES,
    crossing,
    handover,
    patch_roles,
    patchable,
    role_positions,
    sum_by_role,
    taken_over,
)

PAIRS = [
    Pair("w1 w2 w3 w4 w5", "w1 w9 w3 w4 w5", "w20", "w21"),
    Pair("w5 w6 w7 w8 w10 w11", "w5 w6 w12 w8 w13 w11", "w22 w23", "w24"),
    Pair("w3 w2 w1", "w3 w4 w1", "w25", "w26"),
]
LAYERS = [0, 2]


@pytest.fixture(scope="module")
def encoded(bridge):
    return encode_pairs(bridge, PAIRS)


def test_roles_are_the_changed_tokens_those_between_and_the_last_one(bridge, encoded):
    first = encoded.n_special
    assert role_positions(encoded, 0) == {
        "changed token": [first + 1], "between": [first + 2, first + 3], "last token": [first + 4]
    }  # fmt: skip
    assert role_positions(encoded, 1) == {
        "changed token": [first + 2, first + 4], "between": [first + 3], "last token": [first + 5]
    }  # fmt: skip
    assert role_positions(encoded, 2)["between"] == []
    changed_at_the_end = encode_pairs(bridge, [Pair("w1 w2 w3", "w1 w2 w4", "w5", "w6")])
    with pytest.raises(InvalidInput, match="also the last one"):
        role_positions(changed_at_the_end, 0)


@pytest.mark.parametrize(
    "pair, fits",
    [
        (PAIRS[0], True),
        (Pair("w1 w2 w3", "w1 w2 w4", "w5", "w6"), False),  # the last token changes
        (Pair("w1 w2 w3", "w1 w3", "w5", "w6"), False),  # other numbers of tokens
        (Pair("w1 w2 w3", "w1 w2 w3", "w5", "w6"), False),  # nothing changes
    ],
)
def test_pairs_are_patchable_by_role_where_the_same_token_begins_and_ends_both(bridge, pair, fits):
    assert patchable(bridge, [PAIRS[2], pair]).tolist() == [True, fits]


def test_a_changed_first_token_is_patchable_only_behind_a_beginning_of_sequence_token(bridge, encoded):
    pair = Pair("w1 w2 w3", "w9 w2 w3", "w5", "w6")
    assert patchable(bridge, [pair]).tolist() == [encoded.n_special > 0]


@pytest.mark.parametrize("options", [{}, {"direction": "noising"}, {"score": "kl"}])
@pytest.mark.parametrize("component", ["residual", "attention", "mlp"])
def test_a_role_is_all_of_its_positions_patched_in_one_run(bridge, encoded, component, options):
    effects = patch_roles(bridge, encoded, [component], layers=LAYERS, min_gap=1e-6, **options)[component]
    for pair in range(len(PAIRS)):
        for role, places in role_positions(encoded, pair).items():
            for column, layer in enumerate(LAYERS):
                measured = effects.of(role)[pair, column]
                if not places:
                    assert np.isnan(measured) and not effects.has(role)[pair]
                    continue
                patches = [(pair, [Site(component, layer, tuple(places))])]
                alone = patch_sites(bridge, encoded, patches, min_gap=1e-6, **options)
                assert measured == pytest.approx(alone.effects[0], abs=2e-4)
                assert effects.gaps[pair] == pytest.approx(abs(alone.source - alone.base)[0], rel=1e-3)


def test_components_patched_together_are_what_they_are_alone(bridge, encoded):
    together = patch_roles(bridge, encoded, ["attention", "mlp"], ("last token",), min_gap=1e-6)
    for component, effects in together.items():
        alone = patch_roles(bridge, encoded, [component], ("last token",), min_gap=1e-6)[component]
        np.testing.assert_allclose(effects.effects, alone.effects, atol=2e-4)


def test_means_are_over_the_pairs_that_have_tokens_of_the_role(bridge, encoded):
    effects = patch_roles(bridge, encoded, ["mlp"], min_gap=1e-6)["mlp"]
    np.testing.assert_allclose(effects.mean("between"), effects.of("between")[:2].mean(0))
    assert np.isnan(effects.mean("between", np.array([False, False, True]))).all()
    np.testing.assert_allclose(effects.mean("last token", np.arange(3) == 1), effects.of("last token")[1])


def test_sums_over_roles_add_up_single_positions(bridge, encoded):
    maps = attribution_map(bridge, encoded, "attention", min_gap=1e-6)
    sums = sum_by_role(maps, encoded)
    for pair, effects in enumerate(maps.effects):
        places = role_positions(encoded, pair)
        for role, name in enumerate(ROLES):
            np.testing.assert_allclose(
                sums[pair, role], sum((effects[:, at] for at in places[name]), np.zeros(len(effects)))
            )
    alone = encode_pairs(bridge, [PAIRS[2]])
    exact = patching_map(bridge, alone, "mlp", min_gap=1e-6)
    single = patch_roles(bridge, alone, ["mlp"], ("changed token", "last token"), min_gap=1e-6)["mlp"]
    ends = sum_by_role(exact, alone, ("changed token", "last token"))
    np.testing.assert_allclose(ends, single.effects, atol=2e-4)


def test_heads_have_no_role(bridge, encoded):
    with pytest.raises(InvalidInput, match="not by role"):
        patch_roles(bridge, encoded, ["heads"])


def planted(cross: float, layers: np.ndarray) -> np.ndarray:
    """Two straight lines over blocks that cross at a depth; between them a role that doesn't matter."""
    slope = (layers - cross) / 10
    return np.stack([0.5 - slope, np.full(len(layers), np.nan), 0.5 + slope])


@pytest.mark.parametrize("cross", [1.0, 2.5, 7.0, 8.9])
def test_lines_that_cross_between_blocks_are_handed_over_at_the_next_and_cross_where_they_do(cross):
    layers, n_layers = np.arange(0, 12, 3), 12
    means = planted(cross, layers)
    following = next(layer for layer in layers if layer > cross)
    assert handover(means, layers, n_layers) == following / n_layers
    assert crossing(means, layers, n_layers) == pytest.approx(cross / n_layers)
    assert taken_over(means)


def test_many_draws_are_read_at_once_and_lines_that_never_cross_give_the_end():
    layers = np.arange(0, 12, 3)
    draws = np.stack([planted(cross, layers) for cross in (2.0, 50.0, -5.0)])
    np.testing.assert_allclose(handover(draws, layers, 12), [3 / 12, 1, 0])
    np.testing.assert_allclose(crossing(draws, layers, 12), [2 / 12, 1, 0])
    assert not taken_over(draws[0][::-1])

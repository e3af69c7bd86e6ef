from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mechscope.errors import InvalidInput
from mechscope.lens.toy_superposition import ToyRecipe, dimensionality, represented, train_toys


def corners(n: int) -> torch.Tensor:
    """The corners of a regular polygon as columns."""
    angles = torch.arange(n) * 2 * math.pi / n
    return torch.stack([angles.cos(), angles.sin()])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (torch.eye(4), 1.0),
        (torch.tensor([[1.0, -1.0]]), 1 / 2),
        (corners(3), 2 / 3),
        (corners(5), 2 / 5),
        (7.0 * corners(5), 2 / 5),  # lengths do not matter as long as they are equal
        (torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]), 3 / 4),  # tetrahedron
    ],
)
def test_dimensionality_is_that_of_known_arrangements(weights, expected):
    found = dimensionality(weights)
    torch.testing.assert_close(found, torch.full_like(found, expected))


def test_dimensionality_keeps_unrelated_parts_apart_and_gives_nothing_to_missing_features():
    weights = torch.zeros(4, 9)
    weights[0, 0] = 1.0  # alone
    weights[1, 1], weights[1, 2] = 1.0, -1.0  # a pair
    weights[2:, 3:8] = corners(5)
    expected = torch.tensor([1, 0.5, 0.5, *[0.4] * 5, 0], dtype=torch.float64)
    torch.testing.assert_close(dimensionality(weights), expected)
    assert represented(weights).tolist() == [True] * 8 + [False]


def test_equally_long_directions_share_no_more_dimensions_than_there_are():
    weights = torch.randn(7, 40, generator=torch.Generator().manual_seed(0))
    weights /= weights.norm(dim=0)
    assert float(dimensionality(weights).sum()) <= 7 + 1e-9


@given(
    hidden=st.integers(2, 6),
    features=st.integers(1, 12),
    missing=st.integers(0, 3),
    scale=st.floats(1e-2, 1e2),
    seed=st.integers(0, 2**31),
)
def test_dimensionality_does_not_change_when_the_space_is_turned_mirrored_or_scaled(
    hidden, features, missing, scale, seed
):
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(hidden, features, generator=random, dtype=torch.float64)
    weights[:, : min(missing, features)] = 0
    turn, _ = torch.linalg.qr(torch.randn(hidden, hidden, generator=random, dtype=torch.float64))
    order = torch.randperm(features, generator=random)
    found = dimensionality(weights)
    torch.testing.assert_close(dimensionality(scale * turn @ weights), found, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(dimensionality(weights[:, order]), found[order])
    assert bool(((found >= 0) & (found <= 1 + 1e-12)).all())


@pytest.fixture(scope="module")
def toys():
    return train_toys(ToyRecipe(densities=(1.0, 0.01), replicates=2))


def test_dense_features_leave_the_most_important_ones_in_orthogonal_directions(toys):
    for weights in toys.weights[0]:
        assert represented(weights).nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4]
        kept = weights[:, :5]
        torch.testing.assert_close(kept.T @ kept, torch.eye(5), atol=0.05, rtol=0)


def test_sparse_features_are_more_than_the_dimensions(toys):
    for weights in toys.weights[1]:
        norms = weights.norm(dim=0)
        assert int(((norms > 0.8) & (norms < 1.3)).sum()) >= 10


def test_five_sparse_features_in_a_plane_are_the_corners_of_a_pentagon():
    recipe = ToyRecipe(features=5, hidden=2, densities=(0.02,), decay=0.9, replicates=3)
    toys = train_toys(recipe)
    found = dimensionality(toys.best()[0])
    torch.testing.assert_close(found, torch.full_like(found, 2 / 5), atol=0.02, rtol=0)


def test_the_best_replicate_is_the_one_with_the_smallest_loss(toys):
    for density, weights in enumerate(toys.best()):
        at = int(toys.losses[density].argmin())
        assert torch.equal(weights, toys.weights[density, at])
    assert float(toys.losses[1].max()) < float(toys.losses[0].min()), "sparse features cost less"


def test_the_same_recipe_gives_the_same_models_whatever_torch_drew_before():
    recipe = ToyRecipe(features=6, hidden=2, densities=(0.1,), steps=20)
    first = train_toys(recipe)
    torch.rand(3)
    assert torch.equal(first.weights, train_toys(recipe).weights)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hidden": 20}, "without any superposition"),
        ({"densities": (0.0,)}, "not probabilities"),
        ({"densities": ()}, "not probabilities"),
        ({"decay": 1.5}, "do not fall"),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": 0.0}, "trains nothing"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(InvalidInput, match=message):
        ToyRecipe(**wrong)

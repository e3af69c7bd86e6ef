from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.geometry import (
    cluster,
    cosines,
    dominance,
    has_cosines,
    off_diagonal,
    without_dimensions,
)


def test_cosines_are_those_of_hand_computed_vectors():
    found = cosines(torch.tensor([[1.0, 0.0], [1.0, 1.0], [-2.0, 0.0]]), centred=False)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(found, [[1, half, -1], [half, 1, -half], [-1, -half, 1]], atol=1e-12)


def test_a_large_common_part_makes_raw_cosines_near_one_and_leaves_centred_ones_alone():
    vectors = torch.randn(8, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shifted = vectors + 1000.0
    assert off_diagonal(cosines(shifted, centred=False)).min() > 0.999
    np.testing.assert_allclose(cosines(shifted, centred=True), cosines(vectors, centred=True), atol=1e-9)


def test_centring_pushes_the_mean_cosine_to_minus_one_over_n_minus_one():
    # Exactly so when all centred vectors have the same length, as the corners of a simplex do.
    n = 7
    found = off_diagonal(cosines(torch.eye(n), centred=True))
    np.testing.assert_allclose(found, -1 / (n - 1), atol=1e-12)


def test_units_are_centred_separately():
    units = (
        torch.randn(3, 2, 6, 5, generator=torch.Generator().manual_seed(1))
        + torch.arange(3.0)[:, None, None, None]
    )
    found = cosines(units, centred=True)
    assert found.shape == (3, 2, 6, 6)
    np.testing.assert_allclose(found[2, 1], cosines(units[2, 1], centred=True), atol=1e-12)


def test_vectors_without_a_direction_are_refused():
    same = torch.full((4, 3), 5.0)
    with pytest.raises(InvalidInput, match="length 0 after centring"):
        cosines(same, centred=True)
    with pytest.raises(InvalidInput, match="length 0"):
        cosines(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), centred=False)
    with pytest.raises(InvalidInput, match="finite"):
        cosines(torch.tensor([[float("nan"), 0.0], [1.0, 0.0]]), centred=False)
    with pytest.raises(InvalidInput, match="at least 2"):
        cosines(torch.ones(1, 3), centred=False)


def test_units_without_cosines_are_told_before_they_are_refused():
    silent, same, alone = torch.zeros(4, 3), torch.full((4, 3), 5.0), torch.eye(4)[:, :3]
    varied = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))
    units = torch.stack([silent, same, alone, varied])
    assert has_cosines(units, centred=True).tolist() == [False, False, True, True]
    assert has_cosines(units, centred=False).tolist() == [False, True, False, True]
    for centred in (True, False):
        assert cosines(units[has_cosines(units, centred=centred)], centred=centred).shape == (2, 4, 4)
        for unit in units[~has_cosines(units, centred=centred)]:
            with pytest.raises(InvalidInput, match="length 0"):
                cosines(unit, centred=centred)


def test_dominance_names_the_large_dimension_and_the_share_of_the_mean():
    vectors = torch.tensor([[3.0, 10.0, 0.0], [-3.0, 10.0, 0.0]])
    found = dominance(vectors)
    assert found.dimensions.tolist() == [1, 0, 2]
    np.testing.assert_allclose(found.shares, [100 / 109, 9 / 109, 0])
    np.testing.assert_allclose(found.mean_share, 100 / 109)
    assert dominance(vectors - vectors.mean(0)).mean_share == 0


def test_dimensions_are_left_out():
    vectors = torch.arange(6.0).reshape(2, 3)
    assert without_dimensions(vectors, np.array([2, 0])).tolist() == [[1.0], [4.0]]


def test_clustering_finds_planted_groups_and_keeps_them_together():
    generator = torch.Generator().manual_seed(2)
    centres = 4 * torch.eye(8)[:3]
    groups = torch.tensor([0, 1, 2] * 5)
    similarity = cosines(centres[groups] + 0.3 * torch.randn(15, 8, generator=generator), centred=True)
    tree = cluster(similarity)
    cut = tree.cut(3)
    assert len({(int(group), int(part)) for group, part in zip(groups, cut, strict=True)}) == 3
    ordered = groups.numpy()[tree.order]
    assert (np.diff(ordered) != 0).sum() == 2
    assert sorted(tree.order) == list(range(15))


def test_clustering_refuses_what_is_no_matrix_of_cosines():
    for wrong in (np.ones((2, 3)), np.array([[1, 0.5], [0.2, 1]]), np.zeros((2, 2))):
        with pytest.raises(InvalidInput):
            cluster(wrong)

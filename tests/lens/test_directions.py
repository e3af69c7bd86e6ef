from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import n_neurons_of
from mechscope.lens.directions import (
    layer_spread,
    of_some_length,
    output_directions,
    random_cosine_density,
    spread,
)


def test_orthogonal_directions_fill_every_dimension_whatever_their_lengths():
    found = spread(torch.diag(torch.tensor([1.0, 2.0, 5.0, 0.1])))
    assert (found.rms, found.smallest, found.largest) == (0, 0, 0)
    assert found.participation == pytest.approx(4)
    assert (found.opposed, found.aligned) == (0, 0)


def test_pairs_of_opposites_have_half_as_many_dimensions_as_directions():
    found = spread(torch.cat([torch.eye(3), -torch.eye(3)]))
    assert found.participation == pytest.approx(3)
    assert (found.opposed, found.aligned, found.smallest) == (3, 0, -1)
    assert found.mean == pytest.approx(-3 / 15)
    assert found.rms == pytest.approx((3 / 15) ** 0.5)


def test_copies_of_one_direction_fill_a_single_dimension():
    found = spread(torch.ones(5, 8))
    assert found.participation == pytest.approx(1)
    assert found.aligned == found.counts.sum() == 10


def test_gaussian_directions_are_what_the_closed_forms_say():
    directions = torch.randn(700, 50, generator=torch.Generator().manual_seed(0))
    found = spread(directions, bins=40)
    assert found.rms == pytest.approx(found.rms_random, rel=0.01)
    assert found.participation == pytest.approx(found.participation_random, rel=0.01)
    middle = (found.edges[1:] + found.edges[:-1]) / 2
    shares = found.counts / found.counts.sum() / np.diff(found.edges)
    assert shares == pytest.approx(random_cosine_density(middle, 50), abs=0.06)
    assert found.ratio == pytest.approx(1, abs=0.01)
    assert found.pairs == found.counts.sum()
    frame = found.densities(reach=0.3)
    assert frame["cosine"].abs().max() < 0.3
    expected = random_cosine_density(frame["cosine"].to_numpy(), 50)
    assert frame["density"].to_numpy() == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("d", [3, 10, 576])
def test_the_density_of_cosines_has_mass_one_and_variance_one_over_d(d):
    def part(power: int) -> float:
        def height(cosine: float) -> float:
            return cosine**power * float(random_cosine_density(np.array([cosine]), d)[0])

        return quad(height, -1, 1, points=[0])[0]

    assert part(0) == pytest.approx(1, rel=1e-6)
    assert part(2) == pytest.approx(1 / d, rel=1e-6)


@pytest.fixture
def uneven_gain(bridge):
    """The norm behind an MLP, where there is one, with a gain that differs by dimension."""
    norm = getattr(bridge.blocks[1], "ln2_post", None)
    if norm is None:
        yield
        return
    before = norm.weight.detach().clone()
    with torch.no_grad():
        norm.weight.copy_(torch.rand(before.shape, generator=torch.Generator().manual_seed(0)))
    yield
    with torch.no_grad():
        norm.weight.copy_(before)


@pytest.mark.usefixtures("uneven_gain")
def test_a_neuron_switched_on_moves_the_stream_along_its_output_direction(bridge):
    ids = torch.tensor([[3, 4, 5]])
    name, neuron = "blocks.1.mlp.hook_post", 5
    size = 1e4  # so large that the norm behind the MLP sees this neuron alone

    def only(value, hook):
        value = torch.zeros_like(value)
        value[..., neuron] = size
        return value

    written = {}

    def keep(value, hook):
        written["mid"] = value

    def after(value, hook):
        written["post"] = value

    hooks = [(name, only), ("blocks.1.hook_resid_mid", keep), ("blocks.1.hook_resid_post", after)]
    with torch.no_grad(), bridge.hooks(fwd_hooks=hooks):
        bridge(ids)
    moved = (written["post"] - written["mid"])[0, -1].double()
    expected = output_directions(bridge, 1)[neuron]
    cosine = torch.nn.functional.cosine_similarity(moved, expected, dim=0)
    assert float(cosine) == pytest.approx(1, abs=1e-5)
    row = bridge.blocks[1].mlp.W_out[neuron].double()
    assert torch.equal(output_directions(bridge, 1, gain=False)[neuron], row)
    assert torch.equal(expected, row) == (not hasattr(bridge.blocks[1], "ln2_post"))


@pytest.mark.usefixtures("uneven_gain")
def test_a_layer_is_read_with_its_gain_and_without_and_without_its_largest_dimensions(bridge):
    with torch.no_grad():
        before = bridge.blocks[1].mlp.W_out.detach().clone()
        bridge.blocks[1].mlp.W_out[:, 5] *= 100
        bridge.blocks[1].mlp.W_out[0] = 0  # a pruned neuron
    layer = layer_spread(bridge, 1, left_out=1)
    directions = output_directions(bridge, 1)[1:]
    rows = output_directions(bridge, 1, gain=False)[1:]
    with torch.no_grad():
        bridge.blocks[1].mlp.W_out.copy_(before)
    assert layer.largest_dimension == 5
    shares = directions[:, 5] ** 2 / (directions**2).sum(1)
    assert layer.largest_share == pytest.approx(float(shares.mean()))
    assert layer.directions.rms == pytest.approx(spread(directions).rms)
    assert layer.rows.rms == pytest.approx(spread(rows).rms)
    rest = torch.cat([directions[:, :5], directions[:, 6:]], 1)
    assert layer.without.rms == pytest.approx(spread(rest).rms)
    assert layer.without.rms < layer.directions.rms
    assert layer.own_dimension.shape == (len(directions),)
    assert layer.own_dimension.sum() <= layer.directions.d + 1e-6


def test_refusals(bridge):
    with pytest.raises(InvalidInput):
        output_directions(bridge, 3)
    with pytest.raises(InvalidInput, match="length 0"):
        spread(torch.zeros(2, 3))
    with pytest.raises(InvalidInput, match="no other"):
        spread(torch.ones(1, 3))
    with pytest.raises(InvalidInput, match="no angles"):
        random_cosine_density(np.array([0.0]), 1)


def test_neurons_that_write_nothing_have_no_direction_and_are_left_out():
    pruned = torch.cat([torch.eye(3), torch.zeros(2, 3)])
    assert torch.equal(of_some_length(pruned), torch.eye(3))
    assert spread(of_some_length(pruned)).n == 3
    assert len(of_some_length(torch.zeros(2, 3))) == 0


def test_neurons_of_a_layer_are_counted_where_they_have_output_weights_of_their_own(bridge):
    assert n_neurons_of(bridge) == len(output_directions(bridge, 0))

    def model(*shapes):
        mlps = [
            SimpleNamespace() if shape is None else SimpleNamespace(W_out=torch.zeros(shape))
            for shape in shapes
        ]
        return SimpleNamespace(
            blocks=[SimpleNamespace(mlp=mlp) for mlp in mlps],
            cfg=SimpleNamespace(n_layers=len(mlps), model_name="made up"),
            hook_dict={f"blocks.{layer}.mlp.hook_post": None for layer in range(len(mlps))},
        )

    assert n_neurons_of(model((6, 4), (6, 4))) == 6
    for other in (model(None), model((6, 4), None), model((2, 6, 4)), model((6, 4), (8, 4))):
        assert n_neurons_of(other) == 0  # experts, some of them, weights for each expert, layers that differ
    attention_only = model(None)
    attention_only.blocks = [SimpleNamespace()]
    assert n_neurons_of(attention_only) == 0
    unhooked = model((6, 4))
    unhooked.hook_dict = {}
    assert n_neurons_of(unhooked) == 0  # no technique could read its activations

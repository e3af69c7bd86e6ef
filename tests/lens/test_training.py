from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechscope.errors import InvalidInput
from mechscope.lens.attention import head_scores
from mechscope.lens.repeats import repeated_tokens
from mechscope.lens.training import (
    Recipe,
    periodic_loss,
    phase_change,
    repeating_rows,
    train,
)
from tests.lens.planted import VOCABULARY, planted_model

SHORT = Recipe(steps=12, every=5, batch=4, d_model=16, n_heads=2, vocabulary=20, context=20, periods=(4, 8))


@pytest.fixture(scope="module")
def short():
    return train(SHORT)


def test_the_same_recipe_gives_the_same_model_bit_for_bit_and_another_seed_another(short):
    torch.manual_seed(99)  # what stands in the global generator doesn't matter
    again, other = train(SHORT), train(dataclasses.replace(SHORT, seed=1))
    for name, value in short.checkpoints[-1].weights.items():
        assert torch.equal(value, again.checkpoints[-1].weights[name])
    assert np.array_equal(short.losses, again.losses)
    assert not np.array_equal(short.losses, other.losses)


def test_training_leaves_the_global_random_state_and_the_number_of_threads_alone():
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    train(SHORT)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_checkpoints_go_from_the_beginning_to_the_last_step_and_can_be_restored(short):
    assert [point.step for point in short.checkpoints] == [0, 5, 10, 12]
    ids, lengths = repeating_rows(8, SHORT, np.random.default_rng(0))
    first = periodic_loss(short.restore(short.checkpoints[0]), ids, lengths)
    last = periodic_loss(short.restore(short.checkpoints[-1]), ids, lengths)
    untrained = train(dataclasses.replace(SHORT, steps=1)).checkpoints[0]
    for name, value in untrained.weights.items():
        assert torch.equal(value, short.checkpoints[0].weights[name])
    assert first.early.mean() > last.early.mean()


def test_the_bridge_computes_what_was_trained(short):
    ids, _ = repeating_rows(3, SHORT, np.random.default_rng(0))
    bridge = short.restore(short.checkpoints[-1])
    with torch.no_grad():
        assert torch.equal(bridge(ids, return_type="logits"), bridge.original_model(ids))


def test_rows_repeat_with_the_length_that_is_given_for_them():
    ids, lengths = repeating_rows(200, Recipe(), np.random.default_rng(0))
    assert set(lengths) == set(range(8, 25))
    for row, length in zip(ids, lengths, strict=True):
        assert torch.equal(row[length:], row[:-length])


def test_losses_are_those_of_the_positions_that_they_name():
    bridge = planted_model()
    recipe = Recipe(vocabulary=VOCABULARY, context=40, periods=(10, 20))
    rng = np.random.default_rng(0)
    copies = repeated_tokens(
        bridge, 4, 20, rng=rng
    ).ids  # different tokens: the planted circuit is sure of them
    found = periodic_loss(bridge, copies, np.full(4, 20))
    assert (found.late < 1.0).all()
    assert (found.early > math.log(VOCABULARY) * 0.9).all()
    assert recipe.context == copies.shape[1]


def test_two_layers_learn_to_copy_and_one_layer_does_not():
    recipe = Recipe(steps=330, every=330, batch=32, context=32, periods=(5, 14), vocabulary=32)
    scores, losses = {}, {}
    for n_layers in (1, 2):
        trained = train(dataclasses.replace(recipe, n_layers=n_layers))
        rows = repeated_tokens(trained.bridge, 8, 12, rng=np.random.default_rng(0))
        scores[n_layers] = head_scores(trained.bridge, rows).mean("induction").max()
        ids, lengths = repeating_rows(32, recipe, np.random.default_rng(1))
        losses[n_layers] = periodic_loss(trained.bridge, ids, lengths).late.mean()
    assert scores[2] > 0.5 > 0.3 > scores[1]
    assert losses[2] < 1.2 < 2.0 < losses[1]


STEPS = list(range(0, 250, 10))
"""Of 25 checkpoints, as many as the analysis takes."""


def test_a_sudden_fall_is_a_phase_change_where_it_is():
    found = phase_change(STEPS, [4.0] * 10 + [2.5, 1.0] + [0.5] * 13)
    assert (found.start, found.end) == (90, 120)
    assert found.share == pytest.approx(1) and found.kept == pytest.approx(1)
    assert found.fall == pytest.approx(3.5)
    assert found.sudden(fall=1.0)
    assert not found.sudden(fall=3.6)


def test_a_steady_fall_is_none_however_far_it_goes():
    found = phase_change(STEPS, np.linspace(4, 0.5, 25).tolist())
    assert found.share == pytest.approx(3 / 24) and found.kept == pytest.approx(1)
    assert not found.sudden(fall=0.1)


def test_a_spike_downwards_that_is_taken_back_is_none():
    found = phase_change(STEPS, [4.0] * 10 + [2.0, 0.5, 2.0] + [4.0] * 12)
    assert found.share == pytest.approx(1) and found.fall == pytest.approx(3.5)
    assert found.kept == pytest.approx(0)
    assert not found.sudden(fall=1.0)


def test_a_curve_that_falls_a_little_and_then_rises_above_where_it_began_is_none():
    found = phase_change(STEPS, [4.5, 4.2, 4.0, 3.9, *np.linspace(4, 9, 21)])
    assert found.share == pytest.approx(1)  # the share of the whole fall says nothing about such a curve
    assert found.kept < 0
    assert not found.sudden(fall=0.1)


@pytest.mark.parametrize("seed", range(20))
def test_noise_about_a_level_is_none(seed):
    curve = 4 + 0.05 * np.random.default_rng(seed).standard_normal(25)
    assert not phase_change(STEPS, curve.tolist()).sudden(fall=1.0)


def test_a_curve_that_never_falls_has_no_share_of_a_fall():
    found = phase_change(STEPS, np.linspace(1, 2, 25).tolist())
    assert (found.share, found.kept) == (0, 0) and found.fall < 0
    assert not found.sudden(fall=-1.0)
    assert phase_change(STEPS, [3.0] * 25).share == 0


@settings(max_examples=200)
@given(st.lists(st.floats(0, 20), min_size=5, max_size=30), st.integers(1, 4), st.floats(-5, 5))
def test_shares_lie_between_nothing_and_all_and_do_not_depend_on_the_level(values, window, level):
    steps = list(range(len(values)))
    found = phase_change(steps, values, window=window)
    assert 0 <= found.share <= 1 + 1e-9 and found.kept <= 1 + 1e-9
    moved = phase_change(steps, [value + level for value in values], window=window)
    assert moved.fall == pytest.approx(found.fall, abs=1e-9)


def test_bad_input_is_told_what_would_do():
    with pytest.raises(InvalidInput, match="do not fit rows of 48"):
        Recipe(periods=(8, 60))
    with pytest.raises(InvalidInput, match="steps is 0"):
        Recipe(steps=0)
    with pytest.raises(InvalidInput, match="5 heads cannot share"):
        Recipe(n_heads=5)
    with pytest.raises(InvalidInput, match="trains nothing"):
        Recipe(learning_rate=0)
    with pytest.raises(InvalidInput, match="not finite"):
        phase_change([0, 1, 2, 3, 4], [1.0, 1.0, math.nan, 3.0, 2.0])
    with pytest.raises(InvalidInput, match="needs more than"):
        phase_change([0, 1], [1.0, 0.0])
    with pytest.raises(InvalidInput, match="from 3 to 18 tokens"):
        periodic_loss(planted_model(), torch.zeros(1, 20, dtype=torch.long), np.array([19]))

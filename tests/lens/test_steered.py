from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.edited import damage, read_streams
from mechscope.lens.steered import Sides, read_sides, steering_damage
from mechscope.lens.steering import random_directions, shuffled_directions, steer

TEXTS = ["w1 w2 w3", "w4 w5 w6", "w7 w8", "w9 w10 w11", "w12 w3", "w5 w6 w7"]
TOWARDS = np.array([True, False] * 3)
WORDS = ([4, 5, 6], [7, 8])


@pytest.fixture(scope="module")
def sides(bridge) -> Sides:
    return read_sides(bridge, tokenise(bridge, TEXTS), TOWARDS, WORDS, blocks=[0, 1])


def scores_of(bridge, text: str, hooks: list) -> float:
    ids = torch.tensor(tokenise(bridge, [text]).ids)
    with torch.no_grad():
        p = bridge.run_with_hooks(ids, fwd_hooks=hooks)[0, -1].double().softmax(-1)
    return float(p[WORDS[0]].sum().log() - p[WORDS[1]].sum().log())


def test_the_score_is_the_log_of_the_odds_between_the_sides_words(bridge, sides):
    assert sides.score == pytest.approx([scores_of(bridge, text, []) for text in TEXTS], abs=1e-4)
    assert sides.gap() == pytest.approx(sides.score[TOWARDS].mean() - sides.score[~TOWARDS].mean())
    some = np.array([True, True, True, True, False, False])
    assert sides.gap(some) == pytest.approx(sides.score[[0, 2]].mean() - sides.score[[1, 3]].mean())


def test_each_prompt_is_steered_towards_the_other_side_by_its_own_vector(bridge, sides):
    vectors = torch.randn(2, 6, bridge.cfg.d_model, generator=torch.Generator().manual_seed(0))
    shift = sides.shift(1, vectors)
    special = sides.streams.n_special
    for setting in range(2):
        for row, text in enumerate(TEXTS):
            sign = -1.0 if TOWARDS[row] else 1.0
            edit = steer(bridge, 1, sign * vectors[setting, row], n_special=special)
            moved = scores_of(bridge, text, edit) - sides.score[row]
            assert shift[setting, row] == pytest.approx(sign * moved, abs=1e-3)


def test_vectors_of_length_zero_move_nothing(bridge, sides):
    assert np.allclose(sides.shift(0, torch.zeros(1, 6, bridge.cfg.d_model)), 0, atol=1e-5)


def test_damage_is_the_mean_over_settings_of_each_settings_damage(bridge):
    tokenised = tokenise(bridge, TEXTS[:2])
    streams = read_streams(bridge, tokenised, [1], reads=[[1], [0, 1]])
    vectors = torch.randn(3, 2, bridge.cfg.d_model, generator=torch.Generator().manual_seed(1))
    together = steering_damage(bridge, streams, 1, vectors, n_special=0)
    apart = [damage(bridge, streams, 1, steer(bridge, 1, each, n_special=0)) for each in vectors]
    for name in ("kl", "loss_rise"):
        expected = torch.stack([getattr(each, name) for each in apart]).mean(0)
        torch.testing.assert_close(getattr(together, name), expected, rtol=1e-4, atol=1e-6)


def test_bad_input_is_told_what_would_do(bridge, sides):
    tokenised = tokenise(bridge, TEXTS)
    with pytest.raises(InvalidInput, match="each side of a concept needs a word"):
        read_sides(bridge, tokenised, TOWARDS, ([4], []), blocks=[0])
    with pytest.raises(InvalidInput, match="each side of a concept needs a word"):
        read_sides(bridge, tokenised, np.ones(6, dtype=bool), WORDS, blocks=[0])
    with pytest.raises(InvalidInput, match="6 prompts cannot be steered with vectors for 5"):
        sides.shift(0, torch.zeros(1, 5, bridge.cfg.d_model))


def test_random_directions_have_the_length_of_another_and_no_preferred_direction():
    like = torch.arange(1.0, 33.0)
    drawn = random_directions((50, 40), like, np.random.default_rng(0))
    assert drawn.shape == (50, 40, 32)
    torch.testing.assert_close(drawn.norm(dim=-1), like.norm().expand(50, 40))
    cosines = drawn.flatten(0, 1) @ like / like.square().sum()
    assert abs(float(cosines.mean())) < 0.02
    assert float(cosines.std()) == pytest.approx(32**-0.5, rel=0.1)


def test_shuffled_directions_lose_what_tells_the_sides_apart_and_keep_what_pairs_differ_in():
    generator = torch.Generator().manual_seed(0)
    concept, topic = torch.eye(8)[0], torch.eye(8)[1]
    sign = torch.tensor([1.0, -1.0])[None, :, None]
    residuals = 5 * sign * concept + 3 * torch.randn(10, 1, 1, generator=generator) * topic
    drawn = shuffled_directions(residuals, (20, 3), 7 * concept, np.random.default_rng(0))
    torch.testing.assert_close(drawn.norm(dim=-1), torch.full((20, 3), 7.0))
    torch.testing.assert_close(drawn[..., 1].abs(), torch.full((20, 3), 7.0))  # along the topic alone
    with pytest.raises(InvalidInput, match="1 pairs have no two halves"):
        shuffled_directions(residuals[:1], (1, 1), concept, np.random.default_rng(0))

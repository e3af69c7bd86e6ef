from __future__ import annotations

import numpy as np
import pytest

from mechscope.errors import UnknownName
from mechscope.lens.ablation import ablation, copying_loss
from mechscope.lens.core.components import Head, all_heads
from mechscope.lens.removal import Removal, heads_like, removal
from mechscope.lens.repeats import repeated_tokens
from mechscope.lens.spans import spans_of_copies
from tests.lens.planted import INDUCTION, PREVIOUS, VOCABULARY, planted_model

IDLE = (Head(0, 1), Head(1, 0))


@pytest.fixture(scope="module")
def planted() -> Removal:
    bridge = planted_model()
    copies = repeated_tokens(bridge, 6, 12, rng=np.random.default_rng(0))
    reference = repeated_tokens(bridge, 6, 12, rng=np.random.default_rng(1)).ids
    heads = all_heads(bridge)
    ablations = {
        "mean": ablation(bridge, heads, "mean", reference=reference),
        "zero": ablation(bridge, heads, "zero"),
    }
    return removal(bridge, spans_of_copies(copies), ablations)


@pytest.mark.parametrize("method", ["mean", "zero"])
def test_planted_heads_carry_copying_and_idle_ones_do_not(planted: Removal, method: str) -> None:
    gain = planted.clean.gain
    for head in (PREVIOUS, INDUCTION):
        assert planted.second_rise([head], method=method).mean() > 0.5 * gain.mean()
    assert np.allclose(planted.second_rise(IDLE, method=method), 0, atol=1e-3)


def test_without_the_only_head_that_writes_answers_all_tokens_are_equally_surprising(
    planted: Removal,
) -> None:
    rise = planted.rise([INDUCTION], method="zero")
    assert planted.clean.second + rise.second == pytest.approx(np.log(VOCABULARY), abs=1e-5)
    assert planted.clean.first + rise.first == pytest.approx(np.log(VOCABULARY), abs=1e-5)


def test_copying_of_rows_is_what_copying_loss_says(planted: Removal) -> None:
    rows = repeated_tokens(planted.bridge, 6, 12, rng=np.random.default_rng(0))
    own = copying_loss(planted.bridge, rows)
    assert np.allclose(planted.clean.first, own.first, atol=1e-5)
    assert np.allclose(planted.clean.second, own.second, atol=1e-5)


def test_a_rise_at_the_second_occurrence_is_the_mean_over_sets(planted: Removal) -> None:
    apart = [planted.rise([head]).second for head in (INDUCTION, IDLE[0])]
    assert np.allclose(planted.second_rise([INDUCTION], [IDLE[0]]), np.mean(apart, axis=0), atol=1e-6)
    assert np.allclose(planted.second_rise([INDUCTION, *IDLE], n=1), apart[0], atol=1e-6)


@pytest.mark.parametrize("sets, n", [([()], None), ([], None), ([IDLE], 3), ([IDLE, ()], 1)])
def test_what_no_heads_or_too_few_remove_is_not_a_number(planted: Removal, sets: list, n: int | None) -> None:
    assert np.isnan(planted.second_rise(*sets, n=n)).all()
    assert np.isnan(planted.rise(()).first).all()


def test_a_method_that_was_not_prepared_is_named(planted: Removal) -> None:
    with pytest.raises(UnknownName, match="unknown prepared ablation 'resample'"):
        planted.rise([INDUCTION], method="resample")


@pytest.mark.parametrize("seed", range(5))
def test_heads_like_others_are_of_the_same_layers_while_these_last_then_of_the_nearest(seed: int) -> None:
    everywhere = [Head(layer, head) for layer in range(4) for head in range(3)]
    given = [Head(1, 0), Head(1, 1), Head(3, 2)]
    pool = [head for head in everywhere if head not in given]
    like = heads_like(given, pool, rng=np.random.default_rng(seed))
    assert like[0] == Head(1, 2) and like[1].layer in (0, 2) and like[2].layer == 3
    assert len(set(like)) == 3 and not set(like) & set(given)


def test_each_head_of_a_pool_is_as_likely_as_the_others_of_its_layer() -> None:
    pool = [Head(0, head) for head in range(4)]
    rng = np.random.default_rng(0)
    drawn = [heads_like([Head(0, 9)], pool, rng=rng)[0].head for _ in range(2_000)]
    assert np.allclose(np.bincount(drawn) / 2_000, 0.25, atol=0.04)


def test_a_pool_that_does_not_last_gives_fewer_heads() -> None:
    assert heads_like([Head(0, 0), Head(2, 0)], [Head(1, 0)], rng=np.random.default_rng(0)) == (Head(1, 0),)
    assert heads_like([Head(0, 0)], [], rng=np.random.default_rng(0)) == ()

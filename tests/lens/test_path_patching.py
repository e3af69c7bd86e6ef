from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.core.components import Head, all_heads
from mechscope.lens.path_patching import PathPatcher, composition, strongest_senders
from mechscope.lens.repeats import repeated_tokens
from tests.lens.planted import BOS, INDUCTION, PREVIOUS, planted_model

IDLE = Head(0, 1)


@pytest.fixture(scope="module")
def planted():
    return planted_model()


@pytest.fixture(scope="module")
def rows(planted):
    rng = np.random.default_rng(0)
    return [repeated_tokens(planted, 5, 19, rng=rng, prepend_bos=True, bos_id=BOS) for _ in range(2)]


def test_the_planted_induction_head_lives_off_the_previous_token_head_by_its_keys(planted, rows):
    found = composition(planted, *rows, INDUCTION, [PREVIOUS, IDLE])
    np.testing.assert_allclose(found.clean, 1, atol=1e-6)
    assert (found.drop[0] > 0.9).all()
    assert (found.drop[1] == 0).all()
    np.testing.assert_allclose(found.drop_all, found.drop[0])


def test_senders_are_ordered_by_their_mean_drop_and_noise_is_a_tie(planted, rows):
    path = composition(planted, *rows, INDUCTION, [Head(0, 1), PREVIOUS])
    assert path.order() == [1, 0]
    assert path.mean_drop(decimals=3)[0] == 0 and path.mean_drop()[1] == path.drop[1].mean()
    first, alone = strongest_senders([path, composition(planted, *rows, INDUCTION, [PREVIOUS])]).itertuples()
    assert (first.receiver, first.sender) == (str(INDUCTION), str(PREVIOUS))
    assert (first.score, first.fall) == (path.clean.mean(), path.drop[1].mean())
    assert first.second == path.drop[0].mean() and np.isnan(alone.second)
    assert list(strongest_senders([])) == ["receiver", "score", "sender", "fall", "second"]


def test_the_previous_token_head_reaches_nothing_by_the_queries(planted, rows):
    found = composition(planted, *rows, INDUCTION, [PREVIOUS, IDLE], into="query")
    assert (found.drop == 0).all()


def test_only_the_path_is_patched_and_not_what_else_the_sender_reaches(planted, rows):
    # L1H0 has keys of weight 0: what reaches the stream at the other head's layer must not reach it.
    patcher = PathPatcher(planted, rows[0].ids, rows[1].ids, Head(1, 0))
    assert torch.equal(patcher.patched([PREVIOUS]).pattern, patcher.clean.pattern)


def test_the_attention_called_alone_gives_the_models_own_pattern_and_z(bridge):
    rng = np.random.default_rng(0)
    rows, donors = (repeated_tokens(bridge, 3, 8, rng=rng) for _ in range(2))
    with torch.no_grad():
        _, cache = bridge.run_with_cache(rows.ids)
    for receiver in (Head(1, 0), Head(2, 3)):
        clean = PathPatcher(bridge, rows.ids, donors.ids, receiver).clean
        name = f"blocks.{receiver.layer}.attn.hook_"
        torch.testing.assert_close(
            clean.pattern, cache[name + "pattern"][:, receiver.head], rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(clean.z, cache[name + "z"][:, :, receiver.head], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("into", ["key", "query"])
def test_donors_that_are_the_rows_themselves_change_nothing(bridge, into):
    rows = repeated_tokens(bridge, 3, 8, rng=np.random.default_rng(0))
    found = composition(bridge, rows, rows, Head(2, 1), all_heads(bridge, [0, 1]), into=into)
    np.testing.assert_allclose(found.drop, 0, atol=1e-6)


@pytest.mark.parametrize("into", ["key", "query"])
def test_a_path_is_what_hooks_that_write_it_out_give(bridge, into):
    """One block before the receiver: its whole effect through the stream, computed the long way."""
    rng = np.random.default_rng(0)
    rows, donors = (repeated_tokens(bridge, 3, 8, rng=rng) for _ in range(2))
    receiver, sender = Head(1, 3), Head(0, 2)
    with torch.no_grad():
        _, clean = bridge.run_with_cache(rows.ids)
        _, other = bridge.run_with_cache(donors.ids)

    def swap(value, hook):
        value = value.clone()
        value[:, :, sender.head] = other["blocks.0.attn.hook_z"][:, :, sender.head]
        return value

    frozen = ("blocks.0.hook_mlp_out", lambda value, hook: clean["blocks.0.hook_mlp_out"])
    letter = "k" if into == "key" else "q"
    name = f"blocks.1.attn.hook_{letter}"
    taken = {}
    with (
        torch.no_grad(),
        bridge.hooks(
            fwd_hooks=[
                ("blocks.0.attn.hook_z", swap),
                frozen,
                (name, lambda value, hook: taken.update(new=value.clone())),
            ]
        ),
    ):
        bridge(rows.ids, return_type="logits")
    n_kv = bridge.cfg.n_key_value_heads or bridge.cfg.n_heads
    at = receiver.head // (bridge.cfg.n_heads // n_kv) if into == "key" else receiver.head

    def put(value, hook):
        value = value.clone()
        value[:, :, at] = taken["new"][:, :, at]
        return value

    with (
        torch.no_grad(),
        bridge.hooks(
            fwd_hooks=[
                (name, put),
                ("blocks.1.attn.hook_pattern", lambda value, hook: taken.update(pattern=value.clone())),
            ]
        ),
    ):
        bridge(rows.ids, return_type="logits")
    found = PathPatcher(bridge, rows.ids, donors.ids, receiver).patched([sender], into=into)
    assert (found.pattern - clean["blocks.1.attn.hook_pattern"][:, 3]).abs().max() > 1e-4
    torch.testing.assert_close(found.pattern, taken["pattern"][:, receiver.head], rtol=1e-4, atol=1e-5)


def test_bad_input_is_told_what_would_do(planted, rows):
    with pytest.raises(InvalidInput, match="no head before it"):
        PathPatcher(planted, rows[0].ids, rows[1].ids, Head(0, 0))
    with pytest.raises(InvalidInput, match="has layers 0 to 1"):
        PathPatcher(planted, rows[0].ids, rows[1].ids, Head(2, 0))
    with pytest.raises(InvalidInput, match="cannot be patched from donors"):
        PathPatcher(planted, rows[0].ids, rows[1].ids[:3], INDUCTION)
    patcher = PathPatcher(planted, rows[0].ids, rows[1].ids, INDUCTION)
    with pytest.raises(InvalidInput, match="senders lie in layers 0 to 0"):
        patcher.patched([Head(1, 0)])
    with pytest.raises(InvalidInput, match="no senders"):
        patcher.patched([])
    with pytest.raises(UnknownName, match="did you mean 'key'"):
        patcher.patched([PREVIOUS], into="keys")

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.ablation import ablation, copying_loss
from mechscope.lens.core.components import Head, Mlp, all_heads
from mechscope.lens.repeats import repeated_tokens
from tests.lens.planted import BOS, INDUCTION, PREVIOUS, VOCABULARY, planted_model

IDLE = [Head(0, 1), Head(1, 0)]


def watching(seen, name):
    return name, lambda value, hook: seen.update({name: value.clone()})


@pytest.fixture(scope="module")
def planted():
    return planted_model()


@pytest.fixture(scope="module")
def rows(planted):
    return repeated_tokens(planted, 6, 20, rng=np.random.default_rng(0), prepend_bos=True, bos_id=BOS)


@pytest.fixture(scope="module")
def others(planted):
    return repeated_tokens(planted, 8, 20, rng=np.random.default_rng(1), prepend_bos=True, bos_id=BOS)


def test_the_planted_circuit_copies(planted, rows):
    found = copying_loss(planted, rows)
    assert (found.second < 0.01).all()
    assert (found.first > math.log(VOCABULARY) * 0.9).all()
    np.testing.assert_allclose(found.gain, found.first - found.second)


@pytest.mark.parametrize("head", [PREVIOUS, INDUCTION])
@pytest.mark.parametrize("method", ["zero", "mean", "resample"])
def test_ablating_either_planted_head_stops_copying(planted, rows, others, head, method):
    stopped = ablation(
        planted, [head], method, reference=others.ids, n_rows=len(rows), rng=np.random.default_rng(2)
    )
    assert (copying_loss(planted, rows, ablated=stopped).second > 3).all()


@pytest.mark.parametrize("method", ["zero", "mean", "resample"])
def test_ablating_a_head_that_writes_nothing_changes_nothing_bit_for_bit(planted, rows, others, method):
    nothing = ablation(
        planted, IDLE, method, reference=others.ids, n_rows=len(rows), rng=np.random.default_rng(2)
    )
    # The idle heads write 0 through weights of 0, whatever their z.
    clean, ablated = copying_loss(planted, rows), copying_loss(planted, rows, ablated=nothing)
    assert np.array_equal(clean.second, ablated.second)
    assert np.array_equal(clean.first, ablated.first)


def test_copying_loss_is_the_loss_of_the_whole_logits(bridge):
    rows = repeated_tokens(bridge, 5, 9, rng=np.random.default_rng(0), prepend_bos=True)
    found = copying_loss(bridge, rows, batch_size=2)
    for at, ids in enumerate(rows.ids):
        with torch.no_grad():
            log_probs = bridge(ids[None], return_type="logits")[0].log_softmax(-1)
        of = [-log_probs[p - 1, ids[p]].item() for p in range(1, len(ids))]
        assert found.first[at] == pytest.approx(np.mean(of[1:9]), rel=1e-4)
        assert found.second[at] == pytest.approx(np.mean(of[10:18]), rel=1e-4)


def test_mean_and_resample_write_what_the_reference_set_says(bridge):
    rng = np.random.default_rng(0)
    rows = repeated_tokens(bridge, 4, 6, rng=rng)
    reference = repeated_tokens(bridge, 5, 6, rng=rng).ids
    parts = [Head(1, 2), Head(2, 0), Mlp(0), Mlp(1)]
    with torch.no_grad():
        _, cache = bridge.run_with_cache(reference)
    for method in ("mean", "resample"):
        prepared = ablation(
            bridge, parts, method, reference=reference, n_rows=4, rng=np.random.default_rng(3), batch_size=2
        )
        seen: dict[str, torch.Tensor] = {}
        watch = [watching(seen, f"blocks.{layer}.attn.hook_z") for layer in (1, 2)]
        watch += [watching(seen, f"blocks.{layer}.hook_mlp_out") for layer in (0, 1)]
        at = torch.arange(4)
        with torch.no_grad(), bridge.hooks(fwd_hooks=[*prepared.hooks(at), *watch]):
            bridge(rows.ids, return_type="logits")
        for part in parts:
            name = f"blocks.{part.layer}." + ("attn.hook_z" if isinstance(part, Head) else "hook_mlp_out")
            of = (slice(None), slice(None), part.head) if isinstance(part, Head) else slice(None)
            kept, got = cache[name][of], seen[name][of]
            wanted = kept.mean(0).expand(4, -1, -1) if method == "mean" else kept[prepared.donors]
            torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_ablated_mlps_write_nothing_to_the_stream(bridge):
    rows = repeated_tokens(bridge, 2, 6, rng=np.random.default_rng(0))
    seen: dict[str, torch.Tensor] = {}
    watch = [watching(seen, f"blocks.1.hook_resid_{at}") for at in ("mid", "post")]
    prepared = ablation(bridge, [Mlp(1)], "zero")
    with torch.no_grad(), bridge.hooks(fwd_hooks=[*prepared.hooks(torch.arange(2)), *watch]):
        bridge(rows.ids, return_type="logits")
    assert torch.equal(*seen.values())


def test_batches_of_ablated_rows_equal_rows_alone(bridge):
    rng = np.random.default_rng(0)
    rows = repeated_tokens(bridge, 5, 6, rng=rng)
    reference = repeated_tokens(bridge, 5, 6, rng=rng).ids
    prepared = ablation(
        bridge,
        all_heads(bridge, [1]),
        "resample",
        reference=reference,
        n_rows=5,
        rng=np.random.default_rng(1),
    )
    together = copying_loss(bridge, rows, ablated=prepared)
    alone = copying_loss(bridge, rows, ablated=prepared, batch_size=1)
    np.testing.assert_allclose(together.second, alone.second, rtol=1e-5)


def test_bad_input_is_told_what_is_missing(planted, rows, others):
    with pytest.raises(UnknownName, match="did you mean 'mean'"):
        ablation(planted, [INDUCTION], "mena")
    with pytest.raises(InvalidInput, match="no heads or MLPs"):
        ablation(planted, [], "zero")
    with pytest.raises(InvalidInput, match="heads of planted go from 0 to 1"):
        ablation(planted, [Head(0, 2)], "zero")
    with pytest.raises(InvalidInput, match="needs a reference set"):
        ablation(planted, [INDUCTION], "mean")
    with pytest.raises(InvalidInput, match="needs a donor"):
        ablation(planted, [INDUCTION], "resample", reference=others.ids)
    longer = ablation(planted, [INDUCTION], "mean", reference=others.ids[:, :30])
    with pytest.raises(InvalidInput, match="rows of 30 tokens"):
        copying_loss(planted, rows, ablated=longer)
    few = ablation(
        planted, [INDUCTION], "resample", reference=others.ids, n_rows=2, rng=np.random.default_rng(0)
    )
    with pytest.raises(InvalidInput, match="no donor"):
        copying_loss(planted, rows, ablated=few)
    with pytest.raises(InvalidInput, match="which rows a batch holds"):
        few.hooks()

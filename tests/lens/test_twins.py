from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.ablation import ablation
from mechscope.lens.core.components import Head, all_heads
from mechscope.lens.core.tokens import TokenisedTexts, tokenise
from mechscope.lens.twins import Twins, read_twins
from tests.lens.planted import INDUCTION, PREVIOUS, planted_model

TEXTS = ["w1 w2 w3", "w4 w2 w3", "w7 w8 w9", "w9 w8 w9", "w5 w6", "w6 w6"]
OWN, OTHER = [4, 5, 6, 7, 8, 9], [5, 4, 7, 6, 9, 8]


@pytest.fixture(scope="module")
def twins(bridge) -> Twins:
    return read_twins(bridge, tokenise(bridge, TEXTS), OWN, OTHER, tokens=range(3, 20))


def preferences(bridge, hooks: list) -> np.ndarray:
    logits = []
    for text in TEXTS:
        with torch.no_grad():
            ids = torch.tensor(tokenise(bridge, [text]).ids)
            logits.append(bridge.run_with_hooks(ids, fwd_hooks=hooks)[0, -1])
    return np.array(
        [float(row[own] - row[other]) for row, own, other in zip(logits, OWN, OTHER, strict=True)]
    )


def test_the_preference_is_the_logit_of_the_own_answer_minus_the_twins(bridge, twins):
    expected = preferences(bridge, [])
    assert twins.preference == pytest.approx(expected, abs=1e-4)
    assert twins.known.tolist() == np.flatnonzero((expected.reshape(-1, 2) > 0).all(1)).tolist()
    assert twins.mean_preference(np.array([2, 0])) == pytest.approx(
        expected.reshape(-1, 2).mean(1)[[2, 0]], abs=1e-4
    )


@pytest.mark.parametrize("head", [Head(0, 1), Head(2, 3)])
def test_a_loss_is_what_a_whole_pass_without_the_head_loses(bridge, twins, head):
    silent = ablation(bridge, [head], "zero").hooks()
    lost = (preferences(bridge, []) - preferences(bridge, silent)).reshape(-1, 2).mean(1)
    assert twins.losses(head, np.arange(3)) == pytest.approx(lost, abs=1e-3)
    assert twins.losses(head, np.array([2])) == pytest.approx(lost[[2]], abs=1e-3)


def test_the_costliest_head_of_a_whole_shortlist_costs_most_of_all(bridge, twins):
    heads, pairs = all_heads(bridge), np.arange(3)
    exact = [twins.losses(head, pairs).mean() for head in heads]
    head, costs = twins.costliest(pairs, shortlist=len(heads))
    assert head == heads[int(np.argmax(exact))]
    assert sorted(cost for _, cost in costs) == pytest.approx(sorted(exact), abs=1e-4)
    estimates = [estimate for estimate, _ in costs]
    assert estimates == sorted(estimates, reverse=True)
    assert estimates[0] == pytest.approx(twins.estimates(pairs).max())


def test_copying_needs_the_planted_circuit_and_no_idle_head():
    planted = planted_model()
    rows = [(0, 5, 9, 7, 5), (0, 5, 8, 7, 5), (0, 11, 3, 2, 11), (0, 11, 4, 2, 11)]  # 5 9 … 5 → 9
    prompts = TokenisedTexts(("", "", "", ""), tuple(rows), 1)
    twins = read_twins(planted, prompts, [9, 8, 3, 4], [8, 9, 4, 3])
    pairs = np.arange(2)
    assert twins.known.tolist() == [0, 1]
    for head in all_heads(planted):
        share = twins.losses(head, pairs) / twins.mean_preference(pairs)
        assert np.allclose(share, 1 if head == INDUCTION else share) and (
            head in (INDUCTION, PREVIOUS) or np.allclose(share, 0, atol=1e-3)
        )
    assert twins.costliest(pairs, shortlist=4)[0] in (INDUCTION, PREVIOUS)


def test_bad_input_is_told_what_would_do(bridge, twins):
    tokenised = tokenise(bridge, TEXTS)
    with pytest.raises(InvalidInput, match="6 prompts, 5 own answers and 6 others make no pairs"):
        read_twins(bridge, tokenised, OWN[:5], OTHER)
    with pytest.raises(InvalidInput, match="token 4 is not among"):
        read_twins(bridge, tokenised, OWN, OTHER, tokens=[5, 6, 7, 8, 9])
    with pytest.raises(InvalidInput, match="a shortlist of 0 heads"):
        twins.costliest(np.arange(3), shortlist=0)

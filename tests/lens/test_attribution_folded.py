"""Attribution on models whose norms are folded into their weights (`load_model(…, folded=True)`)."""

from __future__ import annotations

import copy

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

from mechscope.lens.attribution import attribute, attribute_neurons
from mechscope.lens.core.tokens import tokenise

ANSWERS = torch.tensor([5, 9, 40, 4, 62, 17])
OTHERS = torch.tensor([6, 3, 12, 61, 8, 20])
PARTS = ("embedding", "position", "heads", "attention_biases", "mlps", "mlp_biases", "final_bias")


@pytest.fixture(scope="module")
def raw(bridge) -> TransformerBridge:
    """The models of the other tests, with gains and biases that folding moves."""
    made = copy.deepcopy(bridge)
    with torch.no_grad():
        for name, value in made.named_parameters():
            if "ln" in name or "norm" in name or name.endswith("bias"):
                value.add_(torch.linspace(-0.4, 0.5, value.numel()).reshape(value.shape))
    return made


@pytest.fixture(scope="module")
def folded(raw) -> TransformerBridge:
    made = copy.deepcopy(raw)
    made.enable_compatibility_mode(disable_warnings=True)
    return made


READINGS = pytest.mark.parametrize(
    ("others", "centred"), [(None, True), (OTHERS, False)], ids=["centred", "difference"]
)


@READINGS
def test_the_parts_sum_to_the_logit_of_a_folded_model(raw, folded, texts, others, centred):
    tokenised = tokenise(raw, texts)
    found = attribute(folded, tokenised, ANSWERS, others, centred=centred)
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            logits = raw(torch.tensor([ids]))[0, -1]
        expected = logits[ANSWERS[at]] - (logits.mean() if others is None else logits[others[at]])
        assert float(found.total[at]) == pytest.approx(float(expected), abs=2e-5)


@READINGS
def test_folding_moves_nothing_but_the_value_biases_out_of_the_heads(raw, folded, texts, others, centred):
    """A head's attention sums to 1, so its b_V is a constant, which folding adds to the layer's b_O."""
    tokenised = tokenise(raw, texts)
    before = attribute(raw, tokenised, ANSWERS, others, centred=centred)
    after = attribute(folded, tokenised, ANSWERS, others, centred=centred)
    for name in PARTS:
        if name not in ("heads", "attention_biases"):
            torch.testing.assert_close(getattr(after, name), getattr(before, name), rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(
        after.heads.sum(1) + after.attention_biases,
        before.heads.sum(1) + before.attention_biases,
        rtol=1e-4,
        atol=2e-5,
    )
    moved = (after.heads - before.heads).abs().max()
    if raw.cfg.architecture == "GPT2LMHeadModel":
        assert moved > 0.05
    else:  # no biases
        assert moved < 2e-5
    neurons = attribute_neurons(folded, tokenised, ANSWERS, others, centred=centred)
    torch.testing.assert_close(neurons.contributions.sum(1), before.mlps, rtol=1e-4, atol=2e-5)


def test_folding_takes_the_mean_out_of_a_raw_logit(raw, folded, texts):
    tokenised = tokenise(raw, texts)
    raw_of_folded = attribute(folded, tokenised, ANSWERS)
    centred = attribute(raw, tokenised, ANSWERS, centred=True)
    torch.testing.assert_close(raw_of_folded.total, centred.total, rtol=1e-4, atol=2e-5)
    assert (raw_of_folded.total - attribute(raw, tokenised, ANSWERS).total).abs().max() > 0.05

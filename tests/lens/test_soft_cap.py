"""A real Gemma 2, tiny and random: it caps its logits and its attention scores."""

from __future__ import annotations

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import Gemma2Config, Gemma2ForCausalLM

from mechscope.errors import InvalidInput
from mechscope.lens.answers import score_answers
from mechscope.lens.attribution import attribute, attribute_neurons
from mechscope.lens.core.readout import soft_cap
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.logit_lens import logit_by_layer, logit_lens
from tests.lens.conftest import WORDS
from tests.lens.tiny import boot, make_telling

CAP = 4.0
ANSWERS = torch.tensor([5, 9, 40, 4, 62, 17])


def gemma2(**changes: object) -> Gemma2ForCausalLM:
    settings = {
        "vocab_size": len(WORDS),
        "bos_token_id": 1,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "query_pre_attn_scalar": 8,
        "sliding_window": 3,
        "max_position_embeddings": 64,
        "attn_implementation": "eager",
        "final_logit_softcapping": CAP,
        "attn_logit_softcapping": 1.0,
    }
    model = Gemma2ForCausalLM(Gemma2Config(**{**settings, **changes}))
    make_telling(model)
    return model.eval()


@pytest.fixture(scope="module")
def original() -> Gemma2ForCausalLM:
    """What Hugging Face computes: a model of its own, which no bridge has touched."""
    return gemma2()


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> TransformerBridge:
    return boot(gemma2(), tmp_path_factory.mktemp("gemma2"))


def last_logits(model: torch.nn.Module, ids: tuple[int, ...]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1]


def test_the_cap_is_read_from_the_models_own_configuration(capped):
    assert soft_cap(capped) == CAP


@pytest.mark.parametrize("cap", ["final_logit_softcapping", "attn_logit_softcapping"])
def test_either_cap_changes_what_this_model_says(original, capped, texts, cap):
    """Otherwise the tests below would pass without any cap."""
    ids = tokenise(capped, texts).ids[2]
    assert (last_logits(gemma2(**{cap: None}), ids) - last_logits(original, ids)).abs().max() > 0.05


def test_the_last_row_of_the_lens_is_the_capped_model(original, capped, texts):
    tokenised = tokenise(capped, texts)
    lens = logit_lens(capped, tokenised, ANSWERS)
    for at, ids in enumerate(tokenised.ids):
        expected = last_logits(original, ids).log_softmax(-1)
        torch.testing.assert_close(lens.log_prob[-1, at], expected[ANSWERS[at]], rtol=1e-4, atol=1e-5)
        entropy = -(expected.exp() * expected).sum()
        torch.testing.assert_close(lens.entropy[-1, at], entropy, rtol=1e-4, atol=1e-5)


def test_answers_are_scored_behind_the_cap(original, capped, texts):
    found = score_answers(capped, texts, ["w9", "w1 w2", "w5", "w8", "w4 w4", "w7"])
    for at, (ids, answer) in enumerate(zip(tokenise(capped, texts).ids, found.ids, strict=True)):
        row, expected = ids, 0.0
        for token in answer:
            expected += float(last_logits(original, row).log_softmax(-1)[token])
            row = (*row, token)
        assert float(found.log_prob[at]) == pytest.approx(expected, rel=1e-4)


def test_a_capped_logit_is_not_taken_apart_unasked(capped, texts):
    tokenised = tokenise(capped, texts)
    for take_apart in (attribute, attribute_neurons):
        with pytest.raises(InvalidInput, match=r"caps its logits at ±4 \(tanh\)"):
            take_apart(capped, tokenised, ANSWERS)


def test_the_parts_sum_to_the_logit_before_the_cap(original, capped, texts):
    """The cap put on the sum gives the logit that the model reports."""
    tokenised = tokenise(capped, texts)
    found = attribute(capped, tokenised, ANSWERS, before_cap=True)
    by_layer = logit_by_layer(capped, tokenised, ANSWERS, centred=False)
    neurons = attribute_neurons(capped, tokenised, ANSWERS, before_cap=True)
    torch.testing.assert_close(by_layer[-1], found.total, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(neurons.contributions.sum(1), found.mlps, rtol=1e-5, atol=1e-5)
    for at, ids in enumerate(tokenised.ids):
        reported = float(last_logits(original, ids)[ANSWERS[at]])
        assert float(CAP * torch.tanh(found.total[at] / CAP)) == pytest.approx(reported, abs=1e-5)
        assert abs(float(found.total[at])) > abs(reported)

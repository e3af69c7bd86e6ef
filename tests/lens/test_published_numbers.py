"""Claims about agreement with published numbers of GPT-2 small; they fetch it: `pytest --hub`.

The loss and the logit difference are those of TransformerLens' tests and of its "Exploratory Analysis
Demo", the induction scores those of its "Main Demo" (https://github.com/TransformerLensOrg/TransformerLens).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.lens.answers import score_answers
from mechscope.lens.attention import head_scores
from mechscope.lens.attribution import attribute
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.repeats import repeated_tokens

pytestmark = [pytest.mark.hub, pytest.mark.weights]

IOI = (
    ("When John and Mary went to the shops,{} gave the bag to", " Mary", " John"),
    ("When Tom and James went to the park,{} gave the ball to", " James", " Tom"),
    ("When Dan and Sid went to the shops,{} gave an apple to", " Sid", " Dan"),
    ("After Martin and Amy went to the park,{} gave a drink to", " Amy", " Martin"),
)


@pytest.fixture(scope="module")
def gpt2():
    from mechscope.models import load_model

    return load_model("gpt2-small")


def test_the_loss_on_hello_world_is_the_published_one(gpt2):
    ids = torch.tensor(tokenise(gpt2, ["Hello world!"], prepend_bos=True).ids)
    with torch.inference_mode():
        loss = gpt2(ids, return_type="loss")
    assert loss.item() == pytest.approx(5.33186, abs=1e-4)


def test_the_logit_difference_on_indirect_objects_is_the_published_one_and_the_sum_of_its_parts(gpt2):
    rows = [
        (prompt.format(subject), answer, subject)
        for prompt, one, other in IOI
        for answer, subject in ((one, other), (other, one))
    ]
    prompts = [row[0] for row in rows]
    asked = tokenise(gpt2, prompts, prepend_bos=True)
    answers = score_answers(gpt2, prompts, [row[1] for row in rows], prepend_bos=True).first
    others = score_answers(gpt2, prompts, [row[2] for row in rows], prepend_bos=True).first
    parts = attribute(gpt2, asked, answers, others)
    assert parts.logit.mean().item() == pytest.approx(3.5519, abs=1e-3)
    assert parts.total.mean().item() == pytest.approx(3.5519, abs=1e-3)


def test_the_induction_heads_are_the_published_ones(gpt2):
    rows = repeated_tokens(gpt2, 32, 50, rng=np.random.default_rng(0), prepend_bos=True)
    scores = head_scores(gpt2, rows).mean("induction")
    published = {(5, 5): 0.932, (6, 9): 0.913, (7, 10): 0.910, (5, 1): 0.908, (7, 2): 0.833}
    assert {place: scores[place] for place in published} == pytest.approx(published, abs=0.05)
    assert set(published) == {
        tuple(int(i) for i in np.unravel_index(at, scores.shape)) for at in np.argsort(-scores, axis=None)[:5]
    }

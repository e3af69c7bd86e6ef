"""Which positions count: whatever stands at the first one, no mean, maximum or sum over positions sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechscope.errors import InvalidInput
from mechscope.lens.ablation import copying_loss
from mechscope.lens.attention import head_scores
from mechscope.lens.core.tokens import TokenisedTexts, batches, first_counted, tokenise
from mechscope.lens.feature_influence import PlainDictionary, feature_influence
from mechscope.lens.logit_lens import logit_lens
from mechscope.lens.neuron_ablation import TextLosses
from mechscope.lens.neuron_texts import neuron_passages, token_activations
from mechscope.lens.neurons import neuron_statistics
from mechscope.lens.repeats import repeated_tokens
from mechscope.lens.spans import span_loss, span_scores, spans_of_copies
from mechscope.lens.training import periodic_loss

TEXTS = ["w1 w2 w3 w4", "w5 w6", "w7 w8 w9 w10 w11"]
HUGE = 1e4
# Where nothing behind it is read but what stands there itself.
STREAM, NEURONS, PATTERN = "blocks.1.hook_resid_post", "blocks.1.mlp.hook_post", "blocks.2.attn.hook_pattern"


def fields(result: Any, *but: str) -> list[Any]:
    return [value for name, value in vars(result).items() if name not in but]


def rows(bridge: Any, bos: bool) -> Any:
    return repeated_tokens(bridge, 3, 6, rng=np.random.default_rng(0), prepend_bos=bos)


def dictionary(bridge: Any) -> PlainDictionary:
    weights = torch.linspace(-1, 1, 3 * bridge.cfg.d_model).sin().view(bridge.cfg.d_model, 3)
    return PlainDictionary(weights, torch.zeros(3), weights.T.contiguous(), torch.zeros(bridge.cfg.d_model))


def influence(bridge: Any, bos: bool) -> list[Any]:
    shared = {"source": dictionary(bridge), "target": dictionary(bridge), "sources": [0], "targets": [2]}
    texts = tokenise(bridge, TEXTS, prepend_bos=bos)
    found = feature_influence(bridge, texts, source_layer=1, target_layer=1, **shared)
    return [found.gradient, found.causal, found.active]


def statistics(bridge: Any, bos: bool) -> list[Any]:
    found = neuron_statistics(bridge, tokenise(bridge, TEXTS, prepend_bos=bos), [1], top=3)
    return fields(found, "layers", "n_tokens")


POOLED: dict[str, tuple[str, Callable[[Any, bool], list[Any]]]] = {
    "neuron_statistics": (NEURONS, statistics),
    "token_activations": (
        NEURONS,
        lambda bridge, bos: token_activations(bridge, tokenise(bridge, TEXTS, prepend_bos=bos), [(1, 3)]),
    ),
    "neuron_passages": (
        NEURONS,
        lambda bridge, bos: [text.values for text in neuron_passages(bridge, TEXTS, (1, 3))],
    ),
    "feature_influence": (STREAM, influence),
    "copying_loss": (
        "ln_final.hook_out",
        lambda bridge, bos: fields(copying_loss(bridge, rows(bridge, bos))),
    ),
    "span_loss": (
        "ln_final.hook_out",
        lambda bridge, bos: fields(span_loss(bridge, spans_of_copies(rows(bridge, bos)))),
    ),
    "TextLosses": (
        "ln_final.hook_out",
        lambda bridge, bos: [TextLosses(bridge, tokenise(bridge, TEXTS[::2], prepend_bos=bos), 2).clean],
    ),
    "periodic_loss": (
        "ln_final.hook_out",
        lambda bridge, bos: fields(periodic_loss(bridge, rows(bridge, bos).ids, np.full(3, 6))),
    ),
    "logit_lens, items that count": (
        "blocks.2.hook_resid_post",
        lambda bridge, bos: _counted(bridge, tokenise(bridge, TEXTS, prepend_bos=bos)),
    ),
    "span_scores": (
        PATTERN,
        lambda bridge, bos: [span_scores(bridge, spans_of_copies(rows(bridge, bos)))],
    ),
    "head_scores": (
        PATTERN,
        lambda bridge, bos: fields(head_scores(bridge, rows(bridge, bos)), "chance"),
    ),
}  # fmt: skip
"""By name: where the first position is overwritten, and what is pooled or ranked over positions."""


def _counted(bridge: Any, tokenised: TokenisedTexts) -> list[Any]:
    lens = logit_lens(bridge, tokenised, positions="all")
    return [lens.log_prob[:, lens.counted], lens.entropy[:, lens.counted], lens.rank[:, lens.counted]]


def overwrite_first(value: Tensor, hook: Any) -> Tensor:
    changed = value.clone()
    changed[:, 0] = HUGE * torch.linspace(-1, 1, value[:, 0].numel()).view_as(value[:, 0])
    return changed


def overwrite_query(value: Tensor, hook: Any) -> Tensor:
    changed = value.clone()
    changed[:, :, 0] = HUGE
    return changed


@pytest.mark.parametrize("bos", [False, True], ids=["without BOS", "with BOS"])
@pytest.mark.parametrize("name", POOLED)
def test_nothing_that_is_pooled_over_positions_sees_the_first_one(bridge, name, bos):
    site, measure = POOLED[name]
    plain = measure(bridge, bos)
    edit = overwrite_query if site == PATTERN else overwrite_first
    with bridge.hooks(fwd_hooks=[(site, edit)]):
        changed = measure(bridge, bos)
    for one, other in zip(plain, changed, strict=True):
        np.testing.assert_allclose(np.asarray(other), np.asarray(one), rtol=1e-5, atol=1e-6)


def test_without_a_bos_the_first_token_of_a_text_does_not_count_on_either_side():
    texts = TokenisedTexts(("a", "b"), ((7, 8), (7, 8, 9, 9)), 0)
    right, left = (next(batches(texts, padding=side)) for side in ("right", "left"))
    assert right.counted.tolist() == [[False, True, False, False], [False, True, True, True]]
    assert left.counted.tolist() == [[False, False, False, True], [False, True, True, True]]
    assert first_counted(0) == first_counted(1) == 1


@pytest.mark.parametrize("texts", [["w1"], ["w1 w2", "w3"]])
def test_a_text_without_a_position_that_counts_is_refused_by_name(bridge, texts):
    tokenised = tokenise(bridge, texts, prepend_bos=False)
    for call in (
        lambda: neuron_statistics(bridge, tokenised, [0], top=1),
        lambda: token_activations(bridge, tokenised, [(0, 0)]),
        lambda: neuron_passages(bridge, texts, (0, 0)),
    ):
        with pytest.raises(InvalidInput, match=f"'{texts[-1]}' has no token that counts"):
            call()
    assert neuron_statistics(bridge, tokenise(bridge, texts, prepend_bos=True), [0], top=1).n_tokens > 0

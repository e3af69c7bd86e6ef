"""The real models. SmolLM2 is loaded once for all tests, Gemma in one test."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from safetensors import safe_open
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import ModelUnavailable
from mechscope.models import fetch, load_model
from mechscope.models.registry import EMBEDDED

pytestmark = pytest.mark.weights

PARAGRAPH = (
    "The Amazon rainforest covers much of northwestern Brazil and extends into Colombia, Peru and other "
    "South American countries. It is the world's largest tropical rainforest, famed for its biodiversity."
)


def load_or_skip(name: str) -> TransformerBridge:
    try:
        return load_model(name)
    except ModelUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def smollm2() -> TransformerBridge:
    return load_or_skip("smollm2-135m")


def loss(bridge: TransformerBridge, text: str, *, prepend_bos: bool) -> float:
    """Mean loss over the text's own tokens but the first, in nats."""
    tokens = bridge.to_tokens(text, prepend_bos=prepend_bos)
    with torch.inference_mode():
        losses = bridge(tokens, return_type="loss", loss_per_token=True)[0]
    return float(losses[1:].mean() if prepend_bos else losses.mean())


def require_declared_shape(bridge: TransformerBridge, name: str) -> None:
    model, cfg = EMBEDDED[name], bridge.cfg
    assert (model.layers, model.width, model.mlp_width) == (cfg.n_layers, cfg.d_model, cfg.d_mlp)
    assert (model.heads, model.kv_heads, model.vocabulary) == (
        cfg.n_heads,
        cfg.n_key_value_heads,
        cfg.d_vocab,
    )
    weights = fetch(name) / "model.safetensors"
    assert model.disk == weights.stat().st_size
    with safe_open(weights, "pt") as tensors:
        assert model.parameters == sum(
            math.prod(tensors.get_slice(key).get_shape())
            for key in tensors.keys()  # noqa: SIM118
        )
    assert cfg.default_prepend_bos is model.prepend_bos


def test_smollm2_is_what_the_registry_declares(smollm2: TransformerBridge) -> None:
    require_declared_shape(smollm2, "smollm2-135m")


def test_smollm2_knows_the_capital_of_france(smollm2: TransformerBridge) -> None:
    with torch.inference_mode():
        probabilities = smollm2("The capital of France is")[0, -1].softmax(-1)
    paris = smollm2.to_single_token(" Paris")
    assert probabilities.argmax() == paris
    assert probabilities[paris] == pytest.approx(0.77, abs=0.01)


def test_smollm2_predicts_plain_text_better_without_bos(smollm2: TransformerBridge) -> None:
    assert smollm2.to_tokens("Paris").shape == (1, 1)
    assert loss(smollm2, PARAGRAPH, prepend_bos=False) < loss(smollm2, PARAGRAPH, prepend_bos=True) < 3.5


@pytest.mark.parametrize("side", ["right", "left"])
def test_smollm2_predicts_for_a_batch_what_it_predicts_one_at_a_time(
    smollm2: TransformerBridge, require_batch_equals_singles: Callable[..., None], side: str
) -> None:
    require_batch_equals_singles(smollm2, side, atol=2e-3)


def test_gemma_is_what_the_registry_declares_and_needs_its_bos(
    require_batch_equals_singles: Callable[..., None],
) -> None:
    gemma = load_or_skip("gemma-3-270m")
    require_declared_shape(gemma, "gemma-3-270m")
    assert gemma.to_str_tokens("Paris") == ["<bos>", "Paris"]
    assert loss(gemma, PARAGRAPH, prepend_bos=True) < 3.2
    assert loss(gemma, PARAGRAPH, prepend_bos=False) > 1.5 * loss(gemma, PARAGRAPH, prepend_bos=True)
    require_batch_equals_singles(gemma, "left", atol=5e-3)

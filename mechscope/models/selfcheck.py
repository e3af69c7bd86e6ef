"""Is this bridge the model that it wraps? One sentence, each time a model is loaded.

The Hugging Face model's log-probabilities are computed before the bridge takes its modules apart, the bridge's
after. They differ when an adapter misreads the architecture (a norm, rotary positions, soft caps, an
activation), when folding goes wrong, or when the bridge tokenises otherwise than declared. For embedded
models the loss is compared with a pinned value as well, which would show wrong weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float, Int

from mechscope.errors import ModelMismatch
from mechscope.models.registry import Model

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SENTENCE = "The capital of France is Paris, and the river that runs through it is the Seine."

TOLERANCE = {"float32": 2e-3, "bfloat16": 0.5, "float16": 0.1}
LOSS_TOLERANCE = {"float32": 0.005, "bfloat16": 0.1, "float16": 0.05}


@dataclass(frozen=True)
class Measured:
    """What a model makes of the sentence."""

    tokens: Int[Tensor, "1 pos"]
    log_probabilities: Float[Tensor, "pos vocab"]

    @property
    def loss(self) -> float:
        """Mean loss over all tokens but the first, in nats."""
        following = self.tokens[0, 1:, None].to(self.log_probabilities.device)
        return float(-self.log_probabilities[:-1].gather(-1, following).mean())


def measure(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prepend_bos: bool) -> Measured:
    """Run the sentence through a Hugging Face model."""
    import torch

    ids = tokenizer(SENTENCE, add_special_tokens=False)["input_ids"]
    if prepend_bos and tokenizer.bos_token_id is not None:
        ids = [tokenizer.bos_token_id, *ids]
    tokens = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=tokens, use_cache=False).logits[0]
    return Measured(tokens, logits.float().log_softmax(-1))


def require_agreement(bridge: TransformerBridge, expected: Measured, model: Model) -> None:
    """Refuse a bridge that doesn't compute `expected`.

    Raises:
        ModelMismatch: It tokenises or predicts otherwise, or the loss is not the one that is pinned.
    """
    import torch

    tokens = bridge.to_tokens(SENTENCE)
    if tokens.tolist() != expected.tokens.tolist():
        raise _mismatch(
            model, f"it reads the sentence as tokens {tokens[0].tolist()}, not {expected.tokens[0].tolist()}"
        )
    with torch.inference_mode():
        logits = bridge(tokens)[0]
    found = Measured(tokens, logits.float().log_softmax(-1))
    precision = str(logits.dtype).removeprefix("torch.")
    difference = float((found.log_probabilities - expected.log_probabilities).abs().max())
    if not difference <= TOLERANCE[precision]:  # also refuses NaN
        raise _mismatch(
            model,
            f"log-probabilities differ from those of the Hugging Face model by up to {difference:.2g} "
            f"(at most {TOLERANCE[precision]:g} in {precision})",
        )
    if model.check_loss is not None and abs(found.loss - model.check_loss) > LOSS_TOLERANCE[precision]:
        raise _mismatch(
            model, f"the loss on the sentence is {found.loss:.4f} nats, {model.check_loss:.4f} is pinned"
        )


def _mismatch(model: Model, what: str) -> ModelMismatch:
    return ModelMismatch(
        f"{model.name} was refused by the check at load: {what}.",
        hint="nothing that it computes could be trusted; compare the versions of transformers and "
        "transformer-lens with requirements.txt",
    )

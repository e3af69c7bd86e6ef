"""From the end of the residual stream to a logit: the final norm with its scale frozen, and the unembedding.

A logit is linear in the residual stream once the final norm's scale is taken as it was in the pass: with x
the stream after the last block, w the norm's gain, b its bias and u a column of W_U,
logit = (x − mean x)·(w ∘ u) / scale + b·u + b_U (LayerNorm; RMSNorm has neither the mean nor b).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.tokens import require_tokens


def soft_cap(bridge: TransformerBridge) -> float | None:
    """The cap c of a model whose logits are c·tanh(raw / c); None where there is none."""
    cap = getattr(bridge.cfg, "output_logits_soft_cap", None)
    return float(cap) if cap is not None and cap > 0 else None


def unembed(
    bridge: TransformerBridge, residual: Float[Tensor, "item d_model"]
) -> Float[Tensor, "item vocab"]:
    """Logits of a point in the residual stream as if it were the last one (norm, unembedding, soft cap)."""
    with torch.inference_mode():
        # The bridge's own modules, so that the last block's logits are the model's.
        logits = bridge.unembed(bridge.ln_final(residual.unsqueeze(1)))[:, 0]
        cap = soft_cap(bridge)
        return logits if cap is None else cap * torch.tanh(logits / cap)


def norm_gain(norm: Any) -> Float[Tensor, " d_model"] | float:
    """A norm's weight as it multiplies: Gemma keeps it as an offset from 1."""
    weight = getattr(norm, "weight", None)
    if weight is None:
        return 1.0
    exact = weight.detach().double()
    return 1.0 + exact if getattr(norm.config, "rmsnorm_uses_offset", False) else exact


def norm_bias(norm: Any) -> Float[Tensor, " d_model"] | float:
    """A norm's bias; 0 where it has none (RMSNorm)."""
    bias = None if norm.uses_rms_norm else getattr(norm.original_component, "bias", None)
    return 0.0 if bias is None else bias.detach().double()


def through_norm(
    norm: Any, scale: Float[Tensor, "item 1"], direction: Float[Tensor, "item d_model"]
) -> Float[Tensor, "item d_model"]:
    """The direction in front of a norm that is read as `direction` behind it, its scale frozen (float64).

    x·through_norm(d) + bias·d = norm(x)·d for the x that had this scale; and for parts of x, part by part.
    """
    before = direction.double() * norm_gain(norm)
    if not norm.uses_rms_norm:
        before = before - before.mean(-1, keepdim=True)  # centring x is centring what it is read with
    return before / scale.double()


@dataclass(frozen=True)
class Readout:
    """Which logit is looked at.

    Attributes:
        direction: Behind the final norm: W_U's column of the answer, minus that of the other token, or minus
            the mean column; float64.
        bias: The same combination of b_U.
    """

    direction: Float[Tensor, "text d_model"]
    bias: Float[Tensor, " text"]


def make_readout(
    bridge: TransformerBridge,
    answers: Int[Tensor, " text"],
    others: Int[Tensor, " text"] | None,
    *,
    centred: bool,
) -> Readout:
    """The direction of a logit (relative to the vocabulary's mean if `centred`) or of a logit difference.

    Raises:
        InvalidInput: Token ids outside the vocabulary, or answers and others that differ in number.
    """
    require_tokens(bridge, answers.tolist())
    columns, biases = bridge.W_U.detach(), bridge.b_U.detach()
    direction = columns[:, answers].T.double()
    bias = biases[answers].double()
    if others is not None:
        if len(others) != len(answers):
            raise InvalidInput(f"{len(answers)} answers, but {len(others)} tokens to compare them with.")
        require_tokens(bridge, others.tolist())
        direction = direction - columns[:, others].T.double()
        bias = bias - biases[others].double()
    elif centred:
        direction = direction - columns.mean(1, dtype=torch.float64)
        bias = bias - biases.mean(dtype=torch.float64)
    return Readout(direction, bias)


def read_logit(
    logits: Float[Tensor, "item vocab"],
    answers: Int[Tensor, " item"],
    others: Int[Tensor, " item"] | None,
    *,
    centred: bool,
) -> Float[Tensor, " item"]:
    """The model's own value of what `make_readout` describes (float64)."""
    value = logits.gather(1, answers[:, None])[:, 0].double()
    if others is not None:
        return value - logits.gather(1, others[:, None])[:, 0].double()
    return value - logits.mean(1, dtype=torch.float64) if centred else value

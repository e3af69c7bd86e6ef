"""What is asked of a sparse autoencoder before its weights are read as directions of the residual stream.

SAELens trains some autoencoders on a scaled stream and some with activations that count in units of their
decoder rows. Until such scaling is folded into the weights, activation × decoder row is not what a feature
writes, and `encode` of the raw stream may not be its activations.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from mechscope.errors import InvalidInput

_FOLD = {
    "expected_average_only_in": "sae.fold_activation_norm_scaling_factor(factor), of its training",
    "covariance_whitening": "sae.fold_activation_whitening(mean, whitening, unwhitening), of its training",
}
_NEVER = "this scaling differs from token to token and cannot be folded: use one trained without it"


class Dictionary(Protocol):
    """A sparse autoencoder of the residual stream; those of SAELens are ones."""

    W_enc: Float[Tensor, "d_model feature"]
    W_dec: Float[Tensor, "feature d_model"]
    b_dec: Float[Tensor, " d_model"]

    def encode(self, x: Float[Tensor, "*at d_model"]) -> Float[Tensor, "*at feature"]: ...


def require_folded(dictionary: Any) -> None:
    """Refuse an autoencoder whose weights are not in the units of the residual stream.

    A dictionary of plain tensors, without a SAELens configuration, passes.

    Args:
        dictionary: Anything with `W_dec`; what SAELens configures is read from its `cfg`.

    Raises:
        InvalidInput: Its input normalisation is not folded into its weights, or its activations count in
            units of decoder rows that do not have length 1.
    """
    configured = getattr(dictionary, "cfg", None)
    scaling = getattr(configured, "normalize_activations", "none")
    if scaling != "none":
        raise InvalidInput(
            f"the input normalisation of this SAE ({scaling}) is not folded into its weights: its features "
            "are not directions of the residual stream as it is.",
            hint=_FOLD.get(scaling, _NEVER),
        )
    if getattr(configured, "rescale_acts_by_decoder_norm", False):
        lengths = dictionary.W_dec.detach().norm(dim=-1)
        if not torch.allclose(lengths, torch.ones_like(lengths), atol=1e-3):
            raise InvalidInput(
                "the activations of this SAE count in units of its decoder rows, which do not have length 1: "
                "activation × row is not what a feature writes.",
                hint="sae.fold_W_dec_norm()",
            )

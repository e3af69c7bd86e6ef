"""Random tokens twice over: all that predicts the second copy is the first one.

A row is [BOS] t₀ t₁ … t₍L₋₁₎ t₀ t₁ … t₍L₋₁₎ with L different tokens, so that each token of the second copy
has exactly one earlier occurrence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput

_SHORTEST = 4
"""Tokens of a copy below which attending to everything alike scores high."""


@dataclass(frozen=True)
class RepeatedTokens:
    """Rows of random tokens, each row's tokens twice.

    Attributes:
        ids: Token ids, the BOS included where there is one.
        n_special: How many tokens at the beginning of each row belong to no copy (1 with BOS, else 0).
        length: L, the number of tokens of one copy.
    """

    ids: Int[Tensor, "sequence pos"]
    n_special: int
    length: int

    def __len__(self) -> int:
        return len(self.ids)


def repeated_tokens(
    bridge: TransformerBridge,
    n: int,
    length: int,
    *,
    rng: np.random.Generator,
    prepend_bos: bool | None = None,
    bos_id: int | None = None,
    vocabulary: Sequence[int] | None = None,
) -> RepeatedTokens:
    """Draw rows of random tokens that come twice.

    Args:
        bridge: The model.
        n: How many rows.
        length: Tokens of one copy (L).
        rng: Draws the tokens.
        prepend_bos: Whether each row begins with the BOS token; None follows the model's own convention where
            it has a tokenizer, and means no BOS where it has none.
        bos_id: The BOS token of a model without tokenizer.
        vocabulary: Ids to draw from; by default all that are neither special nor added to the tokenizer.

    Raises:
        InvalidInput: Fewer than 1 row or 4 tokens, more tokens than the vocabulary has or the model reads, or
            a BOS wanted where there is none.
    """
    if n < 1:
        raise InvalidInput(f"{n} rows of repeated tokens cannot be drawn.", hint="n=32")
    if length < _SHORTEST:
        raise InvalidInput(
            f"copies of {length} tokens are too short: attending to everything alike would score high.",
            hint="length=25",
        )
    tokenizer = bridge.tokenizer
    if bos_id is None and tokenizer is not None:
        bos_id = tokenizer.bos_token_id
    wanted = prepend_bos
    if wanted is None:
        wanted = bool(bridge.cfg.default_prepend_bos) if tokenizer is not None else False
    if wanted and bos_id is None:
        raise InvalidInput(
            "there is no BOS token to begin rows with.", hint="pass prepend_bos=False or bos_id=…"
        )
    n_special = int(wanted)
    if n_special + 2 * length > bridge.cfg.n_ctx:
        raise InvalidInput(
            f"two copies of {length} tokens are {n_special + 2 * length} with what comes before; the model "
            f"reads {bridge.cfg.n_ctx}.",
            hint=_shorter((bridge.cfg.n_ctx - n_special) // 2),
        )
    drawn_from = np.asarray(_ordinary(bridge, bos_id) if vocabulary is None else list(vocabulary))
    if len(drawn_from) < length:
        raise InvalidInput(
            f"{length} different tokens cannot be drawn from {len(drawn_from)}.",
            hint=_shorter(len(drawn_from)),
        )
    copies = np.stack([rng.choice(drawn_from, size=length, replace=False) for _ in range(n)])
    before = np.full((n, n_special), bos_id if wanted else 0, dtype=np.int64)
    ids = np.concatenate([before, copies, copies], axis=1)
    return RepeatedTokens(torch.from_numpy(ids.astype(np.int64)), n_special, length)


def _shorter(most: int) -> str:
    if most < _SHORTEST:
        return f"this model is too small for repeated tokens: copies need {_SHORTEST} tokens, it holds {most}"
    return f"length={most} or less"


def _ordinary(bridge: TransformerBridge, bos_id: int | None) -> list[int]:
    """Ids that stand for text."""
    apart = {bos_id}
    size = bridge.cfg.d_vocab
    if bridge.tokenizer is not None:
        apart |= set(bridge.tokenizer.all_special_ids) | set(bridge.tokenizer.added_tokens_decoder)
        size = min(size, len(bridge.tokenizer))  # embeddings are often padded beyond the vocabulary
    return [token for token in range(size) if token not in apart]

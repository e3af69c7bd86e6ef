"""Next-token distributions: the most probable tokens, what prompts share, the mass on a word list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput


@dataclass(frozen=True)
class TopTokens:
    """The k most probable next tokens of each text, most probable first.

    Attributes:
        ids: Token ids.
        probabilities: Their probabilities.
        tokens: The tokens as text, leading spaces kept.
    """

    ids: Int[Tensor, "text k"]
    probabilities: Float[Tensor, "text k"]
    tokens: tuple[tuple[str, ...], ...]

    def frame(self, texts: Sequence[str]) -> pd.DataFrame:
        """A row for each text and token: prompt, token_id, token (as Python writes it), rank, probability."""
        n, k = self.ids.shape
        return pd.DataFrame(
            {
                "prompt": np.repeat(np.asarray(texts, dtype=object), k),
                "token_id": self.ids.flatten().numpy(),
                "token": [repr(token)[1:-1] for row in self.tokens for token in row],
                "rank": np.tile(np.arange(1, k + 1), n),
                "probability": self.probabilities.flatten().numpy(),
            }
        )


def top_tokens(bridge: TransformerBridge, log_probs: Float[Tensor, "text vocab"], k: int) -> TopTokens:
    """The k most probable tokens of each distribution.

    Raises:
        InvalidInput: k is below 1 or above the size of the vocabulary.
    """
    if not 1 <= k <= log_probs.shape[1]:
        raise InvalidInput(f"there are no top {k} of {log_probs.shape[1]} tokens.")
    # A stable sort, so that equal probabilities come in the order of their ids wherever this runs.
    ids = log_probs.sort(dim=-1, descending=True, stable=True).indices[:, :k]
    tokens = tuple(tuple(bridge.tokenizer.decode([token]) for token in row) for row in ids.tolist())
    return TopTokens(ids, log_probs.gather(1, ids).exp(), tokens)


def shared_top(ids: Int[Tensor, "text k"]) -> Float[np.ndarray, "text text"]:
    """Share of the top k that two texts have in common: 1 for the same set, 0 for disjoint ones."""
    rows = ids.cpu().numpy()
    if any(len(set(row)) != len(row) for row in rows.tolist()):
        raise InvalidInput("a row of top tokens holds a token twice.")
    present = np.zeros((len(rows), int(rows.max()) + 1), dtype=np.float32)
    np.put_along_axis(present, rows, 1.0, axis=1)
    return (present @ present.T / rows.shape[1]).astype(np.float64)


def words_as_tokens(bridge: TransformerBridge, words: Iterable[str]) -> dict[int, str]:
    """Tokens that are a whole word of a list: the word with and without a leading space or a capital.

    Returns:
        The word by token id. A word that the vocabulary only spells in several tokens is not there.
    """
    found: dict[int, str] = {}
    for word in words:
        for spelling in (f" {word}", f" {word.capitalize()}", word, word.capitalize()):
            ids = bridge.tokenizer(spelling, add_special_tokens=False)["input_ids"]
            if len(ids) == 1:
                found.setdefault(ids[0], word)
    return found


def log_mass(log_probs: Float[Tensor, "text vocab"], ids: Iterable[int]) -> Float[Tensor, " text"]:
    """Natural logarithm of the probability that the next token is one of `ids`.

    Raises:
        InvalidInput: No ids.
    """
    chosen = sorted(set(ids))
    if not chosen:
        raise InvalidInput("no tokens to sum over.", hint="none of the words is one token in this vocabulary")
    return log_probs[:, chosen].logsumexp(-1)

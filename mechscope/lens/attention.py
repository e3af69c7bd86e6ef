"""Where heads attend: patterns, scores on repeated random tokens, categories.

Scores are averages of attention weights over the queries that the name of a score is about (Olsson et al.
2022, "In-context Learning and Induction Heads"; Elhage et al. 2021):

- previous token: from a token to the one before it (special tokens are neither);
- duplicate token: from a token of the second copy to the same token in the first;
- induction: from a token of the second copy to the token that *followed* it in the first;
- first token: from any later token to the first position, BOS or not: the sink.

TransformerLens' head detector divides by all rows of the pattern, among them those in which there is nothing
to detect; times rows / queries concerned, its scores are these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.core.components import Head, require_components
from mechscope.lens.core.forward import Reader, forward
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import Padding, TokenisedTexts, batches
from mechscope.lens.repeats import RepeatedTokens

Category = Literal[
    "induction",
    "duplicate token",
    "previous token",
    "first token",
    "uniform",
    "sparse",
    "positional",
    "mixed",
]
Score = Literal["induction", "duplicate", "previous", "first"]


def attention_patterns(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    heads: Sequence[Head],
    *,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> tuple[Float[Tensor, "head query key"], ...]:
    """The attention patterns of some heads on each text, without its padding.

    Args:
        bridge: The model, in eval mode.
        tokenised: From `mechscope.lens.core.tokens.tokenise`; a BOS there is part of the pattern.
        heads: Which heads, in the order of the answer.
        padding: How rows of one batch are brought to one length; the answer does not depend on it.
        batch_size: Texts in a batch; default as many as memory has room for.

    Returns:
        For each text its patterns, on the CPU in float32; rows sum to 1, weights on later positions are 0.

    Raises:
        InvalidInput: No heads, or one that the model doesn't have.
    """
    if not heads:
        raise InvalidInput("no heads to look at.", hint="all_heads(bridge) has every one")
    require_components(bridge, heads)
    layers = sorted({head.layer for head in heads})
    longest = tokenised.longest
    kept_numbers = (len(layers) * bridge.cfg.n_heads + len(heads)) * longest**2
    size = rows_at_once(bridge, batch_size, 32, longest, kept=kept_numbers)
    patterns: dict[int, Tensor] = {}
    for batch in batches(tokenised, padding=padding, batch_size=size):
        whole: dict[str, Reader] = {_hook(layer): lambda value: value for layer in layers}
        read = forward(bridge, batch.ids, attended=batch.attended, read=whole)
        together = torch.stack([read[_hook(head.layer)][:, head.head] for head in heads], dim=1).float().cpu()
        for row, text in enumerate(batch.rows.tolist()):
            end = int(batch.last[row]) + 1
            start = end - len(tokenised.ids[text])
            patterns[text] = together[row, :, start:end, start:end].clone()
    return tuple(patterns[text] for text in range(len(tokenised)))


def entropies(pattern: Float[Tensor, "*any query key"]) -> Float[Tensor, "*any query"]:
    """Entropy of each row of a pattern, in nats; 0 for a row that attends to one position only."""
    return -torch.special.xlogy(pattern, pattern).sum(-1)


@dataclass(frozen=True)
class HeadScores:
    """What each head does on repeated random tokens.

    Attributes:
        induction: Attention to the token that followed this one's earlier occurrence.
        duplicate: Attention to this token's earlier occurrence.
        previous: Attention to the token before.
        first: Attention to the first position (the sink).
        entropy: Entropy in nats over the logarithm of the row's length, mean over rows: 1 where attention is
            spread evenly, 0 where it falls on one position. The first row, of length 1, is left out.
        positional: Share of the pattern's variance about the uniform one that does not depend on the tokens
            (unbiased in the number of sequences; needs at least 2 of them, else NaN). Of the first copy only:
            with the second, an induction head too would always attend the same number of positions back.
        chance: What a head that attends to all positions alike scores, for each score.
    """

    induction: Float[np.ndarray, "sequence layer head"]
    duplicate: Float[np.ndarray, "sequence layer head"]
    previous: Float[np.ndarray, "sequence layer head"]
    first: Float[np.ndarray, "sequence layer head"]
    entropy: Float[np.ndarray, "sequence layer head"]
    positional: Float[np.ndarray, "layer head"]
    chance: dict[str, float]

    def mean(self, score: Score | Literal["entropy"]) -> Float[np.ndarray, "layer head"]:
        """A score's mean over sequences.

        Raises:
            UnknownName: There is no such score.
        """
        valid = (*get_args(Score), "entropy")
        if score not in valid:
            raise UnknownName("score", score, valid)
        values: np.ndarray = getattr(self, score)
        return values.mean(0)

    def frame(self, thresholds: Thresholds | None = None) -> pd.DataFrame:
        """A row a head: `layer`, `head`, `category`, the mean of each score, `entropy` and `positional`.

        Args:
            thresholds: Of the categories (see `categories`).

        Raises:
            InvalidInput: As `categories`.
        """
        layers, heads = np.indices(self.positional.shape)
        return pd.DataFrame(
            {
                "layer": layers.ravel(),
                "head": heads.ravel(),
                "category": [category for layer in categories(self, thresholds) for category in layer],
                **{name: self.mean(name).ravel() for name in (*get_args(Score), "entropy")},
                "positional": self.positional.ravel(),
            }
        )

    def top(self, score: Score, k: int) -> tuple[Head, ...]:
        """The k heads with the highest mean score, highest first.

        Raises:
            InvalidInput: k is below 1 or above the number of heads.
        """
        values = self.mean(score)
        if not 1 <= k <= values.size:
            raise InvalidInput(f"there are no top {k} of {values.size} heads.")
        order = np.argsort(-values.ravel(), kind="stable")[:k]
        return tuple(Head(int(at) // values.shape[1], int(at) % values.shape[1]) for at in order)


def mean_over_heads(
    scores: Float[np.ndarray, "row layer head"], heads: Sequence[Head]
) -> Float[np.ndarray, " row"]:
    """The mean score of some heads, row by row; NaN of none."""
    if not heads:
        return np.full(len(scores), np.nan)
    return np.mean([scores[:, head.layer, head.head] for head in heads], axis=0)


def head_scores(
    bridge: TransformerBridge,
    repeated: RepeatedTokens,
    *,
    batch_size: int | None = None,
    progress: bool = False,
) -> HeadScores:
    """Score all heads in one batched pass that ends at the last layer's pattern.

    Patterns are reduced layer by layer and never kept; logits are not computed. Nothing is averaged over the
    row of the first position, which can only attend to itself.

    Args:
        bridge: The model, in eval mode.
        repeated: From `mechscope.lens.repeats.repeated_tokens`.
        batch_size: Rows in a batch; default as many as memory has room for.
        progress: Show a progress bar.
    """
    n = len(repeated)
    once = repeated.n_special + repeated.length  # where the second copy begins
    size = rows_at_once(bridge, batch_size, 16, repeated.ids.shape[1])
    n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
    out = {name: torch.empty(n, n_layers, n_heads) for name in (*get_args(Score), "entropy")}
    summed = torch.zeros(n_layers, n_heads, once - 1, once, dtype=torch.float64)
    squared = torch.zeros(n_layers, n_heads, dtype=torch.float64)

    def reduce(rows: Tensor, layer: int, pattern: Tensor) -> None:
        pattern = pattern.float()
        for name, values in _scores(pattern, repeated).items():
            out[name][rows, layer] = values.cpu()
        before = pattern[..., 1:once, :once]  # at the first position there is nothing to choose
        summed[layer] += before.sum(0).cpu()
        squared[layer] += before.square().sum((0, 2, 3)).double().cpu()

    with tqdm(total=n, desc="scoring heads", unit="row", disable=not progress) as bar:
        for rows in torch.arange(n).split(size):
            ids = repeated.ids[rows]
            read = {_hook(layer): partial(reduce, rows, layer) for layer in range(n_layers)}
            forward(bridge, ids, attended=torch.ones_like(ids), read=read)
            bar.update(len(ids))
    return HeadScores(
        **{name: values.double().numpy() for name, values in out.items()},
        positional=_positional(summed, squared, n),
        chance=chance_levels(repeated),
    )


def _scores(
    pattern: Float[Tensor, "row head query key"], repeated: RepeatedTokens
) -> dict[str, Float[Tensor, "row head"]]:
    """The scores of one layer; each is the mean of a piece of one diagonal.

    No query is the first position, BOS or not.
    """
    length, text = repeated.length, repeated.n_special

    def along(back: int, first_query: int) -> Tensor:
        # The diagonal `back` below the main one begins with the query `back`.
        return pattern.diagonal(-back, -2, -1)[..., first_query - back :].mean(-1)

    width = pattern.shape[-1]
    lengths = torch.arange(2, width + 1, device=pattern.device, dtype=pattern.dtype)
    return {
        "induction": along(length - 1, text + length),
        "duplicate": along(length, text + length),
        "previous": along(1, text + 1),
        "first": pattern[..., 1:, 0].mean(-1),
        "entropy": (entropies(pattern[..., 1:, :]) / lengths.log()).mean(-1),
    }


def chance_levels(repeated: RepeatedTokens) -> dict[str, float]:
    """What a head that attends evenly to all positions up to its own would score."""
    length, text = repeated.length, repeated.n_special
    width = repeated.ids.shape[1]
    evenly = 1 / np.arange(1, width + 1)
    second = float(evenly[text + length :].mean())
    return {
        "induction": second,
        "duplicate": second,
        "previous": float(evenly[text + 1 :].mean()),
        "first": float(evenly[1:].mean()),
    }


def _positional(
    summed: Float[Tensor, "layer head query key"], squared: Float[Tensor, "layer head"], n: int
) -> Float[np.ndarray, "layer head"]:
    if n < 2:
        return np.full(squared.shape, np.nan)
    width = summed.shape[-1]
    evenly = torch.ones(width - 1, width, dtype=torch.float64).tril(1) / torch.arange(2, width + 1)[:, None]
    mean = summed / n
    within = ((squared - n * mean.square().sum((-1, -2))) / (n - 1)).clamp_min(0)
    # The mean of n patterns scatters by within / n about the true one; that would pass for position's work.
    between = ((mean - evenly).square().sum((-1, -2)) - within / n).clamp_min(0)
    total = between + within
    return torch.where(total > 1e-12, between / total.clamp_min(1e-12), torch.ones_like(total)).numpy()


@dataclass(frozen=True)
class Thresholds:
    """What makes a head one of a category; shares of attention, or of entropy.

    The categories are looked through in the order of these fields, and the first that fits is the head's: a
    previous-token head is also positional, and a sparse one.
    """

    induction: float = 0.4
    duplicate: float = 0.4
    previous: float = 0.4
    first: float = 0.5
    uniform: float = 0.9
    sparse: float = 0.25
    positional: float = 0.9


def categories(scores: HeadScores, thresholds: Thresholds | None = None) -> list[list[Category]]:
    """Each head's category from its measured scores, as [layer][head].

    Raises:
        InvalidInput: A threshold is not at least twice what a head reaches by attending evenly, so that a
            category would mean nothing (the sequences are too short).
    """
    limits = thresholds or Thresholds()
    for name in get_args(Score):
        if getattr(limits, name) < 2 * scores.chance[name]:
            raise InvalidInput(
                f"the threshold {getattr(limits, name)} of '{name}' is too near the "
                f"{scores.chance[name]:.2f} that attending evenly gives.",
                hint="draw longer sequences",
            )
    values = {name: scores.mean(name) for name in (*get_args(Score), "entropy")}
    n_layers, n_heads = scores.positional.shape

    def of(at: tuple[int, int]) -> Category:
        if values["induction"][at] > limits.induction:
            return "induction"
        if values["duplicate"][at] > limits.duplicate:
            return "duplicate token"
        if values["previous"][at] > limits.previous:
            return "previous token"
        if values["first"][at] > limits.first:
            return "first token"
        if values["entropy"][at] > limits.uniform:
            return "uniform"
        if values["entropy"][at] < limits.sparse:
            return "sparse"
        if scores.positional[at] > limits.positional:
            return "positional"
        return "mixed"

    return [[of((layer, head)) for head in range(n_heads)] for layer in range(n_layers)]


def _hook(layer: int) -> str:
    return f"blocks.{layer}.attn.hook_pattern"

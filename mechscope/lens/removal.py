"""What a model loses of in-context copying when heads are taken out, and heads like others to compare with.

1. Spans of tokens that come twice (`mechscope.lens.spans`), random tokens or text, are read as they are.
2. They are read without some heads: these write their mean, zero, or what they wrote on another row.
3. What is lost is the rise of the loss at the second occurrence. As a share of what the first occurrence was
   worth (`clean.gain`) it is the share of copying that is removed. A rise at the first occurrence, where
   there is nothing to copy, is damage of another kind.
4. The same is done without heads of the same layers that should not matter (`heads_like`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import UnknownName
from mechscope.lens.ablation import Ablation, CopyingLoss
from mechscope.lens.core.components import Head
from mechscope.lens.spans import RepeatedSpans, second_loss, span_loss


def heads_like(heads: Sequence[Head], pool: Sequence[Head], *, rng: np.random.Generator) -> tuple[Head, ...]:
    """For each of some heads another from a pool, of its layer or of the nearest layer with one left.

    Args:
        heads: What they are to be like, the most important first: the pool may not last for all.
        pool: Heads to choose from; each is taken once.
        rng: Draws among those of the same layer.

    Returns:
        One for each head, in their order; fewer where the pool is smaller.
    """
    left = list(pool)
    taken: list[Head] = []
    for head in heads[: len(left)]:
        distance = min(abs(candidate.layer - head.layer) for candidate in left)
        near = [candidate for candidate in left if abs(candidate.layer - head.layer) == distance]
        taken.append(near[rng.integers(len(near))])
        left.remove(taken[-1])
    return tuple(taken)


@dataclass(frozen=True)
class Removal:
    """Spans that come twice, ready to be read without any heads.

    Attributes:
        bridge: The model.
        spans: What is copied.
        ablations: By method, each prepared for all heads that may be taken out, so that a reference set is
            read once.
        clean: The loss with all heads.
    """

    bridge: TransformerBridge
    spans: RepeatedSpans
    ablations: Mapping[str, Ablation]
    clean: CopyingLoss

    def rise(self, heads: Sequence[Head], *, method: str = "mean") -> CopyingLoss:
        """By how much the loss rises at both occurrences without these heads, text by text; NaN without any.

        Raises:
            UnknownName: A method that was not prepared.
            InvalidInput: As `mechscope.lens.spans.span_loss`.
        """
        if not heads:
            return CopyingLoss(self._nothing, self._nothing)
        loss = span_loss(self.bridge, self.spans, ablated=self._without(heads, method))
        return CopyingLoss(loss.first - self.clean.first, loss.second - self.clean.second)

    def second_rise(
        self, *sets: Sequence[Head], n: int | None = None, method: str = "mean"
    ) -> Float[np.ndarray, " text"]:
        """`rise(…).second`, mean over several sets of heads, for half of the unembedding.

        Args:
            sets: Heads to be taken out together.
            n: Only the first n of each set.

        Returns:
            The mean rise, text by text; NaN where a set has fewer than n heads, or none.

        Raises:
            UnknownName, InvalidInput: As `rise`.
        """
        rises = []
        for heads in sets:
            without = heads if n is None else heads[:n]
            if not without or (n is not None and len(without) < n):
                return self._nothing
            loss = second_loss(self.bridge, self.spans, ablated=self._without(without, method))
            rises.append(loss - self.clean.second)
        return np.mean(rises, axis=0) if rises else self._nothing

    @property
    def _nothing(self) -> Float[np.ndarray, " text"]:
        return np.full(len(self.spans), np.nan)

    def _without(self, heads: Sequence[Head], method: str) -> Ablation:
        if method not in self.ablations:
            raise UnknownName("prepared ablation", method, self.ablations)
        return replace(self.ablations[method], parts=tuple(heads))


def removal(bridge: TransformerBridge, spans: RepeatedSpans, ablations: Mapping[str, Ablation]) -> Removal:
    """Read spans that come twice with all heads, ready to be read without some.

    Args:
        bridge: The model, in eval mode.
        spans: From `mechscope.lens.spans.repeated_spans` or `spans_of_copies`.
        ablations: From `mechscope.lens.ablation.ablation`, by method.

    Raises:
        InvalidInput: As `mechscope.lens.spans.span_loss`.
    """
    return Removal(bridge, spans, ablations, span_loss(bridge, spans))

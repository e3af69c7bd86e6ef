"""Which head a task needs most, and what taking out any head costs: on pairs of prompts with swapped answers.

1. Each prompt has an answer of its own, which is wrong for its twin. Its preference is the logit of its own
   answer minus that of its twin's (`read_twins`). A pair is known when both of its prompts prefer their own.
2. Gradients estimate what zeroing each head costs; the heads with the highest estimates are ablated exactly,
   and the one that costs most is the task's head (`Twins.costliest`).
3. What any head costs is measured on other pairs than it was chosen on (`Twins.losses`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.ablation import ablation
from mechscope.lens.core.components import Head
from mechscope.lens.core.tokens import TokenisedTexts
from mechscope.lens.edited import Streams, ablation_estimates, edited_logits, read_streams


@dataclass(frozen=True)
class Twins:
    """Pairs of prompts, read as they are; prompts 2i and 2i + 1 are pair i.

    Attributes:
        bridge: The model.
        prompts: As tokens.
        streams: The prompts, before every block.
        tokens: Whose logits are read.
        own: Where each prompt's own answer is among `tokens`.
        other: Where its twin's answer is.
        preference: Logit of the own answer minus the other's, unedited.
    """

    bridge: TransformerBridge
    prompts: TokenisedTexts
    streams: Streams
    tokens: Sequence[int]
    own: Int[Tensor, " prompt"]
    other: Int[Tensor, " prompt"]
    preference: Float[np.ndarray, " prompt"]

    @property
    def known(self) -> Int[np.ndarray, " pair"]:
        """The pairs of which both prompts prefer their own answer."""
        return np.flatnonzero((self.preference.reshape(-1, 2) > 0).all(1))

    def mean_preference(self, pairs: Int[np.ndarray, " pair"]) -> Float[np.ndarray, " pair"]:
        """The mean of both prompts' preference, of some pairs."""
        return self.preference.reshape(-1, 2)[pairs].mean(1)

    def losses(self, head: Head, pairs: Int[np.ndarray, " pair"]) -> Float[np.ndarray, " pair"]:
        """What zeroing a head at all positions takes from the preference: the mean of each pair's prompts.

        Raises:
            InvalidInput: A head or pair that is not there, or no pairs.
        """
        rows = _rows(pairs)
        silent = ablation(self.bridge, [head], "zero").hooks()
        logits = edited_logits(self.bridge, self.streams, head.layer, silent, rows=rows)
        lost: np.ndarray = self.preference[rows] - self._preferred(logits, rows).double().numpy()
        return lost.reshape(-1, 2).mean(1)

    def estimates(self, pairs: Int[np.ndarray, " pair"]) -> Float[np.ndarray, "layer head"]:
        """What gradients say that zeroing each head takes from the mean preference of some pairs."""
        rows = _rows(pairs)
        texts = TokenisedTexts(
            tuple(self.prompts.texts[row] for row in rows),
            tuple(self.prompts.ids[row] for row in rows),
            self.prompts.n_special,
        )
        effects = ablation_estimates(
            self.bridge,
            texts,
            lambda logits, batch: self._preferred(logits, [rows[text] for text in batch]),
            tokens=self.tokens,
        )
        estimated: np.ndarray = -effects.double().numpy().mean(-1)
        return estimated

    def costliest(
        self, pairs: Int[np.ndarray, " pair"], *, shortlist: int
    ) -> tuple[Head, list[tuple[float, float]]]:
        """The head whose ablation costs most on some pairs, exactly, among those that gradients propose.

        Args:
            shortlist: How many heads are proposed.

        Returns:
            The head; and for each head of the shortlist its estimated and its exact cost.

        Raises:
            InvalidInput: A shortlist of no heads.
        """
        if shortlist < 1:
            raise InvalidInput(f"a shortlist of {shortlist} heads has none to choose.", hint="shortlist=5")
        estimated = self.estimates(pairs)
        listed = [
            Head(*divmod(int(number), estimated.shape[1]))
            for number in np.argsort(-estimated, axis=None, kind="stable")[:shortlist]
        ]
        costs = [float(self.losses(head, pairs).mean()) for head in listed]
        estimates = [float(estimated[head.layer, head.head]) for head in listed]
        return listed[int(np.argmax(costs))], list(zip(estimates, costs, strict=True))

    def _preferred(self, logits: Float[Tensor, "row token"], rows: Sequence[int]) -> Float[Tensor, " row"]:
        return _preference(logits, self.own[list(rows)], self.other[list(rows)])


def read_twins(
    bridge: TransformerBridge,
    prompts: TokenisedTexts,
    own: Sequence[int],
    other: Sequence[int],
    *,
    tokens: Sequence[int] | None = None,
) -> Twins:
    """Read pairs of prompts as they are.

    Args:
        prompts: Both of each pair, one after the other.
        own: The (first) token of each prompt's answer.
        other: That of its twin's.
        tokens: Whose logits are read, those of the answers among them; default these alone.

    Raises:
        InvalidInput: Another number of answers than of prompts, a prompt without twin, an answer that is not
            among `tokens`, or a token that is not there.
    """
    if len(prompts) % 2 or not len(prompts) == len(own) == len(other):
        raise InvalidInput(
            f"{len(prompts)} prompts, {len(own)} own answers and {len(other)} others make no pairs.",
            hint="both prompts of each pair, one after the other, with two answers each",
        )
    read = sorted({*own, *other}) if tokens is None else list(tokens)
    if missing := {*own, *other} - {*read}:
        raise InvalidInput(f"the answer's token {min(missing)} is not among those that are read.")
    own_column, other_column = (torch.tensor([read.index(token) for token in each]) for each in (own, other))
    streams = read_streams(bridge, prompts, range(bridge.cfg.n_layers), tokens=read)
    preference = _preference(streams.logits, own_column, other_column).double().numpy()
    return Twins(bridge, prompts, streams, read, own_column, other_column, preference)


def _rows(pairs: Int[np.ndarray, " pair"]) -> list[int]:
    """Both prompts of each pair."""
    return [int(row) for pair in pairs for row in (2 * pair, 2 * pair + 1)]


def _preference(
    logits: Float[Tensor, "row token"], own: Int[Tensor, " row"], other: Int[Tensor, " row"]
) -> Float[Tensor, " row"]:
    cpu = logits.cpu()
    return (cpu.gather(1, own[:, None]) - cpu.gather(1, other[:, None]))[:, 0]

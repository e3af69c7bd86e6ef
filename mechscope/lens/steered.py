"""How far a direction moves prompts from one side of a concept towards the other, and what else it does.

1. Prompts come in pairs, one of each side ("she", "he"). The score of a prompt is the log of the summed
   probability of one side's next words over that of the other side's (`read_sides`).
2. Each prompt is steered towards the other side, by a direction or by random ones of the same length
   (`Sides.shift`; `mechscope.lens.steering.random_directions`, `shuffled_directions`).
3. The share of the way is the mean shift over the distance of the two sides' mean scores
   (`mechscope.stats.drawn.share_of_gap`): 0 is nothing, 1 is all of the way. What destroys a prompt's meaning
   moves both sides towards the middle.
4. `steering_damage` is what the same vectors do to texts that should be left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.tokens import TokenisedTexts
from mechscope.lens.edited import Damage, Streams, damage, edited_logits, read_streams
from mechscope.lens.steering import steer


@dataclass(frozen=True)
class Sides:
    """Prompts of two sides of a concept, read and ready to be steered.

    Attributes:
        bridge: The model.
        streams: The prompts; only the words' logits are read, those of the side `towards` first.
        n_towards: How many words that side has.
        towards: Which prompts are of that side.
        score: Of each prompt, unedited, in nats.
    """

    bridge: TransformerBridge
    streams: Streams
    n_towards: int
    towards: Bool[np.ndarray, " prompt"]
    score: Float[np.ndarray, " prompt"]

    def gap(self, among: Bool[np.ndarray, " prompt"] | None = None) -> float:
        """Mean score of one side's prompts minus that of the other's, in nats.

        Args:
            among: Which prompts; default all.
        """
        chosen = np.ones(len(self.score), dtype=bool) if among is None else among
        upper, lower = self.score[chosen & self.towards], self.score[chosen & ~self.towards]
        return float(upper.mean() - lower.mean())

    def shift(
        self, block: int, vectors: Float[Tensor, "setting prompt d_model"]
    ) -> Float[np.ndarray, "setting prompt"]:
        """How far each prompt's score moves towards the other side when it is steered, in nats.

        Args:
            block: After which the vectors are added, at all positions but special tokens.
            vectors: For each setting and prompt, pointing `towards`; its own side's prompts get −1 times it.

        Raises:
            InvalidInput: Vectors for another number of prompts, or a block before which nothing was kept.
        """
        n = len(self.score)
        if vectors.shape[1] != n:
            raise InvalidInput(f"{n} prompts cannot be steered with vectors for {vectors.shape[1]}.")
        sign = np.where(self.towards, -1.0, 1.0)
        signed = torch.from_numpy(sign)[:, None].float() * vectors
        edit = steer(self.bridge, block, signed.flatten(0, 1), n_special=self.streams.n_special)
        rows = list(range(n)) * len(vectors)
        logits = edited_logits(self.bridge, self.streams, block, edit, rows=rows)
        return sign * (_log_odds(logits, self.n_towards).reshape(len(vectors), -1) - self.score)


def read_sides(
    bridge: TransformerBridge,
    prompts: TokenisedTexts,
    towards: Bool[np.ndarray, " prompt"],
    words: tuple[Sequence[int], Sequence[int]],
    *,
    blocks: Sequence[int],
) -> Sides:
    """Read prompts of two sides as they are.

    Args:
        prompts: From `mechscope.lens.core.tokens.tokenise`.
        towards: Which of them are of the first side.
        words: Next tokens of the first side, and of the other.
        blocks: After which the prompts will be steered.

    Raises:
        InvalidInput: A side without words or prompts, a token or a block that is not there.
    """
    if not all(words) or towards.all() or not towards.any():
        raise InvalidInput("each side of a concept needs a word and a prompt at least.")
    streams = read_streams(bridge, prompts, blocks, tokens=[*words[0], *words[1]])
    return Sides(bridge, streams, len(words[0]), towards, _log_odds(streams.logits, len(words[0])))


def _log_odds(logits: Float[Tensor, "prompt word"], n_towards: int) -> Float[np.ndarray, " prompt"]:
    """Log of the odds between the first words and the others."""
    towards, away = logits[:, :n_towards], logits[:, n_towards:]
    odds: np.ndarray = (towards.logsumexp(1) - away.logsumexp(1)).cpu().double().numpy()
    return odds


def steering_damage(
    bridge: TransformerBridge,
    streams: Streams,
    block: int,
    vectors: Float[Tensor, "setting text d_model"],
    *,
    n_special: int | None = None,
) -> Damage:
    """What adding vectors after a block does to each text, mean over settings.

    Args:
        streams: The texts, with the whole vocabulary's logits.
        vectors: For each setting and text.
        n_special: How many positions at the beginning are left alone; default the special ones.

    Raises:
        InvalidInput: As `mechscope.lens.edited.damage` and `mechscope.lens.steering.steer`.
    """
    spared = streams.n_special if n_special is None else n_special
    edit = steer(bridge, block, vectors.flatten(0, 1), n_special=spared)
    done = damage(bridge, streams, block, edit, rows=list(range(vectors.shape[1])) * len(vectors))
    kl, loss_rise = (each.view(len(vectors), -1).mean(0) for each in (done.kl, done.loss_rise))
    return Damage(kl, loss_rise)

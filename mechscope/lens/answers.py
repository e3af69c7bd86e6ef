"""Answers to prompts, of one token or several: how probable they are, and whether the model knows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.forward import read_positions
from mechscope.lens.core.readout import soft_cap
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import Padding, TokenisedTexts, answer_tokens, batches, tokenise


@dataclass(frozen=True)
class AnswerScores:
    """How a model rates the answers that were given to it.

    Attributes:
        ids: Token ids of each answer.
        log_prob: Σ log p over an answer's tokens, each after the prompt and the tokens before it (nats).
        first_log_prob: Of the first token alone.
        first_rank: Its rank among all tokens, 1 for the most probable.
        worst_rank: The largest rank of any of the answer's tokens.
    """

    ids: tuple[tuple[int, ...], ...]
    log_prob: Float[Tensor, " text"]
    first_log_prob: Float[Tensor, " text"]
    first_rank: Int[Tensor, " text"]
    worst_rank: Int[Tensor, " text"]

    @property
    def first(self) -> Int[Tensor, " text"]:
        """The first token of each answer."""
        return torch.tensor([row[0] for row in self.ids])

    @property
    def n_tokens(self) -> Int[Tensor, " text"]:
        """How many tokens each answer has."""
        return torch.tensor([len(row) for row in self.ids])

    @property
    def known(self) -> Bool[Tensor, " text"]:
        """Whether the model, always taking the most probable token, would write the answer."""
        return self.worst_rank == 1

    def frame(self, prompts: Sequence[str], answers: Sequence[str]) -> pd.DataFrame:
        """A row for each answer: prompt, answer, tokens (how many), log_prob, first_rank, known."""
        return pd.DataFrame(
            {
                "prompt": prompts,
                "answer": answers,
                "tokens": self.n_tokens.numpy(),
                "log_prob": self.log_prob.numpy(),
                "first_rank": self.first_rank.numpy(),
                "known": self.known.numpy(),
            }
        )


def next_other(groups: Sequence[str], first: Int[Tensor, " text"]) -> Int[Tensor, " text"]:
    """For each text the next one of its group, round the end, whose answer begins with another token.

    Returns:
        Its index; −1 where the whole group's answers begin with the same token.
    """
    n = len(groups)
    others = torch.full((n,), -1)
    for text, group in enumerate(groups):
        following = [(text + step) % n for step in range(1, n)]
        rivals = [row for row in following if groups[row] == group and first[row] != first[text]]
        if rivals:
            others[text] = rivals[0]
    return others


def rank_of(logits: Float[Tensor, "item vocab"], ids: Int[Tensor, " item"]) -> Int[Tensor, " item"]:
    """Rank of one token in each row, 1 for the largest; equal values count in the order of their ids."""
    own = logits.gather(1, ids[:, None])
    tied_before = (logits == own) & (torch.arange(logits.shape[1], device=logits.device) < ids[:, None])
    return 1 + (logits > own).sum(1) + tied_before.sum(1)


def score_answers(
    bridge: TransformerBridge,
    prompts: Sequence[str],
    answers: Sequence[str],
    *,
    prepend_bos: bool | None = None,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> AnswerScores:
    """Σ log p of each answer after its prompt.

    An answer's tokens are appended to the prompt's (they are not tokenised together, so that the prompt is
    the same whatever the answer). Only the positions that predict them go into the unembedding.

    Raises:
        InvalidInput: Prompts and answers that differ in number, an empty one, or both together longer than
            the model's context.
    """
    if len(prompts) != len(answers):
        raise InvalidInput(f"{len(prompts)} prompts, but {len(answers)} answers.")
    asked = tokenise(bridge, prompts, prepend_bos=prepend_bos)
    ids = answer_tokens(bridge, answers)
    rows = []
    for prompt, before, after in zip(prompts, asked.ids, ids, strict=True):
        rows.append((*before, *after[:-1]))  # nothing reads the last one
        if len(rows[-1]) > bridge.cfg.n_ctx:
            raise InvalidInput(
                f"the prompt {prompt[:40]!r}… and its answer have {len(rows[-1])} tokens; the model reads "
                f"{bridge.cfg.n_ctx}.",
                hint="shorten it",
            )
    together = TokenisedTexts(asked.texts, tuple(rows), asked.n_special)
    n = len(ids)
    total, first = torch.zeros(n, dtype=torch.float64), torch.zeros(n, dtype=torch.float64)
    first_rank, worst = torch.zeros(n, dtype=torch.long), torch.zeros(n, dtype=torch.long)
    cap = soft_cap(bridge)
    most = max(len(row) for row in ids)
    size = rows_at_once(bridge, batch_size, 16, together.longest, unembedded=2 * most)  # float64 in places
    for batch in batches(together, padding=padding, batch_size=size):
        lengths = [len(ids[row]) for row in batch.rows.tolist()]
        place = torch.zeros_like(batch.scored)
        for at, (last, length) in enumerate(zip(batch.last.tolist(), lengths, strict=True)):
            place[at, last - length + 1 : last + 1] = True
        raw = read_positions(bridge, batch, [], place, logits=True)["unembed.hook_out"].float()
        logits = raw if cap is None else cap * torch.tanh(raw / cap)
        wanted = torch.tensor([token for row in batch.rows.tolist() for token in ids[row]])
        wanted = wanted.to(logits.device)
        log_probs = logits.gather(1, wanted[:, None])[:, 0].double() - logits.double().logsumexp(1)
        ranks = rank_of(logits, wanted)
        start = 0
        for row, length in zip(batch.rows.tolist(), lengths, strict=True):
            total[row] = log_probs[start : start + length].sum()
            first[row], first_rank[row] = log_probs[start], ranks[start]
            worst[row] = ranks[start : start + length].max()
            start += length
    return AnswerScores(ids, total, first, first_rank, worst)

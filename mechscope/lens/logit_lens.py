"""The logit lens: what the model would say if it stopped after each block (nostalgebraist 2020).

The residual stream after every block goes through the model's own final norm and unembedding. One block is
unembedded at a time, on the positions that were asked for; everything is reduced there, so a large vocabulary
costs time but never more memory than a batch of its distributions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.answers import rank_of
from mechscope.lens.core.components import residual_hook
from mechscope.lens.core.forward import last_only, read_positions
from mechscope.lens.core.readout import make_readout, norm_bias, through_norm, unembed
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import (
    Padding,
    TokenisedTexts,
    batches,
    first_counted,
    require_answers,
)

Positions = Literal["last", "all"]


@dataclass(frozen=True)
class LogitLens:
    """Next-token distributions read from the residual stream, at items (a text and a position each).

    The first row is the stream before block 0 (the embedding, layer −1), row l + 1 the stream after block l.

    Attributes:
        text: Which text an item belongs to.
        position: Its position in that text, special tokens counted.
        target: The token that is followed: the answer, or the model's own most probable next token.
        rank: The target's rank, 1 for the most probable.
        log_prob: The target's log-probability (nats).
        entropy: Of the whole distribution (nats).
        kl: KL divergence of the lens' distribution from the model's final one, KL(final ‖ lens) (nats).
        top_ids: The most probable tokens, most probable first.
        top_probabilities: Their probabilities.
    """

    text: Int[Tensor, " item"]
    position: Int[Tensor, " item"]
    target: Int[Tensor, " item"]
    rank: Int[Tensor, "row item"]
    log_prob: Float[Tensor, "row item"]
    entropy: Float[Tensor, "row item"]
    kl: Float[Tensor, "row item"]
    top_ids: Int[Tensor, "row item k"]
    top_probabilities: Float[Tensor, "row item k"]

    @property
    def layers(self) -> tuple[int, ...]:
        """The layer of each row: −1 for the embedding, l for the stream after block l."""
        return tuple(range(-1, len(self.rank) - 1))

    @property
    def counted(self) -> Bool[Tensor, " item"]:
        """Which items count in a mean over positions: not the first position, an attention sink."""
        return self.position >= first_counted(0)

    @property
    def convergence(self) -> Int[Tensor, " item"]:
        """First layer from which on the most probable token is the final one and stays it."""
        agrees = self.top_ids[:, :, 0] == self.top_ids[-1, :, 0]
        # Counted from the end: rows that agree without a break up to the last one.
        run = agrees.flip(0).long().cumprod(0).sum(0)
        return len(agrees) - run - 1

    def frame(self) -> pd.DataFrame:
        """A row for each layer and item, layer by layer.

        Returns:
            The columns layer, text, position, target, rank and probability (of the target), top_id and
            top_probability (of the most probable token), entropy, and kl, which is no less than 0.
        """
        n_rows, n_items = self.rank.shape
        columns = {
            "layer": torch.tensor(self.layers)[:, None].expand(n_rows, n_items),
            **{name: getattr(self, name).expand(n_rows, n_items) for name in ("text", "position", "target")},
            "rank": self.rank,
            "probability": self.log_prob.exp(),
            "top_id": self.top_ids[:, :, 0],
            "top_probability": self.top_probabilities[:, :, 0],
            "entropy": self.entropy,
            "kl": self.kl.clamp_min(0),
        }
        return pd.DataFrame({name: values.flatten().numpy() for name, values in columns.items()})


def logit_lens(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    answers: Int[Tensor, " text"] | None = None,
    *,
    positions: Positions = "last",
    top_k: int = 5,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> LogitLens:
    """Look at the residual stream after every block through the final norm and the unembedding.

    Args:
        answers: The token to follow in each text; None follows the model's own most probable next token.
        positions: "last" reads each text's last token, "all" every token of the text (not its BOS). Without a
            BOS the first one stands at the first position; take `LogitLens.counted` before you average.
        top_k: How many of the most probable tokens to keep.

    Raises:
        InvalidInput: Answers that do not fit the texts, or `top_k` beyond the vocabulary.
        UnknownName: Positions other than "last" and "all".
    """
    if positions not in get_args(Positions):
        raise UnknownName("positions", positions, get_args(Positions))
    if not 1 <= top_k <= bridge.W_U.shape[1]:
        raise InvalidInput(f"there are no top {top_k} of {bridge.W_U.shape[1]} tokens.")
    if answers is not None:
        require_answers(bridge, tokenised, answers)
    points = [residual_hook(layer) for layer in range(-1, bridge.cfg.n_layers)]
    parts = []
    read_at = 1 if positions == "last" else tokenised.longest
    width = bridge.cfg.d_model
    size = rows_at_once(bridge, batch_size, 16, tokenised.longest, kept=len(points) * read_at * width)
    items = rows_at_once(bridge, None, 32, 0, unembedded=2)  # the final distribution, and one block's
    for batch in batches(tokenised, padding=padding, batch_size=size):
        chosen = last_only(batch) if positions == "last" else batch.scored
        read = read_positions(bridge, batch, points, chosen, logits=False)
        rows, places = chosen.nonzero(as_tuple=True)
        start = batch.attended.long().argmax(1)  # left padding moves positions
        where = {"text": batch.rows[rows], "position": places - start[rows]}
        given = None if answers is None else answers[where["text"]].to(bridge.cfg.device)
        for piece in torch.arange(len(rows)).split(items):
            streams = [read[point][piece] for point in points]
            wanted = None if given is None else given[piece]
            found = _through_lens(bridge, streams, wanted, top_k)
            parts.append({**{name: index[piece] for name, index in where.items()}, **found})
    joined = {
        name: torch.cat([part[name] for part in parts], dim=0 if parts[0][name].dim() == 1 else 1)
        for name in parts[0]
    }
    # Batches come by length; give items back in the order of their texts.
    order = torch.argsort(joined["text"] * (1 + int(joined["position"].max())) + joined["position"])
    return LogitLens(
        **{name: value[order] if value.dim() == 1 else value[:, order] for name, value in joined.items()}
    )


def _through_lens(
    bridge: TransformerBridge, streams: list[Tensor], target: Tensor | None, top_k: int
) -> dict[str, Tensor]:
    final = unembed(bridge, streams[-1]).float().log_softmax(-1)
    if target is None:
        target = final.argmax(-1)
    rows: dict[str, list[Tensor]] = {name: [] for name in ("rank", "log_prob", "entropy", "kl", "ids", "p")}
    for stream in streams:
        log_probs = final if stream is streams[-1] else unembed(bridge, stream).float().log_softmax(-1)
        rows["rank"].append(rank_of(log_probs, target))
        rows["log_prob"].append(log_probs.gather(1, target[:, None])[:, 0])
        rows["entropy"].append(-(log_probs.exp() * log_probs).nan_to_num(0.0).sum(-1))
        rows["kl"].append((final.exp() * (final - log_probs)).nan_to_num(0.0).sum(-1))
        best = log_probs.topk(top_k, dim=-1)
        rows["ids"].append(best.indices)
        rows["p"].append(best.values.exp())
    found = {name: torch.stack(values).cpu() for name, values in rows.items()}
    return {
        "target": target.cpu(),
        **{name: found[name] for name in ("rank", "log_prob", "entropy", "kl")},
        "top_ids": found["ids"],
        "top_probabilities": found["p"],
    }


def logit_by_layer(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    answers: Int[Tensor, " text"],
    others: Int[Tensor, " text"] | None = None,
    *,
    centred: bool = True,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> Float[Tensor, "row text"]:
    """The residual stream at each text's last token, projected onto an unembedding direction.

    The final norm's scale is frozen at its value in this pass, so rows differ by what a block added and the
    last row is the model's own logit (before soft-capping).

    Args:
        answers: The token whose logit is followed.
        others: Follow the logit difference answer − other instead.
        centred: Without `others`: minus the mean logit over the vocabulary, which no probability depends on.

    Returns:
        Row 0 before block 0, row l + 1 after block l; float64.

    Raises:
        InvalidInput: Answers that do not fit the texts or the vocabulary.
    """
    require_answers(bridge, tokenised, answers)
    readout = make_readout(bridge, answers, others, centred=centred)
    points = [residual_hook(layer) for layer in range(-1, bridge.cfg.n_layers)]
    found = torch.empty(len(points), len(tokenised), dtype=torch.float64)
    kept = len(points) * bridge.cfg.d_model
    size = rows_at_once(bridge, batch_size, 16, tokenised.longest, kept=kept, unembedded=1)
    for batch in batches(tokenised, padding=padding, batch_size=size):
        hooks = [*points, "ln_final.hook_scale"]
        read = read_positions(bridge, batch, hooks, last_only(batch), logits=True)
        direction = readout.direction[batch.rows]
        frozen = through_norm(bridge.ln_final, read["ln_final.hook_scale"], direction)
        constant = (direction * norm_bias(bridge.ln_final)).sum(-1) + readout.bias[batch.rows]
        for row, point in enumerate(points):
            found[row, batch.rows] = ((read[point].double() * frozen).sum(-1) + constant).cpu()
    return found

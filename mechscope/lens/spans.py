"""Ordinary texts in which a span of tokens comes twice: where heads attend in it, and what it costs to copy.

Random tokens that come twice isolate copying from everything else a model does. In a text a span comes twice
because somebody or something is named again; all around it the text helps, and the tokens of the span are
not all equally surprising.
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
from mechscope.lens.ablation import Ablation, CopyingLoss
from mechscope.lens.attention import attention_patterns
from mechscope.lens.core.components import all_heads
from mechscope.lens.core.forward import next_token_losses
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import TokenisedTexts, filled_up, special_ids, tokenise
from mechscope.lens.repeats import RepeatedTokens


@dataclass(frozen=True)
class RepeatedSpans:
    """Texts, and where in each of them a span of tokens stands twice.

    Attributes:
        tokenised: The texts.
        first: Position of the span's first token where it comes first (a BOS is a position too).
        second: Position of its first token where it comes again.
        length: Number of its tokens, the same both times.
    """

    tokenised: TokenisedTexts
    first: Int[np.ndarray, " text"]
    second: Int[np.ndarray, " text"]
    length: Int[np.ndarray, " text"]

    def __len__(self) -> int:
        return len(self.tokenised)

    @property
    def width(self) -> int:
        """Tokens of the longest text, special tokens included."""
        return max(len(row) for row in self.tokenised.ids)


def repeated_spans(
    bridge: TransformerBridge,
    texts: Sequence[str],
    spans: Sequence[str],
    *,
    prepend_bos: bool | None = None,
) -> RepeatedSpans:
    """Find each text's span, which must come exactly twice, behind a space and as the same tokens.

    Args:
        bridge: The model; only its tokenizer is used.
        texts: The texts.
        spans: One a text, without the space before it.
        prepend_bos: As in `mechscope.lens.core.tokens.tokenise`.

    Raises:
        InvalidInput: Another number of spans than of texts; a span that does not come exactly twice as the
            same tokens, or overlaps itself; or one of a single token, of which nothing can be foreseen.
    """
    if len(texts) != len(spans):
        raise InvalidInput(f"{len(texts)} texts, but {len(spans)} spans.", hint="one span for each text")
    tokenised = tokenise(bridge, texts, prepend_bos=prepend_bos)
    wanted = bridge.tokenizer([f" {span}" for span in spans], add_special_tokens=False)["input_ids"]
    found = []
    for text, span, row, ids in zip(texts, spans, tokenised.ids, wanted, strict=True):
        n = len(ids)
        if n < 2:
            raise InvalidInput(f"the span {span!r} is one token: nothing of it can be foreseen by copying.")
        at = [
            start
            for start in range(tokenised.n_special, len(row) - n + 1)
            if list(row[start : start + n]) == list(ids)
        ]
        if len(at) != 2 or at[1] < at[0] + n:
            raise InvalidInput(
                f"the span {span!r} must come twice as the same tokens in {text[:40]!r}…, and comes "
                f"{len(at)} times.",
                hint="put a space, not a quotation mark or bracket, before it both times",
            )
        found.append((*at, n))
    first, second, length = np.array(found).T
    return RepeatedSpans(tokenised, first, second, length)


def spans_of_copies(repeated: RepeatedTokens) -> RepeatedSpans:
    """Rows of random tokens that come twice, as texts whose span is the whole copy."""
    n, special, length = len(repeated), repeated.n_special, repeated.length
    rows = tuple(tuple(row) for row in repeated.ids.tolist())
    return RepeatedSpans(
        TokenisedTexts(("",) * n, rows, special),
        np.full(n, special),
        np.full(n, special + length),
        np.full(n, length),
    )


def span_scores(
    bridge: TransformerBridge, spans: RepeatedSpans, *, batch_size: int | None = None
) -> Float[np.ndarray, "text layer head"]:
    """The induction score of every head on the repeated spans.

    It is the attention from a token of the second occurrence to the one that followed it in the first, mean
    over all tokens of the span but the last: what follows that one need not be the same again.

    Args:
        bridge: The model, in eval mode.
        spans: From `repeated_spans`.
        batch_size: Texts in a batch; default as many as memory has room for.
    """
    heads = all_heads(bridge)
    scores = np.empty((len(spans), len(heads)))
    size = rows_at_once(bridge, batch_size, 8, spans.width, kept=2 * len(heads) * spans.width**2)
    patterns = attention_patterns(bridge, spans.tokenised, heads, batch_size=size)
    for text, pattern in enumerate(patterns):
        at = torch.arange(int(spans.length[text]) - 1)
        wanted = pattern[:, int(spans.second[text]) + at, int(spans.first[text]) + at + 1]
        scores[text] = wanted.double().mean(1).numpy()
    return scores.reshape(len(spans), bridge.cfg.n_layers, bridge.cfg.n_heads)


def span_chance(spans: RepeatedSpans) -> Float[np.ndarray, " text"]:
    """What a head that attends evenly to all positions up to its own would score."""
    ends = zip(spans.second.tolist(), spans.length.tolist(), strict=True)
    return np.array([np.mean(1 / (np.arange(second, second + n - 1) + 1)) for second, n in ends])


def _skipped(spans: RepeatedSpans) -> Int[np.ndarray, " text"]:
    """How many predictions of each span don't count: one, where the span begins its row."""
    return np.maximum(spans.tokenised.first_counted - spans.first, 0)


def span_loss(
    bridge: TransformerBridge,
    spans: RepeatedSpans,
    *,
    ablated: Ablation | None = None,
    batch_size: int | None = None,
) -> CopyingLoss:
    """How surprising a span is the first and the second time, in nats a token, with or without an ablation.

    Both are means over the span's tokens but the first, which says that the span has come at all. Where a
    span begins a text without a BOS, its second token doesn't count either: it is predicted at the first
    position, an attention sink (see `mechscope.lens.core.tokens`). The unembedding is run only where they are
    predicted. All texts are padded on the right to the longest one, which is how long the rows of an
    ablation's reference set must be (`spans.width`).

    Args:
        bridge: The model, in eval mode.
        spans: From `repeated_spans`.
        ablated: Zero or mean ablation, or resample ablation with a donor for each text.
        batch_size: Texts in a batch; default as many as memory has room for.

    Raises:
        InvalidInput: An ablation that was recorded on rows of another length, or a span of two tokens at the
            very beginning of a text.
    """
    first, second = _losses(bridge, spans, [spans.first, spans.second], ablated, batch_size)
    return CopyingLoss(first, second)


def second_loss(
    bridge: TransformerBridge,
    spans: RepeatedSpans,
    *,
    ablated: Ablation | None = None,
    batch_size: int | None = None,
) -> Float[np.ndarray, " text"]:
    """`span_loss(…).second` alone, for half of its unembedding."""
    return _losses(bridge, spans, [spans.second], ablated, batch_size)[0]


def _losses(
    bridge: TransformerBridge,
    spans: RepeatedSpans,
    starts: Sequence[Int[np.ndarray, " text"]],
    ablated: Ablation | None,
    batch_size: int | None,
) -> list[Float[np.ndarray, " text"]]:
    """Mean loss of each text's span but its first token, where the span begins at each of some places."""
    n, width = len(spans), spans.width
    too_short = np.flatnonzero(spans.length - 1 <= _skipped(spans))
    if len(too_short):
        raise InvalidInput(
            f"of text {too_short[0]} nothing counts: its span of {spans.length[too_short[0]]} tokens begins "
            "the text, without a BOS before it.",
            hint="let the text begin with other words",
        )
    ids = filled_up(spans.tokenised.ids)
    attended = filled_up([[1] * len(row) for row in spans.tokenised.ids])
    most = int(spans.length.max()) - 1
    step = np.arange(most)[None, :]
    real = torch.from_numpy((step < spans.length[:, None] - 1) & (step >= _skipped(spans)[:, None]))
    # Shorter spans are filled up with the positions of their own last prediction, which then don't count.
    within = np.minimum(step, spans.length[:, None] - 2)
    positions = torch.from_numpy(np.concatenate([start[:, None] + within for start in starts], axis=1))
    size = rows_at_once(bridge, batch_size, 8, width, unembedded=positions.shape[1])
    losses = torch.empty(n, len(starts), most, dtype=torch.float64)
    for rows in torch.arange(n).split(size):
        edit = [] if ablated is None else ablated.hooks(rows)
        each = next_token_losses(bridge, ids[rows], positions[rows], attended=attended[rows], edit=edit)
        losses[rows] = each.view(len(rows), len(starts), most).double()
    mean = ((losses * real[:, None]).sum(-1) / real.sum(-1)[:, None]).numpy()
    return list(mean.T)


def joined_rows(
    bridge: TransformerBridge, texts: Sequence[str], width: int, *, prepend_bos: bool | None = None
) -> Int[Tensor, "row pos"]:
    """Rows of running text, all of one length: the texts joined by spaces and cut; what is left over is not
    used.

    Args:
        bridge: The model; only its tokenizer is used.
        texts: The texts, in order.
        width: Tokens in a row, the BOS included where there is one.
        prepend_bos: As in `mechscope.lens.core.tokens.tokenise`.

    Raises:
        InvalidInput: No texts, rows longer than the model's context, or too few tokens for a single row.
    """
    if isinstance(texts, str) or not texts:
        raise InvalidInput("joined_rows() needs a list of at least one text.")
    if width > bridge.cfg.n_ctx:
        raise InvalidInput(f"rows of {width} tokens are too long: the model reads {bridge.cfg.n_ctx}.")
    begin = special_ids(bridge, prepend_bos)
    special = len(begin)
    spaced = bridge.tokenizer([f" {text}" for text in texts], add_special_tokens=False)["input_ids"]
    tokens = [token for ids in spaced for token in ids]
    inside = width - special
    n = len(tokens) // inside if inside > 0 else 0
    if not n:
        raise InvalidInput(
            f"{len(tokens)} tokens do not fill a row of {width}.", hint="more texts, or shorter rows"
        )
    body = torch.tensor(tokens[: n * inside]).view(n, inside)
    before = torch.tensor(begin, dtype=body.dtype).expand(n, special)
    return torch.cat([before, body], dim=1)

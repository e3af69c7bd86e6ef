"""Texts as tokens, and tokens as batches, with nothing left to a tokenizer's defaults.

Padding and special tokens are told apart from text **by position**, never by token id: GPT-2's padding token
is its BOS token, and a text may contain either.

**Which positions count.** The first position of a row is an attention sink in most models, whatever token
stands there: its activations can be a thousand times those of the others. Wherever positions are pooled,
averaged or ranked, special tokens and padding are left out and, where there is no BOS to stand there, so is
the text's first token (`first_counted`). What is read off position by position, such as the logit lens at all
of them, has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName

Padding = Literal["left", "right", "none"]


def first_counted(n_special: int) -> int:
    """The first position of a row that counts where positions are pooled, averaged or ranked.

    Args:
        n_special: How many tokens at the beginning of the row are not text (1 with BOS, else 0).
    """
    return max(1, n_special)


@dataclass(frozen=True)
class TokenisedTexts:
    """Token ids of texts, each as long as it is.

    Attributes:
        texts: The texts.
        ids: Their token ids, the prepended BOS included.
        n_special: How many tokens at the beginning of each row are not text (1 with BOS, else 0).
    """

    texts: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    n_special: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_tokens(self) -> Int[Tensor, " text"]:
        """Number of tokens of each text, special tokens not counted."""
        return torch.tensor([len(row) - self.n_special for row in self.ids])

    @property
    def first_counted(self) -> int:
        """The first position of each row that counts where positions are pooled."""
        return first_counted(self.n_special)

    @property
    def longest(self) -> int:
        """Tokens of the longest row, special tokens included."""
        return max(len(row) for row in self.ids)

    def require_counted(self) -> None:
        """Refuse a text of which no position counts.

        Raises:
            InvalidInput: The text has one token, and it stands at the first position.
        """
        for text, row in zip(self.texts, self.ids, strict=True):
            if len(row) <= self.first_counted:
                raise InvalidInput(
                    f"the text {text[:40]!r} has no token that counts: without a BOS its only one stands at "
                    "the first position, an attention sink.",
                    hint="texts of at least two tokens, or tokenise(…, prepend_bos=True)",
                )


@dataclass(frozen=True)
class Batch:
    """Some rows, padded to one length.

    Attributes:
        rows: Which texts these are.
        ids: Token ids; anything at all where `attended` is 0.
        attended: 1 at tokens, 0 at padding.
        scored: True at the tokens of the text itself: neither padding nor special.
        counted: True at those that count where positions are pooled: `scored`, without a first position.
        last: The position of each row's last token.
    """

    rows: Int[Tensor, " batch"]
    ids: Int[Tensor, "batch pos"]
    attended: Int[Tensor, "batch pos"]
    scored: Bool[Tensor, "batch pos"]
    counted: Bool[Tensor, "batch pos"]
    last: Int[Tensor, " batch"]


def special_ids(bridge: TransformerBridge, prepend_bos: bool | None = None) -> list[int]:
    """What each row begins with before its text: the BOS token, or nothing.

    Args:
        prepend_bos: None follows the model's own convention (`bridge.cfg.default_prepend_bos`).

    Raises:
        InvalidInput: A BOS wanted from a tokenizer that has none.
    """
    wanted = bool(bridge.cfg.default_prepend_bos) if prepend_bos is None else prepend_bos
    bos = bridge.tokenizer.bos_token_id
    if wanted and bos is None:
        raise InvalidInput("this tokenizer has no BOS token.", hint="pass prepend_bos=False")
    return [bos] if wanted else []


def tokenise(
    bridge: TransformerBridge, texts: Sequence[str], *, prepend_bos: bool | None = None, cut: bool = False
) -> TokenisedTexts:
    """Turn texts into token ids.

    Args:
        bridge: The model; only its tokenizer is used.
        texts: One or more texts, none of them empty.
        prepend_bos: Whether each row begins with the BOS token; None follows the model's own convention
            (`bridge.cfg.default_prepend_bos`).
        cut: Whether a text that is longer than the model's context loses its end instead of being refused.

    Raises:
        InvalidInput: No texts, a text without tokens, one longer than the model's context (unless it is cut),
            or a BOS wanted from a tokenizer that has none.
    """
    if isinstance(texts, str) or not texts:
        raise InvalidInput("tokenise() needs a list of at least one text.")
    before = special_ids(bridge, prepend_bos)
    # No special tokens from the tokenizer: some prepend BOS, some append EOS, some do both.
    found = bridge.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    rows = []
    for text, ids in zip(texts, found, strict=True):
        if not ids:
            raise InvalidInput(f"the text {text!r} has no tokens.")
        if cut:
            ids = ids[: bridge.cfg.n_ctx - len(before)]
        if len(before) + len(ids) > bridge.cfg.n_ctx:
            raise InvalidInput(
                f"the text {text[:40]!r}… has {len(ids)} tokens; the model reads {bridge.cfg.n_ctx}.",
                hint="split it",
            )
        rows.append((*before, *ids))
    return TokenisedTexts(tuple(texts), tuple(rows), len(before))


def fits(
    bridge: TransformerBridge,
    texts: Sequence[str],
    *,
    at_least: int = 1,
    more: int = 0,
    cut: bool = False,
) -> Bool[np.ndarray, " text"]:
    """Which texts the model can read: `tokenise` takes these, and may refuse the others.

    Args:
        at_least: Fewest tokens of text.
        more: How many tokens are to have room behind each.
        cut: Whether longer texts are cut (as by `tokenise`), so that no text is too long.
    """
    if not len(texts):
        return np.zeros(0, dtype=bool)
    room = bridge.cfg.n_ctx - int(bool(bridge.cfg.default_prepend_bos)) - more
    ids = bridge.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    lengths = np.array([len(each) for each in ids])
    if cut:
        lengths = np.minimum(lengths, room)
    return (lengths >= max(1, at_least)) & (lengths <= room)


def batches(
    tokenised: TokenisedTexts, *, padding: Padding = "right", batch_size: int = 32, pad_id: int = 0
) -> Iterator[Batch]:
    """Cut texts into batches of similar length, shortest first.

    Args:
        tokenised: The texts.
        padding: Which side is filled up; "none" only puts texts of one length into a batch.
        batch_size: Most rows in a batch.
        pad_id: The id written at padding; no result depends on it.

    Raises:
        UnknownName: An unknown padding.
        InvalidInput: A batch size below 1.
    """
    if padding not in get_args(Padding):
        raise UnknownName("padding", padding, get_args(Padding))
    if batch_size < 1:
        raise InvalidInput(f"a batch of {batch_size} texts cannot be formed.", hint="batch_size=32")
    by_length = sorted(range(len(tokenised)), key=lambda row: len(tokenised.ids[row]))
    for rows in _cut(by_length, tokenised, batch_size, equal_length=padding == "none"):
        yield _padded(rows, tokenised, padding, pad_id)


def _cut(
    ordered: Sequence[int], tokenised: TokenisedTexts, batch_size: int, *, equal_length: bool
) -> Iterator[list[int]]:
    batch: list[int] = []
    for row in ordered:
        longer = batch and len(tokenised.ids[row]) != len(tokenised.ids[batch[0]])
        if len(batch) == batch_size or (equal_length and longer):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _padded(rows: Sequence[int], tokenised: TokenisedTexts, padding: Padding, pad_id: int) -> Batch:
    length = max(len(tokenised.ids[row]) for row in rows)
    ids = torch.full((len(rows), length), pad_id)
    attended = torch.zeros((len(rows), length), dtype=torch.long)
    scored = torch.zeros((len(rows), length), dtype=torch.bool)
    counted = torch.zeros_like(scored)
    last = torch.empty(len(rows), dtype=torch.long)
    for at, row in enumerate(rows):
        tokens = torch.tensor(tokenised.ids[row])
        start = length - len(tokens) if padding == "left" else 0
        end = start + len(tokens)
        ids[at, start:end] = tokens
        attended[at, start:end] = 1
        scored[at, start + tokenised.n_special : end] = True
        counted[at, start + tokenised.first_counted : end] = True
        last[at] = end - 1
    return Batch(torch.tensor(rows), ids, attended, scored, counted, last)

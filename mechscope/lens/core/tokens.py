"""Texts as tokens, tokens as batches, with nothing left to a tokenizer's defaults, and tokens as text again.

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
from itertools import takewhile
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
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


def filled_up(rows: Sequence[Sequence[int]], length: int | None = None) -> Int[Tensor, "row pos"]:
    """Rows of token ids filled up on the right, where causal attention never looks: no mask is needed.

    Args:
        length: Of the rows then; default that of the longest one.
    """
    ids = torch.zeros(len(rows), max(map(len, rows)) if length is None else length, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
    return ids


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


def require_tokens(bridge: TransformerBridge, ids: Sequence[int]) -> None:
    """Refuse token ids outside the vocabulary.

    Raises:
        InvalidInput: The valid range is named.
    """
    size = bridge.W_U.shape[1]
    for token in ids:
        if not 0 <= token < size:
            raise InvalidInput(f"there is no token {token}: the vocabulary has ids 0 to {size - 1}.")


def require_answers(
    bridge: TransformerBridge, tokenised: TokenisedTexts, answers: Int[Tensor, " text"]
) -> None:
    """Refuse anything but one token for each text.

    Raises:
        InvalidInput: Another number of answers than of texts, or a token outside the vocabulary.
    """
    if answers.shape != (len(tokenised),):
        raise InvalidInput(f"{len(tokenised)} texts, but {len(answers)} answers: each text needs one token.")
    require_tokens(bridge, answers.tolist())


def answer_tokens(bridge: TransformerBridge, answers: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Token ids of answers; a leading space belongs to the answer (" Austin").

    Some tokenizers put a space before every text. So an answer that begins with one is tokenised behind a
    word, where it has that one only.

    Raises:
        InvalidInput: An answer without tokens.
    """
    if not len(answers):
        return ()  # tokenizers fail on none
    word, *behind = bridge.tokenizer(["a", *(f"a{answer}" for answer in answers)], add_special_tokens=False)[
        "input_ids"
    ]
    alone = bridge.tokenizer(list(answers), add_special_tokens=False)["input_ids"]
    found = []
    for answer, whole, ids in zip(answers, behind, alone, strict=True):
        if not ids:
            raise InvalidInput(f"the answer {answer!r} has no tokens.", hint='write it as " Austin"')
        spaced = answer.startswith(" ") and whole[: len(word)] == word and len(whole) > len(word)
        found.append(tuple(whole[len(word) :] if spaced else ids))
    return tuple(found)


def unreadable(
    bridge: TransformerBridge, prompts: Sequence[str], answers: Sequence[str] | None = None
) -> str:
    """Why the model cannot read these texts, as a reason for `ledger.does_not_apply`; "" when it can.

    Args:
        prompts: The texts.
        answers: One for each, if they are to be scored behind their prompts.

    Returns:
        What is needed and what the model has: room for the longest text, and a token for all of each text. A
        vocabulary that has none gives its unknown token, about which nothing that an analysis says is true.
    """
    rows = _plain(bridge, prompts)
    if answers is not None:
        rows = [[*before, *after] for before, after in zip(rows, answer_tokens(bridge, answers), strict=True)]
    unread = int(answers is not None)  # nothing reads the last token of an answer
    longest = max(map(len, rows)) + int(bool(bridge.cfg.default_prepend_bos)) - unread
    if longest > bridge.cfg.n_ctx:
        return f"a context of {longest} tokens is needed, and this model reads {bridge.cfg.n_ctx}"
    lacking = [text for text, row in zip(prompts, rows, strict=True) if _has_unknown(bridge, row)]
    if lacking:
        behind = "" if answers is None else " or its answer"
        return (
            "a token is needed for every word, and this vocabulary lacks one for a part of "
            f"{len(lacking)} of {len(prompts)} texts ({lacking[0].strip()!r}{behind})"
        )
    return ""


def shared_ending(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens at their end all rows have in common."""
    together = zip(*map(reversed, rows), strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, together))


def one_token(bridge: TransformerBridge, texts: Sequence[str], ending: int = 0) -> Bool[np.ndarray, " text"]:
    """Which texts are one token of the vocabulary, when their last `ending` tokens are left aside."""
    rows = _plain(bridge, texts)
    return np.array([len(row) == ending + 1 and not _has_unknown(bridge, row) for row in rows], dtype=bool)


def _plain(bridge: TransformerBridge, texts: Sequence[str]) -> list[list[int]]:
    return list(bridge.tokenizer(list(texts), add_special_tokens=False)["input_ids"])


def _has_unknown(bridge: TransformerBridge, row: Sequence[int]) -> bool:
    return bridge.tokenizer.unk_token_id in row or not row


_LONGEST = 8  # no character has more bytes than four; a run of broken ones should not swallow a text


@dataclass(frozen=True)
class ValuedText:
    """A text as readable pieces with a value each, as `ledger.passages` takes it.

    Attributes:
        tokens: The pieces; most are one token.
        values: One a piece: of several tokens' values the one that is farthest from 0.
        title: What the text is called.
    """

    tokens: tuple[str, ...]
    values: tuple[float, ...]
    title: str = ""


def valued_text(
    bridge: TransformerBridge, ids: Sequence[int], values: Float[Tensor, " token"], *, title: str = ""
) -> ValuedText:
    """A text and a value for each of its tokens, in readable pieces; values are kept to four decimals."""
    each = [round(float(value), 4) for value in values]
    pieces = readable_pieces(bridge, ids)
    return ValuedText(
        tuple(piece for piece, _ in pieces), tuple(max(each[part], key=abs) for _, part in pieces), title
    )


def readable_pieces(bridge: TransformerBridge, ids: Sequence[int]) -> list[tuple[str, slice]]:
    """The text of consecutive tokens, cut only where characters end, and which tokens each piece is.

    A byte-level vocabulary splits rare characters (emoji, Chinese) between tokens; such a token alone decodes
    to a replacement character, so tokens are joined until their bytes are whole.
    """
    pieces: list[tuple[str, slice]] = []
    start = 0
    for end in range(1, len(ids) + 1):
        text = bridge.tokenizer.decode(list(ids[start:end]))
        if not text.endswith("\ufffd") or end - start == _LONGEST or end == len(ids):
            pieces.append((text, slice(start, end)))
            start = end
    return pieces

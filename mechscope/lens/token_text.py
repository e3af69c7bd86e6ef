"""Tokens as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

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

"""Tokens as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

from transformer_lens.model_bridge import TransformerBridge

_LONGEST = 8  # no character has more bytes than four; a run of broken ones should not swallow a text


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

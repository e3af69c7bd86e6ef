"""Tokens and prompts as a person reads them, on a screen and on a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

_SIGNS = {"\n": "↵", "\r": "␍", "\t": "⇥", "\xa0": "⍽"}
"""White space that would not be seen, as signs."""
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CUT = re.compile("[\udc80-\udcff]+")


def token_reader(tokenizer: Any) -> Callable[[int], str]:
    """A function from a token's id to its text, as it is within a text: with the space before a word.

    A vocabulary of bytes cuts rare characters into tokens that are no text by themselves; of these, the
    bytes are named ("⟨E2 80⟩"). Letters that stand for bytes ("Ġ", "âĢĻ") and for spaces ("▁") are
    translated where the tokenizer itself leaves them.
    """
    spells_bytes = _spells_bytes(tokenizer)
    added = set(tokenizer.get_added_vocab().values())  # these are written as they are

    def read(token: int) -> str:
        text = str(tokenizer.decode([token], clean_up_tokenization_spaces=False))
        written = tokenizer.convert_ids_to_tokens(token)
        if not isinstance(written, str):
            return text
        if spells_bytes and token in added:
            return written
        if one := _BYTE.fullmatch(written):
            return _text_of(bytes([int(one[1], 16)]))
        if spells_bytes and ("\ufffd" in text or text == written):
            letters = [_letters_of_bytes().get(letter) for letter in written]
            if None not in letters:
                return _text_of(bytes(letter for letter in letters if letter is not None))
        if written.startswith("▁") and not text.startswith(" "):
            text = " " + text.replace("▁", " ").removeprefix(" ")
        return text or written

    return read


def _spells_bytes(tokenizer: Any) -> bool:
    """Whether the vocabulary writes bytes as letters, as GPT-2's does: then it has all of these letters."""
    unknown = getattr(tokenizer, "unk_token_id", None)
    ids = [tokenizer.convert_tokens_to_ids(letter) for letter in ("Ġ", "Ċ", "Ā", "ł")]
    return not any(number is None or number == unknown for number in ids)


@cache
def _letters_of_bytes() -> dict[str, int]:
    """GPT-2's letter for each byte: itself where it can be seen, else one from U+0100 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + at): byte for at, byte in enumerate(others)}


def _text_of(data: bytes) -> str:
    """Bytes as text; those of a character that is cut are named."""
    text = data.decode("utf-8", errors="surrogateescape")
    return _CUT.sub(lambda cut: "⟨" + " ".join(f"{ord(one) - 0xDC00:02X}" for one in cut[0]) + "⟩", text)


def visible(text: str) -> str:
    """A text with signs for what would not be seen, and without what a terminal or a page would obey."""
    return "".join(
        _SIGNS.get(letter) or (letter if letter.isprintable() else f"⟨U+{ord(letter):04X}⟩")
        for letter in text
    )


def dotted(token: str) -> str:
    """A token in a table: spaces are dots, so that " a" and "a" differ."""
    return visible(token).replace(" ", "·")


def quoted(text: str) -> str:
    """A text in quotation marks, with its spaces; of white space alone, each is a sign."""
    seen = visible(text)
    return f"“{seen if seen.strip() else '·' * len(seen)}”"


def shortened(text: str, most: int = 60) -> str:
    """A text of at most about `most` letters: of a longer one its beginning and, twice as long, its end."""
    if len(text) <= most:
        return text
    begins, ends = text[: most // 3], text[-(most - most // 3) :]
    return f"{begins.rsplit(' ', 1)[0].rstrip()} … {ends.split(' ', 1)[-1].lstrip()}"

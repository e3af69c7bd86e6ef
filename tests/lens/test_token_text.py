"""Tokens as a person reads them: characters are never cut."""

from __future__ import annotations

from types import SimpleNamespace

from mechscope.lens.token_text import readable_pieces


class Bytes:
    """A tokenizer whose tokens are single bytes."""

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode("utf-8", errors="replace")


BRIDGE = SimpleNamespace(tokenizer=Bytes())


def test_a_character_of_several_tokens_is_one_piece() -> None:
    text = "a 为 🙂!"
    pieces = readable_pieces(BRIDGE, list(text.encode()))
    assert [piece for piece, _ in pieces] == list(text)
    covered = [at for _, part in pieces for at in range(part.start, part.stop)]
    assert covered == list(range(len(text.encode())))


def test_a_text_cut_within_a_character_still_ends() -> None:
    ids = list("为".encode())[:2]
    assert readable_pieces(BRIDGE, ids) == [("\ufffd", slice(0, 2))]


def test_broken_bytes_do_not_swallow_the_rest() -> None:
    pieces = readable_pieces(BRIDGE, [0x80] * 9 + list(b"ok"))
    assert "".join(piece for piece, _ in pieces).endswith("ok")
    assert all(part.stop - part.start <= 8 for _, part in pieces)

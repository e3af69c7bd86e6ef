from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechscope.characters import has_unseen, shown_token, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x0c", "<U+000C>"),
        ("a\x00b\x1b", "a<U+0000>b<U+001B>"),
        ("\ud800", "<U+D800>"),
        ("\u2028\x85", "<U+2028><U+0085>"),
        ("\ufffe\U0001ffff", "<U+FFFE><U+1FFFF>"),
        ("\u202eabc", "<U+202E>abc"),
        (" the\n\t\r", " the\n\t\r"),
        ("é 日本 👩‍🔬 \u200f", "é 日本 👩‍🔬 \u200f"),
    ],
)
def test_what_no_page_can_show_is_there_by_its_number(text: str, seen: str) -> None:
    assert visible(text) == seen
    assert has_unseen(text) == (text != seen)


@given(st.text(st.characters(codec=None)))
def test_what_is_visible_can_be_written_and_stays_as_it_is(text: str) -> None:
    seen = visible(text)
    seen.encode()
    assert visible(seen) == seen
    assert not any(ord(letter) < 32 and letter not in "\t\n\r" for letter in seen)


def test_white_space_is_shown_as_it_would_be_written() -> None:
    assert [shown_token(token) for token in (" a", " ", "\n")] == ["a", "␣", "\\n"]


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0c", "\x1b", "\x85", "\u2028", "\ufffe", "\ud800"])
def test_a_token_that_no_chart_can_draw_is_shown_by_its_number(character: str) -> None:
    assert shown_token(f" {character}a") == f"<U+{ord(character):04X}>a"

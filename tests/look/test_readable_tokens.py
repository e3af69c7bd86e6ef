"""Tokens of every kind of vocabulary are shown as a person reads them."""

from __future__ import annotations

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mechscope.look.readable_tokens import dotted, quoted, shortened, token_reader

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def _bytes_vocabulary(*words: str, decoder: bool = True) -> PreTrainedTokenizerFast:
    """As GPT-2's: words, and a letter for each byte."""
    names = [*BYTES, *(word for word in words if word not in BYTES)]
    core = Tokenizer(models.BPE(vocab={name: at for at, name in enumerate(names)}, merges=[]))
    core.decoder = decoders.ByteLevel() if decoder else None
    core.add_special_tokens([AddedToken("<|end|>"), AddedToken("é!")])
    return PreTrainedTokenizerFast(tokenizer_object=core)


def _pieces_vocabulary(*words: str, strips: bool) -> PreTrainedTokenizerFast:
    """As Llama's (which strips a text's first space) or Gemma's (which does not)."""
    names = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    core = Tokenizer(
        models.BPE(vocab={name: at for at, name in enumerate(names)}, merges=[], unk_token="<unk>")
    )
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    core.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if strips else [])])
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")


@pytest.mark.parametrize("decoder", [True, False])
@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("ĠAustin", " Austin"),
        ("Ġ", " "),
        ("ĊĊ", "\n\n"),
        ("âĢĻ", "’"),
        ("Ãł", "à"),
        ("the", "the"),
        ("âĢ", "⟨E2 80⟩"),
        ("ðŁĺ", "⟨F0 9F 98⟩"),
        ("Ġà¤", " ⟨E0 A4⟩"),
        ("Ļs", "⟨99⟩s"),
        ("ï¿½", "\ufffd"),
        ("<|end|>", "<|end|>"),
        ("é!", "é!"),
    ],
)
def test_letters_that_stand_for_bytes_are_read(token: str, text: str, decoder: bool) -> None:
    words = ("ĠAustin", "ĊĊ", "âĢĻ", "Ãł", "the", "âĢ", "ðŁĺ", "Ġà¤", "Ļs", "ï¿½")
    tokenizer = _bytes_vocabulary(*words, decoder=decoder)
    assert token_reader(tokenizer)(tokenizer.convert_tokens_to_ids(token)) == text


@pytest.mark.parametrize("strips", [True, False])
@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("▁Austin", " Austin"),
        ("Austin", "Austin"),
        ("▁", " "),
        ("<0xE2>", "⟨E2⟩"),
        ("<0x0A>", "\n"),
        ("Ġ", "Ġ"),
    ],
)
def test_a_word_keeps_the_space_before_it_and_a_byte_is_named(token: str, text: str, strips: bool) -> None:
    tokenizer = _pieces_vocabulary("▁Austin", "Austin", "▁", "Ġ", strips=strips)
    assert token_reader(tokenizer)(tokenizer.convert_tokens_to_ids(token)) == text


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" ", "·"),
        (" a", "·a"),
        ("a", "a"),
        (" of the", "·of·the"),
        ("\n\n", "↵↵"),
        ("\t", "⇥"),
        ("\xa0", "⍽"),
        ("\x1b[31m", "⟨U+001B⟩[31m"),
        ("\u2028", "⟨U+2028⟩"),
        ("\u202e", "⟨U+202E⟩"),
        ("⟨E2 80⟩", "⟨E2·80⟩"),
    ],
)
def test_a_token_in_a_table_shows_what_would_not_be_seen(token: str, shown: str) -> None:
    assert dotted(token) == shown


def test_quotation_marks_keep_spaces_and_show_what_is_nothing_but_space() -> None:
    assert quoted(" Austin") == "“ Austin”"
    assert quoted("  ") == "“··”"
    assert quoted("a\x00b") == "“a⟨U+0000⟩b”"


@pytest.mark.parametrize("text", ["short", "x" * 60, "word " * 100, "字" * 500, "a b" + "c" * 300])
def test_a_long_text_is_shortened_to_its_ends(text: str) -> None:
    short = shortened(text)
    assert len(short) <= 63
    if len(text) <= 60:
        assert short == text
    else:
        begins, ends = short.split(" … ")
        assert text.startswith(begins) and text.strip().endswith(ends.strip()) and len(ends) > 3

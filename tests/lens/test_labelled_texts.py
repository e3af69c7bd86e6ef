"""Labelled texts in two halves, what neurons do on them, and what their top texts have in common."""

from __future__ import annotations

import numpy as np
import pytest

from mechscope.errors import InvalidInput
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.labelled_texts import label_texts, neuron_peaks, top_texts
from mechscope.lens.neuron_texts import same_length, token_activations

TEXTS = [f"w{first} w{first + 1} w{first + 2} w{first + 3} w{first + 4}" for first in range(0, 48, 6)]
NAMES = ["a", "b", "a", "a", "b", "b", "a", "b"]


def test_every_other_text_of_each_label_is_held_out(bridge):
    texts = label_texts(bridge, TEXTS, NAMES, 3)
    assert texts.names == ("a", "b")
    assert texts.labels.tolist() == [0, 1, 0, 0, 1, 1, 0, 1]
    assert texts.half.tolist() == [0, 0, 1, 0, 1, 0, 1, 1]
    held_out = texts.of_half(1)
    assert held_out.texts == (TEXTS[2], TEXTS[4], TEXTS[6], TEXTS[7])
    assert held_out == same_length(tokenise(bridge, list(held_out.texts)), 3)


@pytest.mark.parametrize("length", [1, 4, 5])
def test_a_label_with_a_text_of_too_few_tokens_that_count_is_left_out(bridge, length):
    counted = 5 - int(not bridge.cfg.default_prepend_bos)  # without BOS the first token doesn't count
    shorter = [TEXTS[0], TEXTS[1].rpartition(" ")[0], *TEXTS[2:]]
    names = label_texts(bridge, shorter, NAMES, length).names
    assert names == tuple(name for name, has in (("a", counted), ("b", counted - 1)) if has >= length)


def test_without_a_label_that_has_room_there_is_no_text(bridge):
    texts = label_texts(bridge, TEXTS, NAMES, 70)
    assert (len(texts), texts.names) == (0, ())
    with pytest.raises(InvalidInput, match="a half has no texts"):
        neuron_peaks(bridge, texts)
    with pytest.raises(InvalidInput, match="8 texts, but 2 names"):
        label_texts(bridge, TEXTS, ["a", "b"], 3)


def test_peaks_are_in_the_order_of_the_texts_whatever_their_half(bridge):
    texts = label_texts(bridge, TEXTS, NAMES, 3)
    peaks = neuron_peaks(bridge, texts)
    width = len(bridge.blocks[0].mlp.W_out)
    each = token_activations(bridge, texts.tokenised, [(1, 7)])
    unit = width + 7
    assert peaks.layer[unit] == 1
    assert peaks.values[unit] == pytest.approx([float(one.max()) for one in each], rel=1e-4, abs=1e-5)
    assert len(set(peaks.words[unit])) == len(TEXTS), "no two of the texts share a word"
    choosing, held_out = peaks.statistics
    assert choosing.n_tokens + held_out.n_tokens == 3 * len(TEXTS)
    strongest = peaks.values[:, texts.half == 1].max(1)
    assert strongest == pytest.approx(held_out.maximum.flatten().numpy())


def test_tokens_that_differ_in_case_and_spaces_are_one_word(bridge, monkeypatch):
    spellings = ["Cat", " cat", "cat "]
    monkeypatch.setattr(bridge.tokenizer, "decode", lambda ids: spellings[ids[0] % 3], raising=False)
    assert not neuron_peaks(bridge, label_texts(bridge, TEXTS, NAMES, 3)).words.any()


def test_top_texts_of_planted_units_have_in_common_what_was_planted():
    labels = np.repeat(np.arange(4), 5)
    values = np.random.default_rng(0).random((2, 20))
    words = np.tile(np.arange(20), (2, 1))
    values[0, [10, 11, 12, 13]] += [4, 7, 6, 5]  # one label, one word
    words[0, [10, 11, 12, 13]] = 99
    values[1, [0, 5, 10, 15]] += 5  # a label and a word each
    top = top_texts(values, words, labels, 4)
    assert top.order[0].tolist() == [11, 12, 13, 10], "the strongest first"
    assert (top.label[0], top.of_label.tolist()) == (2, [4, 1])
    assert top.n_labels.tolist() == [1, 4]
    assert (top.n_words.tolist(), top.same_word.tolist()) == ([1, 4], [4, 1])
    with pytest.raises(InvalidInput, match="no top 21 of 20"):
        top_texts(values, words, labels, 21)

"""Texts of a few kinds in two halves, and what neurons do on each: chosen on one, checked on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import n_neurons
from mechscope.lens.core.tokens import TokenisedTexts, first_counted, fits, special_ids, tokenise
from mechscope.lens.neuron_texts import among_top, same_length, text_peaks, topic_counts
from mechscope.lens.neurons import NeuronStatistics, neuron_statistics


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with a label each, all of one length in tokens.

    Attributes:
        tokenised: The texts, cut to that length.
        names: What each label is called.
        labels: Each text's label: 0, 1, 2 …
        half: 0 for the choosing texts, 1 for the held-out texts: every other text of each label.
    """

    tokenised: TokenisedTexts
    names: tuple[str, ...]
    labels: Int[np.ndarray, " text"]
    half: Int[np.ndarray, " text"]

    def __len__(self) -> int:
        return len(self.tokenised)

    def of_half(self, half: int) -> TokenisedTexts:
        """The texts of one half, in their order."""
        rows = np.flatnonzero(self.half == half).tolist()
        texts = tuple(self.tokenised.texts[row] for row in rows)
        return TokenisedTexts(texts, tuple(self.tokenised.ids[row] for row in rows), self.tokenised.n_special)


def label_texts(
    bridge: TransformerBridge, texts: Sequence[str], names: Sequence[str], length: int
) -> LabelledTexts:
    """Texts cut to `length` tokens that count; a label with a text of fewer is left out, perhaps all of them.

    Args:
        names: The name of each text's label.

    Raises:
        InvalidInput: Another number of names than of texts, or a length below 1.
    """
    if len(texts) != len(names):
        raise InvalidInput(f"{len(texts)} texts, but {len(names)} names of labels.")
    n_special = len(special_ids(bridge))
    enough = fits(bridge, texts, at_least=length + first_counted(n_special) - n_special, cut=True)
    short = {name for name, fit in zip(names, enough, strict=True) if not fit}
    kept = [row for row, name in enumerate(names) if name not in short]
    order = list(dict.fromkeys(names[row] for row in kept))
    labels = np.array([order.index(names[row]) for row in kept], dtype=np.int64)
    before = [int((labels[:at] == label).sum()) for at, label in enumerate(labels)]
    tokenised = TokenisedTexts((), (), n_special)
    if kept:
        tokenised = same_length(tokenise(bridge, [texts[row] for row in kept], cut=True), length)
    return LabelledTexts(tokenised, tuple(order), labels, np.array(before, dtype=np.int64) % 2)


@dataclass(frozen=True)
class NeuronPeaks:
    """The largest activation of every neuron in every text; units are neurons, layer after layer.

    Attributes:
        values: That activation.
        words: Which word it stands on, as a number: tokens that differ only in case and in the spaces around
            them are one word.
        layer: The layer of each unit.
        statistics: Of all neurons over the tokens of the choosing texts, and of the held-out texts.
    """

    values: Float[np.ndarray, "unit text"]
    words: Int[np.ndarray, "unit text"]
    layer: Int[np.ndarray, " unit"]
    statistics: tuple[NeuronStatistics, NeuronStatistics]


def neuron_peaks(bridge: TransformerBridge, texts: LabelledTexts) -> NeuronPeaks:
    """Read both halves of the texts, each in one pass.

    Raises:
        InvalidInput: A half without texts, a layer without neurons, or layers with different numbers of them.
    """
    layers = range(bridge.cfg.n_layers)
    width = n_neurons(bridge, layers)
    values = np.empty((len(layers) * width, len(texts)), dtype=np.float32)
    tokens = np.empty(values.shape, dtype=np.int64)
    statistics = []
    for half in (0, 1):
        tokenised = texts.of_half(half)
        if not len(tokenised):
            raise InvalidInput("a half has no texts.", hint="two texts of each label, or more")
        statistics.append(neuron_statistics(bridge, tokenised, layers, top=len(tokenised)))
        peaks = text_peaks(statistics[half], tokenised)
        values[:, texts.half == half] = peaks.values.flatten(0, 1).numpy()
        tokens[:, texts.half == half] = peaks.tokens.flatten(0, 1).numpy()
    return NeuronPeaks(
        values,
        _words(bridge, tokens),
        np.repeat(np.arange(len(layers)), width),
        (statistics[0], statistics[1]),
    )


def _words(bridge: TransformerBridge, tokens: Int[np.ndarray, "unit text"]) -> Int[np.ndarray, "unit text"]:
    ids, inverse = np.unique(tokens, return_inverse=True)
    words: dict[str, int] = {}
    codes = [
        words.setdefault(bridge.tokenizer.decode([int(token)]).strip().lower(), len(words)) for token in ids
    ]
    return np.array(codes, dtype=np.int64)[inverse].reshape(tokens.shape)


@dataclass(frozen=True)
class TopTexts:
    """The texts in which each unit is most active, and what they have in common.

    Attributes:
        order: These texts, the one with the largest activation first.
        counts: How many of them have each label.
        n_words: On how many different words the activations stand.
        same_word: In how many texts they stand on the commonest of these words.
    """

    order: Int[np.ndarray, "unit k"]
    counts: Int[np.ndarray, "unit label"]
    n_words: Int[np.ndarray, " unit"]
    same_word: Int[np.ndarray, " unit"]

    @property
    def label(self) -> Int[np.ndarray, " unit"]:
        """The commonest label of each unit's top texts."""
        return self.counts.argmax(1)

    @property
    def of_label(self) -> Int[np.ndarray, " unit"]:
        """How many top texts have that label."""
        return self.counts.max(1)

    @property
    def n_labels(self) -> Int[np.ndarray, " unit"]:
        """How many different labels the top texts have."""
        return (self.counts > 0).sum(1)


def top_texts(
    values: Float[np.ndarray, "unit text"],
    words: Int[np.ndarray, "unit text"],
    labels: Int[np.ndarray, " text"],
    k: int,
) -> TopTexts:
    """The k texts with the largest value of each unit; of equal values the first text counts.

    Args:
        words: Which word each value stands on, as a number.

    Raises:
        InvalidInput: A k that is not between 1 and the number of texts.
    """
    counts = topic_counts(among_top(values, k), labels)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    their_words = np.sort(np.take_along_axis(words, order, axis=1), axis=1)
    same = their_words[:, :, None] == their_words[:, None, :]
    return TopTexts(order, counts, 1 + (np.diff(their_words, axis=1) != 0).sum(1), same.sum(-1).max(1))

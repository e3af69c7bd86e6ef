from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from mechscope.errors import InvalidInput
from mechscope.ledger import Ledger, recording
from mechscope.lens.core import tokens
from mechscope.lens.core.tokens import TokenisedTexts, tokenise
from mechscope.lens.neuron_texts import (
    among_top,
    last_token_neurons,
    neuron_passages,
    one_topic_rates,
    same_length,
    shared_neurons,
    text_peaks,
    token_activations,
    topic_counts,
)
from mechscope.lens.neurons import neuron_statistics

LABELS = np.repeat(np.arange(4), 5)


def planted() -> np.ndarray:
    """Activations of three neurons in 20 texts: one of topic 2, one of two topics, one of all."""
    rng = np.random.default_rng(0)
    values = rng.random((3, 20))
    values[0, LABELS == 2] += 5
    values[1, [0, 1, 2, 15, 16]] += 5
    values[2, [0, 5, 6, 10, 15]] += 5
    return values


def test_planted_neurons_are_of_one_topic_two_and_all():
    counts = topic_counts(among_top(planted(), 5), LABELS)
    assert counts.tolist() == [[0, 0, 5, 0], [3, 0, 0, 2], [1, 2, 1, 1]]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> TransformerBridge:
    """A model whose stream is its token, as a one-hot vector, and whose neurons read what is planted.

    Neuron 0 reads the tokens 1 to 4, neuron 1 the tokens 1 and 11, neuron 2 the token 21.
    """
    size = 30
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(vocab_size=size, n_embd=size, n_layer=1, n_head=1, n_positions=16, n_inner=3, **ends)
    original = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for name, weights in original.named_parameters():
            if "ln_" not in name:
                weights.zero_()
        original.transformer.wte.weight.copy_(torch.eye(size))
        into = original.transformer.h[0].mlp.c_fc
        for neuron, tokens in enumerate(([1, 2, 3, 4], [1, 11], [21])):
            into.weight[tokens, neuron] = 1.0
    folder = tmp_path_factory.mktemp("reader")
    core = Tokenizer(WordLevel({str(token): token for token in range(size)}, unk_token="0"))
    PreTrainedTokenizerFast(tokenizer_object=core, bos_token="0", eos_token="0").save_pretrained(folder)
    original.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)  # the bridge wants to know where it came from
    return TransformerBridge.boot_transformers(
        str(folder), hf_model=original, tokenizer=tokenizer, device="cpu", dtype=torch.float32
    ).eval()


def test_neurons_planted_in_a_model_are_of_the_topics_that_they_read(reader):
    filler = [5, 12, 22]  # of each topic, a token that no neuron reads
    own = [[1, 2, 3, 4], [11, 11, 11, 11], [21, 21, 21, 21]]
    ids = [(0, filler[topic], token) for topic in range(3) for token in own[topic]]
    tokenised = TokenisedTexts(tuple(map(str, ids)), tuple(ids), n_special=1)
    statistics = neuron_statistics(reader, tokenised, [0], top=len(ids))
    peaks = text_peaks(statistics, tokenised)
    assert peaks.tokens[0, 0, :4].tolist() == [1, 2, 3, 4]
    counts = topic_counts(among_top(peaks.values[0].numpy(), 4), np.repeat([0, 1, 2], 4))
    assert counts[0].tolist() == [4, 0, 0], "of one topic, by four different tokens"
    assert counts[2].tolist() == [0, 0, 4], "of one topic, by one token"
    five = topic_counts(among_top(peaks.values[0, 1:2].numpy(), 5), np.repeat([0, 1, 2], 4))
    assert five[0].tolist() == [1, 4, 0], "of two topics"


def test_rates_of_the_true_labels_are_counts_and_of_shuffled_ones_the_hypergeometric():
    rng = np.random.default_rng(1)
    top = among_top(planted(), 5)
    each, all_of_them = np.eye(3), np.full((1, 3), 1 / 3)
    weights = np.concatenate([each, all_of_them])
    shares, reached = one_topic_rates(top, LABELS[None], weights, at_least=4)
    assert shares[0] == pytest.approx([1, 3 / 5, 2 / 5, (5 + 3 + 2) / 15])
    assert reached[0] == pytest.approx([1, 0, 0, 1 / 3])
    draws = rng.permuted(np.tile(LABELS, (20_000, 1)), axis=1)
    _, by_chance = one_topic_rates(top, draws, weights, at_least=4)
    # At least 4 of 5 texts out of one topic's 5 among 20: 4 topics × (C(5,4)·15 + 1) / C(20,5).
    assert by_chance.mean(0) == pytest.approx(4 * 76 / 15504, abs=0.004)


def test_texts_of_one_length_never_count_the_first_position(bridge):
    texts = ["w1 w2 w3 w4", "w5 w6 w7"]
    without = same_length(tokenise(bridge, texts, prepend_bos=False), 2)
    assert without.n_special == 1
    assert [len(row) for row in without.ids] == [3, 3]
    assert without.ids[0] == tokenise(bridge, texts, prepend_bos=False).ids[0][:3]
    assert same_length(tokenise(bridge, texts, prepend_bos=True), 3).n_tokens.tolist() == [3, 3]
    with pytest.raises(InvalidInput, match="fewer than 3"):
        same_length(tokenise(bridge, texts, prepend_bos=False), 3)
    with pytest.raises(InvalidInput, match="cut to 0"):
        same_length(tokenise(bridge, texts), 0)


def test_peaks_are_the_largest_activations_and_stand_on_their_tokens(bridge, texts):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    statistics = neuron_statistics(bridge, tokenised, [0, 2], top=len(texts))
    peaks = text_peaks(statistics, tokenised)
    neurons = [(layer, neuron) for layer in (0, 2) for neuron in (0, 3, 47)]
    each = token_activations(bridge, tokenised, neurons, padding="left", batch_size=4)
    for text, values in enumerate(each):
        assert len(values) == len(texts[text].split())
        for column, (layer, neuron) in enumerate(neurons):
            at = int(values[:, column].argmax())
            found = peaks.values[layer // 2, neuron, text]
            torch.testing.assert_close(found, values[at, column], rtol=1e-4, atol=1e-5)
            assert int(peaks.tokens[layer // 2, neuron, text]) == tokenised.ids[text][1 + at]
    few = neuron_statistics(bridge, tokenised, [0], top=2)
    with pytest.raises(InvalidInput, match="2 of 6 texts were kept"):
        text_peaks(few, tokenised)


def test_the_last_token_is_read_whatever_the_padding(bridge, texts):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    found = last_token_neurons(bridge, tokenised, padding="left", batch_size=4)
    each = token_activations(bridge, tokenised, [(1, 7)], padding="right")
    expected = torch.stack([values[-1, 0] for values in each])
    torch.testing.assert_close(found[1, 7], expected, rtol=1e-3, atol=1e-4)
    assert found.shape == (3, bridge.blocks[0].mlp.W_out.shape[0], 6)


def test_sets_of_neurons_overlap_as_planted():
    activations = torch.zeros(1, 10, 3)
    activations[0, [0, 1, 2, 3], 0] = 1.0
    activations[0, [2, 3, 4, 5], 1] = torch.tensor([9.0, 1.0, 1.0, 1.0])  # which are active counts, not how
    activations[0, [6, 7, 8, 9], 2] = 1.0
    expected = [[1, 2 / 6, 0], [2 / 6, 1, 0], [0, 0, 1]]
    assert shared_neurons(activations, 4)[0] == pytest.approx(np.array(expected))
    with pytest.raises(InvalidInput, match="no top 11 of 10"):
        shared_neurons(activations, 11)


def test_random_sets_overlap_as_little_as_chance_says():
    activations = torch.randn(5, 400, 30, generator=torch.Generator().manual_seed(0))
    found = shared_neurons(activations, 20)
    first, second = np.triu_indices(30, 1)
    assert found[:, first, second].mean() == pytest.approx(20 / (2 * 400 - 20), rel=0.05)


def test_neurons_that_are_not_there_are_refused(bridge, texts):
    tokenised = tokenise(bridge, texts)
    with pytest.raises(InvalidInput, match="no neurons"):
        token_activations(bridge, tokenised, [])
    with pytest.raises(InvalidInput, match="layer 1 has no neuron 1000"):
        token_activations(bridge, tokenised, [(1, 1000)])
    with pytest.raises(InvalidInput, match="0 to 2"):
        token_activations(bridge, tokenised, [(3, 0)])
    with pytest.raises(InvalidInput, match="no top 0"):
        among_top(np.zeros((1, 4)), 0)


def test_a_neurons_passages_are_recorded_as_they_come(bridge, texts, monkeypatch):
    records = []
    monkeypatch.setattr(recording, "_show", lambda payload, record: records.append(record))
    texts = [f"w20 {text}" for text in texts]
    passages = neuron_passages(bridge, texts, (1, 7), titles=[text.upper() for text in texts])
    each = token_activations(bridge, tokenise(bridge, texts), [(1, 7)])
    for text, passage, values in zip(texts, passages, each, strict=True):
        assert "".join(passage.tokens).split() == text.split() or " ".join(passage.tokens) == text
        assert passage.values == pytest.approx([0, *values[:, 0].tolist()], abs=5e-5)
        assert passage.title == text.upper()
    Ledger("demo").passages("neuron", passages, caption="C")
    assert records[0].passages[0].values == passages[0].values
    with pytest.raises(InvalidInput, match="6 texts, but 1 titles"):
        neuron_passages(bridge, texts, (1, 7), titles=["one"])
    with pytest.raises(InvalidInput, match="layer 1 has no neuron"):
        neuron_passages(bridge, texts, (1, 10**6))


def test_a_piece_of_several_tokens_has_the_value_that_is_farthest_from_0(bridge, monkeypatch):
    pieces = [("é", slice(0, 2)), ("!", slice(2, 3))]
    monkeypatch.setattr(tokens, "readable_pieces", lambda *_: pieces)
    made = tokens.valued_text(bridge, [1, 2, 3], torch.tensor([0.5, -2.0, 1.00004]), title="T")
    assert made == tokens.ValuedText(("é", "!"), (-2.0, 1.0), "T")

from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.neurons import (
    HISTOGRAM_EDGES,
    neuron_statistics,
    reaches_further_down,
    shares_by_size,
    topics_among_top,
)


@pytest.mark.parametrize("padding", ["left", "right", "none"])
def test_streamed_statistics_are_those_of_all_activations_at_once(bridge, texts, padding):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    found = neuron_statistics(bridge, tokenised, [0, 2], threshold=0.1, top=3, padding=padding, batch_size=2)
    for at, layer in enumerate((0, 2)):
        name = f"blocks.{layer}.mlp.hook_post"
        each = []
        for ids in tokenised.ids:
            with torch.no_grad():
                _, cache = bridge.run_with_cache(torch.tensor([ids]), names_filter=name)
            each.append(cache[name][0, 1:])
        tokens = torch.cat(each).double()
        centred = tokens - tokens.mean(0)
        expected = {
            "maximum": tokens.max(0).values,
            "mean": tokens.mean(0),
            "std": tokens.std(0, correction=0),
            "kurtosis": (centred**4).mean(0) / (centred**2).mean(0) ** 2,
            "firing_rate": (tokens > 0.1).double().mean(0),
        }
        for field, values in expected.items():
            torch.testing.assert_close(getattr(found, field)[at], values.float(), rtol=1e-3, atol=1e-4)
        open_ended = np.array([-np.inf, *HISTOGRAM_EDGES, np.inf])
        for neuron in range(tokens.shape[1]):
            counted, _ = np.histogram(tokens[:, neuron].numpy(), open_ended)
            assert found.histogram[at, neuron].tolist() == counted.tolist()
        largest = torch.stack([one.max(0).values for one in each])
        values, _ = largest.sort(0, descending=True)
        torch.testing.assert_close(found.top_values[at], values[:3].T, rtol=1e-4, atol=1e-5)
        for neuron in (0, 7):
            for place in range(3):
                text, position = (
                    int(part[at, neuron, place]) for part in (found.top_texts, found.top_positions)
                )
                torch.testing.assert_close(
                    each[text][position, neuron], found.top_values[at, neuron, place], rtol=1e-4, atol=1e-5
                )
    assert found.n_tokens == sum(len(text.split()) for text in texts)


def test_the_histogram_counts_every_token_once_and_a_value_on_an_edge_in_the_bin_above_it(bridge, texts):
    """Neurons planted at given values by a hook that overwrites them before they are read."""
    planted = torch.tensor([-1000.0, -64.0, -1.0, 0.0, 0.5, 0.6, 1.0, 64.0, 1000.0])

    def put(value, hook):
        value[..., : len(planted)] = planted
        return value

    with bridge.hooks(fwd_hooks=[("blocks.1.mlp.hook_post", put)]):
        tokenised = tokenise(bridge, texts, prepend_bos=True)
        found = neuron_statistics(bridge, tokenised, [1], top=2, batch_size=4).histogram[0]
    assert (found.sum(1) == sum(len(text.split()) for text in texts)).all()
    where = found[: len(planted)].argmax(1).tolist()
    assert (found[: len(planted)] > 0).sum(1).tolist() == [1] * len(planted)
    for value, bin in zip(planted.tolist(), where, strict=True):
        assert bin == sum(edge <= value for edge in HISTOGRAM_EDGES)


def test_topics_among_the_top_texts_are_counted():
    top = torch.tensor([[0, 1, 2], [0, 3, 5], [0, 1, 3]])
    assert topics_among_top(top, np.array([4, 4, 4, 9, 9, 2])).tolist() == [1, 3, 2]


def counted(*neurons: list[float]) -> torch.Tensor:
    """The histogram of each neuron's activations."""
    edges = np.array([-np.inf, *HISTOGRAM_EDGES, np.inf])
    return torch.tensor(np.array([np.histogram(values, edges)[0] for values in neurons]))


def test_a_neuron_reaches_further_down_if_its_lowest_activation_is_a_bin_further_out_than_its_highest():
    neurons = [[-3.0, 1.0], [-1.0, 3.0], [-1.5, 1.9], [-0.1], [0.1], [-70.0, 63.0], [-1e4, 1e4]]
    expected = [True, False, False, True, False, True, False]
    assert reaches_further_down(counted(*neurons)).tolist() == expected
    assert reaches_further_down(counted(*neurons).view(7, 1, -1)).tolist() == [[each] for each in expected]


def test_activations_are_shared_out_by_size_with_a_cut_in_the_part_above_it():
    histogram = counted([-2.0, -1.0, -0.5, 0.0, 0.1, 0.125, 5.0, 500.0], [0.05] * 4)
    shares = shares_by_size(histogram, (-1.0, -0.125, 0.125, 1.0))
    assert shares.tolist() == [[1 / 8, 2 / 8, 2 / 8, 1 / 8, 2 / 8], [0, 0, 1, 0, 0]]
    for cuts in ((0.3,), (1.0, -1.0), (1.0, 1.0)):
        with pytest.raises(InvalidInput, match="not counted between"):
            shares_by_size(histogram, cuts)


def test_refusals(bridge, texts):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    with pytest.raises(InvalidInput, match="no layer 3.*0 to 2"):
        neuron_statistics(bridge, tokenised, [3])
    with pytest.raises(InvalidInput, match="no layers"):
        neuron_statistics(bridge, tokenised, [])
    with pytest.raises(InvalidInput, match="no top 7 of 6"):
        neuron_statistics(bridge, tokenised, [0], top=7)
    with pytest.raises(InvalidInput, match="'w3' has no token that counts"):
        neuron_statistics(bridge, tokenise(bridge, texts, prepend_bos=False), [0])

from __future__ import annotations

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidInput
from mechscope.lens.next_tokens import log_mass, shared_top, top_tokens, words_as_tokens

PROBABILITIES = torch.tensor([[0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]])


def test_top_tokens_come_by_probability_and_ties_by_id(bridge):
    top = top_tokens(bridge, PROBABILITIES.log(), 3)
    assert top.ids.tolist() == [[0, 1, 2], [3, 0, 1]]
    torch.testing.assert_close(top.probabilities[0], torch.tensor([0.5, 0.2, 0.2]))
    assert top.tokens[1] == ("w0", "<pad>", "<bos>")


def test_a_frame_of_top_tokens_holds_a_row_a_token_with_its_rank(bridge):
    frame = top_tokens(bridge, PROBABILITIES.log(), 2).frame(["a", "b"])
    assert list(frame) == ["prompt", "token_id", "token", "rank", "probability"]
    assert frame["prompt"].tolist() == ["a", "a", "b", "b"] and frame["rank"].tolist() == [1, 2, 1, 2]
    assert frame["token"][2] == "w0" and frame["token_id"][2] == 3
    assert frame["probability"].tolist() == pytest.approx([0.5, 0.2, 0.7, 0.1])


def test_shared_top_counts_common_tokens_whatever_their_rank():
    ids = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1], [3, 4, 5, 6], [7, 8, 9, 10]])
    np.testing.assert_allclose(
        shared_top(ids), [[1, 1, 0.5, 0], [1, 1, 0.5, 0], [0.5, 0.5, 1, 0], [0, 0, 0, 1]]
    )


def test_log_mass_sums_probabilities_and_counts_a_token_once():
    torch.testing.assert_close(log_mass(PROBABILITIES.log(), [1, 2, 2]).exp(), torch.tensor([0.4, 0.2]))


def test_only_words_that_are_one_token_are_found(bridge):
    found = words_as_tokens(bridge, ["w1", "w2 w3"])
    assert found[4] == "w1"
    assert "w2 w3" not in found.values()


def test_impossible_requests_are_refused(bridge):
    for k in (0, 5):
        with pytest.raises(InvalidInput):
            top_tokens(bridge, PROBABILITIES.log(), k)
    with pytest.raises(InvalidInput, match="no tokens"):
        log_mass(PROBABILITIES.log(), [])
    with pytest.raises(InvalidInput, match="twice"):
        shared_top(torch.tensor([[1, 1]]))

"""Texts with a value for each token: what is kept, how it is shaded, what is named when it does not fit."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from mechscope.errors import InvalidRecord
from mechscope.ledger import Ledger, Passage, recording
from mechscope.ledger.display import record_html
from mechscope.ledger.schema import Passages

NAN, INFINITE = float("nan"), float("inf")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Passages]:
    records: list[Passages] = []
    monkeypatch.setattr(recording, "_show", lambda payload, record: records.append(record))
    return records


def record(texts: Any) -> None:
    Ledger("demo").passages("p", texts, caption="C")


@pytest.mark.parametrize("values", [[1, -2.5], (1.0, -2.5), np.array([1, -2.5]), torch.tensor([1, -2.5])])
@pytest.mark.parametrize("made", [Passage.of, lambda tokens, values: Passage(tokens=tokens, values=values)])
def test_values_come_as_a_list_an_array_or_a_tensor(made: Any, values: Any, recorded: list[Passages]) -> None:
    record([made(["a", " b"], values)])
    assert recorded[0].passages[0].values == (1.0, -2.5)
    assert recorded[0].largest == 2.5


def test_anything_with_tokens_and_values_is_a_passage(recorded: list[Passages]) -> None:
    record([SimpleNamespace(tokens=("a", "\ud800\x0c"), values=np.zeros(2), title="T")])
    assert recorded[0].passages[0] == Passage(tokens=("a", "<U+D800><U+000C>"), values=(0.0, 0.0), title="T")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([Passage(tokens=("a", " b"), values=(1, NAN), title="war")], "text 1 .'war'.: token 2, ' b'.* nan"),
        ([Passage(tokens=(t,), values=(v,)) for t, v in (("a", 1), ("b", INFINITE))], "text 2 .'b'.: token"),
        ([Passage(tokens=("a", "b"), values=(0.5,))], "text 1 .'ab'.: 2 tokens but 1 values"),
        ([Passage(tokens=(), values=())], "text 1 .* has no tokens"),
        ([], "are empty"),
        (Passage(tokens=("a",), values=(1,)), "are a Passage, not a list"),
        ([("a", 1.0)], "hold a tuple, not a passage"),
        (["text"], "hold a str, not a passage"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_by_text_and_token(texts: Any, said: str) -> None:
    with pytest.raises(InvalidRecord, match=f"passages 'p'.*{said}"):
        record(texts)


@pytest.mark.parametrize(
    ("tokens", "values", "said"),
    [
        (["a"], [1, 2], "1 tokens but 2 values"),
        (["a"], [None], "values 1"),
        ([3], [1], "tokens 1"),
        (["a"], ["x"], "values 1"),
        (["a"], [float("nan")], "token 1, 'a'"),
    ],
)
def test_a_passage_that_does_not_fit_is_refused_when_it_is_made(tokens: Any, values: Any, said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        Passage.of(tokens, values)


def shades(values: list[float], recorded: list[Passages]) -> list[tuple[str, float, str]]:
    """Colour, density and value of each token in the notebook's display."""
    record([Passage.of([f"t{n}" for n in range(len(values))], values)])
    html = record_html("demo", "p", recorded[-1])
    found = re.findall(r'rgba\(([\d,]+),([\d.]+)\)" aria-description="([^"]*)" title="\3">t', html)
    assert len(found) == len(values)
    return [(colour, float(density), value) for colour, density, value in found]


@pytest.mark.parametrize("values", [[-1.0, -4.0, -2.0], [1.0, 4.0, 2.0], [-1.0, 4.0, -2.0]])
def test_the_largest_absolute_value_has_the_full_shade_whatever_its_sign(
    values: list[float], recorded: list[Passages]
) -> None:
    found = shades(values, recorded)
    densities = [density for _, density, _ in found]
    assert densities[1] == max(densities) and densities[0] < densities[2] < densities[1]
    assert densities[2] == pytest.approx(densities[1] / 2, abs=0.01)
    of_sign = {(value > 0, colour) for value, (colour, _, _) in zip(values, found, strict=True)}
    assert len(of_sign) == len({value > 0 for value in values})  # one colour a sign
    assert [value for _, _, value in found] == [f"{value:.3g}".replace("-", "−") for value in values]


def test_values_that_are_all_zero_have_no_shade(recorded: list[Passages]) -> None:
    assert {density for _, density, _ in shades([0.0, 0.0], recorded)} == {0.0}

"""Math that states a value, told from math that relates symbols."""

from __future__ import annotations

import pytest

from mechscope.review.lint.formulas import stated, worded


@pytest.mark.parametrize(
    ("math", "expected"),
    [
        ("0.31", True),
        (r"31\%", True),
        (r"3 \times 10^{-4}", True),
        (r"p \leq 0.05", True),
        (r"L_0 = 32", True),
        ("T = 0.31 > 0", True),
        ("T > 0", False),
        ("x_0 = 1", False),
        ("2y + 3", False),
        ("1/(n-1)", False),
        (r"\frac{1}{2}(a + b)", False),
        ("h^{12}", False),
        ("n", False),
        ("[0.71, 0.78]", True),
        (r"k \in \{3, 7\}", True),
        (r"\frac{3}{4}", True),
        ("12 < n", True),
        ("n=1{,}204", True),
        ("0{.}93", True),
        (r"2.5\times", True),
        (r"\text{accuracy } 93\%", True),
        ("y = 0.93x", True),
        (r"0.\mathbf{4}\mathit{6}", True),
        (r"\mathbf{9}\mathit{3}", True),
        (r"0\mathbf{.}93", True),
        (r"x_{9}{3}", False),
        (r"\mathbb{R}^{768}", False),
        ("[0, 1]", False),
        (r"\{-1, 1\}", False),
        (r"0 \le i < n", False),
        ("f(1, 2)", False),
        ("2^n", False),
        (r"\sum_{t=2}^{n} a_t", False),
        (r"x_1, \dots, x_{12}", False),
    ],
)
def test_math_states_a_value_only_as_a_number_or_after_a_relation(math: str, expected: bool) -> None:
    assert bool(stated(math)) is expected


@pytest.mark.parametrize(
    ("math", "number"), [("p < 0.01", "0.01"), (r"x = y \\ z = 12", "12"), (r"\text{at } 14", "14")]
)
def test_the_place_is_that_of_the_number(math: str, number: str) -> None:
    (place,) = stated(math)
    assert math[slice(*place)].strip() == number


@pytest.mark.parametrize(
    ("math", "words"),
    [
        (r"\text{eighty-one percent}", ["eighty-one percent"]),
        (r"p = \textbf{one half} \mbox{ of it}", ["one half", " of it"]),
        (r"h_{\text{layer two}}", []),
        (r"\mathrm{softmax}(x)", []),
    ],
)
def test_words_in_math_are_prose_unless_they_are_an_index(math: str, words: list[str]) -> None:
    assert [math[slice(*span)] for span in worded(math)] == words

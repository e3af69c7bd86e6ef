"""Which numbers of a text are judged at all, and where they stand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechscope.articles.markdown import scan
from mechscope.review.lint import probe
from mechscope.review.lint.names import Names
from mechscope.review.lint.numerals import numerals, value_of

NAMES = Names(["Gemma 3", "Gemma 3 270M"])


@pytest.fixture(autouse=True)
def every_number_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is tested which numbers are looked at; which of them are results: see `test_lint_corpus`."""
    monkeypatch.setattr(
        probe, "scores", lambda queries, kept=None: [[1.0] * len(spans) for _, spans in queries]
    )


def flagged(text: str) -> list[str]:
    return [number.text for number in numerals(scan(text), NAMES)]


def all_given(text: str) -> str:
    for number in reversed(numerals(scan(text), NAMES)):
        text = f"{text[: number.start]}[{number.text}]{{.given}}{text[number.end :]}"
    return text


PIECES = st.one_of(
    st.integers(0, 10**7).map(str),
    st.integers(-500, 500).map(lambda value: f"{value / 100:.2f}"),
    st.sampled_from(["12%", "seven of the ten", "twenty-one", "a third of", "half the", "twice as", "three"]),
    st.sampled_from(
        ["L5H3", "layer 4", "$p < 0.05$", "$T > 0$", "between 0 and 1", "two or three", "1,024", "½"]
    ),
    st.sampled_from(
        ["heads", "labels", "the", "of", "in", "model", "GPT-2", "topics.", "it.", "(see", "x),"]
    ),
    st.sampled_from(
        ["**bold**", "*n*", "`code`", "@fig-a-1", "{{< stat a.b >}}", "[a link](b-2.qmd)", "—", "\n"]
    ),
    st.sampled_from(
        ["\n\n", "\n\n- ", "\n\n1. ", "\n\n## ", "\n\n> ", "\n\n| a | ", "\n\n::: {.note}\n\n", "\n\n:::\n\n"]
    ),
)


@given(st.lists(PIECES, max_size=25).map(" ".join))
@settings(max_examples=300)
def test_positions_point_at_the_text_and_given_numbers_are_left_alone(text: str) -> None:
    found = numerals(scan(text), NAMES)
    assert all(text[number.start : number.end] == number.text for number in found)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert flagged(all_given(text)) == []


def test_a_citation_excuses_its_own_sentence_only() -> None:
    assert flagged("They found 0.3 [see @smith2020, pp. 3--5]. We found 0.4.") == ["0.4"]
    assert flagged("- They found 0.3.\n- @smith2020 did not find 0.4.") == ["0.3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We find 0.93, more than @smith2020 report.", ["0.93"]),
        ("They report 0.3 [@smith2020]; ours reaches 0.71.", ["0.71"]),
        ("@smith2020 found 26 heads and 3 of another kind, with a score of 0.4.", []),
        ("We follow @smith2020 and take 512 tokens.", []),
    ],
)
def test_a_citation_does_not_excuse_a_clause_that_tells_what_we_found(text: str, expected: list[str]) -> None:
    assert flagged(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Then\n\n$$\nx = y \\\\\nz = 0.93\n$$\n",
        "```{=html}\n<table>\n\n<tr><td>0.93</td></tr>\n</table>\n```\n",
        "```{mermaid}\ngraph LR\n  a --> b\n  b -->|0.93| c\n```\n",
        "<style>\n.a { width: 50% }\n.b::after { content: '0.93' }\n</style>\n",
        "---\ntitle: x\nbest: 0.93\n---\n\n{{< meta best >}}\n",
    ],
)
def test_a_number_inside_something_longer_is_placed_at_its_own_line(text: str) -> None:
    (number,) = numerals(scan(text), NAMES)
    assert text.count("\n", 0, number.place) == text.count("\n", 0, text.index("0.93"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("We found XLII heads.", "XLII"),
        ("Accuracy_0.93 is what it reaches.", "0.93"),
        ("AUROC0.93 is good.", "0.93"),
        ("We found ca.12 heads.", "12"),
        ("O.93 is the AUROC.", "O.93"),
        ("It is &#48;.９３ here.", "&#48;.９３"),
    ],
)
def test_a_number_in_disguise_is_looked_at(text: str, number: str) -> None:
    assert flagged(text) == [number]


def test_a_cross_reference_excuses_nothing() -> None:
    assert flagged("As @fig-heads shows, 17 heads do it.") == ["17"]


def test_number_words_are_found_whatever_their_case_and_across_lines() -> None:
    assert flagged("SEVEN\nof the\nTEN topics") == ["SEVEN", "TEN"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("−0.5", -0.5),
        ("80%", 0.8),
        ("1,204", 1204),
        ("twenty-one", 21),
        ("two hundred and five", 205),
        ("thirty-two thousand", 32000),
        ("a dozen", 12),
        ("two dozen", 24),
        ("a third", 1 / 3),
        ("half", 0.5),
        ("five sixths", 5 / 6),
        ("a twentieth", 0.05),
        ("two and a half", None),
        ("twice", None),
        ("L5H3", None),
    ],
)
def test_values_of_typed_numbers(text: str, expected: float | None) -> None:
    assert value_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is known [@wang2023, who report more than our 0.52].", ["0.52"]),
        ("This is known [@wang2023, who report 0.52].", []),
        ("This is known [see @wang2023, p. 3; @meng2022, where we see 12 heads].", ["12"]),
    ],
)
def test_what_a_citation_says_of_us_is_ours(text: str, expected: list[str]) -> None:
    assert flagged(text) == expected


def test_a_style_that_prints_an_attribute_makes_it_prose() -> None:
    style = '<style>.x::after { content: attr(data-name) ": " attr(data-share); }</style>\n\n'
    span = '<span class="x" data-share="41" data-index="7"></span>'
    assert flagged(style + span) == ["41"] and flagged(span) == []
    assert flagged(style + '[Share]{.x data-share="41"}') == ["41"]


@pytest.mark.parametrize("marks", ["5. 6. 7.", "12) 13)", "(8) (9)", "1. 2."])
def test_a_list_may_begin_with_any_number(marks: str) -> None:
    assert flagged("\n".join(f"{mark} Do it." for mark in marks.split())) == []


def test_what_is_no_list_counts_nothing() -> None:
    assert flagged("93. That is the accuracy.") == ["93"]

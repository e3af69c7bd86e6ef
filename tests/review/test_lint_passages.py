"""What is read around a number."""

from __future__ import annotations

import pytest

from mechscope.articles.markdown import scan
from mechscope.review.lint.passages import passages


def read_as(text: str) -> list[str]:
    return [passage.reading.text for passage in passages(scan(text))]


def test_a_paragraph_is_read_alone_and_a_table_with_the_paragraph_before_it() -> None:
    assert read_as("One.\n\n<!-- so it is -->\nTwo.") == ["One.", "Two."]
    assert read_as("These are settings.\n\n| a | 1 |\n|---|---|") == [
        "These are settings.",
        "These are settings.\n| a | 1 |\n|---|---|",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "We took [70]{.given} texts.",
        "<!-- lint: allow numeral because it was fixed -->\nWe took 70 texts.",
        "We   took  70 texts.<!-- so\nit is -->",
        "We took &#55;0 texts.",
    ],
)
def test_marks_comments_and_spaces_change_nothing(text: str) -> None:
    assert [passage.strip() for passage in read_as(text)] == ["We took 70 texts."]


def test_each_place_is_judged_once_and_a_long_paragraph_in_parts_that_end_with_sentences() -> None:
    text = "Every head was ablated once, and we kept what was lost. " * 60 + "\n\n- a\n- b\n\nEnd."
    parts = list(passages(scan(text)))
    judged = [place for part in parts for place in range(part.start, part.end)]
    assert len(judged) == len(set(judged)) and all(
        text[n].isspace() for n in set(range(len(text))) - set(judged)
    )
    assert all(part.reading.text.rstrip().endswith(".") for part in parts[:4])
    assert all(len(part.reading.text) <= 1300 for part in parts)


def test_what_is_read_knows_where_it_is_written() -> None:
    text = "Of [12]{.given}  heads <!-- few --> 3 copy."
    (passage,) = passages(scan(text))
    for number in ("12", "3"):
        place = passage.reading.text.index(number)
        assert text[slice(*passage.reading.span(place, place + len(number)))] == number
        assert passage.reading.place(text.index(number)) == place

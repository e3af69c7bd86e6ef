"""Text as it is read, whatever it is written with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechscope.articles.markdown import GONE, MARK, NAME
from mechscope.review.lint.reading import read


@pytest.mark.parametrize(
    "written",
    [
        "0.93",
        f"0.{GONE}{GONE}93{GONE}",
        "0&#46;93",
        "&#x30;.9&#51;",
        "０.９３",
        "𝟎.𝟗𝟑",
        "٠.٩٣",
        "0\u200b.9\u2060\u00ad3",
        "O.93",
    ],
)
def test_a_number_in_disguise_reads_as_the_number(written: str) -> None:
    assert read(written).text == "0.93"


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("10⁻³", "10^-3^"),
        ("x₁₂", "x~12~"),
        ("⑦ heads", "(7) heads"),
        ("Ⅻ heads", "12 heads"),
        ("¾ &frac12;", "¾ ½"),
        ("nіnеty", "ninety"),
        ("ѕіх", "six"),
        ("九十三 percent", " 93 percent"),
        ("八七%", " 87%"),
        ("百分之二十", " 20%"),
        ("零点九三", " 0.93"),
        ("一万二千", " 12000"),
        ("一般", "一般"),
        (f"{MARK}{NAME} é … AT&T", f"{MARK}{NAME} é … AT&T"),
    ],
)
def test_other_signs_read_as_markdown_would_write_them(written: str, read_as: str) -> None:
    assert read(written).text == read_as


@given(st.text(st.sampled_from("a0.９²₃①&#48;\u200b½Ⅻ\ufff9 "), max_size=30), st.integers(0, 5))
def test_every_letter_knows_where_it_is_written(text: str, start: int) -> None:
    reading = read(text, min(start, len(text)))
    assert len(reading.places) == len(reading.text) + 1 and list(reading.places) == sorted(reading.places)
    assert all(start <= place <= len(text) for place in reading.places) or start > len(text)

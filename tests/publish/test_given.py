"""Numbers that the authors gave are told from those that were measured."""

from __future__ import annotations

import pytest

from mechscope.articles.sources import shortcodes_in
from mechscope.project import Project
from mechscope.publish.pages.context import Context
from mechscope.publish.pages.given import given_numbers
from mechscope.publish.prerender import prepare
from tests.publish.test_lua import lua
from tests.publish.test_pages import _words

RUN = "smollm2-135m"
ARTICLE = "paper/articles/topic-geometry.qmd"


def _write(project: Project, text: str) -> int:
    """Put `text` at the end of the article; the line on which it begins."""
    path = project.root / ARTICLE
    before = path.read_text()
    path.write_text(f"{before}\n{text}\n")
    return before.count("\n") + 2


def _given(project: Project) -> list:
    return given_numbers(Context(project, RUN, shortcodes_in(project)))


def test_a_given_number_is_listed_with_its_sentence_its_place_and_what_it_cites(sample: Project) -> None:
    line = _write(
        sample,
        "Before. Of [20]{.given} topics, [five]{.given} are *new* [@park2024]; of\n"
        "{{< stat topic_geometry.topics >}} none. After.",
    )
    (one,) = _given(sample)
    assert one.texts == ("20", "five")
    assert one.sentence == "Of 20 topics, five are new [@park2024]; of … none."
    assert (one.sources, one.file, one.line) == (("park2024",), ARTICLE, line)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("::: {.given}\nWe used 17 texts.\n:::", "We used 17 texts."),
        ("## Design {.given}\n\nWe used 17 texts.", "Design {.given} We used 17 texts."),
    ],
    ids=["Div", "section"],
)
def test_a_given_passage_is_one_entry(sample: Project, text: str, said: str) -> None:
    _write(sample, text)
    (one,) = _given(sample)
    assert one.texts == () and one.sentence == said


def test_the_page_of_numbers_lists_given_ones_and_claims_nothing_of_them(sample: Project) -> None:
    _write(sample, "Of [20]{.given} topics.")
    page = _words(sample, "numbers")
    assert '<a href="#given">listed at the end</a>' in page and "none was typed" not in page
    part = page.split('id="given')[1]
    assert "Of 20 topics." in part and f"<code>{ARTICLE}:" in part and "no rerun checks them" in part


def test_a_paper_without_given_numbers_has_no_list_of_them(sample: Project) -> None:
    assert 'id="given' not in _words(sample, "numbers") and "#given" not in _words(sample, "numbers")


def test_a_given_number_says_what_it_is_on_the_web_and_is_underlined_in_a_pdf(sample: Project) -> None:
    prepare(sample, RUN, "skip")
    text = "# [Two]{.given} heads\n\nOf [20]{.given} and [x]{.other}.\n"
    page = lua(sample, "filter", text=text)[0]
    assert (
        '<span class="given" title="Given by the authors: chosen or known beforehand, not measured here">20'
        in (" ".join(page.split()))
    )
    page = lua(sample, "filter", format="typst", text=text)[0]
    assert page.count("#underline(") == 1 and "offset: 1.8pt)[20]" in page

"""The mask: what is prose, where, with every offset kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mechscope.articles.markdown import CROSS_REFERENCES, GONE, MARK, NAME, heading_identifier, scan
from mechscope.review.lint.reading import read

PIECES = [
    *"ab1 \n`~$*_[](){}<>!@#:|\\-.\"'=/",
    *[
        "\n\n",
        "```\n",
        "::: {.given}\n",
        ":::\n",
        "<!--",
        "-->",
        "{{< stat a.b >}}",
        "](x.md)",
        "{.given}",
        "---\n",
    ],
    *["[@a2]", "title: ", "    ", "\n# ", "<b>", "https://a.b/1", "$$"],
]


def words(text: str) -> list[str]:
    """What is left as prose."""
    return read(scan(text).prose.replace(MARK, " ").replace(NAME, " ")).text.split()


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@settings(max_examples=400)
def test_a_mask_is_as_long_as_the_text_and_keeps_its_lines(text: str) -> None:
    found = scan(text)
    assert len(found.prose) == len(text)
    assert [at for at, char in enumerate(found.prose) if char == "\n"] == [
        at for at, char in enumerate(text) if char == "\n"
    ]
    assert all(mask in (char, " ", MARK, NAME, GONE) for mask, char in zip(found.prose, text, strict=True))
    assert all(0 <= block.start <= block.end <= len(text) for block in found.blocks)


@pytest.mark.parametrize(
    "text",
    [
        "```python\n17\n```",
        "~~~~\n17\n```\n17\n~~~~",
        "> ```\n> 17\n> ```",
        "    17",
        "`17` and ``17 ` 17``",
        "<!-- 17\n17 -->",
        "<!-- `17 --> text <!-- 17` -->",
        "[text](a17.qmd)",
        '[text](<a 17.qmd> "title")',
        "[text](a_(17).qmd)",
        "[text][17]",
        "[ref]: a17.html",
        "text[^17]",
        "::: {.column width=17%}\ntext\n:::",
        "## Heading {#sec-17 .x}",
        '<div style="width: 17px">text</div>',
        "<script>var x = 17;</script>",
        "<https://a.org/17> https://a.org/17 <a17@b.org>",
        "{{< video 17 >}}",
        "{{{< stat 17 >}}}",
        "$x_{17}$ and $$\n17\n$$",
        "![text](x.png){width=17}",
        "1. text\n2. text\n   1) text",
        "(@17) text",
        "## 2.1 Methods\n\n## 3 Results\n\n## 4. results\n\n## 5) results",
        "---\ndate: 2026\nx: [17]\n---\n",
        "::: {.given}\n17\n\n::: {.x}\n17\n:::\n17\n:::",
        "## Design {.given}\n\n17\n\n### Part\n\n17",
        "[17 [a link](x.md) and `code` 17]{.given #id}",
    ],
)
def test_no_digit_is_left_of_what_is_not_prose(text: str) -> None:
    assert not [word for word in words(text) if any(char.isdigit() for char in word)]


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("a [17 links](x.md) b", ["a", "17", "links", "b"]),
        ("[17]{.smallcaps} x", ["17", "x"]),
        ("a [17] b", ["a", "[17]", "b"]),
        ("> 17 quoted", ["17", "quoted"]),
        ("- 17 items\n- 18", ["17", "items", "18"]),
        ("in\n20. A line", ["in", "20.", "A", "line"]),
        ("text^[a note with 17]", ["text^[a", "note", "with", "17]"]),
        ("[^1]: A note with 17", ["A", "note", "with", "17"]),
        ("- item\n\n    17 more of it", ["item", "17", "more", "of", "it"]),
        (
            "| 17 | b |\n|---|:-:|\n| 18 | c |",
            ["|", "17", "|", "b", "|", "|---|:-:|", "|", "18", "|", "c", "|"],
        ),
        ("It cost $5 and $6.", ["It", "cost", "$5", "and", "$6."]),
        (r"a \[17\] \$18\$ b", ["a", "17", "18", "b"]),
        ("## Design {.given}\n\n17\n\n## Results\n\n18", ["Results", "18"]),
        ("---\ntitle: A 17\nx: 3\nabstract: |\n  An 18\n---\n19", ["A", "17", "An", "18", "19"]),
        ("<b>17</b>", ["17"]),
        ("::: note\n17\n:::\n18", ["17", "18"]),
        ("``` unclosed in text", []),
        ("a ` b 17", ["a", "`", "b", "17"]),
    ],
)
def test_prose_is_left_as_it_is(text: str, prose: list[str]) -> None:
    assert words(text) == prose


def test_attributes_that_are_read_aloud_are_prose() -> None:
    text = '![cap](x.png){fig-alt="17 bars" width=18}\n\n<img src="y.png" alt="19 dots">'
    assert [text[aside.start : aside.end] for aside in scan(text).asides] == ["17 bars", "19 dots"]


def test_sentences_end_where_they_do() -> None:
    text = "See e.g. Smith et al. 2020. It is 0.5. (So it is!) “Is it?” No\n\n- An item. *Another* one"
    found = scan(text)
    sentences = [" ".join(text[a:b].split()) for block in found.blocks for a, b in found.sentences(block)]
    assert sentences == [
        "See e.g. Smith et al. 2020.",
        "It is 0.5.",
        "(So it is!)",
        "“Is it?”",
        "No",
        "- An item.",
        "*Another* one",
    ]


def test_divs_nest_and_know_their_attributes() -> None:
    text = ":::: {.when-claim key=a.b is='held failed'}\n\n::: {#x .y}\nin\n:::\n\n::::\nout"
    inner, outer = scan(text).divs
    assert (inner.classes, outer.classes) == (("y",), ("when-claim",))
    assert outer.attributes == {"key": "a.b", "is": "held failed"}
    assert (
        outer.start == 0
        and text[outer.end :] == "\nout"
        and outer.start < inner.start < inner.end < outer.end
    )


def test_identifiers_are_those_that_pandoc_gives() -> None:
    found = scan(
        "# The 2nd `run`, again!\n\n## The end\n\n## The end\n\n## X {#own}\n\n[a]{#b}\n\n<a id='c'></a>"
    )
    assert found.identifiers == {"the-2nd-run-again", "the-end", "the-end-1", "own", "b", "c"}
    assert heading_identifier("3. Applications") == "applications"
    assert heading_identifier("33") == "section"


def test_links_and_pictures_are_noted_even_where_numbers_are_given() -> None:
    found = scan("::: {.given}\n[a](b.md#c) ![](d.png) [e][f]\n\n[f]: g.html\n:::\n\n<img src='h.png'>")
    assert {link.target for link in found.links} == {"b.md#c", "d.png", "g.html", "h.png"}
    assert [image.described for image in found.images] == [False, False]


@pytest.mark.parametrize("kind", sorted(CROSS_REFERENCES))
def test_what_quarto_numbers_is_referred_to_and_not_cited(kind: str) -> None:
    (reference,) = scan(f"As @{kind}-heads shows.").citations
    assert reference.cross_reference and reference.key == f"{kind}-heads"
    assert {"fig", "tbl", "lst", "thm", "exr", "nte", "tip", "wrn", "imp", "cau"} <= CROSS_REFERENCES


def test_citations_are_told_from_cross_references_and_addresses() -> None:
    found = scan("(@ex) @smith2020 and [-@jones:3a; @fig-heads] but not a@b.org or \\@c; see (@ex) `@d`")
    assert [(one.key, one.cross_reference) for one in found.citations] == [
        ("smith2020", False),
        ("jones:3a", False),
        ("fig-heads", True),
    ]

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mechscope.articles.sources import pages_with, shortcodes, shortcodes_in
from mechscope.errors import InvalidInput
from mechscope.project import Project

TEXT = """\
---
title: x
abstract: "a {{< stat a.yaml >}}"
---
hi {{< stat a.c part="full" >}} and {{{< stat no.no >}}} {{</* stat no.no */>}} `{{< stat a.code >}}`
{{< include _x.qmd >}}
```python
{{< stat a.fence >}}
```
```{python}
{{< stat no.executable >}}
```
```{.md shortcodes="false"}
{{< stat no.verbatim >}}
```
> ::: {.when-claim key=a.d is="held failed"}
> x {{< claim
>  a.e >}}
> :::
<!-- {{< stat a.comment >}} -->
::: {#id .when-claim key='a.f' is=held}
"""


def test_every_citation_is_found_where_it_stands() -> None:
    found = [(code.key or code.name, code.line, code.column, code.place) for code in shortcodes(TEXT)]
    assert found == [
        ("a.yaml", 3, 14, "yaml"),
        ("a.c", 5, 4, "prose"),
        ("a.code", 5, 82, "prose"),
        ("include", 6, 1, "prose"),
        ("a.fence", 8, 1, "code"),
        ("a.d", 16, 3, "prose"),
        ("a.e", 17, 5, "prose"),
        ("a.comment", 20, 6, "comment"),
        ("a.f", 21, 1, "prose"),
    ]


def test_options_are_read_without_their_quotes() -> None:
    (code,) = shortcodes("{{< stat a.b part='full' >}}")
    assert code.arguments == ("a.b",)
    assert code.options == {"part": "full"}


def test_an_end_mark_inside_quotes_does_not_end_a_shortcode() -> None:
    (code,) = shortcodes('{{< stat "a >}} b" >}}')
    assert code.arguments == ("a >}} b",)


def test_an_unclosed_fence_reaches_to_the_end() -> None:
    assert shortcodes("```{python}\n{{< stat a.b >}}\n") == []


@given(st.lists(st.sampled_from(["{{< stat a.b >}}", "words", "", "> quoted", "- item", "é𝛼"]), max_size=12))
def test_each_line_with_a_shortcode_is_reported_once_at_that_line(lines: list[str]) -> None:
    text = "\n".join(lines)
    expected = [number for number, line in enumerate(lines, start=1) if line.startswith("{{<")]
    assert [code.line for code in shortcodes(text)] == expected


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_notebook_is_located_in_its_file(sample: Project, ascii_only: bool) -> None:
    cells = [
        {"cell_type": "code", "source": ["{{< stat no.code >}}"], "metadata": {}, "outputs": []},
        {"cell_type": "markdown", "source": ['Ünicode "é"\n', "then {{< stat a.b >}}\n"], "metadata": {}},
        {"cell_type": "markdown", "source": "one {{< stat a.c >}}", "metadata": {}},
    ]
    path = sample.paper / "articles" / "notes.ipynb"
    path.write_text(json.dumps({"cells": cells}, indent=1, ensure_ascii=ascii_only))
    found = shortcodes_in(sample, [path])
    assert [code.key for code in found] == ["a.b", "a.c"]
    lines = path.read_text().splitlines()
    for code in found:
        assert lines[code.line - 1][code.column - 1 :].startswith(f"{{{{< stat {code.key}")


def test_a_part_is_cited_on_the_pages_that_include_it(sample: Project) -> None:
    (sample.paper / "articles" / "_part.qmd").write_text("{{< stat topic_geometry.topics >}}")
    (sample.paper / "articles" / "one.qmd").write_text("{{< include _part.qmd >}}")
    (sample.paper / "two.qmd").write_text("{{< include /paper/articles/_part.qmd >}}")
    codes = shortcodes_in(sample)
    assert pages_with("paper/articles/_part.qmd", codes, sample) == [
        "paper/articles/one.qmd",
        "paper/two.qmd",
    ]


def test_generated_pages_are_not_articles(sample: Project) -> None:
    sample.generated("smollm2-135m").mkdir(parents=True)
    (sample.generated("smollm2-135m") / "numbers.qmd").write_text("{{< stat no.no >}}")
    assert "no.no" not in {code.key for code in shortcodes_in(sample)}


def test_conditions_are_found_on_divs_headings_and_spans_and_not_in_code() -> None:
    text = (
        "::: {.when-claim key=a.b is=held}\n:::\n## A {#x .when-claim key=a.c is=held}\n"
        "[x {.y}]{.when-claim is='held, failed' key=a.d} `[x]{.when-claim key=no.no}`\n"
        "```\n[x]{.when-claim key=no.no}\n```\n"
    )
    found = [(code.key, code.line, code.column) for code in shortcodes(text)]
    assert found == [("a.b", 1, 1), ("a.c", 3, 6), ("a.d", 4, 9)]
    text = re.sub(r"when-claim|key=[\w.]+", lambda word: "when-run" if word[0] == "when-claim" else "", text)
    found_runs = [(code.name, code.key, code.line) for code in shortcodes(text)]
    assert found_runs == [("when-run", None, line) for line in (1, 3, 4)]


@pytest.mark.parametrize(
    ("condition", "printed"),
    [
        ("is=a", "a"),
        ("is='a, b'", "ab"),
        ("is-not=a", "bc"),
        ('is-not="a b  c"', ""),
    ],
)
def test_what_is_for_some_runs_is_printed_in_these(condition: str, printed: str) -> None:
    (code,) = shortcodes(f"[x]{{.when-run {condition}}}")
    assert [run for run in "abc" if code.prints_in(run)] == list(printed)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_byte_order_mark_and_the_ends_of_lines_change_nothing(sample: Project, mark: str, end: str) -> None:
    path = sample.paper / "articles" / "x.qmd"
    lines = ["---", "title: T", "---", "", "a\u2028b {{< stat a.b >}}", ""]
    path.write_bytes((mark + end.join(lines)).encode())
    (code,) = shortcodes_in(sample, [path])
    assert (code.line, code.column, code.place) == (5, 5, "prose")


def test_a_file_that_is_not_utf8_is_named_with_its_line(sample: Project) -> None:
    path = sample.paper / "articles" / "x.qmd"
    path.write_bytes("one\ntwo é\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"paper/articles/x\.qmd:2: this is not UTF-8 text: byte 0xe9"):
        shortcodes_in(sample, [path])

"""What a page shows in a run, read from the sources."""

from __future__ import annotations

import pytest

from mechscope.articles.reading_order import ABSTRACT, cited_by_page
from mechscope.articles.sources import shortcodes_in
from mechscope.pipeline.shelf import Shelf
from mechscope.project import Project

PAGE = "paper/articles/x.qmd"
CLAIM = "topic_geometry.abstraction"


def _shown(project: Project, text: str, run: str = "smollm2-135m", part: str = "") -> list[tuple[str, str]]:
    """(name, section) of the statistics that a page with this text shows."""
    (project.root / PAGE).write_text(text)
    if part:
        (project.paper / "articles" / "_part.qmd").write_text(part)
    shown = cited_by_page(project, Shelf(project, run), shortcodes_in(project))
    return [(item.keyed.name, item.section) for item in shown[PAGE] if item.keyed.kind == "statistics"]


def _stat(name: str) -> str:
    return f"{{{{< stat topic_geometry.{name} >}}}}"


def test_a_branch_counts_in_the_run_that_keeps_it(sample: Project) -> None:
    text = (
        f"::: {{.when-claim key={CLAIM} is=held}}\n{_stat('centred_max')}\n:::\n\n"
        f'::: {{.when-claim key={CLAIM} is="failed, untestable"}}\n{_stat("topics")}\n:::\n'
    )
    assert _shown(sample, text) == [("centred_max", "")]
    assert _shown(sample, text, "gemma-3-270m") == [("topics", "")]


def test_a_dropped_branch_takes_what_is_nested_in_it_and_nothing_after_it(sample: Project) -> None:
    text = (
        f":::: {{.when-claim key={CLAIM} is=failed}}\n\n::: note\n{_stat('topics')}\n:::\n\n"
        f"```\n:::::\n```\n\n{_stat('topics')}\n::::\n\n{_stat('strange')}\n"
    )
    assert _shown(sample, text) == [("strange", "")]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("[A [GONE]{.x}]{FAILED} and [STAYS]{HELD}.", 1),
        ("[A *b* \\] GONE and [GONE](x)]{FAILED}, STAYS.", 1),
        ("[GONE]{FAILED}[STAYS]{HELD}[GONE]{FAILED}", 1),
        ("## A GONE {FAILED}\n\nGONE\n\n### B\n\nGONE\n\n## C STAYS\n\nSTAYS", 2),
        ("## A {FAILED}\n\nGONE\n\n# B\n\nSTAYS", 1),
        ("A {FAILED}\n---\n\nGONE\n\nB\n===\n\nSTAYS", 1),
        ("::: {.x}\n## A {FAILED}\n\nGONE\n:::\n\nSTAYS", 1),
        ("## A {HELD}\n\nSTAYS\n\n### B {FAILED}\n\nGONE\n\n### C\n\nSTAYS", 2),
        ("---\nabstract: 'A [GONE]{FAILED} STAYS'\n---\n\nSTAYS", 2),
        ("`[x]{FAILED}` STAYS\n\n```\n## A {FAILED}\n```\n\nSTAYS", 2),
    ],
)
def test_what_a_span_or_a_heading_drops_is_not_shown(sample: Project, text: str, kept: int) -> None:
    text = text.replace("{FAILED}", f"{{.when-claim key={CLAIM} is=failed}}")
    text = text.replace("{HELD}", f"{{.when-claim key={CLAIM} is=held}}")
    text = text.replace("GONE", _stat("topics")).replace("STAYS", _stat("strange"))
    assert [name for name, _ in _shown(sample, text)] == ["strange"] * kept


@pytest.mark.parametrize(
    ("text", "smollm", "gemma"),
    [
        ("::: {.when-run is=smollm2-135m}\nA\n:::\n\nB", "AB", "B"),
        ("::: {.when-run is-not='smollm2-135m, gpt2-small'}\nA\n:::\n\nB", "B", "AB"),
        (":::: {.when-run is='gemma-3-270m gpt2-small'}\n::: {HELD}\nA\n:::\nB\n::::", "", "B"),
        ("[A]{.when-run is=gemma-3-270m}[B]{.when-run is=smollm2-135m}", "B", "A"),
        ("## x A {.when-run is=smollm2-135m}\n\nA\n\n## B", "AAB", "B"),
        ("---\nabstract: '[A]{.when-run is=smollm2-135m} B'\n---\n", "AB", "B"),
        ("::: {.when-run is=smollm2-135m}\n{{< include _part.qmd >}}\n:::\n", "AB", ""),
    ],
)
def test_what_is_for_other_runs_is_not_shown(sample: Project, text: str, smollm: str, gemma: str) -> None:
    names = {"A": "topics", "B": "strange"}

    def written(text: str) -> str:
        text = text.replace("A", _stat("topics")).replace("B", _stat("strange"))
        return text.replace("{HELD}", f"{{.when-claim key={CLAIM} is=held}}")

    for run, expected in (("smollm2-135m", smollm), ("gemma-3-270m", gemma)):
        shown = _shown(sample, written(text), run, part=written("A\n\nB\n"))
        assert [name for name, _ in shown] == [names[letter] for letter in expected]


def test_an_included_part_is_read_where_it_is_included(sample: Project) -> None:
    text = f"# First\n\n{_stat('topics')}\n\n{{{{< include _part.qmd >}}}}\n\n{_stat('unmeasured')}\n"
    part = f"{_stat('strange')}\n\n## Inside\n\n{_stat('centred_max')}\n"
    assert _shown(sample, text, part=part) == [
        ("topics", "First"),
        ("strange", "First"),
        ("centred_max", "Inside"),
        ("unmeasured", "First"),
    ]


def test_a_part_that_includes_itself_ends(sample: Project) -> None:
    part = f"{_stat('strange')}\n\n{{{{< include _part.qmd >}}}}\n"
    assert _shown(sample, "{{< include _part.qmd >}}\n", part=part) == [("strange", "")]


def test_headings_are_read_as_words(sample: Project) -> None:
    text = f"# [Twenty]{{.given}} *topics*, [linked](x.qmd) {{#sec-x}}\n\n{_stat('topics')}\n"
    assert _shown(sample, text) == [("topics", "Twenty topics, linked")]


def test_an_abstract_is_a_section_and_a_comment_none(sample: Project) -> None:
    text = f"---\nabstract: |\n  {_stat('topics')}\n---\n\n<!-- {_stat('strange')} -->\n"
    assert _shown(sample, text) == [("topics", ABSTRACT)]

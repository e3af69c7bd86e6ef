"""Settings that the built-in engine does not heed are named with their line, those it does are not."""

from __future__ import annotations

import pytest

from mechscope.publish.pandoc.settings import unheeded


def _named(text: str, body: str = "") -> list[tuple[int, str]]:
    return [(line, name) for line, name, _ in unheeded(text, body=body)]


@pytest.mark.parametrize(
    ("text", "line", "name"),
    [
        ("title: T\ntilte: U", 2, "tilte"),
        ("title-block-banner: true", 1, "title-block-banner"),
        ("format:\n  html:\n    toc: true\n    toc-location: left", 4, "toc-location"),
        ("format:\n  typst: {columns: 2}", 2, "columns"),
        ("title: T\nlang: de", 2, "lang: de"),
        ("format:\n  html:\n    lang: fr-CA", 3, "lang: fr-CA"),
        ("crossref:\n  fig-title: Fig.\n  chapters: true", 3, "crossref: chapters"),
        ("author:\n  - name: A\n    afiliations: X", 3, "author: afiliations"),
        ("author:\n  name: A\n  affiliations:\n    - {name: U, twon: V}", 4, "affiliations: twon"),
        ("affiliations:\n  - id: one\n    nmae: U", 3, "affiliations: nmae"),
        ("license: CC BY\n", 1, "license"),
    ],
)
def test_a_setting_that_is_not_heeded_is_named_with_its_line(text: str, line: int, name: str) -> None:
    assert _named(text) == [(line, name)]


@pytest.mark.parametrize(
    "text",
    [
        "title: T\nsubtitle: S\ndate: 2024-03-31T23:30:00-08:00\nlang: en-GB",
        "crossref: {fig-title: Fig., title-delim: .}\nabstract: A",
        "author: A\nexecute: {enabled: false}\njupyter: python3",
        "format: {html: default, typst: {papersize: a5}}",
        "author: [A, {name: {given: A, family: B}, orcid: x, roles: [software]}]",
        "author: {given: A, family: B, affiliations: [{ref: one}, Two]}",
        "listing: false\ntoc-expand: false",
        "[no, map]",
        "",
    ],
)
def test_settings_that_are_heeded_or_change_nothing_are_not_named(text: str) -> None:
    assert _named(text) == []


def test_a_key_that_the_document_shows_is_its_author_s_own() -> None:
    assert _named("mine: 3", "x {{< meta mine >}}") == []
    assert _named("mine: 3", "x {{< meta other >}}") == [(1, "mine")]


def test_the_nearest_setting_is_proposed() -> None:
    assert [note for _, _, note in unheeded("tilte: T")] == [" — did you mean 'title'?"]

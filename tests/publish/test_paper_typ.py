"""How figures and tables lie on the pages of a PDF, by the rules that both engines take from paper.typ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.publish.sample_project import REPOSITORY

RULES = (REPOSITORY / "paper" / "assets" / "paper.typ").read_text(encoding="utf-8")

HEAD = """
#set page(width: 12cm, height: 12cm, margin: 1cm)
#let probe(name) = context [#metadata((name, here().page())) <probe>]
"""

ENGINES = ["quarto-float", "mechscope"]


def _pages(folder: Path, text: str) -> list[tuple[str, int]]:
    """The probes of a document in its order, each with its page."""
    import typst

    path = folder / "probe.typ"
    path.write_text(HEAD + RULES + text, encoding="utf-8")
    found = json.loads(typst.query(str(path), "<probe>", field="value", ignore_system_fonts=True))
    return [(name, page) for name, page in found]


def _table(kind: str, rows: int) -> str:
    return (
        f'#figure(kind: "{kind}", supplement: none, caption: figure.caption(position: top)'
        f'[Caption #probe("caption")], table(columns: 1, ..range({rows}).map(i => [row #probe("row")])))'
    )


@pytest.mark.parametrize("kind", [f"{engine}-tbl" for engine in ENGINES])
def test_a_table_and_its_caption_stay_on_one_page_wherever_they_stand(tmp_path: Path, kind: str) -> None:
    for above in range(10):
        pages = _pages(tmp_path, f"#v({above}cm)\n{_table(kind, 6)}")
        assert len(pages) == 7 and len({page for _, page in pages}) == 1, above


@pytest.mark.parametrize("kind", [f"{engine}-tbl" for engine in ENGINES])
def test_a_table_that_is_longer_than_a_page_goes_on_over_the_next(tmp_path: Path, kind: str) -> None:
    pages = _pages(tmp_path, _table(kind, 60))
    assert pages[:2] == [("caption", 1), ("row", 1)]
    assert pages[-1][1] > 2


@pytest.mark.parametrize("kind", [f"{engine}-fig" for engine in ENGINES])
def test_text_runs_on_around_a_figure_that_has_no_room_where_it_stands(tmp_path: Path, kind: str) -> None:
    figure = (
        f'#figure(kind: "{kind}", supplement: none, caption: [Caption #probe("caption")], '
        'rect(width: 5cm, height: 6cm)[#probe("figure")])'
    )
    text = f'#lorem(60)\n\nBefore #probe("before")\n\n{figure}\n\nAfter #probe("after")\n\n#lorem(50)'
    pages = dict(_pages(tmp_path, text))
    assert pages["before"] == pages["after"] == 1
    assert pages["figure"] == pages["caption"] == 2

"""No page loads or runs what a cell showed, however it was shown."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mechscope.pipeline.foreign import foreign

HTML, MARKDOWN, LATEX = "text/html", "text/markdown", "text/latex"
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (HTML, pd.DataFrame({"a": ["https://x.org", "<b>"]}).to_html()),
        (HTML, '<a href="https://x.org">x</a> https://x.org'),
        (HTML, '<svg xmlns="http://www.w3.org/2000/svg"><rect fill="url(#g)"/><use href="#g"/></svg>'),
        (HTML, '<img src="data:image/png;base64,aa" alt="https://x.org">'),
        (HTML, "<style>td{color:red}</style><td data-x='1'>"),
        (MARKDOWN, "# A {#sec-a .cls}\n[l](https://x.org){target=_blank} <https://x.org> $x_{i}$ <br> a < b"),
        (MARKDOWN, "```\n<script>\n![x](https://y)\n```\n`![a](b)` and `<iframe>` \\![a](b) Really! [x](y)"),
        (MARKDOWN, "![ok](data:image/png;base64,aa) `{{{< stat x.y >}}}`"),
        (MARKDOWN, r"`\includegraphics{a}` and $x <y$ once > 1"),
        (LATEX, r"$\displaystyle \frac{x}{2}$"),
        ("text/plain", "<script>alert(1)</script> {{< meta title >}}"),
    ],
)  # fmt: skip
def test_tables_formulas_links_and_drawings_pass(kind: str, content: str) -> None:
    assert foreign(kind, content) == ""


FOREIGN = [
    (MARKDOWN, "![](https://x.org/a.png)"),
    (MARKDOWN, "[![](https://x.org/b.svg)](https://x.org)"),
    (MARKDOWN, "![a\nb](https://x.org/a.png)"),
    (MARKDOWN, "![a][r]\n\n[r]: https://x.org/a.png"),
    (MARKDOWN, "![r]\n\n[r]: https://x.org/a.png"),
    (MARKDOWN, "![](../figures/a.svg)"),
    (MARKDOWN, "![ok](data:image/png;base64,aa) ![](https://x.org/a.png)"),
    (MARKDOWN, "![](https://x.org/a.png) ![ok](data:image/png;base64,aa)"),
    (MARKDOWN, '<img\nsrc="https://x.org/a.png">'),
    (MARKDOWN, "<script src=//x.org/a.js></script>"),
    (MARKDOWN, "~~~\ncode\n~~~\n<script>1</script>"),
    (MARKDOWN, "<iframe src='https://x.org'></iframe>"),
    (MARKDOWN, "```{=html}\n<script>1</script>\n```"),
    (MARKDOWN, "`<b>x</b>`{=html}"),
    (MARKDOWN, '[a]{style="background:url(https://x.org/a)"}'),
    (MARKDOWN, '# T {background-image="https://x.org/a.png"}'),
    (MARKDOWN, "{{< include /etc/passwd >}}"),
    (LATEX, "{{< video https://x.org >}}"),
    (HTML, "<SCRIPT>1</SCRIPT>"),
    (HTML, "<img src=https://x.org/a>"),
    (HTML, "<img src=ht&#116;ps://x.org/a>"),
    (HTML, "<img src='figures/a.svg'>"),
    (HTML, "<img src='data:image/png,a' srcset='https://x.org/a 2x'>"),
    (HTML, "<img src='data:,' onerror='1'>"),
    (HTML, '<img src="https://x.org/a"'),
    (HTML, "<script"),
    (HTML, "<svg><image href='https://x.org/a'/></svg>"),
    (HTML, "<svg><image xlink:href='https://x.org/a'/></svg>"),
    (HTML, "<svg><use href='a.svg#b'/></svg>"),
    (HTML, "<svg fill='url(https://x.org#a)'>"),
    (HTML, "<svg><animate attributeName='href' values='https://x.org'/></svg>"),
    (HTML, "<style>@import 'https://x.org'</style>"),
    (HTML, "<style>a{background:url(https://x.org)}</style>"),
    (HTML, "<div style=\"background:url('//x.org')\">"),
    (HTML, "<div style='background:u\\72l(https://x.org)'>"),
    (HTML, "<style>a{background:image-set('https://x.org' 1x)}</style>"),
    (HTML, "<link rel=stylesheet href=https://x.org>"),
    (HTML, "<video poster=https://x.org/a></video>"),
    (HTML, "<audio><source src=//x.org/a></audio>"),
    (HTML, "<object data=https://x.org></object>"),
    (HTML, "<embed src=https://x.org>"),
    (HTML, "<table background='https://x.org'>"),
    (HTML, "<a href='javascript:1'>"),
    (HTML, "<a href='#' ping='https://x.org'>"),
    (HTML, "<meta http-equiv=refresh content='0;url=https://x.org'>"),
    (HTML, "<base href=https://x.org>"),
    (HTML, "<form action=https://x.org>"),
    (HTML, "<iframe srcdoc='a'></iframe>"),
    (HTML, "<div onclick=1>"),
    (LATEX, r"\includegraphics{https://x.org/a}"),
    (LATEX, r"\input{secrets}"),
    (MARKDOWN, r"\includegraphics{a}"),
]


@pytest.mark.parametrize(("kind", "content"), FOREIGN)
def test_what_loads_or_runs_something_is_found(kind: str, content: str) -> None:
    assert foreign(kind, content)


def test_the_notebooks_of_this_project_pass() -> None:
    for path in sorted((ROOT / "results").glob("*/*/notebook.ipynb")):
        for cell in json.loads(path.read_text())["cells"][1:]:
            if cell["cell_type"] != "code":
                assert not foreign(MARKDOWN, "".join(cell["source"])), f"{path}: {cell['id']}"

"""Which `:::` begins or ends a Div: held against Pandoc itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pypandoc
import pytest

from mechscope.articles.fences import GLUED, HINTS, INDENTED, UNREADABLE
from mechscope.articles.markdown import scan

DIV = "::: {.a}\nin\n:::\n"
INDENTED_DIV = "  ::: {.a}\n  in\n  :::\n"
QUOTED_DIV = "> ::: {.a}\n> in\n> :::\n"

FINE = [
    "text\n\n" + DIV,
    "text\n \t\n" + DIV + "after\n",
    DIV + DIV,
    ":::: {.a}\n" + DIV + "\nmore\n::::\n",
    "::: {.a}\n- item\n:::\n",
    "::: {.a}\n> quote\n:::\n",
    "# H\n" + DIV,
    "H\n===\n" + DIV,
    "H\n---\n" + DIV,
    "---\n" + DIV,
    "* * *\n" + DIV,
    "---\ntitle: x\n---\n" + DIV,
    "text\n```\ncode\n```\n" + DIV,
    "```\ntext\n" + DIV + "```\n",
    "text\n\n    text\n    ::: {.a}\n",
    "text `x\n::: {.a}\n` more\n",
    "<!-- c -->\n" + DIV,
    "<!-- c\n\nd -->\n" + DIV,
    "<!--\ntext\n" + DIV + "-->\n",
    "<div>\n" + DIV + "</div>\n",
    "<p>x</p>\n" + DIV,
    "| a | b |\n|---|---|\n| 1 | 2 |\n" + DIV,
    "a | b\n---|---\n1 | 2\n" + DIV,
    "+---+\n| a |\n+---+\n" + DIV,
    " a   b\n--- ---\n 1   2\n--- ---\n" + DIV,
    "::: {.a}\n| a |\n|---|\n| 1 |\n\n: cap\n:::\nx\n",
    "[r]: x.html\n" + DIV,
    "\\newpage\n" + DIV,
    "\\begin{x}\ny\n\\end{x}\n" + DIV,
    "- item\n\n" + DIV,
    "- item\n\n" + INDENTED_DIV,
    "- ::: {.a}\n  in\n  :::\n- item\n",
    "-   item\n\n    ::: {.a}\n    in\n    :::\n",
    "- a\n\n  - b\n\n    ::: {.a}\n    in\n    :::\n",
    "[^1]: note\n\n    ::: {.a}\n    in\n    :::\n\nt[^1]\n",
    "Term\n\n:   text\n\n    ::: {.a}\n    in\n    :::\n",
    "- item\n\n  ::: {.a}\n  in\n:::\n",
    QUOTED_DIV,
    "> text\n>\n" + QUOTED_DIV,
    "> ::: {.a}\n> in\n:::\n",
    "::: a\nin\n:::\n",
    "::: a :::\nin\n:::\n",
    ":::::{#i .a b=1 c='x y' d=\"held, failed\"}\nin\n:::\n",
    "::: {.a\n  key=run:a.b}\nin\n:::\n",
]
TEXT = [
    ("text\n" + DIV, GLUED),
    ("text  \n" + DIV, GLUED),
    ("text <!-- c\n\nd -->\n" + DIV, GLUED),
    ("text\n<!-- c -->\n" + DIV, GLUED),
    ("text\n# H\n" + DIV, GLUED),
    ("a\nb\n---\n" + DIV, GLUED),
    ("text\n| a |\n|---|\n| 1 |\n" + DIV, GLUED),
    ("{{< figure a.b >}}\n" + DIV, GLUED),
    ("$$\nx\n$$\n" + DIV, GLUED),
    ("![c](x.png)\n" + DIV, GLUED),
    ("<b>x</b>\n" + DIV, GLUED),
    ("::: {.a}\nin\n::: {.b}\nb\n:::\n:::\n", GLUED),
    ("- item\n" + DIV, GLUED),
    ("- item\n" + INDENTED_DIV, GLUED),
    ("1. a\n2. b\n" + DIV, GLUED),
    ("Term\n: text\n" + DIV, GLUED),
    ("> text\n" + QUOTED_DIV, GLUED),
    ("> text\n" + DIV, GLUED),
    ("text\n" + QUOTED_DIV, GLUED),
    ("x\n\n" + INDENTED_DIV, INDENTED),
    ("- item\n\n   ::: {.a}\n   in\n   :::\n", INDENTED),
    ("::: {.a}\nin\n  :::\n\n", INDENTED),
    ("::: {.a}\nin\n\n  :::\nmore\n", INDENTED),
    ("::: {.a}\n- item\n  :::\n", INDENTED),
    ("::: {.a}\n> quote\n> :::\n", INDENTED),
    ("::: {.a} in\n:::\n", UNREADABLE),
    ("::: a b\nin\n:::\n", UNREADABLE),
    ("::: {a key=x}\nin\n:::\n", UNREADABLE),
    ("::: {.a key= x}\nin\n:::\n", UNREADABLE),
    ("::: {.a, .b}\nin\n:::\n", UNREADABLE),
]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether Pandoc prints a `:::` of each text; in one call, which reads every file by itself."""
    folder = tmp_path_factory.mktemp("fences")
    texts = [*FINE, *(text for text, _ in TEXT)]
    files: list[Path] = []
    for number, text in enumerate(texts):
        for name, content in ((f"{number}-mark", "# Next\n"), (f"{number}-text", text)):
            files.append(folder / name)
            files[-1].write_text(content, encoding="utf-8")
    command = [pypandoc.get_pandoc_path(), "--file-scope", "-f", "markdown", "-t", "json", *map(str, files)]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    found: list[bool] = []
    for block in json.loads(done.stdout)["blocks"]:
        if block["t"] == "Header" and block["c"][2] == [{"t": "Str", "c": "Next"}]:
            found.append(False)
        else:
            found[-1] |= any(word.startswith(":::") for word in _words(block))
    return dict(zip(texts, found, strict=True))


def _words(node: Any) -> list[str]:
    if isinstance(node, list):
        return [word for child in node for word in _words(child)]
    if not isinstance(node, dict):
        return []
    return [node["c"]] if node["t"] == "Str" else _words(node.get("c"))


@pytest.mark.parametrize("text", FINE)
def test_a_div_of_pandoc_is_one(printed: dict[str, bool], text: str) -> None:
    found = scan(text)
    assert not printed[text] and not found.not_divs and not found.unclosed


@pytest.mark.parametrize(("text", "why"), TEXT)
def test_a_fence_that_pandoc_prints_is_none_and_it_is_said_once_why(
    printed: dict[str, bool], text: str, why: str
) -> None:
    found = scan(text)
    assert printed[text] and [said for _, said in found.not_divs] == [why] and not found.unclosed
    assert text.startswith(":::", found.not_divs[0][0]) and HINTS[why]

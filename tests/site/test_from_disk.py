"""A page that is opened from disk runs the scripts that Quarto loads as modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mechscope.files import write_atomically
from mechscope.publish.offline import inline_modules

PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8">
<script src="../libs/quarto.js" type="module"></script>
<script src="../libs/tabs/tabs.js" type="module"></script>
</head><body><p id="out"></p></body></html>"""
# As Quarto's own: one module imports another, and both wait until the page is there.
MODULE = """import * as tabs from "./tabs/tabs.js";
document.addEventListener("DOMContentLoaded", () => {
  document.getElementById("out").textContent = tabs.name() + " </script><!-- é";
});"""
INNER = """import { word } from "../word.js";
export function name() { return word; }"""


def test_a_module_and_what_it_imports_run_from_disk(browser: Any, tmp_path: Path) -> None:
    for name, text in {
        "paper/x.html": PAGE,
        "libs/quarto.js": MODULE,
        "libs/tabs/tabs.js": INNER,
        "libs/word.js": 'export const word = "tabs";',
    }.items():
        write_atomically(tmp_path / name, text)
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((tmp_path / "paper/x.html").as_uri())
    assert said  # else this test could not fail
    inline_modules(tmp_path)
    said.clear()
    page.goto((tmp_path / "paper/x.html").as_uri())
    assert page.text_content("#out") == "tabs </script><!-- é"
    assert said == []
    page.close()

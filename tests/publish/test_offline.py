"""Scripts that Quarto loads as modules are put into the pages, with all that they import."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from mechscope.files import write_atomically
from mechscope.publish.offline import inline_modules, remove_foreign_scripts


def _site(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        write_atomically(folder / name.replace("__", "/").replace("_", "."), text)
    return folder


def _page(folder: Path, element: str, module: str = "run();") -> str:
    site = _site(folder, paper__x_html=f"<head>{element}</head>", libs__a_js=module)
    inline_modules(site)
    return (site / "paper" / "x.html").read_text()


@pytest.mark.parametrize(
    "element",
    [
        '<script src="../libs/a.js" type="module"></script>',
        '<script type="module" src="../libs/a.js"></script>',
        "<script type='module' src='../libs/a.js' ></script >",
        "<script type=module src=../libs/a.js></script>",
        '<script\n  type="module"\n  async src="../libs/a.js" crossorigin></script>',
        '<SCRIPT TYPE="Module" SRC="../libs/a.js"></SCRIPT>',
        '<script src="../libs/a.js?v=1#x" type="module" integrity="sha384-x"></script>',
        '<script src="../libs/%61.js" type="module"></script>',
    ],
)
def test_a_module_of_the_site_is_put_into_the_page(tmp_path: Path, element: str) -> None:
    page = _page(tmp_path, element)
    assert re.search(r"<script\s[^>]*module[^>]*>\s*run\(\);\s*</script>", page, re.I)
    assert not re.search(r"\b(src|integrity|async|crossorigin)\b", page, re.I)


@pytest.mark.parametrize(
    "element",
    [
        '<script src="../libs/a.js"></script>',
        '<script src="../libs/a.js" type="text/javascript"></script>',
        '<script type="module">import "../libs/a.js"</script>',
        '<script src="https://example.org/libs/a.js" type="module"></script>',
        '<script src="//example.org/libs/a.js" type="module"></script>',
        '<script src="/libs/a.js" type="module"></script>',
        '<script src="../libs/none.js" type="module"></script>',
        '<script src="../../outside.js" type="module"></script>',
        '<script src="../libs/a.js" data-type="module"></script>',
        "<p>module</p>",
    ],
)
def test_what_is_no_module_of_the_site_stays_as_it_is(tmp_path: Path, element: str) -> None:
    write_atomically(tmp_path / "outside.js", "outside();")
    assert _page(tmp_path / "site", element) == f"<head>{element}</head>"


@pytest.mark.parametrize(
    "statement",
    [
        'import "./b.js";',
        "import * as b from './b.js'",
        'import { one, two as three } from "./b.js";',
        'import b, {\n  one,\n} from "./b.js";',
        'export { one } from "./b.js";',
        'export * from "./b.js";',
        'const b = await import("./b.js");',
        'first();import {one} from"./b.js"',
    ],
)
def test_what_a_module_imports_comes_with_it(tmp_path: Path, statement: str) -> None:
    _site(tmp_path, libs__b_js='import "./deep/c.js"; two();', libs__deep__c_js="three();")
    page = _page(tmp_path, '<script type="module" src="../libs/a.js"></script>', f"{statement}\nrun();")
    assert "b.js" not in page
    (inner,) = re.findall(r'"data:text/javascript;charset=utf-8;base64,([^"]+)"', page)
    text = base64.b64decode(inner).decode()
    assert "two();" in text and "c.js" not in text


@pytest.mark.parametrize(
    "module",
    [
        'import "./a.js"; run();',
        'import "./none.js"; run();',
        "run(import.meta.url);",
        'import "../../outside.js"; run();',
    ],
)
def test_a_module_that_cannot_stand_alone_stays_as_it_is(tmp_path: Path, module: str) -> None:
    element = '<script type="module" src="../libs/a.js"></script>'
    assert _page(tmp_path / "site", element, module) == f"<head>{element}</head>"


def test_text_that_looks_like_an_import_is_no_import(tmp_path: Path) -> None:
    module = "// we import things from './b.js'\nconst text = \"from './b.js'\"; run();"
    page = _page(tmp_path, '<script type="module" src="../libs/a.js"></script>', module)
    assert module in page


@pytest.mark.parametrize("text", ["</script>", "</SCRIPT >", "<!-- <script>"])
def test_a_module_cannot_end_its_own_element(tmp_path: Path, text: str) -> None:
    page = _page(tmp_path, '<script type="module" src="../libs/a.js"></script>', f'show("{text}");')
    assert f'"{text}"' not in page
    assert page.lower().count("</script") == 1


def test_only_what_was_rendered_is_looked_at(tmp_path: Path) -> None:
    element = '<script type="module" src="a.js"></script>'
    foreign = '<script src="https://cdn.jsdelivr.net/npm/requirejs@2.3.6/require.min.js"></script>'
    site = _site(tmp_path, a_js="run();", x_html=element, y_html=element, results__n_html=foreign)
    assert inline_modules(site, [site / "x.html", site / "x.pdf", site / "gone.html"]) == 1
    assert (site / "y.html").read_text() == element
    assert remove_foreign_scripts(site, [site / "x.html"]) == 0
    assert inline_modules(site) == 1
    assert inline_modules(site) == 0  # the second time there is nothing left

"""Which modules count as inputs is found by reading imports, and errs on the side of too many."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mechscope.pipeline.code import code_hash
from mechscope.pipeline.imports import ImportGraph

FILES = {
    "pkg/__init__.py": '"""Docs."""\n__version__ = "1"\n',
    "pkg/stats.py": "from pkg.lens import eager\nimport json\n",
    "pkg/plumbing.py": "from pkg import stats\n",
    "pkg/late.py": "def f():\n    from .inner import deep\n    return deep\n",
    "pkg/typed.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.stats import x\n",
    "pkg/dynamic.py": 'import importlib\nimportlib.import_module("pkg.stats")\n',
    "pkg/inner/__init__.py": "setting = compute()\n",
    "pkg/inner/deep.py": "x = 1\n",
    "pkg/lens/__init__.py": (
        "from pkg.lens.one import first, eager\nfrom .two import second as other\n__all__ = ['first']\n"
    ),
    "pkg/lens/one.py": "first = eager = 1\n",
    "pkg/lens/two.py": "second = 2\n",
    "pkg/lazy/__init__.py": (
        "_LAZY = {'alpha': 'pkg.lazy.a', 'beta': '.b'}\n"
        "LIMIT = 3\n"
        "def __getattr__(name):\n    from importlib import import_module\n"
        "    return import_module(_LAZY[name], __name__)\n"
    ),
    "pkg/lazy/a.py": "alpha = 1\n",
    "pkg/lazy/b.py": "beta = 1\n",
    "_local.py": "from pkg.lens import first\n",
}


@pytest.fixture
def graph(tmp_path: Path) -> ImportGraph:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ImportGraph({"pkg": tmp_path, "": tmp_path}, plumbing={"pkg.plumbing": "plumbing"})


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import json, numpy", set()),
        ("from pkg.lens import first", {"pkg.lens.one"}),
        ("from pkg.lens import other", {"pkg.lens.two"}),
        ("from pkg.lens import two", {"pkg.lens.two"}),
        ("from pkg.lens.two import second", {"pkg.lens.two"}),
        ("import pkg.lens", {"pkg.lens.one", "pkg.lens.two"}),
        ("from pkg.lens import *", {"pkg.lens.one", "pkg.lens.two"}),
        ("from pkg.lens import nobody_knows", {"pkg.lens.one", "pkg.lens.two"}),
        ("from pkg.stats import x", {"pkg.stats", "pkg.lens.one"}),
        ("from pkg import stats as s", {"pkg.stats", "pkg.lens.one"}),
        ("def f():\n    import pkg.stats", {"pkg.stats", "pkg.lens.one"}),
        ("from pkg.lazy import alpha", {"pkg.lazy.a"}),
        ("from pkg.lazy import beta", {"pkg.lazy.b"}),
        ("from pkg.lazy import LIMIT", {"pkg.lazy"}),
        ("from pkg import lazy\nlazy.alpha", {"pkg.lazy.a", "pkg.lazy.b"}),
        ("from pkg.late import f", {"pkg.late", "pkg.inner", "pkg.inner.deep"}),
        ("from pkg.typed import x", {"pkg.typed"}),
        ("import pkg.dynamic", {"pkg.dynamic", "pkg.stats", "pkg.lens.one"}),
        ("import pkg.plumbing", set()),
        ("from pkg import plumbing", set()),
        ("import _local", {"_local", "pkg.lens.one"}),
    ],
)
def test_a_script_depends_on(graph: ImportGraph, source: str, modules: set[str]) -> None:
    assert set(graph.reached(ast.parse(source))) == modules


def test_what_is_counted_of_mechscope_itself_leaves_out_the_ledger_and_the_registry() -> None:
    import mechscope

    graph = ImportGraph({"mechscope": Path(mechscope.__file__).parent.parent})
    source = "from mechscope.ledger import Ledger\nfrom mechscope.models import load_model"
    found = set(graph.reached(ast.parse(source)))
    assert "mechscope.models.load" in found
    assert not any(
        name.startswith(("mechscope.ledger", "mechscope.errors", "mechscope.models.registry"))
        for name in found
    )


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("x = 1", "x  =  (1)  # one", True),
        ('def f():\n    "doc"\n    return 1', "def f():\n    return 1", True),
        ('class A:\n    """Doc."""\n    x = 1', "class A:\n    x = 1", True),
        ("x = 'a'", 'x = "a"', True),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("x = 'a'", "x = b'a'", False),
        ("f(a)", "f(*a)", False),
        ("x = [a, b]", "x = [b, a]", False),
        ("def f(a, /): pass", "def f(a): pass", False),
        ("async def f(): pass", "def f(): pass", False),
    ],
)
def test_code_is_equal_when_it_does_the_same(one: str, other: str, equal: bool) -> None:
    assert (code_hash(ast.parse(one)) == code_hash(ast.parse(other))) is equal


def test_a_codes_hash_is_the_same_on_every_python_version() -> None:
    source = (
        'def f(a: int, *, b=f"{1:>{2}}") -> None:\n    """Doc."""\n'
        "    match a:\n        case [1, *_]:\n            pass\n"
    )
    assert code_hash(ast.parse(source)) == "c4e1cfd497a925605a35134b6e8cde650b9c1d5801fc2c3c57122d60103d2b84"

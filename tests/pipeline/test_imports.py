"""What counts of the code that a script imports is found by reading, and errs on the side of too much."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import mechscope
from mechscope.pipeline.code import code_hash
from mechscope.pipeline.imports import ImportGraph

Files = dict[str, str]
Names = set[str]

USES_F = "from pkg.a import f\nf(1)"
MODULES: Files = {
    "pkg/__init__.py": '"""Docs."""\n',
    "pkg/a.py": "from pkg.b import g\ndef f(x):\n    return g(x)\ndef apart(x):\n    return x\n",
    "pkg/b.py": "SCALE = 2\ndef g(x):\n    return h(x)\ndef h(x):\n    return SCALE * x\n",
    "pkg/plumbing.py": "from pkg import c\ndef shown(x):\n    return x\n",
    "pkg/c.py": "class C:\n    def size(self):\n        return 1\nONE = 1\n",
    "pkg/late.py": "def f():\n    from .inner import deep\n    return deep.x\n",
    "pkg/typed.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pkg.c import C\ny: C = 1\n"
    ),
    "pkg/dynamic.py": 'import importlib\ndef f():\n    return importlib.import_module("pkg.c")\n',
    "pkg/inner/__init__.py": "print('inner')\n",
    "pkg/inner/deep.py": "x = 1\nz = 1\n",
    "pkg/offer/__init__.py": (
        "from pkg.c import ONE\nfrom .one import first\nfrom .two import second as other\n"
    ),
    "pkg/offer/one.py": "first = 1\neager = 1\n",
    "pkg/offer/two.py": "second = 2\n",
    "pkg/star/__init__.py": "from pkg.offer.one import *\n",
    "pkg/lazy/__init__.py": (
        "_LAZY = {'alpha': 'pkg.lazy.a', 'beta': '.b'}\n"
        "LIMIT = 3\n"
        "def __getattr__(name):\n    from importlib import import_module\n"
        "    return getattr(import_module(_LAZY[name], __name__), name)\n"
    ),
    "pkg/lazy/a.py": "alpha = 1\n",
    "pkg/lazy/b.py": "beta = 1\n",
    "_local.py": "from pkg.offer import first\ndef twice():\n    return 2 * first\n",
}


def write(folder: Path, files: Files) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def graph_of(folder: Path) -> ImportGraph:
    return ImportGraph({"pkg": folder, "": folder}, plumbing={"pkg.plumbing": "plumbing"})


def counted(folder: Path, source: str) -> Names:
    """What a script makes count: "pkg.a:f"; what a module does when imported is "pkg.a:"."""
    names = set()
    for path, name, _ in graph_of(folder).reached(ast.parse(source)).definitions:
        module = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        names.add(f"{module}:{'' if ' ' in name else name}")
    return names


LAZY = {"pkg.lazy:__getattr__", "pkg.lazy:_LAZY"}
OFFERED = {"pkg.offer.one:first", "pkg.offer.two:second", "pkg.c:ONE"}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import json, numpy", set()),
        (USES_F, {"pkg.a:f", "pkg.b:g", "pkg.b:h", "pkg.b:SCALE"}),
        ("import pkg.a\npkg.a.apart(1)", {"pkg.a:apart"}),
        ("import pkg.a as m\nm.apart(1)", {"pkg.a:apart"}),
        ("from pkg import a\na.apart(1)", {"pkg.a:apart"}),
        ("import pkg.c\nprint(pkg.c)", {"pkg.c:C", "pkg.c:ONE"}),
        ("from pkg import c\ngetattr(c, name)", {"pkg.c:C", "pkg.c:ONE"}),
        ("from pkg.c import *", {"pkg.c:C", "pkg.c:ONE"}),
        ("from pkg.c import nobody_knows\nnobody_knows", {"pkg.c:C", "pkg.c:ONE"}),
        ("from pkg.c import C\nC().size()", {"pkg.c:C"}),
        ("from pkg.offer import first\nfirst", {"pkg.offer.one:first"}),
        ("from pkg.offer import other as mine\nmine", {"pkg.offer.two:second"}),
        ("from pkg.offer import two\ntwo.second", {"pkg.offer.two:second"}),
        ("import pkg.offer as o\no", OFFERED | {"pkg.offer.one:eager"}),
        ("from pkg.star import first\nfirst", {"pkg.offer.one:first", "pkg.offer.one:eager"}),
        ("def f():\n    from pkg import c\n    return c.ONE", {"pkg.c:ONE"}),
        ("from pkg.lazy import alpha\nalpha", LAZY | {"pkg.lazy.a:alpha"}),
        ("from pkg.lazy import beta\nbeta", LAZY | {"pkg.lazy.b:beta"}),
        ("from pkg.lazy import LIMIT\nLIMIT", {"pkg.lazy:LIMIT"}),
        ("from pkg import lazy\nlazy.alpha", LAZY | {"pkg.lazy.a:alpha"}),
        ("from pkg.late import f", set()),
        ("from pkg.late import f\nf()", {"pkg.late:f", "pkg.inner:", "pkg.inner.deep:x"}),
        ("import pkg.inner.deep", {"pkg.inner:"}),
        ("from pkg.typed import y\ny", {"pkg.typed:y"}),
        ("from pkg.dynamic import f\nf()", {"pkg.dynamic:f", "pkg.c:C", "pkg.c:ONE"}),
        ("import pkg.plumbing\nprint(pkg.plumbing)", set()),
        ("from pkg.plumbing import shown\nshown(1)", set()),
        ("import _local\n_local.twice()", {"_local:twice", "pkg.offer.one:first"}),
    ],
)
def test_a_script_makes_count(tmp_path: Path, source: str, names: Names) -> None:
    write(tmp_path, MODULES)
    assert counted(tmp_path, source) == names


A = "pkg/a.py"
FRESH: dict[str, tuple[Files, Files]] = {
    "a function next to it": (
        {A: "def f(x):\n    return x\ndef apart():\n    return 1\n"},
        {A: "import os\ndef apart():\n    return os.sep\ndef f(x):\n    return x\nNEW = 1\n"},
    ),
    "comments and docstrings": (
        {A: "def f(x):\n    return x\n"},
        {A: '"""Of a."""\ndef f(x):\n    """The same."""\n    return x  # really\n'},
    ),
    "a move of a helper": (
        {A: "import math\nK = 2\ndef g(x):\n    return math.sqrt(K * x)\ndef f(x):\n    return g(x)\n"},
        {
            A: "from pkg.b import g\ndef f(x):\n    return g(x)\n",
            "pkg/b.py": "import math\nfrom .c import K\ndef g(x):\n    return math.sqrt(K * x)\n",
            "pkg/c.py": "K = 2\n",
        },
    ),
    "a move of what the script imports": (
        {A: "class f:\n    def g(self):\n        return 1\n"},
        {
            A: "",
            "pkg/b.py": "class f:\n    def g(self):\n        return 1\n",
            "script": "from pkg.b import f\nf(1)",
        },
    ),
    "a move behind a re-export": (
        {A: "def f(x):\n    return x\n"},
        {A: "from .b import f\n", "pkg/b.py": "def f(x):\n    return x\n"},
    ),
    "a move of what is imported in a function": (
        {A: "def f(x):\n    from pkg.b import g\n    return g(x)\n", "pkg/b.py": "def g(x):\n    return x\n"},
        {A: "def f(x):\n    from pkg.c import g\n    return g(x)\n", "pkg/c.py": "def g(x):\n    return x\n"},
    ),
}
STALE: dict[str, tuple[Files, tuple[str, str, str]]] = {
    "a helper's helper": (
        {A: "def f(x):\n    return g(x)\ndef g(x):\n    return h(x)\ndef h(x):\n    return 1\n"},
        (A, "return 1", "return 2"),
    ),
    "a helper's name": (
        {A: "def f(x):\n    return g(x)\ndef g(x):\n    return 1\n"},
        (A, "g(x)", "renamed(x)"),
    ),
    "a constant behind a constant": (
        {A: "A = 1\nB = [A]\nC: list = B\ndef f(x):\n    return C\n"},
        (A, "A = 1", "A = 2"),
    ),
    "one of several constants": ({A: "A, (B, *C) = 1, (2, 3)\ndef f(x):\n    return C\n"}, (A, "3", "4")),
    "a constant made anew": ({A: "A = 1\nA = A + 1\ndef f(x):\n    return A\n"}, (A, "+ 1", "+ 2")),
    "a constant that grows": ({A: "A = 1\nA += 1\ndef f(x):\n    return A\n"}, (A, "+= 1", "+= 2")),
    "a global": (
        {A: "A = 1\ndef f(x):\n    global A\n    A += x\n    return A\n"},
        (A, "A = 1", "A = 2"),
    ),
    "a method": (
        {A: "class C:\n    def m(self):\n        return 1\ndef f(x):\n    return C().m()\n"},
        (A, "return 1", "return 2"),
    ),
    "a base class": (
        {A: "from pkg import b\nclass f(b.B):\n    pass\n", "pkg/b.py": "class B:\n    x = 1\n"},
        ("pkg/b.py", "1", "2"),
    ),
    "a decorator": (
        {A: "from pkg.b import d\n@d(1)\ndef f(x):\n    return x\n", "pkg/b.py": "def d(n):\n    return 1\n"},
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a decorator's argument": ({A: "import b\n@b.d(1)\ndef f(x):\n    return x\n"}, (A, "d(1)", "d(2)")),
    "a default": (
        {A: "K = 1\ndef g():\n    return K\ndef f(x, by=g()):\n    return by\n"},
        (A, "K = 1", "K = 2"),
    ),
    "an annotation": ({A: "T = int\ndef f(x: T) -> None:\n    pass\n"}, (A, "int", "str")),
    "a lambda": ({A: "K = 1\nf = lambda x: K\n"}, (A, "1", "2")),
    "a registered function": (
        {
            A: "from pkg.registry import KNOWN\nimport pkg.b\ndef f(x):\n    return KNOWN\n",
            "pkg/registry.py": "KNOWN = []\ndef known(g):\n    KNOWN.append(g)\n",
            "pkg/b.py": "from pkg.registry import known\n@known\ndef g():\n    return 1\n",
        },
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a function registered by a call that is kept": (
        {
            A: "from pkg.registry import KNOWN\nimport pkg.b\ndef f(x):\n    return KNOWN\n",
            "pkg/registry.py": "KNOWN = []\ndef known(g):\n    KNOWN.append(g)\n",
            "pkg/b.py": "from pkg import registry\ndef g():\n    return 1\n_ = registry.known(g)\n",
        },
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a decorator called as a known one": (
        {
            A: (
                "KNOWN = []\ndef cache(g):\n    KNOWN.append(g)\n"
                "@cache\ndef g():\n    return 1\ndef f(x):\n    pass\n"
            )
        },
        (A, "return 1", "return 2"),
    ),
    "a function for a type": (
        {
            A: (
                "from functools import singledispatch\n@singledispatch\ndef f(x):\n    return 0\n"
                "@f.register\ndef _(x: int):\n    return 1\n"
            )
        },
        (A, "return 1", "return 2"),
    ),
    "a subclass that its base collects": (
        {
            A: "import pkg.b\nfrom pkg.c import ALL\ndef f(x):\n    return ALL\n",
            "pkg/b.py": "from pkg.c import Base\nclass Some(Base):\n    x = 1\n",
            "pkg/c.py": ("ALL = []\nclass Base:\n    def __init_subclass__(cls):\n        ALL.append(cls)\n"),
        },
        ("pkg/b.py", "x = 1", "x = 2"),
    ),
    "a patched library": (
        {A: "import torch\ndef f(x):\n    return x\ndef y():\n    return 1\ntorch.x = y\n"},
        (A, "return 1", "return 2"),
    ),
    "a patched library, from a module that nobody uses": (
        {A: "import pkg.b\ndef f(x):\n    return x\n", "pkg/b.py": "import torch\ntorch.x = 1\n"},
        ("pkg/b.py", "1", "2"),
    ),
    "a module that patches, imported anew": (
        {A: "def f(x):\n    return x\n", "pkg/b.py": "import torch\ntorch.x = 1\n"},
        (A, "def f", "import pkg.b\ndef f"),
    ),
    "the package around it": (
        {"pkg/__init__.py": "import os\nos.environ['A'] = '1'\n", A: "def f(x): pass\n"},
        ("pkg/__init__.py", "'1'", "'2'"),
    ),
    "a re-export from elsewhere": (
        {
            A: "from .b import f\n",
            "pkg/b.py": "def f(x):\n    return 1\n",
            "pkg/c.py": "def f(x):\n    return 2\n",
        },
        (A, ".b", ".c"),
    ),
    "an alias": (
        {A: "from .b import g as f\n", "pkg/b.py": "def g(x):\n    return 1\ndef h(x):\n    return 2\n"},
        (A, "g as", "h as"),
    ),
    "two aliases that change places": (
        {
            A: "from .b import g as a, h as b\ndef f(x):\n    return a(x) - b(x)\n",
            "pkg/b.py": "def g(x):\n    return 1\ndef h(x):\n    return 2\n",
        },
        (A, "g as a, h as b", "h as a, g as b"),
    ),
    "a name of another package": (
        {A: "from statistics import mean as average\ndef f(x):\n    return average(x)\n"},
        (A, "mean", "median"),
    ),
    "another package under the same name": (
        {A: "import numpy as np\ndef f(x):\n    return np.sort(x)\n"},
        (A, "import numpy as", "import torch as"),
    ),
    "another package, imported for what that does": (
        {A: "def f(x):\n    return x\n"},
        (A, "def", "import matplotlib.pyplot\ndef"),
    ),
    "what the script imports": (
        {A: "def f(x): pass\ndef g(x): pass\n"},
        ("script", "import f", "import g as f"),
    ),
    "what the script imports from another package": ({A: ""}, ("script", "from pkg.a", "from numpy")),
    "a star": (
        {A: "from pkg.b import *\ndef f(x):\n    return g(x)\n", "pkg/b.py": "def g(x):\n    return 1\n"},
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a star that re-exports": (
        {A: "from pkg.b import *\n", "pkg/b.py": "def f(x):\n    return 1\n"},
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a lazy table": (
        {
            A: (
                "T = {'f': ('.b', 'g')}\ndef __getattr__(name):\n    import importlib\n    m, n = T[name]\n"
                "    return getattr(importlib.import_module(m, 'pkg'), n)\n"
            ),
            "pkg/b.py": "def g(x):\n    return 1\n",
        },
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a lazy function": (
        {
            A: "def __getattr__(name):\n    from pkg import b\n    return b.g\n",
            "pkg/b.py": "def g(x):\n    return 1\n",
        },
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "an import in a function": (
        {A: "def f(x):\n    from . import b\n    return b.g\n", "pkg/b.py": "def g(x):\n    return 1\n"},
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a relative import from above": (
        {
            A: "from pkg.inner.c import f\n",
            "pkg/inner/__init__.py": "",
            "pkg/inner/c.py": "from ..b import g as f\n",
            "pkg/b.py": "def g(x):\n    return 1\n",
        },
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a conditional import": (
        {
            A: "import os\nif os.name:\n    if True:\n        from pkg.b import f\nelse:\n    f = None\n",
            "pkg/b.py": "def f(x):\n    return 1\n",
        },
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "an import for when there is no other": (
        {
            A: "try:\n    from fast import f\nexcept ImportError:\n    from pkg.b import f\n",
            "pkg/b.py": "def f(x):\n    return 1\n",
        },
        ("pkg/b.py", "return 1", "return 2"),
    ),
    "a function for when there is no other": (
        {A: "try:\n    from fast import f\nexcept ImportError:\n    def f(x):\n        return 1\n"},
        (A, "return 1", "return 2"),
    ),
    "the way around a type checker": (
        {A: "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    f = 0\nelse:\n    f = 1\n"},
        (A, "f = 1", "f = 2"),
    ),
    "a name that is computed": (
        {A: "def f(x):\n    return globals()['g' + x]\ndef g1():\n    return 1\n"},
        (A, "return 1", "return 2"),
    ),
    "a module that is passed on": (
        {A: "from . import b\ndef f(x):\n    return vars(b)\n", "pkg/b.py": "X = 1\n"},
        ("pkg/b.py", "1", "2"),
    ),
    "a package that is passed on": (
        {A: "import pkg\ndef f(x):\n    return getattr(pkg, x).X\n", "pkg/b.py": "X = 1\n"},
        ("pkg/b.py", "1", "2"),
    ),
    "a module of the project, imported by name": (
        {
            A: "import importlib as i\ndef f(x):\n    return i.import_module('pkg.b').X\n",
            "pkg/b.py": "X = 1\n",
        },
        ("pkg/b.py", "1", "2"),
    ),
}


def fingerprint(folder: Path, files: Files) -> tuple[Counter[str], str]:
    """The hashes of all that counts of the script "script" (default: what uses f), and of its imports."""
    write(folder, {"pkg/__init__.py": "", "script": USES_F, **files})
    reached = graph_of(folder).reached(ast.parse((folder / "script").read_text()))
    return Counter(sha256 for *_, sha256 in reached.definitions), reached.imports


@pytest.mark.parametrize(("before", "after"), FRESH.values(), ids=FRESH)
def test_nothing_is_made_stale_by(tmp_path: Path, before: Files, after: Files) -> None:
    assert fingerprint(tmp_path / "1", before) == fingerprint(tmp_path / "2", after)


@pytest.mark.parametrize(("files", "edit"), STALE.values(), ids=STALE)
def test_results_are_made_stale_by(tmp_path: Path, files: Files, edit: tuple[str, str, str]) -> None:
    name, old, new = edit
    files = {"script": USES_F, **files}
    assert old in files[name]
    edited = {**files, name: files[name].replace(old, new)}
    assert fingerprint(tmp_path / "1", files) != fingerprint(tmp_path / "2", edited)


def test_what_is_counted_of_mechscope_itself_leaves_out_the_ledger_and_the_registry() -> None:
    graph = ImportGraph({"mechscope": Path(mechscope.__file__).parent.parent})
    source = (
        "from mechscope.ledger import Ledger\nfrom mechscope.models import load_model\nload_model, Ledger"
    )
    loaded = set(graph.reached(ast.parse(source)).modules)
    assert "mechscope.models.load" in loaded
    assert not any(
        name.startswith(("mechscope.ledger", "mechscope.errors", "mechscope.models.registry"))
        for name in loaded
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

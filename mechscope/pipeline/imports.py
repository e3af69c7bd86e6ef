"""Which modules a script depends on, found by reading imports instead of following them.

The rule, which errs on the side of counting too much:

- Every import statement counts wherever it stands (in functions too), as does `import_module("…")` with a
  literal; only `if TYPE_CHECKING:` does not.
- `from package import name` depends on the module where `name` is defined: a submodule, or what the
  package's `__init__` imports it from, or what its table of lazy exports says (a dictionary from names to
  modules, read by a module-level `__getattr__`). A name that cannot be traced, `import package` and
  `import *` depend on everything that the package offers.
- An `__init__` that only gathers names (imports, dunder and literal assignments, `__getattr__`, `__dir__`) is
  represented by those modules and does not count itself, so that a new export makes nothing stale; any other
  `__init__` above an imported module counts, because importing the module runs it. What this relies on:
  importing a module defines things and changes nothing else.
- Modules in `PLUMBING` can't change a result, or do so through something that is counted otherwise.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mechscope.files import file_state
from mechscope.pipeline.code import code_hash, without_docstring
from mechscope.syntax import not_python, parse, read_source

PLUMBING: Mapping[str, str] = {
    "mechscope.errors": "says what went wrong, never what was found",
    "mechscope.files": "how bytes reach the disk",
    "mechscope.project": "where files lie",
    "mechscope.ledger": "counts by its schema version",
    "mechscope.models.registry": "a model counts by the hash of its source and its BOS convention",
    "mechscope.models.known": "facts for display",
    "mechscope.models.report": "tables for display",
    "mechscope.models.wheels": "fetches what is pinned by hash",
    "mechscope.models.hub": "fetches what is pinned by revision",
    "mechscope.models.cache": "where fetched weights lie",
    "mechscope.models.chatter": "keeps libraries quiet",
}


@dataclass(frozen=True)
class Import:
    """One imported thing: `module`, and `name` for `from module import name` (None for `import module`)."""

    module: str
    name: str | None


@dataclass(frozen=True)
class _Code:
    tree: ast.Module
    sha256: str
    calls: bool
    """Whether it may import by a call (`import_module`): else its expressions need not be searched."""


class ImportGraph:
    """The modules that count, below some folders.

    Args:
        roots: The folder that holds a top-level package or module, by the prefix under which its files
            are shown: `{"mechscope": Path("…/site-packages")}` for a package, `{"": analyses}` for modules.
            Packages are looked up by their first name, everything else in the "" folder.
    """

    def __init__(self, roots: Mapping[str, Path], plumbing: Mapping[str, str] = PLUMBING) -> None:
        self._roots = roots
        self._plumbing = plumbing

    def reached(self, tree: ast.Module, *, where: str = "") -> dict[str, Path]:
        """The files of all modules that `tree` imports, directly or not, by dotted module name."""
        found: dict[str, Path] = {}
        seen: set[Import] = set()
        waiting = list(imports_of(tree, package=""))
        while waiting:
            wanted = waiting.pop()
            if wanted in seen or self._is_plumbing(wanted):
                continue
            seen.add(wanted)
            for module in self._defining(wanted):
                path = self._file(module)
                if module in found or path is None or self._is_plumbing(Import(module, None)):
                    continue
                found[module] = path
                package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                waiting.extend(_imports(path, package))
        return found

    def sha256(self, path: Path) -> str:
        """The hash of a module's code."""
        return _code(path).sha256

    def _is_plumbing(self, wanted: Import) -> bool:
        dotted = f"{wanted.module}.{wanted.name}" if wanted.name else wanted.module
        return any(dotted == name or dotted.startswith(f"{name}.") for name in self._plumbing)

    def _file(self, module: str) -> Path | None:
        first = module.partition(".")[0]
        base = self._roots.get(first) or self._roots.get("")
        if base is None or not first:
            return None
        stem = base.joinpath(*module.split("."))
        for candidate in (stem / "__init__.py", stem.with_suffix(".py")):
            if candidate.is_file():
                return candidate
        return None

    def _defining(self, wanted: Import, asked: frozenset[Import] = frozenset()) -> Iterator[str]:
        """The modules that an import makes one depend on (those outside the roots are left out)."""
        if wanted in asked:
            return
        asked |= {wanted}
        path = self._file(wanted.module)
        if path is None:
            return
        yield from self._running_parents(wanted.module)
        if path.name != "__init__.py":
            yield wanted.module
            return
        init = _init(path, wanted.module)
        if not init.only_gathers or wanted.name in init.own:
            yield wanted.module
        if wanted.name is not None and self._file(f"{wanted.module}.{wanted.name}"):
            yield from self._defining(Import(f"{wanted.module}.{wanted.name}", None), asked)
        elif wanted.name not in init.own:
            traced = self._all_defining(init.sources.get(wanted.name or "", []), asked)
            yield from traced or self._all_defining(init.everything, asked)

    def _all_defining(self, sources: list[Import], asked: frozenset[Import]) -> list[str]:
        return [module for source in sources for module in self._defining(source, asked)]

    def _running_parents(self, module: str) -> Iterator[str]:
        """The packages around `module` whose `__init__` does more than gather names and so runs with it."""
        parts = module.split(".")
        for count in range(1, len(parts)):
            parent = ".".join(parts[:count])
            path = self._file(parent)
            if path and path.name == "__init__.py" and not _init(path, parent).only_gathers:
                yield parent


class _Init:
    """What a package's `__init__` offers, and from where."""

    def __init__(self, tree: ast.Module, package: str) -> None:
        self.own: set[str] = set()
        self.sources: dict[str, list[Import]] = {}
        self.only_gathers = True
        tables: list[ast.Dict] = []
        lazy = False
        for node in without_docstring(tree.body):
            match node:
                case ast.Import() | ast.ImportFrom():
                    for name, source in _bound(node, package):
                        self.sources.setdefault(name, []).append(source)
                case ast.If(test=test) if _is_type_checking(test):
                    pass
                case ast.FunctionDef(name="__getattr__"):
                    lazy = True
                    self.sources.setdefault("*", []).extend(imports_of(node, package))
                case ast.FunctionDef(name="__dir__"):
                    pass
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    if not name.startswith("__"):
                        self.own.add(name)
                    if isinstance(value, ast.Dict):
                        tables.append(value)
                    self.only_gathers &= name.startswith("__") or _is_literal(value)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    self.own.add(name)
                    self.only_gathers = False
                case _:
                    self.only_gathers = False
        if lazy:
            for table in tables:
                self._read_table(table, package)
        self.everything = [source for found in self.sources.values() for source in found]

    def _read_table(self, table: ast.Dict, package: str) -> None:
        """{"name": "module"}, {"name": ("module", "name")} or {"module": ["name", …]}, relative or not."""
        for key, value in zip(table.keys, table.values, strict=True):
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
                continue
            for text in (node.value for node in ast.walk(value) if isinstance(node, ast.Constant)):
                if isinstance(text, str):
                    for module in (text, f"{package}.{text.lstrip('.')}"):
                        self.sources.setdefault(key.value, []).append(Import(module, None))
                    for module in (key.value, f"{package}.{key.value.lstrip('.')}"):
                        self.sources.setdefault(text, []).append(Import(module, None))


def imports_of(tree: ast.AST, package: str, *, calls: bool = True) -> Iterator[Import]:
    """Every import in `tree`, a module of `package`; without `calls` those by statements alone."""
    for node in _runtime(tree, calls):
        match node:
            case ast.Import() | ast.ImportFrom():
                for _, found in _bound(node, package):
                    yield found
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str() as module), *_],
            ):
                level = len(module) - len(module.lstrip("."))
                yield Import(_absolute(module.lstrip("."), level, package), None)


def _runtime(tree: ast.AST, expressions: bool) -> Iterator[ast.AST]:
    """All nodes (or all statements) but those that only a type checker sees."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            waiting.extend(node.orelse)
        elif expressions:
            waiting.extend(ast.iter_child_nodes(node))
        else:
            for name in ("body", "orelse", "finalbody", "handlers", "cases"):
                inner = getattr(node, name, None)
                waiting.extend(inner if isinstance(inner, list) else ())


def _bound(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Import]]:
    """The names that an import statement binds, and what each is."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0], Import(alias.name, None)
        return
    module = _absolute(node.module or "", node.level, package)
    for alias in node.names:
        yield alias.asname or alias.name, Import(module, None if alias.name == "*" else alias.name)


def _absolute(module: str, level: int, package: str) -> str:
    if level == 0:
        return module
    parts = package.split(".")
    base = parts[: len(parts) - (level - 1)]
    return ".".join([*base, module] if module else base)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _is_literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def _code(path: Path) -> _Code:
    return _read_code(path, file_state(path))


def _imports(path: Path, package: str) -> tuple[Import, ...]:
    return _read_imports(path, package, file_state(path))


def _init(path: Path, package: str) -> _Init:
    return _read_init(path, package, file_state(path))


@functools.lru_cache(maxsize=4096)
def _read_code(path: Path, state: tuple[int, ...]) -> _Code:
    source = read_source(path, str(path))
    try:
        tree = parse(source)
    except SyntaxError as error:
        raise not_python(error, str(path), source) from error
    return _Code(tree, code_hash(tree), "import_module" in source or "__import__" in source)


@functools.lru_cache(maxsize=4096)
def _read_imports(path: Path, package: str, state: tuple[int, ...]) -> tuple[Import, ...]:
    code = _read_code(path, state)
    return tuple(imports_of(code.tree, package, calls=code.calls))


@functools.lru_cache(maxsize=4096)
def _read_init(path: Path, package: str, state: tuple[int, ...]) -> _Init:
    return _Init(_read_code(path, state).tree, package)

"""Which definitions a script depends on, found by reading code instead of running it.

From the names that a script uses, their definitions are followed, and the names that those use in turn. The
rule errs on the side of counting too much:

- A name is what the module binds it to or imports it as, through any number of re-exports. `m.f` is the
  definition of `f` where `m` is a module; a module by itself (passed on, say), `import *`,
  `import_module("…")` and a name that can't be traced stand for everything in the module, and so do
  `globals`, `eval`, `exec`, `vars` and `sys.modules` for the module in which they stand.
- A name that only a module's `__getattr__` can know is looked for in all modules that its strings name.
- What a module does when it is imported counts for every module that is loaded; see `definitions`.
- Imports count by what they bring in: a definition by its own hash, wherever it lies, so that moving it
  changes nothing; something of another package by its name.
- Modules in `PLUMBING` can't change a result, or do so through something that is counted otherwise.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from mechscope.files import hash_value
from mechscope.pipeline.definitions import (
    Definition,
    Imported,
    Module,
    absolute,
    read_module,
    script_definition,
)

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

_EVERYTHING = {("globals",), ("eval",), ("exec",), ("vars",), ("sys", "modules")}
"""What may reach every name of the module in which it stands."""


@dataclass(frozen=True)
class Reached:
    """What a script depends on.

    Attributes:
        modules: The files of the modules that are loaded, by dotted name.
        definitions: Those that count: file, name and hash.
        imports: Hash of what each used name means, where an import says so.
    """

    modules: Mapping[str, Path]
    definitions: tuple[tuple[Path, str, str], ...]
    imports: str


class ImportGraph:
    """The modules of a project.

    Args:
        roots: The folder that holds a top-level package or module, by the prefix under which its files
            are shown: `{"mechscope": Path("…/site-packages")}` for a package, `{"": analyses}` for modules.
            Packages are looked up by their first name, everything else in the "" folder.
    """

    def __init__(self, roots: Mapping[str, Path], plumbing: Mapping[str, str] = PLUMBING) -> None:
        self._roots = roots
        self._plumbing = plumbing

    def reached(self, tree: ast.Module) -> Reached:
        """What a script depends on, directly or not.

        Raises:
            InvalidInput: A module that it imports is not Python.
        """
        reader = _Reader(self)
        reader.count(script_definition(tree))
        reader.read()
        return Reached(
            {name: module.path for name, module in reader.loaded.items() if module.path},
            tuple((one.module.path, one.label, one.sha256) for one in reader.counted if one.module.path),
            hash_value(sorted(reader.meanings)),
        )

    def is_plumbing(self, module: str) -> bool:
        """Whether a module can't change a result."""
        return any(module == name or module.startswith(f"{name}.") for name in self._plumbing)

    def module(self, name: str) -> Module | None:
        """The module of the project with this name; None if it is none of the project's."""
        stem = self._stem(name)
        if stem is None:
            return None
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if path.is_file():
                return read_module(name, path)
        return Module(name, None, ast.Module([], [])) if stem.is_dir() else None

    def inside(self, package: str) -> Iterator[str]:
        """The names of the modules in a package."""
        stem = self._stem(package)
        if stem is not None and stem.is_dir():
            for path in sorted(stem.iterdir()):
                if path.stem.isidentifier() and (path.suffix == ".py" or (path / "__init__.py").is_file()):
                    yield f"{package}.{path.stem}"

    def _stem(self, name: str) -> Path | None:
        base = self._roots.get(name.partition(".")[0]) or self._roots.get("")
        return base.joinpath(*name.split(".")) if base is not None and name else None


class _Reader:
    """Follows names until no new definition is reached."""

    def __init__(self, graph: ImportGraph) -> None:
        self._graph = graph
        self._known: dict[str, Module | None] = {}
        self._waiting: list[Definition] = []
        self.loaded: dict[str, Module] = {}
        self.counted: dict[Definition, None] = {}
        self.meanings: set[str] = set()

    def count(self, definition: Definition) -> None:
        if definition not in self.counted:
            self.counted[definition] = None
            self._waiting.append(definition)

    def read(self) -> None:
        while self._waiting:
            self._follow(self._waiting.pop())
            if not self._waiting and any(module.collects for module in self.loaded.values()):
                for module in list(self.loaded.values()):
                    for definition in module.subclasses:
                        self.count(definition)

    def _follow(self, definition: Definition) -> None:
        module = definition.module
        user = definition.sha256 if module.name else "script"
        for imported in chain.from_iterable(definition.imports.values()):
            self._bring_in(imported, user)
        for dotted in definition.uses:
            for meaning in self._meanings(module, dotted, definition, set()):
                self._note(user, dotted, meaning)
            if dotted[:2] in _EVERYTHING:
                for every in module.everything:
                    self.count(every)

    def _bring_in(self, imported: Imported, user: str) -> None:
        """Note an import that counts whether its name is used or not."""
        self._load(imported.loads)
        if self._module(imported.module) is None:
            self._note(user, (imported.name,), imported.full)
        elif not imported.name:
            for meaning in self._offered(imported.module, (), set()):
                self._note(user, ("*",), meaning)

    def _note(self, user: str, dotted: tuple[str, ...], meaning: Definition | str) -> None:
        if isinstance(meaning, str):
            self.meanings.add(f"{user} {dotted[0]} {meaning}")
        else:
            self.meanings.add(f"{user} {'.'.join(dotted)} {meaning.sha256}")
            self._load(meaning.module.name)
            self.count(meaning)

    def _load(self, name: str) -> None:
        """Count what a module and the packages around it do when they are imported."""
        parts = name.split(".")
        for size in range(1, len(parts) + 1):
            name = ".".join(parts[:size])
            module = self._module(name)
            if module is None or name in self.loaded or self._graph.is_plumbing(name):
                continue
            self.loaded[name] = module
            if module.on_import.nodes:
                self.count(module.on_import)
            for imported in chain.from_iterable(module.imports.values()):
                self._load(imported.loads)
                if imported.attribute:
                    self._load(f"{imported.module}.{imported.attribute}")
            for imported in module.unused:
                self._bring_in(imported, "")

    def _module(self, name: str) -> Module | None:
        if name not in self._known:
            self._known[name] = self._graph.module(name)
        return self._known[name]

    def _meanings(
        self, module: Module, dotted: tuple[str, ...], within: Definition | None, asked: set[tuple[str, ...]]
    ) -> Iterator[Definition | str]:
        """What a dotted name means in a module, or in a definition with imports of its own."""
        head, *rest = dotted
        sources = within.imports.get(head, []) if within else []
        if not sources and head in module.definitions:
            yield module.definitions[head]
        for imported in sources or module.imports.get(head, []):
            if self._module(imported.module) is None:
                yield imported.full
            else:
                attribute = (imported.attribute,) if imported.attribute else ()
                yield from self._offered(imported.module, (*attribute, *rest), asked)

    def _offered(
        self, name: str, dotted: tuple[str, ...], asked: set[tuple[str, ...]]
    ) -> Iterator[Definition | str]:
        """What a dotted name means to those who ask the module `name` for it; all of it for no name."""
        module = self._module(name)
        if module is None or self._graph.is_plumbing(name) or (name, *dotted) in asked:
            return
        asked.add((name, *dotted))
        self._load(name)
        if not dotted:
            yield from self._everything(module, asked)
            for inner in self._graph.inside(name):
                yield from self._offered(inner, (), asked)
        elif dotted[0] in module.definitions or dotted[0] in module.imports:
            yield from self._meanings(module, dotted, None, asked)
        elif self._module(f"{name}.{dotted[0]}"):
            yield from self._offered(f"{name}.{dotted[0]}", dotted[1:], asked)
        elif "__getattr__" in module.definitions:
            yield module.definitions["__getattr__"]
            yield from self._lazily(module, dotted, asked)
        else:
            yield from self._everything(module, asked)

    def _everything(self, module: Module, asked: set[tuple[str, ...]]) -> Iterator[Definition | str]:
        yield from module.everything
        for name in module.imports:
            yield from self._meanings(module, (name,), None, asked)

    def _lazily(
        self, module: Module, dotted: tuple[str, ...], asked: set[tuple[str, ...]]
    ) -> Iterator[Definition | str]:
        """What a name may mean that a module looks for, when asked, in those that its strings name."""
        names = {text for text in module.strings} | {
            absolute(text.lstrip("."), 1, module.package) for text in module.strings
        }
        sources = [
            (name, source)
            for name in sorted(names)
            if name != module.name and (source := self._module(name)) is not None
        ]
        binding = [name for name, source in sources if {dotted[0]} & {*source.definitions, *source.imports}]
        for name in binding or [name for name, _ in sources]:
            yield from self._offered(name, dotted if binding else (), asked)

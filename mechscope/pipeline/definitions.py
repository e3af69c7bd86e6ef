"""A Python module as definitions: what each one is, which names it uses and what it imports.

A definition is a function, a class or an assignment to names at the top of a module. Everything else that a
module does when it is imported is one more definition, called `ON_IMPORT`: statements such as `torch.x = y`
or `try: …`, assignments that call something, and what is decorated by something, unless that is known to
have no effect elsewhere (`PURE`). Import statements and `if TYPE_CHECKING:` are part of none.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mechscope.files import file_state
from mechscope.pipeline.code import code_hash, is_text
from mechscope.syntax import not_python, parse, read_source

ON_IMPORT = "what it does when imported"

PURE = {
    *("property", "staticmethod", "classmethod", "typing.overload", "typing.override", "typing.final"),
    *("dataclasses.dataclass", "dataclasses.field", "abc.abstractmethod", "typing.runtime_checkable"),
    *("functools.cache", "functools.lru_cache", "functools.cached_property", "functools.wraps"),
    *("functools.partial", "functools.total_ordering", "functools.singledispatch"),
    *("contextlib.contextmanager", "contextlib.asynccontextmanager", "jaxtyping.jaxtyped"),
    *("torch.no_grad", "torch.inference_mode", "torch.enable_grad", "torch.tensor", "numpy.array"),
    *("re.compile", "typing.TypeVar", "typing.ParamSpec", "typing.NewType", "types.MappingProxyType"),
    *("collections.namedtuple", "collections.Counter", "collections.defaultdict", "pathlib.Path"),
    *("weakref.WeakKeyDictionary", "weakref.WeakValueDictionary", "threading.Lock"),
    *("tuple", "list", "dict", "set", "frozenset", "range", "reversed", "sorted", "zip", "enumerate", "map"),
    *("len", "min", "max", "sum", "abs", "round", "int", "float", "str", "bool", "bytes", "chr", "ord"),
    *("slice", "object", "super"),
}
"""Decorators and functions that have no effect elsewhere when a module is imported."""

_COLLECTS = ("__init_subclass__", "__subclasses__", "metaclass")
"""What can find classes that nobody names."""


@dataclass(frozen=True)
class Imported:
    """What an import binds: `name` becomes `attribute` of `module`, or the module itself where that is None.

    `loads` is the module that the import runs. The name is empty where everything in the module may be
    meant: `import *`, and `import_module("…")`.
    """

    name: str
    module: str
    attribute: str | None
    loads: str

    @property
    def full(self) -> str:
        """The dotted name of what is imported."""
        return f"{self.module}.{self.attribute}" if self.attribute else self.module


class Definition:
    """Top-level statements of a module that belong together: those that bind a name, or `ON_IMPORT`."""

    def __init__(self, label: str, module: Module) -> None:
        self.label = label
        self.module = module
        self.nodes: list[ast.stmt] = []

    @functools.cached_property
    def sha256(self) -> str:
        """The hash of its code, without imports, docstrings and formatting."""
        return code_hash(ast.Module(self.nodes, []))

    @functools.cached_property
    def imports(self) -> dict[str, list[Imported]]:
        """What is imported within it, by name."""
        return _by_name(_imports(self.nodes, self.module.package, deep=True))

    @functools.cached_property
    def uses(self) -> list[tuple[str, ...]]:
        """The names that it reads, each with the attributes behind it: ("torch", "nn", "Linear")."""
        chains = set()
        waiting: list[ast.AST] = list(self.nodes)
        while waiting:
            node = waiting.pop()
            attributes: list[str] = []
            head = node
            while isinstance(head, ast.Attribute):
                attributes.insert(0, head.attr)
                head = head.value
            match head:
                case ast.Name(id=name, ctx=ast.Load() | ast.Del()):
                    chains.add((name, *attributes))
                case ast.Global(names=names):
                    chains.update((name,) for name in names)
                case _:
                    waiting.extend(_inside(node))
        return sorted(chains)


class Module:
    """A module of the project, or a package (`package` is then its own name).

    Attributes:
        definitions: By each name that they bind.
        imports: What import statements outside functions and classes bind, by name.
        subclasses: The classes that have a base.
        collects: Whether it may find classes that nobody names.
        strings: Every string in it that may name a module.
    """

    def __init__(self, name: str, path: Path | None, tree: ast.Module, source: str = "") -> None:
        self.name, self.path = name, path
        is_package = path is None or path.name == "__init__.py"
        self.package = name if is_package else name.rpartition(".")[0]
        self.definitions: dict[str, Definition] = {}
        self.on_import = Definition(ON_IMPORT, self)
        self.imports = _by_name(_imports(tree.body, self.package, deep=False))
        self.subclasses: list[Definition] = []
        self.collects = any(word in source for word in _COLLECTS)
        self._tree = tree
        self._own = {name for node in tree.body for name in _binds(node)}
        for node in _statements(tree.body):
            self._add(node)

    def _add(self, node: ast.stmt) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom)) or is_text(node):
            return
        names = _binds(node)
        if not names or self._acts(node):
            self.on_import.nodes.append(node)
            for name in names:
                self.definitions.setdefault(name, self.on_import)
            return
        known = (self.definitions.get(name) for name in names)
        definition = next((one for one in known if one not in (None, self.on_import)), None)
        definition = definition or Definition(names[0], self)
        definition.nodes.append(node)
        self.definitions.update(dict.fromkeys(names, definition))
        if isinstance(node, ast.ClassDef) and node.bases:
            self.subclasses.append(definition)

    @property
    def everything(self) -> Iterator[Definition]:
        """All its definitions; some more than once."""
        if self.on_import.nodes:
            yield self.on_import
        yield from self.definitions.values()

    @functools.cached_property
    def strings(self) -> list[str]:
        values = (node.value for node in ast.walk(self._tree) if isinstance(node, ast.Constant))
        return sorted({value for value in values if isinstance(value, str) and value.strip(".")})

    @functools.cached_property
    def unused(self) -> list[Imported]:
        """What it imports without a use: perhaps for what the import does."""
        used = {chain[0] for definition in self.everything for chain in definition.uses}
        return [
            imported
            for name in self.imports.keys() - used
            for imported in self.imports[name]
            if imported.module not in ("__future__", "typing")
        ]

    def _acts(self, node: ast.stmt) -> bool:
        """Whether a statement may have an effect elsewhere when it runs."""
        match node:
            case (
                ast.FunctionDef(args=arguments, decorator_list=decorators)
                | ast.AsyncFunctionDef(args=arguments, decorator_list=decorators)
            ):
                defaults = [*arguments.defaults, *filter(None, arguments.kw_defaults)]
                return not (all(map(self._is_pure, defaults)) and all(map(self._marks, decorators)))
            case ast.ClassDef(keywords=keywords, decorator_list=decorators):
                return (
                    bool(keywords) or not all(map(self._marks, decorators)) or any(map(self._acts, node.body))
                )
            case ast.Assign(targets=targets, value=value):
                return not (all(map(_is_name, targets)) and self._is_pure(value))
            case ast.AnnAssign(target=ast.Name(), value=value):
                return not (value is None or self._is_pure(value))
        return not is_text(node) and type(node).__name__ not in ("Import", "ImportFrom", "Pass", "TypeAlias")

    def _marks(self, decorator: ast.expr) -> bool:
        """Whether a decorator has no effect beyond what it decorates."""
        if isinstance(decorator, ast.Call):
            return self._is_pure(decorator)
        return self._is_known(decorator) or (
            isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "getter", "deleter")
        )

    def _is_pure(self, expression: ast.expr) -> bool:
        """Whether evaluating it has no effect elsewhere."""
        waiting: list[ast.AST] = [expression]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Call) and not self._is_known(node.func):
                return False
            if not isinstance(node, ast.Lambda):
                waiting.extend(ast.iter_child_nodes(node))
        return True

    def _is_known(self, function: ast.expr) -> bool:
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant):
            return True  # "a b".split
        head, dot, rest = ast.unparse(function).partition(".")
        sources = self.imports.get(head, [])
        if head in self._own or len(sources) > 1:
            return False
        for source in sources:
            head = source.full
        return head + dot + rest in PURE


def read_module(name: str, path: Path) -> Module:
    """The module in a file, read once for as long as the file stays as it is.

    Raises:
        InvalidInput: It is not Python, or can't be read.
    """
    return _read(name, path, file_state(path))


@functools.lru_cache(maxsize=4096)
def _read(name: str, path: Path, state: tuple[int, ...]) -> Module:
    source = read_source(path, str(path))
    try:
        return Module(name, path, parse(source), source)
    except SyntaxError as error:
        raise not_python(error, str(path), source) from error


def script_definition(tree: ast.Module) -> Definition:
    """A whole script as one definition, whose imports are all its own."""
    definition = Definition("", Module("", None, ast.Module([], [])))
    definition.nodes = tree.body
    return definition


def absolute(module: str, level: int, package: str) -> str:
    """The full name of a module that is named relative to a package, with `level` dots."""
    if level == 0:
        return module
    parts = package.split(".")
    base = parts[: len(parts) - (level - 1)]
    return ".".join([*base, module] if module else base)


def _imports(nodes: Iterable[ast.AST], package: str, *, deep: bool) -> Iterator[Imported]:
    """What is imported in `nodes`; unless `deep`, by statements outside functions and classes."""
    waiting = list(nodes)
    while waiting:
        match node := waiting.pop():
            case ast.Import(names=names):
                for alias in names:
                    name = alias.asname or alias.name.partition(".")[0]
                    yield Imported(name, alias.name if alias.asname else name, None, alias.name)
            case ast.ImportFrom(names=names, level=level):
                module = absolute(node.module or "", level, package)
                for alias in names:
                    if alias.name == "*":
                        yield Imported("", module, None, module)
                    else:
                        yield Imported(alias.asname or alias.name, module, alias.name, module)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str() as text), *_],
            ) if deep:
                module = absolute(text.lstrip("."), len(text) - len(text.lstrip(".")), package)
                yield Imported("", module, None, module)
        if deep or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.expr)):
            waiting.extend(_inside(node))


def _by_name(imports: Iterable[Imported]) -> dict[str, list[Imported]]:
    names: dict[str, list[Imported]] = {}
    for imported in imports:
        names.setdefault(imported.name, []).append(imported)
    return names


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """What a node is made of, without what only a type checker sees."""
    if isinstance(node, ast.If) and _is_type_checking(node.test):
        return iter(node.orelse)
    return ast.iter_child_nodes(node)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            yield from _statements(node.orelse)
        else:
            yield node


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _binds(node: ast.AST) -> list[str]:
    """The names that a statement binds where it stands."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case ast.Lambda():
            return []
    return [name for inner in ast.iter_child_nodes(node) for name in _binds(inner)]


def _is_name(target: ast.expr) -> bool:
    """Whether an assignment to it binds names and does nothing else."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(map(_is_name, target.elts))
    return isinstance(target.value if isinstance(target, ast.Starred) else target, ast.Name)

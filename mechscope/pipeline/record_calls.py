"""What a script records, read from its code without running it: its claims, and the names of its records.

What is wrong here would be found when the record is made, too: after minutes of computing, and after an entry
of each claim was written into claims.lock for good.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from mechscope.errors import InvalidInput, MechscopeError, UnknownName
from mechscope.ledger.claims import ClaimText
from mechscope.ledger.criterion import operand_names
from mechscope.ledger.schema import KINDS, NAME_PATTERN

_METHODS = {kind.method: (field, kind.argument) for field, kind in KINDS.items() if kind.argument}
"""By each method that records under the name that it is given: the kind, and the argument that tells it."""
_SHORTEST_PART = 3
"""Characters that a text must have for a name that begins or ends with it to be put together from it."""


def claims_of(tree: ast.Module, file: str) -> Iterator[ClaimText]:
    """The claims of a script.

    Raises:
        InvalidInput: One is not written out, or its criterion is not an expression.
        UnknownName: A criterion names a statistic that the script can't record.
    """
    names = _Names(tree)
    for node, kind, given in _calls(tree):
        if kind != "claims":
            continue
        texts = {}
        for part in ("name", "sentence", "criterion"):
            match given.get(part):
                case ast.Constant(value=str() as text):
                    texts[part] = text
                case _:
                    raise InvalidInput(
                        f"{file}:{node.lineno}: a claim's {part} is not a literal text.",
                        hint="write it out: what is claimed is fixed before there are results",
                    )
        where = f"{file}:{node.lineno}"
        try:
            operands = operand_names(texts["criterion"])
        except MechscopeError as error:
            raise InvalidInput(f"{where}: {error.message}", hint=error.hint) from error
        for name in operands:
            if not names.may_hold(name):
                raise UnknownName(
                    "statistic",
                    name,
                    names.candidates,
                    where=f"{where}: criterion '{texts['criterion']}'",
                    hint="record it before the claim, and write out a name that comes from data",
                )
        yield ClaimText(texts["name"], texts["criterion"], texts["sentence"], node.lineno)


def check_names(tree: ast.Module, file: str) -> None:
    """Refuse a second claim of a name, and any two records of one name that are both made in any case.

    The ledger would refuse them when the second is made. Other records may share a name in branches that
    exclude each other.
    """
    unconditional = {node.value for node in tree.body if isinstance(node, ast.Expr)}
    first: dict[str, tuple[ast.Call, bool, bool]] = {}
    for call, kind, written in sorted(_records(tree), key=lambda record: record[0].lineno):
        if not (isinstance(written, ast.Constant) and isinstance(written.value, str)):
            continue
        name, is_claim = written.value, kind == "claims"
        always = call in unconditional
        if name not in first:
            first[name] = call, is_claim, always
            continue
        before, was_claim, was_always = first[name]
        if is_claim or was_claim or (always and was_always):
            raise InvalidInput(
                f"{file}:{call.lineno}: '{name}' is recorded in line {before.lineno} already.",
                hint="names are unique in an analysis: give one of them a name of its own",
            )


def kind_written(trees: Iterable[ast.Module], name: str) -> str | None:
    """Which kind of record scripts make under `name`; "" where that is not known, None where they make none.

    A name that a script takes from a variable, or names to `does_not_apply` only, can be of any kind.
    """
    unknown = False
    for tree in trees:
        for _, kind, node in _records(tree):
            if written_out(node, name):
                return kind
            unknown = unknown or not isinstance(node, (ast.Constant, ast.JoinedStr))
        unknown = unknown or any(written_out(node, name) for node in _named_absent(tree))
    return "" if unknown else None


def names_written(tree: ast.Module) -> list[str]:
    """The names of records that a script writes out."""
    nodes = [*(node for _, _, node in _records(tree)), *_named_absent(tree)]
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _named_absent(tree: ast.Module) -> Iterator[ast.expr]:
    """The names that a script passes to `does_not_apply`, after the reason."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="does_not_apply"), args=[_, *names]):
                yield from names


def written_out(node: ast.AST, name: str) -> int:
    """How many characters of a record's `name` the text `node` writes out.

    All of them, or some if it is an f-string that can give it; 0 if it can't, or if nothing of it is fixed.
    """
    match node:
        case ast.Constant(value=str() as literal):
            return len(name) if literal == name else 0
        case ast.JoinedStr(values=values):
            parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in values]
            pattern = "".join(".+" if part is None else re.escape(part) for part in parts)
            return len("".join(part or "" for part in parts)) if re.fullmatch(pattern, name) else 0
    return 0


class _Names:
    """The names that a script's statistics can have, as far as its code tells.

    Attributes:
        candidates: The texts in it that could be one as they stand.
    """

    def __init__(self, tree: ast.Module) -> None:
        others = set()  # what names another record, or is in a claim, names no statistic
        for call, kind, name in _records(tree):
            if kind == "claims":
                others |= set(ast.walk(call))
            elif kind != "statistics":
                others.add(name)
        self._texts = [
            node
            for node in ast.walk(tree)
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and node not in others
        ]
        self._literals = {
            node.value
            for node in self._texts
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        self.candidates = [text for text in self._literals if re.match(NAME_PATTERN, text)]
        self._imports_own = any(
            module.startswith("_") and not module.startswith("__") for module in _imported(tree)
        )

    def may_hold(self, name: str) -> bool:
        """Whether a statistic could be recorded as `name`: written out, in an f-string, or put together.

        A module of the project's own can record anything.
        """
        return (
            self._imports_own
            or any(written_out(node, name) for node in self._texts)
            or any(
                len(text) >= _SHORTEST_PART and (name.startswith(text) or name.endswith(text))
                for text in self._literals
            )
        )


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str() as module):
                yield module


def _records(tree: ast.Module) -> Iterator[tuple[ast.Call, str, ast.expr]]:
    """The calls that record something, what each records ("statistics" …), and its name as it is written."""
    return ((call, kind, given["name"]) for call, kind, given in _calls(tree) if "name" in given)


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str, dict[str, ast.expr]]]:
    """The calls that record something, what each records, and its arguments by name.

    The first two may stand without a name; a claim's are its name and its sentence.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            kind, argument = _METHODS.get(node.func.attr, ("", ""))
            given = {word.arg: word.value for word in node.keywords if word.arg}
            if argument in given:
                yield node, kind, given | dict(zip(("name", "sentence"), node.args, strict=False))

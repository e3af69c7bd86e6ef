"""A claim's criterion: an expression over statistics, from which the outcome is computed.

The language is a small part of Python's, parsed with `ast` and walked here (never `eval`): numbers and texts,
statistics by name (`t_abstract` is its value; `.p`, `.low`, `.high` and `.n` are its p-value, interval
ends and sample size), `+ - * / **`, `abs(…)`, comparisons (chains too), `and`, `or`, `not`. A statistic that
could not be measured makes the claim untestable, whatever the rest says.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mechscope.characters import has_unseen, visible
from mechscope.errors import InvalidRecord, UnknownName
from mechscope.ledger.schema import Outcome, Statistic, Value
from mechscope.syntax import parse

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISON: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_PARTS: dict[str, Callable[[Statistic], Value | None]] = {
    "p": lambda statistic: statistic.p,
    "low": lambda statistic: statistic.ci[0] if statistic.ci else None,
    "high": lambda statistic: statistic.ci[1] if statistic.ci else None,
    "n": lambda statistic: statistic.n,
}
_GIVEN_BY = {
    "p": ("p-value", "p=…"),
    "low": ("interval", "ci=(low, high)"),
    "high": ("interval", "ci=(low, high)"),
    "n": ("n", "n=…"),
}
"""What each part is called, and the argument that gives it."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a criterion and the operands that it was computed from, by how they are written."""

    outcome: Outcome
    evidence: dict[str, Value | None]


def judge(criterion: str, statistics: Mapping[str, Statistic], absent: Collection[str] = ()) -> Verdict:
    """Decide `criterion` from `statistics`.

    Args:
        absent: Names that stand for no value where no statistic has them, because it does not apply to this
            model: they make the criterion untestable.

    Raises:
        InvalidRecord: It is not an expression of this language, is not a yes-or-no question, or cannot be
            computed (a division by zero, a text compared by size).
        UnknownName: It names a statistic that was not recorded, or a part that no statistic has.
    """
    tree = _parsed(criterion)
    operands = _operands(tree, criterion)
    evidence = {
        written: _operand(node, statistics)
        if (name := _statistic_name(node)) in statistics or name not in absent
        else None
        for written, node in operands.items()
    }
    if any(value is None for value in evidence.values()):
        return Verdict("untestable", evidence)
    try:
        answer = _evaluate(tree, evidence, criterion)
    except (ArithmeticError, TypeError) as error:
        raise InvalidRecord(f"criterion '{criterion}' cannot be computed: {error}.") from error
    if not isinstance(answer, bool):
        raise InvalidRecord(
            f"criterion '{criterion}' gives {answer!r}, not yes or no.",
            hint="compare it with something, e.g. '… > 0'",
        )
    return Verdict("held" if answer else "failed", evidence)


def operand_names(criterion: str) -> list[str]:
    """The statistics that `criterion` names, in the order in which they first appear."""
    nodes = _operands(_parsed(criterion), criterion).values()
    return list(dict.fromkeys(_statistic_name(node) for node in nodes))


def _parsed(criterion: str) -> ast.expr:
    if has_unseen(criterion):
        raise InvalidRecord(f"criterion '{visible(criterion)}' has a character that can't be seen.")
    try:
        return parse(criterion.strip(), mode="eval").body
    except SyntaxError as error:
        raise InvalidRecord(f"criterion '{criterion}' is not an expression: {error.msg}.") from error


def _operands(tree: ast.expr, criterion: str) -> dict[str, ast.expr]:
    """Every `name` and `name.part` in the tree by how it is written; refuses what is not in the language."""
    found: dict[str, ast.expr] = {}

    def visit(node: ast.AST) -> None:
        match node:
            case ast.Name() | ast.Attribute(value=ast.Name()):
                found.setdefault(ast.unparse(node), node)
            case ast.Constant(value=bool()):
                raise _refused(node, criterion)
            case ast.Constant(value=int() | float() | str()):
                pass
            case ast.Call(func=ast.Name(id="abs"), args=[argument], keywords=[]):
                visit(argument)
            case ast.BoolOp(values=values):
                for value in values:
                    visit(value)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                visit(left)
                visit(right)
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=operand):
                visit(operand)
            case ast.Compare(left=left, ops=ops, comparators=rest) if all(
                type(op) in _COMPARISON for op in ops
            ):
                for side in (left, *rest):
                    visit(side)
            case _:
                raise _refused(node, criterion)

    visit(tree)
    if not found:
        raise InvalidRecord(f"criterion '{criterion}' names no statistic, so no result could decide it.")
    return found


def _refused(node: ast.AST, criterion: str) -> InvalidRecord:
    return InvalidRecord(
        f"criterion '{criterion}': '{ast.unparse(node)}' is not allowed.",
        hint="use statistics, numbers, + - * / **, abs(), comparisons, and, or, not",
    )


def _statistic_name(node: ast.expr) -> str:
    name = node.value if isinstance(node, ast.Attribute) else node
    assert isinstance(name, ast.Name)
    return name.id


def _operand(node: ast.expr, statistics: Mapping[str, Statistic]) -> Value | None:
    name = _statistic_name(node)
    if name not in statistics:
        raise UnknownName("statistic", name, statistics, where="criterion", hint="record it before the claim")
    statistic = statistics[name]
    if not isinstance(node, ast.Attribute) or statistic.value is None:
        return statistic.value
    if node.attr not in _PARTS:
        raise UnknownName("part", node.attr, _PARTS, where=f"criterion: '{name}.{node.attr}'")
    part = _PARTS[node.attr](statistic)
    if part is None:
        what, argument = _GIVEN_BY[node.attr]
        raise InvalidRecord(
            f"the criterion asks for '{name}.{node.attr}', but '{name}' has no {what}.",
            hint=f'record it:  ledger.statistic("{name}", …, {argument})',
        )
    return part


def _evaluate(node: ast.expr, evidence: Mapping[str, Value | None], criterion: str) -> Any:
    def value(child: ast.expr) -> Any:
        return _evaluate(child, evidence, criterion)

    match node:
        case ast.Name() | ast.Attribute():
            return evidence[ast.unparse(node)]
        case ast.Constant():
            return node.value
        case ast.Call(args=[argument]):
            return abs(value(argument))
        case ast.BoolOp(op=op, values=parts):
            answers = [_yes_or_no(value(part), part, criterion) for part in parts]
            return all(answers) if isinstance(op, ast.And) else any(answers)
        case ast.BinOp(left=left, op=op, right=right):
            result = _ARITHMETIC[type(op)](value(left), value(right))
            if isinstance(result, complex) or not math.isfinite(result):
                raise ArithmeticError(f"'{ast.unparse(node)}' is {result}")
            return result
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _yes_or_no(value(operand), operand, criterion)
        case ast.UnaryOp(op=op, operand=operand):
            return -value(operand) if isinstance(op, ast.USub) else +value(operand)
        case ast.Compare(left=left, ops=ops, comparators=rest):
            sides = [value(side) for side in (left, *rest)]
            pairs = zip(ops, sides, sides[1:], strict=False)
            return all(_COMPARISON[type(op)](before, after) for op, before, after in pairs)
    raise _refused(node, criterion)


def _yes_or_no(answer: Any, node: ast.expr, criterion: str) -> bool:
    if not isinstance(answer, bool):
        raise InvalidRecord(
            f"criterion '{criterion}': '{ast.unparse(node)}' is a number where yes or no is needed.",
            hint="compare it with something, e.g. '… > 0'",
        )
    return answer

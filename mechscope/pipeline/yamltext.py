"""YAML as people write it: edits that leave comments and layout as they are, and messages about mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

_POWER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
_OCTAL = re.compile(r"[-+]?0\d+")
_PAIR = re.compile(r"(?P<key>\s*(?:- )?[\w.-]+:[ \t]+)(?P<value>\S.*)", re.DOTALL)
_NO_TEXT = re.compile(r"\".*\"|'.*'|\{.*|\[.*\]|\[[^\]]*")
"""What is in quotes already, or begins a list or a map."""
_COLON = re.compile(r":(\s|$)")


class PlainLoader(yaml.SafeLoader):
    """YAML in which numbers are what people read: 1e-3 is one; 010 (8 to YAML) and 1:30 (90) are errors."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value: int = super().construct_yaml_int(node)
        written = node.value.replace("_", "")
        if _OCTAL.fullmatch(written):
            meant = " or ".join(dict.fromkeys((str(int(written)), str(value))))
            self._refuse(node, value, f"in base 8: write {meant}")
        if ":" in written:
            self._refuse(node, value, f"in base 60: write {value}, or put it in quotes")
        return value

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        value: float = super().construct_yaml_float(node)
        if ":" in node.value:
            self._refuse(node, value, f"in base 60: write {value}, or put it in quotes")
        return value

    def _refuse(self, node: yaml.ScalarNode, value: float, why: str) -> None:
        problem = f"'{node.value}' is {value} to YAML, {why}"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


PlainLoader.add_constructor("tag:yaml.org,2002:int", PlainLoader.construct_yaml_int)
PlainLoader.add_constructor("tag:yaml.org,2002:float", PlainLoader.construct_yaml_float)


class _PlainDumper(yaml.SafeDumper):
    """Writes what `PlainLoader` reads: the text "1e3" in quotes."""


for plain in (PlainLoader, _PlainDumper):
    plain.add_implicit_resolver("tag:yaml.org,2002:float", _POWER, list("-+.0123456789"))


def problem_of(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    """Why `text` is not YAML: the line (from 1), the problem, and the line in quotes if that helps."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    colon = "a value with a colon needs quotes"
    if problem == "mapping values are not allowed here":
        problem = colon
    last = mark.line if mark else 0
    lines = text.split("\n")
    if isinstance(error, yaml.constructor.ConstructorError):
        return last + 1, problem, ""  # it is YAML, and says something else than it seems to
    for n in range(
        min(last, len(lines) - 1), max(last - 2, -1), -1
    ):  # the parser notices it here or a line later
        pair = _PAIR.fullmatch(lines[n])
        if not pair or _NO_TEXT.fullmatch(value := pair["value"].rstrip()):
            continue
        quoted = f'"{value}"' if not {'"', "\\"} & set(value) else "'" + value.replace("'", "''") + "'"
        mended = f"{pair['key']}{quoted}"
        if _fails_at("\n".join([*lines[:n], mended, *lines[n + 1 :]])) > last:
            return n + 1, colon if _COLON.search(value) else problem, mended.strip()
    return last + 1, problem, ""


def _fails_at(text: str) -> float:
    """Index of the line at which `text` stops to be YAML; infinity if it is YAML."""
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return mark.line if mark else 0
    return float("inf")


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    dumped: str = yaml.dump(
        value,
        Dumper=_PlainDumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=10**6,
    )
    return dumped.removesuffix("\n").removesuffix("\n...")


def node_at(tree: yaml.Node | None, keys: list[str]) -> yaml.Node | None:
    """The node under a path of keys; None where there is none."""
    for key in keys:
        if not isinstance(tree, yaml.MappingNode):
            return None
        tree = next((value for found, value in tree.value if found.value == key), None)
    return tree


def end_of(node: yaml.Node) -> int:
    """Index behind the last character that a node's own values take."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return end_of(last[1] if isinstance(node, yaml.MappingNode) else last)
    return int(node.end_mark.index)


def line_of(text: str, keys: list[str]) -> int:
    """The line (from 1) of the deepest of `keys` that is there."""
    return max([1, *_lines(yaml.compose(text), keys)])


def _lines(tree: yaml.Node | None, keys: list[str]) -> Iterator[int]:
    for key in keys:
        if not isinstance(tree, yaml.MappingNode):
            return
        pair = next((pair for pair in tree.value if pair[0].value == key), None)
        if pair is None:
            return
        yield pair[0].start_mark.line + 1
        tree = pair[1]

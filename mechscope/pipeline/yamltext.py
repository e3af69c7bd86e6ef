"""Edits of YAML files as text, so that comments and layout stay as their author wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    dumped: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
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

"""The colours and typefaces of Quarto's theme files, as CSS properties for the engine's own style.

A theme file is SCSS for Bootstrap. Its `$name: value;` lines are all that is read here, so that both engines
look alike without a second place that says how.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mechscope.publish.pandoc.config import as_list

_VARIABLE = re.compile(r"^\s*\$(?P<name>[\w-]+)\s*:\s*(?P<value>[^;]+?)\s*(?:!default\s*)?;", re.MULTILINE)
_PROPERTIES = {
    "body-bg": "--me-bg",
    "body-color": "--me-fg",
    "secondary": "--me-muted",
    "border-color": "--me-line",
    "code-bg": "--me-soft",
    "link-color": "--me-link",
    "font-family-sans-serif": "--me-font",
    "headings-font-family": "--me-heading-font",
    "font-family-monospace": "--me-code-font",
    "font-size-root": "--me-size",
    "line-height-base": "--me-leading",
    "headings-font-weight": "--me-heading-weight",
    "h1-font-size": "--me-h1",
    "h2-font-size": "--me-h2",
    "h3-font-size": "--me-h3",
}


def theme_css(theme: Any, root: Path) -> str:
    """CSS properties for light and dark from the setting `theme` of the HTML format.

    Args:
        theme: A list of themes, or a map with `light` and `dark`; names of Bootstrap's themes say nothing.
        root: The project's folder, which the files are relative to.
    """
    themes = theme if isinstance(theme, dict) else {"light": theme}
    light = _declarations(themes.get("light"), root)
    dark = _declarations(themes.get("dark"), root)
    rules = [f"body {{ {light} }}" if light else "", f"body.quarto-dark {{ {dark} }}" if dark else ""]
    return "\n".join(rule for rule in rules if rule)


def _declarations(names: Any, root: Path) -> str:
    values: dict[str, str] = {}
    for name in as_list(names):
        path = root / str(name).lstrip("/")
        if path.suffix in (".scss", ".css") and path.is_file():
            values |= {
                found["name"]: found["value"]
                for found in _VARIABLE.finditer(path.read_text(encoding="utf-8"))
            }
    resolved = {name: _resolved(value, values) for name, value in values.items()}
    return " ".join(f"{prop}: {resolved[name]};" for name, prop in _PROPERTIES.items() if name in resolved)


def _resolved(value: str, values: dict[str, str], depth: int = 4) -> str:
    if depth == 0:
        return value
    return re.sub(
        r"\$([\w-]+)", lambda found: _resolved(values.get(found[1], "inherit"), values, depth - 1), value
    )

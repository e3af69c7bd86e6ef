"""Interactive charts: each figure's specification, and Vega itself, as scripts of the site."""

from __future__ import annotations

import json
from pathlib import Path


def figure_script(key: str, specification: str) -> str:
    """A chart's specification as a script: unlike JSON, a page opened from disk may load one."""
    data = json.dumps(json.loads(specification), ensure_ascii=False, separators=(",", ":"))
    return f"(window.mechscopeCharts ??= {{}})[{json.dumps(key)}] = {data};\n"


def vega_bundle(path: Path) -> str:
    """Vega, Vega-Lite and vega-embed as one script; what lies at `path` if it is of the installed version."""
    from importlib.metadata import version

    head = f"// vl-convert {version('vl-convert-python')}\n"
    if path.is_file():
        there = path.read_text(encoding="utf-8")
        if there.startswith(head):
            return there
    import vl_convert

    # In a function, because its thousands of short names would otherwise be the page's.
    return f"{head}(() => {{\n{vl_convert.javascript_bundle()}\n}})();\n"  # type: ignore[call-arg]

"""Names what the built-in engine does not know, with file and line, before anything is rendered."""

from __future__ import annotations

import re

from mechscope.errors import RenderFailed
from mechscope.publish.pandoc.config import USE_QUARTO, refused_formats
from mechscope.publish.pandoc.settings import unheeded
from mechscope.publish.pandoc.source import Line, Source

_FENCE = re.compile(r"^\s{0,3}(?:>\s*)?(?P<fence>`{3,}|~{3,})\s*(?P<info>.*)$")
_CELL = re.compile(r"^\{+([A-Za-z][\w+-]*)[ ,}]")
_DIV = re.compile(r"^\s*:{3,}\s*(?P<attributes>\{.*|[\w-]+\s*$)")
# fmt: off
_REFUSED_CLASSES = {
    "panel-tabset", "panel-sidebar", "panel-input", "panel-fill", "panel-center", "columns", "grid",
    "sidebar", "incremental", "nonincremental", "fragment", "magic-move", "r-stack", "landscape",
    "proof", "remark", "solution", "listing", "embed", "list-table",
}
# fmt: on
_REFUSED_IDS = ("lst", "thm", "lem", "cor", "prp", "cnj", "def", "exm", "exr", "alg", "rem", "sol")
_REFUSED_ATTRIBUTES = ("layout", "layout-nrow", "layout-valign", "group", "when-meta", "unless-meta")


def check(source: Source) -> None:
    """Refuse a document with constructs that this engine would render wrongly.

    Raises:
        RenderFailed: Lists every one of them, with file and line.
    """
    problems = unsupported(source)
    if problems:
        raise RenderFailed("The built-in engine does not know:\n  " + "\n  ".join(problems), hint=USE_QUARTO)


def unsupported(source: Source) -> list[str]:
    """The constructs in `source` that this engine does not know, each with where it is."""
    problems = [
        f"{source.where('format:')}: {setting} in the front matter"
        for setting in refused_formats(source.front_matter)
    ]
    problems += [
        f"{Line(source.file, line)}: the setting '{name}' in the front matter{note}"
        for line, name, note in unheeded(source.yaml, 2, "\n".join(source.written))
    ]
    fence = ""
    for line, text in zip(source.lines, source.written, strict=True):
        found = _FENCE.match(text)
        if found and fence:
            if found["fence"].startswith(fence) and not found["info"].strip():
                fence = ""
            continue
        if fence:
            continue
        if found:
            if "`" in found["info"] and found["fence"][0] == "`":
                continue
            fence = found["fence"]
            if cell := _CELL.match(found["info"]):
                problems.append(
                    f"{line}: the code cell {{{cell[1]}}} — an article never computes;"
                    f" for code that is only shown write {{.{cell[1]}}}"
                )
            problems += [f"{line}: {what}" for what in _attributes(found["info"])]
        elif div := _DIV.match(text):
            problems += [f"{line}: {what}" for what in _attributes(div["attributes"])]
    problems += [
        f"{entry['where']}: a shortcode inside a shortcode"
        for entry in source.shortcodes.values()
        if "{{<" in entry["raw"][3:] and "literal" not in entry
    ]
    return problems


def _attributes(text: str) -> list[str]:
    if not text.startswith("{"):
        classes, rest = [text.strip()], ""
    else:
        classes, rest = re.findall(r"(?<![\w=\"])\.([\w-]+)", text), text
    labels = re.findall(r"#([A-Za-z]+)-[\w-]+", rest)
    settings = re.findall(r"(?<![\w-])([\w-]+)=", rest)
    return [
        *(f"the class .{name}" for name in classes if name in _REFUSED_CLASSES),
        *(f"the label #{kind}-…" for kind in labels if kind in _REFUSED_IDS),
        *(f"the attribute {name}=" for name in settings if name in _REFUSED_ATTRIBUTES),
    ]

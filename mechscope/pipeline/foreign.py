"""What a cell may not show, whatever way it is shown: a page asks nothing of another host and runs no script.

Tables of pandas, formulas and small drawings inside of HTML pass. What loads or runs something does not:
scripts, frames, pictures from an address, styles that fetch. In Markdown stand HTML, pictures and shortcodes.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

_TAGS = {
    **dict.fromkeys(("script", "noscript"), "a script"),
    **dict.fromkeys(("iframe", "frame", "frameset", "object", "embed", "applet", "portal"), "another page"),
    **dict.fromkeys(("link", "meta", "base"), "something for the head of a page"),
    "form": "a form",
}
_LOADING = ("src", "srcset", "poster", "background", "data", "lowsrc", "action", "formaction", "ping")
"""Attributes whose value a browser loads, or sends something to."""
_SAID = ("alt", "title", "cite", "value", "content")
_ADDRESS = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_RUNS = re.compile(r"\s*(?:javascript|vbscript|data:text/html)", re.IGNORECASE)
_STYLE = re.compile(r"@import|\bimage(?:-set)?\(|url\(\s*[\"']?(?!\s*(?:data:|#))", re.IGNORECASE)
_CODE = re.compile(
    r"^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`)", re.DOTALL | re.MULTILINE
)
_RAW = re.compile(r"\{=\s*\w+\s*\}")
_PICTURE = re.compile(r"(?<!\\)!\[(?![^\]]*\]\(\s*<?data:)")
_BRACES = re.compile(r"\{[^{}\n]*\}")
_LATEX = re.compile(r"\\(includegraphics|includesvg|input|include|require|write18|href\s*\{\s*javascript)\b")
_SHORTCODE = re.compile(r"(?<!\{)\{\{[<%]")


def foreign(kind: str, content: str) -> str:
    """What of an output no page may hold, as a phrase ("a picture"); "" if there is nothing.

    Args:
        kind: Its MIME type: text/html, text/markdown or text/latex; others run and load nothing.
        content: The output itself.
    """
    if kind not in ("text/html", "text/markdown", "text/latex"):
        return ""
    if kind != "text/html" and _SHORTCODE.search(content):  # in HTML it is data, which rendering sees to
        return "a shortcode"
    if kind == "text/markdown":
        if _RAW.search(content):
            return "raw text for one format"
        content = _CODE.sub("", content)
    if kind != "text/html" and _LATEX.search(content):
        return "LaTeX that loads something"
    if kind == "text/latex":
        return ""
    if kind == "text/markdown":
        if _PICTURE.search(content):
            return "a picture"
        if any(_fetches(braces) or "://" in braces for braces in _BRACES.findall(content)):
            return "a style that loads something"
    reader = _Reader()
    reader.feed(content if kind == "text/markdown" else f"{content}\n>\">'>")  # ends a tag left open
    reader.close()
    return reader.problem


class _Reader(HTMLParser):
    """Reads HTML up to the first thing that may not stand in it."""

    problem = ""
    _in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if not self.problem:
            self.problem = _TAGS.get(tag, "") or next(filter(None, (_of(tag, *pair) for pair in attrs)), "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style and _fetches(data) and not self.problem:
            self.problem = "a style that loads something"


def _fetches(style: str) -> bool:
    plain = re.sub(r"\\([0-9a-fA-F]{1,6})\s?", lambda match: chr(int(match[1], 16) % 0x110000), style)
    return _STYLE.search(plain) is not None


def _of(tag: str, name: str, value: str | None) -> str:
    """What is wrong with an attribute; "" if nothing."""
    value = value or ""
    if (name.startswith("on") and value) or _RUNS.match(value) or name == "srcdoc":
        return "a script"
    if name.startswith(("xmlns", "aria-")) or name in _SAID:
        return ""
    if name == "style":
        return "a style that loads something" if _fetches(value) else ""
    followed = name.endswith("href") and tag in ("a", "area")  # by a reader, not by the page
    inside = value.lstrip().lower().startswith(("data:", "#")) or not value.strip()
    loads = name in _LOADING and not (name == "data" and tag != "object")
    if not followed and not inside and (loads or name.endswith("href") or _ADDRESS.match(value)):
        return "a picture" if tag in ("img", "image", "source", "picture") else "something from an address"
    return "a style that loads something" if _fetches(value) else ""

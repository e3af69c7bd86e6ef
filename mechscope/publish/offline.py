"""Pages work where they lie: they call no other host, and their scripts run when they are opened from disk.

Quarto adds libraries of other hosts to notebook pages, which are taken out again. And it loads its own
scripts as modules. A browser refuses to load a module for a page that comes from disk; so they are put into
the page.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from mechscope.files import write_atomically

# For any HTML output Quarto loads RequireJS and jQuery from a network: it could be a widget that needs them.
_FOREIGN = re.compile(
    r'<script[^>]* src="https://cdn\.jsdelivr\.net/npm/(?:requirejs|jquery)@[^"]*"[^>]*></script>\s*'
    r"|<script[^>]*>define\('jquery',[^<]*</script>\s*"
)
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'>]+)"""
_SCRIPT = re.compile(
    rf"""<script\b(?P<attributes>(?:\s+[\w:-]+(?:\s*=\s*{_VALUE})?)*)\s*>\s*</script\s*>""", re.IGNORECASE
)
_ATTRIBUTE = re.compile(rf"\s+(?P<name>[\w:-]+)(?:\s*=\s*(?P<value>{_VALUE}))?")
_IMPORT = re.compile(
    r"""(?P<before>(?:^|[;}\n])\s*(?:import|export)\b(?:[\w\s*{},$]*?\bfrom)?\s*|\bimport\s*\(\s*)"""
    r"""(?P<quote>["'])(?P<target>\.{0,2}/[^"']+)(?P=quote)"""
)
_OF_A_LOADED_FILE = ("src", "integrity", "crossorigin", "async", "defer")


def remove_foreign_scripts(site: Path, pages: Iterable[Path] | None = None) -> int:
    """Take those libraries out of the notebook pages of a run's site; returns how many pages had them.

    Args:
        pages: The files that were rendered (None: all).
    """
    changed = 0
    for page in _html(site / "results", pages):
        text = page.read_text(encoding="utf-8")
        changed += write_atomically(page, _FOREIGN.sub("", text))
    return changed


def inline_modules(site: Path, pages: Iterable[Path] | None = None) -> int:
    """Put module scripts of the site, with what they import, into its pages; returns how many had some.

    A module that can't stand alone (it needs its own address, or imports in a circle) is left as it is.

    Args:
        pages: The files that were rendered (None: all).
    """
    changed = 0
    for page in _html(site, pages):
        text = page.read_text(encoding="utf-8")
        inlined = _SCRIPT.sub(lambda match, page=page: _inlined(match, page, site), text)  # type: ignore[misc]
        changed += write_atomically(page, inlined)
    return changed


def _html(folder: Path, pages: Iterable[Path] | None) -> list[Path]:
    """The pages in a folder, those of `pages` if these are given."""
    there = folder.rglob("*.html") if pages is None else (page for page in pages if folder in page.parents)
    return sorted(
        page
        for page in there
        if page.suffix == ".html" and page.is_file() and "site_libs" not in page.relative_to(folder).parts
    )


def _inlined(script: re.Match[str], page: Path, site: Path) -> str:
    """The script element with the module in it, or as it is."""
    attributes = [
        (match["name"].lower(), unescape((match["value"] or "").strip("\"'")), match[0])
        for match in _ATTRIBUTE.finditer(script["attributes"])
    ]
    named = {name: value for name, value, _ in attributes}
    if named.get("type", "").lower() != "module" or "src" not in named:
        return script[0]
    try:
        source = _module(_addressed(named["src"], page, site), site, ())
    except _NotInlinable:
        return script[0]
    # Neither can end the element, nor begin a comment in it; in a string or an expression they mean the same.
    source = re.sub(r"<(?=/script|!--)", r"<\\", source, flags=re.IGNORECASE)
    kept = "".join(raw for name, _, raw in attributes if name not in _OF_A_LOADED_FILE)
    return f"<script{kept}>\n{source}\n</script>"


class _NotInlinable(Exception):
    """A module that can't be put into a page."""


def _module(path: Path, site: Path, above: tuple[Path, ...]) -> str:
    """The text of a module, in which what it imports is given as data and no longer by address."""
    if path in above:
        raise _NotInlinable
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _NotInlinable from error
    if "import.meta" in text:
        raise _NotInlinable

    def imported(match: re.Match[str]) -> str:
        source = _module(_addressed(match["target"], path, site), site, (*above, path))
        data = base64.b64encode(source.encode()).decode()
        return f'{match["before"]}"data:text/javascript;charset=utf-8;base64,{data}"'

    return _IMPORT.sub(imported, text)


def _addressed(address: str, within: Path, site: Path) -> Path:
    """The file of the site that an address in the file `within` names."""
    path = unquote(re.split(r"[?#]", address)[0])
    if re.match(r"[a-z][a-z0-9+.-]*:|//", path, re.IGNORECASE) or path.startswith("/"):
        raise _NotInlinable  # of another host; or of the host's root, which a page from disk doesn't have
    target = (within.parent / path).resolve()
    if not target.is_relative_to(site.resolve()):
        raise _NotInlinable
    return target

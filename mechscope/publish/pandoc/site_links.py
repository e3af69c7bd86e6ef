"""Follows every address in the rendered pages: to pages, to anchors, to files that the site must hold."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from mechscope.errors import RenderFailed
from mechscope.publish.pandoc.config import Config
from mechscope.publish.pandoc.convert import LIBRARY, Page
from mechscope.publish.pandoc.nav import Site

_ADDRESS = re.compile(r"""\s(?P<name>href|src|data-vega)\s*=\s*(?P<quote>["'])(?P<address>.*?)(?P=quote)""")
_ANCHOR = re.compile(r"""\s(?:id|name)\s*=\s*(?P<quote>["'])(?P<id>.*?)(?P=quote)""")
_NO_MARKUP = re.compile(r"<script\b.*?</script>|<style\b.*?</style>|<!--.*?-->", re.DOTALL)
_CSS_ADDRESS = re.compile(r"""url\(\s*["']?(?P<address>[^"')]+)["']?\s*\)""")
_ELSEWHERE = re.compile(r"^(?:[a-zA-Z][\w+.-]*:|//)")
_TAG = re.compile(r"<[a-zA-Z][^>]*>")


def checked_resources(
    config: Config, site: Site, pages: list[Page], output: Path, outputs: set[str]
) -> dict[str, Path]:
    """The files that the pages need beside them, by their place in the site.

    Args:
        config: The project's settings; `project.resources` is among the resources.
        site: Where each source's page goes.
        pages: The pages that were rendered.
        output: The site's folder; links that leave it must stay among its sibling runs.
        outputs: Everything the site holds when it is whole, rendered now or not.

    Raises:
        RenderFailed: An address leads nowhere; lists each with the line of its source.
    """
    resources = {config.project.relative(path): path for path in config.resources()}
    texts = {page.job.output: page.content.decode() for page in pages if page.job.to == "html"}
    anchors = {name: set(_anchors(text)) for name, text in texts.items()}
    problems: list[str] = []
    for page in pages:
        resources |= {name: Path(path) for name, path in page.dependencies.items()}
        if page.job.to != "html":
            continue
        for address in sorted(set(_addresses(texts[page.job.output]))):
            problem = _follow(config, page, address, outputs, anchors, resources)
            if problem:
                problems.append(f"{_where(page, address)}: {problem}")
    if problems:
        raise RenderFailed("\n".join(dict.fromkeys(problems)))
    for name, path in list(resources.items()):
        if path.suffix == ".css":
            resources |= _named_by_css(config, name, path)
    return resources


def _follow(
    config: Config,
    page: Page,
    address: str,
    outputs: set[str],
    anchors: dict[str, set[str]],
    resources: dict[str, Path],
) -> str:
    """Where an address leads; returns what is wrong with it, or nothing."""
    if not address or _ELSEWHERE.match(address):
        return ""
    path, _, fragment = address.partition("#")
    path, fragment = unquote(path.partition("?")[0]), unquote(fragment)
    target = page.job.output
    if path:
        target = os.path.normpath(Path(target).parent / path).replace(os.sep, "/")
    if target.startswith("../"):
        # Another run's site, which is rendered at another time.
        return "" if target.count("../") == 1 else f"'{address}' leads out of the site"
    if target not in outputs:
        if target.startswith((LIBRARY, "site_libs/")) or target == "index.html":
            return ""
        file = config.root / target
        if not file.is_file():
            return f"'{address}' leads nowhere: the site has no {target}"
        if file.suffix in (".qmd", ".ipynb") and Path(target).name not in ("notebook.ipynb",):
            return f"'{address}' leads to a source that is not among the pages (project.render)"
        resources[target] = file
        return ""
    if fragment and target in anchors and fragment not in anchors[target]:
        return f"'{address}' leads nowhere: {target} has nothing named '{fragment}'"
    return ""


def _addresses(text: str) -> Iterator[str]:
    for tag in _TAG.findall(_NO_MARKUP.sub(lambda found: _opening(found.group(0)), text)):
        for found in _ADDRESS.finditer(tag):
            yield html.unescape(found["address"])


def _anchors(text: str) -> Iterator[str]:
    for tag in _TAG.findall(_NO_MARKUP.sub("", text)):
        for found in _ANCHOR.finditer(tag):
            yield html.unescape(found["id"])


def _opening(element: str) -> str:
    """The opening tag of a script, whose `src` counts and whose content does not."""
    return element[: element.find(">") + 1] if element.startswith("<script") else ""


def _where(page: Page, address: str) -> str:
    """The line of the source behind an address, which may have been written `.qmd` or made by a shortcode."""
    source = page.job.source
    path, _, fragment = address.partition("#")
    tries = [address, path, path.rpartition(".")[0] + ".", fragment and "#" + fragment]
    found = next(
        (
            place
            for needle in tries
            if needle and len(needle) > 1 and (place := source.where(needle)) != source.file
        ),
        None,
    )
    return found or source.file


def _named_by_css(config: Config, name: str, path: Path) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for found in _CSS_ADDRESS.finditer(path.read_text(encoding="utf-8")):
        address = re.split("[#?]", found["address"])[0]
        if _ELSEWHERE.match(found["address"]) or not address:
            continue
        file = (path.parent / address).resolve()
        if not file.is_file():
            raise RenderFailed(f"{config.project.relative(path)}: url({address}) leads to no file.")
        named[os.path.normpath(Path(name).parent / address).replace(os.sep, "/")] = file
    return named

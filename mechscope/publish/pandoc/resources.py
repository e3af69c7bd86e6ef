"""The files that rendered pages need beside them: pictures, scripts, styles."""

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

_ADDRESS = re.compile(r"""\s(?:href|src|data-vega)\s*=\s*(?P<quote>["'])(?P<address>.*?)(?P=quote)""")
_NO_MARKUP = re.compile(r"(<script\b[^>]*>).*?</script>|<style\b.*?</style>|<!--.*?-->", re.DOTALL)
_CSS_ADDRESS = re.compile(r"""url\(\s*["']?(?P<address>[^"')]+)["']?\s*\)""")
_ELSEWHERE = re.compile(r"^(?:[a-zA-Z][\w+.-]*:|//)")
_TAG = re.compile(r"<[a-zA-Z][^>]*>")
_NOT_HERE = ("../", LIBRARY, "site_libs/", "index.html")
"""How addresses of other runs' sites begin, and of what the engine adds to this one."""


def resources_of(config: Config, pages: list[Page], outputs: set[str]) -> dict[str, Path]:
    """The files that the pages need beside them, by their place in the site; `project.resources` among them.

    Args:
        outputs: All pages of the site, rendered now or not.

    Raises:
        RenderFailed: An address leads to no file; lists each with the line of its source.
    """
    resources = {config.project.relative(path): path for path in config.resources()}
    problems: dict[str, None] = {}
    for page in pages:
        resources |= {name: Path(path) for name, path in page.dependencies.items()}
        for address in _addresses(page.content.decode()) if page.job.to == "html" else ():
            target = _target(page, address)
            if target in outputs or target.startswith(_NOT_HERE):
                continue
            file = config.root / target
            if file.is_file() and file.suffix != ".qmd":
                resources[target] = file
            else:
                where = _where(page, address)
                problems[f"{where}: '{address}' leads nowhere: the site has no {target}"] = None
    if problems:
        raise RenderFailed("\n".join(problems))
    for name, path in list(resources.items()):
        if path.suffix == ".css":
            resources.update(_named_by_css(config, name, path))
    return resources


def _addresses(text: str) -> list[str]:
    """What the tags of a page lead to within the site, each once."""
    tags = _TAG.findall(_NO_MARKUP.sub(r"\1", text))
    every = (html.unescape(match["address"]) for tag in tags for match in _ADDRESS.finditer(tag))
    return sorted({address for address in every if address and not _ELSEWHERE.match(address)})


def _target(page: Page, address: str) -> str:
    path = unquote(re.split("[#?]", address)[0])
    if not path:
        return page.job.output
    return os.path.normpath(Path(page.job.output).parent / path).replace(os.sep, "/")


def _where(page: Page, address: str) -> str:
    """The line of the source behind an address, which may have been written `.qmd` or made by a shortcode."""
    source = page.job.source
    path = address.partition("#")[0]
    needles = [address, path, path.rpartition(".")[0] + "."]
    places = (source.where(needle) for needle in needles if needle != ".")
    return next((place for place in places if place != source.file), source.file)


def _named_by_css(config: Config, name: str, path: Path) -> Iterator[tuple[str, Path]]:
    """The files that a stylesheet names, by their place in the site."""
    for match in _CSS_ADDRESS.finditer(path.read_text(encoding="utf-8")):
        address = re.split("[#?]", match["address"])[0]
        if _ELSEWHERE.match(match["address"]) or not address:
            continue
        file = (path.parent / address).resolve()
        if not file.is_file():
            raise RenderFailed(f"{config.project.relative(path)}: url({address}) leads to no file.")
        yield os.path.normpath(Path(name).parent / address).replace(os.sep, "/"), file

"""The parts of a page that belong to the site: bar, sidebar, footer; addresses relative to each page."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechscope.errors import RenderFailed
from mechscope.files import lines_of, read_text
from mechscope.publish.pandoc.config import USE_QUARTO, Config, as_list


@dataclass(frozen=True)
class Site:
    """What navigation needs: the settings, and where each source's page goes and what it is called."""

    config: Config
    addresses: dict[str, str]
    """Output by source, both relative to the root ("paper/index.qmd" → "paper/index.html")."""
    titles: dict[str, str]

    def address(self, href: str, page: str) -> str:
        """`href` as written in `_quarto.yml` (relative to the root), seen from the output `page`.

        Raises:
            RenderFailed: It names a file that is neither a page nor a file of the project.
        """
        if "://" in href or href.startswith(("mailto:", "#")):
            return href
        path, mark, fragment = href.lstrip("/").partition("#")
        if path.startswith("../"):  # beside this run's site, as the list of runs
            return relative(path, page) + mark + fragment
        target = self.addresses.get(path, path)
        if target not in self.addresses.values() and not (self.config.root / path).is_file():
            raise RenderFailed(
                f"{self._where(href)}: the navigation leads to '{href}', and there is no such page.",
                hint="add it to project.render, or take it out of website.navbar",
            )
        return relative(target, page) + mark + fragment

    def _where(self, href: str) -> str:
        for name in (f"_quarto-{self.config.run}.yml", "_quarto.yml"):
            file = self.config.root / name
            lines = lines_of(read_text(file, name)) if file.is_file() else []
            for number, line in enumerate(lines, 1):
                if "href" in line and href in line:
                    return f"{name}:{number}"
        return "_quarto.yml"

    def navbar(self, page: str) -> str:
        """The bar at the top, with the entry of `page` marked."""
        bar = self.config.website.get("navbar")
        if not isinstance(bar, dict):
            return ""
        title = bar.get("title", self.config.website.get("title", ""))
        home = bar.get("logo-href") or next(
            (s for s in ("index.qmd", "paper/index.qmd") if s in self.addresses), None
        )
        brand = ""
        if title:
            inner = f'<span class="navbar-title">{html.escape(str(title))}</span>'
            brand = (
                f'<a class="navbar-brand" href="{self.address(home, page)}">{inner}</a>' if home else inner
            )
        left = "".join(self._entry(entry, page) for entry in as_list(bar.get("left")))
        right = "".join(self._entry(entry, page) for entry in as_list(bar.get("right")))
        return (
            f'{brand}<ul class="navbar-nav navbar-nav-scroll me-auto">{left}</ul>'
            f'<ul class="navbar-nav navbar-nav-scroll ms-auto">{right}</ul>'
        )

    def sidebar(self, page: str) -> str:
        """The list of pages at the side, where the site has one."""
        entries = as_list(self.config.website.get("sidebar"))
        if not entries:
            return ""
        contents = entries[0].get("contents") if len(entries) == 1 and isinstance(entries[0], dict) else None
        if not isinstance(contents, list) or "auto" in contents:
            raise RenderFailed(
                "_quarto.yml: the built-in engine knows one sidebar, with its contents written out.",
                hint=USE_QUARTO,
            )
        return f'<ul class="sidebar-section">{"".join(self._entry(entry, page) for entry in contents)}</ul>'

    def footer(self) -> str:
        """The site's footer as HTML."""
        footer = self.config.website.get("page-footer")
        if not isinstance(footer, dict):
            return str(footer or "")
        places = [
            f'<div class="nav-footer-{place}">{footer.get(place) or ""}</div>'
            for place in ("left", "center", "right")
        ]
        return "".join(places)

    def _entry(self, entry: Any, page: str) -> str:
        if isinstance(entry, str):
            entry = {"href": entry}
        href = entry.get("href") or entry.get("file")
        label = str(entry.get("text") or self.titles.get(str(href), href or entry.get("section", "")))
        text = f'<span class="menu-text">{html.escape(label)}</span>'
        inside = entry.get("menu") or entry.get("contents")
        if inside:
            items = "".join(self._entry(item, page) for item in inside)
            return (
                f'<li class="nav-item dropdown"><details><summary class="nav-link">{text}</summary>'
                f'<ul class="dropdown-menu">{items}</ul></details></li>'
            )
        if not href:
            return f'<li class="nav-item">{text}</li>'
        target = self.address(str(href), page)
        here = "#" not in target and target == Path(page).name
        kind = 'class="nav-link active" aria-current="page"' if here else 'class="nav-link"'
        return f'<li class="nav-item"><a {kind} href="{html.escape(target)}">{text}</a></li>'


def relative(target: str, page: str) -> str:
    """The path of `target` as `page` links it; both are relative to the site's root."""
    return Path(os.path.relpath(target, Path(page).parent)).as_posix()

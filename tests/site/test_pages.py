"""What can be said of every page of the site without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

import html5lib
import pytest


def elements(page: Path) -> Element:
    return html5lib.parse(page.read_text(encoding="utf-8"), namespaceHTMLElements=False)


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert found
    return found


def references(page: Path) -> Iterator[tuple[str, str]]:
    """(tag, address) of everything that a page links to or loads."""
    for element in elements(page).iter():
        for attribute in ("href", "src", "data", "poster"):
            if element.get(attribute) is not None:
                yield str(element.tag), str(element.get(attribute))


def test_every_run_has_its_articles_numbers_notebooks_and_paper(site: Path) -> None:
    runs = [folder for folder in site.iterdir() if folder.is_dir()]
    assert {run.name for run in runs} >= {"smollm2-135m", "gemma-3-270m"}
    for run in runs:
        there = {path.relative_to(run).as_posix() for path in run.rglob("*")}
        assert "paper/index.html" in there and "paper/paper.pdf" in there
        for article in (run / "paper" / "articles").glob("*.html"):
            assert article.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert any(name.endswith("numbers.html") for name in there)
        assert any(name.endswith("notebook.html") for name in there)


def test_every_number_on_the_home_page_says_what_it_is(site: Path) -> None:
    homes = list(site.glob("*/paper/index.html"))
    assert homes
    for home in homes:
        spans = list(elements(home).iter("span"))
        assert not [span for span in spans if "ms-of" in (span.get("class") or "").split()], home
        beneath = [span for span in spans if span.get("class") == "ms-beneath"]
        assert beneath and all((span.text or "").strip().endswith(":") for span in beneath), home


def test_html_is_valid(site: Path) -> None:
    for page in pages(site):
        parser = html5lib.HTMLParser()
        parser.parse(page.read_text(encoding="utf-8"))
        problems = [f"{position}: {code} {values}" for position, code, values in parser.errors]
        assert not problems, f"{page}: {problems[:5]}"


def test_ids_are_unique_and_every_page_says_its_language_and_title(site: Path) -> None:
    for page in pages(site):
        root = elements(page)
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        repeated = {name for name in ids if ids.count(name) > 1}
        assert not repeated, f"{page}: {repeated}"
        assert root.get("lang"), page
        assert (root.findtext(".//title") or "").strip(), page


def test_every_image_has_alt_text(site: Path) -> None:
    images = [(page, image) for page in pages(site) for image in elements(page).iter("img")]
    assert images
    assert not [page for page, image in images if not (image.get("alt") or "").strip()]


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    for page in pages(site):
        loaded = [address for tag, address in references(page) if tag != "a" and urlsplit(address).netloc]
        assert not loaded, f"{page}: {loaded}"


def test_every_internal_link_leads_to_a_page_and_a_place_in_it(site: Path) -> None:
    ids: dict[Path, set[str]] = {}
    broken = []
    for page in pages(site):
        for _, address in references(page):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                broken.append(f"{page.relative_to(site)} → {address}")
            elif parts.fragment and target.suffix == ".html":
                if target not in ids:
                    ids[target] = {str(element.get("id")) for element in elements(target).iter()}
                if unquote(parts.fragment) not in ids[target]:
                    broken.append(f"{page.relative_to(site)} → {address} (no such place)")
    assert not broken, "\n".join(broken[:20])


def test_no_shortcode_is_left_in_a_page(site: Path) -> None:
    for page in pages(site):
        root = elements(page)
        for code in list(root.iter("code")):
            code.clear()
        assert "{{<" not in "".join(root.itertext()), page


@pytest.mark.parametrize("run", ["smollm2-135m", "gemma-3-270m"])
def test_every_cited_number_stands_on_the_numbers_page_and_links_to_its_cell(site: Path, run: str) -> None:
    article = site / run / "paper" / "articles" / "topic-geometry.html"
    every = [address for tag, address in references(article) if tag == "a" and "numbers.html#" in address]
    cited = [address for address in every if "." in urlsplit(address).fragment]  # keys, not the banner's link
    assert len(cited) > 10
    numbers = (article.parent / urlsplit(cited[0]).path).resolve()
    root = elements(numbers)
    places = {str(element.get("id")): element for element in root.iter() if element.get("id")}
    for address in cited:
        entry = places[unquote(urlsplit(address).fragment)]
        links = [str(link.get("href")) for link in entry.iter("a")]
        # A number of another run is explained here too, but its notebook is a page of that run's site.
        of_another_run = ":" in urlsplit(address).fragment
        assert of_another_run or any("notebook.html#record-" in link for link in links), address

"""What a reader meets: every page opened in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

ARTICLE = "smollm2-135m/paper/articles/topic-geometry.html"


def addresses(folder: Path, site: Path, address: str) -> list[str]:
    """Every page in `folder` but those that only send the reader on, which a test would race with."""
    pages = [
        page for page in sorted(folder.rglob("*.html")) if 'http-equiv="refresh"' not in page.read_text()
    ]
    assert pages
    return [f"{address}/{page.relative_to(site).as_posix()}" for page in pages]


def lost(request: Any) -> bool:
    """Whether a request came to nothing; leaving a page aborts those under way, which is nobody's fault."""
    return request.failure != "net::ERR_ABORTED"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    trouble: list[str] = []
    opened.trouble = trouble
    opened.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("requestfailed", lambda request: trouble.append(request.url) if lost(request) else None)
    opened.on("response", lambda answer: trouble.append(answer.url) if answer.status >= 400 else None)
    yield opened
    context.close()


def test_every_page_opens_without_an_error_and_asks_no_other_host(
    page: Any, site: Path, address: str
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for url in addresses(site, site, address):
        page.goto(url, wait_until="load")
        page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(300)
    assert page.trouble == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def test_the_root_leads_to_the_default_run(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_url("**/smollm2-135m/paper/index.html")
    assert page.locator("h1").first.inner_text().strip()


def test_a_number_explains_itself_by_keyboard(page: Any, address: str) -> None:
    page.goto(f"{address}/{ARTICLE}")
    number = page.locator("a.ms-stat").first
    page.keyboard.press("Tab")  # from now on the reader is at the keyboard
    number.focus()
    popover = page.locator(".ms-popover")
    popover.wait_for(state="visible")
    assert "Interval" in popover.inner_text() and "Analysis" in popover.inner_text()
    # The links inside are reached by Tab, and Escape gives the focus back to the number.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.ms-popover') !== null")
    page.keyboard.press("Escape")
    popover.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.classList.contains('ms-stat')")


def test_a_passage_says_by_keyboard_which_claim_it_depends_on(page: Any, address: str) -> None:
    page.goto(f"{address}/{ARTICLE}")
    mark = page.get_by_role(
        "link", name=re.compile("^depends on the claim “.+”: (held|failed|not testable)")
    ).first
    passage = page.locator(".ms-when", has=mark).first
    plain = passage.evaluate("of => getComputedStyle(of).backgroundColor")
    page.keyboard.press("Tab")
    mark.focus()
    popover = page.locator(".ms-popover")
    popover.wait_for(state="visible")
    assert "printed only where this claim" in popover.inner_text() and "Criterion" in popover.inner_text()
    assert passage.evaluate("of => getComputedStyle(of).backgroundColor") != plain
    page.keyboard.press("Enter")
    page.wait_for_url("**/claims.html#topic_geometry.*")
    anchor = page.url.split("#")[1]
    assert page.locator(f"[id='{anchor}']").is_visible()


def test_a_number_explains_itself_by_mouse_and_leads_to_its_cell(page: Any, address: str) -> None:
    page.goto(f"{address}/{ARTICLE}")
    page.locator("a.ms-stat").first.hover()
    popover = page.locator(".ms-popover")
    popover.wait_for(state="visible")
    popover.locator("a[href*='notebook.html#record-']").first.click()
    page.wait_for_url("**/notebook.html#record-*")
    anchor = page.url.split("#")[1]
    assert page.locator(f"[id='{anchor}']").is_visible()
    # The top of the cell is what one sees: its code, not only what it shows.
    top = "Math.round(document.querySelector(':target').closest('.cell').getBoundingClientRect().top)"
    page.wait_for_function(f"{top} >= 0 && {top} <= 160")


@pytest.mark.parametrize("height", [900, 420])
def test_an_explanation_never_covers_its_number(page: Any, address: str, height: int) -> None:
    page.set_viewport_size({"width": 900, "height": height})
    page.goto(f"{address}/{ARTICLE}")
    number = page.locator("main a[data-ms]").first
    number.hover()
    box = page.locator(".ms-popover")
    box.wait_for()
    explained, explanation = number.bounding_box(), box.bounding_box()
    assert (
        explanation["y"] >= explained["y"] + explained["height"]
        or explanation["y"] + explanation["height"] <= explained["y"]
    )
    assert explanation["y"] >= 0 and explanation["y"] + explanation["height"] <= height


def test_without_javascript_a_number_is_a_link_and_a_chart_is_a_picture(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{address}/{ARTICLE}")
    plain.locator("a.ms-stat").first.click()
    plain.wait_for_url("**/numbers.html#topic_geometry.*")
    plain.goto(f"{address}/{ARTICLE}")
    picture = plain.locator("figure img, .quarto-figure img").first
    picture.scroll_into_view_if_needed()
    assert picture.is_visible() and picture.bounding_box()["width"] > 200
    context.close()


def test_a_chart_becomes_interactive_from_the_site_itself(page: Any, address: str) -> None:
    page.goto(f"{address}/{ARTICLE}")
    page.locator("figure img, .quarto-figure img").first.scroll_into_view_if_needed()
    page.locator(".vega-embed svg, .vega-embed canvas").first.wait_for(state="visible", timeout=20_000)
    assert page.trouble == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_no_page_is_wider_than_its_window_in_any_colour_scheme(
    browser: Any, site: Path, address: str, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened = context.new_page()
    for url in addresses(site / "smollm2-135m", site, address):
        opened.goto(url)
        wide = opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, f"{url}: {wide} px too wide at {width} px"
    context.close()


@pytest.mark.parametrize(("scheme", "turned"), [("light", False), ("dark", True)])
def test_in_the_dark_a_chart_is_turned_dark_too_and_has_no_white_sheet(
    browser: Any, address: str, scheme: str, turned: bool
) -> None:
    context = browser.new_context(color_scheme=scheme)
    opened = context.new_page()
    opened.goto(f"{address}/{ARTICLE}")
    style = "getComputedStyle(document.querySelector('img.ms-figure'))"
    assert opened.evaluate(f"{style}.filter.startsWith('invert')") is turned
    assert opened.evaluate(f"{style}.backgroundColor") == "rgba(0, 0, 0, 0)"
    context.close()


@pytest.mark.parametrize(
    "mark", ["class='cell tag-{}'", "class='cell' data-tags='[\"{}\"]'"], ids=["built-in", "quarto"]
)
def test_a_notebook_shows_its_parameters_once_with_the_values_of_the_run(
    page: Any, address: str, mark: str
) -> None:
    page.goto(f"{address}/smollm2-135m/results/smollm2-135m/topic_geometry/notebook.html")
    cells = page.locator(".cell")
    assert not cells.nth(0).is_visible() and "# Parameters" in cells.nth(1).inner_text()
    tags = ("parameters", "injected-parameters", "other")
    page.evaluate(
        "cells => { document.querySelector('main').innerHTML = cells; }",
        "".join(f"<div id='of-{tag}' {mark.format(tag)}>{tag}</div>" for tag in tags),
    )
    assert [page.locator(f"#of-{tag}").is_visible() for tag in tags] == [False, True, True]
    content = "getComputedStyle(document.querySelector('#of-injected-parameters'), '::before').content"
    assert "as this run set them" in page.evaluate(content)


def test_the_site_works_from_disk(page: Any, site: Path) -> None:
    page.goto((site / ARTICLE).as_uri())
    page.locator("a.ms-stat").first.hover()
    page.locator(".ms-popover").wait_for(state="visible")
    assert page.trouble == []


def test_a_number_explains_itself_by_touch_and_the_second_tap_follows_it(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    phone = context.new_page()
    phone.goto(f"{address}/{ARTICLE}")
    number = phone.locator("a.ms-stat").first
    number.tap()
    popover = phone.locator(".ms-popover")
    popover.wait_for(state="visible")
    for expected in ("In full", "Interval", "Tolerance on rerun", "Rerun"):
        assert expected in popover.inner_text()
    box = popover.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    number.tap()
    phone.wait_for_url("**/numbers.html#topic_geometry.*")
    context.close()


@pytest.mark.parametrize("served", [True, False])
def test_the_banner_switches_to_the_same_article_of_the_other_run(
    page: Any, site: Path, address: str, served: bool
) -> None:
    page.goto(f"{address}/{ARTICLE}" if served else (site / ARTICLE).as_uri())
    page.locator(".ms-banner a.ms-other-run[href*='gemma-3-270m/paper']").click()
    page.wait_for_url("**/gemma-3-270m/paper/articles/topic-geometry.html")
    assert "Gemma 3 270M" in page.locator(".ms-banner").inner_text()
    assert page.trouble == []


def test_a_claim_of_another_run_leads_to_where_that_article_states_it(page: Any, address: str) -> None:
    page.goto(f"{address}/smollm2-135m/paper/_generated/smollm2-135m/claims.html")
    page.locator(".ms-claims-table a.ms-other-run[href*='/articles/'][href*='#claim-']").first.click()
    page.wait_for_url("**/gemma-3-270m/paper/articles/*.html#claim-*")
    assert page.locator(f"[id='{page.url.split('#')[1]}']").is_visible()


def test_without_javascript_the_switch_leads_to_the_list_of_runs(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{address}/{ARTICLE}")
    plain.locator(".ms-banner a.ms-other-run").first.click()
    plain.wait_for_url("**/runs.html#paper-articles-topic-geometry")
    assert plain.locator("dt:target + dd a").count() >= 2
    context.close()


def test_the_graph_leads_to_the_number_that_it_names(page: Any, address: str) -> None:
    page.goto(f"{address}/smollm2-135m/paper/_generated/smollm2-135m/graph.html")
    page.locator(".ms-graph-of > summary").first.click()
    name = page.locator(".ms-graph a.ms-graph-record[href^='numbers.html#']").first
    key = name.get_attribute("href").split("#")[1]
    name.click()
    page.wait_for_url(f"**/numbers.html#{key}")
    assert page.locator(f"[id='{key}']").is_visible()


def test_the_bar_offers_this_page_of_every_run(page: Any, address: str) -> None:
    for name in ("paper/articles/topic-geometry", "paper/_generated/{}/numbers"):
        page.goto(f"{address}/smollm2-135m/{name.format('smollm2-135m')}.html")
        page.locator(".ms-runs summary").click()
        page.locator(".ms-runs a", has_text="Gemma").click()
        page.wait_for_url(f"**/gemma-3-270m/{name.format('gemma-3-270m')}.html")
    assert page.trouble == []


def test_without_javascript_the_bar_leads_to_the_list_of_runs(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{address}/{ARTICLE}")
    plain.locator("#quarto-header a", has_text="Run:").click()
    plain.wait_for_url("**/runs.html")
    plain.locator("a[href='gemma-3-270m/paper/index.html']").first.click()
    plain.wait_for_url("**/gemma-3-270m/paper/index.html")
    context.close()


def test_numbers_can_be_searched_and_those_that_no_article_cites_left_out(page: Any, address: str) -> None:
    page.goto(f"{address}/smollm2-135m/paper/_generated/smollm2-135m/numbers.html")
    entries = page.locator("main .ms-entry")
    total = entries.count()
    page.locator(".ms-filter input[type=search]").fill("adjusted rand")
    found = page.locator("main .ms-entry:not([hidden])")
    assert 0 < found.count() < total
    assert all("adjusted rand" in text.lower() for text in found.all_inner_texts())
    assert page.locator(".ms-filter output").inner_text() == f"{found.count()} of {total}"
    page.locator(".ms-filter input[type=search]").fill("")
    page.locator(".ms-filter input[type=checkbox]").check()
    assert page.locator(".ms-uncited:visible").count() == 0 and found.count() < total


def test_a_link_into_what_is_folded_unfolds_it(page: Any, address: str) -> None:
    numbers = f"{address}/smollm2-135m/paper/_generated/smollm2-135m/numbers.html"
    page.goto(numbers)
    key = page.locator(".ms-uncited .ms-entry").first.get_attribute("id")
    assert not page.locator(f"[id='{key}']").is_visible()
    page.goto("about:blank")
    page.goto(f"{numbers}#{key}")
    page.locator(f"[id='{key}']").wait_for(state="visible")


def test_on_a_phone_a_chart_keeps_a_width_that_can_be_read_and_is_scrolled(
    browser: Any, address: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    phone = context.new_page()
    phone.goto(f"{address}/{ARTICLE}", wait_until="load")
    picture = phone.locator("figure img.ms-figure, figure .ms-chart svg").first
    assert picture.evaluate("element => element.getBoundingClientRect().width") >= 550
    box = phone.locator("figure.quarto-float-fig > div").first
    assert box.evaluate("box => box.scrollWidth > box.clientWidth && box.clientWidth <= 390")
    assert box.evaluate("box => box.tabIndex") == 0
    picture.scroll_into_view_if_needed()
    phone.locator(".ms-chart svg").first.wait_for(state="visible", timeout=20_000)
    live = phone.locator(".ms-chart svg").first
    assert live.evaluate("element => element.getBoundingClientRect().width") >= 550
    context.close()


def test_the_home_page_shows_outcomes_and_leads_everywhere(page: Any, address: str) -> None:
    page.goto(f"{address}/smollm2-135m/paper/index.html")
    assert page.locator(".ms-home h3 a").count() >= 4
    assert page.locator(".ms-home .ms-outcome").count() >= 4
    assert page.locator("main dt a").count() == 5
    page.locator("main li a.ms-other-run[href*='gemma-3-270m/paper/index.html']").click()
    page.wait_for_url("**/gemma-3-270m/paper/index.html")
    assert page.trouble == []

"""The built-in engine, seen from the site that it makes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import html5lib
import pytest

from mechscope.errors import RenderFailed, UnknownName
from tests.publish.pandoc.small_paper import NOTEBOOK, Paper

PDFTOTEXT = shutil.which("pdftotext")


def text_of(html: str) -> str:
    """What a reader sees of the main part, entities resolved, blanks made single."""
    import html as entities

    main = html[html.index("<main") :]
    return re.sub(r"\s+", " ", entities.unescape(re.sub(r"<[^>]*>", "", main)).replace("\u00a0", " "))


def failure(paper: Paper) -> str:
    with pytest.raises(RenderFailed) as raised:
        paper.render()
    return str(raised.value)


# The site ----------------------------------------------------------------------------------------------


def test_outputs_mirror_their_sources_and_resources_come_along(paper: Paper) -> None:
    paper.article("![A chart.](chart.svg)\n", pdf=True)
    rendered = paper.render()
    site = paper.snapshot()
    for name in (
        "paper/index.html",
        "paper/article.html",
        "paper/article.pdf",
        "paper/chart.svg",
        "paper/look.css",
        "results/small/topics/notebook.html",
    ):
        assert name in site
    assert rendered.pdfs == [paper.output / "paper/article.pdf"]
    assert paper.output / "paper/index.html" in rendered.pages
    assert b"paper/index.html" in site["index.html"]


def test_every_page_is_valid_html(paper: Paper) -> None:
    paper.article(
        """\
        A note.[^1] Math $a_1$, @fig-x, @elhage2021.

        ![A *caption*.](chart.svg){#fig-x}

        ::: {.callout-tip title="T" collapse="true"}
        Body
        :::

        | a | b |
        |---|--:|
        | 1 | 2 |

        : Numbers {#tbl-x}

        $$ x $$ {#eq-x}

        {{< figure y >}}

        [^1]: The note.
        """
    )
    paper.render()
    for name, raw in paper.snapshot().items():
        if name.endswith(".html"):
            parser = html5lib.HTMLParser(strict=True)
            parser.parse(raw.decode())
            ids = re.findall(r'\sid="([^"]*)"', raw.decode())
            assert len(ids) == len(set(ids)), name
            for image in re.findall(r"<img\b[^>]*>", raw.decode()):
                assert re.search(r'\salt="[^"]+"', image), image


def test_pages_ask_nothing_of_other_hosts(paper: Paper) -> None:
    paper.article("$x$\n\n```python\nx = 1\n```\n")
    paper.render()
    for name, raw in paper.snapshot().items():
        if name.endswith((".html", ".css", ".js")):
            assert not re.search(rb"""(?:src|href)=["'](?:https?:)?//|url\(["']?https?:|@import""", raw), name


def test_navigation_is_relative_to_each_page_and_marks_the_present_one(paper: Paper) -> None:
    paper.render()
    bar = paper.page().split("<main")[0]
    assert 'aria-current="page" href="article.html"' in bar
    assert 'href="../../../paper/article.html"' in paper.page("results/small/topics/notebook.html")


def test_links_between_sources_become_links_between_pages(paper: Paper) -> None:
    paper.article(
        "[home](index.qmd), [up](/paper/index.qmd), "
        "[cell](../results/small/topics/notebook.ipynb#record-best)\n"
    )
    paper.render()
    page = paper.page()
    assert 'href="index.html"' in page
    assert 'href="../results/small/topics/notebook.html#record-best"' in page
    assert 'href="../paper/index.html"' in page


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("[a](nowhere.qmd)", "nowhere.qmd"),
        ("![a](nowhere.svg)", "nowhere.svg"),
        ('<a href="nowhere.html">a</a>', "nowhere.html"),
    ],
)
def test_an_address_that_leads_nowhere_is_an_error_with_file_and_line(
    paper: Paper, link: str, says: str
) -> None:
    paper.article(f"Fine.\n\n{link}\n")
    message = failure(paper)
    assert "paper/article.qmd:10:" in message
    assert says in message


def test_a_broken_entry_of_the_navigation_names_its_line(paper: Paper) -> None:
    paper.write(
        "_quarto-small.yml", "website:\n  navbar:\n    left:\n      - {text: A, href: paper/gone.qmd}\n"
    )
    assert "_quarto-small.yml:4:" in failure(paper)


# Shortcodes --------------------------------------------------------------------------------------------


def test_shortcodes_expand_wherever_they_stand(paper: Paper) -> None:
    paper.article(
        """\
        Prose {{< say one mark="!" >}}, *{{< say two >}}*, ({{< say three >}}).

        Code `f({{< say four >}})`, math ${{< say 5 >}} + x$, [link]({{< say "#sec-one" >}}),
        [span]{title="{{< say six >}}"}.

        ```python
        x = {{< say 7 >}}
        ```

        ## Heading {{< say eight >}}

        | a |
        |---|
        | {{< say nine >}} |

        {{< context >}}
        """,
        front='title: "Title {{< say ten >}}"\nabstract: |\n  Abstract {{< say eleven >}}.',
    )
    paper.render()
    page, text = paper.page(), text_of(paper.page())
    for expected in (
        "Prose one!,",
        "two,",
        "(three)",
        "f(four)",
        "Heading eight",
        "nine",
        "Abstract eleven.",
    ):
        assert expected in text
    assert "<strong>one!</strong>" in page
    assert "<em><strong>two</strong></em>" in page
    assert re.search(r"<mn>5</mn>", page)
    assert 'href="#sec-one"' in page
    assert 'title="six"' in page
    assert "Title <strong>ten</strong>" in page
    assert 'id="heading"' in page
    assert "<p>block</p>" in page
    assert "msshortcode" not in page


def test_escaped_shortcodes_and_what_a_notebook_printed_stay_as_they_are(paper: Paper) -> None:
    paper.article('Write {{{< say x >}}}.\n\n```{.text shortcodes="false"}\n{{< say y >}}\n```\n')
    paper.render()
    assert "Write {{< say x >}}." in text_of(paper.page())
    assert "{{&lt; say y &gt;}}" in paper.page()
    notebook = paper.page("results/small/topics/notebook.html")
    assert text_of(notebook).count("{{< say hello >}}") == 2


def test_what_a_shortcode_returns_is_text_and_not_markup(paper: Paper) -> None:
    paper.article("{{< say >}} and {{< say '<script>alert(1)</script> *no* #[x]' >}}\n", pdf=True)
    paper.render()
    assert "<strong>fish &amp; &lt;chips&gt;</strong>" in paper.page()
    assert "<script>alert" not in paper.page()
    assert "*no* #[x]" in text_of(paper.page())


def test_an_error_in_a_shortcode_stops_the_render_and_names_the_line(paper: Paper) -> None:
    paper.article("Fine.\n\nA {{< refuse this >}}.\n")
    assert failure(paper).startswith("paper/article.qmd:10: there is no 'this'")


def test_an_unknown_shortcode_is_an_error_with_file_and_line(paper: Paper) -> None:
    paper.article("A {{< sya x >}}.\n")
    message = failure(paper)
    assert "paper/article.qmd:8: unknown shortcode 'sya'" in message
    assert "say" in message


def test_a_figure_shortcode_inside_a_sentence_is_an_error(paper: Paper) -> None:
    paper.article("See {{< figure y >}} here.\n")
    assert "paper/article.qmd:8:" in failure(paper)


def test_scripts_of_extensions_are_linked_and_copied(paper: Paper) -> None:
    paper.article("{{< popover >}}\n", front="title: T\ninclude-in-header: {text: '<meta name=\"mine\">'}")
    paper.render()
    assert '<script src="../site_libs/house-1/house.js"></script>' in paper.page()
    assert '<meta name="mine">' in paper.page()
    assert paper.snapshot()["site_libs/house-1/house.js"] == b"// a script\n"
    assert "house.js" not in paper.page("paper/index.html")


def test_filters_of_extensions_run(paper: Paper) -> None:
    paper.article("::: house-drop\nDropped.\n:::\n\nKept.\n")
    paper.render()
    assert "Kept." in text_of(paper.page())
    assert "Dropped." not in text_of(paper.page())


# Includes ----------------------------------------------------------------------------------------------


def test_includes_are_put_in_relative_to_the_including_file(paper: Paper) -> None:
    paper.write("paper/parts/_a.qmd", "---\ntitle: Not this\n---\n\nFrom a.\n\n{{< include _b.qmd >}}\n")
    paper.write("paper/parts/_b.qmd", "From b, {{< say word >}}.\n")
    paper.article("{{< include parts/_a.qmd >}}\n")
    paper.render()
    assert "From a. From b, word." in text_of(paper.page())
    assert "Not this" not in paper.page()


def test_an_error_in_an_included_file_names_that_file(paper: Paper) -> None:
    paper.write("paper/_part.qmd", "Fine.\n\n@fig-gone\n")
    paper.article("{{< include _part.qmd >}}\n")
    assert "paper/_part.qmd:3: @fig-gone" in failure(paper)


@pytest.mark.parametrize("text", ["{{< include _gone.qmd >}}", "{{< include article.qmd >}}"])
def test_an_include_of_nothing_or_of_itself_is_an_error_with_its_line(paper: Paper, text: str) -> None:
    paper.article(text + "\n")
    assert "paper/article.qmd:8: " in failure(paper)


# Cross-references, citations ---------------------------------------------------------------------------

NUMBERED = """\
See @fig-a, @fig-sc, @fig-c, @tbl-a, @tbl-b, @eq-a, @sec-two, [Fig. @fig-c], [-@fig-a],
[@fig-a; @tbl-b] and @Fig-c.

![First *caption*.](chart.svg){#fig-a fig-alt="Words for it"}

{{< figure sc >}}

::: {#fig-c}
![](chart.svg){fig-alt="Also"}

Third caption.
:::

| a | b |
|---|---|
| 1 | 2 |

: A table. {#tbl-a}

::: {#tbl-b}
| a | b |
|---|---|
| 1 | 2 |

Another table.
:::

$$
x = 1
$$ {#eq-a}

## Two {#sec-two}
"""
REFERENCES = (
    "See Figure 1, Figure 2, Figure 3, Table 1, Table 2, Equation 1, Section 2, Fig. 3, 1, "
    "Figure 1, Table 2 and Figure 3."
)


def test_figures_tables_equations_and_sections_are_numbered_and_referred_to(paper: Paper) -> None:
    paper.article(NUMBERED)
    paper.render()
    page, text = paper.page(), text_of(paper.page())
    assert REFERENCES in text
    for caption in (
        "Figure 1: First caption.",
        "Figure 2: Shortcoded.",
        "Figure 3: Third caption.",
        "Table 1: A table.",
        "Table 2: Another table.",
    ):
        assert text.count(caption) == 1
    for identifier in ("fig-a", "fig-sc", "fig-c", "tbl-a", "tbl-b", "eq-a", "sec-two"):
        assert page.count(f'id="{identifier}"') == 1
        assert f'href="#{identifier}" class="quarto-xref"' in page
    assert 'alt="Words for it"' in page
    assert "(1)" in text


@pytest.mark.skipif(not PDFTOTEXT, reason="pdftotext is not installed")
def test_the_pdf_has_the_same_numbers_and_the_text_of_charts(paper: Paper) -> None:
    paper.article(NUMBERED + "\n@elhage2021 said so.[^n]\n\n[^n]: In a note.\n", pdf=True)
    paper.render()
    command = [str(PDFTOTEXT), "-layout", str(paper.output / "paper/article.pdf"), "-"]
    raw = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    text = re.sub(r"\s+", " ", raw.replace("\u00a0", " "))
    assert REFERENCES in text
    for expected in (
        "An article",
        "Figure 3: Third caption.",
        "Table 2: Another table.",
        "Cosine similarity",
        "Elhage and Nanda (2021)",
        "In a note.",
        "A Mathematical Framework",
        "(1)",
    ):
        assert expected in text


@pytest.mark.parametrize("reference", ["@fig-gone", "@tbl-gone", "@eq-gone", "@sec-gone", "@gone2020"])
def test_a_reference_to_nothing_is_an_error_with_file_and_line(paper: Paper, reference: str) -> None:
    paper.article(f"Fine.\n\nSee {reference}.\n")
    message = failure(paper)
    assert "paper/article.qmd:10:" in message
    assert reference in message


def test_a_name_that_two_figures_share_is_an_error(paper: Paper) -> None:
    paper.article("![A](chart.svg){#fig-a}\n\n![B](chart.svg){#fig-a}\n")
    assert "'fig-a' is there twice" in failure(paper)


def test_citations_are_set_and_listed(paper: Paper) -> None:
    paper.article("As @elhage2021 show [see @elhage2021, p. 3].\n")
    paper.render()
    text = text_of(paper.page())
    assert "As Elhage and Nanda (2021) show (see Elhage and Nanda 2021, 3)." in text
    assert text.count("A Mathematical Framework") == 1
    assert 'href="#ref-elhage2021"' in paper.page()
    assert re.search(r"<h2[^>]*>References", paper.page())  # a section under the page's title
    assert "References" not in text_of(paper.page("paper/index.html"))


# Blocks ------------------------------------------------------------------------------------------------


def test_callouts_have_a_kind_a_title_and_fold(paper: Paper) -> None:
    paper.article(
        """\
        ::: {.callout-warning}
        Careful.
        :::

        ::: {.callout-note collapse="true" title="More *here*"}
        Folded.
        :::

        ::: {.callout-tip}
        ## From a heading

        Tipped.
        :::
        """,
        pdf=True,
    )
    paper.render()
    page, text = paper.page(), text_of(paper.page())
    assert "callout-warning" in page
    assert "Warning Careful." in text
    assert re.search(r'<details class="callout[^"]*callout-note', page)
    assert "More <em>here</em>" in page
    assert "From a heading Tipped." in text


def test_content_for_one_format_shows_in_that_format_only(paper: Paper) -> None:
    paper.article(
        '::: {.content-visible when-format="html"}\nWeb.\n:::\n\n'
        '::: {.content-hidden when-format="html"}\nPrint.\n:::\n\n'
        '[Inline]{.content-visible unless-format="html"} end.\n'
    )
    paper.render()
    text = text_of(paper.page())
    assert "Web." in text
    assert "Print." not in text
    assert "Inline" not in text


def test_a_notebook_keeps_its_anchors_code_and_printed_text(paper: Paper) -> None:
    paper.render()
    page = paper.page("results/small/topics/notebook.html")
    assert 'id="record-best"' in page
    assert "<em>best</em> = 0.3" in page
    assert "&lt;b&gt;" in page
    assert 'class="title">Topics<' in page
    assert text_of(page).count("Topics") == 1
    assert "sourceCode python" in page


# What the engine does not know -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("```{python}\nx = 1\n```", "{python}"),
        ("::: {.panel-tabset}\n## A\n:::", "panel-tabset"),
        ("::: panel-tabset\n:::", "panel-tabset"),
        ("::: {#thm-a}\nA theorem.\n:::", "thm"),
        ('::: {layout="[1,2]"}\nx\n:::', "layout="),
        ("{{< say {{< say x >}} >}}", "inside a shortcode"),
    ],
)
def test_an_unsupported_construct_is_named_with_file_and_line(paper: Paper, text: str, says: str) -> None:
    paper.article(f"Fine.\n\n{text}\n")
    with pytest.raises(RenderFailed) as raised:
        paper.render()
    assert "paper/article.qmd:10:" in str(raised.value)
    assert says in str(raised.value)


def test_constructs_that_are_only_shown_are_not_refused(paper: Paper) -> None:
    paper.article("````markdown\n```{python}\nx\n```\n\n::: {.panel-tabset}\n:::\n````\n")
    paper.render()
    assert "{python}" in paper.page()


def test_an_unsupported_setting_is_named(paper: Paper) -> None:
    paper.article("Text.\n", front="title: T\nlisting: default")
    assert "paper/article.qmd:3: the setting 'listing'" in failure(paper)


def test_all_pages_report_their_problems_at_once(paper: Paper) -> None:
    paper.article("@fig-gone\n")
    paper.write("paper/index.qmd", "---\ntitle: Home\nformat: html\n---\n\n{{< refuse that >}}\n")
    message = failure(paper)
    assert "paper/article.qmd:8:" in message
    assert "paper/index.qmd:6:" in message


def test_a_formula_that_cannot_be_read_is_an_error(paper: Paper) -> None:
    paper.article("A $\\frac{1}$ b.\n")
    assert "paper/article.qmd:8:" in failure(paper)


# Replacing the site ------------------------------------------------------------------------------------


def test_a_failed_page_leaves_the_old_site_untouched(paper: Paper) -> None:
    paper.render()
    before = paper.snapshot()
    paper.article("@fig-gone\n")
    failure(paper)
    assert paper.snapshot() == before
    assert [path.name for path in paper.output.parent.iterdir()] == ["small"]


def test_a_page_that_is_no_longer_there_leaves_the_site(paper: Paper) -> None:
    paper.render()
    paper.write("_quarto-small.yml", "project:\n  render: [paper/article.qmd]\n")
    paper.render()
    assert "results/small/topics/notebook.html" not in paper.snapshot()


def test_killed_in_mid_render_the_old_site_is_whole_and_the_next_render_finishes(paper: Paper) -> None:
    paper.render()
    before = paper.snapshot()
    # A shortcode that never ends: the render is certainly in the middle when it is killed.
    shortcodes = paper.root / "_extensions/house/shortcodes.lua"
    original = shortcodes.read_text()
    marker = paper.root / "reached"
    hang = f'hang = function() io.open("{marker}", "w"):close() os.execute("sleep 30") return "" end,\n'
    shortcodes.write_text(original.replace("return {\n  say", f"return {{\n  {hang}  say"))
    paper.article("New text. {{< hang >}}\n")
    program = (
        "import sys; from pathlib import Path; from mechscope.project import Project\n"
        "from mechscope.publish.pandoc import render_run\n"
        "root = Path(sys.argv[1]); render_run(Project(root), 'small', output=root / '_site' / 'small')"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(paper.root)], start_new_session=True)
    try:
        for _ in range(600):
            if marker.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        assert marker.exists()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert paper.snapshot() == before
    shortcodes.write_text(original)
    paper.article("New text.\n")
    paper.render()
    assert "New text." in text_of(paper.page())
    assert [path.name for path in paper.output.parent.iterdir()] == ["small"]


def test_killed_between_the_two_moves_the_next_render_restores_a_site(paper: Paper) -> None:
    paper.render()
    paper.output.rename(paper.output.with_name(".small.old"))
    paper.article("@fig-gone\n")
    failure(paper)
    assert (paper.output / "paper/index.html").is_file()


def test_rendering_one_article_keeps_the_other_pages(paper: Paper) -> None:
    paper.render()
    notebook = paper.page("results/small/topics/notebook.html")
    paper.article("Changed.\n")
    rendered = paper.render(only=[Path("paper/article.qmd")])
    assert rendered.pages == [paper.output / "paper/article.html"]
    assert "Changed." in text_of(paper.page())
    assert paper.page("results/small/topics/notebook.html") == notebook


def test_an_unknown_article_is_an_error_that_names_the_nearest(paper: Paper) -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'paper/article\.qmd'"):
        paper.render(only=[Path("paper/artcle.qmd")])


def test_a_setting_of_the_project_that_is_not_known_is_named(paper: Paper) -> None:
    paper.write("_metadata.yml", "code-fold: true\n")
    assert "_metadata.yml:1: the setting 'code-fold'" in failure(paper)


def test_code_wraps_where_the_project_asks_for_it(paper: Paper) -> None:
    paper.write("results/_metadata.yml", "format: html\ncode-overflow: wrap\n")
    paper.render()
    assert "code-overflow-wrap" in paper.page("results/small/topics/notebook.html")
    assert "code-overflow-wrap" not in paper.page()


AUTHORS = """\
title: T
author:
  - name: {given: Ada, family: Lovelace}
    orcid: https://orcid.org/0000-0002-1825-0097
    email: ada@example.org
    affiliations:
      - ref: one
      - {department: Mathematics, name: Second Institute, city: Paris}
  - name: Bob
    affiliation: A Plain Place
  - {name: Carla, affiliations: [{ref: one}]}
affiliations:
  - id: one
    name: Some University"""


def test_authors_have_their_institutions_by_reference_and_in_place(paper: Paper) -> None:
    paper.article("Text.\n", front=AUTHORS)
    paper.render()
    block = text_of(paper.page().partition("</header>\n<section")[0])
    ada, bob, carla = (block.index(name) for name in ("Ada Lovelace", "Bob", "Carla"))
    assert "Some University" in block[ada:bob] and "Some University" in block[carla:]
    assert "Mathematics, Second Institute, Paris" in block[ada:bob]
    assert "A Plain Place" in block[bob:carla]
    assert "true" not in block
    assert 'href="https://orcid.org/0000-0002-1825-0097"' in paper.page()
    paper.article("Text.\n", front=AUTHORS, pdf=True)
    paper.render()


def test_a_reference_to_no_affiliation_is_named(paper: Paper) -> None:
    paper.article("Text.\n", front=AUTHORS.replace("ref: one\n", "ref: won\n"))
    assert "paper/article.qmd:8: no affiliation has the id 'won'; there are: 'one'" in failure(paper)


def test_titles_and_prefixes_of_cross_references_are_heeded(paper: Paper) -> None:
    front = (
        "title: T\ncrossref: {fig-title: Fig., title-delim: ' –', fig-prefix: fig., eq-prefix: '', "
        "sec-prefix: §}"
    )
    body = "![A](chart.svg){#fig-a}\n\n$$ x $$ {#eq-x}\n\nSee @fig-a; @Fig-a; @eq-x; @sec-one.\n"
    paper.article(body, front=front)
    paper.render()
    text = text_of(paper.page()).replace("\u00a0", " ")
    assert "Fig. 1 – A" in text
    assert "See fig. 1; Fig. 1; 1; § 1." in text


def test_headings_that_differ_in_a_shortcode_have_anchors_of_their_own(paper: Paper) -> None:
    paper.article(
        "## Layer {{< say 1 >}}\n\n[a](#layer) [b](#layer-1) [c](#layer-2) [d](#section) [e](#heads)\n\n"
        "## Layer {{< say 2 >}}\n\n## Layer\n\n## {{< say 3 >}}\n\n## {{< say 4 >}} heads\n",
        pdf=True,
    )
    paper.render()
    names = re.findall(r'<section id="(.*?)"', paper.page())
    assert names == ["sec-one", "layer", "layer-1", "layer-2", "section", "heads"]


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0c", "\x1c"])
def test_only_the_end_of_a_line_ends_it(paper: Paper, sign: str) -> None:
    paper.article(f"| a | b |\n|---|---|\n| one{sign}two | 3 |\n\n@fig-none\n")
    assert "paper/article.qmd:12: @fig-none" in failure(paper)
    paper.article(f"| a | b |\n|---|---|\n| one{sign}two | 3 |\n")
    paper.render()
    assert paper.page().count("<td>") == 2


def test_a_byte_order_mark_is_not_read(paper: Paper) -> None:
    paper.article("Text.\n")
    article = paper.root / "paper" / "article.qmd"
    article.write_text("\ufeff" + article.read_text())
    paper.render()
    assert 'class="title">An article<' in paper.page()


@pytest.mark.parametrize("text", ["<table><tr><td>x</td></tr></table>", 'An <img src="chart.svg"> image.'])
def test_html_that_no_pdf_shows_is_named(paper: Paper, text: str) -> None:
    paper.article(text, pdf=True)
    assert "paper/article.qmd:7: <" in failure(paper)
    paper.article(text)
    paper.render()
    paper.article(f"```{{=html}}\n{text}\n```", pdf=True)
    paper.render()


def test_a_sign_outside_the_first_plane_may_stand_in_the_front_matter(paper: Paper) -> None:
    paper.article("Text.\n", front='title: "A 𝔸 {{< say x >}}"')
    paper.render()
    assert "A 𝔸 <strong>x</strong>" in paper.page()


@pytest.mark.parametrize("token", ["{{<", ">}}", "{{< say x >}}", "{{{<"])
def test_what_a_notebook_holds_is_shown_as_it_is(paper: Paper, token: str) -> None:
    notebook = json.loads(json.dumps(NOTEBOOK))
    code = notebook["cells"][1]
    code["source"] = f"print('{token}')"
    code["outputs"][0]["text"] = [f"out {token}\n"]
    notebook["cells"].append({**code, "id": "c"})
    notebook["cells"].append(
        {"cell_type": "markdown", "id": "d", "metadata": {}, "source": "The {{< say end >}}."}
    )
    paper.write("results/small/topics/notebook.ipynb", json.dumps(notebook))
    paper.render()
    page = paper.page("results/small/topics/notebook.html")
    text = text_of(page)
    assert text.count(f"out {token}") == 2 and text.count(f"print('{token}')") == 2
    assert "The <strong>end</strong>." in page

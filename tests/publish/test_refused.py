"""What an article may not hold: each kind in several forms, refused with its line before a render starts."""

from __future__ import annotations

import pytest

from mechscope.articles.sources import shortcodes_in
from mechscope.errors import InvalidInput
from mechscope.project import Project
from mechscope.publish.prerender import prepare
from mechscope.publish.refused import check_constructs

RUN = "smollm2-135m"
STAT = "{{< stat topic_geometry.centred_max >}}"
P = "{{< stat topic_geometry.centred_max part=p >}}"
FIGURE = "{{< figure topic_geometry.similarity >}}"
HELD = "::: {.when-claim key=topic_geometry.abstraction is=held}"
FAILED = "::: {.when-claim key=topic_geometry.abstraction is=failed}"
CONDITION = "{.when-claim key=topic_geometry.abstraction is=held}"
PICTURE = "![A](/paper/assets/favicon.svg)"

GRID = f"""\
+{"-" * 45}+------+
| value{" " * 39}| b    |
+{"=" * 45}+======+
| {STAT:<44}| x    |
+{"-" * 45}+------+"""
SIMPLE = f"""\
Value{" " * 45}Name
{"-" * 45}     ------
{STAT:<50}first
0.5{" " * 47}second"""
MULTILINE = f"""\
{"-" * 70}
Value{" " * 45}Name
{"-" * 45}     ------
{STAT:<50}first
more{" " * 46}words

0.5{" " * 47}second
{"-" * 70}"""


def check(project: Project, text: str, front: str = "title: T") -> None:
    (project.paper / "articles" / "topic-geometry.qmd").write_text(f"---\n{front}\n---\n\n{text}\n")
    check_constructs(project, RUN, shortcodes_in(project))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GRID, 4, "a shortcode in a table whose columns are drawn"),
        (SIMPLE, 3, "a shortcode in a table whose columns are drawn"),
        (MULTILINE, 4, "a shortcode in a table whose columns are drawn"),
        ("> " + GRID.replace("\n", "\n> "), 4, "a shortcode in a table whose columns are drawn"),
        ('| a | b |\n|---|---|\n| {{< meta "x|y" >}} | 2 |', 3, "a '|' in a shortcode"),
        ("Some \\textbf{bold} words.", 1, "'\\textbf{bold}' is LaTeX"),
        (f"Text.\n\n\\begin{{tabular}}{{ll}} {STAT} & b \\end{{tabular}}", 3, "is LaTeX"),
        ("As in\n\\eqref{x}.", 2, "'\\eqref{x}' is LaTeX"),
        (f"Words, $x_{{{STAT}}}$.", 1, "three braces make a shortcode literal"),
        (f"$$\nx_{{{STAT}}}\n$$", 2, "three braces make a shortcode literal"),
        ("$$ x = 1 \\tag{3} $$", 1, "\\tag numbers no equation"),
        ("\\begin{align}\nx &= 1 \\tag{a}\n\\end{align}", 2, "\\tag numbers no equation"),
        (f"{PICTURE}{CONDITION}", 1, ".when-claim is on a picture"),
        (f"A [link](https://e.org){CONDITION}.", 1, ".when-claim is on a link"),
        (f"Some `code`{CONDITION}.", 1, ".when-claim is on a piece of code"),
        (f"[a]{CONDITION} and\n[b] {CONDITION}.", 2, ".when-claim is among words"),
        (f"$$\nx [y]{CONDITION}\n$$", 2, ".when-claim is in a formula"),
        (f"```{CONDITION}\ncode\n```", 1, ".when-claim is on a block of code"),
        (f"::: {{.callout-note}}\n## Title {CONDITION}\nx\n:::", 2, "on a title of a callout or tab"),
        (f"::: {{.panel-tabset}}\n## Tab {CONDITION}\nx\n:::", 2, "on a title of a callout or tab"),
        ("A [link](https://e.org){.when-run is=gpt2-small}.", 1, ".when-run is on a link"),
        ("Words\n[b] {.when-run is-not=gpt2-small}.", 2, ".when-run is among words"),
        ("$$\nx [y]{.when-run is=gpt2-small}\n$$", 2, ".when-run is in a formula"),
        ("It is `{python} 1 + 1`.", 1, "the inline code {python}"),
        ("In a cell:\n\n| a |\n|---|\n| `{r} x` |", 5, "the inline code {r}"),
        ("See @fig-nothing.", 1, "@fig-nothing refers to nothing"),
        ("A note[^1].\n\n[^1]: See [@tbl-none; @sec-none].", 3, "@tbl-none refers to nothing"),
        ("See @Eq-x.\n\n$$ x $$ {#eq-y}", 1, "@Eq-x refers to nothing"),
        (f"{FIGURE}\n\nAgain:\n\n{FIGURE}", 5, "'fig-topic-geometry-similarity' is there twice"),
        (f"{PICTURE}{{#fig-a}}\n\n{PICTURE}{{#fig-a}}", 3, "'fig-a' is there twice"),
        (f"{FAILED}\n{FIGURE}\n\nText.\n:::\n\nSee @fig-topic-geometry-similarity.", 7, "refers to nothing"),
        (f"It differs (p = {P}).", 1, "part=p prints 'p = …' itself"),
        (f"It differs, *p* < {P}.", 1, "part=p prints 'p = …' itself"),
        (f"It differs, $p$ =\n{P}.", 2, "part=p prints 'p = …' itself"),
        (f"It differs (p-value = {P}).", 1, "part=p prints 'p = …' itself"),
        (f"It differs, **p**~perm~ ≈ {P}.", 1, "part=p prints 'p = …' itself"),
        (f"It differs, $p_{{perm}} =$ {P}.", 1, "part=p prints 'p = …' itself"),
        (f"It differs (p&nbsp;&lt; {P}).", 1, "part=p prints 'p = …' itself"),
        (f"It differs, $P = {P}$.", 1, "part=p prints 'p = …' itself"),
    ],
)
def test_what_a_page_would_show_wrongly_is_refused_with_its_line(
    sample: Project, text: str, line: int, says: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(sample, text)
    assert f"paper/articles/topic-geometry.qmd:{line + 4}:" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        GRID.replace(STAT, "0.5".ljust(len(STAT))) + f"\n\nThen {STAT}.",
        f"| a | b |\n|:--|--:|\n| one\u2028two | {STAT} |\n\n: Caption {STAT} {{#tbl-x}}\n\nSee @tbl-x.",
        f"a | b\n--|--\n{STAT} | 2",
        f"| a line {STAT}\n|   and another",
        f"Term {STAT}\n:   Definition {STAT}",
        "\\begin{align}\na &= b \\label{x}\n\\end{align}\n\n\\newpage\n\nText.",
        "```{=latex}\n\\vspace{1em}\n```\n\nText `\\ref{x}` as code.",
        f"$$\nx = {STAT}\n$$ {{#eq-x}}\n\nSee @eq-x and [@eq-x].",
        f"{FIGURE}\n\nSee @fig-topic-geometry-similarity, @Fig-topic-geometry-similarity.",
        f"{HELD}\n{FIGURE}\n\nText.\n:::\n\n{FAILED}\n{FIGURE}\n\nSee @fig-none.\n:::",
        f"$x_{{ {STAT} }}$ and `{{{STAT}}}`",
        "## One {#sec-one}\n\nSee @sec-one and [-@sec-one].",
        f"It differs ({P}; map = 3, n = {{{{< stat topic_geometry.centred_max part=n >}}}}).",
        "```{mermaid}\ngraph TD; A-->B\n```\n\n```{python}\n#| label: x\n1\n```",
        f"## A heading {CONDITION}\n\n[a span]{CONDITION} and `[x]{CONDITION}` as code.",
        "<!-- \\ref{x} and `{python} 1` and @fig-none -->",
    ],
)
def test_what_both_engines_show_rightly_is_let_pass(sample: Project, text: str) -> None:
    check(sample, text)


def test_an_included_part_refers_to_what_its_page_shows(sample: Project) -> None:
    part = sample.paper / "articles" / "_part.qmd"
    part.write_text("See @fig-topic-geometry-similarity.\n")
    check(sample, f"{FIGURE}\n\n{{{{< include _part.qmd >}}}}")
    part.write_text("One.\n\nSee @fig-topic-geometry-other.\n")
    with pytest.raises(InvalidInput, match=r"_part\.qmd:3:5: @fig-topic-geometry-other refers to nothing"):
        check(sample, f"{FIGURE}\n\n{{{{< include _part.qmd >}}}}")


def test_all_that_is_wrong_is_told_at_once(sample: Project) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(sample, "See @fig-a.\n\nAnd `{python} x`.")
    assert ":5:5: @fig-a" in str(caught.value)
    assert ":7:6: the inline code" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("# title: Topic geometry", '# title: "As {{< stat topic_geometry.topics >}}"', 2),
        ('model = "', '# %% [markdown]\n# Of {{< meta title >}}.\n\n# %%\nmodel = "', 10),
    ],
)
def test_an_analysis_cites_nothing(sample: Project, old: str, new: str, line: int) -> None:
    script = sample.analyses / "topic_geometry.py"
    script.write_text(script.read_text().replace(old, new, 1))
    with pytest.raises(InvalidInput, match=rf"analyses/topic_geometry\.py:{line}:\d+: \{{\{{<"):
        prepare(sample, RUN, "skip")


def test_code_of_an_analysis_may_hold_anything(sample: Project) -> None:
    script = sample.analyses / "topic_geometry.py"
    script.write_text(script.read_text() + "\n# a comment: {{< stat x.y >}}\nprint('{{< stat x.y >}}')\n")
    check(sample, "Text.")

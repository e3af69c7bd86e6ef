"""The Lua that both engines run, by itself."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pypandoc
import pytest

from mechscope.project import SHARED, Project
from mechscope.publish.prerender import prepare
from tests.publish.sample_project import HOSTILE, sample_findings, share_an_analysis, write_sample_ledger
from tests.throwaway import edit

RUN = "smollm2-135m"
OTHER = "gemma-3-270m"
HARNESS = Path(__file__).with_name("harness.lua")
NBSP = "\u00a0"


def lua(
    project: Project, *words: str, format: str = "html", context: str = "inline", run="smollm2-135m", text=""
):
    """What a shortcode gives; (standard output, standard error, exit status)."""
    command = [pypandoc.get_pandoc_path(), "lua", str(HARNESS), str(project.root), format, context, *words]
    environment = {**os.environ, "RUN": run}
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", env=environment)
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize("marker", ["_quarto.yml", "_quarto.yaml"])
@pytest.mark.parametrize(
    ("working_directory", "document"),
    [
        ("paper/articles", "{root}/paper/articles/topic-geometry.qmd"),
        ("paper/articles", "topic-geometry.qmd"),
        ("paper", "articles/topic-geometry.qmd"),
        ("paper/articles/deep/er", "{root}/paper/articles/deep/er/x.qmd"),
        ("/", "{root}/paper/index.qmd"),
        (".", "{root}/x.qmd"),
    ],
)
def test_a_preview_that_does_not_name_the_project_still_has_its_results(
    sample: Project, working_directory: str, document: str, marker: str
) -> None:
    (sample.root / "_quarto.yml").rename(sample.root / marker)
    folder = sample.root / working_directory
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(HARNESS), str(sample.root), "plain", "inline", "stat", "topic_geometry.centred_max"]
    done = subprocess.run(
        [pypandoc.get_pandoc_path(), "lua", *words],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "NO_PROJECT": "1", "INPUT": document.format(root=sample.root)},
    )
    assert (done.stdout.strip(), done.stderr) == ("0.42", "")


@pytest.fixture
def prepared(sample: Project) -> Project:
    prepare(sample, "smollm2-135m", "skip")
    return sample


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("", "0.42"),
        ("value", "0.42"),
        ("ci", "[0.32, 0.52]"),
        ("p", "p = 0.012"),
        ("n", "1,900"),
        ("full", "0.42 (95% CI [0.32, 0.52], p = 0.012, n = 1,900)"),
    ],
)
def test_each_part_of_a_statistic_reads_as_it_was_recorded(sample: Project, part: str, text: str) -> None:
    words = ["stat", "topic_geometry.centred_max", *([f"part={part}"] if part else [])]
    assert lua(sample, *words, context="text")[0] == text
    assert lua(sample, *words, format="plain")[0].replace(NBSP, " ").strip() == text


def test_a_number_in_html_links_to_its_entry_and_carries_its_popover(prepared: Project) -> None:
    page, _, status = lua(prepared, "stat", "topic_geometry.centred_max")
    assert status == 0
    assert 'href="../../paper/_generated/smollm2-135m/numbers.html#topic_geometry.centred_max"' in page
    note = json.loads(html.unescape(page.split('data-ms="')[1].split('"')[0]))
    assert note["title"] == "Highest mean-centred cosine"
    assert ["n", "1,900"] in note["lines"]
    assert note["code"] == "../../results/smollm2-135m/topic_geometry/notebook.html#record-centred_max"


def test_a_number_in_a_pdf_is_text(prepared: Project) -> None:
    assert lua(prepared, "stat", "topic_geometry.centred_max", format="typst")[0].strip() == "0.42"


def test_what_a_model_printed_is_escaped_everywhere(prepared: Project) -> None:
    for words in (["stat", "topic_geometry.strange"], ["table", "topic_geometry.next_tokens"]):
        page = lua(prepared, *words)[0]
        assert "<img" not in page.split('data-ms="')[0] + page.rpartition('">')[2]
        assert "&lt;img" in page
    assert HOSTILE in lua(prepared, "stat", "topic_geometry.strange", context="text")[0]
    passages = lua(prepared, "passages", "topic_geometry.neuron")[0]
    assert "&lt;b&gt;" in passages and "<b>" not in passages


def test_tokens_are_shaded_by_value_and_sign(prepared: Project) -> None:
    page = lua(prepared, "passages", "topic_geometry.neuron")[0]
    assert 'class="ms-token ms-pos-9" title="1"' in page
    assert 'class="ms-token ms-neg-6" title="−0.7" aria-description="−0.7"' in page
    assert 'class="ms-token" title="0"' in page  # a token of value 0 has no shade
    typst = lua(prepared, "passages", "topic_geometry.neuron", format="typst")[0]
    assert r'[#"\"quoted\" \\"]' in typst


@pytest.mark.parametrize(
    ("values", "classes", "scale"),
    [
        ((-1.0, -3.0), ("ms-neg-3", "ms-neg-9"), "Full shade (blue) is −3."),
        ((1.0, 3.0), ("ms-pos-3", "ms-pos-9"), "Full shade is 3."),
        ((1.0, -3.0), ("ms-pos-3", "ms-neg-9"), "Full shade is ±3: orange above zero, blue below."),
        ((0.0, 0.0), ("ms-token", "ms-token"), "All values are zero."),
    ],
)
def test_values_of_any_sign_are_shaded_and_said(
    prepared: Project, values: tuple[float, float], classes: tuple[str, str], scale: str
) -> None:
    path = prepared.results / "smollm2-135m" / "topic_geometry" / "ledger.json"
    ledger = json.loads(path.read_text())
    ledger["findings"]["passages"]["neuron"] |= {
        "passages": [{"tokens": ["one", " two"], "values": values, "title": ""}],
        "largest": max(map(abs, values)),
    }
    path.write_text(json.dumps(ledger))
    page = lua(prepared, "passages", "topic_geometry.neuron")[0]
    typst = lua(prepared, "passages", "topic_geometry.neuron", format="typst")[0]
    for token, value, class_ in zip(("one", " two"), values, classes, strict=True):
        said = f"{value:.3g}".replace("-", "−")
        assert re.search(f'{class_}" title="{said}" aria-description="{said}">{token}<', page)
        assert (f'"{said}"' in typst) == (value != 0)
    assert scale in html.unescape(re.sub(r"\s+", " ", page))
    assert "Full shade" in typst or "All values" in typst


def test_a_figure_has_alt_text_a_caption_and_a_way_to_its_code(prepared: Project) -> None:
    page = lua(prepared, "figure", "topic_geometry.similarity", context="block")[0]
    assert 'id="fig-topic-geometry-similarity"' in page
    assert 'src="../../results/smollm2-135m/topic_geometry/figures/similarity.svg"' in page
    assert "alt=" in page and "Heat map of &quot;cosines&quot;" in page
    assert "Cosines of &lt;topics&gt;." in page
    assert "notebook.html#record-similarity" in page
    assert 'data-vega="../../paper/_generated/smollm2-135m/figures/topic_geometry.similarity.js"' in page


def test_a_table_shows_its_recorded_text_and_says_when_rows_are_left_out(prepared: Project) -> None:
    page = lua(prepared, "table", "topic_geometry.next_tokens", context="block")[0]
    assert 'id="tbl-topic-geometry-next-tokens"' in page
    assert page.count("<tr") == 3
    assert "*war* | peace" in page
    assert "The first 2 of 3 rows." in page


def test_a_claim_says_what_became_of_it(prepared: Project) -> None:
    block = lua(prepared, "claim", "topic_geometry.abstraction", context="block")[0]
    assert "ms-claim ms-held" in block and "held" in block
    inline = lua(prepared, "claim", "topic_geometry.abstraction", format="plain")[0]
    assert inline.replace(NBSP, " ").strip().endswith("(held, exploratory)") or "(_held" in inline


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["stat", "topic_geometry.centred_mx"], "did you mean 'topic_geometry.centred_max'?"),
        (["stat", "topic_geomtry.centred_max"], "did you mean 'topic_geometry'?"),
        (["stat", "gema-3-270m:topic_geometry.topics"], "did you mean 'gemma-3-270m'?"),
        (["stat", "gemma-3-270m:topic_geometry.topcs"], "did you mean 'gemma-3-270m:topic_geometry.topics'?"),
        (["stat", "centred_max"], "is not a key"),
        (["stat", "topic_geometry.similarity"], "write {{< figure topic_geometry.similarity >}}"),
        (["stat", "topic_geometry.topics", "part=ci"], "has no interval"),
        (["stat", "topic_geometry.topics", "part=vaule"], "did you mean 'value'?"),
        (["figure"], "needs a key"),
    ],
)
def test_a_mistake_stops_the_render_and_names_the_document_and_the_nearest(
    sample: Project, words: list[str], expected: str
) -> None:
    _, message, status = lua(sample, *words)
    assert status == 1
    assert message.startswith("paper/articles/topic-geometry.qmd: ")
    assert expected in message


def test_a_damaged_ledger_stops_the_render_and_names_the_command(sample: Project) -> None:
    (sample.results_dir("smollm2-135m", "topic_geometry") / "ledger.json").write_text("{")
    _, message, status = lua(sample, "stat", "topic_geometry.topics")
    assert status == 1
    assert "mechscope run topic_geometry --run smollm2-135m --force" in message


def test_a_key_of_another_run_is_looked_up_there(sample: Project) -> None:
    assert lua(sample, "stat", "gemma-3-270m:topic_geometry.centred_max", context="text")[0] == "0.13"
    assert lua(sample, "stat", "topic_geometry.centred_max", context="text", run="gemma-3-270m")[0] == "0.13"


def test_what_is_shared_is_cited_in_every_run_as_its_own(sample: Project) -> None:
    share_an_analysis(sample)
    shutil.copytree(
        sample.results_dir(SHARED, "other"), sample.results_dir(OTHER, "other")
    )  # left over: not shown
    for run in (RUN, OTHER):
        prepare(sample, run, "skip")
        for key in ("other.centred_max", "shared:other.centred_max", f"{OTHER}:other.centred_max"):
            number, message, _ = lua(sample, "stat", key, run=run)
            assert f'paper/_generated/{run}/numbers.html#other.centred_max"' in number, message
        figure, message, _ = lua(sample, "figure", "other.similarity", context="block", run=run)
        assert "results/shared/other/figures/similarity.svg" in figure, message
        assert f"_generated/{run}/figures/other.similarity.js" in figure
        assert "results/shared/other/notebook.html#record-similarity" in figure


def test_what_is_shared_stands_in_for_no_run_that_has_its_own(sample: Project) -> None:
    share_an_analysis(sample)
    edit(sample.runs_file, "model: gemma-3-270m}", "model: gemma-3-270m, seed: 4}")
    prepare(sample, OTHER, "skip")
    _, message, status = lua(sample, "stat", "other.centred_max", run=OTHER)
    assert status == 1 and "unknown analysis 'other'" in message
    number, message, _ = lua(sample, "stat", "shared:other.centred_max", run=OTHER)
    assert "numbers.html#shared:other.centred_max" in number, message


def test_without_metadata_the_profile_names_the_run(sample: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTO_PROFILE", "draft,gemma-3-270m")
    assert lua(sample, "stat", "topic_geometry.centred_max", context="text", run="")[0] == "0.13"
    monkeypatch.setenv("QUARTO_PROFILE", "")
    assert "no run is chosen" in lua(sample, "stat", "topic_geometry.centred_max", run="")[1]


def test_a_number_can_be_linked_to_where_a_page_shows_it(prepared: Project) -> None:
    page = lua(prepared, "stat", "topic_geometry.centred_max")[0]
    assert 'id="stat-topic-geometry-centred-max"' in page
    foreign = lua(prepared, "stat", "gemma-3-270m:topic_geometry.centred_max")[0]
    assert 'id="stat-topic-geometry-centred-max-gemma-3-270m"' in foreign


EVIDENCE = "0.42, p = 0.012"


def test_a_claim_prints_its_evidence_beside_its_outcome_where_asked(prepared: Project) -> None:
    claim = ["claim", "topic_geometry.abstraction"]
    assert EVIDENCE not in lua(prepared, *claim, format="plain")[0].replace(NBSP, " ")
    for context in ("block", "inline"):
        for format in ("html", "typst", "plain"):
            page = lua(prepared, *claim, "part=evidence", format=format, context=context)[0]
            page = html.unescape(re.sub(r'data-ms="[^"]*"', "", page))
            flat = page.replace(NBSP, " ").replace("~", " ").replace("\\", "")
            assert EVIDENCE in flat and "Topics cluster by abstractness" in flat, (context, format)
            outcome = lua(prepared, *claim, "part=outcome", format=format, context=context)[0]
            outcome = re.sub(r'data-ms="[^"]*"', "", outcome).replace(NBSP, " ").replace("~", " ")
            assert "Topics cluster" not in outcome and "eld" in outcome, (context, format)
            assert EVIDENCE in outcome.replace("\\", ""), (context, format)
    text = lua(prepared, *claim, "part=outcome", context="text")[0]
    assert text == f"held, exploratory ({EVIDENCE})"


def test_another_part_of_a_claim_stops_the_render(prepared: Project) -> None:
    _, message, status = lua(prepared, "claim", "topic_geometry.abstraction", "part=evidnce")
    assert status == 1 and "did you mean 'evidence'?" in message


def test_a_passage_of_a_pdf_keeps_its_title(prepared: Project) -> None:
    page = lua(prepared, "passages", "topic_geometry.neuron", format="typst")[0]
    title, _, text = page.partition("First")
    assert title.split("#block(")[-1].startswith("width: 100%, sticky: true)[") and "The" in text


def test_an_apostrophe_after_a_digit_is_no_prime_in_a_pdf(sample: Project) -> None:
    page = lua(sample, "filter", format="typst", text="SmolLM2’s and don’t.\n")[0]
    assert 'SmolLM2#"’";s' in page and "2's" not in page
    assert '#"' not in lua(sample, "filter", text="SmolLM2’s.\n")[0]


def test_a_list_of_runs_has_each_with_its_claims_and_links_to_the_others(prepared: Project) -> None:
    page = lua(prepared, "filter", text="::: {.all-runs}\n:::\n")[0].split("</div>")[1]
    assert "<strong>SmolLM2-135M</strong> (shown here): 1 of 1 claims held" in page
    assert 'data-run="gemma-3-270m"' in page and "0 of 1 claims held" in page
    assert "<p>" not in page
    site = prepared.generated("smollm2-135m") / "site.json"
    site.write_text(json.dumps({**json.loads(site.read_text()), "same": "Among these is 1."}))
    assert "<p>Among these is 1.</p>" in lua(prepared, "filter", text="::: {.all-runs}\n:::\n")[0]


WHEN = """
::: {.when-claim key=topic_geometry.abstraction is=%s}
It was so.
:::
"""


@pytest.mark.parametrize(
    ("outcomes", "run", "kept"),
    [
        ("held", "smollm2-135m", True),
        ("held", "gemma-3-270m", False),
        ("failed", "gemma-3-270m", True),
        ('"failed untestable"', "smollm2-135m", False),
        ('"held, failed"', "gemma-3-270m", True),
    ],
)
def test_prose_is_kept_when_the_claim_came_out_so(
    sample: Project, outcomes: str, run: str, kept: bool
) -> None:
    page, _, status = lua(sample, "filter", text=WHEN % outcomes, run=run)
    assert status == 0
    assert ("It was so." in page) is kept
    assert "{.when-claim" not in page and 'class="when-claim"' not in page


def test_prose_that_depends_on_a_claim_can_be_linked_to_once(sample: Project) -> None:
    anchor = 'id="when-claim-topic-geometry-abstraction"'
    page, _, _ = lua(sample, "filter", text=(WHEN % "held") * 2)
    assert (page.count("It was so."), page.count(anchor)) == (2, 1)
    assert anchor not in lua(sample, "filter", text=WHEN % "failed")[0]
    assert "when-claim" not in lua(sample, "filter", text=WHEN % "held", format="typst")[0]


HERE = '{.when-run is="smollm2-135m, gpt2-small"}'
NOT_HERE = "{.when-run is-not=smollm2-135m}"


@pytest.mark.parametrize("format", ["html", "typst"])
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"::: {HERE}\nstays\n:::\n\n::: {NOT_HERE}\ngoes {{.when-run}}\n:::", 1),
        ("::: {.when-run is-not=gemma-3-270m}\nstays\n:::", 1),
        ("::: {.when-run is='gemma-3-270m gpt2-small'}\ngoes\n:::\n\nstays", 1),
        (f"[goes]{NOT_HERE}[stays]{HERE} and *[stays]{HERE}*", 2),
        (f"## stays {HERE}\n\nstays\n\n### goes {NOT_HERE}\n\ngoes\n\n## stays", 3),
        (f"- [goes]{NOT_HERE}\n- [stays]{HERE}", 1),
        (f":::: {HERE}\n::: {{IF_HELD_}}\nstays\n:::\n\n::: {{IF_FAILED_}}\ngoes\n:::\n::::", 1),
        (f":::: {NOT_HERE}\n::: {{GONE_}}\ngoes\n:::\n::::\n\nstays", 1),
    ],
)
def test_prose_for_some_runs_is_kept_in_their_renders(
    prepared: Project, text: str, kept: int, format: str
) -> None:
    text = text.replace("{IF_HELD_}", IF_HELD).replace("{IF_FAILED_}", IF_FAILED).replace("{GONE_}", GONE)
    page, message, status = lua(prepared, "filter", text=text, format=format)
    assert status == 0, message
    page = re.sub(r' (id|data-ms)="[^"]*"|<(stays|goes)(-\d)?>', "", page)
    assert "goes" not in page and "when-run" not in page and "is-not" not in page
    assert page.count("stays") == kept
    assert "<p></p>" not in page and "<li></li>" not in page


def test_prose_for_some_runs_bears_no_mark_and_keeps_what_else_it_is(prepared: Project) -> None:
    page = lua(
        prepared, "filter", text=f"Before [so]{HERE} after.\n\n::: {{#notes .small {HERE[1:]}\nx\n:::\n"
    )[0]
    assert "<p>Before so after.</p>" in page
    assert '<div id="notes" class="small">' in page


def test_a_mark_follows_the_last_word_that_is_kept(prepared: Project) -> None:
    text = f"::: {IF_HELD}\nIt  was so. [It is not here.]{NOT_HERE}\n:::\n\nOne [two]{NOT_HERE} three.\n"
    page = lua(prepared, "filter", text=text)[0]
    assert ">It was so.<a" in page and "<p>One three.</p>" in page


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{.when-run}", "needs either is= or is-not="),
        ("{.when-run is=''}", "needs either is= or is-not="),
        ("{.when-run is=smollm2-135m is-not=gpt2-small}", "needs either is= or is-not="),
        ("{.when-run is=smollm2-135}", "unknown run 'smollm2-135' — did you mean 'smollm2-135m'?"),
        ("{.when-run is-not='smollm2-135m gema-3-270m'}", "did you mean 'gemma-3-270m'?"),
    ],
)
def test_a_run_that_is_not_there_stops_the_render(sample: Project, condition: str, expected: str) -> None:
    _, message, status = lua(sample, "filter", text=f"[x]{condition}")
    assert status == 1 and expected in message


def test_a_number_at_the_beginning_of_a_paragraph_begins_no_list_in_a_pdf(sample: Project) -> None:
    assert lua(sample, "stat", "topic_geometry.topics", format="typst")[0].strip() == '#"20";'


IF_HELD = "{.when-claim key=topic_geometry.abstraction is=held}"
IF_FAILED = "{.when-claim key=topic_geometry.abstraction is=failed}"
GONE = "{.when-claim key=topic_geometry.nowhere is=held}"


@pytest.mark.parametrize("format", ["html", "typst"])
@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"Stays [goes]{IF_FAILED} here [stays]{IF_HELD}.", 2),
        (f"[goes]{IF_FAILED}\n\nStays.", 1),
        (f"| a | b |\n|---|---|\n| [goes]{IF_FAILED} | stays |", 1),
        (f"![A caption that stays [goes]{IF_FAILED}](a.svg)", 1),
        (f"Stays[^1].\n\n[^1]: A note [goes]{IF_FAILED} that stays.", 2),
        (f"- [goes]{IF_FAILED}\n- stays\n\n1. [goes]{IF_FAILED}", 1),
        (f"Term [goes]{IF_FAILED}\n:   stays", 1),
        (f"*An emphasis [goes, *inside* [goes]{IF_HELD}]{IF_FAILED} stays*", 1),
        (f"## goes {IF_FAILED}\n\ngoes\n\n### goes\n\ngoes\n\n## stays\n\nstays", 2),
        (f"### goes {IF_FAILED}\n\ngoes\n\n## stays", 1),
        (f"goes {IF_FAILED}\n----\n\ngoes\n\nstays\n=====", 1),
        (f"## stays {IF_HELD}\n\nstays\n\n### goes {IF_FAILED}\n\ngoes\n\n### stays {IF_HELD}\n\nx stays", 4),
        (f"> ## goes {IF_FAILED}\n>\n> goes\n\nstays", 1),
        (f"::: {{.note}}\n## goes {IF_FAILED}\n\ngoes\n:::\n\nstays", 1),
        (f"::: {IF_FAILED}\n## goes {IF_HELD}\n[goes]{GONE}\n:::\n\nstays", 1),
    ],
)
def test_a_span_and_the_section_of_a_heading_depend_on_a_claim_as_a_div_does(
    prepared: Project, text: str, kept: int, format: str
) -> None:
    page, message, status = lua(prepared, "filter", text=text, format=format)
    assert status == 0, message
    page = re.sub(r' (id|data-ms|alt)="[^"]*"|<(stays|goes)(-\d)?>', "", page)
    assert "goes" not in page
    assert page.lower().count("stays") == kept
    assert "when-claim" not in page and "<p></p>" not in page and "<li></li>" not in page


def test_a_span_that_is_kept_ends_with_the_mark_and_can_be_linked_to(prepared: Project) -> None:
    page = lua(prepared, "filter", text=f"Before [so]{IF_HELD} after.")[0]
    assert '<span id="when-claim-topic-geometry-abstraction" class="ms-when">so<a' in page
    assert "</a></span> after." in page
    pdf = lua(prepared, "filter", text=f"Before [so]{IF_HELD} after.", format="typst")[0]
    assert "Before so#h(0.15em)#super(text(fill: luma(35%))[exploratory]); after." in pdf


@pytest.mark.parametrize("environment", ["align", "align*", "gather", "equation", "multline*", "eqnarray"])
@pytest.mark.parametrize("place", ["{}", "Text {} text.", "> {}", "Note[^1].\n\n[^1]: {}", "- {}"])
def test_a_formula_in_latex_is_in_the_pdf(sample: Project, environment: str, place: str) -> None:
    text = place.format(f"\\begin{{{environment}}} a = b \\end{{{environment}}}")
    assert re.search(r"\$ a .*= b\s*\$", lua(sample, "filter", text=text, format="typst")[0])
    assert 'class="math display"' in lua(sample, "filter", text=text)[0]


@pytest.mark.parametrize("command", ["\\newpage", "\\pagebreak", "\\clearpage"])
def test_a_break_of_the_page_is_one_in_a_pdf_only(sample: Project, command: str) -> None:
    assert "#pagebreak(weak: true)" in lua(sample, "filter", text=f"a\n\n{command}\n\nb", format="typst")[0]
    assert "page" not in lua(sample, "filter", text=f"a\n\n{command}\n\nb")[0].partition("</div>")[2]


def test_what_stands_in_a_comment_is_not_on_the_page(sample: Project) -> None:
    text = (
        "a <!-- {{< stat x.y >}} --> b\n\n<!--\n{{< stat x.y >}}\n-->\n\n"
        "```{=html}\n<p>c<!-- d --></p>\n```\n\n"
        "```{=html}\n<script>let c = '<!-- kept -->'</script>\n```\n"
    )
    page = lua(sample, "filter", text=text)[0]
    assert "x.y" not in page and "<p>c</p>" in page and "<!-- kept -->" in page


def test_headings_are_named_as_if_their_shortcodes_were_not_there(sample: Project) -> None:
    # What Quarto puts into a name until it expands a shortcode.
    code = "b58fc729-690b-4000-b19f-365a4093b2ff7b7b3c"
    names = [
        f"layer-{code}003e7d7d",
        f"layer-{code}ff3e7d7d",
        f"{code}3e7d7d",
        f"{code}3e7d7dad-heads",
        "mine",
    ]
    text = "\n\n".join(f"## Layer {{#{name}}}" for name in names) + "\n\n## Layer {#layer}\n"
    page = lua(sample, "filter", text=text)[0]
    assert re.findall(r'<h2 id="(.*?)"', page) == [
        "layer",
        "layer-1",
        "section",
        "ad-heads",
        "mine",
        "layer-2",
    ]


def _stand_in(shortcode: str) -> str:
    """What Quarto writes for a shortcode while Pandoc reads."""
    return f"b58fc729-690b-4000-b19f-365a4093b2ff;{shortcode.encode().hex().upper()};"


@pytest.mark.parametrize(
    "text",
    [
        '[a](b "x STAT y")',
        '![a](b.png "x STAT y")',
        '`c`{title="x STAT y"}',
        '```{.r title="x STAT y"}\nc\n```',
    ],
)
@pytest.mark.parametrize(
    ("shortcode", "printed"),
    [
        ("{{< stat topic_geometry.centred_max >}}", "0.42"),
        ("{{<stat \"topic_geometry.centred_max\" part='p' >}}", "p = 0.012"),
        ("{{< claim topic_geometry.abstraction part=outcome >}}", "held"),
    ],
)
def test_a_shortcode_is_expanded_where_quarto_leaves_its_own_words(
    sample: Project, text: str, shortcode: str, printed: str
) -> None:
    page, message, _ = lua(sample, "filter", text=text.replace("STAT", _stand_in(shortcode)))
    assert f'title="x {printed}' in page and "b58fc729" not in page, message


def test_another_shortcode_in_a_title_is_refused(sample: Project) -> None:
    _, message, status = lua(sample, "filter", text=f'[a](b "{_stand_in("{{< meta title >}}")}")')
    assert status == 1 and "{{< meta title >}}: in a title" in message


@pytest.mark.parametrize("format", ["html", "typst"])
@pytest.mark.parametrize("token", ["{{< stat x.y >}}", "{{<", "{{{< a >}}}"])
def test_a_recorded_text_never_looks_like_a_shortcode_where_quarto_would_expand_it(
    sample: Project, token: str, format: str
) -> None:
    findings = sample_findings()
    figure, claim = findings.figures["similarity"], findings.claims["abstraction"]
    passage = findings.passages["neuron"]
    texts = passage.passages[0].model_copy(
        update={"tokens": (token, token), "values": (0.5, 1.0), "title": token}
    )
    findings = findings.model_copy(
        update={
            "figures": {"similarity": figure.model_copy(update={"alt": token, "caption": token})},
            "claims": {"abstraction": claim.model_copy(update={"sentence": token})},
            "passages": {"neuron": passage.model_copy(update={"caption": token, "passages": (texts,)})},
        }
    )
    write_sample_ledger(sample, RUN, findings)
    prepare(sample, RUN, "skip")
    written = [
        lua(sample, kind, f"topic_geometry.{name}", format=format, context="block")
        for kind, name in [("figure", "similarity"), ("claim", "abstraction"), ("passages", "neuron")]
    ]
    written.append(lua(sample, "filter", text=WHEN % "held", format=format))
    for page, message, status in written:
        assert status == 0, message
        # `alt` is made of words by the writer of HTML.
        attributes = re.findall(r'(?<! alt)="([^"]*)"', page) + re.findall(r'#"((?:\\.|[^"])*)"', page)
        assert not any("{{<" in html.unescape(value) for value in attributes)


@pytest.mark.parametrize("text", ["$$ x = {{< stat x.y >}} $$", "In $x = {{< stat x.y >}}$ and\n\nmore."])
def test_quarto_is_made_to_look_at_shortcodes_in_formulas(sample: Project, text: str) -> None:
    # It looks for them in raw content, among others, and not in formulas.
    assert lua(sample, "filter", text=text, format="native")[0].count('(Format "mechscope") "{{<"') == 1
    assert '(Format "mechscope")' not in lua(sample, "filter", text="Words $x$.", format="native")[0]


def test_what_a_notebook_printed_is_no_shortcode(sample: Project) -> None:
    text = (
        "::: {.cell-output .cell-output-stdout}\n```\n{{< stat x.y >}}\n```\n:::\n\n"
        "::: {.cell-output-display}\n```{=html}\n<b title='{{< a >}}'>{{< stat x.y >}}</b>\n```\n:::\n"
    )
    page = lua(sample, "filter", text=text)[0]
    assert 'shortcodes="false"' in page
    assert "<b title='{{&lt; a >}}'>{{&lt; stat x.y >}}</b>" in page


RESTS = "depends on the claim “Topics cluster by abstractness, not by controversy.”: "


def _mark(page: str) -> str:
    return page.split('<a href="../../paper/_generated')[-1].partition("</a>")[0]


@pytest.mark.parametrize(("run", "outcome", "sign"), [(RUN, "held", "✓"), ("gemma-3-270m", "failed", "✗")])
def test_prose_ends_with_a_mark_that_names_its_claim_and_leads_there(
    sample: Project, run: str, outcome: str, sign: str
) -> None:
    prepare(sample, run, "skip")
    page = lua(sample, "filter", text=WHEN % outcome, run=run)[0].partition("It was so.")[2]
    mark = _mark(page)
    assert f'/{run}/claims.html#topic_geometry.abstraction" class="ms-rests"' in mark
    assert RESTS + outcome in mark and sign in mark.rpartition('">')[2]
    assert page.index("</a>") < page.index("</p>")
    assert ["This passage", f"printed only where this claim {outcome}"] in json.loads(
        html.unescape(mark.split('data-ms="')[1].partition('"')[0])
    )["lines"]


def test_the_mark_says_when_a_claim_is_exploratory_and_in_a_pdf_only_that(prepared: Project) -> None:
    mark = _mark(lua(prepared, "filter", text=WHEN % "held")[0])
    assert RESTS + "held, exploratory" in html.unescape(mark) and mark.endswith(f"✓{NBSP}exploratory")
    assert "[exploratory]" in lua(prepared, "filter", text=WHEN % "held", format="typst")[0]
    popovers = prepared.generated(RUN) / "popovers.json"
    notes = json.loads(popovers.read_text())
    assert notes["topic_geometry.abstraction"].pop("exploratory")
    popovers.write_text(json.dumps(notes))
    assert _mark(lua(prepared, "filter", text=WHEN % "held")[0]).endswith('">✓')
    page = lua(prepared, "filter", text=WHEN % "held", format="typst")[0]
    assert "It was so." in page and "super" not in page


@pytest.mark.parametrize(
    ("body", "marked"),
    [
        ("It was so.\n\nFIGURE\n", "<p>It was so.<a"),  # a shortcode must stay alone
        ("FIGURE\n", "<p>FIGURE</p>\n<p><a"),
        ("It was:\n\n- so\n- and so\n", "<li>and so<a"),
        ("## So\n\nIt was so.\n", "<p>It was so.<a"),
    ],
)
def test_the_mark_stands_after_the_last_words(prepared: Project, body: str, marked: str) -> None:
    page = lua(prepared, "filter", text=WHEN.replace("It was so.\n", body) % "held")[0]
    assert marked in page and page.count("ms-rests") == 1
    # What has a heading stays a part of the page's own sections.
    assert ('class="ms-when"' in page) is ("<h2" not in page)
    assert 'id="when-claim-topic-geometry-abstraction"' in page


def test_an_outcome_that_does_not_exist_stops_the_render(sample: Project) -> None:
    _, message, status = lua(sample, "filter", text=WHEN % "hold")
    assert status == 1
    assert "did you mean 'held'?" in message


CITED = "::: {.cited-numbers}\n:::\n"


def test_the_banner_says_run_verification_and_where_the_other_runs_are(prepared: Project) -> None:
    page, _, status = lua(prepared, "filter", text="Text.\n")
    assert status == 0
    banner, _, rest = page.partition("</div>")
    assert 'class="ms-banner"' in banner and "<p>Text.</p>" in rest
    assert "<strong>SmolLM2-135M</strong>" in banner and "numbers not yet confirmed by a rerun" in banner
    assert 'href="../../paper/_generated/smollm2-135m/numbers.html#verification"' in banner
    assert ">1 of 1 claim exploratory</a>" in " ".join(banner.split())
    assert 'href="../../../runs.html#paper-articles-topic-geometry"' in banner
    assert 'data-page="paper/articles/topic-geometry.html"' in banner


def test_the_banner_of_a_pdf_is_a_line(prepared: Project) -> None:
    page = lua(prepared, "filter", format="typst", text="Text.\n")[0]
    assert "Run SmolLM2-135M · numbers not yet confirmed by a rerun" in page and "runs.html" not in page


def test_without_prepared_data_there_is_no_banner(sample: Project) -> None:
    assert "ms-banner" not in lua(sample, "filter", text="Text.\n")[0]


def test_a_pdf_lists_the_numbers_that_it_cites_with_their_keys(prepared: Project) -> None:
    page = lua(prepared, "filter", format="typst", text=CITED)[0]
    assert 'raw("topic_geometry.centred_max")' in page and '"[0.32,\u00a00.52]"' in page
    assert page.index("centred_max") < page.index("topic_geometry.topics")
    assert "topic_geometry.unmeasured" not in page  # nobody cites it


def test_the_list_of_cited_numbers_is_a_table_in_html_too(prepared: Project) -> None:
    page = lua(prepared, "filter", text=CITED)[0]
    assert "<code>topic_geometry.centred_max</code>" in page and "&lt;img src" in page
    assert "<img" not in page


def test_what_a_model_printed_cannot_leave_its_string_in_a_pdf(prepared: Project) -> None:
    page = lua(prepared, "filter", format="typst", text=CITED)[0]
    assert '<img\u0020src=x onerror=\\"alert(1)\\">' in page


def test_a_document_without_numbers_says_so_where_they_would_be_listed(sample: Project) -> None:
    assert "This document cites no number." in lua(sample, "filter", text=CITED)[0]

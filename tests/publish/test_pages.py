from __future__ import annotations

import json
import re

import pypandoc
import pytest

from mechscope.errors import LedgerDamaged
from mechscope.files import hash_value
from mechscope.ledger.claims import ClaimText, register
from mechscope.ledger.schema import Acceptance
from mechscope.ledger.store import inputs_hash, ledger_text, read_ledger
from mechscope.project import Project
from mechscope.publish.markup import code, escaped
from mechscope.publish.pages import figure_script
from mechscope.publish.prerender import prepare
from tests.publish.sample_project import (
    HOSTILE,
    sample_findings,
    share_an_analysis,
    write_sample_ledger,
    write_sample_verification,
)

RUN = "smollm2-135m"


def _page(project: Project, name: str, run: str = RUN) -> str:
    """A generated page as HTML."""
    prepare(project, run, "skip")
    return pypandoc.convert_file(str(project.generated(run) / f"{name}.qmd"), "html", format="markdown")


def _words(project: Project, name: str) -> str:
    """A generated page as HTML in which a line may break anywhere, with plain apostrophes."""
    return " ".join(_page(project, name).replace("’", "'").split())


def test_every_statistic_has_an_entry_with_its_key_as_anchor(sample: Project) -> None:
    page = _page(sample, "numbers")
    for name in sample_findings().statistics:
        assert f'id="topic_geometry.{name}"' in page


def test_an_entry_says_all_that_is_known(sample: Project) -> None:
    page = _page(sample, "numbers")
    entry = page.split('id="topic_geometry.centred_max"')[1].split('id="topic_geometry.strange"')[0]
    for expected in (
        "0.42",
        "95% [0.32, 0.52]",
        "1,900",
        "p = 0.012",
        "label permutation",
        "±0.01%",
        "results/smollm2-135m/topic_geometry/notebook.ipynb#record-centred_max",
        "paper/articles/topic-geometry.qmd",
        "paper/paper.qmd",
        "not verified",
    ):
        assert expected in entry
    head = page.split('id="topic_geometry.centred_max"')[0]
    code = hash_value({"mean": "b" * 64})[:16]
    for expected in (
        "aaaaaaaaaaaaaaaa",
        "mechscope/stats.py",
        code,
        "analyses/data/topics.csv",
        "seed",
        "2.13.0",
    ):
        assert expected in head


def test_a_statistic_that_could_not_be_measured_says_why(sample: Project) -> None:
    assert "not measured: no such head in this model" in _page(sample, "numbers")


def test_what_came_from_a_model_is_escaped(sample: Project) -> None:
    page = _page(sample, "numbers")
    assert "<img" not in page
    assert "&lt;img src=x onerror" in page
    assert json.loads((sample.generated(RUN) / "popovers.json").read_text())["topic_geometry.strange"][
        "lines"
    ][0] == [
        "Value",
        HOSTILE,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "*a*",
        "`b` ``",
        "{{< stat x.y >}}",
        "{{<",
        "a | {{{ `b`",
        "<b>",
        "$x$ [a](b) | \\ ~ ^ # 1. -- 'q'",
        "a\nb",
    ],
)
def test_escaped_text_reads_as_itself(text: str) -> None:
    plain = " ".join(text.split())
    for written in (escaped(text), code(text)):
        assert "{{<" not in written
        page = pypandoc.convert_text(written, "html", format="markdown", extra_args=["--wrap=none"])
        shown = pypandoc.convert_text(page, "plain", format="html", extra_args=["--wrap=none"])
        assert shown.rstrip("\n") == plain


def test_a_statistic_of_another_run_that_is_cited_is_explained_here(sample: Project) -> None:
    article = sample.paper / "articles" / "topic-geometry.qmd"
    article.write_text(article.read_text() + "\n{{< stat gemma-3-270m:topic_geometry.centred_max >}}\n")
    page = _page(sample, "numbers")
    assert 'id="gemma-3-270m:topic_geometry.centred_max"' in page
    assert "in the run Gemma 3 270M" in page
    popovers = json.loads((sample.generated(RUN) / "popovers.json").read_text())
    assert ["Run", "Gemma 3 270M"] in popovers["gemma-3-270m:topic_geometry.centred_max"]["lines"]


def test_a_verified_ledger_says_when_and_another_does_not(sample: Project) -> None:
    write_sample_verification(sample, RUN)
    said = "by the authors' own rerun of 2026-11-20"
    assert f"verified {said}" in _words(sample, "numbers")
    write_sample_verification(sample, RUN, ledger="0" * 64)
    assert said not in _words(sample, "numbers")
    write_sample_verification(sample, RUN, reproduced=False)
    assert f"not reproduced {said}" in _words(sample, "numbers")


def test_a_verification_says_by_whom_on_what_and_how_to_repeat_it(sample: Project) -> None:
    versions = {"platform": "Linux x86_64", "python": "3.11.7", "torch": "2.13.0", "numpy": "2.4.6"}
    write_sample_verification(sample, RUN, environment=versions)
    page = _words(sample, "numbers")
    head, entry = page.split('id="topic_geometry.centred_max"')[:2]
    said = "verified by the authors' own rerun of 2026-11-20"
    repeat = "run it yourself: <code>mechscope verify topic_geometry --run smollm2-135m</code>"
    assert f"{said}, on Linux x86_64 with numpy 2.4.6, platform Linux x86_64" in head and repeat in head
    assert said in entry and "numpy" not in entry and said in _words(sample, "claims")


def test_what_nobody_verified_says_how_to_do_it(sample: Project) -> None:
    repeat = "not verified; run it yourself: <code>mechscope verify topic_geometry --run smollm2-135m</code>"
    for page in ("numbers", "claims"):
        assert repeat in _words(sample, page)


def test_a_verification_of_before_days_were_noted_stands_without_one(sample: Project) -> None:
    write_sample_verification(sample, RUN, date=None)
    assert "verified by the authors' own rerun; run it" in _words(sample, "numbers")
    documents = json.loads((sample.generated(RUN) / "documents.json").read_text())
    banner = documents["paper/articles/topic-geometry.qmd"]["banner"]
    assert banner["verified"] == "all 3 numbers confirmed by the authors' own rerun" and banner["date"] == ""


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"analyses": [1]}',
        '{"ledgers": {"topic_geometry": "%s"}}',
        '{"analyses": {"topic_geometry": 3}}',
    ],
)
def test_a_damaged_or_half_verification_verifies_nothing(sample: Project, content: str) -> None:
    sha256 = read_ledger(sample.results_dir(RUN, "topic_geometry")).sha256
    (sample.results / RUN / "verification.json").write_text(content.replace("%s", sha256))
    page = _page(sample, "numbers")
    assert "not verified" in page and "verified by the" not in page


@pytest.mark.parametrize("noted", [True, False], ids=["inputs noted", "an entry of before they were"])
def test_what_was_accepted_without_a_rerun_is_no_longer_verified(sample: Project, noted: bool) -> None:
    folder = sample.results_dir(RUN, "topic_geometry")
    ledger = read_ledger(folder)
    write_sample_verification(sample, RUN, **({"inputs": inputs_hash(ledger.inputs)} if noted else {}))
    assert "verified by the authors' own rerun of 2026-11-20" in _words(sample, "numbers")
    changed = ledger.inputs.model_copy(update={"code": {"mechscope/stats/pairs.py: separation": "f" * 64}})
    accepted = () if noted else (Acceptance(changed=("pairs.py changed",), because="a new name"),)
    (folder / "ledger.json").write_text(
        ledger_text(ledger.model_copy(update={"inputs": changed, "accepted": accepted}))
    )
    assert "own rerun of 2026-11-20" not in _words(sample, "numbers")


def test_a_claim_whose_criterion_came_first_is_not_exploratory(sample: Project) -> None:
    assert "exploratory" in _page(sample, "claims").split("ms-entry")[1]
    claim = sample_findings().claims["abstraction"]
    ledgers = {run: sample.results_dir(run, "topic_geometry") for run in (RUN, "gemma-3-270m")}
    for folder in ledgers.values():
        folder.rename(folder.with_name("aside"))
    for folder in ledgers.values():
        (folder.with_name("aside") / "ledger.json").rename(folder.with_name("aside") / "kept")
    register(sample, [("topic_geometry", ClaimText("abstraction", claim.criterion, claim.sentence, 1))])
    for folder in ledgers.values():
        folder.with_name("aside").rename(folder)
        (folder / "kept").rename(folder / "ledger.json")
    page = _page(sample, "claims")
    assert "exploratory" not in page.split("ms-entry")[1]
    assert "before there were results" in page.split("ms-entry")[1]


def test_what_lies_in_the_folder_of_another_run_is_not_shown_as_its_own(sample: Project) -> None:
    folder = sample.results_dir(RUN, "topic_geometry")
    other = read_ledger(folder).model_copy(update={"run": "gemma-3-270m"})
    (folder / "ledger.json").write_text(ledger_text(other))
    with pytest.raises(LedgerDamaged, match="holds what topic_geometry found in gemma-3-270m"):
        _page(sample, "numbers")


def test_the_claims_page_says_what_was_seen_before_a_criterion_was_written(sample: Project) -> None:
    page = " ".join(_page(sample, "claims").split())
    assert "1 of 1 held in SmolLM2-135M (1 exploratory)" in page
    assert "not in analyses/claims.lock" in page.split("ms-entry")[1]
    found = sample_findings()
    claim = found.claims["abstraction"].model_copy(update={"exploratory": "a *first* look"})
    write_sample_ledger(sample, RUN, found.model_copy(update={"claims": {"abstraction": claim}}))
    assert "a *first* look" in _page(sample, "claims").split("ms-entry")[1]


def test_the_claims_page_compares_runs(sample: Project) -> None:
    table = " ".join(_page(sample, "claims").split('id="runs"')[1].split())
    assert re.search(r"Gemma 3 270M[\s\S]*SmolLM2-135M[\s\S]*failed[\s\S]*held", table)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"criterion": "centred_max > 0.1"}, "by another criterion: <code>centred_max &gt; 0.1</code>"),
        ({"sentence": "Topics cluster."}, "of another sentence: Topics cluster."),
        ({}, ""),
    ],
)
def test_an_outcome_that_another_run_judged_otherwise_says_so(
    sample: Project, changed: dict[str, str], said: str
) -> None:
    found = sample_findings(centred_max=0.13, outcome="failed")
    claim = found.claims["abstraction"].model_copy(update=changed)
    write_sample_ledger(
        sample, "gemma-3-270m", found.model_copy(update={"claims": {"abstraction": claim}}), "topic_geometry"
    )
    for page in ("claims", "compare"):
        text = " ".join(_page(sample, page).split())
        assert ("ms-otherwise" in text) == bool(said)
        assert said in text
    assert ("judged in another run" in _page(sample, "claims")) == bool(said)


def test_a_claim_that_only_prose_depends_on_is_linked_to_that_prose(sample: Project) -> None:
    assert "topic-geometry.qmd#claim-topic-geometry-abstraction" in _page(sample, "claims")
    path = sample.paper / "articles" / "topic-geometry.qmd"
    path.write_text(path.read_text().replace("{{< claim topic_geometry.abstraction >}}", ""))
    assert "topic-geometry.qmd#when-claim-topic-geometry-abstraction" in _page(sample, "claims")


def test_evidence_links_to_the_numbers(sample: Project) -> None:
    assert 'href="numbers.qmd#topic_geometry.centred_max"' in _page(sample, "claims")


def test_evidence_reads_as_the_statistics_do(sample: Project) -> None:
    prepare(sample, RUN, "skip")
    popovers = json.loads((sample.generated(RUN) / "popovers.json").read_text())
    lines = dict(popovers["topic_geometry.abstraction"]["lines"])
    assert lines["Evidence"] == "centred_max = 0.42, centred_max.p = 0.012"


def test_every_analysis_has_its_notebook_listed(sample: Project) -> None:
    assert "results/smollm2-135m/topic_geometry/notebook.ipynb" in _page(sample, "notebooks")


def test_a_chart_travels_as_a_script_that_a_page_from_disk_can_load() -> None:
    script = figure_script("a.b", '{"mark": "</script>"}')
    assert script.startswith("(window.mechscopeCharts ??= {})")
    assert json.loads(script.partition(" = ")[2].rstrip(";\n")) == {"mark": "</script>"}


def test_the_script_of_a_figure_that_is_gone_goes_too(sample: Project) -> None:
    prepare(sample, RUN, "skip")
    old = sample.generated(RUN) / "figures" / "topic_geometry.gone.js"
    old.write_text("")
    prepare(sample, RUN, "skip")
    assert not old.exists()
    assert (sample.generated(RUN) / "figures" / "topic_geometry.similarity.js").is_file()


def test_numbers_that_no_article_cites_are_folded_below_those_that_are_cited(sample: Project) -> None:
    page = _page(sample, "numbers")
    cited, _, folded = page.partition('<details class="ms-uncited">')
    assert "<summary>1 more that no article cites</summary>" in folded
    assert 'id="topic_geometry.unmeasured"' in folded.partition("</details>")[0]
    assert 'id="topic_geometry.centred_max"' in cited and 'id="topic_geometry.topics"' in cited


def test_what_verified_means_is_said_where_banners_lead(sample: Project) -> None:
    about = _words(sample, "numbers").split('id="verification"')[1].split("</div>")[0]
    assert "mechscope verify" in about and "Not verified" in about


def test_a_citation_leads_to_where_the_page_shows_the_number(sample: Project) -> None:
    article = sample.paper / "articles" / "topic-geometry.qmd"
    place = "paper/articles/topic-geometry.qmd#stat-topic-geometry-topics"
    assert place in _page(sample, "numbers")
    # In a formula, in code and in front matter a number is text, to which nothing can link.
    text = article.read_text().replace("over {{< stat topic_geometry.topics >}} topics", "over all topics")
    assert "$m = {{< stat topic_geometry.topics >}}$" in text
    article.write_text(text)
    page = _page(sample, "numbers")
    assert place not in page and "paper/articles/topic-geometry.qmd" in page
    # A branch that this run drops shows nothing either.
    when = (
        "\n::: {.when-claim key=topic_geometry.abstraction is=%s}\n{{< stat topic_geometry.topics >}}\n:::\n"
    )
    article.write_text(text + when % "failed")
    assert place not in _page(sample, "numbers")
    article.write_text(text + when % "held")
    assert place in _page(sample, "numbers")


def test_a_record_is_found_under_the_heading_of_its_cell(sample: Project) -> None:
    path = sample.results_dir(RUN, "topic_geometry") / "notebook.ipynb"
    notebook = json.loads(path.read_text())
    at = next(number for number, cell in enumerate(notebook["cells"]) if cell["id"] == "c03")
    heading = {
        "cell_type": "markdown",
        "id": "h",
        "metadata": {},
        "source": ["Text\n", "## The *last* layer\n"],
    }
    notebook["cells"].insert(at, heading)
    path.write_text(json.dumps(notebook))
    assert "Topic geometry, The last layer" in " ".join(_page(sample, "numbers").split())
    popovers = json.loads((sample.generated(RUN) / "popovers.json").read_text())
    assert ["Analysis", "Topic geometry, The last layer"] in popovers["topic_geometry.centred_max"]["lines"]


def test_claims_stand_under_their_analysis_those_that_differ_between_runs_first(sample: Project) -> None:
    claim = sample_findings().claims["abstraction"]
    same = claim.model_copy(update={"sentence": "A claim alike everywhere."})
    for run, outcome in ((RUN, "held"), ("gemma-3-270m", "failed")):
        findings = sample_findings(outcome=outcome)
        claims = {"aaa": same, **findings.claims}
        write_sample_ledger(sample, run, findings.model_copy(update={"claims": claims}))
        write_sample_ledger(sample, run, findings.model_copy(update={"claims": {"aaa": same}}), "other")
    page = " ".join(_page(sample, "claims").split()).split('id="runs"')[1]
    first, _, second = page.partition('id="runs-topic_geometry"')[2].partition("</table>")
    assert first.index("Topics cluster") < first.index("A claim alike everywhere")
    assert first.count("differs between runs") == 1
    assert 'id="runs-other"' in page and second


def test_what_is_shared_is_shown_and_counted_once(sample: Project) -> None:
    share_an_analysis(sample)
    page = " ".join(_page(sample, "claims").split())
    assert "1 of 1 held in SmolLM2-135M (1 exploratory); 0 of 1 held in" in page
    assert "; 1 of 1 held among those that were judged once for all runs (1 exploratory). 1 came out" in page
    part = page.partition('id="runs-other"')[2].partition("</table>")[0]
    assert "Found once for all runs: it does not use their models." in part
    assert part.count("ms-outcome") == 1 and "All runs" in part
    page = " ".join(_page(sample, "compare").split())
    assert "1 of 1 claims came out differently; 1 of 1 pairs" in page
    part = page.partition('id="run-gemma-3-270m-other"')[2]
    assert "other.abstraction" in part and "other.centred_max" in part and "Not counted above." in part
    assert "other." not in page.partition('id="run-gemma-3-270m-other"')[0]
    numbers = _page(sample, "numbers")
    assert numbers.count('id="other.centred_max"') == 1
    assert "results/shared/other/notebook.ipynb" in numbers
    assert "mechscope verify other --run shared" in " ".join(numbers.split())
    assert "results/shared/other/notebook.ipynb" in _page(sample, "notebooks")
    graph = _page(sample, "graph")
    assert "results/shared/other/notebook.html" in graph and "shared:other" not in graph
    assert (sample.generated(RUN) / "figures" / "other.similarity.js").is_file()


def test_each_run_counts_all_its_claims_on_every_run_s_home_page(sample: Project) -> None:
    share_an_analysis(sample)
    for shown in (RUN, "gemma-3-270m"):
        prepare(sample, shown, "skip")
        site = json.loads((sample.generated(shown) / "site.json").read_text())
        held = {run["run"]: run["held"] for run in site["runs"]}
        assert held == {RUN: "2 of 2 claims held", "gemma-3-270m": "1 of 2 claims held"}
        assert site["same"].startswith("Of these claims, 1 was judged once for all runs")
        assert site["shared"]["gemma-3-270m"] == ["other"]


def test_each_drawing_of_an_analysis_is_folded(sample: Project) -> None:
    page = _page(sample, "graph")
    assert "<summary>8 records</summary>" in page
    assert page.index('<details class="ms-graph-of">') < page.index("<svg")


def test_a_claim_leads_to_an_article_rather_than_to_the_home_page(sample: Project) -> None:
    home = sample.paper / "index.qmd"
    home.write_text(home.read_text() + "\n{{< claim topic_geometry.abstraction >}}\n")
    assert "on the home page" not in _page(sample, "claims")
    article = sample.paper / "articles" / "topic-geometry.qmd"
    article.write_text(re.sub(r"\n(?:.*topic_geometry\.abstraction.*|:::(?=\n))", "", article.read_text()))
    page = " ".join(_page(sample, "claims").split())
    assert 'index.qmd#claim-topic-geometry-abstraction">on the home page</a>' in page


SHOWN_AS_TEXT = [
    "$$\nx = STAT\n$$",
    "Inline $x = STAT$ math.",
    "Some `x = STAT` code.",
    "```\nx = STAT\n```",
    "![STAT](/paper/assets/favicon.svg) beside words",
    '![Words](/paper/assets/favicon.svg){fig-alt="STAT"}',
    "[link](https://example.org/STAT)",
    '[link](https://example.org "STAT")',
    '[words]{title="STAT"}',
    '::: {.callout-note title="STAT"}\nWords.\n:::',
    "```{=html}\n<b>STAT</b>\n```",
    "A <b title='STAT'>word</b>.",
    '::: {.content-visible when-format="typst"}\nSTAT\n:::',
]


@pytest.mark.parametrize("text", SHOWN_AS_TEXT)
def test_a_number_that_can_be_no_link_leads_to_its_page(sample: Project, text: str) -> None:
    article = sample.paper / "articles" / "topic-geometry.qmd"
    front = "---\ntitle: T\nformat: html\n---\n\n"
    article.write_text(front + text.replace("STAT", "{{< stat topic_geometry.topics >}}") + "\n")
    assert 'href="../../../paper/articles/topic-geometry.qmd"' in _entry(sample, "topics")


@pytest.mark.parametrize(
    "text",
    [
        "It costs \\$5: STAT.",
        "## A heading STAT",
        "| a |\n|---|\n| STAT |",
        "A note[^1].\n\n[^1]: STAT",
        "![A caption STAT](/paper/assets/favicon.svg)",
        "> *Emphasis **STAT***",
        "Term\n:   STAT",
        "$$ x = STAT $$\n\nAnd in words STAT.",
        "STAT",
    ],
)
def test_a_number_that_is_a_link_is_led_to_itself(sample: Project, text: str) -> None:
    article = sample.paper / "articles" / "topic-geometry.qmd"
    article.write_text(
        "---\ntitle: T\n---\n\n" + text.replace("STAT", "{{< stat topic_geometry.topics >}}") + "\n"
    )
    assert 'topic-geometry.qmd#stat-topic-geometry-topics"' in _entry(sample, "topics")


def _entry(project: Project, name: str) -> str:
    return (
        _words(project, "numbers").split(f'id="topic_geometry.{name}"')[1].partition('id="topic_geometry.')[0]
    )


def test_a_title_with_a_shortcode_is_named_in_words(sample: Project) -> None:
    article = sample.paper / "articles" / "topic-geometry.qmd"
    article.write_text(
        '---\ntitle: "Of {{< stat topic_geometry.strange >}}"\n---\n\n{{< stat topic_geometry.topics >}}\n'
    )
    assert ">Of …</a>" in _entry(sample, "topics")

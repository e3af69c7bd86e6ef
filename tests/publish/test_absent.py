"""What a run does not have is said in its place, with the reason; what it has is shown."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from mechscope.cli.group import cli
from mechscope.errors import AnalysisFailed, InvalidInput, UnknownName
from mechscope.pipeline.freshness import failed_inputs, failed_notebook
from mechscope.pipeline.shelf import Shelf
from mechscope.project import Project
from mechscope.publish.pages.document_notes import missing_lines
from mechscope.publish.prerender import attempt, bring_up_to_date, failure_warnings, prepare
from mechscope.publish.render import render
from tests.publish.absent_paper import BODY, build
from tests.publish.test_lua import lua
from tests.throwaway import copy_of, edit, script

LAYERS = "a head that reads another one needs two layers, and this model has 1"
TOKEN = "' Paris' is not one token of its vocabulary"
FAILED = "the analysis Shares failed in this run"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Both runs, as far as they succeed, and the pages of tiny."""
    project = build(tmp_path_factory.mktemp("absent") / "project")
    outcomes = attempt(project, ["deep", "tiny"])
    assert [(one.run, one.analysis) for one in outcomes if not one.succeeded] == [("tiny", "broken")]
    prepare(project, "tiny", "skip")
    return project


@pytest.fixture
def paper(built: Project, tmp_path: Path) -> Project:
    """The same, for a test to change."""
    return copy_of(built, tmp_path / "project")


@pytest.fixture(params=["beside another run", "alone"])
def either(built: Project, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    """With the results of a run that has all of it, and without any: then only scripts tell what there is."""
    if request.param == "alone":
        built = copy_of(built, tmp_path / "project")
        shutil.rmtree(built.results / "deep")
    yield built


@pytest.mark.parametrize(
    ("key", "kind", "because"),
    [
        ("heads.score", "statistics", LAYERS),
        ("heads.curve", "figures", LAYERS),
        ("heads.best", "tables", LAYERS),
        ("heads.texts", "passages", LAYERS),
        ("tokens.rank", "statistics", TOKEN),
        ("broken.left_share", "statistics", FAILED),
        ("broken.even", "claims", FAILED),
    ],
)
def test_a_key_that_a_run_cannot_have_is_absent_with_its_reason(
    either: Project, key: str, kind: str, because: str
) -> None:
    found = Shelf(either, "tiny").find(key, kind)
    assert (found.absent, found.record.because, found.outcome) == (True, because, "untestable")


@pytest.mark.parametrize("key", ["heads.n_layers", "heads.copies", "tokens.found", "good.layers"])
def test_what_was_recorded_is_found_although_the_rest_does_not_apply(either: Project, key: str) -> None:
    assert not Shelf(either, "tiny").find(key).absent


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("heads.scor", "heads.score"),
        ("heads.curv", "heads.curve"),
        ("heads.copis", "heads.copies"),
        ("heads.analysis", ""),
        ("tokens.rnk", "tokens.rank"),
        ("broken.evn", "broken.even"),
        ("broken.left_shares", ""),
        ("brokn.even", ""),
    ],
)
def test_a_mistyped_key_of_such_an_analysis_is_still_an_error(either: Project, key: str, near: str) -> None:
    with pytest.raises(UnknownName) as caught:
        Shelf(either, "tiny").find(key)
    assert f"did you mean '{near}'" in caught.value.message or not near


@pytest.mark.parametrize(("key", "kind"), [("heads.score", "figures"), ("broken.even", "statistics")])
def test_a_record_of_another_kind_is_still_an_error(either: Project, key: str, kind: str) -> None:
    with pytest.raises(InvalidInput, match="one of the"):
        Shelf(either, "tiny").find(key, kind)


def test_a_name_that_a_script_takes_from_its_data_can_be_any(paper: Project) -> None:
    shutil.rmtree(paper.results / "deep")
    edit(paper.analyses / "broken.py", 'f"{name}_share"', "name")
    assert Shelf(paper, "tiny").find("broken.anything", "statistics").absent


def test_what_was_never_run_is_not_called_a_failure(paper: Project) -> None:
    target = paper.results_dir("tiny", "broken")
    for path in (failed_notebook, failed_inputs):
        path(paper, target).unlink()
    assert (
        Shelf(paper, "tiny").find("broken.even").record.because
        == "the analysis Shares was not run in this run"
    )


def test_a_key_of_another_run_says_of_which(built: Project) -> None:
    shelf = Shelf(built, "deep")
    assert shelf.said(shelf.find("tiny:broken.even")) == "The analysis Shares failed in the run Tiny."
    assert shelf.said(shelf.find("tiny:heads.score")) == f"Does not apply to Tiny: {LAYERS}."


# In place ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["html", "typst", "plain"])
def test_in_place_there_is_a_word_or_a_sentence(built: Project, format: str) -> None:
    def shown(*words: str, context: str = "block") -> str:
        out, problem, status = lua(built, *words, format=format, context=context, run="tiny")
        assert (problem, status) == ("", 0)
        text = html.unescape(re.sub(r"<[^>]*>|#\"|\";", "", out)) if format == "html" else out
        return " ".join(text.replace("\u00a0", " ").replace("\\", "").replace("~", " ").split())

    assert shown("stat", "heads.score", context="inline") == "n/a"
    assert shown("stat", "heads.score", "part=ci", context="inline") == "n/a"
    for name, key in (("figure", "heads.curve"), ("table", "heads.best"), ("passages", "heads.texts")):
        assert f"Does not apply to Tiny: {LAYERS}." in shown(name, key)
    for key, sentence, why in (
        ("heads.copies", "A head copies.", LAYERS),
        ("broken.even", "The shares are even.", FAILED),
        ("tokens.early", "Paris comes early.", TOKEN),
    ):
        said = shown("claim", key).lower()
        assert "not testable" in said and sentence.lower() in said
        assert why.lower() in said.replace("’", "'").replace("‘", "'")


def test_in_code_and_formulas_it_is_text(built: Project) -> None:
    def text(*words: str) -> str:
        return lua(built, *words, context="text", run="tiny")[0]

    assert text("stat", "heads.score", "part=full") == "n/a"
    assert text("figure", "heads.curve") == f"Does not apply to Tiny: {LAYERS}."
    assert text("claim", "broken.even") == f"The shares are even. (not testable: {FAILED})"


def test_a_figure_and_a_table_stay_numbered(built: Project) -> None:
    for name, key, id in (
        ("figure", "heads.curve", "fig-heads-curve"),
        ("table", "heads.best", "tbl-heads-best"),
    ):
        assert f'id="{id}"' in lua(built, name, key, context="block", run="tiny")[0]
        typst = lua(built, name, key, format="typst", context="block", run="tiny")[0]
        assert "placement: none" in typst and f"<{id}>" in typst


def test_the_popover_says_why_and_leads_to_its_entry(built: Project) -> None:
    page = lua(built, "stat", "heads.score", run="tiny")[0]
    note = json.loads(html.unescape(page.split('data-ms="')[1].split('"')[0]))
    assert note["title"] == "Induction score"
    assert ["Why", f"Does not apply to Tiny: {LAYERS}."] in note["lines"]
    assert note["code"].endswith("results/tiny/heads/notebook.html#record-analysis")
    assert 'href="../../paper/_generated/tiny/numbers.html#heads.score"' in page
    assert "{#heads.score" in (built.generated("tiny") / "numbers.qmd").read_text()


def test_a_mistyped_key_stops_the_extension_too(built: Project) -> None:
    _, said, status = lua(built, "stat", "heads.scor", run="tiny")
    assert status == 1 and "unknown key 'heads.scor'" in said


# The box and the pages --------------------------------------------------------------------------------------


def _banner(project: Project, run: str) -> dict:
    prepare(project, run, "skip")
    pages = json.loads((project.generated(run) / "documents.json").read_text())
    return pages["paper/articles/heads.qmd"]["banner"]


def test_the_box_has_a_line_for_each_analysis_of_which_something_is_missing(paper: Project) -> None:
    banner = _banner(paper, "tiny")
    assert banner["missing"] == [
        f"Induction heads does not apply: {LAYERS}.",
        f"Tokens of cities: part of it does not apply: {TOKEN}.",
        "The analysis Shares failed in this run.",
        "Complete: Layers.",
    ]
    assert banner["written"] == (
        "The words of this article were written about Deep; its numbers, figures, and outcomes of claims are "
        "those of Tiny."
    )


def test_where_nothing_is_missing_nothing_is_said(paper: Project) -> None:
    banner = _banner(paper, "deep")
    assert (banner["missing"], banner["written"]) == ([], "")


@pytest.mark.parametrize(
    ("about", "said"), [("[dep]", "did you mean 'deep'"), ("{deep: 1}", "no list"), ("[1]", "no list")]
)
def test_a_mistake_in_whom_the_words_are_about_is_told(paper: Project, about: str, said: str) -> None:
    edit(paper.root / "_quarto.yml", "written-about: [deep]", f"written-about: {about}")
    with pytest.raises(InvalidInput if "list" in said else UnknownName, match=said):
        prepare(paper, "tiny", "skip")


def test_a_run_that_is_gone_stays_what_the_words_are_about(paper: Project) -> None:
    edit(paper.root / "_quarto.yml", "written-about: [deep]", "written-about: [deep, gemma-3-270m]")
    assert "were written about Deep and gemma-3-270m; its" in _banner(paper, "tiny")["written"]


def test_one_that_the_words_are_about_needs_no_list(paper: Project) -> None:
    edit(paper.root / "_quarto.yml", "written-about: [deep]", "written-about: deep")
    assert _banner(paper, "tiny")["written"].startswith("The words of this article were written about Deep;")


@pytest.mark.parametrize("page", ["claims", "numbers", "compare", "notebooks", "graph"])
def test_every_page_gives_the_reason(built: Project, page: str) -> None:
    text = html.unescape(re.sub(r"\\(.)", r"\1", (built.generated("tiny") / f"{page}.qmd").read_text()))
    if page == "graph":
        assert "rank <tspan" in text and ">n/a<" in text
        return
    assert LAYERS in text and "Shares failed in this run." in text
    assert "1 absent" not in text


def test_numbers_for_programs_list_what_is_absent(built: Project) -> None:
    import jsonschema

    folder = built.generated("tiny")
    numbers = json.loads((folder / "numbers.json").read_text())
    jsonschema.validate(numbers, json.loads((folder / "numbers.schema.json").read_text()))
    absent = {one["key"]: one for one in numbers["absent"]}
    assert absent["tokens.rank"]["because"] == TOKEN and not absent["tokens.rank"]["applies"]
    assert absent["broken.even"]["applies"] and absent["broken.even"]["cited"]
    assert {one["key"]: one["because"] for one in numbers["claims"]}["heads.copies"] == LAYERS


def test_a_codechecker_is_told_what_does_not_apply(built: Project) -> None:
    text = " ".join((built.root / "codecheck.yml").read_text().split())
    assert f"1 statistics and 1 claims; the rest does not apply: {LAYERS}." in text
    assert "1 statistics and 2 claims, 1 record that does not apply." in text


def test_trace_and_compare_give_the_reason(built: Project) -> None:
    def said(*words: str) -> str:
        return CliRunner().invoke(cli, ["--project", str(built.root), *words]).output

    assert f"heads.score  does not apply: {LAYERS}" in said("trace", "heads.score", "--run", "tiny")
    assert f"does not apply: {LAYERS}" in said("trace", "heads", "--run", "tiny")
    assert FAILED in said("trace", "broken.even", "--run", "tiny")
    assert f"Does not apply to Tiny: {TOKEN}." in said("compare", "deep", "tiny")
    assert "2 statistics, 3 claims" not in said("verify", "--quick", "--run", "tiny")
    assert "1 record that does not apply" in said("verify", "--quick", "--run", "tiny")


# Rendering --------------------------------------------------------------------------------------------------


def test_a_render_shows_what_succeeded_and_says_what_failed(paper: Project) -> None:
    done = CliRunner().invoke(
        cli, ["--project", str(paper.root), "render", "--run", "tiny", "--engine", "pandoc"]
    )
    assert done.exit_code == 0, done.output
    assert "mechscope run broken --run tiny" in done.stderr and "mechscope run" not in done.stdout
    page = (paper.site / "tiny" / "paper" / "articles" / "heads.html").read_text()
    words = html.unescape(" ".join(re.sub(r"<[^>]*>", "", page).split()))
    for said in (
        f"Induction heads does not apply: {LAYERS}.",
        "The score is n/a, in full n/a, as Figure 1 and Table 1 show.",
        "Nobody could tell whether they are even.",
    ):
        assert said in words
    assert "Somebody could tell" not in words and "?fig" not in words
    assert (paper.site / "tiny" / "paper" / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_a_render_does_not_repeat_a_failure_and_a_person_does(paper: Project) -> None:
    note = failed_inputs(paper, paper.results_dir("tiny", "broken"))
    (again,) = bring_up_to_date(paper, "tiny", "run")
    assert "failed before from the same inputs" in again.detail
    done = CliRunner().invoke(cli, ["--project", str(paper.root), "run", "broken", "--run", "tiny"])
    assert done.exit_code == 1 and "something is wrong" in done.output and note.is_file()
    edit(paper.analyses / "broken.py", "something is wrong", "something else is wrong")
    (changed,) = [one for one in bring_up_to_date(paper, "tiny", "run") if one.run == "tiny"]
    assert "something else is wrong" in changed.detail
    edit(paper.analyses / "broken.py", "assert layers > 1", "assert layers > 0")
    assert {one.what for one in bring_up_to_date(paper, "tiny", "run")} == {"ran"}
    assert not note.exists() and not failed_notebook(paper, paper.results_dir("tiny", "broken")).exists()


def test_a_kernel_that_died_is_not_started_again(paper: Project) -> None:
    edit(paper.analyses / "broken.py", "assert layers > 1,", "import os; layers > 1 or os._exit(3),")
    (died,) = bring_up_to_date(paper, "tiny", "run")
    assert "its kernel ended" in died.detail
    (again,) = bring_up_to_date(paper, "tiny", "run")
    assert "failed before" in again.detail


def test_what_failed_and_has_results_of_before_stops_a_render(paper: Project) -> None:
    edit(paper.analyses / "broken.py", "assert layers > 1", "assert layers > 2")
    with pytest.raises(AnalysisFailed) as caught:
        render(paper, ["deep"], engine="pandoc")
    assert "results/deep/broken holds older results" in caught.value.message
    assert caught.value.hint.startswith("mechscope run broken --run deep")


def test_where_nothing_succeeds_there_is_no_site(tmp_path: Path) -> None:
    project = build(tmp_path / "project")
    for name in ("heads", "tokens", "good"):
        (project.analyses / f"{name}.py").unlink()
    with pytest.raises(AnalysisFailed, match="something is wrong"):
        render(project, ["tiny"], engine="pandoc")


def test_a_mistyped_key_stops_a_render_with_its_line(paper: Project) -> None:
    article = paper.paper / "articles" / "heads.qmd"
    edit(article, "broken.left_share", "broken.left_shar")
    line = article.read_text().split("left_shar ")[0].count("\n") + 1
    with pytest.raises(UnknownName, match=f"heads.qmd:{line}:.*did you mean 'broken.left_share'"):
        render(paper, ["tiny"], engine="pandoc")
    assert "broken.left_share" in BODY


def test_what_needs_a_failed_analysis_was_not_run(paper: Project) -> None:
    body = 'from mechscope.ledger import Ledger\nLedger("after").statistic("twice", 2, label="Twice")'
    text = script(body, title="Afterwards", parameters="layers = 3", needs=["broken"])
    (paper.analyses / "after.py").write_text(text)
    _, after = bring_up_to_date(paper, "tiny", "run")
    assert failure_warnings([after])[0].startswith("after in run tiny was not run: it needs broken.")
    said = Shelf(paper, "tiny").said(Shelf(paper, "tiny").find("after.twice"))
    assert said == "The analysis Afterwards was not run in this run."


def _cited(run: str, analysis: str, because: str = "") -> SimpleNamespace:
    """A record that a page shows, absent for a reason or there."""
    findings = SimpleNamespace(does_not_apply="")
    found = SimpleNamespace(
        run=run,
        analysis=analysis,
        kind="absent" if because else "statistics",
        absent=bool(because),
        record=SimpleNamespace(because=because),
        source=SimpleNamespace(findings=findings),
    )
    return SimpleNamespace(keyed=found)


def _lines(*cited: SimpleNamespace) -> list[str]:
    shelf = SimpleNamespace(title=lambda run, analysis: analysis.title(), home=lambda analysis: "mine")
    context = SimpleNamespace(run="mine", shelf=shelf, run_title=str.upper)
    return missing_lines(context, list(cited))  # type: ignore[arg-type]


def test_what_is_cited_of_another_run_is_not_called_complete_in_this_one() -> None:
    lines = _lines(_cited("mine", "heads", "one layer"), _cited("theirs", "heads"), _cited("mine", "texts"))
    assert lines == ["Heads: part of it does not apply: one layer.", "Complete: Texts."]


def test_of_many_reasons_the_box_gives_the_first() -> None:
    (line,) = _lines(*(_cited("mine", "heads", f"reason {n}") for n in range(5)))
    assert line == (
        "Heads: part of it does not apply: reason 0; reason 1; and 3 more reasons, each where it is cited."
    )

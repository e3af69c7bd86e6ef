"""The whole of lint, on small projects with one fault each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.cli.lint import has_errors, main_json, main_text
from mechscope.errors import InvalidInput, ModelUnavailable
from mechscope.ledger.schema import Claim, Findings, Inputs, LedgerFile, Statistic, StatisticText, Tolerance
from mechscope.ledger.store import findings_hash, ledger_text
from mechscope.project import Project
from mechscope.review.lint import RULES, Finding, lint, probe
from tests.throwaway import edit, make_project, script

REPOSITORY = Path(__file__).resolve().parents[2]

ANALYSIS = script(
    """
    ledger = Ledger("topics")
    ledger.statistic("t", 0.5, label="Separation")
    ledger.statistic("n", 20, label="Topics")
    for name in ("small", "large"):
        ledger.statistic(f"share_{name}", 0.1, label=f"Share in {name} topics, at most {top_k}")
    ledger.claim("apart", "The topics lie apart.", criterion="t > 0.3")
    ledger.claim("many", "There are more than 10 topics.", criterion="n > 10")

    # %% [markdown]
    # ## What was fixed {.given}
    #
    # All 20 prompts.
    """,
    parameters="seed = 100\ntop_k = 50",
    title="Topics",
    description="How topics lie.",
)
ARTICLE = """\
---
title: Topics
---

## Results

The separation of {{< stat topics.n >}} topics is
as [@smith2020] says. See [the results](#results) and [home](../index.qmd).

::: {.when-claim key=topics.apart is=held}
They lie apart, by {{< stat topics.t >}} and {{< stat topics.share_small >}}.
:::

::: {.when-claim key=topics.apart is="failed,untestable"}
They do not ({{< stat topics.t >}}, {{< stat topics.share_large >}}).
:::

{{< claim topics.many >}}

{{< claim topics.apart >}}
"""
BIBLIOGRAPHY = "@article{smith2020, title = {Topics}, author = {Smith, A.}, year = {2020}}\n"


def write_ledger(
    project: Project,
    run: str,
    t: float,
    *,
    share: float = 0.1,
    ci: tuple[float, float] | None = None,
    tolerance: Tolerance = Tolerance(),  # noqa: B008  (frozen)
) -> None:
    """A ledger of the analysis `topics` in which the claim `apart` holds if `t` is above 0.3.

    Args:
        share, ci, tolerance: Of the statistics `share_small` and `share_large`.
    """

    def statistic(value: Any, **more: Any) -> Statistic:
        text = StatisticText(value=str(value), full=str(value))
        return Statistic(
            label="A label", value=value, text=text, cell="c1", **{"tolerance": Tolerance()} | more
        )

    def claim(criterion: str, outcome: Any, evidence: dict[str, Any]) -> Claim:
        return Claim(sentence="S.", criterion=criterion, outcome=outcome, evidence=evidence, cell="c1")

    findings = Findings(
        statistics={name: statistic(value) for name, value in (("t", t), ("n", 20))}
        | {name: statistic(share, ci=ci, tolerance=tolerance) for name in ("share_small", "share_large")},
        claims={
            "apart": claim("t > 0.3", "held" if t > 0.3 else "failed", {"t": t}),
            "many": claim("n > 10", "held", {"n": 20}),
        },
    )
    ledger = LedgerFile(
        analysis="topics",
        run=run,
        title="Topics",
        inputs=Inputs(parameters={}, script="a", code={}, data={}, models={}, saes={}, needs={}),
        environment={},
        findings=findings,
        sha256=findings_hash(findings),
    )
    folder = project.results_dir(run, "topics")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ledger.json").write_text(ledger_text(ledger), encoding="utf-8")


@pytest.fixture(autouse=True)
def every_number_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here it is tested where numbers are looked for; which of them are results: see `test_lint_corpus`."""
    monkeypatch.setattr(
        probe, "scores", lambda queries, kept=None: [[1.0] * len(spans) for _, spans in queries]
    )


@pytest.fixture
def paper(tmp_path: Path) -> Project:
    """A project in which lint finds nothing; the claim `apart` holds in run `one` and fails in `two`."""
    project = make_project(
        tmp_path / "project",
        scripts={"topics": ANALYSIS},
        files={
            "paper/index.qmd": "---\ntitle: Home\n---\n\nSee [topics](articles/topics.qmd#results).\n",
            "paper/articles/topics.qmd": ARTICLE,
            "paper/references.bib": BIBLIOGRAPHY,
        },
    )
    write_ledger(project, "one", 0.5)
    write_ledger(project, "two", 0.1)
    return project


def add(project: Project, text: str, file: str = "paper/articles/topics.qmd") -> list[Finding]:
    """What lint finds when `text` is put at the end of an article."""
    path = project.root / file
    path.write_text(path.read_text(encoding="utf-8") + f"\n{text}\n", encoding="utf-8")
    return lint(project)


def said(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.text) for finding in findings]


def test_a_sound_project_has_no_findings(paper: Project) -> None:
    assert lint(paper) == []


def test_a_finding_stands_where_its_text_stands(paper: Project) -> None:
    (finding,) = add(paper, "Of all heads, *seventeen* matter.")
    line = (paper.root / finding.file).read_text(encoding="utf-8").splitlines()[finding.line - 1]
    assert finding.file == "paper/articles/topics.qmd"
    assert line[finding.column - 1 :].startswith("seventeen* matter") and finding.text == "seventeen"
    assert "[seventeen]{.given}" in finding.hint


@pytest.mark.parametrize(
    "text",
    [
        "| 17 | a |\n|---|---|\n| b | c |",
        ": A caption with 17 rows {#tbl-x}",
        "![17 bars](../plot.png)",
        '![bars](../plot.png){fig-alt="17 bars"}',
        "A note.^[Of 17 heads.]",
        "> 17 were quoted.",
        "- 17 items",
        "## On 17 heads",
        "## 17 heads",
        "$n = 17$",
    ],
)
def test_numbers_are_found_wherever_prose_can_stand(paper: Project, text: str) -> None:
    (paper.paper / "plot.png").touch()
    assert [finding.text.strip("$n =") for finding in add(paper, text)] == ["17"]


@pytest.mark.parametrize("field", ["title", "subtitle", "abstract", "description"])
@pytest.mark.parametrize(
    "written", ["All 17 heads", '"All 17 heads"', "|\n  All\n\n  of 17 heads", ">-\n  All 17"]
)
def test_numbers_in_front_matter_are_found(paper: Project, field: str, written: str) -> None:
    path = paper.paper / "index.qmd"
    path.write_text(f"---\nauthor: 17 people\n{field}: {written}\ntoc-depth: 3\n---\n", encoding="utf-8")
    (finding,) = lint(paper)
    line = path.read_text(encoding="utf-8").splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith("17") and finding.line > 2


def test_numbers_in_an_analysis_are_found_in_its_texts_but_not_in_its_code(paper: Project) -> None:
    path = paper.analyses / "topics.py"
    edit(
        path,
        "# All 20 prompts.",
        "# All 20 prompts.\n#\n# ## Results\n#\n# Then 17 heads, [3]{.given} layers.\n\n# %%\nx = 4  # 5",
    )
    edit(path, "How topics lie.", "How 18 topics lie.")
    edit(path, 'label="Topics"', 'label="Topics "\n    "(19 of them)"')
    found = lint(paper)
    assert [finding.text for finding in found] == ["18", "19", "17"]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert all(lines[one.line - 1][one.column - 1 :].startswith(one.text) for one in found)


def test_a_record_s_text_may_hold_the_numbers_of_its_code(paper: Project) -> None:
    edit(paper.analyses / "topics.py", "There are more than 10", "There are more than ten")
    assert lint(paper) == []
    edit(paper.analyses / "topics.py", "There are more than ten", "There are more than 11")
    assert said(lint(paper)) == [("numeral", "11")]


@pytest.mark.parametrize(
    ("text", "rule", "message"),
    [
        ("{{< statt topics.t >}}", "shortcode", "unknown shortcode 'statt' — did you mean 'stat'?"),
        ("{{< stat topics.tt >}}", "key", "unknown key 'topics.tt'"),
        ("{{< figure topics.t >}}", "key", "'topics.t' is one of the statistics"),
        ("{{< stat topics.n part=ci >}}", "key", "'topics.n' has no interval."),
        ("{{< include _part.qmd >}}", "key", "unknown file to include '_part.qmd'"),
        ("::: {.when-claim key=topics.many is=hold}\nx\n:::", "key", "unknown outcome 'hold'"),
        ("::: {.when-claim key=topics.few is=failed}\nx\n:::", "key", "unknown key 'topics.few'"),
        ("As @smith2021 says.", "reference", "no bibliography holds 'smith2021' — did you mean 'smith2020'?"),
        ("::: {.when-claim key=topics.many is=held}\nx", "unclosed", "this Div is not closed"),
        ("x\n::: {.when-claim key=topics.many is=held}\ny\n:::", "not-a-div", "this is no Div but text"),
        ("x\n\n:::", "unclosed", "this ::: closes nothing"),
        ("It is {{< stat topics.n", "unclosed", "this shortcode is not closed"),
        ("It is {{< stat topics.n }}.\n\n{{< stat topics.n >}}", "unclosed", "this shortcode is not closed"),
        ("![](../index.qmd)", "alt-text", "says nothing"),
        ('<img src="../index.qmd">', "alt-text", "says nothing"),
        ("[x](other.qmd)", "dead-link", "there is no paper/articles/other.qmd"),
        ("[x](#nowhere)", "dead-link", "has nothing named 'nowhere'"),
        ("[x](../index.qmd#nowhere)", "dead-link", "has nothing named 'nowhere'"),
        ("[x](/paper/nothing.pdf)", "dead-link", "there is no paper/nothing.pdf"),
        ("[x][y]\n\n[y]: gone.html", "dead-link", "there is no paper/articles/gone.html"),
        ('<a href="gone.html">x</a>', "dead-link", "there is no paper/articles/gone.html"),
        ("See @fig-topics-t.", "dead-link", "has nothing named 'fig-topics-t'"),
    ],
)
def test_each_fault_is_found_once_at_its_line(paper: Project, text: str, rule: str, message: str) -> None:
    lines = len(ARTICLE.splitlines()) + 2
    (finding,) = add(paper, text)
    assert (finding.rule, finding.level) == (rule, "error") and message in finding.message
    assert lines <= finding.line <= lines + 2 and finding.hint


@pytest.mark.parametrize(
    "text",
    [
        "[x](topics.html) [x](topics.pdf) [x](/paper/index.qmd)",
        "[x](https://example.org/gone) [x](mailto:a@b.org)",
        "[x](../_generated/one/claims.qmd#runs) [x](../index.qmd) [x](?y)",
        "![A plot](../index.qmd)",
        '![](../index.qmd){fig-alt="A plot"}',
        '<img src="../index.qmd" alt="">',
        "## Named {#sec-named}\n\nSee @sec-named and [x](#sec-named).",
        "`{{< nothing >}}` is {{{< nothing >}}} and `[x](gone.qmd)`",
    ],
)
def test_what_is_sound_is_not_complained_about(paper: Project, text: str) -> None:
    assert [finding for finding in add(paper, text) if finding.rule != "shortcode"] == []


def test_links_of_a_part_are_followed_from_the_pages_that_include_it(paper: Project) -> None:
    (paper.paper / "parts").mkdir()
    part = paper.paper / "parts" / "_part.qmd"
    part.write_text("## In the part\n\n[a](topics.qmd) [b](#results) [c](gone.qmd)\n", encoding="utf-8")
    (finding,) = add(paper, "{{< include ../parts/_part.qmd >}}\n\n[x](#in-the-part)")
    assert (finding.file, finding.text) == ("paper/parts/_part.qmd", "gone.qmd")


def test_a_key_that_only_another_run_lacks_is_a_warning(paper: Project) -> None:
    (paper.results / "two" / "topics" / "ledger.json").rename(paper.root / "kept.json")
    (paper.results / "two" / "other").mkdir()
    write_ledger(paper, "three", 0.5)
    ledger = paper.results / "three" / "topics" / "ledger.json"
    raw = json.loads(ledger.read_text(encoding="utf-8"))
    del raw["findings"]["statistics"]["share_small"]
    raw["sha256"] = findings_hash(Findings.model_validate(raw["findings"]))
    ledger.write_text(json.dumps(raw), encoding="utf-8")
    (finding,) = lint(paper)
    assert (finding.rule, finding.level) == ("key", "warning") and "in run three" in finding.message


def test_an_analysis_that_another_run_lacks_is_one_warning(paper: Project) -> None:
    write_ledger(paper, "three", 0.5)
    (paper.results / "three" / "topics").rename(paper.results / "three" / "other")
    (finding,) = (finding for finding in lint(paper) if finding.rule == "key")
    assert "topics has no results in run 'three' yet" in finding.message
    assert (finding.level, finding.hint) == ("warning", "mechscope run topics --run three")


@pytest.mark.parametrize(
    "text",
    [
        "The separation is {{< stat topics.t >}}.",
        "That they lie apart ({{< claim topics.apart >}}) is no surprise.",
        "::: {.when-claim key=topics.many is=held}\nIt is {{< stat topics.t >}}.\n:::",
        "- as in {{< stat topics.t part=full >}} and {{< stat topics.t >}}",
    ],
)
def test_a_sentence_about_a_claim_that_flips_needs_its_branch(paper: Project, text: str) -> None:
    (finding,) = add(paper, text)
    assert finding.rule == "flipping-claim"
    assert "held in one, failed in two" in finding.message and "key=topics.apart" in finding.hint


@pytest.mark.parametrize(
    "text",
    [
        "In the other run it is {{< stat one:topics.t >}}.",
        "The number is {{< stat topics.n >}}.",
        "| | T |\n|---|---|\n| here | {{< stat topics.t >}} |",
    ],
)
def test_what_cannot_flip_or_is_no_sentence_needs_no_branch(paper: Project, text: str) -> None:
    assert add(paper, text) == []


def test_a_claim_flips_only_between_runs_with_results(paper: Project) -> None:
    write_ledger(paper, "two", 0.4)
    assert add(paper, "The separation is {{< stat topics.t >}}.") == []


def test_a_dropped_branch_is_read_too(paper: Project) -> None:
    text = (
        "::: {.when-claim key=topics.many is=failed}\nOnly 3, {{< stat topics.gone >}}, [x](gone.qmd).\n:::"
    )
    assert {finding.rule for finding in add(paper, text)} == {"numeral", "key", "dead-link"}


def test_records_that_nobody_cites_are_noted_where_they_are_recorded(paper: Project) -> None:
    edit(paper.paper / "articles" / "topics.qmd", "{{< stat topics.share_large >}}", "not shown")
    edit(paper.paper / "articles" / "topics.qmd", "{{< claim topics.many >}}", "")
    found = lint(paper)
    assert [(one.rule, one.level, one.text) for one in found] == [
        ("unused-record", "note", "share_large"),
        ("unused-record", "note", "many"),
    ]
    lines = (paper.analyses / "topics.py").read_text(encoding="utf-8").splitlines()
    assert 'f"share_{name}"' in lines[found[0].line - 1] and '"many"' in lines[found[1].line - 1]
    assert not has_errors(found)


@pytest.mark.parametrize(
    ("share", "ci", "atol", "why"),
    [
        (-0.1, None, 0.1, "in two -0.1 may change by 0.1, to zero or past it"),
        (1, None, 1.0, "in two 1 may change by 1, to zero or past it"),
        (
            0.1,
            (0.09, 0.11),
            0.011,
            "in two 0.1 may change by 0.011, more than half of its interval (0.02 wide)",
        ),
        (0.1, (0.08, 0.12), 0.011, ""),
        (0.1, None, 0.09, ""),
        (0, None, 0.1, ""),
        (0.1, (0.1, 0.1), 0.011, ""),
    ],
)
def test_a_tolerance_that_leaves_nothing_to_verify_is_told(
    paper: Project, share: float, ci: tuple[float, float] | None, atol: float, why: str
) -> None:
    tolerance = Tolerance(atol=atol, because="it varies")
    write_ledger(paper, "two", 0.1, share=share, ci=ci, tolerance=tolerance)
    edit(paper.paper / "articles" / "topics.qmd", "{{< stat topics.share_large >}}", "not shown")
    found = [one for one in lint(paper) if one.rule == "loose-tolerance"]
    if not why:
        assert found == []
        return
    large, small = sorted(found, key=lambda one: one.text)
    assert (large.text, large.level, small.text, small.level) == (
        "share_large",
        "note",
        "share_small",
        "warning",
    )
    assert f"'topics.share_small' leaves little to verify: {why}" in small.message
    assert (
        'f"share_{name}"'
        in (paper.root / small.file).read_text(encoding="utf-8").splitlines()[small.line - 1]
    )


def test_a_tolerance_that_is_as_loose_in_every_run_is_told_once_and_can_be_allowed(paper: Project) -> None:
    for run, t in (("one", 0.5), ("two", 0.1)):
        write_ledger(paper, run, t, tolerance=Tolerance(rtol=1, because="it varies"))
    assert {one.message.partition(": ")[2] for one in lint(paper)} == {
        "in one and two 0.1 may change by 0.1, to zero or past it"
    }
    edit(
        paper.analyses / "topics.py",
        'ledger.statistic(f"share',
        '# lint: allow loose-tolerance because only its size is said\n    ledger.statistic(f"share',
    )
    assert lint(paper) == []


def test_a_record_is_told_of_where_it_is_made_and_not_where_it_does_not_apply(paper: Project) -> None:
    for run, t in (("one", 0.5), ("two", 0.1)):
        write_ledger(paper, run, t, tolerance=Tolerance(rtol=1, because="it varies"))
    script = paper.analyses / "topics.py"
    edit(
        script,
        'for name in ("small", "large"):\n    ledger.statistic(f"share_{name}"',
        'if not ledger:\n    ledger.does_not_apply("none", "share_small")\n'
        'def shares(name):\n    ledger.statistic(name, 0.1, label="Share")\n'
        'shares("share_small")\nfor name in ("small", "large"):\n    ledger.statistic(f"part_{name}"',
    )
    lines = script.read_text(encoding="utf-8").split("\n")
    found = [one for one in lint(paper) if one.rule == "loose-tolerance" and one.text == "share_small"]
    assert [lines[one.line - 1] for one in found] == ['shares("share_small")']


def test_a_claim_that_failed_and_that_no_article_mentions_is_told(paper: Project) -> None:
    article = paper.paper / "articles" / "topics.qmd"
    text = article.read_text(encoding="utf-8")
    article.write_text(
        text[: text.index("::: {.when-claim")] + "{{< claim topics.many >}}\n", encoding="utf-8"
    )
    found = [one for one in lint(paper) if one.rule != "unused-record"]
    assert [(one.rule, one.level, one.text) for one in found] == [("silent-failure", "warning", "apart")]
    assert found[0].message == "the claim 'topics.apart' failed in two, and no article mentions it"
    for mention in ("{{< claim topics.apart >}}", "::: {.when-claim key=topics.apart is=failed}\nNo.\n:::"):
        assert "silent-failure" not in {one.rule for one in add(paper, mention)}
        article.write_text(text[: text.index("::: {.when-claim")], encoding="utf-8")
    assert "silent-failure" in {one.rule for one in add(paper, "<!-- {{< claim topics.apart >}} -->")}


def test_what_a_later_analysis_takes_up_is_used(paper: Project) -> None:
    edit(paper.paper / "articles" / "topics.qmd", "{{< stat topics.share_large >}}", "not shown")
    later = script('x = upstream("topics").statistics["share_large"].value', needs=["topics"])
    (paper.analyses / "later.py").write_text(later, encoding="utf-8")
    assert lint(paper) == []


@pytest.mark.parametrize(
    "text",
    [
        "Of 17 heads. <!-- lint: allow numeral because it is a quotation -->",
        "<!-- lint: allow numeral because it is a quotation -->\nOf 17 heads\nor 18.",
        "<!-- lint: allow numeral because\nit is a quotation -->\n\nOf 17 heads\nor 18.",
        "Some\n<!-- lint: allow dead-link, numeral because both are quoted -->\n17 [x](gone.qmd)",
    ],
)
def test_a_finding_is_allowed_with_a_reason(paper: Project, text: str) -> None:
    assert add(paper, text) == []


def test_allowing_a_number_that_is_taken_for_no_result_is_not_idle(
    paper: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "scores", lambda asked, kept=None: [[-1.0] * len(spans) for _, spans in asked])
    assert add(paper, "Of 17 heads. <!-- lint: allow numeral because it is a quotation -->") == []
    (idle,) = add(paper, "Of heads. <!-- lint: allow numeral because it is a quotation -->")
    assert idle.rule == "allow" and "nothing here needs 'numeral'" in idle.message


def test_a_fraction_in_a_record_s_text_is_explained_by_the_code_s_number(paper: Project) -> None:
    edit(
        paper.analyses / "topics.py", "There are more than 10", "Half of a twentieth of a third: more than 10"
    )
    edit(paper.analyses / "topics.py", 'criterion="n > 10"', 'criterion="n / 2 > 10 * 0.05"')
    assert said(lint(paper)) == [("numeral", "a third")]
    edit(paper.analyses / "topics.py", "of a third: more", "of 0.02: more")
    assert said(lint(paper)) == [("numeral", "0.02")]  # 50 in the code explains a fiftieth in words only


def test_an_allowance_ends_with_its_line_or_paragraph(paper: Project) -> None:
    text = (
        "Of 17 heads. <!-- lint: allow numeral because quoted -->\n18 more.\n\n"
        "<!-- lint: allow numeral because quoted -->\n19\n20\n\n21"
    )
    assert [finding.text for finding in add(paper, text)] == ["18", "21"]


@pytest.mark.parametrize(
    ("comment", "message", "level"),
    [
        ("lint: allow numeral", "says why", "error"),
        ("lint: allow numeral because", "says why", "error"),
        ("lint: allow numerals because so", "unknown rule 'numerals' — did you mean 'numeral'?", "error"),
        ("lint: ignore", "this is not 'lint: allow RULE because …'", "error"),
        ("lint: allow numeral because so", "nothing here needs 'numeral' to be allowed", "warning"),
    ],
)
def test_allowances_that_allow_nothing_are_named(
    paper: Project, comment: str, message: str, level: str
) -> None:
    (finding,) = add(paper, f"<!-- {comment} -->\nText.")
    assert (finding.rule, finding.level) == ("allow", level) and message in finding.message


def test_allowances_work_in_yaml_and_in_an_analysis(paper: Project) -> None:
    edit(
        paper.paper / "index.qmd", "title: Home", "title: All 17  # lint: allow numeral because it is a name"
    )
    edit(
        paper.analyses / "topics.py",
        'label="Topics")',
        'label="17 topics")  # lint: allow numeral because it is a name',
    )
    edit(
        paper.analyses / "topics.py",
        "# All 20 prompts.",
        "# ## Results\n#\n# <!-- lint: allow numeral because it is a name -->\n# 17 heads.",
    )
    assert lint(paper) == []


def test_only_the_files_asked_for_are_read(paper: Project) -> None:
    edit(paper.paper / "index.qmd", "See", "17, see")
    edit(
        paper.paper / "articles" / "topics.qmd",
        "The separation",
        "18, {{< stat topics.gone >}}. The separation",
    )
    assert said(lint(paper, [paper.paper / "index.qmd"])) == [("numeral", "17")]
    readme = paper.root / "README.md"
    readme.write_text("Of 19, [x](gone.md).\n", encoding="utf-8")
    assert said(lint(paper, [readme])) == [("numeral", "19"), ("dead-link", "gone.md")]


@pytest.mark.parametrize(
    "where", ["paper/index.qmd", "paper/articles/_metadata.yml", "_variables.yml", "_quarto.yml"]
)
def test_a_number_that_a_value_from_elsewhere_prints_is_found(paper: Project, where: str) -> None:
    path = paper.root / where
    value = "result:\n  best: 0.87\n  name: none\n"
    if where.endswith(".qmd"):
        edit(path, "title: Home", f"title: Home\n{value.rstrip()}")
        edit(path, "See", "{{< include articles/_part.qmd >}}\n\nSee")
    else:
        path.write_text(
            (path.read_text(encoding="utf-8") if path.is_file() else "") + value, encoding="utf-8"
        )
    name = "var" if where == "_variables.yml" else "meta"
    said_here = (
        f"The best is {{{{< {name} result.best >}}}}.\n\nIt is [{{{{< {name} result.best >}}}}]{{.given}}"
    )
    part = paper.paper / "articles" / "_part.qmd"
    part.write_text(f"{said_here} in {{{{< {name} result.name >}}}}.\n", encoding="utf-8")
    (finding,) = lint(paper)
    assert (finding.rule, finding.text, finding.line) == ("numeral", "0.87", 1) and where in finding.message
    assert finding.file == "paper/articles/_part.qmd"


def test_what_is_included_from_anywhere_is_read(paper: Project) -> None:
    (paper.root / "tables").mkdir()
    (paper.root / "tables" / "heads.txt").write_text("| a | 0.93 |\n|---|---|\n| b | c |\n", encoding="utf-8")
    (finding,) = add(paper, "{{< include /tables/heads.txt >}}")
    assert (finding.file, finding.text, finding.line) == ("tables/heads.txt", "0.93", 1)


@pytest.mark.parametrize("indent", [1, None])
def test_a_notebook_s_text_is_read_where_its_file_holds_it(paper: Project, indent: int | None) -> None:
    def markdown(*lines: str) -> dict[str, Any]:
        return {"cell_type": "markdown", "metadata": {}, "source": [f"{line}\n" for line in lines]}

    cells = [
        markdown("# Heads", "", "Of “all”, 17 do it."),
        {"cell_type": "code", "metadata": {}, "source": ["x = 18"], "outputs": [], "execution_count": None},
        markdown("<!-- lint: allow numeral because quoted -->", '19 heads, "20" layers.'),
    ]
    path = paper.paper / "articles" / "notes.ipynb"
    raw = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=indent)
    path.write_text(raw, encoding="utf-8")
    (finding,) = lint(paper)
    assert (finding.file, finding.text) == ("paper/articles/notes.ipynb", "17")
    if indent:
        assert "17 do it" in raw.splitlines()[finding.line - 1]


def test_files_that_cannot_be_read_are_named(paper: Project) -> None:
    with pytest.raises(InvalidInput, match=r"no file paper/indx.qmd — did you mean 'paper/index.qmd'"):
        lint(paper, [paper.paper / "indx.qmd"])
    with pytest.raises(InvalidInput, match="neither an article"):
        lint(paper, [paper.runs_file])
    (paper.paper / "index.qmd").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="not UTF-8"):
        lint(paper, [paper.paper / "index.qmd"])


def test_a_damaged_ledger_is_named_and_the_rest_is_read(paper: Project) -> None:
    edit(paper.results / "one" / "topics" / "ledger.json", '"value": 20', '"value": 21')
    found = add(paper, "Of 17 heads.")
    assert ("numeral", "17") in said(found)
    (damaged,) = [finding for finding in found if finding.rule == "ledger"]
    assert damaged.file == "results/one/topics/ledger.json" and "--force" in damaged.hint


def test_lines_that_end_as_on_windows_change_no_position(paper: Project) -> None:
    path = paper.paper / "index.qmd"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n17 heads\r\n")
    (finding,) = lint(paper)
    assert (finding.line, finding.column) == (7, 1)


def test_the_report_is_one_line_each_with_hints_and_a_sum() -> None:
    findings = [
        Finding("a.qmd", 1, 2, "numeral", "'17' is typed", "mark it", text="17"),
        Finding("a.qmd", 3, 4, "numeral", "'18' is typed", "mark it", text="18"),
        Finding("b.py", 5, 6, "unused-record", "no article cites it", "cite it", "note"),
    ]
    assert main_text(findings) == (
        "a.qmd:1:2: numeral: '17' is typed\n"
        "a.qmd:3:4: numeral: '18' is typed\n"
        "  → mark it\n"
        "b.py:5:6: unused-record: note: no article cites it\n"
        "  → cite it\n"
        "lint: 2 errors, 1 note"
    )
    assert main_text(
        [
            Finding("a.py", 1, 1, "silent-failure", "x failed", "say so", "warning"),
            *findings[2:],
            Finding("analyses/a.py", 5, 7, "unused-record", "no article cites y", "cite it", "note"),
            *findings[2:],
        ],
        notes=False,
    ) == (
        "a.py:1:1: silent-failure: warning: x failed\n"
        "  → say so\n"
        "unused-record: 3 notes (b 2, a 1)\n"
        "  → each of them:  mechscope lint --notes\n"
        "lint: 1 warning (silent-failure 1), 3 notes"
    )
    assert has_errors(findings) and not has_errors(findings[2:]) and not has_errors([])
    assert main_text([]) == "lint: nothing found"
    assert json.loads(main_json(findings))[0] == {
        "file": "a.qmd",
        "line": 1,
        "column": 2,
        "rule": "numeral",
        "level": "error",
        "message": "'17' is typed",
        "hint": "mark it",
        "text": "17",
    }


def test_lint_loads_nothing_heavy(paper: Project) -> None:
    code = (
        "import sys; from pathlib import Path; from mechscope.project import Project; "
        f"from mechscope.review.lint import lint; lint(Project(Path({str(paper.root)!r}))); "
        "print({'torch', 'transformers', 'pandas', 'altair', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_where_the_judging_model_is_out_of_reach_every_other_rule_is_checked_and_that_is_said(
    paper: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: Any, **__: Any) -> Any:
        raise ModelUnavailable("smollm2-135m could not be fetched.", hint="pip install …")

    monkeypatch.setattr(probe, "scores", unreachable)
    findings = add(paper, "Of all heads, 17 matter. See [it](nowhere.qmd) and {{< stat topics.x >}}.")
    assert {finding.rule for finding in findings} == {"numeral", "dead-link", "key"}
    (unchecked,) = (finding for finding in findings if finding.rule == "numeral")
    assert "were not looked for: smollm2-135m could not be fetched" in unchecked.message
    assert unchecked.hint == "pip install …" and has_errors([unchecked])


def test_the_pre_commit_hooks_run_lint() -> None:
    (shared,) = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (own,) = [hook for repo in config["repos"] for hook in repo["hooks"] if hook["id"] == shared["id"]]
    for hook in (shared, own):
        assert "mechscope lint" in hook["entry"] and hook["language"] == "system"
        assert hook["pass_filenames"] is False
    assert set(RULES) >= {
        "numeral",
        "key",
        "shortcode",
        "alt-text",
        "flipping-claim",
        "dead-link",
        "unused-record",
    }


def test_the_help_names_every_rule() -> None:
    said = CliRunner().invoke(cli, ["lint", "--help"]).output
    assert [rule for rule in RULES if rule not in said] == []

"""Banners, lists of cited numbers, `numbers.json`, Claims × runs."""

from __future__ import annotations

import json
import re

import jsonschema
import pypandoc
import pytest
from pydantic import ValidationError

from mechscope.ledger.schema import Acceptance
from mechscope.ledger.store import ledger_text, read_ledger
from mechscope.project import Project
from mechscope.publish.entrance import write_entrance
from mechscope.publish.pages.document_notes import _days
from mechscope.publish.pages.numbers_json import NumbersFile
from mechscope.publish.prerender import prepare
from mechscope.publish.render import render
from tests.publish.sample_project import (
    HOSTILE,
    sample_findings,
    write_sample_ledger,
    write_sample_verification,
)

RUN, OTHER = "smollm2-135m", "gemma-3-270m"
ARTICLE = "paper/articles/topic-geometry.qmd"


def _documents(project: Project, run: str = RUN) -> dict:
    prepare(project, run, "skip")
    return json.loads((project.generated(run) / "documents.json").read_text())


# Banners ---------------------------------------------------------------------------------------------------


def test_a_banner_counts_each_number_of_the_article_once(sample: Project) -> None:
    banner = _documents(sample)[ARTICLE]["banner"]
    assert banner["verified"] == "numbers not yet confirmed by a rerun"
    assert (banner["date"], banner["state"]) == ("", "none")
    write_sample_verification(sample, RUN)
    banner = _documents(sample)[ARTICLE]["banner"]
    assert (banner["verified"], banner["date"], banner["state"]) == (
        "all 3 numbers confirmed by the authors' own rerun",
        "2026-11-20",
        "all",
    )


def test_a_number_of_a_run_that_nobody_verified_does_not_count(sample: Project) -> None:
    path = sample.root / ARTICLE
    path.write_text(path.read_text() + f"\n{{{{< stat {OTHER}:topic_geometry.centred_max >}}}}\n")
    write_sample_verification(sample, RUN)
    said = "3 of 4 numbers confirmed by the authors' own rerun"
    assert _documents(sample)[ARTICLE]["banner"]["verified"] == said


def test_a_ledger_that_changed_since_it_was_verified_is_not_verified(sample: Project) -> None:
    write_sample_verification(sample, RUN)
    write_sample_ledger(sample, RUN, sample_findings(centred_max=0.43))
    assert _documents(sample)[ARTICLE]["banner"]["state"] == "none"


def test_the_date_is_that_of_the_analysis_where_each_has_its_own(sample: Project) -> None:
    write_sample_verification(sample, RUN, date="2026-11-19")
    assert _documents(sample)[ARTICLE]["banner"]["date"] == "2026-11-19"


def test_reruns_of_several_days_are_dated_by_the_first_and_the_last() -> None:
    assert _days(["2026-11-20", "", "2026-11-18", "2026-11-19"]) == "2026-11-18 to 2026-11-20"


def test_a_banner_tells_what_a_rerun_contradicted_from_what_nobody_ran_again(sample: Project) -> None:
    write_sample_verification(sample, RUN, reproduced=False)
    banner = _documents(sample)[ARTICLE]["banner"]
    assert banner["verified"] == "0 of 3 numbers confirmed by the authors' own rerun, 3 not reproduced"
    assert (banner["date"], banner["state"]) == ("", "none")


def test_a_banner_says_how_many_claims_were_written_after_a_look(sample: Project) -> None:
    assert _documents(sample)[ARTICLE]["banner"]["exploratory"] == "1 of 1 claim exploratory"
    claim = sample_findings().claims["abstraction"]
    entry = {
        "analysis": "topic_geometry",
        "claim": "abstraction",
        "criterion": claim.criterion,
        "sentence": claim.sentence,
        "results_existed": [],
    }
    sample.claims_lock.write_text(json.dumps(entry) + "\n")
    assert _documents(sample)[ARTICLE]["banner"]["exploratory"] == ""


def test_a_banner_offers_the_other_runs_that_have_results(sample: Project) -> None:
    others = _documents(sample)[ARTICLE]["banner"]["others"]
    assert others == [{"run": OTHER, "title": "Gemma 3 270M"}]  # GPT-2 small has none


def test_a_page_that_cites_nothing_has_no_banner(sample: Project) -> None:
    assert "paper/index.qmd" not in _documents(sample)


# The list of cited numbers ---------------------------------------------------------------------------------


def test_cited_numbers_come_once_in_the_order_of_the_text(sample: Project) -> None:
    sections = _documents(sample)["paper/paper.qmd"]["numbers"]
    assert [(one["section"], [row["key"] for row in one["rows"]]) for one in sections] == [
        ("Abstract", ["topic_geometry.centred_max"]),
        ("A measure", ["topic_geometry.topics", "topic_geometry.strange"]),
    ]
    row = sections[0]["rows"][0]
    assert (row["value"], row["interval"], row["p"], row["n"]) == ("0.42", "[0.32, 0.52]", "0.012", "1,900")


# numbers.json ----------------------------------------------------------------------------------------------


def _numbers(project: Project) -> tuple[dict, dict]:
    prepare(project, RUN, "skip")
    folder = project.generated(RUN)
    return json.loads((folder / "numbers.json").read_text()), json.loads(
        (folder / "numbers.schema.json").read_text()
    )


def test_numbers_json_follows_its_schema(sample: Project) -> None:
    numbers, schema = _numbers(sample)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(numbers, schema)
    assert numbers["$schema"] == "numbers.schema.json"
    NumbersFile.model_validate(numbers)
    del numbers["numbers"][0]["tolerance"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(numbers, schema)
    with pytest.raises(ValidationError):
        NumbersFile.model_validate(numbers)


def test_numbers_json_holds_every_statistic_with_what_it_was_found_from(sample: Project) -> None:
    write_sample_verification(sample, RUN)
    numbers, _ = _numbers(sample)
    by_key = {number["key"]: number for number in numbers["numbers"]}
    assert set(by_key) == {f"topic_geometry.{name}" for name in sample_findings().statistics}
    number = by_key["topic_geometry.centred_max"]
    assert (number["value"], number["p"], number["n"]) == (0.42, 0.0123, 1900)
    assert number["interval"]["level"] == 0.95 and number["verified"] == "2026-11-20"
    assert {place["page"] for place in number["cited"]} == {ARTICLE, "paper/paper.qmd"}
    assert by_key["topic_geometry.unmeasured"]["value"] is None
    analysis = numbers["analyses"][number["analysis"]]
    assert analysis["inputs"]["data"] == {"analyses/data/topics.csv": "c" * 64}


def test_numbers_of_other_runs_that_are_cited_say_so(sample: Project) -> None:
    path = sample.root / ARTICLE
    path.write_text(path.read_text() + f"\n{{{{< stat {OTHER}:topic_geometry.centred_max >}}}}\n")
    numbers, _ = _numbers(sample)
    number = next(number for number in numbers["numbers"] if number["run"] == OTHER)
    assert number["key"] == f"{OTHER}:topic_geometry.centred_max"
    assert numbers["analyses"][number["analysis"]]["run"] == OTHER


def test_numbers_json_holds_every_claim_with_what_decided_it(sample: Project) -> None:
    write_sample_verification(sample, RUN)
    numbers, schema = _numbers(sample)
    (claim,) = numbers["claims"]
    record = sample_findings().claims["abstraction"]
    assert claim["key"] == "topic_geometry.abstraction" and claim["outcome"] == "held"
    assert (claim["sentence"], claim["criterion"]) == (record.sentence, record.criterion)
    assert claim["evidence"] == record.evidence and claim["exploratory"] is True
    assert claim["written"].startswith("not in analyses/claims.lock") and claim["verified"] == "2026-11-20"
    assert claim["page"] == "claims.html#topic_geometry.abstraction"
    assert {place["page"] for place in claim["cited"]} == {ARTICLE, "paper/paper.qmd"}
    del claim["criterion"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(numbers, schema)


def test_numbers_json_holds_what_was_accepted_without_a_rerun(sample: Project) -> None:
    assert _numbers(sample)[0]["analyses"]["topic_geometry"]["accepted"] == []
    folder = sample.results_dir(RUN, "topic_geometry")
    accepted = (Acceptance(changed=("pairs.py changed",), because="a new name"),)
    ledger = read_ledger(folder).model_copy(update={"accepted": accepted})
    (folder / "ledger.json").write_text(ledger_text(ledger))
    numbers, schema = _numbers(sample)
    jsonschema.validate(numbers, schema)
    assert numbers["analyses"]["topic_geometry"]["accepted"] == [
        {"changed": ["pairs.py changed"], "because": "a new name", "script": ""}
    ]


# Popovers --------------------------------------------------------------------------------------------------


def test_a_popover_says_the_value_in_full_its_tolerance_and_its_verification(sample: Project) -> None:
    write_sample_ledger(sample, RUN, sample_findings(centred_max=0.4187654321))
    prepare(sample, RUN, "skip")
    popovers = json.loads((sample.generated(RUN) / "popovers.json").read_text())
    lines = dict(popovers["topic_geometry.centred_max"]["lines"])
    assert lines["Rerun"] == "not verified"
    assert lines["Run it yourself"] == "mechscope verify topic_geometry --run smollm2-135m"
    write_sample_verification(sample, RUN)
    prepare(sample, RUN, "skip")
    popovers = json.loads((sample.generated(RUN) / "popovers.json").read_text())
    lines = dict(popovers["topic_geometry.centred_max"]["lines"])
    assert lines["Value"] == "0.42" and lines["In full"] == "0.4187654321"
    assert lines["Tolerance on rerun"].startswith("±0.01% ± 10⁻⁶")
    assert lines["Rerun"] == "verified by the authors' own rerun of 2026-11-20"
    assert dict(popovers["topic_geometry.topics"]["lines"])["Tolerance on rerun"] == "none: exactly the same"
    assert "In full" not in dict(popovers["topic_geometry.topics"]["lines"])


# Claims × runs ---------------------------------------------------------------------------------------------


def _claims(project: Project) -> str:
    prepare(project, RUN, "skip")
    path = project.generated(RUN) / "claims.qmd"
    return pypandoc.convert_file(str(path), "html", format="markdown", extra_args=["--wrap=none"])


def test_claims_by_runs_says_mark_evidence_and_place(sample: Project) -> None:
    table = _claims(sample).split('id="runs"')[1].split("</table>")[0]
    row = next(part for part in table.split("<tr") if "Topics cluster by abstractness" in part)
    held, failed = row.split("<td")[2:4]
    assert ">held<" in held and "exploratory" in held and "0.42" in held
    assert f"{ARTICLE}#claim-topic-geometry-abstraction" in held
    assert ">failed<" in failed and "0.13" in failed
    # The other run's site may not be rendered: the link goes to the list of runs and says what is meant.
    assert 'href="../../../../runs.html#paper-articles-topic-geometry"' in failed
    assert f'data-run="{OTHER}"' in failed
    assert 'data-page="paper/articles/topic-geometry.html#claim-topic-geometry-abstraction"' in failed


def test_claims_by_runs_counts_what_held_and_what_differs(sample: Project) -> None:
    text = _claims(sample)
    assert "1 of 1 held in SmolLM2-135M (1 exploratory); 0 of 1 held in Gemma 3 270M." in text
    assert "1 came out differently" in text


def test_a_claim_that_the_results_of_a_run_do_not_have_is_said_to_be_missing(sample: Project) -> None:
    findings = sample_findings().model_copy(update={"claims": {}})
    write_sample_ledger(sample, OTHER, findings)
    assert "not in the results of this run" in _claims(sample)


# The whole site --------------------------------------------------------------------------------------------


def test_one_rendered_run_has_no_dead_link_to_the_others(sample: Project) -> None:
    render(sample, [RUN], engine="pandoc", mode="skip")
    page = (sample.site / RUN / "paper" / "articles" / "topic-geometry.html").read_text()
    target = re.search(r'href="([^"#]*)#([^"]*)"[^>]*class="ms-other-run"', page)
    assert target is not None
    listing = (sample.site / RUN / "paper" / "articles" / target[1]).resolve()
    assert listing == (sample.site / "runs.html").resolve()
    assert f'id="{target[2]}"' in listing.read_text()
    assert OTHER not in (sample.site / "runs.js").read_text()


def test_the_list_of_runs_names_each_article_with_the_runs_that_have_it(sample: Project) -> None:
    for run, title in ((RUN, "An article"), (OTHER, "An article &lt;2&gt;")):
        for name in ("index", "articles/x"):
            path = sample.site / run / "paper" / f"{name}.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"<title>{title}</title>")
    write_entrance(sample)
    listing = (sample.site / "runs.html").read_text()
    entry = listing.split('id="paper-articles-x"')[1].split("</dd>")[0]
    assert f'href="{RUN}/paper/articles/x.html"' in entry and f'href="{OTHER}/paper/articles/x.html"' in entry
    script = (sample.site / "runs.js").read_text()
    runs = json.loads(script.removeprefix("window.mechscopeRuns = ").partition(";\n")[0])
    assert runs[OTHER] == ["paper/articles/x.html", "paper/index.html"]


def test_a_banner_stands_once_on_the_page_and_in_the_pdf(sample: Project) -> None:
    path = sample.paper / "paper.qmd"
    path.write_text(path.read_text() + "\n# Numbers\n\n::: {.cited-numbers}\n:::\n")
    render(sample, [RUN], engine="pandoc", mode="skip")
    page = (sample.site / RUN / "paper" / "articles" / "topic-geometry.html").read_text()
    assert page.count('class="ms-banner"') == 1 and "numbers not yet confirmed by a rerun" in page
    assert page.count('id="claim-topic-geometry-abstraction"') == 1
    assert 'class="ms-banner"' not in (sample.site / RUN / "paper" / "index.html").read_text()
    assert (sample.site / RUN / "paper" / "paper.pdf").is_file()
    assert (sample.site / RUN / "paper" / "_generated" / RUN / "numbers.json").is_file()
    assert HOSTILE not in page

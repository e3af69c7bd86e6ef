"""Sentences about the model of one run, which the pages of every run would print."""

from __future__ import annotations

from pathlib import Path

import pytest

from mechscope.project import Project
from mechscope.review.lint import Finding, lint
from mechscope.review.lint.models_named import model_names
from tests.review.test_lint import ANALYSIS, write_ledger
from tests.throwaway import make_project

RUNS = """\
default: smollm2-135m
runs:
  smollm2-135m: {title: SmolLM2-135M, parameters: {seed: 1}}
  llama-tiny: {title: Llama 3.2 1B, parameters: {seed: 2}}
  control: {title: Control of SmolLM2-135M, parameters: {seed: 3}}
  mine: {title: mine, parameters: {seed: 4}}
"""


def _paper(root: Path, text: str, runs: str = RUNS, part: str = "") -> Project:
    files = {"paper/topics.qmd": f"---\ntitle: Topics\n---\n\n{text}\n"}
    if part:
        files["paper/_part.qmd"] = f"{part}\n"
    files["paper/plot.png"] = ""
    files["paper/references.bib"] = "@article{smith2020, title = {A}}\n@article{meta2024, title = {B}}\n"
    project = make_project(root, scripts={"topics": ANALYSIS}, runs=runs, files=files)
    for run in ("smollm2-135m", "llama-tiny"):
        write_ledger(project, run, 0.5)
    return project


def _found(project: Project) -> list[Finding]:
    return [finding for finding in lint(project) if finding.rule in ("model-named", "allow")]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SmolLM2's two clusters are the abstract and the concrete topics.", "SmolLM2"),
        ("So they lie apart. In **Llama** they don't.", "Llama"),
        ("We used Llama 3.2\n1B throughout.", "Llama 3.2 1B"),
        ("The run smollm2-135m says otherwise.", "smollm2-135m"),
        ("## What Llama knows", "Llama"),
        ("- an item about SmolLM2-135M", "SmolLM2-135M"),
        ("| SmolLM2 | apart |\n|---|---|\n| x | y |", "SmolLM2"),
        ("![Heads of Llama](plot.png)", "Llama"),
        ('![](plot.png){fig-alt="Heads of Llama"}', "Llama"),
        ("A note.^[Unlike in Llama.]", "Llama"),
        ("The models are SmolLM2-135M-Instruct [@smith2020] and another.", "SmolLM2-135M"),
        ("In Llama it is {{< stat topics.n >}}; not so in the other.", "Llama"),
        ("In Llama it is {{< stat smollm2-135m:topics.n >}}.", "Llama"),
        ("::: {.when-run is-not=smollm2-135m}\nLlama differs.\n:::", "Llama"),
        ("::: {.when-run is=smollm2-135m}\nSo.\n:::\n\nIn SmolLM2 too.", "SmolLM2"),
        ("::: {.when-claim key=topics.apart is=held}\nIn Llama they are apart.\n:::", "Llama"),
    ],
)
def test_prose_of_every_run_names_no_model_of_one(tmp_path: Path, text: str, name: str) -> None:
    project = _paper(tmp_path, text)
    (finding,) = _found(project)
    assert (finding.text, finding.level) == (name, "error")
    line = (project.root / finding.file).read_text().splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith(name.split()[0])
    assert '.when-run is="' in finding.hint and "lint: allow model-named because" in finding.hint


@pytest.mark.parametrize(
    "text",
    [
        "::: {.when-run is=smollm2-135m}\nSmolLM2's clusters are abstract; Llama's are not.\n:::",
        "::: {.when-run is-not='llama-tiny'}\nLlama's weights were not at hand.\n:::",
        "It is so [in SmolLM2]{.when-run is=smollm2-135m}.",
        "## In SmolLM2 {.when-run is=smollm2-135m}\n\nSmolLM2 is small.\n\n### Llama too",
        "In SmolLM2 it is {{< stat smollm2-135m:topics.n >}}, in Llama {{< stat llama-tiny:topics.n >}}.",
        "Others saw it in Llama before us [@smith2020].",
        "Llama [@meta2024] is said to do it [@smith2020].",
        "Mine is better, and the control prompts are mine. Controls of llamas: Llamas, MyLlama, Llama_x.",
        "Call `SmolLM2` or\n\n```bash\nmechscope run --run smollm2-135m # SmolLM2\n```",
        "<!-- SmolLM2 was here -->\n\nSo. [a link](https://e.org/SmolLM2)",
        "This is {{< meta mechscope.title >}}.",
        "<!-- lint: allow model-named because it is the default -->\nWe use SmolLM2-135M by default.",
    ],
)
def test_what_is_true_in_every_run_that_prints_it_may_name_a_model(tmp_path: Path, text: str) -> None:
    assert _found(_paper(tmp_path, text)) == []


def test_a_part_that_only_some_runs_include_may_name_their_model(tmp_path: Path) -> None:
    include = "{{< include _part.qmd >}}"
    text = f"::: {{.when-run is=smollm2-135m}}\n{include}\n:::\n"
    assert _found(_paper(tmp_path / "a", text, part="In SmolLM2 they lie apart.")) == []
    (finding,) = _found(_paper(tmp_path / "b", include, part="In SmolLM2 they lie apart."))
    assert finding.file == "paper/_part.qmd"


def test_a_project_of_one_run_may_name_its_model(tmp_path: Path) -> None:
    runs = "default: smollm2-135m\nruns:\n  smollm2-135m: {title: SmolLM2-135M}\n"
    assert _found(_paper(tmp_path, "SmolLM2 is small.", runs)) == []


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("SmolLM2-135M", {"SmolLM2-135M", "SmolLM2"}),
        ("Gemma 3 270M", {"Gemma 3 270M", "Gemma"}),
        ("GPT-2 small", {"GPT-2 small", "GPT-2"}),
        ("GPT-Neo 125M", {"GPT-Neo 125M", "GPT-Neo"}),
        ("OPT-125m", {"OPT-125m", "OPT"}),
        ("Qwen2.5-0.5B", {"Qwen2.5-0.5B", "Qwen2.5"}),
        ("Pythia 70M deduped", {"Pythia 70M deduped", "Pythia"}),
        ("Small 2-layer model", {"Small 2-layer model"}),
        ("Control run", {"Control run"}),
        ("mine", set()),
    ],
)
def test_a_model_is_known_by_its_title_and_by_the_word_that_tells_it_apart(
    title: str, names: set[str]
) -> None:
    assert set(model_names({"r": title})) == names


def test_in_prose_for_some_runs_a_claim_flips_if_it_does_among_these(tmp_path: Path) -> None:
    text = "::: {.when-run is=%s}\nThe separation is {{< stat topics.t >}}.\n:::"
    for runs, expected in (("smollm2-135m", 0), ("'smollm2-135m llama-tiny'", 1)):
        project = _paper(tmp_path / str(expected), text % runs)
        write_ledger(project, "llama-tiny", 0.1)
        assert [finding.rule for finding in lint(project)].count("flipping-claim") == expected

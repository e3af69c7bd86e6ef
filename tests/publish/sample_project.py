"""A small paper with hand-made ledgers, rendered by the tests of this folder."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from mechscope.files import hash_text
from mechscope.ledger.formatting import statistic_text
from mechscope.ledger.schema import (
    Claim,
    Column,
    Figure,
    Findings,
    Inputs,
    LedgerFile,
    ModelInput,
    Passage,
    Passages,
    Statistic,
    Table,
    Tolerance,
)
from mechscope.ledger.store import findings_hash, ledger_text, read_ledger
from mechscope.pipeline.profiles import write_profile
from mechscope.project import SHARED, Project

REPOSITORY = Path(__file__).resolve().parents[2]

RUNS = """\
default: smollm2-135m
runs:
  smollm2-135m: {title: SmolLM2-135M, parameters: {model: smollm2-135m}}
  gemma-3-270m: {title: Gemma 3 270M, parameters: {model: gemma-3-270m}}
  gpt2-small: {title: GPT-2 small, needs: hub, parameters: {model: gpt2-small}}
"""

SCRIPT = """\
# ---
# title: Topic geometry
# description: How topics lie.
# mechscope: {data: [], models: [model], saes: [], needs: []}
# jupyter: {jupytext: {text_representation: {extension: .py, format_name: percent}}}
# ---

# %% tags=["parameters"]
model = "smollm2-135m"
seed = 0
"""

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="150" viewBox="0 0 300 150">'
    '<rect width="300" height="150" fill="#fff"/><circle cx="80" cy="70" r="30" fill="#4c78a8"/></svg>\n'
)
SPEC = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "data": {"values": [{"x": 1, "y": 2, "topic": "</script><b>bold</b>"}, {"x": 2, "y": 3, "topic": "b"}]},
    "mark": {"type": "point", "tooltip": True},
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
        "color": {"field": "topic", "type": "nominal"},
    },
}

HOSTILE = '<img src=x onerror="alert(1)">'

BODY = """\
## A measure

The highest centred cosine is {{< stat topic_geometry.centred_max >}}, in full
{{< stat topic_geometry.centred_max part=full >}}, over {{< stat topic_geometry.topics >}} topics
(interval {{< stat topic_geometry.centred_max part=ci >}}, {{< stat topic_geometry.centred_max part=p >}},
*n* = {{< stat topic_geometry.centred_max part=n >}}). See @fig-topic-geometry-similarity,
@tbl-topic-geometry-next-tokens, [@park2024]. In code `x = {{< stat topic_geometry.centred_max >}}`, here
$m = {{< stat topic_geometry.topics >}}$. The word is {{< stat topic_geometry.strange >}}. Inline,
{{< claim topic_geometry.abstraction >}}

{{< figure topic_geometry.similarity >}}

{{< table topic_geometry.next_tokens >}}

{{< passages topic_geometry.neuron >}}

{{< claim topic_geometry.abstraction >}}

::: {.when-claim key=topic_geometry.abstraction is=held}
Abstraction **won**, by {{< stat topic_geometry.centred_max >}}.
:::

::: {.when-claim key=topic_geometry.abstraction is="failed untestable"}
Abstraction **lost**.
:::
"""

ARTICLE = (
    """\
---
title: Does a small model represent controversy?
format:
  html: default
  typst: default
---

"""
    + BODY
)

BIBLIOGRAPHY = """\
@article{park2024, title = {The linear representation hypothesis}, author = {Park, Kiho}, year = {2024},
  journal = {ICML}}
"""


def sample_findings(*, centred_max: float = 0.42, outcome: str = "held") -> Findings:
    """One record of each kind, and one of each that is hard to print."""
    tolerance = Tolerance(rtol=1e-4, atol=1e-6, because="float32 reductions")

    def statistic(value, label, spec="", ci=None, p=None, n=None, test="", because=""):
        text = statistic_text(value, spec=spec, unit="", ci=ci, level=0.95, p=p, n=n)
        return Statistic(
            label=label,
            value=value,
            because=because,
            ci=ci,
            n=n,
            p=p,
            test=test,
            format=spec,
            text=text,
            tolerance=tolerance if isinstance(value, float) else Tolerance(),
            cell="c03",
        )

    spec = json.dumps(SPEC)
    return Findings(
        statistics={
            "centred_max": statistic(
                centred_max,
                "Highest mean-centred cosine",
                ".2f",
                (centred_max - 0.1, centred_max + 0.1),
                0.0123,
                1900,
                "label permutation",
            ),
            "topics": statistic(20, "Topics"),
            "strange": statistic(HOSTILE, "A token as the model printed it"),
            "unmeasured": statistic(None, "Not measured", because="no such head in this model"),
        },
        figures={
            "similarity": Figure(
                caption="Cosines of <topics>.",
                alt='Heat map of "cosines"',
                spec_sha256=hash_text(spec),
                svg_sha256=hash_text(SVG),
                tolerance={},
                cell="c04",
            )
        },
        tables={
            "next_tokens": Table(
                caption="Next tokens.",
                key=("topic",),
                columns=(
                    Column(name="topic", label="Topic", kind="str", tolerance=Tolerance()),
                    Column(name="p", label="Probability", kind="float", format=".2f", tolerance=tolerance),
                ),
                rows=(("*war* | peace", 0.25), (HOSTILE, 0.5), ("c", 0.125)),
                text=(("*war* | peace", "0.25"), (HOSTILE, "0.50")),
                cell="c05",
            )
        },
        passages={
            "neuron": Passages(
                caption="Texts that move it.",
                passages=(
                    Passage(
                        tokens=("The", " <b>", '"quoted" \\', "\n", " end"),
                        values=(0.0, 0.5, 1.0, 0.1, -0.7),
                        title="First",
                    ),
                ),
                largest=1.0,
                tolerance=tolerance,
                cell="c06",
            )
        },
        claims={
            "abstraction": Claim(
                sentence="Topics cluster by abstractness, not by controversy.",
                criterion="centred_max > 0.2 and centred_max.p < 0.05",
                outcome=outcome,
                evidence={"centred_max": centred_max, "centred_max.p": 0.0123},
                cell="c07",
            )
        },
    )


def write_sample_ledger(
    project: Project, run: str, findings: Findings, analysis: str = "topic_geometry"
) -> None:
    """Put a ledger, its figures and a notebook in their places."""
    folder = project.results_dir(run, analysis)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    for name in findings.figures:
        (folder / "figures" / f"{name}.vl.json").write_text(json.dumps(SPEC))
        (folder / "figures" / f"{name}.svg").write_text(SVG)
    ledger = LedgerFile(
        analysis=analysis,
        run=run,
        title="Topic geometry",
        description="How topics lie.",
        inputs=Inputs(
            parameters={"model": run, "seed": 0},
            script="a" * 64,
            code={"mechscope/stats.py: mean": "b" * 64},
            data={"analyses/data/topics.csv": "c" * 64},
            models={"model": ModelInput(name=run, sha256="d" * 64)},
            saes={},
            needs={},
        ),
        environment={"torch": "2.13.0"},
        findings=findings,
        sha256=findings_hash(findings),
    )
    (folder / "ledger.json").write_text(ledger_text(ledger))
    (folder / "notebook.ipynb").write_text(json.dumps(_notebook(findings)))


def share_an_analysis(project: Project) -> None:
    """An analysis that reads no model, with results that all runs share."""
    script = SCRIPT.replace("models: [model]", "models: []").replace('model = "smollm2-135m"\n', "")
    (project.analyses / "other.py").write_text(script)
    write_sample_ledger(project, SHARED, sample_findings(), "other")


def write_sample_verification(project: Project, run: str, **entry: Any) -> None:
    """What a rerun of topic_geometry in `run` said: that it was reproduced, unless `entry` says otherwise."""
    sha256 = read_ledger(project.results_dir(run, "topic_geometry")).sha256
    whole = {"date": "2026-11-20", "ledger": sha256, "reproduced": True, **entry}
    content = {"date": "2026-11-21", "analyses": {"topic_geometry": whole}}
    (project.results / run / "verification.json").write_text(json.dumps(content))


def _notebook(findings: Findings) -> dict:
    def output(name: str) -> dict:
        html = f'<div class="ms-record" id="record-{name}">record {name}</div>'
        return {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/html": html, "text/plain": name},
        }

    front = {
        "cell_type": "raw",
        "id": "c00",
        "metadata": {},
        "source": ["---\n", "title: Topic geometry\n", "description: How topics lie.\n", "---"],
    }
    code = [
        {
            "cell_type": "code",
            "id": f"c{i:02d}",
            "metadata": {},
            "execution_count": None,
            "source": f"ledger.statistic({name!r}, value)",
            "outputs": [output(name)],
        }
        for i, name in enumerate(findings.names, start=1)
    ]
    text = {
        "cell_type": "markdown",
        "id": "cmd",
        "metadata": {},
        "source": ["# Methods\n", "\n", "What was *done*."],
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": [front, text, *code], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def build_sample(root: Path) -> Project:
    """A whole project: the repository's own Quarto files, one article, one paper, and two runs' results."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(REPOSITORY / "_extensions", root / "_extensions")
    shutil.copytree(REPOSITORY / "paper" / "assets", root / "paper" / "assets")
    (root / "results").mkdir()
    shutil.copy(REPOSITORY / "results" / "_metadata.yml", root / "results")
    # Of the repository's navigation only what the sample has: it has one article.
    configuration = (REPOSITORY / "_quarto.yml").read_text()
    others = r"      - text: [^\n]+\n        href: paper/articles/(?!topic-geometry)[^\n]+\n"
    (root / "_quarto.yml").write_text(re.sub(others, "", configuration))
    for hook in ("prerender.py", "postrender.py"):
        shutil.copy(REPOSITORY / "paper" / hook, root / "paper")
    project = Project(root)
    (root / "mechscope").mkdir()  # a folder with the extension's name, as in the repository
    (root / "analyses").mkdir()
    project.runs_file.write_text(RUNS)
    (project.analyses / "topic_geometry.py").write_text(SCRIPT)
    for run in ("smollm2-135m", "gemma-3-270m", "gpt2-small"):
        write_profile(project, run, run)
    write_sample_ledger(project, "smollm2-135m", sample_findings())
    write_sample_ledger(project, "gemma-3-270m", sample_findings(centred_max=0.13, outcome="failed"))
    (project.paper / "articles").mkdir()
    (project.paper / "index.qmd").write_text(
        "---\ntitle: A paper\nformat: html\n---\n\nSee [the article](articles/topic-geometry.qmd).\n"
    )
    (project.paper / "articles" / "topic-geometry.qmd").write_text(ARTICLE)
    (project.paper / "paper.qmd").write_text(
        "---\ntitle: The paper\nformat: typst\n"
        "abstract: |\n  It is {{< stat topic_geometry.centred_max >}}.\n---\n"
        "\n# Controversy\n\n"
        + BODY.replace("## A measure", "## A measure {#sec-measure}\n\nSee @sec-measure.")
    )
    (project.paper / "references.bib").write_text(BIBLIOGRAPHY)
    return project

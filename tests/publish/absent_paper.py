"""A paper on two models, of which one lacks what some analyses need; and an analysis that fails on it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mechscope.pipeline.profiles import write_profile
from mechscope.project import Project
from tests.publish.sample_project import REPOSITORY
from tests.throwaway import make_project, script

RUNS = {
    "default": "deep",
    "runs": {
        "deep": {"title": "Deep", "parameters": {"layers": 2}},
        "tiny": {"title": "Tiny", "parameters": {"layers": 1}},
    },
}
CHART = """
import altair as alt
chart = alt.Chart(alt.Data(values=[{"x": 1, "y": 2}, {"x": 2, "y": 3}])).mark_point().encode(
    x=alt.X("x:Q", title="x"), y=alt.Y("y:Q", title="y"))
"""
WHOLE = f"""
from mechscope.ledger import Ledger, Passage
ledger = Ledger("heads")
ledger.statistic("n_layers", layers, label="Layers")
if layers < 2:
    ledger.does_not_apply(f"a head that reads another one needs two layers, and this model has {{layers}}.")
# %%
import pandas as pd{CHART}
ledger.statistic("score", 0.5, format=".2f", ci=(0.4, 0.6), label="Induction score")
ledger.figure("curve", chart, caption="The curve of heads.", alt="A curve")
ledger.table("best", pd.DataFrame({{"head": ["a"], "score": [0.5]}}), key="head", caption="The best heads.")
ledger.passages("texts", [Passage.of(["a", "b"], [0.1, 0.2])], caption="Texts that it reads.")
ledger.claim("copies", "A head copies.", criterion="score > 0.4")
"""
PART = """
from mechscope.ledger import Ledger
ledger = Ledger("tokens")
ledger.statistic("found", 3 if layers > 1 else 2, label="Tokens found")
if layers < 2:
    ledger.does_not_apply("' Paris' is not one token of its vocabulary", "rank")
else:
    ledger.statistic("rank", 4, label="Rank of Paris")
ledger.claim("early", "Paris comes early.", criterion="rank < 5")
ledger.claim("some", "Some tokens are found.", criterion="found > 1")
"""
FAILS = """
from mechscope.ledger import Ledger
ledger = Ledger("broken")
assert layers > 1, "something is wrong"
# %%
for name in ["left", "right"]:
    ledger.statistic(f"{name}_share", 0.25, format=".0%", label=f"Share of {name}")
ledger.claim("even", "The shares are even.", criterion="left_share == right_share")
"""
GOOD = """
from mechscope.ledger import Ledger
ledger = Ledger("good")
ledger.statistic("layers", layers, label="Layers")
ledger.claim("any", "There are layers.", criterion="layers > 0")
"""
SCRIPTS = {
    "heads": script(WHOLE, title="Induction heads", parameters="layers = 3"),
    "tokens": script(PART, title="Tokens of cities", parameters="layers = 3"),
    "broken": script(FAILS, title="Shares", parameters="layers = 3"),
    "good": script(GOOD, title="Layers", parameters="layers = 3"),
}
BODY = """\
The score is {{< stat heads.score >}}, in full {{< stat heads.score part=full >}}, as @fig-heads-curve and
@tbl-heads-best show. In code `x = {{< stat heads.score >}}`. The rank is {{< stat tokens.rank >}} of
{{< stat tokens.found >}}, and {{< stat broken.left_share >}} lies left. There are {{< stat good.layers >}}
layers. Inline, {{< claim tokens.early >}}

{{< figure heads.curve >}}

{{< table heads.best >}}

{{< passages heads.texts >}}

{{< claim heads.copies >}}

{{< claim broken.even >}}

{{< claim good.any >}}

::: {.when-claim key=broken.even is=untestable}
Nobody could tell whether they are even.
:::

::: {.when-claim key=broken.even is="held failed"}
Somebody could tell.
:::
"""
NUMBERS = "\n## Numbers\n\n::: {.cited-numbers}\n:::\n\n## Claims\n\n::: {.cited-claims}\n:::\n"


def build(root: Path) -> Project:
    """The project, with nothing run."""
    about = "\nmechscope:\n  written-about: [deep]\n"
    configuration = (REPOSITORY / "_quarto.yml").read_text(encoding="utf-8")
    others = r"      - text: [^\n]+\n        href: paper/articles/[^\n]+\n"
    configuration = re.sub(
        others, "", configuration.replace("smollm2-135m", "deep").replace("gemma-3-270m", "tiny")
    )
    configuration = re.sub(r"\nmechscope:\n(?:  [^\n]*\n)+", "\n", configuration.replace(", gpt2-small", ""))
    front = "---\ntitle: Heads and tokens\nformat:\n  html: default\n  typst: default\n---\n\n"
    project = make_project(
        root,
        scripts=SCRIPTS,
        runs=RUNS,
        files={
            "_quarto.yml": configuration + about,
            "paper/index.qmd": "---\ntitle: A paper\nformat: html\n---\n\nSee [it](articles/heads.qmd).\n",
            "paper/articles/heads.qmd": front + BODY,
            "paper/paper.qmd": "---\ntitle: The paper\nformat: typst\n---\n\n# Heads\n\n" + BODY + NUMBERS,
            "paper/references.bib": "@misc{park2024, title = {A title}, author = {Park, Kiho}}\n",
        },
    )
    shutil.copytree(REPOSITORY / "_extensions", root / "_extensions")
    shutil.copytree(REPOSITORY / "paper" / "assets", root / "paper" / "assets")
    for hook in ("prerender.py", "postrender.py"):
        shutil.copy(REPOSITORY / "paper" / hook, root / "paper")
    (root / "results").mkdir()
    shutil.copy(REPOSITORY / "results" / "_metadata.yml", root / "results")
    for run in RUNS["runs"]:
        write_profile(project, run, run.title())
    return project

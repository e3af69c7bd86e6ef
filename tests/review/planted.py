"""A small project with every kind of record and of input, executed once, for faults to be planted in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from mechscope.files import hash_file
from mechscope.ledger.schema import LedgerFile
from mechscope.ledger.store import LEDGER_NAME, figure_files, findings_hash, ledger_text
from mechscope.project import Project
from tests.throwaway import make_project, script

EVERYTHING = script(
    """
    import csv
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from safetensors.numpy import load_file

    from _scale import SCALE
    from mechscope.ledger import Close, Ledger, Passage
    from mechscope.models.registry import find_model

    ledger = Ledger("everything")
    weights = load_file(find_model(model).folder / "model.safetensors")["w"]
    with Path("data/prompts.csv").open() as file:
        prompts = [row["prompt"] for row in csv.DictReader(file)]
    print("read", len(prompts), "prompts")
    draws = np.random.default_rng(seed).normal(size=100)

    # %% [markdown]
    # # What is planted here

    # %%
    lengths = [len(prompt) * SCALE for prompt in prompts]
    ledger.statistic("longest", max(lengths), label="Longest prompt")
    ledger.statistic("weight", float(weights.sum()), label="Sum of the weights", format=".4f")
    ledger.statistic("drawn", float(draws.mean()), label="Mean of the draws", format=".3f",
                     ci=(float(draws.min()), float(draws.max())), p=0.25, test="sign", resamples=100)
    ledger.statistic("loose", 0.5, label="Known to vary", tolerance=Close(atol=0.1, because="a border"))
    ledger.claim("positive", "The weights sum to more than nothing.", criterion="weight > 0")
    frame = pd.DataFrame({"prompt": prompts, "length": lengths, "share": [n / 7 for n in lengths]})
    ledger.table("prompts", frame, key="prompt", caption="Prompts.")
    ledger.passages("texts", [Passage(tokens=("a", "b"), values=(0.25, 0.75))], caption="Texts.")

    class Bars:
        def to_dict(self):
            return {
                "$schema": "https://vega.github.io/schema/vega-lite/v6.1.0.json",
                "data": {"values": [{"x": "one", "y": 0.5}, {"x": "two", "y": 0.25}]},
                "mark": "bar",
                "encoding": {"x": {"field": "x"}, "y": {"field": "y", "type": "quantitative"}},
            }

    ledger.figure("bars", Bars(), caption="Two bars.", alt="Two bars of different height")
    """,
    title="Everything",
    parameters='seed = 0\nmodel = "./model"',
    data=["data/prompts.csv"],
    models=["model"],
)
AFTER = script(
    """
    from mechscope.ledger import Ledger, upstream

    ledger = Ledger("after")
    longest = upstream("everything").statistics["longest"].value
    ledger.statistic("doubled", 2 * longest, label="Twice the longest")
    """,
    title="After",
    needs=["everything"],
)
ARTICLE = """\
---
title: An article
---

The longest has {{< stat everything.longest >}} letters, and twice that is {{< stat after.doubled >}}.
"""


def save_weights(folder: Path, value: float) -> None:
    """A model in a folder, as small as one can be."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text('{"architectures": ["Tiny"], "hidden_size": 2}')
    save_file({"w": np.full(4, value, dtype=np.float32)}, folder / "model.safetensors")


def plant(root: Path) -> Project:
    """The project, not run yet."""
    project = make_project(
        root,
        scripts={"everything": EVERYTHING, "after": AFTER},
        files={
            "analyses/data/prompts.csv": "prompt\nWar is\nPeace is\n",
            "analyses/_scale.py": "SCALE = 1\n",
            "paper/article.qmd": ARTICLE,
        },
    )
    save_weights(root / "model", 0.25)
    return project


def folder_of(project: Project) -> Path:
    return project.results_dir("one", "everything")


def edit_ledger(project: Project, edit: Callable[[dict[str, Any]], None], *, mend: bool) -> None:
    """Change the findings in a committed ledger by hand.

    Args:
        edit: Changes the ledger's `findings`, as JSON.
        mend: Also put right the hash of the findings, as a careful forger would.
    """
    path = folder_of(project) / LEDGER_NAME
    raw = json.loads(path.read_text(encoding="utf-8"))
    edit(raw["findings"])
    ledger = LedgerFile.model_validate(raw)
    if mend:
        ledger = ledger.model_copy(update={"sha256": findings_hash(ledger.findings)})
    path.write_text(ledger_text(ledger), encoding="utf-8")


def edit_figure(project: Project, old: str, new: str, *, mend: bool, svg: bool = False) -> None:
    """Change the specification (or the picture) of the figure by hand."""
    file = figure_files(folder_of(project), "bars")[svg]
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    if mend:
        field = "svg_sha256" if svg else "spec_sha256"

        def right(findings: dict[str, Any]) -> None:
            findings["figures"]["bars"][field] = hash_file(file)

        edit_ledger(project, right, mend=True)

"""One project, executed once; tests that change something work on a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mechscope.pipeline.schedule import Order, run_analyses
from mechscope.project import Project
from tests.throwaway import commit, copy_of, make_project, script

SOURCE = script(
    """
    import csv
    import sys
    from pathlib import Path

    from _shared import doubled
    from mechscope.ledger import Ledger

    ledger = Ledger("source")
    print("on stderr", file=sys.stderr)

    # %% [markdown]
    # The numbers, added up.

    # %%
    with Path("data/numbers.csv").open() as file:
        numbers = [float(row["x"]) for row in csv.DictReader(file)]
    ledger.statistic("total", doubled(sum(numbers)) + seed, label="Twice the sum")
    ledger.statistic("count", len(numbers), label="How many")
    print("added", len(numbers))
    """,
    title="Source",
    data=["data/numbers.csv"],
)
DERIVED = script(
    """
    from mechscope.ledger import Ledger, upstream

    ledger = Ledger("derived")
    total = upstream("source").statistics["total"].value
    ledger.statistic("scaled", total * scale, label="Scaled total")
    """,
    title="Derived",
    parameters="scale = 10.0",
    needs=["source"],
)
APART = script(
    """
    from mechscope.ledger import Ledger

    ledger = Ledger("apart")

    # %%
    class Bars:
        def to_dict(self):
            return {
                "$schema": "https://vega.github.io/schema/vega-lite/v6.1.0.json",
                "data": {"values": [{"x": 1, "y": 2}, {"x": 2, "y": seed + 1}]},
                "mark": "bar",
                "encoding": {"x": {"field": "x"}, "y": {"field": "y", "type": "quantitative"}},
            }

    # %%
    ledger.statistic("seed", seed, label="The seed")
    ledger.figure("bars", Bars(), caption="Two bars.", alt="Two bars of different height")
    ledger.claim("seeded", "The seed is positive.", criterion="seed > 0")
    """,
    title="Apart",
)
SHARED = '"""Shared."""\n\n\ndef doubled(x):\n    """Twice x."""\n    return 2 * x\n'


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three analyses (`derived` needs `source`, `apart` none) with results in run `one`, committed."""
    project = make_project(
        tmp_path_factory.mktemp("executed") / "project",
        scripts={"source": SOURCE, "derived": DERIVED, "apart": APART},
        files={"analyses/data/numbers.csv": "x\n1\n2\n", "analyses/_shared.py": SHARED},
        git=True,
    )
    outcomes = run_analyses(project, Order())
    assert {outcome.analysis: outcome.what for outcome in outcomes} == dict.fromkeys(
        ("source", "derived", "apart"), "ran"
    ), outcomes
    commit(project.root)
    return project


@pytest.fixture
def project(executed: Project, tmp_path: Path) -> Project:
    """A copy of the executed project."""
    return copy_of(executed, tmp_path / "project")

"""One number, followed from where it is recorded to the page, and from the page back to its code and data."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mechscope.cli import cli
from mechscope.project import Project
from tests.throwaway import add_site, edit, make_project, script

HEIGHTS = [171.5, 168.25, 180.0, 159.75, 175.5, 166.0, 182.25, 170.5]
BODY = """
import pandas as pd

from mechscope.data.prompts import analysis_file
from mechscope.ledger import Ledger
from mechscope.stats.estimates import Draws

ledger, draws = Ledger("people"), Draws(seed, 500)
heights = pd.read_csv(analysis_file("data/heights.csv"))["height"].to_numpy()
ledger.statistic("height", draws.mean("heights", heights), "Mean height", unit="cm", format=".1f")
ledger.claim("tall", "People are taller than 150 cm.", criterion="height.low > 150")
"""
ARTICLE = """---
title: People
---

They are {{< stat people.height part=full >}} tall.
"""
PAGE = "paper/articles/people"


def mechscope(project: Project, *arguments: str) -> Result:
    done = CliRunner().invoke(cli, ["--project", str(project.root), *arguments])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A paper of one analysis and one article, rendered."""
    data = "height\n" + "".join(f"{height}\n" for height in HEIGHTS)
    project = make_project(
        tmp_path_factory.mktemp("whole") / "p",
        scripts={"people": script(BODY, title="People", data=["data/heights.csv"])},
        files={"analyses/data/heights.csv": data, f"{PAGE}.qmd": ARTICLE},
    )
    add_site(project)
    mechscope(project, "render", "--engine", "pandoc")
    return project


def expected() -> tuple[float, float, float]:
    """The mean and its interval, from the definition: seeded by name, resampled, percentiles."""
    import zlib

    rng = np.random.default_rng([0, zlib.crc32(b"heights")])
    weights = rng.multinomial(len(HEIGHTS), np.full(len(HEIGHTS), 1 / len(HEIGHTS)), 500)
    low, high = np.quantile(weights @ np.array(HEIGHTS) / len(HEIGHTS), [0.025, 0.975])
    return float(np.mean(HEIGHTS)), float(low), float(high)


def test_the_ledger_holds_what_the_definition_gives(paper: Project) -> None:
    ledger = json.loads((paper.root / "results/one/people/ledger.json").read_text())
    recorded = ledger["findings"]["statistics"]["height"]
    assert [recorded["value"], *recorded["ci"]] == pytest.approx(expected())
    assert (recorded["n"], recorded["resamples"]) == (8, 500)


def test_the_page_prints_it_and_links_to_its_entry_and_its_entry_to_its_cell(paper: Project) -> None:
    value, low, high = expected()
    site = paper.root / "_site" / "one"
    page = site / f"{PAGE}.html"
    html = page.read_text("utf-8")
    link = re.search(r'<a href="([^"]+)"[^>]*class="ms-stat" data-ms="([^"]*)"[^>]*>(.*?)</a>', html)
    assert link, "the article shows no number"
    printed = unescape(link[3]).replace("\xa0", " ")
    assert printed == f"{value:.1f} cm (95% CI [{low:.1f}, {high:.1f}], n = 8)"

    numbers, anchor = link[1].split("#")
    entry = (page.parent / numbers).resolve().read_text("utf-8")
    assert f'id="{anchor}"' in entry and anchor == "people.height"
    assert str(value) in entry

    notebook, record = json.loads(unescape(link[2]))["code"].split("#")
    cell = (page.parent / notebook).resolve().read_text("utf-8")
    assert f'id="{record}"' in cell
    assert "draws.mean" in re.sub(r"<[^>]+>", "", cell), "the notebook shows the code that measured it"


def test_machines_read_the_same_number(paper: Project) -> None:
    numbers = next((paper.root / "_site" / "one").rglob("numbers.json")).read_text("utf-8")
    value, low, high = expected()
    rows = [row for row in json.loads(numbers)["numbers"] if row["key"] == "people.height"]
    assert len(rows) == 1 and len(rows[0]["cited"]) == 1
    interval = rows[0]["interval"]
    assert [rows[0]["value"], interval["low"], interval["high"]] == pytest.approx([value, low, high])


def test_from_the_line_of_the_article_back_to_script_and_data(paper: Project) -> None:
    line = 1 + ARTICLE[: ARTICLE.index("{{<")].count("\n")
    from_page = mechscope(paper, "trace", f"{PAGE}.qmd:{line}").output
    assert "people.height" in from_page
    back = mechscope(paper, "trace", "people.height").output
    source = (paper.root / "analyses/people.py").read_text().split("\n")
    statistic = 1 + next(at for at, text in enumerate(source) if "ledger.statistic" in text)
    first, last = map(int, re.search(r"analyses/people\.py:(\d+)-(\d+)", back).groups())  # type: ignore[union-attr]
    assert first <= statistic <= last
    assert "analyses/data/heights.csv" in back and f"{PAGE}.qmd:{line}" in back


def test_a_rerun_reproduces_it_and_changed_data_make_it_stale(paper: Project, tmp_path: Path) -> None:
    copy = Project(shutil.copytree(paper.root, tmp_path / "p"))
    assert "REPRODUCED" in mechscope(copy, "verify", "people").output.upper()
    edit(copy.root / "analyses/data/heights.csv", "171.5", "271.5")
    status = mechscope(copy, "status").output
    assert "analyses/data/heights.csv changed" in status

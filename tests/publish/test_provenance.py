"""The graph from data to articles: as data, as text, and drawn."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

from mechscope.articles.sources import shortcodes_in
from mechscope.ledger.store import ledger_text, load_ledger
from mechscope.project import Project
from mechscope.publish.prerender import prepare
from mechscope.publish.provenance import as_dot, as_json, as_text, build_graph
from tests.publish.sample_project import HOSTILE, sample_findings, write_sample_ledger

RUN, OTHER = "smollm2-135m", "gemma-3-270m"
ARTICLE = "paper/articles/topic-geometry.qmd"
SVG = "{http://www.w3.org/2000/svg}"


def _graph(project: Project, run: str = RUN):
    return build_graph(project, run, shortcodes_in(project))


def _drawings(project: Project) -> list[ElementTree.Element]:
    prepare(project, RUN, "skip")
    page = (project.generated(RUN) / "graph.qmd").read_text()
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_every_number_has_a_way_from_data_to_the_articles_that_show_it(sample: Project) -> None:
    graph = _graph(sample)
    record = f"record:{RUN}/topic_geometry.centred_max"
    analysis = f"analysis:{RUN}/topic_geometry"
    assert [edge.source for edge in graph.into(record)] == [analysis]
    assert {edge.source for edge in graph.into(analysis)} == {
        "data:analyses/data/topics.csv",
        f"model:{RUN}",
    }
    shown = {edge.target for edge in graph.articles_of(record)}
    assert shown == {f"article:{ARTICLE}", "article:paper/paper.qmd"}
    records = {node.label for node in graph.of_kind("record")}
    assert records == {f"topic_geometry.{name}" for name in sample_findings().names}


def test_a_claim_depends_on_the_statistics_that_its_criterion_reads(sample: Project) -> None:
    graph = _graph(sample)
    claim = f"record:{RUN}/topic_geometry.abstraction"
    sources = [edge.source for edge in graph.into(claim)]
    assert sources == [f"analysis:{RUN}/topic_geometry", f"record:{RUN}/topic_geometry.centred_max"]
    assert [node.id for node in graph.claims_of(sources[1])] == [claim]
    line = next(line for line in as_text(graph).splitlines() if "topic_geometry.centred_max" in line)
    assert line.endswith("; decides abstraction")
    (drawing,) = _drawings(sample)
    arcs = [path for path in drawing.iter(f"{SVG}path") if "ms-graph-decides" in path.get("class", "")]
    assert len(arcs) == 1


def test_what_no_article_shows_leads_nowhere(sample: Project) -> None:
    assert _graph(sample).out_of(f"record:{RUN}/topic_geometry.unmeasured") == []


def test_a_dropped_branch_is_no_way(sample: Project) -> None:
    path = sample.root / ARTICLE
    path.write_text(
        "---\ntitle: X\n---\n\n::: {.when-claim key=topic_geometry.abstraction is=failed}\n"
        "{{< stat topic_geometry.topics >}}\n:::\n"
    )
    record = "topic_geometry.topics"
    assert f"article:{ARTICLE}" not in {
        edge.target for edge in _graph(sample).out_of(f"record:{RUN}/{record}")
    }
    other = _graph(sample, OTHER).out_of(f"record:{OTHER}/{record}")
    assert f"article:{ARTICLE}" in {edge.target for edge in other}


def test_a_cited_number_of_another_run_comes_with_its_own_analysis(sample: Project) -> None:
    path = sample.root / ARTICLE
    path.write_text(path.read_text() + f"\n{{{{< stat {OTHER}:topic_geometry.centred_max >}}}}\n")
    graph = _graph(sample)
    assert graph.node(f"analysis:{OTHER}/topic_geometry").label == f"{OTHER}:topic_geometry"
    assert graph.node(f"record:{OTHER}/topic_geometry.centred_max").detail == "0.13"


def test_a_needed_analysis_leads_to_the_one_that_needs_it(sample: Project) -> None:
    write_sample_ledger(sample, RUN, sample_findings(), "second")
    ledger = load_ledger(sample.results_dir(RUN, "second"))
    inputs = ledger.inputs.model_copy(update={"needs": {"topic_geometry": "e" * 64}})
    needing = ledger_text(ledger.model_copy(update={"inputs": inputs}))
    (sample.results_dir(RUN, "second") / "ledger.json").write_text(needing)
    graph = _graph(sample)
    sources = {edge.source for edge in graph.into(f"analysis:{RUN}/second")}
    assert f"analysis:{RUN}/topic_geometry" in sources
    assert len([node for node in graph.nodes if node.id == f"analysis:{RUN}/topic_geometry"]) == 1


def test_as_text_it_names_the_lines(sample: Project) -> None:
    text = as_text(_graph(sample))
    line = next(line for line in text.splitlines() if "topic_geometry.centred_max" in line)
    assert f"0.42       → {ARTICLE}:10,11" in line
    assert "cited nowhere" in next(line for line in text.splitlines() if "unmeasured" in line)


def test_as_json_it_can_be_read_again(sample: Project) -> None:
    graph = _graph(sample)
    read = json.loads(as_json(graph))
    assert read["run"] == RUN and len(read["nodes"]) == len(graph.nodes)
    ids = {node["id"] for node in read["nodes"]}
    assert all({edge["source"], edge["target"]} <= ids for edge in read["edges"])


def test_as_dot_every_text_is_quoted(sample: Project) -> None:
    dot = as_dot(_graph(sample))
    assert HOSTILE.replace('"', '\\"') in dot
    statements = [line for line in dot.splitlines()[2:-1] if line.strip()]
    quoted = r'"(?:[^"\\]|\\.)*"'
    form = re.compile(rf"  {quoted}(?: -> {quoted}| \[label={quoted}, shape=\w+\]);")
    assert [line for line in statements if not form.fullmatch(line)] == []


def test_each_drawing_is_xml_with_a_title_and_a_description(sample: Project) -> None:
    write_sample_ledger(sample, RUN, sample_findings(), "second")
    drawings = _drawings(sample)
    assert len(drawings) == 3  # all analyses, and each of two
    for drawing in drawings:
        named = drawing.get("aria-labelledby", "").split()
        texts = {element.get("id"): element.text for element in drawing if element.get("id")}
        assert len(named) == 2 and all(texts[id] for id in named)


def test_a_drawing_names_every_record_and_keeps_names_apart(sample: Project) -> None:
    (drawing,) = _drawings(sample)
    text = "".join(drawing.itertext())
    assert all(name in text for name in sample_findings().names)
    boxes = [
        tuple(float(rect.get(side, "")) for side in ("x", "y", "width", "height"))
        for rect in drawing.iter(f"{SVG}rect")
    ]
    for number, (x, y, width, height) in enumerate(boxes):
        assert x + width <= float(drawing.get("width", "")) and y + height <= float(drawing.get("height", ""))
        for to_x, to_y, to_width, to_height in boxes[number + 1 :]:
            apart = x + width <= to_x or to_x + to_width <= x or y + height <= to_y or to_y + to_height <= y
            assert apart


def test_a_drawing_links_numbers_claims_figures_and_articles(sample: Project) -> None:
    (drawing,) = _drawings(sample)
    targets = {element.get("href") for element in drawing.iter(f"{SVG}a")}
    assert {
        "numbers.html#topic_geometry.centred_max",
        "claims.html#topic_geometry.abstraction",
        f"../../../results/{RUN}/topic_geometry/notebook.html#record-similarity",
        "../../../paper/articles/topic-geometry.html",
        "../../../paper/paper.pdf",
    } <= targets

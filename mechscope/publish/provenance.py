"""The way of every number as a graph: data and models → analyses → records → articles; statistics → claims.

One run at a time, with what articles cite of others. As text, as DOT, as JSON; `pages/graph.py` draws it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from mechscope.articles.reading_order import cited_by_page
from mechscope.articles.sources import Shortcode
from mechscope.files import stable_json
from mechscope.ledger.schema import KINDS, LedgerFile
from mechscope.pipeline.scripts import need_of
from mechscope.pipeline.shelf import KeyedRecord, Shelf
from mechscope.project import Project

Kind = Literal["data", "model", "autoencoder", "analysis", "record", "article"]


@dataclass(frozen=True)
class Node:
    """One thing in the graph.

    Attributes:
        id: "data:analyses/data/x.csv", "model:smollm2-135m", "analysis:RUN/NAME", "record:RUN/KEY",
            "article:paper/articles/x.qmd".
        label: As a reader knows it: path, name, key within the run, or page.
        detail: A title, or a record's value or outcome, or why the run does not have it.
        record: Which kind of record ("stat", "figure" … "absent"), for a record.
    """

    id: str
    kind: Kind
    label: str
    detail: str = ""
    record: str = ""


@dataclass(frozen=True)
class Edge:
    """`target` depends on `source`; `lines` of the article's sources cite it ("paper/articles/x.qmd:12")."""

    source: str
    target: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """The graph of a run; nodes in the order of their layers, each with its edges."""

    run: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def node(self, id: str) -> Node:
        """The node with this id."""
        return next(node for node in self.nodes if node.id == id)

    def of_kind(self, *kinds: Kind) -> list[Node]:
        """The nodes of some kinds."""
        return [node for node in self.nodes if node.kind in kinds]

    def into(self, id: str) -> list[Edge]:
        """What a node depends on."""
        return [edge for edge in self.edges if edge.target == id]

    def out_of(self, id: str) -> list[Edge]:
        """What depends on a node."""
        return [edge for edge in self.edges if edge.source == id]

    def articles_of(self, id: str) -> list[Edge]:
        """The edges from a record to the articles that show it."""
        return [edge for edge in self.out_of(id) if edge.target.startswith("article:")]

    def claims_of(self, id: str) -> list[Node]:
        """The claims whose criteria read a statistic."""
        return [self.node(edge.target) for edge in self.out_of(id) if edge.target.startswith("record:")]


def build_graph(project: Project, run: str, codes: Sequence[Shortcode], shelf: Shelf | None = None) -> Graph:
    """The graph of `run`.

    Args:
        codes: The shortcodes of all articles; a branch that this run drops cites nothing.
    """
    shelf = shelf or Shelf(project, run)
    shown = cited_by_page(project, shelf, codes)
    cited: dict[tuple[str, str], dict[str, list[str]]] = {}
    foreign: dict[tuple[str, str], KeyedRecord] = {}
    for page, items in shown.items():
        for item in items:
            place = (item.keyed.run, item.keyed.short_key)
            lines = cited.setdefault(place, {}).setdefault(page, [])
            line = f"{item.code.file}:{item.code.line}"
            if line not in lines:
                lines.append(line)
            if not shelf.here(item.keyed):
                foreign[place] = item.keyed
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    records = {(keyed.run, keyed.short_key): keyed for keyed in shelf.records()} | foreign
    for items in shown.values():
        records |= {(item.keyed.run, item.keyed.short_key): item.keyed for item in items if item.keyed.absent}
    ledgers = {(keyed.run, keyed.analysis): keyed.source for keyed in records.values()}
    for place, ledger in ledgers.items():
        target = f"analysis:{'/'.join(place)}"
        for source in _inputs(ledger, shelf) if ledger else ():
            nodes.setdefault(source.id, source)
            edges.append(Edge(source.id, target))
        nodes[target] = Node(target, "analysis", _within(shelf, *place), shelf.title(*place))
    for keyed in records.values():
        id = f"record:{keyed.run}/{keyed.short_key}"
        kind = KINDS[keyed.kind].shortcode or keyed.kind
        nodes[id] = Node(id, "record", shelf.key_of(keyed), _detail(shelf, keyed), kind)
        edges.append(Edge(f"analysis:{keyed.run}/{keyed.analysis}", id))
        for page, lines in cited.get((keyed.run, keyed.short_key), {}).items():
            edges.append(Edge(id, f"article:{page}", tuple(lines)))
    edges += [edge for keyed in records.values() for edge in _evidence(keyed) if edge.source in nodes]
    for page, items in shown.items():
        if items:
            nodes[f"article:{page}"] = Node(f"article:{page}", "article", page)
    layers: list[Kind] = ["data", "model", "autoencoder", "analysis", "record", "article"]
    ordered = sorted(nodes.values(), key=lambda node: layers.index(node.kind))
    return Graph(run, tuple(ordered), tuple(edges))


def _evidence(keyed: KeyedRecord) -> Iterator[Edge]:
    """From each statistic that a claim's criterion reads to the claim."""
    if keyed.kind != "claims":
        return
    analysis = f"record:{keyed.run}/{keyed.analysis}"
    for name in dict.fromkeys(operand.partition(".")[0] for operand in keyed.record.evidence):
        yield Edge(f"{analysis}.{name}", f"{analysis}.{keyed.name}")


def _inputs(ledger: LedgerFile, shelf: Shelf) -> Iterator[Node]:
    for path in sorted(ledger.inputs.data):
        yield Node(f"data:{path}", "data", path)
    for model in ledger.inputs.models.values():
        yield Node(f"model:{model.name}", "model", model.name)
    for sae in ledger.inputs.saes.values():
        yield Node(f"autoencoder:{sae.name}", "autoencoder", sae.name)
    for need in sorted(ledger.inputs.needs):
        run, analysis = need_of(need, ledger.run)
        run = shelf.home(analysis, run)
        yield Node(f"analysis:{run}/{analysis}", "analysis", _within(shelf, run, analysis))


def _within(shelf: Shelf, run: str, name: str) -> str:
    return name if run == shelf.home(name) else f"{run}:{name}"


def _detail(shelf: Shelf, keyed: KeyedRecord) -> str:
    match keyed.kind:
        case "absent":
            return shelf.said(keyed)
        case "statistics":
            return str(keyed.record.text.value)
        case "claims":
            return str(keyed.record.outcome)
        case _:
            return ""


# As text, DOT and JSON -----------------------------------------------------------------------------------


def as_text(graph: Graph) -> str:
    """For a terminal: each analysis with what it is found from, its records, and where each is cited."""
    lines = []
    for analysis in graph.of_kind("analysis"):
        lines.append(f"{analysis.label}  {analysis.detail}".rstrip())
        sources = [graph.node(edge.source) for edge in graph.into(analysis.id)]
        lines += [f"  ← {_noun(node)} {node.label}" for node in sources]
        records = [graph.node(edge.target) for edge in graph.out_of(analysis.id)]
        records = [node for node in records if node.kind == "record"]
        width = max((len(node.label) for node in records), default=0)
        for node in records:
            cited = ", ".join(line for edge in graph.articles_of(node.id) for line in edge.lines)
            decides = ", ".join(claim.label.rpartition(".")[2] for claim in graph.claims_of(node.id))
            shown = f"{node.record:<8} {node.label:<{width}}  {node.detail or '·':<10}"
            lines.append(
                f"  → {shown} {'→ ' + _unique(cited) if cited else 'cited nowhere'}"
                + (f"; decides {decides}" if decides else "")
            )
        lines.append("")
    return "\n".join(lines)


def _noun(node: Node) -> str:
    return "findings of" if node.kind == "analysis" else node.kind


def _unique(cited: str) -> str:
    """The lines once each, those of one file together: "a.qmd:1,5, b.qmd:7"."""
    files: dict[str, list[str]] = {}
    for place in dict.fromkeys(cited.split(", ")):
        file, _, line = place.rpartition(":")
        files.setdefault(file, []).append(line)
    return ", ".join(f"{file}:{','.join(lines)}" for file, lines in files.items())


def as_dot(graph: Graph) -> str:
    """For Graphviz and whatever else reads DOT."""
    shapes = {"analysis": "component", "record": "plaintext", "article": "note"}
    lines = [f"digraph {json.dumps(graph.run)} {{", "  rankdir=LR; node [fontname=sans, fontsize=10];"]
    for node in graph.nodes:
        label = node.label + (f"\n{node.detail}" if node.detail else "")
        shape = shapes.get(node.kind, "folder" if node.kind == "data" else "cylinder")
        lines.append(f"  {_dot(node.id)} [label={_dot(label)}, shape={shape}];")
    lines += [f"  {_dot(edge.source)} -> {_dot(edge.target)};" for edge in graph.edges]
    return "\n".join([*lines, "}", ""])


def _dot(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def as_json(graph: Graph) -> str:
    """Nodes and edges with all their fields."""
    nodes, edges = [asdict(node) for node in graph.nodes], [asdict(edge) for edge in graph.edges]
    return stable_json({"run": graph.run, "nodes": nodes, "edges": edges})

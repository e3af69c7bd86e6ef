"""The page *Graph*: where every number comes from and where it goes, drawn.

One drawing an analysis, in columns from left to right: what it is found from, the analysis, its records in
the order in which articles show them, the articles. Before them, where there are several analyses, one of all
of them without their records. Each drawing is SVG inside the page, so that its labels are links, are found by
searching, and follow the page's colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from mechscope.publish.graph import Edge, Graph, Node, build_graph
from mechscope.publish.markdown import escaped as markdown
from mechscope.publish.markdown import front_matter
from mechscope.publish.pages.context import UP, Context

_ROW = 22
_HEAD = 30
_GAP = 96
_CHARACTER = 6.7
_PAD = 10
_LONGEST = 24


def graph_page(context: Context) -> str:
    """The page as Markdown with drawings in HTML."""
    graph = build_graph(context.project, context.run, context.codes, context.shelf)
    analyses = graph.of_kind("analysis")
    parts = [
        front_matter(
            title="Graph",
            subtitle=f"Where every number of the run {context.title} comes from, and where it goes",
            format={"html": {"page-layout": "full", "toc": False}},
        ),
        "From left to right: data and models, the analysis that reads them, what it recorded, the articles "
        "that show it. What no article shows is pale. `mechscope trace --graph` prints the same as text, DOT "
        "or JSON; `mechscope trace KEY` follows one number.\n",
    ]
    if len(analyses) > 1:
        parts.append(f"## All analyses {{#all}}\n\n{_raw(_overview(context, graph))}")
    for analysis in analyses:
        title = markdown(analysis.detail or analysis.label)
        drawing = _raw(_detail(context, graph, analysis))
        parts.append(f"## {title} {{#graph-{_id(analysis.label)}}}\n\n{drawing}")
    if not analyses:
        parts.append("No analysis has results yet.\n")
    return "\n".join(parts)


def _raw(svg: str) -> str:
    return f"```{{=html}}\n{svg}\n```\n"


def _id(label: str) -> str:
    return label.replace(":", "-")


# What is drawn --------------------------------------------------------------------------------------------


def _overview(context: Context, graph: Graph) -> str:
    """Inputs, analyses and articles; a line to an article is as wide as it shows many records."""
    shown: dict[tuple[str, str], int] = {}
    for record in graph.of_kind("record"):
        analysis = graph.into(record.id)[0].source
        for edge in graph.out_of(record.id):
            shown[analysis, edge.target] = shown.get((analysis, edge.target), 0) + 1
    edges = [edge for edge in graph.edges if graph.node(edge.target).kind == "analysis"]
    drawing = _Drawing(
        [
            _Column("Data and models", graph.of_kind("data", "model", "autoencoder")),
            _Column("Analyses", graph.of_kind("analysis")),
            _Column("Articles", graph.of_kind("article")),
        ]
    )
    for edge in edges:
        drawing.join(edge.source, edge.target)
    for (analysis, article), count in shown.items():
        drawing.join(analysis, article, width=1 + min(5.0, count / 12))
    inputs, analyses, articles = (len(column.nodes) for column in drawing.columns)
    about = (
        f"{inputs} data files and models, {analyses} analyses and {articles} articles, "
        f"with {len(edges) + len(shown)} connections."
    )
    return drawing.svg(context, "all", "From data to articles: all analyses", about)


def _detail(context: Context, graph: Graph, analysis: Node) -> str:
    inputs = [graph.node(edge.source) for edge in graph.into(analysis.id)]
    records = [graph.node(edge.target) for edge in graph.out_of(analysis.id)]
    records = [node for node in records if node.kind == "record"]
    first = _first_shown(context)
    records.sort(key=lambda node: (first.get(node.id, len(first)), node.label))
    cites: list[Edge] = [edge for node in records for edge in graph.out_of(node.id)]
    articles = [node for node in graph.of_kind("article") if any(edge.target == node.id for edge in cites)]
    drawing = _Drawing(
        [
            _Column("Data and models", inputs),
            _Column("Analysis", [analysis]),
            _Column("Recorded", records, pale={node.id for node in records if not graph.out_of(node.id)}),
            _Column("Articles", articles),
        ]
    )
    for node in inputs:
        drawing.join(node.id, analysis.id)
    for node in records:
        drawing.join(analysis.id, node.id)
    for edge in cites:
        drawing.join(edge.source, edge.target)
    uncited = len(drawing.columns[2].pale)
    about = (
        f"{analysis.label} is found from {len(inputs)} data files and models. It recorded {len(records)} "
        f"things; {len(articles)} articles show {len(records) - uncited} of them."
    )
    return drawing.svg(context, _id(analysis.label), f"From data to articles: {analysis.label}", about)


def _first_shown(context: Context) -> dict[str, int]:
    """When each record is shown first, by the id of its node."""
    first: dict[str, int] = {}
    for items in context.shown().values():
        for item in items:
            first.setdefault(f"record:{item.found.run}/{item.found.short_key}", len(first))
    return first


# How it is drawn ------------------------------------------------------------------------------------------


@dataclass
class _Column:
    title: str
    nodes: Sequence[Node]
    pale: set[str] = field(default_factory=set)

    @property
    def width(self) -> float:
        texts = [self.title, *(_words(node) for node in self.nodes)]
        return max(len(text) for text in texts) * _CHARACTER + 2 * _PAD


@dataclass
class _Box:
    left: float
    right: float
    middle: float
    pale: bool


class _Drawing:
    """Columns of names, each centred on what it belongs to, and lines between neighbouring columns."""

    def __init__(self, columns: list[_Column]) -> None:
        self.columns = columns
        self.height = _HEAD + _ROW * max(len(column.nodes) for column in columns) + _PAD
        self.boxes: dict[str, _Box] = {}
        self.lines: list[str] = []
        self.lefts: list[float] = []
        left = 2.0
        for column in columns:
            self.lefts.append(left)
            free = self.height - _HEAD - _PAD
            step = max(_ROW, min(3 * _ROW, free / max(1, len(column.nodes))))
            top = _HEAD + (free - step * len(column.nodes)) / 2
            for number, node in enumerate(column.nodes):
                middle = top + step * (number + 0.5)
                self.boxes[node.id] = _Box(left, left + column.width, middle, node.id in column.pale)
            left += column.width + _GAP
        self.width = left - _GAP + 2

    def join(self, source: str, target: str, width: float = 1.0) -> None:
        """A curve from one node to another (left to right, whatever lies between)."""
        if source not in self.boxes or target not in self.boxes:
            return
        one, other = self.boxes[source], self.boxes[target]
        start, end = (one.right, other.left) if one.left < other.left else (one.right, other.right)
        bend = (end - start) / 2 if end > start else 40
        pale = " ms-pale" if other.pale else ""
        wide = f' style="stroke-width:{width:.1f}"' if width != 1 else ""
        self.lines.append(
            f'<path class="ms-graph-line{pale}"{wide} d="M{start:.0f} {one.middle:.1f}C{start + bend:.0f} '
            f"{one.middle:.1f} {end - bend if end > start else end + bend:.0f} {other.middle:.1f} {end:.0f} "
            f'{other.middle:.1f}"/>'
        )

    def svg(self, context: Context, name: str, title: str, about: str) -> str:
        """The drawing as an element of HTML, in a box that scrolls where the page is narrow."""
        heads = "".join(
            f'<text class="ms-graph-head" x="{left + _PAD:.0f}" y="16">{escape(column.title)}</text>'
            for left, column in zip(self.lefts, self.columns, strict=True)
        )
        nodes = "".join(self._node(context, node) for column in self.columns for node in column.nodes)
        return (
            f'<div class="ms-graph" tabindex="0" role="group" aria-label="{escape(title)}">'
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="group" '
            f'aria-labelledby="graph-{name}-title graph-{name}-about">'
            f'<title id="graph-{name}-title">{escape(title)}</title>'
            f'<desc id="graph-{name}-about">{escape(about)}</desc>'
            f'<g aria-hidden="true">{heads}{"".join(self.lines)}</g>{nodes}</svg></div>'
        )

    def _node(self, context: Context, node: Node) -> str:
        box = self.boxes[node.id]
        shape = (
            f'<rect x="{box.left:.0f}" y="{box.middle - _ROW / 2 + 1.5:.1f}" '
            f'width="{box.right - box.left:.0f}" height="{_ROW - 3}" rx="4"/>'
        )
        value = f' <tspan class="ms-graph-value">{escape(_value(node))}</tspan>' if _valued(node) else ""
        text = f'<text x="{box.left + _PAD:.0f}" y="{box.middle + 4:.1f}">{escape(_name(node))}{value}</text>'
        classes = f"ms-graph-{node.kind}" + (" ms-pale" if box.pale else "")
        target = _address(context, node)
        if not target:
            return f'<g class="{classes}">{shape}{text}</g>'
        return f'<a class="{classes}" href="{escape(target)}">{shape}{text}</a>'


def _valued(node: Node) -> bool:
    return node.kind == "record" and bool(node.detail)


def _name(node: Node) -> str:
    match node.kind:
        case "record":
            return f"{node.label.rpartition('.')[2]}" if ":" not in node.label else node.label
        case "data":
            return node.label.removeprefix("analyses/")
        case "article":
            return node.label.removeprefix("paper/").removesuffix(".qmd")
        case _:
            return node.label


def _words(node: Node) -> str:
    return f"{_name(node)} {_value(node)}" if _valued(node) else _name(node)


def _value(node: Node) -> str:
    flat = " ".join(node.detail.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"


def _address(context: Context, node: Node) -> str:
    """Where a name leads, from a generated page; nowhere for what the site doesn't hold."""
    run, _, name = node.id.partition(":")[2].partition("/")
    match node.kind:
        case "analysis" if run == context.run:
            return f"{UP}/results/{run}/{name}/notebook.html"
        case "record" if node.record == "stat":
            return f"numbers.html#{node.label}"
        case "record" if node.record == "claim":
            return f"claims.html#{node.label}"
        case "record" if run == context.run:
            analysis, _, record = name.partition(".")
            return f"{UP}/results/{run}/{analysis}/notebook.html#record-{record}"
        case "article":
            suffix = "html" if context.is_web_page(node.label) else "pdf"
            return f"{UP}/{node.label.rpartition('.')[0]}.{suffix}"
        case _:
            return ""

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

from mechscope.project import SHARED
from mechscope.publish.markup import escaped as markdown
from mechscope.publish.markup import folded, front_matter
from mechscope.publish.pages.context import UP, Context
from mechscope.publish.pages.words import NOT_AVAILABLE
from mechscope.publish.provenance import Graph, Node, build_graph

_ROW = 22
_HEAD = 30
_GAP = 96
_CHARACTER = 7.1
_PAD = 10
_LONGEST = 24


def graph_page(context: Context) -> str:
    """The page as Markdown with drawings in HTML."""
    graph = build_graph(context.project, context.run, context.codes, context.shelf)
    analyses = graph.of_kind("analysis")
    parts = [
        front_matter(
            title="Graph",
            subtitle=f"Where every number of the run {markdown(context.title)} comes from, and where it goes",
            format={"html": {"page-layout": "full", "toc": False}},
        ),
        "From left to right: data and models, the analysis that reads them, what it recorded, the articles "
        "that show it. What no article shows is pale; a dashed line leads from a number to a claim that it "
        "decides. `mechscope trace --graph` prints the same as text, DOT "
        "or JSON; `mechscope trace KEY` follows one number.\n",
    ]
    if len(analyses) > 1:
        parts.append(f"## All analyses {{#all}}\n\n{_raw(_overview(context, graph))}")
    for analysis in analyses:
        title = markdown(analysis.detail or analysis.label) + _of_run(context, analysis)
        count = sum(graph.node(edge.target).kind == "record" for edge in graph.out_of(analysis.id))
        drawing = folded(f"{count} records", _raw(_detail(context, graph, analysis)), classes="ms-graph-of")
        parts.append(f"## {title} {{#graph-{_id(analysis.label)}}}\n\n{drawing}")
    if not analyses:
        parts.append("No analysis has results yet.\n")
    return "\n".join(parts)


def _raw(svg: str) -> str:
    return f"```{{=html}}\n{svg}\n```\n"


def _of_run(context: Context, analysis: Node) -> str:
    run, colon, _ = analysis.label.rpartition(":")
    return f" in {markdown(context.run_title(run))}" if colon else ""


def _id(label: str) -> str:
    return label.replace(":", "-")


# What is drawn --------------------------------------------------------------------------------------------


def _overview(context: Context, graph: Graph) -> str:
    """Inputs, analyses and articles; a line to an article is as wide as it shows many records."""
    shown: dict[tuple[str, str], int] = {}
    for record in graph.of_kind("record"):
        analysis = graph.into(record.id)[0].source
        for edge in graph.articles_of(record.id):
            shown[analysis, edge.target] = shown.get((analysis, edge.target), 0) + 1
    columns = {
        "Data and models": graph.of_kind("data", "model", "autoencoder"),
        "Analyses": graph.of_kind("analysis"),
        "Articles": graph.of_kind("article"),
    }
    drawing = _Drawing(context)
    room = _ROW * max(len(nodes) for nodes in columns.values())
    sides: dict[str, tuple[float, float, float]] = {}
    left = 2.0
    for title, nodes in columns.items():
        step = min(3.0 * _ROW, room / max(1, len(nodes)))
        top = _HEAD + (room - step * len(nodes)) / 2
        drawing.head(left, title)
        right = max(drawing.column(left, top, nodes, step), left + _width(title))
        for number, node in enumerate(nodes):
            sides[node.id] = (left, left + _column_width(nodes), top + step * (number + 0.5))
        left = right + _GAP
    targets = {node.id for node in columns["Analyses"]}
    links = [(edge.source, edge.target, 1.0) for edge in graph.edges if edge.target in targets]
    links += [(source, target, 1 + min(5.0, count / 12)) for (source, target), count in shown.items()]
    for source, target, width in links:
        (_, x, y), (to_x, _, to_y) = sides[source], sides[target]
        drawing.curve((x, y), (to_x, to_y), width)
    inputs, analyses, articles = (len(nodes) for nodes in columns.values())
    about = (
        f"{inputs} data files and models, {analyses} analyses, {articles} articles, {len(links)} connections."
    )
    return drawing.svg("all", "From data to articles: all analyses", about)


def _detail(context: Context, graph: Graph, analysis: Node) -> str:
    """One analysis: its inputs, a trunk with its records, and a lane for each article that shows some."""
    inputs = [graph.node(edge.source) for edge in graph.into(analysis.id)]
    records = [graph.node(edge.target) for edge in graph.out_of(analysis.id)]
    first = _first_shown(context)
    records = [node for node in records if node.kind == "record"]
    records.sort(key=lambda node: (first.get(node.id, len(first)), node.label))
    cited = {node.id: {edge.target for edge in graph.articles_of(node.id)} for node in records}
    articles = [
        node for node in graph.of_kind("article") if any(node.id in there for there in cited.values())
    ]

    drawing = _Drawing(context)
    drawing.head(2, "Data and models")
    right = drawing.column(2, _HEAD, inputs)
    left = max(right, _width("Data and models")) + _GAP
    middle = _HEAD + _ROW * max(1, len(inputs)) / 2
    drawing.head(left, "Analysis")
    drawing.box(left, middle, _width(_words(analysis)), analysis)
    for number, _ in enumerate(inputs):
        drawing.curve((right, _HEAD + _ROW * (number + 0.5)), (left, middle))

    trunk = left + _width(_words(analysis)) + 28
    left, top = trunk + 28, _HEAD + _ROW * len(articles)
    drawing.head(left, "Recorded")
    width = _column_width(records)
    lanes = {node.id: left + width + 28 + 18 * number for number, node in enumerate(articles)}
    ys = [top + _ROW * (number + 0.5) for number in range(len(records))]
    if ys:
        drawing.straight((trunk - 28, middle), (trunk, middle))
        drawing.straight((trunk, min(middle, ys[0])), (trunk, max(middle, ys[-1])))
    for node, y in zip(records, ys, strict=True):
        reached = [lanes[target] for target in cited[node.id]]
        drawing.straight((trunk, y), (left, y), pale=not reached)
        drawing.box(left, y, width, node, pale=not reached)
        if reached:
            drawing.straight((left + width, y), (max(reached), y))
    at_of = {node.id: at for node, at in zip(records, ys, strict=True)}
    for node in records:
        for claim in graph.claims_of(node.id):
            drawing.arc(left, at_of[node.id], at_of[claim.id])
    for number, node in enumerate(articles):
        x, y = lanes[node.id], _HEAD + _ROW * (number + 0.5)
        used = [at for record, at in zip(records, ys, strict=True) if node.id in cited[record.id]]
        drawing.straight((x, y + _ROW / 2 - 1), (x, max(used)))
        drawing.box(x - _PAD, y, _width(_words(node)), node)
        for at in used:
            drawing.dot(x, at)
    if articles:
        drawing.head(lanes[articles[0].id] - _PAD, "Articles")
    count = sum(bool(there) for there in cited.values())
    about = (
        f"{analysis.label} is found from {len(inputs)} data files and models. "
        f"It recorded {len(records)} things; {len(articles)} articles show {count} of them."
    )
    return drawing.svg(_id(analysis.label), f"From data to articles: {analysis.label}", about)


def _column_width(nodes: Sequence[Node]) -> float:
    return max((_width(_words(node)) for node in nodes), default=0)


def _first_shown(context: Context) -> dict[str, int]:
    """When each record is shown first, by the id of its node."""
    first: dict[str, int] = {}
    for items in context.cited_by_page().values():
        for item in items:
            first.setdefault(f"record:{item.keyed.run}/{item.keyed.short_key}", len(first))
    return first


# How it is drawn ------------------------------------------------------------------------------------------


@dataclass
class _Drawing:
    """Pieces of SVG on a sheet that grows with them."""

    context: Context
    lines: list[str] = field(default_factory=list)
    nodes: list[str] = field(default_factory=list)
    width: float = 0
    height: float = 0

    def head(self, left: float, text: str) -> None:
        """The title of a column."""
        self.lines.append(f'<text class="ms-graph-head" x="{left + _PAD:.0f}" y="16">{escape(text)}</text>')

    def column(self, left: float, top: float, nodes: Sequence[Node], step: float = _ROW) -> float:
        """Names below one another, as wide as the widest; returns where the column ends."""
        width = max((_width(_words(node)) for node in nodes), default=0)
        for number, node in enumerate(nodes):
            self.box(left, top + step * (number + 0.5), width, node)
        return left + width

    def box(self, left: float, middle: float, width: float, node: Node, *, pale: bool = False) -> None:
        """A name in its box, linked to what it names."""
        self.width, self.height = max(self.width, left + width), max(self.height, middle + _ROW)
        value = f' <tspan class="ms-graph-value">{escape(_value(node))}</tspan>' if _valued(node) else ""
        inside = (
            f'<rect x="{left:.0f}" y="{middle - _ROW / 2 + 1.5:.1f}" width="{width:.0f}" '
            f'height="{_ROW - 3}" rx="4"/>'
            f'<text x="{left + _PAD:.0f}" y="{middle + 4:.1f}">{escape(_name(node))}{value}</text>'
        )
        classes = f"ms-graph-{node.kind}" + (" ms-pale" if pale else "")
        target = _address(self.context, node)
        self.nodes.append(
            f'<a class="{classes}" href="{escape(target)}">{inside}</a>'
            if target
            else f'<g class="{classes}">{inside}</g>'
        )

    def curve(self, start: tuple[float, float], end: tuple[float, float], width: float = 1) -> None:
        """A line that leaves and arrives level."""
        (x, y), (to_x, to_y) = start, end
        bend = (x + to_x) / 2
        self._line(f"M{x:.0f} {y:.1f}C{bend:.0f} {y:.1f} {bend:.0f} {to_y:.1f} {to_x:.0f} {to_y:.1f}", width)

    def arc(self, x: float, start: float, end: float) -> None:
        """A line on the left of a column, from a statistic to a claim that it decides."""
        bulge = min(24.0, 8 + abs(end - start) / 12)
        path = f"M{x:.0f} {start:.1f}C{x - bulge:.0f} {start:.1f} {x - bulge:.0f} {end:.1f} {x:.0f} {end:.1f}"
        self.lines.append(f'<path class="ms-graph-line ms-graph-decides" d="{path}"/>')

    def straight(self, start: tuple[float, float], end: tuple[float, float], *, pale: bool = False) -> None:
        """A straight line."""
        self._line(f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}", 1, pale)

    def _line(self, path: str, width: float, pale: bool = False) -> None:
        wide = f' style="stroke-width:{width:.1f}"' if width != 1 else ""
        self.lines.append(f'<path class="ms-graph-line{" ms-pale" * pale}"{wide} d="{path}"/>')

    def dot(self, x: float, y: float) -> None:
        """Where a record meets the lane of an article."""
        self.lines.append(f'<circle class="ms-graph-dot" cx="{x:.1f}" cy="{y:.1f}" r="3.4"/>')

    def svg(self, name: str, title: str, about: str) -> str:
        """The drawing as an element of HTML, in a box that scrolls where the page is narrow."""
        width, height = f"{self.width + 2:.0f}", f"{self.height:.0f}"
        return (
            f'<div class="ms-graph" tabindex="0" role="group" aria-label="{escape(title)}">'
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="group" '
            f'aria-labelledby="graph-{name}-title graph-{name}-about">'
            f'<title id="graph-{name}-title">{escape(title)}</title>'
            f'<desc id="graph-{name}-about">{escape(about)}</desc>'
            f'<g aria-hidden="true">{"".join(self.lines)}</g>{"".join(self.nodes)}</svg></div>'
        )


def _width(text: str) -> float:
    return len(text) * _CHARACTER + 2 * _PAD


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
    if node.record == "absent":
        return NOT_AVAILABLE
    flat = " ".join(node.detail.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"


def _address(context: Context, node: Node) -> str:
    """Where a name leads, from a generated page; nowhere for what the site doesn't hold."""
    run, _, name = node.id.partition(":")[2].partition("/")
    match node.kind:
        case "analysis" if run in (context.run, SHARED) and name in context.shelf.analyses():
            return f"{UP}/results/{run}/{name}/notebook.html"
        case "record" if node.record in ("stat", "absent"):
            return f"numbers.html#{node.label}"
        case "record" if node.record == "claim":
            return f"claims.html#{node.label}"
        case "record" if run in (context.run, SHARED):
            analysis, _, record = name.partition(".")
            return f"{UP}/results/{run}/{analysis}/notebook.html#record-{record}"
        case "article":
            suffix = "html" if context.is_web_page(node.label) else "pdf"
            return f"{UP}/{node.label.rpartition('.')[0]}.{suffix}"
        case _:
            return ""

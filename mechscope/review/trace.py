"""From a number to everything behind it, and from a line of an article to the numbers on it.

Everything is read from what is committed: the ledger says what a number was found from, the executed
notebook holds the cell, the script the lines, the articles where it is cited. Nothing is run, and no weights
are needed.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mechscope.articles.markdown import Scan, scan
from mechscope.articles.reading_order import cited_by_page
from mechscope.articles.sources import (
    SHORTCODE,
    Shortcode,
    article_files,
    included,
    pages_with,
    shortcodes_in,
)
from mechscope.errors import InvalidInput, MechscopeError, UnknownName
from mechscope.files import hash_value, read_text
from mechscope.ledger.notebook import read_notebook
from mechscope.ledger.schema import KINDS, WHOLE, LedgerFile
from mechscope.ledger.store import NOTEBOOK_NAME
from mechscope.pipeline.cells import lines_before
from mechscope.pipeline.shelf import KeyedRecord, NoResults, Shelf
from mechscope.project import Project
from mechscope.publish.helpers import Helper, helpers
from mechscope.publish.pages.words import NOT_AVAILABLE
from mechscope.syntax import parse, read_source

_PLACE = re.compile(r"(?P<file>.+\.(?:qmd|md|ipynb)):(?P<line>\d+)(?::\d+)?")


@dataclass(frozen=True)
class Cell:
    """The cell that recorded something.

    Attributes:
        id: In the executed notebook.
        lines: Its source, a line each.
        first: The script's line on which the source begins; None when the script changed since.
        recorded: The script's line with the call that recorded, in the cell or in a function that it calls;
            None when that is not known.
        function: The source of the function that recorded, where the cell only calls it.
        function_first: The script's line on which that begins.
        helpers: The functions of earlier cells that the cell uses, each with its line in the script; 0 where
            that is not known.
    """

    id: str
    lines: tuple[str, ...]
    first: int | None
    recorded: int | None
    function: tuple[str, ...] = ()
    function_first: int = 0
    helpers: tuple[tuple[Helper, int], ...] = ()


@dataclass(frozen=True)
class Input:
    """Something that an analysis was found from.

    Attributes:
        kind: "script", "module" (its definitions that count), "data", "findings", "model" or "sparse
            autoencoder".
        state: How it is now: "unchanged", "changed", "missing"; for a model whether its weights are here.
        source: Where a model comes from.
    """

    kind: str
    name: str
    sha256: str
    state: str
    source: str = ""


@dataclass(frozen=True)
class Citation:
    """Where the prose cites a record.

    Attributes:
        where: As editors link it.
        sentence: The sentence around it, numbers printed.
        pages: The pages that hold this place.
        shown: Whether it is in them in this run, rather than in a branch that the run drops.
    """

    where: str
    sentence: str
    pages: tuple[str, ...]
    shown: bool


@dataclass(frozen=True)
class Trace:
    """Everything behind one record.

    Attributes:
        key: As the articles of its run cite it.
        verified: The date on which a rerun reproduced its ledger; None if none did.
        contradicted: The date on which a rerun found something else; None if none did.
        written: Of a claim: when its criterion was written, as far as the project knows; else empty.
        exploratory: Whether that was after a look at results.
    """

    key: str
    keyed: KeyedRecord
    script: str
    cell: Cell
    inputs: tuple[Input, ...]
    verified: str | None
    citations: tuple[Citation, ...]
    contradicted: str | None = None
    written: str = ""
    exploratory: bool = False


def trace(project: Project, key: str, run: str, codes: Sequence[Shortcode] | None = None) -> Trace:
    """Follow the record that `key` names.

    Args:
        run: The run that a key without one means.
        codes: The shortcodes of all articles, for a caller that has them.

    Raises:
        UnknownName: There is no such run, analysis or record; with the nearest names.
        NoResults: The analysis failed or wasn't run in this run.
    """
    shelf = Shelf(project, run)
    keyed = shelf.find(key)
    keyed.ledger  # noqa: B018 - without one there is nothing to follow
    codes = shortcodes_in(project) if codes is None else codes
    rerun = shelf.rerun_of(keyed.ledger)
    return Trace(
        key=shelf.key_of(keyed),
        keyed=keyed,
        script=f"analyses/{keyed.analysis}.py",
        cell=_cell(project, keyed),
        inputs=tuple(_inputs(shelf, keyed.ledger)),
        verified=shelf.verified_on(keyed.ledger),
        citations=tuple(_citations(shelf, keyed, codes)),
        contradicted=rerun.date if rerun is not None and not rerun.reproduced else None,
        written=shelf.written(keyed) if keyed.kind == "claims" else "",
        exploratory=keyed.kind == "claims" and shelf.exploratory(keyed),
    )


def records_of(project: Project, analysis: str, run: str) -> list[tuple[str, KeyedRecord]] | None:
    """The records of an analysis, by kind and name, each with the key that cites it; None for a key.

    Args:
        analysis: "analysis", or "run:analysis" of another run than `run`.

    Raises:
        UnknownName: There is no such run or analysis; with the nearest names.
        NoResults: The analysis is there, but wasn't run in this run.
    """
    named, _, name = analysis.rpartition(":")
    if "." in name:
        return None
    of = named or run
    shelf = Shelf(project, run)
    if named and not shelf.analyses(named):
        raise UnknownName("run with results", named, shelf.runs())
    if name not in shelf.analyses(of):
        if (project.analyses / f"{name}.py").is_file():
            raise NoResults(
                f"{name} has no results in run '{of}' yet.", hint=f"mechscope run {name} --run {of}"
            )
        known = shelf.analyses(of)
        there = ", ".join(known) or "none"
        hint = f"analyses with results: {there}; a key is 'analysis.name' or 'run:analysis.name'"
        raise UnknownName("analysis", name, known, hint=hint)
    records = [(shelf.key_of(keyed), keyed) for keyed in shelf.records(run=of) if keyed.analysis == name]
    whole = shelf.absent(of, name, WHOLE)  # that nothing of it applies comes first
    return records if whole is None else [(analysis, whole), *records]


# From a line of an article ----------------------------------------------------------------------------------


def parse_place(text: str) -> tuple[str, int] | None:
    """("paper/articles/x.qmd", 42) of "paper/articles/x.qmd:42"; None when it is no place in an article."""
    match = _PLACE.fullmatch(text)
    return (match["file"], int(match["line"])) if match else None


def traces_at(project: Project, file: str, line: int, run: str) -> list[Trace]:
    """Follow every record that a line of an article cites, in order.

    Args:
        file: From the root of the project, or from here.

    Raises:
        UnknownName: There is no such article.
        InvalidInput: The line cites nothing; names the nearest that does.
    """
    known = {project.relative(path): path for path in article_files(project)}
    article = file if file in known else project.relative(Path(file))
    if article not in known:
        raise UnknownName("article", file, known)
    codes = shortcodes_in(project)
    citing = [code for code in codes if code.file == article and code.key]
    keys = list(dict.fromkeys(code.key for code in citing if code.line == line and code.key))
    if not keys:
        raise InvalidInput(
            f"{article}:{line} cites nothing.", hint=_nearest(project, codes, citing, article, line)
        )
    return [trace(project, key, run, codes) for key in keys]


def _nearest(
    project: Project, codes: Sequence[Shortcode], citing: Sequence[Shortcode], article: str, line: int
) -> str:
    parts = [
        project.relative(target)
        for code in codes
        if code.file == article and (target := included(code, project)) is not None
    ]
    if citing:
        near = min(citing, key=lambda code: (abs(code.line - line), code.line))
        return f"the nearest line that does is {article}:{near.line}, with '{near.key}'"
    return f"it includes {', '.join(parts)}: trace a line there" if parts else "no line of it cites a record"


# The cell ---------------------------------------------------------------------------------------------------


def _readable(script: Path) -> str:
    """A script's text; empty where it is gone, or no Python any more."""
    try:
        text = read_source(script, script.name)
        parse(text)
    except (MechscopeError, SyntaxError):
        return ""
    return text


def _cell(project: Project, keyed: KeyedRecord) -> Cell:
    """The cell as it was executed, and where it is in the script."""
    path = project.results_dir(keyed.run, keyed.analysis) / NOTEBOOK_NAME
    source = ""
    if path.is_file():
        try:
            cells = read_notebook(path).cells
        except InvalidInput as error:
            raise InvalidInput(
                f"{project.relative(path.parent)}/{error.message}",
                hint=f"mechscope run {keyed.analysis} --run {keyed.run} --force",
            ) from error
        source = next((cell.source for cell in cells if cell.id == keyed.record.cell), "")
    lines = source.split("\n") if source else []
    script = project.analyses / f"{keyed.analysis}.py"
    text = _readable(script)
    before = lines_before(source, text) if source else None
    first = None if before is None else before + 1
    used = tuple(
        (helper, _line_of(text, helper.name) if first else 0)
        for helper in helpers(path).get(keyed.record.cell, ())
    )
    if first is None:
        return Cell(keyed.record.cell, tuple(lines), None, None, helpers=used)
    inside = range(first, first + len(lines))
    recorded = _recording(text, keyed, inside)
    begin, end = (0, 0) if recorded is None or recorded in inside else _function_around(text, recorded)
    function = tuple(text.split("\n")[begin - 1 : end]) if begin else ()
    return Cell(keyed.record.cell, tuple(lines), first, recorded, function, begin, used)


def _line_of(script: str, function: str) -> int:
    """The line on which a script defines a function, if it does so once; else 0."""
    try:
        body = parse(script).body
    except SyntaxError:
        return 0
    lines = [node.lineno for node in body if isinstance(node, ast.FunctionDef) and node.name == function]
    return lines[0] if len(lines) == 1 else 0


def _function_around(script: str, line: int) -> tuple[int, int]:
    """The first and last line of the innermost function that holds a line; (0, 0) if none does."""
    around = [
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(parse(script))
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, default=(0, 0))


def _recording(script: str, keyed: KeyedRecord, cell: range) -> int | None:
    """The line of the call that recorded `found`: by its name in the cell, else by a pattern anywhere.

    A function that records under names such as f"{prefix}t_{label}" is outside the cell that calls it.
    """
    try:
        tree = parse(script)
    except SyntaxError:
        return None
    literal, patterned = [], []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr != KINDS[keyed.kind].method:
            continue
        names = node.args[1:] if keyed.absent else node.args[:1]
        for name in [*names, *(word.value for word in node.keywords if word.arg == "name")]:
            if isinstance(name, ast.Constant) and name.value == keyed.name:
                literal.append(node.lineno)
            elif isinstance(name, ast.JoinedStr) and re.fullmatch(_pattern(name), keyed.name):
                patterned.append(node.lineno)
    inside = [line for line in literal if line in cell]
    patterned = [line for line in patterned if line < cell.stop]  # a function is there before it is called
    return next((lines[0] for lines in (inside, literal, patterned) if len(lines) == 1), None)


def _pattern(name: ast.JoinedStr) -> str:
    return "".join(
        re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in name.values
    )


# Inputs -----------------------------------------------------------------------------------------------------


def _inputs(shelf: Shelf, ledger: LedgerFile) -> Iterator[Input]:
    """What the ledger states as its inputs, each beside how it is now."""
    from mechscope.pipeline.fingerprint import changed_code
    from mechscope.pipeline.scripts import need_of

    old = ledger.inputs
    now: Any = _present(shelf, ledger)

    def state(kind: str, name: str, sha256: str) -> str:
        if now is None:
            return "not known"
        there = getattr(now, kind).get(name)
        return "missing" if there is None else "unchanged" if there == sha256 else "changed"

    script = "not known" if now is None else "unchanged" if now.script == old.script else "changed"
    yield Input("script", f"analyses/{ledger.analysis}.py", old.script, script)
    changed = {key for key, *_ in changed_code(old, now)} if now is not None else set()
    for path, hashes in old.modules.items():
        names = [name for name in hashes if f"{path}: {name}" in changed]
        words = f"changed: {', '.join(names)}" if names else "unchanged"
        yield Input("module", path, hash_value(hashes), "not known" if now is None else words)
    for path, sha256 in sorted(old.data.items()):
        yield Input("data", path, sha256, state("data", path, sha256))
    for need, sha256 in sorted(old.needs.items()):
        run, analysis = need_of(need, ledger.run)
        run = shelf.home(analysis, run)
        yield Input("findings", f"{run}:{analysis}", sha256, state("needs", need, sha256))
    for model in old.models.values():
        source, here = _model(shelf.project, model.name)
        yield Input("model", model.name, model.sha256, here, source)
    for sae in old.saes.values():
        yield Input("sparse autoencoder", sae.name, sae.sha256, "pinned")


def _present(shelf: Shelf, ledger: LedgerFile) -> Any:
    """The inputs as they are now; None when they can't be told (a file is missing, the script is gone)."""
    from mechscope.pipeline.fingerprint import present_inputs
    from mechscope.pipeline.runs import parameters_of
    from mechscope.pipeline.scripts import read_analysis

    project, places = shelf.project, shelf.places
    try:
        analysis = read_analysis(project, project.analyses / f"{ledger.analysis}.py")
        parameters = parameters_of(places.runs, ledger.run, analysis)
        return present_inputs(project, analysis, parameters, places.upstream(ledger.run, analysis))
    except (MechscopeError, OSError):
        return None


def _model(project: Project, name: str) -> tuple[str, str]:
    from mechscope.models.report import is_here
    from mechscope.pipeline.fingerprint import model_of

    try:
        model = model_of(project, name)
    except MechscopeError:
        return "", "no longer known by this name"
    here = is_here(model)
    return (
        model.source,
        "weights are here" if here else f"weights are not here: mechscope models fetch {name}",
    )


# Citations --------------------------------------------------------------------------------------------------


def _citations(shelf: Shelf, keyed: KeyedRecord, codes: Sequence[Shortcode]) -> Iterator[Citation]:
    scans: dict[str, Scan | None] = {}
    project = shelf.project
    title = shelf.places.runs.run(shelf.run).title
    shown = {_id(item.code) for items in cited_by_page(project, shelf, codes).values() for item in items}
    for code in codes:
        if code.place == "comment" or shelf.cited_key(code.key or "") != shelf.key_of(keyed):
            continue
        if code.file not in scans:
            path = project.root / code.file
            text = read_text(path, code.file)
            scans[code.file] = None if path.suffix == ".ipynb" else scan(text)
        pages = tuple(pages_with(code.file, codes, project))
        sentence = _sentence(scans[code.file], code, shelf).replace("{{< meta mechscope.title >}}", title)
        yield Citation(code.where, sentence.lstrip("*_ "), pages, _id(code) in shown)


def _id(code: Shortcode) -> tuple[str, str]:
    return code.where, code.name


def _sentence(scanned: Scan | None, code: Shortcode, shelf: Shelf) -> str:
    """The sentence around a citation as it reads; a record that is shown by itself is named."""
    if code.name == "when-claim":
        return f"prose for when it is {code.options.get('is', '')}"
    if code.name != "stat":
        return f"the {code.name} itself"
    if scanned is None or code.place != "prose":
        return {"yaml": "in the front matter", "code": "in code"}.get(code.place, "")
    starts = [0]
    for line in scanned.text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    offset = starts[code.line - 1] + code.column - 1
    for block in scanned.blocks:
        if block.start <= offset < block.end:
            spans = list(scanned.sentences(block))
            start, end = spans[max(0, bisect_right([span[0] for span in spans], offset) - 1)]
            return _as_read(scanned.text[start:end], shelf)
    return _as_read(scanned.text.split("\n")[code.line - 1], shelf)


def _as_read(text: str, shelf: Shelf) -> str:
    """Source text with what its `stat` shortcodes print in place of them."""

    def printed(match: re.Match[str]) -> str:
        words = match["body"].split()
        if len(words) < 2 or words[0] != "stat":
            return match[0]
        try:
            cited = shelf.find(words[1], "statistics")
        except MechscopeError:
            return match[0]
        if cited.absent:
            return NOT_AVAILABLE
        record = cited.record
        part = next((word.partition("=")[2] for word in words[2:] if word.startswith("part=")), "value")
        if part == "n":
            return f"{record.n:,d}" if record.n is not None else match[0]
        return str(getattr(record.text, part, match[0]))

    return " ".join(SHORTCODE.sub(printed, text).split())

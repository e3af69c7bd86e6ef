"""The analyses of a project, read from their scripts without running them.

A script is jupytext's percent format. Its YAML header declares the title and the inputs, its cell tagged
"parameters" the parameters with their defaults. Files in `analyses/` whose name begins with an underscore are
modules for the scripts to import, not analyses.
"""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mechscope.errors import InvalidInput, MechscopeError, UnknownName, nearest
from mechscope.files import hash_value
from mechscope.ledger.claims import ClaimText
from mechscope.ledger.schema import NAME_PATTERN
from mechscope.pipeline.cells import Cell, cells_of, refuse_code_in_prose
from mechscope.pipeline.code import code_hash
from mechscope.pipeline.record_calls import check_names, claims_of
from mechscope.pipeline.yamltext import problem_of
from mechscope.project import Project
from mechscope.syntax import not_python, parse, read_source

_PREAMBLE = re.compile(r"#!.*|[ \t\f]*#.*?coding[:=].*", re.DOTALL)
"""What may stand before a header: how to run the script, and its encoding (PEP 263)."""
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: a character to Python that no file can hold."""
_OWN_KEY = "mechscope"
"""The key in a script's header under which its inputs stand."""
_EXAMPLE = """begin it with:
    # ---
    # title: …
    # mechscope: {data: [], models: [model], needs: []}
    # ---"""


@dataclass(frozen=True)
class Analysis:
    """A script, what it declares, and what it claims.

    Attributes:
        parameters: Their defaults, in the script's order.
        data: Paths or patterns relative to `analyses/`.
        models, saes: Names of the parameters that hold a model's or a sparse autoencoder's name.
        needs: Other analyses by name; `run:name` where it is always that run's.
        code: Hash of the code cells apart from the parameters cell.
    """

    name: str
    path: Path
    title: str
    description: str
    parameters: Mapping[str, Any]
    data: tuple[str, ...]
    models: tuple[str, ...]
    saes: tuple[str, ...]
    needs: tuple[str, ...]
    claims: tuple[ClaimText, ...]
    code: str
    tree: ast.Module
    moved_from: str = ""


def need_of(need: str, run: str) -> tuple[str, str]:
    """The (run, analysis) that a declared need means for an analysis in `run`, shared or not."""
    other, colon, name = need.rpartition(":")
    return (other, name) if colon else (run, need)


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid")

    data: list[str] = []
    models: list[str] = []
    saes: list[str] = []
    needs: list[str] = []
    moved_from: str = ""


@dataclass(frozen=True)
class Survey:
    """The scripts in `analyses/`.

    Attributes:
        analyses: Those that can be read, by name, each after those that it needs.
        problems: What is wrong with the others, by name; needing one of them is a problem too.
    """

    analyses: dict[str, Analysis]
    problems: dict[str, MechscopeError]

    def chosen(self, names: Collection[str]) -> Survey:
        """The part of it that `names` ask for; all of it if there are none.

        Raises:
            UnknownName: There is no such script.
        """
        every = [*self.analyses, *self.problems]
        for name in names:
            if name not in every:
                raise UnknownName("analysis", name, every)
        asked = names or every
        return Survey(
            {name: one for name, one in self.analyses.items() if name in asked},
            {name: one for name, one in self.problems.items() if name in asked},
        )

    def select(self, names: Collection[str]) -> list[Analysis]:
        """The analyses called `names`, or all of them if there are none.

        Raises:
            UnknownName: There is no such script.
            MechscopeError: One of them can't be read.
        """
        part = self.chosen(names)
        for problem in part.problems.values():
            raise problem
        return list(part.analyses.values())


def survey_analyses(project: Project) -> Survey:
    """Read all scripts; one that can't be read stops only those that need it."""
    found: dict[str, Analysis] = {}
    problems: dict[str, MechscopeError] = {}
    for path in sorted(path for path in project.analyses.glob("*.py") if not path.name.startswith("_")):
        try:
            found[path.stem] = read_analysis(project, path)
        except MechscopeError as error:
            problems[path.stem] = error
    every = [*found, *problems]
    order: list[str] = []
    for name in list(found):
        try:
            order += [one for one in _in_order(found, every, name, project) if one not in order]
        except MechscopeError as error:
            problems[name] = error
    for name in order:
        needs = [need_of(need, "")[1] for need in found[name].needs]
        if name not in problems and (broken := [need for need in needs if need in problems]):
            problems[name] = InvalidInput(
                f"{project.relative(found[name].path)} needs '{broken[0]}', which can't be read.",
                hint=f"correct analyses/{broken[0]}.py",
            )
    return Survey({name: found[name] for name in order if name not in problems}, problems)


def read_analysis(project: Project, path: Path) -> Analysis:
    """One analysis from its script.

    Raises:
        InvalidInput: With the file and line at which something is wrong.
        UnknownName: `models` or `saes` names no parameter.
    """
    file = f"{project.relative(path.parent)}/{path.name}"  # not where a link leads
    if not re.match(NAME_PATTERN, path.stem):
        raise InvalidInput(
            f"{file}: an analysis is named with lower-case letters, digits and underscores.",
            hint="rename it, or begin its name with _ if analyses only import it",
        )
    return _analysis(path, file, read_source(path, file))


@functools.lru_cache(maxsize=256)  # a render asks for every script a dozen times
def _analysis(path: Path, file: str, text: str) -> Analysis:
    header = _header(text.split("\n"), file)
    title, description, declared = _declarations(header, file)
    tree, cells = script_cells(text, file)
    tagged = [cell for cell in cells if cell.parameters]
    if len(tagged) != 1:
        raise InvalidInput(
            f'{file}: there are {len(tagged)} cells with tags=["parameters"]; an analysis has one.',
            hint='mark it with:  # %% tags=["parameters"]',
        )
    parameters = _parameters(tree, tagged[0], file)
    for kind, names in (("models", declared.models), ("saes", declared.saes)):
        for name in names:
            if name not in parameters:
                raise UnknownName("parameter", name, parameters, where=f"{file}: {kind}")
    origin = declared.moved_from
    if origin and (origin == path.stem or not re.fullmatch(NAME_PATTERN, origin)):
        raise InvalidInput(
            f"{file}: moved_from: {origin!r} can't be the name that this analysis had before.",
            hint="write the old script's name without .py, or leave the line out",
        )
    check_names(tree, file)
    return Analysis(
        name=path.stem,
        path=path,
        title=title,
        description=description,
        parameters=parameters,
        data=tuple(declared.data),
        models=tuple(declared.models),
        saes=tuple(declared.saes),
        needs=tuple(declared.needs),
        claims=tuple(claims_of(tree, file)),
        code=cells_hash(cell.source for cell in cells if cell.code and not cell.parameters),
        tree=tree,
        moved_from=declared.moved_from,
    )


def cells_hash(sources: Iterator[str] | list[str]) -> str:
    """Hash of code cells: what each does, imports aside, and where one ends (records know their cell).

    Cells without a statement don't count. Raises SyntaxError.
    """
    cells = [_statement_hashes(source) for source in sources]
    return hash_value([[sha256 for sha256 in hashes if sha256] for hashes in cells if hashes])


@functools.lru_cache(maxsize=4096)  # a script and the notebooks of all its runs have the same cells
def _statement_hashes(source: str) -> tuple[str, ...]:
    """The hash of each statement; "" for an import, which counts by what it brings in."""
    imports = (ast.Import, ast.ImportFrom)
    return tuple("" if isinstance(node, imports) else code_hash(node) for node in parse(source).body)


def has_code(source: str) -> bool:
    """Whether a cell holds a statement. Raises SyntaxError."""
    return bool(_statement_hashes(source))


@functools.lru_cache(maxsize=256)
def script_cells(text: str, file: str) -> tuple[ast.Module, list[Cell]]:
    """A script's code and its cells.

    Raises:
        InvalidInput: It has no header, is not Python, or has code in a cell of prose; with the line.
    """
    lines = text.split("\n")
    try:
        tree = parse(text)
    except SyntaxError as error:
        raise not_python(error, file, text) from error
    cells = cells_of(lines, _header(lines, file).end, tree)
    refuse_code_in_prose(cells, tree, file)
    return tree, cells


@dataclass(frozen=True)
class _Header:
    text: str
    start: int
    """Index of its first line."""
    end: int
    """Index of the line after it."""


def _header(lines: list[str], file: str) -> _Header:
    """The YAML between the first two `# ---` lines."""
    opened = 0
    while opened < min(2, len(lines)) and _PREAMBLE.fullmatch(lines[opened]):
        opened += 1
    if opened >= len(lines) or lines[opened].rstrip() != "# ---":
        raise InvalidInput(
            f"{file}:{opened + 1}: an analysis begins with a header that declares its title and inputs.",
            hint=f"rename it to _{Path(file).name} if analyses only import it, or {_EXAMPLE}",
        )
    for end in range(opened + 1, len(lines)):
        if lines[end].rstrip() == "# ---":
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[opened + 1 : end])
            return _Header(text, opened + 1, end + 1)
        if not lines[end].startswith("#"):
            break
    raise InvalidInput(f"{file}:{opened + 1}: the header is not closed.", hint="end it with a line '# ---'")


def _declarations(header: _Header, file: str) -> tuple[str, str, _Declared]:
    try:
        # Every value as the text that is there: a title can be "No" or "2026".
        content = yaml.load(header.text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        line, problem, mended = problem_of(error, header.text)
        raise InvalidInput(
            f"{file}:{header.start + line}: the header is not YAML: {problem}.",
            hint=f"put the value in quotes:  # {mended}" if mended else "",
        ) from error
    if not isinstance(content, dict) or not str(content.get("title") or "").strip():
        raise InvalidInput(f"{file}:{header.start}: the header has no title.", hint=_EXAMPLE)
    form: Any = content
    for key in ("jupyter", "jupytext", "text_representation", "format_name"):
        form = form.get(key) if isinstance(form, dict) else None
    if form not in (None, "percent"):
        raise InvalidInput(f"{file}:{header.start}: jupytext format '{form}'; an analysis uses 'percent'.")
    # Other tools have keys of their own; one that is almost ours would declare nothing.
    for key in map(str, content):
        if key != _OWN_KEY and nearest(key, [_OWN_KEY]):
            raise UnknownName(
                "key in the header",
                key,
                [_OWN_KEY],
                where=f"{file}:{_line_of(header, key)}",
                hint=f"the inputs stand under {_OWN_KEY}; without it, none is declared",
            )
    try:
        declared = _Declared.model_validate(content.get(_OWN_KEY) or {})
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        line = _line_of(header, field)
        if first["type"] == "extra_forbidden":
            raise UnknownName(
                "input in the header", field, _Declared.model_fields, where=f"{file}:{line}"
            ) from error
        raise InvalidInput(f"{file}:{line}: mechscope.{field}: {first['msg']}.", hint=_EXAMPLE) from error
    return str(content["title"]).strip(), " ".join(str(content.get("description") or "").split()), declared


def _line_of(header: _Header, key: str) -> int:
    lines = header.text.split("\n")
    return header.start + next(
        (n for n, line in enumerate(lines, 1) if line.lstrip().startswith(f"{key}:")), 1
    )


def _parameters(tree: ast.Module, cell: Cell, file: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    taken: set[int] = set()
    for node in tree.body:
        if not cell.holds(node):
            continue
        where = f"{file}:{node.lineno}"
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                pass
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case _:
                raise InvalidInput(
                    f"{where}: the parameters cell can only hold 'name = value'.",
                    hint="move everything else to the next cell",
                )
        if node.lineno in taken:
            raise InvalidInput(f"{where}: two parameters in one line.", hint="one assignment a line")
        taken.add(node.lineno)
        found[name] = _literal(value, f"{where}: parameter '{name}'")
    return found


def _literal(node: ast.expr, where: str) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError):
        value = ...
    if not is_plain(value):
        raise InvalidInput(
            f"{where} is not a plain value.",
            hint="a number, a text, True, False, None or a list of these, written out",
        )
    return value


def is_plain(value: Any) -> bool:
    """Whether a parameter can have this value: JSON without objects, numbers finite."""
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return not _HALF_A_PAIR.search(value)
    return value is None or isinstance(value, (bool, int))


def _in_order(analyses: Mapping[str, Analysis], every: list[str], name: str, project: Project) -> list[str]:
    """`name` and what it needs, each after what it needs; a script that can't be read needs nothing."""
    done: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in done or name not in analyses:
            return
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise InvalidInput(
                f"analyses need each other in a circle: {circle}.", hint="remove one of the needs"
            )
        for need in analyses[name].needs:
            other = need_of(need, "")[1]
            if other not in every:
                raise UnknownName(
                    "analysis", other, every, where=f"{project.relative(analyses[name].path)}: needs"
                )
            visit(other, (*path, name))
        done.append(name)

    visit(name, ())
    return done

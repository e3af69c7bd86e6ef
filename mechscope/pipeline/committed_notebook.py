"""Notebooks on their way from a script to the repository.

Cells get ids that we assign, so that two executions give the same bytes: `cell-01`, `cell-02` … for cells
with code (in which records are made), `cell-parameters` for the one that papermill inserts, `text-01` … for
the others. Cells that hold nothing but comments count as text, so that comments never renumber a record's
cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from mechscope.characters import visible
from mechscope.errors import InvalidInput, InvalidRecord
from mechscope.files import hash_text, lines_of
from mechscope.ledger.notebook import INJECTED
from mechscope.ledger.schema import RECORD_MIME
from mechscope.pipeline.cells import Cell
from mechscope.pipeline.foreign import foreign
from mechscope.pipeline.scripts import Analysis, cells_hash, has_code, script_cells

NotebookNode = Any
"""An `nbformat.NotebookNode`, which a run can change; nbformat is imported late because it takes a second."""

_READABLE = ("text/html", "text/markdown", "text/latex", "text/plain")
_IMITATION = re.compile(
    r"""\b(?:id|name)\s*=\s*["']?\s*record-"""
    r"""|\bclass\s*=\s*(?:"[^"]*|'[^']*|)\bms-(?:record|key|label|value|caption|note|held|failed|untestable)\b""",
    re.IGNORECASE,
)
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ENDS_NO_LINE = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Characters at which jupytext, but neither Python nor Markdown, ends a line."""
_HIDDEN = {ord(character): 0xFDD0 + n for n, character in enumerate(_ENDS_NO_LINE)}
"""They pass through jupytext as characters that are in no text (U+FDD0 … are for use inside programs)."""
_SHOWN = {hidden: character for character, hidden in _HIDDEN.items()}
_STAMP = re.compile(rb'"script": "([0-9a-f]{64})"')


def from_script(analysis: Analysis, text: str) -> NotebookNode:
    """The notebook that a script is, with our cell ids and no outputs.

    Args:
        text: The script's content, which may have changed since `analysis` was read.

    Raises:
        InvalidInput: The cells are not the ones that were fingerprinted, or jupytext sees others.
    """
    cells = script_cells(text, _shown(analysis))[1]
    if cells_hash(cell.source for cell in cells if cell.code and not cell.parameters) != analysis.code:
        raise InvalidInput(f"{_shown(analysis)} changed while it was read.", hint="run it again")
    notebook = _converted(cells, analysis)
    number = other = 0
    for cell in notebook.cells:
        if cell.cell_type == "code" and has_code(cell.source):
            number += 1
            cell.id = f"cell-{number:02d}"
        else:
            other += 1
            cell.id = f"text-{other:02d}"
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "title") if cell.metadata.get(key)}
    header = {"title": analysis.title, "description": analysis.description}
    front = yaml.safe_dump(
        {key: value for key, value in header.items() if value},
        allow_unicode=True,
        sort_keys=False,
        width=1000,
    )
    notebook.cells[0].source = f"---\n{front}---"
    notebook.metadata = {"kernelspec": dict(_KERNEL), "mechscope": {"script": hash_text(text)}}
    return notebook


def _shown(analysis: Analysis) -> str:
    return f"{analysis.path.parent.name}/{analysis.path.name}"


def _converted(cells: list[Cell], analysis: Analysis) -> NotebookNode:
    """What jupytext makes of the script's cells, after a first cell for the header.

    It reads the markers and the prose, and never sees the code: it looks for cells in strings, takes comments
    such as "# Really?" for commands of IPython, and ends lines where Python doesn't.
    """
    import jupytext

    filled = [cell for cell in cells if cell.options is not None or cell.source.strip()]
    lines = ["# ---", "# title: -", "# ---", ""]
    for cell in filled:
        if cell.options is not None:
            lines.append(f"# %% {cell.options}".rstrip())
        lines.append("..." if cell.code else cell.source)
    notebook = jupytext.reads(
        "\n".join(lines).translate(_HIDDEN),
        fmt={"extension": ".py", "format_name": "percent", "comment_magics": False},
    )
    for made, cell in zip_longest(notebook.cells[1:], filled):
        tagged = made is not None and "parameters" in made.metadata.get("tags", [])
        if made is None or cell is None or (made.cell_type == "code", tagged) != (cell.code, cell.parameters):
            where = f"{_shown(analysis)}:{(cell or filled[-1]).first}"
            raise InvalidInput(
                f"{where}: jupytext can't read this cell's marker, or the prose below it.",
                hint="begin each cell with '# %%' or '# %% [markdown]', and each line of prose with '# '",
            )
        made.source = cell.source if cell.code else made.source.translate(_SHOWN)
        if title := made.metadata.get("title"):
            made.metadata["title"] = title.translate(_SHOWN)
    return notebook


def code_cells(notebook: NotebookNode) -> list[Any]:
    """The cells that came from the script's code, in order."""
    return [cell for cell in notebook.cells if cell.id.startswith("cell-") and cell.id != INJECTED]


def is_parameters(cell: Any) -> bool:
    """Whether it is the cell tagged "parameters"."""
    return "parameters" in cell.metadata.get("tags", [])


def name_injected(notebook: NotebookNode) -> None:
    """Give the cell that papermill inserted its id; drop what papermill adds around an error."""
    notebook.cells = [
        cell for cell in notebook.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    ]
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = INJECTED


def is_readable(kind: str, content: str) -> bool:
    """Whether an output's MIME type and its content are text to read, which may stay in a notebook."""
    return not _unreadable(kind, content)


def _unreadable(kind: str, content: str) -> str:
    """What an output is, if no notebook may keep it: no text to read, or one that loads or runs something."""
    return foreign(kind, content) if kind in _READABLE else _what(kind)


def imitates_record(text: str) -> bool:
    """Whether a text is HTML with something in it that a reader, or a link, would take for a record."""
    return bool(_IMITATION.search(unescape(text)))


def normalise(notebook: NotebookNode, displays: dict[tuple[str, str], dict[str, str]]) -> None:
    """Leave in an executed notebook what a reader needs and what a second execution would repeat.

    Args:
        displays: What is displayed of each record, by its cell's id and its name; its data are taken out.

    Raises:
        InvalidRecord: A cell shows something that can't be committed: a chart or picture that is not
            recorded, what runs or loads something (also in Markdown), the address of an object, something
            that imitates a record.
    """
    stamp = notebook.metadata.get("mechscope", {})
    notebook.metadata = {"kernelspec": dict(_KERNEL), "mechscope": stamp}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "title") if cell.metadata.get(key)}
        if cell.cell_type != "code":
            is_header = cell is notebook.cells[0]  # written by `from_script`
            if not is_header and (what := foreign("text/markdown", cell.source)):
                raise _unfit(cell, what)
            continue
        cell.execution_count = None
        cell.outputs = list(
            _merged(filter(None, (_output(output, cell, displays) for output in cell.outputs)))
        )


def _output(output: Any, cell: Any, displays: dict[tuple[str, str], dict[str, str]]) -> dict[str, Any] | None:
    if output.output_type == "stream":
        if output.name == "stderr":
            return None
        _refuse_address(output.text, cell)
        return {"output_type": "stream", "name": "stdout", "text": _printable(output.text)}
    data = output.get("data", {})
    if RECORD_MIME in data:
        kept = displays[cell.id, data[RECORD_MIME]["name"]]
        return {"output_type": "display_data", "data": dict(kept), "metadata": {}}
    if any(kind.startswith("application/vnd.jupyter.widget") for kind in data):
        return None  # progress bars: gone with the kernel that drew them
    for kind, content in data.items():
        if what := _unreadable(kind, content):
            raise _unfit(cell, what)
        if imitates_record(content):
            raise InvalidRecord(
                f"{cell.id} shows HTML that looks like a record (an id 'record-…' or a class 'ms-…').",
                hint="record what it shows, or give it other names",
            )
        _refuse_address(content, cell)
    data = {kind: _printable(content) for kind, content in data.items()}
    result = {"output_type": output.output_type, "data": data, "metadata": {}}
    return {**result, "execution_count": None} if output.output_type == "execute_result" else result


def _unfit(cell: Any, what: str) -> InvalidRecord:
    return InvalidRecord(
        f"{cell.id} shows {what} that is not recorded; a page loads nothing and runs nothing of its own.",
        hint="record it:  ledger.figure(name, chart, caption=…, alt=…), or don't show it",
    )


def _printable(text: str) -> str:
    """What was shown, without colours of a terminal and without characters that no page can show."""
    return visible(_ANSI.sub("", text))


def _what(kind: str) -> str:
    return (
        "a picture" if kind.startswith("image/") else "a chart" if "vega" in kind else f"something ({kind})"
    )


def _refuse_address(text: str, cell: Any) -> None:
    if found := _ADDRESS.search(text):
        line = next(line for line in lines_of(text) if found.group() in line).strip()
        raise InvalidRecord(
            f"{cell.id} shows a bare object, which no rerun repeats: {line[:100]}",
            hint="record what matters about it, or don't let the cell end with it",
        )


def _merged(outputs: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Neighbouring pieces of printed text as one: where a stream is cut is a matter of timing."""
    printed = ""
    for output in outputs:
        if output["output_type"] == "stream":
            printed += output["text"]
            continue
        if printed:
            yield {"output_type": "stream", "name": "stdout", "text": printed}
            printed = ""
        yield output
    if printed:
        yield {"output_type": "stream", "name": "stdout", "text": printed}


def notebook_text(notebook: NotebookNode) -> str:
    """The bytes of a notebook as it is committed."""
    import nbformat

    plain = nbformat.from_dict(notebook)
    text: str = nbformat.writes(plain, version=nbformat.NO_CONVERT)
    return text.rstrip("\n") + "\n"


def script_of(path: Path) -> str:
    """The hash of the script that a committed notebook shows, read from the end of the file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1000))
        found = _STAMP.findall(file.read())
    return found[-1].decode() if found else ""


def refreshed(path: Path, analysis: Analysis, text: str) -> str | None:
    """A committed notebook with the script's present prose and comments around its outputs.

    None when its code is not the script's: a change that was accepted is not shown as though it had run.
    """
    import nbformat

    old = nbformat.read(path, as_version=4)
    if cells_hash([cell.source for cell in code_cells(old) if not is_parameters(cell)]) != analysis.code:
        return None
    new = from_script(analysis, text)
    outputs = {cell.id: cell.outputs for cell in code_cells(old)}
    for cell in code_cells(new):
        cell.outputs = outputs[cell.id]
    injected = [cell for cell in old.cells if cell.id == INJECTED]
    at = next(n for n, cell in enumerate(new.cells) if cell.cell_type == "code" and is_parameters(cell))
    new.cells[at + 1 : at + 1] = injected
    return notebook_text(new)


def plain_traceback(lines: Iterable[str]) -> list[str]:
    """A traceback's lines without colours."""
    return lines_of(_ANSI.sub("", "\n".join(lines)))

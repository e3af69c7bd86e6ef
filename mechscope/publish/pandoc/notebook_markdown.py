"""An executed notebook as Markdown: stored outputs are shown, nothing is run.

HTML outputs pass as they are, so that a record keeps the id that its display wrote.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from mechscope.ledger.notebook import Notebook, NotebookCell, Output

_SKIPPED_TAGS = {"remove-cell", "injected-parameters-hidden"}
_ESCAPE_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def as_markdown(notebook: Notebook, change: Callable[[str], str] = str) -> str:
    """The notebook as Markdown text, its YAML (a first raw cell) at the top.

    A notebook without a title takes that of its first heading.

    Args:
        change: Applied to the text of each Markdown cell; code and what it printed are data.
    """
    front, cells = _front_matter(list(notebook.cells))
    cells = [
        _with_source(cell, change(cell.source)) if cell.cell_type == "markdown" else cell for cell in cells
    ]
    blocks = [block for cell in cells if not _hidden(cell) for block in _cell(cell, notebook.language)]
    return front + "\n\n".join(blocks) + "\n"


def _with_source(cell: NotebookCell, source: str) -> NotebookCell:
    return cell.model_copy(update={"source": source})


def _front_matter(cells: list[NotebookCell]) -> tuple[str, list[NotebookCell]]:
    front = ""
    if cells and cells[0].cell_type == "raw" and cells[0].source.startswith("---"):
        front, cells = cells[0].source.rstrip() + "\n\n", cells[1:]
    if not cells or cells[0].cell_type != "markdown":
        return front, cells
    first, _, rest = cells[0].source.partition("\n")
    heading = first[2:].strip() if first.startswith("# ") else ""
    titled = re.search(r"^title:\s*(['\"]?)(.*)\1\s*$", front, re.MULTILINE)
    if heading and (not titled or titled[2] == heading):
        # The title block says it.
        cells = [_with_source(cells[0], rest), *cells[1:]]
    if heading and not front:
        front = "---\ntitle: '" + heading.replace("'", "''") + "'\n---\n\n"
    return front, cells


def _hidden(cell: NotebookCell) -> bool:
    return bool(_SKIPPED_TAGS.intersection(cell.tags))


def _cell(cell: NotebookCell, language: str) -> list[str]:
    source = cell.source.strip("\n")
    if cell.cell_type == "markdown":
        return [source]
    if cell.cell_type == "raw":
        return []
    # As Quarto does, so that links to a cell hold in both.
    identifier = cell.id.removeprefix("cell-")
    attributes = " ".join(
        [f"#cell-{identifier}" if identifier else "", ".cell", *(f".tag-{tag}" for tag in cell.tags)]
    )
    blocks = [f"::::::::: {{{attributes.strip()}}}"]
    if source:
        blocks.append(fenced(source, f".{language} .cell-code"))
    for output in cell.outputs:
        blocks += _output(output)
    return [*blocks, ":::::::::"]


def _output(output: Output) -> list[str]:
    if output.output_type == "stream":
        return _shown(f"cell-output-{output.name or 'stdout'}", fenced(_plain(output.text), ".cell-text"))
    if output.output_type == "error":
        return _shown("cell-output-error", fenced(_plain("\n".join(output.traceback)), ".cell-text"))
    data = {kind: str(content) for kind, content in output.data.items()}
    if "text/html" in data:
        return _shown("cell-output-display", fenced(data["text/html"], "=html"))
    if "image/svg+xml" in data:
        return _shown("cell-output-display", fenced(data["image/svg+xml"], "=html"))
    for mime in ("image/png", "image/jpeg"):
        if mime in data:
            address = f"data:{mime};base64,{data[mime].replace(chr(10), '')}"
            alt = html.escape(data.get("text/plain", "output"))
            return _shown("cell-output-display", fenced(f'<img alt="{alt}" src="{address}">', "=html"))
    if "text/markdown" in data:
        return _shown("cell-output-display", data["text/markdown"])
    if "text/plain" in data:
        return _shown("cell-output-display", fenced(_plain(data["text/plain"]), ".cell-text"))
    return []


def _shown(kind: str, block: str) -> list[str]:
    return [f":::::: {{.cell-output .{kind}}}\n{block}\n::::::"]


def fenced(text: str, attributes: str) -> str:
    """A fenced block with a fence longer than any in `text`."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{{{attributes}}}\n{text.rstrip()}\n{fence}"


def _plain(text: str) -> str:
    return _ESCAPE_CODES.sub("", text)

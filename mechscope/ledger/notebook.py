"""Notebooks as read: cells and what they show, typed, whether they were executed here or are articles.

nbformat, which a run writes them with, takes a second to import and gives untyped dictionaries.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, field_validator

from mechscope.errors import InvalidInput, InvalidRecord
from mechscope.files import file_state, parsed_json
from mechscope.ledger.schema import KINDS, RECORD_MIME, SCHEMA_VERSION

INJECTED = "cell-parameters"
"""The id of the cell in which papermill sets the parameters."""


def _joined(text: Any) -> Any:
    """Notebooks hold a text as one or as a list of its lines."""
    is_lines = isinstance(text, list) and all(isinstance(line, str) for line in text)
    return "".join(text) if is_lines else text


_Text = Annotated[str, BeforeValidator(_joined)]


class RecordPayload(BaseModel):
    """What is under `RECORD_MIME` in an output, until the pipeline has put it into the ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    analysis: str
    kind: str
    name: str
    record: dict[str, Any]
    spec: dict[str, Any] | None = None
    svg: str | None = None


class _Part(BaseModel):
    """A part of a notebook. What else it says, beside its fields, is kept in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Output(_Part):
    """What a cell shows.

    Attributes:
        output_type: "stream" (with `name` and `text`), "display_data" or "execute_result" (with `data` by
            MIME type), "error" (with `ename`, `evalue` and `traceback`).
    """

    output_type: str
    name: str = ""
    text: _Text = ""
    data: dict[str, Annotated[Any, BeforeValidator(_joined)]] = {}
    metadata: dict[str, Any] = {}
    execution_count: int | None = None
    ename: str = ""
    evalue: str = ""
    traceback: tuple[str, ...] = ()

    @field_validator("data")
    @classmethod
    def _texts_but_for_json(cls, data: dict[str, Any]) -> dict[str, Any]:
        for mime, content in data.items():
            if not isinstance(content, str) and not mime.endswith("json"):
                raise ValueError(f"{mime} is not a text")
        return data

    @property
    def payload(self) -> RecordPayload | None:
        """The record that it displays, with its data; None for any other output.

        Raises:
            InvalidRecord: It is of another schema.
        """
        if RECORD_MIME not in self.data:
            return None
        try:
            payload = RecordPayload.model_validate(self.data[RECORD_MIME])
        except ValidationError as error:
            raise InvalidRecord(f"a record can't be read: {error.errors()[0]['msg']}.") from error
        if payload.schema_version != SCHEMA_VERSION or payload.kind not in KINDS:
            raise InvalidRecord(f"a record of schema {payload.schema_version}, kind '{payload.kind}'.")
        return payload


class NotebookCell(_Part):
    """A cell; `cell_type` is "code", "markdown" or "raw"."""

    id: str = ""
    cell_type: str
    source: _Text
    metadata: dict[str, Any] = {}
    outputs: tuple[Output, ...] = ()
    execution_count: int | None = None

    @property
    def tags(self) -> list[str]:
        """Its tags; none where its metadata hold something else under that name."""
        tags = self.metadata.get("tags")
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []

    @property
    def sets_parameters(self) -> bool:
        """Whether it is the script's cell of parameters, or the one that papermill put below it."""
        return self.id == INJECTED or "parameters" in self.tags


class Notebook(_Part):
    """A notebook of format 4."""

    cells: tuple[NotebookCell, ...]
    metadata: dict[str, Any] = {}

    @property
    def language(self) -> str:
        """The language of its code, by its kernel; Python where it names none."""
        kernel = self.metadata.get("kernelspec")
        return str(kernel.get("language") or "python") if isinstance(kernel, dict) else "python"


def parse_notebook(text: str, file: str) -> Notebook:
    """The notebook that a text is.

    Args:
        file: How messages call its file.

    Raises:
        InvalidInput: It is none.
    """
    try:
        return Notebook.model_validate(parsed_json(text))
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    except ValueError as error:
        problem = str(error)
    raise InvalidInput(f"{file} is not a notebook: {problem}.")


def read_notebook(path: Path) -> Notebook:
    """The notebook in a file; it is read once until the file changes.

    Raises:
        OSError: There is none, or it can't be read.
        InvalidInput: It is no notebook.
    """
    return _read(path, file_state(path))


@functools.lru_cache(maxsize=64)
def _read(path: Path, state: tuple[int, ...]) -> Notebook:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not a notebook: {error}.") from error
    return parse_notebook(text, path.name)

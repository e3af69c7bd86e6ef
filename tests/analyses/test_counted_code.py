"""What is executed while an analysis runs is among what counts: reading its code misses nothing of it."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import mechscope
from mechscope.ledger import recording
from mechscope.pipeline.imports import ImportGraph
from mechscope.project import Project
from tests.analyses.strangers import ROOT, make
from tests.analyses.test_any_model import FEWER, executed
from tests.throwaway import every_analysis

PACKAGE = Path(mechscope.__file__).parent


GRAPH = ImportGraph({"mechscope": PACKAGE.parent, "": ROOT / "analyses"})


def is_left_out(file: str) -> bool:
    """Whether a file can't change a result: plumbing, and the pipeline that reads the script."""
    module = ".".join(Path(file).relative_to(PACKAGE.parent).with_suffix("").parts)
    return GRAPH.is_plumbing(module) or module.startswith("mechscope.pipeline.")


@contextmanager
def functions_called() -> Iterator[set[tuple[str, int]]]:
    """The file and the first line of each function of the package that is called meanwhile.

    Not of those that only what can't change a result has called.
    """
    called: set[tuple[str, int]] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        key = frame.f_code.co_filename, frame.f_code.co_firstlineno
        is_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED  # and no class' body
        if event == "call" and is_function and key[0].startswith(str(PACKAGE)) and key not in called:
            caller: FrameType | None = frame
            while caller is not None:
                file = caller.f_code.co_filename
                if file.startswith(str(PACKAGE)) and is_left_out(file):
                    return
                caller = caller.f_back
            called.add(key)

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


def definition_around(file: str, line: int) -> str:
    """The name of the top-level function or class that holds a line; "" if none does."""
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first <= line <= (node.end_lineno or node.lineno):
                return node.name
    return ""


@pytest.mark.parametrize("name", sorted(every_analysis(Project(ROOT))))
def test_every_function_that_an_analysis_calls_is_counted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_show", lambda payload, record: None)
    monkeypatch.chdir(ROOT / "analyses")
    model = make("llama-two-layers", tmp_path / "model")
    with functions_called() as called:
        executed(name, {"model": str(model), "steps": 60, "n_seeds": 1, **FEWER}, monkeypatch)
    reached = GRAPH.reached(every_analysis(Project(ROOT))[name].tree)
    counted = {(str(file), definition) for file, definition, _ in reached.definitions}
    named = {(file, definition) for file, line in called if (definition := definition_around(file, line))}
    assert named and named - counted == set()

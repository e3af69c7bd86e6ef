"""Where models come from: `load_model(name)`; importable without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mechscope.models.registry import EMBEDDED, Model, find_model, source_hash

if TYPE_CHECKING:
    from mechscope.models.load import load_model
    from mechscope.models.report import describe, fetch, models_table

__all__ = [
    "EMBEDDED",
    "Model",
    "describe",
    "fetch",
    "find_model",
    "load_model",
    "models_table",
    "source_hash",
]

_LAZY = {
    "load_model": "mechscope.models.load",
    "describe": "mechscope.models.report",
    "fetch": "mechscope.models.report",
    "models_table": "mechscope.models.report",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

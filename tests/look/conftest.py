"""The tiny models of the lens' tests."""

from __future__ import annotations

from tests.lens.conftest import bridge

__all__ = ["bridge"]

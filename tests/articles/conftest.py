"""A small paper with hand-made ledgers, read by the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from mechscope.project import Project
from tests.publish.sample_project import build_sample


@pytest.fixture
def sample(tmp_path: Path) -> Project:
    """A throw-away project with results of two runs."""
    return build_sample(tmp_path / "project")

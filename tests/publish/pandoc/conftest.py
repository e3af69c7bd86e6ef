"""The engine's tests each get a small project of their own."""

import os
from pathlib import Path

import pytest

from tests.publish.pandoc.small_paper import Paper


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(Path(os.path.realpath(tmp_path)))

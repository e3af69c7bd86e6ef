"""What the README tells a newcomer to type works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mechscope.publish.sources import SHORTCODE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_there_is_an_analysis_and_a_session() -> None:
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("code", BLOCKS, ids=["analysis", "session"])
def test_its_python_runs(code: str, tmp_path: Path) -> None:
    script = tmp_path / "next_word.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_its_article_cites_what_its_analysis_records() -> None:
    recorded = set(re.findall(r'ledger\.\w+\("(\w+)"', BLOCKS[0]))
    example = re.search(r"^```markdown\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert example
    cited = set(re.findall(r"next_word\.(\w+)", example[1]))
    assert cited == recorded == {"word", "probability", "sure"}
    assert SHORTCODE.search(example[1])

"""What the README tells a newcomer to type works as it stands there."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mechscope.articles.sources import SHORTCODE

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_there_are_an_analysis_passages_and_a_session() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("code", BLOCKS, ids=["analysis", "passages", "session"])
def test_its_python_runs(code: str, tmp_path: Path) -> None:
    script = tmp_path / "next_word.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_its_analysis_has_an_interval_a_test_a_figure_and_a_claim_in_under_40_lines() -> None:
    assert len(BLOCKS[0].splitlines()) < 40
    assert all(
        word in BLOCKS[0] for word in ("draws.mean(", "sign_flip_test(", "ledger.figure(", "ledger.claim(")
    )


def test_its_article_cites_what_its_analysis_records() -> None:
    recorded = set(re.findall(r'ledger\.\w+\("(\w+)"', BLOCKS[0]))
    example = re.search(r"^```markdown\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert example
    cited = set(re.findall(r"next_word\.(\w+)", example[1]))
    assert cited == recorded == {"surer", "each", "facts"}
    assert SHORTCODE.search(example[1])


def _tables() -> dict[str, set[str]]:
    """By module, as its full name: what the README's tables say stands in it."""
    tables: dict[str, set[str]] = {}
    table = re.compile(r"^\| In `(mechscope\.(?:\w+\.)?)` \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
    for prefix, rows in table.findall(README):
        for row in rows.splitlines():
            modules, names = (re.findall(r"`([\w.]+)`", cell) for cell in row.split("|")[1:3])
            for module in modules:
                tables[prefix + module] = set(names)
    return tables


def _offered(module: str) -> set[str]:
    """The functions of a module that are not for its package alone, but for checks of what was given."""
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name for name in names if not name.startswith(("_", "require_"))}


TABLES = _tables()
PUBLIC = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for pattern in ("lens/core/*.py", "lens/*.py", "stats/*.py", "charts/*.py", "data/*.py")
    for path in sorted((ROOT / "mechscope").glob(pattern))
    if not path.name.startswith("_")
]


@pytest.mark.parametrize("module", PUBLIC)
def test_its_tables_name_every_technique_statistic_and_chart(module: str) -> None:
    assert module in TABLES, f"the README's tables lack {module}"
    missing = _offered(module) - TABLES[module]
    assert not missing, f"the README's row of {module} lacks {', '.join(sorted(missing))}"


@pytest.mark.parametrize("module", sorted(TABLES))
def test_its_tables_name_nothing_that_is_not_there(module: str) -> None:
    together = [one for one, names in TABLES.items() if names == TABLES[module]]
    modules = [importlib.import_module(one) for one in together]
    assert not [name for name in TABLES[module] if not any(hasattr(one, name) for one in modules)]


@pytest.mark.parametrize("name", ["token_activations", "Passage", "sign_flip_test", "lens_grid"])
def test_what_newcomers_looked_for_stands_in_its_tables(name: str) -> None:
    assert any(name in names for names in TABLES.values())


def test_what_it_prints_of_a_run_is_what_a_run_prints() -> None:
    recorded = re.findall(r'ledger\.(?:statistic|claim)\("(\w+)"', BLOCKS[0])
    shown = re.search(r"mechscope run next_word\n(.*?)```", README, re.DOTALL)
    assert shown and all(f"  next_word.{name} " in shown[1] for name in recorded)

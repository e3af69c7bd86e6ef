"""Imports point down, those inside functions too: the contracts are in pyproject.toml."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
CONTRACTS = [contract["id"] for contract in SETTINGS["contracts"]]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_package_keeps_every_contract(contract: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(str(ROOT / "pyproject.toml"), limit_to_contracts=(contract,), no_cache=True)
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "source, forbidden",
    [("review", "publish"), ("publish", "articles"), ("articles", "pipeline"), ("pipeline", "ledger")],
)
def test_a_layer_is_seen_to_import_the_one_below(source: str, forbidden: str, tmp_path: Path) -> None:
    settings = tmp_path / "pyproject.toml"
    settings.write_text(
        '[tool.importlinter]\nroot_package = "mechscope"\n[[tool.importlinter.contracts]]\nname = "planted"\n'
        f'type = "forbidden"\nsource_modules = ["mechscope.{source}"]\n'
        f'forbidden_modules = ["mechscope.{forbidden}"]\n',
        "utf-8",
    )
    assert lint_imports(str(settings), no_cache=True) == 1


def test_no_two_modules_share_a_name() -> None:
    """One word, one thing. A command has the name of the module that does its work."""
    named = Counter(
        path.stem
        for path in (ROOT / "mechscope").rglob("*.py")
        if not path.stem.startswith("__") and path.parent.name not in ("cli", "models")
    )
    assert [name for name, count in named.items() if count > 1] == []

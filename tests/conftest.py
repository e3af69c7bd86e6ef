"""Options and guards for the whole suite."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# The suite tries the same examples every time: what it says of a commit must not depend on the day. To look
# for counterexamples beyond them, others each time:  pytest --hypothesis-profile search
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None)
settings.load_profile("same")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--hub", action="store_true", help="also run the tests that fetch models from a hub")


def pytest_configure(config: pytest.Config) -> None:
    # Without --hub nothing may reach one: a mistake would hang on retries instead of failing. Set before any
    # test imports huggingface_hub, which reads it once.
    if not config.getoption("--hub"):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--hub"):
        return
    skip = pytest.mark.skip(reason="needs a model hub: run with --hub")
    for item in items:
        if "hub" in item.keywords:
            item.add_marker(skip)

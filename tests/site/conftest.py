"""The project's own site, rendered once into a throw-away copy, and a browser to read it with."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mechscope.project import Project, find_project

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """What a clone of this project holds, without its environment and its outputs."""
    source = find_project(Path(__file__).parent).root
    copy = tmp_path_factory.mktemp("site") / "project"
    for part in ("_extensions", "analyses", "mechscope", "paper", "results"):
        shutil.copytree(
            source / part, copy / part, ignore=shutil.ignore_patterns("_generated", "__pycache__")
        )
    for file in (*source.glob("_quarto*.yml"), *source.glob("_environment*"), source / "pyproject.toml"):
        shutil.copy2(file, copy / file.name)
    return Project(copy)


@pytest.fixture(scope="session")
def site(project_copy: Project) -> Path:
    """The folder of the rendered site: every run that has committed results, by the built-in engine."""
    from mechscope.pipeline.shelf import runs_with_results
    from mechscope.publish.render import render

    # "check": stale results are a mistake of whoever committed them, and not half an hour of this test.
    render(project_copy, runs_with_results(project_copy), engine="pandoc", mode="check")
    return project_copy.site


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; skips where there is none, unless MECHSCOPE_REQUIRE_BROWSER insists."""
    executable = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if executable is None:
        if os.environ.get("MECHSCOPE_REQUIRE_BROWSER"):
            pytest.fail("no Chromium on PATH, and MECHSCOPE_REQUIRE_BROWSER is set")
        pytest.skip("no Chromium on PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield started
        started.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing: the test's own report is what counts."""


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The site served on this machine only."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()

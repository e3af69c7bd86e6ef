"""Rendering: pages and PDFs from articles and ledgers."""

from mechscope.publish.prerender import Prepared, prepare
from mechscope.publish.render import Rendered, RenderedRun, render

__all__ = ["Prepared", "Rendered", "RenderedRun", "prepare", "render"]

"""The built-in engine: Quarto sources through Pandoc and Typst, where Quarto is not installed.

It supports what this project's articles use and names, with file and line, what it does not.
"""

from mechscope.publish.pandoc.engine import render_run

__all__ = ["render_run"]

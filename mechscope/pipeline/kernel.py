"""The kernel an analysis runs in: an IPython kernel that watches what is read and runs cells as they stand.

`python -m mechscope.pipeline.kernel -f CONNECTION_FILE`
"""

from __future__ import annotations

import faulthandler
import os
import sys
from typing import Any

from mechscope.pipeline.reads import watch_as_told


def main() -> None:
    """Start the kernel and serve until it is told to end."""
    watch_as_told()
    from ipykernel.kernelapp import IPKernelApp
    from IPython.core.inputtransformer2 import TransformerManager

    class PlainPython(TransformerManager):
        """No command of IPython, no prompt to strip: in a string, those are what the analysis says."""

        def transform_cell(self, cell: str) -> str:
            return cell if cell.endswith("\n") else cell + "\n"

    log = os.dup(2)
    app = IPKernelApp.instance()
    app.initialize()
    app.shell.input_transformer_manager = PlainPython()
    # What cells and libraries say before the process ends must be in its log at once; what is on its way to a
    # notebook is lost.
    os.dup2(log, 2)
    stderr: Any = sys.stderr
    stderr.echo = os.fdopen(log, "w", buffering=1, encoding="utf-8", errors="replace")
    faulthandler.enable(file=stderr.echo, all_threads=False)
    app.start()


if __name__ == "__main__":
    main()

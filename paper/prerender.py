"""Quarto runs this before every render: brings results and generated pages up to date, or stops the render.

Any Python 3 may start it: where mechscope is not installed, it hands over to the project's own environment, so
that `quarto render` works with nothing activated.
"""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ENVIRONMENTS = (".venv/bin/python", ".venv/Scripts/python.exe")


def main(module="mechscope.publish.prerender"):
    command = ["-m", module]
    for python in [sys.executable] + [os.path.join(ROOT, name) for name in ENVIRONMENTS]:
        if not os.path.exists(python):
            continue
        has_it = subprocess.run(
            [python, "-c", "import mechscope, pydantic, yaml"], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        if has_it.returncode == 0:
            return subprocess.run([python, *command], cwd=ROOT).returncode
    sys.stderr.write(
        "mechscope is installed neither in " + sys.executable + " nor in .venv.\n"
        "  → run 'make environment' in " + ROOT + ", or activate an environment that has it\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())

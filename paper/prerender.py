"""Quarto runs this before every render: it brings results and generated pages up to date, or stops.

Any Python 3 may start it. Where mechscope is not installed, it hands over to the project's own environment,
so that `quarto render` works with nothing activated.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = (ROOT / ".venv" / "bin" / "python", ROOT / ".venv" / "Scripts" / "python.exe")


def main(when):
    """Run one of mechscope's hooks, "pre" or "post"."""
    for python in [sys.executable] + [str(path) for path in ENVIRONMENTS if path.exists()]:
        trial = [python, "-c", "import mechscope, pydantic, yaml"]
        if subprocess.run(trial, cwd=str(ROOT), stderr=subprocess.DEVNULL).returncode == 0:
            command = [python, "-m", "mechscope.publish.hooks", when]
            return subprocess.run(command, cwd=str(ROOT)).returncode
    sys.stderr.write(
        f"mechscope is installed neither in {sys.executable} nor in .venv.\n"
        "  → run 'make environment', or activate an environment that has it\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main("pre"))

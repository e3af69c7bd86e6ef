"""Quarto runs this before every render: it brings results and generated pages up to date, or stops.

Any Python may start it, even Python 2, so it is written in what all of them have. The hook itself runs in the
project's own environment, so that `quarto render` works with nothing activated.
"""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What the hooks and the analyses that they start import. Looked for, not imported: that would take seconds.
NEEDED = (
    "altair", "click", "dask", "distributed", "filelock", "gguf", "ipykernel", "jaxtyping", "jupytext",
    "nbformat", "numpy", "pandas", "papermill", "psutil", "pydantic", "pypandoc", "yaml", "rich", "sae_lens",
    "safetensors", "skbio", "scipy", "statsmodels", "torch", "tqdm", "transformer_lens", "transformers",
    "typst", "vl_convert",
)  # fmt: skip

TRIAL = """
import sys
if sys.version_info < (3, 11):
    sys.exit("it is Python %d.%d, and mechscope needs 3.11 or newer" % sys.version_info[:2])
from importlib.util import find_spec
missing = [name for name in sys.argv[1:] if find_spec(name) is None]
if missing:
    more = " and %d more" % (len(missing) - 6) if missing[6:] else ""
    sys.exit("it lacks " + ", ".join(missing[:6]) + more)
"""


def pythons():
    """The Pythons to try: the project's own first, unless QUARTO_PYTHON named the one that runs this."""
    own = [os.path.join(ROOT, ".venv", "bin", "python"), os.path.join(ROOT, ".venv", "Scripts", "python.exe")]
    this = [sys.executable] if sys.executable else []
    active = []
    for folder in (os.environ.get("VIRTUAL_ENV"), os.environ.get("CONDA_PREFIX")):
        if folder:
            active += [os.path.join(folder, "bin", "python"), os.path.join(folder, "Scripts", "python.exe")]
            active += [os.path.join(folder, "python.exe")]  # of conda on Windows
    chosen = this + own if os.environ.get("QUARTO_PYTHON") else own + this
    # `lexists`: a link to a Python that is gone is named, too.
    there = [path for path in chosen + active if os.path.lexists(path)]
    return [path for at, path in enumerate(there) if path not in there[:at]]


def lacking(python):
    """Why the hooks can't run in that Python; "" when they can."""
    command = [python, "-c", TRIAL, "mechscope"] + list(NEEDED)
    try:
        trial = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = trial.communicate()[1].decode("utf-8", "replace").strip()
    except OSError as error:
        return "it does not start (%s)" % (error.strerror or error)
    return "" if trial.returncode == 0 else said.split("\n")[-1].strip() or "it fails"


def environment():
    """That of the hook. The number of Quarto's process tells it later whether the render was killed."""
    found = dict(os.environ)
    if hasattr(os, "getppid"):  # not in Python 2 on Windows
        found["MECHSCOPE_QUARTO_PROCESS"] = str(os.getppid())
    return found


def main(when):
    """Run one of mechscope's hooks, "pre" or "post"."""
    tried = []
    for python in pythons():
        why = lacking(python)
        if not why:
            command = [python, "-m", "mechscope.publish.hooks", when]
            return subprocess.call(command, cwd=ROOT, env=environment())
        tried.append("  %s: %s\n" % (python, why))
    sys.stderr.write(
        "mechscope: no Python here has what a render needs.\n%s"
        "  -> run 'make environment', or activate an environment that has mechscope and what it needs\n"
        % "".join(tried)
    )
    return 1


if __name__ == "__main__":
    sys.exit(main("pre"))

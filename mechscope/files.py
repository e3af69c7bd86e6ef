"""Files that are either whole or not there: atomic writes, stable JSON, hashes; and text as others save it.

Everything mechscope leaves on disk goes through here, so that a process killed at any moment leaves the
old file or the new one, never half of either. Text that people write comes in through `read_text`: with or
without a byte order mark, whatever its line ends.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mechscope.errors import InvalidInput

_CHUNK = 1 << 20
_GIT_LOOKS_AT = 8000
"""Bytes in which git looks for a NUL, which no text has."""
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
"""How texts of two or four bytes a letter begin (little-endian UTF-32 begins as UTF-16 does)."""
_BEFORE = 20
"""Characters shown before a byte that can't be read."""
_SCALARS = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True)


def write_atomically(path: Path, data: str | bytes) -> bool:
    """Write `data` to `path` (text as UTF-8 with `\\n`), whole or not at all.

    Returns:
        Whether anything changed: equal content is left alone, modification time included, so that
        tools which watch files see only real changes.

    Raises:
        OSError: It can't be written; it says which file and why.
    """
    raw = data.encode() if isinstance(data, str) else data
    if path.is_file() and path.read_bytes() == raw:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:  # which names the temporary file, or none
        raise OSError(error.errno, f"cannot be written: {error.strerror}", str(path)) from error
    return True


def why_not(error: OSError) -> str:
    """An error of the disk, or of somebody's permissions, in words: which file, if that is known, and why."""
    return f"{error.filename or 'a file that it needs'}: {error.strerror or error}"


@contextmanager
def folder_in_place(target: Path) -> Iterator[Path]:
    """Yield a fresh folder beside `target`; when the block succeeds it becomes `target`.

    When the block raises, `target` is as it was. A folder cannot be exchanged in one system call on every
    platform, so the old one is moved aside first; `recover_folder` finishes an exchange that was killed
    between the two moves.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    recover_folder(target)
    staged = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.new-"))
    staged.chmod(0o755)
    try:
        yield staged
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    old = _moved_aside(target)
    if target.exists():
        os.replace(target, old)
    os.replace(staged, target)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(target: Path) -> None:
    """Put `target` back if an exchange was killed midway, and clear what other killed writers left."""
    old = _moved_aside(target)
    if old.exists():
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(old, target)
    for leftover in target.parent.glob(f".{target.name}.new-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _moved_aside(target: Path) -> Path:
    return target.parent / f".{target.name}.old"


def stable_json(value: Any) -> str:
    """JSON with sorted keys and a final newline: the same value, the same bytes.

    Objects take a line an entry, lists of plain values one line, so that a changed number is one changed
    line in `git diff` and a row of a table stays a row. NaN and infinities are refused.
    """
    return _json(value, "") + "\n"


def _json(value: Any, margin: str) -> str:
    deeper = margin + " "
    if isinstance(value, dict) and value:
        if not all(isinstance(key, str) for key in value):
            raise TypeError("JSON objects have text keys")
        entries = [f"{deeper}{_scalar(key)}: {_json(value[key], deeper)}" for key in sorted(value)]
        return "{\n" + ",\n".join(entries) + f"\n{margin}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(item, (dict, list, tuple)) for item in value):
        return "[\n" + ",\n".join(deeper + _json(item, deeper) for item in value) + f"\n{margin}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    return _SCALARS.encode(value)


def parsed_json(text: str) -> Any:
    """What a text of JSON says, to every reader: of two entries of one name each reader may take another.

    Raises:
        ValueError: It is not JSON, or an object in it has two entries of one name.
    """
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has two entries named '{twice}'")
    return entries


def hash_text(text: str) -> str:
    """SHA-256 of a text, as 64 hexadecimal digits; of a file with this text, `hash_content` gives the same.

    A picture whose labels are tokens can hold a CR LF, which git makes an LF.
    """
    return hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()


def hash_value(value: Any) -> str:
    """SHA-256 of a JSON-like value; independent of the order of its keys."""
    return hash_text(stable_json(value))


def read_text(path: Path, file: str = "") -> str:
    r"""A text file's content: UTF-8, a byte order mark left out, every line end as `\n`.

    Args:
        file: How messages call the file.

    Raises:
        InvalidInput: It is not UTF-8 text; with the line and the byte.
        OSError: It can't be read.
    """
    return decoded(path.read_bytes(), file or str(path))


def decoded(raw: bytes, file: str, encoding: str = "utf-8") -> str:
    """The text that `raw` is, as `read_text` gives it. Raises InvalidInput."""
    if raw.startswith(_WIDE):
        raise InvalidInput(f"{file}: this is UTF-16 or UTF-32 text, not UTF-8.", hint=_as_utf8(file))
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if b"\0" in raw:
        line = len(lines_of(raw[: raw.index(b"\0")].decode("latin-1") + "."))
        raise InvalidInput(f"{file}:{line}: this is no text: it has a NUL byte.", hint=_as_utf8(file))
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        lines = lines_of(raw[: error.start].decode(encoding) + ".")
        before = lines[-1][:-1][-_BEFORE:]
        byte = f"byte 0x{raw[error.start]:02x}" + (f" after {before!r}" if before else "")
        raise InvalidInput(
            f"{file}:{len(lines)}: this is not {encoding.upper()} text: {byte}.", hint=_as_utf8(file)
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _as_utf8(file: str) -> str:
    spreadsheet = ' (in a spreadsheet: "CSV UTF-8")' if file.endswith(".csv") else ""
    return f"save it again as UTF-8 text{spreadsheet}"


def lines_of(text: str, *, keepends: bool = False) -> list[str]:
    r"""The lines of a text as Python, Pandoc and editors see them: they end with `\n`, `\r\n` or `\r`.

    `str.splitlines` also ends one at eight other characters (U+2028, form feed …), which stand in strings, in
    comments and in what models say.
    """
    if keepends:
        return io.StringIO(text, newline="").readlines()
    return [line.removesuffix("\n") for line in io.StringIO(text, newline=None)]


def file_state(path: Path) -> tuple[int, int, int]:
    """What tells that a file is still the one that was read: another writing, another state.

    For caches within a process; what is committed is told apart by hashes.

    Raises:
        FileNotFoundError: There is no such file.
    """
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def hash_content(path: Path) -> str:
    """SHA-256 of a file that goes through git: the same before and after, whatever git does to line ends.

    Text is hashed with LF for each CR LF, so text that has LF alone has the hash of its bytes; a file with a
    NUL among its first 8000 bytes is hashed as it is. A byte order mark counts: git keeps it.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        chunk = file.read(_CHUNK)
        binary = b"\0" in chunk[:_GIT_LOOKS_AT]
        while chunk:
            if not binary:
                while chunk.endswith(b"\r") and (more := file.read(1)):
                    chunk += more
                chunk = chunk.replace(b"\r\n", b"\n")
            digest.update(chunk)
            chunk = file.read(_CHUNK)
    return digest.hexdigest()

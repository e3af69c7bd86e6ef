"""One family of exceptions, written for the person who reads them.

Every message says what was wrong and what was expected; `hint` holds the command or the edit that mends
it. The command line prints both without a traceback; anything that is not a `MechscopeError` is a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHORTEST = 3
"""Letters that a name must have for its beginning to say anything."""


class MechscopeError(Exception):
    """Something a person can put right.

    Args:
        message: What was wrong and what was expected, as sentences.
        hint: The command or edit that mends it; shown on a line of its own.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class UnknownName(MechscopeError):
    """A name that is not among the valid ones; the message proposes the nearest.

    Args:
        kind: What the name should have been ("run", "analysis", "model", "key" …).
        name: The name as it was given.
        valid: The names that would have worked.
        where: Where the name stands ("paper/articles/x.qmd:12"), if it stands in a file.
        hint: Replaces the default hint, which lists the valid names.
    """

    def __init__(
        self, kind: str, name: str, valid: Iterable[str], *, where: str = "", hint: str = ""
    ) -> None:
        self.name = name
        self.valid = sorted(set(valid))
        self.nearest = nearest(name, self.valid)
        place = f"{where}: " if where else ""
        proposal = f" — did you mean {_quoted(self.nearest)}?" if self.nearest else "."
        super().__init__(f"{place}unknown {kind} '{name}'{proposal}", hint=hint or self._listing(kind))

    def _listing(self, kind: str) -> str:
        if not self.valid:
            return f"there is no {kind} yet"
        shown = ", ".join(self.valid[:12]) + (" …" if len(self.valid) > 12 else "")
        return f"valid: {shown}"


class InvalidInput(MechscopeError):
    """A value, file or prompt that cannot be used as it was given."""


class InvalidRecord(MechscopeError):
    """A record that the ledger refuses (duplicate key, non-finite value, missing alt text …)."""


class LedgerDamaged(MechscopeError):
    """A committed ledger that cannot be read, or that was edited by hand."""


class ModelUnavailable(MechscopeError):
    """Weights that are not here and cannot be fetched now."""


class ModelMismatch(MechscopeError):
    """Weights or activations that are not what they were declared to be."""


class AnalysisFailed(MechscopeError):
    """An analysis stopped with an error; carries where."""


class RenderFailed(MechscopeError):
    """The site or a PDF could not be rendered."""


def nearest(name: str, valid: Iterable[str], most: int = 3) -> list[str]:
    """The valid names that look most like `name`, best first (possibly none)."""
    given = name.lower()
    by_folded = {option.lower(): option for option in valid}
    close = difflib.get_close_matches(given, by_folded, n=most, cutoff=0.6)
    if len(name) >= _SHORTEST:  # "gema" begins like "gemma-3-270m", which is much longer
        begins = {folded[: len(name) + 1]: folded for folded in by_folded}
        parts = difflib.get_close_matches(given, begins, n=most, cutoff=0.75)
        if parts and (not close or _likeness(given, parts[0]) > _likeness(given, close[0])):
            close = list(dict.fromkeys([*(begins[part] for part in parts), *close]))[:most]
    return [by_folded[folded] for folded in close]


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, name).ratio()


def _quoted(names: list[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)

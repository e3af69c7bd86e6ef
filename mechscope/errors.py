"""One family of exceptions, written for the person who reads them.

Every message says what was wrong and what was expected; `hint` holds the command or the edit that fixes
it. The command line prints both without a traceback; anything that is not a `MechscopeError` is a bug.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

_SHORTEST = 3
"""Letters that a name must have for its beginning to say anything."""
_PROPOSED = 3


class MechscopeError(Exception):
    """Something a person can put right.

    Args:
        message: What was wrong and what was expected, as sentences.
        hint: The command or edit that fixes it; shown on a line of its own.
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
        proposals: Names to propose before the nearest ones, whatever they look like.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        valid: Iterable[str],
        *,
        where: str = "",
        hint: str = "",
        proposals: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.valid = sorted(set(valid))
        self.nearest = list(dict.fromkeys([*proposals, *nearest(name, self.valid)]))[:_PROPOSED]
        place = f"{where}: " if where else ""
        super().__init__(
            f"{place}unknown {kind} '{name}'{_proposal(self.nearest)}", hint=hint or self._listing(kind)
        )

    def _listing(self, kind: str) -> str:
        if not self.valid:
            return f"there is no {kind} yet"
        shown = ", ".join(self.valid[:12]) + (" …" if len(self.valid) > 12 else "")
        return f"valid: {shown}"


class InvalidInput(MechscopeError):
    """A value, file or prompt that cannot be used as it was given."""


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Why a call is refused as `InvalidInput`: the message; "" where it isn't.

    For analyses that leave out what a model has no tokens, context or heads for, and say so.
    """
    try:
        function(*args, **kwargs)
    except InvalidInput as error:
        return error.message
    return ""


class InvalidRecord(MechscopeError):
    """A record that the ledger refuses (duplicate key, non-finite value, missing alt text …)."""


class LedgerDamaged(MechscopeError):
    """A committed ledger that cannot be read, or that was edited by hand."""


class ModelUnavailable(MechscopeError):
    """Weights that are not here and cannot be fetched now."""


class ModelMismatch(MechscopeError):
    """Weights or activations that are not what they were declared to be."""


class DoesNotApply(MechscopeError):
    """An analysis that does not apply to this model; its message is the reason, and it is no failure."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows instead of a traceback."""
        return [f"does not apply: {self.message}"]


class AnalysisFailed(MechscopeError):
    """An analysis stopped with an error; carries where."""


class RenderFailed(MechscopeError):
    """The site or a PDF could not be rendered."""


def nearest(name: str, valid: Iterable[str], most: int = _PROPOSED) -> list[str]:
    """The valid names that a person can have meant by `name`, best first (possibly none).

    Names match that differ by a typing mistake or two (the shorter the name, the fewer), by case or by
    separators; that `name` begins; or of which it is one part ("geometry" of "topic_geometry"). What both
    begin with up to a separator ("analysis.", "paper/articles/") says nothing and is left out.
    """
    ranked = [
        (distance, ("/" in name) != ("/" in option), option)  # of equals, the one that is written alike
        for option in valid
        if (distance := _distance(name, option)) is not None
    ]
    return [option for *_, option in sorted(ranked)[:most]]


def _distance(name: str, option: str) -> float | None:
    """How far `option` is from what was typed; None if nobody would type that for it."""
    if "/" not in option:
        name = name.rpartition("/")[2]  # a file's path for what it holds
    given, other = _without_shared_beginning(name.lower(), option.lower())
    parts = re.split(r"[^a-z0-9]+", other)
    typed, meant = (re.sub(r"[-_. ]+", "", text) for text in (given, other))
    if not typed or not meant:
        return None
    typos = _typos(typed, meant)
    if typos <= _forgivable(typed, meant):
        return typos
    longer = (len(meant) - len(typed)) / 100
    if len(typed) >= _SHORTEST and meant.startswith(typed):
        return 1 + longer
    if len(typed) > _SHORTEST:  # "gema" begins like "gemma-3-270m", which is much longer
        if (
            len(meant) > len(typed)
            and min(_typos(typed, meant[:end]) for end in (len(typed), len(typed) + 1)) < 2
        ):
            return 2 + longer
        if typed in parts:
            return 2 + longer
    return None


def _without_shared_beginning(name: str, other: str) -> tuple[str, str]:
    ends = [found.end() for found in re.finditer(r"[:./]", name) if other.startswith(name[: found.end()])]
    return name[max(ends, default=0) :], other[max(ends, default=0) :]


def _forgivable(name: str, other: str) -> int:
    """How many typing mistakes two names may be apart."""
    length = min(len(name), len(other))
    if length < _SHORTEST:
        return int(length == 2 and other.startswith(name))
    if length <= 4:  # most short words are one letter from another one
        return int(name[0] == other[0] or sorted(name) == sorted(other))
    return 2 if length <= 9 else 3


def _typos(name: str, other: str) -> int:
    """Letters that are missing, too many, wrong, or exchanged with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(name, start=1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and name[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: " — did you mean 'x'?", or a full stop."""
    return _proposal(nearest(name, valid))


def _proposal(names: list[str]) -> str:
    quoted = " or ".join(f"'{name}'" for name in names)
    return f" — did you mean {quoted}?" if names else "."

"""`results/<run>/verification.json`: which ledgers of a run a rerun reproduced, when and where.

`mechscope verify` writes it; pages and `verify --quick` read it. It is no analysis' input, so it makes
nothing stale. It is the word of the person who committed it: the file cannot prove that a rerun took place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from mechscope.errors import LedgerDamaged
from mechscope.files import stable_json
from mechscope.ledger.schema import LedgerFile, Number
from mechscope.ledger.store import inputs_hash
from mechscope.project import Project

Day = Annotated[str, BeforeValidator(lambda day: day or "")]
_SHORTLY = (("platform", ""), ("python", "Python "), ("torch", "torch "))
"""What a short line names of an environment; the page of numbers has all of it."""


class _Strict(BaseModel):
    """Unknown fields are errors, as in a ledger; those that older files lack have defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Count(_Strict):
    """How many records of a kind were compared, and how many of them reproduced."""

    reproduced: int
    compared: int


class ValueDrift(_Strict):
    """A value that is not what it was: where in its record, by how much, and what would have been allowed."""

    place: str
    committed: Any
    rerun: Any
    by: Number | None
    tolerance: str


class Difference(_Strict):
    """A record that was not reproduced; `drifts` are the first of its `values` that differ."""

    key: str
    state: str
    values: int
    drifts: tuple[ValueDrift, ...]


class Rerun(_Strict):
    """What a rerun said of an analysis.

    Attributes:
        date: The day ("2026-11-20"); empty where an entry has none.
        ledger: The hash of the findings that it was compared with.
        inputs: The hash of the inputs that they state; None in an entry that is older than this field.
        reproduced: Whether everything was found again.
        values: How many values were compared.
        environment: The versions of packages, of Python and the platform, by name.
        environment_differs: What differed when the ledger was found: (then, in the rerun) by name.
    """

    date: Day = ""
    ledger: str
    inputs: str | None = None
    reproduced: bool
    records: dict[str, Count] = {}
    values: int = 0
    environment: dict[str, str] = {}
    environment_differs: dict[str, tuple[str, str]] = {}
    inputs_changed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def is_of(self, ledger: LedgerFile) -> bool:
        """Whether this very ledger was compared, with these very inputs.

        A change of inputs that was accepted without a rerun leaves the findings as they are, so that their
        hash alone does not tell. Where inputs were not noted, what was accepted may have come afterwards.
        """
        if self.ledger != ledger.sha256:
            return False
        return not ledger.accepted if self.inputs is None else self.inputs == inputs_hash(ledger.inputs)

    @property
    def said(self) -> str:
        """By whom and when: "verified by the authors' own rerun of 2026-11-20"."""
        outcome = "verified by" if self.reproduced else "not reproduced by"
        return f"{outcome} the authors' own rerun" + (f" of {self.date}" if self.date else "")

    @property
    def words(self) -> str:
        """The same, and on what: "… (Linux x86_64, Python 3.11.7, …)"."""
        parts = [f"{label}{self.environment[name]}" for name, label in _SHORTLY if self.environment.get(name)]
        return self.said + (f" ({', '.join(parts)})" if parts else "")


class Verification(_Strict):
    """One `verification.json`: the last rerun of each analysis of a run.

    Attributes:
        date, environment: When and where it was last written.
        ledgers: The hashes of the ledgers that were reproduced, by analysis.
    """

    date: Day = ""
    environment: dict[str, str] = {}
    ledgers: dict[str, str] | None = None
    analyses: dict[str, Rerun]

    @property
    def text(self) -> str:
        """The bytes of the file; what an older file did not say is not said now."""
        return stable_json(self.model_dump(mode="json", exclude_unset=True))


def verification_file(project: Project, run: str) -> Path:
    """Where the verification of a run lies."""
    return project.results / run / "verification.json"


def read_verification(project: Project, run: str) -> Verification | None:
    """The verification of a run; None if there is none.

    Raises:
        LedgerDamaged: It is not one that was written here.
    """
    path = verification_file(project, run)
    try:
        return Verification.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        raise LedgerDamaged(
            f"{project.relative(path)} is not a verification that was written here.",
            hint=f"mechscope verify --run {run}",
        ) from error

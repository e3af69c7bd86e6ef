"""What a ledger holds: the schema of `ledger.json`, version by version.

A ledger is what one analysis found in one run, together with the values and hashes of everything that it
was found from. It is committed, so every field is either deterministic or about inputs; times and hosts are
not here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

SCHEMA_VERSION = 1
"""Raised when a ledger of before can no longer be read as one of now; every analysis is then stale."""

RECORD_MIME = "application/vnd.mechscope.record+json"
"""The MIME type under which a record travels in a notebook's outputs."""

NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
"""Names of analyses and records: what can stand in a criterion and in an anchor unchanged."""

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Number = StrictInt | StrictFloat
Value = StrictInt | StrictFloat | StrictStr
Cell = StrictBool | StrictInt | StrictFloat | StrictStr | None
Outcome = Literal["held", "failed", "untestable"]


class _Strict(BaseModel):
    """Unknown fields are errors: a ledger of another version must not be half understood."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Tolerance(_Strict):
    """How much a value may differ when the analysis is rerun: |new − old| ≤ atol + rtol·|old|."""

    rtol: float = Field(default=0.0, ge=0)
    atol: float = Field(default=0.0, ge=0)
    because: str = ""

    @property
    def exact(self) -> bool:
        """Whether any difference counts."""
        return self.rtol == 0 and self.atol == 0

    def allows(self, old: float, new: float) -> bool:
        """Whether `new` reproduces `old`."""
        return abs(new - old) <= self.atol + self.rtol * abs(old)

    def __str__(self) -> str:
        if self.exact:
            return "exact"
        bounds = [f"{name} {value:g}" for name, value in (("rtol", self.rtol), ("atol", self.atol)) if value]
        return " + ".join(bounds) + (f" ({self.because})" if self.because else "")


class StatisticText(_Strict):
    """How a statistic reads in prose; formatted once, here, so that page, PDF and terminal agree."""

    value: str
    ci: str = ""
    p: str = ""
    full: str


class Statistic(_Strict):
    """One number (or word) with what is needed to judge it.

    `value` is None when it could not be measured; `because` then says why, and claims that need it are
    untestable. `ci` are the ends of the interval at `level`; `p` belongs to `test`, with `resamples` draws.
    """

    label: str
    value: Value | None
    because: str = ""
    ci: tuple[Number, Number] | None = None
    level: float = 0.95
    n: StrictInt | None = None
    p: float | None = None
    test: str = ""
    resamples: StrictInt | None = None
    unit: str = ""
    format: str = ""
    tolerance: Tolerance
    text: StatisticText
    cell: str


class Figure(_Strict):
    """A chart: its Vega-Lite specification and its picture lie in `figures/<name>.vl.json` and `.svg`."""

    caption: str
    alt: Annotated[str, Field(min_length=1)]
    spec_sha256: str
    svg_sha256: str
    tolerance: dict[str, Tolerance]
    cell: str


class Column(_Strict):
    """A column of a table: its heading, how its cells are printed and how they may vary."""

    name: str
    label: str
    kind: Literal["int", "float", "str", "bool"]
    format: str = ""
    tolerance: Tolerance


class Table(_Strict):
    """Rows matched by the columns in `key` when two tables are compared; `text` is what articles print."""

    caption: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    text: tuple[tuple[str, ...], ...]
    cell: str


class Passage(_Strict):
    """A text as tokens, with one value a token (an activation, say)."""

    tokens: tuple[str, ...]
    values: tuple[float, ...]
    title: str = ""


class Passages(_Strict):
    """Texts whose tokens are shaded by value; `largest` is the value of full shade."""

    caption: str
    passages: tuple[Passage, ...]
    largest: float
    tolerance: Tolerance
    cell: str


class Claim(_Strict):
    """A sentence and the criterion that decides it; the outcome is computed, never written."""

    sentence: str
    criterion: str
    outcome: Outcome
    evidence: dict[str, Value | None]
    exploratory: str = ""
    """By its author's own word: what was seen before it was written (the lock knows of committed results)."""
    cell: str


class ModelInput(_Strict):
    """A model as an input: the name the parameter held, and the pinned hash of its source."""

    name: str
    sha256: str


class Inputs(_Strict):
    """Everything the findings depend on, by value where it is short and by SHA-256 where it is not.

    Keys: `modules` and `data` by path in the project, `models` and `saes` by parameter, `needs` by analysis
    (the hash of that ledger's findings).
    """

    schema_version: StrictInt = SCHEMA_VERSION
    parameters: dict[str, Any]
    script: str
    modules: dict[str, str]
    data: dict[str, str]
    models: dict[str, ModelInput]
    saes: dict[str, ModelInput]
    needs: dict[str, str]


class Acceptance(_Strict):
    """A change of inputs that somebody declared harmless, and why (`mechscope accept`).

    `script` is the hash of the code that was replaced, "" where the script's code stayed: the notebook still
    shows what was executed.
    """

    changed: tuple[str, ...]
    because: Annotated[str, Field(min_length=1)]
    script: str = ""


class Findings(_Strict):
    """The records of a ledger by name; names are unique across kinds."""

    statistics: dict[Name, Statistic] = {}
    figures: dict[Name, Figure] = {}
    tables: dict[Name, Table] = {}
    passages: dict[Name, Passages] = {}
    claims: dict[Name, Claim] = {}

    def kind_of(self, name: str) -> str | None:
        """Which kind of record `name` is: "statistics", "figures" … or None."""
        return next((kind for kind in KINDS if name in getattr(self, kind)), None)

    @property
    def names(self) -> list[str]:
        """The names of all records."""
        return [name for kind in KINDS for name in getattr(self, kind)]


KINDS = ("statistics", "figures", "tables", "passages", "claims")


class LedgerFile(_Strict):
    """One `ledger.json`."""

    schema_version: StrictInt = SCHEMA_VERSION
    analysis: Name
    run: str
    title: str
    description: str = ""
    inputs: Inputs
    environment: dict[str, str]
    accepted: tuple[Acceptance, ...] = ()
    findings: Findings
    sha256: str
    """Hash of `findings` (figures by their own hashes): what a downstream analysis depends on."""
    whole_sha256: str = ""
    """Hash of everything else that the file holds: with `sha256` it catches a ledger that was edited by hand.
    It is filled in when the file is written."""

    @property
    def executed(self) -> str:
        """Hash of the code that was executed: older than `inputs.script` if a change was accepted."""
        return next((one.script for one in self.accepted if one.script), self.inputs.script)

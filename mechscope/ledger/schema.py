"""What a ledger holds: the schema of `ledger.json`, version by version.

A ledger is what one analysis found in one run, together with the values and hashes of everything that it
was found from. It is committed, so every field is either deterministic or about inputs; times and hosts are
not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_serializer,
)

from mechscope.characters import visible
from mechscope.errors import InvalidRecord

SCHEMA_VERSION = 2
"""Raised when older ledgers can no longer be read; every analysis is then stale."""

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


def _plain_list(values: Any) -> Any:
    """Numbers out of an array or tensor, and texts without characters that no page can show."""
    values = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(values, (list, tuple)):
        return tuple(visible(value) if isinstance(value, str) else value for value in values)
    return visible(values) if isinstance(values, str) else values


class Passage(_Strict):
    """A text as tokens, with one value a token (an activation, say)."""

    model_config = ConfigDict(allow_inf_nan=True)  # refused with the passages, where text and token are named

    tokens: Annotated[tuple[str, ...], BeforeValidator(_plain_list)]
    values: Annotated[tuple[float, ...], BeforeValidator(_plain_list)]
    title: Annotated[str, BeforeValidator(_plain_list)] = ""

    @classmethod
    def of(cls, tokens: Iterable[str], values: Any, *, title: str = "") -> Passage:
        """A passage from tokens and a list, array or tensor of values.

        Raises:
            InvalidRecord: Another number of values than of tokens, or what is no text or finite number.
        """
        try:
            passage = cls(tokens=tuple(tokens), values=values, title=title)
        except ValidationError as error:
            first = error.errors()[0]
            place = " ".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"])
            raise InvalidRecord(f"a passage's {place} can't be read: {first['msg']}.") from error
        if problem := passages_problem([passage]):
            raise InvalidRecord(f"passage{problem}")
        return passage


def passages_problem(passages: Sequence[Passage]) -> str:
    """What is wrong with texts and their values, as what follows the name of what they are; "" if nothing."""
    if not passages:
        return " are empty: there is no text."
    for number, passage in enumerate(passages, start=1):
        text = f", text {number} ('{passage.title or ''.join(passage.tokens)[:40]}')"
        if not passage.tokens and not passage.values:
            return f"{text} has no tokens."
        if len(passage.tokens) != len(passage.values):
            return f"{text}: {len(passage.tokens)} tokens but {len(passage.values)} values; each has one."
        for at, (token, value) in enumerate(zip(passage.tokens, passage.values, strict=True), start=1):
            if not math.isfinite(value):
                return f"{text}: token {at}, {token!r}, has the value {value}, not a finite number."
    return ""


def largest_value(passages: Sequence[Passage]) -> float:
    """The largest absolute value, which gets the full shade."""
    return max((abs(value) for passage in passages for value in passage.values), default=0.0)


class Passages(_Strict):
    """Texts whose tokens are shaded by value; `largest` is the absolute value of full shade."""

    caption: str
    passages: tuple[Passage, ...]
    largest: float
    tolerance: Tolerance
    cell: str

    @field_validator("passages")
    @classmethod
    def _are_finite(cls, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
        if not math.isfinite(sum(abs(value) for passage in passages for value in passage.values)):
            raise ValueError("a value is not a finite number")
        return passages


class Claim(_Strict):
    """A sentence and the criterion that decides it; the outcome is computed, never written."""

    sentence: str
    criterion: str
    outcome: Outcome
    evidence: dict[str, Value | None]
    exploratory: str = ""
    """By its author's own word: what was seen before it was written (the lock knows of committed results)."""
    cell: str


class Absent(_Strict):
    """A record that does not apply to this model, and why: too few layers, no such token, no gated MLP.

    It takes the record's place: criteria that need it are untestable, articles say so in place.
    The absent record called `WHOLE` says that the analysis ended there: nothing further applies.
    """

    because: Annotated[str, Field(min_length=1)]
    cell: str


WHOLE = "analysis"
"""The name of the absent record by which an analysis, or the rest of it, does not apply."""

Record = Statistic | Figure | Table | Passages | Claim | Absent


@dataclass(frozen=True)
class Kind:
    """A kind of record, and how each part of mechscope names it.

    Attributes:
        model: What a record of this kind is.
        noun: One record, in a list or a message.
        counted: One and several, after a number.
        method: The method of `Ledger` that records one.
        argument: What each call of that method names, and other objects' methods of that name don't; empty
            where the call itself makes no record of the name.
        shortcode: What shows one in an article; empty where nothing does.
        anchor: How its id on a page begins; empty where pages build it otherwise, or give it none.
    """

    model: type[Record]
    noun: str
    counted: tuple[str, str]
    method: str
    argument: str = ""
    shortcode: str = ""
    anchor: str = ""


KINDS = {
    "statistics": Kind(
        Statistic, "statistic", ("statistic", "statistics"), "statistic", "label", "stat", "stat"
    ),
    "figures": Kind(Figure, "figure", ("figure", "figures"), "figure", "caption", "figure", "fig"),
    "tables": Kind(Table, "table", ("table", "tables"), "table", "caption", "table", "tbl"),
    "passages": Kind(
        Passages, "passages", ("set of passages", "sets of passages"), "passages", "caption", "passages"
    ),
    "claims": Kind(Claim, "claim", ("claim", "claims"), "claim", "criterion", "claim"),
    "absent": Kind(
        Absent, "absent", ("record that does not apply", "records that do not apply"), "does_not_apply"
    ),
}
"""Every kind of record by its field in `Findings`: the one list of them."""


class ModelInput(_Strict):
    """A model as an input: the name the parameter held, and the pinned hash of its source."""

    name: str
    sha256: str


class Inputs(_Strict):
    """Everything the findings depend on, by value where it is short and by SHA-256 where it is not.

    Keys: `code` by file and name ("mechscope/stats/pairs.py: separation"), `data` by path in the project,
    `models` and `saes` by parameter, `needs` by analysis (the hash of that ledger's findings). The keys of
    `code` are for readers: two agree when they hold the same hashes, so that definitions may move.
    """

    schema_version: StrictInt = SCHEMA_VERSION
    parameters: dict[str, Any]
    script: str
    code: dict[str, str]
    data: dict[str, str]
    models: dict[str, ModelInput]
    saes: dict[str, ModelInput]
    needs: dict[str, str]

    @property
    def modules(self) -> dict[str, dict[str, str]]:
        """The definitions in `code` by file: the hash of each by its name."""
        files: dict[str, dict[str, str]] = {}
        for key, sha256 in sorted(self.code.items()):
            file, _, name = key.partition(": ")
            if name:
                files.setdefault(file, {})[name] = sha256
        return files


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
    absent: dict[Name, Absent] = {}

    @model_serializer(mode="wrap")
    def _without_nothing_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Where everything applies, a ledger says nothing of it: its hash is that of one written before."""
        content: dict[str, Any] = handler(self)
        if not content.get("absent", True):
            del content["absent"]
        return content

    @property
    def does_not_apply(self) -> str:
        """Why the analysis as a whole does not apply to this model; empty where it does."""
        whole = self.absent.get(WHOLE)
        return whole.because if whole else ""

    @property
    def applicability(self) -> str:
        """How far the analysis applies to this model, and why no further; empty where it applies as a whole.

        One that ended early applies in part if it shows something or decided a claim until then; that it
        counted what the model lacks is not enough.
        """
        if not self.does_not_apply:
            return ""
        decided = any(claim.outcome != "untestable" for claim in self.claims.values())
        part = decided or bool(self.figures or self.tables or self.passages)
        return f"{'applies in part' if part else 'does not apply'}: {self.does_not_apply}"

    def why_missing(self, name: str) -> str:
        """Why a record was not, or could not be, made for this model; empty where there is no reason here."""
        if name in self.absent:
            return self.absent[name].because
        statistic = self.statistics.get(name)
        if statistic is not None:
            return statistic.because if statistic.value is None else ""
        return "" if self.kind_of(name) else self.does_not_apply

    def kind_of(self, name: str) -> str | None:
        """Which kind of record `name` is: "statistics", "figures" … or None."""
        return next((kind for kind in KINDS if name in getattr(self, kind)), None)

    def record(self, name: str) -> Record | None:
        """The record called `name`, whatever its kind; None if there is none."""
        return next((records[name] for kind in KINDS if name in (records := getattr(self, kind))), None)

    def records(self, *kinds: str) -> Iterator[tuple[str, str, Record]]:
        """Kind, name and record of each, by kind (default: every kind) and name."""
        for kind in kinds or KINDS:
            for name, record in sorted(getattr(self, kind).items()):
                yield kind, name, record

    @property
    def names(self) -> list[str]:
        """The names of all records."""
        return [name for kind in KINDS for name in getattr(self, kind)]

    @property
    def counts(self) -> dict[str, int]:
        """How many records there are of each kind."""
        return {kind: len(getattr(self, kind)) for kind in KINDS}


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

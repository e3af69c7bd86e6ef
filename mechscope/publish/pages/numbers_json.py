"""`numbers.json`: the pages *Numbers* and *Claims* for programs, and the JSON Schema that describes it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mechscope.files import stable_json
from mechscope.ledger.schema import (
    Acceptance,
    Claim,
    Inputs,
    LedgerFile,
    Outcome,
    Statistic,
    Tolerance,
    Value,
)
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.project import SHARED
from mechscope.publish.pages.context import Context
from mechscope.publish.pages.words import why_untestable

SCHEMA_NAME = "numbers.schema.json"
_RUN = f"the run in which it was found; '{SHARED}' for what is found once for all runs"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Interval(_Strict):
    """The ends of an interval, and the share of repetitions in which it covers the truth."""

    low: float
    high: float
    level: float


class Place(_Strict):
    """Where a page cites a number: the page, and where in it or in a part of it."""

    page: str
    file: str
    line: int
    column: int


class Number(_Strict):
    """One statistic. `value` is null when it could not be measured; `because` then says why."""

    key: str = Field(description="analysis.name, or run:analysis.name for a number of another run")
    run: str = Field(description=_RUN)
    analysis: str = Field(description="a key of `analyses`, in the same form")
    label: str
    value: Value | None
    unit: str
    text: str = Field(description="as articles print it")
    interval: Interval | None
    p: float | None
    n: int | None
    test: str
    resamples: int | None
    because: str
    tolerance: Tolerance = Field(description="a rerun may differ: |new - old| <= atol + rtol * |old|")
    cell: str = Field(description="the notebook's cell that recorded it")
    page: str = Field(description="its entry on the site, relative to this file")
    verified: str | None = Field(
        description="the day on which the authors' own rerun reproduced its ledger, or null"
    )
    cited: tuple[Place, ...]


class ClaimOfRun(_Strict):
    """A sentence, the criterion that decides it, and what became of it."""

    key: str = Field(description="analysis.name, or run:analysis.name for a claim of another run")
    run: str = Field(description=_RUN)
    analysis: str = Field(description="a key of `analyses`, in the same form")
    sentence: str
    criterion: str
    outcome: Outcome
    evidence: dict[str, Value | None] = Field(description="what the criterion read, by name in the criterion")
    because: str = Field(description="why it could not be tested, as far as its analysis says; else empty")
    exploratory: bool = Field(description="the criterion was written when there were results already")
    written: str = Field(description="what was seen when the criterion was written, as far as is known")
    cell: str = Field(description="the notebook's cell that recorded it")
    page: str = Field(description="its entry on the site, relative to this file")
    verified: str | None = Field(description="as of a number")
    cited: tuple[Place, ...]


class AbsentRecord(_Strict):
    """A record that the run does not have, and why."""

    key: str = Field(description="analysis.name, or run:analysis.name for a record of another run")
    run: str
    analysis: str = Field(description="by name; not among `analyses` where it failed or was not run")
    because: str
    applies: bool = Field(description="false: not to the model; true: the analysis has no results")
    page: str = Field(description="its entry on the site, relative to this file")
    cited: tuple[Place, ...]


class AnalysisOfNumbers(_Strict):
    """A ledger: everything its numbers were found from, by value or by SHA-256."""

    run: str
    title: str
    inputs: Inputs
    environment: dict[str, str]
    accepted: tuple[Acceptance, ...] = Field(
        description="changes of inputs that the authors declared harmless, without a rerun, and why"
    )
    sha256: str = Field(description="of its findings")
    verified: str | None


class NumbersFile(_Strict):
    """Every statistic and every claim of one rendered run."""

    schema_: str = Field(default=SCHEMA_NAME, alias="$schema")
    run: str
    title: str
    analyses: dict[str, AnalysisOfNumbers]
    numbers: tuple[Number, ...]
    claims: tuple[ClaimOfRun, ...]
    absent: tuple[AbsentRecord, ...]


def numbers_schema() -> str:
    """The JSON Schema of `numbers.json`."""
    schema = NumbersFile.model_json_schema()
    return stable_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def numbers_json(context: Context) -> str:
    """Every statistic and claim of the run, and those of other runs that articles cite."""
    every = [*context.shelf.records("statistics"), *context.foreign("statistics")]
    claims = [*context.shelf.records("claims"), *context.foreign("claims")]
    ledgers = {_analysis_key(context, keyed.ledger): keyed.ledger for keyed in (*every, *claims)}
    file = NumbersFile(
        run=context.run,
        title=context.title,
        analyses={key: _analysis(context, ledger) for key, ledger in ledgers.items()},
        numbers=tuple(_number(context, keyed) for keyed in every),
        claims=tuple(_claim(context, keyed) for keyed in claims),
        absent=tuple(_absent(context, keyed) for keyed in context.absent()),
    )
    return stable_json(file.model_dump(mode="json", by_alias=True))


def _analysis_key(context: Context, ledger: LedgerFile) -> str:
    here = ledger.run == context.shelf.home(ledger.analysis)
    return ledger.analysis if here else f"{ledger.run}:{ledger.analysis}"


def _analysis(context: Context, ledger: LedgerFile) -> AnalysisOfNumbers:
    return AnalysisOfNumbers(
        run=ledger.run,
        title=ledger.title,
        inputs=ledger.inputs,
        environment=ledger.environment,
        accepted=ledger.accepted,
        sha256=ledger.sha256,
        verified=context.shelf.verified_on(ledger),
    )


def _number(context: Context, keyed: KeyedRecord) -> Number:
    record: Statistic = keyed.record
    key = context.shelf.key_of(keyed)
    interval: Any = None
    if record.ci:
        interval = Interval(low=record.ci[0], high=record.ci[1], level=record.level)
    return Number(
        key=key,
        run=keyed.run,
        analysis=_analysis_key(context, keyed.ledger),
        label=record.label,
        value=record.value,
        unit=record.unit,
        text=record.text.value,
        interval=interval,
        p=record.p,
        n=record.n,
        test=record.test,
        resamples=record.resamples,
        because=record.because,
        tolerance=record.tolerance,
        cell=record.cell,
        page=f"numbers.html#{key}",
        verified=context.shelf.verified_on(keyed.ledger),
        cited=_places(context, key),
    )


def _claim(context: Context, keyed: KeyedRecord) -> ClaimOfRun:
    record: Claim = keyed.record
    key = context.shelf.key_of(keyed)
    return ClaimOfRun(
        key=key,
        run=keyed.run,
        analysis=_analysis_key(context, keyed.ledger),
        sentence=record.sentence,
        criterion=record.criterion,
        outcome=record.outcome,
        evidence=record.evidence,
        because=why_untestable(keyed),
        exploratory=context.shelf.exploratory(keyed),
        written=context.shelf.written(keyed),
        cell=record.cell,
        page=f"claims.html#{key}",
        verified=context.shelf.verified_on(keyed.ledger),
        cited=_places(context, key),
    )


def _absent(context: Context, keyed: KeyedRecord) -> AbsentRecord:
    key = context.shelf.key_of(keyed)
    return AbsentRecord(
        key=key,
        run=keyed.run,
        analysis=keyed.analysis,
        because=keyed.record.because,
        applies=keyed.source is None,
        page=f"numbers.html#{key}",
        cited=_places(context, key),
    )


def _places(context: Context, key: str) -> tuple[Place, ...]:
    return tuple(
        Place(page=page, file=code.file, line=code.line, column=code.column)
        for page, code in context.citations(key)
    )

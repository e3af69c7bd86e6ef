"""Whether a ledger agrees with itself, without running anything.

Hashes show that a ledger is as it was written. Someone who edits a ledger and its hashes still leaves a
value that is printed as another one, an outcome that its criterion does not give, or a notebook with other
numbers than the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mechscope.errors import MechscopeError
from mechscope.ledger.criterion import judge, operand_names
from mechscope.ledger.formatting import format_value, statistic_text
from mechscope.ledger.schema import (
    Claim,
    Findings,
    LedgerFile,
    Passages,
    Record,
    Statistic,
    Table,
    largest_value,
    passages_problem,
)
from mechscope.ledger.store import NOTEBOOK_NAME
from mechscope.pipeline.notebook_check import UNREADABLE, notebook_problems, prose_problems
from mechscope.pipeline.scripts import Analysis
from mechscope.project import Project


def inconsistencies(project: Project, folder: Path, analysis: Analysis, ledger: LedgerFile) -> Iterator[str]:
    """What in the folder of a ledger contradicts the ledger or the script, a phrase each, with its key."""
    for _, name, record in ledger.findings.records():
        for problem in _of_record(record, ledger.findings):
            yield f"{ledger.analysis}.{name}: {problem}"
    for field in ("title", "description"):
        stated, written = getattr(ledger, field), getattr(analysis, field)
        if stated != written:
            yield (
                f"the ledger states the {field} '{stated}', but {analysis.path.name} has '{written}' "
                f"(to bring it up to date:  mechscope run {analysis.name} --run {ledger.run})"
            )
    path = folder / NOTEBOOK_NAME
    notebook, problems = project.relative(path), list(notebook_problems(path, ledger))
    for key, problem in problems:
        yield f"{key}: {notebook} {problem}" if key else f"{notebook} {problem}"
    with suppress(*UNREADABLE):  # that it is no notebook was said
        for problem in prose_problems(path, analysis, ledger):
            yield f"{notebook} {problem}"


def _of_record(record: Record, findings: Findings) -> Iterator[str]:
    try:
        match record:
            case Statistic():
                yield from _of_statistic(record)
            case Table():
                yield from _of_table(record)
            case Passages():
                if problem := passages_problem(record.passages):
                    yield f"its passages{problem.rstrip('.')}"
                largest = largest_value(record.passages)
                if record.largest != largest:
                    yield f"states {record.largest} as its largest absolute value, which is {largest}"
            case Claim():
                absent = operand_names(record.criterion) if findings.does_not_apply else findings.absent
                verdict = judge(record.criterion, findings.statistics, absent)
                if verdict.outcome != record.outcome:
                    yield f"'{record.outcome}' is stated, but the criterion gives '{verdict.outcome}'"
                for name, value in verdict.evidence.items():
                    stated = record.evidence.get(name)
                    if stated != value or type(stated) is not type(value):
                        yield f"its evidence states {name} = {stated}, which is {value}"
                if more := sorted({*record.evidence} - {*verdict.evidence}):
                    yield f"its evidence states {', '.join(more)}, which its criterion does not name"
    except MechscopeError as error:  # a format that does not fit, a criterion that cannot be computed
        yield error.message


def _of_statistic(record: Statistic) -> Iterator[str]:
    made = statistic_text(
        record.value,
        spec=record.format,
        unit=record.unit,
        ci=record.ci,
        level=record.level,
        p=record.p,
        n=record.n,
    )
    for part in type(made).model_fields:
        if (printed := getattr(record.text, part)) != getattr(made, part):
            yield f"is printed as '{printed}' ({part}), but its value reads '{getattr(made, part)}'"
            return  # the full text holds the others


def _of_table(record: Table) -> Iterator[str]:
    for number, row in enumerate(record.rows, start=1):
        if len(row) != len(record.columns):
            yield f"row {number} has {len(row)} cells for {len(record.columns)} columns"
            return
    if len(record.text) > len(record.rows):
        yield f"prints {len(record.text)} rows but has {len(record.rows)}"
    for number, (row, texts) in enumerate(zip(record.rows, record.text, strict=False), start=1):
        made = tuple(format_value(cell, col.format) for cell, col in zip(row, record.columns, strict=True))
        if made != texts:
            where = next(
                (at for at, (a, b) in enumerate(zip(made, texts, strict=False)) if a != b),
                min(len(made), len(texts)) - 1,
            )
            yield (
                f"row {number}, column {record.columns[where].name} is printed as "
                f"'{texts[where] if texts else ''}', but its value reads '{made[where]}'"
            )

"""From an executed notebook to findings: the records that its cells displayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mechscope.errors import DoesNotApply, InvalidRecord
from mechscope.files import hash_text, stable_json
from mechscope.ledger.criterion import judge, operand_names
from mechscope.ledger.display import record_html, record_line
from mechscope.ledger.notebook import Notebook, NotebookCell, RecordPayload
from mechscope.ledger.schema import (
    KINDS,
    RECORD_MIME,
    WHOLE,
    Absent,
    Claim,
    Figure,
    Findings,
    Record,
    Statistic,
)
from mechscope.pipeline.committed_notebook import NotebookNode
from mechscope.pipeline.scripts import Analysis


@dataclass(frozen=True)
class Extracted:
    """What a notebook's records hold.

    Attributes:
        figures: Specification (stable JSON) and SVG of each figure by name.
        displays: What the committed notebook displays of each record, by its cell's id and its name.
    """

    findings: Findings
    figures: dict[str, tuple[str, str]]
    displays: dict[tuple[str, str], dict[str, str]]


def end_where_it_does_not_apply(notebook: NotebookNode, analysis: Analysis) -> None:
    """Turn an analysis' end by `DoesNotApply` into records: the reason, and its claims as untestable.

    It changes the cell in which it ended; nothing where the analysis went through or failed.
    """
    for cell in notebook.cells:
        ends = [output for output in cell.get("outputs", []) if output.get("ename") == DoesNotApply.__name__]
        if not ends:
            continue
        recorded = {payload.name: payload for _, payload in _payloads(Notebook.model_validate(notebook))}
        statistics = {
            name: Statistic.model_validate(payload.record)
            for name, payload in recorded.items()
            if payload.kind == "statistics"
        }
        records: list[tuple[str, str, BaseModel]] = [
            ("absent", WHOLE, Absent(because=ends[0]["evalue"], cell=cell.id))
        ]
        for claim in analysis.claims:
            if claim.name not in recorded:
                verdict = judge(claim.criterion, statistics, absent=operand_names(claim.criterion))
                untestable = Claim(
                    sentence=" ".join(claim.sentence.split()),
                    criterion=claim.criterion,
                    outcome=verdict.outcome,
                    evidence=dict(sorted(verdict.evidence.items())),  # as notebooks and ledgers keep it
                    cell=cell.id,
                )
                records.append(("claims", claim.name, untestable))
        kept = [output for output in cell.outputs if output not in ends]
        cell.outputs = kept + [_displayed(analysis.name, *record) for record in records]


def _payloads(notebook: Notebook) -> Iterator[tuple[NotebookCell, RecordPayload]]:
    """Every record that a notebook's cells displayed, each with its cell. Raises InvalidRecord."""
    for cell in notebook.cells:
        for output in cell.outputs:
            try:
                payload = output.payload
            except InvalidRecord as error:
                raise InvalidRecord(f"{cell.id}: {error.message}") from error
            if payload is not None:
                yield cell, payload


def _displayed(analysis: str, kind: str, name: str, record: BaseModel) -> Any:
    """A record as the output that its cell would have displayed."""
    import nbformat

    payload = RecordPayload(analysis=analysis, kind=kind, name=name, record=record.model_dump(mode="json"))
    return nbformat.v4.new_output("display_data", {RECORD_MIME: payload.model_dump(mode="json")})


def extract(notebook: Notebook, analysis: Analysis) -> Extracted:
    """All records of an executed notebook, each with the id of its cell.

    Raises:
        InvalidRecord: There is none, a name is taken twice, a record is of another analysis or schema, or a
            claim was recorded that does not stand in the script.
    """
    by_kind: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
    figures: dict[str, tuple[str, str]] = {}
    displays: dict[tuple[str, str], dict[str, str]] = {}
    for cell, payload in _payloads(notebook):
        name = payload.name
        if payload.analysis != analysis.name:
            raise InvalidRecord(
                f"{cell.id} records '{payload.analysis}.{name}' in the analysis '{analysis.name}'.",
                hint=f'Ledger("{analysis.name}")',
            )
        if any(name in records for records in by_kind.values()):
            raise InvalidRecord(
                f"{cell.id} records '{analysis.name}.{name}' a second time.",
                hint="give it a name of its own, and use one Ledger",
            )
        record = KINDS[payload.kind].model.model_validate({**payload.record, "cell": cell.id})
        by_kind[payload.kind][name] = record
        if isinstance(record, Figure):
            figures[name] = _figure(payload, record, cell.id)
        displays[cell.id, name] = display_of(analysis.name, name, record)
    if not displays:
        raise InvalidRecord(
            f"the analysis '{analysis.name}' records nothing.",
            hint=f'ledger = Ledger("{analysis.name}"); ledger.statistic(…)',
        )
    _check_claims(by_kind["claims"], analysis)
    return Extracted(Findings(**by_kind), figures, displays)


def display_of(analysis: str, name: str, record: Record) -> dict[str, str]:
    """What a committed notebook displays of a record: its texts by their MIME type, and nothing else.

    Raises:
        InvalidRecord: A value does not fit its format.
    """
    return {
        "text/html": record_html(analysis, name, record, picture=f"figures/{name}.svg"),
        "text/plain": record_line(f"{analysis}.{name}", record),
    }


def _figure(payload: RecordPayload, record: Figure, cell: str) -> tuple[str, str]:
    spec, svg = stable_json(payload.spec), payload.svg or ""
    if (hash_text(spec), hash_text(svg)) != (record.spec_sha256, record.svg_sha256):
        raise InvalidRecord(f"{cell}: figure '{payload.name}' changed on its way out of the notebook.")
    return spec, svg


def _check_claims(claims: dict[str, Claim], analysis: Analysis) -> None:
    """A claim's criterion was fixed before the run only if it is in the script."""
    written = {claim.name: claim.criterion for claim in analysis.claims}
    for name, claim in claims.items():
        if written.get(name) != claim.criterion:
            raise InvalidRecord(
                f"the claim '{name}' is not in {analysis.path.name} with the criterion '{claim.criterion}'.",
                hint="write ledger.claim(…) with literal texts in the script itself",
            )

"""What the popover of a number or claim says."""

from __future__ import annotations

from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import Claim, Statistic
from mechscope.publish.findings import Found
from mechscope.publish.pages.claims import evidence_texts
from mechscope.publish.pages.context import OUTCOME_WORDS, Context


def popovers(context: Context) -> dict[str, object]:
    """By key: a title and lines of (name, text), all plain text; `exploratory` for claims."""
    every = [*context.shelf.records("statistics", "claims"), *context.foreign("statistics", "claims")]
    return {context.shelf.key_of(found): _popover(context, found) for found in every}


def _popover(context: Context, found: Found) -> dict[str, object]:
    record = found.record
    lines: list[tuple[str, str]]
    if isinstance(record, Statistic):
        title = record.label
        test = record.test
        if record.resamples:
            test = f"{test}, {format_value(record.resamples, ',d')} resamples".strip(", ")
        lines = [
            (
                "Value",
                record.text.value if record.value is not None else f"not measured: {record.because}",
            ),
            ("In full", exactly(record)),
            (f"{record.level:.0%} interval", record.text.ci),
            ("n", format_value(record.n, ",d") if record.n is not None else ""),
            ("Test", ", ".join(part for part in (record.text.p, test) if part)),
            ("May differ", str(record.tolerance) if record.value is not None else ""),
        ]
    else:
        title = record.sentence
        evidence = ", ".join(f"{name} {text}" for name, text in evidence_texts(found))
        lines = [
            ("Outcome", OUTCOME_WORDS[record.outcome]),
            ("Criterion", record.criterion),
            ("Evidence", evidence),
            ("Written", context.shelf.written(found)),
        ]
    lines += [
        ("Run", context.run_title(found.run)),
        ("Analysis", f"{found.ledger.title}, {record.cell}"),
        ("Rerun", context.shelf.verified(found)),
    ]
    popover: dict[str, object] = {"title": title, "lines": [line for line in lines if line[1]]}
    if isinstance(record, Claim) and context.shelf.exploratory(found):
        popover["exploratory"] = True
    return popover


def exactly(record: Statistic) -> str:
    """The value at full precision, where articles print fewer digits."""
    if not isinstance(record.value, float):
        return ""
    full = format_value(record.value, "")
    return "" if full == record.text.value else full

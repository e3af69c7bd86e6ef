"""What the popover of a number or claim says."""

from __future__ import annotations

from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import Claim, Statistic
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.publish.pages.claims_page import evidence_texts
from mechscope.publish.pages.context import OUTCOME_WORDS, Context
from mechscope.publish.pages.words import (
    NOT_AVAILABLE,
    evidence_words,
    interval_words,
    repeat_command,
    resampling_words,
    tolerance_words,
    why_untestable,
)


def popovers(context: Context) -> dict[str, object]:
    """By key: a title and lines of (name, text), all plain text.

    Of claims also their `evidence`, whether they are `exploratory`, and why one is `untestable`. Of records
    that the run does not have, `absent` is what is shown instead.
    """
    every = [*context.shelf.records("statistics", "claims"), *context.foreign("statistics", "claims")]
    notes: dict[str, object] = {context.shelf.key_of(keyed): _popover(context, keyed) for keyed in every}
    return notes | {context.shelf.key_of(keyed): _absent(context, keyed) for keyed in context.absent()}


def _absent(context: Context, keyed: KeyedRecord) -> dict[str, object]:
    """What the extension puts where a record would be, and what its popover says."""
    shelf = context.shelf
    label = getattr(shelf.elsewhere(keyed), "label", keyed.short_key)
    claimed = context.cited_as(keyed) == "claim"
    lines = [
        ("Outcome", OUTCOME_WORDS["untestable"]) if claimed else ("Value", NOT_AVAILABLE),
        ("Why", shelf.said(keyed)),
        ("Run", context.run_title(keyed.run)),
        ("Analysis", shelf.title(keyed.run, keyed.analysis)),
        ("Run it yourself", "" if keyed.source else f"mechscope run {keyed.analysis} --run {keyed.run}"),
    ]
    return {
        "title": shelf.claimed(keyed)[0] if claimed else label,
        "lines": [line for line in lines if line[1]],
        "untestable": keyed.record.because,
        "absent": {
            "text": NOT_AVAILABLE,
            "said": shelf.said(keyed),
            "sentence": shelf.claimed(keyed)[0] if claimed else "",
            "record": keyed.anchor if keyed.source else "",
        },
    }


def _popover(context: Context, keyed: KeyedRecord) -> dict[str, object]:
    record, rerun = keyed.record, context.shelf.rerun_of(keyed.ledger)
    lines: list[tuple[str, str]]
    if isinstance(record, Statistic):
        title = record.label
        lines = [
            (
                "Value",
                record.text.value if record.value is not None else f"not measured: {record.because}",
            ),
            ("In full", exactly(record)),
            ("Interval", interval_words(record)),
            ("n", format_value(record.n, ",d") if record.n is not None else ""),
            ("Test", ", ".join(part for part in (record.text.p, resampling_words(record)) if part)),
            ("Tolerance on rerun", tolerance_words(record.tolerance) if record.value is not None else ""),
        ]
    else:
        title = record.sentence
        evidence = ", ".join(f"{name} {text}" for name, text in evidence_texts(keyed))
        lines = [
            ("Outcome", OUTCOME_WORDS[record.outcome]),
            ("Why", why_untestable(keyed)),
            ("Criterion", record.criterion),
            ("Evidence", evidence),
            ("Written", context.shelf.written(keyed)),
        ]
    lines += [
        ("Run", context.run_title(keyed.run)),
        ("Analysis", f"{keyed.ledger.title}, {context.cell_title(keyed)}"),
        ("Rerun", rerun.said if rerun else "not verified"),
        ("Run it yourself", "" if rerun else repeat_command(keyed.run, keyed.analysis)),
    ]
    popover: dict[str, object] = {"title": title, "lines": [line for line in lines if line[1]]}
    if isinstance(record, Claim):
        popover["evidence"] = evidence_words(keyed)
        if why := why_untestable(keyed):
            popover["untestable"] = why
        if context.shelf.exploratory(keyed):
            popover["exploratory"] = True
    return popover


def exactly(record: Statistic) -> str:
    """The value at full precision, where articles print fewer digits."""
    if not isinstance(record.value, float):
        return ""
    full = format_value(record.value, "")
    return "" if full == record.text.value else full

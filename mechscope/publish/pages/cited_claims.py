"""The claims of a document, for the list of them at its end: what decides each, and what became of it."""

from __future__ import annotations

from typing import Any

from mechscope.articles.reading_order import CitedRecord
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.publish.pages.claims_page import evidence_texts
from mechscope.publish.pages.context import OUTCOME_WORDS, Context
from mechscope.publish.pages.words import repeat_command, why_untestable


def cited_claims(context: Context, shown: list[CitedRecord]) -> list[dict[str, Any]]:
    """By analysis, in reading order: the claims that a page states or depends on, and the others.

    Of the others (`rest`) there is only what became of them, so that a reader sees that nothing was left out.
    """
    cited: dict[tuple[str, str], dict[str, KeyedRecord]] = {}
    for item in shown:
        if item.keyed.kind == "claims" or (item.keyed.absent and item.code.name in ("claim", "when-claim")):
            cited.setdefault((item.keyed.run, item.keyed.analysis), {})[item.keyed.name] = item.keyed
    return [_section(context, run, analysis, claims) for (run, analysis), claims in cited.items()]


def _section(context: Context, run: str, analysis: str, cited: dict[str, KeyedRecord]) -> dict[str, Any]:
    every = [keyed for keyed in context.shelf.records("claims", run=run) if keyed.analysis == analysis]
    first = next(iter(cited.values()))
    title = context.shelf.title(run, analysis)
    return {
        "section": title if context.shelf.here(first) else f"{title}, {context.run_title(run)}",
        "rerun": context.shelf.verified(first) if first.source else "no results in this run",
        "repeat": repeat_command(run, analysis) if first.source else f"mechscope run {analysis} --run {run}",
        "rows": [_row(context, keyed) for keyed in cited.values()],
        "rest": [_named(context, keyed) for keyed in every if keyed.name not in cited],
    }


def _named(context: Context, keyed: KeyedRecord) -> dict[str, Any]:
    return {
        "key": context.shelf.key_of(keyed),
        "sentence": context.shelf.claimed(keyed)[0] if keyed.absent else keyed.record.sentence,
        "outcome": OUTCOME_WORDS[keyed.outcome],
        "exploratory": context.shelf.exploratory(keyed),
    }


def _row(context: Context, keyed: KeyedRecord) -> dict[str, Any]:
    if keyed.absent:
        criterion, why = context.shelf.claimed(keyed)[1], context.shelf.said(keyed)
        return {**_named(context, keyed), "criterion": criterion, "evidence": why, "seen": ""}
    evidence = ", ".join(f"{name} {text}" for name, text in evidence_texts(keyed))
    evidence = why_untestable(keyed) or evidence
    return {
        **_named(context, keyed),
        "criterion": keyed.record.criterion,
        "evidence": evidence,
        "seen": keyed.record.exploratory,
    }

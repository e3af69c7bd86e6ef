"""The claims of a document, for the list of them at its end: what decides each, and what became of it."""

from __future__ import annotations

from typing import Any

from mechscope.articles.reading_order import Shown
from mechscope.pipeline.shelf import Found
from mechscope.publish.pages.claims import evidence_texts
from mechscope.publish.pages.context import OUTCOME_WORDS, Context
from mechscope.publish.pages.words import repeat_command, why_untestable


def cited_claims(context: Context, shown: list[Shown]) -> list[dict[str, Any]]:
    """By analysis, in reading order: the claims that a page states or depends on, and the others.

    Of the others (`rest`) there is only what became of them, so that a reader sees that nothing was left out.
    """
    cited: dict[tuple[str, str], dict[str, Found]] = {}
    for item in shown:
        if item.found.kind == "claims" or (item.found.absent and item.code.name in ("claim", "when-claim")):
            cited.setdefault((item.found.run, item.found.analysis), {})[item.found.name] = item.found
    return [_section(context, run, analysis, claims) for (run, analysis), claims in cited.items()]


def _section(context: Context, run: str, analysis: str, cited: dict[str, Found]) -> dict[str, Any]:
    every = [found for found in context.shelf.records("claims", run=run) if found.analysis == analysis]
    first = next(iter(cited.values()))
    title = context.shelf.title(run, analysis)
    return {
        "section": title if context.shelf.here(first) else f"{title}, {context.run_title(run)}",
        "rerun": context.shelf.verified(first) if first.source else "no results in this run",
        "repeat": repeat_command(run, analysis) if first.source else f"mechscope run {analysis} --run {run}",
        "rows": [_row(context, found) for found in cited.values()],
        "rest": [_named(context, found) for found in every if found.name not in cited],
    }


def _named(context: Context, found: Found) -> dict[str, Any]:
    return {
        "key": context.shelf.key_of(found),
        "sentence": context.shelf.claimed(found)[0] if found.absent else found.record.sentence,
        "outcome": OUTCOME_WORDS[found.outcome],
        "exploratory": context.shelf.exploratory(found),
    }


def _row(context: Context, found: Found) -> dict[str, Any]:
    if found.absent:
        criterion, why = context.shelf.claimed(found)[1], context.shelf.said(found)
        return {**_named(context, found), "criterion": criterion, "evidence": why, "seen": ""}
    evidence = ", ".join(f"{name} {text}" for name, text in evidence_texts(found))
    evidence = why_untestable(found) or evidence
    return {
        **_named(context, found),
        "criterion": found.record.criterion,
        "evidence": evidence,
        "seen": found.record.exploratory,
    }

"""What the extension adds to a document: its banner, and the list of the numbers that it cites."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mechscope.articles.reading_order import CitedRecord
from mechscope.articles.sources import settings_of
from mechscope.errors import InvalidInput, UnknownName, nearest
from mechscope.ledger.formatting import format_p, format_value
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.publish.entrance import runs_anchor
from mechscope.publish.pages.claims_page import evidence_texts
from mechscope.publish.pages.context import OUTCOME_WORDS, Context
from mechscope.publish.pages.words import NOT_AVAILABLE, repeat_command, why_untestable


def documents(context: Context) -> dict[str, Any]:
    """By page, for those that show something of a ledger: `banner`, `numbers` and `claims`, as texts."""
    return {
        page: {
            "banner": _banner(context, page, shown),
            "numbers": _numbers(context, shown),
            "claims": cited_claims(context, shown),
        }
        for page, shown in context.cited_by_page().items()
        if shown
    }


def cited_statistics(shown: list[CitedRecord]) -> dict[tuple[str, str], CitedRecord]:
    """The statistics among what a page shows, each where it is shown first, by (run, key)."""
    first: dict[tuple[str, str], CitedRecord] = {}
    for item in shown:
        if item.keyed.kind == "statistics":
            first.setdefault((item.keyed.run, item.keyed.short_key), item)
    return first


def _banner(context: Context, page: str, shown: list[CitedRecord]) -> dict[str, Any]:
    ledgers = [item.keyed.ledger for item in cited_statistics(shown).values()]
    dates = [date for date in (context.shelf.verified_on(ledger) for ledger in ledgers) if date is not None]
    reruns = [context.shelf.rerun_of(ledger) for ledger in ledgers]
    failed = sum(rerun is not None and not rerun.reproduced for rerun in reruns)
    target = page.rpartition(".")[0] + ".html"
    return {
        "run": context.title,
        "verified": _verified_words(len(dates), len(ledgers), failed),
        "date": _days(dates),
        "repeat": repeat_command(context.run),
        "exploratory": _exploratory(context, shown),
        "state": "all" if len(dates) == len(ledgers) else "some" if dates else "none",
        "page": target,
        "anchor": runs_anchor(target),
        "missing": missing_lines(context, shown),
        "written": written_about(context),
        "others": [
            {"run": run, "title": context.run_title(run)}
            for run in context.shelf.every_run
            if run != context.run and run in context.runs
        ],
    }


_REASONS = 2
"""Reasons that the box gives for an analysis."""


def missing_lines(context: Context, shown: list[CitedRecord]) -> list[str]:
    """What a page cites and the run does not have, a line an analysis, and what there is; empty if all is.

    A claim that could not be tested because something does not apply counts, too.
    """
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    whole: set[tuple[str, str]] = set()
    for item in shown:
        keyed = item.keyed
        own = reasons.setdefault((keyed.run, keyed.analysis), {})
        if keyed.source is None or keyed.source.findings.does_not_apply:
            whole.add((keyed.run, keyed.analysis))
            reason = keyed.source.findings.does_not_apply if keyed.source else keyed.record.because
            own[reason] = None
        elif keyed.absent:
            own[keyed.record.because] = None
        elif keyed.kind == "claims" and (why := why_untestable(keyed)):
            own[why] = None
    lines, complete = [], []
    for place, own in reasons.items():
        title = context.shelf.title(*place)
        own_place = place[0] == context.shelf.home(place[1])
        if not own_place:
            title += f" ({context.run_title(place[0])})"
        why = "; ".join([*own][:_REASONS])
        if len(own) > _REASONS:
            why += f"; and {len(own) - _REASONS} more reasons, each where it is cited"
        if place in whole:
            has_results = place[1] in context.shelf.analyses(place[0])
            words = context.shelf.ledger(place[1], place[0]).findings.applicability if has_results else ""
            lines.append(f"{title} {words}." if words else f"{why[0].upper()}{why[1:]}.")
        elif own:
            lines.append(f"{title}: part of it does not apply: {why}.")
        elif own_place:
            complete.append(title)
    if lines and complete:
        lines.append(f"Complete: {', '.join(complete)}.")
    return lines


def written_about(context: Context) -> str:
    """That the articles' sentences were written about other runs than this one; empty if about this one.

    Raises:
        UnknownName: `_quarto.yml` names no run, but nearly one.
        InvalidInput: What it says is no list of names.
    """
    about = _written_about(context)
    if not about or context.run in about:
        return ""
    titles = [context.run_title(run) for run in about]
    named = titles[0] if len(titles) == 1 else f"{', '.join(titles[:-1])} and {titles[-1]}"
    return (
        f"The words of this article were written about {named}; its numbers, figures, and outcomes of claims "
        f"are those of {context.title}."
    )


def _written_about(context: Context) -> list[str]:
    own = settings_of(context.project.root / "_quarto.yml").get("mechscope")
    named = own.get("written-about") if isinstance(own, dict) else None
    runs = [named] if isinstance(named, str) else named or []
    if not isinstance(runs, list) or not all(isinstance(run, str) for run in runs):
        raise InvalidInput(
            "_quarto.yml: mechscope: written-about: is no list of runs.",
            hint=f"written-about: [{', '.join(list(context.runs)[:2])}]",
        )
    for run in runs:
        # One that is near no other may have been taken away: the words were written about it all the same.
        if run not in context.runs and nearest(run, context.runs):
            raise UnknownName("run", run, context.runs, where="_quarto.yml: mechscope: written-about")
    return runs


_BY = "the authors' own rerun"


def _days(dates: Iterable[str]) -> str:
    """The day of the reruns, or the first and the last; those without a day don't count."""
    days = sorted({date for date in dates if date})
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else ""


def _verified_words(confirmed: int, numbers: int, failed: int) -> str:
    """How many numbers a rerun confirmed, and how many one failed to; while nobody has tried, that."""
    if not numbers:
        return ""
    if confirmed == numbers:
        words = "the number" if numbers == 1 else f"all {numbers} numbers"
        return f"{words} confirmed by {_BY}"
    if not confirmed and not failed:
        return "numbers not yet confirmed by a rerun"
    words = f"{confirmed} of {numbers} numbers confirmed by {_BY}"
    return f"{words}, {failed} not reproduced" if failed else words


def _exploratory(context: Context, shown: list[CitedRecord]) -> str:
    """How many of the claims that a page states, or lets its prose depend on, were written after a look."""
    claims = {
        (item.keyed.run, item.keyed.short_key): item.keyed for item in shown if item.keyed.kind == "claims"
    }
    looked = sum(context.shelf.exploratory(keyed) for keyed in claims.values())
    return f"{looked} of {len(claims)} claim{'s' * (len(claims) != 1)} exploratory" if looked else ""


def _numbers(context: Context, shown: list[CitedRecord]) -> list[dict[str, Any]]:
    """The cited statistics in reading order, as sections of rows."""
    sections: list[dict[str, Any]] = []
    for item in _listed(shown).values():
        if not sections or sections[-1]["section"] != item.section:
            sections.append({"section": item.section, "rows": []})
        sections[-1]["rows"].append(_row(context, item.keyed))
    return sections


def _listed(shown: list[CitedRecord]) -> dict[tuple[str, str], CitedRecord]:
    """The statistics that a page shows, and those that it would show if the run had them."""
    first: dict[tuple[str, str], CitedRecord] = {}
    for item in shown:
        if item.keyed.kind == "statistics" or (item.keyed.absent and item.code.name == "stat"):
            first.setdefault((item.keyed.run, item.keyed.short_key), item)
    return first


def _row(context: Context, keyed: KeyedRecord) -> dict[str, str]:
    record = keyed.record
    if keyed.absent:
        label = getattr(context.shelf.elsewhere(keyed), "label", "") or context.shelf.said(keyed)
        empty = dict.fromkeys(("interval", "p", "n", "cell"), "")
        return {"key": context.shelf.key_of(keyed), "label": label, "value": NOT_AVAILABLE, **empty}
    return {
        "key": context.shelf.key_of(keyed),
        "label": record.label,
        "value": record.text.value,
        "interval": record.text.ci,
        "p": format_p(record.p, name="") if record.p is not None else "",
        "n": format_value(record.n, ",d") if record.n is not None else "",
        "cell": record.cell,
    }


# The list of claims -----------------------------------------------------------------------------------------


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
        "rows": [_claim_row(context, keyed) for keyed in cited.values()],
        "rest": [_named(context, keyed) for keyed in every if keyed.name not in cited],
    }


def _named(context: Context, keyed: KeyedRecord) -> dict[str, Any]:
    return {
        "key": context.shelf.key_of(keyed),
        "sentence": context.shelf.claimed(keyed)[0] if keyed.absent else keyed.record.sentence,
        "outcome": OUTCOME_WORDS[keyed.outcome],
        "exploratory": context.shelf.exploratory(keyed),
    }


def _claim_row(context: Context, keyed: KeyedRecord) -> dict[str, Any]:
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

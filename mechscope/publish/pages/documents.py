"""What the extension adds to a document: its banner, and the list of the numbers that it cites."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mechscope.ledger.formatting import format_p, format_value
from mechscope.publish.entrance import runs_anchor
from mechscope.publish.findings import Found, repeat_command, runs_with_results
from mechscope.publish.pages.cited_claims import cited_claims
from mechscope.publish.pages.context import Context
from mechscope.publish.shown import Shown


def documents(context: Context) -> dict[str, Any]:
    """By page, for those that show something of a ledger: `banner`, `numbers` and `claims`, as texts."""
    return {
        page: {
            "banner": _banner(context, page, shown),
            "numbers": _numbers(context, shown),
            "claims": cited_claims(context, shown),
        }
        for page, shown in context.shown().items()
        if shown
    }


def cited_statistics(shown: list[Shown]) -> dict[tuple[str, str], Shown]:
    """The statistics among what a page shows, each where it is shown first, by (run, key)."""
    first: dict[tuple[str, str], Shown] = {}
    for item in shown:
        if item.found.kind == "statistics":
            first.setdefault((item.found.run, item.found.short_key), item)
    return first


def _banner(context: Context, page: str, shown: list[Shown]) -> dict[str, Any]:
    ledgers = [item.found.ledger for item in cited_statistics(shown).values()]
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
        "others": [
            {"run": run, "title": context.run_title(run)}
            for run in runs_with_results(context.project)
            if run != context.run and run in context.runs
        ],
    }


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


def _exploratory(context: Context, shown: list[Shown]) -> str:
    """How many of the claims that a page states, or lets its prose depend on, were written after a look."""
    claims = {
        (item.found.run, item.found.short_key): item.found for item in shown if item.found.kind == "claims"
    }
    looked = sum(context.shelf.exploratory(found) for found in claims.values())
    return f"{looked} of {len(claims)} claim{'s' * (len(claims) != 1)} exploratory" if looked else ""


def _numbers(context: Context, shown: list[Shown]) -> list[dict[str, Any]]:
    """The cited statistics in reading order, as sections of rows."""
    sections: list[dict[str, Any]] = []
    for item in cited_statistics(shown).values():
        if not sections or sections[-1]["section"] != item.section:
            sections.append({"section": item.section, "rows": []})
        sections[-1]["rows"].append(_row(context, item.found))
    return sections


def _row(context: Context, found: Found) -> dict[str, str]:
    record = found.record
    return {
        "key": context.shelf.key_of(found),
        "label": record.label,
        "value": record.text.value,
        "interval": record.text.ci,
        "p": format_p(record.p, name="") if record.p is not None else "",
        "n": format_value(record.n, ",d") if record.n is not None else "",
        "cell": record.cell,
    }

"""The page *Compare*: the rendered run beside every other one, claims that flipped first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from mechscope.ledger.formatting import MISSING
from mechscope.pipeline import comparison as comparing  # the module: it imports this package in turn
from mechscope.publish.markup import code, div, escaped, front_matter, link, table
from mechscope.publish.pages.claims_page import otherwise_judged
from mechscope.publish.pages.context import OUTCOME_WORDS, UP, Context
from mechscope.publish.pages.words import SHARED_WORDS, why_untestable

_Pair = TypeVar("_Pair", comparing.ClaimPair, comparing.StatisticPair)


def compare_page(context: Context) -> str:
    """The page as Markdown."""
    others = [run for run in context.shelf.every_run if run != context.run]
    parts = [
        front_matter(
            title="Compare",
            subtitle=f"The run {escaped(context.title)} beside the others",
            format="html",
            toc=True,
        )
        + "\nA difference is the other run's value less this one's, as the number is printed. Intervals that "
        "lie *apart* do not overlap; numbers whose intervals overlap may differ nevertheless.\n"
    ]
    if not others or context.run not in context.shelf.every_run:
        parts.append("No other run has results yet.\n")
    else:
        parts += [
            _beside(context, comparing.compare_runs(context.project, context.run, other)) for other in others
        ]
    parts.append(f"\nThe same articles, {link('rendered from each run', f'{UP}/../runs.html')}.\n")
    return "\n".join(parts)


def _beside(context: Context, compared: comparing.RunComparison) -> str:
    here, there = escaped(context.title), escaped(context.run_title(compared.run_b))
    flipped = len(compared.flipped)
    apart, paired = compared.intervals
    anchor = f"run-{compared.run_b}".replace(".", "-")
    text = (
        f"## {there} {{#{anchor}}}\n\n"
        f"{flipped} of {len(compared.judged)} claims came out differently; {apart} of {paired} pairs of "
        "intervals do not overlap.\n\n"
    )
    if compared.judged:
        rows = [_claim_row(context, pair, compared) for pair in compared.judged]
        text += div(table(["Claim", here, there], rows, [60, 20, 20]), classes=["ms-claims-table"]) + "\n"
    numbers = [_number_row(context, pair, compared) for pair in compared.statistics if not pair.same]
    if numbers:
        head = ["Number", here, there, "Difference", "Intervals"]
        text += div(table(head, numbers, [40, 22, 22, 14, 12]), classes=["ms-claims-table"]) + "\n"
    return text + "".join(_shared(context, compared, shared, anchor) for shared in compared.shared)


def _shared(
    context: Context, compared: comparing.RunComparison, shared: comparing.Shared, anchor: str
) -> str:
    """What an analysis found once for both runs."""

    def of(pairs: Sequence[_Pair]) -> list[_Pair]:
        return [pair for pair in pairs if pair.same and pair.key.partition(".")[0] == shared.analysis]

    title = escaped(shared.ledger.title)
    text = f"### {title} {{#{anchor}-{shared.analysis}}}\n\n"
    text += f"{SHARED_WORDS[0].upper()}{SHARED_WORDS[1:]}. Not counted above.\n\n"
    if claims := of(compared.claims):
        rows = [_claim_row(context, pair, compared)[:2] for pair in claims]
        text += div(table(["Claim", "Both"], rows, [80, 20]), classes=["ms-claims-table"]) + "\n"
    if numbers := of(compared.statistics):
        rows = [_number_row(context, pair, compared)[:2] for pair in numbers]
        text += div(table(["Number", "Both"], rows, [70, 30]), classes=["ms-claims-table"]) + "\n"
    return text


def _claim_row(context: Context, pair: comparing.ClaimPair, compared: comparing.RunComparison) -> list[str]:
    sentence = escaped(pair.sentence)
    if pair.first is not None:
        sentence = link(sentence, f"claims.qmd#{pair.key}")
    if pair.second is not None and (other := otherwise_judged(pair.first, pair.second)):
        sentence += f" [In the other run judged {other}]{{.ms-otherwise}}"
    return [
        f"**Flipped:** {sentence}" if pair.flipped else sentence,
        *(
            _missing(compared, pair.key, run)
            if found is None
            else f"[{OUTCOME_WORDS[found.outcome]}]{{.ms-outcome .ms-{found.outcome}}}"
            + ", exploratory" * looked
            + (f" [{escaped(why)}]{{.ms-evidence}}" if (why := why_untestable(found)) else "")
            for run, found, looked in zip(
                (compared.run_a, compared.run_b), (pair.first, pair.second), pair.exploratory, strict=True
            )
        ),
    ]


def _missing(compared: comparing.RunComparison, key: str, run: str) -> str:
    """What is shown for a record that a run does not have."""
    why = compared.why_absent(key, run)
    return f"[{escaped(why)}]{{.ms-muted}}" if why else MISSING


def _number_row(
    context: Context, pair: comparing.StatisticPair, compared: comparing.RunComparison
) -> list[str]:
    here, there = (
        _missing(compared, pair.key, run) if found is None else escaped(comparing.value_text(found))
        for run, found in ((compared.run_a, pair.first), (compared.run_b, pair.second))
    )
    if pair.first is not None:
        here = link(here, f"numbers.qmd#{pair.key}")
    overlap = comparing.overlap_text(pair)
    return [
        f"{escaped(pair.label)} {code(pair.key)}",
        here,
        there,
        escaped(compared.difference_text(pair)),
        f"**{overlap}**" if overlap == "apart" else overlap,
    ]

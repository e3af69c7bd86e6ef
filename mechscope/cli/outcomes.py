"""How a run ends on screen: what became of each analysis, and what it found."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mechscope.pipeline.outcome import Outcome
    from mechscope.project import Project

_LINES, _FEWEST = 24, 3
"""Statistics that are printed altogether, and of each analysis at least."""
_WORDS = {"ran": "ran", "fresh": "fresh", "failed": "FAILED", "blocked": "not run"}


def print_outcomes(project: Project, outcomes: list[Outcome], named: Collection[str] = ()) -> None:
    """What became of each analysis, and what it found.

    Args:
        named: The analyses that were asked for by name: what is fresh of them is shown, too.
    """
    from mechscope.pipeline.run import failures

    width = max((len(f"{outcome.run}:{outcome.analysis}") for outcome in outcomes), default=0)
    told = [outcome for outcome in outcomes if outcome.what == "ran" or _fresh_of(outcome, named)]
    most = max(_FEWEST, _LINES // max(1, len(told)))
    for outcome in outcomes:
        key = f"{outcome.run}:{outcome.analysis}"
        took = f" ({outcome.seconds:.1f} s)" if outcome.what == "ran" else ""
        why = (
            f"  {outcome.detail}" if outcome.what in ("ran", "blocked") and not outcome.applicability else ""
        )
        word = outcome.applicability or _WORDS[outcome.what]
        trial = outcome.what == "ran" and not outcome.folder.startswith("results/")
        where = f"  → {outcome.folder}" if trial else ""
        click.echo(f"{key:<{width}}  {word}{took}{why}{where}")
        if outcome in told:
            lines = _trial_lines(project, outcome) if trial else _found_lines(project, outcome, most)
            click.echo("".join(f"  {_printable(line)}\n" for line in lines), nl=False)
    for problem in failures(outcomes):
        click.echo(f"\nmechscope: {problem}", err=True)


def _printable(line: str) -> str:
    """Without control characters, which a terminal would obey: what a model says can hold them."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def _fresh_of(outcome: Outcome, named: Collection[str]) -> bool:
    return outcome.what == "fresh" and outcome.analysis in named


def _trial_lines(project: Project, outcome: Outcome) -> list[str]:
    """All numbers and claims of a trial, which no other command shows."""
    from mechscope.ledger.display import record_line
    from mechscope.ledger.store import read_ledger

    found = read_ledger(project.root / outcome.folder).findings
    lines = [record_line(f"{outcome.analysis}.{name}", claim) for name, claim in found.claims.items()]
    return lines + [record_line(f"{outcome.analysis}.{name}", one) for name, one in found.statistics.items()]


def _found_lines(project: Project, outcome: Outcome, most: int) -> list[str]:
    """All claims, and `most` statistics: first those that the claims rest on."""
    from mechscope.ledger.display import MARKS
    from mechscope.ledger.store import read_ledger

    found = read_ledger(project.root / outcome.folder).findings
    lines = [
        f"{outcome.analysis}.{name}  {MARKS[claim.outcome]} {claim.outcome} · {claim.sentence}"
        for name, claim in found.claims.items()
    ]
    evidence = {re.split(r"\W", name)[0] for claim in found.claims.values() for name in claim.evidence}
    statistics = sorted(found.statistics, key=lambda name: name not in evidence)
    for name in statistics[:most]:
        record = found.statistics[name]
        value = record.text.value if record.value is not None else f"missing: {record.because}"
        lines.append(f"{outcome.analysis}.{name} = {value}  · {record.label}")
    more = len(statistics) - most
    rest = [f"{more} more statistic{'s' * (more > 1)}"] if more > 0 else []
    rest += [f"{len(found.figures)} figure{'s' * (len(found.figures) > 1)}"] if found.figures else []
    rest += [f"{len(found.tables)} table{'s' * (len(found.tables) > 1)}"] if found.tables else []
    rest += ["passages"] if found.passages else []
    if rest:
        lines.append(f"and {', '.join(rest)}: mechscope trace {outcome.analysis} --run {outcome.run}")
    return lines

"""Tolerances that make a verification empty: almost any other value would count as reproduced."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from mechscope.articles.documents import Document
from mechscope.articles.finding import Finding
from mechscope.ledger.schema import Statistic
from mechscope.review.lint.records import Ledgers, recorded_at


def tolerance_findings(
    ledgers: Ledgers, used: Collection[tuple[str, str]], scripts: Mapping[str, Document]
) -> Iterator[Finding]:
    """Statistics that a rerun may find far outside their interval, or without one on zero's other side.

    An interval that holds zero says itself that the sign is open: a tolerance is measured by it then.

    One finding for each, with every run that it is true of; a warning where the paper needs it (an article
    cites it or a claim's criterion needs it), else a note. A value of zero has no sign and an interval of
    width zero no half: neither can be judged like this.

    Args:
        used: The records (analysis and name) that the paper needs.
    """
    loose: dict[tuple[str, str], dict[str, list[str]]] = {}
    for (run, analysis), ledger in sorted(ledgers.items()):
        for name, statistic in ledger.findings.statistics.items():
            if analysis in scripts and (why := _why_loose(statistic)):
                loose.setdefault((analysis, name), {}).setdefault(why, []).append(run)
    for (analysis, name), said in sorted(loose.items()):
        yield Finding(
            scripts[analysis].file,
            *recorded_at(scripts[analysis], name),
            "loose-tolerance",
            f"the tolerance of '{analysis}.{name}' leaves little to verify: "
            + "; ".join(f"in {' and '.join(runs)} {why}" for why, runs in said.items()),
            "narrow it to what reruns differ by; or:  # lint: allow loose-tolerance because …",
            "warning" if (analysis, name) in used else "note",
            text=name,
        )


def _why_loose(statistic: Statistic) -> str:
    """Why its tolerance is too wide, in words; empty if it isn't."""
    value = statistic.value
    if not isinstance(value, (int, float)) or statistic.tolerance.exact:
        return ""
    allowed = statistic.tolerance.atol + statistic.tolerance.rtol * abs(value)
    width = statistic.ci[1] - statistic.ci[0] if statistic.ci else 0
    if 0 < width < 2 * allowed:
        return f"{value:.3g} may change by {allowed:.3g}, more than half of its interval ({width:.3g} wide)"
    if not width and 0 < abs(value) <= allowed:
        return f"{value:.3g} may change by {allowed:.3g}, to zero or past it"
    return ""

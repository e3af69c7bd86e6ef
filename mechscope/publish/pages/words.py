"""A record in a reader's words: a share as a percentage, a claim's evidence, a tolerance.

Written once here, into what a render prepares; the extension looks them up and formats nothing.
"""

from __future__ import annotations

import re

from mechscope.ledger.criterion import operand_names
from mechscope.ledger.formatting import MINUS, format_p, format_value
from mechscope.ledger.schema import Claim, Statistic, Tolerance
from mechscope.publish.findings import Found

_MOST = 4
"""Statistics of a criterion that stand beside its outcome; those that are left out stand in its entry."""

_DECIMALS = re.compile(r"\.(\d+)[eEfF]$")


# Shares ----------------------------------------------------------------------------------------------------


def percent_texts(record: Statistic) -> dict[str, str]:
    """A share as percentages, by the part of the shortcode: "28%", "[24%, 33%]", and both with p and n.

    Whole percents, but one more digit where a value or an end of the interval lies within a percent of
    nothing or of everything, and never more digits than were recorded.

    Raises:
        ValueError: It is not a share; says why, as the end of a sentence.
    """
    if not isinstance(record.value, float):
        raise ValueError(
            f"it was not measured ({record.because})"
            if record.value is None
            else f"it is {record.text.value!r}, not a share"
        )
    if record.unit or record.format.endswith("%"):
        raise ValueError(f"it is recorded in {record.unit or '%'}")
    ends = [float(end) for end in record.ci or ()]
    digits = _decimals(record, [record.value, *ends])

    def percent(share: float) -> str:
        return format_value(share, f".{digits}%")

    interval = f"[{', '.join(percent(end) for end in ends)}]" if ends else ""
    details = [
        f"{100 * record.level:g}% CI {interval}" if interval else "",
        format_p(record.p) if record.p is not None else "",
        f"n = {format_value(record.n, ',d')}" if record.n is not None else "",
    ]
    extra = ", ".join(detail for detail in details if detail)
    value = percent(record.value)
    return {
        "percent": value,
        "percent-ci": interval,
        "percent-full": f"{value} ({extra})" if extra else value,
    }


def _decimals(record: Statistic, shares: list[float]) -> int:
    fine = any(0 < abs(share) < 0.01 or 0.99 < abs(share) < 1 for share in shares)
    recorded = _DECIMALS.search(record.format)
    return min(1 if fine else 0, max(0, int(recorded[1]) - 2) if recorded else 1)


# Claims ----------------------------------------------------------------------------------------------------


def evidence_words(found: Found) -> str:
    """What a claim was decided from, without names, in the order of its criterion: "0.08, p < 0.001; 0.22".

    A statistic whose interval the criterion reads brings it along; the least and the greatest of the same
    thing (`x_min`, `x_max`) read "−0.49 to 0.68".
    """
    record: Claim = found.record
    statistics = found.ledger.findings.statistics
    names = [name for name in operand_names(record.criterion) if name in statistics]
    words: list[str] = []
    skipped: set[str] = set()
    for name in names:
        if name in skipped:
            continue
        most = f"{name.removesuffix('_min')}_max"
        if name.endswith("_min") and most in names:
            skipped.add(most)
            words.append(f"{statistics[name].text.value} to {statistics[most].text.value}")
        else:
            words.append(_of_statistic(record, name, statistics[name]))
    return "; ".join([*words[:_MOST], *(["…"] if len(words) > _MOST else [])])


def _of_statistic(claim: Claim, name: str, statistic: Statistic) -> str:
    if statistic.value is None:
        return "not measured"
    interval = any(f"{name}.{end}" in claim.evidence for end in ("low", "high")) and statistic.text.ci
    value = f"{statistic.text.value} {interval}" if interval else statistic.text.value
    p = statistic.text.p if f"{name}.p" in claim.evidence else ""
    return f"{value}, {p}" if p else value


# Tolerances and tests --------------------------------------------------------------------------------------


def tolerance_words(tolerance: Tolerance) -> str:
    """How far a rerun may be off: "±0.2% ± 0.0002 (float32 reductions)", "none: exactly the same"."""
    if tolerance.exact:
        return "none: exactly the same"
    bounds = [
        f"±{_plain(100 * tolerance.rtol)}%" if tolerance.rtol else "",
        _plain(tolerance.atol) if tolerance.atol else "",
    ]
    text = " ± ".join(bound for bound in bounds if bound)
    text = text if text.startswith("±") else f"±{text}"
    return text + (f" ({tolerance.because})" if tolerance.because else "")


def _plain(value: float) -> str:
    text = f"{value:.3g}"
    if "e" in text:
        digits, _, power = text.partition("e")
        superscript = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = ("" if digits == "1" else f"{digits}·") + f"10{superscript}"
    return text.replace("-", MINUS)


def interval_words(record: Statistic) -> str:
    """The interval and, without a test, what found it: "95% [0.32, 0.52], bootstrap, 10,000 resamples"."""
    if not record.text.ci:
        return ""
    found_by = f", bootstrap, {_resamples(record)}" if record.resamples and not record.test else ""
    return f"{record.level:.0%} {record.text.ci}{found_by}"


def resampling_words(record: Statistic) -> str:
    """The test and its draws: "label permutation, 10,000 resamples"; empty where nothing was tested."""
    if record.resamples and (record.test or not record.text.ci):
        return f"{record.test}, {_resamples(record)}".removeprefix(", ")
    return record.test


def _resamples(record: Statistic) -> str:
    return f"{format_value(record.resamples, ',d')} resamples"

"""A record in a reader's words: a claim's evidence, a tolerance.

Written once here, into what a render prepares; the extension looks them up and formats nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from mechscope.ledger.criterion import operand_names
from mechscope.ledger.formatting import MINUS, format_value
from mechscope.ledger.schema import KINDS, Claim, Statistic, Tolerance
from mechscope.pipeline.shelf import KeyedRecord

_MOST = 4
"""How many statistics of a criterion are shown beside its outcome; its entry has all."""

NOT_AVAILABLE = "n/a"
"""Printed for a number that a run does not have."""
SHARED_WORDS = "found once for all runs: it does not use their models"
"""Of an analysis whose results are shared."""


def repeat_command(run: str, analysis: str = "") -> str:
    """What a reader types to run again what an analysis (or all) found in a run."""
    return " ".join(word for word in ("mechscope verify", analysis, f"--run {run}") if word)


# Claims ----------------------------------------------------------------------------------------------------


def evidence_words(keyed: KeyedRecord) -> str:
    """What a claim was decided from, without names, in the order of its criterion: "0.08, p < 0.001; 0.22".

    Of one that could not be tested, why. A statistic whose interval the criterion reads brings it along; the
    least and the greatest of the same thing (`x_min`, `x_max`) read "−0.49 to 0.68".
    """
    if why := why_untestable(keyed):
        return why
    record: Claim = keyed.record
    statistics = keyed.ledger.findings.statistics
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


def why_untestable(keyed: KeyedRecord) -> str:
    """Why a claim could not be tested, as its operands say it: "it has one layer; no token is near"."""
    if keyed.absent:
        return str(keyed.record.because)
    if keyed.record.outcome != "untestable":
        return ""
    findings = keyed.ledger.findings
    reasons = [findings.why_missing(name) for name in operand_names(keyed.record.criterion)]
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def _of_statistic(claim: Claim, name: str, statistic: Statistic) -> str:
    if statistic.value is None:
        return "not measured"
    interval = any(f"{name}.{end}" in claim.evidence for end in ("low", "high")) and statistic.text.ci
    value = f"{statistic.text.value} {interval}" if interval else statistic.text.value
    p = statistic.text.p if f"{name}.p" in claim.evidence else ""
    return f"{value}, {p}" if p else value


# Counts ----------------------------------------------------------------------------------------------------


def in_words(counts: Mapping[str, int]) -> str:
    """Counts of records by kind: "3 statistics, 1 claim, 2 records that do not apply"."""
    return ", ".join(f"{count} {KINDS[kind].counted[count != 1]}" for kind, count in counts.items() if count)


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

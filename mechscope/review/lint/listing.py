"""What lint finds, on a terminal and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mechscope.articles.finding import RULES, Finding


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether there is anything that has to be put right (`mechscope lint` then exits with 1)."""
    return any(finding.level == "error" for finding in findings)


def main_text(findings: Sequence[Finding], *, notes: bool = True) -> str:
    """The findings for a terminal: a line each, a hint after those in a row that share it, and a sum.

    Args:
        notes: Whether each note has its line; else a rule's notes have one, with how many a file has.
    """
    lines = []
    before = ""
    for finding in findings:
        if finding.level == "note" and not notes:
            continue
        if before and finding.hint != before:
            lines.append(f"  → {before}")
        lines.append(str(finding))
        before = finding.hint
    if before:
        lines.append(f"  → {before}")
    if not notes:
        lines += _notes_in_short(findings)
    return "\n".join([*lines, _sum(findings)])


def _notes_in_short(findings: Sequence[Finding]) -> list[str]:
    """A line for each rule that has notes: its sum, and that of each file."""
    lines = []
    for rule in RULES:
        files = Counter(
            finding.file for finding in findings if (finding.level, finding.rule) == ("note", rule)
        )
        if files:
            each = ", ".join(f"{Path(file).stem} {count}" for file, count in files.items())
            lines.append(f"{rule}: {_counted(files.total(), 'note')} ({each})")
    return [*lines, "  → each of them:  mechscope lint --notes"] if lines else []


def main_json(findings: Sequence[Finding]) -> str:
    """The findings as JSON: a list of objects with the fields of `Finding`."""
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=1)


def _sum(findings: Sequence[Finding]) -> str:
    if not findings:
        return "lint: nothing found"
    parts = []
    for level in ("error", "warning", "note"):
        rules = Counter(finding.rule for finding in findings if finding.level == level)
        if rules:
            each = ", ".join(f"{rule} {rules[rule]}" for rule in RULES if rule in rules)
            parts.append(_counted(rules.total(), level) + (f" ({each})" if level == "warning" else ""))
    return f"lint: {', '.join(parts)}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"

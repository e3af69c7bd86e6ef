"""What lint finds, and how it is said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Level = Literal["error", "warning", "note"]

RULES = {
    "numeral": "a number in prose from no ledger, not marked as given, with no citation beside it",
    "shortcode": "a shortcode that neither mechscope nor Quarto nor an extension knows",
    "key": "a cited key, part, outcome or included file that doesn't exist",
    "reference": "a citation that no bibliography holds",
    "unclosed": "a Div or a shortcode that is not closed, or a ::: that closes nothing",
    "not-a-div": "a ::: that Pandoc takes for text: glued to a paragraph, indented, or unreadable",
    "alt-text": "a picture without a text for those who can't see it",
    "flipping-claim": "a sentence that depends on a claim which holds in one run and fails in another, "
    "outside .when-claim",
    "model-named": "a sentence that names one run's model and is printed in every run, outside .when-run",
    "dead-link": "a link to a file or an anchor of this project, or a cross-reference, that leads nowhere",
    "unused-record": "a record that no article cites and no claim needs",
    "silent-failure": "a claim that failed in a committed run and that no article mentions",
    "loose-tolerance": "a tolerance within which a value could change its sign or leave its interval",
    "ledger": "a ledger that can't be read",
    "script": "a script that can't be read",
    "allow": "a 'lint: allow' that says no reason, names no rule, or allows nothing",
}
"""The rules by name, with what each finds."""


@dataclass(frozen=True, order=True)
class Finding:
    """Something that lint found.

    Attributes:
        line, column: From 1, in characters.
        text: What stands there, where the rule is about a text.
        hint: What mends it.
    """

    file: str
    line: int
    column: int
    rule: str
    message: str
    hint: str = ""
    level: Level = "error"
    text: str = ""

    def __str__(self) -> str:
        said = self.message if self.level == "error" else f"{self.level}: {self.message}"
        return f"{self.file}:{self.line}:{self.column}: {self.rule}: {said}"


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

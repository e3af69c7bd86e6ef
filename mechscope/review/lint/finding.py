"""What lint finds, and how it is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
    "dead-link": "a link to a file or an anchor of this project, or a cross-reference, that leads nowhere",
    "unused-record": "a record that no article cites and no claim needs",
    "ledger": "a ledger that can't be read",
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


def main_text(findings: Sequence[Finding]) -> str:
    """The findings for a terminal: a line each, a hint after those in a row that share it, and a sum."""
    lines = []
    before = ""
    for finding in findings:
        if before and finding.hint != before:
            lines.append(f"  → {before}")
        lines.append(str(finding))
        before = finding.hint
    if before:
        lines.append(f"  → {before}")
    return "\n".join([*lines, _sum(findings)])


def main_json(findings: Sequence[Finding]) -> str:
    """The findings as JSON: a list of objects with the fields of `Finding`."""
    return json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=1)


def _sum(findings: Sequence[Finding]) -> str:
    if not findings:
        return "lint: nothing found"
    parts = []
    for level in ("error", "warning", "note"):
        count = sum(finding.level == level for finding in findings)
        if count:
            parts.append(f"{count} {level}{'s' if count != 1 else ''}")
    return f"lint: {', '.join(parts)}"

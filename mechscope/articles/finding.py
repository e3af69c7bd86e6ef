"""What is wrong in a source of the paper, and the names of the rules, which `lint: allow` takes."""

from __future__ import annotations

from dataclasses import dataclass
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
    """Something that is wrong, and where.

    Attributes:
        line, column: From 1, in characters.
        text: What is there, where the rule is about a text.
        hint: How to fix it.
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

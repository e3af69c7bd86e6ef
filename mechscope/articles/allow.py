"""`<!-- lint: allow RULE because … -->`: findings that somebody looked at and let stand.

At the end of a line it is about that line; on a line of its own, about the paragraph that follows (the lines
up to the next blank one). In YAML and in an analysis' code it is written `# lint: allow RULE because …`. It
names one rule or several, separated by commas, and always a reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mechscope.articles.documents import Document
from mechscope.articles.finding import RULES, Finding
from mechscope.articles.sources import FRONT_MATTER
from mechscope.errors import nearest

_COMMENT = re.compile(r"<!--\s*lint:(?P<said>[\s\S]*?)-->")
_LINE_COMMENT = re.compile(r"(?:^|(?<=\s))#[ \t]*lint:(?P<said>.*)$", re.MULTILINE)
_SAID = re.compile(
    r"\s*allow\s+(?P<rules>[\w-]+(?:\s*,\s*[\w-]+)*)\s*(?:because\b\s*(?P<reason>[\s\S]*?))?\s*$"
)
_EXAMPLE = "<!-- lint: allow RULE because … --> with one of: " + ", ".join(RULES)


@dataclass(frozen=True)
class Allowance:
    """What may stand in the lines from `first` to `last`, and where that is said."""

    rules: tuple[str, ...]
    first: int
    last: int
    line: int
    column: int


def allowances(document: Document) -> tuple[list[Allowance], list[Finding]]:
    """The allowances of a file, and what is wrong with those that allow nothing."""
    found, problems = [], []
    lines = document.raw.split("\n")
    for start, end, said in _comments(document):
        line, column = document.raw_place(start)
        match = _SAID.match(said)
        rules = tuple(re.split(r"\s*,\s*", match["rules"])) if match else ()
        unknown = [rule for rule in rules if rule not in RULES]
        problem = ""
        if not match:
            problem = "this is not 'lint: allow RULE because …'"
        elif unknown:
            near = nearest(unknown[0], RULES)
            problem = f"unknown rule '{unknown[0]}'" + (f" — did you mean '{near[0]}'?" if near else "")
        elif not (match["reason"] or "").strip():
            problem = "an allowance says why, after 'because'"
        if problem:
            problems.append(Finding(document.file, line, column, "allow", problem, _EXAMPLE))
            continue
        last = document.raw_place(end - 1)[0]
        written = start - document.raw.rfind("\n", 0, start)
        found.append(Allowance(rules, *_covered(lines, line, last, written), line, column))
    return found, problems


def apply(
    findings: Sequence[Finding],
    given: dict[str, list[Allowance]],
    checked: set[str],
    numbers: Mapping[str, Collection[int]],
) -> list[Finding]:
    """The findings that nothing allows, and a warning for each allowance (of `checked` rules) without use.

    Args:
        numbers: The lines of each file with numbers. To allow one of them is never without use: whether it is
            taken for a result is learned, and may change.
    """
    left: list[Finding] = []
    used = {
        (file, allowance)
        for file, several in given.items()
        for allowance in several
        if "numeral" in allowance.rules
        and any(allowance.first <= line <= allowance.last for line in numbers.get(file, ()))
    }
    for finding in findings:
        allowing = [
            allowance
            for allowance in given.get(finding.file, [])
            if finding.rule in allowance.rules and allowance.first <= finding.line <= allowance.last
        ]
        used.update((finding.file, allowance) for allowance in allowing)
        if not allowing:
            left.append(finding)
    for file, several in given.items():
        left += [
            Finding(
                file,
                allowance.line,
                allowance.column,
                "allow",
                f"nothing here needs '{', '.join(allowance.rules)}' to be allowed",
                "remove the comment",
                "warning",
            )
            for allowance in several
            if (file, allowance) not in used and checked.issuperset(allowance.rules)
        ]
    return left


def _comments(document: Document) -> Iterator[tuple[int, int, str]]:
    """Offsets into the raw text of each comment for lint, and what it says."""
    if document.is_script:
        for match in _LINE_COMMENT.finditer(document.raw):
            yield match.start(), match.end(), match["said"]
        for match in _COMMENT.finditer(document.raw):
            yield match.start(), match.end(), re.sub(r"\n#", "\n", match["said"])
        return
    for start, end in document.scan.comments:
        comment = _COMMENT.fullmatch(document.raw, start, end)
        if comment:
            yield start, end, comment["said"]
    front = FRONT_MATTER.match(document.raw)
    for match in _LINE_COMMENT.finditer(document.raw, 0, front.end() if front else 0):
        yield match.start(), match.end(), match["said"]


def _covered(lines: list[str], first: int, last: int, column: int) -> tuple[int, int]:
    """The lines that a comment from line `first` to line `last` is about."""

    def blank(line: int) -> bool:
        return lines[line - 1].strip() in ("", "#")

    if lines[first - 1][: column - 1].strip(" \t#>"):
        return first, last
    start = last + 1
    while start <= len(lines) and blank(start):
        start += 1
    end = start
    while end < len(lines) and not blank(end + 1):
        end += 1
    return start, end

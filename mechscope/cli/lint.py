"""`mechscope lint`, and how it shows what it finds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from mechscope.articles.finding import RULES, Finding
from mechscope.cli.command import Helpful
from mechscope.cli.options import project_of
from mechscope.review.lint import lint as findings_of

_EXAMPLES = """
mechscope lint                              everything
mechscope lint paper/articles/next-word.qmd one article
"""


@click.command(cls=Helpful, short_help="Typed numbers, dead links, contradicted prose.", examples=_EXAMPLES)
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--notes", is_flag=True, help="A line for each note, too, instead of how many there are.")
@click.pass_context
def lint(context: click.Context, files: tuple[Path, ...], form: str, notes: bool) -> None:
    """Typed numbers, unknown keys, prose that a result could contradict, dead links, missing alt texts.

    A typed number is found if it looks like a measured result to a linear probe on SmolLM2-135M.
    A number that was chosen, not measured, is marked: [20]{.given} in a sentence, ::: {.given} around
    paragraphs, ## Design {.given} on a section. Anything else can be allowed where it is, with a reason:

    \b
      <!-- lint: allow RULE because … -->    in an article
      # lint: allow RULE because …           in YAML, and in the code of an analysis

    \b
    The rules: numeral, shortcode, key, reference, unclosed, not-a-div, alt-text,
    flipping-claim, model-named, dead-link, unused-record, silent-failure,
    loose-tolerance, ledger, script, allow. Only errors make it exit with 1, not
    warnings and notes.
    """
    found = findings_of(project_of(context), list(files) or None)
    click.echo(main_json(found) if form == "json" else main_text(found, notes=notes))
    if has_errors(found):
        context.exit(1)


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

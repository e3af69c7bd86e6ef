"""Ledgers against articles: keys that don't exist, claims that flip, records that nobody cites."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from mechscope.articles.citations import citation_problems
from mechscope.articles.documents import Document
from mechscope.articles.finding import Finding
from mechscope.articles.markdown import MARK
from mechscope.articles.reading_order import parts_with_condition
from mechscope.articles.sources import Shortcode
from mechscope.errors import MechscopeError, UnknownName
from mechscope.ledger.criterion import operand_names
from mechscope.ledger.schema import KINDS, LedgerFile
from mechscope.ledger.store import read_ledger
from mechscope.pipeline.record_calls import written_out
from mechscope.pipeline.shelf import NoResults, Shelf, parse_key, runs_with_results
from mechscope.project import Project

_WHERE = re.compile(r"(?P<file>[^\n]*?):(?P<line>\d+):(?P<column>\d+): (?P<message>[\s\S]*)")
Ledgers = Mapping[tuple[str, str], LedgerFile]
"""By run and analysis."""


def read_ledgers(
    project: Project,
) -> tuple[dict[tuple[str, str], LedgerFile], dict[tuple[str, str], Finding]]:
    """Every ledger, shared ones once, and a finding for each that can't be trusted."""
    found, problems = {}, {}
    for run in runs_with_results(project):
        shelf = Shelf(project, run)
        for analysis, place in ((analysis, shelf.home(analysis)) for analysis in shelf.analyses()):
            folder = project.results_dir(place, analysis)
            try:
                found[place, analysis] = read_ledger(folder)
            except MechscopeError as error:
                file = project.relative(folder / "ledger.json")
                problems[place, analysis] = Finding(file, 1, 1, "ledger", error.message, error.hint)
    return found, problems


def citation_findings(
    project: Project, default: str, codes: Sequence[Shortcode], damaged: Collection[tuple[str, str]]
) -> Iterator[Finding]:
    """Unknown shortcodes, and keys that don't exist: errors in the default run, warnings in other runs.

    Args:
        damaged: The ledgers (run and analysis) that can't be read, which is said elsewhere.
    """
    shown: set[tuple[str, int, int]] = set()
    missing: set[tuple[str, str]] = set()  # by file and hint, which names run and analysis: said once
    others = [run for run in runs_with_results(project) if run != default]
    for run in (default, *others):
        shelf = Shelf(project, run)
        sound = [code for code in codes if _ledger_of(code, shelf) not in damaged]
        for problem in citation_problems(project, run, sound):
            match = _WHERE.match(problem.message)
            if not match:
                raise problem
            place = match["file"], int(match["line"]), int(match["column"])
            if place in shown:
                continue
            shown.add(place)
            if isinstance(problem, NoResults):
                if (place[0], problem.hint) in missing:
                    continue
                missing.add((place[0], problem.hint))
            unknown = isinstance(problem, UnknownName) and match["message"].startswith("unknown shortcode")
            yield Finding(
                *place,
                "shortcode" if unknown else "key",
                match["message"] if run == default else f"in run {run}: {match['message']}",
                problem.hint,
                "error" if run == default else "warning",
            )


def flipping(ledgers: Ledgers) -> dict[tuple[str, str], str]:
    """The claims that hold in one run and fail in another, by analysis and name, and how that reads."""
    outcomes: dict[tuple[str, str], dict[str, str]] = {}
    for (run, analysis), ledger in ledgers.items():
        for name, claim in ledger.findings.claims.items():
            outcomes.setdefault((analysis, name), {})[run] = claim.outcome
    return {
        claim: ", ".join(f"{outcome} in {run}" for run, outcome in by_run.items())
        for claim, by_run in outcomes.items()
        if {"held", "failed"} <= set(by_run.values())
    }


def flip_findings(document: Document, codes: Sequence[Shortcode], ledgers: Ledgers) -> Iterator[Finding]:
    """Sentences that depend on a flipping claim although no `.when-claim` of it is around them.

    In a `.when-run` a claim flips if it does among the runs that print it.
    """
    flips = flipping(ledgers)
    evidence = _evidence(ledgers)
    for_runs = parts_with_condition(document.scan.text, codes, ["when-run"])
    said: set[tuple[int, tuple[str, str]]] = set()
    for code in codes:
        parsed = parse_key(code.key or "")
        if (
            code.name not in ("stat", "claim")
            or code.place not in ("prose", "yaml")
            or not parsed
            or parsed[0]
        ):
            continue
        _, analysis, name = parsed
        own = [(analysis, name)] if code.name == "claim" else evidence.get((analysis, name), [])
        at = document.offset(code.line, code.column)
        around = [condition for condition, start, end in for_runs if start <= at < end]
        here = flipping(_printed(ledgers, around)) if around else flips
        claims = [claim for claim in own if claim in here]
        sentence = _sentence(document, at)
        if not claims or sentence is None or _guarded(document, at, claims):
            continue
        new = [claim for claim in claims if (sentence, claim) not in said]
        said.update((sentence, claim) for claim in new)
        if new:
            names = " and ".join(f"'{'.'.join(claim)}' ({here[claim]})" for claim in new)
            what = "cites" if code.name == "claim" else f"cites '{code.key}', which is evidence of"
            key = ".".join(new[0])
            yield Finding(
                document.file,
                code.line,
                code.column,
                "flipping-claim",
                f"this sentence {what} the claim {names}, so it cannot read the same in both",
                f"write it once in ::: {{.when-claim key={key} is=held}} and once in is=failed; or, if it is "
                "right either way:  <!-- lint: allow flipping-claim because … -->",
                text=code.key or "",
            )


def _printed(ledgers: Ledgers, conditions: Sequence[Shortcode]) -> Ledgers:
    """The ledgers of the runs in which all of these `.when-run` are met."""
    return {
        (run, analysis): ledger
        for (run, analysis), ledger in ledgers.items()
        if all(condition.prints_in(run) for condition in conditions)
    }


def used_records(ledgers: Ledgers, codes: Sequence[Shortcode]) -> set[tuple[str, str]]:
    """The records (analysis and name) that articles cite or that a claim's criterion needs."""
    operands = {
        (analysis, name)
        for (_, analysis), ledger in ledgers.items()
        for claim in ledger.findings.claims.values()
        for name in operand_names(claim.criterion)
    }
    return operands | {parsed[1:] for code in codes if (parsed := parse_key(code.key or ""))}


def unused_findings(
    ledgers: Ledgers, used: Collection[tuple[str, str]], scripts: Mapping[str, Document]
) -> Iterator[Finding]:
    """Records that are not `used`. What a later analysis names counts as used too."""
    names: dict[tuple[str, str], str] = {}
    for (_, analysis), ledger in ledgers.items():
        for kind, name, _ in ledger.findings.records(*(kind for kind in KINDS if kind != "absent")):
            names[analysis, name] = KINDS[kind].noun
    words = {
        name: {node.value for node in ast.walk(script.tree) if isinstance(node, ast.Constant)}
        for name, script in scripts.items()
    }
    for (analysis, name), noun in sorted(names.items()):
        if (analysis, name) in used or analysis not in scripts:
            continue
        if any(name in said and analysis in said for other, said in words.items() if other != analysis):
            continue
        yield Finding(
            scripts[analysis].file,
            *recorded_at(scripts[analysis], name),
            "unused-record",
            f"no article cites the {noun} '{analysis}.{name}'",
            "cite it, or leave it to the numbers page and allow it:  # lint: allow unused-record because …",
            "note",
            text=name,
        )


def silence_findings(
    ledgers: Ledgers, codes: Sequence[Shortcode], scripts: Mapping[str, Document]
) -> Iterator[Finding]:
    """Claims that failed in a run and that no article mentions: readers hear only of those that held."""
    mentioned = {
        parsed[1:] for code in codes if code.place != "comment" and (parsed := parse_key(code.key or ""))
    }
    failed: dict[tuple[str, str], list[str]] = {}
    for (run, analysis), ledger in sorted(ledgers.items()):
        for name, claim in ledger.findings.claims.items():
            if claim.outcome == "failed" and (analysis, name) not in mentioned and analysis in scripts:
                failed.setdefault((analysis, name), []).append(run)
    for (analysis, name), runs in sorted(failed.items()):
        yield Finding(
            scripts[analysis].file,
            *recorded_at(scripts[analysis], name),
            "silent-failure",
            f"the claim '{analysis}.{name}' failed in {' and '.join(runs)}, and no article mentions it",
            "say so with {{< claim KEY >}} or .when-claim; or:  # lint: allow silent-failure because …",
            "warning",
            text=name,
        )


def _ledger_of(code: Shortcode, shelf: Shelf) -> tuple[str, str] | None:
    """The run (or SHARED) and the analysis whose ledger a shortcode looks into."""
    parsed = parse_key(code.key or "")
    return (shelf.home(parsed[1], parsed[0]), parsed[1]) if parsed else None


def _evidence(ledgers: Ledgers) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """The claims that each statistic decides."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (_, analysis), ledger in ledgers.items():
        for name, claim in ledger.findings.claims.items():
            for operand in operand_names(claim.criterion):
                claims = found.setdefault((analysis, operand), [])
                if (analysis, name) not in claims:
                    claims.append((analysis, name))
    return found


def _sentence(document: Document, at: int) -> int | None:
    """Where the sentence around `at` begins; None in a table, or where shortcodes stand without words."""
    found = document.scan
    for block in found.blocks:
        if block.start <= at < block.end:
            if block.row or not re.search(
                r"[^\W\d_]", found.prose[block.start : block.end].replace(MARK, " ")
            ):
                return None
            return next(start for start, end in found.sentences(block) if start <= at < end)
    return None


def _guarded(document: Document, at: int, claims: Sequence[tuple[str, str]]) -> bool:
    for div in document.scan.divs:
        if div.start <= at < div.end and "when-claim" in div.classes:
            parsed = parse_key(div.attributes.get("key", ""))
            if parsed and parsed[1:] in claims:
                return True
    return False


def recorded_at(script: Document, name: str) -> tuple[int, int]:
    """The line of a record's name in the script: where it is recorded, else where it is passed on.

    Names that are put together match by their parts.
    """
    for nodes in (script.names_recorded, script.literals):
        places = [
            (-fixed, node.lineno, node.col_offset + 1)
            for node in nodes
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and (fixed := written_out(node, name))
        ]
        if places:
            return min(places)[1:]
    return 1, 1

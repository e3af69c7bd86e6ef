"""Whether everything that articles cite is there, in every branch and in every file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from mechscope.articles.reading_order import printed_in
from mechscope.articles.sources import (
    CLAIM_PARTS,
    CONDITIONS,
    KIND_OF_SHORTCODE,
    OUTCOMES,
    PARTS,
    QUARTO_SHORTCODES,
    Shortcode,
    included,
)
from mechscope.errors import InvalidInput, LedgerDamaged, MechscopeError, UnknownName
from mechscope.pipeline.shelf import NoResults, Shelf
from mechscope.project import Project

_OPTIONS = {"stat": ("part",), "claim": ("part",), "when-claim": ("key", "is")}


def check_citations(project: Project, run: str, codes: Sequence[Shortcode]) -> None:
    """Look up everything that the shortcodes name, as `run` sees it; what it doesn't print, in any run.

    Raises:
        MechscopeError: With every mistake, its place and the nearest valid name.
    """
    problems = list(citation_problems(project, run, codes, complete=False))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        listing = []
        for problem, following in zip(problems, [*problems[1:], None], strict=True):
            listing.append(problem.message)
            if problem.hint and (following is None or following.hint != problem.hint):
                listing.append(f"  → {problem.hint}")
        raise InvalidInput("\n".join([f"{len(problems)} mistakes in the articles:", *listing]))


def citation_problems(
    project: Project, run: str, codes: Sequence[Shortcode], *, complete: bool = True
) -> Iterator[MechscopeError]:
    """The mistakes among `codes`, in order.

    What a `.when-run` of other runs cites must be in one of the runs, not in this one.

    Args:
        complete: An analysis without results is a mistake, too; a page would say that it is missing.
    """
    shelf = Shelf(project, run)
    valid = {*QUARTO_SHORTCODES, *KIND_OF_SHORTCODE} - {*CONDITIONS}
    others = _other_extensions(project)
    printed = {(code.where, code.name) for code in printed_in(project, run, codes)[0]}
    every_shelf = [shelf.seen_from(other) for other in shelf.every_run]
    for code in codes:
        if code.place == "comment":
            continue  # an old draft: the filter takes comments away
        if code.name == "when-run":
            yield from _run_problems(shelf, code)
            continue
        if code.name != "when-claim" and code.name not in valid:
            if not re.search(rf"\b{re.escape(code.name)}\b", others):
                yield UnknownName("shortcode", code.name, valid, where=code.where)
            continue
        target = included(code, project)
        if target is not None and not target.is_file():
            siblings = [path.name for path in target.parent.glob("*.qmd")]
            yield UnknownName("file to include", code.arguments[0], siblings, where=code.where)
        if code.name in KIND_OF_SHORTCODE:
            is_printed = (code.where, code.name) in printed
            yield from (
                _our_problems(shelf, code, complete)
                if is_printed
                else _least_problems(every_shelf, code, complete)
            )


def _run_problems(shelf: Shelf, code: Shortcode) -> Iterator[MechscopeError]:
    """What is wrong with a `.when-run`."""
    if ".when-claim" in code.arguments:
        yield InvalidInput(
            f"{code.where}: .when-claim and .when-run both say 'is'.",
            hint="put one into the other:  :::: {.when-run is=…} … ::: {.when-claim key=… is=…} … ::: … ::::",
        )
        return
    names = [*code.listed("is"), *code.listed("is-not")]
    if not names or (code.listed("is") and code.listed("is-not")):
        yield InvalidInput(
            f"{code.where}: .when-run needs either is= or is-not=, with names of runs.",
            hint=f'for example is="{" ".join(shelf.declared)}"',
        )
    known = {*shelf.declared, *shelf.every_run}
    for name in names:
        if name not in known:
            yield UnknownName("run", name, known, where=code.where)


def _least_problems(shelves: Iterable[Shelf], code: Shortcode, complete: bool) -> list[MechscopeError]:
    """What is wrong with a citation in the run that has most of it, damaged ledgers aside."""
    found = []
    for shelf in shelves:
        with suppress(LedgerDamaged):
            found.append(list(_our_problems(shelf, code, complete)))
    return min(found, key=len, default=[])


def _our_problems(shelf: Shelf, code: Shortcode, complete: bool) -> Iterator[MechscopeError]:
    options = _OPTIONS.get(code.name, ())
    for option in code.options:
        if option not in options and code.name != "when-claim":
            yield UnknownName(f"option of {code.name}", option, options, where=code.where)
    if not code.key:
        example = "key=analysis.name" if code.name == "when-claim" else "analysis.name"
        yield InvalidInput(f"{code.where}: {code.name} needs a key.", hint=f"for example {example}")
        return
    try:
        keyed = shelf.find(code.key, KIND_OF_SHORTCODE[code.name], where=code.where)
    except LedgerDamaged:
        raise  # one error, not one for each citation
    except MechscopeError as error:
        yield error
        return
    if complete and keyed.source is None:
        yield NoResults(
            f"{code.where}: '{code.key}': {keyed.analysis} has no results in run '{keyed.run}' yet.",
            hint=f"mechscope run {keyed.analysis} --run {keyed.run}",
        )
        return
    if code.name == "stat":
        part = code.options.get("part", "value")
        if part not in PARTS:
            yield UnknownName("part", part, PARTS, where=code.where)
        elif not keyed.absent and not _has_part(keyed.record, part):
            what = "interval" if part == "ci" else part
            yield InvalidInput(
                f"{code.where}: '{code.key}' has no {what}.",
                hint="record it in the analysis, or cite another part",
            )
    if code.name == "claim" and (part := code.options.get("part", "sentence")) not in CLAIM_PARTS:
        yield UnknownName("part", part, CLAIM_PARTS, where=code.where)
    if code.name == "when-claim":
        for outcome in code.listed("is") or [""]:
            if outcome not in OUTCOMES:
                yield UnknownName("outcome", outcome, OUTCOMES, where=code.where)


def _has_part(statistic: Any, part: str) -> bool:
    return part in ("value", "full") or getattr(statistic, part) is not None


def _other_extensions(project: Project) -> str:
    """The Lua of extensions that aren't ours: a shortcode whose name it mentions may be one of theirs."""
    folder = project.root / "_extensions"
    ours = folder / "mechscope"
    files = sorted(path for path in folder.rglob("*.lua") if ours not in path.parents)
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)

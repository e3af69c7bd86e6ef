"""Ledgers on disk: reading them whole or saying what is wrong, and writing them stably."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from mechscope.errors import DoesNotApply, InvalidInput, LedgerDamaged, UnknownName
from mechscope.files import file_state, hash_content, hash_value, parsed_json, read_text, stable_json
from mechscope.ledger.schema import SCHEMA_VERSION, Findings, Inputs, LedgerFile
from mechscope.project import SHARED, Project, find_project

LEDGER_NAME = "ledger.json"
NOTEBOOK_NAME = "notebook.ipynb"
NEEDS_VARIABLE = "MECHSCOPE_NEEDS"
"""Environment variable of an analysis' kernel: by declared need, as JSON, the run where its results lie."""
BY_HAND = "was edited by hand"
"""Of a file of results that is not as it was written: what is said of it, after its path."""


def findings_hash(findings: Findings) -> str:
    """SHA-256 of findings; figures count by the hashes of their files."""
    return hash_value(findings.model_dump(mode="json"))


def inputs_hash(inputs: Inputs) -> str:
    """SHA-256 of everything that findings were found from."""
    return hash_value(inputs.model_dump(mode="json"))


def whole_hash(ledger: LedgerFile) -> str:
    """SHA-256 of all that a ledger holds beside its findings, which have a hash of their own."""
    return hash_value(ledger.model_dump(mode="json", exclude={"findings", "sha256", "whole_sha256"}))


def ledger_text(ledger: LedgerFile) -> str:
    """The bytes of `ledger.json`: sorted and stable, so that equal findings leave no diff."""
    return stable_json({**ledger.model_dump(mode="json"), "whole_sha256": whole_hash(ledger)})


def figure_files(folder: Path, name: str) -> tuple[Path, Path]:
    """The specification and the picture of figure `name` in the folder of a ledger."""
    return folder / "figures" / f"{name}.vl.json", folder / "figures" / f"{name}.svg"


def nodes_with_results(project: Project) -> list[tuple[str, str]]:
    """The run (or SHARED) and the analysis of every ledger there is, in order."""
    ledgers = project.results.glob(f"[!._]*/[!._]*/{LEDGER_NAME}")
    return sorted((path.parent.parent.name, path.parent.name) for path in ledgers)


def read_ledger(folder: Path) -> LedgerFile:
    """The ledger in `folder` (`results/<run>/<analysis>`), checked.

    Raises:
        FileNotFoundError: There is none.
        LedgerDamaged: It is not JSON, is of another schema, or it or one of its figures was changed by hand.
    """
    files = [folder / LEDGER_NAME, *sorted((folder / "figures").glob("*"))]
    return _read_whole(folder, tuple(file_state(file) for file in files))


def committed_ledger(project: Project, run: str, analysis: str) -> LedgerFile:
    """The ledger of an analysis in a run (or SHARED), checked; that it is this one's, too.

    Raises:
        FileNotFoundError, LedgerDamaged: As `read_ledger` does.
    """
    folder = project.results_dir(run, analysis)
    ledger = read_ledger(folder)
    if (ledger.run, ledger.analysis) != (run, analysis):
        raise LedgerDamaged(
            f"{project.relative(folder)} holds what {ledger.analysis} found in {ledger.run}.",
            hint=_mend(folder),
        )
    return ledger


@functools.lru_cache(maxsize=256)  # rendering asks for each ledger a dozen times, and its hash takes a while
def _read_whole(folder: Path, states: tuple[tuple[int, ...], ...]) -> LedgerFile:
    ledger = load_ledger(folder)
    for damage in damages(folder, ledger):
        raise LedgerDamaged(damage, hint=_mend(folder))
    return ledger


def load_ledger(folder: Path) -> LedgerFile:
    """The ledger in `folder` as it is there, edited by hand or not: for checks that look for the edit.

    Raises:
        FileNotFoundError: There is none.
        LedgerDamaged: It is not JSON, or is of another schema.
    """
    path = folder / LEDGER_NAME
    try:
        raw = parsed_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LedgerDamaged(f"{_shown(path)} is not JSON: {error}.", hint=_mend(folder)) from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise LedgerDamaged(
            f"{_shown(path)} has schema version {version}; this mechscope reads version {SCHEMA_VERSION}.",
            hint=_mend(folder),
        )
    try:
        return LedgerFile.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise LedgerDamaged(f"{_shown(path)}: {place}: {first['msg']}.", hint=_mend(folder)) from error


def damages(folder: Path, ledger: LedgerFile) -> Iterator[str]:
    """What in `folder` no longer has the hash that `ledger` states, a sentence each."""
    path = _shown(folder / LEDGER_NAME)
    if findings_hash(ledger.findings) != ledger.sha256:
        yield f"{path} {BY_HAND}: its findings do not have the hash it states."
    if not ledger.whole_sha256:
        yield f"{path} states no hash of its whole, as every ledger of this mechscope does."
    elif whole_hash(ledger) != ledger.whole_sha256:
        yield f"{path} {BY_HAND}: its whole does not have the hash it states."
    for name, figure in ledger.findings.figures.items():
        expected = (figure.spec_sha256, figure.svg_sha256)
        for file, sha256 in zip(figure_files(folder, name), expected, strict=True):
            if not file.is_file():
                yield f"{_shown(file)} is missing."
            elif hash_content(file) != sha256:
                yield f"{_shown(file)} {BY_HAND}."


def _shown(path: Path) -> str:
    """`path` from the root of its project, where it has one."""
    try:
        return find_project(path.parent).relative(path)
    except InvalidInput:
        return str(path)


def _mend(folder: Path) -> str:
    return f"mechscope run {folder.name} --run {folder.parent.name} --force"


def upstream(analysis: str, *, run: str | None = None, project: Project | None = None) -> Findings:
    """What `analysis` found in the same run, or for all runs, for an analysis that declares it under `needs`.

    Args:
        run: Default: the run that is being executed, else the project's default run.

    Raises:
        UnknownName: There is no such ledger.
        DoesNotApply: That analysis does not apply to the run's model; so this one doesn't either.
    """
    project = project or find_project()
    need = f"{run}:{analysis}" if run else analysis
    run = run or os.environ.get("MECHSCOPE_RUN") or _default_run(project)
    # Outside the pipeline nobody said where it lies.
    told = json.loads(os.environ.get(NEEDS_VARIABLE, "{}")).get(need)
    folders = [project.results_dir(place, analysis) for place in ([told] if told else [run, SHARED])]
    folder = next((folder for folder in folders if (folder / LEDGER_NAME).is_file()), None)
    if folder is None:
        there = [name for place, name in nodes_with_results(project) if place in (run, SHARED)]
        raise UnknownName(
            f"analysis with results in run '{run}'",
            analysis,
            there,
            hint=f"mechscope run {analysis} --run {run}",
        )
    findings = read_ledger(folder).findings
    if findings.does_not_apply:
        raise DoesNotApply(f"it needs {analysis}, which does not apply: {findings.does_not_apply}")
    return findings


def _default_run(project: Project) -> str:
    import yaml

    declared = yaml.safe_load(read_text(project.runs_file, project.relative(project.runs_file)))
    if not isinstance(declared, dict) or "default" not in declared:
        raise InvalidInput(f"{project.runs_file} names no default run.", hint="default: <name of a run>")
    return str(declared["default"])

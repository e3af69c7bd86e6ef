"""The ledgers of a project as a run sees them, and what is known of what it does not have.

Here and not in `ledger`, because where results lie (`Places`), why there are none, and what a script would
record is told by `runs.yml` and by scripts, which the pipeline reads.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mechscope.errors import InvalidInput, LedgerDamaged, MechscopeError, UnknownName, nearest
from mechscope.ledger.claims import is_exploratory, latest_entry, read_claims
from mechscope.ledger.schema import KINDS, NAME_PATTERN, WHOLE, Absent, Claim, Findings, LedgerFile
from mechscope.ledger.store import committed_ledger, nodes_with_results
from mechscope.ledger.verification import Rerun, read_verification
from mechscope.pipeline.fingerprint import local_modules
from mechscope.pipeline.freshness import failed_inputs, failed_notebook
from mechscope.pipeline.record_calls import kind_written, names_written
from mechscope.pipeline.runs import Places, Run, load_places
from mechscope.pipeline.scripts import Analysis, read_analysis
from mechscope.project import SHARED, Project
from mechscope.syntax import parse, read_source

_NAME = NAME_PATTERN.strip("^$")
_KEY = re.compile(rf"(?:(?P<run>[A-Za-z0-9][\w.-]*):)?(?P<analysis>{_NAME})\.(?P<name>{_NAME})")


@dataclass(frozen=True)
class KeyedRecord:
    """A record, by its key; or, of the kind "absent", why the run does not have it.

    Attributes:
        run: SHARED for what is the same in all runs.
        source: The ledger that has or lacks it; None where the analysis failed or was never run.
    """

    run: str
    analysis: str
    name: str
    kind: str
    record: Any
    source: LedgerFile | None

    @property
    def absent(self) -> bool:
        """Whether the run does not have the record; `record` then says why."""
        return self.kind == "absent"

    @property
    def ledger(self) -> LedgerFile:
        """The ledger that has or lacks it. Raises NoResults where the analysis left none."""
        if self.source is None:
            raise NoResults(
                f"'{self.short_key}': {self.record.because}.",
                hint=f"mechscope run {self.analysis} --run {self.run}",
            )
        return self.source

    @property
    def anchor(self) -> str:
        """The name of what the notebook shows of it: where an analysis ended, that it does not apply."""
        if not self.absent or self.source is None or self.name in self.source.findings.absent:
            return self.name
        return WHOLE

    @property
    def outcome(self) -> str:
        """What became of a claim; one that the run does not have is untestable."""
        return "untestable" if self.absent else str(self.record.outcome)

    @property
    def short_key(self) -> str:
        """The key within its run."""
        return f"{self.analysis}.{self.name}"


def runs_with_results(project: Project) -> list[str]:
    """Runs that have at least one ledger of their own, and those that share all of their results."""
    there = {run for run, _ in nodes_with_results(project)}
    if SHARED in there:
        places = load_places(project)
        names = list(places.analyses)
        there |= {
            run for run in places.runs.runs if names and all(places.shares(run, name) for name in names)
        }
    return sorted(there - {SHARED})


def parse_key(key: str) -> tuple[str | None, str, str] | None:
    """(run or None, analysis, name), or None when it isn't a key."""
    match = _KEY.fullmatch(key)
    return (match["run"], match["analysis"], match["name"]) if match else None


class NoResults(InvalidInput):
    """An analysis that a run has no results of yet."""


class Shelf:
    """The ledgers of a project, read when they are first asked for, as `run` sees them."""

    def __init__(self, project: Project, run: str) -> None:
        self.project = project
        self.run = run
        self._analyses: dict[str, list[str]] = {}
        self._ledgers: dict[tuple[str, str], LedgerFile] = {}
        self._reruns: dict[tuple[str, str], Rerun | None] = {}
        self._scripts: dict[str, Analysis | None] = {}

    def analyses(self, run: str | None = None) -> list[str]:
        """The analyses with results in a run (default: the run that is rendered), shared ones among them."""
        run = run or self.run
        if run not in self._analyses:
            places = {run, SHARED} if run in self.declared else {run}
            self._analyses[run] = sorted(
                name for place, name in self._there if place in places and self.home(name, run) == place
            )
        return self._analyses[run]

    def home(self, analysis: str, run: str | None = None) -> str:
        """Where the results lie that an analysis has in a run (default: the one that is rendered).

        That is the run itself, or SHARED. A script that is gone or can't be read does not tell; then they lie
        where they are.
        """
        run = run or self.run
        if analysis in self.places.analyses:
            return self.places.node(run, analysis)[0]
        return next((place for place in (run, SHARED) if (place, analysis) in self._there), run)

    def shared(self, run: str) -> list[str]:
        """The analyses whose results a run shares, whether they are there yet or not."""
        there = {name for place, name in self._there if place == SHARED}
        return sorted(name for name in {*self.places.analyses, *there} if self.home(name, run) == SHARED)

    def here(self, keyed: KeyedRecord) -> bool:
        """Whether a record is one of the run that is rendered, or shared by it."""
        return keyed.run == self.home(keyed.analysis)

    def runs(self) -> list[str]:
        """What a key can begin with: runs with results, and SHARED where anything is."""
        return [*self.every_run, SHARED] if SHARED in dict(self._there) else self.every_run

    @cached_property
    def _there(self) -> list[tuple[str, str]]:
        return nodes_with_results(self.project)

    @cached_property
    def places(self) -> Places:
        """Where results lie, by `runs.yml` and the scripts."""
        return load_places(self.project)

    @cached_property
    def every_run(self) -> list[str]:
        """The runs with results."""
        return runs_with_results(self.project)

    @property
    def declared(self) -> Mapping[str, Run]:
        """The runs of `runs.yml`."""
        return self.places.runs.runs

    def seen_from(self, run: str) -> Shelf:
        """The same ledgers as another run sees them; what was read is not read again."""
        other = copy.copy(self)
        other.run = run
        return other

    def ledger(self, analysis: str, run: str | None = None) -> LedgerFile:
        """A ledger, checked.

        Raises:
            FileNotFoundError: There is none.
            LedgerDamaged: It can't be trusted.
        """
        place = (self.home(analysis, run), analysis)
        if place not in self._ledgers:
            self._ledgers[place] = committed_ledger(self.project, *place)
        return self._ledgers[place]

    def records(self, *kinds: str, run: str | None = None) -> Iterator[KeyedRecord]:
        """The records of the given kinds (default: all), by analysis and name."""
        for analysis in self.analyses(run):
            ledger = self.ledger(analysis, run)
            for kind, name, record in ledger.findings.records(*kinds):
                if name == WHOLE and kind == "absent":
                    continue  # it speaks of the analysis
                yield KeyedRecord(ledger.run, analysis, name, kind, record, ledger)

    def key_of(self, keyed: KeyedRecord) -> str:
        """The key by which the rendered run cites a record."""
        return keyed.short_key if self.here(keyed) else f"{keyed.run}:{keyed.short_key}"

    def cited_key(self, key: str) -> str:
        """A key as `key_of` gives it for its record, however it names the run; what is no key as it is."""
        parsed = parse_key(key)
        if parsed is None:
            return key
        run, analysis, name = parsed
        home = self.home(analysis, run)
        return f"{analysis}.{name}" if home == self.home(analysis) else f"{home}:{analysis}.{name}"

    def find(self, key: str, kind: str | None = None, *, where: str = "") -> KeyedRecord:
        """The record that `key` names.

        Args:
            kind: What it has to be ("statistics" …).
            where: Where the key is, for the error.

        Returns:
            The record; or, where the run can't have it, why: it does not apply to the run's model, or the
            analysis failed or was never run.

        Raises:
            UnknownName: There is no such run, analysis or record.
            InvalidInput: It isn't a key, or names a record of another kind.
        """
        parsed = parse_key(key)
        place = f"{where}: " if where else ""
        if parsed is None:
            if key in self.analyses():
                own = self._names(self.run, key)
                raise InvalidInput(
                    f"{place}'{key}' is an analysis, not a key.",
                    hint=f"its keys: {', '.join(f'{key}.{name}' for name in sorted(own))}",
                )
            known = [self.key_of(keyed) for keyed in self.records()]
            raise UnknownName(
                "key", key, known, where=where, hint="a key is 'analysis.name' or 'run:analysis.name'"
            )
        run, analysis, name = parsed[0] or self.run, parsed[1], parsed[2]
        prefix = "" if parsed[0] is None else f"{run}:"
        if not self.analyses(run):
            known = self.runs()
            if run == self.run:
                raise InvalidInput(
                    f"{place}'{key}': run '{run}' has no results yet.", hint=f"mechscope run --run {run}"
                )
            raise UnknownName("run with results", run, known, where=where)
        if analysis not in self.analyses(run) and not self._script(analysis).is_file():
            known = self.analyses(run)
            elsewhere = [] if nearest(analysis, known) else self._elsewhere(run, name, prefix)
            if elsewhere:
                hint = f"analyses with results: {', '.join(known)}"
                raise UnknownName("key", key, (), where=where, hint=hint, proposals=elsewhere)
            raise UnknownName("analysis", analysis, known, where=f"{place}'{key}'")
        absent = self.absent(run, analysis, name)
        if absent is not None:
            actual = self._kind_elsewhere(absent)
            keyed = absent
        else:
            ledger = self.ledger(analysis, run)
            actual = ledger.findings.kind_of(name)
            keyed = KeyedRecord(
                ledger.run, analysis, name, actual or "", ledger.findings.record(name), ledger
            )
        if actual is None:
            valid = [f"{prefix}{analysis}.{other}" for other in self._names(run, analysis)]
            hint = (
                f"the keys of {analysis}: mechscope trace {analysis} --run {run}" if len(valid) > 12 else ""
            )
            elsewhere = self._elsewhere(run, name, prefix)
            raise UnknownName("key", key, valid, where=where, hint=hint, proposals=elsewhere)
        if kind is not None and actual and actual != kind:
            raise InvalidInput(
                f"{place}'{key}' is one of the {actual}, not of the {kind}.",
                hint=f"write {{{{< {KINDS[actual].shortcode} {key} >}}}}",
            )
        return keyed

    def _elsewhere(self, run: str, name: str, prefix: str) -> list[str]:
        """Keys of the analyses in `run` that have a record called `name`."""
        found = []
        for analysis in self.analyses(run):
            with suppress(LedgerDamaged):  # told of where it is read for its own sake
                if name in self.ledger(analysis, run).findings.names:
                    found.append(f"{prefix}{analysis}.{name}")
        return found

    # What a run does not have --------------------------------------------------------------------------

    def absent(self, run: str, analysis: str, name: str) -> KeyedRecord | None:
        """Why a run does not have a record; None where it has it, or where nothing says why.

        Whether there is a record of that name anywhere is for `find` to say.
        """
        if analysis not in self.analyses(run):
            why = Absent(because=self._no_results(run, analysis), cell="")
            return KeyedRecord(self.home(analysis, run), analysis, name, "absent", why, None)
        ledger = self.ledger(analysis, run)
        findings = ledger.findings
        if findings.kind_of(name) not in (None, "absent"):
            return None
        record = findings.absent.get(name) if name != WHOLE else None
        record = record or findings.absent.get(WHOLE)
        return KeyedRecord(ledger.run, analysis, name, "absent", record, ledger) if record else None

    def said(self, keyed: KeyedRecord) -> str:
        """Why a run does not have a record, as a sentence: "Does not apply to Tiny: it has one layer."."""
        because = str(keyed.record.because)
        if keyed.source is None:
            return f"{because[0].upper()}{because[1:]}."
        return f"Does not apply to {self.run_title(keyed.run)}: {because}."

    def run_title(self, run: str) -> str:
        """A run as readers know it."""
        if run == SHARED:
            return "all runs"
        return self.declared[run].title if run in self.declared else run

    def title(self, run: str, analysis: str) -> str:
        """The title of an analysis: that of its results in a run, else that of its script."""
        if analysis in self.analyses(run):
            return self.ledger(analysis, run).title
        declared = self._analysis(analysis)
        return declared.title if declared else analysis

    def claimed(self, keyed: KeyedRecord) -> tuple[str, str]:
        """The sentence and the criterion of a claim that a run does not have.

        By its script, else by the results of another run; without either its key and no criterion.
        """
        declared = self._analysis(keyed.analysis)
        for claim in declared.claims if declared else ():
            if claim.name == keyed.name:
                return " ".join(claim.sentence.split()), claim.criterion
        record = self.elsewhere(keyed)
        return (record.sentence, record.criterion) if isinstance(record, Claim) else (keyed.short_key, "")

    def elsewhere(self, keyed: KeyedRecord) -> Any:
        """What another run has under the name of a record that this run does not have; None if none has."""
        for findings in self._findings_elsewhere(keyed.run, keyed.analysis):
            record = findings.record(keyed.name)
            if record is not None and not isinstance(record, Absent):
                return record
        return None

    def _no_results(self, run: str, analysis: str) -> str:
        target = self.project.results_dir(self.home(analysis, run), analysis)
        failed = any(path(self.project, target).is_file() for path in (failed_notebook, failed_inputs))
        where = "this run" if run == self.run else f"the run {self.run_title(run)}"
        return f"the analysis {self.title(run, analysis)} {'failed' if failed else 'was not run'} in {where}"

    def _kind_elsewhere(self, keyed: KeyedRecord) -> str | None:
        """The kind of a record that a run does not have; "" if that is not known, None if there is none.

        By the results of other runs, and by what scripts write out: a mistyped name is in neither.
        """
        record = self.elsewhere(keyed)
        if record is not None:
            return next(field for field, kind in KINDS.items() if isinstance(record, kind.model))
        kind = kind_written(self._trees(keyed.analysis), keyed.name)
        named = keyed.source is not None and keyed.name in keyed.source.findings.absent
        return "" if kind is None and named and keyed.name != WHOLE else kind

    def _names(self, run: str, analysis: str) -> list[str]:
        """The names of the records that an analysis has in a run or, as far as is known, would have."""
        own = [self.ledger(analysis, run).findings] if analysis in self.analyses(run) else []
        names = [name for findings in own for name in findings.names]
        if not own or own[0].does_not_apply:
            names += [name for other in self._findings_elsewhere(run, analysis) for name in other.names]
            names += [name for tree in self._trees(analysis) for name in names_written(tree)]
        return [name for name in dict.fromkeys(names) if name != WHOLE]

    def _findings_elsewhere(self, run: str, analysis: str) -> Iterator[Findings]:
        for other in self.every_run:
            if other != run and analysis in self.analyses(other):
                with suppress(LedgerDamaged):  # told of where it is read for its own sake
                    yield self.ledger(analysis, other).findings

    def _script(self, analysis: str) -> Path:
        return self.project.analyses / f"{analysis}.py"

    def _analysis(self, name: str) -> Analysis | None:
        """A script, if it is there and can be read."""
        if name not in self._scripts:
            self._scripts[name] = None
            with suppress(MechscopeError, OSError):
                self._scripts[name] = read_analysis(self.project, self._script(name))
        return self._scripts[name]

    def _trees(self, analysis: str) -> list[ast.Module]:
        """The code of a script and of the project's modules that it imports."""
        declared = self._analysis(analysis)
        if declared is None:
            return []
        modules = [read_source(path, path.name) for path in local_modules(self.project, declared)]
        return [declared.tree, *(parse(text) for text in modules)]

    # Claims and reruns ----------------------------------------------------------------------------------

    def exploratory(self, keyed: KeyedRecord) -> bool:
        """Whether a claim was written after a look at results, by the lock or by its author's own word."""
        if keyed.absent:
            return False
        return bool(keyed.record.exploratory) or is_exploratory(
            self.project, keyed.run, keyed.analysis, keyed.name, keyed.record.criterion, self._claim_entries
        )

    def written(self, keyed: KeyedRecord) -> str:
        """When a claim's criterion was written, as far as the project knows: what was seen by then."""
        if keyed.record.exploratory:
            return str(keyed.record.exploratory)
        if not self.exploratory(keyed):
            return "before there were results, by analyses/claims.lock"
        entry = latest_entry(self._claim_entries, keyed.analysis, keyed.name)
        if entry is None or entry.criterion != keyed.record.criterion:
            return "not in analyses/claims.lock: taken as after the results"
        runs = ["all runs" if run == SHARED else run for run in entry.results_existed]
        return f"after results of {' and '.join(runs)} were there, by analyses/claims.lock"

    @cached_property
    def _claim_entries(self) -> list[Any]:
        return read_claims(self.project)

    def rerun_of(self, ledger: LedgerFile) -> Rerun | None:
        """What became of the rerun of this very ledger, from these very inputs; None if there was none."""
        place = ledger.run, ledger.analysis
        if place not in self._reruns:  # asked for every record, and hashing inputs takes a while
            self._reruns[place] = None
            with suppress(LedgerDamaged):  # told by `mechscope verify --quick`
                verification = read_verification(self.project, ledger.run)
                rerun = verification.analyses.get(ledger.analysis) if verification else None
                self._reruns[place] = rerun if rerun and rerun.is_of(ledger) else None
        return self._reruns[place]

    def verified_on(self, ledger: LedgerFile) -> str | None:
        """The date on which a rerun reproduced this very ledger; None if none did ("" if it has no date)."""
        rerun = self.rerun_of(ledger)
        return rerun.date if rerun is not None and rerun.reproduced else None

    def verified(self, keyed: KeyedRecord) -> str:
        """What a rerun of a record's ledger said: verified, by whom and when; not reproduced; or not."""
        rerun = self.rerun_of(keyed.ledger)
        return "not verified" if rerun is None else rerun.words

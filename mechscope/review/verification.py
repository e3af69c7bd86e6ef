"""`results/<run>/verification.json`: which ledgers of a run a rerun reproduced, when and where.

Only pages read it. It is no analysis' input, so it makes nothing stale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mechscope.errors import LedgerDamaged
from mechscope.files import stable_json, write_atomically
from mechscope.ledger.schema import KINDS
from mechscope.ledger.store import inputs_hash, read_ledger
from mechscope.project import Project
from mechscope.review.differences import Comparison

FILE_NAME = "verification.json"
_MOST = 20
"""How many differences of a record are kept; their number is kept whole."""


@dataclass(frozen=True)
class Verdict:
    """How an analysis fared in one run when it was run again.

    Attributes:
        sha256: What the committed ledger states as its hash; empty if it can't be read.
        inputs_sha256: The hash of the inputs that it states.
        comparisons: Record by record; empty when nothing could be compared (`problems` says why).
        inputs: Inputs that are not those that the ledger was found from.
        problems: Anything else that speaks against it: an edited file, a contradiction, a failed rerun.
        environment: What differs between where the ledger was found and here: (there, here) by name.
        rerun: The folder with what the rerun found, shown relative to the project.
        seconds: How long the rerun took.
    """

    run: str
    analysis: str
    sha256: str = ""
    comparisons: tuple[Comparison, ...] = ()
    inputs: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    environment: Mapping[str, tuple[str, str]] | None = None
    rerun: str = ""
    seconds: float = 0.0
    inputs_sha256: str = ""

    @property
    def reproduced(self) -> bool:
        """Whether everything that was committed was found again, from the same inputs."""
        return bool(self.comparisons) and not (self.inputs or self.problems or self.failures)

    @property
    def failures(self) -> list[Comparison]:
        """The records that were not reproduced, claims that flipped first."""
        failed = [one for one in self.comparisons if one.state != "reproduced"]
        return sorted(failed, key=lambda one: one.state != "flipped")

    @property
    def values(self) -> int:
        """How many values were held against each other."""
        return sum(one.compared for one in self.comparisons)

    def counts(self, kind: str) -> tuple[int, int]:
        """How many committed records of a kind were reproduced, and how many there are."""
        mine = [one for one in self.comparisons if one.kind == kind and one.state != "new"]
        return sum(one.state == "reproduced" for one in mine), len(mine)


def verification_file(project: Project, run: str) -> Path:
    """Where the verification of a run lies."""
    return project.results / run / FILE_NAME


def write_verification(
    project: Project, run: str, verdicts: list[Verdict], environment: Mapping[str, str]
) -> bool:
    """Write what `verdicts` say about `run`; entries of other analyses stay while their ledgers do.

    Returns:
        Whether the file changed.
    """
    path = verification_file(project, run)
    today = date.today().isoformat()
    entries = _still_true(project, run, path)
    entries |= {one.analysis: _entry(one, today, environment) for one in verdicts if one.sha256}
    content = {
        "date": today,
        "environment": dict(environment),
        "ledgers": {name: entry["ledger"] for name, entry in entries.items() if entry["reproduced"]},
        "analyses": entries,
    }
    return write_atomically(path, stable_json(content))


def look_at_verification(project: Project, run: str, today: date) -> tuple[str, list[str]] | None:
    """What `verification.json` of a run says, in words, and what can't be so; None if there is none.

    Nobody can tell from the file that a rerun took place: only another rerun can.
    """
    path = verification_file(project, run)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = {str(name): dict(entry) for name, entry in content["analyses"].items()}
        dates = {"it": str(content["date"])} | {name: str(one["date"]) for name, one in entries.items()}
        good = {name for name, one in entries.items() if one["reproduced"]}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ["is not a verification that was written here"]
    problems = [
        f"{name} is dated {day}, in the future" for name, day in dates.items() if day > today.isoformat()
    ]
    for name in sorted(good):
        if entries[name].get("differences") or entries[name].get("problems"):
            problems.append(f"{name} is stated as reproduced, beside what differs")
    if set(content.get("ledgers", good)) != good:
        problems.append("its list of ledgers is not that of what was reproduced")
    older = sorted(set(entries) - set(_still_true(project, run, path)))
    words = f"{len(good)} of {len(entries)} reproduced by its authors' word"
    return words + (f"; of other results than those here: {', '.join(older)}" if older else ""), problems


def _still_true(project: Project, run: str, path: Path) -> dict[str, Any]:
    """The entries there are of ledgers that are as they were then, and state the inputs of then."""
    try:
        entries = dict(json.loads(path.read_text(encoding="utf-8"))["analyses"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
    kept = {}
    for name, entry in entries.items():
        try:
            ledger = read_ledger(project.found(run, name))
            same = entry.get("inputs", inputs_hash(ledger.inputs)) == inputs_hash(ledger.inputs)
            if ledger.sha256 == entry["ledger"] and same and "reproduced" in entry:
                kept[name] = entry
        except (FileNotFoundError, LedgerDamaged, AttributeError, KeyError, TypeError):
            continue
    return kept


def _entry(verdict: Verdict, today: str, environment: Mapping[str, str]) -> dict[str, Any]:
    kinds = {kind: verdict.counts(kind) for kind in KINDS}
    return {
        "date": today,
        "ledger": verdict.sha256,
        "inputs": verdict.inputs_sha256,
        "reproduced": verdict.reproduced,
        "records": {
            kind: {"reproduced": good, "compared": all_} for kind, (good, all_) in kinds.items() if all_
        },
        "values": verdict.values,
        "environment": dict(environment),
        "environment_differs": {name: list(pair) for name, pair in (verdict.environment or {}).items()},
        "inputs_changed": list(verdict.inputs),
        "problems": list(verdict.problems),
        "differences": [_difference(one) for one in verdict.failures],
    }


def _difference(one: Comparison) -> dict[str, Any]:
    drifts = [
        {
            "place": drift.place,
            "committed": drift.old,
            "rerun": drift.new,
            "by": drift.by,
            "tolerance": str(drift.tolerance),
        }
        for drift in one.drifts[:_MOST]
    ]
    return {"key": one.key, "state": one.state, "values": len(one.drifts), "drifts": drifts}

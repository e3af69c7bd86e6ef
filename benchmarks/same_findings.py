"""Whether two folders of results hold the same findings to the last digit, for moves that may change nothing.

    python benchmarks/same_findings.py OLD/results results [OLD_ANALYSIS=NEW,NEW …]

Compared are all records of each ledger and the data of its figures. Left out is only the cell of the notebook
that a record comes from. An analysis that was split is compared with the union of its parts:
`superposition=neuron_topics,toy_models`; a record that two parts both have must be the same in both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Records = dict[tuple[str, str], Any]


def records(folder: Path) -> Records:
    """Every record of one analysis' results by kind and name, a figure's specification with it."""
    ledger = json.loads((folder / "ledger.json").read_text("utf-8"))
    read: Records = {}
    for kind, named in ledger["findings"].items():
        for name, record in named.items():
            record.pop("cell", None)
            if kind == "figures":
                record["specification"] = json.loads(
                    (folder / "figures" / f"{name}.vl.json").read_text("utf-8")
                )
            read[kind, name] = record
    return read


def differences(old: Records, new: Records) -> list[str]:
    """What differs, a line each."""
    lines = [f"{kind} {name} is gone" for kind, name in sorted(old.keys() - new.keys())]
    lines += [f"{kind} {name} is new" for kind, name in sorted(new.keys() - old.keys())]
    for key in sorted(old.keys() & new.keys()):
        fields = [field for field in old[key] if old[key][field] != new[key].get(field)]
        lines += [f"{' '.join(key)}: {field} differs" for field in fields]
        for field in fields:
            before, after = str(old[key][field]), str(new[key].get(field))
            lines += [f"    {before[:150]}", f"    {after[:150]}"]
    return lines


def main(old_root: Path, new_root: Path, parts: dict[str, list[str]]) -> int:
    status = 0
    for ledger in sorted(old_root.glob("*/*/ledger.json")):
        run, analysis = ledger.parts[-3:-1]
        new: Records = {}
        missing = []
        for part in parts.get(analysis, [analysis]):
            if not (new_root / run / part / "ledger.json").exists():
                missing.append(part)
                continue
            part_records = records(new_root / run / part)
            for key in new.keys() & part_records.keys():
                if new[key] != part_records[key]:
                    print(f"{run}/{analysis}: two parts disagree on {' '.join(key)}")
                    status = 1
            new |= part_records
        if missing:
            print(f"{run}/{analysis}: no results of {', '.join(missing)}")
            status = 1
            continue
        lines = differences(records(ledger.parent), new)
        print(
            f"{run}/{analysis}: "
            + (f"{len(lines)} differences" if lines else f"{len(new)} records identical")
        )
        print(*(f"  {line}" for line in lines), sep="\n" if lines else "", end="\n" if lines else "")
        status |= bool(lines)
    return status


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    renamed = dict(argument.split("=", 1) for argument in sys.argv[3:])
    sys.exit(
        main(Path(sys.argv[1]), Path(sys.argv[2]), {old: new.split(",") for old, new in renamed.items()})
    )

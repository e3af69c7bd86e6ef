"""How long analyses took here, so that a rerun can be planned; kept in `.mechscope/log`, never committed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mechscope.files import lines_of
from mechscope.project import Project

if TYPE_CHECKING:
    from mechscope.pipeline.outcome import Outcome


def _log(project: Project) -> Path:
    return project.scratch / "log" / "runs.jsonl"


def note(project: Project, outcome: Outcome) -> None:
    """Append a line on how it went with an analysis; where nothing can be written, do nothing."""
    line = {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "host": platform.node(),
        "pid": os.getpid(),
        "run": outcome.run,
        "analysis": outcome.analysis,
        "outcome": outcome.what,
        "seconds": round(outcome.seconds, 2),
        "detail": outcome.detail,
    }
    path = _log(project)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def last_seconds(project: Project) -> dict[tuple[str, str], float]:
    """By run and analysis: how long it took the last time that it ran to its end here."""
    found: dict[tuple[str, str], float] = {}
    try:
        lines = lines_of(_log(project).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):  # a line that a kill cut short
            entry = json.loads(line)
            if entry["outcome"] == "ran":
                found[str(entry["run"]), str(entry["analysis"])] = float(entry["seconds"])
    return found


def rerun_takes(project: Project, nodes: Iterable[tuple[str, str]]) -> str:
    """How long analyses take one after the other: "about 3 min, as last time"; "" if none ever ran here."""
    known = last_seconds(project)
    wanted = list(nodes)
    times = [known[node] for node in wanted if node in known]
    if not times:
        return ""
    missing = len(wanted) - len(times)
    rest = f" (without {missing} that never ran here)" if missing else ""
    return f"{about(sum(times))}, as last time{rest}"


def about(seconds: float) -> str:
    """A duration as a person plans with it: "about 40 s", "about 3 min", "about 1 h 20 min"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 57:
        return f"about {5 * round(seconds / 5)} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"about {minutes} min"
    return f"about {minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")

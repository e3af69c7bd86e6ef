"""How a run shows on screen: bars in a terminal; elsewhere a line per start and finish, and one a minute."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from mechscope.pipeline.outcome import Outcome

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def reporter() -> Lines | Bars:
    """What suits standard error: a context manager that is a `Reporter`."""
    return Bars() if sys.stderr.isatty() else Lines()


class Lines:
    """A line when an analysis begins, one when it ends, and one every so often; none for what is fresh.

    Args:
        every: Seconds between two lines on how far it is.
    """

    def __init__(self, every: float = 60.0) -> None:
        self._lock = threading.Lock()
        self._every = every
        self._running: dict[str, _Running] = {}
        self._done = threading.Event()
        self._clock: threading.Thread | None = None

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        if self._clock:
            self._clock.join()

    def say(self, text: str) -> None:
        with self._lock:
            print(text, file=sys.stderr, flush=True)

    def started(self, run: str, analysis: str, why: str) -> None:
        self.say(f"{run}:{analysis} runs: {why}")
        with self._lock:
            self._running[f"{run}:{analysis}"] = _Running(time.monotonic())
            if self._clock is None:
                self._clock = threading.Thread(target=self._tell, daemon=True)
                self._clock.start()

    def cell(self, run: str, analysis: str, number: int, count: int) -> None:
        with self._lock:
            self._running[f"{run}:{analysis}"].cell = f"cell {number} of {count}"

    def finished(self, outcome: Outcome) -> None:
        with self._lock:
            self._running.pop(f"{outcome.run}:{outcome.analysis}", None)
        if outcome.what != "fresh":
            took = f" after {outcome.seconds:.1f} s" if outcome.seconds else ""
            self.say(f"{outcome.run}:{outcome.analysis} {outcome.what}{took}")
        for warning in outcome.warnings:
            self.say(f"warning: {warning}")

    def _tell(self) -> None:
        """Until all is done: say where each analysis is."""
        while not self._done.wait(self._every):
            with self._lock:
                running = list(self._running.items())
            for key, state in running:
                self.say(f"{key} is at {state.cell} after {passed(time.monotonic() - state.since)}")


@dataclass
class _Running:
    """When an analysis began, and which cell it is at."""

    since: float
    cell: str = "its start"


def passed(seconds: float) -> str:
    """A time that has passed: "8 s", "1 min 20 s", "1 h 3 min"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Bars:
    """A bar for each analysis that runs, with the cell that it is at."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress: Progress | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def _bars(self) -> Progress:
        with self._lock:
            if self._progress is None:
                # Made for the first analysis that runs: rich takes time to import, and often nothing runs.
                from rich.console import Console
                from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

                columns = (
                    TextColumn("{task.description}"),
                    BarColumn(bar_width=30),
                    TextColumn("{task.fields[at]}"),
                    TimeElapsedColumn(),
                )
                self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
                self._progress.start()
            return self._progress

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def _print(self, text: str) -> None:
        """Above the bars, where it stays."""
        self._bars().console.print(text, markup=False, highlight=False, soft_wrap=True)

    def started(self, run: str, analysis: str, why: str) -> None:
        self._print(f"{run}:{analysis} runs: {why}")
        self._tasks[f"{run}:{analysis}"] = self._bars().add_task(
            f"{run}:{analysis}", total=None, at="starting"
        )

    def cell(self, run: str, analysis: str, number: int, count: int) -> None:
        task = self._tasks[f"{run}:{analysis}"]
        self._bars().update(task, completed=number - 1, total=count, at=f"cell {number}/{count}")

    def finished(self, outcome: Outcome) -> None:
        task = self._tasks.pop(f"{outcome.run}:{outcome.analysis}", None)
        if task is not None:
            self._bars().remove_task(task)
        for warning in outcome.warnings:
            self._print(f"warning: {warning}")

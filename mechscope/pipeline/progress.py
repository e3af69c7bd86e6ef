"""How a run shows on screen: bars in a terminal, a line per start and finish elsewhere."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from mechscope.pipeline.schedule import Outcome

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def reporter() -> Lines | Bars:
    """What suits standard error: a context manager that is a `Reporter`."""
    return Bars() if sys.stderr.isatty() else Lines()


class Lines:
    """A line when an analysis begins and one when it ends; nothing for what is fresh."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, text: str) -> None:
        with self._lock:
            print(text, file=sys.stderr, flush=True)

    def started(self, run: str, analysis: str, why: str) -> None:
        self.say(f"{run}:{analysis} runs: {why}")

    def cell(self, run: str, analysis: str, number: int, count: int) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        if outcome.what != "fresh":
            self.say(f"{outcome.run}:{outcome.analysis} {outcome.what} after {outcome.seconds:.1f} s")
        if outcome.loss:
            self.say(f"warning: {outcome.loss}")


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
        if outcome.loss:
            self._print(f"warning: {outcome.loss}")

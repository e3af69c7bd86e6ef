"""Timing two ways of doing the same thing: the best of several turns, taken alternately.

Times on a shared machine wander; a ratio of times taken in one run, turn by turn, wanders less.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Found = TypeVar("Found")

AIM = 3.0
"""How many times as long the other ways should take."""


def best_times(
    ways: Mapping[str, Callable[[], Found]], repeats: int
) -> tuple[dict[str, float], dict[str, Found]]:
    """The shortest time of each way in seconds, and what it found the last time."""
    times = dict.fromkeys(ways, float("inf"))
    found: dict[str, Found] = {}
    for _ in range(repeats):
        for name, work in ways.items():
            start = time.perf_counter()
            found[name] = work()
            times[name] = min(times[name], time.perf_counter() - start)
    return times, found


def report(title: str, times: Mapping[str, float]) -> bool:
    """Print the times of all ways, ours first, and their ratios to it; whether all ratios reach the aim."""
    (ours, shortest), *others = times.items()
    print(title)
    print(f"  {ours:<28}  {shortest:8.2f} s")
    reached = True
    for name, seconds in others:
        ratio = seconds / shortest
        reached &= ratio >= AIM
        judged = "" if ratio >= AIM else f", below the aim of {AIM:.0f}"
        print(f"  {name:<28}  {seconds:8.2f} s   {ratio:5.1f} times as long, same results{judged}")
    return reached

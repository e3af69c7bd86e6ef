"""How many analyses fit this machine at a time."""

from __future__ import annotations

import os

THREADS = 2
"""Threads of a kernel's arithmetic. How a sum is split changes its last digits, so this is a constant: the
same machine gives the same bytes whatever else runs on it."""


def analyses_at_a_time() -> int:
    """As many kernels as have cores of their own.

    Threads of one matrix product wait for each other actively, so two kernels that share cores take longer
    side by side than one after the other.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // THREADS)

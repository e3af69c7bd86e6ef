"""What models compute on, and how many analyses fit this machine at a time."""

from __future__ import annotations

import os

THREADS = 2
"""Threads of a kernel's arithmetic. How a sum is split changes its last digits, so this is a constant: the
same machine gives the same bytes whatever else runs on it."""
VARIABLE = "MECHSCOPE_DEVICE"
"""The environment variable that tells kernels, and commands without `--device`."""


def chosen_device() -> str:
    """What `MECHSCOPE_DEVICE` says; "cpu" where it says nothing."""
    return os.environ.get(VARIABLE) or "cpu"


def device_name(device: str) -> str:
    """A device as a reader knows it: "cpu", or "cuda (NVIDIA H200)".

    Raises:
        InvalidInput: It is not here.
    """
    if device == "cpu":
        return device  # without torch, which takes seconds to import
    import torch

    from mechscope.models.load import require_device

    require_device(device)
    kind = torch.device(device).type
    return f"{kind} ({torch.cuda.get_device_name(device)})" if kind == "cuda" else kind


def analyses_at_a_time() -> int:
    """As many kernels as have cores of their own.

    Threads of one matrix product wait for each other actively, so two kernels that share cores take longer
    side by side than one after the other.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // THREADS)

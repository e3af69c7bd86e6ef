"""What models compute on: chosen for a whole command, and named in each ledger's environment."""

from __future__ import annotations

import os

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

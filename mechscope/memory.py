"""How much memory is free, on the machine or on an accelerator."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on a device.

    Memory that PyTorch holds on an accelerator without using it counts as free: the next tensor gets it.
    """
    import psutil
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return psutil.virtual_memory().available  # "mps" shares it with the CPU

"""Whether a model fits into memory: asked before its weights are read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from mechscope.errors import InvalidInput
from mechscope.memory import free_memory
from mechscope.models.registry import weight_files

if TYPE_CHECKING:
    import torch


def memory_needed(folder: Path, bytes_per_value: int) -> int:
    """Bytes that the weights in a folder take when they are loaded; activations come on top.

    Args:
        folder: A folder that `save_pretrained` wrote.
        bytes_per_value: Of the precision that they are loaded in (4 for float32).
    """
    return sum(
        _n_values(path) * bytes_per_value if path.suffix == ".safetensors" else path.stat().st_size
        for path in weight_files(folder)
    )


def require_memory(folder: Path, dtype: torch.dtype, device: torch.device) -> None:
    """Refuse a model whose weights alone are larger than the memory that is free.

    Raises:
        InvalidInput: What is needed and what there is, in GB.
    """
    needed = memory_needed(folder, dtype.itemsize)
    free = free_memory(device)
    if needed > free:
        smaller = (
            "load it with dtype='bfloat16', which takes half" if dtype.itemsize > 2 else "use a smaller model"
        )
        raise InvalidInput(
            f"The model in {folder} takes {needed / 1e9:.1f} GB in {str(dtype).removeprefix('torch.')}; "
            f"{free / 1e9:.1f} GB are free on {device}.",
            hint=f"{smaller}, or free memory",
        )


def _n_values(path: Path) -> int:
    """How many numbers a safetensors file holds; 0 for a file that is none, which its loader says better."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return 0

"""Ablation of heads and MLPs, and what it does to in-context copying.

- zero: the part writes nothing;
- mean: it writes, at each position, its average over a reference set;
- resample: it writes what it wrote on one randomly chosen row of the reference set.

Zero ablation takes a part off the values that the rest of the model expects, so that it can break what the
part has nothing to do with; mean and resample ablation don't (Wang et al. 2022; Chan et al. 2022, "Causal
Scrubbing"). Heads are ablated at their z, before the output matrix; MLPs where they write to the residual
stream, behind any norm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.core.components import Head, Mlp, mlp_written, require_components
from mechscope.lens.core.forward import Hook, forward, next_token_losses
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import first_counted
from mechscope.lens.repeats import RepeatedTokens

Method = Literal["zero", "mean", "resample"]


@dataclass(frozen=True)
class Ablation:
    """Parts of a model and what they are made to write.

    Attributes:
        parts: The heads and MLPs.
        method: "zero", "mean" or "resample".
        values: What each part writes: one value a position (mean), or one a reference row and position
            (resample).
        donors: The reference row for each row that will be read (resample).
        sites: The hook where each part is ablated.
    """

    parts: tuple[Head | Mlp, ...]
    method: Method
    values: dict[Head | Mlp, Float[Tensor, "*reference pos width"]]
    donors: Int[Tensor, " row"] | None
    sites: dict[Head | Mlp, str]

    def hooks(self, rows: Int[Tensor, " batch"] | None = None) -> list[Hook]:
        """Forward hooks that ablate in a batch.

        Args:
            rows: Which rows the batch holds; only resample ablation, where each has its donor, asks for them.

        Raises:
            InvalidInput: No rows where donors were drawn, or a row for which none was.
        """
        if self.donors is not None and rows is None:
            raise InvalidInput(
                "resample ablation needs to know which rows a batch holds.", hint="hooks(rows)"
            )
        if self.donors is not None and rows is not None and int(rows.max()) >= len(self.donors):
            raise InvalidInput(
                f"row {int(rows.max())} has no donor: {len(self.donors)} were drawn.",
                hint="ablation(…, n_rows=…)",
            )
        together: dict[str, list[Head | Mlp]] = {}
        for part in self.parts:
            together.setdefault(self.sites[part], []).append(part)
        return [(site, self._hook(parts, rows)) for site, parts in together.items()]

    def _hook(self, parts: Sequence[Head | Mlp], rows: Tensor | None) -> Callable[[Tensor, Any], Tensor]:
        def hook(value: Tensor, hook: Any) -> Tensor:
            changed = value.clone()
            for part in parts:
                new = self._written(part, rows, value)
                if isinstance(part, Head):
                    changed[:, :, part.head] = new
                else:
                    changed[:] = new
            return changed

        return hook

    def _written(self, part: Head | Mlp, rows: Tensor | None, like: Tensor) -> Tensor:
        if self.method == "zero":
            return torch.zeros((), dtype=like.dtype, device=like.device)
        value = self.values[part]
        if value.shape[-2] != like.shape[1]:
            raise InvalidInput(
                f"{part} was recorded on rows of {value.shape[-2]} tokens and cannot be ablated in rows of "
                f"{like.shape[1]}.",
                hint="the reference set needs rows of the same length",
            )
        if self.donors is not None and rows is not None:
            value = value[self.donors[rows]]
        return value.to(like.device, like.dtype)


def ablation(
    bridge: TransformerBridge,
    parts: Sequence[Head | Mlp],
    method: Method,
    *,
    reference: Int[Tensor, "reference pos"] | None = None,
    n_rows: int | None = None,
    rng: np.random.Generator | None = None,
    batch_size: int | None = None,
) -> Ablation:
    """Prepare the ablation of some heads and MLPs.

    Args:
        bridge: The model, in eval mode.
        parts: Which heads and MLPs.
        method: "zero", "mean" or "resample".
        reference: Rows of token ids, as long as those that will be read; for mean and resample.
        n_rows: How many rows will be read; for resample, to draw a donor for each.
        rng: Draws the donors.
        batch_size: Rows of the reference set in a batch; default as many as memory has room for.

    Raises:
        UnknownName: An unknown method.
        InvalidInput: No parts, one that the model doesn't have, or something missing that the method needs.
    """
    if method not in get_args(Method):
        raise UnknownName("ablation", method, get_args(Method))
    if not parts:
        raise InvalidInput("no heads or MLPs to ablate.")
    require_components(bridge, parts)
    sites = {part: _site(bridge, part) for part in parts}
    chosen = tuple(sites)
    if method == "zero":
        return Ablation(chosen, method, {}, None, sites)
    if reference is None or not len(reference):
        raise InvalidInput(f"{method} ablation needs a reference set.", hint="reference=ids of some rows")
    if method == "mean":
        return Ablation(
            chosen, method, _recorded(bridge, sites, reference, batch_size, mean=True), None, sites
        )
    if n_rows is None or rng is None:
        raise InvalidInput("resample ablation needs a donor for each row.", hint="pass n_rows=… and rng=…")
    donors = torch.from_numpy(rng.integers(len(reference), size=n_rows))
    return Ablation(
        chosen, method, _recorded(bridge, sites, reference, batch_size, mean=False), donors, sites
    )


def _site(bridge: TransformerBridge, part: Head | Mlp) -> str:
    if isinstance(part, Head):
        return f"blocks.{part.layer}.attn.hook_z"
    return mlp_written(bridge, part.layer)


def _recorded(
    bridge: TransformerBridge,
    parts: dict[Head | Mlp, str],
    ids: Int[Tensor, "reference pos"],
    batch_size: int | None,
    *,
    mean: bool,
) -> dict[Head | Mlp, Tensor]:
    """What parts write on the reference set, in one pass that ends behind the last of them."""
    size = rows_at_once(bridge, batch_size, 16, ids.shape[1])
    written: dict[Head | Mlp, list[Tensor]] = {part: [] for part in parts}

    def keep(site: str, value: Tensor) -> None:
        for part in parts:
            if parts[part] == site:
                taken = value[:, :, part.head] if isinstance(part, Head) else value
                written[part].append((taken.double().sum(0, keepdim=True) if mean else taken).cpu())

    for rows in ids.split(size):
        forward(bridge, rows, read={site: partial(keep, site) for site in parts.values()})
    if mean:
        return {part: torch.cat(sums).sum(0) / len(ids) for part, sums in written.items()}
    return {part: torch.cat(values) for part, values in written.items()}


@dataclass(frozen=True)
class CopyingLoss:
    """How surprising the same tokens are the first and the second time, in nats a token.

    Both are means over tokens 2 … L of a copy, so that they are about the same tokens; the first token of the
    second copy cannot be foreseen. Without a BOS they are over tokens 3 … L: the second token of the first
    copy is predicted at the first position of the row, an attention sink (see `mechscope.lens.core.tokens`).

    Attributes:
        first: In the first copy: nothing to copy from.
        second: In the second copy.
    """

    first: Float[np.ndarray, " sequence"]
    second: Float[np.ndarray, " sequence"]

    @property
    def gain(self) -> Float[np.ndarray, " sequence"]:
        """What the first copy is worth to the prediction of the second."""
        return self.first - self.second


def copying_loss(
    bridge: TransformerBridge,
    repeated: RepeatedTokens,
    *,
    ablated: Ablation | None = None,
    batch_size: int | None = None,
) -> CopyingLoss:
    """In-context copying on repeated random tokens, with or without an ablation.

    The unembedding is run at the positions that predict these tokens only.

    Raises:
        InvalidInput: An ablation that was recorded on rows of another length, or that has no donor for a row.
    """
    length, text = repeated.length, repeated.n_special
    starts = torch.arange(first_counted(text) - text, length - 1)
    positions = torch.cat([text + starts, text + length + starts])
    size = rows_at_once(bridge, batch_size, 16, repeated.ids.shape[1], unembedded=len(positions))
    losses = torch.empty(len(repeated), 2, len(starts))
    for rows in torch.arange(len(repeated)).split(size):
        ids = repeated.ids[rows]
        edit = [] if ablated is None else ablated.hooks(rows)
        each = next_token_losses(bridge, ids, positions.expand(len(ids), -1), edit=edit)
        losses[rows] = each.view(len(ids), 2, -1)
    mean = losses.double().mean(-1).numpy()
    return CopyingLoss(mean[:, 0], mean[:, 1])

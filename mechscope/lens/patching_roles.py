"""Activation patching by role: the changed token, the tokens between it and the last one, the last token.

Prompts have different lengths, so that positions of different prompts can't be averaged; roles can. All
positions of a role are patched at once (`patch_roles`). In a model that answers at its last token, the
difference between two prompts is carried by the changed token at first and by the last token in the end:
`handover` and `crossing` say from which depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, refusal
from mechscope.lens.patching import (
    Component,
    Direction,
    EncodedPairs,
    Pair,
    PatchingMap,
    Score,
    Site,
    encode_pairs,
    patch_sites,
)

Role = Literal["changed token", "between", "last token"]

ROLES: tuple[Role, ...] = ("changed token", "between", "last token")


@dataclass(frozen=True)
class RoleEffects:
    """Effects of patching all positions of a role at once.

    Attributes:
        roles: Which roles.
        layers: Which blocks.
        effects: NaN where a pair has no tokens of a role.
        gaps: |source − base| of each pair, by which effects are divided; 0 where nothing was run.
    """

    roles: tuple[Role, ...]
    layers: tuple[int, ...]
    effects: Float[np.ndarray, "pair role layer"]
    gaps: Float[np.ndarray, " pair"]

    def of(self, role: Role) -> Float[np.ndarray, "pair layer"]:
        """The effects of one role."""
        return self.effects[:, self.roles.index(role)]

    def has(self, role: Role) -> Bool[np.ndarray, " pair"]:
        """Which pairs have tokens of a role."""
        return ~np.isnan(self.of(role)[:, 0])

    def mean(self, role: Role, among: Bool[np.ndarray, " pair"] | None = None) -> Float[np.ndarray, " layer"]:
        """Mean effect of a role over the pairs (of these) that have tokens of it; NaN where none has."""
        chosen = self.has(role) if among is None else self.has(role) & among
        return self.of(role)[chosen].mean(0) if chosen.any() else np.full(len(self.layers), np.nan)


def role_positions(encoded: EncodedPairs, pair: int) -> dict[Role, list[int]]:
    """The positions of each role in a pair's prompts; before the first changed token there is none.

    Raises:
        InvalidInput: The last token is one of those that change: the roles would overlap.
    """
    changed, last = encoded.changed(pair), len(encoded.clean[pair]) - 1
    if changed[-1] == last:
        raise InvalidInput(
            f"{encoded.pairs[pair].clean!r}: the changed token is also the last one.",
            hint="let both prompts of a pair end in the same word",
        )
    between = [position for position in range(changed[0], last) if position not in changed]
    return {"changed token": changed, "between": between, "last token": [last]}


def patchable(bridge: TransformerBridge, pairs: Sequence[Pair]) -> Bool[np.ndarray, " pair"]:
    """Which pairs can be patched by role: as many tokens in both prompts, the first and last ones unchanged.

    A changed first token would be an attention sink as well, where no beginning-of-sequence token is.
    """
    fit = np.zeros(len(pairs), dtype=bool)
    for number, pair in enumerate(pairs):
        if not refusal(encode_pairs, bridge, [pair]):
            encoded = encode_pairs(bridge, [pair])
            fit[number] = encoded.changed(0)[0] > 0 and not refusal(role_positions, encoded, 0)
    return fit


def patch_roles(
    bridge: TransformerBridge,
    encoded: EncodedPairs,
    components: Sequence[Component],
    roles: Sequence[Role] = ROLES,
    *,
    layers: Sequence[int] | None = None,
    direction: Direction = "denoising",
    score: Score = "logit_difference",
    min_gap: float = 0.1,
    batch_size: int | None = None,
    progress: bool = False,
) -> dict[Component, RoleEffects]:
    """The effect of patching all positions of a role at once, by component, role and block.

    Before the first block the residual stream is the embedding, which differs at the changed token only: its
    effects are known (1 and 0) and not run.

    Args:
        components: "residual", "attention" or "mlp".
        layers: Which blocks; default all, in order.
        direction, score, min_gap, batch_size, progress: As for `patch_sites`.

    Raises:
        UnknownName, InvalidInput: As `patch_sites` and `role_positions`; also for heads, which have no
            positions.
    """
    if "heads" in components:
        raise InvalidInput(
            "heads are patched at all positions, and not by role.", hint='patching_map(…, "heads")'
        )
    blocks = tuple(range(bridge.cfg.n_layers) if layers is None else layers)
    effects = {kind: np.full((len(encoded), len(roles), len(blocks)), np.nan) for kind in components}
    patches: list[tuple[int, list[Site]]] = []
    cells: list[tuple[Component, tuple[int, int, int]]] = []
    positions = [role_positions(encoded, pair) for pair in range(len(encoded))]
    for kind in components:
        for (pair, number, column), _ in np.ndenumerate(effects[kind]):
            role, layer = roles[number], blocks[column]
            if not positions[pair][role]:
                continue
            if kind == "residual" and layer == 0:
                effects[kind][pair, number, column] = float(role == "changed token")
            else:
                patches.append((pair, [Site(kind, layer, tuple(positions[pair][role]))]))
                cells.append((kind, (pair, number, column)))
    patched = patch_sites(
        bridge,
        encoded,
        patches,
        direction=direction,
        score=score,
        min_gap=min_gap,
        batch_size=batch_size,
        progress=progress,
    )
    gaps = np.zeros(len(encoded))
    gaps[[pair for pair, _ in patches]] = np.abs(patched.source - patched.base)
    for (kind, cell), effect in zip(cells, patched.effects, strict=True):
        effects[kind][cell] = effect
    return {kind: RoleEffects(tuple(roles), blocks, effects[kind], gaps) for kind in components}


def sum_by_role(
    effects: PatchingMap, encoded: EncodedPairs, roles: Sequence[Role] = ROLES
) -> Float[np.ndarray, "pair role layer"]:
    """Effects of single positions summed over those of each role (0 where there are none).

    To first order the effect of several positions is the sum of theirs, so that sums of `attribution_map`
    approximate what `patch_roles` measures.
    """
    positions = [role_positions(encoded, pair) for pair in range(len(encoded))]
    return np.stack(
        [
            np.stack([single[:, places[role]].sum(1) for role in roles])
            for single, places in zip(effects.effects, positions, strict=True)
        ]
    )


def taken_over(means: Float[np.ndarray, "role layer"]) -> bool:
    """Whether, from the first block to the last, the first role loses and the last one gains."""
    gained = means[:, -1] - means[:, 0]
    return bool(gained[0] < 0 < gained[-1])


def handover(
    means: Float[np.ndarray, "*draw role layer"], layers: Sequence[int], n_layers: int
) -> Float[np.ndarray, "*draw"]:
    """Depth of the first block before which the last token carries more than the changed one; 1 without any.

    Args:
        means: Mean effects, of the changed token first, of the last token last; those between don't matter.
        layers: The blocks, rising.
        n_layers: How many the model has; depths are shares of it.
    """
    over = means[..., -1, :] > means[..., 0, :]
    return np.where(over.any(-1), np.asarray(layers)[over.argmax(-1)] / n_layers, 1.0)


def crossing(
    means: Float[np.ndarray, "*draw role layer"], layers: Sequence[int], n_layers: int
) -> Float[np.ndarray, "*draw"]:
    """The depth of the `handover`, interpolated: where the lines of the two roles between blocks cross."""
    blocks = np.asarray(layers)
    ahead = means[..., -1, :] - means[..., 0, :]
    over = (ahead > 0).any(-1)
    first = (ahead > 0).argmax(-1)
    previous = np.maximum(first - 1, 0)
    after = np.take_along_axis(ahead, first[..., None], -1)[..., 0]
    before = np.take_along_axis(ahead, previous[..., None], -1)[..., 0]
    rise = np.where(over & (first > 0), after - before, 1.0)
    crossed = (blocks[first] - (blocks[first] - blocks[previous]) * after / rise) / n_layers
    return np.where(over, crossed, 1.0)

"""Attribution patching: the effect of every patch at once, to first order (Nanda 2023; Syed et al. 2023).

    effect ≈ (source activation − base activation) · ∂ score / ∂ activation / (source score − base score)

1. A pass over the source prompts keeps the activations at every place.
2. A pass over the base prompts holds them with their graph, and one backward pass from the score gives the
   gradient at every place: the cost doesn't depend on how many places there are.
3. Products are summed over what a place holds (for heads over positions too) and divided by the scores' gap.

It is exact where the score is linear in the activation; how far it is off elsewhere must be measured against
`mechscope.lens.patching` (`mechscope.stats.agreement`).
"""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.core.forward import Reader, forward
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import filled_up
from mechscope.lens.patching import (
    Component,
    Direction,
    EncodedPairs,
    PatchingMap,
    _by_pair,
    _most_read,
    _Picks,
    _reading_rows,
    _Run,
    component_hook,
)


def attribution_map(
    bridge: TransformerBridge,
    encoded: EncodedPairs,
    component: Component,
    *,
    direction: Direction = "denoising",
    min_gap: float = 0.1,
    batch_size: int | None = None,
) -> PatchingMap:
    """What `patching_map` finds, approximated by gradients; same shapes, score is the logit difference.

    Raises:
        UnknownName: An unknown component or direction.
        InvalidInput: The scores of a pair's two runs are less than `min_gap` apart.
    """
    for kind, name, options in (("component", component, Component), ("direction", direction, Direction)):
        if name not in get_args(options):
            raise UnknownName(kind, name, get_args(options))
    rows = _reading_rows(encoded)
    denoising = direction == "denoising"
    base_prompts, source_prompts = (
        (encoded.corrupt, encoded.clean) if denoising else (encoded.clean, encoded.corrupt)
    )
    source = _Run.of(bridge, encoded, rows, source_prompts, (component,), batch_size)
    cfg = bridge.cfg
    length = max(len(row.ids(base_prompts)) for row in rows)
    size = rows_at_once(bridge, batch_size, 16, length, unembedded=_most_read(rows), gradients=True)
    whole: dict[str, Reader] = {
        component_hook(bridge, component, layer): lambda value: value for layer in range(cfg.n_layers)
    }
    products = []
    scores = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        ids = filled_up([row.ids(base_prompts) for row in part], length)
        picks = _Picks.of(part, cfg.device)
        with torch.enable_grad():
            values = forward(
                bridge, ids, read=whole, logits_at=picks.places, gradients_from="blocks.0.hook_resid_pre"
            )
            score = picks.scores(values["logits"].float())
            held = [values[hook] for hook in whole]
            gradients = torch.autograd.grad(score.sum(), held)
        scores.append(score.detach())
        change = source.kept[component][start : start + size]
        products.append(
            torch.stack(
                [
                    ((change[:, layer] - held[layer].detach()) * gradients[layer]).sum(-1)
                    for layer in range(cfg.n_layers)
                ],
                1,
            )
        )
    product = torch.cat(products).double().cpu().numpy()
    gap = _by_pair(source.scores, rows, len(encoded)) - _by_pair(torch.cat(scores), rows, len(encoded))
    maps: list[Float[np.ndarray, "layer place"]] = []
    for pair, difference in enumerate(gap.tolist()):
        if abs(difference) < min_gap:
            raise InvalidInput(
                f"pair {pair} ({encoded.pairs[pair].clean!r}): the scores of its two prompts differ by "
                f"{abs(difference):.3g}, too little to divide by (min_gap={min_gap}).",
                hint="leave such pairs out beforehand: pair_scores(…).usable(min_gap)",
            )
        prompt = len(encoded.clean[pair])
        total = sum(product[at][:, :prompt] for at, row in enumerate(rows) if row.pair == pair)
        effect = np.asarray(total) / difference
        maps.append(effect.sum(1) if component == "heads" else effect)
    return PatchingMap(component, tuple(maps))

"""Names for the parts of a model, and what is said when there is no such part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput


@dataclass(frozen=True, order=True)
class Head:
    """One attention head; layers and heads count from 0."""

    layer: int
    head: int

    def __str__(self) -> str:
        return f"L{self.layer}H{self.head}"


@dataclass(frozen=True, order=True)
class Mlp:
    """The MLP of one layer."""

    layer: int

    def __str__(self) -> str:
        return f"MLP {self.layer}"


def all_heads(bridge: TransformerBridge, layers: Iterable[int] | None = None) -> tuple[Head, ...]:
    """Every head, layer by layer.

    Raises:
        InvalidInput: A layer that the model doesn't have.
    """
    chosen = range(bridge.cfg.n_layers) if layers is None else layers
    return tuple(Head(_layer(bridge, layer), head) for layer in chosen for head in range(bridge.cfg.n_heads))


def require_components(bridge: TransformerBridge, components: Iterable[Head | Mlp]) -> None:
    """Refuse a part that the model doesn't have.

    Raises:
        InvalidInput: A layer or head out of range, or an MLP of an attention-only model; the message has the
            valid range.
    """
    for part in components:
        _layer(bridge, part.layer)
        if isinstance(part, Head) and not 0 <= part.head < bridge.cfg.n_heads:
            raise InvalidInput(
                f"{part}: there is no head {part.head}.",
                hint=f"heads of {bridge.cfg.model_name} go from 0 to {bridge.cfg.n_heads - 1}",
            )
        if isinstance(part, Mlp) and bridge.cfg.attn_only:
            raise InvalidInput(f"{part}: {bridge.cfg.model_name} has attention only, no MLPs.")


def _layer(bridge: TransformerBridge, layer: int) -> int:
    if not 0 <= layer < bridge.cfg.n_layers:
        raise InvalidInput(
            f"there is no layer {layer}.",
            hint=f"layers of {bridge.cfg.model_name} go from 0 to {bridge.cfg.n_layers - 1}",
        )
    return layer

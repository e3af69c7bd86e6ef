"""Names for the parts of a model, where each writes, and what is said when there is no such part.

Architectures differ in what stands between a block's attention or MLP and the residual stream: a norm
(Gemma 2 and 3, OLMo 2), or a module that adds the stream by itself (BLOOM, MPT). The hooks named here hold
what is added to the stream, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor
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


def require_layers(bridge: TransformerBridge, layers: Sequence[int]) -> None:
    """Refuse layers that the model does not have.

    Raises:
        InvalidInput: A layer below 0 or beyond the last one; the valid range is named.
    """
    last = bridge.cfg.n_layers - 1
    for layer in layers:
        if not 0 <= layer <= last:
            raise InvalidInput(f"there is no layer {layer}: this model has layers 0 to {last}.")


def all_heads(bridge: TransformerBridge, layers: Iterable[int] | None = None) -> tuple[Head, ...]:
    """Every head, layer by layer.

    Raises:
        InvalidInput: A layer that the model doesn't have.
    """
    chosen = tuple(range(bridge.cfg.n_layers) if layers is None else layers)
    require_layers(bridge, chosen)
    return tuple(Head(layer, head) for layer in chosen for head in range(bridge.cfg.n_heads))


def n_neurons_of(bridge: TransformerBridge) -> int:
    """Neurons of each layer's MLP; 0 where they have none with output weights of their own (a mixture of
    experts, attention only), or where layers differ."""
    try:
        return n_neurons(bridge, range(bridge.cfg.n_layers))
    except InvalidInput:
        return 0


def require_components(bridge: TransformerBridge, components: Iterable[Head | Mlp]) -> None:
    """Refuse a part that the model doesn't have.

    Raises:
        InvalidInput: A layer or head out of range, or an MLP of an attention-only model; the message has the
            valid range.
    """
    for part in components:
        require_layers(bridge, [part.layer])
        if isinstance(part, Head) and not 0 <= part.head < bridge.cfg.n_heads:
            raise InvalidInput(
                f"{part}: there is no head {part.head}.",
                hint=f"heads of {bridge.cfg.model_name} go from 0 to {bridge.cfg.n_heads - 1}",
            )
        if isinstance(part, Mlp) and bridge.cfg.attn_only:
            raise InvalidInput(f"{part}: {bridge.cfg.model_name} has attention only, no MLPs.")


def layers_without_window(bridge: TransformerBridge) -> tuple[int, ...]:
    """The layers in which a token may attend to all that come before it, however many they are."""
    config = bridge.original_model.config
    kinds = getattr(config, "layer_types", None) or getattr(config, "attention_layers", None)  # GPT-Neo's
    if kinds is None:
        return () if getattr(config, "sliding_window", None) else tuple(range(bridge.cfg.n_layers))
    return tuple(layer for layer, kind in enumerate(kinds) if kind in ("full_attention", "global"))


def neuron_weights(bridge: TransformerBridge, layer: int) -> Float[Tensor, "neuron d_model"]:
    """What each neuron of a layer's MLP writes for each unit of its activation.

    Raises:
        InvalidInput: A layer that the model doesn't have, or one without plain neurons: no MLP, experts that
            a router chooses between, or an MLP whose activations no hook holds.
    """
    require_layers(bridge, [layer])
    mlp = getattr(bridge.blocks[layer], "mlp", None)
    weights = getattr(mlp, "W_out", None)
    if weights is None or weights.dim() != 2 or f"blocks.{layer}.mlp.hook_post" not in bridge.hook_dict:
        raise InvalidInput(
            f"the MLP of layer {layer} has no neurons with output weights of their own.",
            hint=f"{bridge.cfg.model_name} has experts there, or no MLP; heads and the residual stream can "
            "be looked at",
        )
    return weights.detach()


def n_neurons(bridge: TransformerBridge, layers: Iterable[int]) -> int:
    """How many neurons the MLPs of some layers have.

    Raises:
        InvalidInput: As `neuron_weights` does; also layers with different numbers of neurons.
    """
    widths = {layer: len(neuron_weights(bridge, layer)) for layer in layers}
    if len(set(widths.values())) != 1:
        listed = ", ".join(f"{width} in layer {layer}" for layer, width in widths.items()) or "no layers"
        raise InvalidInput(
            f"the MLPs do not have one number of neurons ({listed}).", hint="look at one layer at a time"
        )
    return next(iter(widths.values()))


def norm_before_attention(block: Any) -> Any:
    """The norm that attention reads the stream through; None where there is none (OLMo 2)."""
    return None if _stands_behind(block, "ln1") else block.ln1


def norm_behind_attention(block: Any) -> Any:
    """The norm between attention and the stream; None where there is none."""
    return getattr(block, "ln1_post", None) or (block.ln1 if _stands_behind(block, "ln1") else None)


def norm_behind_mlp(block: Any) -> Any:
    """The norm between the MLP and the stream; None where there is none."""
    return getattr(block, "ln2_post", None) or (block.ln2 if _stands_behind(block, "ln2") else None)


def _stands_behind(block: Any, norm: str) -> bool:
    # OLMo 2 has norms behind attention and MLP only, which the bridge calls ln1 and ln2 all the same. Llama's
    # "post_attention_layernorm" is its ln2, in front of the MLP.
    behind = {"ln1": "post_attention_layernorm", "ln2": "post_feedforward_layernorm"}
    return getattr(getattr(block, norm, None), "name", None) == behind[norm]


def attention_output(bridge: TransformerBridge, layer: int) -> str:
    """The hook of a layer's attention output: heads through W_O and b_O, in front of any norm behind them."""
    block = bridge.blocks[layer]
    if hasattr(block.attn, "o"):
        return f"blocks.{layer}.attn.o.hook_out"
    return f"blocks.{layer}.attn.hook_out"


def mlp_output(bridge: TransformerBridge, layer: int) -> str:
    """The hook of a layer's MLP output, in front of any norm behind it."""
    if hasattr(bridge.blocks[layer].mlp, "out"):
        return f"blocks.{layer}.mlp.out.hook_out"
    return f"blocks.{layer}.mlp.hook_out"


def attention_written(bridge: TransformerBridge, layer: int) -> str:
    """The hook of what a layer's attention adds to the residual stream."""
    return _written(bridge, layer, norm_behind_attention(bridge.blocks[layer]), "attn", "o", "hook_attn_out")


def mlp_written(bridge: TransformerBridge, layer: int) -> str:
    """The hook of what a layer's MLP adds to the residual stream."""
    return _written(bridge, layer, norm_behind_mlp(bridge.blocks[layer]), "mlp", "out", "hook_mlp_out")


def _written(bridge: TransformerBridge, layer: int, norm: Any, module: str, linear: str, alias: str) -> str:
    block = bridge.blocks[layer]
    if norm is not None:
        return str(norm.hook_out.name)
    if hasattr(getattr(block, module, None), linear):
        return f"blocks.{layer}.{module}.{linear}.hook_out"
    return f"blocks.{layer}.{alias}"


def residual_hook(layer: int) -> str:
    """The residual stream after block `layer`; −1 stands for what goes into block 0 (the embedding)."""
    return "blocks.0.hook_resid_pre" if layer < 0 else f"blocks.{layer}.hook_resid_post"

"""Is this bridge the model that it wraps? One sentence, each time a model is loaded.

Log-probabilities and the input of each layer are taken from the Hugging Face model before the bridge takes
its modules apart, and from the bridge afterwards. They differ when an adapter misreads the architecture (a
norm, rotary positions, soft caps, an activation), when hooks sit elsewhere than their names say, when folding
goes wrong, or when the bridge tokenises otherwise than declared. For embedded models the loss is compared
with a pinned value as well, which would show wrong weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float, Int

from mechscope.errors import InvalidInput, ModelMismatch
from mechscope.models.registry import Model

if TYPE_CHECKING:
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SENTENCE = "The capital of France is Paris, and the river that runs through it is the Seine."

_DIVERGENCE = {"float32": 1e-5, "bfloat16": 0.05, "float16": 0.005}
_RESIDUAL = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.01}
_LOSS = {"float32": 0.005, "bfloat16": 0.1, "float16": 0.05}


@dataclass(frozen=True)
class Measured:
    """What a model makes of the sentence."""

    tokens: Int[Tensor, "1 pos"]
    log_probabilities: Float[Tensor, "pos vocab"]
    layer_inputs: list[Float[Tensor, "pos d_model"]]

    @property
    def loss(self) -> float:
        """Mean loss over all tokens but the first, in nats."""
        following = self.tokens[0, 1:, None].to(self.log_probabilities.device)
        return float(-self.log_probabilities[:-1].gather(-1, following).mean())


def measure(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prepend_bos: bool) -> Measured:
    """Run the sentence through a Hugging Face model."""
    import torch

    ids = tokenizer(SENTENCE, add_special_tokens=False)["input_ids"]
    if prepend_bos and tokenizer.bos_token_id is not None:
        ids = [tokenizer.bos_token_id, *ids]
    # A small model may not take the whole sentence; the bridge makes room for a BOS even where there is none.
    ids = ids[: _context(model) - 1]
    tokens = torch.tensor([ids], device=model.device)
    # no_grad, not inference_mode: what modules keep (rotary tables, masks) must serve gradients later.
    with torch.no_grad():
        output = model(input_ids=tokens, use_cache=False, output_hidden_states=True)
    layer_inputs = [state[0] for state in (output.hidden_states or ())[:-1]]  # the last one is normalised
    return Measured(tokens, output.logits[0].double().log_softmax(-1), layer_inputs)


def require_agreement(
    bridge: TransformerBridge, expected: Measured, model: Model, *, folded: bool = False
) -> None:
    """Refuse a bridge that doesn't compute `expected`.

    Args:
        bridge: The bridge, ready for use.
        expected: What the Hugging Face model computed.
        model: What is declared of the model.
        folded: The weights were folded and centred: residual streams differ then, predictions must not.

    Raises:
        InvalidInput: The model has no attention heads in some block, or reads a text backwards as well.
        ModelMismatch: It tokenises or predicts otherwise, the loss is not the one that is pinned, or its
            blocks write to the residual stream what no hook holds.
    """
    _require_heads(bridge, model)
    found = _measure_bridge(bridge, expected, model)
    if found.tokens.tolist() != expected.tokens.tolist():
        read, right = found.tokens[0, :6].tolist(), expected.tokens[0, :6].tolist()
        raise _mismatch(model, f"it reads the sentence as tokens {read} …, not {right} …")
    precision = str(bridge.cfg.dtype).removeprefix("torch.")
    divergence = _worst_divergence(expected.log_probabilities, found.log_probabilities)
    if not divergence <= _DIVERGENCE[precision]:  # "not <=" refuses NaN as well
        raise _mismatch(
            model,
            f"at some token its prediction is {divergence:.2g} nats away from that of the Hugging Face model "
            f"(at most {_DIVERGENCE[precision]:g} in {precision})",
        )
    _require_causal(bridge, found, model)
    pairs = [] if folded else list(zip(found.layer_inputs, expected.layer_inputs, strict=True))
    for layer, (ours, theirs) in enumerate(pairs):
        relative = float((ours - theirs).abs().max() / theirs.abs().max())
        if not relative <= _RESIDUAL[precision]:
            raise _mismatch(model, f"blocks.{layer}.hook_resid_pre is not what layer {layer} is given")
    if not folded:
        _require_sums(bridge, found.tokens, model)
    if model.check_loss is not None and abs(found.loss - model.check_loss) > _LOSS[precision]:
        raise _mismatch(
            model, f"the loss on the sentence is {found.loss:.4f} nats, {model.check_loss:.4f} is pinned"
        )


def _measure_bridge(bridge: TransformerBridge, expected: Measured, model: Model) -> Measured:
    import torch

    tokens = bridge.to_tokens(SENTENCE)[:, : expected.tokens.shape[1]]
    names = [f"blocks.{layer}.hook_resid_pre" for layer in range(len(expected.layer_inputs))]
    with torch.no_grad():
        logits, cache = bridge.run_with_cache(tokens, names_filter=[*names, "unembed.hook_out"])
    _require_plain_logits(bridge, model, logits[0].double(), cache["unembed.hook_out"][0].double())
    return Measured(tokens, logits[0].double().log_softmax(-1), [cache[name][0] for name in names])


def _require_heads(bridge: TransformerBridge, model: Model) -> None:
    """Nearly every technique looks at heads: refuse state spaces, convolutions and mixtures of these."""
    hooks = bridge.hook_dict
    for layer in range(bridge.cfg.n_layers):
        for name in ("hook_z", "hook_pattern"):
            if f"blocks.{layer}.attn.{name}" not in hooks:
                raise InvalidInput(
                    f"{model.name} ({_architecture(bridge)}) has no attention heads that can be read in "
                    f"block {layer} (no blocks.{layer}.attn.{name}).",
                    hint="use a transformer with attention in every block",
                )


def _require_causal(bridge: TransformerBridge, found: Measured, model: Model) -> None:
    """What a causal model says in the middle of a sentence does not depend on how the sentence goes on."""
    import torch

    length = found.tokens.shape[1]
    half = (length + 1) // 2
    going_on = found.tokens.clone()
    going_on[:, half:] = (
        going_on[:, half:] + 1 + torch.arange(length - half).to(going_on)
    ) % bridge.cfg.d_vocab
    with torch.no_grad():
        changed = bridge(going_on)[0, :half].double().log_softmax(-1)
    divergence = _worst_divergence(found.log_probabilities[:half], changed)
    if not divergence <= _DIVERGENCE[str(bridge.cfg.dtype).removeprefix("torch.")]:
        raise InvalidInput(
            f"{model.name} ({_architecture(bridge)}) is not causal: what it says after {half} tokens of a "
            f"sentence changes by {divergence:.2g} nats with the tokens that follow.",
            hint="use a model that reads from left to right (GPT-2, Llama, Qwen, Gemma …)",
        )


def _require_sums(bridge: TransformerBridge, tokens: Int[Tensor, "1 pos"], model: Model) -> None:
    """A block's output is its input, what attention writes and what the MLP writes, and nothing else."""
    import torch

    from mechscope.lens.core.components import attention_written, mlp_written

    bound = _RESIDUAL[str(bridge.cfg.dtype).removeprefix("torch.")]
    layers = range(bridge.cfg.n_layers)
    names = {
        layer: (
            f"blocks.{layer}.hook_resid_pre",
            attention_written(bridge, layer),
            mlp_written(bridge, layer),
            f"blocks.{layer}.hook_resid_post",
        )
        for layer in layers
    }
    with torch.no_grad():
        _, cache = bridge.run_with_cache(
            tokens, names_filter=[name for four in names.values() for name in four]
        )
    for layer in layers:
        missing = [name for name in names[layer] if name not in cache]
        if missing:
            raise _mismatch(model, f"the hook {missing[0]} does not fire")
        *parts, after = (cache[name].double() for name in names[layer])
        largest = max(float(part.abs().max()) for part in (*parts, after))
        off = float((sum(parts) - after).abs().max())
        if not off <= bound * largest:
            raise ModelMismatch(
                f"{model.name} was refused by the check at load: the output of block {layer} is not its "
                f"input and what its attention and its MLP write (off by {off / largest:.2g} of the largest "
                "value).",
                hint="use a model that adds them up unscaled; no technique here knows of other parts",
            )


def _architecture(bridge: TransformerBridge) -> str:
    return type(bridge.original_model).__name__


def _require_plain_logits(
    bridge: TransformerBridge, model: Model, logits: Tensor, unembedded: Tensor
) -> None:
    """Every technique reads logits off the unembedding: nothing but a soft cap may come behind it."""
    cap = getattr(bridge.cfg, "output_logits_soft_cap", None)
    if cap is not None and cap > 0:
        unembedded = cap * (unembedded / cap).tanh()
    off = float((logits - unembedded).abs().max() / logits.abs().max().clamp_min(1e-30))
    if off > _RESIDUAL[str(bridge.cfg.dtype).removeprefix("torch.")]:  # NaN is another check's
        ratio = float((logits * unembedded).sum() / (unembedded * unembedded).sum())
        raise ModelMismatch(
            f"{model.name} was refused by the check at load: its logits are not what its unembedding gives "
            f"(they are {ratio:.3g} times that).",
            hint="use a model without scaled logits; no technique here knows of the scale",
        )


def _context(model: PreTrainedModel) -> int:
    keys = ("n_positions", "max_position_embeddings")
    return next((value for key in keys if isinstance(value := getattr(model.config, key, None), int)), 2048)


def _worst_divergence(expected: Float[Tensor, "pos vocab"], found: Float[Tensor, "pos vocab"]) -> float:
    """The largest Kullback-Leibler divergence at a token, in nats."""
    return float((expected.exp() * (expected - found)).sum(-1).abs().max())


def _mismatch(model: Model, what: str) -> ModelMismatch:
    return ModelMismatch(
        f"{model.name} was refused by the check at load: {what}.",
        hint="nothing that it computes could be trusted; compare the versions of transformers and "
        "transformer-lens with requirements.lock",
    )

"""Train a small attention-only transformer on repeated random tokens, and keep its checkpoints.

Each training row repeats a stretch of random tokens for as long as the row is. Only a model that finds the
earlier occurrence of a token and reads what followed it can foresee the later stretch. The length of the
stretch is drawn for each row: with one length for all rows, attending a fixed number of positions back does
as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import first_counted


@dataclass(frozen=True)
class Recipe:
    """Everything that a trained model depends on.

    Attributes:
        n_layers: Attention layers (there are no MLPs).
        n_heads: Heads of each layer.
        d_model: Width of the residual stream; each head has d_model / n_heads dimensions.
        vocabulary: Number of tokens.
        context: Tokens in a row.
        periods: Shortest and longest stretch that a row repeats; equal for one fixed length, and the row's
            length for rows without repetition.
        steps: Optimiser steps.
        batch: Rows in a step.
        learning_rate: Of AdamW, after a linear warm-up over 50 steps.
        every: Steps between checkpoints.
        seed: Of the weights and of the data.
    """

    n_layers: int = 2
    n_heads: int = 4
    d_model: int = 64
    vocabulary: int = 64
    context: int = 48
    periods: tuple[int, int] = (8, 24)
    steps: int = 600
    batch: int = 64
    learning_rate: float = 3e-3
    every: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        shortest, longest = self.periods
        if not 2 <= shortest <= longest <= self.context:
            raise InvalidInput(
                f"stretches of {shortest} to {longest} tokens do not fit rows of {self.context}.",
                hint=f"2 ≤ shortest ≤ longest ≤ {self.context}",
            )
        for name in ("n_layers", "n_heads", "vocabulary", "steps", "batch", "every"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}, but must be at least 1.")
        if self.d_model % (2 * self.n_heads):
            raise InvalidInput(
                f"{self.n_heads} heads cannot share {self.d_model} dimensions.",
                hint="d_model must be a multiple of twice the number of heads",
            )
        if self.learning_rate <= 0:
            raise InvalidInput(f"a learning rate of {self.learning_rate} trains nothing.")


@dataclass(frozen=True)
class Checkpoint:
    """The model after some steps.

    Attributes:
        step: Optimiser steps taken.
        loss: Training loss of the last batch, in nats a token (NaN before the first step).
        weights: By name.
    """

    step: int
    loss: float
    weights: dict[str, Tensor]


@dataclass(frozen=True)
class Training:
    """A trained model and what it was on the way.

    Attributes:
        recipe: How it was made.
        bridge: The model, with the weights of the checkpoint that was restored last (at first the final one).
        checkpoints: From step 0 to the last step.
        losses: Training loss of each step.
    """

    recipe: Recipe
    bridge: TransformerBridge
    checkpoints: tuple[Checkpoint, ...]
    losses: Float[np.ndarray, " step"]

    def restore(self, checkpoint: Checkpoint) -> TransformerBridge:
        """The model as it was at a checkpoint."""
        with torch.no_grad():
            for name, value in self.bridge.original_model.named_parameters():
                value.copy_(checkpoint.weights[name])
        return self.bridge


def repeating_rows(
    n: int, recipe: Recipe, rng: np.random.Generator, *, periods: tuple[int, int] | None = None
) -> tuple[Int[Tensor, "row pos"], Int[np.ndarray, " row"]]:
    """Rows that repeat a stretch of random tokens (with replacement), and the length of each stretch."""
    shortest, longest = periods or recipe.periods
    lengths = rng.integers(shortest, longest + 1, size=n)
    tokens = rng.integers(recipe.vocabulary, size=(n, recipe.context))
    at = np.arange(recipe.context)[None, :] % lengths[:, None]
    return torch.from_numpy(np.take_along_axis(tokens, at, axis=1)), lengths


def new_model(recipe: Recipe) -> TransformerBridge:
    """The model before training: rotary positions, LayerNorm, weights drawn from the recipe's seed."""
    config = TransformerBridgeConfig(
        n_layers=recipe.n_layers,
        d_model=recipe.d_model,
        n_heads=recipe.n_heads,
        d_head=recipe.d_model // recipe.n_heads,
        d_vocab=recipe.vocabulary,
        n_ctx=recipe.context,
        attn_only=True,
        positional_embedding_type="rotary",
        normalization_type="LN",
        seed=recipe.seed,
    )
    return TransformerBridge.boot_native(config, model_name=f"attention-only-{recipe.n_layers}l")


def train(recipe: Recipe, *, progress: bool = False) -> Training:
    """Train on the CPU; the same recipe gives the same model on the same machine, bit for bit.

    It computes in one thread: matrices this small gain little from more, and the order in which numbers are
    added up then doesn't depend on how many cores there are. The global random state of torch and numpy is
    neither used nor changed.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(recipe, progress)
    finally:
        torch.set_num_threads(threads)


def _train(recipe: Recipe, progress: bool) -> Training:
    bridge = new_model(recipe)
    bridge.train()
    model = bridge.original_model  # the same modules, without the bridge's way of calling them
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.01)
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / 50))
    rng = np.random.default_rng([recipe.seed, 1])
    checkpoints = [Checkpoint(0, float("nan"), _copy(model))]
    losses = np.empty(recipe.steps)
    bar = tqdm(range(1, recipe.steps + 1), desc="training", unit="step", disable=not progress)
    for step in bar:
        ids, _ = repeating_rows(recipe.batch, recipe, rng)
        logits = model(ids)
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        warm_up.step()
        losses[step - 1] = loss.item()
        if step % recipe.every == 0 or step == recipe.steps:
            checkpoints.append(Checkpoint(step, float(losses[step - 1]), _copy(model)))
            bar.set_postfix(loss=f"{losses[step - 1]:.2f}")
    return Training(recipe, bridge.eval(), tuple(checkpoints), losses)


def _copy(model: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


@dataclass(frozen=True)
class PeriodicLoss:
    """Held-out loss on rows that repeat, in nats a token.

    Attributes:
        early: Tokens of the first stretch, which nothing foretells: from the third on, for the second is
            predicted at the first position, an attention sink in most models (`mechscope.lens.core.tokens`).
        late: Tokens of later stretches, from the second token of the second stretch on.
    """

    early: Float[np.ndarray, " row"]
    late: Float[np.ndarray, " row"]


def periodic_loss(
    bridge: TransformerBridge, ids: Int[Tensor, "row pos"], lengths: Int[np.ndarray, " row"]
) -> PeriodicLoss:
    """Loss of each row where its tokens are new and where they could be copied.

    Raises:
        InvalidInput: A row without a token that could be copied.
    """
    n, width = ids.shape
    if not ((lengths >= 3) & (lengths <= width - 2)).all():
        raise InvalidInput(f"every stretch must have from 3 to {width - 2} tokens in rows of {width}.")
    size = rows_at_once(bridge, None, n, width, unembedded=width)
    parts = []
    with torch.inference_mode():
        for rows in ids.to(bridge.cfg.device).split(size):
            logits = bridge(rows, return_type="logits")[:, :-1].float()
            following = rows[:, 1:].flatten()
            each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), following, reduction="none")
            parts.append(each.view(len(rows), width - 1).cpu())
    loss = torch.cat(parts).double().numpy()
    target = np.arange(1, width)[None, :]
    late = target > lengths[:, None]
    early = (target < lengths[:, None]) & (target > first_counted(0))
    return PeriodicLoss((loss * early).sum(1) / early.sum(1), (loss * late).sum(1) / late.sum(1))


@dataclass(frozen=True)
class PhaseChange:
    """Where a curve falls fastest, how much of its fall that is, and whether the curve stays down.

    Attributes:
        start: The step at which the window of the steepest fall begins.
        end: The step at which it ends.
        share: The part of the curve's whole fall that lies in the window, 0 to 1. The whole fall is the
            largest from any checkpoint to a later one, so that it doesn't matter what the curve does before
            it falls or afterwards.
        fall: The fall in the window itself, in the curve's unit; not above 0 where the curve never falls.
        kept: The part of that fall which no later checkpoint takes back: 1 where the curve never rises above
            its value at the end of the window again, negative where it rises above where the window began;
            0 for a curve that never falls.
    """

    start: int
    end: int
    share: float
    fall: float
    kept: float

    def sudden(self, *, fall: float, share: float = 0.5, kept: float = 0.9) -> bool:
        """Whether it is a phase change: a fall that is large, comes mostly in the window, and lasts.

        A share alone would not do. A curve that falls a little at first and then rises has most of its fall
        in a few checkpoints as well, and so has noise.

        Args:
            fall: What the fall in the window must exceed, in the curve's unit.
            share: What its share of the whole fall must exceed.
            kept: What the part of it that lasts must exceed.
        """
        return self.fall > fall and self.share > share and self.kept > kept


def phase_change(steps: Sequence[int], values: Sequence[float], *, window: int = 3) -> PhaseChange:
    """The few checkpoints over which a curve falls most.

    Args:
        steps: Of the checkpoints, rising.
        values: The curve at each of them.
        window: How many intervals between checkpoints the fall may take.

    Raises:
        InvalidInput: Fewer checkpoints than the window needs, or values that are not finite.
    """
    if len(steps) != len(values) or not 1 <= window < len(steps):
        raise InvalidInput(f"a window of {window} intervals needs more than {len(steps)} checkpoints.")
    curve = np.asarray(values, dtype=np.float64)
    if not np.isfinite(curve).all():
        raise InvalidInput("the curve is not finite at every checkpoint: its fall cannot be measured.")
    whole = float((np.maximum.accumulate(curve) - curve).max())
    falls = curve[:-window] - curve[window:]
    at = int(falls.argmax())
    fall = float(falls[at])
    share = kept = 0.0
    if fall > 0:
        share = fall / whole
        kept = float(curve[at] - curve[at + window :].max()) / fall
    return PhaseChange(int(steps[at]), int(steps[at + window]), share, fall, kept)

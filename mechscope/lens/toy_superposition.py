"""Toy models of superposition: more sparse features than dimensions (Elhage et al. 2022).

    x′ = ReLU(WᵀW x + b)

W maps n features into m < n dimensions; the model is to give back what it was given. Features are
independent, 0 with probability 1 − density, else uniform between 0 and 1. When they are dense, the best that
m dimensions can hold is the m most important features, each in a direction of its own, as in principal
component analysis. When they are sparse, more than m are held, at angles that make them disturb each other
little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mechscope.errors import InvalidInput

REPRESENTED = 0.5
"""A feature is held when its direction is at least this long (1: given back whole)."""


@dataclass(frozen=True)
class ToyRecipe:
    """Everything that a family of toy models depends on; one model for each density and replicate.

    Attributes:
        features: Number of features, n.
        hidden: Number of dimensions, m.
        densities: Probabilities that a feature is not 0.
        decay: Importance of feature i (its weight in the squared error) is decay to the power of i; 1 makes
            all features equally important.
        replicates: Models of each density, from different initial weights.
        steps: Optimiser steps.
        batch: Samples in a step, for each model.
        learning_rate: Of Adam, falling to 0 along half a cosine.
        seed: Of the weights and of the data.
    """

    features: int = 20
    hidden: int = 5
    densities: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03, 0.01)
    decay: float = 0.8
    replicates: int = 1
    steps: int = 3000
    batch: int = 256
    learning_rate: float = 2e-2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("features", "hidden", "replicates", "steps", "batch"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is {getattr(self, name)}, but must be at least 1.")
        if self.hidden >= self.features:
            raise InvalidInput(
                f"{self.hidden} dimensions hold {self.features} features without any superposition.",
                hint="hidden must be smaller than features",
            )
        if not self.densities or not all(0 < density <= 1 for density in self.densities):
            raise InvalidInput(f"densities {self.densities} are not probabilities above 0.")
        if not 0 < self.decay <= 1:
            raise InvalidInput(f"importances that change by {self.decay} a feature do not fall.")
        if self.learning_rate <= 0:
            raise InvalidInput(f"a learning rate of {self.learning_rate} trains nothing.")


@dataclass(frozen=True)
class ToyModels:
    """Trained toy models.

    Attributes:
        recipe: How they were made.
        weights: W of each model; its columns are the features' directions.
        biases: b of each model.
        losses: Squared error weighted by importance, summed over features: mean of the last tenth of steps.
    """

    recipe: ToyRecipe
    weights: Float[Tensor, "density replicate hidden feature"]
    biases: Float[Tensor, "density replicate feature"]
    losses: Float[Tensor, "density replicate"]

    def best(self) -> Float[Tensor, "density hidden feature"]:
        """W of the replicate with the smallest loss at each density: training may end in a worse minimum."""
        return self.weights[torch.arange(len(self.losses)), self.losses.argmin(1)]


def train_toys(recipe: ToyRecipe) -> ToyModels:
    """Train all models of a recipe side by side, on the CPU, in seconds.

    It computes in one thread, and leaves the global random state of torch and numpy alone: the same recipe
    gives the same models on the same machine, bit for bit.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(recipe)
    finally:
        torch.set_num_threads(threads)


def _train(recipe: ToyRecipe) -> ToyModels:
    random = torch.Generator().manual_seed(recipe.seed)
    n, m, replicates = recipe.features, recipe.hidden, recipe.replicates
    models = len(recipe.densities) * replicates
    weights = (torch.randn(models, m, n, generator=random) / np.sqrt(m)).requires_grad_()
    biases = torch.zeros(models, 1, n, requires_grad=True)
    density = torch.tensor(recipe.densities).repeat_interleave(replicates)[:, None, None]
    importance = recipe.decay ** torch.arange(n)
    optimiser = torch.optim.Adam([weights, biases], lr=recipe.learning_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    first_kept = recipe.steps - max(1, recipe.steps // 10)
    losses = torch.zeros(models)
    for step in range(recipe.steps):
        size = torch.rand(models, recipe.batch, n, generator=random)
        present = torch.rand(models, recipe.batch, n, generator=random) < density
        x = size * present
        given_back = torch.relu(x @ weights.transpose(1, 2) @ weights + biases)
        # A sum over models: each has gradients of its own, and Adam does not mind their scale.
        each = (importance * (x - given_back) ** 2).sum((1, 2)) / recipe.batch
        optimiser.zero_grad()
        each.sum().backward()
        if step >= first_kept:
            losses += each.detach() / (recipe.steps - first_kept)
        optimiser.step()
        falling.step()
    shape = (len(recipe.densities), replicates)
    return ToyModels(
        recipe, weights.detach().view(*shape, m, n), biases.detach().view(*shape, n), losses.view(shape)
    )


def represented(weights: Float[Tensor, "*model hidden feature"]) -> Bool[Tensor, "*model feature"]:
    """Which features have a direction of at least half of full length."""
    return weights.norm(dim=-2) >= REPRESENTED


def dimensionality(weights: Float[Tensor, "*model hidden feature"]) -> Float[Tensor, "*model feature"]:
    """The share of a dimension that each feature has for itself.

    D_i = ‖W_i‖² / Σ_j (Ŵ_i·W_j)² (Elhage et al. 2022): 1 for a feature orthogonal to all others, 1/2 for one
    of an antipodal pair, 2/5 for a corner of a regular pentagon in a plane. 0 for a feature without a
    direction. For directions of one length the sum over features is at most the number of dimensions.
    """
    exact = weights.double()
    norms = exact.norm(dim=-2, keepdim=True)
    unit = exact / norms.clamp_min(1e-12)
    crowding = ((unit.transpose(-1, -2) @ exact) ** 2).sum(-1)
    own = norms[..., 0, :] ** 2
    return torch.where(own > 1e-12, own / crowding.clamp_min(1e-24), torch.zeros_like(own))

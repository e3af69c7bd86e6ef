# ---
# title: Superposition
# description: How neurons share a stream of fewer dimensions, and toys that show why.
# mechscope:
#   models: [model]
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Superposition
#
# A layer has more neurons than the stream has dimensions, so they must share them. Field notes tell that as a
# story of features packed at angles, which toy models show. Here both halves of the story are measured: how
# the output directions of neurons lie beside random ones, and what toys do whose features are known.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
toy_steps = 3_000

# %% [markdown]
# ## What was fixed beforehand
#
# <!-- lint: allow numeral because these are definitions -->
# **Directions.** A neuron writes along its row of the output matrix, times the gain of the norm behind the
# MLP where there is one. Independent Gaussian directions in d dimensions have cosines of standard deviation
# 1/√d, and n of them the effective dimension n·d/(n + d − 1); the weights are all there are, so nothing is
# tested. A pair is opposed below −0.5 and aligned above 0.5.
#
# **After a first look** three things were added: rows of the output matrix without the gain of the norm
# behind the MLP, output directions without the two dimensions in which those of a layer are longest, and the
# claim about rows. No criterion was changed.

# %%
import numpy as np
import pandas as pd

from mechscope import charts
from mechscope.ledger import Close, Ledger
from mechscope.lens.core.components import n_neurons_of, norm_behind_mlp
from mechscope.lens.directions import (
    layer_spread,
    of_some_length,
    output_directions,
    random_cosine_density,
)
from mechscope.lens.toy_superposition import ToyRecipe, dimensionality, represented, train_toys
from mechscope.models import load_model

WITHOUT = 2
REACH = 0.6
WEIGHTS = Close(rtol=1e-4, atol=1e-5, because="sums over many pairs")
BORDERLINE = Close(atol=1, because="one item at a threshold")
NOISY = "training amplifies the last digits of float32"
TRAINED = Close(rtol=0.05, atol=0.05, because=NOISY)

ledger = Ledger("superposition")
bridge = load_model(model, dtype=dtype)
n_layers, n_neurons = bridge.cfg.n_layers, n_neurons_of(bridge)
if n_neurons < 2:
    ledger.does_not_apply(f"it needs neurons with output weights, and a layer of this model has {n_neurons}")
if min(len(of_some_length(output_directions(bridge, layer))) for layer in range(n_layers)) < 2:
    ledger.does_not_apply("in some layer of this model fewer than two neurons write anything")

# %% [markdown]
# ## More directions than dimensions

# %%
PARTS = ("directions", "rows", "without")
layers = [layer_spread(bridge, layer, left_out=WITHOUT) for layer in range(n_layers)]
directions, rows, rest = ([getattr(layer, part) for layer in layers] for part in PARTS)
ratio, rows_ratio, rest_ratio = (
    np.array([spread.ratio for spread in spreads]) for spreads in (directions, rows, rest)
)
effective, rows_effective, rest_effective = (
    np.array([spread.participation for spread in spreads]) for spreads in (directions, rows, rest)
)
d_model, cosine_random = directions[0].d, directions[0].rms_random
effective_random = directions[0].participation_random
per_dimension, own_random = n_neurons / d_model, 1 / (1 + (n_neurons - 1) / d_model)
widest = int(np.argmax([layer.largest_share for layer in layers]))
of_widest = layers[widest]
own = np.median(np.concatenate([layer.own_dimension for layer in layers]))
rms = np.mean([spread.rms for spread in directions])
least, most = min(spread.smallest for spread in directions), max(spread.largest for spread in directions)

COSINE, EFFECTIVE, MEAN = "Root mean square cosine", "Effective dimension", "mean over layers"
OF_ROWS = "rows of the output matrix alone"
IN_ONE = "Share of an output direction's squared length that lies in one dimension, most over layers"
OWN = "Share of a dimension that a neuron's direction has for itself, median over neurons"
without = f"without the {WITHOUT} largest dimensions of"
for name, value, form, label in (
    ("n_layers", n_layers, None, "Layers"),
    ("neurons_in_layer", n_neurons, None, "MLP neurons of a layer"),
    ("d_model", d_model, None, "Dimensions of the residual stream"),
    ("neurons_per_dimension", per_dimension, None, "Neurons of a layer for each dimension of the stream"),
    ("cosine_random", cosine_random, ".4f", f"{COSINE} of random directions"),
    ("effective_dimension_random", effective_random, ".0f", f"{EFFECTIVE} of as many random directions"),
    ("own_dimension_random", own_random, ".3f", "About the same of random directions"),
    ("largest_dimension_layer", widest, None, "That layer"),
    ("largest_dimension", str(of_widest.largest_dimension), None, "That dimension of the residual stream"),
    ("direction_pairs", sum(spread.pairs for spread in directions), None, "Pairs of neurons within layers"),
):
    ledger.statistic(name, value, label, format=form)
for name, value, form, label in (
    ("cosine_rms", rms, ".4f", f"{COSINE} of two neurons' output directions, {MEAN}"),
    ("cosine_ratio", ratio.mean(), None, f"The latter over the former, {MEAN}"),
    ("cosine_ratio_most", ratio.max(), None, "The same in the layer where it is largest"),
    ("rows_ratio", rows_ratio.mean(), None, f"{COSINE} over that of random directions, {OF_ROWS}, {MEAN}"),
    ("without_ratio", rest_ratio.mean(), None, f"The same of output directions {without} their layer"),
    ("effective_dimension", effective.mean(), ".0f", f"{EFFECTIVE} of a layer's output directions, {MEAN}"),
    ("effective_dimension_least", effective.min(), ".0f", "The same in the layer where it is smallest"),
    ("effective_dimension_rows", rows_effective.mean(), ".0f", f"{EFFECTIVE} of the rows alone, {MEAN}"),
    ("effective_dimension_without", rest_effective.mean(), ".0f", f"{EFFECTIVE} {without} a layer, {MEAN}"),
    ("own_dimension", own, ".3f", OWN),
    ("largest_dimension_share", of_widest.largest_share, ".3f", IN_ONE),
    ("cosine_least", least, None, "Most negative cosine of two output directions"),
    ("cosine_most", most, None, "Largest cosine"),
):
    ledger.statistic(name, value, label, format=form, tolerance=WEIGHTS)
for name, value, label in (
    ("cosine_ratio_most_layer", int(ratio.argmax()), "That layer"),
    ("opposed_pairs", sum(spread.opposed for spread in directions), "Pairs of opposed directions"),
    ("aligned_pairs", sum(spread.aligned for spread in directions), "Pairs of aligned directions"),
):
    ledger.statistic(name, value, label, tolerance=BORDERLINE)
ledger.claim(
    "nearly_random_directions",
    "Output directions of a layer are spread out nearly as random ones are.",
    criterion="cosine_ratio < 1.5",
)
ledger.claim(
    "nearly_random_rows",
    "Rows of the output matrix, without the gain of a norm behind it, are spread out nearly as random "
    "directions are.",
    criterion="rows_ratio < 1.5",
    exploratory="output directions with the gain were seen before, and some layers without it",
)

# %%
has_gain = norm_behind_mlp(bridge.blocks[0]) is not None
series = {
    "output directions": effective,
    **({"rows without the norm's gain": rows_effective} if has_gain else {}),
    f"output directions without {WITHOUT} dimensions": rest_effective,
    "random directions": np.full(n_layers, effective_random),
}
curves = pd.DataFrame(series).rename_axis("layer").reset_index().melt("layer", var_name="label")
ledger.figure(
    "effective_dimension_by_layer",
    charts.scan_by_layer(curves, y_title="effective dimension", chance=float(d_model)),
    caption="Effective dimension of the output directions of each layer's neurons, also without the "
    f"{WITHOUT} dimensions in which they are longest, and of as many random directions. Grey line: all "
    "dimensions that there are.",
    alt="Curves over the layers, of the neurons' output directions and of random directions, with a line at "
    "the number of dimensions.",
    tolerance={"*": WEIGHTS},
)
shown = sorted({0, n_layers // 2, n_layers - 1})
densities = pd.concat([directions[layer].densities(REACH).assign(label=f"layer {layer}") for layer in shown])
grid = np.linspace(-REACH, REACH, 241)
of_random = pd.DataFrame({"cosine": grid, "density": random_cosine_density(grid, d_model)})
ledger.figure(
    "cosines",
    charts.cosine_densities(densities, of_random, reach=REACH),
    caption="Cosines of all pairs of output directions in the first, the middle and the last layer; dashed: "
    "random directions.",
    alt="Densities of cosines on a logarithmic axis, a curve for each of these layers, with the arch of "
    "random directions dashed.",
    tolerance={"*": Close(rtol=0.02, atol=1e-4, because="pairs at the border of a bin change sides")},
)

# %% [markdown]
# ## A toy that shows why
#
# <!-- lint: allow numeral because it is the design, and the known values of regular arrangements -->
# After Elhage et al. (2022): ReLU(WᵀWx + b) is trained to give back features x that are 0 with probability
# 1 − density; a feature's importance is 0.8 times (in the plane 0.9 times) that of the one before. A feature
# is held when its direction has at least half of full length. Its dimensionality is 1 when it has a dimension
# for itself, 1/2 in an antipodal pair, 2/5 in a pentagon. No model of the run is involved: this part is the
# same in all runs.

# %%
DENSITIES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
training = {"replicates": 4, "steps": toy_steps, "seed": seed}
recipe = ToyRecipe(densities=DENSITIES, **training)
toys = train_toys(recipe)
flat = ToyRecipe(features=5, hidden=2, densities=(1.0, 0.5, 0.2, 0.05, 0.02), decay=0.9, **training)
plane = train_toys(flat)
held = represented(toys.weights).sum(-1).numpy()
best, best_held = dimensionality(toys.best()).numpy(), represented(toys.best()).numpy()
pentagon = dimensionality(plane.best()[-1]).numpy()

ledger.statistic("toy_features", recipe.features, "Features of the toy")
ledger.statistic("toy_dimensions", recipe.hidden, "Its dimensions")
ledger.statistic("toy_sparse_density", DENSITIES[-1], "Lowest density of features")
HELD = Close(atol=3, because=NOISY)
for name, value, when, tolerance in (
    ("dense_most", held[0].max(), "when all are dense, most", BORDERLINE),
    ("sparse_least", held[-1].min(), "at the lowest density, least", HELD),
    ("sparse_most", held[-1].max(), "at the lowest density, most", HELD),
):
    label = f"Features held {when} over replicates"
    ledger.statistic(f"toy_{name}", int(value), label, n=recipe.replicates, tolerance=tolerance)
for name, value, what in (
    ("dense_dimensionality", best[0][best_held[0]].mean(), "the features held when all are dense"),
    ("sparse_dimensionality", best[-1][best_held[-1]].mean(), "the features held at the lowest density"),
    ("pentagon", pentagon.mean(), "sparse features in a plane"),
):
    ledger.statistic(f"toy_{name}", value, f"Dimensionality of {what}, mean", tolerance=TRAINED)
ledger.claim(
    "toy_superposes",
    "A toy holds no more features than it has dimensions when they are dense, and many more when they are "
    "sparse.",
    criterion="toy_dense_most <= toy_dimensions and toy_sparse_least > 2 * toy_dimensions",
    exploratory="what such toys do is published, and these were tried out before",
)
ledger.figure(
    "toy_phases",
    charts.toy_grid(
        toys.best().norm(dim=-2).numpy(),
        [f"{density:g}" for density in DENSITIES],
        x_title="density of features (dense to sparse)",
        value_title="length of the feature's direction",
        written=best,
    ),
    caption="Which features a toy holds, from dense (left) to sparse (right): the length of each feature's "
    "direction and, in the cells, its dimensionality; replicates with the lowest loss.",
    alt="A grid of features by density. On the left only the most important features are dark; to the right "
    "more and more are.",
    tolerance={
        "*": Close(atol=1.3, because="which of the less important features is held is decided by noise")
    },
)
ledger.figure(
    "toy_plane",
    charts.toy_plane(plane.best().numpy(), [f"density {density:g}" for density in flat.densities]),
    caption="Features as directions in a plane, from dense (left) to sparse (right), in the replicate with "
    "the lowest loss.",
    alt="Panels of arrows: few at right angles where features are dense, a star with as many arms as "
    "features where they are sparse.",
    tolerance={"*": Close(atol=3, because="a plane can be turned, and noise turns it")},
)

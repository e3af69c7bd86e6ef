# ---
# title: Topics by layer and head
# description: After which blocks and in which heads controversial and abstract topics lie together.
# mechscope:
#   data: [data/topics.csv, data/topics_crossed.csv]
#   models: [model]
#   saes: []
#   needs: []
#   moved_from: topic_geometry
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
# # Topics by layer and head
#
# `topic_geometry` asks whether topics lie together by controversy or by abstractness after the last block.
# Here the same separation T is followed over the blocks and looked for in single attention heads; the
# prompts, T and T *between* are defined there.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000

# %% [markdown]
# ## What was fixed beforehand
#
# Over layers and over heads the largest standardised T of each shuffle is what a layer or head must exceed
# (maximum statistic). Layers and heads that hold the same for all topics have no cosines.
#
# **After a first look** the layer curves of the twenty topics were added; they count as exploratory.

# %%
import numpy as np

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.ledger import RESAMPLED, Close, Ledger
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import one_token, shared_ending, tokenise, unreadable
from mechscope.lens.geometry import cosines, has_cosines, off_diagonal
from mechscope.models import load_model
from mechscope.stats.estimates import Draws, stacked
from mechscope.stats.pairs import TwoLabels

CENTRED = Close(
    rtol=2e-3, atol=2e-4, because="centring subtracts a large common part from float32 activations"
)
BORDERLINE = Close(atol=1, because="two probabilities that differ by float32 noise may change places")
HEADS = "heads at the border of p = 0.05 may change sides"
draws = Draws(seed, resamples)
ledger = Ledger("topic_layers", tolerance=CENTRED)
columns, labels = ["topic", "category"], ["controversial", "abstract"]
topics = load_prompts(analysis_file("data/topics.csv"), columns=columns, labels=labels)
crossed = load_prompts(analysis_file("data/topics_crossed.csv"), columns=columns, labels=labels)
bridge = load_model(model, dtype=dtype)
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
if reason := unreadable(bridge, topics.prompts):
    ledger.does_not_apply(reason)
n_ending = shared_ending(bridge.tokenizer(topics.prompts, add_special_tokens=False)["input_ids"])  # " is"
if not n_ending:
    ledger.does_not_apply("every prompt must end in the same token, and in this vocabulary they do not")
crossed = crossed.balanced(one_token(bridge, crossed.prompts, n_ending), by="category")
if len(crossed) < 4 * 5:
    ledger.does_not_apply(
        "the crossed design needs topics of one token, at least 5 in each category, and this vocabulary has "
        f"{len(crossed) // 4}"
    )
tokenised = tokenise(bridge, topics.prompts + crossed.prompts)
read = read_last_position(bridge, tokenised, residuals=True, heads=True, progress=True)
n = len(topics)
residuals, residuals_crossed = read.residuals[:, :n], read.residuals[:, n:]
# Where attention has not brought anything of the topic yet, all prompts hold the same.
measured = np.flatnonzero(has_cosines(residuals, centred=True) & has_cosines(residuals_crossed, centred=True))
if n_layers - 1 not in measured:
    ledger.does_not_apply("cosines need prompts that leave different traces, and after these all is the same")
of_topics, of_crossed = (
    TwoLabels(
        {label: prompts.label(label) for label in ("abstract", "controversial")},
        prompts.codes("category"),
        item="topic",
    )
    for prompts in (topics, crossed)
)

# %% [markdown]
# ## Layer by layer
#
# First the twenty topics of the source, then the crossed set.

# %%
centred, centred_crossed = (cosines(each[measured], centred=True) for each in (residuals, residuals_crossed))
# The draws of the last layer are those of `topic_geometry`: one quantity, one interval.
ledger.figure(
    "layers_topics",
    charts.layer_curves(
        stacked(of_topics.separations(draws, "", centred), layer=measured), y_title="separation T"
    ),
    caption="The same for the twenty topics of the source's design, in which the labels are not crossed.",
    alt="Two curves over the layers, separation of the twenty topics by abstractness and by controversy, "
    "each with an interval band and a dashed line for the threshold that chance sets.",
)

# %%
by_layer = of_crossed.separations(draws, "crossed_", centred_crossed)
by_layer_between = of_crossed.separations(draws, "between ", centred_crossed, between=True)
layers, layers_between = stacked(by_layer, layer=measured), stacked(by_layer_between, layer=measured)
raw_by_layer = off_diagonal(cosines(residuals_crossed[measured], centred=False)).mean(-1)
ledger.table(
    "layer_values",
    layers.assign(
        raw=np.tile(raw_by_layer, 2), between=layers_between["value"], p_max_between=layers_between["p_max"]
    ),
    key=["label", "layer"],
    caption="Separation T after each block on the crossed topics: value, 95% interval, what a layer must "
    "exceed for p < 0.05 over all layers (maximum statistic), p-values, the mean raw cosine, and "
    "T over pairs that differ in the other label.",
    labels={
        "value": "T",
        "low": "from",
        "high": "to",
        "p_max": "p (all layers)",
        "raw": "mean raw cosine",
        "between": "T between",
        "p_max_between": "p between (all layers)",
    },
    formats=dict.fromkeys(["value", "low", "high", "threshold", "between", "raw"], ".3f"),
    tolerance=dict.fromkeys(["p", "p_max", "p_max_between"], RESAMPLED),
)
ledger.figure(
    "layers",
    charts.layer_curves(layers, y_title="separation T"),
    caption="Separation by each label after every block, crossed topics, with 95% intervals. Dashed: what "
    "a layer must exceed for p < 0.05 over all layers; filled dots exceed it.",
    alt="Two curves over the layers, separation of topics by abstractness and by controversy, each with "
    "an interval band and a dashed line for the threshold that chance sets.",
)
ledger.figure(
    "layers_between",
    charts.layer_curves(layers_between, y_title="separation T between"),
    caption="Separation on the crossed topics over pairs that differ in the other label only: "
    "abstractness across controversial and neutral topics, controversy across abstract and "
    "concrete ones.",
    alt="Two curves over the layers, separation by abstractness and by controversy over pairs that differ "
    "in the other label, each with an interval band and a dashed threshold.",
)
for label, t in by_layer.items():
    beyond_between = by_layer_between[label].beyond_chance
    for name, count, what in (
        ("", t.beyond_chance, f"Layers that separate topics by '{label}' (p < 0.05 over all layers)"),
        (
            "_between",
            beyond_between,
            f"Layers that do so over pairs that differ in the other label ('{label}')",
        ),
    ):
        ledger.statistic(f"layers_{label}{name}", count, what, n=n_layers, tolerance=BORDERLINE)
    peak = measured[t.largest]
    ledger.statistic(f"peak_{label}_layer", peak, f"Layer with the largest separation by '{label}'")
    largest_t, what = t.adjusted(t.largest, "layers"), f"Largest separation by '{label}' over layers, T"
    ledger.statistic(f"peak_{label}", largest_t, what, format=".3f")
ledger.claim(
    "controversy_in_layers",
    "Some layer separates controversial from neutral topics.",
    criterion="layers_controversial > 0",
)

# %% [markdown]
# ## Head by head
#
# The same T on what each attention head writes at the last position (z · W_O), which no other head and no
# MLP takes part in. The attention patterns and values behind it do come from earlier layers.

# %%
head_vectors = read.heads[:, :, n:].flatten(0, 1)
heads_measured = np.flatnonzero(has_cosines(head_vectors, centred=True))
if not len(heads_measured):
    ledger.does_not_apply("heads must write something else for each topic, and in this model none does")
heads_crossed = cosines(head_vectors[heads_measured], centred=True)
by_head = of_crossed.separations(draws, "heads ", heads_crossed, intervals=False)
layer_of, head_of = np.divmod(heads_measured, n_heads)
heads = stacked(by_head, layer=layer_of, head=head_of).drop(columns=["threshold", "p"])
ledger.figure(
    "heads",
    charts.head_map(heads.assign(marked=heads["p_max"] < 0.05), value_title="separation T"),
    caption="Separation of each head's output by abstractness and by controversy, crossed topics. Dots: p "
    "< 0.05 over all heads (maximum statistic).",
    alt="Two grids of layers by heads, coloured by how far each head's output separates topics by "
    "abstractness and by controversy, with dots on the heads that exceed chance.",
    tolerance={"marked": Close(atol=1, because=HEADS)},
)
ledger.table(
    "head_values",
    heads.sort_values("value", ascending=False, kind="stable"),
    key=["label", "layer", "head"],
    caption="Separation T of each head's output, crossed topics, largest first; p over all heads (maximum "
    "statistic).",
    labels={"value": "T", "p_max": "p (all heads)"},
    formats={"value": ".3f"},
    tolerance={"p_max": RESAMPLED},
    shown=12,
)
for label, t in by_head.items():
    ledger.statistic(
        f"heads_{label}",
        t.beyond_chance,
        f"Heads whose output separates topics by '{label}' (p < 0.05 over all heads)",
        n=n_layers * n_heads,
        tolerance=Close(atol=2, because=HEADS),
    )
    best = f"L{layer_of[t.largest]}H{head_of[t.largest]}"
    ledger.statistic(f"best_head_{label}", best, f"Head with the largest separation by '{label}'")
    largest_t, what = t.adjusted(t.largest, "heads"), f"Separation of that head's output by '{label}', T"
    ledger.statistic(f"best_head_{label}_t", largest_t, what, format=".3f")
ledger.claim(
    "controversy_in_heads",
    "Some head's output separates controversial from neutral topics.",
    criterion="heads_controversial > 0",
)

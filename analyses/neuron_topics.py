# ---
# title: Neurons and kinds of text
# description: How many neurons are about one kind of text, and whether they are on other texts too.
# mechscope:
#   moved_from: superposition
#   data: [data/topics_texts.csv]
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
# # Neurons and kinds of text
#
# Field notes on a transformer's insides list the texts that a neuron answers to most, and call it by what
# they have in common. Here that is done to every neuron, with what chance gives beside it, and then asked
# again of texts that had no part in it.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
shuffles = 2_000

# %% [markdown]
# ## What was fixed beforehand
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Texts.** `topics_texts.csv` holds 70 short texts of our own, 10 of each of 7 categories. A category is a
# kind of text, and kinds differ in script, punctuation and register as well as in topic; whatever is said of
# a neuron "of one topic" is said of such kinds. Each text counts with 20 tokens, because the maximum over a
# text grows with its length; a category with a text of fewer is left out. The first position of a row counts
# in no text: it is an attention sink. BOS follows the model's own convention. *Halves* are every other text
# of each category: the choosing texts and the held-out texts.
#
# <!-- lint: allow numeral because these are definitions -->
# **Of one topic.** A text's activation is the largest over its tokens; only this upper end is looked at,
# although neurons of a gated MLP have a lower one too. A neuron is of one topic when 8 of its 10 top texts
# are of one category (4 of 5 on a half), of one token when it peaks on the same token (without case and
# spaces) in 8 of the 10, and mixed when the 10 texts come from at least 5 categories and peak on at least 8
# different tokens. Chance: the categories shuffled over texts, for all neurons at once. Neurons are no
# observations: all of them read the same texts.
#
# <!-- lint: allow numeral because these are definitions -->
# **Held out.** On one half each neuron is given the category for which its activation has the highest AUROC;
# on the other half that AUROC is measured again (0.5 by chance). Intervals resample held-out texts within
# categories, with the neurons' categories as they were chosen; tests shuffle the categories of the second
# half.
#
# **Added later**, when all results so far had been seen: how far activations reach on either side of zero,
# and what chance would keep. No criterion was changed.

# %%
import dataclasses
from functools import partial

import numpy as np
import pandas as pd
import torch
from scipy.stats import hypergeom

from mechscope import charts
from mechscope.data.prompts import analysis_file
from mechscope.ledger import EXACT, Close, Ledger
from mechscope.lens.core.components import n_neurons_of
from mechscope.lens.labelled_texts import label_texts, neuron_peaks, top_texts
from mechscope.lens.neuron_texts import among_top, one_topic_rates
from mechscope.lens.neurons import reaches_further_down, shares_by_size, topics_among_top
from mechscope.models import load_model
from mechscope.stats.auroc import auroc, auroc_difference, mean_auroc_interval, mean_auroc_test
from mechscope.stats.estimates import Draws, Estimate, Estimates, Missing
from mechscope.stats.resampling import compare_with_null

LENGTH, TOP, OF_ONE = 20, 10, 8
TOP_HALF, OF_ONE_HALF = 5, 4
THRESHOLD = "neurons at a threshold change sides with float32 noise"
COUNTED = Close(rtol=0.01, atol=3, because=THRESHOLD)
SHARE = Close(rtol=0.01, atol=1e-3, because=THRESHOLD)
AUROC = Close(rtol=2e-3, atol=1e-3, because="float32 activations of almost the same size change places")
BORDERLINE = Close(atol=1, because="one item at a threshold")

ledger = Ledger("neuron_topics")
draws = Draws(seed, resamples)
bridge = load_model(model, dtype=dtype)
n_layers, n_neurons = bridge.cfg.n_layers, n_neurons_of(bridge)
if n_neurons < 8:
    ledger.does_not_apply(f"it needs neurons with output weights, and a layer of this model has {n_neurons}")
rows = pd.read_csv(analysis_file("data/topics_texts.csv"))
texts = label_texts(bridge, rows["text"].tolist(), rows["category"].tolist(), LENGTH)
if len(texts.names) < 2:
    ledger.does_not_apply(
        f"it needs two categories of texts with {LENGTH} tokens after the first position, in this model's "
        f"tokens and within its context of {bridge.cfg.n_ctx}"
    )
labels = texts.labels
peaks = neuron_peaks(bridge, texts)
n_units = len(peaks.values)
ledger.statistic("n_layers", n_layers, "Layers")
ledger.statistic("n_neurons", n_units, "MLP neurons")
ledger.statistic("n_texts", len(texts), "Texts")
ledger.statistic("n_categories", len(texts.names), "Categories of texts")
tokens_read = sum(statistics.n_tokens for statistics in peaks.statistics)
ledger.statistic("tokens_read", tokens_read, "Tokens counted")

# %% [markdown]
# ## Of one topic

# %%
top = top_texts(peaks.values, peaks.words, labels, TOP)
of_one_topic, of_one_token = top.of_label >= OF_ONE, top.same_word >= OF_ONE
many_words = top.n_words >= 8
in_layer = np.eye(n_layers)[:, peaks.layer] / n_neurons
means = np.concatenate([in_layer, np.full((1, n_units), 1 / n_units)])  # of each layer, and of all
among, shuffled = among_top(peaks.values, TOP), Draws(seed, shuffles).permuted("categories", labels)
null_shares, null_reached = one_topic_rates(among, shuffled, means, OF_ONE)
shares, reached = one_topic_rates(among, labels[None], means, OF_ONE)
test = compare_with_null(reached[0, -1:], null_reached[:, -1:], alternative="greater")
# What the same neurons would give with shuffled categories.
n_by_chance = [topics_among_top(torch.from_numpy(top.order), row) for row in shuffled[:100]]
by_chance = np.array([(n.mean(), ((n >= 5) & many_words).mean()) for n in n_by_chance]).mean(0)

by = "categories shuffled over texts, one-sided"
share = Estimate.of(of_one_topic.mean(), test=test, by=by, n=len(texts))
WITH_SHUFFLED = "The same with shuffled categories"
OF_TOP = "a neuron's top texts, mean over neurons"
ledger.statistic("one_topic", int(of_one_topic.sum()), "Neurons of one topic", tolerance=COUNTED)
for name, value, form, label in (
    ("one_topic_share", share, ".1%", "Share of all neurons that are of one topic"),
    ("largest_share", shares[0, -1], ".1%", f"Share of the commonest category among {OF_TOP}"),
    ("largest_share_chance", null_shares[:, -1].mean(), ".1%", WITH_SHUFFLED),
    ("categories_among_top", top.n_labels.mean(), None, f"Categories among {OF_TOP}"),
    ("categories_among_top_chance", by_chance[0], None, WITH_SHUFFLED),
    ("one_token_share", of_one_token.mean(), ".1%", "Share of all neurons that are of one token"),
    ("mixed_share", ((top.n_labels >= 5) & many_words).mean(), ".1%", "Share of all neurons that are mixed"),
    ("mixed_share_chance", by_chance[1], ".1%", WITH_SHUFFLED),
):
    ledger.statistic(name, value, label, format=form, tolerance=SHARE)
# lint: allow loose-tolerance because a handful of neurons in thousands of shuffles
HANDFUL = Close(rtol=0.5, atol=1e-6, because="a handful of neurons in thousands of shuffles")
ledger.statistic(
    "one_topic_chance", null_reached[:, -1].mean(), WITH_SHUFFLED, format=".5%", tolerance=HANDFUL
)
ledger.claim(
    "few_of_one_topic",
    "Few neurons are of one topic, though more than chance gives.",
    criterion="one_topic_share < 0.1 and one_topic_share > one_topic_chance and one_topic_share.p < 0.05",
)

# %%
own = [of_one_topic & (top.label == label) for label in range(len(texts.names))]
by_category = pd.DataFrame(
    {
        "category": texts.names,
        "neurons": [int(units.sum()) for units in own],
        "share": [units.mean() for units in own],
        "of_one_token": [int((units & of_one_token).sum()) for units in own],
    }
)
ledger.table(
    "one_topic_by_category",
    by_category,
    key="category",
    caption="Neurons of one topic, by category; how many of them peak on one token.",
    labels={"share": "share of all neurons", "of_one_token": "of one token as well"},
    formats={"share": ".4f"},
    tolerance={"neurons": COUNTED, "of_one_token": COUNTED, "share": SHARE},
)
if of_one_topic.any():
    both, most = (of_one_topic & of_one_token).sum(), by_category["neurons"].idxmax()
    label = "Share of the neurons of one topic that are of one token as well"
    ledger.statistic(
        "one_topic_one_token_share", both / of_one_topic.sum(), label, format=".1%", tolerance=SHARE
    )
    ledger.statistic("commonest_category", texts.names[most], "Category with most neurons of its own")
    n_most = int(own[most].sum())
    ledger.statistic("commonest_category_neurons", n_most, "Neurons of this category", tolerance=COUNTED)
    bars = [
        {"layer": layer, "kind": name, "value": units[peaks.layer == layer].sum() / n_neurons}
        for name, units in zip(texts.names, own, strict=True)
        for layer in range(n_layers)
    ]
    ledger.figure(
        "one_topic_by_layer",
        charts.stacked_by_layer(pd.DataFrame(bars), y_title="share of a layer's neurons"),
        caption="Neurons of one topic: share of each layer's neurons, by category.",
        alt="Stacked bars, one for each layer: which share of its neurons is of one topic, cut by category.",
        tolerance={"*": SHARE},
    )
else:
    ledger.does_not_apply(
        "no neuron is of one topic",
        *("one_topic_one_token_share", "commonest_category", "commonest_category_neurons"),
        *("one_topic_by_layer", "kurtosis_one_topic"),
    )

# %% [markdown]
# ## Held out

# %%
choosing, held_out = texts.half == 0, texts.half == 1
labels_held_out = labels[held_out]
HELD_OUT, SHUFFLED = "Held-out AUROC", "categories of the held-out texts shuffled, one-sided"
target = auroc(peaks.values[:, choosing], labels[choosing]).argmax(1)


def held_out_auroc(name: str, units: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Estimates:
    """Mean AUROC of groups of units on the held-out texts, each unit for its target."""
    given = (peaks.values[units][:, held_out], labels_held_out, targets[units], groups[units])
    test, interval = partial(mean_auroc_test, *given), partial(mean_auroc_interval, *given)
    return draws.scan(name, test, interval, by=SHUFFLED, n=len(labels_held_out))


def difference(name: str, units: np.ndarray, upper: np.ndarray, because: str) -> Estimate | Missing:
    """Held-out AUROC of the upper group of some units minus that of the lower one, if neither is empty."""
    if len(np.unique(upper[units])) < 2:
        return Missing(because)
    given = (peaks.values[units][:, held_out], labels_held_out, target[units], upper[units])
    return auroc_difference(*given, resamples=resamples, rng=draws.rng(name))


everyone, together = np.ones(n_units, dtype=bool), np.zeros(n_units, dtype=np.int64)
by_layer = held_out_auroc("held out", everyone, target, peaks.layer)
overall = held_out_auroc("all", everyone, target, together)[0]
best = dataclasses.replace(by_layer[by_layer.largest], p=None, test="", n=None)
because = f"earlier and later layers need two layers, and this model has {n_layers}"
later = difference("late", everyone, peaks.layer >= n_layers / 2, because)
for name, value, form, label in (
    (
        "auroc_all",
        overall,
        ".3f",
        f"{HELD_OUT} of the category chosen for each neuron, mean over all neurons",
    ),
    ("auroc_best", best, ".3f", "Its held-out AUROC"),
    ("late_minus_early", later, "+.3f", f"{HELD_OUT}, later layers minus earlier layers"),
):
    ledger.statistic(name, value, label, format=form, tolerance=AUROC)
label = "Layers whose mean held-out AUROC is above chance (maximum statistic)"
ledger.statistic("auroc_layers", by_layer.beyond_chance, label, n=n_layers, tolerance=BORDERLINE)
ledger.statistic("auroc_best_layer", by_layer.largest, "Layer with the highest", tolerance=BORDERLINE)
ledger.claim(
    "deeper_is_more_topical",
    "Neurons of later layers tell kinds of text better than those of earlier layers.",
    criterion="late_minus_early.low > 0",
)
curve = by_layer.frame(layer=range(n_layers), label="mean over a layer's neurons")
ledger.figure(
    "held_out_by_layer",
    charts.scan_by_layer(curve, y_title="held-out AUROC", chance=0.5),
    caption="How well a layer's neurons tell their own category from the others on texts that did not choose "
    "it, with 95% intervals. Dashed: what a layer must exceed for p < 0.05 over all layers. Line: chance.",
    alt="A curve over the layers with an interval band, a dashed threshold and a line at chance: mean "
    "held-out AUROC.",
    tolerance={"*": AUROC},
)

# %%
on_choosing, on_held_out = (
    top_texts(peaks.values[:, half], peaks.words[:, half], labels[half], TOP_HALF)
    for half in (choosing, held_out)
)
chosen = on_choosing.of_label >= OF_ONE_HALF
again = on_held_out.counts[np.arange(n_units), on_choosing.label] >= OF_ONE_HALF
ledger.statistic("chosen", int(chosen.sum()), "Neurons of one topic on the choosing texts", tolerance=COUNTED)
kept_share = kept_auroc = Missing("no neuron is of one topic on the choosing texts")
if chosen.any():
    kept_share = again[chosen].mean()
    kept_auroc = held_out_auroc("kept", chosen, on_choosing.label, together)[0]
label = "Share of these that are of the same topic on the held-out texts"
ledger.statistic("kept_share", kept_share, label, format=".1%", tolerance=SHARE)
label = "Their AUROC for that topic on the held-out texts, mean over these neurons"
ledger.statistic("kept_auroc", kept_auroc, label, format=".3f", tolerance=AUROC)
unseen = hypergeom(len(labels_held_out), (labels_held_out == 0).sum(), TOP_HALF).sf(OF_ONE_HALF - 1)
label = "The same if its held-out top texts were drawn without looking"
ledger.statistic("kept_chance", unseen, label, format=".2%")
ledger.claim(
    "keep_their_topic",
    "Neurons of one topic on the choosing texts tell that topic on the held-out texts.",
    criterion="kept_auroc.low > 0.9",
)

# %% [markdown]
# ## Rarely but strongly active

# %%
kurtosis = peaks.statistics[0].kurtosis.flatten().double().nan_to_num(nan=0.0).numpy()
place = pd.Series(kurtosis).groupby(peaks.layer).rank(pct=True).to_numpy()
outer_quarters = (place <= 0.25) | (place > 0.75)
label = "Kurtosis of a neuron's activation over tokens of the choosing texts, median"
FOURTH = Close(rtol=1e-3, because="fourth powers of float32 activations")
ledger.statistic("kurtosis_median", np.median(kurtosis), label, format=".1f", tolerance=FOURTH)
if of_one_topic.any():
    value, label = np.median(kurtosis[of_one_topic]), "The same, neurons of one topic"
    CHANGED = Close(rtol=0.02, because="neurons at a threshold change sides")
    ledger.statistic("kurtosis_one_topic", value, label, format=".1f", tolerance=CHANGED)
value = np.median(peaks.statistics[0].firing_rate.flatten().numpy())
label = "Share of tokens at which a neuron's activation is above 0, median over neurons"
ledger.statistic("firing_median", value, label, tolerance=SHARE)
because = "it compares neurons of different kurtosis, and those of a layer have the same"
value = difference("kurtosis", outer_quarters, place > 0.75, because)
label = f"{HELD_OUT}, quarter of highest kurtosis minus quarter of lowest, within layers"
ledger.statistic("peaked_minus_flat", value, label, format="+.3f", tolerance=AUROC)
ledger.claim(
    "peaked_is_more_topical",
    "Neurons that are rarely but strongly active tell kinds of text better than evenly active ones.",
    criterion="peaked_minus_flat.low > 0",
)

# %% [markdown]
# ## Both signs
#
# <!-- lint: allow numeral because these are definitions -->
# How large activations are, counted in bins that all neurons share: powers of 2 on either side of 0. A neuron
# reaches further down than up when its activations get into a bin below 0 that is further out than any above
# it: by what is looked at here, its upper end, such a neuron is seen from the weaker side.

# %%
histogram = peaks.statistics[0].histogram + peaks.statistics[1].histogram
further_down = reaches_further_down(histogram)
label = "Share of all neurons whose activations reach further below 0 than above it (by a bin)"
ledger.statistic("further_down_share", further_down.mean(), label, format=".1%", tolerance=SHARE)
HEADINGS = {
    "below": "below −1",
    "lower": "−1 to −1/8",
    "small": "−1/8 to 1/8",
    "upper": "1/8 to 1",
    "above": "1 and above",
    "further_down": "further down than up",
}
sizes = shares_by_size(histogram.sum(1), (-1.0, -0.125, 0.125, 1.0))
shares_of_layers = np.column_stack([sizes, further_down.mean(1)])
ledger.table(
    "activation_sizes",
    pd.DataFrame(shares_of_layers, columns=list(HEADINGS)).rename_axis("layer").reset_index(),
    key="layer",
    caption="Share of activations of each size, all neurons of a layer at all tokens, and share of neurons "
    "that reach further below 0 than above it.",
    labels=HEADINGS,
    formats={name: ".3f" for name in HEADINGS},
    tolerance={"*": SHARE, "layer": EXACT},
)

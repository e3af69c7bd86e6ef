# ---
# title: Neurons taken out
# description: Two neurons shown, and what a kind of text loses without the neurons that answer to it.
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
# # Neurons taken out
#
# What answers to a kind of text may still do nothing for it. Two neurons are shown with the texts that chose
# them and with others; then those of one topic are taken out, kind by kind and one alone, and texts that had
# no part in choosing them are predicted again.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000

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
# **Neurons.** A text's activation is the largest over its tokens. A neuron is of one topic when, on the
# choosing texts, 4 of its 5 top texts are of one category. The two neurons shown are chosen on one half, in
# the middle third of the layers (the middle layer, if that third holds none), among those whose fifth text is
# at least half as strong as the first: the one of highest kurtosis whose top 5 texts are of one category, and
# the one of highest kurtosis whose top 5 texts are of 5 categories and peak on 5 different tokens. Their
# passages are from the other half.
#
# **Added later**, each time after all results so far had been seen: the passages that chose each of the
# neurons shown; neurons of a kind taken out, with the claim about them; then the two neurons shown taken out
# alone, and the claim about one of them. No criterion was changed.

# %%
import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.data.prompts import analysis_file
from mechscope.ledger import Close, Ledger
from mechscope.lens.core.components import n_neurons_of
from mechscope.lens.core.tokens import ValuedText, valued_text
from mechscope.lens.labelled_texts import label_texts, neuron_peaks, top_texts
from mechscope.lens.neuron_ablation import TextLosses, ablate_neurons, matched_neurons
from mechscope.lens.neuron_texts import token_activations
from mechscope.models import load_model
from mechscope.stats.estimates import Draws, Estimate, Missing
from mechscope.stats.samples import own_minus_others

LENGTH, TOP, OF_ONE = 20, 5, 4
LAST, CONTROLS = 10, 2
COUNTED = Close(rtol=0.01, atol=3, because="neurons at a threshold change sides with float32 noise")
BORDERLINE = Close(atol=1, because="one item at a threshold")
ACTIVATIONS = Close(rtol=5e-3, atol=5e-3, because="float32 activations")
CHANGED = "neurons at a threshold change sides"

ledger = Ledger("neurons_taken_out")
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
halves = (texts.half == 0, texts.half == 1)
tokenised = [texts.of_half(half) for half in (0, 1)]
choosing, held_out = (
    top_texts(peaks.values[:, half], peaks.words[:, half], labels[half], TOP) for half in halves
)
labels_held_out = labels[halves[1]]
chosen = choosing.of_label >= OF_ONE

# %% [markdown]
# ## A neuron of each kind
#
# Chosen on some texts, shown on the others.

# %%
kurtosis = peaks.statistics[0].kurtosis.flatten().double().nan_to_num(nan=0.0).numpy()
middle = (peaks.layer >= n_layers / 3) & (peaks.layer < 2 * n_layers / 3)
if not middle.any():
    middle = peaks.layer == n_layers // 2
strongest = np.take_along_axis(peaks.values[:, halves[0]], choosing.order, axis=1)
strong = middle & (strongest[:, -1] >= strongest[:, 0] / 2)
of_one = strong & (choosing.of_label == TOP)
mixed = strong & (choosing.n_labels == TOP) & (choosing.n_words == TOP)
mixed &= len(texts.names) > TOP  # there must be texts beside those of its categories
for name, candidates, what in (("one", of_one, "neuron of one topic"), ("mixed", mixed, "mixed neuron")):
    label = f"Candidates for the {what}"
    ledger.statistic(f"candidates_{name}", int(candidates.sum()), label, tolerance=COUNTED)
KINDS = {"one_topic_neuron": (of_one, "of one topic"), "mixed_neuron": (mixed, "of many topics")}
PARTS = ["name", "kurtosis", "categories", "choosing", "taken_out_own", "taken_out_others", "taken_out_extra"]
units = {}
for name, (candidates, what) in KINDS.items():
    if candidates.any():
        units[name] = int(np.where(candidates, kurtosis, -np.inf).argmax())
        continue
    parts = [*PARTS, "chosen_for", "again"] if name == "one_topic_neuron" else PARTS
    reason = f"no neuron of the middle layers is a candidate for the one {what}"
    ledger.does_not_apply(reason, name, *(f"{name}_{part}" for part in parts))
places = [(int(peaks.layer[unit]), unit % n_neurons) for unit in units.values()]
if places:
    at_tokens = [token_activations(bridge, each, places) for each in tokenised]
else:
    ledger.does_not_apply("there is no candidate for either neuron", "activations")


def passages(unit: int, column: int, half: int) -> list[ValuedText]:
    """The top texts of a neuron on one half, strongest first."""
    names = [texts.names[label] for label in labels[halves[half]]]
    shown = []
    for row in (choosing, held_out)[half].order[unit]:
        # A first position that does not count is shown where it is text, without a shade.
        ids = tokenised[half].ids[row][int(bridge.cfg.default_prepend_bos) :]
        values = at_tokens[half][row][:, column]
        values = torch.cat([torch.zeros(len(ids) - len(values)), values])
        shown.append(valued_text(bridge, ids, values, title=names[row]))
    return shown


# %%
bins = []
for column, (name, unit) in enumerate(units.items()):
    what, called = KINDS[name][1], "L{}N{}".format(*places[column])
    activations = np.concatenate([each[:, column].numpy() for half in at_tokens for each in half])
    tokens_in, edges = np.histogram(activations, bins=40)
    label = f"{called}, {what}"
    bins.append(pd.DataFrame({"label": label, "from": edges[:-1], "to": edges[1:], "tokens": tokens_in}))
    ledger.statistic(f"{name}_name", called, f"The neuron {what}")
    FOURTH = Close(rtol=0.01, because="fourth powers of float32 activations")
    label = "Its kurtosis on the choosing texts"
    ledger.statistic(f"{name}_kurtosis", kurtosis[unit], label, format=".0f", tolerance=FOURTH)
    counts, label = held_out.counts[unit], "Categories among its top held-out texts"
    ledger.statistic(f"{name}_categories", int((counts > 0).sum()), label, n=TOP, tolerance=BORDERLINE)
    if name == "one_topic_neuron":
        category, label = choosing.label[unit], "Its top held-out texts that are of this category"
        ledger.statistic(f"{name}_chosen_for", texts.names[category], "Category of its top choosing texts")
        ledger.statistic(f"{name}_again", int(counts[category]), label, n=TOP, tolerance=BORDERLINE)
    for half, suffix, kind in ((0, "_choosing", "choosing"), (1, "", "held-out")):
        ledger.passages(
            f"{name}{suffix}",
            passages(unit, column, half),
            caption=f"The neuron {what}, {called}: its top {kind} texts, tokens shaded by activation.",
            tolerance=ACTIVATIONS,
        )
if bins:
    ledger.figure(
        "activations",
        charts.activation_histograms(pd.concat(bins, ignore_index=True)),
        caption="Activations of the neurons shown, at all tokens of all texts; tokens are counted on a "
        "logarithmic scale.",
        alt="A histogram of activations for each of the neurons shown.",
        tolerance={"*": ACTIVATIONS, "tokens": Close(atol=2, because="a token at the border of a bin")},
    )

# %% [markdown]
# ## Taken out
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# All neurons of one topic on the choosing texts are set to their mean over these texts, category by
# category, and the last 10 tokens of each held-out text are predicted. *Extra* is the rise of the loss on
# texts of that category minus its rise on all others, mean over categories. Controls are as many other
# neurons of the same layers, drawn twice. Intervals resample texts within categories.

# %%
# All texts in one batch: the weights are read once for all of them.
losses = TextLosses(bridge, tokenised[1], LAST, batch_size=len(tokenised[1]))
means = peaks.statistics[0].mean.float()
by_layer = (n_layers, n_neurons)


def rise_without(neurons: np.ndarray) -> np.ndarray:
    """Rise of each held-out text's loss with these neurons at their mean, in nats a token."""
    return losses.rise(ablate_neurons(bridge, torch.from_numpy(neurons.reshape(by_layer)), means)).numpy()


def control(label: int, draw: int) -> np.ndarray:
    """As many other neurons of each layer as are of a category, none of them of any topic."""
    rng = draws.rng(f"control {label} {draw}")
    return matched_neurons(of_category[label].reshape(by_layer), ~chosen.reshape(by_layer), rng)


categories = range(len(texts.names))
of_category = [chosen & (choosing.label == label) for label in categories]
rises = np.stack([rise_without(neurons) for neurons in of_category])
controls = np.stack(
    [
        np.mean([rise_without(control(label, draw)) for draw in range(CONTROLS)], axis=0)
        for label in categories
    ]
)
weights = draws.weights("taken out", labels_held_out)
own = labels_held_out == np.arange(len(texts.names))[:, None]
extra, extra_control = (
    (own_minus_others(rise, own), own_minus_others(rise, own, weights)) for rise in (rises, controls)
)
difference = (extra[0] - extra_control[0], extra[1] - extra_control[1])
NONE_CHOSEN = Missing("no neuron is of one topic on the choosing texts")
ON_OWN = "extra loss on texts of their own category"
RISES = {
    "own": "own texts",
    "others": "other texts",
    "control_own": "own texts, control",
    "control_others": "other texts, control",
}
ESTIMATED = Close(rtol=0.02, atol=2e-3, because=CHANGED)
for name, (value, resampled), label in (
    ("taken_out_extra", extra, f"Neurons of one topic taken out: {ON_OWN}"),
    ("taken_out_control", extra_control, f"As many other neurons taken out: {ON_OWN}"),
    ("taken_out_difference", difference, "The first minus the second"),
):
    estimate = Estimate.of_draws(value[0], resampled, n=len(labels_held_out))
    estimate = estimate if chosen.any() else NONE_CHOSEN
    ledger.statistic(name, estimate, label, format="+.3f", unit="nats", tolerance=ESTIMATED)
if not chosen.any():
    ledger.does_not_apply(NONE_CHOSEN.because, "taken_out")
else:
    rows = []
    for at, name in enumerate(texts.names):
        means_of = [rise[at][some].mean() for rise in (rises, controls) for some in (own[at], ~own[at])]
        rows.append((name, int(of_category[at].sum()), *means_of))
    ledger.table(
        "taken_out",
        pd.DataFrame(rows, columns=["category", "neurons", *RISES]),
        key="category",
        caption="Rise of the loss (nats a token) on held-out texts of a category and on all others, without "
        "the neurons of that category, and without as many other neurons of the same layers.",
        labels=RISES,
        formats={name: "+.3f" for name in RISES},
        tolerance={"*": Close(rtol=0.02, atol=5e-3, because=CHANGED), "neurons": COUNTED},
    )
ledger.claim(
    "needed_for_their_topic",
    "Without the neurons of one kind of text the model gets worse on that kind more than on others, and more "
    "so than without as many other neurons.",
    criterion="taken_out_extra.low > 0 and taken_out_difference.low > 0",
)

# %% [markdown]
# Each of the two neurons shown is set to its mean alone. Its own texts are those held-out texts that are of a
# category among its top choosing texts.

# %%
for name, unit in units.items():
    what, rise = KINDS[name][1], rise_without(np.arange(len(chosen)) == unit)
    of_its_own = np.isin(labels_held_out, np.flatnonzero(choosing.counts[unit]))
    both = (rise[None], of_its_own[None])
    resampled = own_minus_others(*both, weights)
    extra = Estimate.of_draws(own_minus_others(*both)[0], resampled, n=len(labels_held_out))
    for suffix, value, n, texts_are in (
        ("own", rise[of_its_own].mean(), int(of_its_own.sum()), "texts of its categories"),
        ("others", rise[~of_its_own].mean(), int((~of_its_own).sum()), "all others"),
        ("extra", extra, None, "texts of its categories minus that on others"),
    ):
        label = f"The neuron {what} taken out alone: rise of the loss on {texts_are}"
        # lint: allow loose-tolerance because next to nothing is what it says
        tolerance = Close(rtol=0.05, atol=2e-4, because="small differences of float32 losses")
        name_of = f"{name}_taken_out_{suffix}"
        ledger.statistic(name_of, value, label, format="+.4f", unit="nats", n=n, tolerance=tolerance)
ledger.claim(
    "one_neuron_needed",
    "Without the one neuron of one topic that is shown, the model gets worse on texts of that topic more "
    "than on others.",
    criterion="one_topic_neuron_taken_out_extra.low > 0",
    exploratory="whole groups of such neurons had been taken out before",
)

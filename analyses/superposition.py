# ---
# title: Superposition
# description: What single neurons stand for, how their directions share a stream, and what prompts share.
# mechscope:
#   data: [data/topics_texts.csv, data/abstraction.csv]
#   models: [model]
#   saes: []
#   needs: []
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
# Field notes on a transformer's insides tell four stories: a neuron answers to unrelated things; there are
# more features than dimensions, so they share them; toy models show why; and prompts that say the same in
# other words use the same features. Here each story is measured, with what chance gives beside it.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
shuffles = 2_000
toy_steps = 3_000

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
# half. The two neurons shown are chosen on one half, in the middle third of the layers (the middle layer, if
# that third holds none), among those whose fifth text is at least half as strong as the first: the one of
# highest kurtosis whose top 5 texts are of one category, and the one of highest kurtosis whose top 5 texts
# are of 5 categories and peak on 5 different tokens. Their passages are from the other half.
#
# <!-- lint: allow numeral because these are definitions -->
# **Directions.** A neuron writes along its row of the output matrix, times the gain of the norm behind the
# MLP where there is one. Independent Gaussian directions in d dimensions have cosines of standard deviation
# 1/√d, and n of them the effective dimension n·d/(n + d − 1); the weights are all there are, so nothing is
# tested. A pair is opposed below −0.5 and aligned above 0.5.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Prompts.** `abstraction.csv` holds sentences that end in one of four words. Three forms are about
# capitals ("The capital of Texas is", "Paris is the capital of", and Chinese ones that end in "为") with 8
# different places each, none in two forms; each has 8 unrelated prompts of the same shape and the same last
# token. The fourth is the test case, "Tesla headquarters moved to", for 8 companies; beside it the same
# companies with something else that ends in "to", and 8 prompts in which a person moved.
#
# <!-- lint: allow numeral because these are definitions -->
# **Overlap** of two prompts in a layer: Jaccard index of the 50 most active MLP neurons at the last token (of
# a quarter of a layer's neurons, where that is fewer); over layers, the mean. The word that prompts of a form
# end in is tokenised by itself, so that it is the same token in all of them. T = mean overlap of capital
# prompts of different forms − mean overlap of all other pairs of different forms (an unrelated prompt is a
# group of its own). Null: who is a capital prompt is shuffled within each form. Layers: maximum statistic.
# For the test case the value of a prompt is its mean overlap with all English capital prompts, compared with
# the other prompt of the same company (sign flips). Holm over the four hypotheses about prompts.
#
# **After a first look** four things were added: rows of the output matrix without the gain of the norm
# behind the MLP, output directions without the two dimensions in which those of a layer are longest, the
# claim about rows, and the passages that chose each of the neurons shown. Later, each time after all
# results so far had been seen: neurons of a kind taken out, with the claim about them; then how far
# activations reach on either side of zero, the two neurons shown taken out alone, and the claim about one
# of them; then the claim about headquarters and the person, and what chance would keep. No criterion was
# changed.

# %%
import zlib

import numpy as np
import pandas as pd
import torch
from scipy.stats import hypergeom

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.ledger import EXACT, Close, Ledger, Passage
from mechscope.lens.core.components import n_neurons_of, norm_behind_mlp
from mechscope.lens.core.tokens import TokenisedTexts, answer_tokens, fits, readable_pieces, tokenise
from mechscope.lens.directions import of_some_length, output_directions, random_cosine_density, spread
from mechscope.lens.geometry import dominance, without_dimensions
from mechscope.lens.neuron_ablation import TextLosses, ablate_neurons
from mechscope.lens.neuron_texts import (
    among_top,
    last_token_neurons,
    one_topic_rates,
    same_length,
    shared_neurons,
    text_peaks,
    token_activations,
    topic_counts,
)
from mechscope.lens.neurons import HISTOGRAM_EDGES, neuron_statistics, topics_among_top
from mechscope.lens.toy_superposition import ToyRecipe, dimensionality, represented, train_toys
from mechscope.models import load_model
from mechscope.stats.auroc import auroc, mean_auroc_interval, mean_auroc_resampled, mean_auroc_test
from mechscope.stats.multiple import holm
from mechscope.stats.pairs import separation, separation_interval, separation_test
from mechscope.stats.resampling import (
    bootstrap_weights,
    compare_with_null,
    percentile_interval,
    permuted_within,
)
from mechscope.stats.samples import (
    mean_difference_interval,
    mean_difference_test,
    sign_flip_test,
)

LENGTH, TOP, OF_ONE = 20, 10, 8
TOP_HALF, OF_ONE_HALF = 5, 4
WITHOUT = 2
COUNTED = Close(rtol=0.01, atol=3, because="neurons at a threshold change sides with float32 noise")
SHARE = Close(rtol=0.01, atol=1e-3, because="neurons at a threshold change sides with float32 noise")
SHARES = {"format": ".1%", "tolerance": SHARE}
AUROC = Close(rtol=2e-3, atol=1e-3, because="float32 activations of almost the same size change places")
OVERLAP = Close(rtol=0.02, atol=2e-3, because="neurons at the border of the most active change places")
WEIGHTS = Close(rtol=1e-4, atol=1e-5, because="sums over many pairs")
BORDERLINE = Close(atol=1, because="one item at a threshold")
TRAINED = Close(rtol=0.05, atol=0.05, because="training amplifies the last digits of float32")


def draws(name: str) -> np.random.Generator:
    """A generator for one purpose, so that adding one moves no other's draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


ledger = Ledger("superposition")


def inference(ends=None, test=None, by="", *, at=0, p=None) -> dict:
    """What a statistic says of its bootstrap interval and its test; p is the test's unless it is given."""
    found = {"resamples": (ends or test).resamples}
    if ends is not None:
        found["ci"] = (ends.low[at], ends.high[at])
    if by:
        found |= {"p": test.p[at] if p is None else p, "test": by}
    return found


bridge = load_model(model, dtype=dtype)
n_layers, n_ctx = bridge.cfg.n_layers, bridge.cfg.n_ctx
layers = range(n_layers)
n_neurons = n_neurons_of(bridge)
if n_neurons < 8:
    ledger.does_not_apply(f"it needs neurons with output weights, and a layer of this model has {n_neurons}")
if min(len(of_some_length(output_directions(bridge, layer))) for layer in layers) < 2:
    ledger.does_not_apply("in some layer of this model fewer than two neurons write anything")
prompts = load_prompts(analysis_file("data/abstraction.csv"), columns=["form", "kind"])
form = np.array(prompts.column("form"))
kind = np.array(prompts.column("kind"))
ENDINGS = {"is": " is", "of": " of", "为": "为", "to": " to"}
beginnings = [text.removesuffix(ENDINGS[end]) for text, end in zip(prompts.prompts, form, strict=True)]
if not fits(bridge, [*beginnings, *ENDINGS.values()], more=4).all():
    ledger.does_not_apply(f"its prompts do not fit into the {n_ctx} tokens that this model reads")
K = min(50, n_neurons // 4)
ledger.statistic("n_layers", n_layers, label="Layers")
ledger.statistic("n_neurons", n_layers * n_neurons, label="MLP neurons")
ledger.statistic("neurons_in_layer", n_neurons, label="MLP neurons of a layer")

# %% [markdown]
# ## Neurons and kinds of text

# %%
texts = pd.read_csv(analysis_file("data/topics_texts.csv"))
n_text = LENGTH + 1 - int(bridge.cfg.default_prepend_bos)  # without BOS the first token is not counted
texts["enough"] = fits(bridge, texts["text"], at_least=n_text, cut=True)
texts = texts[texts.groupby("category")["enough"].transform("all")].reset_index(drop=True)
if texts["category"].nunique() < 2:
    ledger.does_not_apply(
        f"it needs two categories of texts with {LENGTH} tokens after the first position, in this model's "
        f"tokens and within its context of {n_ctx}"
    )
labels, categories = pd.factorize(texts["category"])
half = texts.groupby("category").cumcount().to_numpy() % 2
statistics, peaks, tokenised = {}, {}, {}
for which in (0, 1):
    tokenised[which] = same_length(
        tokenise(bridge, texts.loc[half == which, "text"].tolist(), cut=True), LENGTH
    )
    statistics[which] = neuron_statistics(bridge, tokenised[which], layers, top=len(tokenised[which]))
    peaks[which] = text_peaks(statistics[which], tokenised[which])

n_units = n_layers * n_neurons
layer_of = np.repeat(np.arange(n_layers), n_neurons)
values = np.empty((n_units, len(texts)), dtype=np.float32)
peak_tokens = np.empty((n_units, len(texts)), dtype=np.int64)
for which in (0, 1):
    values[:, half == which] = peaks[which].values.flatten(0, 1).numpy()
    peak_tokens[:, half == which] = peaks[which].tokens.flatten(0, 1).numpy()
# Tokens that differ in case and in the spaces around them count as the same.
ids, inverse = np.unique(peak_tokens, return_inverse=True)
written = pd.factorize(
    np.array([bridge.tokenizer.decode([int(token)]).strip().lower() for token in ids], dtype=object)
)[0]
peak_words = written[inverse].reshape(peak_tokens.shape)

top = among_top(values, TOP)
counts = topic_counts(top, labels)
largest = counts.max(1)
own_topic = counts.argmax(1)
n_topics_of = (counts > 0).sum(1)
words = np.sort(peak_words[top].reshape(n_units, TOP), axis=1)
n_words = 1 + (np.diff(words, axis=1) != 0).sum(1)
same_word = (words[:, :, None] == words[:, None, :]).sum(-1).max(1)
of_one_topic = largest >= OF_ONE
of_one_token = same_word >= OF_ONE
mixed = (n_topics_of >= 5) & (n_words >= 8)

in_layer = np.eye(n_layers)[:, layer_of] / n_neurons
means = np.concatenate([in_layer, np.full((1, n_units), 1 / n_units)])
shuffled = permuted_within(labels, None, shuffles, draws("categories"))
null_shares, null_reached = one_topic_rates(top, shuffled, means, OF_ONE)
shares, reached = one_topic_rates(top, labels[None], means, OF_ONE)
test = compare_with_null(reached[0, -1:], null_reached[:, -1:], alternative="greater")

# What the same neurons would give with shuffled categories.
some = torch.from_numpy(np.argsort(-values, axis=1, kind="stable")[:, :TOP].copy())
by_chance = np.array(
    [
        (found.mean(), ((found >= 5) & (n_words >= 8)).mean())
        for found in (topics_among_top(some, row) for row in shuffled[:100])
    ]
).mean(0)
ledger.statistic("n_texts", len(texts), label="Texts")
ledger.statistic("n_categories", len(categories), label="Categories of texts")
ledger.statistic("tokens_read", statistics[0].n_tokens + statistics[1].n_tokens, label="Tokens counted")
ledger.statistic("one_topic", int(of_one_topic.sum()), label="Neurons of one topic", tolerance=COUNTED)
# fmt: off
ledger.statistic(
    "one_topic_share", of_one_topic.mean(), label="Share of all neurons that are of one topic", n=len(texts),
    **inference(test=test, by="categories shuffled over texts, one-sided"), **SHARES,
)
ledger.statistic(
    # lint: allow loose-tolerance because a handful of neurons in thousands of shuffles
    "one_topic_chance", null_reached[:, -1].mean(), label="The same with shuffled categories", format=".5%",
    tolerance=Close(rtol=0.5, atol=1e-6, because="a handful of neurons in thousands of shuffles"),
)
ledger.statistic(
    "largest_share", shares[0, -1],
    label="Share of the commonest category among a neuron's top texts, mean over neurons", **SHARES,
)
ledger.statistic(
    "largest_share_chance", null_shares[:, -1].mean(), label="The same with shuffled categories", **SHARES,
)
ledger.statistic(
    "categories_among_top", n_topics_of.mean(),
    label="Categories among a neuron's top texts, mean over neurons", tolerance=SHARE,
)
ledger.statistic(
    "categories_among_top_chance", by_chance[0], label="The same with shuffled categories", tolerance=SHARE,
)
ledger.statistic(
    "one_token_share", of_one_token.mean(), label="Share of all neurons that are of one token", **SHARES,
)
if of_one_topic.any():
    ledger.statistic(
        "one_topic_one_token_share", (of_one_topic & of_one_token).sum() / of_one_topic.sum(),
        label="Share of the neurons of one topic that are of one token as well", **SHARES,
    )
else:
    ledger.does_not_apply(
        "no neuron is of one topic", "one_topic_one_token_share", "commonest_category",
        "commonest_category_neurons", "one_topic_by_layer", "kurtosis_one_topic",
    )
ledger.statistic("mixed_share", mixed.mean(), label="Share of all neurons that are mixed", **SHARES)
ledger.statistic("mixed_share_chance", by_chance[1], label="The same with shuffled categories", **SHARES)
# fmt: on
ledger.claim(
    "few_of_one_topic",
    "Few neurons are of one topic, though more than chance gives.",
    criterion="one_topic_share < 0.1 and one_topic_share > one_topic_chance and one_topic_share.p < 0.05",
)

# %%
by_kind = pd.DataFrame(
    [
        {
            "category": name,
            "neurons": int((of_one_topic & (own_topic == at)).sum()),
            "share": float((of_one_topic & (own_topic == at)).mean()),
            "of_one_token": int((of_one_topic & of_one_token & (own_topic == at)).sum()),
        }
        for at, name in enumerate(categories)
    ]
)
ledger.table(
    "one_topic_by_category",
    by_kind,
    key="category",
    caption="Neurons of one topic, by category; how many of them peak on one token.",
    labels={"share": "share of all neurons", "of_one_token": "of one token as well"},
    formats={"share": ".4f"},
    tolerance={"neurons": COUNTED, "of_one_token": COUNTED, "share": SHARE},
)
if of_one_topic.any():
    most = by_kind.loc[by_kind["neurons"].idxmax()]
    ledger.statistic("commonest_category", most["category"], label="Category with most neurons of its own")
    ledger.statistic(
        "commonest_category_neurons",
        int(most["neurons"]),
        label="Neurons of this category",
        tolerance=COUNTED,
    )
    ledger.figure(
        "one_topic_by_layer",
        charts.stacked_by_layer(
            pd.DataFrame(
                [
                    {
                        "layer": layer,
                        "kind": name,
                        "value": float((of_one_topic & (own_topic == at) & (layer_of == layer)).sum())
                        / n_neurons,
                    }
                    for at, name in enumerate(categories)
                    for layer in layers
                ]
            ),
            y_title="share of a layer's neurons",
        ),
        caption="Neurons of one topic: share of each layer's neurons, by category.",
        alt="Stacked bars, one for each layer: which share of its neurons is of one topic, cut by category.",
        tolerance={"*": SHARE},
    )

# %% [markdown]
# ### Held out

# %%
first, second = values[:, half == 0], values[:, half == 1]
labels_first, labels_second = labels[half == 0], labels[half == 1]
on_first = auroc(first, labels_first)
target = on_first.argmax(1)
everything = np.zeros(n_units, dtype=np.int64)
scan = mean_auroc_test(
    second, labels_second, target, layer_of, resamples=resamples, rng=draws("held out test")
)
scan_ends = mean_auroc_interval(
    second, labels_second, target, layer_of, resamples=resamples, rng=draws("held out")
)
late = (layer_of >= n_layers / 2).astype(np.int64)
on_second = auroc(second, labels_second)[np.arange(n_units), target]
whole = mean_auroc_test(second, labels_second, target, everything, resamples=resamples, rng=draws("all test"))
whole_ends = mean_auroc_interval(
    second, labels_second, target, everything, resamples=resamples, rng=draws("all")
)


def halves_differ(name, some, upper, draw, *, label, because) -> None:
    """Held-out AUROC of the upper group of some neurons minus that of the lower one, if neither is empty."""
    group = upper[some]
    if len(np.unique(group)) < 2:
        ledger.does_not_apply(because, name)
        return
    means = mean_auroc_resampled(
        second[some], labels_second, target[some], group, resamples=resamples, rng=draws(draw)
    )
    ends = percentile_interval((means[:, 1] - means[:, 0])[:, None])
    value = on_second[some][group == 1].mean() - on_second[some][group == 0].mean()
    ledger.statistic(name, value, label=label, format="+.3f", **inference(ends), **held_out)


best_layer = int(scan.observed.argmax())
SHUFFLED = "categories of the held-out texts shuffled, one-sided"
held_out = {"n": len(labels_second), "tolerance": AUROC}
# fmt: off
ledger.statistic(
    "auroc_all", whole.observed[0],
    label="Held-out AUROC of the category chosen for each neuron, mean over all neurons", format=".3f",
    **inference(whole_ends, whole, SHUFFLED), **held_out,
)
ledger.statistic(
    "auroc_layers", int((scan.p_max < 0.05).sum()),
    label="Layers whose mean held-out AUROC is above chance (maximum statistic)", n=n_layers,
    tolerance=BORDERLINE,
)
ledger.statistic("auroc_best_layer", best_layer, label="Layer with the highest", tolerance=BORDERLINE)
ledger.statistic(
    "auroc_best", scan.observed[best_layer], label="Its held-out AUROC", format=".3f",
    **inference(scan_ends, at=best_layer), tolerance=AUROC,
)
halves_differ(
    "late_minus_early", slice(None), late, "late",
    label="Held-out AUROC, later layers minus earlier layers",
    because=f"earlier and later layers need two layers, and this model has {n_layers}",
)
# fmt: on
ledger.claim(
    "deeper_is_more_topical",
    "Neurons of later layers tell kinds of text better than those of earlier layers.",
    criterion="late_minus_early.low > 0",
)
ledger.figure(
    "held_out_by_layer",
    charts.scan_by_layer(
        pd.DataFrame(
            {
                "layer": np.arange(n_layers),
                "value": scan.observed,
                "low": scan_ends.low,
                "high": scan_ends.high,
                "threshold": scan.threshold,
                "label": "mean over a layer's neurons",
            }
        ),
        y_title="held-out AUROC",
        chance=0.5,
    ),
    caption="How well a layer's neurons tell their own category from the others on texts that did not choose "
    "it, with 95% intervals. Dashed: what a layer must exceed for p < 0.05 over all layers. Line: chance.",
    alt="A curve over the layers with an interval band, a dashed threshold and a line at chance: mean "
    "held-out AUROC.",
    tolerance={"*": AUROC},
)

# %%
counts_first = topic_counts(among_top(first, TOP_HALF), labels_first)
counts_second = topic_counts(among_top(second, TOP_HALF), labels_second)
chosen = counts_first.max(1) >= OF_ONE_HALF
chosen_topic = counts_first.argmax(1)
if chosen.any():
    of_kept = (second[chosen], labels_second, chosen_topic[chosen], everything[chosen])
    kept = mean_auroc_test(*of_kept, resamples=resamples, rng=draws("kept test"))
    kept_ends = mean_auroc_interval(*of_kept, resamples=resamples, rng=draws("kept"))
again = counts_second[np.arange(n_units), chosen_topic] >= OF_ONE_HALF
ledger.statistic(
    "chosen", int(chosen.sum()), label="Neurons of one topic on the choosing texts", tolerance=COUNTED
)
# fmt: off
NONE_CHOSEN = "no neuron is of one topic on the choosing texts"
if chosen.any():
    ledger.statistic(
        "kept_share", again[chosen].mean(),
        label="Share of these that are of the same topic on the held-out texts", **SHARES,
    )
    ledger.statistic(
        "kept_auroc", kept.observed[0],
        label="Their AUROC for that topic on the held-out texts, mean over these neurons", format=".3f",
        **inference(kept_ends, kept, SHUFFLED), **held_out,
    )
else:
    ledger.does_not_apply(NONE_CHOSEN, "kept_share", "kept_auroc")
ledger.statistic(
    "kept_chance", hypergeom(len(labels_second), (labels_second == 0).sum(), TOP_HALF).sf(OF_ONE_HALF - 1),
    label="The same if its held-out top texts were drawn without looking", format=".2%",
)
# fmt: on
ledger.claim(
    "keep_their_topic",
    "Neurons of one topic on the choosing texts tell that topic on the held-out texts.",
    criterion="kept_auroc.low > 0.9",
)

# %%
kurtosis = statistics[0].kurtosis.flatten().double().nan_to_num(nan=0.0).numpy()
place = pd.Series(kurtosis).groupby(layer_of).rank(pct=True).to_numpy()
ends_only = (place <= 0.25) | (place > 0.75)
peaked = (place > 0.75).astype(np.int64)
firing = statistics[0].firing_rate.flatten().numpy()
# fmt: off
ledger.statistic(
    "kurtosis_median", np.median(kurtosis),
    label="Kurtosis of a neuron's activation over tokens of the choosing texts, median", format=".1f",
    tolerance=Close(rtol=1e-3, because="fourth powers of float32 activations"),
)
if of_one_topic.any():
    ledger.statistic(
        "kurtosis_one_topic", np.median(kurtosis[of_one_topic]), label="The same, neurons of one topic",
        format=".1f",
        tolerance=Close(rtol=0.02, because="neurons at a threshold change sides"),
    )
ledger.statistic(
    "firing_median", np.median(firing),
    label="Share of tokens at which a neuron's activation is above 0, median over neurons", tolerance=SHARE,
)
halves_differ(
    "peaked_minus_flat", ends_only, peaked, "kurtosis",
    label="Held-out AUROC, quarter of highest kurtosis minus quarter of lowest, within layers",
    because="it compares neurons of different kurtosis, and those of a layer have the same",
)
# fmt: on
ledger.claim(
    "peaked_is_more_topical",
    "Neurons that are rarely but strongly active tell kinds of text better than evenly active ones.",
    criterion="peaked_minus_flat.low > 0",
)

# %% [markdown]
# ### Both signs
#
# <!-- lint: allow numeral because these are definitions -->
# How large activations are, counted in bins that all neurons share: powers of 2 on either side of 0. A neuron
# reaches further down than up when its activations get into a bin below 0 that is further out than any above
# it: by what is looked at here, its upper end, such a neuron is seen from the weaker side.

# %%
histogram = (statistics[0].histogram + statistics[1].histogram).numpy()
side = (histogram.shape[-1]) // 2  # bins below 0, the outermost first; then as many from 0 on
down = np.where(histogram[..., :side].any(-1), side - (histogram[..., :side] > 0).argmax(-1), 0)
up = np.where(histogram[..., side:].any(-1), side - (histogram[..., : side - 1 : -1] > 0).argmax(-1), 0)
ledger.statistic(
    "further_down_share",
    (down > up).mean(),
    label="Share of all neurons whose activations reach further below 0 than above it (by a bin)",
    **SHARES,
)
parts = {
    "below": (-np.inf, -1.0), "lower": (-1.0, -0.125), "small": (-0.125, 0.125), "upper": (0.125, 1.0),
    "above": (1.0, np.inf),
}  # fmt: skip
bounds = np.array([-np.inf, *HISTOGRAM_EDGES])
ledger.table(
    "activation_sizes",
    pd.DataFrame(
        [
            {
                "layer": layer,
                **{
                    name: histogram[layer][:, (bounds >= low) & (bounds < high)].sum()
                    / histogram[layer].sum()
                    for name, (low, high) in parts.items()
                },
                "further_down": (down > up)[layer].mean(),
            }
            for layer in layers
        ]
    ),
    key="layer",
    caption="Share of activations of each size, all neurons of a layer at all tokens, and share of neurons "
    "that reach further below 0 than above it.",
    labels={
        "below": "below −1",
        "lower": "−1 to −1/8",
        "small": "−1/8 to 1/8",
        "upper": "1/8 to 1",
        "above": "1 and above",
        "further_down": "further down than up",
    },
    formats={name: ".3f" for name in (*parts, "further_down")},
    tolerance={"*": SHARE, "layer": EXACT},
)

# %% [markdown]
# ### A neuron of each kind
#
# Chosen on some texts, shown on the others.

# %%
order_first = np.argsort(-first, axis=1, kind="stable")[:, :TOP_HALF]
top_values = np.take_along_axis(first, order_first, axis=1)
words_first = np.sort(np.take_along_axis(peak_words[:, half == 0], order_first, axis=1), axis=1)
different_words = 1 + (np.diff(words_first, axis=1) != 0).sum(1)
middle = (layer_of >= n_layers / 3) & (layer_of < 2 * n_layers / 3)
if not middle.any():
    middle = layer_of == n_layers // 2
strong = middle & (top_values[:, -1] >= top_values[:, 0] / 2)
one = strong & (counts_first.max(1) == TOP_HALF)
spread_out = strong & ((counts_first > 0).sum(1) == TOP_HALF) & (different_words == TOP_HALF)
spread_out &= len(categories) > TOP_HALF  # there must be texts beside those of its categories
ledger.statistic(
    "candidates_one", int(one.sum()), label="Candidates for the neuron of one topic", tolerance=COUNTED
)
ledger.statistic(
    "candidates_mixed", int(spread_out.sum()), label="Candidates for the mixed neuron", tolerance=COUNTED
)
what_of = {"one_topic_neuron": "of one topic", "mixed_neuron": "of many topics"}
unit_of = {
    name: int(np.where(candidates, kurtosis, -np.inf).argmax())
    for name, candidates in zip(what_of, (one, spread_out), strict=True)
    if candidates.any()
}
places = [(int(layer_of[unit]), unit % n_neurons) for unit in unit_of.values()]
if places:
    at_tokens = [token_activations(bridge, tokenised[which], places) for which in (0, 1)]
else:
    ledger.does_not_apply("there is no candidate for either neuron", "activations")
for name in [name for name in what_of if name not in unit_of]:
    parts = ["name", "kurtosis", "categories", "choosing"]
    parts += [f"taken_out_{part}" for part in ("own", "others", "extra")]
    parts += ["chosen_for", "again"] if name == "one_topic_neuron" else []
    reason = f"no neuron of the middle layers is a candidate for the one {what_of[name]}"
    ledger.does_not_apply(reason, name, *(f"{name}_{part}" for part in parts))


def passages_of(at: int, unit: int, which: int) -> list[Passage]:
    """The top texts of a neuron on one half, strongest first."""
    some = texts.loc[half == which, "category"].tolist()
    strongest = np.argsort(-(first, second)[which][unit], kind="stable")[:TOP_HALF]
    # A first position that does not count is shown where it is text, without a shade.
    start = 1 if bridge.cfg.default_prepend_bos else 0
    passages = []
    for text in strongest:
        row = tokenised[which].ids[text][start:]
        shade = [round(float(value), 4) for value in at_tokens[which][text][:, at]]
        shade = [0.0] * (len(row) - len(shade)) + shade
        pieces = readable_pieces(bridge, row)
        passages.append(
            Passage(
                tokens=tuple(piece for piece, _ in pieces),
                values=tuple(max(shade[part], key=abs) for _, part in pieces),
                title=some[text],
            )
        )
    return passages


bins = []
for at, (name, unit) in enumerate(unit_of.items()):
    what, called = what_of[name], "L{}N{}".format(*places[at])
    activations = np.concatenate([each[:, at].numpy() for which in (0, 1) for each in at_tokens[which]])
    tokens_in, edges = np.histogram(activations, bins=40)
    bins.append(
        pd.DataFrame({"label": f"{called}, {what}", "from": edges[:-1], "to": edges[1:], "tokens": tokens_in})
    )
    found = counts_second[unit]
    ledger.statistic(f"{name}_name", called, label=f"The neuron {what}")
    # fmt: off
    ledger.statistic(
        f"{name}_kurtosis", float(kurtosis[unit]), label="Its kurtosis on the choosing texts", format=".0f",
        tolerance=Close(rtol=0.01, because="fourth powers of float32 activations"),
    )
    ledger.statistic(
        f"{name}_categories", int((found > 0).sum()), label="Categories among its top held-out texts",
        n=TOP_HALF,
        tolerance=BORDERLINE,
    )
    if name == "one_topic_neuron":
        category = int(counts_first[unit].argmax())
        ledger.statistic(
            f"{name}_chosen_for", str(categories[category]), label="Category of its top choosing texts",
        )
        ledger.statistic(
            f"{name}_again", int(found[category]), label="Its top held-out texts that are of this category",
            n=TOP_HALF, tolerance=BORDERLINE,
        )
    # fmt: on
    for which, suffix, kind_of_texts in ((0, "_choosing", "choosing"), (1, "", "held-out")):
        ledger.passages(
            f"{name}{suffix}",
            passages_of(at, unit, which),
            caption=f"The neuron {what}, {called}: its top {kind_of_texts} texts, tokens shaded by "
            "activation.",
            tolerance=Close(rtol=5e-3, atol=5e-3, because="float32 activations"),
        )

if bins:
    ledger.figure(
        "activations",
        charts.activation_histograms(pd.concat(bins, ignore_index=True)),
        caption="Activations of the neurons shown, at all tokens of all texts; tokens are counted on a "
        "logarithmic scale.",
        alt="A histogram of activations for each of the neurons shown.",
        tolerance={
            "*": Close(rtol=5e-3, atol=5e-3, because="float32 activations"),
            "tokens": Close(atol=2, because="a token at the border of a bin"),
        },
    )

# %% [markdown]
# ### Taken out
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# All neurons of one topic on the choosing texts are set to their mean over these texts, category by
# category, and the last 10 tokens of each held-out text are predicted. *Extra* is the rise of the loss on
# texts of that category minus its rise on all others, mean over categories. Controls are as many other
# neurons of the same layers, drawn twice. Intervals resample texts within categories.

# %%
LAST, CONTROLS = 10, 2
# All texts in one batch: the weights are read once for all of them.
losses = TextLosses(bridge, tokenised[1], LAST, batch_size=len(tokenised[1]))
reference = statistics[0].mean.float()


def rise_without(units: np.ndarray) -> np.ndarray:
    """Rise of each held-out text's loss with these neurons at their mean, in nats a token."""
    mask = torch.zeros(n_units, dtype=torch.bool)
    mask[torch.from_numpy(units)] = True
    edit = ablate_neurons(bridge, mask.view(n_layers, n_neurons), reference)
    return (losses.edited(edit) - losses.clean).numpy()


def control_units(units: np.ndarray, name: str) -> np.ndarray:
    """As many neurons of each layer that are of no topic on the choosing texts."""
    generator = draws(name)
    picked = []
    for layer in layers:
        free = np.flatnonzero((layer_of == layer) & ~chosen)
        wanted = int((layer_of[units] == layer).sum())
        picked.append(generator.choice(free, size=min(wanted, len(free)), replace=False))
    return np.concatenate(picked)


rises = np.zeros((2, len(categories), len(labels_second)))
for at in range(len(categories)):
    units = np.flatnonzero(chosen & (chosen_topic == at))
    rises[0, at] = rise_without(units)
    rises[1, at] = np.mean(
        [rise_without(control_units(units, f"control {at} {draw}")) for draw in range(CONTROLS)], axis=0
    )
weights = bootstrap_weights(labels_second, resamples, draws("taken out")).astype(np.float64)
is_own = labels_second[None] == np.arange(len(categories))[:, None]


def extra(rise: np.ndarray, some: np.ndarray, own: np.ndarray = is_own) -> np.ndarray:
    """For each resample, the rise on a category's own texts minus that on others, mean over categories."""
    on_own = np.einsum("rt,ct,ct->rc", some, rise, own) / (some @ own.T)
    on_others = np.einsum("rt,ct,ct->rc", some, rise, ~own) / (some @ (~own).T)
    return (on_own - on_others).mean(1)


once = np.ones((1, len(labels_second)))
observed, drawn = (np.stack([extra(rise, some) for rise in rises]) for some in (once, weights))
OWN = "extra loss on texts of their own category"
if not chosen.any():
    names = ("taken_out", "taken_out_extra", "taken_out_control", "taken_out_difference")
    ledger.does_not_apply(NONE_CHOSEN, *names)
else:
    for name, factors, label in (
        ("taken_out_extra", (1, 0), f"Neurons of one topic taken out: {OWN}"),
        ("taken_out_control", (0, 1), f"As many other neurons taken out: {OWN}"),
        ("taken_out_difference", (1, -1), "The first minus the second"),
    ):
        # fmt: off
        ledger.statistic(
            name, float((factors @ observed)[0]), label=label, format="+.3f",
            **inference(percentile_interval((factors @ drawn)[:, None])),
            n=len(labels_second), unit="nats",
            tolerance=Close(rtol=0.02, atol=2e-3, because="neurons at a threshold change sides"),
        )
        # fmt: on
    ledger.table(
        "taken_out",
        pd.DataFrame(
            {
                "category": categories,
                "neurons": [int((chosen & (chosen_topic == at)).sum()) for at in range(len(categories))],
                "own": [rises[0, at][is_own[at]].mean() for at in range(len(categories))],
                "others": [rises[0, at][~is_own[at]].mean() for at in range(len(categories))],
                "control_own": [rises[1, at][is_own[at]].mean() for at in range(len(categories))],
                "control_others": [rises[1, at][~is_own[at]].mean() for at in range(len(categories))],
            }
        ),
        key="category",
        caption="Rise of the loss (nats a token) on held-out texts of a category and on all others, without "
        "the neurons of that category, and without as many other neurons of the same layers.",
        labels={
            "own": "own texts",
            "others": "other texts",
            "control_own": "own texts, control",
            "control_others": "other texts, control",
        },
        formats={name: "+.3f" for name in ("own", "others", "control_own", "control_others")},
        tolerance={
            "*": Close(rtol=0.02, atol=5e-3, because="neurons at a threshold change sides"),
            "neurons": COUNTED,
        },
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
for name, unit in unit_of.items():
    what, rise = what_of[name], rise_without(np.array([unit]))[None]
    own = np.isin(labels_second, np.flatnonzero(counts_first[unit]))[None]
    ends = inference(percentile_interval(extra(rise, weights, own)[:, None]))
    alone = f"The neuron {what} taken out alone: rise of the loss on"
    for suffix, value, label in (
        ("own", rise[own].mean(), f"{alone} texts of its categories"),
        ("others", rise[~own].mean(), f"{alone} all others"),
        ("extra", extra(rise, once, own)[0], f"{alone} texts of its categories minus that on others"),
    ):
        # fmt: off
        ledger.statistic(
            # lint: allow loose-tolerance because next to nothing is what it says
            f"{name}_taken_out_{suffix}", float(value), label=label, format="+.4f", unit="nats",
            n=len(labels_second) if suffix == "extra" else int((own if suffix == "own" else ~own).sum()),
            **(ends if suffix == "extra" else {}),
            tolerance=Close(rtol=0.05, atol=2e-4, because="small differences of float32 losses"),
        )
        # fmt: on
ledger.claim(
    "one_neuron_needed",
    "Without the one neuron of one topic that is shown, the model gets worse on texts of that topic more "
    "than on others.",
    criterion="one_topic_neuron_taken_out_extra.low > 0",
    exploratory="whole groups of such neurons had been taken out before",
)

# %% [markdown]
# ## More directions than dimensions

# %%
spreads, spreads_rows, spreads_without = [], [], []
crowding, largest_dimension = [], []
has_gain = norm_behind_mlp(bridge.blocks[0]) is not None
for layer in layers:
    directions = of_some_length(output_directions(bridge, layer))
    spreads.append(spread(directions))
    rows = of_some_length(output_directions(bridge, layer, gain=False))
    spreads_rows.append(spread(rows) if has_gain else spreads[-1])
    unit_directions = directions / directions.norm(dim=1, keepdim=True)
    crowding.append(dimensionality(unit_directions.T).numpy())
    by_dimension = dominance(unit_directions)
    largest_dimension.append((by_dimension.shares[0], int(by_dimension.dimensions[0])))
    rest = without_dimensions(directions, by_dimension.dimensions[:WITHOUT])
    spreads_without.append(spread(of_some_length(rest)))
d_model = spreads[0].d
ratio, ratio_rows, ratio_without = (
    np.array([found.rms / found.rms_random for found in some])
    for some in (spreads, spreads_rows, spreads_without)
)
effective, effective_rows, effective_without = (
    np.array([found.participation for found in some]) for some in (spreads, spreads_rows, spreads_without)
)
effective_random = spreads[0].participation_random
opposed, aligned = (sum(getattr(found, name) for found in spreads) for name in ("opposed", "aligned"))
pairs = sum(found.n * (found.n - 1) // 2 for found in spreads)
widest = int(np.argmax([share for share, _ in largest_dimension]))
ledger.statistic("d_model", d_model, label="Dimensions of the residual stream")
ledger.statistic(
    "neurons_per_dimension", n_neurons / d_model, label="Neurons of a layer for each dimension of the stream"
)
# fmt: off
ledger.statistic(
    "cosine_random", spreads[0].rms_random, label="Root mean square cosine of random directions",
    format=".4f",
)
ledger.statistic(
    "cosine_rms", np.mean([found.rms for found in spreads]),
    label="Root mean square cosine of two neurons' output directions, mean over layers", format=".4f",
    tolerance=WEIGHTS,
)
ledger.statistic(
    "cosine_ratio", ratio.mean(), label="The latter over the former, mean over layers", tolerance=WEIGHTS,
)
ledger.statistic(
    "cosine_ratio_most", ratio.max(), label="The same in the layer where it is largest", tolerance=WEIGHTS,
)
ledger.statistic("cosine_ratio_most_layer", int(ratio.argmax()), label="That layer", tolerance=BORDERLINE)
ledger.statistic(
    "rows_ratio", ratio_rows.mean(),
    label="Root mean square cosine over that of random directions, rows of the output matrix alone, mean "
    "over layers",
    tolerance=WEIGHTS,
)
ledger.statistic(
    "without_ratio", ratio_without.mean(),
    label=f"The same of output directions without the {WITHOUT} largest dimensions of their layer",
    tolerance=WEIGHTS,
)
ledger.statistic(
    "effective_dimension_random", effective_random, label="Effective dimension of as many random directions",
    format=".0f",
)
for name, value, label in (
    ("", effective.mean(), "Effective dimension of a layer's output directions, mean over layers"),
    ("_least", effective.min(), "The same in the layer where it is smallest"),
    ("_rows", effective_rows.mean(), "Effective dimension of the rows alone, mean over layers"),
    ("_without", effective_without.mean(),
     f"Effective dimension without the {WITHOUT} largest dimensions of a layer, mean over layers"),
):
    ledger.statistic(f"effective_dimension{name}", value, label=label, format=".0f", tolerance=WEIGHTS)
ledger.statistic(
    "own_dimension", float(np.median(np.concatenate(crowding))),
    label="Share of a dimension that a neuron's direction has for itself, median over neurons", format=".3f",
    tolerance=WEIGHTS,
)
ledger.statistic(
    "own_dimension_random", 1 / (1 + (n_neurons - 1) / d_model), label="About the same of random directions",
    format=".3f",
)
ledger.statistic(
    "largest_dimension_share", largest_dimension[widest][0],
    label="Share of an output direction's squared length that lies in one dimension, most over layers",
    format=".3f", tolerance=WEIGHTS,
)
ledger.statistic("largest_dimension_layer", widest, label="That layer")
ledger.statistic(
    "largest_dimension", str(largest_dimension[widest][1]), label="That dimension of the residual stream",
)
ledger.statistic("direction_pairs", pairs, label="Pairs of neurons within layers")
ledger.statistic("opposed_pairs", opposed, label="Pairs of opposed directions", tolerance=BORDERLINE)
ledger.statistic("aligned_pairs", aligned, label="Pairs of aligned directions", tolerance=BORDERLINE)
ledger.statistic(
    "cosine_least", min(found.smallest for found in spreads),
    label="Most negative cosine of two output directions",
    tolerance=WEIGHTS,
)
ledger.statistic(
    "cosine_most", max(found.largest for found in spreads), label="Largest cosine", tolerance=WEIGHTS,
)
# fmt: on
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
series = {
    "output directions": effective,
    **({"rows without the norm's gain": effective_rows} if has_gain else {}),
    f"output directions without {WITHOUT} dimensions": effective_without,
    "random directions": np.full(n_layers, effective_random),
}
ledger.figure(
    "effective_dimension_by_layer",
    charts.scan_by_layer(
        pd.DataFrame(
            {
                "layer": np.tile(np.arange(n_layers), len(series)),
                "value": np.concatenate(list(series.values())),
                "label": np.repeat(list(series), n_layers),
            }
        ),
        y_title="effective dimension",
        chance=float(d_model),
    ),
    caption="Effective dimension of the output directions of each layer's neurons, also without the "
    f"{WITHOUT} dimensions in which they are longest, and of as many random directions. Grey line: all "
    "dimensions that there are.",
    alt="Curves over the layers, of the neurons' output directions and of random directions, with a line at "
    "the number of dimensions.",
    tolerance={"*": WEIGHTS},
)
rows = []
for layer in sorted({0, n_layers // 2, n_layers - 1}):
    found = spreads[layer]
    density = found.counts / found.counts.sum() / np.diff(found.edges)
    centre = (found.edges[1:] + found.edges[:-1]) / 2
    some = (found.counts > 0) & (np.abs(centre) < 0.6)
    rows.append(pd.DataFrame({"cosine": centre[some], "density": density[some], "label": f"layer {layer}"}))
grid = np.linspace(-0.6, 0.6, 241)
ledger.figure(
    "cosines",
    charts.cosine_densities(
        pd.concat(rows, ignore_index=True),
        pd.DataFrame({"cosine": grid, "density": random_cosine_density(grid, d_model)}),
        reach=0.6,
    ),
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
held = represented(toys.weights).sum(-1).numpy()
dims = dimensionality(toys.best()).numpy()
best_held = represented(toys.best()).numpy()
ledger.statistic("toy_features", recipe.features, label="Features of the toy")
ledger.statistic("toy_dimensions", recipe.hidden, label="Its dimensions")
ledger.statistic("toy_sparse_density", DENSITIES[-1], label="Lowest density of features")
HELD = Close(atol=3, because="training amplifies the last digits of float32")
for name, value, label, tolerance in (
    ("dense_most", held[0].max(), "when all are dense, most over replicates", BORDERLINE),
    ("sparse_least", held[-1].min(), "at the lowest density, least over replicates", HELD),
    ("sparse_most", held[-1].max(), "at the lowest density, most over replicates", HELD),
):
    ledger.statistic(
        f"toy_{name}", int(value), label=f"Features held {label}", n=recipe.replicates, tolerance=tolerance
    )
for name, at, label in (("dense", 0, "when all are dense"), ("sparse", -1, "at the lowest density")):
    value = dims[at][best_held[at]].mean()
    label = f"Dimensionality of the features held {label}, mean"
    ledger.statistic(f"toy_{name}_dimensionality", value, label=label, tolerance=TRAINED)
flat = ToyRecipe(features=5, hidden=2, densities=(1.0, 0.5, 0.2, 0.05, 0.02), decay=0.9, **training)
plane = train_toys(flat)
pentagon = dimensionality(plane.best()[-1]).numpy()
label = "Dimensionality of sparse features in a plane, mean"
ledger.statistic("toy_pentagon", pentagon.mean(), label=label, tolerance=TRAINED)
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
        written=dims,
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

# %% [markdown]
# ## Do prompts that say the same share neurons?

# %%
stems = tokenise(bridge, beginnings)
endings = dict(zip(ENDINGS, answer_tokens(bridge, list(ENDINGS.values())), strict=True))
rows = [(*ids, *endings[end]) for ids, end in zip(stems.ids, form, strict=True)]
read = TokenisedTexts(tuple(prompts.prompts), tuple(rows), stems.n_special)
activations = last_token_neurons(bridge, read)
overlap = shared_neurons(activations, K)
overlap_mean = overlap.mean(0)
NAMES = {"is": "is", "of": "of", "为": "zh", "to": "to"}
codes = pd.factorize(form)[0]
is_capital = kind == "capital"
# Capital prompts are one group; every other prompt is a group of its own.
group = np.where(is_capital, 0, 1 + np.arange(len(prompts)))
cell = pd.factorize(pd.Series(form) + " " + pd.Series(kind))[0]
asks_capital = np.isin(form, ["is", "of", "为"])


def shared_t(of: np.ndarray, name: str, similarity: np.ndarray = overlap_mean) -> tuple:
    """T of the capital prompts among some prompts, with its interval and its test."""
    part = similarity[..., of, :][..., :, of]
    test = separation_test(
        part, group[of], within=codes[of], between=codes[of], resamples=resamples, rng=draws(f"{name} test")
    )
    ends = separation_interval(
        part, group[of], between=codes[of], strata=cell[of], resamples=resamples, rng=draws(name)
    )
    return test, ends


def mean_overlap(some: np.ndarray, others: np.ndarray) -> float:
    """Mean overlap of two groups of prompts, a prompt with itself left out."""
    block = overlap_mean[np.ix_(some, others)]
    return float(block[some[:, None] != others[None, :]].mean())


cells = {
    (ending, what): np.flatnonzero((form == ending) & (kind == what))
    for ending, what in dict.fromkeys(zip(form, kind, strict=True))
}
forms = ("is", "of", "为")
across = [(one, other) for one in forms for other in forms if one < other]
test, ends = shared_t(asks_capital, "capitals")
ledger.statistic("k", K, label="Most active neurons compared in each layer")
ledger.statistic("n_prompts", len(prompts), label="Prompts")
ledger.statistic(
    "overlap_chance", K / (2 * n_neurons - K), label="Overlap of two random sets of neurons", format=".3f"
)
for name, one_kind, some, label in (
    ("same_form", "capital", [(one, one) for one in forms], "capital prompts of the same form"),
    ("capitals", "capital", across, "capital prompts of different forms"),
    ("unrelated", "unrelated", across, "unrelated prompts of different forms"),
):
    value = np.mean([mean_overlap(cells[one, one_kind], cells[other, one_kind]) for one, other in some])
    ledger.statistic(f"overlap_{name}", value, label=f"Overlap of {label}, mean", tolerance=OVERLAP)
ledger.statistic(
    "overlap_same_ending",
    np.mean([mean_overlap(cells[one, "capital"], cells[one, "unrelated"]) for one in forms]),
    label="Overlap of a capital prompt and an unrelated one of the same form, mean",
    tolerance=OVERLAP,
)
T = {"format": "+.3f", "tolerance": OVERLAP}
BY_FORM = "capital prompts shuffled within forms, one-sided"
HOLM = "Holm over the hypotheses about prompts"
# fmt: off
ledger.statistic(
    "capital", test.observed[0], label="T of capital prompts over three forms",
    **inference(ends, test, BY_FORM),
    n=int(asks_capital.sum()), **T,
)
# fmt: on

# %%
company = np.array([prompt.split()[0] for prompt in prompts.prompts])
headquarters, others = cells["to", "headquarters"], cells["to", "unrelated"]
assert (company[headquarters] == company[others]).all(), "the same companies in the same order"
english = np.flatnonzero(is_capital & np.isin(form, ["is", "of"]))
towards = overlap[:, :, english].mean(2).T  # (prompt, layer)
difference = (towards[headquarters] - towards[others]).mean(1)
flips = sign_flip_test(difference, alternative="greater")
paired = bootstrap_weights(np.zeros(len(difference), dtype=np.int64), resamples, draws("headquarters"))
ends_headquarters = percentile_interval(paired @ difference[:, None] / len(difference))

found = {}
for one, other in (("is", "of"), ("is", "为"), ("of", "为")):
    found[f"capital_{NAMES[one]}_{NAMES[other]}"] = shared_t(
        np.isin(form, [one, other]), f"{NAMES[one]} {NAMES[other]}"
    )
adjusted = holm([*(test.p[0] for test, _ in found.values()), flips.p])
for (name, (test, ends)), p in zip(found.items(), adjusted[:-1], strict=True):
    _, one, other = name.split("_")
    # fmt: off
    ledger.statistic(
        name, test.observed[0], label=f"T of capital prompts, forms “{one}” and “{other}”", n=32,
        **inference(ends, test, f"{BY_FORM}; {HOLM}", p=p), **T,
    )
    # fmt: on
# fmt: off
ledger.statistic(
    "headquarters", difference.mean(),
    label="Overlap with English capital prompts: headquarters that moved minus the same companies otherwise",
    n=len(difference),
    **inference(ends_headquarters, by=f"sign flips over companies, one-sided; {HOLM}", p=adjusted[-1]), **T,
)
# fmt: on
ledger.claim(
    "capital_both_ways",
    "Capital sentences share neurons whichever of place and capital is asked for.",
    criterion="capital_is_of > 0 and capital_is_of.p < 0.05",
)
ledger.claim(
    "capital_across_languages",
    "Chinese and English capital sentences share neurons.",
    criterion="capital_is_zh > 0 and capital_is_zh.p < 0.05 and capital_of_zh > 0 and capital_of_zh.p < 0.05",
)
ledger.claim(
    "headquarters_share",
    "Headquarters that moved share more neurons with capitals than the same companies do otherwise.",
    criterion="headquarters > 0 and headquarters.p < 0.05",
)

# %% [markdown]
# A person who moved goes to a place too, without any headquarters: is it the place that is shared? These
# prompts are not paired with the companies, so whole groups are compared.

# %%
moved = cells["to", "person moved"]


def contrast(one: np.ndarray, other: np.ndarray, name: str) -> tuple:
    """Mean overlap with English capital prompts of one group minus another's."""
    items = np.concatenate([one, other])
    label = np.repeat([1, 0], [len(one), len(other)])
    value = towards[items].mean(1, keepdims=True)
    test = mean_difference_test(value, label, resamples=resamples, rng=draws(f"{name} test"))
    ends = mean_difference_interval(value, label, strata=label, resamples=resamples, rng=draws(name))
    return test, ends


for name, one, other, label in (
    ("moved", moved, others, "a person moved minus companies otherwise"),
    ("headquarters_vs_moved", headquarters, moved, "headquarters that moved minus a person who moved"),
):
    test, ends = contrast(one, other, name)
    # fmt: off
    ledger.statistic(
        name, test.observed[0], label=f"Overlap with English capital prompts: {label}",
        n=len(one) + len(other), **inference(ends, test, "permutation of the two groups, two-sided"), **T,
    )
    # fmt: on

ledger.claim(
    "headquarters_beat_person",
    "Headquarters that moved share more neurons with capitals than a person who moved does.",
    criterion="headquarters_vs_moved > 0 and headquarters_vs_moved.p < 0.05",
    exploratory="it was claimed when the difference had been seen",
)

# %%
curves = []
AT_THRESHOLD = Close(atol=2, because="layers at the threshold")
for name, of, label in (
    ("capital_layers_english", np.isin(form, ["is", "of"]), "capitals, English"),
    ("capital_layers_languages", np.isin(form, ["is", "为"]), "capitals, English and Chinese"),
):
    test, ends = shared_t(of, name, overlap)
    curves.append(
        pd.DataFrame(
            {"layer": layers, "value": test.observed, "low": ends.low, "high": ends.high,
             "threshold": test.threshold, "label": label}
        )
    )  # fmt: skip
    # fmt: off
    ledger.statistic(
        name, int((test.p_max < 0.05).sum()),
        label=f"Layers in which capital prompts share neurons (maximum statistic), {label}", n=n_layers,
        tolerance=AT_THRESHOLD,
    )
    # fmt: on
    ledger.statistic(
        f"{name}_peak", int(test.observed.argmax()), label="Layer with the largest T", tolerance=BORDERLINE
    )
items = np.concatenate([headquarters, others])
label = np.repeat([1, 0], len(headquarters))
pair = np.tile(np.arange(len(headquarters)), 2)
test = mean_difference_test(
    towards[items], label, within=pair, resamples=resamples, alternative="greater", rng=draws("hq layers")
)
by_layer = percentile_interval(paired @ (towards[headquarters] - towards[others]) / len(headquarters))
curves.append(
    pd.DataFrame(
        {"layer": layers, "value": test.observed, "low": by_layer.low, "high": by_layer.high,
         "threshold": test.threshold, "label": "headquarters moved"}
    )
)  # fmt: skip
# fmt: off
ledger.statistic(
    "headquarters_layers", int((test.p_max < 0.05).sum()),
    label="Layers in which headquarters that moved share neurons with capitals (maximum statistic)",
    n=n_layers,
    tolerance=AT_THRESHOLD,
)
ledger.statistic(
    "headquarters_peak", int(test.observed.argmax()), label="Layer with the largest such difference",
    tolerance=BORDERLINE,
)
# fmt: on
ledger.figure(
    "abstraction_by_layer",
    charts.scan_by_layer(pd.concat(curves, ignore_index=True), y_title="extra overlap (Jaccard)", chance=0.0),
    caption="How much more the most active neurons of related prompts overlap than those of unrelated ones, "
    "by layer, with 95% intervals. Dashed: what a layer must exceed for p < 0.05 over all layers; filled "
    "dots do.",
    alt="Three curves over the layers with bands: extra overlap of capital prompts in English, across "
    "languages, and of headquarters that moved.",
    tolerance={"*": OVERLAP},
)
names = [f"{NAMES[ending]}: {what}" for ending, what in cells]
grid_values = np.array([[mean_overlap(one, other) for other in cells.values()] for one in cells.values()])
ledger.figure(
    "overlap_grid",
    charts.overlap_grid(grid_values, names, value_title="overlap"),
    caption="Mean overlap of the most active neurons between groups of prompts, over all layers. Groups are "
    "named by the word that their prompts end in (zh: the Chinese ones) and what they are about.",
    alt="A triangle of cells, one for every two groups of prompts, darker where they share more neurons.",
    tolerance={"*": OVERLAP},
)

# %% [markdown]
# ### Does the number of neurons compared matter?

# %%
rows = []
for k in sorted({K, *(k for k in (20, 50, 100, 200) if k < n_neurons)}):
    similarity = shared_neurons(activations, k).mean(0)
    near = similarity[:, english].mean(1)
    row = {"k": k}
    for one, other in (("is", "of"), ("is", "为"), ("of", "为")):
        of = np.isin(form, [one, other])
        value = separation(similarity[np.ix_(of, of)], group[of], between=codes[of])[0]
        row[f"{NAMES[one]}_{NAMES[other]}"] = float(value)
    row["headquarters"] = float((near[headquarters] - near[others]).mean())
    row["moved"] = float(near[moved].mean() - near[others].mean())
    rows.append(row)
ledger.table(
    "by_k",
    pd.DataFrame(rows),
    key="k",
    caption="T of capital prompts for every two forms, and extra overlap of the two kinds of prompts about "
    "moving, by the number of most active neurons that are compared.",
    labels={"is_of": "is, of", "is_zh": "is, zh", "of_zh": "of, zh"},
    formats={name: "+.3f" for name in ("is_of", "is_zh", "of_zh", "headquarters", "moved")},
    tolerance={"*": OVERLAP, "k": EXACT},
)

# ---
# title: Topic geometry
# description: Where a model's residual stream puts controversial and neutral, abstract and concrete topics.
# mechscope:
#   data: [data/topics.csv, data/topics_crossed.csv]
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
# # Topic geometry
#
# <!-- lint: allow numeral because it retells the write-up and its design -->
# A write-up of February 2026 ("Does GPT-2 Represent Controversy?") gave GPT-2 small twenty prompts of the
# form "[Topic] is" and looked at what the model holds after the last word. It reported that raw cosines are
# nearly 1 for all pairs, and that mean-centred cosines separate abstract from concrete topics rather than
# controversial from neutral ones. Here the same measurements are made on another model, with the tests that
# they need, and on a larger set in which the two labels are crossed. `topic_layers` follows the separation
# over layers and heads, `next_words` looks at what the model would say.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000

# %% [markdown]
# ## What was fixed beforehand
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Prompts.** `topics.csv` holds twenty prompts "[Topic] is", five of each kind that the source used. Two
# labels were given to each topic before any model saw it. *Controversial*: the public of English-speaking
# countries is divided about it on political or moral grounds. *Abstract*: it has no body (an idea, a
# practice, an institution, a process), as against an object, a substance, an organism or a place. In the
# source's four kinds the labels are not crossed: no controversial topic is concrete. Each kind holds two
# topics of two words, because length changes positions and tokens; the number of tokens is counted below
# rather than assumed.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# `topics_crossed.csv` crosses the labels: 4 × 25 topics. Each is one token in the vocabularies of both
# embedded models when a space comes before it, so these prompts begin with that space, and all have the
# same positions. Word forms are matched within the two abstract cells (7 in -ism, 6 in -ation and the like,
# 3 in -ity, 3 in -ing, 6 others) and within the two concrete cells (15 substances, 10 countable things). In
# another vocabulary only topics of one token are used, the same number of each cell; with fewer than 5
# nothing is said about the crossed set.
#
# **Position and layers.** The residual stream after each block at the last token, " is" (or its end, where a
# vocabulary splits it). Before the first block that token's vector is the same for all prompts, so layers
# count from "after block 0".
#
# **BOS** follows the model's own convention (`default_prepend_bos`).
#
# <!-- lint: allow numeral because these are definitions -->
# **Separation.** T(label) = mean cosine of pairs with the same label − mean cosine of pairs with different
# labels, on mean-centred vectors. Centring n vectors pushes their mean cosine to about −1/(n−1), so 0 is
# not what chance gives: T is compared with T after shuffling one label among the topics that agree on the
# other (one-sided). For T(abstract) − T(controversial) the two labels exchange roles topic by topic
# (two-sided). Intervals resample topics within their category; an item's copies are never paired.
#
# **A stricter T.** Controversial concrete topics are drugs and weapons, and drugs resemble drugs. T
# *between* looks only at pairs that differ in the other label: is a controversial substance nearer to a
# controversial idea than to a neutral idea?
#
# <!-- lint: allow numeral because thresholds were fixed beforehand -->
# **Thresholds.** Raw cosines count as near 1 above 0.99. A separation below 0.05 is too small to speak of.
#
# <!-- lint: allow numeral because it tells of simulations in the tests, and of the design -->
# **After a first look** the claim that abstractness outweighs controversy was tightened, and counts as
# exploratory: it also asks for an interval above 0, because in simulations of two equally strong labels the
# exchange of roles alone gives p < 0.05 in over a tenth of cases. Two controls came after it too: token
# embeddings, and the last layer without its largest dimensions.

# %%
import dataclasses

import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.ledger import FLOAT32, Close, Ledger
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import one_token, shared_ending, tokenise, unreadable
from mechscope.lens.geometry import cluster, cosines, dominance, has_cosines, off_diagonal, without_dimensions
from mechscope.models import load_model
from mechscope.stats.estimates import Draws
from mechscope.stats.pairs import (
    TwoLabels,
    adjusted_rand,
    mean_by_group,
    nearest_share,
    same_label,
    separation_estimates,
)
from mechscope.stats.samples import above_median

CENTRED = Close(
    rtol=2e-3, atol=2e-4, because="centring subtracts a large common part from float32 activations"
)
draws = Draws(seed, resamples)
ledger = Ledger("topic_geometry", tolerance=CENTRED)
columns, labels = ["topic", "category"], ["controversial", "abstract"]
topics = load_prompts(analysis_file("data/topics.csv"), columns=columns, labels=labels)
crossed = load_prompts(analysis_file("data/topics_crossed.csv"), columns=columns, labels=labels)

# %% [markdown]
# ## One pass over all prompts

# %%
bridge = load_model(model, dtype=dtype)
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
if reason := unreadable(bridge, topics.prompts):
    ledger.does_not_apply(reason)
n_ending = shared_ending(bridge.tokenizer(topics.prompts, add_special_tokens=False)["input_ids"])  # " is"
if not n_ending:
    ledger.does_not_apply("every prompt must end in the same token, and in this vocabulary they do not")
crossed_ids = bridge.tokenizer(crossed.prompts, add_special_tokens=False)["input_ids"]
multi_token = sum(len(ids) > n_ending + 1 for ids in crossed_ids)
ledger.statistic("crossed_multi_token", multi_token, "Crossed topics of more than one token", n=len(crossed))
crossed = crossed.balanced(one_token(bridge, crossed.prompts, n_ending), by="category")
no_crossed = (
    "the crossed design needs topics of one token, at least 5 in each category, and this vocabulary has "
    f"{len(crossed) // 4}"
) * (len(crossed) < 4 * 5)
tokenised = tokenise(bridge, topics.prompts + crossed.prompts)
read = read_last_position(bridge, tokenised, residuals=True, progress=True)
n, n_crossed = len(topics), len(crossed)
residuals, residuals_crossed = read.residuals[:, :n], read.residuals[:, n:]
n_tokens = (tokenised.n_tokens[:n] - n_ending).numpy()
for name, count, label in (
    ("n_topics", n, "Topics in the source's design"),
    ("n_crossed", n_crossed, "Topics in the crossed design"),
    ("n_layers", n_layers, "Layers"),
    ("n_heads", n_layers * n_heads, "Attention heads"),
    ("tokens_least", n_tokens.min(), "Tokens of the shortest of the twenty topics"),
    ("tokens_most", n_tokens.max(), "Tokens of the longest of the twenty topics"),
):
    ledger.statistic(name, count, label)

# %% [markdown]
# ## Raw cosines, and why they are large
#
# The cosine of two raw residual vectors says little when all vectors share a large part: a common mean,
# most of it often in a few dimensions. `mean_share` is the squared norm of the mean vector over the mean
# squared norm; were it 1, all cosines would be 1.

# %%
LARGEST = 3
last = residuals[-1].double()
both_sets = [residuals] if no_crossed else [residuals, residuals_crossed]
# Where attention has not brought anything of the topic yet, all prompts hold the same.
measured = np.flatnonzero(np.all([has_cosines(vectors, centred=True) for vectors in both_sets], axis=0))
if n_layers - 1 not in measured:
    ledger.does_not_apply("cosines need prompts that leave different traces, and after these all is the same")
raw = off_diagonal(cosines(last, centred=False))
common = dominance(last)
reduced = off_diagonal(cosines(without_dimensions(last, common.dimensions[:LARGEST]), centred=False))
shares = f"Share of the {LARGEST} largest of the dimensions in the squared norm"
without = f"raw cosine without these {LARGEST} dimensions"
for name, value, label, format in (
    ("raw_min", raw.min(), "Lowest raw cosine, last layer", ".4f"),
    ("raw_max", raw.max(), "Highest raw cosine, last layer", ".4f"),
    ("raw_mean", raw.mean(), "Mean raw cosine, last layer", ".4f"),
    ("mean_share", common.mean_share, "Share of the common mean in the mean squared norm, last layer", ".0%"),
    ("largest_share", common.shares[:LARGEST].sum(), f"{shares}, last layer", ".0%"),
    ("raw_min_without_largest", reduced.min(), f"Lowest {without}", ".3f"),
    ("raw_mean_without_largest", reduced.mean(), f"Mean {without}", ".3f"),
):
    ledger.statistic(name, value, label, format=format, n=n, tolerance=FLOAT32)
ledger.statistic("n_dimensions", last.shape[-1], "Dimensions of the residual stream")
ledger.table(
    "dimensions",
    pd.DataFrame({"dimension": common.dimensions[:10], "share": common.shares[:10]}),
    key="dimension",
    caption="The ten dimensions with the largest share in the squared norm of a residual vector, last layer.",
    formats={"dimension": "d", "share": ".4f"},
    tolerance=FLOAT32,
)
ledger.claim("raw_near_one", "All raw cosines of the last layer are near 1.", criterion="raw_min > 0.99")

# %% [markdown]
# ## Mean-centred cosines

# %%
centred = cosines(residuals[measured], centred=True)
pairs = off_diagonal(centred[-1])
spread_share = dominance(last - last.mean(0)).shares[:LARGEST].sum()
for name, value, label, format in (
    ("centred_min", pairs.min(), "Lowest mean-centred cosine, last layer", None),
    ("centred_max", pairs.max(), "Highest mean-centred cosine, last layer", None),
    ("centred_mean", pairs.mean(), "Mean of the mean-centred cosines", ".3f"),
    ("centred_largest_share", spread_share, f"{shares} after centring, last layer", ".0%"),
):
    ledger.statistic(name, value, label, format=format, n=n)
label = "What centring alone makes of that mean: −1/(n−1)"
ledger.statistic("centred_expected", -1 / (n - 1), label, format=".3f", tolerance=FLOAT32)
tree = cluster(centred[-1])
ledger.figure(
    "similarity",
    charts.cosine_heatmap(
        centred[-1], topics.column("topic"), topics.column("category"), order=tree.order, merges=tree.merges
    ),
    caption="Mean-centred cosines of the last layer's residual stream after “[Topic] is”, in the order of an "
    "average-linkage clustering (tree).",
    alt="A heatmap of the cosines between all pairs of the twenty topics, rows and columns ordered by a "
    "clustering tree drawn on top, with a coloured mark for each topic's category.",
)
ledger.claim(
    "centred_spread",
    "Mean-centred cosines reach from below −0.5 to above 0.5.",
    criterion="centred_min < -0.5 and centred_max > 0.5",
)

# %% [markdown]
# The two main clusters against each label: adjusted Rand index, with the p-value of its permutation (labels
# shuffled over all topics, since a clustering knows nothing of the other label).

# %%
halves, quarters = tree.cut(2), tree.cut(4)
by = "permutation of labels over all topics, one-sided"
for label in ("abstract", "controversial"):
    values = topics.label(label)
    tested = separation_estimates(draws, f"clusters {label}", same_label(halves), values, by=by)[0]
    ledger.statistic(
        f"clusters_{label}",
        dataclasses.replace(tested, value=adjusted_rand(halves, values)),
        f"Agreement of the two main clusters with '{label}' (adjusted Rand index)",
        tolerance=FLOAT32,
    )
smaller = np.bincount(halves, minlength=2).min()
ledger.statistic("clusters_smaller", smaller, "Topics in the smaller of the two main clusters", n=n)
ledger.statistic(
    "clusters_category",
    adjusted_rand(quarters, topics.codes("category")),
    "Agreement of the four main clusters with the four categories (adjusted Rand index)",
    n=n,
    tolerance=FLOAT32,
)
ledger.claim(
    "clusters_by_abstractness",
    "The two main clusters follow abstractness rather than controversy.",
    criterion="clusters_abstract > clusters_controversial and clusters_abstract.p < 0.05",
)

# %% [markdown]
# ## Does a label separate the topics?
#
# <!-- lint: allow numeral because it is the source's design -->
# First the source's twenty prompts. Its design leaves little to permute (only the neutral topics differ in
# abstractness, and only the abstract ones in controversy), so the claims rest on the crossed set.


# %%
def record_last(name: str, two: TwoLabels, similarity: np.ndarray, where: str) -> None:
    """T of both labels in one matrix of cosines."""
    for label, t in two.separations(draws, name, similarity).items():
        ledger.statistic(f"{name}t_{label}", t[0], f"Separation by '{label}', T, {where}", format=".3f")


def record_difference(name: str, two: TwoLabels, similarity: np.ndarray, where: str) -> None:
    """By how much abstractness separates more."""
    difference = two.difference(draws, f"{name}difference", similarity)
    label = f"T(abstract) − T(controversial), {where}"
    ledger.statistic(f"{name}difference", difference, label, format=".3f")


of_topics, of_crossed = (
    TwoLabels(
        {label: prompts.label(label) for label in ("abstract", "controversial")},
        prompts.codes("category"),
        item="topic",
    )
    for prompts in (topics, crossed)
)
record_last("", of_topics, centred[-1], "last layer, twenty topics")
record_difference("", of_topics, centred[-1], "last layer, twenty topics")
if not 1 < len(np.unique(n_tokens)) < n:
    ledger.does_not_apply("topics of equal and of unequal numbers of tokens are needed", "t_length")
else:
    by = "permutation of lengths over all topics, one-sided"
    ledger.statistic(
        "t_length",
        separation_estimates(draws, "length", centred[-1], n_tokens, by=by)[0],
        "Separation by the topic's number of tokens, T, last layer, twenty topics",
        format=".3f",
    )

# %% [markdown]
# ### The crossed set

# %%
if no_crossed:
    ledger.does_not_apply(no_crossed)
abstract, controversial = of_crossed.labels.values()
last_cosines = cosines(residuals_crossed[measured], centred=True)[-1]
record_last("crossed_", of_crossed, last_cosines, "last layer, crossed topics")
record_difference("crossed_", of_crossed, last_cosines, "last layer, crossed topics")
ledger.claim(
    "abstractness_separates",
    "Abstract and concrete topics are separated at the last layer.",
    criterion="crossed_t_abstract > 0 and crossed_t_abstract.p < 0.05",
)
ledger.claim(
    "controversy_separates",
    "Controversial and neutral topics are separated at the last layer.",
    criterion="crossed_t_controversial > 0 and crossed_t_controversial.p < 0.05",
)
ledger.claim(
    "controversy_negligible",
    "Controversy separates topics by less than 0.05 at the last layer.",
    criterion="crossed_t_controversial.high < 0.05",
)
ledger.claim(
    "abstraction_beats_controversy",
    "Topics lie together by abstractness more than by controversy.",
    criterion="crossed_difference.low > 0 and crossed_difference.p < 0.05",
    exploratory="after a first look the criterion was tightened by the interval",
)

# %% [markdown]
# What such a difference of cosines amounts to: how often the topic with the highest cosine has the same
# label. By chance it would be as often as another topic has it.

# %%
for label, values in of_crossed.labels.items():
    ledger.statistic(
        f"nearest_{label}",
        nearest_share(last_cosines, values),
        f"Topics whose nearest neighbour has the same label '{label}', last layer, crossed topics",
        format=".0%",
        n=n_crossed,
        tolerance=Close(atol=0.02, because="two neighbours can be equally near"),
    )
by_chance = (abstract.sum() - 1) / (n_crossed - 1)
ledger.statistic("nearest_chance", by_chance, "The same by chance", format=".0%", tolerance=FLOAT32)

# %% [markdown]
# Two ways in which controversy might only seem to separate topics: because controversial topics are rarer
# words (then it should vanish when labels are shuffled only among topics of like rarity; a token's id
# stands in for its rarity, since vocabularies are built from the most frequent pieces on), or because a few
# kinds of things (drugs, weapons) stick together (then it should vanish between abstract and concrete
# topics).

# %%
topic_ids = np.array([ids[tokenised.n_special] for ids in tokenised.ids[n:]])
rare = above_median(topic_ids, within=abstract)
if len(set(zip(abstract, rare, controversial, strict=True))) == 4:
    ledger.does_not_apply(
        "rarity must not go with controversy, and by this vocabulary's ids it does",
        *("crossed_t_rarity", "crossed_t_controversial_matched"),
    )
else:
    for name, drawn_as, values, within, shuffled, label in (
        (
            "crossed_t_rarity",
            "by rarity",
            rare,
            2 * abstract + controversial,
            "rarity within category",
            "Separation by rarity (token id above or below the median), T, last layer, crossed topics",
        ),
        (
            "crossed_t_controversial_matched",
            "rarity",
            controversial,
            2 * abstract + rare,
            "labels among topics of like abstractness and rarity",
            "Separation by 'controversial', T, shuffled only among topics of like abstractness and rarity",
        ),
    ):
        by = f"permutation of {shuffled}, one-sided"
        t = separation_estimates(draws, drawn_as, last_cosines, values, within=within, by=by)
        ledger.statistic(name, t[0], label, format=".3f")
for label, t in of_crossed.separations(draws, "between ", last_cosines, between=True).items():
    ledger.statistic(
        f"between_{label}",
        t[0],
        f"Separation by '{label}' over pairs that differ in the other label, T, last layer, crossed topics",
        format=".3f",
    )
ledger.claim(
    "controversy_is_shared",
    "What separates controversial from neutral topics is common to abstract and concrete ones.",
    criterion="between_controversial > 0 and between_controversial.p < 0.05",
)

# %% [markdown]
# Two more comparisons. *Embeddings:* how far do the topics' own token embeddings separate, before the model
# has done anything? What is above that, the blocks have made (cosines in two spaces compare roughly only).
# *Without the largest:* the last layer without the dimensions that carry most of what is left after
# centring.

# %%
embedded = cosines(bridge.W_E[torch.as_tensor(topic_ids)].float(), centred=True)
record_last("embedding_", of_crossed, embedded, "token embeddings, crossed topics")
last_crossed = residuals_crossed[-1].double()
largest = dominance(last_crossed - last_crossed.mean(0)).dimensions[:LARGEST]
reduced = cosines(without_dimensions(last_crossed, largest), centred=True)
record_last(
    "reduced_", of_crossed, reduced, f"last layer without its {LARGEST} largest dimensions, crossed topics"
)

# %%
names = list(dict.fromkeys(crossed.column("category")))
ledger.table(
    "categories",
    pd.DataFrame(
        mean_by_group(last_cosines, of_crossed.strata), index=pd.Index(names, name="category"), columns=names
    ),
    key="category",
    caption="Mean of the mean-centred cosines within and between the categories of the crossed set, last "
    "layer.",
    formats=dict.fromkeys(names, ".3f"),
)

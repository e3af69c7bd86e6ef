# ---
# title: Topic geometry
# description: Where a model's residual stream puts controversial and neutral, abstract and concrete topics.
# mechscope:
#   data: [data/topics.csv, data/topics_crossed.csv, data/evaluative_words.csv]
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
# nearly 1 for all pairs, that mean-centred cosines separate abstract from concrete topics rather than
# controversial from neutral ones, and that the most probable next words carry no evaluation. Here the same
# measurements are made on another model, with the tests that they need, and on a larger set in which the
# two labels are crossed.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
top_k = 50

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
# count from "after block 0". Layers and heads that hold the same for all topics have no cosines.
#
# **BOS** follows the model's own convention (`default_prepend_bos`).
#
# <!-- lint: allow numeral because these are definitions -->
# **Separation.** T(label) = mean cosine of pairs with the same label − mean cosine of pairs with different
# labels, on mean-centred vectors. Centring n vectors pushes their mean cosine to about −1/(n−1), so 0 is
# not what chance gives: T is compared with T after shuffling one label among the topics that agree on the
# other (one-sided). For T(abstract) − T(controversial) the two labels exchange roles topic by topic
# (two-sided). Over layers and over heads the largest standardised T of each shuffle is what a layer or head
# must exceed (maximum statistic). Intervals resample topics within their category; an item's copies are
# never paired.
#
# **A stricter T.** Controversial concrete topics are drugs and weapons, and drugs resemble drugs. T
# *between* looks only at pairs that differ in the other label: is a controversial substance nearer to a
# controversial idea than to a neutral idea?
#
# <!-- lint: allow numeral because thresholds were fixed beforehand -->
# **Thresholds.** Raw cosines count as near 1 above 0.99, and top-50 sets as near-identical when they share
# 80% on average. A separation below 0.05 is too small to speak of. The evaluative words are in
# `evaluative_words.csv`, in five kinds.
#
# <!-- lint: allow numeral because it tells of simulations in the tests, and of the design -->
# **After a first look** three things changed, and count as exploratory. "Just" left the list (after "is" it
# is an adverb: "is just a"). The claim about words of dispute (`controversy_is_mentioned`) was added,
# because the first look suggested it. The claim that abstractness outweighs controversy also asks for an
# interval above 0, because in simulations of two equally strong labels the exchange of roles alone gives p
# < 0.05 in over a tenth of cases. Four controls came after it too: token embeddings, the last layer without
# its largest dimensions, the layer curves of the twenty topics and the figure about words of dispute.

# %%
import dataclasses

import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.characters import shown_token
from mechscope.data.prompts import analysis_file, load_prompts, load_words
from mechscope.ledger import FLOAT32, RESAMPLED, Close, Ledger
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import shared_ending, tokenise, unreadable
from mechscope.lens.geometry import cluster, cosines, dominance, has_cosines, off_diagonal, without_dimensions
from mechscope.lens.next_tokens import log_mass, shared_top, top_tokens, words_as_tokens
from mechscope.models import load_model
from mechscope.stats.estimates import Draws, Estimate, stacked
from mechscope.stats.multiple import holm
from mechscope.stats.pairs import (
    TwoLabels,
    adjusted_rand,
    mean_by_group,
    mean_similarity_interval,
    nearest_share,
    same_label,
    separation_estimates,
)
from mechscope.stats.samples import above_median, mean_difference_estimate

CENTRED = Close(
    rtol=2e-3, atol=2e-4, because="centring subtracts a large common part from float32 activations"
)
PROBABILITY = Close(rtol=1e-3, atol=1e-6, because="float32 reductions, then exponentiated")
BORDERLINE = Close(atol=1, because="two probabilities that differ by float32 noise may change places")
HEADS = "heads at the border of p = 0.05 may change sides"
draws = Draws(seed, resamples)
ledger = Ledger("topic_geometry", tolerance=CENTRED)
columns, labels = ["topic", "category"], ["controversial", "abstract"]
topics = load_prompts(analysis_file("data/topics.csv"), columns=columns, labels=labels)
crossed = load_prompts(analysis_file("data/topics_crossed.csv"), columns=columns, labels=labels)
evaluative = load_words(analysis_file("data/evaluative_words.csv"))

# %% [markdown]
# ## One pass over all prompts

# %%
bridge = load_model(model, dtype=dtype)
n_layers, n_heads, vocabulary = bridge.cfg.n_layers, bridge.cfg.n_heads, bridge.cfg.d_vocab
if reason := unreadable(bridge, topics.prompts):
    ledger.does_not_apply(reason)
if vocabulary < 2 * top_k:
    ledger.does_not_apply(
        f"the top {top_k} next tokens need a vocabulary of {2 * top_k}, and this one has {vocabulary}"
    )
n_ending = shared_ending(bridge.tokenizer(topics.prompts, add_special_tokens=False)["input_ids"])  # " is"
if not n_ending:
    ledger.does_not_apply("every prompt must end in the same token, and in this vocabulary they do not")
crossed_ids = bridge.tokenizer(crossed.prompts, add_special_tokens=False)["input_ids"]
multi_token = np.array([len(ids) > n_ending + 1 for ids in crossed_ids])
unknown = np.array([bridge.tokenizer.unk_token_id in ids for ids in crossed_ids])
ledger.statistic(
    "crossed_multi_token", int(multi_token.sum()), "Crossed topics of more than one token", n=len(crossed)
)
crossed = crossed.balanced(~multi_token & ~unknown, by="category")
no_crossed = (
    "the crossed design needs topics of one token, at least 5 in each category, and this vocabulary has "
    f"{len(crossed) // 4}"
) * (len(crossed) < 4 * 5)
tokenised = tokenise(bridge, topics.prompts + crossed.prompts)
read = read_last_position(bridge, tokenised, residuals=True, heads=True, log_probs=True, progress=True)
if bool((read.log_probs.amax(-1) == read.log_probs.amin(-1)).any()):
    ledger.does_not_apply("some next words must be more probable than others, and here all are alike")

n, n_crossed = len(topics), len(crossed)
residuals, residuals_crossed = read.residuals[:, :n], read.residuals[:, n:]
log_probs, log_probs_crossed = read.log_probs[:n], read.log_probs[n:]
n_tokens, n_tokens_crossed = np.split((tokenised.n_tokens - n_ending).numpy(), [n])
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
# ## Next words

# %%
top = top_tokens(bridge, log_probs, top_k)
word_of = words_as_tokens(bridge, evaluative)
n_visible = len(set(word_of.values()))
hits = [[word_of[token] for token in ids if token in word_of] for ids in top.ids.tolist()]
next_tokens = top.frame(topics.prompts)
ledger.table(
    "next_tokens",
    next_tokens.assign(evaluative=next_tokens["token_id"].isin(word_of)),
    key=["prompt", "token_id"],
    caption=f"The {top_k} most probable next tokens of each prompt.",
    labels={"token_id": "id"},
    formats={"token_id": "d", "probability": ".4f"},
    tolerance={"rank": BORDERLINE, "probability": PROBABILITY},
    shown=top_k,
)
ledger.table(
    "topics",
    topics.frame[["prompt", "category", "controversial", "abstract"]].assign(
        tokens=n_tokens,
        next=[", ".join(map(shown_token, tokens[:6])) for tokens in top.tokens],
        evaluative=[", ".join(words) for words in hits],
    ),
    key="prompt",
    caption="The twenty prompts: labels, length of the topic, the six most probable next tokens, and the "
    f"evaluative words among the {top_k} most probable.",
    labels={"next": "most probable next tokens", "evaluative": "evaluative words"},
)

# %%
overlap = shared_top(top.ids)
overlap_pairs = off_diagonal(overlap)
overlap_ends = mean_similarity_interval(
    overlap, strata=topics.codes("category"), resamples=resamples, rng=draws.rng("overlap")
)
ledger.statistic(
    "overlap_mean",
    Estimate.of(overlap_pairs.mean(), interval=overlap_ends, n=n),
    f"Mean share of their top {top_k} next tokens that two prompts have in common",
    format=".0%",
    tolerance=Close(atol=0.005, because="a token at the border of the top 50 may change places"),
)
ledger.statistic(
    "overlap_min",
    overlap_pairs.min(),
    "Least such share",
    format=".0%",
    n=n,
    tolerance=Close(atol=0.02, because="one token"),
)
most_probable = pd.Series([tokens[0] for tokens in top.tokens]).value_counts()
ledger.statistic("first_token", shown_token(most_probable.index[0]), "Commonest most probable next token")
ledger.statistic(
    "first_token_prompts", most_probable.iloc[0], "Prompts on which it is the most probable", n=n
)
ledger.statistic("evaluative_words", len(evaluative), "Words in the evaluative list")
ledger.statistic("evaluative_visible", n_visible, "Evaluative words that are one token in this vocabulary")
disputed, with_hit = topics.label("controversial") == 1, np.array(list(map(bool, hits)))
n_hits, in_top = sum(len(set(words)) for words in hits), f"an evaluative word in the top {top_k}"
counts = {
    "evaluative_hits": (n_hits, n, f"Evaluative words among the top {top_k}, over all prompts"),
    "evaluative_controversial": (
        with_hit[disputed].sum(),
        disputed.sum(),
        f"Controversial prompts with {in_top}",
    ),
    "evaluative_neutral": (with_hit[~disputed].sum(), (~disputed).sum(), f"Neutral prompts with {in_top}"),
}
if 2 * n_visible < len(evaluative):
    ledger.does_not_apply(
        "at least half of the evaluative words must be one token, and in this vocabulary "
        f"{n_visible} of {len(evaluative)} are",
        *counts,
    )
else:
    for name, (count, of, label) in counts.items():
        ledger.statistic(name, count, label, n=of, tolerance=BORDERLINE)
ledger.claim(
    "next_words_alike",
    "The most probable next words are nearly the same for all prompts.",
    criterion="overlap_mean >= 0.8",
)
ledger.claim(
    "no_evaluation",
    "No evaluative word is among the most probable next words of any prompt.",
    criterion="evaluative_hits == 0",
)

# %% [markdown]
# <!-- lint: allow numeral because it is the parameter top_k -->
# Fifty tokens are a keyhole. On the crossed set: how much probability falls on evaluative words altogether,
# and is it more after controversial topics? Differences of log-probability between controversial and
# neutral topics, labels shuffled within abstract and within concrete topics (two-sided).

# %%
tokens_of = {
    kind: [token for token, word in word_of.items() if evaluative[word] == kind]
    for kind in dict.fromkeys(evaluative.values())
}
without_token = sorted(kind for kind, tokens in tokens_of.items() if not tokens)
no_mass = no_crossed
if without_token and not no_crossed:
    no_mass = f"words of each evaluative kind must be one token, and here none is of {without_token}"
controversial, abstract = crossed.label("controversial"), crossed.label("abstract")
category = crossed.codes("category")
SHUFFLED = "permutation of labels within abstract and within concrete topics, two-sided"


def mass_ratio(tokens: list[int], name: str) -> Estimate:
    """How many times more probable these tokens are after controversial than after neutral topics."""
    mass = log_mass(log_probs_crossed, tokens).double().numpy()
    return mean_difference_estimate(
        draws, f"mass {name}", mass, controversial, within=abstract, strata=category, by=SHUFFLED
    ).through(np.exp)


if no_mass:
    ledger.does_not_apply(
        no_mass,
        *("evaluative_ratio", "evaluative_kinds", "dispute_ratio"),
        *("crossed_topics", "evaluative_mass", "dispute_mass"),
    )
else:
    ratios = {kind: mass_ratio(tokens, kind) for kind, tokens in tokens_of.items()}
    p_holm = dict(zip(ratios, holm([ratio.p for ratio in ratios.values()]), strict=True))
    kinds = pd.DataFrame(
        {
            "kind": {"contention": "dispute or legality", "prudential": "benefit or harm"}.get(kind, kind),
            "tokens": len(tokens_of[kind]),
            "ratio": ratio.value,
            "low": ratio.low,
            "high": ratio.high,
            "p": ratio.p,
            "p_holm": p_holm[kind],
        }
        for kind, ratio in ratios.items()
    )
    ledger.statistic(
        "evaluative_ratio",
        mass_ratio(list(word_of), "all"),
        "Probability of an evaluative next word after controversial over neutral topics (geometric means)",
        tolerance=FLOAT32,
    )
    ledger.table(
        "evaluative_kinds",
        kinds,
        key="kind",
        caption="The same ratio for each kind of evaluative word, with intervals at 95% and p-values, "
        "as they are and corrected for the number of kinds (Holm).",
        labels={"low": "from", "high": "to", "p_holm": "p (Holm)"},
        formats={"ratio": ".2f", "low": ".2f", "high": ".2f"},
        tolerance={"*": RESAMPLED, "ratio": FLOAT32},
    )
    ledger.statistic(
        "dispute_ratio",
        ratios["contention"].tested(p_holm["contention"], f"{SHUFFLED}; Holm over kinds"),
        "Probability of a next word of dispute or legality after controversial over neutral topics "
        "(geometric means; p corrected for five kinds)",
        tolerance=RESAMPLED,
    )
ledger.claim(
    "controversy_is_mentioned",
    "Words of dispute and legality are more probable after controversial than after neutral topics.",
    criterion="dispute_ratio > 1 and dispute_ratio.p < 0.05",
    exploratory="added because a first look at both models suggested it",
)
ledger.claim(
    "controversy_raises_evaluation",
    "Evaluative next words are more probable after controversial than after neutral topics.",
    criterion="evaluative_ratio > 1 and evaluative_ratio.p < 0.05",
    exploratory="after a first look the word 'just' left the list, which moved p across 0.05 on SmolLM2",
)

# %%
if not no_mass:
    mass = crossed.frame[["topic", "category"]].assign(
        tokens=n_tokens_crossed,
        evaluative=log_mass(log_probs_crossed, word_of).exp().numpy(),
        dispute=log_mass(log_probs_crossed, tokens_of["contention"]).exp().numpy(),
        next=[shown_token(tokens[0]) for tokens in top_tokens(bridge, log_probs_crossed, 1).tokens],
    )
    ledger.table(
        "crossed_topics",
        mass,
        key="topic",
        caption="The crossed topics: number of tokens, probability of an evaluative next word, most probable "
        "next token.",
        labels={
            "next": "most probable next token",
            "evaluative": "evaluative next word",
            "dispute": "word of dispute",
        },
        formats={"evaluative": ".4f", "dispute": ".5f"},
        tolerance=PROBABILITY,
        shown=10,
    )
    for column, what in (
        ("evaluative", "an evaluative next word"),
        ("dispute", "a next word of dispute or legality"),
    ):
        if not mass[column].all():
            ledger.does_not_apply(
                "a logarithmic axis needs probabilities above nought, and some round to it", f"{column}_mass"
            )
            continue
        ledger.figure(
            f"{column}_mass",
            charts.strip_plot(
                mass, value=column, group="category", item="topic", x_title=f"probability of {what}", log=True
            ),
            caption=f"How probable {what} is after each of the crossed topics (thin lines), and the median "
            "of each category (thick line). Logarithmic scale.",
            alt="Four rows of ticks on a logarithmic axis, one row a category of topics, one tick a topic: "
            f"the summed probability of {what}.",
            tolerance=PROBABILITY,
        )

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
# The last layer's draws are those of the tests above: one quantity, one interval.
ledger.figure(
    "layers_topics",
    charts.layer_curves(
        stacked(of_topics.separations(draws, "", centred), layer=measured), y_title="separation T"
    ),
    caption="The same for the twenty topics of the source's design, in which the labels are not crossed.",
    alt="Two curves over the layers, separation of the twenty topics by abstractness and by controversy, "
    "each with an interval band and a dashed line for the threshold that chance sets.",
)

# %% [markdown]
# ### The crossed set

# %%
if no_crossed:
    ledger.does_not_apply(no_crossed)
centred_crossed = cosines(residuals_crossed[measured], centred=True)
last_cosines = centred_crossed[-1]
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
    "reduced_",
    of_crossed,
    reduced,
    f"last layer without its {LARGEST} largest dimensions, crossed topics",
)

# %%
names = list(dict.fromkeys(crossed.column("category")))
ledger.table(
    "categories",
    pd.DataFrame(
        mean_by_group(last_cosines, category), index=pd.Index(names, name="category"), columns=names
    ),
    key="category",
    caption="Mean of the mean-centred cosines within and between the categories of the crossed set, last "
    "layer.",
    formats=dict.fromkeys(names, ".3f"),
)

# %% [markdown]
# ## Layer by layer

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

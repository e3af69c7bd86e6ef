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
import zlib

import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.data.prompts import PromptSet, analysis_file, load_prompts, load_words
from mechscope.ledger import RESAMPLED, Close, Ledger
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import shared_ending, tokenise, unreadable
from mechscope.lens.geometry import (
    cluster,
    cosines,
    dominance,
    has_cosines,
    off_diagonal,
    without_dimensions,
)
from mechscope.lens.next_tokens import log_mass, shared_top, top_tokens, words_as_tokens
from mechscope.models import load_model
from mechscope.stats.multiple import holm
from mechscope.stats.pairs import (
    adjusted_rand,
    mean_similarity_interval,
    role_swap_test,
    same_label,
    separation_interval,
    separation_test,
)
from mechscope.stats.samples import mean_difference, mean_difference_interval, mean_difference_test

CENTRED = Close(
    rtol=2e-3, atol=2e-4, because="centring subtracts a large common part from float32 activations"
)
PROBABILITY = Close(rtol=1e-3, atol=1e-6, because="float32 reductions, then exponentiated")
BORDERLINE = Close(atol=1, because="two probabilities that differ by float32 noise may change places")


def draws(name: str) -> np.random.Generator:
    """A generator for one test, so that adding a test moves no other test's draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def visible(token: str) -> str:
    """A token without the spaces around it; white space itself as it would be written in code."""
    return token.strip() or repr(token)[1:-1].replace(" ", "␣")


ledger = Ledger("topic_geometry")
topics = load_prompts(
    analysis_file("data/topics.csv"), columns=["topic", "category"], labels=["controversial", "abstract"]
)
crossed = load_prompts(
    analysis_file("data/topics_crossed.csv"),
    columns=["topic", "category"],
    labels=["controversial", "abstract"],
)
evaluative = load_words(analysis_file("data/evaluative_words.csv"))

# %% [markdown]
# ## One pass over all prompts

# %%
bridge = load_model(model, dtype=dtype)
if reason := unreadable(bridge, topics.prompts):
    ledger.does_not_apply(reason)
if bridge.cfg.d_vocab < 2 * top_k:
    ledger.does_not_apply(
        f"the top {top_k} next tokens need a vocabulary of {2 * top_k}, and this one has {bridge.cfg.d_vocab}"
    )
source_rows = bridge.tokenizer(topics.prompts, add_special_tokens=False)["input_ids"]
n_ending = shared_ending(source_rows)  # tokens of " is"
if not n_ending:
    ledger.does_not_apply("every prompt must end in the same token, and in this vocabulary they do not")
crossed_rows = bridge.tokenizer(crossed.prompts, add_special_tokens=False)["input_ids"]
multi_token = np.array([len(row) > n_ending + 1 for row in crossed_rows])
unknown = np.array([bridge.tokenizer.unk_token_id in row for row in crossed_rows])
ledger.statistic(
    "crossed_multi_token",
    int(multi_token.sum()),
    label="Crossed topics of more than one token",
    n=len(crossed),
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
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
residuals, residuals_crossed = read.residuals[:, :n], read.residuals[:, n:]
log_probs, log_probs_crossed = read.log_probs[:n], read.log_probs[n:]
n_tokens = (tokenised.n_tokens - n_ending).numpy()

ledger.statistic("n_topics", n, label="Topics in the source's design")
ledger.statistic("n_crossed", n_crossed, label="Topics in the crossed design")
ledger.statistic("n_layers", n_layers, label="Layers")
ledger.statistic("n_heads", n_layers * n_heads, label="Attention heads")
# lint: allow numeral because twenty prompts are the source's design
ledger.statistic("tokens_least", int(n_tokens[:n].min()), label="Tokens of the shortest of the twenty topics")
# lint: allow numeral because twenty prompts are the source's design
ledger.statistic("tokens_most", int(n_tokens[:n].max()), label="Tokens of the longest of the twenty topics")

# %% [markdown]
# ## Next words

# %%
top = top_tokens(bridge, log_probs, top_k)
word_of = words_as_tokens(bridge, evaluative)
hits = [[word_of[token] for token in row if token in word_of] for row in top.ids.tolist()]

ledger.table(
    "next_tokens",
    pd.DataFrame(
        {
            "prompt": np.repeat(topics.prompts, top_k),
            "token_id": top.ids.flatten().numpy(),
            "token": [repr(token)[1:-1] for row in top.tokens for token in row],
            "rank": np.tile(np.arange(1, top_k + 1), n),
            "probability": top.probabilities.flatten().numpy(),
            "evaluative": [token in word_of for token in top.ids.flatten().tolist()],
        }
    ),
    key=["prompt", "token_id"],
    caption=f"The {top_k} most probable next tokens of each prompt.",
    labels={"token_id": "id"},
    formats={"token_id": "d", "probability": ".4f"},
    tolerance={
        "rank": BORDERLINE,
        "probability": PROBABILITY,
    },
    shown=top_k,
)
ledger.table(
    "topics",
    pd.DataFrame(
        {
            "prompt": topics.prompts,
            "category": topics.column("category"),
            "controversial": topics.column("controversial"),
            "abstract": topics.column("abstract"),
            "tokens": n_tokens[:n],
            "next": [", ".join(visible(token) for token in row[:6]) for row in top.tokens],
            "evaluative": [", ".join(found) for found in hits],
        }
    ),
    key="prompt",
    # lint: allow numeral because twenty prompts are the source's design
    caption="The twenty prompts: labels, length of the topic, the six most probable next tokens, and the "
    f"evaluative words among the {top_k} most probable.",
    labels={"next": "most probable next tokens", "evaluative": "evaluative words"},
)

# %%
overlap = shared_top(top.ids)
overlap_pairs = off_diagonal(overlap)
overlap_ci = mean_similarity_interval(
    overlap, strata=topics.codes("category"), resamples=resamples, rng=draws("overlap")
)
most_probable = pd.Series([row[0] for row in top.tokens]).value_counts()
is_controversial, is_abstract = topics.label("controversial"), topics.label("abstract")
with_hit = np.array([bool(found) for found in hits])

ledger.statistic(
    "overlap_mean",
    overlap_pairs.mean(),
    format=".0%",
    label=f"Mean share of their top {top_k} next tokens that two prompts have in common",
    ci=(overlap_ci.low[0], overlap_ci.high[0]),
    n=n,
    resamples=resamples,
    tolerance=Close(atol=0.005, because="a token at the border of the top 50 may change places"),
)
ledger.statistic(
    "overlap_min",
    overlap_pairs.min(),
    format=".0%",
    label="Least such share",
    n=n,
    tolerance=Close(atol=0.02, because="one token"),
)
ledger.statistic("first_token", visible(most_probable.index[0]), label="Commonest most probable next token")
ledger.statistic(
    "first_token_prompts", int(most_probable.iloc[0]), label="Prompts on which it is the most probable", n=n
)
ledger.statistic("evaluative_words", len(evaluative), label="Words in the evaluative list")
ledger.statistic(
    "evaluative_visible",
    len(set(word_of.values())),
    label="Evaluative words that are one token in this vocabulary",
)
if 2 * len(set(word_of.values())) < len(evaluative):
    ledger.does_not_apply(
        "at least half of the evaluative words must be one token, and in this vocabulary "
        f"{len(set(word_of.values()))} of {len(evaluative)} are",
        *("evaluative_hits", "evaluative_controversial", "evaluative_neutral"),
    )
else:
    ledger.statistic(
        "evaluative_hits",
        sum(len(set(found)) for found in hits),
        label=f"Evaluative words among the top {top_k}, over all prompts",
        n=n,
        tolerance=BORDERLINE,
    )
    ledger.statistic(
        "evaluative_controversial",
        int(with_hit[is_controversial == 1].sum()),
        label=f"Controversial prompts with an evaluative word in the top {top_k}",
        n=int(is_controversial.sum()),
        tolerance=BORDERLINE,
    )
    ledger.statistic(
        "evaluative_neutral",
        int(with_hit[is_controversial == 0].sum()),
        label=f"Neutral prompts with an evaluative word in the top {top_k}",
        n=int((1 - is_controversial).sum()),
        tolerance=BORDERLINE,
    )
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
without_token = set(evaluative.values()) - {evaluative[word] for word in word_of.values()}
no_mass = no_crossed
if without_token and not no_crossed:
    no_mass = f"words of each evaluative kind must be one token, and here none is of {sorted(without_token)}"
controversial, abstract = crossed.label("controversial"), crossed.label("abstract")
category = crossed.codes("category")
label_values = {"abstract": (abstract, controversial), "controversial": (controversial, abstract)}


def tokens_of(kind: str) -> list[int]:
    """The tokens that are an evaluative word of this kind."""
    return [token for token, word in word_of.items() if evaluative[word] == kind]


def compare_mass(tokens: list[int], name: str) -> dict[str, float]:
    """How many times more probable these tokens are after controversial than after neutral topics."""
    mass = log_mass(log_probs_crossed, tokens).double().numpy()[:, None]
    test = mean_difference_test(
        mass, controversial, within=abstract, resamples=resamples, rng=draws(f"mass {name} test")
    )
    interval = mean_difference_interval(
        mass, controversial, strata=category, resamples=resamples, rng=draws(f"mass {name} interval")
    )
    return {
        "tokens": len(tokens),
        "ratio": float(np.exp(mean_difference(mass, controversial)[0])),
        "low": float(np.exp(interval.low[0])),
        "high": float(np.exp(interval.high[0])),
        "p": float(test.p[0]),
    }


if no_mass:
    ledger.does_not_apply(
        no_mass,
        *("evaluative_ratio", "evaluative_kinds", "dispute_ratio"),
        *("crossed_topics", "evaluative_mass", "dispute_mass"),
    )
else:
    whole = compare_mass(list(word_of), "all")
    kinds = pd.DataFrame(
        [
            {
                "kind": kind,
                **compare_mass(tokens_of(kind), kind),
            }
            for kind in dict.fromkeys(evaluative.values())
        ]
    )
    kinds["p_holm"] = holm(kinds["p"].to_numpy())
    dispute = kinds.set_index("kind").loc["contention"]

    ledger.statistic(
        "evaluative_ratio",
        whole["ratio"],
        label="Probability of an evaluative next word after controversial over neutral topics (geometric "
        "means)",
        ci=(whole["low"], whole["high"]),
        n=n_crossed,
        p=whole["p"],
        test="permutation of labels within abstract and within concrete topics, two-sided",
        resamples=resamples,
    )
    ledger.table(
        "evaluative_kinds",
        kinds.replace({"kind": {"contention": "dispute or legality", "prudential": "benefit or harm"}}),
        key="kind",
        caption="The same ratio for each kind of evaluative word, with intervals at 95% and p-values, "
        "as they are and corrected for the number of kinds (Holm).",
        labels={"low": "from", "high": "to", "p_holm": "p (Holm)"},
        formats={"ratio": ".2f", "low": ".2f", "high": ".2f"},
        tolerance={"p": RESAMPLED, "p_holm": RESAMPLED, "low": RESAMPLED, "high": RESAMPLED},
    )
    ledger.statistic(
        "dispute_ratio",
        dispute["ratio"],
        label="Probability of a next word of dispute or legality after controversial over neutral topics "
        "(geometric means; p corrected for five kinds)",
        ci=(dispute["low"], dispute["high"]),
        n=n_crossed,
        p=dispute["p_holm"],
        test="permutation of labels within abstract and within concrete topics, two-sided; Holm over kinds",
        resamples=resamples,
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
    mass_frame = pd.DataFrame(
        {
            "topic": crossed.column("topic"),
            "category": crossed.column("category"),
            "tokens": n_tokens[n:],
            "evaluative": log_mass(log_probs_crossed, word_of).exp().numpy(),
            "dispute": log_mass(log_probs_crossed, tokens_of("contention")).exp().numpy(),
            "next": [visible(row[0]) for row in top_tokens(bridge, log_probs_crossed, 1).tokens],
        }
    )
    ledger.table(
        "crossed_topics",
        mass_frame,
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
    for name, column, what in (
        ("evaluative_mass", "evaluative", "an evaluative next word"),
        ("dispute_mass", "dispute", "a next word of dispute or legality"),
    ):
        if not mass_frame[column].all():
            ledger.does_not_apply(
                "a logarithmic axis needs probabilities above nought, and some round to it", name
            )
            continue
        ledger.figure(
            name,
            charts.strip_plot(
                mass_frame,
                value=column,
                group="category",
                item="topic",
                x_title=f"probability of {what}",
                log=True,
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
last = residuals[-1]
both_sets = [residuals] if no_crossed else [residuals, residuals_crossed]
# Where attention has not brought anything of the topic yet, all prompts hold the same.
measured = np.flatnonzero(np.all([has_cosines(vectors, centred=True) for vectors in both_sets], axis=0))
if n_layers - 1 not in measured:
    ledger.does_not_apply("cosines need prompts that leave different traces, and after these all is the same")
raw = off_diagonal(cosines(last, centred=False))
common = dominance(last)
without_largest = off_diagonal(cosines(without_dimensions(last, common.dimensions[:LARGEST]), centred=False))

ledger.statistic("raw_min", raw.min(), label="Lowest raw cosine, last layer", format=".4f", n=n)
ledger.statistic("raw_max", raw.max(), label="Highest raw cosine, last layer", format=".4f", n=n)
ledger.statistic("raw_mean", raw.mean(), label="Mean raw cosine, last layer", format=".4f", n=n)
ledger.statistic(
    "mean_share",
    common.mean_share,
    label="Share of the common mean in the mean squared norm, last layer",
    format=".0%",
    n=n,
)
ledger.statistic(
    "largest_share",
    common.shares[:LARGEST].sum(),
    label=f"Share of the {LARGEST} largest of the dimensions in the squared norm, last layer",
    format=".0%",
    n=n,
)
ledger.statistic("n_dimensions", last.shape[-1], label="Dimensions of the residual stream")
ledger.statistic(
    "raw_min_without_largest",
    without_largest.min(),
    label=f"Lowest raw cosine without these {LARGEST} dimensions",
    format=".3f",
    n=n,
)
ledger.statistic(
    "raw_mean_without_largest",
    without_largest.mean(),
    label=f"Mean raw cosine without these {LARGEST} dimensions",
    format=".3f",
    n=n,
)
ledger.table(
    "dimensions",
    pd.DataFrame({"dimension": common.dimensions[:10], "share": common.shares[:10]}),
    key="dimension",
    caption="The ten dimensions with the largest share in the squared norm of a residual vector, last layer.",
    formats={"dimension": "d", "share": ".4f"},
)
ledger.claim("raw_near_one", "All raw cosines of the last layer are near 1.", criterion="raw_min > 0.99")

# %% [markdown]
# ## Mean-centred cosines

# %%
centred = cosines(residuals[measured], centred=True)
pairs = off_diagonal(centred[-1])
spread = dominance(last.double() - last.double().mean(0))
tree = cluster(centred[-1])
halves = tree.cut(2)
quarters = tree.cut(4)

ledger.statistic(
    "centred_min", pairs.min(), label="Lowest mean-centred cosine, last layer", n=n, tolerance=CENTRED
)
ledger.statistic(
    "centred_max", pairs.max(), label="Highest mean-centred cosine, last layer", n=n, tolerance=CENTRED
)
ledger.statistic(
    "centred_mean",
    pairs.mean(),
    label="Mean of the mean-centred cosines",
    format=".3f",
    n=n,
    tolerance=CENTRED,
)
ledger.statistic(
    "centred_expected", -1 / (n - 1), label="What centring alone makes of that mean: −1/(n−1)", format=".3f"
)
ledger.statistic(
    "centred_largest_share",
    spread.shares[:LARGEST].sum(),
    label=f"Share of the {LARGEST} largest of the dimensions in the squared norm after centring, last layer",
    format=".0%",
    n=n,
    tolerance=CENTRED,
)
ledger.figure(
    "similarity",
    charts.cosine_heatmap(
        centred[-1],
        topics.column("topic"),
        topics.column("category"),
        order=tree.order,
        merges=tree.merges,
    ),
    caption="Mean-centred cosines of the last layer's residual stream after “[Topic] is”, in the order of an "
    "average-linkage clustering (tree).",
    # lint: allow numeral because twenty prompts are the source's design
    alt="A heatmap of the cosines between all pairs of the twenty topics, rows and columns ordered by a "
    "clustering tree drawn on top, with a coloured mark for each topic's category.",
    tolerance=CENTRED,
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
for label, values in {"abstract": is_abstract, "controversial": is_controversial}.items():
    test = separation_test(same_label(halves), values, resamples=resamples, rng=draws(f"clusters {label}"))
    ledger.statistic(
        f"clusters_{label}",
        adjusted_rand(halves, values),
        label=f"Agreement of the two main clusters with '{label}' (adjusted Rand index)",
        n=n,
        p=test.p[0],
        test="permutation of labels over all topics, one-sided",
        resamples=resamples,
    )
ledger.statistic(
    "clusters_smaller",
    int(np.bincount(halves, minlength=2).min()),
    label="Topics in the smaller of the two main clusters",
    n=n,
)
ledger.statistic(
    "clusters_category",
    adjusted_rand(quarters, topics.codes("category")),
    label="Agreement of the four main clusters with the four categories (adjusted Rand index)",
    n=n,
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
WITHIN = "permutation of labels among topics that agree on the other label, one-sided"
SWAPPED = "the two labels exchanged topic by topic, two-sided"


def record_separation(prefix: str, similarity: np.ndarray, prompts: PromptSet, where: str) -> None:
    """T of both labels and their difference at the last layer, with intervals and tests."""
    labels = {name: prompts.label(name) for name in ("abstract", "controversial")}
    strata = prompts.codes("category")
    shared = {"n": len(prompts), "resamples": resamples, "format": ".3f", "tolerance": CENTRED}
    for name, other in (("abstract", "controversial"), ("controversial", "abstract")):
        test = separation_test(
            similarity,
            labels[name],
            within=labels[other],
            resamples=resamples,
            rng=draws(f"{prefix}{name} test"),
        )
        interval = separation_interval(
            similarity,
            labels[name],
            strata=strata,
            resamples=resamples,
            rng=draws(f"{prefix}{name} interval"),
        )
        ledger.statistic(
            f"{prefix}t_{name}",
            test.observed[0],
            label=f"Separation by '{name}', T, last layer, {where}",
            ci=(interval.low[0], interval.high[0]),
            p=test.p[0],
            test=WITHIN,
            **shared,
        )
    test = role_swap_test(
        similarity,
        labels["abstract"],
        labels["controversial"],
        resamples=resamples,
        rng=draws(f"{prefix}difference test"),
    )
    interval = separation_interval(
        similarity,
        labels["abstract"],
        minus=labels["controversial"],
        strata=strata,
        resamples=resamples,
        rng=draws(f"{prefix}difference interval"),
    )
    ledger.statistic(
        f"{prefix}difference",
        test.observed[0],
        label=f"T(abstract) − T(controversial), last layer, {where}",
        ci=(interval.low[0], interval.high[0]),
        p=test.p[0],
        test=SWAPPED,
        **shared,
    )


record_separation("", centred[-1], topics, "twenty topics")

if not 1 < len(np.unique(n_tokens[:n])) < n:
    ledger.does_not_apply("topics of equal and of unequal numbers of tokens are needed", "t_length")
else:
    length = separation_test(centred[-1], n_tokens[:n], resamples=resamples, rng=draws("length"))
    ledger.statistic(
        "t_length",
        length.observed[0],
        # lint: allow numeral because twenty prompts are the source's design
        label="Separation by the topic's number of tokens, T, last layer, twenty topics",
        format=".3f",
        n=n,
        p=length.p[0],
        test="permutation of lengths over all topics, one-sided",
        resamples=resamples,
        tolerance=CENTRED,
    )


def by_layer(similarity: np.ndarray, prompts: PromptSet, name: str, *, between: bool = False) -> pd.DataFrame:
    """T of both labels after every block, tested over all layers at once."""
    parts = []
    for label, other_label in (("abstract", "controversial"), ("controversial", "abstract")):
        values, other = prompts.label(label), prompts.label(other_label)
        only = other if between else None
        test = separation_test(
            similarity,
            values,
            within=other,
            between=only,
            resamples=resamples,
            rng=draws(f"{name}{label} test"),
        )
        interval = separation_interval(
            similarity,
            values,
            between=only,
            strata=prompts.codes("category"),
            resamples=resamples,
            rng=draws(f"{name}{label} interval"),
        )
        parts.append(
            pd.DataFrame(
                {
                    "label": label,
                    "layer": measured,
                    "value": test.observed,
                    "low": interval.low,
                    "high": interval.high,
                    "threshold": test.threshold,
                    "p": test.p,
                    "p_max": test.p_max,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


# The last layer's draws are those of the tests above: one quantity, one interval.
layers_topics = by_layer(centred, topics, "")
ledger.figure(
    "layers_topics",
    charts.layer_curves(layers_topics, y_title="separation T"),
    # lint: allow numeral because twenty prompts are the source's design
    caption="The same for the twenty topics of the source's design, in which the labels are not crossed.",
    # lint: allow numeral because twenty prompts are the source's design
    alt="Two curves over the layers, separation of the twenty topics by abstractness and by controversy, "
    "each with an interval band and a dashed line for the threshold that chance sets.",
    tolerance=CENTRED,
)

# %% [markdown]
# ### The crossed set

# %%
if no_crossed:
    ledger.does_not_apply(no_crossed)
centred_crossed = cosines(residuals_crossed[measured], centred=True)
record_separation("crossed_", centred_crossed[-1], crossed, "crossed topics")

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
nearest = np.where(np.eye(n_crossed, dtype=bool), -np.inf, centred_crossed[-1]).argmax(1)
for name, (values, _) in label_values.items():
    ledger.statistic(
        f"nearest_{name}",
        (values[nearest] == values).mean(),
        label=f"Topics whose nearest neighbour has the same label '{name}', last layer, crossed topics",
        format=".0%",
        n=n_crossed,
        tolerance=Close(atol=0.02, because="two neighbours can be equally near"),
    )
ledger.statistic(
    "nearest_chance",
    (crossed.label("abstract").sum() - 1) / (n_crossed - 1),
    label="The same by chance",
    format=".0%",
)

# %% [markdown]
# Two ways in which controversy might only seem to separate topics: because controversial topics are rarer
# words (then it should vanish when labels are shuffled only among topics of like rarity; a token's id
# stands in for its rarity, since vocabularies are built from the most frequent pieces on), or because a few
# kinds of things (drugs, weapons) stick together (then it should vanish between abstract and concrete
# topics).

# %%
topic_ids = np.array([row[tokenised.n_special] for row in tokenised.ids[n:]])
rare = np.zeros(n_crossed, dtype=np.int64)
for level in (0, 1):
    members = abstract == level
    rare[members] = topic_ids[members] > np.median(topic_ids[members])
kinds_of_topics = set(zip(abstract.tolist(), rare.tolist(), controversial.tolist(), strict=True))
if len(kinds_of_topics) == 4:
    ledger.does_not_apply(
        "rarity must not go with controversy, and by this vocabulary's ids it does",
        *("crossed_t_rarity", "crossed_t_controversial_matched"),
    )
else:
    matched = separation_test(
        centred_crossed[-1],
        controversial,
        within=2 * abstract + rare,
        resamples=resamples,
        rng=draws("rarity"),
    )
    by_rarity = separation_test(
        centred_crossed[-1],
        rare,
        within=2 * abstract + controversial,
        resamples=resamples,
        rng=draws("by rarity"),
    )
    ledger.statistic(
        "crossed_t_rarity",
        by_rarity.observed[0],
        label="Separation by rarity (token id above or below the median), T, last layer, crossed topics",
        format=".3f",
        n=n_crossed,
        p=by_rarity.p[0],
        test="permutation of rarity within category, one-sided",
        resamples=resamples,
        tolerance=CENTRED,
    )
    ledger.statistic(
        "crossed_t_controversial_matched",
        matched.observed[0],
        label="Separation by 'controversial', T, shuffled only among topics of like abstractness and rarity",
        format=".3f",
        n=n_crossed,
        p=matched.p[0],
        test="permutation of labels among topics of like abstractness and rarity, one-sided",
        resamples=resamples,
        tolerance=CENTRED,
    )
for name, (values, other) in label_values.items():
    test = separation_test(
        centred_crossed[-1],
        values,
        within=other,
        between=other,
        resamples=resamples,
        rng=draws(f"between {name} test"),
    )
    interval = separation_interval(
        centred_crossed[-1],
        values,
        between=other,
        strata=category,
        resamples=resamples,
        rng=draws(f"between {name} interval"),
    )
    ledger.statistic(
        f"between_{name}",
        test.observed[0],
        label=f"Separation by '{name}' over pairs that differ in the other label, T, last layer, crossed "
        "topics",
        format=".3f",
        ci=(interval.low[0], interval.high[0]),
        n=n_crossed,
        p=test.p[0],
        test=WITHIN,
        resamples=resamples,
        tolerance=CENTRED,
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
last_crossed = residuals_crossed[-1].double()
spread_crossed = dominance(last_crossed - last_crossed.mean(0))
reduced = cosines(without_dimensions(last_crossed, spread_crossed.dimensions[:LARGEST]), centred=True)
for prefix, similarity, where in (
    ("embedding_", embedded, "token embeddings"),
    ("reduced_", reduced, f"last layer without its {LARGEST} largest dimensions"),
):
    for name, (values, other) in label_values.items():
        test = separation_test(
            similarity, values, within=other, resamples=resamples, rng=draws(f"{prefix}{name} test")
        )
        interval = separation_interval(
            similarity, values, strata=category, resamples=resamples, rng=draws(f"{prefix}{name} interval")
        )
        ledger.statistic(
            f"{prefix}t_{name}",
            test.observed[0],
            label=f"Separation by '{name}', T, {where}, crossed topics",
            format=".3f",
            ci=(interval.low[0], interval.high[0]),
            n=n_crossed,
            p=test.p[0],
            test=WITHIN,
            resamples=resamples,
            tolerance=CENTRED,
        )

# %%
names = list(dict.fromkeys(crossed.column("category")))


def mean_cosine(one: int, other: int) -> float:
    """Of the pairs of two categories, or of one with itself."""
    block = centred_crossed[-1][np.ix_(category == one, category == other)]
    return float((off_diagonal(block) if one == other else block).mean())


ledger.table(
    "categories",
    pd.DataFrame(
        {
            "category": names,
            **{name: [mean_cosine(one, at) for one in range(len(names))] for at, name in enumerate(names)},
        }
    ),
    key="category",
    caption="Mean of the mean-centred cosines within and between the categories of the crossed set, last "
    "layer.",
    formats=dict.fromkeys(names, ".3f"),
    tolerance=CENTRED,
)

# %% [markdown]
# ## Layer by layer

# %%
layers = by_layer(centred_crossed, crossed, "crossed_")
layers_between = by_layer(centred_crossed, crossed, "between ", between=True)
raw_by_layer = cosines(residuals_crossed[measured], centred=False)
ledger.table(
    "layer_values",
    layers.assign(
        raw=np.tile(off_diagonal(raw_by_layer).mean(-1), 2),
        between=layers_between["value"],
        p_max_between=layers_between["p_max"],
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
    formats={"value": ".3f", "low": ".3f", "high": ".3f", "threshold": ".3f", "between": ".3f", "raw": ".3f"},
    tolerance={"*": CENTRED, "p": RESAMPLED, "p_max": RESAMPLED, "p_max_between": RESAMPLED},
)
ledger.figure(
    "layers",
    charts.layer_curves(layers, y_title="separation T"),
    caption="Separation by each label after every block, crossed topics, with 95% intervals. Dashed: what "
    "a layer must exceed for p < 0.05 over all layers; filled dots exceed it.",
    alt="Two curves over the layers, separation of topics by abstractness and by controversy, each with "
    "an interval band and a dashed line for the threshold that chance sets.",
    tolerance=CENTRED,
)
ledger.figure(
    "layers_between",
    charts.layer_curves(layers_between, y_title="separation T between"),
    caption="Separation on the crossed topics over pairs that differ in the other label only: "
    "abstractness across controversial and neutral topics, controversy across abstract and "
    "concrete ones.",
    alt="Two curves over the layers, separation by abstractness and by controversy over pairs that differ "
    "in the other label, each with an interval band and a dashed threshold.",
    tolerance=CENTRED,
)
for name in label_values:
    curve = layers[layers["label"] == name].reset_index(drop=True)
    peak = int(curve["value"].idxmax())
    ledger.statistic(
        f"layers_{name}",
        int((curve["p_max"] < 0.05).sum()),
        label=f"Layers that separate topics by '{name}' (p < 0.05 over all layers)",
        n=n_layers,
        tolerance=BORDERLINE,
    )
    ledger.statistic(
        f"layers_{name}_between",
        int((layers_between.loc[layers_between["label"] == name, "p_max"] < 0.05).sum()),
        label=f"Layers that do so over pairs that differ in the other label ('{name}')",
        n=n_layers,
        tolerance=BORDERLINE,
    )
    ledger.statistic(
        f"peak_{name}_layer",
        int(curve["layer"][peak]),
        label=f"Layer with the largest separation by '{name}'",
    )
    ledger.statistic(
        f"peak_{name}",
        curve["value"][peak],
        label=f"Largest separation by '{name}' over layers, T",
        format=".3f",
        ci=(curve["low"][peak], curve["high"][peak]),
        p=curve["p_max"][peak],
        n=n_crossed,
        test=f"{WITHIN}, maximum over layers",
        resamples=resamples,
        tolerance=CENTRED,
    )
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
head_tests = {
    name: separation_test(
        heads_crossed, values, within=other, resamples=resamples, rng=draws(f"heads {name}")
    )
    for name, (values, other) in label_values.items()
}
layer_of, head_of = np.divmod(heads_measured, n_heads)
heads = pd.concat(
    [
        pd.DataFrame(
            {
                "label": name,
                "layer": layer_of,
                "head": head_of,
                "value": test.observed,
                "p_max": test.p_max,
                "marked": test.p_max < 0.05,
            }
        )
        for name, test in head_tests.items()
    ],
    ignore_index=True,
)
ledger.figure(
    "heads",
    charts.head_map(heads, value_title="separation T"),
    caption="Separation of each head's output by abstractness and by controversy, crossed topics. Dots: p "
    "< 0.05 over all heads (maximum statistic).",
    alt="Two grids of layers by heads, coloured by how far each head's output separates topics by "
    "abstractness and by controversy, with dots on the heads that exceed chance.",
    tolerance={
        "*": CENTRED,
        "marked": Close(atol=1, because="heads at the border of p = 0.05 may change sides"),
    },
)
ledger.table(
    "head_values",
    heads.sort_values("value", ascending=False, kind="stable").drop(columns="marked"),
    key=["label", "layer", "head"],
    caption="Separation T of each head's output, crossed topics, largest first; p over all heads (maximum "
    "statistic).",
    labels={"value": "T", "p_max": "p (all heads)"},
    formats={"value": ".3f"},
    tolerance={"*": CENTRED, "p_max": RESAMPLED},
    shown=12,
)
for name, test in head_tests.items():
    best = int(test.observed.argmax())
    ledger.statistic(
        f"heads_{name}",
        int((test.p_max < 0.05).sum()),
        label=f"Heads whose output separates topics by '{name}' (p < 0.05 over all heads)",
        n=n_layers * n_heads,
        tolerance=Close(atol=2, because="heads at the border of p = 0.05 may change sides"),
    )
    ledger.statistic(
        f"best_head_{name}",
        f"L{layer_of[best]}H{head_of[best]}",
        label=f"Head with the largest separation by '{name}'",
    )
    ledger.statistic(
        f"best_head_{name}_t",
        test.observed[best],
        label=f"Separation of that head's output by '{name}', T",
        format=".3f",
        n=n_crossed,
        p=test.p_max[best],
        test=f"{WITHIN}, maximum over heads",
        resamples=resamples,
        tolerance=CENTRED,
    )
ledger.claim(
    "controversy_in_heads",
    "Some head's output separates controversial from neutral topics.",
    criterion="heads_controversial > 0",
)

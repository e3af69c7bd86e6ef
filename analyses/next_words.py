# ---
# title: Next words
# description: Which words a model expects after controversial and neutral, abstract and concrete topics.
# mechscope:
#   data: [data/topics.csv, data/topics_crossed.csv, data/evaluative_words.csv]
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
# # Next words
#
# <!-- lint: allow numeral because it retells the write-up and its design -->
# A write-up of February 2026 ("Does GPT-2 Represent Controversy?") gave GPT-2 small twenty prompts of the
# form "[Topic] is", and reported that the most probable next words are the same function words everywhere,
# without an evaluation. Here the next words of another model are read, after the same prompts and after a
# larger set in which the two labels are crossed. Both sets are described in `topic_geometry`, which looks at
# what the model holds after the last word.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
top_k = 50

# %% [markdown]
# ## What was fixed beforehand
#
# <!-- lint: allow numeral because thresholds were fixed beforehand -->
# Top-50 sets count as near-identical when they share 80% on average. The evaluative words are in
# `evaluative_words.csv`, in five kinds. In another vocabulary than those of the embedded models only crossed
# topics of one token are used, the same number of each category; with fewer than 5 nothing is said about
# the crossed set.
#
# **After a first look** "just" left the list (after "is" it is an adverb: "is just a"). The claim about words
# of dispute (`controversy_is_mentioned`) was added, because the first look suggested it, and so was the
# figure about them. Both count as exploratory.

# %%
import numpy as np
import pandas as pd

from mechscope import charts
from mechscope.characters import shown_token
from mechscope.data.prompts import analysis_file, load_prompts, load_words
from mechscope.ledger import RESAMPLED, Close, Ledger
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import one_token, shared_ending, tokenise, unreadable
from mechscope.lens.geometry import off_diagonal
from mechscope.lens.next_tokens import log_mass, shared_top, top_tokens, words_as_tokens
from mechscope.models import load_model
from mechscope.stats.estimates import Draws, Estimate
from mechscope.stats.multiple import holm
from mechscope.stats.pairs import mean_similarity_interval
from mechscope.stats.samples import mean_difference_estimate

PROBABILITY = Close(rtol=1e-3, atol=1e-6, because="float32 reductions, then exponentiated")
BORDERLINE = Close(atol=1, because="two probabilities that differ by float32 noise may change places")
draws = Draws(seed, resamples)
ledger = Ledger("next_words")
columns, labels = ["topic", "category"], ["controversial", "abstract"]
topics = load_prompts(analysis_file("data/topics.csv"), columns=columns, labels=labels)
crossed = load_prompts(analysis_file("data/topics_crossed.csv"), columns=columns, labels=labels)
evaluative = load_words(analysis_file("data/evaluative_words.csv"))
bridge = load_model(model, dtype=dtype)
vocabulary = bridge.cfg.d_vocab
if reason := unreadable(bridge, topics.prompts):
    ledger.does_not_apply(reason)
if vocabulary < 2 * top_k:
    ledger.does_not_apply(
        f"the top {top_k} next tokens need a vocabulary of {2 * top_k}, and this one has {vocabulary}"
    )
n_ending = shared_ending(bridge.tokenizer(topics.prompts, add_special_tokens=False)["input_ids"])  # " is"
if not n_ending:
    ledger.does_not_apply("every prompt must end in the same token, and in this vocabulary they do not")
crossed = crossed.balanced(one_token(bridge, crossed.prompts, n_ending), by="category")
no_crossed = (
    "the crossed design needs topics of one token, at least 5 in each category, and this vocabulary has "
    f"{len(crossed) // 4}"
) * (len(crossed) < 4 * 5)
tokenised = tokenise(bridge, topics.prompts + crossed.prompts)
read = read_last_position(bridge, tokenised, residuals=False, log_probs=True, progress=True)
if bool((read.log_probs.amax(-1) == read.log_probs.amin(-1)).any()):
    ledger.does_not_apply("some next words must be more probable than others, and here all are alike")
n = len(topics)
log_probs, log_probs_crossed = read.log_probs[:n], read.log_probs[n:]
n_tokens, n_tokens_crossed = np.split((tokenised.n_tokens - n_ending).numpy(), [n])

# %% [markdown]
# ## After the source's prompts

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
    )
    ledger.table(
        "evaluative_kinds",
        kinds,
        key="kind",
        caption="The same ratio for each kind of evaluative word, with intervals at 95% and p-values, "
        "as they are and corrected for the number of kinds (Holm).",
        labels={"low": "from", "high": "to", "p_holm": "p (Holm)"},
        formats={"ratio": ".2f", "low": ".2f", "high": ".2f"},
        tolerance=dict.fromkeys(["low", "high", "p", "p_holm"], RESAMPLED),
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

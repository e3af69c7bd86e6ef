# ---
# title: Capitals
# description: Which capitals models know, where they decide on them, and by what.
# mechscope:
#   data: [data/capitals.csv, data/capitals_inverse.csv, data/capitals_languages.csv]
#   models: [model]
#   saes: []
#   needs: []
#   moved_from: logit_attribution
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
# # Capitals
#
# The measurements that `logit_attribution` makes after one prompt, "The capital of Texas is", made over a set
# of capitals, with what one prompt cannot show: how many a model knows, and how sure the rest is. A logit
# and its attribution are defined there.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000

# %% [markdown]
# ## Definitions
#
# **Known.** A model knows an answer when it would write all its tokens by always taking the most probable
# one. Answers of several tokens are scored whole (Σ log p).
#
# **First tokens.** Everything else about an answer is about its first token: its rank in the lens, its
# attribution, and whether it is favoured over another capital. Of an answer of several tokens that says how
# it begins, not whether the rest would follow. `capitals_several` counts such answers. Numbers called
# "single" leave them out.
#
# **Both ways.** The same places are asked for by their capital and the other way round. The shares that are
# known are compared place by place: McNemar's exact test, and Bonett and Price's interval for the difference.
#
# **The fact alone.** Much of a logit is about any capital. The difference between the answer and the capital
# of the next place of the same kind in the file that begins with another token, in the same prompt, is about
# this one. A share is the sum of a kind of part over prompts divided by the sum of all parts; intervals
# resample prompts. Where the difference is not above zero there is no fact to share out.
#
# <!-- lint: allow numeral because these are definitions -->
# **Active and contributing.** Of the 10 MLP neurons with the largest absolute activation at the last token,
# the share that is among the 10 with the largest absolute part of the answer's logit; the same with 100. Two
# comparisons: neurons drawn without looking; and each neuron with another's output weights, drawn within its
# layer, so that only activity counts.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Ten heads** are chosen on every other prompt and measured on the rest, which their share's interval
# resamples. It leans towards small shares: heads that chance lifts above zero count in its denominator.
#
# **Convergence layer.** The first layer after which the lens' most probable token is the model's own and
# stays so. **Peak.** The first layer after which the answer has its best rank. Depth counts from the first
# block to the last, as a share of the layers.
#
# **Looked at before.** How many capitals each model knows was seen while the prompts were put together, so
# claims about that are exploratory. Everything about where and by what was fixed before it was measured.
#
# **After a first look** claims that had rested on one prompt alone, about the peak and about active neurons,
# were measured over all capitals; the two ways of asking were compared place by place instead of by two
# intervals; the claim about few heads asks for the end of an interval, the one about sums for every capital.
# These claims count as exploratory; so do the comparisons of neurons, and the look at single-token answers.

# %%
import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.errors import InvalidInput
from mechscope.ledger import FLOAT32, RESAMPLED, Close, Ledger
from mechscope.lens.answers import next_other, score_answers
from mechscope.lens.attribution import attribute, attribute_neurons
from mechscope.lens.core.components import all_heads
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.readout import soft_cap
from mechscope.lens.core.tokens import tokenise, unreadable
from mechscope.lens.logit_lens import logit_lens
from mechscope.models import load_model
from mechscope.stats.estimates import Draws, Estimate, stacked
from mechscope.stats.paired_shares import compare_paired_shares, share_of

ACTIVATION = Close(rtol=2e-3, atol=1e-3, because="float32 activations, summed over many parts")
BORDERLINE = Close(atol=1, because="two tokens that differ by float32 noise may change places")
RANK = Close(rtol=0.02, atol=1, because="tokens of almost the same logit may change places")
ONE_PROMPT = Close(atol=0.03, because="one prompt")
ROUNDING = Close(atol=1e-3, because="it is rounding")

draws = Draws(seed, resamples)
ledger = Ledger("capitals", tolerance=ACTIVATION)
columns = ["answer", "place", "kind"]
capitals = load_prompts(analysis_file("data/capitals.csv"), columns=columns)
inverse = load_prompts(analysis_file("data/capitals_inverse.csv"), columns=columns)
languages = load_prompts(analysis_file("data/capitals_languages.csv"), columns=["answer", "language"])
bridge = load_model(model, dtype=dtype)
n_layers, heads = bridge.cfg.n_layers, [str(head) for head in all_heads(bridge)]
if reason := unreadable(bridge, capitals.prompts, capitals.column("answer")):
    ledger.does_not_apply(reason)
if not (halves := n_layers > 1):
    ledger.does_not_apply(
        f"a second half of the layers needs at least two, and this model has {n_layers}",
        # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
        *("convergence_depth", "peak_depth", "share_late"),
    )

# %% [markdown]
# ## What the model knows

# %%
SETS = {
    "capitals": (capitals, "capital of a place", "capitals of a place"),
    "inverse": (inverse, "place of a capital", "places of a capital"),
    "languages": (languages, "other languages", "capitals in other languages"),
}
scored, unread, facts = {}, {}, {}
for name, (prompts, set_name, label) in SETS.items():
    answers = prompts.column("answer")
    if reason := unreadable(bridge, prompts.prompts, answers):
        unread[name] = reason
        ledger.does_not_apply(reason, *(f"{name}_{what}" for what in ("n", "known", "several", "share")))
        continue
    scored[name] = scores = score_answers(bridge, prompts.prompts, answers)
    facts[set_name] = scores.frame(prompts.prompts, answers)
    ledger.statistic(f"{name}_n", len(prompts), f"Prompts: {label}")
    # lint: allow loose-tolerance because a prompt at a threshold may be all there is
    ledger.statistic(f"{name}_known", scores.known.sum(), f"Of these, known: {label}", tolerance=BORDERLINE)
    several, share = (scores.n_tokens > 1).sum(), share_of(scores.known.numpy())
    ledger.statistic(f"{name}_several", several, f"Answers of more than one token: {label}")
    label = f"Share that is known: {label}"
    ledger.statistic(f"{name}_share", share, label, format=".0%", tolerance=ONE_PROMPT)
ledger.table(
    "facts",
    pd.concat(facts, names=["set"]).reset_index(level="set"),
    key=["set", "prompt"],
    caption="Every prompt with its answer: tokens, log-probability of the whole answer (nats), rank of its "
    "first token, and whether the model knows it.",
    labels={"log_prob": "Σ log p", "first_rank": "rank of the first token"},
    formats={"log_prob": ".2f"},
    tolerance={"*": Close(rtol=2e-3, atol=2e-3, because="float32 activations"), "first_rank": RANK},
    shown=12,
)
ledger.claim(
    "knows_most_capitals",
    # lint: allow numeral because a half is what the criterion says
    "The model knows more than half of the capitals.",
    criterion="capitals_share > 0.5",
    exploratory="the counts were seen while the prompts were put together",
)

# %%
scores = scored["capitals"]
n, first = len(capitals), scores.first
single = (scores.n_tokens == 1).numpy()
compared = ("inverse_minus_capitals", "inverse_minus_capitals_single")
if "inverse" in unread:
    ledger.does_not_apply(unread["inverse"], *compared, "only_inverse", "only_capital")
else:
    known = scores.known.numpy()
    place_found = dict(zip(inverse.column("place"), scored["inverse"].known.tolist(), strict=True))
    known_back = np.array([place_found[place] for place in capitals.column("place")])
    whole_label = "Share of places found from their capital minus share of capitals known"
    for name, chosen, label in (
        (compared[0], np.ones_like(single), whole_label),
        (compared[1], single, "The same, where the capital is a single token"),
    ):
        if not chosen.any():
            ledger.does_not_apply("a capital of one token is needed, and this vocabulary has none", name)
            continue
        difference = compare_paired_shares(known_back[chosen], known[chosen]).estimate
        ledger.statistic(name, difference, label, tolerance=ONE_PROMPT)
    for name, only, label in (
        ("only_inverse", known_back & ~known, "Places found whose capital is not known"),
        ("only_capital", known & ~known_back, "Capitals known whose place is not found"),
    ):
        ledger.statistic(name, only.sum(), label, tolerance=BORDERLINE)
ledger.claim(
    "inverse_is_harder",
    "Fewer places are found from their capital than capitals from their place.",
    criterion="inverse_minus_capitals.high < 0 and inverse_minus_capitals.p < 0.05",
    exploratory="the counts were seen while the prompts were put together; paired after a first look",
)
ledger.claim(
    "inverse_is_easier",
    "More places are found from their capital than capitals from their place.",
    criterion="inverse_minus_capitals.low > 0 and inverse_minus_capitals.p < 0.05",
    exploratory="the counts were seen before, and this direction was added after a first look",
)

# %% [markdown]
# ## Where capitals are decided
#
# All capitals, known or not: this is about what the model says.

# %%
asked = tokenise(bridge, capitals.prompts)
lens = logit_lens(bridge, asked, first, top_k=1)
depth, peak = ((lens.convergence + 1) / n_layers).double().numpy(), lens.rank.numpy().argmin(0) / n_layers
for name, drawn_as, depths, label in (
    ("convergence_depth", "depth", depth, "Mean depth at which the lens settles on what the model says"),
    ("peak_depth", "peak", peak, "Mean depth at which the right capital has its best rank"),
):
    tolerance = Close(atol=0.01, because="a layer on a few prompts")
    if halves:
        ledger.statistic(name, draws.mean(drawn_as, depths), label, format=".0%", tolerance=tolerance)
ledger.statistic(
    "convergence_median",
    lens.convergence.double().median(),
    "Median convergence layer",
    format=".0f",
    n=n,
    tolerance=BORDERLINE,
)
ledger.claim(
    "decided_late",
    "What the model says is decided in the second half of its layers.",
    criterion="convergence_depth.low > 0.5",
)
ledger.claim(
    "peaks_late",
    "The right capital has its best rank in the second half of the layers.",
    criterion="peak_depth.low > 0.5",
    exploratory="it was claimed about one prompt; measured over all capitals after a first look",
)
ranks = draws.means("layers", lens.rank.double().log10().numpy().T)
ledger.figure(
    "rank_by_layer",
    charts.value_by_layer(
        ranks.frame(label="rank of the right capital", layer=lens.layers), y_title="log10 of the rank"
    ),
    caption="Rank of the right capital (its first token) in the logit lens after each block: mean logarithm "
    "over all prompts, with 95% intervals. Nought is the first rank.",
    alt="A curve over the layers: the rank of the right capital in the logit lens.",
    tolerance=Close(rtol=5e-3, atol=5e-3, because="tokens of almost the same logit change places"),
)

# %% [markdown]
# ## Active neurons and contributing neurons

# %%
try:
    neurons = attribute_neurons(bridge, asked, first, centred=True, before_cap=True)
    n_neurons, no_neurons = neurons.activations[..., 0].numel(), ""
except InvalidInput as error:  # experts that a router chooses between, or no MLPs
    n_neurons, no_neurons = 0, error.message
if no_neurons:
    ledger.does_not_apply(no_neurons, "n_neurons")
else:
    ledger.statistic("n_neurons", n_neurons, "MLP neurons")
    if not neurons.contributions.any():
        no_neurons = "neurons that add something to the answers are needed, and this model's add nothing"
overlaps: dict[str, tuple[np.ndarray, str]] = {}
# lint: allow loose-tolerance because neurons at the border of the largest change places
ten = ("neurons_overlap", "neurons_shuffled", "neurons_overlap_minus_shuffled", "neurons_chance")
for k, names in ((10, ten), (100, ("neurons_overlap_wide",))):
    if no_neurons or n_neurons <= k:
        too_few = f"more than {k} neurons are needed, and this model has {n_neurons}"
        ledger.does_not_apply(no_neurons or too_few, *names)
    elif k == 10:
        overlap, exchanged = neurons.overlap(10), neurons.overlap_exchanged(10, exchanges=20, seed=seed)
        overlaps |= {
            ten[0]: (overlap, "Share of the ten most active among the ten with the largest parts"),
            ten[1]: (exchanged, "With ten, output weights exchanged within layers"),
            ten[2]: (overlap - exchanged, "What the model's own output weights change"),
        }
        by_chance, label = 10 / n_neurons, "With ten, neurons drawn without looking"
        ledger.statistic("neurons_chance", by_chance, label, format=".1e", tolerance=FLOAT32)
    else:
        overlaps[names[0]] = (neurons.overlap(100), "The same with a hundred")
for name, (shares, label) in overlaps.items():
    ledger.statistic(
        name,
        draws.mean(name, shares),
        label,
        format="+.0%" if "minus" in name else ".0%",
        tolerance=Close(atol=0.01, because="neurons of almost the same value may change places"),
    )
ledger.claim(
    "active_is_not_contributing",
    # lint: allow numeral because they are in the definition and in the criterion
    "On average fewer than half of the ten most active neurons are among the ten with the largest parts.",
    criterion="neurons_overlap.high < 0.5",
    exploratory="it was claimed about one prompt; measured over all capitals after a first look",
)

# %% [markdown]
# ## The fact alone
#
# How much more the model gives to the right capital than to another, and what writes it.

# %%
kinds = capitals.column("kind")
rows = next_other(kinds, first)
if (rows < 0).any():
    alone = int((rows < 0).nonzero()[0])
    token = bridge.tokenizer.decode([int(first[alone])])
    ledger.does_not_apply(
        "what is about the fact alone needs capitals that begin with different tokens, and in this "
        f"vocabulary all of the kind “{kinds[alone]}” begin with {token!r}"
    )
both_single = single & single[rows.numpy()]
fact = attribute(bridge, asked, first, first[rows], before_cap=True)
total = fact.total.numpy()
difference = draws.mean("difference", total)
ledger.statistic(
    # lint: allow loose-tolerance because what counts is how small it is
    "worst_rounding",
    fact.rounding.abs().max(),
    "Largest difference between a logit difference and the sum of its parts",
    format=".1e",
    n=n,
    tolerance=ROUNDING,
)
# The prompt that `logit_attribution` follows.
texas_row = capitals.prompts.index("The capital of Texas is")
this_row = slice(texas_row, texas_row + 1)
texas_prompt = tokenise(bridge, capitals.prompts[this_row])
texas = attribute(bridge, texas_prompt, first[this_row], centred=True, before_cap=True)
ledger.statistic(
    # lint: allow loose-tolerance because what counts is how small it is
    "texas_rounding",
    texas.rounding.abs()[0],
    "Absolute difference between the model's logit and the sum of all parts",
    format=".1e",
    tolerance=ROUNDING,
)
ledger.claim(
    "sums_exactly",
    "The parts sum to the model's logit, in each of these prompts.",
    criterion="texas_rounding < 0.001 and worst_rounding < 0.001",
    exploratory="after a first look it was extended from one prompt to all capitals",
)
ledger.statistic("difference", difference, "Mean logit difference between the right capital and another")
# One rival is an easy test. The hard one: every capital of the file after the same prompt.
log_probs = read_last_position(bridge, asked, residuals=False, log_probs=True).log_probs
rivals = torch.unique(first)
own = log_probs.gather(1, first[:, None])[:, 0]
above = (log_probs[:, rivals] > own[:, None]).sum(1)
in_prompts = "Prompts in which the right capital (its first token)"
for name, count, label in (
    ("favoured", (total > 0).sum(), f"{in_prompts} has the larger logit"),
    ("ranked_first", (above == 0).sum(), f"{in_prompts} is the most probable of all capitals"),
):
    ledger.statistic(name, count, label, n=n, tolerance=BORDERLINE)
ledger.statistic(
    "median_rank_among_capitals",
    above.double().median() + 1,
    "Median rank of the right capital among all capitals",
    format=".0f",
    n=n,
    tolerance=BORDERLINE,
)
ledger.statistic("n_rivals", len(rivals), "Different first tokens of all capitals")
if soft_cap(bridge) is not None:
    ledger.does_not_apply(
        "logits that nothing caps are needed, and this model caps its own", "texas_others_logit"
    )
else:
    elsewhere = log_probs[texas_row, rivals[rivals != first[texas_row]]]
    others_logit = texas.logit[0] - (own[texas_row] - elsewhere.mean())
    ledger.statistic("texas_others_logit", others_logit, "Mean logit of the other capitals after this prompt")
single_total = total[both_single]
if len(single_total) < 2:
    ledger.does_not_apply(
        "prompts in which both capitals are single tokens are needed, and this vocabulary has too few",
        *("favoured_single", "difference_single"),
    )
else:
    ledger.statistic(
        "favoured_single",
        (single_total > 0).sum(),
        "Of those in which both capitals are single tokens",
        n=len(single_total),
        tolerance=BORDERLINE,
    )
    ledger.statistic(
        "difference_single",
        draws.mean("single difference", single_total),
        "Mean logit difference where both capitals are single tokens",
    )

# %%
heads_add, mlps_add = fact.heads.sum((0, 1)).numpy(), fact.mlps.sum(0).numpy()
embedding_adds = (fact.embedding + fact.position).numpy()
biases_add = (fact.attention_biases.sum(0) + fact.mlp_biases.sum(0) + fact.final_bias).numpy()
groups = {
    "share_heads": (heads_add, "Share of the fact that heads add"),
    "share_mlps": (mlps_add, "Share that MLPs add"),
    "share_embedding": (embedding_adds, "Share that embeddings add"),
    "share_biases": (biases_add, "Share that biases add"),
    "share_mlps_minus_heads": (mlps_add - heads_add, "Share of MLPs minus share of heads"),
}
if halves:
    late = fact.by_layer[n_layers // 2 :].sum(0).numpy()
    groups["share_late"] = (late, "Share that the second half of the layers adds")
if difference.low <= 0:
    ledger.does_not_apply(
        "shares of the fact need a model that gives the right capital the larger logit on average, interval "
        f"included; this model's mean difference is {difference.value:.3g} "
        f"({difference.low:.3g} to {difference.high:.3g})",
        *groups,
    )
    groups = {}
for name, (part, label) in groups.items():
    share, format = draws.mean("shares", part, over=total), "+.0%" if "minus" in name else ".0%"
    ledger.statistic(name, share, label, format=format, tolerance=RESAMPLED)
ledger.claim(
    "fact_written_late",
    # lint: allow numeral because the threshold was fixed beforehand
    "More than nine tenths of the fact are written by the second half of the layers.",
    criterion="share_late.low > 0.9",
)
ledger.claim(
    "mlps_beat_heads",
    "MLPs write more of the fact than heads do.",
    criterion="share_mlps_minus_heads.low > 0",
)
ledger.claim(
    "heads_beat_mlps",
    "Heads write more of the fact than MLPs do.",
    criterion="share_mlps_minus_heads.high < 0",
)

# %%
# Chosen on every other prompt and measured on the rest: the best of many is flattered by its choice.
every_other = torch.arange(n) % 2 == 0
chosen_on = fact.heads[..., every_other].mean(-1).flatten()
rest = fact.heads[..., ~every_other].flatten(0, 1)
order = chosen_on.sort(descending=True, stable=True).indices.numpy()
n_rest, per_head, ten = rest.shape[1], rest.mean(-1), order[:10]
resampled = draws.weights("ten heads", n_rest) @ rest.numpy().T / n_rest
all_add = resampled.clip(0).sum(1)
if len(order) <= 20 or not all_add.all():
    ledger.does_not_apply(
        f"ten heads are few among more than twenty that add something, and this model has {len(order)} heads",
        "ten_heads_share",
    )
else:
    ten_share = float(per_head[ten].sum() / per_head.clamp_min(0).sum())
    ledger.statistic(
        "ten_heads_share",
        Estimate.of_draws(ten_share, resampled[:, ten].sum(1) / all_add, n=n_rest),
        "Share of what heads add on average, negative ones aside, that ten heads add, chosen on other "
        "prompts",
        format=".0%",
    )
ledger.statistic("best_head", heads[order[0]], "Head that adds most")
ledger.statistic(
    "best_head_adds",
    draws.mean("best head", rest[order[0]].numpy()),
    "What it adds to the logit difference on average, on other prompts",
)
ledger.claim(
    "few_heads",
    "Ten heads add most of what heads add.",
    criterion="ten_heads_share.low > 0.5",
    exploratory="after a first look the criterion was tightened by the interval",
)
ledger.table(
    "heads_over_capitals",
    pd.DataFrame({"head": heads, "chosen_on": chosen_on.numpy(), "measured_on": per_head.numpy()}).iloc[
        order
    ],
    key="head",
    caption="What each head adds to the logit difference between the right capital and another: mean over "
    "the prompts by which heads are ordered, and over the others.",
    labels={"chosen_on": "adds (ordered by)", "measured_on": "adds (other prompts)"},
    formats={"chosen_on": "+.3f", "measured_on": "+.3f"},
    shown=10,
)

# %%
by_kind = {"heads": fact.heads.sum(1) + fact.attention_biases, "MLPs": fact.mlps + fact.mlp_biases}
means = {label: draws.means("layers", added.numpy().T) for label, added in by_kind.items()}
ledger.figure(
    "fact_by_layer",
    charts.value_by_layer(
        stacked(means, layer=range(n_layers)), x_title="layer", y_title="adds to the logit difference"
    ),
    caption="What the heads and the MLP of each layer add to the logit difference between the right capital "
    "and another: means over all prompts, with 95% intervals.",
    alt="Two curves over the layers, heads and MLPs, with interval bands: what each adds to the right "
    "answer.",
)

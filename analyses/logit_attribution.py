# ---
# title: Logit attribution
# description: One prompt from input to answer, and where models decide on capitals.
# mechscope:
#   data: [data/capitals.csv, data/capitals_inverse.csv, data/capitals_languages.csv]
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
# # Logit attribution
#
# "The capital of Texas is" → " Austin", followed from the embedding to the logit; then the same measurements
# on a set of capitals. Field notes that this retells looked at one prompt and gave illustrative numbers.

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
# **Logit.** Minus the mean logit over the vocabulary, on which no probability depends. Where a model caps its
# logits (tanh), the logit before the cap.
#
# **Attribution.** The parts that heads, MLPs, embedding and biases add to that logit, the scales of all norms
# frozen as they were in the pass. They sum to the logit, which every call checks. They are *direct* parts: a
# head that only feeds an MLP has none.
#
# **The fact alone.** Much of a logit is about any capital. The difference between the answer and the capital
# of the next place of the same kind in the file that begins with another token, in the same prompt, is about
# this one. A share is the sum of a kind of part over prompts divided by the sum of all parts; intervals
# resample prompts. Where the difference is not above nought there is no fact to share out.
#
# <!-- lint: allow numeral because these are definitions -->
# **Active and contributing.** Of the 10 MLP neurons with the largest absolute activation at the last token,
# the share that is among the 10 with the largest absolute part of the answer's logit; the same with 100. Two
# comparisons: neurons drawn without looking; and each neuron with another's output weights, drawn within its
# layer, so that only activity counts.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Ten heads** are chosen on every other prompt and measured on the rest. Their share's interval resamples
# the rest, the choice stays. It leans towards small shares: heads that chance lifts above nought in a
# resample count in its denominator.
#
# **Convergence layer.** The first layer after which the lens' most probable token is the model's own and
# stays so. **Peak.** The first layer after which the answer has its best rank. Depth counts from the first
# block to the last, as a share of the layers.
#
# **One prompt.** Numbers and claims that say Texas are about that prompt alone and illustrate.
#
# **Looked at before.** How many capitals each model knows was seen while the prompts were put together, so
# claims about that are exploratory. Everything about where and by what was fixed before it was measured.
#
# **After a first look** claims that had rested on the Texas prompt alone, about the peak and about active
# neurons, were measured over all capitals; the two ways of asking were compared place by place instead of by
# two intervals; the claim about few heads asks for the end of an interval, and the one about sums for every
# capital. These claims count as exploratory. So does what neurons are compared with, and the separate look at
# answers of a single token.

# %%
import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.characters import shown_token
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.errors import InvalidInput
from mechscope.ledger import FLOAT32, RESAMPLED, Close, Ledger
from mechscope.lens.answers import next_other, score_answers
from mechscope.lens.attribution import attribute, attribute_neurons, largest_parts
from mechscope.lens.core.components import all_heads
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.readout import soft_cap
from mechscope.lens.core.tokens import tokenise, unreadable
from mechscope.lens.logit_lens import logit_by_layer, logit_lens
from mechscope.models import load_model
from mechscope.stats.estimates import Draws, Estimate, stacked
from mechscope.stats.paired_shares import compare_paired_shares, share_of

PROMPT, ANSWER = "The capital of Texas is", " Austin"
ACTIVATION = Close(rtol=2e-3, atol=1e-3, because="float32 activations, summed over many parts")
PROBABILITY = Close(rtol=2e-3, atol=1e-5, because="float32 reductions, then exponentiated")
BORDERLINE = Close(atol=1, because="two tokens that differ by float32 noise may change places")
RANK = Close(rtol=0.02, atol=1, because="tokens of almost the same logit may change places")
NATS = Close(rtol=5e-3, atol=1e-3, because="float32 activations, exponentiated")
ONE_PROMPT = Close(atol=0.03, because="one prompt")
ROUNDING = Close(atol=1e-3, because="it is rounding")

draws = Draws(seed, resamples)
ledger = Ledger("logit_attribution", tolerance=ACTIVATION)
columns = ["answer", "place", "kind"]
capitals = load_prompts(analysis_file("data/capitals.csv"), columns=columns)
inverse = load_prompts(analysis_file("data/capitals_inverse.csv"), columns=columns)
languages = load_prompts(analysis_file("data/capitals_languages.csv"), columns=["answer", "language"])
bridge = load_model(model, dtype=dtype)
n_layers, heads = bridge.cfg.n_layers, [str(head) for head in all_heads(bridge)]
ledger.statistic("n_layers", n_layers, "Layers")
ledger.statistic("n_heads", len(heads), "Attention heads")
if reason := unreadable(bridge, capitals.prompts, capitals.column("answer")):
    ledger.does_not_apply(reason)
halves = n_layers > 1
if not halves:
    ledger.does_not_apply(
        f"a second half of the layers needs at least two, and this model has {n_layers}",
        *("texas_best_layer", "convergence_depth", "peak_depth"),
        "share_late",
    )

# %% [markdown]
# ## One prompt
#
# What the model would say after each block, at each token.

# %%
texas_prompt = tokenise(bridge, [PROMPT])
texas = score_answers(bridge, [PROMPT], [ANSWER])
austin = texas.first
grid = logit_lens(bridge, texas_prompt, positions="all")
last = logit_lens(bridge, texas_prompt, austin)


def word(token: int) -> str:
    """A token as text."""
    return bridge.tokenizer.decode([token])


says = shown_token(word(int(last.top_ids[-1, 0, 0])))
best = int(last.rank[:, 0].argmin())
ledger.statistic("prompt", PROMPT, "The prompt")
ledger.statistic("answer", ANSWER.strip(), "Its answer")
ledger.statistic("answer_tokens", texas.n_tokens[0], "Tokens of the answer")
ledger.statistic("texas_says", says, "Most probable next token")
for name, probability, label in (
    ("texas_says_probability", last.top_probabilities[-1, 0, 0], "Its probability"),
    ("texas_probability", texas.log_prob[0].exp(), "Probability of the answer"),
):
    ledger.statistic(name, probability, label, format=".3f", tolerance=PROBABILITY)
for name, number, label in (
    ("texas_rank", texas.first_rank[0], "Rank of the answer"),
    (
        "texas_convergence",
        last.convergence[0],
        "Layer from which on the lens' most probable token is the final one",
    ),
    ("texas_best_rank", last.rank[best, 0], "Best rank of the answer after any block"),
    ("texas_best_layer", last.layers[best], "First block after which the answer has its best rank"),
):
    if halves or name != "texas_best_layer":
        ledger.statistic(name, number, label, tolerance=BORDERLINE)
rival = int(texas.first_rank[0] == 1)  # the most probable token that isn't the answer
ledger.statistic(
    "texas_margin",
    last.log_prob[-1, 0] - last.top_probabilities[-1, 0, rival].clamp_min(1e-38).log(),
    "Log-probability of the answer minus that of the most probable other token",
    format=".3f",
    unit="nats",
    tolerance=Close(rtol=2e-3, atol=1e-3, because="float32 reductions"),
)
ledger.claim(
    "knows_texas",
    "After this one prompt the answer is the model's most probable next token.",
    criterion="texas_margin > 0",
    exploratory="the model's answer to this prompt was seen before",
)
ledger.claim(
    "texas_peaks_late",
    "After this one prompt the answer has its best rank after a block of the second half.",
    criterion="texas_best_layer >= n_layers / 2",
)

# %%
cells = grid.frame().astype({"top_probability": float, "entropy": float, "kl": float})
cells = cells.assign(
    read=[word(texas_prompt.ids[0][position]) for position in cells["position"]],
    says=cells["top_id"].map(word),
    probability=cells["top_probability"],
    final=cells["target"].map(word),
)[["layer", "position", "read", "says", "probability", "final", "rank", "entropy", "kl"]]
ledger.figure(
    "lens_grid",
    charts.lens_grid(cells.drop(columns=["final", "kl"])),
    caption=f"The logit lens on “{PROMPT}”: the most probable next token at each position after each block. "
    "The top row is the model's own prediction.",
    alt="A grid of tokens by layers; each cell holds the next token that the model would predict there, "
    "darker where it is surer.",
    tolerance={"*": PROBABILITY, "rank": RANK, "entropy": NATS},
)
ledger.table(
    "lens_cells",
    cells.assign(**{name: cells[name].map(shown_token) for name in ("read", "says", "final")}),
    key=["layer", "position"],
    caption="The logit lens at every position: the token read, the most probable next token and its "
    "probability, the rank of the token that the model says at the end, the entropy of the distribution and "
    "its divergence from the final one (both in nats).",
    labels={
        "says": "most probable token",
        "final": "says at the end",
        "rank": "rank of that",
        "kl": "KL(final ‖ lens)",
    },
    formats={"layer": "d", "position": "d", "probability": ".3f", "entropy": ".2f", "kl": ".2f"},
    tolerance={"*": NATS, "probability": PROBABILITY, "rank": RANK},
    shown=12,
)
ledger.table(
    "lens_rows",
    last.frame()[["layer", "rank", "probability", "entropy", "kl"]].assign(
        top=[", ".join(shown_token(word(token)) for token in ids[0]) for ids in last.top_ids.tolist()]
    ),
    key="layer",
    caption="The logit lens at the last token: rank and probability of the answer, entropy of the whole "
    "distribution, its divergence from the final one (both in nats), and the most probable tokens.",
    labels={"kl": "KL(final ‖ lens)", "top": "most probable tokens"},
    formats={"layer": "d", "probability": ".4f", "entropy": ".2f", "kl": ".2f"},
    tolerance={"*": NATS, "rank": RANK},
)

# %% [markdown]
# ### The parts of the logit

# %%
parts = attribute(bridge, texas_prompt, austin, centred=True, before_cap=True)
course = logit_by_layer(bridge, texas_prompt, austin)[:, 0].numpy()
steps = np.diff(course)
jump = int(np.argmax(steps))
ledger.statistic(
    # lint: allow loose-tolerance because what counts is how small it is
    "texas_rounding",
    parts.rounding.abs()[0],
    "Absolute difference between the model's logit and the sum of all parts",
    format=".1e",
    tolerance=ROUNDING,
)
ledger.statistic("n_parts", len(parts.parts()[0]), "Parts that the logit is a sum of (some of them zero)")
for name, value, label in (
    ("texas_logit", parts.logit[0], "Logit of the answer above the vocabulary's mean"),
    ("texas_heads", parts.heads.sum(), "What all heads add to it"),
    ("texas_mlps", parts.mlps.sum(), "What all MLPs add to it"),
    ("texas_embedding", (parts.embedding + parts.position)[0], "What the embedding adds to it"),
    ("texas_jump", steps[jump], "What it adds"),
):
    ledger.statistic(name, value, label)
ledger.statistic("texas_jump_layer", jump, "Layer that adds most to the logit", tolerance=BORDERLINE)
ledger.figure(
    "logit_by_layer",
    charts.value_by_layer(
        pd.DataFrame({"layer": last.layers, "value": course, "label": f"logit of {ANSWER.strip()}"}),
        y_title="logit above the mean",
    ),
    caption=f"The residual stream at the last token of “{PROMPT}”, projected onto the answer's unembedding "
    "direction, the final norm's scale frozen.",
    alt="A curve over the layers: the answer's logit as far as it is written after each block.",
)

# %%
# Small parts are kept together, so that the picture can be read.
sublayers = parts.sublayers()
largest = largest_parts(sublayers, 18)
together = "; everything else is one bar" * (largest.keys() != sublayers.keys())
ledger.figure(
    "waterfall",
    charts.waterfall([*largest], [*largest.values()], total="logit", x_title="logit above the mean"),
    caption=f"Attribution of the logit of “{ANSWER.strip()}” after “{PROMPT}” to the largest parts, in the "
    f"order of the pass{together}.",
    alt="A waterfall of bars, one for each large part of the logit, from nothing to the whole logit.",
)
ledger.table(
    "heads",
    pd.DataFrame({"head": heads, "adds": parts.heads[..., 0].flatten().numpy()}).sort_values(
        "adds", key=lambda column: -column.abs(), kind="stable"
    ),
    key="head",
    caption="What each head adds to the logit of the answer, largest first.",
    formats={"adds": "+.3f"},
    shown=10,
)
try:
    neurons = attribute_neurons(bridge, texas_prompt, austin, centred=True, before_cap=True)
    n_neurons, no_neurons = neurons.activations[..., 0].numel(), ""
except InvalidInput as error:  # experts that a router chooses between, or no MLPs
    n_neurons, no_neurons = 0, error.message


def too_few_neurons(k: int) -> str:
    """Why no k neurons can be singled out; "" where they can."""
    return no_neurons or (
        "" if n_neurons > k else f"more than {k} neurons are needed, and this model has {n_neurons}"
    )


if reason := too_few_neurons(10):
    ledger.does_not_apply(reason, "neurons_shared", "neurons")
else:
    top_neurons = neurons.frame(10)
    ledger.statistic(
        "neurons_shared",
        int(top_neurons["neuron"].duplicated().sum()),
        "Neurons among the ten most active and the ten that add most",
        n=10,
        tolerance=BORDERLINE,
    )
    ledger.table(
        "neurons",
        top_neurons,
        key=["order", "place"],
        caption="The most active neurons at the last token, and those that add most to the logit of the "
        "answer.",
        formats={"place": "d", "activation": ".2f", "adds": "+.3f"},
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
    several = (scores.n_tokens > 1).sum()
    ledger.statistic(f"{name}_several", several, f"Answers of more than one token: {label}")
    known = share_of(scores.known.numpy())
    ledger.statistic(
        f"{name}_share", known, f"Share that is known: {label}", format=".0%", tolerance=ONE_PROMPT
    )
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
    known_back = pd.Series(scored["inverse"].known.numpy(), inverse.column("place"))[
        capitals.column("place")
    ].to_numpy()
    for name, chosen, label in (
        (
            compared[0],
            np.ones_like(single),
            "Share of places found from their capital minus share of capitals known",
        ),
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
depths = {
    "convergence_depth": (
        draws.mean("depth", ((lens.convergence + 1) / n_layers).double().numpy()),
        "Mean depth at which the lens settles on what the model says",
    ),
    "peak_depth": (
        draws.mean("peak", lens.rank.numpy().argmin(0) / n_layers),
        "Mean depth at which the right capital has its best rank",
    ),
}
for name, (depth, label) in depths.items() if halves else ():
    # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
    tolerance = Close(atol=0.01, because="a layer on a few prompts")
    ledger.statistic(name, depth, label, format=".0%", tolerance=tolerance)
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
if no_neurons:
    ledger.does_not_apply(no_neurons, "n_neurons")
else:
    ledger.statistic("n_neurons", n_neurons, "MLP neurons")
    neurons = attribute_neurons(bridge, asked, first, centred=True, before_cap=True)
    if not neurons.contributions.any():
        no_neurons = "neurons that add something to the answers are needed, and this model's add nothing"
overlaps: dict[str, tuple[np.ndarray, str]] = {}
if reason := too_few_neurons(10):
    ledger.does_not_apply(
        reason,
        # lint: allow loose-tolerance because neurons at the border of the largest change places
        *("neurons_overlap", "neurons_shuffled", "neurons_overlap_minus_shuffled", "neurons_chance"),
    )
else:
    overlap, exchanged = neurons.overlap(10), neurons.overlap_exchanged(10, exchanges=20, seed=seed)
    overlaps = {
        "neurons_overlap": (overlap, "Share of the ten most active among the ten with the largest parts"),
        "neurons_shuffled": (exchanged, "With ten, output weights exchanged within layers"),
        "neurons_overlap_minus_shuffled": (overlap - exchanged, "What the model's own output weights change"),
    }
    by_chance, label = 10 / n_neurons, "With ten, neurons drawn without looking"
    ledger.statistic("neurons_chance", by_chance, label, format=".1e", tolerance=FLOAT32)
if reason := too_few_neurons(100):
    # lint: allow loose-tolerance because neurons at the border of the largest change places
    ledger.does_not_apply(reason, "neurons_overlap_wide")
else:
    overlaps["neurons_overlap_wide"] = (neurons.overlap(100), "The same with a hundred")
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
    ledger.does_not_apply(
        "what is about the fact alone needs capitals that begin with different tokens, and in this "
        f"vocabulary all of the kind “{kinds[alone]}” begin with {word(int(first[alone]))!r}"
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
for name, count, label in (
    (
        "favoured",
        (total > 0).sum(),
        "Prompts in which the right capital (its first token) has the larger logit",
    ),
    (
        "ranked_first",
        (above == 0).sum(),
        "Prompts in which the right capital (its first token) is the most probable of all capitals",
    ),
    (
        "median_rank_among_capitals",
        above.double().median() + 1,
        "Median rank of the right capital among all capitals",
    ),
):
    format = ".0f" if "median" in name else None
    ledger.statistic(name, count, label, format=format, n=n, tolerance=BORDERLINE)
ledger.statistic("n_rivals", len(rivals), "Different first tokens of all capitals")
if soft_cap(bridge) is not None:
    ledger.does_not_apply(
        "logits that nothing caps are needed, and this model caps its own", "texas_others_logit"
    )
else:
    texas_row = capitals.prompts.index(PROMPT)
    elsewhere = log_probs[texas_row, rivals[rivals != first[texas_row]]]
    others_logit = parts.logit[0] - (own[texas_row] - elsewhere.mean())
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
    # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
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

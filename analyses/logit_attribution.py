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
import zlib

import numpy as np
import pandas as pd
import torch
from statsmodels.stats.proportion import proportion_confint

from mechscope import charts
from mechscope.characters import shown_token
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.errors import InvalidInput
from mechscope.ledger import RESAMPLED, Close, Ledger
from mechscope.lens.answers import score_answers
from mechscope.lens.attribution import attribute, attribute_neurons
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.readout import soft_cap
from mechscope.lens.core.tokens import tokenise, unreadable
from mechscope.lens.logit_lens import logit_by_layer, logit_lens
from mechscope.models import load_model
from mechscope.stats.paired_shares import compare_paired_shares
from mechscope.stats.resampling import bootstrap_weights, percentile_interval

PROMPT, ANSWER = "The capital of Texas is", " Austin"
ACTIVATION = Close(rtol=2e-3, atol=1e-3, because="float32 activations, summed over many parts")
PROBABILITY = Close(rtol=2e-3, atol=1e-5, because="float32 reductions, then exponentiated")
BORDERLINE = Close(atol=1, because="two tokens that differ by float32 noise may change places")
RANK = Close(rtol=0.02, atol=1, because="tokens of almost the same logit may change places")
NATS = Close(rtol=5e-3, atol=1e-3, because="float32 activations, exponentiated")
ONE_PROMPT = Close(atol=0.03, because="one prompt")


def weights_of(name: str, n: int) -> np.ndarray:
    """Bootstrap weights of n prompts; a generator for each name, so that none moves another's draws."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return bootstrap_weights(np.zeros(n, dtype=np.int64), resamples, rng).astype(np.float64)


def mean_with_interval(values: np.ndarray, name: str) -> tuple[float, tuple[float, float]]:
    """Mean over prompts and its bootstrap interval."""
    weights = weights_of(name, len(values))
    ends = percentile_interval((weights @ values / len(values))[:, None])
    return float(values.mean()), (ends.low[0], ends.high[0])


ledger = Ledger("logit_attribution")
capitals = load_prompts(analysis_file("data/capitals.csv"), columns=["answer", "place", "kind"])
inverse = load_prompts(analysis_file("data/capitals_inverse.csv"), columns=["answer", "place", "kind"])
languages = load_prompts(analysis_file("data/capitals_languages.csv"), columns=["answer", "language"])
bridge = load_model(model, dtype=dtype)
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
ledger.statistic("n_layers", n_layers, label="Layers")
ledger.statistic("n_heads", n_layers * n_heads, label="Attention heads")
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
one = tokenise(bridge, [PROMPT])
texas = score_answers(bridge, [PROMPT], [ANSWER])
austin = texas.first
grid = logit_lens(bridge, one, positions="all")
last = logit_lens(bridge, one, austin)


def word(token: int) -> str:
    """A token as text."""
    return bridge.tokenizer.decode([token])


said = word(int(last.top_ids[-1, 0, 0]))
ledger.statistic("prompt", PROMPT, label="The prompt")
ledger.statistic("answer", ANSWER.strip(), label="Its answer")
ledger.statistic("answer_tokens", int(texas.n_tokens[0]), label="Tokens of the answer")
ledger.statistic("texas_says", shown_token(said), label="Most probable next token")
ledger.statistic(
    "texas_says_probability",
    float(last.top_probabilities[-1, 0, 0]),
    label="Its probability",
    format=".3f",
    tolerance=PROBABILITY,
)
ledger.statistic("texas_rank", int(texas.first_rank[0]), label="Rank of the answer", tolerance=BORDERLINE)
ledger.statistic(
    "texas_probability",
    float(texas.log_prob[0].exp()),
    label="Probability of the answer",
    format=".3f",
    tolerance=PROBABILITY,
)
ledger.statistic(
    "texas_convergence",
    int(last.convergence[0]),
    label="Layer from which on the lens' most probable token is the final one",
    tolerance=BORDERLINE,
)
best_other = int(texas.first_rank[0] == 1)
ledger.statistic(
    "texas_margin",
    float(last.log_prob[-1, 0] - last.top_probabilities[-1, 0, best_other].clamp_min(1e-38).log()),
    label="Log-probability of the answer minus that of the most probable other token",
    format=".3f",
    unit="nats",
    tolerance=Close(rtol=2e-3, atol=1e-3, because="float32 reductions"),
)
best_row = int(last.rank[:, 0].argmin())
ledger.statistic(
    "texas_best_rank",
    int(last.rank[best_row, 0]),
    label="Best rank of the answer after any block",
    tolerance=BORDERLINE,
)
if halves:
    ledger.statistic(
        "texas_best_layer",
        last.layers[best_row],
        label="First block after which the answer has its best rank",
        tolerance=BORDERLINE,
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
cells = pd.DataFrame(
    [
        {
            "layer": layer,
            "position": int(grid.position[item]),
            "read": word(one.ids[0][int(grid.position[item])]),
            "says": word(int(grid.top_ids[row, item, 0])),
            "probability": float(grid.top_probabilities[row, item, 0]),
            "final": word(int(grid.target[item])),
            "rank": int(grid.rank[row, item]),
            "entropy": float(grid.entropy[row, item]),
            "kl": max(0.0, float(grid.kl[row, item])),
        }
        for row, layer in enumerate(grid.layers)
        for item in range(len(grid.position))
    ]
)
ledger.figure(
    "lens_grid",
    charts.lens_grid(cells[["layer", "position", "read", "says", "probability", "rank", "entropy"]]),
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
    pd.DataFrame(
        {
            "layer": last.layers,
            "rank": last.rank[:, 0].numpy(),
            "probability": last.log_prob[:, 0].exp().numpy(),
            "entropy": last.entropy[:, 0].numpy(),
            "kl": last.kl[:, 0].clamp_min(0).numpy(),
            "top": [", ".join(shown_token(word(token)) for token in row[0]) for row in last.top_ids.tolist()],
        }
    ),
    key="layer",
    caption="The logit lens at the last token: rank and probability of the answer, entropy of the whole "
    "distribution, its divergence from the final one (both in nats), and the most probable tokens.",
    labels={"kl": "KL(final ‖ lens)", "top": "most probable tokens"},
    formats={"layer": "d", "probability": ".4f", "entropy": ".2f", "kl": ".2f"},
    tolerance={
        "*": NATS,
        "rank": RANK,
    },
)

# %% [markdown]
# ### The logit taken apart

# %%
parts = attribute(bridge, one, austin, centred=True, before_cap=True)
course = logit_by_layer(bridge, one, austin)[:, 0].numpy()
ledger.statistic(
    "texas_logit",
    float(parts.logit[0]),
    label="Logit of the answer above the vocabulary's mean",
    tolerance=ACTIVATION,
)
ledger.statistic(
    # lint: allow loose-tolerance because what counts is how small it is
    "texas_rounding",
    float(parts.rounding.abs()[0]),
    label="Absolute difference between the model's logit and the sum of all parts",
    format=".1e",
    tolerance=Close(atol=1e-3, because="it is rounding"),
)
ledger.statistic(
    "n_parts", len(parts.parts()[0]), label="Parts that the logit is a sum of (some of them zero)"
)
for name, value, label in (
    ("texas_heads", parts.heads.sum(), "What all heads add to it"),
    ("texas_mlps", parts.mlps.sum(), "What all MLPs add to it"),
    ("texas_embedding", (parts.embedding + parts.position)[0], "What the embedding adds to it"),
):
    ledger.statistic(name, float(value), label=label, tolerance=ACTIVATION)

steps = np.diff(course)
jump = int(np.argmax(steps))
ledger.statistic("texas_jump_layer", jump, label="Layer that adds most to the logit", tolerance=BORDERLINE)
ledger.statistic("texas_jump", float(steps[jump]), label="What it adds", tolerance=ACTIVATION)
ledger.figure(
    "logit_by_layer",
    charts.value_by_layer(
        pd.DataFrame({"layer": last.layers, "value": course, "label": f"logit of {ANSWER.strip()}"}),
        y_title="logit above the mean",
    ),
    caption=f"The residual stream at the last token of “{PROMPT}”, projected onto the answer's unembedding "
    "direction, the final norm's scale frozen.",
    alt="A curve over the layers: the answer's logit as far as it is written after each block.",
    tolerance={"*": ACTIVATION},
)

# %%
named: list[tuple[str, float]] = [("embedding", float((parts.embedding + parts.position)[0]))]
for layer in range(n_layers):
    attention = parts.heads[layer].sum() + parts.attention_biases[layer, 0]
    mlp = parts.mlps[layer, 0] + parts.mlp_biases[layer, 0]
    named += [(f"attention {layer}", float(attention)), (f"MLP {layer}", float(mlp))]
named.append(("final bias", float(parts.final_bias[0])))
# Small parts are kept together, in the place of the first of them, so that the picture can be read.
big = set(sorted((name for name, _ in named), key=lambda name: -abs(dict(named)[name]))[:18])
shown = [(name, value) for name, value in named if name in big]
rest = [("all other parts", sum(value for name, value in named if name not in big))] * (len(big) < len(named))
ledger.figure(
    "waterfall",
    charts.waterfall(
        *zip(*shown, *rest, strict=True),
        total="logit",
        x_title="logit above the mean",
    ),
    caption=f"Attribution of the logit of “{ANSWER.strip()}” after “{PROMPT}” to the largest parts, in the "
    f"order of the pass{'; everything else is one bar' if rest else ''}.",
    alt="A waterfall of bars, one for each large part of the logit, from nothing to the whole logit.",
    tolerance={"*": ACTIVATION},
)
heads = pd.DataFrame(
    [
        {"head": f"L{layer}H{head}", "adds": float(parts.heads[layer, head, 0])}
        for layer in range(n_layers)
        for head in range(n_heads)
    ]
).sort_values("adds", key=lambda column: -column.abs(), kind="stable")
ledger.table(
    "heads",
    heads,
    key="head",
    caption="What each head adds to the logit of the answer, largest first.",
    formats={"adds": "+.3f"},
    tolerance=ACTIVATION,
    shown=10,
)
try:
    neurons = attribute_neurons(bridge, one, austin, centred=True, before_cap=True)
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
    top_neurons = pd.DataFrame(
        [
            {
                "order": by,
                "place": place,
                "neuron": f"L{one_of.layer}N{one_of.neuron}",
                "activation": one_of.activation,
                "adds": one_of.contribution,
            }
            for by in ("activation", "contribution")
            for place, one_of in enumerate(neurons.top(10, by=by, text=0), start=1)
        ]
    )
    by_order = top_neurons.groupby("order")["neuron"].agg(set)
    ledger.statistic(
        "neurons_shared",
        len(by_order["activation"] & by_order["contribution"]),
        label="Neurons among the ten most active and the ten that add most",
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
        tolerance=ACTIVATION,
    )

# %% [markdown]
# ## What the model knows

# %%
SETS = {
    "capitals": (capitals, "capital of a place", "capitals of a place"),
    "inverse": (inverse, "place of a capital", "places of a capital"),
    "languages": (languages, "other languages", "capitals in other languages"),
}
scored, unread = {}, {}
for name, (prompts, _, _) in SETS.items():
    if reason := unreadable(bridge, prompts.prompts, prompts.column("answer")):
        unread[name] = reason
        ledger.does_not_apply(reason, *(f"{name}_{what}" for what in ("n", "known", "several", "share")))
    else:
        scored[name] = score_answers(bridge, prompts.prompts, prompts.column("answer"))
scores = scored["capitals"]

facts = pd.concat(
    [
        pd.DataFrame(
            {
                "set": SETS[name][1],
                "prompt": SETS[name][0].prompts,
                "answer": SETS[name][0].column("answer"),
                "tokens": found.n_tokens.numpy(),
                "log_prob": found.log_prob.numpy(),
                "first_rank": found.first_rank.numpy(),
                "known": found.known.numpy(),
            }
        )
        for name, found in scored.items()
    ],
    ignore_index=True,
)
ledger.table(
    "facts",
    facts,
    key=["set", "prompt"],
    caption="Every prompt with its answer: tokens, log-probability of the whole answer (nats), rank of its "
    "first token, and whether the model knows it.",
    labels={"log_prob": "Σ log p", "first_rank": "rank of the first token"},
    formats={"log_prob": ".2f"},
    tolerance={
        "*": Close(rtol=2e-3, atol=2e-3, because="float32 activations"),
        "first_rank": RANK,
    },
    shown=12,
)
for name, found in scored.items():
    label = SETS[name][2]
    ledger.statistic(f"{name}_n", len(found.ids), label=f"Prompts: {label}")
    ledger.statistic(
        # lint: allow loose-tolerance because a prompt at a threshold may be all there is
        f"{name}_known",
        int(found.known.sum()),
        label=f"Of these, known: {label}",
        tolerance=BORDERLINE,
    )
    ledger.statistic(
        f"{name}_several",
        int((found.n_tokens > 1).sum()),
        label=f"Answers of more than one token: {label}",
    )
    # Wilson's interval: a bootstrap of answers that are all wrong (or all right) would be a single point.
    n_known, n_asked = int(found.known.sum()), len(found.ids)
    ledger.statistic(
        f"{name}_share",
        n_known / n_asked,
        label=f"Share that is known: {label}",
        format=".0%",
        ci=proportion_confint(n_known, n_asked, method="wilson"),
        n=n_asked,
        test="Wilson interval of a proportion",
        tolerance=ONE_PROMPT,
    )
ledger.claim(
    "knows_most_capitals",
    # lint: allow numeral because a half is what the criterion says
    "The model knows more than half of the capitals.",
    criterion="capitals_share > 0.5",
    exploratory="the counts were seen while the prompts were put together",
)

# %%
PAIRED = "exact McNemar test, two-sided; interval of Bonett and Price"
single = (scores.n_tokens == 1).numpy()
compared = ("inverse_minus_capitals", "inverse_minus_capitals_single")
if "inverse" in unread:
    ledger.does_not_apply(unread["inverse"], *compared, "only_inverse", "only_capital")
else:
    found_back = dict(zip(inverse.column("place"), scored["inverse"].known.tolist(), strict=True))
    known_back = np.array([found_back[place] for place in capitals.column("place")])
    known = scores.known.numpy()
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
        pairs = compare_paired_shares(known_back[chosen], known[chosen])
        ledger.statistic(
            name,
            pairs.difference,
            label=label,
            ci=(pairs.low, pairs.high),
            n=pairs.n,
            p=pairs.p,
            test=PAIRED,
            tolerance=ONE_PROMPT,
        )
    ledger.statistic(
        "only_inverse",
        int((known_back & ~known).sum()),
        label="Places found whose capital is not known",
        tolerance=BORDERLINE,
    )
    ledger.statistic(
        "only_capital",
        int((known & ~known_back).sum()),
        label="Capitals known whose place is not found",
        tolerance=BORDERLINE,
    )
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
n = len(capitals)
first = scores.first
asked = tokenise(bridge, capitals.prompts)
lens = logit_lens(bridge, asked, first, top_k=1)
if halves:
    depth = ((lens.convergence + 1) / n_layers).double().numpy()
    value, ends = mean_with_interval(depth, "depth")
    ledger.statistic(
        "convergence_depth",
        value,
        format=".0%",
        label="Mean depth at which the lens settles on what the model says",
        ci=ends,
        n=n,
        resamples=resamples,
        tolerance=Close(atol=0.01, because="a layer on a few prompts"),
    )
    value, ends = mean_with_interval(lens.rank.numpy().argmin(0) / n_layers, "peak")
    ledger.statistic(
        # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
        "peak_depth",
        value,
        format=".0%",
        label="Mean depth at which the right capital has its best rank",
        ci=ends,
        n=n,
        resamples=resamples,
        tolerance=Close(atol=0.01, because="a layer on a few prompts"),
    )
ledger.statistic(
    "convergence_median",
    float(lens.convergence.double().median()),
    label="Median convergence layer",
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

# %%
ranks = lens.rank.double().log10().numpy()
rank_ends = percentile_interval(weights_of("layers", n) @ ranks.T / n)
ledger.figure(
    "rank_by_layer",
    charts.value_by_layer(
        pd.DataFrame(
            {
                "label": "rank of the right capital",
                "layer": lens.layers,
                "value": ranks.mean(1),
                "low": rank_ends.low,
                "high": rank_ends.high,
            }
        ),
        y_title="log10 of the rank",
    ),
    caption="Rank of the right capital (its first token) in the logit lens after each block: mean logarithm "
    "over all prompts, with 95% intervals. Nought is the first rank.",
    alt="A curve over the layers: the rank of the right capital in the logit lens.",
    tolerance={"*": Close(rtol=5e-3, atol=5e-3, because="tokens of almost the same logit change places")},
)

# %% [markdown]
# ## Active neurons and contributing neurons

# %%
if no_neurons:
    ledger.does_not_apply(no_neurons, "n_neurons")
else:
    ledger.statistic("n_neurons", n_neurons, label="MLP neurons")
    over_capitals = attribute_neurons(bridge, asked, first, centred=True, before_cap=True)
    activity, added = over_capitals.activations, over_capitals.contributions
    if not added.any():
        no_neurons = "neurons that add something to the answers are needed, and this model's add nothing"


def shared_largest(adds: torch.Tensor, k: int) -> np.ndarray:
    """In each prompt, the share of the k most active neurons that is among the k that add most."""
    most = [values.abs().flatten(0, 1).topk(k, dim=0).indices for values in (activity, adds)]
    return (most[0][:, None] == most[1][None]).any(1).double().mean(0).numpy()


def shuffled_weights(draws: int, k: int) -> np.ndarray:
    """`shared_largest`, mean over draws in which neurons of a layer exchange their output weights."""
    generator = torch.Generator().manual_seed(seed)
    per_activation = (added / activity).nan_to_num(0.0, posinf=0.0, neginf=0.0)
    found = []
    for _ in range(draws):
        swapped = torch.stack(
            [layer[torch.randperm(len(layer), generator=generator)] for layer in per_activation]
        )
        found.append(shared_largest(activity * swapped, k))
    return np.mean(found, axis=0)


overlaps: dict[str, tuple[np.ndarray, str]] = {}
if reason := too_few_neurons(10):
    ledger.does_not_apply(
        reason,
        # lint: allow loose-tolerance because neurons at the border of the largest change places
        *("neurons_overlap", "neurons_shuffled", "neurons_overlap_minus_shuffled", "neurons_chance"),
    )
else:
    overlap, exchanged = shared_largest(added, 10), shuffled_weights(20, 10)
    overlaps = {
        "neurons_overlap": (overlap, "Share of the ten most active among the ten with the largest parts"),
        "neurons_shuffled": (exchanged, "With ten, output weights exchanged within layers"),
        "neurons_overlap_minus_shuffled": (
            overlap - exchanged,
            "What the model's own output weights change",
        ),
    }
    ledger.statistic(
        "neurons_chance", 10 / n_neurons, label="With ten, neurons drawn without looking", format=".1e"
    )
if reason := too_few_neurons(100):
    # lint: allow loose-tolerance because neurons at the border of the largest change places
    ledger.does_not_apply(reason, "neurons_overlap_wide")
else:
    overlaps["neurons_overlap_wide"] = (shared_largest(added, 100), "The same with a hundred")
for name, (shares, label) in overlaps.items():
    value, ends = mean_with_interval(shares, name)
    ledger.statistic(
        name,
        value,
        label=label,
        format="+.0%" if "minus" in name else ".0%",
        ci=ends,
        n=n,
        resamples=resamples,
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
others = torch.empty_like(first)
whole = torch.empty(n, dtype=torch.bool)  # neither the answer nor the other capital has several tokens
for at in range(n):
    rivals = [
        (at + step) % n for step in range(1, n)
        if kinds[(at + step) % n] == kinds[at] and first[(at + step) % n] != first[at]
    ]  # fmt: skip
    if not rivals:
        ledger.does_not_apply(
            "what is about the fact alone needs capitals that begin with different tokens, and in this "
            f"vocabulary all of the kind “{kinds[at]}” begin with {word(int(first[at]))!r}"
        )
    others[at] = first[rivals[0]]
    whole[at] = int(scores.n_tokens[at]) == int(scores.n_tokens[rivals[0]]) == 1
fact = attribute(bridge, asked, first, others, before_cap=True)

ledger.statistic(
    # lint: allow loose-tolerance because what counts is how small it is
    "worst_rounding",
    float(fact.rounding.abs().max()),
    label="Largest difference between a logit difference and the sum of its parts",
    format=".1e",
    n=n,
    tolerance=Close(atol=1e-3, because="it is rounding"),
)
ledger.claim(
    "sums_exactly",
    "The parts sum to the model's logit, in each of these prompts.",
    criterion="texas_rounding < 0.001 and worst_rounding < 0.001",
    exploratory="after a first look it was extended from one prompt to all capitals",
)
total = fact.total.numpy()
difference, ends_of_difference = mean_with_interval(total, "difference")
ledger.statistic(
    "difference",
    difference,
    label="Mean logit difference between the right capital and another",
    ci=ends_of_difference,
    n=n,
    resamples=resamples,
    tolerance=ACTIVATION,
)
favoured = int((total > 0).sum())
ledger.statistic(
    "favoured",
    favoured,
    label="Prompts in which the right capital (its first token) has the larger logit",
    n=n,
    tolerance=BORDERLINE,
)
# One rival is an easy test. The hard one: every capital of the file after the same prompt.
said = read_last_position(bridge, asked, residuals=False, log_probs=True).log_probs
rivals = torch.unique(first)
own = said.gather(1, first[:, None])[:, 0]
above = (said[:, rivals] > own[:, None]).sum(1)
ledger.statistic(
    "ranked_first",
    int((above == 0).sum()),
    label="Prompts in which the right capital (its first token) is the most probable of all capitals",
    n=n,
    tolerance=BORDERLINE,
)
ledger.statistic("n_rivals", len(rivals), label="Different first tokens of all capitals")
ledger.statistic(
    "median_rank_among_capitals",
    float(above.double().median() + 1),
    format=".0f",
    label="Median rank of the right capital among all capitals",
    n=n,
    tolerance=BORDERLINE,
)
if soft_cap(bridge) is not None:
    ledger.does_not_apply(
        "logits that nothing caps are needed, and this model caps its own", "texas_others_logit"
    )
else:
    texas_at = list(capitals.prompts).index(PROMPT)
    not_texas = rivals[rivals != first[texas_at]]
    ledger.statistic(
        "texas_others_logit",
        float(parts.logit[0] - (own[texas_at] - said[texas_at, not_texas].mean())),
        label="Mean logit of the other capitals after this prompt",
        tolerance=ACTIVATION,
    )
single_total = total[whole.numpy()]
if len(single_total) < 2:
    ledger.does_not_apply(
        "prompts in which both capitals are single tokens are needed, and this vocabulary has too few",
        *("favoured_single", "difference_single"),
    )
else:
    ledger.statistic(
        "favoured_single",
        int((single_total > 0).sum()),
        label="Of those in which both capitals are single tokens",
        n=len(single_total),
        tolerance=BORDERLINE,
    )
    value, ends = mean_with_interval(single_total, "single difference")
    ledger.statistic(
        "difference_single",
        value,
        label="Mean logit difference where both capitals are single tokens",
        ci=ends,
        n=len(single_total),
        resamples=resamples,
        tolerance=ACTIVATION,
    )

# %%
half = n_layers // 2
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
    # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
    groups["share_late"] = (
        fact.by_layer[half:].sum(0).numpy(),
        "Share that the second half of the layers adds",
    )
if ends_of_difference[0] <= 0:
    ledger.does_not_apply(
        "shares of the fact need a model that gives the right capital the larger logit on average, interval "
        f"included; this model's mean difference is {difference:.3g} "
        f"({ends_of_difference[0]:.3g} to {ends_of_difference[1]:.3g})",
        *groups,
    )
    groups = {}
weights = weights_of("shares", n)
for name, (part, label) in groups.items():
    # Prompts are resampled together in the part and in the sum of all parts.
    ends = percentile_interval((weights @ part / (weights @ total))[:, None])
    ledger.statistic(
        name,
        float(part.sum() / total.sum()),
        label=label,
        format="+.0%" if "minus" in name else ".0%",
        ci=(ends.low[0], ends.high[0]),
        n=n,
        resamples=resamples,
        tolerance=RESAMPLED,
    )
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
chosen = torch.arange(n) % 2 == 0
order = fact.heads[..., chosen].mean(-1).flatten().sort(descending=True, stable=True).indices
heads_rest = fact.heads[..., ~chosen].flatten(0, 1)
n_rest = heads_rest.shape[1]
per_head = heads_rest.mean(-1)
ten = order[:10].numpy()
head_draws = weights_of("ten heads", n_rest) @ heads_rest.numpy().T / n_rest
added_by_heads = head_draws.clip(0).sum(1)
if len(order) <= 20 or not added_by_heads.all():
    ledger.does_not_apply(
        f"ten heads are few among more than twenty that add something, and this model has {len(order)} heads",
        "ten_heads_share",
    )
else:
    ends_of_ten = percentile_interval((head_draws[:, ten].sum(1) / added_by_heads)[:, None])
    ledger.statistic(
        "ten_heads_share",
        float(per_head[ten].sum() / per_head.clamp_min(0).sum()),
        label="Share of what heads add on average, negative ones aside, that ten heads add, chosen on other "
        "prompts",
        format=".0%",
        ci=(ends_of_ten.low[0], ends_of_ten.high[0]),
        n=n_rest,
        resamples=resamples,
        tolerance=ACTIVATION,
    )
ledger.statistic(
    "best_head", f"L{int(order[0]) // n_heads}H{int(order[0]) % n_heads}", label="Head that adds most"
)
value, ends = mean_with_interval(heads_rest[order[0]].numpy(), "best head")
ledger.statistic(
    "best_head_adds",
    value,
    label="What it adds to the logit difference on average, on other prompts",
    ci=ends,
    n=n_rest,
    resamples=resamples,
    tolerance=ACTIVATION,
)
ledger.claim(
    "few_heads",
    "Ten heads add most of what heads add.",
    criterion="ten_heads_share.low > 0.5",
    exploratory="after a first look the criterion was tightened by the interval",
)
ledger.table(
    "heads_over_capitals",
    pd.DataFrame(
        {
            "head": [f"L{int(at) // n_heads}H{int(at) % n_heads}" for at in order],
            "chosen_on": fact.heads[..., chosen].mean(-1).flatten()[order].numpy(),
            "measured_on": per_head[order].numpy(),
        }
    ),
    key="head",
    caption="What each head adds to the logit difference between the right capital and another: mean over "
    "the prompts by which heads are ordered, and over the others.",
    labels={"chosen_on": "adds (ordered by)", "measured_on": "adds (other prompts)"},
    formats={"chosen_on": "+.3f", "measured_on": "+.3f"},
    tolerance=ACTIVATION,
    shown=10,
)

# %%
layer_weights = weights_of("layers", n)
rows = []
for label, matrix in (
    ("heads", fact.heads.sum(1) + fact.attention_biases),
    ("MLPs", fact.mlps + fact.mlp_biases),
):
    array = matrix.numpy()
    ends_of = percentile_interval(layer_weights @ array.T / n)
    rows.append(
        pd.DataFrame(
            {
                "label": label,
                "layer": np.arange(n_layers),
                "value": array.mean(1),
                "low": ends_of.low,
                "high": ends_of.high,
            }
        )
    )
by_layer = pd.concat(rows, ignore_index=True)
ledger.figure(
    "fact_by_layer",
    charts.value_by_layer(by_layer, x_title="layer", y_title="adds to the logit difference"),
    caption="What the heads and the MLP of each layer add to the logit difference between the right capital "
    "and another: means over all prompts, with 95% intervals.",
    alt="Two curves over the layers, heads and MLPs, with interval bands: what each adds to the right answer.",  # noqa: E501
    tolerance={"*": ACTIVATION},
)

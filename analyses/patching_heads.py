# ---
# title: Patching heads and single positions
# description: Which heads carry what tells a prompt from its twin, and whether gradients find them, too.
# mechscope:
#   data: [data/patching_pairs.csv]
#   models: [model]
#   saes: []
#   needs: []
#   moved_from: patching
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
# # Patching heads and single positions
#
# A prompt and its twin differ in one place and have different answers. Which heads carry the difference, and
# does a fast approximation find them?

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
min_gap = 1.0
min_divergence = 0.1
depths = 10
each = 2

# %% [markdown]
# ## What was fixed beforehand
#
# **Pairs.** Each line of `patching_pairs.csv` is a pair of prompts in which one word is exchanged for another
# of the same kind (symmetric token replacement: no noise, no prompt that means nothing). Both prompts have as
# many tokens as each other and the same last token, and the word that changes is never the first one:
# a first token is where attention rests, and in a model without a beginning-of-sequence token patching it
# would move that too. Pairs of which this isn't true with a model's tokenizer, or which its context doesn't
# hold, are left out.
#
# **Score.** Σ log p of the clean prompt's answer minus that of the corrupted prompt's answer, in nats.
#
# **A pair is used** when the model prefers each prompt's own answer (the score is positive after the clean
# and negative after the corrupted prompt) and the two scores are at least `min_gap` nats apart: below that
# an effect would be a ratio of two small numbers (`patching.py` counts all others).
#
# **Effect:** (patched − base) / (source − base); zero is nothing, one everything. *Denoising* puts clean
# activations into the corrupted run, *noising* the other way round.
#
# **Blocks, heads, single positions, and the approximation,** on the first usable pairs of each phenomenon
# (`each` of them): what each block's attention and MLP add at the changed and at the last token (the roles of
# `patching.py`), every head at all positions, and every position of the residual stream from the changed
# token on, at blocks spread evenly over the depth. Attribution patching approximates all four with gradients.
# For the question whether pairs of the same phenomenon use the same heads, it stands in for the exact effects
# on all pairs.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# Intervals resample pairs within phenomena, and pairs of phenomena with fewer than 5 of them all together.
# They say how much depends on these pairs; the phenomena are not a sample of anything.
#
# **Added after the first results** (everything about it is exploratory). The pairs: there were fewer of each
# phenomenon and none in other languages; the new ones were chosen for being well known and for the lengths of
# their prompts, before any of them was patched. Intervals of correlations, errors and shares, which had been
# single numbers; criteria of claims stayed as they were and are judged on old and new pairs. Heads and single
# positions on several pairs of each phenomenon instead of on one of some. Noising, and the divergence as the
# score, at every other one of the blocks of the residual stream. The error of the approximation for attention
# and MLPs.

# %%
import numpy as np
import pandas as pd

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.errors import InvalidInput
from mechscope.ledger import Close, Ledger
from mechscope.lens.attribution_patching import attribution_map
from mechscope.lens.patching import Pair, encode_pairs, important, pair_scores, patch_sites, patching_map
from mechscope.lens.patching_roles import patch_roles, patchable, sum_by_role
from mechscope.models import load_model
from mechscope.stats.agreement import agreement_sums, correlation, mean_distance, rms, rms_error, sign_share
from mechscope.stats.estimates import Draws, Estimate, Missing
from mechscope.stats.pairs import mean_within_and_across, separation_interval, separation_test
from mechscope.stats.resampling import pooled_strata

MAPPED = ("capitals", "indirect object", "agreement")
FEWEST = 5
ENDS = ("changed token", "last token")
PARTS = ("attention", "mlp")
MEASURES = {"r": correlation, "gap": mean_distance, "error": rms_error, "sign": sign_share}
ACTIVATION = Close(rtol=5e-3, atol=2e-3, because="float32 activations, divided by a gap of a few nats")
BORDERLINE = Close(atol=1, because="one pair on the border")

ledger = Ledger("patching_heads", tolerance=ACTIVATION)
draws = Draws(seed, resamples)
pairs_file = analysis_file("data/patching_pairs.csv")
rows = load_prompts(pairs_file, columns=["corrupt", "answer", "wrong", "phenomenon"]).frame
every_pair = [Pair(row.prompt, row.corrupt, row.answer, row.wrong) for row in rows.itertuples(index=False)]


def strata(members):
    """What pairs are resampled within: their phenomena, rare ones pooled."""
    return pooled_strata([phenomena[pair] for pair in members], fewest=FEWEST)


def record(name, values, members, label, of=np.asarray, **options):
    """A statistic of means over pairs, with its interval, where it has a value in all resamples of them.

    `values` has a row for each of the pairs, and `of` makes the statistic from the means of all else.
    """
    if len(members) < 2:
        estimate = Missing(f"an interval needs two pairs, and there are {len(members)}")
    else:
        try:
            estimate = draws.of_means(name, values, of, strata=strata(members))
        except InvalidInput:
            estimate = Missing(
                "it needs effects that are large enough and differ, in every resample of the pairs; this "
                f"model has {len(members)} pairs for it, {n_layers} blocks and {n_heads} heads in each"
            )
    ledger.statistic(name, estimate, label, **options)


def record_agreement(name, first, second, members, **labels):
    """How two measurements of the same places agree: a statistic for each measure that has a label."""
    sums = agreement_sums(first, second)
    for measure, label in labels.items():
        # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
        record(f"{name}_{measure}", sums, members, label, MEASURES[measure], format=".3f")
    return sums


def correlation_gain(means):
    """By how much two measurements of the first kind correlate more than two of the second."""
    return correlation(means)[..., 0] - correlation(means)[..., 1]


# %% [markdown]
# ## The pairs

# %%
bridge = load_model(model, dtype=dtype)
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
fit = patchable(bridge, every_pair)
if not any(fit):
    ledger.does_not_apply(
        "it needs pairs whose prompts have as many tokens as each other, and with this model's tokenizer "
        f"and its context of {bridge.cfg.n_ctx} tokens, there are none"
    )
rows = rows[fit].reset_index(drop=True)
whole = encode_pairs(bridge, [pair for pair, left in zip(every_pair, fit, strict=True) if left])
scores = pair_scores(bridge, whole)
used = np.flatnonzero((scores.clean > 0) & (scores.corrupt < 0) & scores.usable(min_gap))
phenomena = rows["phenomenon"][used].tolist()
if len(used) < FEWEST:
    ledger.does_not_apply(
        f"it needs {FEWEST} pairs of which the model prefers both answers, with scores {min_gap} nats apart, "
        f"and this model does so of {len(used)}"
    )
encoded = whole.take(used)
layers = list(range(0, n_layers, -(-n_layers // depths)))
first_pairs = [pair for pair in range(len(used)) if phenomena[:pair].count(phenomena[pair]) < each]
few = encoded.take(first_pairs)
label = "Pairs whose heads and single positions are patched exactly"
ledger.statistic("n_examples", len(few), label, tolerance=BORDERLINE)

# %% [markdown]
# ## Heads, single positions, and the fast approximation

# %%
SINGLE = {
    "residual": "single positions of the residual stream",
    "attention": "single blocks' attention",
    "mlp": "single blocks' MLPs",
    "heads": "single heads",
}
parts = patch_roles(bridge, few, PARTS, ENDS, min_gap=min_gap)
by_gradient = {kind: attribution_map(bridge, few, kind, min_gap=min_gap) for kind in SINGLE}
positions = patching_map(bridge, few, "residual", layers=layers, min_gap=min_gap).effects
heads = np.stack(patching_map(bridge, few, "heads", min_gap=min_gap).effects)
quick_heads = np.stack(by_gradient["heads"].effects)
# Before the changed token both are zero whatever one does: not counted as agreement.
starts = [few.changed(pair)[0] for pair in range(len(few))]
exact = {
    "residual": [effects[:, start:] for effects, start in zip(positions, starts, strict=True)],
    "heads": heads,
}
quick = {"residual": [], "heads": quick_heads}
for effects, start in zip(by_gradient["residual"].effects, starts, strict=True):
    quick["residual"].append(effects[layers, start:])
for kind in PARTS:
    exact[kind], quick[kind] = parts[kind].effects, sum_by_role(by_gradient[kind], few, ENDS)
sums = {}
for kind, words in SINGLE.items():
    sums[kind] = record_agreement(
        f"attribution_{kind}",
        quick[kind],
        exact[kind],
        first_pairs,
        r=f"Correlation of attribution patching with the exact effects of {words}",
        error=f"Root-mean-square error of attribution patching on {words}",
        sign=f"Share of large effects whose sign attribution patching finds, for {words}",
    )
    label = f"Root mean square of the exact effects of {words}"
    record(f"{kind}_spread", sums[kind], first_pairs, label, rms, format=".3f")
for kind, words in (("residual", "the residual stream"), ("mlp", "MLPs")):
    label = f"Correlation of attribution patching with the exact effects on {words} minus that on heads"
    both = np.stack([sums[kind], sums["heads"]], axis=1)
    record(f"attribution_{kind}_minus_heads_r", both, first_pairs, label, correlation_gain, format="+.3f")

# %%
sizes = np.sort(np.abs(heads).reshape(len(few), -1))[:, ::-1]
n_all = sizes.shape[1]
ledger.statistic("n_heads", n_all, "Heads")
if n_all < 20:
    too_few = f"a twentieth of the heads needs 20 of them, and this model has {n_all}"
    ledger.does_not_apply(too_few, "n_top_heads", "heads_share")
else:
    top = max(1, round(0.05 * n_all))
    ledger.statistic("n_top_heads", top, "A twentieth of them")
    share = sizes[:, :top].sum(1) / sizes.sum(1)
    label = "Share of the summed absolute effect of all heads that the top twentieth has"
    record("heads_share", share, first_pairs, label, format=".0%")
label = "Largest absolute effect of a single head on any of these pairs"
ledger.statistic("largest_head", float(sizes.max()), label, n=len(few))
counts = (sizes > 0.1).sum(1)
label = "Heads with an absolute effect above 0.1, summed over these pairs"
ledger.statistic("n_important_heads", int(counts.sum()), label, n=len(few), tolerance=BORDERLINE)
label = "Heads with an absolute effect above 0.1, mean over these pairs"
threshold = Close(atol=0.1, because="some effects are at the threshold")
record("important_heads_mean", counts, first_pairs, label, format=".1f", tolerance=threshold)
top_heads = [
    (few.pairs[row].clean, phenomena[pair], place, f"L{layer}H{head}", effect, quick_heads[row, layer, head])
    for row, pair in enumerate(first_pairs)
    for place, (layer, head, effect) in enumerate(important(heads[row], 0.0)[:5], start=1)
]
ledger.table(
    "top_heads",
    pd.DataFrame(top_heads, columns=["pair", "phenomenon", "place", "head", "effect", "approximate"]),
    key=["pair", "place"],
    caption="The heads with the largest effects on each of these pairs, and what attribution patching says.",
    formats={"place": "d", "effect": "+.2f", "approximate": "+.2f"},
    shown=20,
)
first_of = {phenomena[pair]: row for row, pair in reversed([*enumerate(first_pairs)])}
head_cells = [
    {"layer": layer, "head": head, "label": name, "value": effect, "marked": abs(effect) > 0.1}
    for name in [name for name in MAPPED if name in first_of] or phenomena[:1]
    for (layer, head), effect in np.ndenumerate(heads[first_of[name]])
]
ledger.figure(
    "heads",
    charts.head_map(pd.DataFrame(head_cells), value_title="effect"),
    caption="Effect of restoring a single head's output at all positions, on one pair of each of these "
    "phenomena; dots where it exceeds 0.1 either way.",
    alt="Maps of layers by heads, one for each phenomenon, with the effect of each head.",
)
compared = [
    {
        "kind": word,
        "place": f"{few.pairs[pair].clean} · block {blocks[layer]}, {word} {first[pair] + place}",
        "exact": exact[kind][pair][layer, place],
        "approximate": quick[kind][pair][layer, place],
    }
    for kind, word, blocks, first in (
        ("residual", "position", layers, starts),
        ("heads", "head", range(n_layers), [0] * len(few)),
    )
    for pair in range(len(few))
    for layer, place in np.argwhere(np.abs(exact[kind][pair]) > 0.02)
]
ledger.figure(
    "approximation",
    charts.approximation_scatter(pd.DataFrame(compared)),
    caption="Attribution patching against the exact effect of each single patch (places with an "
    "effect above 0.02 either way).",
    alt="Scatter plot of approximate against exact effects of heads and residual positions "
    "around the line of equality.",
)
ledger.claim(
    "approximation_serves_heads",
    "Attribution patching finds the effects of heads.",
    criterion="attribution_heads_r > 0.8",
)
ledger.claim(
    "approximation_fails_on_the_stream",
    "It is worse on the residual stream than on heads.",
    criterion="attribution_residual_r < attribution_heads_r",
)
ledger.claim(
    "few_heads", "A twentieth of the heads has more than half of the effect.", criterion="heads_share > 0.5"
)
ADDED = "added after the correlations for heads and the residual stream were seen in both models"
ledger.claim(
    "approximation_serves_attention",
    "Attribution patching finds the effects of what single blocks' attention adds.",
    criterion="attribution_attention_r.low > 0.8",
    exploratory=ADDED,
)
ledger.claim(
    "approximation_fails_on_mlps",
    "It is worse on MLPs than on heads.",
    criterion="attribution_mlp_minus_heads_r.high < 0",
    exploratory=ADDED,
)

# %% [markdown]
# ### Attention, MLPs and heads the other way round, and by the whole distribution
#
# Restoring what a block or a head adds asks whether it suffices, spoiling it whether it is needed: where
# several do the same, each suffices and none is needed. At every other one of the residual stream's blocks.
# The divergence is −KL(source ‖ run) of the next token; pairs whose two unpatched runs are less than
# `min_divergence` nats apart are left out there.

# %%
unpatched = patch_sites(bridge, few, [(row, []) for row in range(len(few))], score="kl", min_gap=0.0)
far = np.flatnonzero(np.abs(unpatched.source - unpatched.base) >= min_divergence)
far_pairs = [first_pairs[row] for row in far]
fewer = layers[::2]


def single_effects(encoded, **options):
    """Effects of attention, MLPs and heads at every other block, pair by pair."""
    by_role = patch_roles(bridge, encoded, PARTS, ENDS, layers=fewer, **options)
    by_head = patching_map(bridge, encoded, "heads", layers=fewer, **options)
    return {**{kind: by_role[kind].effects for kind in PARTS}, "heads": np.stack(by_head.effects)}


restored = {**{kind: parts[kind].effects[:, :, fewer] for kind in PARTS}, "heads": heads[:, fewer]}
spoiled = single_effects(few, direction="noising", min_gap=min_gap)
judged = (
    single_effects(few.take(far), score="kl", min_gap=0.0) if len(far) else {kind: [] for kind in spoiled}
)
for kind, words in (("attention", "blocks' attention"), ("mlp", "blocks' MLPs"), ("heads", "heads")):
    record_agreement(
        f"{kind}_directions",
        restored[kind],
        spoiled[kind],
        first_pairs,
        r=f"Correlation of denoising and noising effects of single {words}",
        gap=f"Mean absolute difference between a denoising and a noising effect of single {words}",
    )
    record_agreement(
        f"{kind}_kl",
        restored[kind][far],
        judged[kind],
        far_pairs,
        r=f"Correlation of effects of single {words} on the answers with those on the divergence",
        gap=f"Mean absolute difference between these effects of single {words}",
    )
ledger.claim(
    "parts_agree_both_ways",
    "Denoising and noising tell the same story of attention, of MLPs and of heads, too.",
    criterion="attention_directions_r.low > 0.8 and mlp_directions_r.low > 0.8 "
    "and heads_directions_r.low > 0.8",
    exploratory="added after both directions were seen to agree on the residual stream in both models",
)
ledger.claim(
    "parts_agree_by_divergence",
    "Judged by the whole next-token distribution the same attention, MLPs and heads matter.",
    criterion="attention_kl_r.low > 0.8 and mlp_kl_r.low > 0.8 and heads_kl_r.low > 0.8",
    exploratory="added after both scores were seen to agree on the residual stream in both models",
)

# %% [markdown]
# ### Do pairs of one phenomenon use the same heads?
#
# The maps of all heads (by attribution patching) are correlated between pairs. T is the mean correlation
# within phenomena minus that across them; labels are permuted over pairs.

# %%
codes = pd.factorize(np.array(phenomena, dtype=object))[0]
with_others = np.bincount(codes)[codes] > 1
labels = codes[with_others]
head_maps = np.stack(attribution_map(bridge, encoded, "heads", min_gap=min_gap).effects)[with_others]
with np.errstate(invalid="ignore", divide="ignore"):
    alike = np.corrcoef(head_maps.reshape(len(labels), n_layers * n_heads))
try:
    ends = separation_interval(
        alike, labels, strata=labels, resamples=resamples, rng=draws.rng("heads separation interval")
    )
    test = separation_test(alike, labels, resamples=resamples, rng=draws.rng("heads separation"))
except InvalidInput as error:
    ledger.does_not_apply(
        "it needs several phenomena with several pairs that this model can be patched on, and heads whose "
        f"effects differ: {error.message}",
        *("heads_within", "heads_across", "heads_separation"),
    )
else:
    within, across = mean_within_and_across(alike, labels)
    label = "Mean correlation of the head maps of two pairs"
    ledger.statistic("heads_within", within, f"{label} of the same phenomenon", n=len(labels))
    ledger.statistic("heads_across", across, f"{label} of different phenomena", n=len(labels))
    how = "permutation of phenomena over pairs, one-sided"
    separated = Estimate.of(interval=ends, test=test, by=how, n=len(labels))
    ledger.statistic("heads_separation", separated, "T(phenomenon): the first minus the second")
ledger.claim(
    "heads_by_phenomenon",
    "Pairs of the same phenomenon use more alike heads than pairs of different ones.",
    criterion="heads_separation.low > 0 and heads_separation.p < 0.05",
)

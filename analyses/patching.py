# ---
# title: Patching
# description: Which activations carry what tells a prompt from its twin, found by exchanging them.
# mechscope:
#   data: [data/patching_pairs.csv]
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
# # Patching
#
# A prompt and its twin differ in one place and have different answers. Which activations carry the
# difference? Put those of one run into the other and see how far the answer moves.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
min_gap = 1.0
min_divergence = 0.1
depths = 10
each = 2
several = 4

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
# an effect would be a ratio of two small numbers. All others are counted.
#
# **Effect:** (patched − base) / (source − base); nought is nothing, one everything. *Denoising* puts clean
# activations into the corrupted run, *noising* the other way round.
#
# **Roles.** Prompts have different lengths, so positions are patched by role: the changed token, all tokens
# between it and the last one at once (where there are any), and the last token; at blocks spread evenly over
# the depth. Before the first block the effects are what they are by construction (the changed token is
# everything), so no agreement is counted there.
#
# **Handover.** The first of these blocks before which the last token carries more than the changed one.
#
# **Blocks, heads, single positions, and the approximation,** on the first usable pairs of each phenomenon
# (`each` of them): what each block's attention and MLP add at the changed and at the last token, every head
# at all positions, and every position of the residual stream from the changed token on, at the same blocks.
# Attribution patching approximates all four with gradients. For the question whether pairs of the same
# phenomenon use the same heads, it stands in for the exact effects on all pairs.
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
# score, also for attention, MLPs and heads, at every other one of the blocks of the residual stream; on the
# residual stream both on the first usable pairs of each phenomenon only (`several` of them). The error of the
# approximation for attention and MLPs.

# %%
import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.errors import InvalidInput, refusal
from mechscope.ledger import RESAMPLED, Close, Ledger
from mechscope.lens.attribution_patching import attribution_map
from mechscope.lens.patching import (
    Pair,
    Site,
    encode_pairs,
    important,
    pair_scores,
    patch_sites,
    patching_map,
)
from mechscope.models import load_model
from mechscope.stats.pairs import separation, separation_interval, separation_test
from mechscope.stats.resampling import bootstrap_weights, percentile_interval

MAP_PROMPT = "The capital of Texas is"
ROLES = ("changed token", "between", "last token")
ACTIVATION = Close(rtol=5e-3, atol=2e-3, because="float32 activations, divided by a gap of a few nats")
LARGE = 0.05
FEWEST = 5
BORDERLINE = Close(atol=1, because="one pair on the border")
ends_too = {"*": ACTIVATION, "low": RESAMPLED, "high": RESAMPLED}

ledger = Ledger("patching")
prompts = load_prompts(
    analysis_file("data/patching_pairs.csv"), columns=["corrupt", "answer", "wrong", "phenomenon"]
)
rows = prompts.frame
every_pair = [Pair(row.prompt, row.corrupt, row.answer, row.wrong) for row in rows.itertuples(index=False)]


def generator(name: str) -> np.random.Generator:
    """A generator for each name, so that no record moves another's draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def resampled_means(values: np.ndarray, members: Sequence[int], name: str) -> np.ndarray:
    """Means over pairs (the first dimension) in bootstrap resamples of them within phenomena.

    Phenomena of which there are few pairs are resampled together: within each, n pairs vary by (n − 1) / n of
    what they should. A single such pair goes with the phenomenon that has most.
    """
    _, strata, sizes = np.unique(
        [phenomena[pair] for pair in members], return_inverse=True, return_counts=True
    )
    strata[sizes[strata] < FEWEST] = len(sizes)
    if (strata == len(sizes)).sum() == 1:
        strata[strata == len(sizes)] = sizes.argmax()
    weights = bootstrap_weights(strata, resamples, generator(name))
    return weights @ values / len(values)


def record(name, values, members, label, *, of=lambda means: means[..., 0], **more):
    """A statistic of means over pairs, with its interval, where it has a value in all resamples of them.

    `values` is pair × quantity, `of` makes the statistic from the means of the quantities (… × quantity).
    """
    if len(members) < 2:
        return ledger.does_not_apply(f"an interval needs two pairs, and there are {len(members)}", name)
    values = np.asarray(values, dtype=float).reshape(len(members), -1)
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            ends = percentile_interval(of(resampled_means(values, members, name))[:, None])
    except InvalidInput:
        return ledger.does_not_apply(
            "it needs effects that are large enough and differ, in every resample of the pairs; this model "
            f"has {len(members)} pairs for it, {n_layers} blocks and {n_heads} heads in each",
            name,
        )
    ledger.statistic(
        name, float(of(values.mean(0))), label=label, ci=(ends.low[0], ends.high[0]), n=len(members),
        resamples=resamples, **{"tolerance": ACTIVATION, **more},
    )  # fmt: skip


def moments(one, other) -> np.ndarray:
    """What a correlation and differences need of two measurements of each pair: pair × sums over its places.

    Each is a sequence of arrays, one a pair; places where either is NaN do not count.
    """
    sums = []
    for x, y in zip(one, other, strict=True):
        both = ~np.isnan(x) & ~np.isnan(y)
        x, y = x[both], y[both]
        large = np.abs(y) > LARGE
        agreed = large & (np.sign(x) == np.sign(y))
        sums.append(
            [len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum(), np.abs(x - y).sum(),
             large.sum(), agreed.sum()]
        )  # fmt: skip
    return np.array(sums, dtype=float)


def correlation(means: np.ndarray) -> np.ndarray:
    """Pearson's r over all places of all pairs, from `moments`."""
    n, x, y, xx, yy, xy = np.moveaxis(means, -1, 0)[:6]
    return (n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y))


def distance(means: np.ndarray) -> np.ndarray:
    """Mean absolute difference, from `moments`."""
    return means[..., 6] / means[..., 0]


def rms_error(means: np.ndarray) -> np.ndarray:
    """Root of the mean squared difference, from `moments`."""
    return np.sqrt((means[..., 3] + means[..., 4] - 2 * means[..., 5]).clip(0) / means[..., 0])


def spread(means: np.ndarray) -> np.ndarray:
    """Root mean square of the second measurement, from `moments`."""
    return np.sqrt(means[..., 4] / means[..., 0])


def sign_share(means: np.ndarray) -> np.ndarray:
    """Share of the large values of the second measurement whose sign the first one has, from `moments`."""
    return means[..., 8] / means[..., 7]


def first_of_each(most: int) -> list[int]:
    """The first usable pairs of each phenomenon."""
    return [at for at, name in enumerate(phenomena) if phenomena[:at].count(name) < most]


# %% [markdown]
# ## What the model knows

# %%
bridge = load_model(model, dtype=dtype)
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
ledger.statistic("n_layers", n_layers, label="Blocks")
ledger.statistic("n_pairs", len(every_pair), label="Pairs of prompts")
ledger.statistic("n_phenomena", rows["phenomenon"].nunique(), label="Phenomena")


def fits(pair: Pair) -> bool:
    """Whether a pair can be patched token by token, neither its first nor its last token being changed."""
    if refusal(encode_pairs, bridge, [pair]):
        return False
    alone = encode_pairs(bridge, [pair])
    return alone.changed(0)[0] > 0 and alone.changed(0)[-1] < len(alone.clean[0]) - 1


fit = [fits(pair) for pair in every_pair]
if not all(fit):
    ledger.statistic("n_unfit", fit.count(False), label="Pairs left out for their tokens", n=len(fit))
if not any(fit):
    ledger.does_not_apply(
        "it needs pairs whose prompts have as many tokens as each other, and with this model's tokenizer "
        f"and its context of {bridge.cfg.n_ctx} tokens, there are none"
    )
rows = rows[fit].reset_index(drop=True)
every_pair = [pair for pair, left in zip(every_pair, fit, strict=True) if left]
whole = encode_pairs(bridge, every_pair)
scores = pair_scores(bridge, whole)
knows = (scores.clean > 0) & (scores.corrupt < 0)
usable = knows & scores.usable(min_gap)
used = np.flatnonzero(usable)
pairs = [every_pair[at] for at in used]
phenomena = [rows["phenomenon"][at] for at in used]

for name, count, label in (
    ("n_unknown", (~knows).sum(), "Pairs of which the model does not prefer both answers"),
    ("n_close", (knows & ~usable).sum(), "Known pairs whose scores are too close to divide by"),
    ("n_used", len(pairs), "Pairs that are patched"),
):
    ledger.statistic(name, int(count), label=label, n=len(every_pair), tolerance=BORDERLINE)
ledger.statistic(
    "n_phenomena_used",
    len(set(phenomena)),
    label="Phenomena with a pair that is patched",
    tolerance=BORDERLINE,
)
ledger.statistic(
    "several_tokens",
    sum(len(one) + len(other) > 2 for one, other in zip(whole.answer, whole.wrong, strict=True)),
    label="Pairs with an answer of several tokens",
    n=len(every_pair),
)
ledger.table(
    "pairs",
    pd.DataFrame(
        {
            "prompt": rows["prompt"],
            "corrupt": rows["corrupt"],
            "phenomenon": rows["phenomenon"],
            "clean": scores.clean,
            "corrupted": scores.corrupt,
            "rank": scores.rank + 1,
            "used": np.where(usable, "yes", np.where(knows, "too close", "not known")),
        }
    ),
    key="prompt",
    caption="Every pair: the score (how much more probable the clean prompt's answer is than the other, in "
    "nats) after each prompt, the rank of the clean answer among all next tokens, and whether it is used.",
    labels={"prompt": "clean prompt", "corrupt": "corrupted prompt"},
    formats={"clean": "+.2f", "corrupted": "+.2f"},
    tolerance={"*": ACTIVATION, "rank": Close(rtol=0.02, atol=1, because="near-equal logits change places")},
    shown=12,
)
if len(pairs) < FEWEST:
    ledger.does_not_apply(
        f"it needs {FEWEST} pairs of which the model prefers both answers, with scores {min_gap} nats apart, "
        f"and this model does so of {len(pairs)}"
    )
encoded = encode_pairs(bridge, pairs)
ledger.statistic(
    "gap_median",
    float(np.median((scores.clean - scores.corrupt)[used])),
    label="Median gap between the two scores of a pair that is patched",
    unit="nats",
    n=len(pairs),
    tolerance=ACTIVATION,
)
ledger.statistic(
    "top_answers",
    int((scores.rank[used] == 0).sum()),
    label="Patched pairs in which the clean answer is the most probable next token",
    n=len(pairs),
    tolerance=BORDERLINE,
)

# %% [markdown]
# ## Where the difference is carried

# %%
every = -(-n_layers // depths)
layers = list(range(0, n_layers, every))
places: list[dict[str, list[int]]] = []
for pair in range(len(pairs)):
    changed, last = encoded.changed(pair), len(encoded.clean[pair]) - 1
    between = [at for at in range(changed[0], last) if at not in changed]
    places.append({"changed token": changed, "between": between, "last token": [last]})


def patch_roles(components, roles, blocks, members, least_gap=min_gap, **options):
    """Effects by component, pair, role and block (NaN where a pair has no tokens of a role), and the pairs'
    gaps.

    Before the first block the residual stream is the embedding, which differs at the changed token only: its
    effects are known and not run.
    """
    effects = np.full((len(components), len(members), len(roles), len(blocks)), np.nan)
    todo = []
    for kind, component in enumerate(components):
        for row, pair in enumerate(members):
            for at, role in enumerate(roles):
                for number, layer in enumerate(blocks):
                    if component == "residual" and layer == 0 and places[pair][role]:
                        effects[kind, row, at, number] = float(role == ROLES[0])
                    elif places[pair][role]:
                        sites = [Site(component, layer, tuple(places[pair][role]))]
                        todo.append(((kind, row, at, number), (row, sites)))
    chosen = encode_pairs(bridge, [pairs[pair] for pair in members])
    found = patch_sites(bridge, chosen, [patch for _, patch in todo], min_gap=least_gap, **options)
    gaps = np.zeros(len(members))
    for (where, _), effect, gap in zip(todo, found.effects, np.abs(found.source - found.base), strict=True):
        effects[where] = effect
        gaps[where[1]] = gap
    return effects, gaps


def curves(effects, roles, blocks, members, **columns):
    """Mean over the pairs that have tokens of a role, with its interval, as rows of a table."""
    parts = []
    for at, role in enumerate(roles):
        has = np.flatnonzero(~np.isnan(effects[:, at, 0]))
        if len(has) < 2:  # no pair has tokens between, with some tokenizers
            continue
        values = effects[has, at]
        name = " ".join([*map(str, columns.values()), role])
        ends = percentile_interval(resampled_means(values, [members[row] for row in has], name))
        parts.append(
            pd.DataFrame(
                {**columns, "label": role, "x": blocks, "value": values.mean(0), "low": ends.low,
                 "high": ends.high, "pairs": len(values)}
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


all_pairs = list(range(len(pairs)))
several_pairs, first_pairs = first_of_each(several), first_of_each(each)
(denoised,), _ = patch_roles(["residual"], ROLES, layers, all_pairs)
(noised,), _ = patch_roles(["residual"], ROLES, layers, several_pairs, direction="noising")
for name, count, label in (
    (
        "n_several",
        len(several_pairs),
        "Pairs patched in the other direction and judged by the divergence, too",
    ),
    ("n_first_pairs", len(first_pairs), "Pairs whose blocks are patched one by one"),
    ("n_examples", len(first_pairs), "Pairs whose heads and single positions are patched exactly"),
):
    ledger.statistic(name, count, label=label, tolerance=BORDERLINE)
roles = pd.concat(
    [
        curves(denoised, ROLES, layers, all_pairs, direction="denoising"),
        curves(noised, ROLES, layers, several_pairs, direction="noising"),
    ],
    ignore_index=True,
)


# %%
def handover_of(means: np.ndarray) -> np.ndarray:
    """Depth of the first block before which the last token carries more; 1 where there is none.

    `means` is … × role × block.
    """
    over = means[..., 2, :] > means[..., 0, :]
    return np.where(over.any(-1), np.array(layers)[over.argmax(-1)] / n_layers, 1.0)


def crossing_of(means: np.ndarray) -> np.ndarray:
    """Where the two lines between blocks cross, as a share of the layers; 1 where they do not."""
    ahead = means[..., 2, :] - means[..., 0, :]
    over = ahead > 0
    at = over.argmax(-1)
    after = np.take_along_axis(ahead, at[..., None], -1)[..., 0]
    before = np.take_along_axis(ahead, np.maximum(at - 1, 0)[..., None], -1)[..., 0]
    crossed = (np.array(layers)[at] - every * after / np.where(over.any(-1), after - before, 1.0)) / n_layers
    return np.where(over.any(-1), crossed, 1.0)


def three_roles(means: np.ndarray) -> np.ndarray:
    """Means of the changed and the last token as … × role × block (what is between does not matter here)."""
    two = means.reshape(*means.shape[:-1], 2, len(layers))
    return two[..., [0, 0, 1], :]


def taken_over(effects: np.ndarray) -> bool:
    """Whether the changed token carries less and the last one more at the end (… × role × block)."""
    gained = effects[..., -1] - effects[..., 0]
    return bool(gained[0] < 0 < gained[-1])


both_ends = denoised[:, [0, 2]]
if n_layers < 2:
    one_block = f"a handover needs two blocks, and this model has {n_layers}"
    ledger.does_not_apply(one_block, "handover", "handover_between_blocks")
else:
    record(
        "handover",
        both_ends,
        all_pairs,
        "Depth, as a share of the layers, from which the last token carries more than the changed token",
        format=".0%",
        of=lambda means: handover_of(three_roles(means)),
        tolerance=Close(atol=1.01 * every / n_layers, because="neighbouring blocks of a mean over pairs"),
    )
    record(
        # lint: allow loose-tolerance because it is that of neighbouring blocks
        "handover_between_blocks",
        both_ends,
        all_pairs,
        "The same depth, interpolated between these blocks",
        format=".0%",
        of=lambda means: crossing_of(three_roles(means)),
    )
with_between = [pair for pair in all_pairs if not np.isnan(denoised[pair, 1, 0])]
record(
    "between_most",
    denoised[with_between, 1],
    with_between,
    "Largest mean effect of the tokens between, over blocks",
    of=lambda means: means.max(-1),
)
two_ways = moments(denoised[several_pairs, :, 1:], noised[:, :, 1:])
for name, of, label in (
    ("r", correlation, "Correlation of denoising and noising effects over pairs, roles and blocks"),
    ("gap", distance, "Mean absolute difference between a denoising and a noising effect"),
):
    record(f"directions_{name}", two_ways, several_pairs, label, of=of, format=".3f")
ledger.table(
    "role_effects",
    roles.rename(columns={"x": "block"}),
    key=["direction", "label", "block"],
    caption="Mean effect of patching the residual stream before a block, by role of the position.",
    labels={"label": "role", "value": "effect", "low": "from", "high": "to"},
    formats={"block": "d", "value": ".2f", "low": ".2f", "high": ".2f"},
    tolerance=ends_too,
    shown=12,
)
for direction, verb, effects in (("denoising", "restoring", denoised), ("noising", "spoiling", noised)):
    ledger.figure(
        f"roles_{direction}",
        charts.effect_curves(
            roles[roles["direction"] == direction].reset_index(drop=True),
            x_title="before block",
            y_title="effect",
        ),
        caption=f"Mean effect of {verb} the residual stream at the changed token, at the tokens between and "
        "at the last token; bands are 95% intervals over pairs.",
        alt="Curves over blocks: the effect of the changed token falls while that of the last token rises."
        if taken_over(effects.mean(0))
        else "Curves over blocks of the effect of each role.",
        tolerance=ends_too,
    )
by_phenomenon = []
for name in dict.fromkeys(rows["phenomenon"]):
    own = denoised[np.array([one == name for one in phenomena], dtype=bool)]
    has_between = own[~np.isnan(own[:, 1, 0]), 1]
    by_phenomenon.append(
        {
            "phenomenon": name,
            "pairs": int((rows["phenomenon"] == name).sum()),
            "used": len(own),
            "handover": float(handover_of(np.nan_to_num(own).mean(0))) if len(own) else None,
            "between": float(has_between.mean(0).max()) if len(has_between) else None,
        }
    )
ledger.table(
    "phenomena",
    pd.DataFrame(by_phenomenon),
    key="phenomenon",
    caption="Pairs of each phenomenon, how many are used, the depth of the handover of their mean "
    "(one where there is none), and the largest mean effect of the tokens between.",
    formats={"handover": ".2f", "between": ".2f"},
    tolerance={
        "*": ACTIVATION,
        "handover": Close(atol=1.01 * every / n_layers, because="neighbouring blocks"),
    },
)
ledger.claim(
    "handed_over_midway",
    # lint: allow numeral because it is what the criterion says
    "The last token takes over from the changed tokens in the middle of the model, "
    "between a third and five sixths of its depth.",
    criterion="handover > 1 / 3 and handover < 5 / 6",
)
ledger.claim(
    "nothing_between",
    # lint: allow numeral because it is what the criterion says
    "The tokens between never carry half of the difference.",
    criterion="between_most.high < 0.5",
)
ledger.claim(
    "directions_agree",
    "Denoising and noising tell the same story.",
    criterion="directions_r > 0.9",
)

# %% [markdown]
# ### The same with the whole distribution as the score
#
# The score of a run is now −KL(source ‖ run) of the next token: not only the answers count. Its gap is the
# divergence of the two unpatched runs; pairs below `min_divergence` nats are left out here.

# %%
two_roles = ("changed token", "last token")
(by_divergence,), divergence = patch_roles(
    ["residual"], two_roles, layers, several_pairs, least_gap=0.0, score="kl"
)
apart = np.flatnonzero(divergence >= min_divergence)
apart_pairs = [several_pairs[row] for row in apart]
ledger.statistic(
    "n_kl",
    len(apart),
    label="Pairs whose distributions are far enough apart",
    n=len(several_pairs),
    tolerance=BORDERLINE,
)
two_scores = moments(denoised[apart_pairs][:, [0, 2], 1:], by_divergence[apart][:, :, 1:])
for name, of, label in (
    ("r", correlation, "Correlation of effects on the divergence with effects on the answers"),
    ("gap", distance, "Mean absolute difference between these effects"),
):
    record(f"kl_{name}", two_scores, apart_pairs, label, of=of, format=".3f")
ledger.claim(
    "kl_agrees",
    "Judged by the whole next-token distribution the same places matter.",
    criterion="kl_r > 0.9",
)

# %% [markdown]
# ### Attention or MLP
#
# What a single block adds to the stream: the output of attention, or of the MLP. The handover can be the
# work of one block, so every block is patched, on the first usable pairs of each phenomenon (`each` of them).

# %%
every_block = list(range(n_layers))
effects, _ = patch_roles(["attention", "mlp"], two_roles, every_block, first_pairs)
parts = dict(zip(("attention", "mlp"), effects, strict=True))
shown_parts = []
for name, word in (("attention", "attention"), ("mlp", "MLP")):
    frame = curves(parts[name], two_roles, every_block, first_pairs, component=word)
    frame["label"] = word + ", " + frame["label"]
    shown_parts.append(frame)
    total = parts[name].sum(-1)
    later = parts[name][:, :, 1:].sum(-1) if n_layers > 1 else total * np.nan
    for key, values, label in (
        ("changed", total[:, 0], f"Summed effect of single blocks' {word} at the changed token"),
        ("last", total[:, 1], f"Summed effect of single blocks' {word} at the last token"),
        (
            "changed_minus_last",
            total[:, 0] - total[:, 1],
            f"Summed effect of {word} at the changed token minus that at the last token",
        ),
        (
            "later_changed_minus_last",
            later[:, 0] - later[:, 1],
            f"The same difference for {word} without the first block",
        ),
    ):
        # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
        record(f"{name}_{key}", values, first_pairs, label)
carried, written = parts["attention"][:, 1], parts["mlp"][:, 0]
strongest, loudest = int(carried.mean(0).argmax()), int(written.mean(0).argmax())
record(
    "strongest_attention",
    carried,
    first_pairs,
    "Largest mean effect of one block's attention at the last token",
    of=lambda means: means.max(-1),
)
record(
    "strongest_mlp",
    written,
    first_pairs,
    "Largest mean effect of one block's MLP at the changed token",
    of=lambda means: means.max(-1),
)
record("first_mlp", written[:, 0], first_pairs, "Effect of the first block's MLP at the changed token")
for name, value, label, tolerance in (
    ("strongest_block", strongest, "The block of that attention", BORDERLINE),
    (
        "strongest_depth",
        strongest / n_layers,
        "Its depth, as a share of the layers",
        Close(atol=1.01 / n_layers, because="neighbouring blocks"),
    ),
    ("strongest_mlp_block", loudest, "The block of the strongest MLP", BORDERLINE),
):
    ledger.statistic(name, value, label=label, n=len(first_pairs), tolerance=tolerance)
components = pd.concat(shown_parts, ignore_index=True)
ledger.figure(
    "components",
    charts.effect_curves(
        components.drop(columns="component"), x_title="block", y_title="effect of the block's output"
    ),
    caption="Mean effect of restoring what a single block's attention or MLP adds, at the changed token and "
    "at the last token; bands are 95% intervals over pairs.",
    alt="Four curves over blocks: attention and MLP, at the changed and at the last token.",
    tolerance=ends_too,
)
ledger.claim(
    "mlps_where_the_word_is",
    "MLPs matter more at the changed token than at the last one.",
    criterion="mlp_changed_minus_last.low > 0",
    exploratory="a look at every few blocks had missed the block of the handover, so all are patched now",
)
ledger.claim(
    "attention_where_the_answer_is",
    "Attention matters more at the last token than at the changed one.",
    criterion="attention_changed_minus_last.high < 0",
    exploratory="a look at every few blocks had missed the block of the handover, so all are patched now",
)

ledger.claim(
    "first_mlp_is_the_embedding",
    # lint: allow numeral because it is what the criterion says
    "Restoring only what the first block's MLP adds at the changed token restores more than half of the "
    "difference.",
    criterion="first_mlp.low > 0.5",
    exploratory="effects of some blocks were seen in both models",
)
ledger.claim(
    "one_early_mlp",
    # lint: allow numeral because it is what the criterion says
    "Restoring only what one MLP of the first quarter of the blocks adds at the changed token restores more "
    "than half of the difference.",
    criterion="strongest_mlp.low > 0.5 and strongest_mlp_block < n_layers / 4",
    exploratory="effects of all blocks were seen in both models",
)
ledger.claim(
    "later_mlps_where_the_word_is",
    "Without the first block, too, MLPs matter more at the changed token than at the last one.",
    criterion="mlp_later_changed_minus_last.low > 0",
    exploratory="effects of some blocks were seen in both models",
)

# %% [markdown]
# ## Heads, single positions, and the fast approximation

# %%
few = encode_pairs(bridge, [pairs[at] for at in first_pairs])
blocks = {"residual": layers, "attention": every_block, "mlp": every_block, "heads": every_block}
exact = {
    kind: list(patching_map(bridge, few, kind, layers=blocks[kind], min_gap=min_gap).effects)
    for kind in ("residual", "heads")
}
exact |= {kind: list(parts[kind]) for kind in parts}
quick = {
    kind: [one[blocks[kind]] for one in attribution_map(bridge, few, kind, min_gap=min_gap).effects]
    for kind in blocks
}
for kind in parts:
    # Roles, as the exact effects are: to first order an effect of several positions is the sum of theirs.
    quick[kind] = [
        np.stack([one[:, places[pair][role]].sum(1) for role in two_roles])
        for pair, one in zip(first_pairs, quick[kind], strict=True)
    ]
for maps in (exact, quick):
    # Before the changed token both are nought whatever one does: not counted as agreement.
    maps["residual"] = [one[:, few.changed(pair)[0] :] for pair, one in enumerate(maps["residual"])]
against = {kind: moments(quick[kind], exact[kind]) for kind in blocks}
for kind, words in (
    ("residual", "single positions of the residual stream"),
    ("attention", "single blocks' attention"),
    ("mlp", "single blocks' MLPs"),
    ("heads", "single heads"),
):
    for name, of, label in (
        ("r", correlation, "Correlation of attribution patching with the exact effects of"),
        ("error", rms_error, "Root-mean-square error of attribution patching on"),
        ("sign", sign_share, "Share of large effects whose sign attribution patching finds, for"),
    ):
        record(
            f"attribution_{kind}_{name}", against[kind], first_pairs, f"{label} {words}", of=of, format=".3f"
        )
    record(
        f"{kind}_spread",
        against[kind],
        first_pairs,
        f"Root mean square of the exact effects of {words}",
        of=spread,
        format=".3f",
    )
for kind, words in (("residual", "the residual stream"), ("mlp", "MLPs")):
    record(
        f"attribution_{kind}_minus_heads_r",
        np.concatenate([against[kind], against["heads"]], axis=1),
        first_pairs,
        f"Correlation of attribution patching with the exact effects on {words} minus that on heads",
        of=lambda means: correlation(means[..., :9]) - correlation(means[..., 9:]),
        format="+.3f",
    )

# %%
heads = np.stack(exact["heads"])
sizes = np.sort(np.abs(heads).reshape(len(few), -1), axis=1)[:, ::-1]
top = max(1, round(0.05 * sizes.shape[1]))
ledger.statistic("n_heads", n_layers * n_heads, label="Heads")
if sizes.shape[1] < 20:
    too_few = f"a twentieth of the heads needs 20 of them, and this model has {sizes.shape[1]}"
    ledger.does_not_apply(too_few, "n_top_heads", "heads_share")
else:
    ledger.statistic("n_top_heads", top, label="A twentieth of them")
    record(
        "heads_share",
        sizes[:, :top].sum(1) / sizes.sum(1),
        first_pairs,
        "Share of the summed absolute effect of all heads that the top twentieth has",
        format=".0%",
    )
ledger.statistic(
    "largest_head",
    float(sizes.max()),
    label="Largest absolute effect of a single head on any of these pairs",
    n=len(few),
    tolerance=ACTIVATION,
)
important_heads = np.array([len(important(one, 0.1)) for one in heads])
ledger.statistic(
    "n_important_heads",
    int(important_heads.sum()),
    # lint: allow numeral because the threshold was fixed beforehand
    label="Heads with an absolute effect above 0.1, summed over these pairs",
    n=len(few),
    tolerance=BORDERLINE,
)
record(
    "important_heads_mean",
    important_heads,
    first_pairs,
    # lint: allow numeral because the threshold was fixed beforehand
    "Heads with an absolute effect above 0.1, mean over these pairs",
    format=".1f",
    tolerance=Close(atol=0.1, because="some effects are at the threshold"),
)
ledger.table(
    "top_heads",
    pd.DataFrame(
        [
            {
                "pair": one.clean,
                "phenomenon": phenomena[at],
                "place": place,
                "head": f"L{layer}H{head}",
                "effect": effect,
                "approximate": quick["heads"][number][layer, head],
            }
            for number, (at, one) in enumerate(zip(first_pairs, few.pairs, strict=True))
            for place, (layer, head, effect) in enumerate(important(heads[number], 0.0)[:5], start=1)
        ]
    ),
    key=["pair", "place"],
    caption="The heads with the largest effects on each of these pairs, and what attribution patching says.",
    formats={"place": "d", "effect": "+.2f", "approximate": "+.2f"},
    tolerance=ACTIVATION,
    shown=20,
)
ledger.figure(
    "heads",
    charts.head_map(
        pd.DataFrame(
            [
                {"layer": layer, "head": head, "label": title, "value": value, "marked": abs(value) > 0.1}
                for title, one in (
                    [(name, heads[[phenomena[at] for at in first_pairs].index(name)])
                     for name in ("capitals", "indirect object", "agreement") if name in phenomena]
                    or [(phenomena[0], heads[0])]
                )
                for (layer, head), value in np.ndenumerate(one)
            ]
        ),
        value_title="effect",
    ),
    # lint: allow numeral because the threshold was fixed beforehand
    caption="Effect of restoring a single head's output at all positions, on one pair of each of these "
    "phenomena; dots where it exceeds 0.1 either way.",
    alt="Maps of layers by heads, one for each phenomenon, with the effect of each head.",
    tolerance=ACTIVATION,
)  # fmt: skip
ledger.figure(
    "approximation",
    charts.approximation_scatter(
        pd.DataFrame(
            [
                {
                    "kind": words, "place": f"{few.pairs[pair].clean} · block {blocks[kind][layer]}, {words} "
                    f"{place + (few.changed(pair)[0] if kind == 'residual' else 0)}",
                    "exact": exact[kind][pair][layer, place], "approximate": quick[kind][pair][layer, place],
                }
                for kind, words in (("residual", "position"), ("heads", "head"))
                for pair in range(len(few))
                for layer, place in np.argwhere(np.abs(exact[kind][pair]) > 0.02)
            ]
        )
    ),
    # lint: allow numeral because the cut was fixed beforehand
    caption="Attribution patching against the exact effect of each single patch (places with an "
    "effect above 0.02 either way).",
    alt="Scatter plot of approximate against exact effects of heads and residual positions "
    "around the line of equality.",
    tolerance=ACTIVATION,
)  # fmt: skip
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
    "few_heads",
    "A twentieth of the heads has more than half of the effect.",
    criterion="heads_share > 0.5",
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

# %%
far = [row for row, pair in enumerate(first_pairs) if pair in apart_pairs]
far_pairs = [first_pairs[row] for row in far]
fewer = layers[::2]
at_layers = {kind: [one[..., fewer] for one in exact[kind]] for kind in parts}
at_layers["heads"] = [one[fewer] for one in exact["heads"]]
spoiled = dict(
    zip(parts, patch_roles(list(parts), two_roles, fewer, first_pairs, direction="noising")[0], strict=True)
)
spoiled["heads"] = patching_map(
    bridge, few, "heads", layers=fewer, direction="noising", min_gap=min_gap
).effects
judged = {kind: [] for kind in at_layers}
if far:
    distant = encode_pairs(bridge, [pairs[pair] for pair in far_pairs])
    effects, _ = patch_roles(list(parts), two_roles, fewer, far_pairs, least_gap=0.0, score="kl")
    judged = dict(zip(parts, effects, strict=True))
    judged["heads"] = patching_map(bridge, distant, "heads", layers=fewer, score="kl", min_gap=0.0).effects
for kind, words in (("attention", "blocks' attention"), ("mlp", "blocks' MLPs"), ("heads", "heads")):
    two_ways = moments(at_layers[kind], spoiled[kind])
    two_scores = moments([at_layers[kind][row] for row in far], judged[kind])
    for name, values, members, of, label in (
        # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
        ("directions_r", two_ways, first_pairs, correlation,
         f"Correlation of denoising and noising effects of single {words}"),
        ("directions_gap", two_ways, first_pairs, distance,
         f"Mean absolute difference between a denoising and a noising effect of single {words}"),
        ("kl_r", two_scores, far_pairs, correlation,
         f"Correlation of effects of single {words} on the answers with those on the divergence"),
        ("kl_gap", two_scores, far_pairs, distance,
         f"Mean absolute difference between these effects of single {words}"),
    ):  # fmt: skip
        record(f"{kind}_{name}", values, members, label, of=of, format=".3f")
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
# ### One pair, position by position

# %%
mapped = next((pair for pair in pairs if pair.clean == MAP_PROMPT), few.pairs[0])
one = encode_pairs(bridge, [mapped])
tokens = [bridge.tokenizer.decode([token]).replace("'", "’") for token in one.clean[0]]
ledger.statistic("map_prompt", mapped.clean, label="The clean prompt of the map")
ledger.statistic("map_corrupt", mapped.corrupt, label="Its corrupted prompt")
(effects,) = patching_map(bridge, one, "residual", min_gap=min_gap).effects
moves = taken_over(effects.T[[one.changed(0)[0], -1]])
ledger.figure(
    "map",
    charts.patching_heatmap(effects, tokens),
    caption=f"Effect of restoring the residual stream before a block at one token of “{mapped.clean}” in "
    f"the run on “{mapped.corrupt}”.",
    alt="Heat map of layers by tokens"
    + (": the effect moves from the changed token to the last token." if moves else " of the effect."),
    tolerance=ACTIVATION,
)

# %% [markdown]
# ### Do pairs of one phenomenon use the same heads?
#
# The maps of all heads (by attribution patching) are correlated between pairs. T is the mean correlation
# within phenomena minus that across them; labels are permuted over pairs.

# %%
codes = pd.factorize(np.array(phenomena, dtype=object))[0]
enough = np.isin(codes, [code for code in set(codes.tolist()) if (codes == code).sum() > 1])
head_maps = np.stack(attribution_map(bridge, encoded, "heads", min_gap=min_gap).effects)[enough]
with np.errstate(invalid="ignore", divide="ignore"):
    alike = np.corrcoef(head_maps.reshape(-1, n_layers * n_heads))
labels = codes[enough]
observed = float(separation(alike, labels)[0])
same = labels[:, None] == labels[None, :]
off = ~np.eye(len(labels), dtype=bool)
try:
    ends = separation_interval(
        alike, labels, strata=labels, resamples=resamples, rng=generator("heads separation interval")
    )
    test = separation_test(alike, labels, resamples=resamples, rng=generator("heads separation"))
except InvalidInput as error:
    ledger.does_not_apply(
        "it needs several phenomena with several pairs that this model can be patched on, and heads whose "
        f"effects differ: {error.message}",
        "heads_within",
        "heads_across",
        "heads_separation",
    )
else:
    for name, mask, words in (
        ("within", same & off, "of the same phenomenon"),
        ("across", ~same, "of different phenomena"),
    ):
        ledger.statistic(
            f"heads_{name}",
            float(alike[mask].mean()),
            label=f"Mean correlation of the head maps of two pairs {words}",
            n=len(labels),
            tolerance=ACTIVATION,
        )
    ledger.statistic(
        "heads_separation",
        observed,
        label="T(phenomenon): the first minus the second",
        ci=(ends.low[0], ends.high[0]),
        n=len(labels),
        p=float(test.p[0]),
        test="permutation of phenomena over pairs, one-sided",
        resamples=resamples,
        tolerance=ACTIVATION,
    )
ledger.claim(
    "heads_by_phenomenon",
    "Pairs of the same phenomenon use more alike heads than pairs of different ones.",
    criterion="heads_separation.low > 0 and heads_separation.p < 0.05",
)

# ---
# title: Editing
# description: Steering along a difference of means and taking heads out, what it achieves and what it breaks.
# mechscope:
#   data:
#     - data/steering_prompts.csv
#     - data/steering_words.csv
#     - data/neutral_sentences.csv
#     - data/patching_pairs.csv
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
# # Editing
#
# If a direction of the residual stream stands for something, adding it should change just that. If a head
# does something, taking it out should stop just that. How far do such edits reach on prompts that they were
# not made from, and what else do they break?

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
random_draws = 2
places = 4
shortlist = 5
control_heads = 10
min_pairs = 5
min_gap = 1.0

# %% [markdown]
# ## What was fixed beforehand
#
# **Concepts.** Language (French against English), sentiment (good against bad), gender (she against he), and
# number (plural against singular). `steering_prompts.csv` holds pairs of prompts: those that *fit* a
# direction, others of the same form (*near*), and others of another form (*far*: recipes and letters instead
# of sentences, everyday life instead of film reviews, names instead of words for women and men, clauses with
# a second noun in between).
#
# **Score.** Log of the summed probability of the next words on one side of `steering_words.csv` minus that of
# the other side, in nats.
#
# **Direction.** Mean residual at the last token of the fitting prompts of one side minus that of the other,
# after a block. *Dose*: how often it is added, at all positions but special tokens; a dose of one moves the
# mean of one side onto that of the other.
#
# **Share.** Each prompt is steered towards the other side. The share is how far that moves its score, divided
# by the distance of the two sides' mean scores: nought is nothing, one is all of the way. A concept whose
# sides lie less than `min_gap` nats apart is left out, and counted.
#
# **Left out** as well: words that are no single token; a pair of prompts with one that is longer than the
# model's context; a concept of which no words or pairs are left.
#
# **Damage.** KL(unedited ‖ edited) of the next token at some `places` in each neutral sentence, and how much
# their own next tokens lose. They are English, so the damage done by French is the edit itself: means of
# damage are over the other concepts.
#
# <!-- lint: allow numeral because it follows from the definition -->
# **Control.** Random directions of the same length. An edit that only destroys what a prompt said moves both
# sides towards the middle, which looks like a share of up to one half: what counts is the difference. Each
# pair of prompts and each sentence has `random_draws` directions of its own.
#
# **Heads.** On some of the pairs of each phenomenon of `patching_pairs.csv` that the model knows (every
# third), the head whose ablation (output set to nought, at all positions) costs most of the score: exactly,
# among the `shortlist` that gradients propose. What that costs is measured on the others; elsewhere on the
# other phenomena; and beside heads drawn at random. The score is the logit of a prompt's answer minus that of
# its twin's; an answer of several tokens is judged by its first. A loss is a share of the mean unedited
# score. Phenomena with fewer than `min_pairs` known pairs to measure on are left out.
#
# **Intervals** resample pairs of prompts within concepts and phenomena, and sentences for damage. A random
# direction comes and goes with the pair or sentence that it was drawn for, so the draw is in the interval;
# random heads are resampled beside the pairs. The prompts that directions were made from, and the pairs that
# heads were chosen on, are taken as given.
#
# ### After a first look
#
# Everything that follows came after results had been seen, and is exploratory.
#
# - Directions between *shuffled* prompts, from random halves of the pairs that fit a concept, each with both
#   of its sides, scaled to the same length. They stay among the directions in which prompts do differ;
#   uniformly random ones do not.
# - At first directions were added to special tokens too (Gemma's BOS). The damage of that is recorded for
#   comparison.
# - At first few random directions served all pairs and sentences, and the intervals left their draw out.
# - At first there were fewer pairs for the heads, and as many to choose on as to measure on; and the next
#   token was read at a few more places of each neutral sentence.

# %%
import zlib

import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts, load_words
from mechscope.ledger import RESAMPLED, Close, Ledger
from mechscope.lens.ablation import ablation
from mechscope.lens.core.components import Head, all_heads
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import answer_tokens, fits, tokenise
from mechscope.lens.edited import (
    ablation_estimates,
    continue_greedily,
    damage,
    edited_logits,
    read_streams,
)
from mechscope.lens.steering import mean_difference_direction, steer
from mechscope.models import load_model
from mechscope.stats.resampling import bootstrap_weights, percentile_interval

DOSES = (0.5, 1.0, 2.0, 4.0)
DEPTHS = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
MIDDLE = 1 / 2
PROMPT = "Last night my friend"
ACTIVATION = Close(rtol=5e-3, atol=2e-3, because="float32 activations and their means")
BORDERLINE = Close(atol=1, because="one prompt or head on the border")
TOLERANCES = {"*": ACTIVATION, "low": RESAMPLED, "high": RESAMPLED}

ledger = Ledger("editing")
bridge = load_model(model, dtype=dtype)
n_layers, n_ctx = bridge.cfg.n_layers, bridge.cfg.n_ctx
middle, *blocks = (max(1, round(depth * n_layers)) - 1 for depth in (MIDDLE, *DEPTHS))
blocks = sorted(set(blocks))  # in a shallow model several depths are one block


def generator(name: str) -> np.random.Generator:
    """A generator for each name, so that no record moves another's draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def record(name, value, draws, label, n, **more):
    """A statistic whose interval comes from bootstrap draws of it; what has no value is absent `because`."""
    if not np.isfinite(value) or not np.isfinite(draws).all():
        ledger.does_not_apply(because, name)
        return
    ends = percentile_interval(np.asarray(draws)[:, None])
    ledger.statistic(
        name, float(value), label=label, ci=(ends.low[0], ends.high[0]), n=n, resamples=resamples,
        tolerance=ACTIVATION, **more,
    )  # fmt: skip


def record_table(name, rows, **more):
    """A table of some rows; without any it is absent `because`."""
    if rows:
        ledger.table(name, pd.DataFrame(rows), **more)
    else:
        ledger.does_not_apply(because, name)


def record_figure(name, rows, chart, **more):
    """A figure that `chart` makes of some rows; without any it is absent `because`."""
    if rows:
        ledger.figure(name, chart(pd.DataFrame(rows)), **more)
    else:
        ledger.does_not_apply(because, name)


# %% [markdown]
# ## Prompts, words and directions

# %%
sentences = load_prompts(analysis_file("data/neutral_sentences.csv")).prompts
sentences = [text for text, fit in zip(sentences, fits(bridge, sentences, at_least=2), strict=True) if fit]
if len(sentences) < 2 or not fits(bridge, [PROMPT], more=1).all():
    ledger.does_not_apply(f"it needs whole sentences, and this model reads {n_ctx} tokens")
neutral = tokenise(bridge, sentences)
prompts = load_prompts(analysis_file("data/steering_prompts.csv"), columns=["concept", "side", "part"]).frame
every_concept = list(dict.fromkeys(prompts["concept"]))
# Lines come in pairs, one prompt of each side: a pair shares its draws, and is resampled as a whole.
prompts = prompts[fits(bridge, prompts["prompt"]).reshape(-1, 2).all(1).repeat(2)]
concept_of, side_of, part_of = (prompts[name].to_numpy(str) for name in ("concept", "side", "part"))
words = load_words(analysis_file("data/steering_words.csv"))
sides: dict[str, list[int]] = {name: [] for name in words.values()}
spaced = np.array([f" {word}" for word in words])
for word, ids in zip(words, answer_tokens(bridge, spaced), strict=True):
    if len(ids) == 1:
        sides[words[word]].append(ids[0])
ledger.statistic("n_words", len(words), label="Words on both sides of all concepts")
ledger.statistic(
    "n_words_used", sum(map(len, sides.values())), label="Of these, single tokens, which are scored"
)


def scored(concept: str) -> list[int]:
    """The tokens of the two sides: the only ones whose logits the score needs."""
    return sides[f"{concept} towards"] + sides[f"{concept} away"]


def score_of(concept: str, logits: torch.Tensor) -> np.ndarray:
    """Log of the odds between the two sides' words, from the logits of `scored` tokens."""
    towards, away = logits.split([len(sides[f"{concept} {side}"]) for side in ("towards", "away")], dim=1)
    return (towards.logsumexp(1) - away.logsumexp(1)).cpu().double().numpy()


def missing(concept: str) -> str:
    """What a concept lacks before any prompt is read; nothing when it has words and pairs."""
    for side in ("towards", "away"):
        if not sides[f"{concept} {side}"]:
            return f"{concept} needs a word of each side that is a single token, and has none {side}"
    for part in ("fit", "near", "far"):
        if ((concept_of == concept) & (part_of == part)).sum() < 4:
            return f"{concept} needs two pairs of prompts of each form that fit into {n_ctx} tokens"
    return ""


left_out = {concept: reason for concept in every_concept if (reason := missing(concept))}
held_out = {
    concept: np.flatnonzero((concept_of == concept) & (part_of != "fit"))
    for concept in every_concept
    if concept not in left_out
}
streams, base, gaps = {}, {}, {}
for concept, chosen in held_out.items():
    own = tokenise(bridge, prompts["prompt"].iloc[chosen].tolist())
    streams[concept] = read_streams(bridge, own, blocks, tokens=scored(concept))
    base[concept] = score_of(concept, streams[concept].logits)
    for part in ("near", "far"):
        towards, away = (
            base[concept][(part_of[chosen] == part) & (side_of[chosen] == side)].mean()
            for side in ("towards", "away")
        )
        gaps[concept, part] = float(towards - away)
    gap = min(gaps[concept, "near"], gaps[concept, "far"])
    if not gap >= min_gap:
        left_out[concept] = f"the two sides of {concept} lie less than {min_gap:g} nats apart"
concepts = [name for name in every_concept if name not in left_out]
others = [name for name in concepts if name != "language"]
because = "it is a ratio, and what it is divided by is 0"  # why a record without a value has none
if not concepts:
    because = f"it needs a concept whose sides this model tells apart: {'; '.join(left_out.values())}"
elif not others:
    because = f"damage is that of concepts other than language: {'; '.join(left_out.values())}"
if concepts:
    asked = tokenise(bridge, prompts["prompt"].tolist())
    residuals = read_last_position(bridge, asked).residuals
directions = {
    (concept, block): mean_difference_direction(
        *(
            residuals[block][(concept_of == concept) & (part_of == "fit") & (side_of == side)]
            for side in ("towards", "away")
        )
    )
    for concept in concepts
    for block in blocks
}
record_table(
    "directions",
    [
        {
            "concept": concept,
            "block": block,
            "length": float(direction.norm()),
            "share": float(direction.norm() / residuals[block][concept_of == concept].norm(dim=1).mean()),
            "one": float((direction / direction.norm()).square().max()),
        }
        for (concept, block), direction in directions.items()
    ],
    key=["concept", "block"],
    caption="Length of each direction, also as a share of the mean length of its residuals, and how "
    "much of its squared length lies in its largest coordinate.",
    labels={"share": "share of the residuals' length", "one": "in one coordinate"},
    formats={"block": "d", "length": ".1f", "share": ".2f", "one": ".0%"},
    tolerance=ACTIVATION,
    shown=10,
)

# %% [markdown]
# ## How far prompts move

# %%
ledger.statistic("n_concepts", len(every_concept), label="Concepts")
ledger.statistic("n_concepts_used", len(concepts), label="Concepts whose sides the model tells apart")
ledger.statistic(
    "n_prompts", sum(len(held_out[name]) for name in concepts), label="Held-out prompts that are steered"
)
record_table(
    "gaps",
    [{"concept": name, "part": part, "gap": gap} for (name, part), gap in gaps.items()],
    key=["concept", "part"],
    caption="Mean score of the prompts of one side minus that of the other, unedited, in nats.",
    formats={"gap": ".2f"},
    tolerance=ACTIVATION,
)


def as_long(concept: str, block: int, found: torch.Tensor) -> torch.Tensor:
    """The same directions with the length of the concept's."""
    return found / found.norm(dim=-1, keepdim=True) * directions[concept, block].norm()


def random_directions(concept: str, block: int, what: str, n: int) -> torch.Tensor:
    """Draw × item × width: directions of the concept's length, drawn uniformly for each of some items."""
    rng = generator(f"random {what} {concept} {block}")
    found = torch.from_numpy(rng.standard_normal((random_draws, n, bridge.cfg.d_model))).float()
    return as_long(concept, block, found)


def shuffled_directions(concept: str, block: int, what: str, n: int) -> torch.Tensor:
    """The same between random halves of the fitting pairs."""
    values = residuals[block][(concept_of == concept) & (part_of == "fit")]
    pairs = values.view(len(values) // 2, 2, -1).mean(1)
    sign = np.tile(np.where(np.arange(len(pairs)) % 2 == 0, 1.0, -1.0), (random_draws, n, 1))
    sign = generator(f"shuffled {what} {concept} {block}").permuted(sign, axis=2)
    return as_long(concept, block, torch.from_numpy(sign).to(pairs) @ pairs)


def of_each_pair(found: torch.Tensor) -> torch.Tensor:
    """From directions for pairs of prompts to directions for prompts."""
    return found.repeat_interleave(2, dim=1)


def steered(concept: str, block: int, vectors: torch.Tensor) -> np.ndarray:
    """Setting × prompt: how far each score moves in the intended direction, in nats, from vectors of each."""
    chosen = held_out[concept]
    sign = np.where(side_of[chosen] == "away", 1.0, -1.0)
    signed = torch.from_numpy(sign)[:, None].float() * vectors
    edit = steer(bridge, block, signed.flatten(0, 1), n_special=neutral.n_special)
    rows = list(range(len(chosen))) * len(vectors)
    logits = edited_logits(bridge, streams[concept], block, edit, rows=rows)
    return sign * (score_of(concept, logits).reshape(len(vectors), -1) - base[concept])


def at_doses(vectors: torch.Tensor, doses: tuple[float, ...]) -> torch.Tensor:
    """Dose after dose of setting × item × width."""
    return torch.cat([dose * vectors for dose in doses])


moved = {}  # (concept, block, dose): shift of each held-out prompt
drifted = {}  # (concept, dose): the same for random directions, mean over its draws, in the middle
mixed = {}  # concept: for directions between shuffled prompts, at the natural dose
for concept in concepts:
    n = len(held_out[concept])
    for block in blocks:
        doses = DOSES if block == middle else (1.0,)
        found = steered(concept, block, at_doses(directions[concept, block].expand(1, n, -1), doses))
        moved |= {(concept, block, dose): one for dose, one in zip(doses, found, strict=True)}
    drawn = of_each_pair(random_directions(concept, middle, "prompts", n // 2))
    found = steered(concept, middle, at_doses(drawn, DOSES)).reshape(len(DOSES), random_draws, n)
    drifted |= {(concept, dose): one.mean(0) for dose, one in zip(DOSES, found, strict=True)}
    drawn = of_each_pair(shuffled_directions(concept, middle, "prompts", n // 2))
    mixed[concept,] = steered(concept, middle, drawn).mean(0)

# %% [markdown]
# ## What else it does

# %%
reads = [
    sorted({round(at) for at in np.linspace(neutral.n_special, len(row) - 2, places).tolist()})
    for row in neutral.ids
]
calm = read_streams(bridge, neutral, range(n_layers), reads=reads)
n_texts = len(neutral)
ledger.statistic("n_sentences", n_texts, label="Neutral sentences")
ledger.statistic("n_read", sum(map(len, reads)), label="Places in them at which the next token is read")


def harm(start: int, edit, settings: int = 1) -> np.ndarray:
    """Setting × measure × sentence: KL and rise of the loss, in nats."""
    found = damage(bridge, calm, start, edit, rows=list(range(n_texts)) * settings)
    both = torch.stack([found.kl, found.loss_rise]).numpy()
    return both.reshape(2, settings, n_texts).swapaxes(0, 1)


def steering_harm(block: int, vectors: torch.Tensor, n_special: int = neutral.n_special) -> np.ndarray:
    """Measure × sentence, mean over settings: vectors of setting × sentence × width."""
    edit = steer(bridge, block, vectors.flatten(0, 1), n_special=n_special)
    return harm(block, edit, len(vectors)).mean(0)


damaged, random_damaged, mixed_damaged = {}, {}, {}
special_damaged, special_random = {}, {}  # with the special tokens steered too
for concept in concepts:
    for block in blocks:
        for dose in DOSES if block == middle else (1.0,):
            own = (dose * directions[concept, block]).expand(1, n_texts, -1)
            damaged[concept, block, dose] = steering_harm(block, own)
for concept in others:
    own = directions[concept, middle].expand(1, n_texts, -1)
    drawn = random_directions(concept, middle, "sentences", n_texts)
    for dose in DOSES:
        random_damaged[concept, dose] = steering_harm(middle, dose * drawn)
    special_damaged[concept,] = damaged[concept, middle, 1.0]
    special_random[concept,] = random_damaged[concept, 1.0]
    if neutral.n_special:
        special_damaged[concept,] = steering_harm(middle, own, 0)
        special_random[concept,] = steering_harm(middle, drawn, 0)
    drawn = shuffled_directions(concept, middle, "sentences", n_texts)
    mixed_damaged[concept,] = steering_harm(middle, drawn)

# %% [markdown]
# ## Shares and damage, with their intervals

# %%
prompt_weights = {}
for concept in concepts:
    chosen = held_out[concept]
    strata = pd.factorize(part_of[chosen][::2])[0]
    weights = bootstrap_weights(strata, resamples, generator(f"prompts {concept}"))
    prompt_weights[concept] = np.repeat(weights, 2, axis=1).astype(float)
text_weights = bootstrap_weights(np.zeros(n_texts, dtype=np.int64), resamples, generator("texts")) / n_texts


def share(concept: str, shift: np.ndarray, part: str) -> tuple[float, np.ndarray]:
    """Mean shift over the distance of the two sides, and its bootstrap draws (the distance resampled too)."""
    chosen = held_out[concept]
    here = part_of[chosen] == part
    upper, lower = (here & (side_of[chosen] == side) for side in ("towards", "away"))
    score = base[concept]
    weights = prompt_weights[concept]

    def mean(values: np.ndarray, mask: np.ndarray, each: np.ndarray) -> np.ndarray:
        return (each[..., mask] @ values[mask]) / each[..., mask].sum(-1)

    def whole(each: np.ndarray) -> np.ndarray:
        return mean(shift, here, each) / (mean(score, upper, each) - mean(score, lower, each))

    return float(whole(np.ones(len(chosen)))), whole(weights)


def mean_of(found: list[tuple[float, np.ndarray]]) -> tuple[float, np.ndarray]:
    """Means of values and of draws; NaN of nothing."""
    if not found:
        return np.nan, np.full(resamples, np.nan)
    return np.mean([value for value, _ in found]), np.mean([draws for _, draws in found], axis=0)


def mean_share(table: dict, keys: list[tuple], part: str) -> tuple[float, np.ndarray]:
    """Mean over concepts of their shares; the first element of each key is the concept."""
    return mean_of([share(key[0], table[key], part) for key in keys])


near, near_draws = mean_share(moved, [(name, middle, 1.0) for name in concepts], "near")
far, far_draws = mean_share(moved, [(name, middle, 1.0) for name in concepts], "far")
chance, chance_draws = mean_share(drifted, [(name, 1.0) for name in concepts], "near")
n_near = sum(int((part_of[held_out[name]] == "near").sum()) // 2 for name in concepts)
record(
    "near_share", near, near_draws,
    "Share of the way that prompts of the same form move at the natural dose", n_near, format=".0%",
)  # fmt: skip
record("far_share", far, far_draws, "The same for prompts of another form", n_near, format=".0%")
record(
    "random_share", chance, chance_draws, "The same for random directions of the same length", n_near,
    format=".0%",
)  # fmt: skip
record(
    "near_minus_random", near - chance, near_draws - chance_draws,
    "Share of the direction minus that of random ones", n_near,
)  # fmt: skip
record(
    "far_over_near", far / near, far_draws / near_draws,
    "Share on prompts of another form over that on prompts of the same form", n_near,
)  # fmt: skip
for concept in concepts:
    for part in ("near", "far"):
        value, draws = share(concept, moved[concept, middle, 1.0], part)
        record(
            f"{concept}_{part}", value, draws,
            f"Share of the way at the natural dose: {concept}, {'same' if part == 'near' else 'other'} form",
            int((part_of[held_out[concept]] == part).sum()) // 2, format=".0%",
        )  # fmt: skip
for concept, reason in left_out.items():
    ledger.does_not_apply(reason, f"{concept}_near", f"{concept}_far", f"{concept}_late")
for block, name in ((blocks[0], "early"), (blocks[-1], "late")):
    if block == middle:
        reason = f"with so few layers ({n_layers}) the {name} block is the middle one"
        own = [f"{concept}_late" for concept in concepts if name == "late"]
        ledger.does_not_apply(reason, f"{name}_share", f"middle_minus_{name}", *own)
        continue
    value, draws = mean_share(moved, [(concept, block, 1.0) for concept in concepts], "near")
    record(f"{name}_share", value, draws, f"Share of the way with the {name} direction", n_near, format=".0%")
    record(
        f"middle_minus_{name}", near - value, near_draws - draws, f"Share in the middle minus {name}", n_near
    )


def mean_damage(table: dict, keys: list[tuple], measure: int) -> tuple[float, np.ndarray]:
    """Mean over concepts and sentences, and its bootstrap draws over sentences."""
    if not keys:
        return mean_of([])
    values = np.mean([table[key][measure] for key in keys], axis=0)
    return values.mean(), text_weights @ values


found = {}
for dose, word in ((1.0, "one"), (4.0, "four")):
    for measure, what in ((0, "damage"), (1, "loss_rise")):
        for source, table, keys in (
            ("direction", damaged, [(name, middle, dose) for name in others]),
            ("random", random_damaged, [(name, dose) for name in others]),
        ):
            value, draws = mean_damage(table, keys, measure)
            found[what, source, dose] = value, draws
            record(
                f"{what}_{source}_{word}", value, draws,
                f"{'KL on' if measure == 0 else 'Rise of the loss of'} neutral sentences at dose {word}, "
                f"{'the concepts’ directions' if source == 'direction' else 'random directions'}",
                n_texts, unit="nats", format=".3f",
            )  # fmt: skip
own, own_draws = found["damage", "direction", 1.0]
blind, blind_draws = found["damage", "random", 1.0]
record(
    "damage_ratio", own / blind, own_draws / blind_draws,
    "Damage of the directions over that of random ones at the natural dose", n_texts,
)  # fmt: skip
special = {}
for name, table, what in (
    ("direction", special_damaged, "the concepts’ directions"),
    ("random", special_random, "random directions"),
):
    special[name] = mean_damage(table, [(concept,) for concept in others], 0)
    record(
        f"damage_{name}_special", *special[name],
        f"KL on neutral sentences at dose one, {what}, special tokens (if the model has any) steered too",
        n_texts, unit="nats", format=".3f",
    )  # fmt: skip
record(
    "damage_ratio_special", special["direction"][0] / special["random"][0],
    special["direction"][1] / special["random"][1],
    "Damage of the directions over that of random ones, special tokens steered too", n_texts,
)  # fmt: skip
record(
    "random_special_growth", special["random"][0] / blind, special["random"][1] / blind_draws,
    "How many times the damage random directions do when they are added to special tokens too", n_texts,
)  # fmt: skip
four, four_draws = mean_share(moved, [(name, middle, 4.0) for name in others], "near")
once, once_draws = mean_share(moved, [(name, middle, 1.0) for name in others], "near")
heavy, heavy_draws = found["damage", "direction", 4.0]
record(
    "share_growth", four / once, four_draws / once_draws,
    "How many times as far four doses move prompts as one", n_near,
)  # fmt: skip
record(
    "damage_growth", heavy / own, heavy_draws / own_draws,
    "How many times the damage of one dose four doses do", n_texts,
)  # fmt: skip
record(
    "growth_ratio", (heavy / own) / (four / once), (heavy_draws / own_draws) / (four_draws / once_draws),
    "Growth of the damage over growth of the share", n_texts,
)  # fmt: skip

mix, mix_draws = mean_share(mixed, [(name,) for name in concepts], "near")
record(
    "shuffled_share", mix, mix_draws, "Share of the way along directions between shuffled prompts", n_near,
    format=".0%",
)  # fmt: skip
mix, mix_draws = mean_damage(mixed_damaged, [(name,) for name in others], 0)
record(
    "damage_shuffled_one", mix, mix_draws, "KL on neutral sentences at dose one, between shuffled prompts",
    n_texts, unit="nats", format=".3f",
)  # fmt: skip
record(
    "damage_over_shuffled", own / mix, own_draws / mix_draws,
    "Damage of the directions over that of directions between shuffled prompts", n_texts,
)  # fmt: skip
for concept in concepts if blocks[-1] != middle else ():
    value, draws = share(concept, moved[concept, blocks[-1], 1.0], "near")
    record(
        f"{concept}_late", value, draws, f"Share of the way with the late direction: {concept}, same form",
        int((part_of[held_out[concept]] == "near").sum()) // 2, format=".0%",
    )  # fmt: skip

# %%
ledger.claim(
    "steers",
    "Adding the difference of means moves held-out prompts further than random directions do.",
    criterion="near_share.low > 0 and near_minus_random.low > 0",
)
ledger.claim(
    "moves_half_way",
    # lint: allow numeral because it is what the criterion says
    "At the natural dose, in the middle of the model, held-out prompts go at least half of the way.",
    criterion="near_share.low > 0.5",
)
ledger.claim(
    "generalises",
    # lint: allow numeral because it is what the criterion says
    "Prompts of another form go at least half as far as those of the same form.",
    criterion="far_over_near.low > 0.5",
)
ledger.claim(
    "costs_more_than_noise",
    "A concept's direction disturbs unrelated text more than random directions of its length.",
    criterion="damage_ratio.low > 1",
)
ledger.claim(
    "damage_outruns_effect",
    "From one dose to four the damage grows faster than the effect.",
    criterion="growth_ratio.low > 1",
)
ledger.claim(
    "middle_is_best",
    "Directions of the middle of the model move prompts further than early and late ones.",
    criterion="middle_minus_early.low > 0 and middle_minus_late.low > 0",
)

# %%
ledger.claim(
    "late_is_best",
    "Late directions move prompts further than those of the middle.",
    criterion="middle_minus_late.high < 0",
    exploratory="shares by depth were seen in both models",
)
ledger.claim(
    "quieter_than_noise",
    "A concept's direction disturbs unrelated text less than random directions of its length.",
    criterion="damage_ratio.high < 1",
    exploratory="the damage was seen in both models",
)
ledger.claim(
    "louder_than_shuffled",
    "It disturbs unrelated text more than directions of its length between shuffled prompts.",
    criterion="damage_over_shuffled.low > 1",
    exploratory="the damage of directions and of random ones was seen in both models, this control was not",
)

# %%
dose_rows, depth_rows, trade_rows = [], [], []
for concept in concepts:
    for dose in DOSES:
        value, draws = share(concept, moved[concept, middle, dose], "near")
        ends = percentile_interval(draws[:, None])
        dose_rows.append(
            {"label": concept, "x": dose, "value": value, "low": ends.low[0], "high": ends.high[0]}
        )
        trade_rows.append(
            {
                "label": concept,
                "dose": dose,
                "share": value,
                "damage": damaged[concept, middle, dose][0].mean(),
            }
        )
    for block in blocks:
        value, draws = share(concept, moved[concept, block, 1.0], "near")
        ends = percentile_interval(draws[:, None])
        depth_rows.append(
            {
                "label": concept,
                "x": (block + 1) / n_layers,
                "value": value,
                "low": ends.low[0],
                "high": ends.high[0],
            }
        )
for dose in DOSES if concepts else ():
    value, draws = mean_share(drifted, [(name, dose) for name in concepts], "near")
    ends = percentile_interval(draws[:, None])
    dose_rows.append({"label": "random", "x": dose, "value": value, "low": ends.low[0], "high": ends.high[0]})
    # Without language, whose direction is much longer than the others: its random twins would stand for all.
    if others:
        value, _ = mean_share(drifted, [(name, dose) for name in others], "near")
        harms = np.mean([random_damaged[name, dose][0].mean() for name in others])
        trade_rows.append({"label": "random", "dose": dose, "share": value, "damage": harms})
record_table(
    "by_depth",
    [
        {
            "concept": concept,
            "block": block,
            "near": share(concept, moved[concept, block, 1.0], "near")[0],
            "far": share(concept, moved[concept, block, 1.0], "far")[0],
            "damage": float(damaged[concept, block, 1.0][0].mean()),
        }
        for concept in concepts
        for block in blocks
    ],
    key=["concept", "block"],
    caption="Effect and damage at the natural dose, by the block after which the direction is added.",
    labels={"near": "share, same form", "far": "share, another form", "damage": "KL on neutral sentences"},
    formats={"block": "d", "near": ".2f", "far": ".2f", "damage": ".3f"},
    tolerance=ACTIVATION,
    shown=10,
)
record_figure(
    "doses",
    dose_rows,
    lambda rows: charts.effect_curves(rows, x_title="dose", y_title="share of the way", doubling=True),
    caption="How far held-out prompts of the same form move towards the other side (nought is nothing, one "
    "all of the way), by how often the direction of each concept is added in the middle of the model, and "
    "for random directions of the same length (mean over concepts); bands are 95% intervals over prompts.",
    alt="Curves over the dose, one for each concept and one for random directions.",
    tolerance=TOLERANCES,
)
record_figure(
    "depths",
    depth_rows,
    lambda rows: charts.effect_curves(
        rows, x_title="depth, as a share of the layers", y_title="share of the way"
    ),
    caption="The same by depth, at the natural dose.",
    alt="Curves over depth, one for each concept.",
    tolerance=TOLERANCES,
)
record_figure(
    "trade_off",
    trade_rows,
    lambda rows: charts.trade_off(
        rows, x_title="damage to neutral sentences (KL in nats)", y_title="share of the way"
    ),
    caption="Effect against damage, from the smallest dose to the largest (written beside the first path). "
    "The neutral sentences are English, so for language the damage is the effect; random directions have the "
    "lengths of the other concepts' ones.",
    alt="Paths of effect against damage, dose by dose, one for each concept and one for random directions.",
    tolerance=ACTIVATION,
)

# %% [markdown]
# ### What it looks like
#
# The most probable continuation, always taking the most probable token, with the directions added at the
# prompt (but not at special tokens) and at everything written.

# %%
start = tokenise(bridge, [PROMPT])
room = n_ctx - len(start.ids[0])
settings = [("none", 0.0), *((concept, dose) for concept in concepts for dose in DOSES[1:])]
vectors = torch.stack(
    [
        dose * directions[concept, middle] if dose else torch.zeros(bridge.cfg.d_model)
        for concept, dose in settings
    ]
)
written = continue_greedily(
    bridge,
    torch.tensor(start.ids * len(settings)),
    steer(bridge, middle, vectors, n_special=start.n_special),
    n=min(12, room),
)
ledger.statistic("prompt", PROMPT, label="The prompt that is continued")
ledger.table(
    "continuations",
    pd.DataFrame(
        {
            "direction": [concept for concept, _ in settings],
            "dose": [dose for _, dose in settings],
            "text": [" ".join(bridge.tokenizer.decode(row).split()) or "(nothing)" for row in written],
        }
    ),
    key=["direction", "dose"],
    caption=f"What follows “{PROMPT}”.",
    formats={"dose": ".0f"},
)

# %% [markdown]
# ## Taking a head out

# %%
pairs = load_prompts(
    analysis_file("data/patching_pairs.csv"), columns=["corrupt", "answer", "wrong", "phenomenon"]
).frame
phenomena = list(dict.fromkeys(pairs["phenomenon"]))
readable = np.all([fits(bridge, pairs[name]) for name in ("prompt", "corrupt", "answer", "wrong")], axis=0)
pairs = pairs[readable].reset_index(drop=True)
texts = [text for row in pairs.itertuples(index=False) for text in (row.prompt, row.corrupt)]
answers = [answer_tokens(bridge, list(pairs[name])) for name in ("answer", "wrong")]
# Of each prompt, then of its twin: the first token of its own answer and of the other one.
own_token = [token[0] for pair in zip(*answers, strict=True) for token in pair]
other_token = [token[0] for pair in zip(*reversed(answers), strict=True) for token in pair]
tokens = sorted({*own_token, *other_token})
own_column = torch.tensor([tokens.index(token) for token in own_token])
other_column = torch.tensor([tokens.index(token) for token in other_token])
ledger.statistic("n_pairs", len(pairs), label="Pairs of prompts for heads")
ledger.statistic(
    "n_longer",
    sum(len(token) > 1 for each in answers for token in each),
    label="Answers of several tokens, judged by their first",
)


def preference(logits: torch.Tensor, rows: list[int]) -> torch.Tensor:
    """Logit of each prompt's own answer minus that of its twin's (first tokens), from those of `tokens`."""
    own, other = (logits.cpu().gather(1, column[rows, None]) for column in (own_column, other_column))
    return (own - other)[:, 0]


def rows_of(members: np.ndarray) -> list[int]:
    """Both prompts of each pair."""
    return [int(row) for pair in members for row in (2 * pair, 2 * pair + 1)]


unedited = np.empty(len(texts))
standing, groups, place = {}, {}, {}  # place: where a prompt stands among those of its phenomenon
for name in pairs["phenomenon"].unique():
    members = np.flatnonzero((pairs["phenomenon"] == name).to_numpy())
    rows = rows_of(members)
    place |= {row: number for number, row in enumerate(rows)}
    own = tokenise(bridge, [texts[row] for row in rows])
    standing[name] = read_streams(bridge, own, range(n_layers), tokens=tokens)
    unedited[rows] = preference(standing[name].logits, rows).double().numpy()
    groups[name] = members[(unedited[rows].reshape(-1, 2) > 0).all(1)]
chosen_on = {name: members[::3] for name, members in groups.items()}
measured_on = {name: np.setdiff1d(members, chosen_on[name]) for name, members in groups.items()}
tasks = [name for name, members in measured_on.items() if len(members) >= min_pairs]
ledger.statistic("n_phenomena", len(phenomena), label="Phenomena")
ledger.statistic("n_tasks", len(tasks), label="Phenomena with enough known pairs", tolerance=BORDERLINE)
n_measured = sum(len(measured_on[name]) for name in tasks)
ledger.statistic("n_measured", n_measured, label="Pairs on which heads are measured", tolerance=BORDERLINE)
because = (
    f"heads need a phenomenon of which this model knows at least {min_pairs} pairs besides those to choose on"
)
if tasks:
    because = "one head was chosen for all phenomena" if len(tasks) > 1 else "only one phenomenon is known"
    ledger.statistic(
        "fewest_measured", min(len(measured_on[name]) for name in tasks),
        label="Pairs on which heads are measured, of the phenomenon that has fewest", tolerance=BORDERLINE,
    )  # fmt: skip
else:
    ledger.does_not_apply(because, "fewest_measured")


def losses(head: Head, task: str, members: np.ndarray) -> np.ndarray:
    """What ablating a head takes from the preference, mean of each pair's two prompts."""
    rows = rows_of(members)
    silent = ablation(bridge, [head], "zero").hooks()
    logits = edited_logits(bridge, standing[task], head.layer, silent, rows=[place[row] for row in rows])
    return (unedited[rows] - preference(logits, rows).double().numpy()).reshape(-1, 2).mean(1)


heads, agreement = {}, []
for name in tasks:
    rows = rows_of(chosen_on[name])
    estimates = ablation_estimates(
        bridge,
        tokenise(bridge, [texts[row] for row in rows]),
        lambda logits, some, rows=rows: preference(logits, [rows[one] for one in some]),
        tokens=tokens,
    )
    guess = -estimates.double().numpy().mean(-1)
    order = np.argsort(-guess, axis=None, kind="stable")[:shortlist]
    listed = [Head(*(int(at) for at in np.unravel_index(one, guess.shape))) for one in order]
    cost = [losses(head, name, chosen_on[name]).mean() for head in listed]
    heads[name] = listed[int(np.argmax(cost))]
    agreement += [(guess[head.layer, head.head], one) for head, one in zip(listed, cost, strict=True)]
every_head = all_heads(bridge)
if tasks and len(every_head) < 2:
    because = "it compares heads, and this model has one"
n_drawn = min(control_heads, len(every_head)) if len(every_head) > 1 else 0
drawn = [every_head[at] for at in generator("control heads").choice(len(every_head), n_drawn, replace=False)]
lost = {
    head: {task: losses(head, task, measured_on[task]) for task in tasks}
    for head in {*heads.values(), *drawn}
}
scale = {task: unedited[rows_of(measured_on[task])].reshape(-1, 2).mean(1) for task in tasks}

# %%
strata = np.array([number for number, task in enumerate(tasks) for _ in measured_on[task]], dtype=np.int64)
pair_weights = bootstrap_weights(strata, resamples, generator("pairs")).astype(float)
at = {task: strata == number for number, task in enumerate(tasks)}


def shares_lost(head: Head, task: str) -> tuple[float, np.ndarray]:
    """Share of a task's mean preference that goes with a head, and its bootstrap draws over pairs."""
    weights = pair_weights[:, at[task]]
    values, whole = lost[head][task], scale[task]
    return float(values.mean() / whole.mean()), (weights @ values) / (weights @ whole)


head_weights = bootstrap_weights(np.zeros(len(drawn), dtype=np.int64), resamples, generator("heads"))
head_weights = head_weights / max(1, len(drawn))


def random_shares_lost(task: str) -> tuple[float, np.ndarray]:
    """The same for the heads drawn at random; the draws resample these heads beside the pairs."""
    if not drawn:
        return mean_of([])
    weights = pair_weights[:, at[task]]
    values, whole = np.stack([lost[head][task] for head in drawn]), scale[task]
    resampled = (weights * (head_weights @ values)).sum(1) / (weights @ whole)
    return float(values.mean() / whole.mean()), resampled


home, home_draws = mean_of([shares_lost(heads[task], task) for task in tasks])
away, away_draws = mean_of(
    [shares_lost(heads[task], other) for task in tasks for other in tasks if heads[task] != heads[other]]
)
idle, idle_draws = mean_of([random_shares_lost(task) for task in tasks])
record(
    "head_own", home, home_draws,
    "Share of the preference that goes with the chosen head, on pairs it was not chosen on", n_measured,
    format=".0%",
)  # fmt: skip
record(
    "head_other", away, away_draws, "Share that goes with another head, chosen for another phenomenon",
    n_measured, format=".0%",
)  # fmt: skip
record(
    "head_random", idle, idle_draws, "Share that goes with a head drawn at random", n_measured, format=".0%"
)
record("head_own_minus_other", home - away, home_draws - away_draws, "The first minus the second", n_measured)
ledger.statistic(
    "n_chosen", len(set(heads.values())), label="Different heads among those chosen", tolerance=BORDERLINE
)
r = np.corrcoef(np.array(agreement).T)[0, 1] if len(agreement) > 1 else np.nan
ledger.statistic(
    "estimate_r",
    float(r) if np.isfinite(r) else None,
    label="Correlation of the gradients’ estimates with the exact losses of the shortlisted heads",
    n=len(agreement),
    tolerance=ACTIVATION,
    because="" if np.isfinite(r) else because,
)
head_harm = {
    head: harm(head.layer, ablation(bridge, [head], "zero").hooks())[0] for head in {*heads.values(), *drawn}
}
chosen_heads = list(dict.fromkeys(heads.values()))
for name, which, weights, label in (
    (
        "chosen",
        chosen_heads,
        np.full((resamples, len(chosen_heads)), 1 / max(1, len(chosen_heads))),
        "the chosen heads",
    ),
    ("random", drawn, head_weights, "heads drawn at random"),
):
    if not which:
        ledger.does_not_apply(because, f"head_damage_{name}")
        continue
    values = np.stack([head_harm[head][0] for head in which])
    record(
        f"head_damage_{name}", values.mean(), (text_weights * (weights @ values)).sum(1),
        f"KL on neutral sentences without one of {label}", n_texts, unit="nats", format=".3f",
    )  # fmt: skip
tasks_of = {head: [task for task in tasks if heads[task] == head] for head in chosen_heads}
cells = [
    {"edit": f"{head} ({', '.join(own)})", "task": task, "loss": shares_lost(head, task)[0]}
    for head, own in tasks_of.items()
    for task in tasks
]
gains = [
    (-shares_lost(head, task)[0], task, str(head), ", ".join(own))
    for head, own in tasks_of.items()
    for task in tasks
    if task not in own
]
gain = max(gains, default=(None, None, None, None))
for name, value, label in zip(
    ("head_helped_gain", "head_helped_task", "head_helped", "head_helped_chosen_for"),
    gain,
    (
        "Largest gain of a phenomenon without a head chosen for another, as a share of its preference",
        "The phenomenon that gains",
        "The head without which it does",
        "What that head was chosen for",
    ),
    strict=True,
):
    ledger.statistic(
        name,
        value,
        label=label,
        format=".0%" if name.endswith("gain") else None,
        tolerance=ACTIVATION if name.endswith("gain") else BORDERLINE,
        because="" if gains else because,
    )
ledger.claim(
    "a_head_hinders",
    # lint: allow numeral because it is what the criterion says
    "Some phenomenon gains more than a tenth of its preference when a head chosen for another is taken out.",
    criterion="head_helped_gain > 0.1",
    exploratory="such gains had been seen",
)
record_table(
    "heads",
    [
        {
            "phenomenon": task,
            "head": str(heads[task]),
            "chosen": float(
                losses(heads[task], task, chosen_on[task]).mean() / unedited[rows_of(chosen_on[task])].mean()
            ),
            "measured": shares_lost(heads[task], task)[0],
            "pairs": len(measured_on[task]),
            "damage": float(head_harm[heads[task]][0].mean()),
        }
        for task in tasks
    ],
    key="phenomenon",
    caption="The head chosen for each phenomenon; the share of the preference that goes with it on the pairs "
    "it was chosen on and on those it is measured on; and its KL on neutral sentences.",
    labels={"chosen": "loss where chosen", "measured": "loss where measured", "damage": "KL elsewhere"},
    formats={"chosen": ".0%", "measured": ".0%", "damage": ".3f"},
    tolerance=ACTIVATION,
)
record_figure(
    "head_matrix",
    cells,
    lambda rows: charts.loss_matrix(
        rows, x_title="measured on", y_title="head taken out (chosen for)", value_title="loss"
    ),
    caption="Share of each phenomenon's preference that goes when a head is taken out; each row is the head "
    "chosen for one phenomenon, on other pairs than those measured here.",
    alt="A table of heads by phenomena; specific heads would only fill the cells of their own phenomena.",
    tolerance=ACTIVATION,
)
ledger.claim(
    "head_matters",
    # lint: allow numeral because it is what the criterion says
    "Without the head chosen for a phenomenon, other pairs of it lose more than a tenth of their preference.",
    criterion="head_own.low > 0.1",
)
ledger.claim(
    "head_is_specific",
    "A chosen head matters more for its own phenomenon than heads chosen for others do.",
    criterion="head_own_minus_other.low > 0",
)

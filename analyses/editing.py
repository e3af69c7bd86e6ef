# ---
# title: Editing
# description: Steering along a difference of means, what it achieves and what it breaks.
# mechscope:
#   data: [data/steering_prompts.csv, data/steering_words.csv, data/neutral_sentences.csv]
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
# If a direction of the residual stream stands for something, adding it should change just that. How far does
# that reach on prompts that the direction was not made from, and what else does it break?

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
random_draws = 2
places = 4
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
# by the distance of the two sides' mean scores: zero is nothing, one is all of the way.
#
# **Left out**, and counted: a concept whose sides lie less than `min_gap` nats apart, or of which no words or
# pairs are left; words that are no single token; pairs with a prompt longer than the model's context.
#
# **Damage.** KL(unedited ‖ edited) of the next token at some `places` in each neutral sentence, and how much
# their own next tokens lose. They are English, so the damage done by French is the edit itself: means of
# damage are over the other concepts.
#
# **Control.** Random directions of the same length. An edit that only destroys what a prompt said moves both
# sides towards the middle, which looks like a share of up to one half: what counts is the difference. Each
# pair of prompts and each sentence has `random_draws` directions of its own.
#
# **Intervals** resample pairs of prompts within concepts, and sentences for damage. A random direction comes
# and goes with the pair or sentence that it was drawn for, so the draw is in the interval. The prompts that
# directions were made from are taken as given.
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
# - At first the next token was read at a few more places of each neutral sentence.

# %%
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts, load_words
from mechscope.ledger import FLOAT32, RESAMPLED, Close, Ledger
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import answer_tokens, fits, tokenise
from mechscope.lens.edited import continue_greedily, read_streams, spread_reads
from mechscope.lens.steered import read_sides, steering_damage
from mechscope.lens.steering import mean_difference_direction, random_directions, shuffled_directions, steer
from mechscope.models import load_model
from mechscope.stats.drawn import Drawn, average, share_of_gap
from mechscope.stats.estimates import Draws, estimates_frame

DOSES = (0.5, 1.0, 2.0, 4.0)
DEPTHS = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
MIDDLE = 1 / 2
PROMPT = "Last night my friend"
PARTS = ("near", "far")
ACTIVATION = Close(rtol=5e-3, atol=2e-3, because="float32 activations and their means")
TOLERANCES = {"*": ACTIVATION, "low": RESAMPLED, "high": RESAMPLED}

ledger = Ledger("editing", tolerance=ACTIVATION)
draws = Draws(seed, resamples)
bridge = load_model(model, dtype=dtype)
n_layers, n_ctx = bridge.cfg.n_layers, bridge.cfg.n_ctx
middle, *blocks = (max(1, round(depth * n_layers)) - 1 for depth in (MIDDLE, *DEPTHS))
blocks = sorted(set(blocks))  # in a shallow model several depths are one block


def record(name: str, number: Drawn, label: str, n: int, format: str = ".2f", unit: str = "") -> None:
    """A number with the interval of its bootstrap draws; what has no value is absent `because`."""
    ledger.statistic(name, number.estimate(n, because), label, format=format, unit=unit)


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
# Lines come in pairs, towards and away: a pair shares its draws, and is resampled as a whole.
prompts = prompts[fits(bridge, prompts["prompt"]).reshape(-1, 2).all(1).repeat(2)]
words = load_words(analysis_file("data/steering_words.csv"))
sides: dict[str, list[int]] = {name: [] for name in words.values()}
for side, ids in zip(words.values(), answer_tokens(bridge, [f" {word}" for word in words]), strict=True):
    if len(ids) == 1:
        sides[side].append(ids[0])
ledger.statistic("n_words", len(words), "Words on both sides of all concepts")
ledger.statistic("n_words_used", sum(map(len, sides.values())), "Of these, single tokens, which are scored")


def of(concept: str, part: str) -> np.ndarray:
    """Which prompts are of a concept and a part."""
    return (prompts["concept"].eq(concept) & prompts["part"].eq(part)).to_numpy()


def missing(concept: str) -> str:
    """What a concept lacks before any prompt is read; nothing when it has words and pairs."""
    for side in ("towards", "away"):
        if not sides[f"{concept} {side}"]:
            return f"{concept} needs a word of each side that is a single token, and has none {side}"
    if min(of(concept, part).sum() for part in ("fit", "near", "far")) < 4:
        return f"{concept} needs two pairs of prompts of each form that fit into {n_ctx} tokens"
    return ""


left_out = {concept: reason for concept in every_concept if (reason := missing(concept))}
held_out, parts, gaps = {}, {}, {}
for concept in [name for name in every_concept if name not in left_out]:
    own = prompts[of(concept, "near") | of(concept, "far")]
    towards, two_sides = own["side"].eq("towards").to_numpy(), [f"{concept} towards", f"{concept} away"]
    asked = tokenise(bridge, own["prompt"].tolist())
    held_out[concept] = read_sides(bridge, asked, towards, [sides[side] for side in two_sides], blocks=blocks)
    parts[concept] = own["part"].to_numpy(str)
    for part in PARTS:
        gaps[concept, part] = held_out[concept].gap(parts[concept] == part)
    if not min(gaps[concept, "near"], gaps[concept, "far"]) >= min_gap:
        left_out[concept] = f"the two sides of {concept} lie less than {min_gap:g} nats apart"
concepts = [name for name in every_concept if name not in left_out]
others = [name for name in concepts if name != "language"]
because = "it is a ratio, and what it is divided by is 0"  # why a record without a value has none
if not concepts:
    because = f"it needs a concept whose sides this model tells apart: {'; '.join(left_out.values())}"
elif not others:
    because = f"damage is that of concepts other than language: {'; '.join(left_out.values())}"
directions, fitting, about = {}, {}, []
if concepts:
    residuals = read_last_position(bridge, tokenise(bridge, prompts["prompt"].tolist())).residuals
for concept, block in [(concept, block) for concept in concepts for block in blocks]:
    # Pair by pair, towards and away.
    fitting[concept, block] = residuals[block][of(concept, "fit")].unflatten(0, (-1, 2))
    direction = mean_difference_direction(*fitting[concept, block].unbind(1))
    directions[concept, block], length = direction, direction.norm()
    usual = residuals[block][prompts["concept"].eq(concept).to_numpy()].norm(dim=1).mean()
    one = (direction / length).square().max()
    about.append((concept, block, float(length), float(length / usual), float(one)))

# %% [markdown]
# ## How far prompts move

# %%
ledger.statistic("n_concepts", len(every_concept), "Concepts")
ledger.statistic("n_concepts_used", len(concepts), "Concepts whose sides the model tells apart")
n_prompts = sum(len(parts[name]) for name in concepts)
ledger.statistic("n_prompts", n_prompts, "Held-out prompts that are steered")
if gaps:
    ledger.table(
        "gaps",
        pd.DataFrame([(*key, gap) for key, gap in gaps.items()], columns=["concept", "part", "gap"]),
        key=["concept", "part"],
        caption="Mean score of the prompts of one side minus that of the other, unedited, in nats.",
        formats={"gap": ".2f"},
    )
else:
    ledger.does_not_apply(because, "gaps")


def vectors_for(concept: str, what: str, n: int) -> dict[str, torch.Tensor]:
    """Draw × item × width: the middle's direction, and random and shuffled ones drawn for each of n items."""
    like, shape = directions[concept, middle], (random_draws, n)
    rngs = {kind: draws.rng(f"{kind} {what} {concept} {middle}") for kind in ("random", "shuffled")}
    return {
        "direction": like.expand(1, n, -1),
        "random": random_directions(shape, like, rngs["random"]),
        "shuffled": shuffled_directions(fitting[concept, middle], shape, like, rngs["shuffled"]),
    }


def at_doses(vectors: dict[str, torch.Tensor]) -> Iterator[tuple[str, float, torch.Tensor]]:
    """Each source of vectors at each dose; between shuffled prompts at the natural one only."""
    for source, of_source in vectors.items():
        for dose in (1.0,) if source == "shuffled" else DOSES:
            yield source, dose, dose * of_source


shifts = {}  # (source, concept, dose): of each held-out prompt in the middle, mean over draws of directions
at_block = {}  # (concept, block): along the concept's direction at the natural dose
for concept in concepts:
    held, n = held_out[concept], len(parts[concept])
    of_pairs = vectors_for(concept, "prompts", n // 2)
    for source, dose, vectors in at_doses(of_pairs):
        shift = held.shift(middle, vectors.repeat_interleave(2, dim=1))
        shifts[source, concept, dose] = shift.mean(0)
    for block in blocks:
        at_block[concept, block] = held.shift(block, directions[concept, block].expand(1, n, -1))[0]

# %% [markdown]
# ## What else it does

# %%
reads = spread_reads(neutral, places)
calm = read_streams(bridge, neutral, range(n_layers), reads=reads)
n_texts = len(neutral)
ledger.statistic("n_sentences", n_texts, "Neutral sentences")
ledger.statistic("n_read", sum(map(len, reads)), "Places in them at which the next token is read")
harm = {}  # (source, concept, dose): of each sentence in the middle, mean over draws of directions
harm_at_block = {}  # (concept, block): by the concept's direction at the natural dose
for concept in concepts:
    of_texts = vectors_for(concept, "sentences", n_texts)
    for source, dose, vectors in at_doses(of_texts):
        harm[source, concept, dose] = steering_damage(bridge, calm, middle, vectors)
    for source in ("direction", "random"):  # with the special tokens steered too
        special = steering_damage(bridge, calm, middle, of_texts[source], n_special=0)
        harm[f"special {source}", concept, 1.0] = special
    for block in blocks:
        vectors = directions[concept, block].expand(1, n_texts, -1)
        harm_at_block[concept, block] = steering_damage(bridge, calm, block, vectors)

# %% [markdown]
# ## Shares and damage, with their intervals

# %%
prompt_weights = {
    name: draws.weights(f"prompts {name}", pd.factorize(parts[name][::2])[0]).repeat(2, axis=1)
    for name in concepts
}
text_weights = draws.weights("texts", n_texts) / n_texts


def share(concept: str, shift: np.ndarray, part: str = "near") -> Drawn:
    """Share of the way of one concept's prompts of a part."""
    held, weights = held_out[concept], prompt_weights[concept]
    return share_of_gap(shift, held.score, held.towards, weights, among=parts[concept] == part)


def mean_share(source: str, dose: float = 1.0, part: str = "near", among: list[str] = concepts) -> Drawn:
    """Mean over concepts of their shares."""
    return average(share(name, shifts[source, name, dose], part) for name in among)


def mean_damage(source: str, dose: float = 1.0, measure: str = "kl") -> Drawn:
    """Mean over concepts and sentences."""
    if not others:
        return average([])
    each = [getattr(harm[source, name, dose], measure).numpy() for name in others]
    return Drawn.mean(np.mean(each, axis=0), text_weights)


near, far, chance = mean_share("direction"), mean_share("direction", part="far"), mean_share("random")
n_pairs = {(name, part): int((parts[name] == part).sum()) // 2 for name in concepts for part in PARTS}
n_near = sum(n_pairs[name, "near"] for name in concepts)
label = "Share of the way that prompts of the same form move at the natural dose"
record("near_share", near, label, n_near, ".0%")
record("far_share", far, "The same for prompts of another form", n_near, ".0%")
record("random_share", chance, "The same for random directions of the same length", n_near, ".0%")
record("near_minus_random", near - chance, "Share of the direction minus that of random ones", n_near)
label = "Share on prompts of another form over that on prompts of the same form"
record("far_over_near", far / near, label, n_near)
for concept in concepts:
    for part, form in (("near", "same"), ("far", "other")):
        own, n = share(concept, shifts["direction", concept, 1.0], part), n_pairs[concept, part]
        label = f"Share of the way at the natural dose: {concept}, {form} form"
        record(f"{concept}_{part}", own, label, n, ".0%")
    if blocks[-1] != middle:
        label = f"Share of the way with the late direction: {concept}, same form"
        own, n = share(concept, at_block[concept, blocks[-1]]), n_pairs[concept, "near"]
        record(f"{concept}_late", own, label, n, ".0%")
for concept, reason in left_out.items():
    ledger.does_not_apply(reason, f"{concept}_near", f"{concept}_far", f"{concept}_late")
for block, name in ((blocks[0], "early"), (blocks[-1], "late")):
    if block == middle:
        reason = f"with so few layers ({n_layers}) the {name} block is the middle one"
        lates = [f"{concept}_late" for concept in concepts if name == "late"]
        ledger.does_not_apply(reason, f"{name}_share", f"middle_minus_{name}", *lates)
        continue
    there = average(share(concept, at_block[concept, block]) for concept in concepts)
    record(f"{name}_share", there, f"Share of the way with the {name} direction", n_near, ".0%")
    record(f"middle_minus_{name}", near - there, f"Share in the middle minus {name}", n_near)
BY_CONCEPTS, AT_RANDOM = "the concepts’ directions", "random directions"
MEASURES = {"damage": ("kl", "KL on"), "loss_rise": ("loss_rise", "Rise of the loss of")}
for dose, word in ((1.0, "one"), (4.0, "four")):
    for name, (measure, what) in MEASURES.items():
        for source, by in (("direction", BY_CONCEPTS), ("random", AT_RANDOM)):
            label = f"{what} neutral sentences at dose {word}, {by}"
            mean = mean_damage(source, dose, measure)
            record(f"{name}_{source}_{word}", mean, label, n_texts, ".3f", "nats")
own, blind, mixed = mean_damage("direction"), mean_damage("random"), mean_damage("shuffled")
label = "Damage of the directions over that of random ones at the natural dose"
record("damage_ratio", own / blind, label, n_texts)
special, special_blind = mean_damage("special direction"), mean_damage("special random")
label = "KL on neutral sentences at dose one, {}, special tokens (if the model has any) steered too"
for name, mean, by in (("direction", special, BY_CONCEPTS), ("random", special_blind, AT_RANDOM)):
    record(f"damage_{name}_special", mean, label.format(by), n_texts, ".3f", "nats")
label = "Damage of the directions over that of random ones, special tokens steered too"
record("damage_ratio_special", special / special_blind, label, n_texts)
label = "How many times the damage random directions do when they are added to special tokens too"
record("random_special_growth", special_blind / blind, label, n_texts)
share_growth = mean_share("direction", 4.0, among=others) / mean_share("direction", among=others)
damage_growth = mean_damage("direction", 4.0) / own
record("share_growth", share_growth, "How many times as far four doses move prompts as one", n_near)
record("damage_growth", damage_growth, "How many times the damage of one dose four doses do", n_texts)
label = "Growth of the damage over growth of the share"
record("growth_ratio", damage_growth / share_growth, label, n_texts)
label = "Share of the way along directions between shuffled prompts"
record("shuffled_share", mean_share("shuffled"), label, n_near, ".0%")
label = "KL on neutral sentences at dose one, between shuffled prompts"
record("damage_shuffled_one", mixed, label, n_texts, ".3f", "nats")
label = "Damage of the directions over that of directions between shuffled prompts"
record("damage_over_shuffled", own / mixed, label, n_texts)
ledger.claim(
    "steers",
    "Adding the difference of means moves held-out prompts further than random directions do.",
    criterion="near_share.low > 0 and near_minus_random.low > 0",
)
ledger.claim(
    "moves_half_way",
    "At the natural dose, in the middle of the model, held-out prompts go at least half of the way.",
    criterion="near_share.low > 0.5",
)
ledger.claim(
    "generalises",
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


kl = {key: harmed.kl.numpy().mean() for key, harmed in harm.items()}
along = {(name, dose): share(name, shifts["direction", name, dose]) for name in concepts for dose in DOSES}
blindly = {("random", dose): mean_share("random", dose) for dose in DOSES if concepts}
by_dose = [({"label": label, "x": dose}, of.estimate()) for (label, dose), of in (along | blindly).items()]
by_depth = [
    ({"label": name, "x": (block + 1) / n_layers}, share(name, at_block[name, block]).estimate())
    for name, block in at_block
]
trade = [(name, dose, number.value, kl["direction", name, dose]) for (name, dose), number in along.items()]
# Without language, whose direction is much longer than the others: its random twins would stand for all.
blind_kl = {dose: np.mean([kl["random", name, dose] for name in others]) for dose in DOSES if others}
trade += [
    ("random", dose, mean_share("random", dose, among=others).value, mean) for dose, mean in blind_kl.items()
]
if concepts:
    ledger.table(
        "directions",
        pd.DataFrame(about, columns=["concept", "block", "length", "share", "one"]),
        key=["concept", "block"],
        caption="Length of each direction, also as a share of the mean length of its residuals, and how "
        "much of its squared length lies in its largest coordinate.",
        labels={"share": "share of the residuals' length", "one": "in one coordinate"},
        formats={"block": "d", "length": ".1f", "share": ".2f", "one": ".0%"},
        shown=10,
    )
    shares_and_harm = [
        (*key, *(share(key[0], shift, part).value for part in PARTS), harm_at_block[key].kl.numpy().mean())
        for key, shift in at_block.items()
    ]
    ledger.table(
        "by_depth",
        pd.DataFrame(shares_and_harm, columns=["concept", "block", *PARTS, "damage"]),
        key=["concept", "block"],
        caption="Effect and damage at the natural dose, by the block after which the direction is added.",
        labels={
            "near": "share, same form",
            "far": "share, another form",
            "damage": "KL on neutral sentences",
        },
        formats={"block": "d", "near": ".2f", "far": ".2f", "damage": ".3f"},
        shown=10,
    )
    way = "share of the way"
    ledger.figure(
        "doses",
        charts.effect_curves(estimates_frame(by_dose), x_title="dose", y_title=way, doubling=True),
        caption="How far held-out prompts of the same form move towards the other side (nought is nothing, "
        "one all of the way), by how often the direction of each concept is added in the middle of the "
        "model, and for random directions of the same length (mean over concepts); bands are 95% intervals "
        "over prompts.",
        alt="Curves over the dose, one for each concept and one for random directions.",
        tolerance=TOLERANCES,
    )
    depth = "depth, as a share of the layers"
    ledger.figure(
        "depths",
        charts.effect_curves(estimates_frame(by_depth), x_title=depth, y_title=way),
        caption="The same by depth, at the natural dose.",
        alt="Curves over depth, one for each concept.",
        tolerance=TOLERANCES,
    )
    paths = pd.DataFrame(trade, columns=["label", "dose", "share", "damage"])
    ledger.figure(
        "trade_off",
        charts.trade_off(paths, x_title="damage to neutral sentences (KL in nats)", y_title=way),
        caption="Effect against damage, from the smallest dose to the largest (written beside the first "
        "path). The neutral sentences are English, so for language the damage is the effect; random "
        "directions have the lengths of the other concepts' ones.",
        alt="Paths of effect against damage, dose by dose, one for each concept and one for random "
        "directions.",
    )
else:
    ledger.does_not_apply(because, "directions", "by_depth", "doses", "depths", "trade_off")

# %% [markdown]
# ### What it looks like
#
# The most probable continuation, always taking the most probable token, with the directions added at the
# prompt (but not at special tokens) and at everything written.

# %%
start = tokenise(bridge, [PROMPT])
room = n_ctx - len(start.ids[0])
settings = [("none", 0.0), *((concept, dose) for concept in concepts for dose in DOSES[1:])]
none = torch.zeros(bridge.cfg.d_model)
vectors = torch.stack([none, *(dose * directions[concept, middle] for concept, dose in settings[1:])])
edit = steer(bridge, middle, vectors, n_special=start.n_special)
asked = torch.tensor(start.ids * len(settings))
written = continue_greedily(bridge, asked, edit, n=min(12, room))
texts = [" ".join(bridge.tokenizer.decode(row).split()) or "(nothing)" for row in written]
ledger.statistic("prompt", PROMPT, "The prompt that is continued")
ledger.table(
    "continuations",
    pd.DataFrame(settings, columns=["direction", "dose"]).assign(text=texts),
    key=["direction", "dose"],
    caption=f"What follows “{PROMPT}”.",
    formats={"dose": ".0f"},
    tolerance=FLOAT32,
)

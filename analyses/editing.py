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
seed = 0
resamples = 10_000
random_draws = 3
shortlist = 5
control_heads = 10
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
# after a block. *Dose*: how often it is added, at all positions; a dose of one moves the mean of one side
# onto that of the other.
#
# **Share.** Each prompt is steered towards the other side. The share is how far that moves its score, divided
# by the distance of the two sides' mean scores: nought is nothing, one is all of the way. A concept whose
# sides lie less than `min_gap` nats apart is left out, and counted.
#
# **Damage.** KL(unedited ‖ edited) of the next token on neutral sentences, and how much their own next tokens
# lose. They are English, so the damage done by French is the edit itself: means of damage are over the other
# concepts.
#
# <!-- lint: allow numeral because it follows from the definition -->
# **Control.** Random directions of the same length. An edit that only destroys what a prompt said moves both
# sides towards the middle, which looks like a share of up to one half: what counts is the difference.
#
# **Added after a first look** (so everything about it is exploratory): directions between *shuffled* prompts,
# from random halves of the pairs that fit a concept, each with both of its sides, scaled to the same length.
# They stay among the directions in which prompts do differ; uniformly random ones do not.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Heads.** On half of the pairs of each phenomenon of `patching_pairs.csv` that the model knows, the head
# whose ablation (output set to nought) costs most of the score: exactly, among the `shortlist` that gradients
# propose. What that costs is measured on the other half; elsewhere on the other phenomena; and beside heads
# drawn at random. A loss is a share of the mean unedited score. Phenomena with fewer than four known pairs
# are left out.
#
# Intervals resample pairs of prompts within concepts and phenomena, and sentences for damage.

# %%
import zlib

import numpy as np
import pandas as pd
import torch

from mechscope import charts_editing, charts_patching
from mechscope.data.prompts import analysis_file, load_prompts, load_words
from mechscope.ledger import RESAMPLED, Close, Ledger
from mechscope.lens.answers import answer_tokens
from mechscope.lens.edited import (
    ablation_estimates,
    add_vectors,
    continue_greedily,
    edited_logits,
    read_streams,
)
from mechscope.lens.last_position import read_last_position
from mechscope.lens.steering import ablate_heads, mean_difference_direction
from mechscope.lens.texts import tokenise
from mechscope.models import load_model
from mechscope.stats.resampling import bootstrap_weights, percentile_interval

DOSES = (0.5, 1.0, 2.0, 4.0)
DEPTHS = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
MIDDLE = 2
PROMPT = "Last night my friend"
ACTIVATION = Close(rtol=5e-3, atol=2e-3, because="float32 activations and their means")
BORDERLINE = Close(atol=1, because="one prompt or head on the border")
TOLERANCES = {"*": ACTIVATION, "low": RESAMPLED, "high": RESAMPLED}

ledger = Ledger("editing")
bridge = load_model(model)
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
blocks = [round(depth * n_layers) - 1 for depth in DEPTHS]


def generator(name: str) -> np.random.Generator:
    """A generator for each name, so that no record moves another's draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def record(name, value, draws, label, n, **more):
    """A statistic whose interval comes from bootstrap draws of it."""
    ends = percentile_interval(np.asarray(draws)[:, None])
    ledger.statistic(
        name, float(value), label=label, ci=(ends.low[0], ends.high[0]), n=n, resamples=resamples,
        tolerance=ACTIVATION, **more,
    )  # fmt: skip


# %% [markdown]
# ## Prompts, words and directions

# %%
prompts = load_prompts(analysis_file("data/steering_prompts.csv"), columns=["concept", "side", "part"])
concept_of, side_of, part_of = (np.array(prompts.column(name)) for name in ("concept", "side", "part"))
every_concept = list(dict.fromkeys(concept_of.tolist()))
words = load_words(analysis_file("data/steering_words.csv"))
sides: dict[str, list[int]] = {}
for word, ids in zip(words, answer_tokens(bridge, [f" {word}" for word in words]), strict=True):
    if len(ids) == 1:
        sides.setdefault(words[word], []).append(ids[0])
ledger.statistic("n_words", len(words), label="Words on both sides of all concepts")
ledger.statistic(
    "n_words_used", sum(map(len, sides.values())), label="Of these, single tokens, which are scored"
)
asked = tokenise(bridge, prompts.prompts)
residuals = read_last_position(bridge, asked).residuals


def score_of(concept: str, logits: torch.Tensor) -> np.ndarray:
    """Log of the odds between the two sides' words."""
    towards, away = (sides[f"{concept} {side}"] for side in ("towards", "away"))
    return (logits[:, towards].logsumexp(1) - logits[:, away].logsumexp(1)).double().cpu().numpy()


directions = {
    (concept, block): mean_difference_direction(
        *(
            residuals[block][(concept_of == concept) & (part_of == "fit") & (side_of == side)]
            for side in ("towards", "away")
        )
    )
    for concept in every_concept
    for block in blocks
}
ledger.table(
    "directions",
    pd.DataFrame(
        [
            {
                "concept": concept,
                "block": block,
                "length": float(directions[concept, block].norm()),
                "share": float(
                    directions[concept, block].norm()
                    / residuals[block][concept_of == concept].norm(dim=1).mean()
                ),
                "one": float((directions[concept, block] / directions[concept, block].norm()).square().max()),
            }
            for concept in every_concept
            for block in blocks
        ]
    ),
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
held_out = {
    concept: np.flatnonzero((concept_of == concept) & (part_of != "fit")) for concept in every_concept
}
streams, base = {}, {}
for concept in every_concept:
    chosen = held_out[concept]
    own = tokenise(bridge, [prompts.prompts[at] for at in chosen])
    streams[concept] = read_streams(bridge, own, blocks)
    base[concept] = score_of(concept, streams[concept].logits)

gaps = {
    (concept, part): float(
        base[concept][(part_of[chosen] == part) & (side_of[chosen] == "towards")].mean()
        - base[concept][(part_of[chosen] == part) & (side_of[chosen] == "away")].mean()
    )
    for concept, chosen in held_out.items()
    for part in ("near", "far")
}
concepts = [name for name in every_concept if min(gaps[name, "near"], gaps[name, "far"]) >= min_gap]
others = [name for name in concepts if name != "language"]
ledger.statistic("n_concepts", len(every_concept), label="Concepts")
ledger.statistic("n_concepts_used", len(concepts), label="Concepts whose sides the model tells apart")
ledger.statistic(
    "n_prompts", sum(len(held_out[name]) for name in concepts), label="Held-out prompts that are steered"
)
ledger.table(
    "gaps",
    pd.DataFrame(
        [{"concept": name, "part": part, "gap": gaps[name, part]} for name, part in gaps],
    ),
    key=["concept", "part"],
    caption="Mean score of the prompts of one side minus that of the other, unedited, in nats.",
    formats={"gap": ".2f"},
    tolerance=ACTIVATION,
)


def random_directions(concept: str, block: int) -> list[torch.Tensor]:
    """Directions of the same length as the concept's, drawn uniformly."""
    drawn = torch.from_numpy(
        generator(f"{concept} {block}").standard_normal((random_draws, bridge.cfg.d_model))
    )
    length = directions[concept, block].norm()
    return [(one / one.norm() * length).float() for one in drawn]


def shuffled_directions(concept: str, block: int) -> list[torch.Tensor]:
    """Directions of the same length between random halves of the fitting pairs."""
    found = []
    values = residuals[block][(concept_of == concept) & (part_of == "fit")]
    rng = generator(f"shuffled {concept} {block}")
    for _ in range(random_draws):
        first = np.repeat(rng.permutation(np.arange(len(values) // 2) % 2), 2).astype(bool)
        one = mean_difference_direction(values[first], values[~first])
        found.append(one / one.norm() * directions[concept, block].norm())
    return found


def steered(concept: str, block: int, settings: list[tuple[torch.Tensor, float]]) -> np.ndarray:
    """Setting × prompt: how far each prompt's score moves in the intended direction, in nats."""
    chosen = held_out[concept]
    sign = np.where(side_of[chosen] == "away", 1.0, -1.0)
    vectors = torch.cat([torch.from_numpy(sign * dose)[:, None].float() * one for one, dose in settings])
    logits = edited_logits(
        bridge,
        streams[concept],
        block,
        add_vectors(bridge, block, vectors),
        rows=list(range(len(chosen))) * len(settings),
    )
    return sign * (score_of(concept, logits).reshape(len(settings), -1) - base[concept])


moved = {}  # (concept, block, dose): shift of each held-out prompt
drifted = {}  # (concept, dose): the same for random directions, mean over draws, in the middle
mixed = {}  # concept: for directions between shuffled prompts, at the natural dose
for concept in concepts:
    for number, block in enumerate(blocks):
        doses = DOSES if number == MIDDLE else (1.0,)
        found = steered(concept, block, [(directions[concept, block], dose) for dose in doses])
        moved |= {(concept, block, dose): one for dose, one in zip(doses, found, strict=True)}
    drawn = random_directions(concept, blocks[MIDDLE])
    for dose in DOSES:
        found = steered(concept, blocks[MIDDLE], [(one, dose) for one in drawn])
        drifted[concept, dose] = found.mean(0)
    found = steered(
        concept, blocks[MIDDLE], [(one, 1.0) for one in shuffled_directions(concept, blocks[MIDDLE])]
    )
    mixed[concept,] = found.mean(0)

# %% [markdown]
# ## What else it does

# %%
neutral = tokenise(bridge, load_prompts(analysis_file("data/neutral_sentences.csv")).prompts)
reads = [
    sorted({round(at) for at in np.linspace(neutral.n_special, len(row) - 2, 6).tolist()})
    for row in neutral.ids
]
calm = read_streams(bridge, neutral, sorted({*blocks, *range(n_layers)}), reads=reads)
text_of = calm.text_of.numpy()
next_token = torch.tensor([neutral.ids[text][at + 1] for text, places in enumerate(reads) for at in places])
calm_log_probs = calm.logits.log_softmax(-1)
calm_probs = calm_log_probs.exp()
n_texts = len(neutral)
ledger.statistic("n_sentences", n_texts, label="Neutral sentences")
ledger.statistic("n_read", len(text_of), label="Places in them at which the next token is read")


def harm(start: int, edit) -> tuple[np.ndarray, np.ndarray]:
    """KL and rise of the loss of each neutral sentence, means over the places that are read, in nats."""
    log_probs = edited_logits(bridge, calm, start, edit).log_softmax(-1)
    kl = (calm_probs * (calm_log_probs - log_probs)).sum(-1).double().cpu().numpy()
    rise = (calm_log_probs - log_probs).gather(1, next_token[:, None])[:, 0].double().cpu().numpy()
    count = np.bincount(text_of, minlength=n_texts)
    return tuple(np.bincount(text_of, one, minlength=n_texts) / count for one in (kl, rise))


def steering_harm(direction: torch.Tensor, block: int, dose: float) -> np.ndarray:
    """Measure × sentence."""
    vectors = (dose * direction).expand(n_texts, -1)
    return np.stack(harm(block, add_vectors(bridge, block, vectors)))


damaged, random_damaged, mixed_damaged = {}, {}, {}
for concept in concepts:
    for number, block in enumerate(blocks):
        for dose in DOSES if number == MIDDLE else (1.0,):
            damaged[concept, block, dose] = steering_harm(directions[concept, block], block, dose)
    for dose in DOSES:
        random_damaged[concept, dose] = np.mean(
            [steering_harm(one, blocks[MIDDLE], dose) for one in random_directions(concept, blocks[MIDDLE])],
            axis=0,
        )
    mixed_damaged[concept,] = np.mean(
        [steering_harm(one, blocks[MIDDLE], 1.0) for one in shuffled_directions(concept, blocks[MIDDLE])],
        axis=0,
    )

# %% [markdown]
# ## Shares and damage, with their intervals

# %%
middle = blocks[MIDDLE]
prompt_weights = {}
for concept in concepts:
    chosen = held_out[concept]
    # Lines come in pairs, one prompt of each side: a pair is drawn as a whole.
    assert (side_of[chosen].reshape(-1, 2) == ["towards", "away"]).all()
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


def mean_share(table: dict, keys: list[tuple], part: str) -> tuple[float, np.ndarray]:
    """Mean over concepts of their shares; the first element of each key is the concept."""
    found = [share(key[0], table[key], part) for key in keys]
    return float(np.mean([value for value, _ in found])), np.mean([draws for _, draws in found], axis=0)


near, near_draws = mean_share(moved, [(name, middle, 1.0) for name in concepts], "near")
far, far_draws = mean_share(moved, [(name, middle, 1.0) for name in concepts], "far")
chance, chance_draws = mean_share(drifted, [(name, 1.0) for name in concepts], "near")
n_near = sum(int((part_of[held_out[name]] == "near").sum()) // 2 for name in concepts)
record(
    "near_share",
    near,
    near_draws,
    "Share of the way that prompts of the same form move at the natural dose",
    n_near,
)
record("far_share", far, far_draws, "The same for prompts of another form", n_near)
record("random_share", chance, chance_draws, "The same for random directions of the same length", n_near)
record(
    "near_minus_random",
    near - chance,
    near_draws - chance_draws,
    "Share of the direction minus that of random ones",
    n_near,
)
record(
    "far_over_near",
    far / near,
    far_draws / near_draws,
    "Share on prompts of another form over that on prompts of the same form",
    n_near,
)
for concept in concepts:
    for part in ("near", "far"):
        value, draws = share(concept, moved[concept, middle, 1.0], part)
        record(
            f"{concept}_{part}", value, draws,
            f"Share of the way at the natural dose: {concept}, {'same' if part == 'near' else 'other'} form",
            int((part_of[held_out[concept]] == part).sum()) // 2,
        )  # fmt: skip
for number, name in ((0, "early"), (len(blocks) - 1, "late")):
    value, draws = mean_share(moved, [(concept, blocks[number], 1.0) for concept in concepts], "near")
    record(f"{name}_share", value, draws, f"Share of the way with the {name} direction", n_near)
    record(
        f"middle_minus_{name}", near - value, near_draws - draws, f"Share in the middle minus {name}", n_near
    )


def mean_damage(table: dict, keys: list[tuple], measure: int) -> tuple[float, np.ndarray]:
    """Mean over concepts and sentences, and its bootstrap draws over sentences."""
    values = np.mean([table[key][measure] for key in keys], axis=0)
    return float(values.mean()), text_weights @ values


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
    "damage_ratio",
    own / blind,
    own_draws / blind_draws,
    "Damage of the directions over that of random ones at the natural dose",
    n_texts,
)
four, four_draws = mean_share(moved, [(name, middle, 4.0) for name in others], "near")
once, once_draws = mean_share(moved, [(name, middle, 1.0) for name in others], "near")
heavy, heavy_draws = found["damage", "direction", 4.0]
record(
    "share_growth",
    four / once,
    four_draws / once_draws,
    "How many times as far four doses move prompts as one",
    n_near,
)
record(
    "damage_growth",
    heavy / own,
    heavy_draws / own_draws,
    "How many times the damage of one dose four doses do",
    n_texts,
)
record(
    "growth_ratio", (heavy / own) / (four / once), (heavy_draws / own_draws) / (four_draws / once_draws),
    "Growth of the damage over growth of the share", n_texts,
)  # fmt: skip

mix, mix_draws = mean_share(mixed, [(name,) for name in concepts], "near")
record("shuffled_share", mix, mix_draws, "Share of the way along directions between shuffled prompts", n_near)
mix, mix_draws = mean_damage(mixed_damaged, [(name,) for name in others], 0)
record(
    "damage_shuffled_one", mix, mix_draws, "KL on neutral sentences at dose one, between shuffled prompts",
    n_texts, unit="nats", format=".3f",
)  # fmt: skip
record(
    "damage_over_shuffled", own / mix, own_draws / mix_draws,
    "Damage of the directions over that of directions between shuffled prompts", n_texts,
)  # fmt: skip
for concept in concepts:
    value, draws = share(concept, moved[concept, blocks[-1], 1.0], "near")
    record(
        f"{concept}_late", value, draws, f"Share of the way with the late direction: {concept}, same form",
        int((part_of[held_out[concept]] == "near").sum()) // 2,
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
    for depth, block in zip(DEPTHS, blocks, strict=True):
        value, draws = share(concept, moved[concept, block, 1.0], "near")
        ends = percentile_interval(draws[:, None])
        depth_rows.append(
            {"label": concept, "x": depth, "value": value, "low": ends.low[0], "high": ends.high[0]}
        )
for dose in DOSES:
    value, draws = mean_share(drifted, [(name, dose) for name in concepts], "near")
    ends = percentile_interval(draws[:, None])
    dose_rows.append({"label": "random", "x": dose, "value": value, "low": ends.low[0], "high": ends.high[0]})
    # Without language, whose direction is by far the longest: its random twins would stand for all.
    value, _ = mean_share(drifted, [(name, dose) for name in others], "near")
    harms = np.mean([random_damaged[name, dose][0].mean() for name in others])
    trade_rows.append({"label": "random", "dose": dose, "share": value, "damage": harms})
ledger.table(
    "by_depth",
    pd.DataFrame(
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
        ]
    ),
    key=["concept", "block"],
    caption="Effect and damage at the natural dose, by the block after which the direction is added.",
    labels={"near": "share, same form", "far": "share, another form", "damage": "KL on neutral sentences"},
    formats={"block": "d", "near": ".2f", "far": ".2f", "damage": ".3f"},
    tolerance=ACTIVATION,
    shown=10,
)
ledger.figure(
    "doses",
    charts_patching.effect_curves(pd.DataFrame(dose_rows), x_title="dose", y_title="share of the way"),
    caption="How far held-out prompts of the same form move towards the other side, by dose of the direction "
    "of each concept in the middle of the model, and of random directions of the same length (mean over "
    "concepts); bands are intervals over prompts.",
    alt="Curves over the dose: concepts rise, random directions do so much less.",
    tolerance=TOLERANCES,
)
ledger.figure(
    "depths",
    charts_patching.effect_curves(
        pd.DataFrame(depth_rows), x_title="depth, as a share of the layers", y_title="share of the way"
    ),
    caption="The same by depth, at the natural dose.",
    alt="Curves over depth, one for each concept.",
    tolerance=TOLERANCES,
)
ledger.figure(
    "trade_off",
    charts_editing.trade_off(
        pd.DataFrame(trade_rows),
        x_title="damage to neutral sentences (KL in nats)",
        y_title="share of the way",
    ),
    caption="Effect against damage, from the smallest dose to the largest (written beside the first path). "
    "The neutral sentences are English, so for language the damage is the effect; random directions have the "
    "lengths of the other concepts' ones.",
    alt="Paths of effect against damage, dose by dose: concepts rise, random directions mostly do damage.",
    tolerance=ACTIVATION,
)

# %% [markdown]
# ### What it looks like
#
# The most probable continuation, always taking the most probable token, with the directions added at the
# prompt and at everything written.

# %%
start = tokenise(bridge, [PROMPT])
settings = [("none", 0.0), *((concept, dose) for concept in concepts for dose in DOSES[1:])]
vectors = torch.stack(
    [
        dose * directions[concept, middle] if dose else torch.zeros(bridge.cfg.d_model)
        for concept, dose in settings
    ]
)
written = continue_greedily(
    bridge, torch.tensor(start.ids * len(settings)), add_vectors(bridge, middle, vectors), n=12
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
both = tokenise(bridge, [text for row in pairs.itertuples(index=False) for text in (row.prompt, row.corrupt)])
right = [token[0] for token in answer_tokens(bridge, list(pairs["answer"]))]
wrong = [token[0] for token in answer_tokens(bridge, list(pairs["wrong"]))]
own_token = torch.tensor([token for pair in zip(right, wrong, strict=True) for token in pair])
other_token = torch.tensor([token for pair in zip(wrong, right, strict=True) for token in pair])


def preference(logits: torch.Tensor, rows: list[int]) -> torch.Tensor:
    """Logit of each prompt's own answer minus that of its twin's (first tokens)."""
    return (logits.gather(1, own_token[rows, None]) - logits.gather(1, other_token[rows, None]))[:, 0]


standing = read_streams(bridge, both, list(range(n_layers)))
unedited = preference(standing.logits, list(range(len(both)))).double().numpy()
known = (unedited.reshape(-1, 2) > 0).all(1)
groups = {
    name: np.flatnonzero(known & (pairs["phenomenon"] == name).to_numpy())
    for name in dict.fromkeys(pairs["phenomenon"])
}
tasks = [name for name, members in groups.items() if len(members) >= 4]
chosen_on = {name: groups[name][::2] for name in tasks}
measured_on = {name: groups[name][1::2] for name in tasks}
ledger.statistic("n_phenomena", len(groups), label="Phenomena")
ledger.statistic("n_tasks", len(tasks), label="Phenomena with enough known pairs", tolerance=BORDERLINE)
n_measured = sum(map(len, measured_on.values()))
ledger.statistic("n_measured", n_measured, label="Pairs on which heads are measured", tolerance=BORDERLINE)
estimates = ablation_estimates(bridge, both, preference).double().numpy()


def rows_of(members: np.ndarray) -> list[int]:
    """Both prompts of each pair."""
    return [int(row) for pair in members for row in (2 * pair, 2 * pair + 1)]


def losses(head: tuple[int, int], members: np.ndarray) -> np.ndarray:
    """What ablating a head takes from the preference, mean of each pair's two prompts."""
    rows = rows_of(members)
    logits = edited_logits(bridge, standing, head[0], ablate_heads(bridge, [head]), rows=rows)
    after = preference(logits, rows).double().numpy()
    return (unedited[rows] - after).reshape(-1, 2).mean(1)


heads, agreement = {}, []
for name in tasks:
    guess = -estimates[:, :, rows_of(chosen_on[name])].mean(-1)
    order = np.argsort(-guess, axis=None, kind="stable")[:shortlist]
    listed = [tuple(int(at) for at in np.unravel_index(one, guess.shape)) for one in order]
    cost = [losses(head, chosen_on[name]).mean() for head in listed]
    heads[name] = listed[int(np.argmax(cost))]
    agreement += [(guess[head], one) for head, one in zip(listed, cost, strict=True)]
all_heads = [(layer, head) for layer in range(n_layers) for head in range(n_heads)]
drawn = [
    all_heads[at] for at in generator("control heads").choice(len(all_heads), control_heads, replace=False)
]
lost = {head: {task: losses(head, measured_on[task]) for task in tasks} for head in {*heads.values(), *drawn}}
scale = {task: unedited[rows_of(measured_on[task])].reshape(-1, 2).mean(1) for task in tasks}

# %%
strata = np.repeat(np.arange(len(tasks)), [len(measured_on[task]) for task in tasks])
pair_weights = bootstrap_weights(strata, resamples, generator("pairs")).astype(float)
at = {task: strata == number for number, task in enumerate(tasks)}


def shares_lost(head: tuple[int, int], task: str) -> tuple[float, np.ndarray]:
    """Share of a task's mean preference that goes with a head, and its bootstrap draws over pairs."""
    weights = pair_weights[:, at[task]]
    values, whole = lost[head][task], scale[task]
    return float(values.mean() / whole.mean()), (weights @ values) / (weights @ whole)


def mean_of(found: list[tuple[float, np.ndarray]]) -> tuple[float, np.ndarray]:
    """Means of values and of draws."""
    return float(np.mean([value for value, _ in found])), np.mean([draws for _, draws in found], axis=0)


home, home_draws = mean_of([shares_lost(heads[task], task) for task in tasks])
away, away_draws = mean_of(
    [shares_lost(heads[task], other) for task in tasks for other in tasks if heads[task] != heads[other]]
    or [shares_lost(heads[task], task) for task in tasks]
)
idle, idle_draws = mean_of([shares_lost(head, task) for head in drawn for task in tasks])
record(
    "head_own",
    home,
    home_draws,
    "Share of the preference that goes with the chosen head, on pairs it was not chosen on",
    n_measured,
)
record(
    "head_other", away, away_draws, "Share that goes with a head chosen for another phenomenon", n_measured
)
record("head_random", idle, idle_draws, "Share that goes with a head drawn at random", n_measured)
record("head_own_minus_other", home - away, home_draws - away_draws, "The first minus the second", n_measured)
ledger.statistic(
    "n_chosen", len(set(heads.values())), label="Different heads among those chosen", tolerance=BORDERLINE
)
ledger.statistic(
    "estimate_r",
    float(np.corrcoef(np.array(agreement).T)[0, 1]),
    label="Correlation of the gradients’ estimates with the exact losses of the shortlisted heads",
    n=len(agreement),
    tolerance=ACTIVATION,
)
head_harm = {
    head: np.stack(harm(head[0], ablate_heads(bridge, [head]))) for head in {*heads.values(), *drawn}
}
for name, which, label in (
    ("chosen", list(dict.fromkeys(heads.values())), "the chosen heads"),
    ("random", drawn, "heads drawn at random"),
):
    values = np.mean([head_harm[head][0] for head in which], axis=0)
    record(
        f"head_damage_{name}", values.mean(), text_weights @ values,
        f"KL on neutral sentences without one of {label}", n_texts, unit="nats", format=".3f",
    )  # fmt: skip
cells = [
    {
        "edit": f"L{heads[task][0]}H{heads[task][1]} ({task})",
        "task": other,
        "loss": shares_lost(heads[task], other)[0],
    }
    for task in tasks
    for other in tasks
]
ledger.table(
    "heads",
    pd.DataFrame(
        [
            {
                "phenomenon": task,
                "head": f"L{heads[task][0]}H{heads[task][1]}",
                "chosen": float(
                    losses(heads[task], chosen_on[task]).mean() / unedited[rows_of(chosen_on[task])].mean()
                ),
                "measured": shares_lost(heads[task], task)[0],
                "pairs": len(measured_on[task]),
                "damage": float(head_harm[heads[task]][0].mean()),
            }
            for task in tasks
        ]
    ),
    key="phenomenon",
    caption="The head chosen for each phenomenon; the share of the preference that goes with it on the pairs "
    "it was chosen on and on those it is measured on; and its KL on neutral sentences.",
    labels={"chosen": "loss where chosen", "measured": "loss where measured", "damage": "KL elsewhere"},
    formats={"chosen": ".0%", "measured": ".0%", "damage": ".3f"},
    tolerance=ACTIVATION,
)
ledger.figure(
    "head_matrix",
    charts_editing.loss_matrix(
        pd.DataFrame(cells), x_title="measured on", y_title="head taken out (chosen for)", value_title="loss"
    ),
    caption="Share of each phenomenon's preference that goes when a head is taken out; each row is the head "
    "chosen for one phenomenon, on other pairs than those measured here.",
    alt="A square table of heads by phenomena; specific heads would only fill its diagonal.",
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

# ---
# title: Heads taken out
# description: The head that a task needs most, what is lost without it, and what else is.
# mechscope:
#   data: [data/neutral_sentences.csv, data/patching_pairs.csv]
#   models: [model]
#   saes: []
#   needs: []
#   moved_from: editing
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
# # Heads taken out
#
# If a head does something, taking it out should stop just that. How far does that reach on prompts that the
# head was not chosen on, and what else does it break?

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
places = 4
shortlist = 5
control_heads = 10
min_pairs = 5

# %% [markdown]
# ## What was fixed beforehand
#
# **Heads.** On some of the pairs of each phenomenon of `patching_pairs.csv` that the model knows (every
# third), the head whose ablation (output set to zero, at all positions) costs most of the score: exactly,
# among the `shortlist` that gradients propose. What that costs is measured on the others; elsewhere on the
# other phenomena; and beside heads drawn at random. The score is the logit of a prompt's answer minus that of
# its twin's; an answer of several tokens is judged by its first. A loss is a share of the mean unedited
# score. Phenomena with fewer than `min_pairs` known pairs to measure on are left out.
#
# **Damage.** KL(unedited ‖ edited) of the next token at some `places` in each neutral sentence.
#
# **Left out** as well: a pair with a prompt or answer that is longer than the model's context.
#
# **Intervals** resample pairs of prompts within phenomena, and sentences for damage; random heads are
# resampled beside them. The pairs that heads were chosen on are taken as given.
#
# **After a first look.** At first there were fewer pairs, and as many to choose on as to measure on; and the
# next token was read at a few more places of each neutral sentence. Everything since is exploratory.

# %%
import numpy as np
import pandas as pd

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.ledger import Close, Ledger
from mechscope.lens.ablation import ablation
from mechscope.lens.core.components import Head, all_heads
from mechscope.lens.core.tokens import answer_tokens, fits, tokenise
from mechscope.lens.edited import damage, read_streams, spread_reads
from mechscope.lens.twins import read_twins
from mechscope.models import load_model
from mechscope.stats.drawn import Drawn, average
from mechscope.stats.estimates import Draws

ACTIVATION = Close(rtol=5e-3, atol=2e-3, because="float32 activations and their means")
BORDERLINE = Close(atol=1, because="one prompt or head on the border")

ledger = Ledger("heads_taken_out", tolerance=ACTIVATION)
draws = Draws(seed, resamples)
bridge = load_model(model, dtype=dtype)


def record(name: str, number: Drawn, label: str, n: int, format: str = ".0%", unit: str = "") -> None:
    """A number with the interval of its bootstrap draws; what has no value is absent `because`."""
    ledger.statistic(name, number.estimate(n, because), label, format=format, unit=unit)


# %% [markdown]
# ## Pairs of prompts, and sentences that should be left alone

# %%
sentences = load_prompts(analysis_file("data/neutral_sentences.csv")).prompts
sentences = [text for text, fit in zip(sentences, fits(bridge, sentences, at_least=2), strict=True) if fit]
if len(sentences) < 2:
    ledger.does_not_apply(f"it needs whole sentences, and this model reads {bridge.cfg.n_ctx} tokens")
neutral = tokenise(bridge, sentences)
n_texts = len(neutral)
calm = read_streams(bridge, neutral, range(bridge.cfg.n_layers), reads=spread_reads(neutral, places))
text_weights = draws.weights("texts", n_texts) / n_texts
pairs = load_prompts(
    analysis_file("data/patching_pairs.csv"), columns=["corrupt", "answer", "wrong", "phenomenon"]
).frame
n_phenomena = pairs["phenomenon"].nunique()
readable = np.all([fits(bridge, pairs[name]) for name in ("prompt", "corrupt", "answer", "wrong")], axis=0)
pairs = pairs[readable].reset_index(drop=True)
answers = {name: answer_tokens(bridge, list(pairs[name])) for name in ("answer", "wrong")}
first = pd.DataFrame({name: [token[0] for token in tokens] for name, tokens in answers.items()})
tokens = sorted({*first["answer"], *first["wrong"]})
ledger.statistic("n_pairs", len(pairs), "Pairs of prompts for heads")
n_longer = sum(len(token) > 1 for each in answers.values() for token in each)
ledger.statistic("n_longer", n_longer, "Answers of several tokens, judged by their first")
twins = {}
for name, group in pairs.groupby("phenomenon", sort=False):
    texts = tokenise(bridge, group[["prompt", "corrupt"]].to_numpy().ravel().tolist())
    own, other = (
        first.loc[group.index, columns].to_numpy().ravel().tolist()
        for columns in (["answer", "wrong"], ["wrong", "answer"])
    )
    twins[name] = read_twins(bridge, texts, own, other, tokens=tokens)
chosen_on = {name: read.known[::3] for name, read in twins.items()}
measured_on = {name: np.setdiff1d(read.known, chosen_on[name]) for name, read in twins.items()}
tasks = [name for name, members in measured_on.items() if len(members) >= min_pairs]
ledger.statistic("n_phenomena", n_phenomena, "Phenomena")
ledger.statistic("n_tasks", len(tasks), "Phenomena with enough known pairs", tolerance=BORDERLINE)
n_measured = sum(len(measured_on[name]) for name in tasks)
ledger.statistic("n_measured", n_measured, "Pairs on which heads are measured", tolerance=BORDERLINE)
because = (
    f"heads need a phenomenon of which this model knows at least {min_pairs} pairs besides those to choose on"
)
if tasks:
    because = "one head was chosen for all phenomena" if len(tasks) > 1 else "only one phenomenon is known"
    fewest = min(len(measured_on[name]) for name in tasks)
    label = "Pairs on which heads are measured, of the phenomenon that has fewest"
    ledger.statistic("fewest_measured", fewest, label, tolerance=BORDERLINE)
else:
    ledger.does_not_apply(because, "fewest_measured")

# %% [markdown]
# ## The head that each phenomenon needs most

# %%
heads: dict[str, Head] = {}
agreement: list[tuple[float, float]] = []  # of each shortlisted head, the estimated and the exact cost
for name in tasks:
    heads[name], costs = twins[name].costliest(chosen_on[name], shortlist=shortlist)
    agreement += costs
chosen_heads = list(dict.fromkeys(heads.values()))
every_head = all_heads(bridge)
if tasks and len(every_head) < 2:
    because = "it compares heads, and this model has one"
n_drawn = min(control_heads, len(every_head)) if len(every_head) > 1 else 0
picked = draws.rng("control heads").choice(len(every_head), n_drawn, replace=False)
drawn_heads = [every_head[number] for number in picked]
looked_at = {*chosen_heads, *drawn_heads}
lost = {(head, task): twins[task].losses(head, measured_on[task]) for head in looked_at for task in tasks}
head_harm = {
    head: damage(bridge, calm, head.layer, ablation(bridge, [head], "zero").hooks()).kl.numpy()
    for head in looked_at
}

# %% [markdown]
# ## What is lost without it

# %%
whole = {task: twins[task].mean_preference(measured_on[task]) for task in tasks}
strata = np.array([number for number, task in enumerate(tasks) for _ in measured_on[task]], dtype=np.int64)
pair_weights = draws.weights("pairs", strata)
weights_of = {task: pair_weights[:, strata == number] for number, task in enumerate(tasks)}
head_weights = draws.weights("heads", len(drawn_heads)) / max(1, len(drawn_heads))
shares_lost = {
    (head, task): Drawn.ratio(lost[head, task], whole[task], weights_of[task])
    for head in chosen_heads
    for task in tasks
}
random_lost = [  # these heads are resampled beside the pairs
    Drawn.ratio(
        np.stack([lost[head, task] for head in drawn_heads]), whole[task], weights_of[task], head_weights
    )
    for task in tasks
    if drawn_heads
]
home = average(shares_lost[heads[task], task] for task in tasks)
away = average(
    shares_lost[heads[task], measured]
    for task in tasks
    for measured in tasks
    if heads[task] != heads[measured]
)
label = "Share of the preference that goes with the chosen head, on pairs it was not chosen on"
record("head_own", home, label, n_measured)
label = "Share that goes with another head, chosen for another phenomenon"
record("head_other", away, label, n_measured)
label = "Share that goes with a head drawn at random"
record("head_random", average(random_lost), label, n_measured)
record("head_own_minus_other", home - away, "The first minus the second", n_measured, ".2f")
ledger.statistic("n_chosen", len(chosen_heads), "Different heads among those chosen", tolerance=BORDERLINE)
r = np.corrcoef(np.array(agreement).T)[0, 1] if len(agreement) > 1 else np.nan
ledger.statistic(
    "estimate_r",
    float(r) if np.isfinite(r) else None,
    "Correlation of the gradients’ estimates with the exact losses of the shortlisted heads",
    n=len(agreement),
    tolerance=ACTIVATION,
    because="" if np.isfinite(r) else because,
)
evenly = np.full((resamples, len(chosen_heads)), 1 / max(1, len(chosen_heads)))
for name, which, weights, label in (
    ("chosen", chosen_heads, evenly, "the chosen heads"),
    ("random", drawn_heads, head_weights, "heads drawn at random"),
):
    if not which:
        ledger.does_not_apply(because, f"head_damage_{name}")
        continue
    mean = Drawn.crossed(np.stack([head_harm[head] for head in which]), weights, text_weights)
    label = f"KL on neutral sentences without one of {label}"
    record(f"head_damage_{name}", mean, label, n_texts, ".3f", "nats")
tasks_of = {head: [task for task in tasks if heads[task] == head] for head in chosen_heads}
cells = [
    {"edit": f"{head} ({', '.join(own)})", "task": task, "loss": shares_lost[head, task].value}
    for head, own in tasks_of.items()
    for task in tasks
]
gains = [
    (-shares_lost[head, task].value, task, str(head), ", ".join(own))
    for head, own in tasks_of.items()
    for task in tasks
    if task not in own
]
gain, task, head, own = max(gains, default=(None, None, None, None))
why = "" if gains else because
ledger.statistic(
    "head_helped_gain",
    gain,
    "Largest gain of a phenomenon without a head chosen for another, as a share of its preference",
    format=".0%",
    tolerance=ACTIVATION,
    because=why,
)
for name, value, label in (
    ("head_helped_task", task, "The phenomenon that gains"),
    ("head_helped", head, "The head without which it does"),
    ("head_helped_chosen_for", own, "What that head was chosen for"),
):
    ledger.statistic(name, value, label, tolerance=BORDERLINE, because=why)
ledger.claim(
    "a_head_hinders",
    "Some phenomenon gains more than a tenth of its preference when a head chosen for another is taken out.",
    criterion="head_helped_gain > 0.1",
    exploratory="such gains had been seen",
)
if tasks:
    of_heads = [
        {
            "phenomenon": task,
            "head": str(heads[task]),
            "chosen": float(
                twins[task].losses(heads[task], chosen_on[task]).mean()
                / twins[task].preference.reshape(-1, 2)[chosen_on[task]].mean()
            ),
            "measured": shares_lost[heads[task], task].value,
            "pairs": len(measured_on[task]),
            "damage": float(head_harm[heads[task]].mean()),
        }
        for task in tasks
    ]
    ledger.table(
        "heads",
        pd.DataFrame(of_heads),
        key="phenomenon",
        caption="The head chosen for each phenomenon; the share of the preference that goes with it on the "
        "pairs it was chosen on and on those it is measured on; and its KL on neutral sentences.",
        labels={"chosen": "loss where chosen", "measured": "loss where measured", "damage": "KL elsewhere"},
        formats={"chosen": ".0%", "measured": ".0%", "damage": ".3f"},
    )
    ledger.figure(
        "head_matrix",
        charts.loss_matrix(
            pd.DataFrame(cells),
            x_title="measured on",
            y_title="head taken out (chosen for)",
            value_title="loss",
        ),
        caption="Share of each phenomenon's preference that goes when a head is taken out; each row is the "
        "head chosen for one phenomenon, on other pairs than those measured here.",
        alt="A table of heads by phenomena; specific heads would only fill the cells of their own phenomena.",
    )
else:
    ledger.does_not_apply(because, "heads", "head_matrix")
ledger.claim(
    "head_matters",
    "Without the head chosen for a phenomenon, other pairs of it lose more than a tenth of their preference.",
    criterion="head_own.low > 0.1",
)
ledger.claim(
    "head_is_specific",
    "A chosen head matters more for its own phenomenon than heads chosen for others do.",
    criterion="head_own_minus_other.low > 0",
)

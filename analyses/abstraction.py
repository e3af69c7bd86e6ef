# ---
# title: Shared neurons
# description: Do prompts that say the same in other words use the same neurons?
# mechscope:
#   moved_from: superposition
#   data: [data/abstraction.csv]
#   models: [model]
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
# # Shared neurons
#
# Field notes saw the same features at work in "The capital of Texas is" and "Paris is the capital of". Do
# prompts that say the same in other words share neurons, more than prompts of the same shape about other
# things do? And does "Tesla headquarters moved to" wake something of them?

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000

# %% [markdown]
# ## What was fixed beforehand
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Prompts.** `abstraction.csv` holds sentences that end in one of four words. Three forms are about
# capitals ("The capital of Texas is", "Paris is the capital of", and Chinese ones that end in "为") with 8
# different places each, none in two forms; each has 8 unrelated prompts of the same shape and the same last
# token. The fourth is the test case, "Tesla headquarters moved to", for 8 companies; beside it the same
# companies with something else that ends in "to", and 8 prompts in which a person moved.
#
# <!-- lint: allow numeral because these are definitions -->
# **Overlap** of two prompts in a layer: Jaccard index of the 50 most active MLP neurons at the last token (of
# a quarter of a layer's neurons, where that is fewer); over layers, the mean. The word that prompts of a form
# end in is tokenised by itself, so that it is the same token in all of them. T = mean overlap of capital
# prompts of different forms − mean overlap of all other pairs of different forms (an unrelated prompt is a
# group of its own). Null: who is a capital prompt is shuffled within each form. Layers: maximum statistic.
# For the test case the value of a prompt is its mean overlap with all English capital prompts, compared with
# the other prompt of the same company (sign flips). Holm over the four hypotheses about prompts.
#
# **Added later**, when all results so far had been seen: the claim about headquarters and the person. No
# criterion was changed.

# %%
from functools import partial

import numpy as np
import pandas as pd

from mechscope import charts
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.ledger import FLOAT32, Close, Ledger
from mechscope.lens.core.components import n_neurons_of
from mechscope.lens.core.tokens import TokenisedTexts, answer_tokens, fits, tokenise
from mechscope.lens.neuron_texts import last_token_neurons, shared_neurons
from mechscope.models import load_model
from mechscope.stats.estimates import Draws, Estimate, Estimates, stacked
from mechscope.stats.multiple import holm
from mechscope.stats.pairs import separation, separation_interval, separation_test
from mechscope.stats.resampling import percentile_interval
from mechscope.stats.samples import mean_difference_interval, mean_difference_test, sign_flip_test

OVERLAP = Close(rtol=0.02, atol=2e-3, because="neurons at the border of the most active change places")
BORDERLINE = Close(atol=1, because="one item at a threshold")
AT_THRESHOLD = Close(atol=2, because="layers at the threshold")
ENDINGS = {"is": " is", "of": " of", "为": "为", "to": " to"}
NAMES = {"is": "is", "of": "of", "为": "zh", "to": "to"}
FORMS = ("is", "of", "为")  # those about capitals
ACROSS = (("is", "of"), ("is", "为"), ("of", "为"))

ledger = Ledger("abstraction", tolerance=OVERLAP)
draws = Draws(seed, resamples)
bridge = load_model(model, dtype=dtype)
n_layers, n_neurons = bridge.cfg.n_layers, n_neurons_of(bridge)
if n_neurons < 8:
    ledger.does_not_apply(f"it needs neurons with output weights, and a layer of this model has {n_neurons}")
prompts = load_prompts(analysis_file("data/abstraction.csv"), columns=["form", "kind"])
form, kind = (np.array(prompts.column(name)) for name in ("form", "kind"))
beginnings = [text.removesuffix(ENDINGS[end]) for text, end in zip(prompts.prompts, form, strict=True)]
if not fits(bridge, [*beginnings, *ENDINGS.values()], more=4).all():
    reads = f"the {bridge.cfg.n_ctx} tokens that this model reads"
    ledger.does_not_apply(f"its prompts do not fit into {reads}")

# %% [markdown]
# ## Do prompts that say the same share neurons?

# %%
K = min(50, n_neurons // 4)
stems = tokenise(bridge, beginnings)
endings = dict(zip(ENDINGS, answer_tokens(bridge, list(ENDINGS.values())), strict=True))
rows = [(*ids, *endings[end]) for ids, end in zip(stems.ids, form, strict=True)]
read = TokenisedTexts(tuple(prompts.prompts), tuple(rows), stems.n_special)
activations = last_token_neurons(bridge, read)
overlap = shared_neurons(activations, K)
overlap_mean = overlap.mean(0)
codes = pd.factorize(form)[0]
cell = pd.factorize(pd.Series(form) + " " + pd.Series(kind))[0]
is_capital = kind == "capital"
# Capital prompts are one group; every other prompt is a group of its own.
group = np.where(is_capital, 0, 1 + np.arange(len(prompts)))
cells = {key: np.flatnonzero((form == key[0]) & (kind == key[1])) for key in zip(form, kind, strict=True)}
BY_FORM = "capital prompts shuffled within forms, one-sided"


def shared_t(forms: tuple[str, ...], name: str, similarity: np.ndarray = overlap_mean) -> Estimates:
    """T of the capital prompts among those of some forms, with its interval and its test."""
    of = np.isin(form, forms)
    among = (similarity[..., of, :][..., :, of], group[of])
    test = partial(separation_test, *among, within=codes[of], between=codes[of])
    interval = partial(separation_interval, *among, between=codes[of], strata=cell[of])
    return draws.scan(name, test, interval, by=BY_FORM, n=int(of.sum()))


def mean_overlap(some: np.ndarray, others: np.ndarray) -> float:
    """Mean overlap of two groups of prompts, a prompt with itself left out."""
    block = overlap_mean[np.ix_(some, others)]
    return float(block[some[:, None] != others[None, :]].mean())


SAME = tuple((name, name) for name in FORMS)
ledger.statistic("n_layers", n_layers, "Layers")
ledger.statistic("k", K, "Most active neurons compared in each layer")
ledger.statistic("n_prompts", len(prompts), "Prompts")
by_chance, label = K / (2 * n_neurons - K), "Overlap of two random sets of neurons"
ledger.statistic("overlap_chance", by_chance, label, format=".3f", tolerance=FLOAT32)
for name, kinds, pairs, what in (
    ("same_form", ("capital", "capital"), SAME, "capital prompts of the same form"),
    ("capitals", ("capital", "capital"), ACROSS, "capital prompts of different forms"),
    ("unrelated", ("unrelated", "unrelated"), ACROSS, "unrelated prompts of different forms"),
    ("same_ending", ("capital", "unrelated"), SAME, "a capital prompt and an unrelated one of the same form"),
):
    means = [mean_overlap(cells[first, kinds[0]], cells[second, kinds[1]]) for first, second in pairs]
    ledger.statistic(f"overlap_{name}", np.mean(means), f"Overlap of {what}, mean")
together = shared_t(FORMS, "capitals")[0]
ledger.statistic("capital", together, "T of capital prompts over three forms", format="+.3f")

# %%
company = np.array([prompt.split()[0] for prompt in prompts.prompts])
headquarters, others, moved = (cells["to", what] for what in ("headquarters", "unrelated", "person moved"))
assert (company[headquarters] == company[others]).all(), "the same companies in the same order"
english = np.flatnonzero(is_capital & np.isin(form, ["is", "of"]))
towards = overlap[:, :, english].mean(2).T  # (prompt, layer)
differences = (towards[headquarters] - towards[others]).mean(1)
flips = sign_flip_test(differences, alternative="greater")
paired = draws.weights("headquarters", len(differences))
resampled = paired @ differences[:, None] / len(differences)
of_headquarters = Estimate.of_draws(differences.mean(), resampled[:, 0], n=len(differences))

pairs = [shared_t(forms, f"{NAMES[forms[0]]} {NAMES[forms[1]]}") for forms in ACROSS]
adjusted = holm([*(scan.test.p[0] for scan in pairs), flips.p])
HOLM = "Holm over the hypotheses about prompts"
TOWARDS = "Overlap with English capital prompts:"
for forms, scan, p in zip(ACROSS, pairs, adjusted[:-1], strict=True):
    one, other = (NAMES[name] for name in forms)
    estimate = scan[0].tested(p, f"{BY_FORM}; {HOLM}")
    label = f"T of capital prompts, forms “{one}” and “{other}”"
    ledger.statistic(f"capital_{one}_{other}", estimate, label, format="+.3f")
estimate = of_headquarters.tested(adjusted[-1], f"sign flips over companies, one-sided; {HOLM}")
label = f"{TOWARDS} headquarters that moved minus the same companies otherwise"
ledger.statistic("headquarters", estimate, label, format="+.3f")
ledger.claim(
    "capital_both_ways",
    "Capital sentences share neurons whichever of place and capital is asked for.",
    criterion="capital_is_of > 0 and capital_is_of.p < 0.05",
)
ledger.claim(
    "capital_across_languages",
    "Chinese and English capital sentences share neurons.",
    criterion="capital_is_zh > 0 and capital_is_zh.p < 0.05 and capital_of_zh > 0 and capital_of_zh.p < 0.05",
)
ledger.claim(
    "headquarters_share",
    "Headquarters that moved share more neurons with capitals than the same companies do otherwise.",
    criterion="headquarters > 0 and headquarters.p < 0.05",
)

# %% [markdown]
# A person who moved goes to a place too, without any headquarters: is it the place that is shared? These
# prompts are not paired with the companies, so whole groups are compared.


# %%
def contrast(name: str, upper: np.ndarray, lower: np.ndarray) -> Estimate:
    """Mean overlap with English capital prompts of one group minus another's."""
    groups = np.repeat([1, 0], [len(upper), len(lower)])
    values = towards[[*upper, *lower]].mean(1, keepdims=True)
    test = partial(mean_difference_test, values, groups)
    interval = partial(mean_difference_interval, values, groups, strata=groups)
    by = "permutation of the two groups, two-sided"
    return draws.scan(name, test, interval, by=by, n=len(groups))[0]


for name, upper, lower, what in (
    ("moved", moved, others, "a person moved minus companies otherwise"),
    ("headquarters_vs_moved", headquarters, moved, "headquarters that moved minus a person who moved"),
):
    ledger.statistic(name, contrast(name, upper, lower), f"{TOWARDS} {what}", format="+.3f")
ledger.claim(
    "headquarters_beat_person",
    "Headquarters that moved share more neurons with capitals than a person who moved does.",
    criterion="headquarters_vs_moved > 0 and headquarters_vs_moved.p < 0.05",
    exploratory="it was claimed when the difference had been seen",
)

# %%
items, groups = np.concatenate([headquarters, others]), np.repeat([1, 0], len(headquarters))
pair = np.tile(np.arange(len(headquarters)), 2)
test = partial(mean_difference_test, towards[items], groups, within=pair, alternative="greater")
by_company = test(resamples=resamples, rng=draws.rng("hq layers"))
ends = percentile_interval(paired @ (towards[headquarters] - towards[others]) / len(headquarters))
scans = {
    "capitals, English": shared_t(("is", "of"), "capital_layers_english", overlap),
    "capitals, English and Chinese": shared_t(("is", "为"), "capital_layers_languages", overlap),
    "headquarters moved": Estimates(by_company.observed, ends, by_company),
}
OF_CAPITALS = "Layers in which capital prompts share neurons (maximum statistic)"
OF_MOVED = "Layers in which headquarters that moved share neurons with capitals (maximum statistic)"
for name, peak, scan, label, largest in zip(
    ("capital_layers_english", "capital_layers_languages", "headquarters_layers"),
    ("capital_layers_english_peak", "capital_layers_languages_peak", "headquarters_peak"),
    scans.values(),
    (f"{OF_CAPITALS}, capitals, English", f"{OF_CAPITALS}, capitals, English and Chinese", OF_MOVED),
    ("T", "T", "such difference"),
    strict=True,
):
    ledger.statistic(name, scan.beyond_chance, label, n=n_layers, tolerance=AT_THRESHOLD)
    ledger.statistic(peak, scan.largest, f"Layer with the largest {largest}", tolerance=BORDERLINE)
curves = stacked(scans, layer=range(n_layers))
ledger.figure(
    "abstraction_by_layer",
    charts.scan_by_layer(curves, y_title="extra overlap (Jaccard)", chance=0.0),
    caption="How much more the most active neurons of related prompts overlap than those of unrelated ones, "
    "by layer, with 95% intervals. Dashed: what a layer must exceed for p < 0.05 over all layers; filled "
    "dots do.",
    alt="Three curves over the layers with bands: extra overlap of capital prompts in English, across "
    "languages, and of headquarters that moved.",
)
names = [f"{NAMES[ending]}: {what}" for ending, what in cells]
between = np.array([[mean_overlap(one, other) for other in cells.values()] for one in cells.values()])
ledger.figure(
    "overlap_grid",
    charts.overlap_grid(between, names, value_title="overlap"),
    caption="Mean overlap of the most active neurons between groups of prompts, over all layers. Groups are "
    "named by the word that their prompts end in (zh: the Chinese ones) and what they are about.",
    alt="A triangle of cells, one for every two groups of prompts, darker where they share more neurons.",
)

# %% [markdown]
# ### Does the number of neurons compared matter?

# %%
rows = []
for k in sorted({K, *(k for k in (20, 50, 100, 200) if k < n_neurons)}):
    similarity = shared_neurons(activations, k).mean(0)
    near = similarity[:, english].mean(1)
    row = {"k": k}
    for forms in ACROSS:
        of = np.isin(form, forms)
        value = separation(similarity[np.ix_(of, of)], group[of], between=codes[of])[0]
        row["_".join(NAMES[name] for name in forms)] = float(value)
    row["headquarters"] = float((near[headquarters] - near[others]).mean())
    row["moved"] = float(near[moved].mean() - near[others].mean())
    rows.append(row)
ledger.table(
    "by_k",
    pd.DataFrame(rows),
    key="k",
    caption="T of capital prompts for every two forms, and extra overlap of the two kinds of prompts about "
    "moving, by the number of most active neurons that are compared.",
    labels={"is_of": "is, of", "is_zh": "is, zh", "of_zh": "of, zh"},
    formats={name: "+.3f" for name in ("is_of", "is_zh", "of_zh", "headquarters", "moved")},
)

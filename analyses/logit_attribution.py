# ---
# title: Logit attribution
# description: One prompt from input to answer.
# mechscope:
#   data: []
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
# "The capital of Texas is" → " Austin", followed from the embedding to the logit. Field notes that this
# retells looked at one prompt and gave illustrative numbers; `capitals` makes the measurements over many.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"

# %% [markdown]
# ## Definitions
#
# **Logit.** Minus the mean logit over the vocabulary, on which no probability depends. Where a model caps its
# logits (tanh), the logit before the cap.
#
# **Attribution.** The parts that heads, MLPs, embedding and biases add to that logit, the scales of all norms
# frozen as they were in the pass. They sum to the logit, which every call checks. They are *direct* parts: a
# head that only feeds an MLP has none.
#
# **Convergence layer.** The first layer after which the lens' most probable token is the model's own and
# stays so. **Peak.** The first layer after which the answer has its best rank. Depth counts from the first
# block to the last, as a share of the layers.
#
# **One prompt.** These numbers and claims are about that prompt alone and illustrate.

# %%
import numpy as np
import pandas as pd

from mechscope import charts
from mechscope.characters import shown_token
from mechscope.errors import InvalidInput
from mechscope.ledger import Close, Ledger
from mechscope.lens.answers import score_answers
from mechscope.lens.attribution import attribute, attribute_neurons, largest_parts
from mechscope.lens.core.components import all_heads
from mechscope.lens.core.tokens import tokenise, unreadable
from mechscope.lens.logit_lens import logit_by_layer, logit_lens
from mechscope.models import load_model

PROMPT, ANSWER = "The capital of Texas is", " Austin"
ACTIVATION = Close(rtol=2e-3, atol=1e-3, because="float32 activations, summed over many parts")
PROBABILITY = Close(rtol=2e-3, atol=1e-5, because="float32 reductions, then exponentiated")
BORDERLINE = Close(atol=1, because="two tokens that differ by float32 noise may change places")
RANK = Close(rtol=0.02, atol=1, because="tokens of almost the same logit may change places")
NATS = Close(rtol=5e-3, atol=1e-3, because="float32 activations, exponentiated")
ROUNDING = Close(atol=1e-3, because="it is rounding")

ledger = Ledger("logit_attribution", tolerance=ACTIVATION)
bridge = load_model(model, dtype=dtype)
n_layers, heads = bridge.cfg.n_layers, [str(head) for head in all_heads(bridge)]
ledger.statistic("n_layers", n_layers, "Layers")
ledger.statistic("n_heads", len(heads), "Attention heads")
if reason := unreadable(bridge, [PROMPT], [ANSWER]):
    ledger.does_not_apply(reason)
halves = n_layers > 1
if not halves:
    ledger.does_not_apply(
        f"a second half of the layers needs at least two, and this model has {n_layers}", "texas_best_layer"
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
if not no_neurons and n_neurons <= 10:
    no_neurons = f"more than 10 neurons are needed, and this model has {n_neurons}"
if no_neurons:
    ledger.does_not_apply(no_neurons, "neurons_shared", "neurons")
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

# ---
# title: Attention heads
# description: What a model's attention heads do, and what becomes of in-context copying without some of them.
# mechscope:
#   data: [data/induction_sentences.csv, data/topics_texts.csv]
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
# # Attention heads
#
# <!-- lint: allow numeral because it is what the story is called -->
# On random tokens that come twice, nothing but the first copy predicts the second. Heads are scored by where
# they attend there, sorted by what they do, and taken out: does the model still copy? At last the story of
# two heads is put to the test: that what a previous-token head writes reaches the induction head's keys. And
# all of it is looked at again where something is said twice in ordinary text.

# %% tags=["parameters"]
model = "smollm2-135m"
dtype = "float32"
seed = 0
resamples = 10_000
sentence = "When Mary met Tom, Tom gave Mary a book, and Mary thanked Tom."

# %% [markdown]
# ## What was fixed beforehand
#
# <!-- lint: allow numeral because these are definitions -->
# **Scores** are mean attention weights on rows of 24 random tokens that come twice: *induction*, from a token
# of the second copy to the one that followed it in the first; *duplicate token*, to the token itself in the
# first copy; *previous token*; *first token*, the sink. Attending to all positions alike gives the chance
# level of each. BOS follows the model's own convention, and counts neither as a token nor as a previous one.
#
# <!-- lint: allow numeral because thresholds were fixed beforehand -->
# **Categories.** The first that fits: induction, duplicate token, previous token (scores above 0.4), first
# token (above 0.5), uniform and sparse (entropy of a row, in nats, over the logarithm of its length: above
# 0.9, below 0.25), positional (more than 0.9 of a pattern's variance does not depend on the tokens); all
# others are mixed.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Ablation.** Heads are chosen on some rows and ablated on 16 others. They are made to write their mean over
# 16 further rows at each position; zero and resample ablation stand beside it. The claims are about the 4
# heads with the highest induction score, against 3 sets of as many heads of the same layers (of the nearest,
# where a layer has none left) that are neither induction heads nor among the 16 with the highest score.
# *Removed* is the rise of the loss in the second copy over what the first copy is worth without ablation; a
# model to which that is worth nothing has no such share. A model with fewer than twice as many heads has the
# largest of 8, 4, 2 and 1 that are no more than half of them in the place of 16, and of 4.
#
# **The first position.** Without a BOS it is an attention sink, and nothing is scored there: the second token
# of a copy, which it would predict in the first one, counts in neither. This rule came after the first
# results.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Paths.** The receiver is the head with the highest induction score. Each head in an earlier layer is made
# to write what it wrote on other random tokens, on the direct path into the receiver's keys only; measured is
# the fall of the receiver's induction score. The sender that matters most is found on 8 rows and measured on
# 16 others.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Those that feed them.** The sender (below), and the 4 heads with the highest previous-token score, are
# ablated like the top induction heads, on the same rows, against 3 draws of as many heads of the same or the
# nearest layers. These are neither induction nor previous-token heads, nor among the 16 highest in either
# score.
#
# <!-- lint: allow numeral because the design was fixed beforehand -->
# **Text.** Each of the 24 sentences in `induction_sentences.csv`, our own, says a span of several tokens
# twice: a made-up name, or an unlikely phrase. A head's *score on text* is its attention from a token of the
# second occurrence to the one that followed it in the first, mean over the span's tokens but the last. What
# the first occurrence is worth, and what of that is *removed* by ablation, are as above, of the span's tokens
# but the first. Heads are those chosen on random tokens, and so are the others that they are compared with;
# in text they are made to write their mean over rows of other prose (the formal and conversational texts of
# `topics_texts.csv`, joined). Sentences that are longer than the model's context, or whose span is not the
# same several tokens both times, are left out. Intervals are over sentences.
#
# **Tests.** All p-values that a claim rests on are corrected together (Holm), and recorded so.
#
# **After the first results** on random tokens were added: the ablation of those that feed them, everything
# about text, and Holm's correction. Their criteria were written before any of that had been measured.
#
# Before those first results, trials had shown the categories of one model's heads and the layers of both
# models' top induction heads, and nothing of ablation or paths, when the number of rows was settled; claims
# and thresholds stand as they were written before that.

# %%
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from mechscope import charts
from mechscope.characters import shown_token
from mechscope.data.prompts import analysis_file, load_prompts
from mechscope.errors import refusal
from mechscope.ledger import Close, Ledger
from mechscope.lens.ablation import Ablation, CopyingLoss, ablation, copying_loss
from mechscope.lens.attention import attention_patterns, categories, head_scores
from mechscope.lens.core.components import Head, all_heads, layers_without_window
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.path_patching import composition
from mechscope.lens.repeats import RepeatedTokens, repeated_tokens
from mechscope.lens.spans import (
    joined_rows,
    repeated_spans,
    second_loss,
    span_chance,
    span_loss,
    span_scores,
    spans_of_copies,
)
from mechscope.models import load_model
from mechscope.stats.multiple import holm
from mechscope.stats.resampling import (
    bootstrap_weights,
    compare_with_null,
    percentile_interval,
    permuted_within,
)
from mechscope.stats.samples import sign_flip_test

FLOAT = Close(rtol=2e-3, atol=1e-3, because="float32 reductions in another order")
BORDERLINE = Close(atol=1, because="a head at the border of a threshold may change sides")
RANKS = Close(atol=0.02, because="ranks of falls near 0 change with float32 noise")
LENGTH = 24
DOSES = (1, 2, 4, 8, 16)
FEWEST_SENTENCES = 6  # with fewer, no flips of signs give p < 0.05
KINDS = {
    "induction": "induction",
    "duplicate": "duplicate token",
    "previous": "previous token",
    "first": "first token",
}
CATEGORIES = (*KINDS.values(), "uniform", "sparse", "positional", "mixed")


def draws(name: str) -> np.random.Generator:
    """A generator for one purpose, so that adding one moves no other's draws."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def rows(n: int, name: str) -> RepeatedTokens:
    """Random tokens, twice over."""
    return repeated_tokens(bridge, n, LENGTH, rng=draws(name))


def mean(values: np.ndarray, over: np.ndarray | None = None) -> tuple[float, tuple[float, float]]:
    """Mean over rows (or one mean over another) and its interval, rows resampled.

    NaN where values are missing, and where the interval of what they are a share of isn't above nought.
    """
    below = np.ones(len(values)) if over is None else over
    weights = bootstrap_weights(np.zeros(len(values), dtype=np.int64), resamples, draws("intervals"))
    if np.isnan(values).any() or percentile_interval((weights @ below)[:, None]).low[0] <= 0:
        return np.nan, (np.nan, np.nan)
    ends = percentile_interval((weights @ values / (weights @ below))[:, None])
    return float(values.mean() / below.mean()), (float(ends.low[0]), float(ends.high[0]))


def lacking(name: str) -> str:
    """Why there are no heads for a record."""
    if "sender" in name and not sender:
        return f"a head is fed by those of earlier layers, and this model has {n_layers} layer"
    return f"it needs other heads than those with high scores, and there are {n_layers * n_heads} in all"


def no_share(over: np.ndarray, what: str) -> str:
    """Why there are no shares of `what`."""
    return f"shares of {what} need {what} clearly above 0, and in this model it is {over.mean():.2f}"


def record(
    name: str,
    values: np.ndarray,
    label: str,
    *,
    over: np.ndarray | None = None,
    what: str = "copying",
    unit: str = "",
) -> None:
    """Record a mean over rows (or one mean as a share of another) with its interval, or why there is none."""
    value, ci = mean(values, over)
    if np.isnan(value):
        missing = over is None or np.isnan(values).any()
        return ledger.does_not_apply(lacking(name) if missing else no_share(over, what), name)
    ledger.statistic(
        name,
        value,
        label=label,
        format=".2f" if over is None else ".0%",
        ci=ci,
        n=len(values),
        resamples=resamples,
        unit=unit,
        tolerance=FLOAT,
    )


tested: dict[str, dict[str, Any]] = {}  # recorded at the end


def held(name: str, values: np.ndarray, label: str, *, unit: str = "nats", over: str = "rows") -> None:
    """Hold back a mean over rows (or sentences) that a claim rests on, until all p-values are known."""
    value, ci = mean(values)
    if np.isnan(value):
        return ledger.does_not_apply(lacking(name), name)
    tested[name] = {
        "value": value,
        "label": label,
        "ci": ci,
        "n": len(values),
        "p": sign_flip_test(values, resamples=resamples, rng=draws(f"signs of {name}")).p,
        "test": f"sign flips over {over}, two-sided",
        "unit": unit,
        "tolerance": FLOAT,
    }


def name_heads(name: str, sets: list[tuple[Head, ...]], label: str) -> None:
    """Record which heads these are, set by set; where there are none, why."""
    if not all(sets):
        return ledger.does_not_apply(lacking(name), name)
    ledger.statistic(name, "; ".join(", ".join(map(str, heads)) for heads in sets), label=label)


ledger = Ledger("attention_heads")
bridge = load_model(model, dtype=dtype)
n_layers, n_heads = bridge.cfg.n_layers, bridge.cfg.n_heads
if problem := refusal(rows, 1, "choice"):
    ledger.does_not_apply(f"heads are scored on {LENGTH} random tokens that come twice: {problem}")
doses = [dose for dose in DOSES if dose <= max(1, n_layers * n_heads // 2)]
TOP = min(4, doses[-1])

# %% [markdown]
# ## What heads do

# %%
scores = head_scores(bridge, rows(16, "choice"))
fresh = head_scores(bridge, rows(16, "fresh"))
found = categories(scores)
category = {head: found[head.layer][head.head] for head in all_heads(bridge)}
heads = pd.DataFrame(
    {
        "layer": [head.layer for head in category],
        "head": [head.head for head in category],
        "category": list(category.values()),
        **{name: scores.mean(name).ravel() for name in (*KINDS, "entropy")},
        "positional": scores.positional.ravel(),
    }
)
ledger.table(
    "heads",
    heads.sort_values("induction", ascending=False, kind="stable"),
    key=["layer", "head"],
    caption="Scores, entropy and category of each head, highest induction score first.",
    formats={name: ".2f" for name in (*KINDS, "entropy", "positional")},
    tolerance={"*": FLOAT},
    shown=12,
)
ledger.statistic("n_heads", len(heads), label="Attention heads")
for kind in CATEGORIES:
    ledger.statistic(
        f"heads_{kind.replace(' ', '_')}",
        int((heads["category"] == kind).sum()),
        label=f"Heads of the category '{kind}'",
        n=len(heads),
        tolerance=BORDERLINE,
    )
sees_all = layers_without_window(bridge)  # some models let most layers see only a window
ledger.statistic("layers_full", len(sees_all), label="Layers that may attend to the whole text", n=n_layers)
ledger.statistic(
    "heads_induction_full",
    int((heads["category"].eq("induction") & heads["layer"].isin(sees_all)).sum()),
    label="Induction heads in those layers",
    n=int(heads["category"].eq("induction").sum()) or None,
    tolerance=BORDERLINE,
)
for name, kind in KINDS.items():
    best = scores.top(name, 1)[0]
    ledger.statistic(f"best_{name}", str(best), label=f"Head with the highest {kind} score")
    record(
        f"best_{name}_score",
        getattr(fresh, name)[:, best.layer, best.head],
        f"Its {kind} score, on rows it was not chosen on",
    )
    ledger.statistic(
        f"chance_{name}", scores.chance[name], label=f"Chance level of the {kind} score", format=".3f"
    )
ledger.figure(
    "scores",
    charts.score_map(
        pd.concat(
            [
                heads[["layer", "head"]].assign(
                    label=kind, value=heads[name], marked=(heads["category"] == kind).astype(int)
                )
                for name, kind in KINDS.items()
            ],
            ignore_index=True,
        ),
        value_title="attention",
    ),
    caption="Scores of all heads on random tokens that come twice. Dots mark heads assigned to this "
    "category.",
    alt="Four grids of layers by heads, coloured by induction, duplicate-token, previous-token and "
    "first-token score, with dots on the heads of that category.",
    tolerance={"*": FLOAT, "marked": BORDERLINE},
)
ledger.claim(
    "has_induction_heads",
    "The model has induction heads: some head, chosen on other rows, attends mostly to what followed a "
    "token's earlier occurrence.",
    criterion="heads_induction > 0 and best_induction_score.low > 0.4",
)
ledger.claim(
    "has_previous_token_heads",
    "The model has previous-token heads.",
    criterion="heads_previous_token > 0 and best_previous_score.low > 0.4",
)
ledger.claim(
    "sinks_are_commonest",
    "More heads rest on the first token than do anything else that has a name here.",
    criterion="heads_first_token > heads_induction + heads_duplicate_token + heads_previous_token + "
    "heads_uniform + heads_sparse + heads_positional",
)

# %% [markdown]
# ## Without induction heads

# %%
read, reference = rows(16, "read"), rows(16, "reference").ids
strongest = scores.top("induction", doses[-1])
prepared: dict[str, Ablation] = {  # of all heads at once, so that the reference is read once a method
    "mean": ablation(bridge, all_heads(bridge), "mean", reference=reference),
    "zero": ablation(bridge, all_heads(bridge), "zero"),
    "resample": ablation(
        bridge, all_heads(bridge), "resample", reference=reference, n_rows=len(read), rng=draws("donors")
    ),
}


def controls(name: str, like: tuple[Head, ...], spared: set[Head]) -> tuple[Head, ...]:
    """For each of some heads another, not spared, of its layer, or of the nearest layer with one left.

    Fewer where no more are left.
    """
    left = [head for head in category if head not in spared]
    taken: list[Head] = []
    generator = draws(f"controls {name}")
    for head in like[: len(left)]:
        distance = min(abs(other.layer - head.layer) for other in left)
        pool = [other for other in left if abs(other.layer - head.layer) == distance]
        taken.append(pool[generator.integers(len(pool))])
        left.remove(taken[-1])
    return tuple(taken)


def enough(heads: tuple[Head, ...], k: int) -> tuple[Head, ...]:
    """The first k of these heads; none where they are fewer."""
    return heads[:k] if len(heads) >= k else ()


clean = copying_loss(bridge, read)
nothing = np.full(len(read), np.nan)  # what is measured of no heads


def rise(without: tuple[Head, ...]) -> CopyingLoss:
    """By how much the loss in either copy rises without these heads, row by row."""
    if not without:
        return CopyingLoss(nothing, nothing)
    loss = copying_loss(bridge, read, ablated=replace(prepared["mean"], parts=without))
    return CopyingLoss(loss.first - clean.first, loss.second - clean.second)


induction_heads = {head for head in category if category[head] == "induction"} | set(strongest)
copies = spans_of_copies(read)


def second_rise(without: tuple[Head, ...], method: str = "mean") -> np.ndarray:
    """`rise(…).second`, for half of its work, where the first copy isn't looked at."""
    if not without:
        return nothing
    return second_loss(bridge, copies, ablated=replace(prepared[method], parts=without)) - clean.second


others = [controls(name, strongest, induction_heads) for name in "abc"]
top_rise = rise(strongest[:TOP])
alone = {head: rise((head,)) for head in strongest[:TOP]}
rises = {("top", "mean", TOP): top_rise.second}  # of the second copy, by heads, method and their number
rises["other", "mean", TOP] = np.mean([second_rise(enough(drawn, TOP)) for drawn in others], axis=0)
for method in ("zero", "resample"):
    rises["top", method, TOP] = second_rise(strongest[:TOP], method)
    rises["other", method, TOP] = second_rise(enough(others[0], TOP), method)
for k in sorted({*doses} - {TOP}):
    rises["top", "mean", k] = alone[strongest[0]].second if k == 1 else second_rise(strongest[:k])
    rises["other", "mean", k] = second_rise(enough(others[0], k))

record("loss_first", clean.first, "Loss in the first copy", unit="nats")
record("loss_second", clean.second, "Loss in the second copy", unit="nats")
held("gain", clean.gain, "What the first copy is worth to the second")
held(
    "extra_loss",
    rises["top", "mean", TOP] - rises["other", "mean", TOP],
    f"Loss by ablating the {TOP} top induction heads over that by ablating other heads",
)
name_heads("top_heads", [strongest[:TOP]], "Heads with the highest induction score")
name_heads("control_heads", [enough(drawn, TOP) for drawn in others], "Other heads, draw by draw")
for method in prepared:
    record(
        f"removed_{method}",
        rises["top", method, TOP],
        f"Share of copying that is removed without the {TOP} top induction heads, {method} ablation",
        over=clean.gain,
    )
record(
    "removed_control",
    rises["other", "mean", TOP],
    f"Share of copying removed without {TOP} other heads, same or nearest layers, mean ablation",
    over=clean.gain,
)
for k in sorted({*DOSES} - {4}):  # what those that claims are about remove is recorded above
    for which, name, title in (("top", "mean", "top induction"), ("other", "control", "other")):
        record(
            f"removed_{name}_{k}",
            rises.get((which, "mean", k), nothing),
            f"Share of copying that is removed by mean ablation, {title} heads: {k}",
            over=clean.gain,
        )
WHICH = {"top": "top induction heads", "other": "other heads, same or nearest layers"}
removed = pd.DataFrame(
    [
        {"heads": k, "method": method, "label": WHICH[which], "removed": value, "low": low, "high": high}
        for (which, method, k), values in sorted(rises.items(), key=lambda item: item[0][::-1])
        for value, (low, high) in [mean(values, clean.gain)]
        if not np.isnan(value)
    ]
)
by_itself = pd.DataFrame(
    [
        {
            "head": str(head),
            "induction": scores.mean("induction")[head.layer, head.head],
            "removed": value,
            "low": low,
            "high": high,
            "first": values.first.mean(),
        }
        for head, values in alone.items()
        for value, (low, high) in [mean(values.second, clean.gain)]
    ]
)
if removed.empty:
    ledger.does_not_apply(no_share(clean.gain, "copying"), "removed", "removed_by_dose", "alone")
else:
    ledger.table(
        "removed",
        removed,
        key=["heads", "method", "label"],
        caption="Share of copying removed, by the number of heads, the kind of ablation, and which heads; "
        f"intervals over rows. {TOP} other heads, mean ablation: the mean over {len(others)} draws of them.",
        labels={"heads": "heads ablated", "label": "which", "low": "from", "high": "to"},
        formats={"removed": ".2f", "low": ".2f", "high": ".2f"},
        tolerance={"*": FLOAT},
    )
    ledger.figure(
        "removed_by_dose",
        charts.removal_curves(
            removed[removed["method"] == "mean"].sort_values(["label", "heads"], ascending=[False, True]),
            x_title="heads ablated",
            y_title="share of copying removed",
        ),
        caption="Share of in-context copying that is removed by mean ablation of the heads with the highest "
        "induction score, and of other heads of the same or the nearest layers; whiskers are intervals over "
        "rows.",
        alt="Two lines over the number of heads ablated: top induction heads, and other heads.",
        tolerance={"*": FLOAT},
    )
    ledger.table(
        "alone",
        by_itself,
        key="head",
        caption="Share of copying removed by mean ablation of one top induction head alone, with intervals "
        "over rows, and what that does to the first copy, where there is nothing to copy.",
        labels={
            "induction": "induction score",
            "low": "from",
            "high": "to",
            "first": "rise of the loss in the first copy (nats)",
        },
        formats={name: ".2f" for name in ("induction", "removed", "low", "high", "first")},
        tolerance={"*": FLOAT},
    )
needed = max(alone, key=lambda head: alone[head].second.mean())
ledger.statistic("needed", str(needed), label="Top induction head whose ablation alone removes most copying")
ledger.statistic(
    "needed_score",
    scores.mean("induction")[needed.layer, needed.head],
    label="Induction score of that head",
    tolerance=FLOAT,
)
record("removed_needed", alone[needed].second, "Share of copying removed without that head", over=clean.gain)
record("first_needed", alone[needed].first, "Rise of the loss in the first copy without it", unit="nats")
record(
    "first_top",
    top_rise.first,
    f"Rise of the loss in the first copy without the {TOP} top induction heads, mean ablation",
    unit="nats",
)
ledger.claim(
    "removes_half",
    # lint: allow numeral because it is in the criterion
    "Without its top induction heads the model loses more than half of its copying.",
    criterion="removed_mean.low > 0.5",
)

# %% [markdown]
# <!-- lint: allow numeral because it is what the story is called -->
# ## The story of two heads

# %%
receiver = next((head for head in scores.top("induction", len(category)) if head.layer), None)
sender: tuple[Head, ...] = ()
if receiver is None:
    names = """receiver n_senders sender sender_category receiver_score sender_drop sender_share all_drop
    sender_drop_query sender_previous second_sender second_sender_drop path_correlation paths paths_by_kind
    receivers receivers_keys receivers_fed"""
    ledger.does_not_apply(lacking("sender"), *names.split())
else:
    senders = all_heads(bridge, range(receiver.layer))
    path = composition(bridge, rows(8, "paths"), rows(8, "path donors"), receiver, senders)
    drop = path.drop.mean(1).round(5)  # below that it is float32 noise, and ties are ties
    most, *less = np.argsort(-drop)
    sender = (senders[most],)
    again = [rows(16, "path"), rows(16, "path donors again"), receiver, sender]
    by_key = composition(bridge, *again)
    by_query = composition(bridge, *again, into="query")
    previous = np.array([scores.mean("previous")[head.layer, head.head] for head in senders])

    centred = rankdata(drop) - (len(senders) + 1) / 2
    kinds = rankdata(previous) - (len(senders) + 1) / 2
    within = np.array([head.layer for head in senders])
    scale = np.sqrt((centred**2).sum() * (kinds**2).sum())
    highest = "the head" if receiver == strongest[0] else "of the heads with others before them, that"
    ledger.statistic("receiver", str(receiver), label=f"Receiver: {highest} with the highest induction score")
    ledger.statistic("n_senders", len(senders), label="Heads before it")
    name_heads("sender", [sender], "Sender that its keys need most")
    ledger.statistic("sender_category", category[sender[0]], label="Category of that sender")
    record("receiver_score", by_key.clean, "Induction score of the receiver")
    record("sender_drop", by_key.drop[0], "Fall of that score with that sender's path into its keys patched")
    # lint: allow loose-tolerance because the interval is narrow where hardly anything is left to vary
    record(
        "sender_share",
        by_key.drop[0],
        "That fall as a share of the score",
        over=by_key.clean,
        what="the score",
    )
    record("sender_drop_query", by_query.drop[0], "Fall with that sender's path into its queries patched")
    record("all_drop", path.drop_all, "Fall with the paths of all senders into its keys patched together")
    ledger.statistic(
        "sender_previous",
        previous[most],
        label="Previous-token score of that sender",
        tolerance=FLOAT,
    )
    if less:
        name_heads("second_sender", [(senders[less[0]],)], "Sender that its keys need most but one")
        record("second_sender_drop", path.drop[less[0]], "Fall with that sender's path into its keys patched")
    else:
        ledger.does_not_apply(
            f"there is only one head before {receiver}", "second_sender", "second_sender_drop"
        )
    if n_heads > 1 and scale > 0:
        order = permuted_within(np.arange(len(senders)), within, resamples, draws("path test"))
        association = compare_with_null(
            np.array([centred @ kinds / scale]),
            (centred[order] @ kinds / scale)[:, None],
            alternative="greater",
        )
        tested["path_correlation"] = {
            "value": float(association.observed[0]),
            "label": "Rank correlation, over senders, of the fall and the previous-token score",
            "p": float(association.p[0]),
            "n": len(senders),
            "test": "permutation of senders within their layer, one-sided",
            "tolerance": RANKS,
        }
    else:
        ledger.does_not_apply(
            "it needs senders of one layer to differ, and in this model they don't", "path_correlation"
        )
    paths = pd.DataFrame(
        {
            "sender": [str(head) for head in senders],
            "drop": drop,
            "previous": previous,
            "category": [category[head] for head in senders],
        }
    ).sort_values("drop", ascending=False, kind="stable")
    ledger.table(
        "paths",
        paths,
        key="sender",
        caption=f"Fall of the induction score of {receiver} with one sender's path into its keys patched, "
        "largest first, and what kind of head the sender is.",
        labels={"drop": "fall", "previous": "previous-token score"},
        formats={"drop": ".3f", "previous": ".2f"},
        tolerance={"*": FLOAT},
        shown=8,
    )
    ledger.figure(
        "paths_by_kind",
        charts.sender_scatter(
            paths.sort_values("sender"),
            x_title="previous-token score of the sender",
            y_title=f"fall of {receiver}'s induction score",
            kinds=CATEGORIES,
            named=paths.loc[paths["drop"] > 0.05, "sender"].tolist(),
        ),
        caption=f"What the keys of {receiver} need: each dot is a head before it. Vertical: how far its "
        "induction score falls with the direct path from that head into its keys patched. "
        "Horizontal: how much that head attends to the previous token.",
        alt="Scatter plot of heads: previous-token score against the fall of the receiver's induction score.",
        tolerance={"*": FLOAT},
    )
ledger.claim(
    "two_heads",
    "The sender that the induction head's keys need most is a previous-token head.",
    criterion="sender_previous > 0.4 and sender_drop.low > 0",
)
ledger.claim(
    "by_the_keys",
    "That sender works by the keys rather than the queries.",
    criterion="sender_drop.low > sender_drop_query.high",
)

# %% [markdown]
# Is that receiver like the others? The same search for the other top induction heads (no claim was made).

# %%
searched = {receiver: path} if receiver else {}
for head in strongest[:TOP]:
    if head.layer and head not in searched:
        before = all_heads(bridge, range(head.layer))
        searched[head] = composition(bridge, rows(8, "paths"), rows(8, "path donors"), head, before)
queries_to_a_key = n_heads // (bridge.cfg.n_key_value_heads or n_heads)
fed = []
for head, one in searched.items():
    falls = one.drop.mean(1)
    first, *next_ones = np.argsort(-falls)
    most = one.senders[first]
    fed.append(
        {
            "receiver": str(head),
            "keys": f"L{head.layer}K{head.head // queries_to_a_key}",
            "score": one.clean.mean(),
            "sender": str(most),
            "fall": falls[first],
            "second": falls[next_ones[0]] if next_ones else np.nan,
            "previous": scores.mean("previous")[most.layer, most.head],
            "category": category[most],
        }
    )
ledger.statistic(
    "queries_to_a_key", queries_to_a_key, label="Query heads that share the keys of one key head"
)
if fed:
    ledger.table(
        "receivers",
        pd.DataFrame(fed),
        key="receiver",
        caption="For each of the top induction heads: which keys it reads (heads of a layer can share them), "
        "its score, the sender that its keys need most, the fall of the score with that path patched, and "
        "with that of the sender in second place.",
        labels={
            "second": "fall, second sender",
            "previous": "sender's previous-token score",
            "category": "sender's category",
        },
        formats={name: ".2f" for name in ("score", "fall", "second", "previous")},
        tolerance={"*": FLOAT},
    )
    ledger.statistic(
        "receivers_keys",
        len({one["keys"] for one in fed}),
        label="Different keys among the top induction heads",
    )
    ledger.statistic(
        "receivers_fed",
        sum(one["category"] == "previous token" for one in fed),
        label="Top induction heads whose keys need a previous-token head most",
        n=len(fed),
    )

# %% [markdown]
# ## Without those that feed them

# %%
feeders = scores.top("previous", TOP)
spared = (
    induction_heads
    | {head for head in category if category[head] == "previous token"}
    | {*scores.top("previous", doses[-1]), *sender}
)
FEEDING = {"previous": feeders, "sender": sender}
FED_BY = {"previous": f"the {TOP} top previous-token heads", "sender": "the sender"}
beside = {
    name: [enough(controls(f"{letter} {name}", like, spared), len(like)) for letter in "abc"]
    for name, like in FEEDING.items()
}
feeding_rise = {name: rise(without) for name, without in FEEDING.items()}
beside_rise = {
    name: np.mean([second_rise(drawn) for drawn in drawn_sets], axis=0) for name, drawn_sets in beside.items()
}
name_heads("previous_heads", [feeders], "Heads with the highest previous-token score")
for name, words in (("previous", "those"), ("sender", "the sender")):
    name_heads(
        f"control_heads_{name}",
        beside[name],
        f"Other heads for comparison with {words}, draw by draw",
    )
for name, title in FED_BY.items():
    record(
        f"removed_{name}",
        feeding_rise[name].second,
        f"Share of copying that is removed without {title}, mean ablation",
        over=clean.gain,
    )
    record(
        f"removed_{name}_control",
        beside_rise[name],
        f"Share of copying removed by other heads instead of {title}",
        over=clean.gain,
    )
    record(
        f"first_{name}",
        feeding_rise[name].first,
        f"Rise of the loss in the first copy without {title}",
        unit="nats",
    )
    held(
        f"extra_loss_{name}",
        feeding_rise[name].second - beside_rise[name],
        f"Loss by ablating {title} over that by ablating other heads",
    )

# %% [markdown]
# ## In ordinary text

# %%
sentences = load_prompts(analysis_file("data/induction_sentences.csv"), columns=("span", "kind"))
unfit = [
    bool(refusal(repeated_spans, bridge, [row.prompt], [row.span]))
    for row in sentences.frame.itertuples(index=False)
]
said_twice = sentences.frame[~np.array(unfit)]
if len(said_twice) < FEWEST_SENTENCES:
    names = """n_sentences text_chance top_score text_score text_score_control text_top_heads text_top_shared
    text_extra_score text_loss_first text_loss_second text_loss_without text_first_top text_gain text_removed
    text_removed_control text_removed_previous text_removed_sender text_extra_loss scores_on_text without
    sentences"""
    ledger.does_not_apply(
        f"{FEWEST_SENTENCES} sentences are needed that the model's context holds and whose span is the same "
        f"several tokens both times; with this model's tokenizer that holds of {len(said_twice)}",
        *names.split(),
    )
else:
    spans = repeated_spans(bridge, said_twice["prompt"].tolist(), said_twice["span"].tolist())
    texts = pd.read_csv(analysis_file("data/topics_texts.csv"))
    prose = texts.loc[texts["category"].isin(["Formal", "Conversational"]), "text"].tolist()
    on_prose = ablation(bridge, all_heads(bridge), "mean", reference=joined_rows(bridge, prose, spans.width))
    on_text = span_scores(bridge, spans)
    said = span_loss(bridge, spans)

    def text_rise(without: tuple[Head, ...]) -> np.ndarray:
        """By how much the loss at the second occurrence rises without these heads, sentence by sentence."""
        if not without:
            return np.full(len(spans), np.nan)
        return second_loss(bridge, spans, ablated=replace(on_prose, parts=without)) - said.second

    def mean_score(of: list[Head]) -> np.ndarray:
        """Mean score on text of some heads, sentence by sentence."""
        if not of:
            return np.full(len(spans), np.nan)
        return np.mean([on_text[:, head.layer, head.head] for head in of], axis=0)

    top_score = mean_score(list(strongest[:TOP]))
    other_score = mean_score([head for drawn in others for head in enough(drawn, TOP)])
    without_top = span_loss(bridge, spans, ablated=replace(on_prose, parts=strongest[:TOP]))
    text_top = CopyingLoss(without_top.first - said.first, without_top.second - said.second)
    text_other = np.mean([text_rise(enough(drawn, TOP)) for drawn in others], axis=0)
    text_feeding = {name: text_rise(without) for name, without in FEEDING.items()}
    text_beside = {
        name: np.mean([text_rise(drawn) for drawn in drawn_sets], axis=0)
        for name, drawn_sets in beside.items()
    }
    text_mean = on_text.mean(0)
    text_strongest = sorted(category, key=lambda head: -text_mean[head.layer, head.head])[:TOP]

    ledger.statistic("n_sentences", len(spans), label="Sentences with a repeated span")
    ledger.statistic(
        "text_chance", span_chance(spans).mean(), label="Chance level of the score on text", format=".3f"
    )
    record(
        "top_score",
        np.mean([fresh.induction[:, head.layer, head.head] for head in strongest[:TOP]], axis=0),
        f"Induction score of the {TOP} top induction heads on random tokens, mean, on other rows",
    )
    record("text_score", top_score, f"Score on text of the {TOP} top induction heads, mean")
    record("text_score_control", other_score, "Score on text of other heads, same or nearest layers, mean")
    name_heads("text_top_heads", [tuple(text_strongest)], "Heads with the highest score on text")
    ledger.statistic(
        "text_top_shared",
        len({*text_strongest} & {*strongest[:TOP]}),
        label="How many of those are among the top induction heads on random tokens",
        n=TOP,
        tolerance=BORDERLINE,
    )
    held(
        "text_extra_score",
        top_score - other_score,
        f"Score on text of the {TOP} top induction heads over that of other heads",
        unit="",
        over="sentences",
    )
    record("text_loss_first", said.first, "Loss on a span's tokens at its first occurrence", unit="nats")
    record("text_loss_second", said.second, "Loss on them at its second occurrence", unit="nats")
    record(
        "text_loss_without",
        said.second + text_top.second,
        f"Loss at the second occurrence without the {TOP} top induction heads, mean ablation",
        unit="nats",
    )
    record(
        "text_first_top", text_top.first, "Rise of the loss at the first occurrence without them", unit="nats"
    )
    record("text_gain", said.gain, "What the first occurrence is worth to the second", unit="nats")
    record(
        "text_removed",
        text_top.second,
        f"Share of copying in text that is removed without the {TOP} top induction heads",
        over=said.gain,
    )
    record(
        "text_removed_control",
        text_other,
        f"Share of copying in text removed without {TOP} other heads, same or nearest layers",
        over=said.gain,
    )
    for name, title in FED_BY.items():
        record(
            f"text_removed_{name}",
            text_feeding[name],
            f"Share of copying in text that is removed without {title}",
            over=said.gain,
        )
    held(
        "text_extra_loss",
        text_top.second - text_other,
        f"Loss at the second occurrence by ablating the {TOP} top induction heads over that by ablating "
        "others",
        over="sentences",
    )
    ledger.figure(
        "scores_on_text",
        charts.two_scores(
            pd.DataFrame(
                {
                    "head": [str(head) for head in category],
                    "x": scores.mean("induction").ravel(),
                    "y": text_mean.ravel(),
                    "category": list(category.values()),
                }
            ),
            x_title="induction score on random tokens",
            y_title="score on repeated spans of text",
            kinds=CATEGORIES,
            named=[str(head) for head in strongest[:TOP]],
        ),
        caption="Each dot is a head: its induction score on random tokens that come twice, and on spans that "
        "come twice in ordinary sentences. Dashes: the same on both. Names: the top induction heads.",
        alt="Scatter plot of heads: induction score on random tokens against the score on repeated spans of "
        "text, with the diagonal.",
        tolerance={"*": FLOAT},
    )
    WITHOUT = {  # what rises without which heads, on random tokens and in text
        f"{TOP} top induction heads": (top_rise.second, text_top.second),
        "others instead of those": (rises["other", "mean", TOP], text_other),
        f"{TOP} top previous-token heads": (feeding_rise["previous"].second, text_feeding["previous"]),
        "others instead of these": (beside_rise["previous"], text_beside["previous"]),
        "the sender": (feeding_rise["sender"].second, text_feeding["sender"]),
        "another instead of it": (beside_rise["sender"], text_beside["sender"]),
    }
    removed = pd.DataFrame(
        [
            {"which": which, "material": material, "removed": value, "low": low, "high": high}
            for which, on_both in WITHOUT.items()
            for material, rose, worth in zip(
                ("random tokens", "text"), on_both, (clean.gain, said.gain), strict=True
            )
            for value, (low, high) in [mean(rose, worth)]
            if not np.isnan(value)
        ]
    )
    if removed.empty:
        ledger.does_not_apply(no_share(said.gain, "copying"), "without")
    else:
        ledger.table(
            "without",
            removed,
            key=["which", "material"],
            caption="Share of copying removed by mean ablation, on random tokens and on repeated spans of "
            f"text; intervals over rows and sentences. Others instead: the mean over {len(others)} draws of "
            "as many heads of the same or the nearest layers.",
            labels={"which": "without", "low": "from", "high": "to"},
            formats={name: ".2f" for name in ("removed", "low", "high")},
            tolerance={"*": FLOAT},
        )
    ledger.table(
        "sentences",
        pd.DataFrame(
            {
                "span": said_twice["span"],
                "kind": said_twice["kind"],
                "tokens": spans.length,
                "score": top_score,
                "other": other_score,
                "first": said.first,
                "second": said.second,
                "without": said.second + text_top.second,
            }
        ),
        key="span",
        caption="For each repeated span: its tokens, the score on text of the top induction heads and of "
        "others, and the loss (nats a token) at its first and second occurrence, and at the second without "
        "those heads."
        + (f" Sentences left out for this model's tokenizer or context: {sum(unfit)}." if any(unfit) else ""),
        labels={"other": "others' score", "without": "second, without"},
        formats={name: ".2f" for name in ("score", "other", "first", "second", "without")},
        tolerance={"*": FLOAT},
        shown=8,
    )

# %% [markdown]
# ## The tests together

# %%
corrected = holm([one["p"] for one in tested.values()])
for (name, one), p in zip(tested.items(), corrected, strict=True):
    ledger.statistic(
        name,
        one["value"],
        label=one["label"],
        ci=one.get("ci"),
        n=one["n"],
        p=float(p),
        test=f"{one['test']}; Holm over the tests of this analysis",
        unit=one.get("unit", ""),
        resamples=resamples,
        tolerance=one["tolerance"],
    )
ledger.table(
    "tests",
    pd.DataFrame(
        {
            "what": [one["label"] for one in tested.values()],
            "test": [one["test"] for one in tested.values()],
            "p": [one["p"] for one in tested.values()],
            "p_holm": corrected,
        }
    ),
    key="what",
    caption="The p-values that claims rest on, as they are and corrected for their number (Holm).",
    labels={"p_holm": "p (Holm)"},
    tolerance={"*": Close(rtol=0.2, atol=0.01, because="signs and orders are drawn")},
)
ledger.claim(
    "copies_in_context",
    "The model copies in context: tokens are easier to foresee the second time.",
    criterion="gain.low > 1 and gain.p < 0.05",
)
ledger.claim(
    "induction_heads_carry_copying",
    "Without its top induction heads the model copies worse than without other heads of the same layers.",
    criterion="extra_loss.low > 0 and extra_loss.p < 0.05",
)
ledger.claim(
    "previous_token_heads_feed_keys",
    "Over all heads before it, the more a head attends to the previous token the more the induction head's "
    "keys need it.",
    criterion="path_correlation > 0 and path_correlation.p < 0.05",
)
SEEN = "results on random tokens were seen before, this was not"
ledger.claim(
    "previous_token_heads_carry_copying",
    "Without its top previous-token heads the model copies worse than without other heads of the same or "
    "the nearest layers.",
    criterion="extra_loss_previous.low > 0 and extra_loss_previous.p < 0.05",
    exploratory=SEEN,
)
ledger.claim(
    "sender_carries_copying",
    "Without the one head that the induction head's keys need most, the model copies worse than without "
    "another head of the same or the nearest layer.",
    criterion="extra_loss_sender.low > 0 and extra_loss_sender.p < 0.05",
    exploratory=SEEN,
)
ledger.claim(
    "induction_heads_read_text",
    "In ordinary text, too, the top induction heads attend from a repeated span to what came next the first "
    "time, more than other heads of the same or the nearest layers do.",
    criterion="text_extra_score.low > 0 and text_extra_score.p < 0.05",
    exploratory=SEEN,
)
ledger.claim(
    "induction_heads_carry_copying_of_text",
    "Without its top induction heads the model copies repeated spans of ordinary text worse than without "
    "other heads of the same or the nearest layers.",
    criterion="text_extra_loss.low > 0 and text_extra_loss.p < 0.05",
    exploratory=SEEN,
)

# %% [markdown]
# ## Patterns on a sentence

# %%
if problem := refusal(tokenise, bridge, [sentence]):
    ledger.does_not_apply(problem, "patterns", "viewer")
else:
    tokenised = tokenise(bridge, [sentence])
    tokens = [shown_token(bridge.tokenizer.decode([token])) for token in tokenised.ids[0]]
    entropy = scores.mean("entropy")
    shown: dict[Head, str] = {}
    for title, head in (
        *((kind, scores.top(name, 1)[0]) for name, kind in KINDS.items()),
        ("most even", list(category)[int(entropy.argmax())]),
        *(("sender", head) for head in sender),
    ):
        shown[head] = f"{shown[head]}, {title}" if head in shown else title
    patterns = attention_patterns(bridge, tokenised, list(shown))[0].numpy()
    titles = [f"{head}: {title}" for head, title in shown.items()]
    # The static picture asks from the repeated word at which the induction head rests least on the first.
    repeats = [at for at, token in enumerate(tokens) if token.isalpha() and token in tokens[:at]]
    query = min(repeats, key=lambda at: float(patterns[0, at, 0]), default=len(tokens) - 1)
    OF_HEADS = (
        f"The sentence is “{sentence}” The heads are those with the highest scores on random tokens, the one "
        "that attends most evenly there"
        + (", and the sender that the induction head's keys need most." if sender else ".")
    )
    if problem := refusal(charts.pattern_grid, patterns, titles, tokens, columns=2):
        ledger.does_not_apply(problem, "patterns", "viewer")
    else:
        ledger.figure(
            "patterns",
            charts.pattern_grid(patterns, titles, tokens, columns=2),
            caption="Where some heads attend: each row is a token, and shades those that it attends to. "
            f"{OF_HEADS}",
            alt="Triangular grids of attention weights between the tokens of a sentence, one for each head.",
            tolerance={"*": FLOAT},
        )
        ledger.figure(
            "viewer",
            charts.attention_viewer(patterns, titles, tokens, query=query),
            caption="What some heads attend to from the token in the frame; point at another token, or tap "
            f"it, to make it that one. {OF_HEADS}",
            alt="A row of tokens for each of a few heads, shaded by how much the head attends to them from "
            f"“{tokens[query]}”, the token in the frame.",
            tolerance={"*": FLOAT},
        )

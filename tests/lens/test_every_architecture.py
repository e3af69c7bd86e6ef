"""Every technique on every architecture, against the Hugging Face model itself or against arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechscope.errors import InvalidInput, ModelMismatch
from mechscope.lens.ablation import ablation, copying_loss
from mechscope.lens.answers import score_answers
from mechscope.lens.attention import attention_patterns, categories, head_scores
from mechscope.lens.attribution import attribute, attribute_neurons
from mechscope.lens.attribution_patching import attribution_map
from mechscope.lens.core.components import (
    Head,
    Mlp,
    all_heads,
    attention_output,
    attention_written,
    mlp_output,
    mlp_written,
)
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.readout import soft_cap, unembed
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.edited import continue_greedily, edited_logits, read_streams
from mechscope.lens.logit_lens import logit_by_layer, logit_lens
from mechscope.lens.neuron_ablation import ablate_neurons
from mechscope.lens.neurons import neuron_statistics
from mechscope.lens.patching import Pair, Site, encode_pairs, pair_scores, patch_sites, patching_map
from mechscope.lens.path_patching import composition
from mechscope.lens.repeats import repeated_tokens
from mechscope.lens.steering import steer
from tests.lens.architectures import ARCHITECTURES, Made, make

TEXTS = ["w1 w2", "w3", "w4 w5 w6 w7 w8", "w9 w10 w11"]
ANSWERS = torch.tensor([5, 9, 40, 4])
PAIRS = [Pair("w1 w2 w3 w4", "w1 w9 w3 w4", "w20", "w21"), Pair("w5 w6 w7", "w5 w12 w7", "w22 w23", "w24")]
CLOSE: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-4}


@pytest.fixture(scope="module", params=ARCHITECTURES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads wait for each other longer than products this small take
    at = list(ARCHITECTURES).index(request.param)
    yield make(request.param, tmp_path_factory.mktemp(request.param), prepend_bos=at % 2 == 0)
    torch.set_num_threads(threads)


@contextmanager
def kept(made: Made, *names: str) -> Iterator[dict[str, Tensor]]:
    """What passes at some hooks."""
    values: dict[str, Tensor] = {}
    hooks = [(name, lambda value, hook, name=name: values.__setitem__(name, value.clone())) for name in names]
    with torch.no_grad(), made.bridge.hooks(fwd_hooks=hooks):
        yield values


def ids_of(made: Made, text: str) -> Tensor:
    return torch.tensor([tokenise(made.bridge, [text]).ids[0]])


def log_probs(made: Made, ids: Tensor) -> Tensor:
    """What the original says, at every position."""
    with torch.no_grad():
        return made.original(ids).logits[0].double().log_softmax(-1)


def has_neurons(made: Made) -> bool:
    weights = getattr(made.bridge.blocks[0].mlp, "W_out", None)
    return weights is not None and weights.dim() == 2


def test_the_lens_ends_in_the_originals_prediction(made):
    tokenised = tokenise(made.bridge, TEXTS)
    lens = logit_lens(made.bridge, tokenised, ANSWERS)
    for text, ids in enumerate(tokenised.ids):
        expected = log_probs(made, torch.tensor([ids]))[-1]
        assert float(lens.log_prob[-1, text]) == pytest.approx(float(expected[ANSWERS[text]]), abs=1e-3)


def test_parts_sum_to_the_originals_logit(made):
    tokenised = tokenise(made.bridge, TEXTS)
    others = ANSWERS.roll(1)
    parts = attribute(made.bridge, tokenised, ANSWERS, others, before_cap=True)
    course = logit_by_layer(made.bridge, tokenised, ANSWERS, others)
    torch.testing.assert_close(parts.total, course[-1], **CLOSE)
    if soft_cap(made.bridge) is None:
        for text, ids in enumerate(tokenised.ids):
            expected = log_probs(made, torch.tensor([ids]))[-1]
            difference = float(expected[ANSWERS[text]] - expected[others[text]])
            assert float(parts.total[text]) == pytest.approx(difference, rel=1e-3, abs=1e-3)


def test_neurons_sum_to_their_mlp_or_are_refused(made):
    tokenised = tokenise(made.bridge, TEXTS)
    if not has_neurons(made):
        with pytest.raises(InvalidInput, match="no neurons"):
            attribute_neurons(made.bridge, tokenised, ANSWERS, before_cap=True)
        return
    neurons = attribute_neurons(made.bridge, tokenised, ANSWERS, before_cap=True)
    parts = attribute(made.bridge, tokenised, ANSWERS, before_cap=True)
    torch.testing.assert_close(neurons.contributions.sum(1), parts.mlps, **CLOSE)


def test_what_is_added_to_the_stream_is_what_the_hooks_hold(made):
    layers = range(made.bridge.cfg.n_layers)
    names = [
        name
        for layer in layers
        for name in (
            f"blocks.{layer}.hook_in",
            f"blocks.{layer}.hook_out",
            attention_written(made.bridge, layer),
            mlp_written(made.bridge, layer),
        )
    ]
    with kept(made, *names) as values:
        made.bridge(ids_of(made, TEXTS[2]))
    for layer in layers:
        before, after, attention, mlp = (values[name] for name in names[4 * layer : 4 * layer + 4])
        torch.testing.assert_close(before + attention + mlp, after, **CLOSE)
        assert attention.abs().max() > 1e-3 and mlp.abs().max() > 1e-3


def test_patterns_are_the_originals(made):
    heads = all_heads(made.bridge)
    tokenised = tokenise(made.bridge, TEXTS)
    patterns = attention_patterns(made.bridge, tokenised, heads)
    for text, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            expected = made.original(torch.tensor([ids]), output_attentions=True).attentions
        torch.testing.assert_close(patterns[text], torch.cat([layer[0] for layer in expected]), **CLOSE)


def test_heads_at_the_last_position_are_what_attention_adds_up(made):
    tokenised = tokenise(made.bridge, TEXTS)
    read = read_last_position(made.bridge, tokenised, heads=True, log_probs=True)
    for text, ids in enumerate(tokenised.ids):
        torch.testing.assert_close(
            read.log_probs[text].double(), log_probs(made, torch.tensor([ids]))[-1], **CLOSE
        )


def test_an_ablated_mlp_adds_nothing(made):
    last = made.bridge.cfg.n_layers - 1
    names = (f"blocks.{last}.hook_in", f"blocks.{last}.hook_out", attention_written(made.bridge, last))
    edit = ablation(made.bridge, [Mlp(last)], "zero").hooks()
    with kept(made, *names) as values, made.bridge.hooks(fwd_hooks=edit):
        made.bridge(ids_of(made, TEXTS[2]))
    before, after, attention = (values[name] for name in names)
    torch.testing.assert_close(before + attention, after, **CLOSE)


def test_an_ablated_head_is_missing_from_the_output_of_attention(made):
    block, site = made.bridge.blocks[0], attention_output(made.bridge, 0)
    ids = ids_of(made, TEXTS[2])
    with kept(made, site, "blocks.0.attn.hook_z") as clean:
        made.bridge(ids)
    edit = ablation(made.bridge, [Head(0, 0)], "zero").hooks()
    with kept(made, site) as edited, made.bridge.hooks(fwd_hooks=edit):
        made.bridge(ids)
    z = clean["blocks.0.attn.hook_z"][:, :, 0]
    torch.testing.assert_close(edited[site], clean[site] - z @ block.attn.W_O[0].detach(), **CLOSE)


def test_a_steered_stream_differs_by_the_direction_and_reaches_the_prediction(made):
    tokenised = tokenise(made.bridge, [TEXTS[2]])
    direction = torch.linspace(-1, 1, made.bridge.cfg.d_model)
    edit = steer(made.bridge, 0, direction, 2.0, n_special=tokenised.n_special)
    ids = torch.tensor(tokenised.ids)
    with kept(made, "blocks.0.hook_out") as clean:
        plain = made.bridge(ids)
    following = "blocks.1.hook_in" if made.bridge.cfg.n_layers > 1 else "ln_final.hook_in"
    with kept(made, following) as steered, made.bridge.hooks(fwd_hooks=edit):
        changed = made.bridge(ids)
    expected = clean["blocks.0.hook_out"].clone()
    expected[:, tokenised.n_special :] += 2.0 * direction
    torch.testing.assert_close(steered[following], expected, **CLOSE)
    assert (plain - changed).abs().max() > 1e-3


def test_an_edit_from_a_kept_stream_is_the_edit_of_a_whole_pass(made):
    last = made.bridge.cfg.n_layers - 1
    tokenised = tokenise(made.bridge, TEXTS)
    streams = read_streams(made.bridge, tokenised, [last])
    edit = ablation(made.bridge, [Mlp(last), Head(last, 0)], "zero").hooks()
    logits = edited_logits(made.bridge, streams, last, edit)
    for text, ids in enumerate(tokenised.ids):
        with torch.no_grad(), made.bridge.hooks(fwd_hooks=edit):
            whole = made.bridge(torch.tensor([ids]))[0, -1]
        torch.testing.assert_close(logits[text].log_softmax(-1), whole.log_softmax(-1), **CLOSE)


def test_greedy_words_are_the_originals(made):
    ids = ids_of(made, TEXTS[2])
    written = continue_greedily(made.bridge, ids, [], n=4)
    for _ in range(4):
        ids = torch.cat([ids, log_probs(made, ids)[-1].argmax().view(1, 1)], dim=1)
    assert written[0].tolist() == ids[0, -4:].tolist()


def test_answers_score_what_the_original_gives_them(made):
    scores = score_answers(made.bridge, TEXTS, ["w20 w21", "w22", "w23 w24", "w25"])
    prompts = tokenise(made.bridge, TEXTS).ids
    for text, (prompt, answer) in enumerate(zip(prompts, scores.ids, strict=True)):
        said = log_probs(made, torch.tensor([[*prompt, *answer]]))
        expected = sum(float(said[len(prompt) - 1 + at, token]) for at, token in enumerate(answer))
        assert float(scores.log_prob[text]) == pytest.approx(expected, abs=1e-3)


def test_patching_everything_gives_the_source_and_nothing_the_base(made):
    encoded = encode_pairs(made.bridge, PAIRS)
    scores = pair_scores(made.bridge, encoded)
    everywhere = [(pair, [Site("residual", 0, tuple(range(len(encoded.clean[pair]))))]) for pair in (0, 1)]
    patched = patch_sites(made.bridge, encoded, everywhere, min_gap=1e-9)
    np.testing.assert_allclose(patched.scores, scores.clean, **CLOSE)
    unchanged = patch_sites(made.bridge, encoded, [(0, [Site("residual", 0, (0,))])], min_gap=1e-9)
    np.testing.assert_allclose(unchanged.scores, scores.corrupt[:1], **CLOSE)
    assert np.abs(scores.clean - scores.corrupt).min() > 1e-3


def test_a_patched_mlp_adds_what_it_added_on_the_clean_prompt(made):
    last = made.bridge.cfg.n_layers - 1
    encoded = encode_pairs(made.bridge, PAIRS[:1])
    place = len(encoded.clean[0]) - 1
    patched = patch_sites(made.bridge, encoded, [(0, [Site("mlp", last, (place,))])], min_gap=1e-9)
    names = (f"blocks.{last}.hook_out", mlp_written(made.bridge, last))
    streams = []
    for ids in (encoded.clean[0], encoded.corrupt[0]):
        with kept(made, *names) as values:
            made.bridge(torch.tensor([ids]))
        streams.append([values[name][:, -1] for name in names])
    (_, clean_mlp), (corrupt_out, corrupt_mlp) = streams
    logits = unembed(made.bridge, corrupt_out - corrupt_mlp + clean_mlp)[0]
    expected = float(logits[encoded.answer[0][0]] - logits[encoded.wrong[0][0]])
    assert float(patched.scores[0]) == pytest.approx(expected, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("component", ["residual", "attention", "mlp", "heads"])
def test_attribution_patching_is_the_slope_of_patching(made, component):
    """At the last block's place that decides alone, beside the exact effect: finite, and of its order."""
    encoded = encode_pairs(made.bridge, PAIRS[:1])
    estimated = attribution_map(made.bridge, encoded, component, min_gap=1e-9).effects[0]
    exact = patching_map(made.bridge, encoded, component, min_gap=1e-9).effects[0]
    assert estimated.shape == exact.shape
    assert np.isfinite(estimated).all() and np.isfinite(exact).all()
    assert np.abs(estimated).max() > 0


def test_repeated_tokens_are_scored_by_the_patterns_of_the_original(made):
    repeated = repeated_tokens(made.bridge, 3, 6, rng=np.random.default_rng(0))
    scores = head_scores(made.bridge, repeated)
    with torch.no_grad():
        output = made.original(repeated.ids, output_attentions=True)
    text, length = repeated.n_special, repeated.length
    queries = torch.arange(text + length, text + 2 * length)
    induction = torch.stack(
        [layer[:, :, queries, queries - length + 1].mean((0, 2)) for layer in output.attentions]
    )
    np.testing.assert_allclose(scores.mean("induction"), induction.numpy(), **CLOSE)
    assert len(categories(scores)) == made.bridge.cfg.n_layers
    losses = -output.logits.double().log_softmax(-1)[:, :-1].gather(-1, repeated.ids[:, 1:, None])[..., 0]
    first = max(1, text)  # the first position counts nowhere, so what follows it is predicted nowhere
    expected = losses[:, length + first : text + 2 * length - 1].mean(1)
    np.testing.assert_allclose(copying_loss(made.bridge, repeated).second, expected.numpy(), **CLOSE)


def test_paths_between_heads_can_be_patched(made):
    if made.bridge.cfg.n_layers == 1:
        with pytest.raises(InvalidInput, match=r"layer|come before"):
            rows = repeated_tokens(made.bridge, 2, 5, rng=np.random.default_rng(0))
            composition(made.bridge, rows, rows, Head(0, 0), [Head(0, 0)])
        return
    rng = np.random.default_rng(0)
    rows, donors = (repeated_tokens(made.bridge, 3, 6, rng=rng) for _ in range(2))
    senders = all_heads(made.bridge, [0])
    paths = composition(made.bridge, rows, donors, Head(1, 0), senders)
    np.testing.assert_allclose(
        paths.clean.mean(), head_scores(made.bridge, rows).mean("induction")[1, 0], **CLOSE
    )
    assert np.isfinite(paths.drop).all()


def test_neurons_are_read_where_the_mlps_output_is_made_from_them(made):
    if not has_neurons(made):
        return
    last = made.bridge.cfg.n_layers - 1
    texts = [text for text in TEXTS if " " in text]  # alone, a token counts nowhere
    tokenised = tokenise(made.bridge, texts)
    statistics = neuron_statistics(made.bridge, tokenised, [last], top=len(tokenised.ids))
    post, out = f"blocks.{last}.mlp.hook_post", mlp_output(made.bridge, last)
    maxima = []
    for ids in tokenised.ids:
        with kept(made, post, out) as values:
            made.bridge(torch.tensor([ids]))
        mlp = made.bridge.blocks[last].mlp
        bias = 0 if getattr(mlp, "b_out", None) is None else mlp.b_out.detach()
        torch.testing.assert_close(values[post] @ mlp.W_out.detach() + bias, values[out], **CLOSE)
        maxima.append(values[post][0, tokenised.first_counted :].max(0).values)
    torch.testing.assert_close(statistics.maximum[0], torch.stack(maxima).max(0).values, **CLOSE)
    shape = (made.bridge.cfg.n_layers, made.bridge.blocks[0].mlp.W_out.shape[0])
    edit = ablate_neurons(made.bridge, torch.ones(shape, dtype=torch.bool))
    with kept(made, out) as values, made.bridge.hooks(fwd_hooks=edit):
        made.bridge(torch.tensor([tokenised.ids[0]]))
    torch.testing.assert_close(values[out] - bias, torch.zeros_like(values[out]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("granite", {"embedding_multiplier": 12.0, "residual_multiplier": 0.22}),
        ("granite", {"logits_scaling": 8.0}),
        ("cohere", {}),
        ("mamba", {}),
    ],
)
def test_a_model_that_adds_up_otherwise_is_refused_and_not_misread(tmp_path, monkeypatch, kind, more):
    monkeypatch.setitem(ARCHITECTURES, "other", (kind, {**ARCHITECTURES["llama"][1], **more}))
    with pytest.raises((ModelMismatch, InvalidInput)):
        made = make("other", tmp_path, prepend_bos=False)
        attribute(made.bridge, tokenise(made.bridge, TEXTS), ANSWERS)

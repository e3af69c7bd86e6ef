from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.tools.analysis import direct_logit_attribution

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.lens.attribution import NeuronAttribution, attribute, attribute_neurons, largest_parts
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.logit_lens import logit_by_layer

ANSWERS = torch.tensor([5, 9, 40, 4, 62, 17])
OTHERS = torch.tensor([6, 3, 12, 61, 8, 20])


@pytest.fixture
def exact(bridge) -> Iterator[TransformerBridge]:
    """The model in float64 all the way: Hugging Face's RMSNorms round to float32, the bridge's own don't.

    Texts go in unpadded: its attention masks are made for float32, padding gives NaN in float64.
    """
    norms = [module for module in bridge.modules() if hasattr(module, "use_native_layernorm_autograd")]
    before = [norm.use_native_layernorm_autograd for norm in norms]
    weights = {name: value.detach().clone() for name, value in bridge.named_parameters()}
    bridge.double()
    with torch.no_grad():
        for name, value in bridge.named_parameters():
            if "ln" in name or "norm" in name:  # trivial gains and biases would hide what is left out
                value.add_(torch.linspace(-0.4, 0.5, value.numel(), dtype=value.dtype).reshape(value.shape))
            if name.endswith("bias"):
                value.add_(torch.linspace(0.3, -0.2, value.numel(), dtype=value.dtype).reshape(value.shape))
    for norm in norms:
        norm.use_native_layernorm_autograd = False
    yield bridge
    for norm, native in zip(norms, before, strict=True):
        norm.use_native_layernorm_autograd = native
    bridge.float()
    with torch.no_grad():
        for name, value in bridge.named_parameters():
            value.copy_(weights[name])


@pytest.mark.parametrize("centred", [False, True])
def test_the_parts_sum_to_the_models_logit(exact, texts, centred):
    tokenised = tokenise(exact, texts)
    found = attribute(exact, tokenised, ANSWERS, centred=centred, padding="none")
    _, values = found.parts()
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            logits = exact(torch.tensor([ids]))[0, -1]
        expected = logits[ANSWERS[at]] - (logits.mean() if centred else 0.0)
        assert abs(values[:, at].sum() - expected) < 1e-9
        assert abs(found.total[at] - expected) < 1e-9


def test_the_parts_of_a_logit_difference_sum_to_it(exact, texts):
    tokenised = tokenise(exact, texts)
    found = attribute(exact, tokenised, ANSWERS, OTHERS, padding="none")
    for at, ids in enumerate(tokenised.ids):
        with torch.no_grad():
            logits = exact(torch.tensor([ids]))[0, -1]
        assert abs(found.total[at] - (logits[ANSWERS[at]] - logits[OTHERS[at]])) < 1e-9


def test_every_part_is_what_that_component_adds(exact, texts):
    """Each part against its own definition: the stream without it, read with the norms' scales frozen."""
    tokenised = tokenise(exact, [texts[2]])
    found = attribute(exact, tokenised, ANSWERS[2:3])
    ids = torch.tensor([tokenised.ids[0]])
    with torch.no_grad():
        _, cache = exact.run_with_cache(ids)
    offset = 1.0 if exact.cfg.rmsnorm_uses_offset else 0.0

    def read_off(component: torch.Tensor, post: str | None) -> float:
        """What `component` adds to the logit: norm by norm, written out."""
        if post is not None and f"{post}.hook_scale" in cache:
            norm = exact.get_submodule(post)
            component = component / cache[f"{post}.hook_scale"][0, -1] * (norm.weight + offset)
        if not exact.ln_final.uses_rms_norm:
            component = component - component.mean()
        normed = component / cache["ln_final.hook_scale"][0, -1] * (exact.ln_final.weight + offset)
        return float(normed.detach() @ exact.W_U[:, ANSWERS[2]].detach())

    assert float(found.embedding) == pytest.approx(read_off(cache["embed.hook_out"][0, -1], None), abs=1e-9)
    for layer in range(exact.cfg.n_layers):
        w_o = exact.blocks[layer].attn.W_O
        for head in range(exact.cfg.n_heads):
            z = cache[f"blocks.{layer}.attn.hook_z"][0, -1, head]
            expected = read_off(z @ w_o[head], f"blocks.{layer}.ln1_post")
            assert float(found.heads[layer, head]) == pytest.approx(expected, abs=1e-9)
        mlp = cache[f"blocks.{layer}.mlp.hook_post"][0, -1] @ exact.blocks[layer].mlp.W_out
        expected = read_off(mlp, f"blocks.{layer}.ln2_post")
        assert float(found.mlps[layer]) == pytest.approx(expected, abs=1e-9)


def test_embeddings_of_gemma_are_scaled(exact, texts):
    ids = torch.tensor([tokenise(exact, texts).ids[2]])
    with torch.no_grad():
        _, cache = exact.run_with_cache(ids)
    embedded = cache["embed.hook_out"][0, -1]
    if "pos_embed.hook_out" in cache:
        embedded = embedded + cache["pos_embed.hook_out"][0, -1]
    torch.testing.assert_close(embedded, cache["blocks.0.hook_resid_pre"][0, -1])


@pytest.mark.parametrize("padding", ["left", "right", "none"])
def test_batched_equals_one_at_a_time(bridge, texts, padding):
    tokenised = tokenise(bridge, texts, prepend_bos=True)
    _, together = attribute(bridge, tokenised, ANSWERS, OTHERS, padding=padding, batch_size=4).parts()
    for at, text in enumerate(texts):
        one = tokenise(bridge, [text], prepend_bos=True)
        _, alone = attribute(bridge, one, ANSWERS[at : at + 1], OTHERS[at : at + 1]).parts()
        torch.testing.assert_close(together[:, at], alone[:, 0], rtol=1e-4, atol=1e-5)


def test_layers_add_up_to_the_logit_by_layer(exact, texts):
    tokenised = tokenise(exact, texts)
    found = attribute(exact, tokenised, ANSWERS, OTHERS, padding="none")
    expected = logit_by_layer(exact, tokenised, ANSWERS, OTHERS, padding="none")
    steps = torch.cat([(found.embedding + found.position + found.final_bias)[None], found.by_layer])
    torch.testing.assert_close(steps.cumsum(0), expected, rtol=0, atol=1e-9)


def test_neurons_sum_to_their_mlps_and_the_largest_come_first(exact, texts):
    tokenised = tokenise(exact, texts)
    whole = attribute(exact, tokenised, ANSWERS, padding="none")
    found = attribute_neurons(exact, tokenised, ANSWERS, padding="none")
    torch.testing.assert_close(found.contributions.sum(1), whole.mlps, rtol=0, atol=1e-9)
    some = attribute_neurons(exact, tokenised, ANSWERS, layers=[2], padding="none")
    torch.testing.assert_close(some.contributions[0], found.contributions[2])
    for by in ("activation", "contribution"):
        best = found.top(5, by=by, text=1)
        values = [abs(getattr(neuron, by)) for neuron in best]
        assert values == sorted(values, reverse=True)
        everything = found.activations if by == "activation" else found.contributions
        assert values[0] == float(everything[:, :, 1].abs().max())
        first = best[0]
        assert float(everything[first.layer, first.neuron, 1]) == getattr(first, by)


def test_the_parts_of_sublayers_sum_to_the_total(exact, texts):
    found = attribute(exact, tokenise(exact, texts), ANSWERS, padding="none")
    for text in (0, 3):
        parts = found.sublayers(text)
        assert len(parts) == 2 + 2 * len(found.heads)
        assert sum(parts.values()) == pytest.approx(float(found.total[text]), abs=1e-9)
        assert parts["MLP 1"] == pytest.approx(float((found.mlps + found.mlp_biases)[1, text]))


def test_small_parts_are_one_part_at_the_end():
    parts = {"a": 0.1, "b": -5.0, "c": 3.0, "d": 0.2}
    assert largest_parts(parts, 2) == pytest.approx({"b": -5.0, "c": 3.0, "all other parts": 0.3})
    assert largest_parts(parts, 4) == parts


def planted_neurons(weights: torch.Tensor) -> NeuronAttribution:
    """Neurons of 2 layers in 3 texts, the first of each layer the more active."""
    activations = torch.arange(20, 0, -1.0).double().view(2, 10, 1).expand(2, 10, 3)
    return NeuronAttribution((0, 1), activations, activations * weights[:, :, None])


def test_neurons_that_all_write_alike_contribute_as_they_are_active():
    alike = planted_neurons(torch.ones(2, 10))
    assert alike.overlap(5).tolist() == [1.0, 1.0, 1.0]
    assert alike.overlap_exchanged(5, exchanges=3, seed=0).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(InvalidInput, match="no top 21 of 20"):
        alike.overlap(21)


def test_exchanged_weights_forget_which_neuron_wrote_and_stay_in_their_layer():
    only_last = torch.zeros(2, 10)
    only_last[1, 9] = 100.0
    planted = planted_neurons(only_last)
    assert planted.overlap(1).tolist() == [0.0] * 3  # neuron L1N9 writes, L0N0 is the most active
    by_layer = planted.overlap_exchanged(1, exchanges=50, seed=0)
    assert by_layer.tolist() == [0.0] * 3, "the weight never leaves layer 1"
    first = torch.zeros(2, 10)
    first[0, 9] = 100.0
    share = planted_neurons(first).overlap_exchanged(1, exchanges=2000, seed=0)[0]
    assert share == pytest.approx(0.1, abs=0.02)  # one in ten lands on the most active neuron


def test_a_frame_of_neurons_holds_both_orders(exact, texts):
    found = attribute_neurons(exact, tokenise(exact, texts), ANSWERS, padding="none")
    frame = found.frame(3, text=1)
    assert list(frame) == ["order", "place", "neuron", "activation", "adds"]
    assert frame["order"].tolist() == ["activation"] * 3 + ["contribution"] * 3
    assert frame["place"].tolist() == [1, 2, 3] * 2
    best = found.top(1, by="contribution", text=1)[0]
    assert frame.loc[3, ["neuron", "adds"]].tolist() == [f"L{best.layer}N{best.neuron}", best.contribution]


def test_parts_agree_with_transformer_lens_where_it_applies(bridge, texts):
    """TransformerLens folds and centres first, and has no norm behind a block: GPT-2 and Llama only."""
    if hasattr(bridge.blocks[0], "ln1_post"):
        pytest.skip("TransformerLens reads the output of a sandwich norm only")
    tokenised = tokenise(bridge, [texts[2]])
    ours = attribute(bridge, tokenised, ANSWERS[:1], OTHERS[:1])
    folded = copy.deepcopy(bridge)
    folded.enable_compatibility_mode(disable_warnings=True)
    theirs = direct_logit_attribution(
        folded, torch.tensor([tokenised.ids[0]]), ANSWERS[:1], OTHERS[:1], unit="component"
    )
    by_label = dict(zip(theirs.labels, theirs.attribution.flatten().tolist(), strict=True))
    for layer in range(bridge.cfg.n_layers):
        attention = float(ours.heads[layer].sum() + ours.attention_biases[layer])
        assert by_label[f"{layer}_attn_out"] == pytest.approx(attention, rel=1e-3, abs=1e-4)
        mlp = float(ours.mlps[layer] + ours.mlp_biases[layer])
        assert by_label[f"{layer}_mlp_out"] == pytest.approx(mlp, rel=1e-3, abs=1e-4)


def test_a_sum_that_misses_the_logit_is_refused(bridge, texts, monkeypatch):
    attention = bridge.blocks[1].attn
    wrong = attention.W_O.detach() * 1.05
    monkeypatch.setattr(type(attention), "W_O", property(lambda self: wrong))
    with pytest.raises(ModelMismatch, match="the parts sum to"):
        attribute(bridge, tokenise(bridge, texts), ANSWERS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_parts_are_accepted_and_a_missing_component_refused_in_every_precision(
    bridge, texts, monkeypatch, dtype
):
    whole = copy.deepcopy(bridge).to(dtype)
    whole.cfg.dtype = dtype
    tokenised = tokenise(whole, texts)
    found = attribute(whole, tokenised, ANSWERS, OTHERS, padding="none")
    attribute_neurons(whole, tokenised, ANSWERS, OTHERS, padding="none")
    largest = float(found.by_layer.abs().max())
    assert float(found.rounding.abs().max()) < 0.1 * largest
    attention = whole.blocks[1].attn
    halved = attention.W_O.detach() / 2
    monkeypatch.setattr(type(attention), "W_O", property(lambda self: halved))
    with pytest.raises(ModelMismatch, match="the parts sum to"):
        attribute(whole, tokenised, ANSWERS, OTHERS, padding="none")


def test_soft_capped_logits_are_refused_or_taken_before_the_cap(bridge, texts, monkeypatch):
    tokenised = tokenise(bridge, texts)
    uncapped = attribute(bridge, tokenised, ANSWERS)
    monkeypatch.setattr(bridge.cfg, "output_logits_soft_cap", 3.0, raising=False)
    with pytest.raises(InvalidInput, match="caps its logits at ±3"):
        attribute(bridge, tokenised, ANSWERS)
    found = attribute(bridge, tokenised, ANSWERS, before_cap=True)
    torch.testing.assert_close(found.total, uncapped.total)


def test_impossible_requests_are_refused(bridge, texts):
    tokenised = tokenise(bridge, texts)
    with pytest.raises(InvalidInput, match="6 texts, but 2 answers"):
        attribute(bridge, tokenised, torch.tensor([1, 2]))
    with pytest.raises(InvalidInput, match="ids 0 to 62"):
        attribute(bridge, tokenised, torch.full((6,), 63))
    with pytest.raises(InvalidInput, match="there is no layer 3: this model has layers 0 to 2"):
        attribute_neurons(bridge, tokenised, ANSWERS, layers=[3])
    neurons = attribute_neurons(bridge, tokenised, ANSWERS, layers=[0])
    with pytest.raises(UnknownName, match="did you mean 'activation'"):
        neurons.top(1, by="activations", text=0)
    with pytest.raises(InvalidInput, match="no text 6"):
        neurons.top(1, by="activation", text=6)

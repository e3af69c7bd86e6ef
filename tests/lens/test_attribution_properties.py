"""Attribution on small models of every make: what holds on three of them must hold on any."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformer_lens.model_bridge import TransformerBridge
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from mechscope.lens.attribution import attribute, attribute_neurons
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.logit_lens import logit_by_layer
from tests.lens.conftest import WORDS
from tests.lens.tiny import boot, in_float64, make_telling


@dataclass(frozen=True)
class Make:
    """How a small model is made.

    LayerNorm or RMSNorm, with or without norms behind the blocks, tied or untied unembedding, biases in
    attention and MLP (Llama may have them), and queries that share keys and values or don't.
    """

    family: str
    n_layers: int
    n_heads: int
    n_key_value_heads: int
    d_head: int
    d_mlp: int
    tied: bool
    biases: bool
    seed: int

    def bridge(self) -> TransformerBridge:
        common = {
            "vocab_size": len(WORDS),
            "bos_token_id": 1,
            "eos_token_id": 1,
            "pad_token_id": 0,
            "tie_word_embeddings": self.tied,
            "attn_implementation": "eager",
        }
        rotary = {
            **common,
            "hidden_size": 24,
            "intermediate_size": self.d_mlp,
            "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.n_heads,
            "num_key_value_heads": self.n_key_value_heads,
            "head_dim": self.d_head,
            "max_position_embeddings": 32,
        }
        model: torch.nn.Module
        if self.family == "gpt2":
            model = GPT2LMHeadModel(
                GPT2Config(
                    n_embd=24,
                    n_layer=self.n_layers,
                    n_head=self.n_heads,
                    n_inner=self.d_mlp,
                    n_positions=32,
                    **common,
                )
            )
        elif self.family == "llama":
            model = LlamaForCausalLM(LlamaConfig(attention_bias=self.biases, mlp_bias=self.biases, **rotary))
        elif self.family == "gemma2":
            model = Gemma2ForCausalLM(Gemma2Config(sliding_window=3, final_logit_softcapping=6.0, **rotary))
        else:
            model = Gemma3ForCausalLM(Gemma3TextConfig(sliding_window=3, **rotary))
        make_telling(model, self.seed)
        with tempfile.TemporaryDirectory() as folder:
            return in_float64(boot(model, Path(folder)))


@st.composite
def makes(draw: st.DrawFn) -> Make:
    n_heads = draw(st.sampled_from([1, 2, 4]))
    return Make(
        family=draw(st.sampled_from(["gpt2", "llama", "gemma2", "gemma3"])),
        n_layers=draw(st.integers(1, 3)),
        n_heads=n_heads,
        n_key_value_heads=draw(st.sampled_from([size for size in (1, 2, 4) if size <= n_heads])),
        d_head=draw(st.sampled_from([4, 6])),
        d_mlp=draw(st.integers(1, 30)),
        tied=draw(st.booleans()),
        biases=draw(st.booleans()),
        seed=draw(st.integers(0, 1000)),
    )


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads wait for each other longer than products this small take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


ids = st.integers(0, len(WORDS) - 1)
sentences = st.lists(st.integers(0, 59), min_size=1, max_size=8).map(
    lambda numbers: " ".join(f"w{number}" for number in numbers)
)


@settings(max_examples=40)
@given(makes(), sentences, ids, st.none() | ids, st.booleans())
# One neuron whose output almost cancels along the direction: rounding is relative to what was added up.
@example(Make("llama", 3, 1, 1, 4, 1, tied=False, biases=False, seed=0), "w0", 1, None, True)
def test_the_parts_sum_to_the_logit_on_any_make_of_model(make, sentence, answer, other, centred):
    bridge = make.bridge()
    tokenised = tokenise(bridge, [sentence])
    answers = torch.tensor([answer])
    others = None if other is None else torch.tensor([other])
    found = attribute(bridge, tokenised, answers, others, centred=centred, before_cap=True)
    before_cap: list[torch.Tensor] = []
    with (
        torch.no_grad(),
        bridge.hooks(fwd_hooks=[("unembed.hook_out", lambda value, hook: before_cap.append(value[0, -1]))]),
    ):
        bridge(torch.tensor([tokenised.ids[0]]))
    logits = before_cap[0]
    expected = logits[answer]
    if other is not None:
        expected = expected - logits[other]
    elif centred:
        expected = expected - logits.mean()
    names, values = found.parts()
    assert len(set(names)) == len(names) == len(values)
    assert abs(values.sum() - expected) < 1e-9
    assert abs(found.logit[0] - expected) < 1e-9

    readings = {"centred": centred, "padding": "none"}
    course = logit_by_layer(bridge, tokenised, answers, others, **readings)
    steps = torch.cat([(found.embedding + found.position + found.final_bias)[None], found.by_layer])
    torch.testing.assert_close(steps.cumsum(0), course, rtol=0, atol=1e-9)
    neurons = attribute_neurons(bridge, tokenised, answers, others, before_cap=True, **readings)
    torch.testing.assert_close(neurons.contributions.sum(1), found.mlps, rtol=0, atol=1e-9)

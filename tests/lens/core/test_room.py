"""However many rows go through a model at once, on whatever device: the answers are the same."""

from __future__ import annotations

import ast
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

import mechscope.lens.core
from mechscope.errors import InvalidInput
from mechscope.lens.ablation import ablation, copying_loss
from mechscope.lens.answers import score_answers
from mechscope.lens.attention import attention_patterns, head_scores
from mechscope.lens.attribution import attribute, attribute_neurons
from mechscope.lens.attribution_patching import attribution_map
from mechscope.lens.core import room
from mechscope.lens.core.components import Head, Mlp, all_heads, n_neurons
from mechscope.lens.core.forward import read_last_position
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.edited import (
    ablation_estimates,
    continue_greedily,
    damage,
    edited_logits,
    read_streams,
)
from mechscope.lens.feature_influence import feature_influence
from mechscope.lens.logit_lens import logit_by_layer, logit_lens
from mechscope.lens.neuron_ablation import TextLosses, ablate_neurons
from mechscope.lens.neuron_texts import last_token_neurons, token_activations
from mechscope.lens.neurons import neuron_statistics
from mechscope.lens.patching import Pair, encode_pairs, pair_scores, patching_map
from mechscope.lens.path_patching import composition
from mechscope.lens.repeats import repeated_tokens
from mechscope.lens.spans import span_loss, span_scores, spans_of_copies
from mechscope.lens.steering import ablate_direction, steer
from mechscope.lens.training import periodic_loss
from mechscope.models import load_model
from tests.lens.architectures import ARCHITECTURES, make
from tests.lens.test_positions import dictionary

TEXTS = ["w1 w2 w3 w4 w5", "w3 w9 w8", "w4 w5 w6 w7 w8 w2 w1", "w9 w10 w11 w12"]
ANSWERS = torch.tensor([5, 9, 40, 4])
PAIRS = [Pair("w1 w2 w3 w4", "w1 w9 w3 w4", "w20", "w21"), Pair("w5 w6 w7", "w5 w12 w7", "w22 w23", "w24")]


def texts(bridge: Any) -> Any:
    return tokenise(bridge, TEXTS)


def copies(bridge: Any, seed: int = 0) -> Any:
    return repeated_tokens(bridge, 4, 6, rng=np.random.default_rng(seed))


def width(bridge: Any) -> int:
    return n_neurons(bridge, [0])


def edits(bridge: Any) -> list[Any]:
    direction = torch.linspace(-1, 1, bridge.cfg.d_model)
    streams = read_streams(bridge, texts(bridge), [0, 1])
    edit = steer(bridge, 1, direction, 2.0, n_special=streams.n_special)
    gone = ablate_direction(bridge, [1], direction, n_special=streams.n_special)
    first = read_streams(bridge, texts(bridge), [1], reads=[[1], [1], [2, 3], [1]])
    return [
        streams.logits,
        edited_logits(bridge, streams, 1, edit),
        edited_logits(bridge, streams, 1, gone, rows=[2, 0]),
        damage(bridge, first, 1, edit),
        ablation_estimates(bridge, texts(bridge), lambda logits, rows: logits[:, 3]),
    ]


def neurons_off(bridge: Any) -> Any:
    chosen = torch.zeros(bridge.cfg.n_layers, width(bridge), dtype=torch.bool)
    chosen[:, ::2] = True
    losses = TextLosses(bridge, texts(bridge), 1)
    return [losses.clean, losses.edited(ablate_neurons(bridge, chosen))]


def copying(bridge: Any) -> list[Any]:
    parts = [Head(0, 0), Mlp(1)]
    rows, reference = copies(bridge), copies(bridge, 1).ids
    rng = np.random.default_rng(0)
    mean = ablation(bridge, parts, "mean", reference=reference)
    resample = ablation(bridge, parts, "resample", reference=reference, n_rows=4, rng=rng)
    spans = spans_of_copies(rows)
    return [
        copying_loss(bridge, rows),
        copying_loss(bridge, rows, ablated=mean),
        copying_loss(bridge, rows, ablated=resample),
        span_scores(bridge, spans),
        span_loss(bridge, spans, ablated=mean),
        periodic_loss(bridge, rows.ids, np.full(4, 6)),
    ]


def influence(bridge: Any) -> Any:
    weights = dictionary(bridge)
    parameter = bridge.W_U
    on_device = dataclasses.replace(weights, **{k: v.to(parameter) for k, v in vars(weights).items()})
    shared = {"source": on_device, "target": on_device, "sources": [0, 1], "targets": [2]}
    return feature_influence(bridge, texts(bridge), source_layer=0, target_layer=1, **shared)


TECHNIQUES: dict[str, Callable[[Any], Any]] = {
    "read_last_position": lambda bridge: read_last_position(
        bridge, texts(bridge), heads=True, log_probs=True
    ),
    "logit_lens": lambda bridge: logit_lens(bridge, texts(bridge), ANSWERS, positions="all"),
    "logit_by_layer": lambda bridge: logit_by_layer(bridge, texts(bridge), ANSWERS),
    "attribute": lambda bridge: attribute(bridge, texts(bridge), ANSWERS, ANSWERS.roll(1), before_cap=True),
    "attribute_neurons": lambda bridge: attribute_neurons(bridge, texts(bridge), ANSWERS, before_cap=True),
    "score_answers": lambda bridge: score_answers(bridge, TEXTS, ["w20 w21", "w22", "w23 w24", "w25"]),
    "attention_patterns": lambda bridge: attention_patterns(bridge, texts(bridge), all_heads(bridge)),
    "head_scores": lambda bridge: head_scores(bridge, copies(bridge)),
    "copying and ablation": copying,
    "composition": lambda bridge: composition(
        bridge, copies(bridge), copies(bridge, 1), Head(1, 0), all_heads(bridge, [0])
    ),
    "neuron_statistics": lambda bridge: neuron_statistics(bridge, texts(bridge), [0, 1], top=2),
    "token_activations": lambda bridge: token_activations(bridge, texts(bridge), [(0, 1), (1, 3)]),
    "last_token_neurons": lambda bridge: last_token_neurons(bridge, texts(bridge)),
    "TextLosses": neurons_off,
    "feature_influence": influence,
    "edits": edits,
    "continue_greedily": lambda bridge: continue_greedily(bridge, copies(bridge).ids, [], n=2),
    "pair_scores": lambda bridge: pair_scores(bridge, encode_pairs(bridge, PAIRS)),
    "patching_map": lambda bridge: [
        patching_map(bridge, encode_pairs(bridge, PAIRS), part, min_gap=1e-9, score=score).effects
        for part, score in (("residual", "kl"), ("heads", "logit_difference"), ("mlp", "logit_difference"))
    ],
    "attribution_map": lambda bridge: [
        attribution_map(bridge, encode_pairs(bridge, PAIRS), part, min_gap=1e-9).effects
        for part in ("residual", "heads")
    ],
}
"""Every technique that runs a model."""

DISCRETE = {"rank", "first_rank", "worst_rank", "ids", "top_ids", "top_texts", "top_positions", "histogram"}


def arrays(result: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """All numbers of a result with the names of their fields; a tensor that is not on the CPU fails here."""
    if isinstance(result, torch.Tensor):
        assert result.device.type == "cpu", f"{name} is on {result.device}"
        assert result.dtype not in (torch.bfloat16, torch.float16), f"{name} is {result.dtype}"
        yield name, result.detach().numpy()
    elif isinstance(result, np.ndarray | int | float):
        yield name, np.asarray(result)
    elif isinstance(result, list | tuple):
        for part in result:
            yield from arrays(part, name)
    elif dataclasses.is_dataclass(result) and not isinstance(result, Head):
        for field in dataclasses.fields(result):
            yield from arrays(getattr(result, field.name), field.name)


def assert_same(found: Any, expected: Any, *, rtol: float, atol: float, discrete: bool = True) -> None:
    for (name, one), (_, other) in zip(arrays(found), arrays(expected), strict=True):
        if discrete or name not in DISCRETE:
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_with_room_for_one_row_the_answers_are_those_of_all_rows_at_once(bridge, monkeypatch, technique):
    expected = TECHNIQUES[technique](bridge)
    sizes = []
    plain = room.rows_at_once
    monkeypatch.setattr(room, "free_memory", lambda device: 1)
    for module in (*vars(mechscope.lens).values(), *vars(mechscope.lens.core).values()):
        if hasattr(module, "rows_at_once"):
            monkeypatch.setattr(
                module, "rows_at_once", lambda *a, **k: sizes.append(plain(*a, **k)) or sizes[-1]
            )
    found = TECHNIQUES[technique](bridge)
    assert technique == "continue_greedily" or 1 in sizes
    assert_same(found, expected, rtol=1e-3, atol=1e-4)


def test_rows_follow_from_the_memory_and_from_what_a_row_costs(bridge, monkeypatch):
    each = room.row_bytes(bridge, 10, kept=1000, unembedded=1)
    assert each > room.row_bytes(bridge, 10, unembedded=1) > room.row_bytes(bridge, 10)
    assert room.row_bytes(bridge, 20) > 2 * room.row_bytes(bridge, 10)
    assert room.row_bytes(bridge, 10, gradients=True) == 3 * room.row_bytes(bridge, 10)
    monkeypatch.setattr(room, "free_memory", lambda device: 14 * each)
    assert room.rows_at_once(bridge, None, 32, 10, kept=1000, unembedded=1) == int(14 * room._SHARE)
    assert room.rows_at_once(bridge, None, 2, 10, kept=1000, unembedded=1) == 2
    assert room.rows_at_once(bridge, 99, 2, 10) == 99
    with pytest.raises(InvalidInput, match="batch of 0 rows"):
        room.rows_at_once(bridge, 0, 2, 10)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if "-one-layer" not in name])
def test_in_half_precision_techniques_work_and_give_float32(tmp_path, name):
    made = make(name, tmp_path, prepend_bos=True)
    half = load_model(str(tmp_path), dtype="bfloat16")
    half.cfg.default_prepend_bos = True
    n_refused = 0
    for technique, run in TECHNIQUES.items():
        try:
            expected = list(arrays(run(made.bridge)))
        except InvalidInput:  # experts, say, have no neurons of their own
            n_refused += 1
            continue
        found = list(arrays(run(half)))
        assert [one.shape for _, one in found] == [other.shape for _, other in expected], technique
        for (field, one), (_, other) in zip(found, expected, strict=True):
            # A neuron of OPT that is never active has no kurtosis, in either precision.
            assert np.isfinite(one[np.isfinite(other)]).all(), (technique, field)
    assert n_refused <= len(TECHNIQUES) // 3


_FACTORIES = {"zeros", "ones", "empty", "full", "arange", "tensor", "eye", "linspace"}


def test_a_hook_makes_no_tensor_on_another_device_than_its_value():
    """Inside a function that gets a hook's value, a new tensor names its device."""
    wrong = []
    for path in Path(mechscope.lens.__path__[0]).rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or "hook" not in [a.arg for a in function.args.args]:
                continue
            for call in ast.walk(function):
                if not isinstance(call, ast.Call):
                    continue
                module, _, name = ast.unparse(call.func).rpartition(".")
                given = [keyword.arg for keyword in call.keywords]
                if module == "torch" and name in _FACTORIES and "device" not in given:
                    wrong.append(f"{path.name}:{call.lineno}")
    assert not wrong


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_an_accelerator_finds_what_the_cpu_finds(tmp_path, monkeypatch, technique):
    made = make("llama", tmp_path, prepend_bos=True)
    monkeypatch.setenv("MECHSCOPE_DEVICE", "cuda")
    far: TransformerBridge = load_model(str(tmp_path))
    far.cfg.default_prepend_bos = True
    assert far.W_U.device.type == "cuda" and os.environ["MECHSCOPE_DEVICE"] == "cuda"
    assert_same(TECHNIQUES[technique](far), TECHNIQUES[technique](made.bridge), rtol=2e-3, atol=1e-3)

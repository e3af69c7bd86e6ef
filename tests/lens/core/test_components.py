"""Parts of models and what is said of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoConfig

from mechscope.lens.core.components import layers_without_window

KINDS: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("llama", {}, (0, 1, 2, 3)),
    ("gpt2", {}, (0, 1, 2, 3)),
    ("mistral", {"sliding_window": 3}, ()),
    ("mistral", {"sliding_window": None}, (0, 1, 2, 3)),
    ("gemma2", {}, (1, 3)),
    ("gemma3_text", {"layer_types": ["sliding_attention", "full_attention"] * 2}, (1, 3)),
    ("gpt_neo", {"attention_types": [[["global", "local"], 2]]}, (0, 2)),
    ("qwen2", {"sliding_window": 4096, "use_sliding_window": False}, (0, 1, 2, 3)),
]


@pytest.mark.parametrize(("kind", "shape", "wanted"), KINDS)
def test_layers_that_see_only_a_window_are_told_by_the_configuration_of_each_family(
    kind: str, shape: dict[str, Any], wanted: tuple[int, ...]
) -> None:
    layers = {"num_layers": 4} if kind == "gpt_neo" else {"num_hidden_layers": 4}
    config = AutoConfig.for_model(kind, **layers, **shape)
    bridge: Any = SimpleNamespace(
        original_model=SimpleNamespace(config=config), cfg=SimpleNamespace(n_layers=4)
    )
    assert layers_without_window(bridge) == wanted

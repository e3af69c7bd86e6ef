"""Models of TransformerLens' own format; none is here, so all tests but the last replace the loader."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformer_lens import HookedTransformer

from mechscope.errors import ModelMismatch, ModelUnavailable
from mechscope.models import legacy, load_model
from mechscope.models.registry import find_model, is_legacy


class Loaded:
    """Stands for a loaded model with a given loss."""

    def __init__(self, loss: float) -> None:
        self.loss = loss
        self.cfg = SimpleNamespace(d_vocab=48262)

    def eval(self) -> None:
        pass

    def __call__(self, text: str, return_type: str) -> torch.Tensor:
        return torch.tensor(self.loss)


def replace_loader(monkeypatch: pytest.MonkeyPatch, loss: float) -> list[tuple[str, dict[str, Any]]]:
    calls: list[tuple[str, dict[str, Any]]] = []

    def boot(name: str, **options: Any) -> Loaded:
        calls.append((name, options))
        return Loaded(loss)

    monkeypatch.setattr(legacy, "require_hub", lambda model: None)
    monkeypatch.setattr(HookedTransformer, "from_pretrained_no_processing", boot)
    return calls


def test_only_models_without_a_hugging_face_form_are_legacy() -> None:
    assert is_legacy(find_model("solu-1l"))
    assert is_legacy(find_model("attn-only-2l"))
    assert not is_legacy(find_model("gpt2-small"))
    assert not is_legacy(find_model("smollm2-135m"))


def test_a_legacy_model_gets_the_declared_conventions(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = replace_loader(monkeypatch, loss=4.0)
    load_model("solu-1l", dtype="bfloat16")
    name, options = calls[0]
    assert name == "NeelNanda/SoLU_1L512W_C4_Code"
    assert options["default_prepend_bos"] is True
    assert (options["default_padding_side"], options["dtype"]) == ("right", torch.bfloat16)


@pytest.mark.parametrize("loss", [math.log(48262) + 0.1, float("nan")])
def test_a_legacy_model_that_predicts_at_chance_is_refused(
    monkeypatch: pytest.MonkeyPatch, loss: float
) -> None:
    replace_loader(monkeypatch, loss)
    with pytest.raises(ModelMismatch, match="guessing gives"):
        load_model("solu-1l")


def test_a_legacy_model_has_no_revisions() -> None:
    with pytest.raises(ModelUnavailable, match="no revisions"):
        load_model("solu-1l@main")


@pytest.mark.hub
def test_solu_and_gpt2_load_from_the_hub() -> None:
    assert load_model("solu-1l").cfg.n_layers == find_model("solu-1l").layers
    assert load_model("gpt2-small").cfg.d_model == find_model("gpt2-small").width

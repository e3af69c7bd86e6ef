import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, ModelMismatch, UnknownName
from mechscope.models import load_model, selfcheck
from mechscope.models.load import _load_config, _load_original
from mechscope.models.registry import find_model
from mechscope.models.tokenizers import load_tokenizer

TinyModel = Callable[..., Path]


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_neox", "qwen2", "gemma3_text"])
def test_a_saved_folder_loads_and_computes_what_hugging_face_computes(
    tiny_model: TinyModel, architecture: str
) -> None:
    from transformers import AutoModelForCausalLM

    folder = tiny_model(architecture)
    bridge = load_model(str(folder))
    assert isinstance(bridge, TransformerBridge)
    assert not bridge.training
    assert bridge.tokenizer.padding_side == "right"
    assert bridge.cfg.default_prepend_bos is False  # what this tokenizer does when nobody tells it anything
    tokens = bridge.to_tokens("Paris is a tiny corpus.")
    original = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.inference_mode():
        assert torch.allclose(bridge(tokens), original(tokens).logits, atol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gemma3_text"])
def test_gradients_reach_the_weights_and_hooks_of_a_loaded_model(
    tiny_model: TinyModel, architecture: str
) -> None:
    bridge = load_model(str(tiny_model(architecture)))
    seen = []
    bridge.blocks[0].hook_out.add_hook(lambda gradient, hook: seen.append(gradient), dir="bwd")
    bridge("Paris is a tiny corpus.", return_type="loss").backward()
    assert seen
    assert bridge.embed.original_component.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_folding_is_explicit_and_leaves_predictions_as_they_are(
    tiny_model: TinyModel, architecture: str
) -> None:
    folder = str(tiny_model(architecture))
    raw, folded = load_model(folder), load_model(folder, folded=True)
    tokens = raw.to_tokens("Paris is a tiny corpus.")
    with torch.inference_mode():
        assert torch.allclose(raw(tokens).log_softmax(-1), folded(tokens).log_softmax(-1), atol=1e-4)
    assert not torch.allclose(raw.W_U, folded.W_U)


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16])
def test_half_precision_loads_and_passes_the_check(tiny_model: TinyModel, dtype: str | torch.dtype) -> None:
    bridge = load_model(str(tiny_model()), dtype=dtype)
    assert str(bridge.W_E.dtype).removeprefix("torch.") == str(dtype).removeprefix("torch.")


def test_what_cannot_be_used_is_refused_before_anything_is_loaded(tiny_model: TinyModel) -> None:
    folder = str(tiny_model())
    with pytest.raises(UnknownName, match="did you mean 'float32'"):
        load_model(folder, dtype="flaot32")
    with pytest.raises(InvalidInput, match="'cuda:99' cannot be used"):
        load_model(folder, device="cuda:99")
    with pytest.raises(InvalidInput, match="not a device"):
        load_model(folder, device="gpu0")


def test_a_folder_without_a_tokenizer_is_refused(tiny_model: TinyModel) -> None:
    with pytest.raises(InvalidInput, match="no tokenizer"):
        load_model(str(tiny_model(tokenizer=False)))


def test_weights_that_lack_a_tensor_are_refused(tiny_model: TinyModel) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_model()
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelMismatch, match=r"layers\.1\.mlp\.up_proj"):
        load_model(str(folder))


def test_code_that_lies_beside_a_model_is_never_run(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = tiny_model()
    config = json.loads((folder / "config.json").read_text())
    trace = tmp_path / "it ran"
    for name in ("configuration_own.py", "modeling_own.py", "tokenization_own.py"):
        (folder / name).write_text(f"open({str(trace)!r}, 'w').close()\n")
    own = {"AutoConfig": "configuration_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": own}))
    with pytest.raises(InvalidInput, match="never runs such code"):
        load_model(str(folder))
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": own}))  # its architecture is known
    assert load_model(str(folder)).cfg.n_layers == 2
    assert not trace.exists()


def test_a_pickle_that_would_run_code_is_refused(tiny_model: TinyModel, tmp_path: Path) -> None:
    trace = tmp_path / "it ran"

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(trace), "w")

    folder = tiny_model()
    (folder / "model.safetensors").unlink()
    torch.save({"model.embed_tokens.weight": Attack()}, folder / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match="cannot be loaded"):
        load_model(str(folder))
    assert not trace.exists()


def test_weights_that_are_cut_off_are_refused(tiny_model: TinyModel) -> None:
    folder = tiny_model()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InvalidInput, match="cannot be loaded"):
        load_model(str(folder))


def test_the_tokenizer_of_a_larger_model_is_refused(tiny_model: TinyModel) -> None:
    folder = tiny_model(vocabulary=40)
    with pytest.raises(ModelMismatch, match="another model's"):
        load_model(str(folder))


def test_a_model_too_short_for_the_sentence_is_checked_on_its_beginning(tiny_model: TinyModel) -> None:
    assert load_model(str(tiny_model("gpt2", context=8))).cfg.n_ctx == 8


def broken_boot(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[TransformerBridge], None]) -> None:
    """From now on a bridge is spoilt before the check sees it."""
    boot = TransformerBridge.boot_transformers

    def boot_and_spoil(*args: Any, **options: Any) -> TransformerBridge:
        bridge = boot(*args, **options)
        spoil(bridge)
        return bridge

    monkeypatch.setattr(TransformerBridge, "boot_transformers", boot_and_spoil)


def lose_a_head(bridge: TransformerBridge) -> None:
    with torch.no_grad():
        bridge.blocks[1].attn.o.original_component.weight[:, :8] = 0


def make_nan(bridge: TransformerBridge) -> None:
    with torch.no_grad():
        bridge.blocks[0].mlp.out.original_component.weight[:] = float("nan")


def shift_a_layer(bridge: TransformerBridge) -> None:
    bridge.blocks[1].hook_in.add_perma_hook(lambda value, hook: value + 0.05)


@pytest.mark.parametrize("spoil", [lose_a_head, make_nan, shift_a_layer])
def test_a_broken_bridge_is_refused(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[TransformerBridge], None]
) -> None:
    broken_boot(monkeypatch, spoil)
    with pytest.raises(ModelMismatch, match="nats away"):
        load_model(str(tiny_model()))


def measured(folder: Path, *, prepend_bos: bool) -> selfcheck.Measured:
    config = _load_config(folder)
    original = _load_original(folder, config, "cpu", torch.float32)
    return selfcheck.measure(original, load_tokenizer(folder, config), prepend_bos)


def test_a_bridge_that_reads_other_tokens_is_refused(tiny_model: TinyModel) -> None:
    folder = tiny_model()
    bridge = load_model(str(folder))
    expected = measured(folder, prepend_bos=True)
    with pytest.raises(ModelMismatch, match="reads the sentence"):
        selfcheck.require_agreement(bridge, expected, find_model(str(folder)))


def test_a_hook_that_holds_another_layer_is_refused(tiny_model: TinyModel) -> None:
    folder = tiny_model()
    bridge = load_model(str(folder))
    expected = measured(folder, prepend_bos=False)
    assert len(expected.layer_inputs) == 2
    shifted = replace(expected, layer_inputs=expected.layer_inputs[::-1])
    with pytest.raises(ModelMismatch, match=r"blocks\.0\.hook_resid_pre"):
        selfcheck.require_agreement(bridge, shifted, find_model(str(folder)))


def test_other_weights_than_those_whose_loss_is_pinned_are_refused(tiny_model: TinyModel) -> None:
    folder = tiny_model()
    bridge = load_model(str(folder))
    expected = measured(folder, prepend_bos=False)
    model = replace(find_model(str(folder)), check_loss=expected.loss)
    selfcheck.require_agreement(bridge, expected, model)
    with pytest.raises(ModelMismatch, match="is pinned"):
        selfcheck.require_agreement(bridge, expected, replace(model, check_loss=expected.loss + 0.01))


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_batch_predicts_what_its_texts_predict_alone(
    tiny_model: TinyModel, require_batch_equals_singles: Callable[..., None], side: str
) -> None:
    require_batch_equals_singles(load_model(str(tiny_model())), side)


def test_the_device_of_a_whole_command_is_used_where_no_other_one_is_named(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tiny_model())
    monkeypatch.setenv("MECHSCOPE_DEVICE", "cuda:99")
    with pytest.raises(InvalidInput, match=r"'cuda:99' \(from MECHSCOPE_DEVICE\) cannot be used"):
        load_model(folder)
    assert load_model(folder, device="cpu").W_E.device.type == "cpu"
    monkeypatch.setenv("MECHSCOPE_DEVICE", "")
    assert load_model(folder).W_E.device.type == "cpu"


def test_the_pipeline_names_the_device_where_models_look_for_it() -> None:
    """Twice, because the pipeline imports nothing heavy and models import nothing of the pipeline."""
    from mechscope.models.load import DEVICE
    from mechscope.pipeline.devices import VARIABLE

    assert DEVICE == VARIABLE

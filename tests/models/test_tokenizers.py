"""A folder's tokenizer is the model's own, or it is refused before any weights are read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from mechscope.errors import InvalidInput, MechscopeError, ModelMismatch
from mechscope.models.tokenizers import load_tokenizer

TinyModel = Callable[..., Path]
ARCHITECTURES = ["llama", "gpt2", "gpt_neox", "qwen2", "gemma3_text"]
CLASSES = ["LlamaTokenizer", "GPT2Tokenizer", "GPTNeoXTokenizer", "Qwen2Tokenizer", "GemmaTokenizer", "Own"]


def load(folder: Path) -> Any:
    return load_tokenizer(folder, AutoConfig.from_pretrained(folder))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_with_its_own_tokenizer_is_accepted(tiny_model: TinyModel, architecture: str) -> None:
    assert load(tiny_model(architecture))("Paris")["input_ids"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", CLASSES)
def test_a_tokenizer_that_transformers_makes_from_nothing_is_refused(
    tiny_model: TinyModel, architecture: str, name: str
) -> None:
    folder = tiny_model(architecture)
    (folder / "tokenizer.json").unlink()
    edit(folder / "tokenizer_config.json", lambda config: config.update(tokenizer_class=name))
    with pytest.raises(InvalidInput, match=r"knows no text|no tokenizer that can be loaded"):
        load(folder)


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"model": {}}', "not JSON", "\ufeff"])
def test_a_damaged_tokenizer_is_one_message(tiny_model: TinyModel, damage: str) -> None:
    folder = tiny_model()
    (folder / "tokenizer.json").write_text(damage)
    with pytest.raises(MechscopeError):
        load(folder)


def test_a_tokenizer_without_its_merges_is_refused(tiny_model: TinyModel) -> None:
    folder = tiny_model()
    edit(folder / "tokenizer.json", lambda content: content["model"].update(merges=[]))
    with pytest.raises(InvalidInput, match="lost its merges"):
        load(folder)


def test_a_tokenizer_that_knows_only_characters_is_accepted(tiny_model: TinyModel) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    folder = tiny_model(vocabulary=128)
    characters = {chr(code): code for code in range(128)}
    raw = Tokenizer(models.BPE(vocab=characters, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(tokenizer_object=raw).save_pretrained(folder)
    assert len(load(folder)("Paris")["input_ids"]) == 5


@pytest.mark.parametrize("size", [40, 319, 641, 32_000])
def test_a_tokenizer_of_a_model_with_another_vocabulary_is_refused(tiny_model: TinyModel, size: int) -> None:
    with pytest.raises(ModelMismatch, match="another model's"):
        load(tiny_model(vocabulary=size))


@pytest.mark.parametrize("size", [320, 384])
def test_a_padded_vocabulary_is_accepted(tiny_model: TinyModel, size: int) -> None:
    assert len(load(tiny_model(vocabulary=size))) == 320


def test_a_tokenizer_of_the_right_size_that_begins_and_ends_texts_otherwise_is_refused(
    tiny_model: TinyModel,
) -> None:
    folder = tiny_model()
    edit(folder / "config.json", lambda config: config.update(bos_token_id=7, eos_token_id=[8, 9]))
    with pytest.raises(ModelMismatch, match="begins and ends texts with the tokens 0 and 1"):
        load(folder)


def test_ids_that_are_only_the_defaults_of_an_architecture_refuse_nothing(tiny_model: TinyModel) -> None:
    folder = tiny_model("gpt2")
    edit(folder / "config.json", lambda config: config.update(bos_token_id=50256, eos_token_id=50256))
    assert load(folder)


def test_no_code_of_a_tokenizer_is_run(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder, trace = tiny_model(), tmp_path / "it ran"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    auto = {"AutoTokenizer": ["own.Own", None]}
    edit(folder / "tokenizer_config.json", lambda config: config.update(auto_map=auto, tokenizer_class="Own"))
    shutil.move(folder / "tokenizer.json", folder / "other.json")
    with pytest.raises(InvalidInput):
        load(folder)
    assert not trace.exists()

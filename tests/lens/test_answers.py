from __future__ import annotations

from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mechscope.errors import InvalidInput
from mechscope.lens.answers import answer_tokens

TEXT = ["a capital of France is Paris", "the capital of Italy is Rome", "a word and a word"] * 3


def _tokenizer(kind: str) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(unk_token="<unk>"))
    if kind == "bytes":
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    elif kind == "bytes, space before":
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    elif kind == "normaliser":  # as in Llama 2: "▁" before each text, and one for each space
        core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        core.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=kind)
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False)
    core.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")


@pytest.mark.parametrize("kind", ["bytes", "bytes, space before", "always", "first", "never", "normaliser"])
def test_an_answer_has_the_tokens_that_it_has_behind_its_prompt(kind):
    tokenizer = _tokenizer(kind)
    prompts, answers = ["a capital of France is", "the word"], [" Paris", " Rome and Italy"]
    for prompt, ids in zip(
        prompts, answer_tokens(SimpleNamespace(tokenizer=tokenizer), answers), strict=True
    ):
        whole = tokenizer(prompt + answers[prompts.index(prompt)], add_special_tokens=False)["input_ids"]
        before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        assert [*before, *ids] == whole


def test_no_answers_have_no_tokens_and_an_answer_without_tokens_is_refused(bridge):
    assert answer_tokens(bridge, []) == ()
    with pytest.raises(InvalidInput, match="has no tokens"):
        answer_tokens(bridge, ["w1", ""])

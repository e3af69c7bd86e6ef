"""Models that no analysis was written on: tiny, random, of several families, saved as a user's folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from tests.lens.architectures import ARCHITECTURES

ROOT = Path(__file__).parents[2]
PAD, BOS, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"


@dataclass(frozen=True)
class Stranger:
    """A model to make.

    Attributes:
        architecture: One of `ARCHITECTURES`, with its layers, heads and context.
        vocabulary: How many tokens its tokenizer learns from the texts of the analyses. With few, most words
            are several tokens.
        bos: Whether its tokenizer begins each text with a token of its own.
        bytes: Whether its tokenizer is of GPT-2's kind (bytes, a space belongs to what follows) or of Llama's
            and Gemma's ("▁" for a space, and one before each text).
        shape: What differs from the architecture's shape.
    """

    architecture: str
    vocabulary: int
    bos: bool = False
    bytes: bool = True
    shape: dict[str, Any] = field(default_factory=dict)


STRANGERS = {
    "llama-two-layers": Stranger("llama", 6000),
    "gpt2-one-layer-one-head": Stranger("gpt2-one-layer-one-head", 600),
    "gemma3-three-layers-bos": Stranger("gemma3", 4000, bos=True, bytes=False),
    "pythia-two-layers-bos": Stranger("pythia", 2000, bos=True),
}
"""By name: with and without BOS, gated MLPs and none, sequential and parallel blocks, 1 to 4 heads."""


def make(name: str, folder: Path) -> Path:
    """Save the model called `name` in `folder`, as `save_pretrained` does; the folder."""
    stranger = STRANGERS[name]
    tokenizer = _tokenizer(stranger)
    kind, shape = ARCHITECTURES[stranger.architecture]
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), **{**shape, **stranger.shape}, **special, pad_token_id=0
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(stranger: Stranger) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE(unk_token=None if stranger.bytes else UNKNOWN))
    alphabet = []
    if stranger.bytes:
        core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        core.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        core.pre_tokenizer = pre_tokenizers.Metaspace()
        core.decoder = decoders.Metaspace()
    special = [PAD, BOS, END, UNKNOWN]
    trainer = trainers.BpeTrainer(
        vocab_size=stranger.vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(_texts(), trainer)
    if stranger.bos:
        core.post_processor = TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, core.token_to_id(BOS))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=END,
        unk_token=None if stranger.bytes else UNKNOWN,
    )


def _texts() -> Iterator[str]:
    for path in sorted((ROOT / "analyses" / "data").glob("*.csv")):
        yield from path.read_text(encoding="utf-8").split("\n")

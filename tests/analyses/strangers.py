"""Models that no analysis was written on: tiny, random, of several families, saved as a user's folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from mechscope.models.load import model_folder
from mechscope.models.registry import find_model
from tests.lens.architectures import ARCHITECTURES

ROOT = Path(__file__).parents[2]
BOS, END = "<s>", "</s>"


@dataclass(frozen=True)
class Stranger:
    """A model to make.

    Attributes:
        architecture: One of `ARCHITECTURES`, with its layers, heads and context.
        tokenizer: The embedded model whose tokenizer it has; or the size of a vocabulary of its own, which
            was learned from the texts of the analyses (byte-level BPE): most words are several tokens then.
        bos: Whether its tokenizer begins each text with a token of its own (only for one of its own).
        shape: What differs from the architecture's shape.
    """

    architecture: str
    tokenizer: str | int
    bos: bool = False
    shape: dict[str, Any] = field(default_factory=dict)


STRANGERS = {
    "llama-two-layers": Stranger("llama", "smollm2-135m"),
    "gpt2-one-layer-one-head": Stranger("gpt2-one-layer-one-head", 600),
    "gemma3-three-layers": Stranger("gemma3", "gemma-3-270m"),
    "pythia-two-layers-bos": Stranger("pythia", 2000, bos=True),
    "opt-two-layers": Stranger("opt", 4000, bos=True),
}
"""By name: with and without BOS, gated MLPs and none, sequential and parallel blocks, 1 to 4 heads."""


def make(name: str, folder: Path) -> Path:
    """Save the model called `name` in `folder`, as `save_pretrained` does; the folder."""
    stranger = STRANGERS[name]
    tokenizer = (
        AutoTokenizer.from_pretrained(model_folder(find_model(stranger.tokenizer)))
        if isinstance(stranger.tokenizer, str)
        else _own_tokenizer(stranger.tokenizer, stranger.bos)
    )
    kind, shape = ARCHITECTURES[stranger.architecture]
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), **{**shape, **stranger.shape}, **special, pad_token_id=0
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _own_tokenizer(size: int, bos: bool) -> PreTrainedTokenizerFast:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<pad>", BOS, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_texts(), trainer)
    if bos:
        from tokenizers.processors import TemplateProcessing

        core.post_processor = TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, core.token_to_id(BOS))]
        )
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", bos_token=BOS, eos_token=END)


def _texts() -> Iterator[str]:
    for path in sorted((ROOT / "analyses" / "data").glob("*.csv")):
        yield from path.read_text(encoding="utf-8").split("\n")

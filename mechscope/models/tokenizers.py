"""The tokenizer in a model's folder: loaded without running code from there, refused unless it is its own.

transformers makes an empty tokenizer without a word when files are missing: every text then becomes nothing,
or `<unk>` over and over. And nothing keeps another model's tokenizer out of a folder. Both give numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechscope.errors import InvalidInput, ModelMismatch
from mechscope.files import lines_of
from mechscope.models.selfcheck import SENTENCE

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

_SAVE_IT = "save the model's own tokenizer there: tokenizer.save_pretrained(FOLDER)"
_LEAST_COVERED = 0.5
"""Share of a model's vocabulary that its tokenizer must know; published models pad by a few percent."""


def load_tokenizer(folder: Path, config: PretrainedConfig) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`.

    Args:
        folder: A folder that `save_pretrained` wrote.
        config: The model's configuration.

    Raises:
        InvalidInput: There is none, it can't be loaded, or it knows no text.
        ModelMismatch: It is another model's.
    """
    try:
        tokenizer = from_folder(folder, add_bos_token=True)
    except InvalidInput:  # it has no BOS, or is none at all
        tokenizer = from_folder(folder)
    _require_text(tokenizer, folder)
    _require_merges(tokenizer, folder)
    _require_vocabulary(tokenizer, folder, config.get_text_config().vocab_size)
    _require_special_tokens(tokenizer, folder, config)
    return tokenizer


def from_folder(folder: Path, **options: Any) -> PreTrainedTokenizerBase:
    """As `AutoTokenizer.from_pretrained`, from this folder alone, running no code that lies in it.

    Raises:
        InvalidInput: There is no tokenizer, or it can't be loaded.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    options |= {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        # Some classes (Qwen's) build another kind of model from the vocabulary than tokenizer.json describes.
        if _lost_merges(tokenizer) and (folder / "tokenizer.json").is_file():
            return PreTrainedTokenizerFast.from_pretrained(folder, **options)
        return tokenizer
    # Damaged files come out of the tokenizers library as a KeyError, a TypeError or a bare Exception.
    except Exception as error:
        raise InvalidInput(
            f"{folder} holds no tokenizer that can be loaded ({_first_line(error)}).", hint=_SAVE_IT
        ) from error


def _first_line(error: Exception) -> str:
    lines = lines_of(str(error).strip())
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _require_text(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    # A toy's tokenizer may know no English, but it knows words of its own.
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens) - set(tokenizer.get_added_vocab()):
        raise InvalidInput(
            f"The tokenizer in {folder} knows no text: it has special tokens only.", hint=_SAVE_IT
        )


def _require_merges(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    if unreachable := _lost_merges(tokenizer):
        raise InvalidInput(
            f"The tokenizer in {folder} has lost its merges: {unreachable:,} tokens can never occur.",
            hint=_SAVE_IT,
        )


def _lost_merges(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens byte-pair encoding without merges can't reach: it spells every word."""
    spelled = tokenizer.convert_ids_to_tokens(tokenizer(SENTENCE, add_special_tokens=False)["input_ids"])
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or any(len(token.strip("Ġ▁")) > 1 for token in spelled):
        return 0
    model = json.loads(backend.to_str())["model"]
    if model.get("type") != "BPE" or model.get("merges"):
        return 0
    longer = {token for token in tokenizer.get_vocab() if len(token) > 1 and not token.startswith("<0x")}
    return len(longer - set(tokenizer.get_added_vocab()) - set(tokenizer.all_special_tokens))


def _require_vocabulary(tokenizer: PreTrainedTokenizerBase, folder: Path, n_embedded: int) -> None:
    # Added tokens may lie beyond: Gemma 3's tokenizer has one for images, which its model does not embed.
    added = set(tokenizer.get_added_vocab().values())
    ids = set(tokenizer.get_vocab().values()) - added
    beyond = sum(token >= n_embedded for token in ids)
    if beyond:
        raise ModelMismatch(
            f"The tokenizer in {folder} is another model's: of its {len(ids):,} tokens {beyond:,} are beyond "
            f"the {n_embedded:,} that the model embeds.",
            hint=_SAVE_IT,
        )
    if len(ids | added) < _LEAST_COVERED * n_embedded:
        raise ModelMismatch(
            f"The tokenizer in {folder} is another model's: it has {len(ids | added):,} tokens, and the "
            f"model embeds {n_embedded:,}.",
            hint=_SAVE_IT,
        )


def _require_special_tokens(
    tokenizer: PreTrainedTokenizerBase, folder: Path, config: PretrainedConfig
) -> None:
    """The tokens that begin and end a text are declared twice, by the model and by its tokenizer."""
    ours = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    theirs = [_ids(token) for token in _special_tokens(config)]
    if None in ours or not all(theirs) or not _declared(config):
        return
    if all(token not in declared for token, declared in zip(ours, theirs, strict=True)):
        raise ModelMismatch(
            f"The tokenizer in {folder} is another model's: it begins and ends texts with the tokens "
            f"{ours[0]} and {ours[1]}, the model's config.json says {theirs[0][0]} and {theirs[1][0]}.",
            hint=f"{_SAVE_IT}; if it is the model's own, correct the ids in config.json",
        )


def _special_tokens(config: PretrainedConfig) -> list[int | list[int] | None]:
    return [getattr(config, name, None) for name in ("bos_token_id", "eos_token_id")]


def _ids(declared: int | list[int] | None) -> list[int]:
    return declared if isinstance(declared, list) else [] if declared is None else [declared]


def _declared(config: PretrainedConfig) -> bool:
    """Whether somebody chose these ids: they are not just the defaults of a class with another vocabulary."""
    default = type(config)()
    return _special_tokens(config) != _special_tokens(default) or config.vocab_size == default.vocab_size

"""The tokenizer in a model's folder: loaded without running code from there, refused unless it is its own.

transformers makes an empty tokenizer without a word when files are missing: every text then becomes nothing,
or `<unk>` over and over. And nothing keeps another model's tokenizer out of a folder. Both give numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechscope.errors import InvalidInput, ModelMismatch
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
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, **options
        )
    # Damaged files come out of the tokenizers library as a KeyError, a TypeError or a bare Exception.
    except Exception as error:
        raise InvalidInput(
            f"{folder} holds no tokenizer that can be loaded ({_first_line(error)}).", hint=_SAVE_IT
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _require_text(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    ids = set(tokenizer(SENTENCE, add_special_tokens=False)["input_ids"])
    if not ids - {tokenizer.unk_token_id}:
        what = f"{tokenizer.unk_token} alone" if ids else "no token at all"
        raise InvalidInput(
            f"The tokenizer in {folder} knows no text: an English sentence becomes {what}.", hint=_SAVE_IT
        )


def _require_merges(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Byte-pair encoding that lost its merges spells every word, with tokens that the model hardly knows."""
    spelled = tokenizer.convert_ids_to_tokens(tokenizer(SENTENCE, add_special_tokens=False)["input_ids"])
    if any(len(token.strip("Ġ▁")) > 1 for token in spelled):
        return
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = json.loads(backend.to_str())["model"] if backend is not None else {}
    added = set(tokenizer.get_added_vocab())
    longer = [token for token in tokenizer.get_vocab() if len(token) > 1 and token not in added]
    unreachable = [token for token in longer if not token.startswith("<0x")]
    if model.get("type") == "BPE" and not model.get("merges") and unreachable:
        raise InvalidInput(
            f"The tokenizer in {folder} has lost its merges: {len(unreachable):,} tokens can never occur.",
            hint=_SAVE_IT,
        )


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

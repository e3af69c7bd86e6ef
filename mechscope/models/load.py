"""From a model's name to a `TransformerBridge` that has been checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mechscope.errors import InvalidInput, MechscopeError, ModelMismatch, UnknownName
from mechscope.files import lines_of
from mechscope.models import selfcheck
from mechscope.models.chatter import quiet
from mechscope.models.embedded import ensure_dequantised
from mechscope.models.legacy import load_legacy
from mechscope.models.memory import require_memory
from mechscope.models.registry import Model, find_model, is_legacy
from mechscope.models.tokenizers import from_folder, load_tokenizer

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PretrainedConfig, PreTrainedModel

DTYPES = ("float32", "bfloat16", "float16")
DEVICE = "MECHSCOPE_DEVICE"
"""The environment variable with the device on which models are loaded that no other device is named for."""
_LONGEST = 160


def load_model(
    name: str, *, device: str | None = None, dtype: str | torch.dtype = "float32", folded: bool = False
) -> TransformerBridge:
    """Load a model as a TransformerLens bridge, in eval mode, with its tokenizer.

    Args:
        name: An embedded model, a hub model (`name@revision` pins it) or a folder; see `mechscope models`.
        device: "cpu", "cuda", "cuda:1", "mps" …; None for what the environment variable MECHSCOPE_DEVICE
            says, and the CPU where it is not set. Whatever the device, results come back on the CPU.
        dtype: "float32" (what committed numbers are computed in), "bfloat16" or "float16".
        folded: Fold LayerNorm and centre the weights (`enable_compatibility_mode`). Off by default: raw
            weights are the model's own.

    Returns:
        The bridge. `cfg.default_prepend_bos` holds the model's BOS convention, and texts of unequal length
        are padded on the right.

    Raises:
        UnknownName: No model is called that.
        InvalidInput: The device or dtype cannot be used, the folder holds no model, memory is too small, or
            the architecture is not one that the techniques can look into (no causal language model, none that
            TransformerLens wraps, or blocks without attention heads).
        ModelUnavailable: The weights are not here and cannot be fetched now.
        ModelMismatch: The bridge does not compute what the Hugging Face model computes.
    """
    model = find_model(name)
    number_type = _number_type(dtype)
    # Whoever names no device gets the one that was chosen for the whole command.
    named = os.environ.get(DEVICE) if device is None else None
    device = device or named or "cpu"
    require_device(device, f" (from {DEVICE})" if named else "")
    if is_legacy(model):
        return load_legacy(model, device, number_type, folded)
    return _load_folder(model, model_folder(model), device, number_type, folded)


def model_folder(model: Model) -> Path:
    """The folder from which a model loads; fetches or builds it when it is not there yet.

    Raises:
        ModelUnavailable, ModelMismatch: As `load_model` does.
    """
    if model.kind == "embedded":
        return ensure_dequantised(model)
    if model.folder is not None:
        return model.folder
    from mechscope.models.hub import ensure_snapshot

    return ensure_snapshot(model)


def _load_folder(
    model: Model, folder: Path, device: str, dtype: torch.dtype, folded: bool
) -> TransformerBridge:
    import torch
    from transformer_lens.model_bridge import TransformerBridge

    with quiet():
        config = _load_config(folder)
        tokenizer = load_tokenizer(folder, config)
        prepend_bos = _prepends_bos(model, folder)
        require_memory(folder, dtype, torch.device(device))
        original = _load_original(folder, config, device, dtype)
        architecture = type(original).__name__
        # Computed before the bridge exists: it replaces the modules inside this very object by its own.
        with _refused_as(f"{model.name} ({architecture}) cannot read a sentence in transformers itself"):
            expected = selfcheck.measure(original, tokenizer, prepend_bos)
        with _refused_as(
            f"TransformerLens cannot wrap {model.name} ({architecture})",
            hint="use a model of an architecture that it has an adapter for",
        ):
            bridge = TransformerBridge.boot_transformers(
                str(folder), hf_model=original, tokenizer=tokenizer, device=device, dtype=dtype
            )
            bridge.cfg.model_name = model.name
            bridge.cfg.default_prepend_bos = prepend_bos
            # A name of the context that TransformerLens does not read; it assumes 2,048 tokens (MPT).
            bridge.cfg.n_ctx = getattr(config, "max_seq_len", None) or bridge.cfg.n_ctx
            bridge.tokenizer.padding_side = "right"
            bridge.eval()
            if folded:
                bridge.enable_compatibility_mode()
            selfcheck.require_agreement(bridge, expected, model, folded=folded)
    return bridge


@contextmanager
def _refused_as(what: str, hint: str = "") -> Iterator[None]:
    """Say in one sentence that a library failed; its errors on models that it can't do are of any kind."""
    import torch

    try:
        yield
    except MechscopeError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise InvalidInput(
            f"{what}: out of memory.", hint="use a smaller model, or dtype='bfloat16', which takes half"
        ) from error
    except Exception as error:
        raise InvalidInput(f"{what}: {_last_line(error)}", hint=hint) from error


def _load_config(folder: Path) -> PretrainedConfig:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            folder, output_attentions=True, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if "auto_map" in json.loads((folder / "config.json").read_text(encoding="utf-8")):
            raise InvalidInput(
                f"The model in {folder} needs Python code that lies beside its weights (auto_map in its "
                "config.json); mechscope never runs such code.",
                hint="use a model of an architecture that transformers itself has",
            ) from error
        raise InvalidInput(f"The config.json in {folder} cannot be read: {_short(error)}") from error
    if getattr(config, "pad_token_id", None) is None:
        end = getattr(config, "eos_token_id", None)
        config.pad_token_id = end[0] if isinstance(end, list) else end
    return config


def _load_original(
    folder: Path, config: PretrainedConfig, device: str, dtype: torch.dtype
) -> PreTrainedModel:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM

    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise InvalidInput(
            f"The model in {folder} is of the type '{config.model_type}', of which transformers has no "
            "causal language model: nothing in it predicts the next token of a text.",
            hint="use a decoder-only language model (GPT-2, Llama, Qwen, Gemma …)",
        )
    try:
        # Eager attention is the bridge's own: any other would differ by the order of its additions.
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            attn_implementation="eager",
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    # Damaged files end in any of a dozen errors (safetensors, pickle, zipfile, torch, transformers).
    except Exception as error:
        raise InvalidInput(
            f"The model in {folder} cannot be loaded: {_short(error)}",
            hint="save it again with model.save_pretrained(FOLDER), or fetch it anew",
        ) from error
    if report["missing_keys"]:  # transformers would fill them with random numbers and go on
        missing = sorted(report["missing_keys"])
        raise ModelMismatch(
            f"The weights in {folder} lack {len(missing)} of the model's tensors, such as {missing[0]}.",
            hint="save it again with model.save_pretrained(FOLDER), or fetch it anew",
        )
    return model.to(device).eval()


def _last_line(error: Exception) -> str:
    """The last line of what another library says, without a list of all that it knows."""
    lines = lines_of(str(error).strip()) or [type(error).__name__]
    line = lines[-1].strip()
    if len(line) > _LONGEST and ". " in line:
        line = line.split(". ")[0] + "."
    return line if len(line) <= _LONGEST else line[:_LONGEST].rstrip() + " …"


def _short(error: Exception) -> str:
    """The first paragraph of what another library says: the rest is advice about its own options."""
    return str(error).strip().split("\n\n")[0] or type(error).__name__


def _prepends_bos(model: Model, folder: Path) -> bool:
    """The declared convention; else what the tokenizer does when nobody tells it anything."""
    if model.prepend_bos is not None:
        return model.prepend_bos
    tokenizer = from_folder(folder)
    return tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]


def _number_type(dtype: str | torch.dtype) -> torch.dtype:
    import torch

    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise UnknownName("dtype", name, DTYPES)
    return getattr(torch, name)


def require_device(device: str, source: str = "") -> None:
    """Refuse a device that PyTorch can't use here.

    Args:
        source: Where it was named, for the message.

    Raises:
        InvalidInput: There is none; says what there is.
    """
    import torch

    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise InvalidInput(
            f"'{device}'{source} is not a device.", hint="use cpu, cuda, cuda:1 or mps"
        ) from error
    if wanted.type == "cpu":
        return
    if wanted.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (wanted.index or 0) < count:
            return
        found = f"{count} CUDA devices" if count else "no CUDA device"
    elif wanted.type == "mps":
        if torch.backends.mps.is_available():
            return
        found = "no MPS device"
    else:
        found = "no support for it here"
    raise InvalidInput(
        f"The device '{device}'{source} cannot be used: PyTorch {torch.__version__} finds {found}.",
        hint="use the device cpu, or install a PyTorch build for your accelerator",
    )

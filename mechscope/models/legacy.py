"""Models that exist only in TransformerLens' own format, such as the toy models `solu-1l` and `attn-only-2l`.

There is no Hugging Face model for a bridge to wrap, so they load as a `HookedTransformer`, which has the same
hook names and methods. Loading asks the hub each time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from mechscope.errors import ModelMismatch, ModelUnavailable
from mechscope.models.chatter import quiet
from mechscope.models.hub import require_hub
from mechscope.models.registry import Model
from mechscope.models.selfcheck import SENTENCE

if TYPE_CHECKING:
    import torch
    from transformer_lens.model_bridge import TransformerBridge


def load_legacy(model: Model, device: str, dtype: torch.dtype, folded: bool) -> TransformerBridge:
    """Load a model of TransformerLens' own format.

    Raises:
        ModelUnavailable: The hub cannot be reached, or the download stops.
        ModelMismatch: The weights predict an English sentence no better than chance.
    """
    from transformer_lens import HookedTransformer

    if model.revision:
        raise ModelUnavailable(
            f"{model.name}: TransformerLens' own format has no revisions.", hint=f"use {model.repo}"
        )
    require_hub(model)
    boot = HookedTransformer.from_pretrained if folded else HookedTransformer.from_pretrained_no_processing
    try:
        with quiet():
            loaded = boot(
                model.repo,
                device=device,
                dtype=dtype,
                default_prepend_bos=model.prepend_bos is not False,
                default_padding_side="right",
            )
    except OSError as error:
        raise ModelUnavailable(f"The download of {model.repo} from the hub stopped: {error}") from error
    loaded.eval()
    _require_sense(loaded, model)
    return cast("TransformerBridge", loaded)


def _require_sense(loaded: object, model: Model) -> None:
    """There is no second implementation to compare with; weights that were misread predict at chance."""
    import torch

    with torch.inference_mode():
        loss = float(loaded(SENTENCE, return_type="loss"))  # type: ignore[operator]
    chance = math.log(loaded.cfg.d_vocab)  # type: ignore[attr-defined]
    if not loss < chance:
        raise ModelMismatch(
            f"{model.name} was refused by the check at load: its loss on an English sentence is {loss:.2f} "
            f"nats, guessing gives {chance:.2f}."
        )

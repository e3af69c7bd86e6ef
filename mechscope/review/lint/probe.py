"""Whether a number in a text is a measured result: a linear probe on the residual stream of SmolLM2-135M.

No list of rules tells "We trained 5 probes" from "We are left with 5 probes". A small language model does:
the residual stream at a number holds what the sentence says of it. One direction in it, learned by logistic
regression from labelled fragments of articles, gives the verdict (Alain & Bengio 2016, "Understanding
intermediate layers using linear classifier probes").

1. Run the passage through the first `LAYER` blocks of the embedded model, in float32.
2. At each number take three states: the mean over its tokens, the token after it, the passage's last token.
3. A number is taken for a result where direction · states + bias > 0.

A wrong verdict is corrected with more fragments in `tests/review/corpus/`, then

    python -m tests.review.learn_probe
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechscope.files import hash_value, stable_json, write_atomically

if TYPE_CHECKING:
    import torch
    from jaxtyping import Float

WEIGHTS = Path(__file__).with_name("probe.json")
MODEL = "smollm2-135m"
LAYER = 18
"""Of 30; layers 14 to 22 do about as well, earlier ones worse."""
_BATCH = 16

Query = tuple[str, Sequence[tuple[int, int]]]
"""A passage, and where its numbers are in it."""


def scores(queries: Sequence[Query], kept: Path | None = None) -> list[list[float]]:
    """For each number of each passage, how much it looks like a measured result; above 0 it is taken for one.

    Args:
        kept: A file that keeps scores, so that only what changed is judged again.

    Raises:
        ModelUnavailable: The package with the embedded model isn't installed.
    """
    keys = [hash_value([text, *map(list, spans)]) for text, spans in queries]
    known = _kept(kept) if kept else {}
    new = {key: query for key, query in zip(keys, queries, strict=True) if query[1] and key not in known}
    if new:
        import torch

        weights = _weights()
        direction, bias = torch.tensor(weights["direction"]), float(weights["bias"])
        values = iter((states(list(new.values())) @ direction + bias).tolist())
        known |= {key: [next(values) for _ in spans] for key, (_, spans) in new.items()}
        if kept:
            with suppress(OSError):  # a full disk, a folder that is only read: it only saves time
                write_atomically(kept, stable_json({"probe": _version(), "scores": known}))
    return [known.get(key, []) for key in keys]


@cache
def _weights() -> Mapping[str, Any]:
    return dict(json.loads(WEIGHTS.read_text(encoding="utf-8")))


@cache
def _version() -> str:
    return hash_value([MODEL, LAYER, _weights()])


def _kept(file: Path) -> dict[str, list[float]]:
    """The scores in a file; none if it isn't there, is damaged or of another probe: it only saves time."""
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        scores = {key: [float(score) for score in scores] for key, scores in kept["scores"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return scores if kept.get("probe") == _version() else {}


def states(queries: Sequence[Query]) -> Float[torch.Tensor, "number state"]:
    """The states at all numbers, in their order: the number's, the next token's, the passage's last."""
    import torch
    from tqdm.auto import tqdm

    tokenizer, model = _model()
    encoded = [tokenizer(text, return_offsets_mapping=True) for text, _ in queries]
    width = model.config.hidden_size
    first = [0]
    for _, spans in queries:
        first.append(first[-1] + len(spans))
    result = torch.zeros(first[-1], 3 * width)
    order = sorted(
        (n for n in range(len(queries)) if queries[n][1]), key=lambda n: len(encoded[n]["input_ids"])
    )
    batches = range(0, len(order), _BATCH)
    for start in tqdm(
        batches, desc="judging numbers", unit="batch", delay=2, disable=not sys.stderr.isatty()
    ):
        batch = order[start : start + _BATCH]
        longest = len(encoded[batch[-1]]["input_ids"])
        tokens = torch.zeros(len(batch), longest, dtype=torch.long)  # what is padded comes after, unseen
        for row, number in enumerate(batch):
            ids = encoded[number]["input_ids"]
            tokens[row, : len(ids)] = torch.tensor(ids)
        with torch.inference_mode():
            stream = model(input_ids=tokens, use_cache=False).last_hidden_state
        for row, number in enumerate(batch):
            offsets = encoded[number]["offset_mapping"]
            for index, span in enumerate(queries[number][1]):
                own = _tokens_of(offsets, span)
                after = min(own[-1] + 1, len(offsets) - 1)
                here = stream[row]
                result[first[number] + index] = torch.cat(
                    [here[own].mean(0), here[after], here[len(offsets) - 1]]
                )
    return result


def _tokens_of(offsets: Sequence[tuple[int, int]], span: tuple[int, int]) -> list[int]:
    own = [n for n, (start, end) in enumerate(offsets) if start < span[1] and end > span[0]]
    return own or [len(offsets) - 1]


@cache
def _model() -> tuple[Any, Any]:
    """The tokenizer, and the first blocks without the final norm."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from mechscope.models.chatter import quiet
    from mechscope.models.load import model_folder
    from mechscope.models.registry import find_model

    folder = model_folder(find_model(MODEL))
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, num_hidden_layers=LAYER)
        model = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32, trust_remote_code=False)
    model.norm = torch.nn.Identity()
    return tokenizer, model.eval()

"""Which texts drive which neurons: peaks by text, topics among the top texts, neurons that prompts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.core.components import n_neurons, neuron_weights
from mechscope.lens.core.forward import last_only, read_positions
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import (
    Padding,
    TokenisedTexts,
    ValuedText,
    batches,
    filled_up,
    tokenise,
    valued_text,
)
from mechscope.lens.neurons import NeuronStatistics

_CELLS = 40_000_000  # units × draws × topics held at a time: 160 MB of float32


def same_length(tokenised: TokenisedTexts, length: int) -> TokenisedTexts:
    """The first `length` tokens of each text, and none that stands at the very first position.

    The maximum over a text grows with its number of tokens, so texts are compared at one length. A row's
    first position is an attention sink in most models, with activations of its own: where there is no BOS to
    stand there, the text's first token is read but, like a special token, not counted.

    Raises:
        InvalidInput: A length below 1, or a text with too few tokens.
    """
    special = tokenised.first_counted
    if length < 1:
        raise InvalidInput(f"texts cannot be cut to {length} tokens.")
    for text, row in zip(tokenised.texts, tokenised.ids, strict=True):
        if len(row) < special + length:
            raise InvalidInput(
                f"the text {text[:40]!r}… has {len(row) - special} tokens after its first position, "
                f"fewer than {length}."
            )
    cut = tuple(row[: special + length] for row in tokenised.ids)
    return TokenisedTexts(tokenised.texts, cut, special)


@dataclass(frozen=True)
class TextPeaks:
    """The largest activation of every neuron in every text.

    Attributes:
        values: That activation.
        tokens: Id of the token that it stands on.
    """

    values: Float[Tensor, "layer neuron text"]
    tokens: Int[Tensor, "layer neuron text"]


def text_peaks(statistics: NeuronStatistics, tokenised: TokenisedTexts) -> TextPeaks:
    """Texts in their own order again, from statistics that kept all of them (`top=len(tokenised)`).

    Raises:
        InvalidInput: Only some texts were kept.
    """
    if statistics.top_texts.shape[-1] != len(tokenised):
        raise InvalidInput(
            f"{statistics.top_texts.shape[-1]} of {len(tokenised)} texts were kept for each neuron.",
            hint="neuron_statistics(…, top=len(tokenised))",
        )
    ids = filled_up(tokenised.ids)
    order = statistics.top_texts.argsort(-1)
    positions = statistics.top_positions.gather(-1, order) + tokenised.n_special
    tokens = ids.expand(*positions.shape[:2], -1, -1).gather(-1, positions[..., None])[..., 0]
    return TextPeaks(statistics.top_values.gather(-1, order), tokens)


def among_top(values: Float[np.ndarray, "unit text"], k: int) -> Bool[np.ndarray, "unit text"]:
    """Whether a text is among the k with the largest values of a unit; of equal values the first text counts.

    Raises:
        InvalidInput: A k that is not between 1 and the number of texts.
    """
    if not 1 <= k <= values.shape[1]:
        raise InvalidInput(f"there are no top {k} of {values.shape[1]} texts.")
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    found = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(found, order, True, axis=1)
    return found


def topic_counts(
    top: Bool[np.ndarray, "unit text"], labels: Int[np.ndarray, " text"]
) -> Int[np.ndarray, "unit topic"]:
    """How many of a unit's top texts are of each topic (0, 1, 2 …)."""
    return (top.astype(np.float32) @ np.eye(labels.max() + 1, dtype=np.float32)[labels]).astype(np.int64)


def one_topic_rates(
    top: Bool[np.ndarray, "unit text"],
    draws: Int[np.ndarray, "draw text"],
    weights: Float[np.ndarray, "mean unit"],
    at_least: int,
) -> tuple[Float[np.ndarray, "draw mean"], Float[np.ndarray, "draw mean"]]:
    """For many labellings: weighted sums over units of the largest topic's share, and of who is of one topic.

    Args:
        draws: A label for each text, one row a labelling.
        weights: What each unit counts in each sum (1/n in the units of a layer for a layer's mean).
        at_least: How many of its top texts must be of one topic for a unit to be of one topic.

    Returns:
        Sums of (largest count of a topic / number of top texts), and sums of (that count ≥ at_least).
    """
    n_topics = int(draws.max()) + 1
    k = int(top[0].sum())
    members = torch.from_numpy(top.astype(np.float32))
    mixed = torch.from_numpy(np.ascontiguousarray(weights, dtype=np.float32))
    shares, reached = np.empty((2, len(draws), len(weights)))
    step = max(1, _CELLS // (len(top) * n_topics))
    for start in range(0, len(draws), step):
        part = slice(start, start + step)
        labels = torch.from_numpy(draws[part])
        most = torch.zeros(len(top), len(labels))
        for topic in range(n_topics):
            torch.maximum(most, members @ (labels == topic).float().T, out=most)
        shares[part] = (mixed @ (most / k)).T.numpy()
        reached[part] = (mixed @ (most >= at_least).float()).T.numpy()
    return shares, reached


def token_activations(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    neurons: Sequence[tuple[int, int]],
    *,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> list[Float[Tensor, "text_token neuron"]]:
    """Activations of a few neurons, each (layer, neuron), at each text's tokens that count: from position
    `tokenised.first_counted` on, without special tokens and, where there is no BOS, without the first token.

    Raises:
        InvalidInput: No neurons, or one that is not there, or a text of a single token at the first position.
    """
    layers = sorted({layer for layer, _ in neurons})
    _check_neurons(bridge, neurons, layers)
    tokenised.require_counted()
    kept = sum(len(neuron_weights(bridge, layer)) for layer in layers) * tokenised.longest
    size = rows_at_once(bridge, batch_size, 32, tokenised.longest, kept=kept)
    found: list[Tensor] = [torch.empty(0)] * len(tokenised)
    for batch in batches(tokenised, padding=padding, batch_size=size):
        read = read_positions(bridge, batch, _hooks(layers), batch.counted, logits=False)
        columns = [read[f"blocks.{layer}.mlp.hook_post"][:, neuron] for layer, neuron in neurons]
        each = torch.stack(columns, -1).float().cpu()
        lengths = batch.counted.sum(1).tolist()
        for row, part in zip(batch.rows.tolist(), each.split(lengths), strict=True):
            found[row] = part
    return found


def neuron_passages(
    bridge: TransformerBridge,
    texts: Sequence[str],
    neuron: tuple[int, int],
    *,
    titles: Sequence[str] = (),
    batch_size: int | None = None,
) -> list[ValuedText]:
    """What a neuron, (layer, neuron), does at every token of some texts: `ledger.passages` takes it as it is.

    Where there is no BOS, a text's first token does not count, and stands there with the value 0.

    Args:
        titles: What stands above each text; nothing by default.

    Raises:
        InvalidInput: No texts, a text without tokens that count, a neuron that is not there, or another
            number of titles than of texts.
    """
    if titles and len(titles) != len(texts):
        raise InvalidInput(f"{len(texts)} texts, but {len(titles)} titles.", hint="one title for each text")
    tokenised = tokenise(bridge, texts)
    activations = token_activations(bridge, tokenised, [neuron], batch_size=batch_size)
    unshaded = torch.zeros(tokenised.first_counted - tokenised.n_special)
    return [
        valued_text(bridge, ids[tokenised.n_special :], torch.cat([unshaded, values[:, 0]]), title=title)
        for ids, values, title in zip(tokenised.ids, activations, titles or [""] * len(texts), strict=True)
    ]


def last_token_neurons(
    bridge: TransformerBridge,
    tokenised: TokenisedTexts,
    *,
    padding: Padding = "right",
    batch_size: int | None = None,
) -> Float[Tensor, "layer neuron text"]:
    """Activations of all MLP neurons at the last token of each text.

    Raises:
        InvalidInput: A layer without neurons, or layers with different numbers of them.
    """
    layers = range(bridge.cfg.n_layers)
    width = n_neurons(bridge, layers)
    kept = torch.empty(len(layers), width, len(tokenised))
    size = rows_at_once(bridge, batch_size, 32, tokenised.longest, kept=len(layers) * width)
    for batch in batches(tokenised, padding=padding, batch_size=size):
        read = read_positions(bridge, batch, _hooks(layers), last_only(batch), logits=False)
        kept[..., batch.rows] = torch.stack([read[name].float().cpu().T for name in _hooks(layers)])
    return kept


def shared_neurons(
    activations: Float[Tensor, "layer neuron text"], k: int
) -> Float[np.ndarray, "layer text text"]:
    """Jaccard index of the k most active neurons of every two texts, layer by layer.

    Two random sets of k among n neurons have an index of about k / (2n − k); 1 when they are the same.

    Raises:
        InvalidInput: A k that is not between 1 and the number of neurons.
    """
    if not 1 <= k <= activations.shape[1]:
        raise InvalidInput(f"there are no top {k} of {activations.shape[1]} neurons.")
    order = activations.argsort(dim=1, descending=True, stable=True)[:, :k]
    member = torch.zeros(activations.shape, dtype=torch.float64).scatter_(1, order, 1.0)
    both = member.transpose(1, 2) @ member
    return (both / (2 * k - both)).numpy()


def _hooks(layers: Sequence[int]) -> list[str]:
    return [f"blocks.{layer}.mlp.hook_post" for layer in layers]


def _check_neurons(
    bridge: TransformerBridge, neurons: Sequence[tuple[int, int]], layers: Sequence[int]
) -> None:
    if not neurons:
        raise InvalidInput("no neurons to look at.")
    for layer, neuron in neurons:
        width = len(neuron_weights(bridge, layer))
        if not 0 <= neuron < width:
            raise InvalidInput(f"layer {layer} has no neuron {neuron}.", hint=f"valid: 0 to {width - 1}")

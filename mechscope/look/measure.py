"""What is looked at: lens, attribution and heads of one prompt, gathered from the techniques in `lens`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput
from mechscope.lens.answers import score_answers
from mechscope.lens.attribution import Neuron, attribute, attribute_neurons
from mechscope.lens.core.readout import soft_cap
from mechscope.lens.core.tokens import tokenise
from mechscope.lens.logit_lens import logit_lens
from mechscope.look.readable_tokens import quoted, token_reader


@dataclass(frozen=True)
class LensRow:
    """The lens at the last token after one block (−1: the embedding)."""

    layer: int
    rank: int
    probability: float
    entropy: float
    kl: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Cell:
    """The lens at one position after one block: the most probable token."""

    layer: int
    position: int
    read: str
    says: str
    probability: float


@dataclass(frozen=True)
class Look:
    """Everything that the terminal and the page show.

    Attributes:
        answer: The answer that was asked for; the model's own next token when none was.
        answer_tokens: The answer's tokens; the lens and the attribution follow the first.
        log_prob: Σ log p over them (nats).
        known: Whether the model would write the whole answer by itself.
        rank: Rank of its first token.
        convergence: Layer from which on the lens' most probable token is the model's.
        logit: Of the first token, above the mean over the vocabulary, before soft-capping.
        parts: Each layer's attention and MLP, the embedding and the final bias, in the order of the pass;
            they sum to `logit` up to `rounding`.
        heads: What each head adds, largest absolute value first.
        neurons: The neurons that add most; empty where MLPs have no plain neurons.
    """

    model: str
    prompt: str
    answer: str
    given: bool
    answer_tokens: tuple[str, ...]
    log_prob: float
    known: bool
    rank: int
    says: str
    says_probability: float
    convergence: int
    lens: tuple[LensRow, ...]
    cells: tuple[Cell, ...]
    logit: float
    rounding: float
    parts: tuple[tuple[str, float], ...]
    heads: tuple[tuple[str, float], ...]
    neurons: tuple[Neuron, ...]
    capped: bool


def look_at(bridge: TransformerBridge, prompt: str, answer: str | None = None, *, top_k: int = 5) -> Look:
    """Put one prompt under the microscope.

    Args:
        answer: What to follow, leading space included; None follows the model's most probable next token.

    Raises:
        InvalidInput: An empty prompt or answer, or one longer than the model's context.
        ModelMismatch: A model whose parts do not sum to its logits.
    """
    if not prompt.strip():
        raise InvalidInput("the prompt is empty.", hint='mechscope look "The capital of Texas is"')
    if answer is not None and not answer.strip():
        raise InvalidInput("the answer is empty.", hint='--answer " Austin"')
    tokenised = tokenise(bridge, [prompt])
    word = token_reader(bridge.tokenizer)
    grid = logit_lens(bridge, tokenised, positions="all", top_k=1)
    ids: tuple[int, ...]
    if answer is None:
        followed = grid.target[-1:]
        text, ids = word(int(followed[0])), (int(followed[0]),)
    else:
        scores = score_answers(bridge, [prompt], [answer])
        followed, text, ids = scores.first, answer, scores.ids[0]
    last = logit_lens(bridge, tokenised, followed, top_k=top_k)
    parts = attribute(bridge, tokenised, followed, centred=True, before_cap=True)
    named = [("embedding", float((parts.embedding + parts.position)[0]))]
    for layer in range(bridge.cfg.n_layers):
        attention = parts.heads[layer].sum() + parts.attention_biases[layer, 0]
        named.append((f"attention {layer}", float(attention)))
        named.append((f"MLP {layer}", float(parts.mlps[layer, 0] + parts.mlp_biases[layer, 0])))
    named.append(("final bias", float(parts.final_bias[0])))
    heads = [
        (f"L{layer}H{head}", float(parts.heads[layer, head, 0]))
        for layer in range(bridge.cfg.n_layers)
        for head in range(bridge.cfg.n_heads)
    ]
    try:
        found = attribute_neurons(bridge, tokenised, followed, centred=True, before_cap=True)
        neurons = tuple(found.top(10, by="contribution", text=0))
    except InvalidInput:  # a mixture of experts has no plain neurons; everything else is there
        neurons = ()
    rows = tuple(
        LensRow(
            layer,
            int(last.rank[row, 0]),
            float(last.log_prob[row, 0].exp()),
            max(0.0, float(last.entropy[row, 0])),
            max(0.0, float(last.kl[row, 0])),
            tuple(
                (word(token), float(p))
                for token, p in zip(
                    last.top_ids[row, 0].tolist(), last.top_probabilities[row, 0].tolist(), strict=True
                )
            ),
        )
        for row, layer in enumerate(last.layers)
    )
    cells = tuple(
        Cell(
            layer,
            int(grid.position[item]),
            word(tokenised.ids[0][int(grid.position[item])]),
            word(int(grid.top_ids[row, item, 0])),
            float(grid.top_probabilities[row, item, 0]),
        )
        for row, layer in enumerate(grid.layers)
        for item in range(len(grid.position))
    )
    return Look(
        model=str(bridge.cfg.model_name),
        prompt=prompt,
        answer=text,
        given=answer is not None,
        answer_tokens=tuple(word(token) for token in ids),
        log_prob=float(scores.log_prob[0]) if answer is not None else float(last.log_prob[-1, 0]),
        known=bool(scores.known[0]) if answer is not None else True,
        rank=rows[-1].rank,
        says=rows[-1].top[0][0],
        says_probability=rows[-1].top[0][1],
        convergence=int(last.convergence[0]),
        lens=rows,
        cells=cells,
        logit=float(parts.logit[0]),
        rounding=float(parts.rounding[0]),
        parts=tuple(named),
        heads=tuple(sorted(heads, key=lambda pair: -abs(pair[1]))),
        neurons=neurons,
        capped=soft_cap(bridge) is not None,
    )


def largest_parts(look: Look, most: int) -> list[tuple[str, float]]:
    """The largest parts in the order of the pass, all others as one last part; the sum stays the same."""
    return [(name, values[0]) for name, values in shared_parts([look], most)]


def shared_parts(looks: Sequence[Look], most: int) -> list[tuple[str, tuple[float, ...]]]:
    """The same of several looks with one model: the parts that are largest in any, with the value in each."""
    table = [(name, tuple(dict(look.parts)[name] for look in looks)) for name, _ in looks[0].parts]
    if len(table) <= most:
        return table
    by_size = sorted(table, key=lambda part: -max(abs(value) for value in part[1]))
    large = {name for name, _ in by_size[: most - 1]}
    rest = [values for name, values in table if name not in large]
    others = tuple(sum(column) for column in zip(*rest, strict=True))
    return [*(part for part in table if part[0] in large), ("all other parts", others)]


def differing_heads(first: Look, second: Look, most: int) -> list[tuple[str, float, float]]:
    """The heads whose parts differ most between two looks, with what each adds; largest difference first."""
    there = dict(second.heads)
    table = [(name, value, there[name]) for name, value in first.heads]
    return sorted(table, key=lambda row: -abs(row[2] - row[1]))[:most]


def summary(look: Look, minus: str = "-") -> list[str]:
    """What there is to say first, as sentences; `minus` is the sign of a negative number."""
    says = f"{look.model} continues with {quoted(look.says)} (probability {look.says_probability:.3f})."
    if not look.given:
        return [says, f"The lens settles on it {_after(look.convergence)}."]
    tokens = len(look.answer_tokens)
    length = (
        f"{tokens} tokens, followed by the first, {quoted(look.answer_tokens[0])}"
        if tokens > 1
        else "one token"
    )
    log_prob = f"{look.log_prob:.2f}".replace("-", minus)
    verdict = "knows" if look.known else "does not know"
    said = [
        says,
        f"It {verdict} the answer {quoted(look.answer)} ({length}): Σ log p = {log_prob} nats, rank of "
        f"the first token {look.rank:,}.",
        f"The lens settles on what the model says {_after(look.convergence)}.",
    ]
    joined = look.prompt[-1] + look.answer[0]
    if joined.isascii() and joined.isalnum():
        said.append(
            f"Without a space the answer goes on with the prompt's last word; as a word of its own it is "
            f"{quoted(' ' + look.answer)}."
        )
    return said


def _after(layer: int) -> str:
    return "at the embedding" if layer < 0 else f"after block {layer}"


def as_json(looks: Sequence[Look]) -> str:
    """An object whose `looks` has one entry for each prompt."""
    return json.dumps({"looks": [_plain(look) for look in looks]}, ensure_ascii=False, indent=2)


def _plain(look: Look) -> dict[str, Any]:
    fields = asdict(look)
    fields["parts"] = [{"part": part, "adds": adds} for part, adds in look.parts]
    fields["heads"] = [{"head": head, "adds": adds} for head, adds in look.heads]
    for row in fields["lens"]:
        row["top"] = [{"token": token, "probability": probability} for token, probability in row["top"]]
    return fields

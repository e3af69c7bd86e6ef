"""Activation patching: put what one run held into another, and see how far the answer moves.

Two prompts of the same length differ in a few tokens and have different answers. The *base* run is carried
out with some activations replaced by those of the *source* run: denoising puts the clean prompt's activations
into the corrupted run, noising the other way round. The score of a run is

    Σ log p(answer tokens) − Σ log p(wrong answer's tokens)

which is the logit difference when both are one token (the normaliser is the same for both), and

    effect = (patched − base) / (source − base)

is 0 when a patch does nothing and 1 when it does everything. For denoising that is the usual
(patched − corrupt) / (clean − corrupt). With `score="kl"` the score is −KL(source ‖ run) of the next token's
distribution, and the same formula applies.

All patches are rows of few batches:

1. Base and source prompts are run once, each followed by its answers' tokens. The base run keeps the residual
   stream before every block, the source run the activations to be put in.
2. Patches are sorted by the first block that they change, and cut into batches that start at one block.
3. A batch starts there, from the kept stream of its base run, and gets the source's activations at its sites.
4. Only the positions that predict an answer's tokens reach the unembedding, where the score is read.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm.auto import tqdm
from transformer_lens.model_bridge import TransformerBridge

from mechscope.errors import InvalidInput, UnknownName
from mechscope.lens.core.components import attention_written, mlp_written
from mechscope.lens.core.forward import Hook, forward
from mechscope.lens.core.room import rows_at_once
from mechscope.lens.core.tokens import filled_up, tokenise

Component = Literal["residual", "attention", "mlp", "heads"]


Direction = Literal["denoising", "noising"]


Score = Literal["logit_difference", "kl"]


def component_hook(bridge: TransformerBridge, component: Component, layer: int) -> str:
    """Where a component of a block is read and replaced: attention and MLP by what they add to the stream.

    Behind any norm, then, that stands between them and the stream (Gemma 3, OLMo 2).
    """
    match component:
        case "attention":
            return attention_written(bridge, layer)
        case "mlp":
            return mlp_written(bridge, layer)
        case "residual":
            return f"blocks.{layer}.hook_resid_pre"
        case "heads":
            return f"blocks.{layer}.attn.hook_z"


@dataclass(frozen=True)
class Pair:
    """Two prompts and the two answers that tell them apart (spaces belong to an answer: " Paris")."""

    clean: str
    corrupt: str
    answer: str
    wrong: str


@dataclass(frozen=True)
class EncodedPairs:
    """Pairs as token ids, checked.

    Attributes:
        pairs: The pairs.
        clean: Ids of the clean prompts, the prepended BOS included.
        corrupt: Ids of the corrupted prompts, as many.
        answer: Ids of the answers, one or more each.
        wrong: Ids of the wrong answers.
        n_special: How many tokens at the beginning of each prompt are not text.
    """

    pairs: tuple[Pair, ...]
    clean: tuple[tuple[int, ...], ...]
    corrupt: tuple[tuple[int, ...], ...]
    answer: tuple[tuple[int, ...], ...]
    wrong: tuple[tuple[int, ...], ...]
    n_special: int

    def __len__(self) -> int:
        return len(self.pairs)

    def changed(self, pair: int) -> list[int]:
        """The positions at which the two prompts of a pair have different tokens."""
        both = zip(self.clean[pair], self.corrupt[pair], strict=True)
        return [at for at, (one, other) in enumerate(both) if one != other]

    def take(self, chosen: Sequence[int]) -> EncodedPairs:
        """Some of the pairs, by number."""
        parts = {
            name: tuple(getattr(self, name)[pair] for pair in chosen)
            for name in ("pairs", "clean", "corrupt", "answer", "wrong")
        }
        return EncodedPairs(**parts, n_special=self.n_special)


@dataclass(frozen=True)
class Site:
    """One place to patch.

    Attributes:
        component: "residual" (the stream before the block), "attention", "mlp" (what they add to the
            stream) or "heads" (z, each head's output before W_O).
        layer: The block.
        places: Positions; for "heads" heads, each at all positions of the prompt.
    """

    component: Component
    layer: int
    places: tuple[int, ...]


@dataclass(frozen=True)
class Patched:
    """Scores of patched runs beside those of the runs themselves.

    Attributes:
        scores: Score of each patched run.
        base: Score of its base run (0 effect).
        source: Score of its source run (effect 1).
        min_gap: The least |source − base| that may be divided by.
        names: What each patched run is called in messages.
    """

    scores: Float[np.ndarray, " patch"]
    base: Float[np.ndarray, " patch"]
    source: Float[np.ndarray, " patch"]
    min_gap: float
    names: tuple[str, ...]

    @property
    def usable(self) -> Bool[np.ndarray, " patch"]:
        """Whether source and base are far enough apart for an effect."""
        return np.abs(self.source - self.base) >= self.min_gap

    @property
    def effects(self) -> Float[np.ndarray, " patch"]:
        """(patched − base) / (source − base).

        Raises:
            InvalidInput: For some pair |source − base| is below `min_gap`.
        """
        if not self.usable.all():
            at = int(np.flatnonzero(~self.usable)[0])
            raise InvalidInput(
                f"{self.names[at]}: the scores of its two prompts differ by "
                f"{abs(self.source[at] - self.base[at]):.3g}, too little to divide by "
                f"(min_gap={self.min_gap}).",
                hint="leave such pairs out beforehand: pair_scores(…).usable(min_gap)",
            )
        return (self.scores - self.base) / (self.source - self.base)


@dataclass(frozen=True)
class PairScores:
    """Scores Σ log p(answer) − Σ log p(wrong), in nats, of both prompts of each pair.

    Attributes:
        clean: After the clean prompt: positive where the model prefers the answer.
        corrupt: After the corrupted prompt: negative where it prefers the other one.
        rank: Rank of the answer's first token after the clean prompt, 0 the most probable.
    """

    clean: Float[np.ndarray, " pair"]
    corrupt: Float[np.ndarray, " pair"]
    rank: np.ndarray

    def usable(self, min_gap: float) -> Bool[np.ndarray, " pair"]:
        """Pairs whose two scores are at least `min_gap` apart."""
        return np.abs(self.clean - self.corrupt) >= min_gap


@dataclass(frozen=True)
class PatchingMap:
    """Effect of every single patch of one component, pair by pair.

    Attributes:
        component: What was patched.
        effects: For each pair: layer × position, for heads layer × head.
    """

    component: Component
    effects: tuple[Float[np.ndarray, "layer place"], ...]


def important(effects: Float[np.ndarray, "layer place"], threshold: float) -> list[tuple[int, int, float]]:
    """(layer, place, effect) wherever |effect| exceeds a threshold, largest first.

    Raises:
        InvalidInput: A negative threshold.
    """
    if threshold < 0:
        raise InvalidInput(f"a threshold of {threshold} lets everything pass.", hint="threshold=0.1")
    found = [
        (int(layer), int(place), float(effects[layer, place]))
        for layer, place in np.argwhere(np.abs(effects) > threshold)
    ]
    return sorted(found, key=lambda entry: -abs(entry[2]))


def encode_pairs(
    bridge: TransformerBridge, pairs: Sequence[Pair], *, prepend_bos: bool | None = None
) -> EncodedPairs:
    """Tokenise pairs; symmetric token replacement only.

    Raises:
        InvalidInput: No pairs, an empty prompt or answer, prompts of a pair with different numbers of tokens
            (the message says which tokens differ), equal prompts, equal answers, or a prompt that is longer
            with its answer than the model's context.
    """
    if not pairs:
        raise InvalidInput("no pairs to patch.")
    clean = tokenise(bridge, [pair.clean for pair in pairs], prepend_bos=prepend_bos)
    corrupt = tokenise(bridge, [pair.corrupt for pair in pairs], prepend_bos=prepend_bos)
    answer = tokenise(bridge, [pair.answer for pair in pairs], prepend_bos=False)
    wrong = tokenise(bridge, [pair.wrong for pair in pairs], prepend_bos=False)
    for at, pair in enumerate(pairs):
        _check_pair(bridge, pair, clean.ids[at], corrupt.ids[at], answer.ids[at], wrong.ids[at])
    return EncodedPairs(tuple(pairs), clean.ids, corrupt.ids, answer.ids, wrong.ids, clean.n_special)


def _check_pair(
    bridge: TransformerBridge,
    pair: Pair,
    clean: tuple[int, ...],
    corrupt: tuple[int, ...],
    answer: tuple[int, ...],
    wrong: tuple[int, ...],
) -> None:
    if len(clean) != len(corrupt):
        raise InvalidInput(
            f"{pair.clean!r} has {len(clean)} tokens and {pair.corrupt!r} {len(corrupt)}; patching replaces "
            f"token by token. They differ in: {_differences(bridge, clean, corrupt)}.",
            hint="choose words with the same number of tokens",
        )
    if clean == corrupt:
        raise InvalidInput(f"{pair.clean!r}: the corrupted prompt is the same as the clean one.")
    if answer == wrong:
        raise InvalidInput(f"{pair.clean!r}: the two answers are the same ({pair.answer!r}).")
    longest = len(clean) + max(len(answer), len(wrong)) - 1
    if longest > bridge.cfg.n_ctx:
        raise InvalidInput(
            f"{pair.clean[:40]!r}… has {longest} tokens with its answer; the model reads {bridge.cfg.n_ctx}.",
            hint="shorten it",
        )


def _differences(bridge: TransformerBridge, clean: tuple[int, ...], corrupt: tuple[int, ...]) -> str:
    one = [bridge.tokenizer.decode([token]) for token in clean]
    other = [bridge.tokenizer.decode([token]) for token in corrupt]
    matcher = difflib.SequenceMatcher(a=clean, b=corrupt, autojunk=False)
    return "; ".join(
        f"{one[a:b]} against {other[c:d]}" for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"
    )


def pair_scores(
    bridge: TransformerBridge, encoded: EncodedPairs, *, batch_size: int | None = None
) -> PairScores:
    """How much the model prefers each answer after each prompt, before anything is patched."""
    rows = _reading_rows(encoded)
    clean = _Run.of(bridge, encoded, rows, encoded.clean, (), batch_size)
    corrupt = _Run.of(bridge, encoded, rows, encoded.corrupt, (), batch_size)
    ranks = np.zeros(len(encoded), dtype=np.int64)
    for at, row in enumerate(rows):
        if row.first:
            ranks[row.pair] = clean.ranks[at]
    return PairScores(
        _by_pair(clean.scores, rows, len(encoded)), _by_pair(corrupt.scores, rows, len(encoded)), ranks
    )


def patch_sites(
    bridge: TransformerBridge,
    encoded: EncodedPairs,
    patches: Sequence[tuple[int, Sequence[Site]]],
    *,
    direction: Direction = "denoising",
    score: Score = "logit_difference",
    min_gap: float = 0.1,
    batch_size: int | None = None,
    progress: bool = False,
) -> Patched:
    """Run patched runs, each of which may replace several sites at once.

    Args:
        bridge: The model, in eval mode.
        encoded: The pairs.
        patches: For each patched run the number of its pair and its sites; no sites is the base run itself.
        direction: "denoising" (clean activations into the corrupted run) or "noising".
        score: "logit_difference" (Σ log p(answer) − Σ log p(wrong), nats) or "kl" (−KL(source ‖ run) of the
            first token after the prompt, nats).
        min_gap: Least difference of source and base that an effect may divide by.
        batch_size: Rows in a batch; default as many as memory has room for.
        progress: Show a progress bar.

    Raises:
        UnknownName: An unknown direction, score or component.
        InvalidInput: A pair, layer, position or head that is not there.
    """
    _check_choice("direction", direction, Direction)
    _check_choice("score", score, Score)
    for pair, sites in patches:
        _check_sites(bridge, encoded, pair, sites)
    rows = _reading_rows(encoded, only_first=score == "kl")
    wanted = tuple(sorted({site.component for _, sites in patches for site in sites} - {"residual"}))
    prompts = {"clean": encoded.clean, "corrupt": encoded.corrupt}
    base_name, source_name = ("corrupt", "clean") if direction == "denoising" else ("clean", "corrupt")
    base = _Run.of(bridge, encoded, rows, prompts[base_name], ("residual",), batch_size, score)
    source = _Run.of(bridge, encoded, rows, prompts[source_name], ("residual", *wanted), batch_size, score)

    # One job a patch and reading row, those that start at the same block and have the same length together.
    of_pair: dict[int, list[int]] = {}
    for at, row in enumerate(rows):
        of_pair.setdefault(row.pair, []).append(at)
    jobs = [(number, at) for number, (pair, _) in enumerate(patches) for at in of_pair[pair]]
    start = [min((site.layer for site in sites), default=bridge.cfg.n_layers - 1) for _, sites in patches]
    jobs.sort(key=lambda job: (start[job[0]], len(rows[job[1]].ids(prompts[base_name])), job))
    scores = np.zeros(len(patches))
    longest = max(len(row.ids(prompts[base_name])) for row in rows)
    held = (1 + len(wanted)) * longest * bridge.cfg.d_model
    size = rows_at_once(bridge, batch_size, 64, longest, kept=held, unembedded=_most_read(rows))
    bar = tqdm(total=len(jobs), desc="patching", unit="row", disable=not progress)
    with torch.inference_mode(), bar:
        for batch in _batches(jobs, start, size):
            found = _run_batch(bridge, encoded, rows, base, source, patches, batch, start[batch[0][0]], score)
            for (number, _), value in zip(batch, found.tolist(), strict=True):
                scores[number] += value
            bar.update(len(batch))

    pair_of = [pair for pair, _ in patches]
    if score == "kl":
        kl_base = -_kl(source.log_probs, base.log_probs).double().cpu().numpy()
        base_scores, source_scores = kl_base[pair_of], np.zeros(len(patches))
    else:
        base_scores = _by_pair(base.scores, rows, len(encoded))[pair_of]
        source_scores = _by_pair(source.scores, rows, len(encoded))[pair_of]
    names = tuple(f"pair {pair} ({encoded.pairs[pair].clean!r})" for pair in pair_of)
    return Patched(scores, base_scores, source_scores, min_gap, names)


def patching_map(
    bridge: TransformerBridge,
    encoded: EncodedPairs,
    component: Component,
    *,
    direction: Direction = "denoising",
    score: Score = "logit_difference",
    layers: Sequence[int] | None = None,
    min_gap: float = 0.1,
    batch_size: int | None = None,
    progress: bool = False,
) -> PatchingMap:
    """The effect of every single patch of one component: layer × position, for heads layer × head.

    Positions before the first token that differs are 0 without a run: a causal model holds the same there
    for both prompts.

    Args:
        layers: Which blocks; default all, in order.

    Raises:
        UnknownName, InvalidInput: As `patch_sites`; also where the scores of a pair are too close to divide.
    """
    _check_choice("component", component, Component)
    chosen = list(range(bridge.cfg.n_layers) if layers is None else layers)
    patches: list[tuple[int, list[Site]]] = []
    at: list[tuple[int, int, int]] = []
    maps = []
    for pair in range(len(encoded)):
        heads = component == "heads"
        n_places = bridge.cfg.n_heads if heads else len(encoded.clean[pair])
        maps.append(np.zeros((len(chosen), n_places)))
        for row, layer in enumerate(chosen):
            for place in range(0 if heads else encoded.changed(pair)[0], n_places):
                patches.append((pair, [Site(component, layer, (place,))]))
                at.append((pair, row, place))
    found = patch_sites(
        bridge,
        encoded,
        patches,
        direction=direction,
        score=score,
        min_gap=min_gap,
        batch_size=batch_size,
        progress=progress,
    )
    for (pair, row, place), effect in zip(at, found.effects.tolist(), strict=True):
        maps[pair][row, place] = effect
    return PatchingMap(component, tuple(maps))


@dataclass(frozen=True)
class _Row:
    """A prompt and the answer tokens that follow it, with the log-probabilities that are read off it.

    Both answers share a row when one, without its last token, is a beginning of the other: always when both
    are one token, and then the suffix is empty.
    """

    pair: int
    suffix: tuple[int, ...]
    targets: tuple[tuple[int, int, float], ...]
    """(position, token, sign): position within the row, +1 for the answer, −1 for the wrong one."""
    first: bool
    """Whether the answer's first token is read off this row."""

    def ids(self, prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        return (*prompts[self.pair], *self.suffix)


def _reading_rows(encoded: EncodedPairs, *, only_first: bool = False) -> list[_Row]:
    rows = []
    for pair in range(len(encoded)):
        last = len(encoded.clean[pair]) - 1
        answer, wrong = encoded.answer[pair], encoded.wrong[pair]
        plus = tuple((last + at, token, 1.0) for at, token in enumerate(answer))
        minus = tuple((last + at, token, -1.0) for at, token in enumerate(wrong))
        if only_first:
            rows.append(_Row(pair, (), (plus[0], minus[0]), True))
        elif answer[:-1] == wrong[: len(answer) - 1]:
            rows.append(_Row(pair, wrong[:-1], plus + minus, True))
        elif wrong[:-1] == answer[: len(wrong) - 1]:
            rows.append(_Row(pair, answer[:-1], plus + minus, True))
        else:
            rows += [_Row(pair, answer[:-1], plus, True), _Row(pair, wrong[:-1], minus, False)]
    return rows


def _most_read(rows: Sequence[_Row]) -> int:
    """The most positions of a row that reach the unembedding."""
    return max(len({position for position, _, _ in row.targets}) for row in rows)


def _by_pair(values: Float[Tensor, " row"], rows: Sequence[_Row], n: int) -> Float[np.ndarray, " pair"]:
    out = np.zeros(n)
    for row, value in zip(rows, values.tolist(), strict=True):
        out[row.pair] += value
    return out


@dataclass(frozen=True)
class _Run:
    """What unpatched runs of all rows held, padded on the right to one length."""

    kept: dict[str, Tensor]
    """By component: row × layer × position × …"""
    scores: Float[Tensor, " row"]
    log_probs: Float[Tensor, "row vocab"]
    ranks: list[int]

    @staticmethod
    def of(
        bridge: TransformerBridge,
        encoded: EncodedPairs,
        rows: Sequence[_Row],
        prompts: Sequence[tuple[int, ...]],
        components: Sequence[Component],
        batch_size: int | None,
        score: str = "logit_difference",
    ) -> _Run:
        length = max(len(row.ids(prompts)) for row in rows)
        cfg = bridge.cfg
        kept: dict[str, Tensor] = {}
        scores = torch.empty(len(rows), device=cfg.device)
        ranks = [0] * len(rows)
        whole = torch.empty(len(rows), cfg.d_vocab, device=cfg.device) if score == "kl" else torch.empty(0)
        size = rows_at_once(bridge, batch_size, 64, length, unembedded=_most_read(rows))

        def keep(component: Component, layer: int, part: list[int], value: Tensor) -> None:
            if component not in kept:
                kept[component] = value.new_empty(len(rows), cfg.n_layers, *value.shape[1:])
            kept[component][part, layer] = value

        for start in range(0, len(rows), size):
            part = list(range(start, min(start + size, len(rows))))
            ids = filled_up([rows[number].ids(prompts) for number in part], length)
            read = {
                component_hook(bridge, component, layer): partial(keep, component, layer, part)
                for component in components
                for layer in range(cfg.n_layers)
            }
            picks = _Picks.of([rows[number] for number in part], cfg.device)
            logits = forward(bridge, ids, read=read, logits_at=picks.places)["logits"].float()
            scores[part] = picks.scores(logits)
            for number, rank in zip(part, picks.ranks(logits), strict=True):
                ranks[number] = rank
            if score == "kl":
                whole[part] = logits[:, 0].log_softmax(-1)
        return _Run(kept, scores, whole, ranks)


@dataclass(frozen=True)
class _Picks:
    """Which positions of a batch reach the unembedding, and what is read off them."""

    positions: Tensor
    """row × k; the first is the prompt's last token."""
    row: Tensor
    slot: Tensor
    token: Tensor
    sign: Tensor
    first_token: Tensor

    @staticmethod
    def of(rows: Sequence[_Row], device: Any) -> _Picks:
        slots = [sorted({position for position, _, _ in row.targets}) for row in rows]
        most = max(len(row) for row in slots)
        entries = [
            (at, slots[at].index(position), token, sign)
            for at, row in enumerate(rows)
            for position, token, sign in row.targets
        ]
        return _Picks(
            torch.tensor([row + row[-1:] * (most - len(row)) for row in slots], device=device),
            torch.tensor([entry[0] for entry in entries], device=device),
            torch.tensor([entry[1] for entry in entries], device=device),
            torch.tensor([entry[2] for entry in entries], device=device),
            torch.tensor([entry[3] for entry in entries], device=device),
            torch.tensor([row.targets[0][1] for row in rows], device=device),
        )

    @property
    def places(self) -> tuple[Tensor, Tensor]:
        """As `forward` wants them."""
        return torch.arange(len(self.positions))[:, None], self.positions

    def scores(self, logits: Float[Tensor, "row k vocab"]) -> Float[Tensor, " row"]:
        log_p = logits[self.row, self.slot, self.token] - logits.logsumexp(-1)[self.row, self.slot]
        return torch.zeros(len(logits), device=logits.device).index_add(0, self.row, self.sign * log_p)

    def ranks(self, logits: Float[Tensor, "row k vocab"]) -> list[int]:
        own = logits[:, 0].gather(1, self.first_token[:, None])
        return [int(rank) for rank in (logits[:, 0] > own).sum(-1)]


def _batches(
    jobs: Sequence[tuple[int, int]], start: Sequence[int], batch_size: int
) -> Iterator[list[tuple[int, int]]]:
    batch: list[tuple[int, int]] = []
    for job in jobs:
        if batch and (len(batch) == batch_size or start[job[0]] != start[batch[0][0]]):
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _run_batch(
    bridge: TransformerBridge,
    encoded: EncodedPairs,
    rows: Sequence[_Row],
    base: _Run,
    source: _Run,
    patches: Sequence[tuple[int, Sequence[Site]]],
    batch: Sequence[tuple[int, int]],
    start: int,
    score: str,
) -> Float[Tensor, " job"]:
    device = bridge.cfg.device
    at = torch.tensor([row for _, row in batch], device=device)
    here = [rows[row] for _, row in batch]
    length = max(len(row.ids(encoded.clean)) for row in here)
    masks: dict[tuple[int, Component], Tensor] = {}
    for number, (patch, row) in enumerate(batch):
        prompt = len(encoded.clean[rows[row].pair])
        for site in patches[patch][1]:
            mask = masks.setdefault(
                (site.layer, site.component), _no_places(bridge, site.component, len(batch), length)
            )
            places = list(site.places)
            if site.component == "heads":
                mask[number, :prompt, places] = True
            else:
                mask[number, places] = True
    edit: list[Hook] = []
    for (layer, component), mask in sorted(masks.items()):
        new = source.kept[component][at, layer, :length]
        edit.append((component_hook(bridge, component, layer), partial(_replaced, new, mask.to(device))))
    picks = _Picks.of(here, device)
    logits = forward(
        bridge,
        filled_up([row.ids(encoded.clean) for row in here], length),
        edit=edit,
        logits_at=picks.places,
        start=(start, base.kept["residual"][at, start, :length]),
    )["logits"].float()
    if score == "kl":
        return -_kl(source.log_probs[at], logits[:, 0].log_softmax(-1))
    return picks.scores(logits)


def _no_places(bridge: TransformerBridge, component: str, n: int, length: int) -> Tensor:
    heads = (bridge.cfg.n_heads,) if component == "heads" else ()
    return torch.zeros(n, length, *heads, dtype=torch.bool)


def _replaced(new: Tensor, mask: Tensor, value: Tensor, hook: Any) -> Tensor:
    return torch.where(mask[..., None], new, value)


def _kl(reference: Float[Tensor, "row vocab"], other: Float[Tensor, "row vocab"]) -> Float[Tensor, " row"]:
    return (reference.exp() * (reference - other)).sum(-1)


def _check_choice(kind: str, name: str, options: Any) -> None:
    if name not in get_args(options):
        raise UnknownName(kind, name, get_args(options))


def _check_sites(bridge: TransformerBridge, encoded: EncodedPairs, pair: int, sites: Sequence[Site]) -> None:
    if not 0 <= pair < len(encoded):
        raise InvalidInput(f"there is no pair {pair}: the pairs are 0 to {len(encoded) - 1}.")
    for site in sites:
        _check_choice("component", site.component, Component)
        _check_range("layer", site.layer, bridge.cfg.n_layers)
        heads = site.component == "heads"
        for place in site.places:
            _check_range(
                "head" if heads else "position",
                place,
                bridge.cfg.n_heads if heads else len(encoded.clean[pair]),
            )


def _check_range(kind: str, value: int, n: int) -> None:
    if not 0 <= value < n:
        raise InvalidInput(f"there is no {kind} {value}.", hint=f"valid: 0 to {n - 1}")

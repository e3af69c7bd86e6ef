"""Whether a model can read the texts of an analysis at all: they fit its context and its vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from transformer_lens.model_bridge import TransformerBridge

from mechscope.lens.answers import answer_tokens


def unreadable(
    bridge: TransformerBridge, prompts: Sequence[str], answers: Sequence[str] | None = None
) -> str:
    """Why the model cannot read these texts, as a reason for `ledger.does_not_apply`; "" when it can.

    Args:
        prompts: The texts.
        answers: One for each, if they are to be scored behind their prompts.

    Returns:
        What is needed and what the model has: room for the longest text, and a token for all of each text. A
        vocabulary that has none gives its unknown token, about which nothing that an analysis says is true.
    """
    rows = _tokens(bridge, prompts)
    if answers is not None:
        rows = [[*before, *after] for before, after in zip(rows, answer_tokens(bridge, answers), strict=True)]
    unread = int(answers is not None)  # nothing reads the last token of an answer
    longest = max(map(len, rows)) + int(bool(bridge.cfg.default_prepend_bos)) - unread
    if longest > bridge.cfg.n_ctx:
        return f"a context of {longest} tokens is needed, and this model reads {bridge.cfg.n_ctx}"
    lacking = [text for text, row in zip(prompts, rows, strict=True) if _has_unknown(bridge, row)]
    if lacking:
        behind = "" if answers is None else " or its answer"
        return (
            "a token is needed for every word, and this vocabulary lacks one for a part of "
            f"{len(lacking)} of {len(prompts)} texts ({lacking[0].strip()!r}{behind})"
        )
    return ""


def shared_ending(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens at their end all rows have in common."""
    together = zip(*map(reversed, rows), strict=False)
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, together))


def _tokens(bridge: TransformerBridge, texts: Sequence[str]) -> list[list[int]]:
    return list(bridge.tokenizer(list(texts), add_special_tokens=False)["input_ids"])


def _has_unknown(bridge: TransformerBridge, row: Sequence[int]) -> bool:
    return bridge.tokenizer.unk_token_id in row or not row

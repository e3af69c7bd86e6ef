"""A two-layer attention-only model whose circuit is known because its weights were written by hand.

The residual stream has four parts: the token, its position, the token before (written by the previous-token
head) and the answer (written by the induction head, read by the unembedding). L0H0 attends to the position
before and copies the token there into "before"; L1H1 looks for positions whose "before" is the current token
and copies their token into "answer". L0H1 and L1H0 have weights 0: they attend evenly and write nothing.
"""

from __future__ import annotations

import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge import TransformerBridge

from mechscope.lens.core.components import Head

VOCABULARY = 40
CONTEXT = 64
BOS = 0
PREVIOUS = Head(0, 0)
INDUCTION = Head(1, 1)
_SHARP = 60.0  # attention logit of what a planted head looks for, against 0
_SURE = 12.0  # logit of the answer, against 0


def planted_model() -> TransformerBridge:
    d_head = max(VOCABULARY, CONTEXT)
    config = TransformerBridgeConfig(
        n_layers=2,
        d_model=3 * VOCABULARY + CONTEXT,
        n_heads=2,
        d_head=d_head,
        d_vocab=VOCABULARY,
        n_ctx=CONTEXT,
        attn_only=True,
        positional_embedding_type="standard",
        normalization_type=None,
        seed=0,
    )
    bridge = TransformerBridge.boot_native(config, model_name="planted")
    weights = {
        name.replace("._original_component", ""): p for name, p in bridge.original_model.named_parameters()
    }
    token = slice(0, VOCABULARY)
    position = slice(VOCABULARY, VOCABULARY + CONTEXT)
    before = slice(VOCABULARY + CONTEXT, 2 * VOCABULARY + CONTEXT)
    answer = slice(2 * VOCABULARY + CONTEXT, 3 * VOCABULARY + CONTEXT)
    sharp = _SHARP * d_head**0.5
    same = torch.eye(VOCABULARY)
    with torch.no_grad():
        for value in weights.values():
            value.zero_()
        weights["tok_embed.weight"][:, token] = same
        weights["pos.weight"][:, position] = torch.eye(CONTEXT)
        weights["head.weight"][:, answer] = _SURE * same

        first = slice(0, d_head)  # the rows of head 0
        one_back = torch.eye(CONTEXT).roll(-1, 0)
        one_back[-1] = 0  # the first position has none before it
        weights["layers.0.attn.q.weight"][first, position][:CONTEXT] = sharp * one_back
        weights["layers.0.attn.k.weight"][first, position][:CONTEXT] = torch.eye(CONTEXT)
        weights["layers.0.attn.v.weight"][first, token][:VOCABULARY] = same
        weights["layers.0.attn.o.weight"][before, first][:, :VOCABULARY] = same

        second = slice(d_head, 2 * d_head)  # the rows of head 1
        weights["layers.1.attn.q.weight"][second, token][:VOCABULARY] = sharp * same
        weights["layers.1.attn.k.weight"][second, before][:VOCABULARY] = same
        weights["layers.1.attn.v.weight"][second, token][:VOCABULARY] = same
        weights["layers.1.attn.o.weight"][answer, second][:, :VOCABULARY] = same
    return bridge.eval()

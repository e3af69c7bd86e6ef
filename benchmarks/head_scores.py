"""Head scores of an embedded model: one batched pass against what one would write with `run_with_cache`.

    python benchmarks/head_scores.py [MODEL …]

The other way reads row by row, keeps every activation, and asks TransformerLens' own head detector for each
head's scores. Both must give the same; the time printed for each is the best of three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from transformer_lens import head_detector

from mechscope.lens.attention import head_scores
from mechscope.lens.repeats import RepeatedTokens, repeated_tokens
from mechscope.models import load_model

AIM = 3.0
DETECTORS = {
    "induction": head_detector.get_induction_head_detection_pattern,
    "duplicate": head_detector.get_duplicate_token_head_detection_pattern,
    "previous": head_detector.get_previous_token_head_detection_pattern,
}


def row_by_row(bridge, repeated: RepeatedTokens) -> dict[str, np.ndarray]:
    shape = (len(repeated), bridge.cfg.n_layers, bridge.cfg.n_heads)
    out = {name: np.empty(shape) for name in DETECTORS}
    width = repeated.ids.shape[1]
    for row, ids in enumerate(repeated.ids):
        with torch.inference_mode():
            _, cache = bridge.run_with_cache(ids[None])
        for name, detector in DETECTORS.items():
            wanted = detector(ids[None])
            queries = repeated.length
            if name == "previous":
                wanted[1 : repeated.n_special + 1] = 0  # the BOS token is nobody's previous token
                queries = width - 1 - repeated.n_special
            for layer in range(bridge.cfg.n_layers):
                pattern = cache[f"blocks.{layer}.attn.hook_pattern"][0]
                for head in range(bridge.cfg.n_heads):
                    score = head_detector.compute_head_attention_similarity_score(
                        pattern[head],
                        wanted,
                        exclude_bos=False,
                        exclude_current_token=False,
                        error_measure="mul",
                    )
                    out[name][row, layer, head] = score * width / queries
    return out


def best_of(times: int, call: Callable[[], object]) -> tuple[float, object]:
    best, answer = float("inf"), None
    for _ in range(times):
        start = time.perf_counter()
        answer = call()
        best = min(best, time.perf_counter() - start)
    return best, answer


def compare(model: str) -> float:
    bridge = load_model(model)
    repeated = repeated_tokens(bridge, 16, 24, rng=np.random.default_rng(0))
    fast, ours = best_of(3, lambda: head_scores(bridge, repeated))
    slow, theirs = best_of(3, lambda: row_by_row(bridge, repeated))
    for name in DETECTORS:
        np.testing.assert_allclose(getattr(ours, name), theirs[name], rtol=1e-3, atol=1e-4)
    print(
        f"{model}: {len(repeated)} rows of {repeated.ids.shape[1]} tokens; row by row {slow:.2f} s, "
        f"one pass {fast:.2f} s, {slow / fast:.1f} times as fast (aim: {AIM:.0f}); same scores"
    )
    return slow / fast


if __name__ == "__main__":
    for name in sys.argv[1:] or ("smollm2-135m", "gemma-3-270m"):
        compare(name)

"""Head scores: one batched pass of mechscope beside what one would write with `run_with_cache`.

    python benchmarks/head_scores.py [MODEL …]

The other way reads row by row, keeps every activation, and asks TransformerLens' own head detector for each
head's scores. Both must find the same; then the times are printed. The exit code is 0
if ours is at least 3 times as fast.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from timing import best_times, report
from transformer_lens import head_detector

from mechscope.lens.attention import head_scores
from mechscope.lens.repeats import RepeatedTokens, repeated_tokens
from mechscope.models import load_model

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


def compare(model: str) -> bool:
    bridge = load_model(model)
    repeated = repeated_tokens(bridge, 16, 24, rng=np.random.default_rng(0))

    def ours() -> dict[str, np.ndarray]:
        found = head_scores(bridge, repeated)
        return {name: getattr(found, name) for name in DETECTORS}

    ways = {"mechscope": ours, "row by row, run_with_cache": lambda: row_by_row(bridge, repeated)}
    times, found = best_times(ways, repeats=3)
    for name in DETECTORS:
        theirs = found["row by row, run_with_cache"][name]
        np.testing.assert_allclose(found["mechscope"][name], theirs, rtol=1e-3, atol=1e-4)
    return report(f"head scores of {model}: {len(repeated)} rows of {repeated.ids.shape[1]} tokens", times)


if __name__ == "__main__":
    reached = [compare(name) for name in sys.argv[1:] or ("smollm2-135m", "gemma-3-270m")]
    sys.exit(0 if all(reached) else 1)

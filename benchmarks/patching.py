"""A layer × position patching map: mechscope beside the loop that one would write, and TransformerLens' own.

    python benchmarks/patching.py [MODEL …]

All three must find the same numbers; then the times are printed. The exit code is 0
if ours is at least 3 times as fast.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from timing import best_times, report
from transformer_lens import patching as theirs

from mechscope.lens.patching import Pair, Site, encode_pairs, patch_sites
from mechscope.models import load_model

PAIR = Pair("The capital of France is", "The capital of Italy is", " Paris", " Rome")


def compare(model: str) -> bool:
    bridge = load_model(model)
    encoded = encode_pairs(bridge, [PAIR])
    clean, corrupt = torch.tensor([encoded.clean[0]]), torch.tensor([encoded.corrupt[0]])
    answer, wrong = encoded.answer[0][0], encoded.wrong[0][0]
    places, n_layers = clean.shape[1], bridge.cfg.n_layers

    def metric(logits: torch.Tensor) -> torch.Tensor:
        return logits[0, -1, answer] - logits[0, -1, wrong]

    def ours() -> np.ndarray:
        # Every position, also those before the first difference: the same work as the others do.
        patches = [(0, [Site("residual", layer, (at,))]) for layer in range(n_layers) for at in range(places)]
        return patch_sites(bridge, encoded, patches).scores.reshape(n_layers, places)

    def loop() -> np.ndarray:
        names = [f"blocks.{layer}.hook_resid_pre" for layer in range(n_layers)]
        out = np.zeros((n_layers, places))
        with torch.inference_mode():
            _, cache = bridge.run_with_cache(clean, names_filter=names)
            for layer, name in enumerate(names):
                for at in range(places):

                    def put(
                        value: torch.Tensor, hook: object, name: str = name, at: int = at
                    ) -> torch.Tensor:
                        value[:, at] = cache[name][:, at]
                        return value

                    out[layer, at] = metric(bridge.run_with_hooks(corrupt, fwd_hooks=[(name, put)]))
        return out

    def library() -> np.ndarray:
        with torch.inference_mode():
            _, cache = bridge.run_with_cache(clean)
            return theirs.get_act_patch_resid_pre(bridge, corrupt, cache, metric).numpy()

    ways = {"mechscope": ours, "loop over run_with_hooks": loop, "transformer_lens.patching": library}
    times, found = best_times(ways, repeats=2)
    for expected in (found["loop over run_with_hooks"], found["transformer_lens.patching"]):
        np.testing.assert_allclose(found["mechscope"], expected, rtol=1e-3, atol=2e-3)
    return report(f"patching map of {model}: {n_layers} layers × {places} positions", times)


if __name__ == "__main__":
    reached = [compare(name) for name in sys.argv[1:] or ("smollm2-135m", "gemma-3-270m")]
    sys.exit(0 if all(reached) else 1)

"""A layer × position patching map: mechscope beside the loop that one would write, and TransformerLens' own.

    python benchmarks/patching.py [MODEL] [--repeats N]

All three must find the same numbers; then the times are printed. Each time is the best of the repeats.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from transformer_lens import patching as theirs

from mechscope.lens.patching import Pair, Site, encode_pairs, patch_sites
from mechscope.models import load_model

PAIR = Pair("The capital of France is", "The capital of Italy is", " Paris", " Rome")


def best(work: Callable[[], np.ndarray], repeats: int) -> tuple[float, np.ndarray]:
    """The shortest time of some repeats, in seconds, and what was found."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = work()
        times.append(time.perf_counter() - start)
    return min(times), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="smollm2-135m")
    parser.add_argument("--repeats", type=int, default=2)
    chosen = parser.parse_args()
    bridge = load_model(chosen.model)
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

    ours_s, found = best(ours, chosen.repeats)
    print(f"{chosen.model}: {n_layers} layers × {places} positions")
    print(f"  mechscope                     {ours_s:8.2f} s")
    for name, work in (("loop over run_with_hooks", loop), ("transformer_lens.patching", library)):
        seconds, expected = best(work, chosen.repeats)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)
        print(f"  {name:<28}  {seconds:8.2f} s   {seconds / ours_s:5.1f} times as long, same results")


if __name__ == "__main__":
    main()

"""Learns the direction of lint's probe from the labelled fragments, and says how well it does on unseen ones.

    python -m tests.review.learn_probe            write the direction
    python -m tests.review.learn_probe --unseen   learn from nine tenths and judge the rest, ten times

In `corpus/`, `⟦m|0.93⟧` is a measured result and `⟦n|12⟧` is none; numbers without marks say nothing.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from mechscope.articles.markdown import scan
from mechscope.files import hash_content, hash_value
from mechscope.review.lint.names import Names
from mechscope.review.lint.numerals import queries, written
from mechscope.review.lint.probe import LAYER, WEIGHTS, states

CORPUS = Path(__file__).parent / "corpus"
NAMES = Names(["Gemma 3", "Gemma 3 270M", "SmolLM2-135M"])
MARKED = re.compile(r"⟦(?P<kind>[mn])\|(?P<number>[^⟦⟧]+)⟧")
PENALTY = 300.0
"""Of the squares of the weights, for states of unit variance; chosen by `--unseen`."""
SAFER = 0.25
"""Added to the bias: a number that nobody can trace does more harm than a false alarm."""


@dataclass(frozen=True)
class Fragment:
    text: str
    labels: tuple[tuple[int, int, bool], ...]
    """Where labelled numbers stand, and whether each is a measured result."""


def read_fragment(marked: str) -> Fragment:
    text, labels, end = "", [], 0
    for match in MARKED.finditer(marked):
        text += marked[end : match.start()]
        labels.append((len(text), len(text) + len(match["number"]), match["kind"] == "m"))
        text += match["number"]
        end = match.end()
    return Fragment(text + marked[end:], tuple(labels))


def fragments(name: str = "*") -> list[Fragment]:
    """Those of one file, or of all."""
    lines = [
        line
        for file in sorted(CORPUS.glob(f"{name}.jsonl"))
        for line in file.read_text("utf-8").split("\n")
        if line
    ]
    return [read_fragment(json.loads(line)["text"]) for line in lines]


def corpus_hash() -> str:
    """Of all that is learned from."""
    return hash_value({file.name: hash_content(file) for file in CORPUS.glob("*.jsonl")})


def examples(known: list[Fragment]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The states at all labelled numbers, whether each is a result, and the fragment of each."""
    asked, results, owners = [], [], []
    for owner, fragment in enumerate(known):
        for (passage, spans), numbers in queries(scan(fragment.text), written(scan(fragment.text), NAMES)):
            kept = []
            for span, number in zip(spans, numbers, strict=True):
                own = [m for start, end, m in fragment.labels if number.place < end and number.stop > start]
                if own:
                    kept.append(span)
                    results.append(any(own))
                    owners.append(owner)
            asked.append((passage, kept))
    return states(asked).numpy(), np.array(results), np.array(owners)


def learn(values: np.ndarray, results: np.ndarray) -> tuple[np.ndarray, float]:
    """A direction and a bias, for states as they are."""
    mean, spread = values.mean(0), values.std(0) + 1e-6
    scaled = (values - mean) / spread

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        sums = scaled @ weights[1:] + weights[0]
        residuals = 1 / (1 + np.exp(-sums)) - results
        value = np.logaddexp(0, sums).sum() - sums[results].sum() + PENALTY / 2 * weights[1:] @ weights[1:]
        slope = np.concatenate([[residuals.sum()], scaled.T @ residuals + PENALTY * weights[1:]])
        return float(value), slope

    start = np.zeros(values.shape[1] + 1)
    weights = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    direction = weights[1:] / spread
    return direction, float(weights[0] - direction @ mean)


def unseen(values: np.ndarray, results: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Scores from directions that were learned without the number's fragment."""
    part = np.random.default_rng(0).permutation(owners.max() + 1)[owners] % 10
    scores = np.zeros(len(results))
    for number in range(10):
        direction, bias = learn(values[part != number], results[part != number])
        scores[part == number] = values[part == number] @ direction + bias
    return scores


def main() -> None:
    values, results, owners = examples(fragments())
    if "--unseen" in sys.argv:
        scores = unseen(values, results, owners)
        for added in np.arange(-0.5, 1.6, 0.5):
            taken = scores + added > 0
            recall, precision = taken[results].mean(), results[taken].mean()
            print(f"{added:+.1f} on the bias: recall {recall:.3f}, precision {precision:.3f}")
        return
    direction, bias = learn(values, results)
    learned = {
        "corpus": corpus_hash(),
        "layer": LAYER,
        "bias": round(bias + SAFER, 4),
        "direction": [round(float(w), 6) for w in direction],
    }
    WEIGHTS.write_text(json.dumps(learned) + "\n", encoding="utf-8")
    print(f"learned from {len(results):,} numbers, {results.sum():,} of them results")


if __name__ == "__main__":
    main()

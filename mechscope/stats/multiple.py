"""Corrections for several tests: Holm for hypotheses declared beforehand, Benjamini-Hochberg for scans."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from mechscope.errors import InvalidInput


def holm(p: Sequence[float] | Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted p-values that control the chance of any false rejection (Holm 1979)."""
    return _adjusted(p, "holm")


def benjamini_hochberg(p: Sequence[float] | Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted p-values that control the expected share of false rejections (Benjamini & Hochberg 1995)."""
    return _adjusted(p, "fdr_bh")


def _adjusted(p: Sequence[float] | Float[np.ndarray, " test"], method: str) -> Float[np.ndarray, " test"]:
    from statsmodels.stats.multitest import multipletests

    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise InvalidInput("a correction needs at least one p-value.")
    if not ((values > 0) & (values <= 1)).all():
        raise InvalidInput(
            "a p-value lies outside (0, 1].", hint="resampling gives p = (1 + extreme)/(draws + 1)"
        )
    return multipletests(values, method=method)[1]

"""Corrections for several tests: Holm for hypotheses declared beforehand, Benjamini-Hochberg for scans."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from mechscope.errors import InvalidInput
from mechscope.stats.estimates import Estimate


def holm(p: Sequence[float] | Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Adjusted p-values that control the chance of any false rejection (Holm 1979)."""
    return _adjusted(p, "holm")


def holm_together(tested: Mapping[str, Estimate], *, family: str) -> dict[str, Estimate]:
    """Estimates with the p-values of their tests corrected together (Holm), and their tests named so.

    Args:
        tested: By name.
        family: What is corrected together ("the tests of this analysis").

    Raises:
        InvalidInput: No estimates, or one without a test.
    """
    if untested := [name for name, estimate in tested.items() if estimate.p is None]:
        raise InvalidInput(f"{untested[0]} has no p-value to correct.", hint="estimate.tested(p, test)")
    corrected = holm([estimate.p for estimate in tested.values() if estimate.p is not None])
    return {
        name: dataclasses.replace(estimate, p=float(p), test=f"{estimate.test}; Holm over {family}")
        for (name, estimate), p in zip(tested.items(), corrected, strict=True)
    }


def holm_frame(
    tested: Mapping[str, Estimate], corrected: Mapping[str, Estimate], labels: Mapping[str, str]
) -> pd.DataFrame:
    """A row a test: `what` was tested, the `test`, its `p`, and `p_holm`, corrected by `holm_together`."""
    return pd.DataFrame(
        [
            {
                "what": labels[name],
                "test": estimate.test,
                "p": estimate.p,
                "p_holm": corrected[name].p,
            }
            for name, estimate in tested.items()
        ]
    )


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

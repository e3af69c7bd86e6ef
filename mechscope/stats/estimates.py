"""What is estimated, with what is known about it; and the seeded draws that intervals and tests are made of.

draws = Draws(seed, resamples)
ledger.statistic("gain", draws.mean("gain", values), "Gain of the second copy", unit="nats")
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mechscope.errors import InvalidInput
from mechscope.stats.resampling import (
    Interval,
    PermutationTest,
    bootstrap_weights,
    percentile_interval,
    permuted_within,
)


@dataclass(frozen=True)
class Estimate:
    """One number and what is known about it; `Ledger.statistic` takes it as its value.

    Attributes:
        value: The number.
        low: Lower end of its interval; None where there is none.
        high: Upper end.
        level: Of the interval.
        p: p-value of `test`.
        test: What was tested and how ("sign flips over rows, two-sided").
        n: Number of independent items behind it.
        resamples: Number of permutations or bootstrap resamples drawn.
    """

    value: float
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    p: float | None = None
    test: str = ""
    n: int | None = None
    resamples: int | None = None

    @classmethod
    def of(
        cls,
        value: float | None = None,
        *,
        interval: Interval | None = None,
        test: PermutationTest | None = None,
        by: str = "",
        unit: int = 0,
        n: int | None = None,
    ) -> Estimate:
        """Put together what functions of `stats` return, for one of their units (a layer, a head).

        Args:
            value: Default: what the test observed.
            by: What was tested and how; needed for the test's p-value to be stated.
            n: Number of independent items.

        Raises:
            InvalidInput: There is no value: neither one of its own nor a test's.
        """
        if value is None:
            if test is None:
                raise InvalidInput("an estimate needs a value, or a test that observed one.")
            value = float(test.observed[unit])
        drawn = interval or test
        return cls(
            value=float(value),
            low=float(interval.low[unit]) if interval else None,
            high=float(interval.high[unit]) if interval else None,
            level=interval.level if interval else 0.95,
            p=float(test.p[unit]) if test and by else None,
            test=by,
            n=n,
            resamples=drawn.resamples if drawn else None,
        )

    @classmethod
    def of_draws(
        cls, value: float, draws: Float[np.ndarray, " draw"], *, n: int | None = None, level: float = 0.95
    ) -> Estimate:
        """A value and its percentile interval from bootstrap draws of it.

        Raises:
            InvalidInput: A draw that is not finite.
        """
        ends = percentile_interval(np.asarray(draws)[:, None], level)
        return cls.of(value, interval=ends, n=n)

    def tested(self, p: float, test: str) -> Estimate:
        """The same with a p-value, and what was tested and how."""
        return dataclasses.replace(self, p=float(p), test=test)

    def through(self, increasing: Callable[[float], float]) -> Estimate:
        """The value and the ends of its interval on another scale (`np.exp`: a ratio from a logarithm)."""
        low, high = (None if end is None else float(increasing(end)) for end in (self.low, self.high))
        return dataclasses.replace(self, value=float(increasing(self.value)), low=low, high=high)


@dataclass(frozen=True)
class Estimates:
    """The same quantity of several units (layers, heads), drawn together; `estimates[unit]` is one of them.

    Attributes:
        value: Of each unit.
        interval: Their intervals; None where there are none.
        test: Their test, which also adjusts for the search over units.
        by: What was tested and how.
        n: Number of independent items behind them.
    """

    value: Float[np.ndarray, " unit"]
    interval: Interval | None = None
    test: PermutationTest | None = None
    by: str = ""
    n: int | None = None

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, unit: int) -> Estimate:
        """One unit, with the p-value that it has alone."""
        value = float(self.value[unit])
        return Estimate.of(value, interval=self.interval, test=self.test, by=self.by, unit=unit, n=self.n)

    @property
    def largest(self) -> int:
        """The unit with the largest value."""
        return int(self.value.argmax())

    @property
    def p_max(self) -> Float[np.ndarray, " unit"]:
        """The p-value of each unit, adjusted for the search over all.

        Raises:
            InvalidInput: Nothing was tested.
        """
        if self.test is None:
            raise InvalidInput("these estimates have no test, so no p-values.")
        return self.test.p_max

    @property
    def beyond_chance(self) -> int:
        """How many units have p < 0.05 with the search over all of them accounted for.

        Raises:
            InvalidInput: Nothing was tested.
        """
        return int((self.p_max < 0.05).sum())

    def adjusted(self, unit: int, units: str) -> Estimate:
        """One unit, with the p-value that is adjusted for the search over all.

        Args:
            units: What was searched ("layers"), for the name of the test.

        Raises:
            InvalidInput: Nothing was tested.
        """
        return self[unit].tested(self.p_max[unit], f"{self.by}, maximum over {units}")

    def frame(self, **columns: object) -> pd.DataFrame:
        """A row for each unit: `columns` (what the units are), then value, low, high, threshold, p and p_max.

        Args:
            columns: One value for all units or one for each (`label="heads", layer=range(12)`).
        """
        known: dict[str, object] = {**columns, "value": self.value}
        if self.interval is not None:
            known |= {"low": self.interval.low, "high": self.interval.high}
        if self.test is not None:
            known |= {"threshold": self.test.threshold, "p": self.test.p, "p_max": self.test.p_max}
        return pd.DataFrame(known)


@dataclass(frozen=True)
class Missing:
    """No estimate, and why; recorded as "does not apply" where an estimate would stand.

    Attributes:
        because: What is needed, and what this model has instead.
    """

    because: str


def estimates_frame(
    estimates: Iterable[tuple[Mapping[str, object], Estimate | Missing]], *, value: str = "value"
) -> pd.DataFrame:
    """A row for each estimate that isn't missing: what it is of, then its value, and `low` and `high`.

    Args:
        estimates: Each with the columns that say what it is of.
        value: The name of the value's column.
    """
    return pd.DataFrame(
        [
            {**columns, value: estimate.value, "low": estimate.low, "high": estimate.high}
            for columns, estimate in estimates
            if isinstance(estimate, Estimate)
        ]
    )


class _TestOf(Protocol):
    def __call__(self, *, resamples: int, rng: np.random.Generator) -> PermutationTest: ...


class _IntervalOf(Protocol):
    def __call__(self, *, resamples: int, rng: np.random.Generator) -> Interval: ...


@dataclass(frozen=True)
class Draws:
    """All that an analysis draws: a generator for each name, so that no record moves another's draws.

    Attributes:
        seed: The analysis' seed.
        resamples: Number of permutations, and of bootstrap resamples.
    """

    seed: int
    resamples: int = 10_000

    def rng(self, name: str) -> np.random.Generator:
        """The generator of one purpose; the same name gives the same draws."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])

    def weights(
        self, name: str, items: int | Sequence[int] | Int[np.ndarray, " item"]
    ) -> Float[np.ndarray, "draw item"]:
        """Bootstrap multiplicities of `items`: so many of them, or the stratum of each."""
        strata = np.zeros(items, dtype=np.int64) if isinstance(items, int) else np.asarray(items)
        return bootstrap_weights(strata, self.resamples, self.rng(name)).astype(np.float64)

    def permuted(
        self,
        name: str,
        labels: Int[np.ndarray, " item"],
        within: Int[np.ndarray, " item"] | None = None,
    ) -> Int[np.ndarray, "draw item"]:
        """Labels shuffled among the items of each level of `within` (None: among all)."""
        return permuted_within(labels, within, self.resamples, self.rng(name))

    def scan(
        self, name: str, test: _TestOf, interval: _IntervalOf, *, by: str = "", n: int | None = None
    ) -> Estimates:
        """A test and an interval of the same statistic, each with draws of its own.

        Args:
            name: The interval's draws are called so, those of the test "… test".
            test: A test of `stats` that is told everything but `resamples` and `rng` (`functools.partial`).
            interval: The interval, in the same way.
            by: What was tested and how.
            n: Number of independent items.
        """
        tested = test(resamples=self.resamples, rng=self.rng(f"{name} test"))
        ends = interval(resamples=self.resamples, rng=self.rng(name))
        return Estimates(tested.observed, ends, tested, by, n)

    def mean(
        self,
        name: str,
        values: Float[np.ndarray, " item"],
        *,
        over: Float[np.ndarray, " item"] | None = None,
        strata: Sequence[int] | Int[np.ndarray, " item"] | None = None,
    ) -> Estimate:
        """The mean over items, or the ratio of two means over the same items, with its bootstrap interval.

        Args:
            over: What the mean is a share of; resampled together with `values`.
            strata: Items are resampled within these; None: all together.

        Raises:
            InvalidInput: A stratum with a single item, or a resample without a value.
        """
        values = np.asarray(values, dtype=np.float64)
        n = len(values)
        weights = self.weights(name, n if strata is None else strata)
        if over is None:
            return Estimate.of_draws(float(values.mean()), weights @ values / n, n=n)
        over = np.asarray(over, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = (weights @ values) / (weights @ over)
        return Estimate.of_draws(float(values.sum() / over.sum()), draws, n=n)

    def share(
        self, name: str, values: Float[np.ndarray, " item"], *, of: Float[np.ndarray, " item"], what: str
    ) -> Estimate | Missing:
        """One mean as a share of another that must be above 0; missing where its interval isn't.

        Args:
            of: What the mean is a share of, item by item; resampled together with `values`.
            what: Its name, for the reason.

        Raises:
            InvalidInput: As `mean`.
        """
        whole = self.mean(name, of)
        if whole.low is None or whole.low <= 0:
            return Missing(
                f"shares of {what} need {what} clearly above 0, and in this model it is {whole.value:.2f}"
            )
        share = self.mean(name, values, over=of)
        return dataclasses.replace(share, value=float(np.mean(values)) / whole.value)

    def means(
        self,
        name: str,
        values: Float[np.ndarray, "item unit"],
        *,
        strata: Sequence[int] | Int[np.ndarray, " item"] | None = None,
    ) -> Estimates:
        """Each unit's mean over items, with intervals; items are resampled with all of their units.

        Args:
            values: Units (layers, heads) as columns.
            strata: Items are resampled within these; None: all together.

        Raises:
            InvalidInput: A stratum with a single item, or a value that is not finite.
        """
        values = np.asarray(values, dtype=np.float64)
        n = len(values)
        drawn = self.weights(name, n if strata is None else strata) @ values / n
        return Estimates(values.mean(0), percentile_interval(drawn), n=n)

    def of_means(
        self,
        name: str,
        values: Float[np.ndarray, "item ..."],
        of: Callable[[Float[np.ndarray, " ..."]], Float[np.ndarray, " ..."]],
        *,
        strata: Sequence[int] | Int[np.ndarray, " item"] | None = None,
    ) -> Estimate:
        """A statistic of means over items (a ratio, a correlation, the largest one), with its interval.

        Args:
            values: Of each item the quantities that are averaged, in any shape.
            of: Makes the statistic from their means, draw × … as well as … alone.
            strata: Items are resampled within these; None: all together.

        Raises:
            InvalidInput: A stratum with a single item, or a resample in which the statistic has no value.
        """
        values = np.asarray(values, dtype=np.float64)
        n = len(values)
        items = values.reshape(n, -1)
        means = self.weights(name, n if strata is None else strata) @ items / n
        with np.errstate(invalid="ignore", divide="ignore"):
            resampled = of(means.reshape(-1, *values.shape[1:]))
            value = float(of(items.mean(0).reshape(values.shape[1:])))
        return Estimate.of_draws(value, resampled, n=n)


def stacked(series: Mapping[str, Estimates], **columns: object) -> pd.DataFrame:
    """The frames of several series of the same units, one under the other, with the column `label` in front.

    Args:
        columns: What the units are (see `Estimates.frame`).
    """
    frames = [estimates.frame(label=label, **columns) for label, estimates in series.items()]
    return pd.concat(frames, ignore_index=True)

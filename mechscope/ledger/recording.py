"""Recording: what an analysis calls to say what it found.

A record is displayed as well as kept: in a notebook it is readable HTML together with its data under our own
MIME type, so the executed notebook is complete in itself and every record knows its cell. Run as a plain
script, an analysis prints its records instead.
"""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mechscope.errors import InvalidRecord, UnknownName
from mechscope.files import hash_text, stable_json
from mechscope.ledger.criterion import judge
from mechscope.ledger.display import record_html, record_line
from mechscope.ledger.drawing import draw
from mechscope.ledger.formatting import format_value, statistic_text
from mechscope.ledger.schema import (
    KINDS,
    NAME_PATTERN,
    RECORD_MIME,
    SCHEMA_VERSION,
    Cell,
    Claim,
    Column,
    Figure,
    Passage,
    Passages,
    Statistic,
    Table,
    Tolerance,
    Value,
)

if TYPE_CHECKING:
    import pandas as pd

_Model = TypeVar("_Model", bound=BaseModel)
Record = Statistic | Figure | Table | Passages | Claim

EXACT = Tolerance()
"""Any difference counts: counts, words, decisions."""

FLOAT32 = Tolerance(rtol=1e-4, atol=1e-6, because="float32 reductions")
"""The one default for measured numbers: the same sums in another order on another machine."""

RESAMPLED = Tolerance(rtol=0.02, atol=2e-4, because="float32 noise moves draws across a threshold")
"""For p-values and interval ends, whose draws are seeded but compare numbers with float32 noise in them."""

_OWN_CELL = ""  # the pipeline fills in the cell's id when it extracts the record


def Close(*, rtol: float = 0.0, atol: float = 0.0, because: str) -> Tolerance:  # noqa: N802 - reads as a type
    """A tolerance for one record: |new − old| ≤ atol + rtol·|old|, with the reason for it."""
    if rtol <= 0 and atol <= 0:
        raise InvalidRecord(
            "Close() needs a positive rtol or atol.", hint="use EXACT when nothing may differ"
        )
    if not because.strip():
        raise InvalidRecord("Close() needs a reason.", hint='because="…"')
    return Tolerance(rtol=rtol, atol=atol, because=because)


class Chart(Protocol):
    """Anything that gives a Vega-Lite specification; every Altair chart does."""

    def to_dict(self) -> dict[str, Any]: ...


class RecordPayload(BaseModel):
    """What stands under `RECORD_MIME` in a notebook's output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    analysis: str
    kind: str
    name: str
    record: dict[str, Any]
    spec: dict[str, Any] | None = None
    svg: str | None = None


class Ledger:
    """What one analysis finds; the parts of an article by name.

    Args:
        analysis: The analysis' name, which is its script's name without `.py`.
    """

    def __init__(self, analysis: str) -> None:
        _check_name("analysis", analysis)
        expected = os.environ.get("MECHSCOPE_ANALYSIS")
        if expected and expected != analysis:
            raise InvalidRecord(
                f"this script is the analysis '{expected}', but it records as '{analysis}'.",
                hint=f'Ledger("{expected}")',
            )
        self.analysis = analysis
        self._kinds: dict[str, str] = {}
        self._statistics: dict[str, Statistic] = {}

    def statistic(
        self,
        name: str,
        value: Any,
        *,
        label: str,
        format: str | None = None,
        ci: tuple[Any, Any] | None = None,
        level: float = 0.95,
        n: int | None = None,
        p: float | None = None,
        test: str = "",
        resamples: int | None = None,
        unit: str = "",
        tolerance: Tolerance | None = None,
        because: str = "",
    ) -> None:
        """Record one number (or word).

        Args:
            name: Its name in keys and criteria.
            value: A number or a text; None when it could not be measured (then say why in `because`).
            label: What it is, as a phrase that can head a table row.
            format: A Python format specification; default ",d" for integers and ".2f" for floats.
            ci: Ends of the interval at `level`.
            n: Number of independent items behind it.
            p: p-value of `test`, above 0 (a permutation p-value counts the observed arrangement).
            test: What was tested and how ("permutation of labels within levels, two-sided").
            resamples: Number of permutations or bootstrap resamples drawn.
            unit: Printed after the value ("nats", "%").
            tolerance: How much a rerun may differ; default `EXACT` for integers and texts, else `FLOAT32`.

        Raises:
            InvalidRecord: Duplicate name, non-finite value, interval ends out of order, p outside (0, 1].
        """
        value = _plain(value, f"statistic '{name}'")
        if isinstance(value, bool):
            raise InvalidRecord(
                f"statistic '{name}' is yes or no.", hint="record the number behind it, and a claim about it"
            )
        if value is None and not because.strip():
            raise InvalidRecord(
                f"statistic '{name}' has no value and no reason.",
                hint='because="why it could not be measured"',
            )
        ends = None
        if ci is not None:
            low, high = (_plain(end, f"interval of '{name}'") for end in ci)
            if not isinstance(low, (int, float)) or not isinstance(high, (int, float)) or low > high:
                raise InvalidRecord(f"interval of '{name}': {low!r} to {high!r} is not low to high.")
            ends = (low, high)
        if p is not None:
            p = float(p)
        spec = format if format is not None else (",d" if isinstance(value, int) else ".2f")
        count = None if n is None else int(n)
        text = statistic_text(value, spec=spec, unit=unit, ci=ends, level=level, p=p, n=count)
        default = FLOAT32 if isinstance(value, float) else EXACT
        self._record(
            "statistics",
            name,
            _checked(
                Statistic,
                label=_sentence("label", name, label),
                value=value,
                because=because,
                ci=ends,
                level=level,
                n=count,
                p=p,
                test=test,
                resamples=None if resamples is None else int(resamples),
                unit=unit,
                format=spec,
                tolerance=tolerance or default,
                text=text,
                cell=_OWN_CELL,
            ),
        )

    def figure(
        self,
        name: str,
        chart: Chart,
        *,
        caption: str,
        alt: str,
        tolerance: Tolerance | Mapping[str, Tolerance] | None = None,
    ) -> None:
        """Record a chart with its caption and its text for those who cannot see it.

        Args:
            chart: An Altair chart, or anything with a `to_dict()` that gives Vega-Lite.
            tolerance: For all columns of its data, or by column ("*" stands for the rest).

        Raises:
            InvalidRecord: No alt text or caption, or a chart that Vega-Lite refuses.
        """
        if not hasattr(chart, "to_dict"):
            raise InvalidRecord(
                f"figure '{name}' is a {type(chart).__name__}, not a chart.",
                hint="an Altair chart, or anything with a to_dict() that gives Vega-Lite",
            )
        spec = chart.to_dict()
        try:
            svg = draw(spec)
        except Exception as error:
            raise InvalidRecord(f"figure '{name}' cannot be drawn: {error}.") from error
        by_column = {"*": tolerance} if isinstance(tolerance, Tolerance) else dict(tolerance or {})
        by_column.setdefault("*", FLOAT32)
        record = _checked(
            Figure,
            caption=_sentence("caption", name, caption),
            alt=_sentence("alt text", name, alt),
            spec_sha256=hash_text(stable_json(spec)),
            svg_sha256=hash_text(svg),
            tolerance=by_column,
            cell=_OWN_CELL,
        )
        self._record("figures", name, record, spec=spec, svg=svg)

    def table(
        self,
        name: str,
        frame: pd.DataFrame,
        *,
        key: str | Sequence[str],
        caption: str,
        labels: Mapping[str, str] | None = None,
        formats: Mapping[str, str] | None = None,
        tolerance: Tolerance | Mapping[str, Tolerance] | None = None,
        shown: int | None = None,
    ) -> None:
        """Record a table.

        Args:
            frame: Columns of numbers, texts or booleans; NaN and None are missing.
            key: The column(s) that identify a row, by which two tables are compared.
            labels: Headings by column; default the column's name with spaces.
            formats: Format specifications by column; default ",d" for integers and ".3g" for floats.
            tolerance: For all float columns, or by column ("*" stands for the rest).
            shown: How many rows articles print (default: all); all are kept.

        Raises:
            InvalidRecord: Unknown key column, rows that share a key, infinite values, mixed types.
        """
        keys = (key,) if isinstance(key, str) else tuple(key)
        if any(index in keys for index in frame.index.names):
            frame = frame.reset_index()
        names = [str(column) for column in frame.columns]
        for column in (*keys, *(labels or {}), *(formats or {})):
            if column not in names:
                raise UnknownName("column", column, names, where=f"table '{name}'")
        by_column = {"*": tolerance} if isinstance(tolerance, Tolerance) else dict(tolerance or {})
        columns, values = [], []
        for column in names:
            cells = [_cell(cell, f"table '{name}', column '{column}'") for cell in frame[column].tolist()]
            cells = _shortened(cells, str(frame[column].dtype))
            kind = _column_kind(cells, f"table '{name}', column '{column}'")
            if kind == "float":
                cells = [float(cell) if cell is not None else None for cell in cells]
            default = by_column.get("*", FLOAT32) if kind == "float" else EXACT
            columns.append(
                _checked(
                    Column,
                    name=column,
                    label=(labels or {}).get(column, column.replace("_", " ")),
                    kind=kind,
                    format=(formats or {}).get(column, {"int": ",d", "float": ".3g"}.get(kind, "")),
                    tolerance=by_column.get(column, default),
                )
            )
            values.append(cells)
        rows = tuple(zip(*values, strict=True))
        positions = [names.index(column) for column in keys]
        _check_unique([tuple(row[at] for at in positions) for row in rows], keys, name)
        text = tuple(
            tuple(format_value(cell, column.format) for cell, column in zip(row, columns, strict=True))
            for row in rows[:shown]
        )
        record = _checked(
            Table,
            caption=_sentence("caption", name, caption),
            key=keys,
            columns=tuple(columns),
            rows=rows,
            text=text,
            cell=_OWN_CELL,
        )
        self._record("tables", name, record)

    def passages(
        self,
        name: str,
        passages: Sequence[Passage],
        *,
        caption: str,
        tolerance: Tolerance | None = None,
    ) -> None:
        """Record texts whose tokens carry a value each.

        Raises:
            InvalidRecord: No passage, or one whose tokens and values differ in number.
        """
        if not passages:
            raise InvalidRecord(f"passages '{name}' are empty.")
        for number, passage in enumerate(passages, start=1):
            if len(passage.tokens) != len(passage.values) or not passage.tokens:
                raise InvalidRecord(
                    f"passages '{name}', text {number}: {len(passage.tokens)} tokens but "
                    f"{len(passage.values)} values."
                )
        record = _checked(
            Passages,
            caption=_sentence("caption", name, caption),
            passages=tuple(passages),
            largest=max(max(passage.values) for passage in passages),
            tolerance=tolerance or FLOAT32,
            cell=_OWN_CELL,
        )
        self._record("passages", name, record)

    def claim(self, name: str, sentence: str, *, criterion: str, exploratory: str = "") -> None:
        """Record a claim; whether it holds is computed from `criterion` (see `mechscope.ledger.criterion`).

        Args:
            sentence: What is claimed, as a sentence that can be false.
            criterion: The expression over statistics recorded so far that decides it, fixed beforehand.
            exploratory: What its author saw before writing it, if anything. `analyses/claims.lock` finds out
                by itself when there were committed results; looks at results that were never committed only
                the author knows of.

        Raises:
            InvalidRecord: The criterion cannot be understood or computed.
            UnknownName: It names a statistic that was not recorded yet.
        """
        verdict = judge(criterion, self._statistics)
        record = _checked(
            Claim,
            sentence=_sentence("sentence", name, sentence),
            criterion=criterion,
            outcome=verdict.outcome,
            evidence=verdict.evidence,
            exploratory=" ".join(exploratory.split()),
            cell=_OWN_CELL,
        )
        self._record("claims", name, record)

    def _record(
        self,
        kind: str,
        name: str,
        record: Record,
        *,
        spec: dict[str, Any] | None = None,
        svg: str | None = None,
    ) -> None:
        assert kind in KINDS
        _check_name(kind, name)
        if name in self._kinds:
            raise InvalidRecord(
                f"'{self.analysis}.{name}' is recorded twice (first among the {self._kinds[name]}).",
                hint="give the second one a name of its own",
            )
        self._kinds[name] = kind
        if isinstance(record, Statistic):
            self._statistics[name] = record
        payload = RecordPayload(
            analysis=self.analysis,
            kind=kind,
            name=name,
            record=record.model_dump(mode="json"),
            spec=spec,
            svg=svg,
        )
        _show(payload, record)


def _show(payload: RecordPayload, record: Record) -> None:
    line = record_line(f"{payload.analysis}.{payload.name}", record)
    if not _in_notebook():
        print(line)
        return
    from IPython.display import display

    bundle = {
        "text/plain": line,
        "text/html": record_html(payload.analysis, payload.name, record, svg=payload.svg),
        RECORD_MIME: payload.model_dump(mode="json"),
    }
    display(bundle, raw=True)


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def _check_name(kind: str, name: str) -> None:
    if not isinstance(name, str) or not re.match(NAME_PATTERN, name):
        raise InvalidRecord(
            f"'{name}' cannot name a record of the {kind}: lower-case letters, digits and underscores, "
            "beginning with a letter."
        )


def _sentence(what: str, name: str, text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise InvalidRecord(f"'{name}' has no {what}.", hint=f"every such record says its {what}")
    return " ".join(text.split())


def _checked(model: type[_Model], **fields: Any) -> _Model:
    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRecord(f"{model.__name__.lower()}: {place}: {first['msg']}.") from error


def _plain(value: Any, where: str) -> Value | bool | None:
    """A Python number or text from a numpy or torch scalar."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "item"):
        try:
            value = value.item()
        except (RuntimeError, ValueError) as error:
            shape = tuple(value.shape)
            raise InvalidRecord(f"{where} is an array of shape {shape}, not one number.") from error
        return _plain(value, where)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidRecord(
                f"{where} is {value}, not a finite number.",
                hint='what could not be measured is None, in a statistic with because="why"',
            )
        return value
    raise InvalidRecord(f"{where} is a {type(value).__name__}, not a number or a text.")


def _cell(value: Any, where: str) -> Cell:
    if (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return _plain(value, where)


def _shortened(cells: list[Cell], dtype: str) -> list[Cell]:
    """float32 columns with the digits that float32 has: 0.1, not 0.10000000149011612."""
    if dtype.lower() != "float32":
        return cells
    import numpy as np

    return [float(str(np.float32(cell))) if isinstance(cell, float) else cell for cell in cells]


def _column_kind(cells: Sequence[Cell], where: str) -> str:
    kinds = {type(cell).__name__ for cell in cells if cell is not None}
    if kinds <= {"int", "float"}:
        return "float" if "float" in kinds or not kinds else "int"
    if len(kinds) > 1:
        raise InvalidRecord(f"{where} mixes {' and '.join(sorted(kinds))}.")
    return kinds.pop()


def _check_unique(found: Sequence[tuple[Cell, ...]], keys: tuple[str, ...], name: str) -> None:
    seen: set[tuple[Cell, ...]] = set()
    for row_key in found:
        if row_key in seen or None in row_key:
            shown = ", ".join(f"{column}={cell!r}" for column, cell in zip(keys, row_key, strict=True))
            problem = "has no complete key" if None in row_key else "stands twice"
            raise InvalidRecord(
                f"table '{name}': the row with {shown} {problem}.",
                hint="name the columns that tell rows apart",
            )
        seen.add(row_key)

"""Recording: what an analysis calls to say what it found.

A record is displayed as well as kept: in a notebook it is readable HTML together with its data under our own
MIME type, so the executed notebook is complete in itself and every record knows its cell. Run as a plain
script, an analysis prints its records instead.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from mechscope.characters import visible
from mechscope.errors import DoesNotApply, InvalidRecord
from mechscope.files import hash_text, stable_json
from mechscope.ledger.criterion import judge
from mechscope.ledger.display import record_html, record_line
from mechscope.ledger.drawing import draw, draws_nothing
from mechscope.ledger.formatting import format_value, statistic_text
from mechscope.ledger.frames import by_name, read_frame
from mechscope.ledger.notebook import RecordPayload
from mechscope.ledger.schema import (
    NAME_PATTERN,
    RECORD_MIME,
    Absent,
    Cell,
    Claim,
    Column,
    Figure,
    Passage,
    Passages,
    Record,
    Statistic,
    Table,
    Tolerance,
    largest_value,
    passages_problem,
)
from mechscope.ledger.specification import specification
from mechscope.ledger.values import interval, plain, share, whole

if TYPE_CHECKING:
    import pandas as pd

_Model = TypeVar("_Model", bound=BaseModel)

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


class TokensWithValues(Protocol):
    """A text as tokens, with one value a token; it may have a title."""

    @property
    def tokens(self) -> Sequence[str]: ...

    @property
    def values(self) -> Sequence[float]: ...


class Ledger:
    """What one analysis finds; the parts of an article by name.

    Args:
        analysis: The analysis' name, which is its script's name without `.py`.
        tolerance: How much measured numbers (floats) may differ in a rerun where a record says nothing else;
            for statistics, figures, passages and columns of tables.
    """

    def __init__(self, analysis: str, *, tolerance: Tolerance = FLOAT32) -> None:
        _check_name("analysis", analysis)
        expected = os.environ.get("MECHSCOPE_ANALYSIS")
        if expected and expected != analysis:
            raise InvalidRecord(
                f"this script is the analysis '{expected}', but it records as '{analysis}'.",
                hint=f'Ledger("{expected}")',
            )
        self.analysis = analysis
        self._tolerance = tolerance
        self._kinds: dict[str, str] = {}
        self._statistics: dict[str, Statistic] = {}
        self._absent: set[str] = set()

    def statistic(
        self,
        name: str,
        value: Any,
        label: str,
        *,
        format: str | None = None,
        ci: tuple[Any, Any] | None = None,
        level: float | None = None,
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
            value: A number or a text; an `Estimate`, which brings its interval, test, n and resamples along;
                `Missing` where it does not apply to this model (see `does_not_apply`); None when it could not
                be measured (then say why in `because`).
            label: What it is, as a phrase that can head a table row.
            format: A Python format specification; default ",d" for integers and ".2f" for floats.
            ci: Ends of the interval at `level` (default 0.95).
            n: Number of independent items behind it.
            p: p-value of `test`, above 0 (a permutation p-value counts the observed arrangement).
            test: What was tested and how ("permutation of labels within levels, two-sided").
            resamples: Number of permutations or bootstrap resamples drawn.
            unit: Printed after the value ("nats", "%").
            tolerance: How much a rerun may differ; default `EXACT` for integers and texts, else the ledger's.

        Raises:
            InvalidRecord: Something beside an `Estimate` that it says itself; duplicate name, non-finite
                value, interval ends out of order, p outside (0, 1], an n that is no number of items, a level
                that is no share.
        """
        from mechscope.stats.estimates import Estimate, Missing  # late: numpy, which commands do without

        if isinstance(value, Missing):
            return self.does_not_apply(value.because, name)
        if isinstance(value, Estimate):
            beside = {"ci": ci, "level": level, "n": n, "p": p, "test": test or None, "resamples": resamples}
            if said := [word for word, given in beside.items() if given is not None]:
                raise InvalidRecord(
                    f"statistic '{name}' is an Estimate and gets {' and '.join(said)} beside it.",
                    hint="an Estimate says it itself:  dataclasses.replace(estimate, n=…)",
                )
            ci = None if value.low is None else (value.low, value.high)
            level, n, p, test = value.level, value.n, value.p, value.test
            value, resamples = value.value, value.resamples
        value = plain(value, f"statistic '{name}'")
        if isinstance(value, bool):
            raise InvalidRecord(
                f"statistic '{name}' is yes or no.", hint="record the number behind it, and a claim about it"
            )
        if value is None and not because.strip():
            raise InvalidRecord(
                f"statistic '{name}' has no value and no reason.",
                hint='because="why it could not be measured"',
            )
        ends = None if ci is None else interval(ci, f"interval of '{name}'")
        level = share(0.95 if level is None else level, f"level of '{name}'", "a share:  level=0.95")
        if p is not None:
            hint = "a permutation p-value is (1 + exceedances) / (permutations + 1)"
            p = share(p, f"p-value of '{name}'", hint)
        count = None if n is None else whole(n, f"n of '{name}'", least=0 if value is None else 1)
        draws = None if resamples is None else whole(resamples, f"resamples of '{name}'", least=1)
        unit = visible(unit)
        spec = format if format is not None else (",d" if isinstance(value, int) else ".2f")
        text = statistic_text(value, spec=spec, unit=unit, ci=ends, level=level, p=p, n=count)
        default = self._tolerance if isinstance(value, float) else EXACT
        self._record(
            "statistics",
            name,
            _checked(
                Statistic,
                label=_sentence("label", f"statistic '{name}'", label),
                value=value,
                because=because,
                ci=ends,
                level=level,
                n=count,
                p=p,
                test=test,
                resamples=draws,
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
        caption = _sentence("caption", f"figure '{name}'", caption)
        alt = _sentence(
            "alt text",
            f"figure '{name}'",
            alt,
            hint='what it shows, in words:  alt="A line that …"',
        )
        spec = specification(chart, name)
        try:
            svg = draw(spec)
        except ValueError as error:
            reason = str(error).partition("\n    at ")[0]  # without JavaScript's stack
            raise InvalidRecord(f"figure '{name}' cannot be drawn: {reason}.") from error
        if draws_nothing(svg):
            raise InvalidRecord(
                f"figure '{name}' draws nothing: no mark is left of its data.",
                hint="it may have no rows, a filter may let none through, or a channel's values may all be "
                "missing or of another type",
            )
        by_column = {"*": tolerance} if isinstance(tolerance, Tolerance) else dict(tolerance or {})
        by_column.setdefault("*", self._tolerance)
        record = _checked(
            Figure,
            caption=caption,
            alt=alt,
            spec_sha256=hash_text(stable_json(spec)),
            svg_sha256=hash_text(svg),
            tolerance=by_column,
            cell=_OWN_CELL,
        )
        self._record("figures", name, record, spec=spec, svg=svg)

    def table(
        self,
        name: str,
        frame: pd.DataFrame | pd.Series,
        *,
        key: Any,
        caption: str,
        labels: Mapping[Any, str] | None = None,
        formats: Mapping[Any, str] | None = None,
        tolerance: Tolerance | Mapping[Any, Tolerance] | None = None,
        shown: int | None = None,
    ) -> None:
        """Record a table.

        Args:
            frame: Columns of numbers, texts, dates or booleans; NaN and None are missing. Labels that are no
                texts become texts: 0 is "0", ("score", "mean") is "score_mean".
            key: The column(s), or levels of the index, that identify a row, by which two tables are compared.
            labels: Headings by column; default the column's name with spaces.
            formats: Format specifications by column; default ",d" for integers and ".3g" for floats.
            tolerance: For all float columns, or by column ("*" stands for the rest).
            shown: How many rows articles print (default: all); all are kept.

        Raises:
            InvalidRecord: Columns of one name, rows that share a key, infinite values, mixed types.
            UnknownName: A key, or a column in `labels`, `formats` or `tolerance`, that is not there.
        """
        where = f"table '{name}'"
        read, keys = read_frame(frame, key, name)
        headings, specs = by_name(labels, read, where), by_name(formats, read, where)
        tolerances = by_name({"*": tolerance} if isinstance(tolerance, Tolerance) else tolerance, read, where)
        most = None if shown is None else whole(shown, f"{where}: shown", least=1)
        columns = tuple(
            _checked(
                Column,
                name=column.name,
                label=headings.get(column.name, column.heading),
                kind=column.kind,
                format=specs.get(column.name, {"int": ",d", "float": ".3g"}.get(column.kind, "")),
                tolerance=tolerances.get(
                    column.name, tolerances.get("*", self._tolerance) if column.kind == "float" else EXACT
                ),
            )
            for column in read
        )
        rows = tuple(zip(*(column.cells for column in read), strict=True))
        names = [column.name for column in read]
        positions = [names.index(column) for column in keys]
        _check_unique([tuple(row[at] for at in positions) for row in rows], keys, name)
        text = tuple(
            tuple(_formatted(cell, column, where) for cell, column in zip(row, columns, strict=True))
            for row in rows[:most]
        )
        record = _checked(
            Table,
            caption=_sentence("caption", where, caption),
            key=keys,
            columns=columns,
            rows=rows,
            text=text,
            cell=_OWN_CELL,
        )
        self._record("tables", name, record)

    def passages(
        self,
        name: str,
        passages: Sequence[TokensWithValues],
        *,
        caption: str,
        tolerance: Tolerance | None = None,
    ) -> None:
        """Record texts whose tokens carry a value each.

        Args:
            passages: `Passage`s, or anything with tokens, values and a title, as
                `mechscope.lens.neuron_texts.neuron_passages` gives them.

        Raises:
            InvalidRecord: No passage, or one whose tokens and values differ in number, or a value that is not
                finite.
        """
        where = f"passages '{name}'"
        if not isinstance(passages, Sequence) or isinstance(passages, str):
            raise InvalidRecord(f"{where} are a {type(passages).__name__}, not a list.", hint="[Passage(…)]")
        for text in passages:
            if not (hasattr(text, "tokens") and hasattr(text, "values")):
                raise InvalidRecord(
                    f"{where} hold a {type(text).__name__}, not a passage.", hint="Passage.of(tokens, values)"
                )
        texts = tuple(
            text
            if isinstance(text, Passage)
            else Passage.of(text.tokens, text.values, title=getattr(text, "title", ""))
            for text in passages
        )
        if problem := passages_problem(texts):
            raise InvalidRecord(f"{where}{problem}")
        record = _checked(
            Passages,
            caption=_sentence("caption", where, caption),
            passages=texts,
            largest=largest_value(texts),
            tolerance=tolerance or self._tolerance,
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
        verdict = judge(criterion, self._statistics, self._absent)
        record = _checked(
            Claim,
            sentence=_sentence("sentence", f"claim '{name}'", sentence),
            criterion=criterion,
            outcome=verdict.outcome,
            evidence=verdict.evidence,
            exploratory=" ".join(exploratory.split()),
            cell=_OWN_CELL,
        )
        self._record("claims", name, record)

    def does_not_apply(self, because: str, *names: str) -> None:
        """Say that records can't be made for this model, and why: it has too few layers, or no such token.

        Claims whose criteria need one of them are untestable; articles that cite one say why in its place.

        Args:
            because: The reason, to follow "does not apply:": what is needed, and what this model has instead
                ("induction needs two layers of attention, and this model has 1").
            names: The statistics, figures, tables and passages that would have been recorded. None means the
                analysis as a whole: it ends here, and its claims are untestable.

        Raises:
            InvalidRecord: There is no reason, or one of the names is recorded already.
            DoesNotApply: No names are given; the pipeline makes a ledger of what was recorded until then.
        """
        reason = _sentence("reason", f"what does not apply of {self.analysis}", because).rstrip(".")
        if names:
            for name in names:
                self._record("absent", name, _checked(Absent, because=reason, cell=_OWN_CELL))
        elif _in_notebook():
            raise DoesNotApply(reason)
        else:
            sys.exit(f"{self.analysis} does not apply: {reason}")

    def _record(
        self,
        kind: str,
        name: str,
        record: Record,
        *,
        spec: dict[str, Any] | None = None,
        svg: str | None = None,
    ) -> None:
        _check_name(kind, name)
        if name in self._kinds:
            raise InvalidRecord(
                f"'{self.analysis}.{name}' is recorded twice (first among the {self._kinds[name]}).",
                hint="give the second one a name of its own",
            )
        self._kinds[name] = kind
        if isinstance(record, Statistic):
            self._statistics[name] = record
        if isinstance(record, Absent):
            self._absent.add(name)
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
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        raise InvalidRecord(
            f"'{name}' cannot name a record of the {kind}: lower-case letters, digits and underscores, "
            "beginning with a letter."
        )


def _sentence(what: str, record: str, text: str, hint: str = "") -> str:
    if not isinstance(text, str) or not text.strip():
        raise InvalidRecord(f"{record} has no {what}.", hint=hint or f"every such record says its {what}")
    return visible(" ".join(text.split()))


def _formatted(value: Cell, column: Column, where: str) -> str:
    try:
        return format_value(value, column.format)
    except InvalidRecord as error:
        raise InvalidRecord(f"{where}, column '{column.name}': {error.message}", hint=error.hint) from error


def _checked(model: type[_Model], **fields: Any) -> _Model:
    try:
        return model(**{name: _visible(value) for name, value in fields.items()})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRecord(f"{model.__name__.lower()}: {place}: {first['msg']}.") from error


def _visible(value: Any) -> Any:
    """A field of a record without characters that no page can show."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, tuple):
        return tuple(map(_visible, value))
    return value


def _check_unique(found: Sequence[tuple[Cell, ...]], keys: tuple[str, ...], name: str) -> None:
    seen: set[tuple[Cell, ...]] = set()
    for row_key in found:
        if row_key in seen or None in row_key:
            shown = ", ".join(f"{column}={cell!r}" for column, cell in zip(keys, row_key, strict=True))
            problem = "has no complete key" if None in row_key else "is there twice"
            raise InvalidRecord(
                f"table '{name}': the row with {shown} {problem}.",
                hint="name the columns that tell rows apart",
            )
        seen.add(row_key)

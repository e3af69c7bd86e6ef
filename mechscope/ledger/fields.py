"""Whether the data of a chart have the fields that its encodings name.

Vega-Lite draws a field that is not there as nothing, or as "undefined", without a word. So a specification is
walked here: from the columns of its data through its transforms to its encodings. Where columns cannot be
known without computing (a pivot names them by values), every name is let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mechscope.errors import InvalidRecord, nearest

_READ_BY_TRANSFORMS = (
    *("groupby", "field", "fold", "flatten", "density", "regression", "on"),
    *("loess", "quantile", "impute", "key", "pivot", "lookup", "stack"),
)
_COMPOSITE = ("boxplot", "errorbar", "errorband")
_DATUM = re.compile(r"""\bdatum(?:\.([A-Za-z_$][\w$]*)|\[\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*\])""")
_ASKS = re.compile(r"\bisValid\b|\bisDefined\b|\bundefined\b|\bnull\b|\|\||\?\?|\bin\s+datum\b|\bhas\w*\(")
"""An expression that has one of these may ask on purpose for what is not there."""


def check_fields(spec: Mapping[str, Any], figure: str) -> None:
    """Refuse a specification that names a field which its data lack.

    Args:
        spec: Vega-Lite with its data inside.
        figure: The figure's name, for messages.

    Raises:
        InvalidRecord: The field, where it is named, and the columns that there are.
    """
    _Check(figure, spec.get("datasets") or {}).view(spec, _Columns(), {})


def lacking(figure: str, place: str, field: str, columns: Sequence[str]) -> InvalidRecord:
    """The error for a field that is not among the columns of a chart's data, with how to name it.

    Args:
        figure: The figure's name.
        place: What names the field ("y", "the filter").
    """
    there = ", ".join(columns[:20]) + (" …" if len(columns) > 20 else "")
    plain = field.replace("\\", "")
    hint = ""
    if plain in columns:  # read as a place inside of another column
        escaped = re.sub(r"([.\[\]'\"])", r"\\\\\1", plain)
        simple = re.sub(r"\W+", "_", plain).strip("_")
        hint = (
            f"dots, brackets and quotes lead into a column: write '{escaped}' in the chart, or give the "
            f'column another name:  frame.rename(columns={{"{plain}": "{simple}"}})'
        )
    elif close := nearest(field, columns):
        hint = f"did you mean '{close[0]}'?"
    return InvalidRecord(
        f"figure '{figure}': {place} names the field '{field}', which its data lack; they have the "
        f"columns {there or '(none)'}.",
        hint=hint,
    )


@dataclass(frozen=True)
class _Columns:
    """What a view's data have.

    Attributes:
        names: The columns; None where they can't be known.
        rows: The data themselves, for fields inside of a column; none where a transform made the columns.
    """

    names: tuple[str, ...] | None = None
    rows: Sequence[Mapping[str, Any]] = ()

    def plus(self, names: Iterable[str]) -> _Columns:
        if self.names is None:
            return self
        return _Columns(tuple(dict.fromkeys([*self.names, *names])), self.rows)

    def have(self, path: Sequence[str]) -> bool:
        if self.names is None or not path or path[0].startswith("__"):  # Vega-Lite's own
            return True
        if path[0] not in self.names:
            return False
        inside = [row[path[0]] for row in self.rows if path[0] in row]
        return len(path) == 1 or not inside or any(_reaches(value, path[1:]) for value in inside)


class _Check:
    def __init__(self, figure: str, datasets: Mapping[str, Any]) -> None:
        self.figure = figure
        self.datasets = datasets

    def view(self, spec: Mapping[str, Any], columns: _Columns, repeated: Mapping[str, Any]) -> list[_Columns]:
        """Check a view and those in it; returns the columns of each view that has marks."""
        if spec.get("data") is not None:
            columns = self.columns_of(spec["data"])
        for transform in spec.get("transform", ()):
            columns = self.transformed(transform, columns)
        if "repeat" in spec:
            names = spec["repeat"]
            repeated = {**repeated, **(names if isinstance(names, dict) else {"repeat": names})}
        if "facet" in spec:
            facet = spec["facet"]
            by = {"facet": facet} if "field" in facet else facet
            self.encoding(by, [columns], repeated)
        kinds = ("layer", "concat", "hconcat", "vconcat")
        inner = [part for kind in kinds for part in spec.get(kind, ())]
        inner += [spec["spec"]] if "spec" in spec else []
        views = [found for part in inner for found in self.view(part, columns, repeated)] or [columns]
        # The encoding of layers is for all of them, but one with data of its own need not use all of it.
        mark = spec.get("mark")
        kind = mark.get("type") if isinstance(mark, dict) else mark
        encoding = dict(spec.get("encoding", {}))
        if kind in _COMPOSITE:
            encoding.pop("tooltip", None)  # may name what the mark computes
        self.encoding(encoding, views, repeated)
        return views

    def encoding(
        self, encoding: Mapping[str, Any], views: Sequence[_Columns], repeated: Mapping[str, Any]
    ) -> None:
        channels = [
            (channel, definition)
            for channel, given in encoding.items()
            for definition in (given if isinstance(given, list) else [given])
            if isinstance(definition, dict)
        ]
        computes = any({"aggregate", "bin", "timeUnit"} & definition.keys() for _, definition in channels)
        for channel, definition in channels:
            for part in (definition, *_listed(definition.get("condition"))):
                self.field(part.get("field"), channel, views, repeated)
                if isinstance(part.get("aggregate"), dict):  # {"argmax": "score"}
                    for name in part["aggregate"].values():
                        self.field(name, channel, views, repeated)
                if isinstance(part.get("sort"), dict):
                    self.field(part["sort"].get("field"), f"the order of {channel}", views, repeated)
                if not computes:  # else an expression sees other columns, with names of Vega-Lite's
                    self.predicate(part.get("test"), f"the condition of {channel}", views, repeated)

    def predicate(
        self, test: Any, place: str, views: Sequence[_Columns], repeated: Mapping[str, Any]
    ) -> None:
        if isinstance(test, str):
            self.expression(test, place, views)
        elif isinstance(test, dict):
            self.field(test.get("field"), place, views, repeated)
            for part in (*test.get("and", ()), *test.get("or", ()), *_listed(test.get("not"))):
                self.predicate(part, place, views, repeated)

    def expression(self, text: str, place: str, views: Sequence[_Columns]) -> None:
        if _ASKS.search(text):
            return
        for match in _DATUM.finditer(text):
            name = next(group for group in match.groups() if group is not None)
            if not any(columns.have([name]) for columns in views):
                raise self.lacking(name, place, views)

    def field(self, name: Any, place: str, views: Sequence[_Columns], repeated: Mapping[str, Any]) -> None:
        if isinstance(name, dict):  # {"repeat": "row"}
            for each in _listed(repeated.get(name.get("repeat", ""))):
                self.field(each, place, views, {})
        if not isinstance(name, str) or name == "*":
            return
        path = _path(name)
        if path is None or not any(columns.have(path) for columns in views):
            raise self.lacking(name, place, views)

    def lacking(self, name: str, place: str, views: Sequence[_Columns]) -> InvalidRecord:
        names = dict.fromkeys(each for columns in views for each in columns.names or ())
        return lacking(self.figure, place, name, list(names))

    def columns_of(self, data: Mapping[str, Any]) -> _Columns:
        values = data.get("values", self.datasets.get(data.get("name", "")))
        if isinstance(data.get("sequence"), dict):
            return _Columns((data["sequence"].get("as", "data"),))
        shape = data.get("format") or {}
        if not isinstance(values, list) or not values or "property" in shape or "feature" in shape:
            return _Columns()
        if not all(isinstance(row, dict) for row in values):
            return _Columns(("data",))
        return _Columns(tuple(dict.fromkeys(name for row in values for name in row)), values)

    def transformed(self, transform: Mapping[str, Any], columns: _Columns) -> _Columns:
        """Check what a transform reads; returns the columns after it."""
        for name, kind in self.read_by(transform):
            self.field(name, f"the transform '{kind}'", [columns], {})
        self.predicate(transform.get("filter"), "the filter", [columns], {})
        if isinstance(transform.get("calculate"), str):
            self.expression(transform["calculate"], f"the formula of '{transform.get('as')}'", [columns])
        return self.made_by(transform, columns)

    def read_by(self, transform: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        kind = next(iter(transform), "")
        for key in _READ_BY_TRANSFORMS:
            for name in _listed(transform.get(key)):
                yield name, kind
        if "pivot" in transform:
            yield transform.get("value", ""), kind
        operations = [*_listed(transform.get("aggregate")), *_listed(transform.get("joinaggregate"))]
        operations += [*_listed(transform.get("window")), *_listed(transform.get("sort"))]
        for operation in operations:
            if isinstance(operation, dict) and "field" in operation:
                yield operation["field"], kind

    def made_by(self, transform: Mapping[str, Any], columns: _Columns) -> _Columns:
        names = _listed(transform.get("as"))
        groups = [group for group in transform.get("groupby", ()) if isinstance(group, str)]
        match transform:
            case {"filter": _} | {"sample": _} | {"impute": _} | {"extent": _, "param": _}:
                return columns
            case {"calculate": _} | {"flatten": _}:
                return columns.plus(names)
            case {"aggregate": made} | {"joinaggregate": made} | {"window": made}:
                names = [one["as"] for one in made if "as" in one]
                return _only(groups, names) if "aggregate" in transform else columns.plus(names)
            case {"bin": _} | {"timeUnit": _} | {"stack": _}:
                return columns.plus(names if len(names) > 1 else [*names, *(f"{name}_end" for name in names)])
            case {"fold": _}:
                return columns.plus(names + ["key", "value"][len(names) :])
            case {"density": _}:
                return _only(groups, names or ["value", "density"])
            case {"quantile": _}:
                return _only(groups, names or ["prob", "value"])
            case {"regression": field, "on": on} | {"loess": field, "on": on} if not transform.get("params"):
                return _only(groups, names or [on, field])
            case {"lookup": _, "from": source}:
                if "data" in source:
                    looked_up = [self.columns_of(source["data"])]
                    for name in (source.get("key"), *source.get("fields", ())):
                        self.field(name, "the transform 'lookup'", looked_up, {})
                return columns.plus(names or source.get("fields", ()))
        return _Columns()


def _only(groups: Sequence[str], names: Sequence[str]) -> _Columns:
    """Columns that replace those there were."""
    paths = [_path(group) or [] for group in groups]
    if any(len(path) != 1 for path in paths):
        return _Columns()
    return _Columns((*(path[0] for path in paths), *names))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _reaches(value: Any, path: Sequence[str]) -> bool:
    for step in path:
        if step == "length" and isinstance(value, (str, list)):
            return True
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return False
    return True


def _path(field: str) -> list[str] | None:
    """The steps of a field, as Vega reads them ("a.b" is b inside of a); None if it can't read them."""
    steps: list[str] = []
    kept, start, at, quote, bracket = "", 0, 0, "", 0

    def push() -> None:
        nonlocal kept, start
        steps.append(kept + field[start:at])
        kept, start = "", at + 1

    while at < len(field):
        letter = field[at]
        if letter == "\\":
            kept += field[start:at]
            at += 1
            start = at
        elif letter == quote:
            push()
            quote, bracket = "", -1
        elif quote:
            pass
        elif letter in "'\"" and start == bracket:
            start, quote = at + 1, letter
        elif letter == "." and not bracket:
            if at > start:
                push()
            else:
                start = at + 1
        elif letter == "[":
            if at > start:
                push()
            bracket = start = at + 1
        elif letter == "]":
            if not bracket:
                return None
            if bracket > 0:
                push()
            bracket, start = 0, at + 1
        at += 1
    if bracket or quote:
        return None
    if at > start:
        push()
    return steps

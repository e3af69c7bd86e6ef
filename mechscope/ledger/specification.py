"""From a chart to its specification.

A specification goes into the repository and onto pages. So its data stand in it (no address, no file beside
it), its characters can be shown, and its fields are there (see `mechscope.ledger.fields`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from mechscope.characters import visible
from mechscope.errors import InvalidRecord
from mechscope.files import lines_of, stable_json
from mechscope.ledger.drawing import printable
from mechscope.ledger.fields import check_fields, lacking

_VIEWS = ("mark", "layer", "concat", "hconcat", "vconcat", "spec")


def specification(chart: Any, name: str) -> dict[str, Any]:
    """The Vega-Lite specification of a chart, as it can be committed and drawn.

    Args:
        chart: An Altair chart, or anything with a `to_dict()` that gives Vega-Lite.
        name: The figure's name, for messages.

    Raises:
        InvalidRecord: No chart; data by address; values that JSON cannot hold; a field that the data lack.
    """
    if not hasattr(chart, "to_dict"):
        raise _no_chart(chart, name)
    try:
        with _data_inside():
            spec = chart.to_dict()
    except Exception as error:  # Altair's own checks, each with a class of its own
        raise _altairs(error, chart, name) from error
    if not isinstance(spec, dict) or not any(key in spec for key in _VIEWS):
        raise _no_chart(chart, name)
    if what := next(_addresses(spec, spec.get("datasets") or {}), None):
        raise InvalidRecord(
            f"figure '{name}' takes {what}: a page asks nothing of another host, and a rerun may find "
            "something else there.",
            hint="keep a copy in analyses/data/, declare it in the header (data: …), read it, and give the "
            "chart what was read",
        )
    spec = dict(printable(spec))
    try:
        stable_json(spec)
    except (TypeError, ValueError) as error:
        raise InvalidRecord(
            f"figure '{name}' holds a value that can't be kept: {error}.",
            hint="plain numbers and texts, and None for what is missing",
        ) from error
    check_fields(spec, name)
    return spec


def _data_inside() -> AbstractContextManager[Any]:
    """Altair with data inside of charts: "json", "csv" and others put them into a file or another program."""
    import altair

    if altair.data_transformers.active != "default":  # whose own options, such as max_rows, stay
        context: AbstractContextManager[Any] = altair.data_transformers.enable("default")
        return context
    return nullcontext()


def _no_chart(chart: Any, name: str) -> InvalidRecord:
    return InvalidRecord(
        f"figure '{name}' is a {type(chart).__name__}, not a chart.",
        hint="an Altair chart, or anything with a to_dict() that gives Vega-Lite",
    )


def _altairs(error: Exception, chart: Any, name: str) -> InvalidRecord:
    said = str(error).strip() or type(error).__name__
    if type(error).__name__ == "MaxRowsError":
        n = re.findall(r"\d+", said)
        rows = f"{int(n[0]):,} rows of data, more than {int(n[1]):,}" if len(n) > 1 else "too many rows"
        return InvalidRecord(
            f"figure '{name}' has {rows}, and each of them would be committed.",
            hint="give the chart what it draws (means, counts of a histogram, a sample); or, if it must be, "
            "alt.data_transformers.disable_max_rows()",
        )
    if isinstance(error, UnicodeEncodeError):
        return InvalidRecord(
            f"figure '{name}' has {visible(error.object)!r} in its data: half of a character.",
            hint="from mechscope.characters import visible;  frame[column] = frame[column].map(visible)",
        )
    names = [str(name) for name in getattr(getattr(chart, "data", None), "columns", ())]
    if names and (untyped := re.search(r'data type for the field "(.+?)"', said)):
        problem = lacking(name, "an encoding", untyped[1], names)
        hint = problem.hint or f'if a transform makes it, write its type:  "{untyped[1]}:Q"'
        return InvalidRecord(problem.message, hint=hint)
    return InvalidRecord(f"figure '{name}' cannot be made: {lines_of(said)[0].rstrip('.')}.")


def _addresses(node: Any, datasets: Mapping[str, Any]) -> Iterator[str]:
    """What a view and those in it take from an address: their data, or the pictures of image marks."""
    if isinstance(node, (list, tuple)):
        for part in node:
            yield from _addresses(part, datasets)
    if not isinstance(node, dict):
        return
    data = node.get("data")
    if isinstance(data, dict) and "url" in data:
        yield f"its data from the address {data['url']}"
    mark = node.get("mark")
    if (mark.get("type") if isinstance(mark, dict) else mark) == "image":
        channel = node.get("encoding", {}).get("url", {})
        rows = [row for values in (*datasets.values(), (data or {}).get("values")) for row in values or ()]
        pictures = [row.get(channel.get("field")) for row in rows if isinstance(row, dict)]
        pictures += [channel.get("value"), mark.get("url") if isinstance(mark, dict) else None]
        for picture in pictures:
            if isinstance(picture, str) and not picture.startswith("data:"):
                yield f"a picture from the address {picture}"
    for key, part in node.items():
        if key not in ("datasets", "values"):
            yield from _addresses(part, datasets)

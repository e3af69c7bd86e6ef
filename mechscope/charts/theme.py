"""The look of all charts: one theme, readable on light and dark pages, the same bytes for the same data.

Charts are committed as Vega-Lite and SVG and shown on pages with a light and a dark mode, so the background
is transparent, text and axes are a grey that reads on both, and the colours are told apart by people with any
kind of colour vision. Nothing here names a view or parameter (Altair numbers those by how many charts were
made before), and the look is in the specification itself rather than in a global theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from mechscope.errors import InvalidInput

WIDTH = 640
"""Width of an article's column, in pixels."""

NEUTRAL = "#636b74"
"""Text and axes: contrast above 5 on white; a dark page inverts pictures."""

FAINT = "#636b7433"
"""Grid lines."""

PALETTE = ("#3987c9", "#de7a22", "#1ba37e", "#c56aa0", "#b3a125", "#7f7ad1")
"""Categories: blue, orange, green, purple-red, yellow, violet (after Okabe & Ito), mid-tone."""

DIVERGING = ("#1d5b9e", "#75a9d6", "#f1f0ec", "#eba468", "#ad4c0b")
"""Blue below, orange above a light middle; symmetric in lightness."""

_FONT = "Helvetica, Arial, sans-serif"
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "padding": 5,
    "view": {"stroke": None},
    "axis": {
        "labelColor": NEUTRAL,
        "titleColor": NEUTRAL,
        "domainColor": NEUTRAL,
        "tickColor": NEUTRAL,
        "gridColor": FAINT,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "legend": {
        "labelColor": NEUTRAL,
        "titleColor": NEUTRAL,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "orient": "top",
        "symbolType": "square",
        "columnPadding": 16,
        "labelLimit": 300,
    },
    "title": {
        "color": NEUTRAL,
        "fontSize": 13,
        "fontWeight": "normal",
        "anchor": "start",
        "offset": 8,
    },
    "header": {"labelColor": NEUTRAL, "titleColor": NEUTRAL, "labelFontSize": 12},
    "text": {"color": NEUTRAL, "font": _FONT},
}


def themed(chart: alt.TopLevelMixin) -> Any:
    """The chart with mechscope's look written into it; call it once, on the finished chart."""
    return chart.configure(**_CONFIG)


def require_columns(frame: pd.DataFrame, wanted: Sequence[str]) -> None:
    """Refuse a frame that lacks columns.

    Raises:
        InvalidInput: It lacks one; the message names those that it has.
    """
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise InvalidInput(
            f"the chart's data lack {', '.join(missing)}; they have {', '.join(map(str, frame.columns))}."
        )

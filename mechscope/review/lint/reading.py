"""Text as a reader sees it: numerals of every script and typeface as 0–9, and nothing that isn't printed.

`0.**93**`, `0&#46;93`, `０.９３`, `𝟎.𝟗𝟑` and a number with an invisible space in it all read "0.93". What is
read knows where each of its characters is written.
"""

from __future__ import annotations

import html
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from mechscope.articles.markdown import MARK, NAME

_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w*);")
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋"
_PLAIN = "0123456789+-"
_RUN = re.compile(rf"(?P<raised>[{_RAISED}]+)|[{_LOWERED}]+")
_CHINESE = "〇零一二三四五六七八九十百千万萬亿億两兩"
_HAN = r"[\u3040-\u30ff\u3400-\u9fff]"
_CHINESE_NUMBER = re.compile(
    rf"(?:百分之)?(?:(?<!{_HAN})[{_CHINESE}](?!{_HAN})|[{_CHINESE}]{{2,}}|[{_CHINESE}]+[点點][{_CHINESE}]+)"
    rf"(?:[点點][{_CHINESE}]+)?"
)
_LOOKALIKES = dict(
    zip(
        "аеорсухіѕјһԁԛԝАВЕНІКМОРСТХЅЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
        "aeopcyxisjhdqwABEHIKMOPCTXSJABEZHIKMNOPTYXo",
        strict=True,
    )
)
"""Letters of other scripts that look as Latin ones do."""
_AS_ZERO = re.compile(r"(?<![\w.])[OoОоΟο](?=[.·٫]\d)")


@dataclass(frozen=True)
class Reading:
    """What is read of a stretch of a text.

    Attributes:
        places: Where each character of `text` is written, and where the stretch ends.
    """

    text: str
    places: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where what is read from `start` to `end` is written."""
        return self.places[start], self.places[end - 1] + 1 if end > start else self.places[start]

    def place(self, written: int) -> int:
        """Where in `text` that is read which is written from `written` on."""
        return min(bisect_left(self.places, written), len(self.text))


def read(text: str, start: int = 0, end: int | None = None) -> Reading:
    """What a reader reads of `text[start:end]`. An entity is written where it begins, in one character."""
    end = len(text) if end is None else end
    if text.isascii() and "&" not in text[start:end]:
        return Reading(_AS_ZERO.sub("0", text[start:end]), tuple(range(start, end + 1)))
    printed: list[str] = []
    places: list[int] = []
    for place, letters in _letters(text, start, end):
        printed.append(letters)
        places += [place] * len(letters)
    return Reading(_AS_ZERO.sub("0", "".join(printed)), (*places, end))


def _letters(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    """What is read, piece by piece, and where each piece is written."""
    place = start
    while place < end:
        char = text[place]
        entity = _ENTITY.match(text, place, end) if char == "&" else None
        run = _RUN.match(text, place, end) if char in _RAISED or char in _LOWERED else None
        chinese = _CHINESE_NUMBER.match(text, place, end) if char in _CHINESE else None
        if entity:
            for letter in html.unescape(entity.group()):
                yield place, _plain(letter)
            place = entity.end()
        elif run:  # as Markdown writes it
            mark = "^" if run["raised"] else "~"
            yield place, mark
            for at in range(place, run.end()):
                yield at, _PLAIN[(_RAISED if run["raised"] else _LOWERED).index(text[at])]
            yield run.end() - 1, mark
            place = run.end()
        elif chinese:
            digits = _from_chinese(chinese.group())
            yield place, f" {digits[:-1]}"  # apart from a word before it
            yield chinese.end() - 1, digits[-1]
            place = chinese.end()
        else:
            yield place, char if char.isascii() else _plain(char)
            place += 1


def _from_chinese(written: str) -> str:
    """九十三 as "93", 九三 too; 零点九三 as "0.93", 百分之九十三 as "93%"."""
    whole, *decimals = re.split("[点點]", written.removeprefix("百分之"))
    total = below = digit = 0  # what is complete, what is below the next 万 or 亿, and the last digits
    for value in (int(unicodedata.numeric(char)) for char in whole):
        if value < 10:
            digit = 10 * digit + value
        elif value < 10_000:
            below, digit = below + (digit or 1) * value, 0
        else:
            total, below, digit = total + (below + digit or 1) * value, 0, 0
    parts = [str(total + below + digit)]
    parts += ["".join(str(int(unicodedata.numeric(char))) for char in part) for part in decimals]
    return ".".join(parts) + "%" * written.startswith("百分之")


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """A character as it is usually written; nothing for one that isn't seen."""
    if char in (MARK, NAME):
        return char
    if char in _LOOKALIKES:
        return _LOOKALIKES[char]
    kind = unicodedata.category(char)
    if kind == "Cf" or unicodedata.name(char, "").startswith("VARIATION SELECTOR"):
        return ""
    if kind == "Nd":
        return str(unicodedata.decimal(char))
    if kind == "Nl":  # Ⅻ
        return str(int(unicodedata.numeric(char)))
    how = unicodedata.decomposition(char).partition(" ")[0]
    if kind == "No" and char.isnumeric() and how != "<fraction>":
        return f"({int(unicodedata.numeric(char))})"
    if how in ("<wide>", "<font>", "<compat>") and char != "…" and kind != "Zs":
        return unicodedata.normalize("NFKC", char)
    return char

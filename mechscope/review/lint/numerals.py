"""Typed numbers: every number that readers see or hear, if the `probe` takes it for a result.

Only what is certain is decided here: what is marked as given is no result, nor what shares its sentence with
a citation (its clause, where the sentence also tells what we found), nor what numbers the rows of a table or
the points of an enumeration.

It holds wherever readers see or hear text: in attributes, raw HTML, Typst and LaTeX, diagrams, styles and
scripts too (see `articles.embedded`), in math that states a value (see `formulas`), and for numbers in
disguise (see `reading`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mechscope.articles.markdown import COUNTED, MARK, NAME, Block, Scan
from mechscope.review.lint import probe
from mechscope.review.lint.formulas import stated, worded
from mechscope.review.lint.names import COORDINATE, Names
from mechscope.review.lint.passages import passages
from mechscope.review.lint.reading import Reading, read

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"]
_TEENS += ["nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_PARTS = {
    "third": 3,
    "quarter": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
}
_PARTS |= {"hundredth": 100, "thousandth": 1000}
_DENOMINATORS = {"half": 2, "twentieth": 20, **_PARTS}


def _any_of(words: Iterable[str]) -> str:
    return "(?:" + "|".join(words) + ")"


_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_VALUES = {word: value for value, word in enumerate(["zero", *_ONES, *_TEENS])}
_VALUES |= {word: 10 * value for value, word in enumerate(_TENS, start=2)} | {"a": 1, "an": 1, "dozen": 12}

_PLAIN = rf"(?:{_any_of(_TENS)}(?:[\s-]{_any_of(_ONES)})?|{_any_of(_TEENS)}|{_any_of(_ONES)})"
_SCALED = (
    rf"(?:(?:a|{_PLAIN})[\s-]+)?(?:{_any_of(_SCALES)}|dozen)s?"
    rf"(?:[\s-]+(?:and[\s-]+)?(?:{_PLAIN}|{_any_of(_SCALES)})\b)*"
)
_ANY = rf"(?:{_SCALED}|{_PLAIN}|zero)"
_WORD = re.compile(
    rf"""(?<![\w-])(?:
        (?:an?|one|{_ANY}|several|some)\s+orders?\s+of\s+magnitude
        | half\s+a\s+dozen | (?:{_ANY}|a)\s+and\s+a\s+half
        | (?:{_ANY}|an?)[\s-](?:{_any_of(_PARTS)}s?|half|halves) | {_any_of(_PARTS)} | half | halves
        | {_ANY}-?fold | twice | thrice
        | (?:doubl|tripl|trebl|quadrupl|quintupl)(?:es?|ed|ing) | halv(?:es?|ed|ing)
        | every\s+(?:second|{_any_of(_PARTS)}|fourth|eleventh|twelfth|twentieth)
        | second|fourth|eleventh|twelfth|twentieth
        | {_ANY}
    )(?!\w)""",
    re.VERBOSE | re.IGNORECASE,
)
_BEFORE_ONE = re.compile(
    r"\b(?:only|exactly|just|all\s+but|layer|block|head|rank|factor\s+of)\s+$", re.IGNORECASE
)
_AFTER_ONE = re.compile(
    rf"\s+(?:(?:in|of|out\s+of)\s+(?:(?:every|the|all|these|those|its|our)\s+)?(?:\d|{_ANY}\b|{MARK})"
    r"|[a-z]+\s+in\s+(?:\d|[a-z]+\b)|(?:single|lone|sole)\b|per\s?cent)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"(?:(?!\s(?:but|while|whereas|where|although|and\s+(?:we|ours?|here))\b)[^,;:()—–]|(?<=\d),(?=\d)|(?<=\d)–)*(?:[,;:()—–]|\s\w+|$)",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\bwe\s+(?:\w+\s+)?(?:find|found|measured?|get|got|obtain\w*|see|saw|observed?|reach\w*|report|have|had)\b|\bours?\b(?!\s+list)|\bhere\b",
    re.IGNORECASE,
)
_NUMERAL = re.compile(
    r"(?:(?:^|(?<=[\s(\[{=<>≤≥≈,;:/–—|]))[-−+±])?"
    r"(?<![\w.])(?:\d{1,3}(?:[,\u00a0\u2009\u202f]\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[/×]\d+(?![\w/]|\.\d))?"
    r"(?:[eE][-+−]?\d+\b|\^[-−]?\d+\^)?[¼½¾⅐-⅞]?(?:[\u00a0\u202f]?[%‰]|(?:[kKMBG]|x|st|nd|rd|th)\b|×)?"
    r"|[¼½¾⅐-⅞]"
)
_GLUED = re.compile(
    r"(?<=[^\W\d])(?<![vV])(?:0\.\d+(?![\d.]*[A-Za-z\d])(?:\s?%)?|\d+(?:\.\d+)?\s?%)|(?<=\bca\.)\d+(?:\.\d+)?%?"
)
"""A share that hangs on a word ("AUROC0.93"), a number after "ca."."""
_ROMAN = re.compile(
    r"\b(?=[IVXLC]{2,}\b)(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?=\s+(?:[\w'’-]+\s+){0,2}" + COUNTED + r"\b)"
)
"""XIV heads."""
_FIRST_CELL = re.compile(r"\s*\|\s*(\d{1,3})\s*\|")
_MARK_OF_LIST = re.compile(r"\((\d{1,2})\)")


@dataclass(frozen=True)
class Numeral:
    """A typed number, where it is.

    Attributes:
        start, end: What would be marked as given: the number, or the math that states it.
        place, stop: Where the number itself is.
        aside: Whether it is where nothing can be marked: in an attribute, in raw text, in a diagram.
    """

    start: int
    end: int
    text: str
    place: int
    stop: int
    aside: bool = False


def numerals(scan: Scan, names: Names) -> list[Numeral]:
    """The numbers of a Markdown text that are taken for typed results, in order."""
    return results([(scan, written(scan, names))])[0]


def results(texts: Sequence[tuple[Scan, Iterable[Numeral]]], kept: Path | None = None) -> list[list[Numeral]]:
    """Which of the numbers of each text are taken for results, in order; asked in one pass.

    Args:
        kept: As for `probe.scores`.
    """
    judged = [queries(scan, numbers) for scan, numbers in texts]
    scores = iter(probe.scores([query for of_text in judged for query, _ in of_text], kept))
    taken: list[list[Numeral]] = []
    for of_text in judged:
        numbers = [number for _, inside in of_text for number in zip(inside, next(scores), strict=True)]
        taken.append(sorted({number for number, score in numbers if score > 0}, key=_place))
    return taken


def _place(number: Numeral) -> tuple[int, int]:
    return number.start, number.end


def queries(scan: Scan, numbers: Iterable[Numeral]) -> list[tuple[probe.Query, list[Numeral]]]:
    """Each passage with numbers, as the probe is asked of them."""
    left = sorted(numbers, key=lambda number: (number.place, number.stop))
    result: list[tuple[probe.Query, list[Numeral]]] = []
    for passage in passages(scan) if left else ():
        inside = [number for number in left if passage.start <= number.place < passage.end]
        if inside:
            place = passage.reading.place
            spans = [(place(number.place), place(number.stop)) for number in inside]
            result.append(((passage.reading.text, spans), inside))
    return result


def written(scan: Scan, names: Names) -> Iterator[Numeral]:
    """All numbers that readers see or hear of a Markdown text and that nothing certain excuses."""
    cited = [citation.start for citation in scan.citations if not citation.cross_reference]
    rows = _counted_rows(scan)
    for block in scan.blocks:
        skipped = _numbering(scan.prose, block) | rows
        for start, end in scan.sentences(block):
            quoted = [at for at in cited if start <= at < end]
            reading = read(scan.prose, start, end)
            for first, last in written_numbers(reading.text, names):
                span = reading.span(first, last)
                if span[0] not in skipped and not (quoted and _of_others(reading, first, quoted)):
                    yield Numeral(*span, scan.text[slice(*span)], *span)
            for begin, stop, body in () if quoted else scan.math:
                if start <= begin < end:
                    for first, last in _numbers_in_math(body, names):
                        yield Numeral(begin, stop, scan.text[begin:stop], begin + first, begin + last)
    for aside in scan.asides:
        for line in re.finditer(r".*[^\W_].*|.*&.*", aside.prose):
            reading = read(aside.prose, *line.span())
            for first, last in written_numbers(reading.text, names):
                begin, stop = (aside.start + place for place in reading.span(first, last))
                yield Numeral(begin, stop, scan.text[begin:stop], begin, stop, aside=True)


def written_numbers(text: str, names: Names) -> list[tuple[int, int]]:
    """Where numbers are in a text, in digits or words, and heads by name ("L5H3"); not in known names."""
    if names_there := names.spans(text):
        text = _filled(text, names_there, NAME)
    patterns = (_NUMERAL, _WORD, COORDINATE, _GLUED, _ROMAN)
    matches = (match for pattern in patterns for match in pattern.finditer(text))
    return _apart(match.span() for match in matches if match.group().lower() != "one" or _counts(text, match))


def _counts(text: str, one: re.Match[str]) -> bool:
    """Whether "one" counts, rather than stands for something."""
    return bool(_BEFORE_ONE.search(text, 0, one.start()) or _AFTER_ONE.match(text, one.end()))


def _numbers_in_math(body: str, names: Names) -> Iterator[tuple[int, int]]:
    """Where math states a value, in a symbol's relation or in words."""
    yield from stated(body)
    for first, last in worded(body):
        for start, end in written_numbers(body[first:last], names):
            yield first + start, first + end


def _of_others(reading: Reading, at: int, cited: Sequence[int]) -> bool:
    """Whether a number in a sentence that cites is theirs, unless its clause cites nobody and is about us."""
    clause = next(match for match in _CLAUSE.finditer(reading.text) if match.start() <= at < match.end())
    start, end = reading.places[clause.start()], reading.places[clause.end()]
    return any(start <= place < end for place in cited) or not _OWN.search(clause.group())


def value_of(text: str) -> float | None:
    """The number that a typed one names ("−0.5", "twenty-one", "80%", "a third"), if that is easily said."""
    plain = text.strip().lower().replace("−", "-").replace(",", "").rstrip("×x")
    try:
        return float(plain[:-1]) / 100 if plain.endswith("%") else float(plain)
    except ValueError:
        pass
    parts = re.split(r"[\s-]+(?:and[\s-]+)?", plain)
    denominator = _DENOMINATORS.get(parts[-1].removesuffix("s").replace("halve", "half"))
    if denominator and "and" not in plain.split():
        numerator = value_of(" ".join(parts[:-1]) or "one")
        return None if numerator is None else numerator / denominator
    if any(part not in _VALUES and part not in _SCALES for part in parts):
        return None
    total = current = 0
    for part in parts:
        if part in _SCALES:
            current = max(current, 1) * _SCALES[part]
            if _SCALES[part] > 100:
                total, current = total + current, 0
        else:
            current += _VALUES[part] if part != "dozen" or not current else 11 * current
    return float(total + current)


def _apart(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of spans that overlap, the one that begins first and is longest."""
    kept: list[tuple[int, int]] = []
    for span in sorted(set(spans), key=lambda span: (span[0], -span[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _filled(text: str, spans: Iterable[tuple[int, int]], fill: str) -> str:
    letters = list(text)
    for start, end in spans:
        letters[start:end] = fill * (end - start)
    return "".join(letters)


def _counted_rows(found: Scan) -> set[int]:
    """The places of the first cells of rows that are counted through from 0 or 1."""
    places: set[int] = set()
    run: list[int] = []
    following = 0
    for block in found.blocks:
        cell = _FIRST_CELL.match(found.prose, block.start) if block.row else None
        if cell and (int(cell[1]) == following if run else cell[1] in ("0", "1")):
            run.append(cell.start(1))
            following = int(cell[1]) + 1
        else:
            run = []
        if len(run) > 1:
            places.update(run)
    return places


def _numbering(prose: str, block: Block) -> set[int]:
    """Where the digits of "(1) … (2) …" stand, if a block counts like that."""
    reading = read(prose, block.start, block.end)
    marks = list(_MARK_OF_LIST.finditer(reading.text))
    counted = [int(mark[1]) for mark in marks]
    if (
        len(marks) > 1
        and counted[0] in (1, 2)
        and counted == list(range(counted[0], counted[0] + len(marks)))
    ):
        return {reading.places[mark.start(1)] for mark in marks}
    return set()

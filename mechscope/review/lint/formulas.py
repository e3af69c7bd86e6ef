"""Numbers that math states, told from those that belong to its symbols.

`$p < 0.01$`, `$[0.1, 0.2]$`, `$\\{3, 7\\}$` and `$0.93$` state what was measured; `$x_1$`, `$2y + 3$`,
`$\\mathbb{R}^{768}$` and `$\\frac{1}{n-1}$` do not. So: what is raised, lowered or the argument of a symbol
is dropped; of the rest, every number with a decimal point or per cent is stated, and every whole one that
stands alone, beside a relation, or in brackets that hold nothing but numbers. 0, 1 and −1 are ends of scales.
"""

from __future__ import annotations

import re

_ENDS = {"0", "1", "-1", "+1"}
_NUMBER = r"[-+−±]?\s*(?:\d[\d,]*\d|\d+)?(?:\.\d+|\d)(?:\s*\\?%)?"
_VALUE = re.compile(_NUMBER)
_TEXT = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|mbox|mathrm|operatorname|mathit|mathsf|mathbf)\*?\{([^{}]*)\}"
)
_WORDED = re.compile(r"\\(?:text|textbf|textit|textrm|textsf|mbox)\*?\{(?P<words>[^{}]*)\}")
_STYLED = r"(?:\\(?:math[a-z]+|text[a-z]*|boldsymbol|bm|mbox)\s*)?\{[\d.]+\}"
_STYLED_DIGITS = re.compile(rf"(?<=[\d.])(?:{_STYLED}|\\[!,](?=[\d.]))+(?!\}})|(?<![_^])(?:{_STYLED}){{2,}}")
"""Digits of one number that are styled on their own: 0.\\mathbf{4}\\mathit{6}."""
_POWER_OF_TEN = re.compile(r"(?<![\d.])10\s*\^\s*(?:\{\s*[-−+]?\d+\s*\}|\d)")
_STACKED = re.compile(r"\\(?:overset|stackrel|underset)\s*\{[^{}]*\}\s*\{([^{}]*)\}")
_SYMBOLIC_POWER = re.compile(r"\d+(?:\.\d+)?\s*\^\s*(?:\{[^{}]*[A-Za-z][^{}]*\}|\\?[A-Za-z]+)")
_SCRIPTS = re.compile(r"[_^]\s*(?:\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}|\\[A-Za-z]+|[^\s\\{}])")
_SPACE = re.compile(
    r"\\(?:[,;:! ]|q?quad\b|left\b|right\b|[Bb]igg?[lr]?\b|displaystyle\b|limits\b)|[~&]|\\\\(?:\[[^\]]*\])?"
)
_LAYOUT = re.compile(
    r"\\(?:begin|end|label|tag|ref|eqref|[hv]space|color|mathbb|mathcal|phantom)\*?\{[^{}]*\}"
    r"(?:\{[lcr|@ ]*\})?"
)
_FRACTION = re.compile(
    r"\\[dt]?frac\s*(?:\{(?P<over>[^{}]*)\}\s*\{(?P<under>[^{}]*)\}|(?P<one>\d)\s*(?P<other>\d))"
)
_RELATION = re.compile(
    r"[=<>≈≤≥≃≪≫∼]|\\(?:approx|simeq|sim|leqslant|geqslant|leq?|geq?|ll|gg|lt|gt|neq?|equiv|propto|in|mapsto|to"
    r"|rightarrow|longrightarrow|Rightarrow|coloneqq)(?![A-Za-z])|[∈→]|:"
)
_BRACKETS = re.compile(r"(?:\\\{|[\[(])(?P<held>[^\[\](){}]*?)(?:\\\}|[\])])")
_SIDE = re.compile(
    rf"\s*(?:[A-Za-z]{{2,}}\s+)*(?:\\pm\s*)?(?:{_NUMBER})(?:\s*(?:\\pm|\\times|\\cdot|\\ldots|\\dots|\\%|[±×·,;/+-])\s*(?:{_NUMBER})?)*\s*(?:\\%|[.,;]|[A-Za-z]{{2,}})?\s*"
)


def stated(math: str) -> list[tuple[int, int]]:
    """Where the numbers are that math states, as results would be; none if it relates symbols.

    Args:
        math: What is between the dollars.
    """
    # What is only set apart is one number: 1{,}204, 0{.}93, 0\\!.\\!93. Which one doesn't matter here.
    body = re.sub(r"(?<=\d)\{,\}(?=\d{3})", "999", math)
    body = re.sub(r"\{\.\}(?=\d)", ".99", body)
    body = _STYLED_DIGITS.sub(
        lambda match: ("." if "." in match.group() else "9").ljust(len(match.group()), "9"), body
    )
    body = _STACKED.sub(lambda match: _blank(match.group(), keep=match.span(1), base=match.start()), body)
    body = _TEXT.sub(lambda match: _blank(match.group(), keep=match.span(1), base=match.start()), body)
    body = _SYMBOLIC_POWER.sub(lambda match: " " * (len(match.group()) - 1) + "x", body)
    powers = [match for match in _POWER_OF_TEN.finditer(body)]
    for pattern in (_SCRIPTS, _SPACE, _LAYOUT):
        body = pattern.sub(lambda match: " " * len(match.group()), body)
    for match in powers:  # 10^{-3} is a number, not a symbol with an index
        body = body[: match.start()] + "9" * (match.end() - match.start()) + body[match.end() :]
    found = {
        *_alone(body),
        *_decimals(body),
        *_beside_relations(body),
        *_in_brackets(body),
        *_fractions(math),
    }
    places: list[tuple[int, int]] = []
    for start, end in sorted(found, key=lambda place: (place[0], -place[1])):
        if not places or start >= places[-1][1]:
            places.append((start, end))
    return [(start + len(body[start:end]) - len(body[start:end].lstrip()), end) for start, end in places]


def worded(math: str) -> list[tuple[int, int]]:
    """Where words stand in math that could state a number (`\\text{eighty percent}`); not in an index."""
    body = _SCRIPTS.sub(lambda match: " " * len(match.group()), math)
    return [match.span("words") for match in _WORDED.finditer(body)]


def _decimals(body: str) -> list[tuple[int, int]]:
    return [match.span() for match in _VALUE.finditer(body) if re.search(r"\.\d|%", match.group())]


def _alone(body: str) -> list[tuple[int, int]]:
    return _values(body, 0, len(body)) if _SIDE.fullmatch(body) else []


def _beside_relations(body: str) -> list[tuple[int, int]]:
    """Whole sides of relations: `n = 12`, `3 < n`; of `0 < i < n` and `T > 0` none."""
    relations = list(_RELATION.finditer(body))
    if not relations:
        return []
    # ", " and line ends part one relation from the next: "p = 3, n = 12"
    spans = []
    ends = [0, *(end for match in relations for end in match.span()), len(body)]
    for start, end in zip(ends[::2], ends[1::2], strict=True):
        for part in re.finditer(r"(?:[^,;\n\\]|,\d|\\(?!text|quad))+", body[start:end]):
            first, last = start + part.start(), start + part.end()
            touches = start + part.start() == start or start + part.end() == end
            if touches and _SIDE.fullmatch(body, first, last):
                spans += _values(body, first, last)
    return spans


def _in_brackets(body: str) -> list[tuple[int, int]]:
    found = []
    for match in _BRACKETS.finditer(body):
        members = [member.strip() for member in re.split(r"[,;]|\\ldots|\\dots|…|\.\.\.", match["held"])]
        numbers = [member for member in members if member]
        is_list = len(numbers) > 1 or match.group().startswith("\\{")
        if is_list and numbers and all(_VALUE.fullmatch(number) for number in numbers):
            before = body[: match.start()].rstrip()
            if re.search(r"(?<![\\A-Za-z])[A-Za-z]$|[)\]}]$", before):  # f(1, 2)
                continue
            found += _values(body, *match.span("held"))
    return found


def _fractions(math: str) -> list[tuple[int, int]]:
    """Fractions of two numbers that are a side of a relation or all there is: \\frac{3}{4}."""
    found = []
    for match in _FRACTION.finditer(math):
        parts = [match["over"] or match["one"], match["under"] or match["other"]]
        rest = math[: match.start()].rstrip(), math[match.end() :].lstrip()
        ends = not rest[0] or _RELATION.fullmatch(rest[0], _last(rest[0]))
        if all(part.strip().isdigit() for part in parts) and ends and (not rest[1] or rest[1][0] in ".,;"):
            found.append(match.span())
    return found


def _last(text: str) -> int:
    """Where the last relation of a text begins, if the text ends with it; else its end."""
    return next((match.start() for match in _RELATION.finditer(text) if match.end() == len(text)), len(text))


def _values(body: str, start: int, end: int) -> list[tuple[int, int]]:
    """The numbers of a stretch, unless they are all ends of a scale."""
    values = [match for match in _VALUE.finditer(body, start, end)]
    if all(re.sub(r"\s", "", match.group()).replace("−", "-") in _ENDS for match in values):
        return []
    return [match.span() for match in values]


def _blank(text: str, *, keep: tuple[int, int], base: int) -> str:
    """Spaces for a text, but for what is to be kept."""
    first, last = keep[0] - base, keep[1] - base
    return " " * first + text[first:last] + " " * (len(text) - last)

"""Typed numbers in prose.

The rule: *every numeral, and every number word from ten up, fraction and multiple, is taken for a typed
result unless it is part of a name, version, date, reference, numbering or term (see `terms`), is marked as
given, or shares its sentence with a citation (its clause, where the sentence also tells what we found). A
number word below ten is taken for one only where it measures: as a share ("seven of the ten"), a place
("layer three"), alone, for things that were not named ("the other five copy", "falls to three"), or counting
what experiments count (heads, layers …) rather than what authors choose (labels, questions, methods).*

It holds wherever readers see or hear text: in attributes, raw HTML, Typst and LaTeX, diagrams, styles and
scripts too (see `embedded`), and for numbers in disguise (see `reading`). Code states a result only by a name
that measures ("loss=3.17") or as a line of output.

What a model is given to read, in quotation marks ('the prompt "I have 3 pears"'), is no result, if it holds
no decimal and no share; nor is a quoted string of digits, unless it is said to be the value.

Words of order ("first", "a third reason"), "one" as a pronoun, "the two" (both) and the ends of a scale
("between 0 and 1", "above 0") measure nothing, nor do the numbers that count the rows of a table through, or
that say which part of the model a sentence defines ("by layer 7 we mean …"). Math is symbols unless it
states a value (see `formulas`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mechscope.articles.markdown import COUNTED, MARK, NAME, Block, Scan
from mechscope.review.lint.formulas import stated, worded
from mechscope.review.lint.names import Names, coordinates, glued
from mechscope.review.lint.reading import Reading, read
from mechscope.review.lint.terms import any_of, decided

_ONES = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"]
_TEENS += ["nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_VALUES = {word: value for value, word in enumerate(["zero", *_ONES, *_TEENS])}
_VALUES |= {word: 10 * value for value, word in enumerate(_TENS, start=2)} | {"a": 1, "dozen": 12}


_DIGIT = any_of(["zero", "oh", "nought", *_ONES])
_SMALL = any_of(_ONES[1:])
_PLAIN = rf"(?:{any_of(_TENS)}(?:[\s-]{any_of(_ONES)})?|{any_of(_TEENS)}|{any_of(_ONES)})"
_SCALED = (
    rf"(?:(?:a|{_PLAIN})[\s-]+)?{any_of(_SCALES)}(?:[\s-]+(?:and[\s-]+)?(?:{_PLAIN}|{any_of(_SCALES)})\b)*"
)
_LARGE = rf"(?:{_SCALED}|{any_of(_TENS)}(?:[\s-]{any_of(_ONES)})?|{any_of(_TEENS)})"
_ANY = rf"(?:{_LARGE}|{any_of(_ONES)}|\d+)"
_OTHER = rf"(?:{_ANY}\b|{MARK})"
"""Any number: in words, in digits, or from a ledger."""

_PLACE = any_of("layer block head neuron feature latent position dimension rank token component place")
_LINKING = any_of(
    """the a an of in on at to and or but nor that which who whose is are was were be been has have had do
    does did can above below could may might will would should if when where while so as than not with
    without by for from per about across against after before between into over under through only each
    every all both its their our these those this it they we you i there"""
)
_WITHIN = rf"(?:\s+(?!{_LINKING}\b)[A-Za-z][\w'’-]*){{0,2}}\s+"
"""Up to two words between a number and what it counts ("three abstract topics"), none of which links."""

_THINGS = (
    rf"(?:\s+(?!{_LINKING}\b)[\w'’-]+){{0,3}}?\s+(?!{_LINKING}\b)"
    r"(?:[\w'’-]*[^\Wsu]s|[\w-]+s['’]|people|data|criteria|phenomena|indices|matrices|children|men|women|corpora|hypotheses|series"
    r"|species|media|bases|axes|analyses|processes|passes|biases|losses|classes|places|sizes|kinds|halves)\b"
)
"""What a number counts: up to four words on, a plural. Without one it stands for the things themselves."""
_NOT_AFTER = r"(?=[\s.,;:)?!—–]|$)"

_AFTER = r"(?=\s*(?:[.,;:)?!—–]|$)|\s+(?:to|and|or|in|at|after|when|for|with|on|per|out)\b)"
_STATING = any_of(
    """is are was were equals? reaches reached to by than from only exactly nearly almost about roughly around
    least most fewer approximately"""
)
_ROUGHLY = any_of("by than nearly almost about over roughly least only exactly")
_NTH = any_of("third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth twentieth")
_DONE = any_of(
    """masked replaced dropped kept held used taken probed saved logged sampled patched ablated removed chosen
    selected skipped shown printed labell?ed plotted read measured swapped shuffled"""
)
"""What authors do to every third token, which is no result."""
_PARTS = any_of("third quarter fifth sixth seventh eighth ninth tenth hundredth thousandth")
_IN_A_TEXT = r"(?:tokens?|positions?)\b"
_PLACED = rf"(?=\s+(?!{_IN_A_TEXT})(?:(?!of\b|{_IN_A_TEXT})[\w-]+\s+)?(?:{_PLACE}|percentile)s?\b)"
"""After an ordinal: a place in the model, or in a ranking; a fourth token is one that the author looks at."""

_BEFORE_PLACE = re.compile(_PLACED)
_GIVEN_TO_READ = any_of(
    """prompts? inputs? texts? sentences? strings? questions? examples? completions? continuations? passages?
    quer(?:y|ies) templates? contexts? instructions? phrases? riddles? problems?"""
)
_QUOTED = re.compile(r'"(?P<straight>[^"]+)"|“(?P<curly>[^”]+)”')
_STRING = re.compile(r"[\s\d,+*/=-]+|[A-Za-z-]+|(?:[A-Z][\w-]*\s)+\d+")
_BEFORE_QUOTED = re.compile(
    rf"\b(?:{_GIVEN_TO_READ}|ask(?:s|ed)?|reads?|sees?|consider|imagine|suppose|take|giv(?:e|es|en|ing)|fe(?:ed|eds|d)|typed?|complet\w+|such\sas|like|after|on|e\.g\.)"
    r"(?!\w)(?:,\s*|[^.!?,;\"“]{0,30})$",
    re.IGNORECASE,
)
_AFTER_QUOTED = re.compile(rf",?\s+(?:is|was|are|as)\s+(?:\w+\s+){{0,2}}{_GIVEN_TO_READ}\b")

_NOT_OF_TWO = "".join(
    rf"(?<!\b{word}\s)"
    for word in (
        *(
            "the",
            "one",
            "that",
            "this",
            "each",
            "held",
            "first",
            "second",
            "other",
            "lower",
            "upper",
            "later",
        ),
        *("early", "better", r"and\sa"),
    )
)
"""Before "half": it is no part of something that is in two halves."""

_WORDS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # twelve · twenty-one · a hundred and five
        rf"\b(?P<n>{_LARGE})\b",
        # zero point nine three
        rf"\b(?P<n>(?:{_DIGIT}\s+)?point(?:[\s-]+{_DIGIT}\b)+)",
        # XIV heads
        rf"(?-i:\b(?P<n>(?=[IVXLC]{{2,}}\b)(?:XC|XL|L?X{{0,3}})(?:IX|IV|V?I{{0,3}}))\b)(?={_WITHIN}{COUNTED}\b)",
        # six, to be exact
        rf"\b(?P<n>{_SMALL})\s+(?:to\s+be\s+(?:exact|precise)|in\s+(?:all|total|number)|altogether)\b",
        # half a dozen · two dozen
        rf"\b(?P<n>(?:half\s+a\s+|a\s+|{_PLAIN}\s+)?dozen)\b",
        # a third of · two thirds · two and a half
        rf"\b(?P<n>(?:a|an|one)[\s-](?:(?:good|full|mere|scant)\s)?{_PARTS})\b(?=\s+(?:of|as|more|less|fewer|higher|lower|larger|smaller|the|its|their)\b)",
        rf"\b(?P<n>(?:a|an|one)[\s-]{_PARTS})\b(?=\s*(?:[.,;:)?!—–]|$))",
        rf"\b{_ROUGHLY}\s+(?P<n>(?:a|an|one)[\s-]{_PARTS})\b",
        rf"\b(?P<n>(?:a|an|one)[\s-]{_PARTS})\b(?=\s+(?:is|are|was|were|do|does|did|remain|survive|fire|keep|fail|[a-z]+[^suia]s)\b)",
        rf"\b(?P<n>{_ANY}[\s-]{_PARTS}s)\b",
        rf"\b(?P<n>(?:{_ANY}|a)\s+and\s+a\s+half|one[\s-]half)\b(?!-)",
        # half of · half the · more than half
        r"(?<![\w-])(?<!first\s)(?<!second\s)(?<!other\s)(?<!upper\s)(?<!lower\s)(?<!each\s)(?<!either\s)"
        r"(?P<n>half)\b(?=\s+(?:of|the|an?|as|that|what|its|their|our|these|those|is|are|was|were|do|did|ha[sd]|have)\b)"
        r"(?!\s+a\s+dozen)",
        rf"\b{_ROUGHLY}\s+(?P<n>half)\b(?!-|\s+a\s+dozen)",
        # from a quarter to a half · less than one percent
        rf"\b(?:from|between)\s+(?P<n>(?:an?|one)[\s-](?:{_PARTS}|half))\b(?=\s+(?:to|and)\b)",
        r"\b(?P<n>(?:an?|one)[\s-]half)\b(?=\s*(?:[.,;:)]|$))",
        r"\b(?P<n>one)\s+(?:percent|per\s+cent|percentage)\b",
        # it lost half
        r"(?<![\w-])" + _NOT_OF_TWO + r"\b(?P<n>half)\b(?=\s*(?:[.,;:)!?]|$))",
        # cut in half
        r"\bin\s+(?P<n>half)\b(?=\s*(?:[.,;:)]|$))",
        # twice as · more than twice · doubled · threefold
        r"\b(?P<n>twice|thrice)\b(?=\s+(?:as|the|that|those|its|their|our|what|more|larger|smaller)\b)",
        rf"\b{_ROUGHLY}\s+(?P<n>twice|thrice)\b",
        r"(?<!\bthe\s)(?<!\ba\s)\b(?P<n>doubled|tripled|trebled|quadrupled|quintupled|halved)\b",
        rf"(?<![\d{NAME}]\s)\b(?P<n>doubles|triples|trebles|quadruples|quintuples)\b(?!\s+as\b)",
        r"\b(?!this\b)[a-z]{2,}s\s+(?P<n>halve|triple|quadruple)\b(?=\s*[.,;]|\s+(?:when|if|in|with|from|once|at|every)\b)",
        rf"(?:,|\b(?:and|{_ROUGHLY}))\s+(?P<n>doubling|tripling|trebling|quadrupling|halving)\b",
        rf"\b(?:to|will|would|can|could|may|might|not|does|did)\s+(?:{_ROUGHLY}\s+)?(?P<n>double|triple|treble|quadruple|halve)\b(?!-)",
        r"(?<!\bof\s)(?<!\bin\s)(?<!\bas\s)(?<!\binto\s)(?<!\b(?:the|two|its|our|all)\s)(?<!\b(?:both|text)\s)"
        r"(?<!\b(?:these|those|other|their)\s)\b(?P<n>halves)\b(?!\s+of\b)",
        r"\b(?P<n>double|triple|quadruple)\b(?=\s+(?:the|its|their|that|what|as)\b)",
        rf"\b(?P<n>(?:{any_of(_ONES[1:])}|{_LARGE})-?fold)\b(?!\s+(?:cross|CV|split))",
        # an order of magnitude
        rf"\b(?P<n>(?:an?|one|two|{_ANY}|several|some)\s+orders?\s+of\s+magnitude)\b",
        # the twelfth layer
        rf"\b(?P<n>{_NTH})\b{_PLACED}",
        rf"\b{_PLACE}s?\s+(?:[\w-]+\s+){{0,4}}?(?:is|are|was|were)\s+the\s+(?P<n>{_NTH})\b(?=\s*(?:[.,;:)]|$))",
        # seven of the ten · one in three
        rf"\b(?P<n>zero|{_SMALL})\b(?=\s+(?:out\s+)?of\s+(?:(?:the|all|these|those|its|their|our|them)\b|[\w{NAME}]+['’]|{_OTHER}))",
        rf"(?:\b{_ANY}|{MARK})\s+(?:out\s+)?of\s+(?:(?:the|all|these|those|its|their|our)\s+)?(?P<n>{_SMALL})\b",
        rf"\b(?:both|most|none|few|half|neither)\s+of\s+(?:the|these|those|its|their|our)\s+(?P<n>{_SMALL})\b",
        rf"\b(?P<n>one)\b(?=\s+(?:out\s+of|of|in)\s+(?:every\s+)?{_OTHER})",
        rf"\b(?P<n>{_SMALL})\b(?=\s+(?:out\s+of|in)\s+(?:every\s+)?{_OTHER})",
        rf"\bout\s+of\s+(?P<n>{_SMALL})\b(?!-)",
        rf"\bone\s+[a-z]+\s+in\s+(?P<n>(?!two\b){_SMALL})\b(?!-)",
        # layer three · rank one · a factor of two
        rf"\b(?:{_PLACE}|factor\s+of)\s+(?P<n>zero|one|{_SMALL})\b(?!-)",
        # falls to three. · rises from two to five
        rf"\b{_STATING}\s+(?P<n>{_SMALL})\b(?!-){_AFTER}",
        rf"\b(?:between|from)\s+(?P<n>one|{_SMALL})\b(?=\s+(?:and|to)\s+{_OTHER})",
        rf"\bbetween\s+(?:{_ANY}|{MARK}+)\s+and\s+(?P<n>{_SMALL})\b(?!-)",
        # three attention heads · exactly one layer · zero heads
        rf"\b(?P<n>{_SMALL})\b(?!-)(?={_WITHIN}{COUNTED}\b)",
        rf"\b(?:only|exactly|just)\s+(?P<n>one)\b(?={_WITHIN}{COUNTED}\b)",
        rf"\ball\s+but\s+(?P<n>one|{_SMALL})\b",
        # every third head is silent
        rf"(?:^|[.;:,(]\s*|\b(?:that|and|but|while|in|on|for|of|to|{_ROUGHLY})\s+)(?P<n>every\s+(?:second|{_NTH}))\b(?=\s+[a-z])(?!(?:\s+\S+){{1,2}}\s+(?:is|are|was|were)\s+{_DONE}\b)",
        rf"\b(?P<n>zero)\b(?=\s+{COUNTED}\b)",
        # one head fires
        rf"\b(?P<n>[Oo]ne)\s+(?:single|lone|sole)\b(?={_WITHIN}{COUNTED}\b)",
    )
]
_CLAUSE = re.compile(
    r"(?:(?!\s(?:but|while|whereas|where|although|and\s+(?:we|ours?|here))\b)[^,;:()—–]|(?<=\d),(?=\d)|(?<=\d)–)*(?:[,;:()—–]|\s\w+|$)",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\bwe\s+(?:\w+\s+)?(?:find|found|measured?|get|got|obtain\w*|see|saw|observed?|reach\w*|report|have|had)\b|\bours?\b(?!\s+list)|\bhere\b",
    re.IGNORECASE,
)
_STANDING = re.compile(rf"\b(?P<n>{_SMALL})\b(?!-|['’]s)(?!{_THINGS})", re.IGNORECASE)
"""The other five · five only move attention · Four fail."""
_REFERRING = re.compile(
    r"\b(?:all|these|those|any|no|the|its|our|their|both|each|every|which|either|neither"
    r"|(?:groups?|sets?|rule|rows?|batch(?:es)?|each)\s+of)\s+(?:(?:first|last|next)\s+)?$",
    re.IGNORECASE,
)
"""Before a number without things these words make it mean things that were named before."""
_BOTH = re.compile(
    r"(?:\b(?:any|no|every|between|the|these|those|both|its|their|our|other|same|one\s+or)"
    rf"|[\w{NAME}]['’]s?)\s+(?:(?:other|main|first|last|next|latter|final|remaining)\s+)?$",
    re.IGNORECASE,
)
"""Before "two" these words make it mean "both", or "a couple"."""
_RANGE = re.compile(rf"\s+(?:and|to)\s+{_OTHER}", re.IGNORECASE)
_JOINED = re.compile(rf"\b(?P<n>{_SMALL})(?=\s*(?:–|\s(?:or|to)\s)\s*$)", re.IGNORECASE)

_NUMERAL = re.compile(
    r"(?:(?:^|(?<=[\s(\[{=<>≤≥≈,;:/–—|]))[-−+±])?"
    r"(?<![\w.])(?:\d{1,3}(?:[,\u00a0\u2009\u202f]\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:[/×]\d+(?![\w/]|\.\d))?"
    r"(?:[eE][-+−]?\d+\b|\^[-−]?\d+\^)?[¼½¾⅐-⅞]?(?:[\u00a0\u202f]?[%‰]|(?:[kKMBG]|x|st|nd|rd|th)\b|×)?"
    r"|[¼½¾⅐-⅞]"
)
_TO_SCALE_END = re.compile(
    r"(?:\b(?:above|below|near|nearer\s+to|closer?\s+to|than|exceeds?|excludes?|excluding|includes?|contains?"
    r"|around|equal\s+to|compared\s+(?:to|with)|away\s+from|diff\w+\s+from|towards?|at)|[<>≤≥≠])\s*$"
)
_FROM_SCALE_END = re.compile(rf"\s*(?:[^\w\s]|$|{_LINKING}\b|(?:says?|shows?|suggests?|tells?|implies)\b)")
_RANKING = re.compile(r"\b(?:[Ee]very|rank(?:s|ed)?|comes?|came|placed|finish(?:es|ed))\s+$")
_FIRST_CELL = re.compile(r"\s*\|\s*(\d{1,3})\s*\|")
_MARK_OF_LIST = re.compile(r"\((\d{1,2})\)")


@dataclass(frozen=True)
class Numeral:
    """A typed number, where it stands.

    Attributes:
        start, end: What would be marked as given: the number, or the math that states it.
        place: Where the number itself begins.
        aside: Whether it stands where nothing can be marked: in an attribute, in raw text, in a diagram.
    """

    start: int
    end: int
    text: str
    place: int
    aside: bool = False


def numerals(found: Scan, names: Names) -> list[Numeral]:
    """The typed numbers of a Markdown text, in order."""
    numbers: set[Numeral] = set()
    cited = [citation.start for citation in found.citations if not citation.cross_reference]

    def add(text: str, span: tuple[int, int], place: int, *, aside: bool = False) -> None:
        numbers.add(Numeral(*span, text[slice(*span)], place, aside))

    rows = _counted_rows(found)
    for block in found.blocks:
        skipped = _numbering(found.prose, block) | _quoted(found.prose, block) | rows
        for start, end in found.sentences(block):
            quoted = [at for at in cited if start <= at < end]
            reading = read(found.prose, start, end)
            for first, last in typed_numbers(reading.text, names):
                span = reading.span(first, last)
                if span[0] not in skipped and not (quoted and _of_others(reading, first, quoted)):
                    add(found.text, span, span[0])
            if quoted or decided(reading.text):
                continue
            for begin, stop, body in found.math:
                if not start <= begin < end:
                    continue
                value = stated(body)
                if value:
                    add(found.text, (begin, stop), begin + value[0])
                for first, last in worded(body):
                    for place, _ in typed_numbers(body[first:last], names):
                        add(found.text, (begin, stop), begin + first + place)
    for aside in found.asides:
        for line in re.finditer(r".*[^\W_].*|.*&.*", aside.prose):
            reading = read(aside.prose, *line.span())
            for first, last in typed_numbers(reading.text, names):
                span = reading.span(first, last)
                at = aside.start + span[0]
                add(found.text, (at, aside.start + span[1]), at, aside=True)
    return sorted(numbers, key=lambda number: (number.start, number.end))


def _of_others(reading: Reading, at: int, cited: Sequence[int]) -> bool:
    """Whether a number in a sentence that cites is theirs, unless its clause cites nobody and is about us."""
    clause = next(match for match in _CLAUSE.finditer(reading.text) if match.start() <= at < match.end())
    start, end = reading.places[clause.start()], reading.places[clause.end()]
    return any(start <= place < end for place in cited) or not _OWN.search(clause.group())


def typed_numbers(sentence: str, names: Names) -> list[tuple[int, int]]:
    """Where typed numbers stand in one sentence of prose (as `Scan.prose` has it, without citations)."""
    if not re.search(r"[\d¼½¾⅐-⅞]", sentence) and not any(True for _ in _in_words(sentence)):
        return []  # as most sentences: names need not be looked for
    places = _apart([*coordinates(sentence), *glued(sentence)])
    rest = _filled(_filled(sentence, names.spans(sentence), NAME), places, MARK)
    found = list(places)
    while new := _apart([*_in_digits(rest), *_in_words(rest)]):
        # A number that was found makes a share or a range of what stands beside it: look again.
        new += [span for start, _ in new if (span := _joined(rest, start))]
        rest = _filled(rest, new, MARK)
        found += new
    return _apart(found)


def value_of(text: str) -> float | None:
    """The number that a typed number names ("−0.5", "twenty-one", "80%"), where that is easily said."""
    plain = text.strip().lower().replace("−", "-").replace(",", "").rstrip("×x")
    try:
        return float(plain[:-1]) / 100 if plain.endswith("%") else float(plain)
    except ValueError:
        pass
    parts = re.split(r"[\s-]+(?:and[\s-]+)?", plain)
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


def _in_digits(text: str) -> Iterator[tuple[int, int]]:
    for match in _NUMERAL.finditer(text):
        before, written = text[max(0, match.start() - 40) : match.start()], match.group()
        after = text[match.end() : match.end() + 80]
        if re.search(r"\d(?:st|nd|rd|th)$", written) and not (
            _BEFORE_PLACE.match(after) or _RANKING.search(before)
        ):
            continue  # the 19th century
        if (
            written.lstrip("-−+") in ("0", "1")
            and _TO_SCALE_END.search(before)
            and _FROM_SCALE_END.match(after)
        ):
            continue
        yield match.span()


def _in_words(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _WORDS:
        for match in pattern.finditer(text):
            start, end = match.span("n")
            if not _is_both(text, start, end):
                yield start, end
    for match in _STANDING.finditer(text):
        start, end = match.span("n")
        if not _REFERRING.search(text, max(0, start - 24), start) and not _is_both(text, start, end):
            yield start, end


def _is_both(text: str, start: int, end: int) -> bool:
    """Whether "two" means both, or a couple, of what was named."""
    before = text[start:end].lower() == "two" and _BOTH.search(text, max(0, start - 24), start)
    return bool(before) and not _RANGE.match(text, end)


def _joined(text: str, start: int) -> tuple[int, int] | None:
    """The "two" of "two or three", where "three" begins at `start`."""
    match = _JOINED.search(text, max(0, start - 12), start)
    return match.span("n") if match else None


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


def _quoted(prose: str, block: Block) -> set[int]:
    """The places in what a model is given to read, in quotation marks, unless it holds decimals or shares."""
    reading = read(prose, block.start, block.end)
    places: set[int] = set()
    for match in _QUOTED.finditer(reading.text):
        quoted, before = match[match.lastgroup or 0], reading.text[: match.start()][-50:]
        if _STRING.fullmatch(quoted):  # unless it is said to be the value
            is_given = not re.search(rf"\b{_STATING}\s$", before)
        else:
            introduced = _BEFORE_QUOTED.search(before) or _AFTER_QUOTED.match(reading.text, match.end())
            is_given = bool(introduced) and len(quoted.split()) > 2
        if is_given and not re.search(r"\d\.\d|\d\s?%|per\s?cent", quoted):
            places.update(reading.places[match.start() : match.end()])
    return places


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

"""Digits that name something: models, versions, dates, references. Nothing here is a result."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mechscope.project import Project
from mechscope.review.lint.terms import TERMS, bounds, ends, glossed, imagined

_WORD = re.compile(r"(?<![\w.])[^\W\d_](?:\w|[-‑.](?=\w)|[\^~](?=\w)|(?<=\w)[\^~](?!\w))*")
_COORDINATE = re.compile(
    r"L\d+\.?[HNF]\d+|L\d+\.\d+|[aA]\d+\.[hH]\d+|L(?:[3-9]|\d\d+)|H\d\d+|MLP-?\d+|N\d\d+"
)
_HEAD = re.compile(
    r"(?<!\b[Pp]er\s[Hh]ead\s)(?<=\b[Hh]ead\s)(?!0\.\d\d)\d{1,2}\.\d{1,2}\b(?!\.?\d"
    r"|\s?(?:%|[×±]|(?:percent|nats|bits|logits?|points|times|more|less)\b))"
)
"""A head by layer and number, as "head 9.6"; several of them ("heads 9.6 and 9.9") are what was found."""
_GLUED = re.compile(
    r"(?<=[^\W\d])(?<![vV])-?(?P<number>(?<![\d.])0\.\d+(?![\d.]*[A-Za-z\d])(?:\s?%)?|\d+(?:\.\d+)?\s?%)"
)
_FOUND = re.compile(
    r"\b(?:is|are|was|were|be|peaks?|rises?|begins?|ends?|happens?|appears?)\s+(?:at\s+|in\s+|by\s+|after\s+|before\s+|with\s+)?"
    r"(?:the\s+)?(?:heads?\s+|layers?\s+|neurons?\s+|blocks?\s+)?$"
)


class Names:
    """Finds the names in a text.

    Args:
        known: Names of this project that hold digits apart from letters ("Gemma 3 270M").
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        literal = [
            rf"(?<!\w){re.escape(name)}(?![\w.]*\d|\w)" for name in sorted(known, key=len, reverse=True)
        ]
        self._patterns = [
            re.compile("|".join(patterns)) for patterns in (literal, *TERMS.values()) if patterns
        ]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where names stand; a word with digits that begins with a letter is one ("top-50", "L0H3")."""
        found = [match.span() for pattern in self._patterns for match in pattern.finditer(text)]
        found += [*bounds(text), *ends(text), *glossed(text), *imagined(text)]
        results = [*coordinates(text), *glued(text)]
        return found + [
            match.span()
            for match in (*_WORD.finditer(text), *_HEAD.finditer(text))
            if re.search(r"\d", match.group())
            and not any(match.start() <= start < match.end() for start, _ in results)
        ]


def glued(text: str) -> list[tuple[int, int]]:
    """Where a share hangs on a word ("AUROC-0.93"), unlike in a name ("Qwen2.5-0.5B", "v0.3.1")."""
    return [match.span("number") for match in _GLUED.finditer(text)]


def coordinates(text: str) -> list[tuple[int, int]]:
    """Where a sentence says which head, neuron or layer it is, as "the best one is L5H3": a result.

    Elsewhere such a name only says what is spoken of.
    """
    return [
        match.span()
        for match in (*_WORD.finditer(text), *_HEAD.finditer(text))
        if (_COORDINATE.fullmatch(match.group()) or match.re is _HEAD)
        and _FOUND.search(text, max(0, match.start() - 30), match.start())
    ]


def project_names(project: Project) -> Names:
    """The names of the project's runs and of all known models.

    Raises:
        InvalidInput: `runs.yml` cannot be read.
        UnknownName: `runs.yml` has a field that there isn't.
    """
    from mechscope.models.known import FACTS
    from mechscope.models.registry import EMBEDDED
    from mechscope.pipeline.runs import load_runs

    titles = [str(facts["title"]) for facts in FACTS.values()]
    titles += [model.title for model in EMBEDDED.values()]
    runs = load_runs(project)
    titles += [*runs.runs, *(run.title for run in runs.runs.values())]
    return Names({part for title in titles for part in _beginnings(title)})


def _beginnings(title: str) -> list[str]:
    """Of "Gemma 3 270M" also "Gemma 3": what begins with a letter and ends in a word with a digit."""
    words = title.split()
    parts = [" ".join(words[: n + 1]) for n in range(1, len(words)) if re.search(r"\d", words[n])]
    return [part.rstrip(",;:") for part in parts if part[0].isalpha()]

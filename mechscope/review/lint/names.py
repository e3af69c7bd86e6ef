"""Digits that name something: models, versions, dates, references. Nothing here is a result."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mechscope.project import Project

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_YEAR = r"(?:1[89]|20)\d\d"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_STOP = r"(?=\s*(?:[.,;:)?!—–]|$))"
_AFTER_YEAR = (
    r"(?=\s+(?:and|or|to|that|the|a|an|we|it|they|by|with|as|but|was|were|is|has|have|when|which)\b)"
)
_NUMBERS = r"\#?\d+(?:\.\d+)*[a-z]?(?:(?:\s*(?:,|–|-)\s*|\s+(?:and|to|or)\s+)\d+(?:\.\d+)*[a-z]?\b)*"

_SOFTWARE = (
    r"(?:CC(?:[ -]BY)?(?:[ -](?:SA|NC|ND))*|Apache|L?GPL|ISO|RFC|PEP|CODECHECK|HTML|CSS|Python|Quarto|Pandoc"
    r"|Typst|PyTorch|NumPy|CUDA|Debian|Ubuntu|macOS|Windows|Vega|Vega-Lite|[Vv]ersions?|[Rr]elease)"
)
_FAMILY = (
    r"(?:GPT|Llama|Gemma|Qwen|Pythia|Claude|Gemini|Mistral|Mixtral|Phi|Falcon|OLMo|SmolLM|TinyStories|BERT)"
)
_REFERENCE = (
    r"(?:\b(?:[Ss]ections?|Secs?\.|[Ff]igures?|Figs?\.|[Tt]ables?|Tabs?\.|[Ee]quations?|Eqs?\.|[Aa]ppendix"
    r"|Appendices|[Cc]hapters?|Part|Step|[Pp]ages?|pp?\.|[Ll]ines?|[Ff]ootnotes?|Notes?|Theorem|Lemma|Definition"
    r"|Proposition|Corollary|Algorithm|Listing|Example|Panel|Experiment|Study|Vol(?:ume|\.)|Nos?\.|[Ii]ssue"
    r"|Question|[Pp]hases?|Hypothesis|Box|Item|Claim)\s+|§{1,2}\s?)"
)

_GENERAL = [
    # Python 3.11 · version 2 · CC BY-SA 4.0 · 2.13.0
    rf"\b{_SOFTWARE}[ -]v?\d+(?:\.\d+)*\b(?!\s*%)",
    r"\b\d+(?:\.\d+){2,}\b",
    # Llama 3.2 1B · Pythia 70M
    rf"\b{_FAMILY}[ -]\d+(?:\.\d+)?[MB]?\b(?:[ -]\d+(?:\.\d+)?[MB]\b)?(?!\s*%)",
    r"\barXiv:\S+|\bdoi:\S+|\b10\.\d{4,9}/\S+",
    # 2026-11-21 · 10:30 · 21 November 2026 · November 21, 2026 · February 2026
    r"\b\d{4}-\d\d-\d\d\b|\b\d\d?:\d\d(?::\d\d)?\b",
    rf"\b{_DAY}(?:\s*[–-]\s*\d{{1,2}})?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR}\b)?",
    rf"\b{_MONTH}\s+{_DAY}\b(?:,?\s+{_YEAR}\b)?(?!\.\d)",
    rf"\b{_MONTH},?\s+{_YEAR}\b",
    # the 1990s · (2024) · 2019–2021 · Elhage et al. 2021 · in 2019, · the 2024 paper · 2024's
    rf"\b{_YEAR}s\b|\({_YEAR}[a-z]?\)|\b{_YEAR}\s*[–/-]\s*(?:{_YEAR}|\d\d)\b|\bet\s+al\.?,?\s+{_YEAR}[a-z]?\b",
    rf"\b(?:[Ii]n|[Ss]ince|[Uu]ntil|[Aa]fter|of|[Dd]uring)\s+(?:early\s+|late\s+|mid-)?{_YEAR}\b{_STOP}",
    rf"\b(?:[Ee]arly|[Ll]ate|[Mm]id)[\s-]+(?:in\s+)?{_YEAR}\b{_STOP}",
    rf"\b[Ii]n\s+(?:early\s+|late\s+|mid-)?{_YEAR}\b{_AFTER_YEAR}",
    rf"\b{_YEAR}(?=\s+(?:paper|release|write-up|article|post|version|edition|study|survey|work|report)\b|['’]s\b)",
    # Figure 2a · Sections 3 and 4 · § 5 · #12
    rf"{_REFERENCE}\(?{_NUMBERS}(?![\d.]*\d|\s*%)",
    r"(?<!\w)#\d+\b",
    # n − 1 · 1/(n−1): 1 and 2 in a formula are symbols
    r"(?<![^\W\d_])(?:[A-Za-z]|\))\s?[−+-]\s?[12]\b(?![.,]?\d)|[-−]?\b[12]\s?/\s?\(?(?=[A-Za-z√])",
    # 2D · 4-bit · 2-gram
    r"\b[123]-?D\b|\b\d{1,3}-?bit\b|\b\d-?grams?\b",
]
_WORD = re.compile(r"(?<![\w.])[^\W\d_](?:\w|[-‑.](?=\w)|[\^~](?=\w)|(?<=\w)[\^~](?!\w))*")
_COORDINATE = re.compile(
    r"L\d+\.?[HNF]\d+|L\d+\.\d+|[aA]\d+\.[hH]\d+|L(?:[3-9]|\d\d+)|H\d\d+|MLP-?\d+|N\d\d+"
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
        self._pattern = re.compile("|".join([*literal, *_GENERAL]))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where names stand; a word with digits that begins with a letter is one ("top-50", "L0")."""
        found = [match.span() for match in self._pattern.finditer(text)]
        found += [
            match.span()
            for match in _WORD.finditer(text)
            if re.search(r"\d", match.group()) and not _COORDINATE.fullmatch(match.group())
        ]
        return found


def coordinates(text: str) -> list[tuple[int, int]]:
    """Where a head, neuron or layer of a model is named by its place, as "L5H3": a result, not a name."""
    return [match.span() for match in _WORD.finditer(text) if _COORDINATE.fullmatch(match.group())]


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

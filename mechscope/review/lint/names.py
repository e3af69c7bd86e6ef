"""Names of this project and of known models that hold digits apart from letters, as "Gemma 3 270M"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mechscope.project import Project

_WORD = re.compile(r"(?<![\w.])[^\W\d_](?:\w|[-‑.](?=\w)|[\^~](?=\w)|(?<=\w)[\^~](?!\w))*")
_GLUED = re.compile(r"(?:(?<=-)|(?<=[^\W\d])-?)(?:0\.\d+|\d+(?:\.\d+)?\s?%)|^ca\.\d")
"""A share that hangs on a word ("AUROC-0.93"), a number on "ca."; in a name a number is none ("top-50")."""

COORDINATE = re.compile(
    r"(?<![\w.])(?:L\d+\.?[HNF]\d+|L\d+\.\d+|[aA]\d+\.[hH]\d+|L(?:[3-9]|\d\d+)|H\d\d+|MLP-?\d+|N\d\d+)(?![\w.]*\w)"
)
"""A head, neuron or layer; to say which one it is can be a result."""


class Names:
    """Finds known names, and words with digits that begin with a letter ("top-50", "float32").

    Args:
        known: Names that hold digits apart from letters.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        names = [rf"(?<!\w){re.escape(name)}(?![\w.]*\d|\w)" for name in sorted(known, key=len, reverse=True)]
        self._pattern = re.compile("|".join(names) or r"(?!)")

    def spans(self, text: str) -> list[tuple[int, int]]:
        """The places of names."""
        words = [match for match in _WORD.finditer(text) if _is_name(match.group())]
        return [match.span() for match in (*self._pattern.finditer(text), *words)]


def _is_name(word: str) -> bool:
    return bool(re.search(r"\d", word)) and not COORDINATE.fullmatch(word) and not _GLUED.search(word)


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

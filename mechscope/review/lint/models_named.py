"""Prose that names the model of one run, where the pages of every run would print it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mechscope.articles.documents import Document
from mechscope.articles.finding import Finding
from mechscope.articles.reading_order import parts_with_condition, printed_in
from mechscope.articles.sources import Shortcode, fenced
from mechscope.pipeline.runs import Runs
from mechscope.pipeline.shelf import parse_key
from mechscope.project import Project

_SIZE = re.compile(r"\d+(?:\.\d+)?[KMBT]?", re.IGNORECASE)
_COMMON = frozenset(
    {"A", "An", "The", "My", "Our", "This", "Model", "Run", "Control", "Test", "Toy", "Random", "Small"}
    | {"Tiny", "Large", "Base", "New", "Old", "Main", "First", "Second", "One", "Two", "Seed", "Layer"}
)
"""What titles of runs begin with, and sentences too."""


class ModelsNamed:
    """Finds sentences about one run's model that every run prints.

    Nothing is found where fewer than two runs are declared.

    Args:
        codes: The shortcodes of all articles.
    """

    def __init__(self, project: Project, runs: Runs, codes: Sequence[Shortcode]) -> None:
        self._runs_by_name = model_names({name: run.title for name, run in runs.runs.items()})
        names = sorted(self._runs_by_name, key=len, reverse=True)
        patterns = [r"\s+".join(re.escape(word) for word in name.split()) for name in names]
        several = len(runs.runs) > 1 and patterns
        self._pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})(?!\w)") if several else None
        self._reached = {run: printed_in(project, run, codes)[1] for run in runs.runs} if several else {}

    def findings(self, document: Document, codes: Sequence[Shortcode]) -> Iterator[Finding]:
        """What is wrong with an article whose own shortcodes are `codes`."""
        if self._pattern is None or self._is_for_some_runs(document.file):
            return
        conditions = parts_with_condition(document.scan.text, codes, ["when-run"])
        for start, words in _sentences(document):
            matches = list(self._pattern.finditer(words))
            if not matches or _is_of_others(document, start, words, [match.end() for match in matches]):
                continue
            cited = _runs_cited(document, codes, start, start + len(words))
            for match in matches:
                name, place = " ".join(match.group().split()), start + match.start()
                runs = self._runs_by_name[name]
                around = [code for code, first, last in conditions if first <= place < last]
                chosen = any(code.listed("is") or runs & {*code.listed("is-not")} for code in around)
                if not chosen and not runs & cited:
                    yield _finding(document, place, name, sorted(runs))
                    break

    def _is_for_some_runs(self, file: str) -> bool:
        """Whether a file is only included where some runs print it."""
        reaching = [run for run, files in self._reached.items() if file in files]
        return 0 < len(reaching) < len(self._reached)


def model_names(titles: Mapping[str, str]) -> dict[str, set[str]]:
    """What prose calls the models of runs, each with its runs: "SmolLM2", "SmolLM2-135M", "smollm2-135m".

    Args:
        titles: The title of each run by its name.
    """
    found: dict[str, set[str]] = {}
    for run, title in titles.items():
        # A name of small letters alone, as "mine" or "control", is any word.
        names = {name for name in (run, title) if re.search(r"[A-Z0-9]", name)}
        if short := _short(title):
            names.add(short)
        for name in names - _COMMON:
            found.setdefault(" ".join(name.split()), set()).add(run)
    return found


def _short(title: str) -> str:
    """The word by which a title is known: "SmolLM2" of "SmolLM2-135M", "GPT-2" of "GPT-2 small".

    Empty where the title has no digit and no capital within a word: "Control run" begins as a sentence may.
    """
    if not re.search(r"\d|\w[A-Z]", title):
        return ""
    first, *rest = title.split()[0].split("-")
    if rest and first.isupper() and not (_SIZE.fullmatch(rest[0]) and rest[0][-1].isalpha()):
        return f"{first}-{rest[0]}"  # "GPT" alone would be any of them
    return first if re.search("[A-Z]", first) else ""


def _sentences(document: Document) -> Iterator[tuple[int, str]]:
    """Sentences, headings, rows of tables and captions: where each begins, and its words."""
    found = document.scan
    for block in found.blocks:
        for start, end in found.sentences(block):
            yield start, found.prose[start:end]
    code = [(start, end) for start, end, _ in fenced(found.text, 0)]
    for aside in found.asides:
        if not any(start <= aside.start < end for start, end in code):
            yield aside.start, aside.prose


def _is_of_others(document: Document, start: int, words: str, named: Sequence[int]) -> bool:
    """Whether a sentence says what somebody else found, with a citation that isn't that of the model itself.

    Args:
        named: Where each name of a model ends in `words`; "SmolLM2-135M [@allal2025]" names its paper.
    """
    text = document.scan.text
    for citation in document.scan.citations:
        if citation.cross_reference or not start <= citation.start < start + len(words):
            continue
        before = [text[start + end : citation.start] for end in named if start + end <= citation.start]
        if not any(re.fullmatch(r"[\w.-]*\s*\[?", between) for between in before):
            return True
    return False


def _runs_cited(document: Document, codes: Sequence[Shortcode], start: int, end: int) -> set[str]:
    """The runs whose records a sentence cites by `run:key`."""
    cited = set()
    for code in codes:
        parsed = parse_key(code.key or "")
        if parsed and parsed[0] and start <= document.offset(code.line, code.column) < end:
            cited.add(parsed[0])
    return cited


def _finding(document: Document, place: int, name: str, runs: list[str]) -> Finding:
    if len(runs) == 1:
        whose = f"the model of the run {runs[0]}"
    else:
        whose = f"the model of the runs {', '.join(runs[:-1])} and {runs[-1]}"
    return Finding(
        document.file,
        *document.place(place),
        "model-named",
        f"'{name}' is {whose}, and this sentence is printed beside the numbers of every run",
        f'put it into ::: {{.when-run is="{" ".join(runs)}"}}, or cite {runs[0]}:KEY in it; or, if it is '
        "right in every run:  <!-- lint: allow model-named because … -->",
        text=name,
    )

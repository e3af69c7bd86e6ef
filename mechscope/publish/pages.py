"""Pages that are made from ledgers: numbers, claims, notebooks; and what popovers and charts need.

They are Markdown, so that both engines render them, and go to `paper/_generated/<run>/`; each is written
only when it changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mechscope.files import stable_json, write_atomically
from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import KINDS, Claim, LedgerFile, Statistic
from mechscope.ledger.store import figure_files
from mechscope.pipeline.runs import load_runs
from mechscope.project import Project
from mechscope.publish.findings import Found, Shelf, runs_with_results
from mechscope.publish.markdown import code, definitions, div, escaped, front_matter, link, table
from mechscope.publish.sources import Shortcode, pages_with

OUTCOME_WORDS = {"held": "held", "failed": "failed", "untestable": "not testable"}
UP = "../../.."
"""From a generated page to the project's root."""


@dataclass(frozen=True)
class Written:
    """What generating pages did: the files that there are now, and those that changed."""

    files: tuple[Path, ...]
    changed: tuple[Path, ...]


def write_pages(project: Project, run: str, codes: Sequence[Shortcode]) -> Written:
    """Generate the pages of `run`, remove those of records that are gone, and say what changed.

    Args:
        codes: The shortcodes of the articles, which tell where a record is cited.
    """
    pages = _Pages(project, run, codes)
    folder = project.generated(run)
    contents: dict[Path, str] = {
        folder / "numbers.qmd": pages.numbers(),
        folder / "claims.qmd": pages.claims(),
        folder / "notebooks.qmd": pages.notebooks(),
        folder / "popovers.json": stable_json(pages.popovers()),
        folder / "vega.js": vega_bundle(folder / "vega.js"),
    }
    for found in pages.shelf.records("figures"):
        specification = figure_files(project.found(run, found.analysis), found.name)[0]
        contents[folder / "figures" / f"{found.short_key}.js"] = figure_script(
            found.short_key, specification.read_text(encoding="utf-8")
        )
    changed = tuple(path for path, content in contents.items() if write_atomically(path, content))
    for path in sorted((folder / "figures").glob("*.js")):
        if path not in contents:
            path.unlink()
    return Written(tuple(contents), changed)


def figure_script(key: str, specification: str) -> str:
    """A chart's specification as a script: unlike JSON, a page opened from disk may load one."""
    data = json.dumps(json.loads(specification), ensure_ascii=False, separators=(",", ":"))
    return f"(window.mechscopeCharts ??= {{}})[{json.dumps(key)}] = {data};\n"


def vega_bundle(path: Path) -> str:
    """Vega, Vega-Lite and vega-embed as one script; what lies at `path` if it is of the installed version."""
    from importlib.metadata import version

    head = f"// vl-convert {version('vl-convert-python')}\n"
    if path.is_file():
        there = path.read_text(encoding="utf-8")
        if there.startswith(head):
            return there
    import vl_convert

    # In a function, because its thousands of short names would otherwise be the page's.
    return f"{head}(() => {{\n{vl_convert.javascript_bundle()}\n}})();\n"  # type: ignore[call-arg]


class _Pages:
    def __init__(self, project: Project, run: str, codes: Sequence[Shortcode]) -> None:
        self.project = project
        self.run = run
        self.shelf = Shelf(project, run)
        self.runs = load_runs(project).runs
        self.codes = list(codes)
        self.title = self.run_title(run)
        self.titles: dict[str, str] = {}

    def run_title(self, run: str) -> str:
        return self.runs[run].title if run in self.runs else run

    # Numbers --------------------------------------------------------------------------------------------

    def numbers(self) -> str:
        parts = [
            front_matter(
                title="Numbers", subtitle=f"Every statistic of the run {self.title}", format="html", toc=True
            )
            + "\n"
            + "Each number in the articles links to its entry here. It was printed from a ledger, which "
            "an analysis wrote; none was typed.\n"
        ]
        for analysis in self.shelf.analyses():
            ledger = self.shelf.ledger(analysis)
            entries = [
                self._number(found)
                for found in self.shelf.records("statistics")
                if found.analysis == analysis
            ]
            parts.append(self._heading(ledger) + self._inputs(ledger) + "\n".join(entries))
        foreign = self._foreign("statistics")
        if foreign:
            parts.append(
                "## From other runs {#other-runs}\n\n" + "\n".join(self._number(found) for found in foreign)
            )
        return "\n".join(parts)

    def _heading(self, ledger: LedgerFile) -> str:
        description = escaped(ledger.description) + "\n\n" if ledger.description else ""
        return f"## {escaped(ledger.title)} {{#{ledger.analysis}}}\n\n{description}"

    def _inputs(self, ledger: LedgerFile) -> str:
        inputs = ledger.inputs
        parameters = ", ".join(
            f"{code(name)} = {code(value)}" for name, value in sorted(inputs.parameters.items())
        )
        rows = [("the script", f"analyses/{ledger.analysis}.py", inputs.script)]
        rows += [("a module", path, digest) for path, digest in sorted(inputs.modules.items())]
        rows += [("data", path, digest) for path, digest in sorted(inputs.data.items())]
        rows += [("a model", model.name, model.sha256) for model in inputs.models.values()]
        rows += [("an autoencoder", sae.name, sae.sha256) for sae in inputs.saes.values()]
        rows += [("findings of", need, digest) for need, digest in sorted(inputs.needs.items())]
        packages = ", ".join(
            f"{escaped(name)} {escaped(value)}" for name, value in sorted(ledger.environment.items())
        )
        accepted = "\n".join(
            f"- Accepted without a rerun: {', '.join(code(change) for change in item.changed)}, because "
            f"{escaped(item.because)}"
            for item in ledger.accepted
        )
        hashes = table(
            ["Input", "Which", "SHA-256"],
            [[kind, code(name), code(digest[:16])] for kind, name, digest in rows],
            [14, 40, 24],
        )
        about = definitions(
            [
                ("Parameters", parameters),
                (
                    "Notebook",
                    link(
                        code(f"results/{ledger.run}/{ledger.analysis}/notebook.ipynb"), self._notebook(ledger)
                    ),
                ),
                ("Findings", code(ledger.sha256[:16])),
            ]
        )
        folded = (
            '::: {.callout-note collapse="true" title="Inputs, by hash"}\n'
            f"{hashes}\n{accepted}\n\nRecorded with {packages}.\n:::\n"
        )
        return f"{about}\n{folded}\n"

    def _number(self, found: Found) -> str:
        record: Statistic = found.record
        value = f"**{escaped(record.text.value)}**"
        if record.value is None:
            value = f"not measured: {escaped(record.because)}"
        test = escaped(record.test)
        if record.resamples:
            test += f", {format_value(record.resamples, ',d')} resamples"
        body = definitions(
            [
                ("Value", value),
                (
                    "Interval",
                    f"{record.level:.0%} {escaped(record.text.ci)}".replace("%", "\\%")
                    if record.text.ci
                    else "",
                ),
                ("n", format_value(record.n, ",d") if record.n is not None else ""),
                ("p", escaped(record.text.p)),
                ("Test", test),
                ("May differ", escaped(str(record.tolerance))),
                *self._common(found),
            ]
        )
        return self._entry(found, escaped(record.label), body)

    def _entry(self, found: Found, title: str, body: str) -> str:
        key = self.shelf.key_of(found)
        return div(f"**{title}** {code(key)}\n\n{body}", id=key, classes=["ms-entry"], fence=4)

    def _common(self, found: Found) -> list[tuple[str, str]]:
        where = f"{escaped(found.ledger.title)}, {code(found.record.cell)}"
        if found.run == self.run:
            where = link(where, self._notebook(found.ledger) + f"#record-{found.name}")
        else:
            where += f", in the run {escaped(self.run_title(found.run))}"
        return [
            ("Computed in", where),
            ("Rerun", self.shelf.verified(found)),
            ("Cited in", self._cited(self.shelf.key_of(found))),
        ]

    def _notebook(self, ledger: LedgerFile) -> str:
        return f"{UP}/results/{ledger.run}/{ledger.analysis}/notebook.ipynb"

    # Where cited ----------------------------------------------------------------------------------------

    def _cited(self, key: str) -> str:
        codes = [
            item for item in self.codes if item.key and self._same(item.key, key) and item.place != "comment"
        ]
        if not codes:
            return ""
        places: dict[str, list[int]] = {}
        for item in codes:
            for page in pages_with(item.file, self.codes, self.project):
                places.setdefault(page, [])
                if item.line not in places[page]:
                    places[page].append(item.line)
        return ", ".join(
            f"{link(escaped(self._page_title(page)), f'{UP}/{page}')} (line{'s' * (len(lines) > 1)} "
            f"{', '.join(str(line) for line in sorted(lines))})"
            for page, lines in sorted(places.items())
        )

    def _same(self, cited: str, key: str) -> bool:
        return cited == key or cited == f"{self.run}:{key}"

    def _page_title(self, page: str) -> str:
        if page not in self.titles:
            text = (self.project.root / page).read_text(encoding="utf-8")
            match = re.search(r"^title:\s*(.+?)\s*$", text, re.MULTILINE)
            self.titles[page] = match[1].strip("\"'") if match else page
        return self.titles[page]

    def _foreign(self, *kinds: str) -> list[Found]:
        keys = {item.key for item in self.codes if item.key and ":" in item.key and item.place != "comment"}
        found = [self.shelf.find(key) for key in sorted(keys)]
        return [item for item in found if item.run != self.run and item.kind in kinds]

    # Claims ---------------------------------------------------------------------------------------------

    def claims(self) -> str:
        claims = list(self.shelf.records("claims"))
        parts = [
            front_matter(
                title="Claims", subtitle=f"What held in the run {self.title}", format="html", toc=True
            )
            + "\nA claim is a sentence and a criterion over statistics. Whether it held is computed. The "
            "criterion of an *exploratory* claim was written when there were results already.\n"
        ]
        for analysis in dict.fromkeys(found.analysis for found in claims):
            entries = [self._claim(found) for found in claims if found.analysis == analysis]
            ledger = self.shelf.ledger(analysis)
            parts.append(f"## {escaped(ledger.title)} {{#{analysis}}}\n\n" + "\n".join(entries))
        foreign = self._foreign("claims")
        if foreign:
            parts.append(
                "## From other runs {#other-runs}\n\n" + "\n".join(self._claim(found) for found in foreign)
            )
        parts.append(self._across_runs())
        return "\n".join(parts)

    def _claim(self, found: Found) -> str:
        record: Claim = found.record
        body = definitions(
            [
                ("Outcome", self._outcome(found)),
                ("Criterion", code(record.criterion)),
                ("Evidence", self._evidence(found)),
                *self._common(found),
            ]
        )
        return self._entry(found, escaped(record.sentence), body)

    def _outcome(self, found: Found) -> str:
        words = f"[{OUTCOME_WORDS[found.record.outcome]}]{{.ms-outcome .ms-{found.record.outcome}}}"
        return words + (", exploratory" if self.shelf.exploratory(found) else "")

    def _evidence(self, found: Found) -> str:
        return ", ".join(
            f"{code(name)} {self._evidence_link(found, name, text)}" for name, text in _evidence_texts(found)
        )

    def _evidence_link(self, found: Found, name: str, text: str) -> str:
        if found.run != self.run:
            return escaped(text)
        relation, _, number = text.partition(" ")
        entry = f"numbers.qmd#{found.analysis}.{name.partition('.')[0]}"
        return f"{escaped(relation)} {link(escaped(number), entry)}"

    def _across_runs(self) -> str:
        runs = runs_with_results(self.project)
        by_key: dict[str, dict[str, Found]] = {}
        for run in runs:
            for found in self.shelf.records("claims", run=run):
                by_key.setdefault(found.short_key, {})[run] = found
        head = ["Claim", *(escaped(self.run_title(run)) for run in runs)]
        rows = [
            [
                escaped(next(iter(there.values())).record.sentence),
                *(self._outcome(there[run]) if run in there else "—" for run in runs),
            ]
            for _, there in sorted(by_key.items())
        ]
        text = "\n## Across runs {#runs}\n\n"
        if rows:
            text += table(head, rows, [48, *([16] * len(runs))])
        else:
            text += "No analysis makes a claim yet.\n"
        return text + f"\nThe same articles, {link('rendered from each run', f'{UP}/../runs.html')}.\n"

    # Notebooks ------------------------------------------------------------------------------------------

    def notebooks(self) -> str:
        text = (
            front_matter(
                title="Notebooks",
                subtitle=f"The executed analyses of the run {self.title}",
                format="html",
                toc=False,
            )
            + "\n"
        )
        for analysis in self.shelf.analyses():
            ledger = self.shelf.ledger(analysis)
            findings = ledger.findings
            counts = ", ".join(
                _count(len(getattr(findings, kind)), kind) for kind in KINDS if getattr(findings, kind)
            )
            name = link(escaped(ledger.title), self._notebook(ledger))
            text += f"{name}\n:   {escaped(ledger.description) or code(analysis)}\n\n    {counts}\n\n"
        return text

    # Popovers -------------------------------------------------------------------------------------------

    def popovers(self) -> dict[str, object]:
        """By key: a title and lines of (name, text), all plain text; `exploratory` for claims."""
        every = [*self.shelf.records("statistics", "claims"), *self._foreign("statistics", "claims")]
        return {self.shelf.key_of(found): self._popover(found) for found in every}

    def _popover(self, found: Found) -> dict[str, object]:
        record = found.record
        lines: list[tuple[str, str]]
        if isinstance(record, Statistic):
            title = record.label
            test = record.test
            if record.resamples:
                test = f"{test}, {format_value(record.resamples, ',d')} resamples".strip(", ")
            lines = [
                (
                    "Value",
                    record.text.value if record.value is not None else f"not measured: {record.because}",
                ),
                (f"{record.level:.0%} interval", record.text.ci),
                ("n", format_value(record.n, ",d") if record.n is not None else ""),
                ("Test", ", ".join(part for part in (record.text.p, test) if part)),
            ]
        else:
            title = record.sentence
            evidence = ", ".join(f"{name} {text}" for name, text in _evidence_texts(found))
            lines = [
                ("Outcome", OUTCOME_WORDS[record.outcome]),
                ("Criterion", record.criterion),
                ("Evidence", evidence),
                (
                    "Written",
                    (record.exploratory or "after results were there")
                    if self.shelf.exploratory(found)
                    else "before the results",
                ),
            ]
        lines += [
            ("Run", self.run_title(found.run)),
            ("Analysis", f"{found.ledger.title}, {record.cell}"),
            ("Rerun", self.shelf.verified(found)),
        ]
        popover: dict[str, object] = {"title": title, "lines": [line for line in lines if line[1]]}
        if isinstance(record, Claim) and self.shelf.exploratory(found):
            popover["exploratory"] = True
        return popover


def _count(number: int, kind: str) -> str:
    one = {"passages": "set of passages"}.get(kind, kind.removesuffix("s"))
    many = {"passages": "sets of passages"}.get(kind, kind)
    return f"{number} {one if number == 1 else many}"


def _evidence_texts(found: Found) -> list[tuple[str, str]]:
    """What a criterion read, as the statistics themselves print it: ("difference.p", "< 0.001")."""
    statistics = found.ledger.findings.statistics
    texts = []
    for name, value in found.record.evidence.items():
        statistic, _, part = name.partition(".")
        record = statistics.get(statistic)
        if record is not None and part == "p" and record.text.p:
            texts.append((name, record.text.p.removeprefix("p ")))
        elif record is not None and not part:
            texts.append((name, f"= {record.text.value}"))
        else:
            spec = record.format if record is not None and part in ("low", "high") else ""
            texts.append(
                (name, f"= {format_value(value, spec or ('.4g' if isinstance(value, float) else ''))}")
            )
    return texts

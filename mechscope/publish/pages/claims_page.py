"""The page *Claims*: what each claims, what decides it, and what became of it in every run."""

from __future__ import annotations

from collections.abc import Sequence

from mechscope.ledger.formatting import format_value
from mechscope.ledger.schema import Claim
from mechscope.pipeline.shelf import KeyedRecord
from mechscope.project import SHARED
from mechscope.publish.markup import code, definitions, div, escaped, front_matter, link, table
from mechscope.publish.pages.context import OUTCOME_WORDS, UP, Context
from mechscope.publish.pages.words import SHARED_WORDS, why_untestable

HOME = "paper/index.qmd"


def claims_page(context: Context) -> str:
    """The page as Markdown: all claims in all runs as a table, then each claim of this run in full."""
    claims = list(context.shelf.records("claims"))
    parts = [
        front_matter(
            title="Claims",
            subtitle=f"What held in the run {escaped(context.title)}, and in the others",
            format="html",
            toc=True,
        )
        + "\nA claim is a sentence and a criterion over statistics. Whether it held is computed. The "
        "criterion of an *exploratory* claim was written when there were results already.\n",
        _across_runs(context),
    ]
    for analysis in dict.fromkeys(keyed.analysis for keyed in claims):
        entries = [_claim(context, keyed) for keyed in claims if keyed.analysis == analysis]
        ledger = context.shelf.ledger(analysis)
        parts.append(f"## {escaped(ledger.title)} {{#{analysis}}}\n\n" + "\n".join(entries))
    foreign = context.foreign("claims")
    if foreign:
        parts.append(
            "## From other runs {#other-runs}\n\n" + "\n".join(_claim(context, keyed) for keyed in foreign)
        )
    return "\n".join(parts)


def _claim(context: Context, keyed: KeyedRecord) -> str:
    record: Claim = keyed.record
    body = definitions(
        [
            ("Outcome", _outcome(context, keyed)),
            ("Not testable because", escaped(why_untestable(keyed))),
            ("Criterion", code(record.criterion)),
            ("Evidence", _evidence(context, keyed)),
            ("Written", escaped(context.shelf.written(keyed))),
            *context.common(keyed),
        ]
    )
    return context.entry(keyed, escaped(record.sentence), body)


def _outcome(context: Context, keyed: KeyedRecord) -> str:
    words = f"[{OUTCOME_WORDS[keyed.outcome]}]{{.ms-outcome .ms-{keyed.outcome}}}"
    return words + (", exploratory" if context.shelf.exploratory(keyed) else "")


def _evidence(context: Context, keyed: KeyedRecord) -> str:
    facts = [
        f"{code(name)} {_evidence_link(context, keyed, name, text)}" for name, text in evidence_texts(keyed)
    ]
    return " ".join(f"[{fact}]{{.ms-fact}}" for fact in [*(f"{fact}," for fact in facts[:-1]), *facts[-1:]])


def _evidence_link(context: Context, keyed: KeyedRecord, name: str, text: str) -> str:
    if not context.shelf.here(keyed) or name.partition(".")[0] not in keyed.ledger.findings.statistics:
        return escaped(text)
    relation, _, number = text.partition(" ")
    entry = f"numbers.qmd#{keyed.analysis}.{name.partition('.')[0]}"
    return f"{escaped(relation)} {link(escaped(number), entry)}"


def _across_runs(context: Context) -> str:
    """By analysis a row for each claim, those that differ first; a column for each run, this run first."""
    others = sorted(run for run in context.shelf.every_run if run != context.run)
    runs = [context.run, *others]
    by_key: dict[str, dict[str, KeyedRecord]] = {}
    for run in runs:
        for keyed in context.shelf.records("claims", run=run):
            by_key.setdefault(keyed.short_key, {})[run] = keyed
    groups: dict[str, list[dict[str, KeyedRecord]]] = {}
    for _, there in sorted(by_key.items(), key=lambda item: (not _differs(item[1]), item[0])):
        groups.setdefault(next(iter(there.values())).analysis, []).append(there)
    text = "\n## Claims × runs {#runs}\n\n"
    if groups:
        text += f"{_summary(context, runs, list(groups.values()))}\n\n"
        head = ["Claim", *(escaped(context.run_title(run)) for run in runs)]
        for analysis, claims in sorted(groups.items()):
            ledger = next(iter(claims[0].values())).ledger
            text += f"### {escaped(ledger.title)} {{#runs-{analysis}}}\n\n"
            if _one_result(claims):
                text += f"{SHARED_WORDS[0].upper()}{SHARED_WORDS[1:]}.\n\n"
                rows = [_row(context, [context.run], there) for there in claims]
                whole = table(["Claim", "All runs"], rows, [60, 40])
            else:
                rows = [_row(context, runs, there) for there in claims]
                whole = table(head, rows, [40, *([30] * len(runs))])
            text += div(whole, classes=["ms-claims-table"]) + "\n"
    else:
        text += "No analysis makes a claim yet.\n"
    return text + f"The same articles, {link('rendered from each run', f'{UP}/../runs.html')}.\n"


def _row(context: Context, runs: list[str], there: dict[str, KeyedRecord]) -> list[str]:
    sentence = _sentence(context, there)
    return [
        f"{sentence} [differs between runs]{{.ms-differs}}" if _differs(there) else sentence,
        *(_cell(context, run, there) if run in there else _no_cell(context, run, there) for run in runs),
    ]


def _no_cell(context: Context, run: str, there: dict[str, KeyedRecord]) -> str:
    """What is shown for a claim in a run that does not have it."""
    other = next(iter(there.values()))
    absent = context.shelf.absent(run, other.analysis, other.name)
    words = escaped(context.shelf.said(absent)) if absent else "not in the results of this run"
    return f"[{words}]{{.ms-muted}}"


def _one_result(claims: Sequence[dict[str, KeyedRecord]]) -> bool:
    """Whether these claims of one analysis were judged once for all runs."""
    return all(keyed.run == SHARED for there in claims for keyed in there.values())


def _differs(there: dict[str, KeyedRecord]) -> bool:
    """Whether a claim came out differently between runs."""
    return len({keyed.record.outcome for keyed in there.values()}) > 1


def _summary(context: Context, runs: list[str], groups: Sequence[Sequence[dict[str, KeyedRecord]]]) -> str:
    of_a_run: list[dict[str, KeyedRecord]] = []
    of_all: list[KeyedRecord] = []
    for claims in groups:
        if _one_result(claims):
            of_all += [next(iter(there.values())) for there in claims]
        else:
            of_a_run += claims
    counts = [
        _count(context, there, f"in {escaped(context.run_title(run))}")
        for run in runs
        if (there := [claim[run] for claim in of_a_run if run in claim])
    ]
    if of_all:
        counts.append(_count(context, of_all, "among those that were judged once for all runs"))
    differ = sum(_differs(there) for there in of_a_run)
    told = f" {differ} came out differently between runs." if len(runs) > 1 else ""
    otherwise = sum(
        any(otherwise_judged(there.get(context.run), keyed) for keyed in there.values()) for there in of_a_run
    )
    if otherwise:
        was = "was" if otherwise == 1 else "were"
        told += f" {otherwise} {was} judged in another run by an earlier or later wording; it says so there."
    return f"{'; '.join(counts)}.{told}"


def _count(context: Context, claims: Sequence[KeyedRecord], where: str) -> str:
    held = [keyed for keyed in claims if keyed.record.outcome == "held"]
    looked = sum(context.shelf.exploratory(keyed) for keyed in held)
    return f"{len(held)} of {len(claims)} held {where}" + (f" ({looked} exploratory)" if looked else "")


def _sentence(context: Context, there: dict[str, KeyedRecord]) -> str:
    own = there.get(context.run)
    if own is None:
        return escaped(next(iter(there.values())).record.sentence)
    return link(escaped(own.record.sentence), f"#{own.short_key}")


def _cell(context: Context, run: str, there: dict[str, KeyedRecord]) -> str:
    """The mark in words, what decided it or why nothing could, and the way to the run's article."""
    keyed = there[run]
    decided = escaped(why_untestable(keyed)) or _evidence(context, keyed)
    parts = [_outcome(context, keyed), f"[{decided}]{{.ms-evidence}}"]
    if other := otherwise_judged(there.get(context.run), keyed):
        parts.append(f"[{other}]{{.ms-otherwise}}")
    place = _in_article(context, run, keyed)
    if place:
        parts.append(f"[{place}]{{.ms-where}}")
    return " ".join(parts)


def otherwise_judged(own: KeyedRecord | None, keyed: KeyedRecord) -> str:
    """What another run judged instead of the claim that is shown beside it, as Markdown; empty if the same.

    The ledgers of two runs can come from two versions of a script: then outcomes side by side
    answer different questions.
    """
    if own is None or own.run == keyed.run:
        return ""
    if keyed.record.criterion != own.record.criterion:
        return f"by another criterion: {code(keyed.record.criterion)}"
    if keyed.record.sentence != own.record.sentence:
        return f"of another sentence: {escaped(keyed.record.sentence)}"
    return ""


def _in_article(context: Context, run: str, keyed: KeyedRecord) -> str:
    """A link to where an article shows the claim, in the site of a run."""
    pages = context.cited_by_page(run)
    for page, shown in sorted(pages.items(), key=lambda item: item[0] == HOME):
        mine = [item for item in shown if _place(item.keyed) == _place(keyed)]
        if not mine or not context.is_web_page(page):
            continue
        anchor = context.claim_on(keyed, mine)
        where = "on the home page" if page == HOME else "in the article"
        if run == context.run:
            return link(where, f"{UP}/{page}{anchor}")
        return context.other_run(where, run, page.rpartition(".")[0] + ".html" + anchor)
    return ""


def _place(keyed: KeyedRecord) -> tuple[str, str]:
    return keyed.run, keyed.short_key


def evidence_texts(keyed: KeyedRecord) -> list[tuple[str, str]]:
    """What a criterion read, as the statistics themselves print it: ("difference.p", "< 0.001")."""
    statistics = keyed.ledger.findings.statistics
    texts = []
    for name, value in keyed.record.evidence.items():
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

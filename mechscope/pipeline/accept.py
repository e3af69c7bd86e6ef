"""Adopting a change of inputs that can't alter results, with the reason kept in the ledger."""

from __future__ import annotations

from collections.abc import Callable

from mechscope.errors import InvalidInput
from mechscope.files import write_atomically
from mechscope.ledger.claims import unregistered
from mechscope.ledger.schema import Acceptance, LedgerFile
from mechscope.ledger.store import LEDGER_NAME, committed_ledger, ledger_text
from mechscope.pipeline.fingerprint import why_stale
from mechscope.pipeline.freshness import state_of
from mechscope.pipeline.mutex import results_lock
from mechscope.pipeline.runs import Places, load_runs
from mechscope.pipeline.scripts import Analysis, survey_analyses
from mechscope.project import Project


def accept(
    project: Project, analysis: str, run: str, because: str, *, say: Callable[[str], None] = lambda text: None
) -> tuple[str, ...]:
    """Adopt the present inputs of `analysis` in `run` without running it, and record why.

    Args:
        say: Told if another process must finish first.

    Returns:
        The changes that were accepted.

    Raises:
        InvalidInput: There is nothing to accept, or what changed decides the result (a parameter, a model,
            a claim).
        LedgerDamaged: The ledger isn't whole.
        UnknownName: There is no such run or analysis.
    """
    runs, survey = load_runs(project), survey_analyses(project)
    places = Places(runs, survey.analyses)
    selected = survey.select([analysis])[0]
    places.check([run], [analysis])
    run, _ = places.node(run, analysis)
    if not because.strip():
        raise InvalidInput("an accepted change needs a reason.", hint='--because "…"')
    with results_lock(project, say):
        state = state_of(project, places, run, selected)
        again = f"mechscope run {analysis} --run {run}"
        if state.inputs is None:
            raise state.problem or InvalidInput(f"the inputs of '{analysis}' are not known.")
        try:
            ledger = committed_ledger(project, run, analysis)
        except FileNotFoundError:
            raise InvalidInput(f"'{analysis}' was never run in run '{run}'.", hint=again) from None
        old, new = ledger.inputs, state.inputs
        changed = why_stale(old, new)
        if not changed:
            raise InvalidInput(
                f"no input of '{analysis}' changed in run '{run}': there is nothing to accept."
            )
        deciding: list[tuple[str, object, object]] = [
            ("parameters", old.parameters, new.parameters),
            ("models", old.models, new.models),
            ("sparse autoencoders", old.saes, new.saes),
        ]
        for what, before, after in deciding:
            if before != after:
                raise InvalidInput(
                    f"'{analysis}' has other {what} now, and those decide the result: {'; '.join(changed)}.",
                    hint=again,
                )
        # Else old outcomes would stand beside other criteria.
        if judged := _judged_otherwise(project, selected, ledger):
            raise InvalidInput(
                f"'{analysis}' now judges {', '.join(judged)} by a criterion that its findings don't have.",
                hint=again,
            )
        replaced = old.script if old.script != new.script else ""
        acceptance = Acceptance(changed=tuple(changed), because=" ".join(because.split()), script=replaced)
        adopted = ledger.model_copy(update={"inputs": new, "accepted": (*ledger.accepted, acceptance)})
        write_atomically(project.results_dir(run, analysis) / LEDGER_NAME, ledger_text(adopted))
    return tuple(changed)


def _judged_otherwise(project: Project, analysis: Analysis, ledger: LedgerFile) -> list[str]:
    """Claims of the script that are new, or whose outcome in the ledger is that of another criterion."""
    new = {
        entry.claim for entry in unregistered(project, [(analysis.name, claim) for claim in analysis.claims])
    }
    found = ledger.findings.claims
    changed = {
        claim.name
        for claim in analysis.claims
        if claim.name in found and found[claim.name].criterion != claim.criterion
    }
    return sorted(new | changed)

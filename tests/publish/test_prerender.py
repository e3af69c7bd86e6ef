from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from mechscope.cli import cli
from mechscope.errors import InvalidInput, LedgerDamaged, MechscopeError, RenderFailed, UnknownName
from mechscope.ledger.store import ledger_text
from mechscope.pipeline.freshness import state_of
from mechscope.pipeline.outcome import Outcome
from mechscope.pipeline.runs import load_places
from mechscope.project import Project
from mechscope.publish.hooks import main
from mechscope.publish.prerender import MODE_VARIABLE, mode_from_environment, prepare, run_of_profiles
from tests.publish.sample_project import sample_findings, write_sample_ledger
from tests.throwaway import every_analysis

RUN = "smollm2-135m"


def _append(project: Project, text: str) -> int:
    """Add a last line to the article; returns its number."""
    path = project.paper / "articles" / "topic-geometry.qmd"
    path.write_text(path.read_text() + text + "\n")
    return len(path.read_text().splitlines())


def test_preparing_a_second_time_changes_nothing(sample: Project) -> None:
    assert prepare(sample, RUN, "skip").written.changed
    assert prepare(sample, RUN, "skip").written.changed == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{< stat topic_geometry.topcs >}}", "did you mean 'topic_geometry.topics'"),
        ("{{< stat topic_geomtry.topics >}}", "did you mean 'topic_geometry'"),
        ("{{< stat gema-3-270m:topic_geometry.topics >}}", "did you mean 'gemma-3-270m'"),
        ("{{< figure topic_geometry.topics >}}", "{{< stat topic_geometry.topics >}}"),
        ("{{< stat topic_geometry.topics part=ci >}}", "has no interval"),
        ("{{< stat topic_geometry.topics part=vaule >}}", "did you mean 'value'"),
        ("{{< stat topic_geometry.topics prat=value >}}", "did you mean 'part'"),
        ("{{< claim topic_geometry.abstraction part=evidnce >}}", "did you mean 'evidence'"),
        ("{{< sttat topic_geometry.topics >}}", "unknown shortcode 'sttat' — did you mean 'stat'"),
        ("{{< stat >}}", "needs a key"),
        ("{{< include _topic-geomtry.qmd >}}", "unknown file to include"),
        (
            "::: {.when-claim key=topic_geometry.abstracton is=held}",
            "did you mean 'topic_geometry.abstraction'",
        ),
        ("::: {.when-claim key=topic_geometry.abstraction is=hold}", "did you mean 'held'"),
        ("::: {.when-run is=smolm2-135m}", "unknown run 'smolm2-135m' — did you mean 'smollm2-135m'"),
        ("[x]{.when-run is-not='gpt2-small gema-3-270m'}", "did you mean 'gemma-3-270m'"),
        ("## x {.when-run}", ".when-run needs either is= or is-not="),
        ("::: {.when-run is=gpt2-small is-not=gemma-3-270m}", ".when-run needs either is= or is-not="),
        ("[x]{.when-run .when-claim key=topic_geometry.abstraction is=held}", "both say 'is'"),
        ("[{{< stat topic_geometry.topcs >}}]{.when-run is=gemma-3-270m}", "unknown key"),
        ("As shown [@prak2024].", "no bibliography holds 'prak2024' — did you mean 'park2024'?"),
    ],
)
def test_a_mistake_in_an_article_is_refused_with_its_line_and_the_nearest_name(
    sample: Project, text: str, expected: str
) -> None:
    line = _append(sample, text)
    with pytest.raises(MechscopeError) as caught:
        prepare(sample, RUN, "skip")
    assert f"paper/articles/topic-geometry.qmd:{line}:" in str(caught.value)
    assert expected in str(caught.value)
    assert not sample.generated(RUN).exists()


def test_a_key_in_a_branch_that_is_dropped_is_checked_too(sample: Project) -> None:
    line = _append(
        sample,
        "::: {.when-claim key=topic_geometry.abstraction is=failed}\n"
        "{{< stat topic_geometry.nowhere >}}\n:::",
    )
    with pytest.raises(UnknownName, match=f":{line - 1}:1: unknown key 'topic_geometry.nowhere'"):
        prepare(sample, RUN, "skip")


@pytest.mark.parametrize(
    "text",
    [
        "::: {.when-run is=gemma-3-270m}\nONLY\n:::",
        "::: {.when-run is-not=smollm2-135m}\n## x\n\nONLY\n:::",
        "[so ONLY]{.when-run is='gemma-3-270m gpt2-small'}",
        "## x {.when-run is=gpt2-small}\n\nONLY",
        "::: {.when-run is=gemma-3-270m}\n{{< include _only.qmd >}}\n:::",
    ],
)
def test_a_key_that_only_another_run_has_may_stand_where_only_that_run_prints_it(
    sample: Project, text: str
) -> None:
    findings = sample_findings()
    only = findings.statistics["topics"]
    more = findings.model_copy(update={"statistics": findings.statistics | {"only_here": only}})
    write_sample_ledger(sample, "gemma-3-270m", more)
    stat = "{{< stat topic_geometry.only_here >}}"
    (sample.paper / "articles" / "_only.qmd").write_text(f"{stat}\n" if "_only" in text else "")
    _append(sample, text.replace("ONLY", stat))
    prepare(sample, RUN, "skip")
    assert "only_here" not in (sample.generated(RUN) / "documents.json").read_text()
    _append(sample, f"# After it\n\n{stat}")
    with pytest.raises(UnknownName, match="unknown key 'topic_geometry.only_here'"):
        prepare(sample, RUN, "skip")


def test_a_key_in_a_yaml_header_is_checked_too(sample: Project) -> None:
    path = sample.paper / "paper.qmd"
    path.write_text(
        path.read_text().replace("It is {{< stat topic_geometry.c", "It is {{< stat topic_geometry.d")
    )
    with pytest.raises(UnknownName, match="paper/paper.qmd:5:9: unknown key"):
        prepare(sample, RUN, "skip")


def test_all_mistakes_are_told_at_once(sample: Project) -> None:
    _append(sample, "{{< stat topic_geometry.one >}}\n{{< stat topic_geometry.two >}}")
    with pytest.raises(InvalidInput, match=r"2 mistakes[\s\S]*topic_geometry\.one[\s\S]*topic_geometry\.two"):
        prepare(sample, RUN, "skip")


def test_a_div_that_is_not_closed_stops_a_render(sample: Project) -> None:
    line = _append(sample, "::: {.when-claim key=topic_geometry.abstraction is=failed}\nOnly here?")
    with pytest.raises(InvalidInput, match=f"topic-geometry.qmd:{line - 1}:1: this Div is not closed"):
        prepare(sample, RUN, "skip")


def test_a_div_that_pandoc_takes_for_text_stops_a_render(sample: Project) -> None:
    line = _append(sample, "It is.\n::: {.when-claim key=topic_geometry.abstraction is=failed}\nNot so.\n:::")
    with pytest.raises(InvalidInput, match=f"topic-geometry.qmd:{line - 2}:1: the line before") as caught:
        prepare(sample, RUN, "skip")
    assert "leave an empty line before" in str(caught.value)


def test_each_of_several_mistakes_keeps_its_hint(sample: Project) -> None:
    _append(sample, "{{< figure topic_geometry.topics >}}\n{{< stat topic_geometry.topics part=vaule >}}")
    with pytest.raises(InvalidInput) as caught:
        prepare(sample, RUN, "skip")
    for hint in ("→ write {{< stat topic_geometry.topics >}}", "→ valid: ci, full, n, p, value"):
        assert hint in str(caught.value)


def test_a_shortcode_of_another_extension_is_left_alone(sample: Project) -> None:
    _append(sample, "{{< fa star >}}")
    with pytest.raises(UnknownName):
        prepare(sample, RUN, "skip")
    other = sample.root / "_extensions" / "quarto-ext" / "fontawesome"
    other.mkdir(parents=True)
    (other / "fontawesome.lua").write_text("return { ['fa'] = function() end }")
    prepare(sample, RUN, "skip")


def test_a_ledger_edited_by_hand_is_one_error(sample: Project) -> None:
    path = sample.results_dir(RUN, "topic_geometry") / "ledger.json"
    path.write_text(path.read_text().replace("0.42", "0.52"))
    with pytest.raises(LedgerDamaged) as caught:
        prepare(sample, RUN, "skip")
    assert caught.value.message.count("edited by hand") == 1


def test_stale_analyses_are_run_before_anything_is_read(
    sample: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def bring_up_to_date(project: Project, runs: list[str]) -> list[Outcome]:
        asked.extend(runs)
        write_sample_ledger(project, RUN, sample_findings(centred_max=0.55))
        return [Outcome(RUN, "topic_geometry", "ran"), Outcome(RUN, "other", "fresh")]

    monkeypatch.setattr("mechscope.publish.prerender.attempt", bring_up_to_date)
    assert [one.analysis for one in prepare(sample, RUN, "run").ran] == ["topic_geometry"]
    assert asked == [RUN]
    assert "0\\.55" in (sample.generated(RUN) / "numbers.qmd").read_text()


def test_the_command_refuses_it_as_well_when_it_is_only_to_check(
    sample: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODE_VARIABLE, "check")
    done = CliRunner().invoke(
        cli, ["--project", str(sample.root), "render", "--engine", "pandoc", "--run", RUN]
    )
    assert done.exit_code == 1
    assert f"analyses of the run '{RUN}' are stale" in done.output
    assert not sample.site.exists()


def test_checking_refuses_a_stale_analysis_with_its_reasons(sample: Project) -> None:
    with pytest.raises(RenderFailed) as caught:
        prepare(sample, RUN, "check")
    assert "topic_geometry: " in caught.value.message
    assert caught.value.hint == f"mechscope run --run {RUN}"


def test_checking_says_that_running_would_drop_an_edit(
    sample: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mechscope.pipeline.freshness.notebook_problems", lambda path, ledger: [])
    _fresh(sample, RUN)
    path = sample.results_dir(RUN, "topic_geometry") / "ledger.json"
    path.write_text(path.read_text().replace("0.42", "0.52"))
    with pytest.raises(RenderFailed) as caught:
        prepare(sample, RUN, "check")
    dropped = f"edited by hand: results/{RUN}/topic_geometry/ledger.json"
    assert caught.value.message.endswith(f"running them writes anew what was {dropped}")


def test_the_hook_says_why_it_ran_what_it_ran(
    sample: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = [Outcome(RUN, "topic_geometry", "ran", "parameter seed 0 → 1")]
    monkeypatch.setattr("mechscope.publish.prerender.attempt", lambda project, runs: ran)
    monkeypatch.setattr("mechscope.publish.hooks.find_project", lambda: sample)
    monkeypatch.delenv(MODE_VARIABLE, raising=False)
    monkeypatch.setenv("QUARTO_PROFILE", RUN)
    assert main("pre") == 0
    assert f"ran {RUN}:topic_geometry because of this: parameter seed 0 → 1\n" in capsys.readouterr().out


GEMMA = "{{< stat gemma-3-270m:topic_geometry.topics >}}"


def _fresh(project: Project, run: str) -> None:
    """Let the hand-made ledger of `run` have the present inputs."""
    analysis = every_analysis(project)["topic_geometry"]
    state = state_of(project, load_places(project), run, analysis)
    assert state.ledger is not None and state.inputs is not None
    ledger = state.ledger.model_copy(update={"inputs": state.inputs})
    (project.results_dir(run, "topic_geometry") / "ledger.json").write_text(ledger_text(ledger))


def test_checking_refuses_a_stale_analysis_of_another_run_that_an_article_cites(
    sample: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mechscope.pipeline.freshness.notebook_problems", lambda path, ledger: [])
    _fresh(sample, RUN)
    told = prepare(sample, RUN, "check").warnings
    assert len(told) == 1 and told[0].startswith("gemma-3-270m:topic_geometry is stale")
    _append(sample, GEMMA)
    with pytest.raises(RenderFailed) as caught:
        prepare(sample, RUN, "check")
    assert "  gemma-3-270m:topic_geometry: " in caught.value.message
    assert f"'{RUN}'" not in caught.value.message
    assert caught.value.hint == "mechscope run topic_geometry --run gemma-3-270m"
    _fresh(sample, "gemma-3-270m")
    assert prepare(sample, RUN, "check").warnings == ()


def test_cited_analyses_of_other_runs_are_run_too(sample: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def bring_up_to_date(project: Project, runs: list[str], analyses: tuple[str, ...] = ()) -> list[Outcome]:
        asked.append((runs, list(analyses)))
        return [Outcome(runs[0], "topic_geometry", "ran")]

    monkeypatch.setattr("mechscope.publish.prerender.attempt", bring_up_to_date)
    _append(sample, f"{GEMMA} {GEMMA} {{{{< stat {RUN}:topic_geometry.topics >}}}}")
    ran = prepare(sample, RUN, "run").ran
    assert asked == [([RUN], []), (["gemma-3-270m"], ["topic_geometry"])]
    assert [one.run for one in ran] == [RUN, "gemma-3-270m"]


def test_a_damaged_ledger_of_any_run_is_run_again_or_refused_by_its_path_in_the_project(
    sample: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mechscope.pipeline.freshness.notebook_problems", lambda path, ledger: [])
    _fresh(sample, RUN)
    (sample.results_dir("gemma-3-270m", "topic_geometry") / "ledger.json").write_text('{"half":')
    says = "results/gemma-3-270m/topic_geometry/ledger.json is not JSON"
    with pytest.raises(LedgerDamaged) as damaged:
        prepare(sample, RUN, "skip")
    assert damaged.value.message.startswith(says)
    with pytest.raises(RenderFailed) as caught:
        prepare(sample, RUN, "check")
    assert f"  gemma-3-270m:topic_geometry: {says}" in caught.value.message

    def repair(project: Project, runs: list[str], analyses: tuple[str, ...] = ()) -> list[Outcome]:
        for name in analyses:
            write_sample_ledger(project, runs[0], sample_findings(), name)
        return [Outcome(runs[0], name, "ran") for name in analyses]

    monkeypatch.setattr("mechscope.publish.prerender.attempt", repair)
    assert [one.run for one in prepare(sample, RUN, "run").ran] == ["gemma-3-270m"]


def test_an_unknown_run_is_refused_with_the_nearest(sample: Project) -> None:
    with pytest.raises(UnknownName, match="did you mean 'gemma-3-270m'"):
        prepare(sample, "gemma-3-27m", "skip")


def test_the_profile_names_the_run(sample: Project) -> None:
    assert run_of_profiles(sample, "") == RUN
    assert run_of_profiles(sample, "gemma-3-270m") == "gemma-3-270m"
    (sample.root / "_quarto-draft.yml").write_text("{}")
    assert run_of_profiles(sample, "draft,gemma-3-270m") == "gemma-3-270m"


def test_a_mistyped_profile_is_refused_with_the_nearest(sample: Project) -> None:
    with pytest.raises(UnknownName, match="did you mean 'gemma-3-270m'"):
        run_of_profiles(sample, f"gema-3-270m,{RUN}")


def test_two_runs_in_one_render_are_refused(sample: Project) -> None:
    with pytest.raises(InvalidInput, match="one render shows one run"):
        run_of_profiles(sample, f"{RUN},gemma-3-270m")


def test_a_mode_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE_VARIABLE, "chek")
    with pytest.raises(UnknownName, match="did you mean 'check'"):
        mode_from_environment()


def _hook(project: Project, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "paper/prerender.py"],
        cwd=project.root,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
    )


def test_the_hook_stops_quarto_with_one_message(sample: Project) -> None:
    done = _hook(sample, QUARTO_PROFILE="nope")
    assert done.returncode == 1
    assert "unknown profile 'nope'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_hook_makes_the_pages(sample: Project) -> None:
    done = _hook(sample, QUARTO_PROFILE="gemma-3-270m", MECHSCOPE_PRERENDER="skip")
    assert (done.returncode, done.stderr) == (0, "")
    assert (sample.generated("gemma-3-270m") / "numbers.qmd").is_file()


def test_the_hook_does_not_import_torch(sample: Project) -> None:
    code = "import sys, mechscope.publish.hooks; print('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=sample.root
    )
    assert done.stdout.split() == ["False", "False"]


ARTICLE = "paper/articles/topic-geometry.qmd"


def _generated(project: Project) -> dict[str, int]:
    folder = project.generated(RUN)
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()}


def _render_hook(project: Project, *inputs: str, **environment: str) -> subprocess.CompletedProcess[str]:
    listing = {"QUARTO_PROJECT_INPUT_FILES": "\n".join(inputs)}
    return _hook(project, MECHSCOPE_PRERENDER="skip", **listing, **environment)


def test_for_one_article_only_what_it_takes_in_is_written(sample: Project) -> None:
    assert _render_hook(sample, ARTICLE).returncode == 0  # the first time everything is
    before = _generated(sample)
    assert {"numbers.qmd", "vega.js", "claims.qmd"} <= before.keys()
    _append(sample, "{{< stat topic_geometry.unmeasured >}}")
    assert _render_hook(sample, ARTICLE).returncode == 0
    after = _generated(sample)
    assert [name for name in before if before[name] != after[name]] == ["documents.json"]


@pytest.mark.parametrize(
    ("inputs", "environment"),
    [
        ([ARTICLE], {"QUARTO_PROJECT_RENDER_ALL": "1"}),
        ([ARTICLE, f"paper/_generated/{RUN}/numbers.qmd"], {}),
        ([f"results/{RUN}/topic_geometry/notebook.ipynb"], {}),
        ([], {}),
    ],
    ids=["whole site", "a generated page too", "a notebook", "nothing said"],
)
def test_for_anything_else_all_pages_are_written(
    sample: Project, inputs: list[str], environment: dict[str, str]
) -> None:
    prepare(sample, RUN, "skip")
    (sample.generated(RUN) / "numbers.qmd").write_text("old")
    assert _render_hook(sample, *inputs, **environment).returncode == 0
    assert (sample.generated(RUN) / "numbers.qmd").read_text() != "old"


@pytest.mark.parametrize("change", ["results", "verification", "script", "citation", "a page is gone"])
def test_all_pages_are_written_for_one_article_when_more_than_articles_changed(
    sample: Project, change: str
) -> None:
    assert _render_hook(sample, ARTICLE).returncode == 0
    numbers = sample.generated(RUN) / "numbers.qmd"
    text = numbers.read_text()
    numbers.write_text("old")
    assert _render_hook(sample, ARTICLE).returncode == 0
    assert numbers.read_text() == "old"
    if change == "results":
        write_sample_ledger(sample, RUN, sample_findings(centred_max=0.77))
    elif change == "verification":
        (sample.results / RUN / "verification.json").touch()
    elif change == "script":
        (sample.analyses / "topic_geometry.py").touch()
    elif change == "citation":
        (sample.root / "CITATION.cff").write_text("title: X\n")
    else:
        (sample.generated(RUN) / ".written").unlink()
    assert _render_hook(sample, ARTICLE).returncode == 0
    assert len(numbers.read_text()) > len(text) / 2


def test_a_mistake_in_another_article_does_not_stop_a_render_of_this_one(sample: Project) -> None:
    other = sample.paper / "articles" / "other.qmd"
    other.write_text(
        "---\ntitle: Other\n---\n\n{{< stat topic_geometry.centred_mx >}} [@nobody2020]\n\n::: x\n"
    )
    done = _render_hook(sample, ARTICLE)
    assert (done.returncode, done.stderr) == (0, "")
    stopped = _render_hook(sample, "paper/articles/other.qmd")
    assert "did you mean" in stopped.stderr
    assert _render_hook(sample, ARTICLE, QUARTO_PROJECT_RENDER_ALL="1").returncode == 1


def test_a_mistake_in_what_an_article_includes_stops_it(sample: Project) -> None:
    (sample.paper / "articles" / "_part.qmd").write_text("As [@nobody2020] says.\n")
    _append(sample, "{{< include _part.qmd >}}")
    assert "paper/articles/_part.qmd:1:" in _render_hook(sample, ARTICLE).stderr

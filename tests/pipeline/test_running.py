"""Running a project: exactly what is stale, once, whole or not at all, the same each time."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mechscope.errors import InvalidInput, ModelUnavailable
from mechscope.ledger import read_ledger
from mechscope.pipeline.freshness import state_of
from mechscope.pipeline.mutex import results_lock
from mechscope.pipeline.outcome import Outcome, failures
from mechscope.pipeline.runs import load_places
from mechscope.pipeline.schedule import Order, Silent, run_analyses
from mechscope.project import Project
from tests.throwaway import changes, commit, copy_of, edit, every_analysis, make_project, script


def run(project: Project, *analyses: str, **options: object) -> dict[str, Outcome]:
    outcomes = run_analyses(project, Order(analyses=analyses, **options))  # type: ignore[arg-type]
    return {outcome.analysis: outcome for outcome in outcomes}


def what(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: outcome.what for name, outcome in outcomes.items()}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mechscope(project: Project, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mechscope", "--project", str(project.root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_run_runs_nothing_and_changes_nothing(executed: Project) -> None:
    before = files(executed.results)
    assert what(run(executed)) == {"source": "fresh", "derived": "fresh", "apart": "fresh"}
    assert files(executed.results) == before


def test_where_nothing_is_stale_nobody_waits_for_whoever_is_running(executed: Project) -> None:
    def waited(text: str) -> None:
        raise AssertionError(text)

    with results_lock(executed, waited):
        assert what(run(executed)) == {"source": "fresh", "derived": "fresh", "apart": "fresh"}


def test_running_again_on_the_same_machine_leaves_no_diff(project: Project) -> None:
    assert what(run(project, force=True)) == {"source": "ran", "derived": "ran", "apart": "ran"}
    assert changes(project.root) == ""


def test_a_result_has_its_ledger_its_figures_and_its_notebook(executed: Project) -> None:
    assert sorted(files(executed.results_dir("one", "apart"))) == [
        "figures/bars.svg",
        "figures/bars.vl.json",
        "ledger.json",
        "notebook.ipynb",
    ]
    ledger = read_ledger(executed.results_dir("one", "source"))
    assert ledger.findings.statistics["total"].value == 6
    assert ledger.findings.statistics["total"].cell == "cell-03"
    assert ledger.inputs.parameters == {"seed": 0}
    assert list(ledger.inputs.data) == ["analyses/data/numbers.csv"]
    assert list(ledger.inputs.code) == ["analyses/_shared.py: doubled", "imports"]
    notebook = (executed.results_dir("one", "source") / "notebook.ipynb").read_text()
    assert "added 2" in notebook
    assert "on stderr" not in notebook.replace('print(\\"on stderr\\"', "")


def test_an_upstream_rerun_that_finds_the_same_leaves_what_needs_it_fresh(project: Project) -> None:
    edit(project.analyses / "_shared.py", "2 * x", "x * 2")
    assert what(run(project)) == {"source": "ran", "derived": "fresh", "apart": "fresh"}


def test_an_upstream_result_that_changed_reruns_what_needs_it(project: Project) -> None:
    edit(project.analyses / "data/numbers.csv", "2", "3")
    outcomes = run(project, "derived")
    assert what(outcomes) == {"source": "ran", "derived": "ran"}
    assert outcomes["source"].detail == "analyses/data/numbers.csv changed"
    assert outcomes["derived"].detail == "source found something else"
    assert read_ledger(project.results_dir("one", "derived")).findings.statistics["scaled"].value == 80


@pytest.mark.parametrize("file", ["ledger.json", "figures/bars.svg", "notebook.ipynb"])
def test_a_rerun_says_that_an_edit_by_hand_is_gone_and_what_to_change_instead(
    project: Project, file: str
) -> None:
    edit(
        project.results_dir("one", "apart") / file,
        *("failed", "held") if file == "ledger.json" else ("0", "1"),
    )
    outcomes = run(project)
    assert what(outcomes) == {"source": "fresh", "derived": "fresh", "apart": "ran"}
    assert f"results/one/apart/{file} was edited by hand" in outcomes["apart"].detail
    loss = outcomes["apart"].loss
    assert f"what had been edited by hand in results/one/apart/{file} is gone" in loss
    assert loss.endswith("change analyses/apart.py")
    assert run(project)["apart"].loss == outcomes["source"].loss == ""


def test_a_rerun_for_another_reason_speaks_of_no_edit(project: Project) -> None:
    edit(project.analyses / "apart.py", "Two bars.", "2 bars.")
    apart = run(project, "apart")["apart"]
    assert (apart.what, apart.loss) == ("ran", "")


def test_prose_that_changed_reaches_the_notebook_without_a_run(project: Project) -> None:
    script_file = project.analyses / "source.py"
    edit(script_file, "# The numbers, added up.", "# All the numbers.")
    edit(script_file, "title: Source", "title: The source")
    before = read_ledger(project.results_dir("one", "source"))
    assert what(run(project)) == {"source": "fresh", "derived": "fresh", "apart": "fresh"}
    notebook = (project.results_dir("one", "source") / "notebook.ipynb").read_text()
    assert "All the numbers." in notebook
    assert "added 2" in notebook
    after = read_ledger(project.results_dir("one", "source"))
    assert (after.title, after.sha256) == ("The source", before.sha256)
    commit(project.root)
    run(project, "source", force=True)
    assert changes(project.root) == ""  # the notebook is the one that a run would make


def test_one_failed_analysis_fails_only_what_needs_it_and_says_where(project: Project) -> None:
    edit(project.analyses / "source.py", "numbers = [float", "numbers = 1 / 0 * [float")
    edit(project.analyses / "apart.py", "Two bars.", "2 bars.")
    before = files(project.results_dir("one", "source"))
    outcomes = run(project)
    assert what(outcomes) == {"source": "failed", "derived": "blocked", "apart": "ran"}
    assert outcomes["derived"].detail == "needs source"
    for part in (
        "source in run one: cell-03 (cell 3 of 3) failed: ZeroDivisionError: division by zero",
        "\n  line 30 of analyses/source.py:\n",
        '    29 | with Path("data/numbers.csv").open() as file:\n  → 30 |     numbers = 1 / 0 *',
        "The notebook is kept in .mechscope/failed/one/source.ipynb",
    ):
        assert part in outcomes["source"].detail
    assert "\x1b" not in outcomes["source"].detail
    kept = json.loads((project.scratch / "failed/one/source.ipynb").read_text())
    assert [cell["id"] for cell in kept["cells"]][-1] == "cell-03"
    assert files(project.results_dir("one", "source")) == before  # the last good result stays
    state = state_of(project, load_places(project), "one", every_analysis(project)["source"])
    assert state.reasons == (
        "the script's code changed",
        "its last run failed: .mechscope/failed/one/source.ipynb",
    )


def test_a_script_that_cannot_be_read_fails_alone_with_what_needs_it(project: Project) -> None:
    edit(project.analyses / "source.py", "title: Source", "titel: Source")
    edit(project.analyses / "apart.py", "Two bars.", "2 bars.")
    outcomes = run(project)
    assert what(outcomes) == {"source": "failed", "derived": "failed", "apart": "ran"}
    assert "analyses/source.py:1: the header has no title" in outcomes["source"].detail
    assert "analyses/derived.py needs 'source', which can't be read" in outcomes["derived"].detail
    assert what(run(project, "apart")) == {"apart": "fresh"}
    status = mechscope(project, "status", "--run", "one")
    said, complaint = status.communicate()
    assert status.returncode == 1
    assert "apart    fresh" in said and "source   cannot be read" in said
    assert "analyses/source.py:1: the header has no title" in complaint


@pytest.fixture(scope="module")
def misbehaving(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, dict[str, Outcome]]:
    """Analyses that each do one thing that is not allowed, all run at once."""
    start = (
        "from mechscope.ledger import Ledger\n"
        "ledger = Ledger('{name}')\nledger.statistic('x', 1, label='X')\n"
    )
    bodies = {
        "bare_chart": (
            "class Chart:\n    def _repr_mimebundle_(self, **_):\n"
            "        return {'application/vnd.vegalite.v6+json': {}, 'text/plain': 'c'}\nChart()"
        ),
        "undeclared": "text = open('data/secret.csv').read()",
        "swallowed": "try:\n    open('data/secret.csv')\nexcept Exception:\n    pass",
        "dies": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "exits": "import os\nos.write(2, b'from a library\\n')\nos._exit(3)",
        "aborts": (
            "import os, sys\ndef crash():\n    print('from a cell', file=sys.stderr)\n    os.abort()\ncrash()"
        ),
        "leaves_early": "import sys\nsys.exit()",
        "no_record": "1",
        "twice": "\n" * 9 + "for _ in range(2):\n    ledger.statistic('y', 2, label='Y')",
        "calls": "def look_up():\n    return dict()['k']\n\n# %%\nlook_up()",
        "deep": "import json\njson.loads('{')",
    }
    scripts = {
        name: script((start.format(name=name) if name != "no_record" else "") + "\n# %%\n" + body)
        for name, body in bodies.items()
    }
    project = make_project(
        tmp_path_factory.mktemp("misbehaving") / "p", scripts=scripts, files={"analyses/data/secret.csv": "1"}
    )
    return project, run(project)


@pytest.mark.parametrize(
    ("analysis", "says"),
    [
        ("bare_chart", ["cell-03 shows a chart that is not recorded", "ledger.figure"]),
        ("undeclared", ["cell-03 reads analyses/data/secret.csv", "data: [data/secret.csv]"]),
        ("swallowed", ["reads analyses/data/secret.csv", "data: [data/secret.csv]"]),
        ("dies", ["its kernel ended in cell-03 (cell 3 of 3), by signal 9 (SIGKILL).\n  The notebook"]),
        ("exits", ["cell-03 (cell 3 of 3), with exit code 3", "standard error:\n  | from a library\n  The"]),
        (
            "aborts",
            ["by signal 6 (SIGABRT)", "  | from a cell\n  | Fatal", "  |   a cell, line 4 in crash\n"],
        ),
        ("leaves_early", ["cell-03 (cell 3 of 3) failed: SystemExit"]),
        ("no_record", ["records nothing"]),
        ("twice", ["cell-03 (cell 3 of 3) failed: InvalidRecord", "→ 29 |     ledger.statistic('y', 2"]),
        ("calls", ["cell-04 (cell 4 of 4) failed: KeyError: 'k'", "→ 20 |     return dict()['k']"]),
        ("deep", ["→ 20 | json.loads('{')", "in JSONDecoder.raw_decode("]),
    ],
)
def test_what_is_not_allowed_is_one_clear_error_and_leaves_no_result(
    misbehaving: tuple[Project, dict[str, Outcome]], analysis: str, says: list[str]
) -> None:
    project, outcomes = misbehaving
    assert outcomes[analysis].what == "failed"
    for part in says:
        assert part in outcomes[analysis].detail
    assert (project.scratch / f"failed/one/{analysis}.ipynb").is_file()
    assert not project.results_dir("one", analysis).exists()


def test_models_of_a_folder_and_of_the_cache_must_be_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MECHSCOPE_CACHE", str(tmp_path / "cache"))
    body = """
    from mechscope.ledger import Ledger
    from mechscope.project import cache_folder

    Ledger("{name}").statistic("x", 1, label="X")
    open("../tiny/config.json")
    open(cache_folder() / "models/smollm2-135m/config.json")
    """
    parameters = 'own = "./tiny"\nmodel = "smollm2-135m"'
    declared = {"both": ["own", "model"], "cached": ["model"], "folder": ["own"]}
    scripts = {
        name: script(body.replace("{name}", name), parameters=parameters, models=models)
        for name, models in declared.items()
    }
    runs = {"default": "one", "runs": {"one": {"title": "One", "parameters": {}}}}
    project = make_project(tmp_path / "p", scripts=scripts, runs=runs)
    for folder in (project.root / "tiny", tmp_path / "cache/models/smollm2-135m"):
        folder.mkdir(parents=True)
        for name in ("config.json", "model.safetensors"):
            (folder / name).write_text("{}")
    outcomes = run(project)
    assert what(outcomes) == {"both": "ran", "cached": "failed", "folder": "failed"}, outcomes
    for name, model, parameter in (("cached", "tiny", "own"), ("folder", "smollm2-135m", "model")):
        detail = outcomes[name].detail
        assert f"cell-02 reads the model {model}, which the script does not declare" in detail
        assert detail.endswith(f"add to the script's header, under mechscope:  models: [{parameter}]")


NEEDS_GPT2 = """\
default: near
runs:
  near: {title: Near, parameters: {seed: 1}}
  far: {title: Far, needs: hub, parameters: {model: gpt2-small}}
"""


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that can't be reached, and an empty cache of it."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def _needs_gpt2(root: Path) -> Project:
    header = {"models": ["model"], "parameters": 'model = "smollm2-135m"'}
    records = "from mechscope.ledger import Ledger\nLedger('{}').statistic('x', 1, label='X')"
    return make_project(
        root,
        scripts={
            "alone": script(records.format("alone")),
            "one": script(records.format("one"), **header),
            "other": script(records.format("other"), **header),
        },
        runs=NEEDS_GPT2,
    )


def test_a_run_whose_model_is_out_of_reach_is_one_error_before_anything_runs(
    tmp_path: Path, no_hub: None
) -> None:
    project = _needs_gpt2(tmp_path / "p")
    with pytest.raises(ModelUnavailable, match="cannot be reached") as caught:
        run_analyses(project, Order(runs=("far",)))
    assert "smollm2-135m" in caught.value.hint and "gemma-3-270m" in caught.value.hint
    assert not project.results.exists()


def test_beside_other_runs_only_what_needs_the_model_fails_and_says_so_once(
    tmp_path: Path, no_hub: None
) -> None:
    project = _needs_gpt2(tmp_path / "p")
    outcomes = run_analyses(project, Order(runs=("far", "near")))
    failed = [outcome for outcome in outcomes if not outcome.succeeded]
    assert [(outcome.run, outcome.analysis) for outcome in failed] == [("far", "one"), ("far", "other")]
    (problem,) = failures(outcomes)
    assert problem.startswith("gpt2-small is on the Hugging Face hub")
    assert not (project.scratch / "failed").exists()  # no kernel was started


def test_a_trial_with_another_parameter_leaves_the_results_alone(project: Project) -> None:
    outcomes = run(project, "source", overrides=("seed=5",))
    assert what(outcomes) == {"source": "ran"}
    assert changes(project.root) == ""
    trial = read_ledger(project.root / outcomes["source"].folder)
    assert outcomes["source"].folder == ".mechscope/trials/one/source"
    assert trial.findings.statistics["total"].value == 11
    assert trial.inputs.parameters == {"seed": 5}


def test_how_a_trial_ends_says_nothing_of_the_last_run(project: Project) -> None:
    edit(project.analyses / "source.py", "doubled(sum(numbers))", "doubled(sum(numbers)) / (seed - 5)")
    assert what(run(project, "source", overrides=("seed=5",))) == {"source": "failed"}
    kept = project.scratch / "failed/trials/one/source.ipynb"
    analysis, places = every_analysis(project)["source"], load_places(project)
    assert state_of(project, places, "one", analysis).reasons == ("the script's code changed",)
    assert kept.is_file()
    (project.scratch / "failed/one").mkdir()
    of_the_run = Path(shutil.copy(kept, project.scratch / "failed/one"))
    assert what(run(project, "source", overrides=("seed=6",))) == {"source": "ran"}
    assert of_the_run.is_file() and not kept.exists()


def test_neither_a_trial_nor_plain_python_registers_claims(tmp_path: Path) -> None:
    body = """
        from mechscope.ledger import Ledger

        ledger = Ledger("one")
        ledger.statistic("x", seed, label="X")
        ledger.claim("more", "It is more than one.", criterion="x > 1")
    """
    project = make_project(tmp_path / "p", scripts={"one": script(body)})
    done = subprocess.run([sys.executable, "one.py"], cwd=project.analyses, check=True, capture_output=True)
    assert b"one.more" in done.stdout
    assert what(run(project, overrides=("seed=5",))) == {"one": "ran"}
    assert not project.claims_lock.exists()


def test_the_device_reaches_the_kernel_and_is_named_in_the_environment(tmp_path: Path) -> None:
    body = """
    import os
    from mechscope.ledger import Ledger
    Ledger("one").statistic("device", os.environ["MECHSCOPE_DEVICE"], label="Device")
    """
    project = make_project(tmp_path / "p", scripts={"one": script(body)})
    for device, named in (("cpu", "cpu"), ("cpu:0", "cpu")):
        run(project, device=device, force=True)
        ledger = read_ledger(project.results_dir("one", "one"))
        assert ledger.findings.statistics["device"].value == device
        assert ledger.environment["device"] == named
    with pytest.raises(InvalidInput, match="'cuda:99' cannot be used"):
        run(project, device="cuda:99")


def test_a_dask_scheduler_gives_the_same_bytes_as_threads(executed: Project, tmp_path: Path) -> None:
    from distributed import LocalCluster

    project = copy_of(executed, tmp_path / "p")
    told: list[str] = []

    class Listener(Silent):
        def finished(self, outcome: Outcome) -> None:
            told.append(outcome.analysis)

    with LocalCluster(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        order = Order(force=True, scheduler=cluster.scheduler_address)
        outcomes = run_analyses(project, order, Listener())
    assert {outcome.what for outcome in outcomes} == {"ran"}
    assert sorted(told) == ["apart", "derived", "source"]
    assert changes(project.root) == ""


def slow_project(tmp_path: Path, executed: Project) -> tuple[Project, Path, Path]:
    """`apart` changed so that it waits for a file; the file that it writes when it has begun; that file."""
    project = copy_of(executed, tmp_path / "p")
    begun, release = tmp_path / "begun", tmp_path / "release"
    edit(
        project.analyses / "apart.py",
        "# %%\nledger.statistic",
        "# %%\nimport os, time\nfrom pathlib import Path\n"
        f"Path({str(begun)!r}).write_text(str(os.getpid()))\n"
        f"while not Path({str(release)!r}).exists():\n    time.sleep(0.05)\n\n# %%\nledger.statistic",
    )
    return project, begun, release


def wait_until(condition: object, tries: int = 1200) -> None:
    """Tries are counted, not seconds: a machine that was suspended has lost time in which nothing ran."""
    for _ in range(tries):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


class Told(Silent):
    """What a run says meanwhile."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@contextlib.contextmanager
def scheduler(folder: Path, allowed_failures: int) -> Iterator[Path]:
    """A dask scheduler in a process of its own; gives the file by which workers and clients reach it."""
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    environment = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures)}
    process = subprocess.Popen(
        [*command, "--scheduler-file", str(file)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: file.is_file() and file.read_text().rstrip().endswith("}"))
        yield file
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def worker(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker without a nanny: once killed, it stays away."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--no-dashboard"]
    process = subprocess.Popen(
        [*command, "--nthreads", "1", "--scheduler-file", str(file)],
        stderr=subprocess.DEVNULL,
        cwd=file.parent,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("forgiving", [True, False])
def test_a_lost_worker_is_named_with_what_it_ran(executed: Project, tmp_path: Path, forgiving: bool) -> None:
    project, begun, release = slow_project(tmp_path, executed)
    told = Told()
    with (
        ThreadPoolExecutor() as pool,
        scheduler(tmp_path, allowed_failures=3 if forgiving else 0) as file,
        worker(file) as first,
    ):
        address = json.loads(file.read_text())["address"]
        order = Order(("apart",), force=True, scheduler=address)
        outcomes = pool.submit(run_analyses, project, order, told)
        try:
            wait_until(begun.exists)
            first.kill()
        finally:
            release.touch()
        with worker(file) if forgiving else contextlib.nullcontext():
            (outcome,) = outcomes.result(timeout=120)
    assert any("is lost" in line and "one:apart" in line and "tcp://" in line for line in told.lines)
    if forgiving:
        assert outcome.what == "ran"
    else:
        assert outcome.what == "failed"
        assert "each worker that ran it ended" in outcome.detail and "tcp://" in outcome.detail


def test_a_lost_scheduler_is_a_failure_that_says_so(executed: Project, tmp_path: Path) -> None:
    project, begun, release = slow_project(tmp_path, executed)
    with ThreadPoolExecutor() as pool:
        # Its worker goes first, and is forgiven: what ends the run is the loss of the scheduler.
        with scheduler(tmp_path, allowed_failures=3) as file, worker(file):
            address = json.loads(file.read_text())["address"]
            order = Order(("apart",), force=True, scheduler=address)
            outcomes = pool.submit(run_analyses, project, order, Silent())
            try:
                wait_until(begun.exists)
            except AssertionError:
                release.touch()
                raise
        release.touch()
        (outcome,) = outcomes.result(timeout=120)
    assert outcome.what == "failed" and "connection to the dask scheduler is lost" in outcome.detail


@contextlib.contextmanager
def ended(*processes: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_killed_in_a_run_the_old_result_stays_and_the_next_call_finishes(
    executed: Project, tmp_path: Path
) -> None:
    project, begun, release = slow_project(tmp_path, executed)
    before = files(project.results)
    process = mechscope(project, "run", "apart")
    with ended(process):
        wait_until(lambda: begun.is_file() and begun.read_text())
        kernel = int(begun.read_text())
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert files(project.results) == before
    wait_until(lambda: not alive(kernel))  # no kernel goes on working for nobody
    release.touch()
    assert what(run(project)) == {"source": "fresh", "derived": "fresh", "apart": "ran"}
    assert "time.sleep" in (project.results_dir("one", "apart") / "notebook.ipynb").read_text()


def test_of_two_runs_at_once_the_second_waits_and_says_for_whom(executed: Project, tmp_path: Path) -> None:
    project, begun, release = slow_project(tmp_path, executed)
    first = mechscope(project, "run", "apart")
    with ended(first):
        wait_until(lambda: begun.is_file())
        second = mechscope(project, "run", "apart")
        with ended(second):
            assert second.stderr is not None
            assert f"waiting for process {first.pid}" in second.stderr.readline()
            assert first.poll() is None
            release.touch()
            assert "apart  ran" in first.communicate(timeout=60)[0]
            assert "apart  fresh" in second.communicate(timeout=60)[0]


def test_the_kernel_runs_a_script_as_python_would(tmp_path: Path) -> None:
    body = (
        'from mechscope.ledger import Ledger\n\nledger = Ledger("one")\nk = 1\n'
        "# pasted:\u2028k = 7\n# %who\n# Really?\n\n"
        '# %%\ntext = """\n>>> x = 1\n... and\n# %% so on\n%magic\n!ls\nIn [1]: x\u2029\x85\f\n"""\n'
        'ledger.statistic("k", k, label="K")\nledger.statistic("length", len(text), label="Length")\n\n'
        "# %%\n    # an indented comment\nif k:\n    k = 2\n"
        'ledger.statistic("two", k, label="Two")\n'
    )
    project = make_project(tmp_path / "p", scripts={"one": script(body)})
    assert what(run(project)) == {"one": "ran"}
    plain: dict[str, object] = {}
    exec(body.split("ledger.statistic")[0].split("# %%\n", 1)[1], plain)
    found = read_ledger(project.results_dir("one", "one")).findings.statistics
    assert {name: one.value for name, one in found.items()} == {
        "k": 1, "two": 2, "length": len(str(plain["text"])),
    }  # fmt: skip
    assert what(run(project)) == {"one": "fresh"}


def test_data_with_windows_line_ends_are_fresh_in_a_clone(tmp_path: Path) -> None:
    body = """
        from pathlib import Path
        from mechscope.ledger import Ledger

        lines = Path("data.csv").read_text(encoding="utf-8-sig").splitlines()
        Ledger("one").statistic("rows", len(lines), label="Rows")
        """
    project = make_project(tmp_path / "p", scripts={"one": script(body, data=["data.csv"])}, git=True)
    (project.root / ".gitattributes").write_text("* text=auto eol=lf\n")
    (project.analyses / "data.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert what(run(project)) == {"one": "ran"}
    commit(project.root)
    subprocess.run(["git", "clone", "-q", str(project.root), str(tmp_path / "clone")], check=True)
    clone = Project(tmp_path / "clone")
    assert b"\r" not in (clone.analyses / "data.csv").read_bytes()
    assert what(run(clone)) == {"one": "fresh"}


def test_files_of_a_project_are_read_with_any_line_ends_and_a_byte_order_mark(project: Project) -> None:
    for path in (project.runs_file, project.claims_lock, *project.analyses.glob("*.py")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert what(run(project)) == {"source": "fresh", "derived": "fresh", "apart": "fresh"}


def test_a_large_result_is_warned_of_with_what_makes_it_large(tmp_path: Path) -> None:
    start = (
        'from mechscope.ledger import Ledger\n\nledger = Ledger("{}")\nledger.statistic("x", 1, label="X")\n'
    )
    bodies = {
        "prints": f'{start.format("prints")}\n# %%\nprint("word " * 10)\n\n# %%\nprint("word " * 1_200_000)',
        "tells": start.format("tells")
        + 'import pandas as pd\n\nframe = pd.DataFrame({"k": range(150_000), "v": "a longer text"})\n'
        + 'ledger.table("long", frame, key="k", caption="C.")',
        "short": start.format("short"),
    }
    project = make_project(tmp_path / "p", scripts={name: script(body) for name, body in bodies.items()})
    outcomes = run(project)
    assert what(outcomes) == dict.fromkeys(bodies, "ran")
    (printed,) = outcomes["prints"].warnings
    assert printed.startswith("results/one/prints/notebook.ipynb has 6.0 MB")
    assert printed.endswith(": cell-04 shows 6.0 MB; let it show less")
    assert any(": 'long' takes " in said for said in outcomes["tells"].warnings)
    assert outcomes["short"].warnings == ()

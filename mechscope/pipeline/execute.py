"""Running one analysis: script → notebook → papermill, in a kernel of its own → results in place."""

from __future__ import annotations

import contextvars
import json
import logging
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechscope import errors
from mechscope.errors import AnalysisFailed, MechscopeError, ModelUnavailable
from mechscope.files import folder_in_place, lines_of, write_atomically
from mechscope.ledger.notebook import Notebook, NotebookCell
from mechscope.ledger.schema import Inputs, LedgerFile
from mechscope.ledger.store import (
    LEDGER_NAME,
    NEEDS_VARIABLE,
    NOTEBOOK_NAME,
    figure_files,
    findings_hash,
    inputs_hash,
    ledger_text,
)
from mechscope.pipeline import committed_notebook as notebooks
from mechscope.pipeline.cells import lines_before
from mechscope.pipeline.devices import THREADS, device_name
from mechscope.pipeline.devices import VARIABLE as DEVICE
from mechscope.pipeline.extract import end_where_it_does_not_apply, extract
from mechscope.pipeline.fingerprint import data_files, local_modules, model_of, present_inputs, why_stale
from mechscope.pipeline.freshness import State, failed_inputs, failed_notebook
from mechscope.pipeline.reads import VARIABLE, UndeclaredRead, how_to_declare
from mechscope.pipeline.scripts import Analysis
from mechscope.project import Project, cache_folder
from mechscope.syntax import read_source

if TYPE_CHECKING:
    from mechscope.models.registry import Model

_THREADED = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
_VERSIONS = (
    "altair",
    "numpy",
    "pandas",
    "sae-lens",
    "scikit-bio",
    "scipy",
    "statsmodels",
    "torch",
    "transformer-lens",
    "transformers",
    "vl-convert-python",
)
_PACKAGE = Path(__file__).parent.parent
_TRACEBACK_LINES = 12
_AROUND = 4
"""Lines shown before and after the one that failed."""
_FRAME = re.compile(r"^Cell In\[(\d+)\], line (\d+)")
_BARE_ADDRESS = re.compile(r"\s*\d+:\s+0x[0-9a-f]+ - <unknown>")
"""A call in the stack of a library that has no names."""
_OF_THE_KERNEL = re.compile(r"/(IPython|ipykernel)/|^Extension modules:")
_CELL_FILE = re.compile(r'File "[^"]*ipykernel_\d+[^"]*"')
_OWN_ERRORS = {
    one.__name__ for one in vars(errors).values() if isinstance(one, type) and issubclass(one, MechscopeError)
}
"""Errors that say all that there is to say: where in mechscope they were raised helps nobody."""
_KERNEL_LOG = "kernel.log"
_SOCKET_FOLDER = 80
"""A socket's address has room for about 100 bytes; the rest is its file's name."""

OnCell = Callable[[int, int], None]
"""Called with the number of the cell that begins and the number of cells."""

_kernels: set[int] = set()
_stopped = threading.Event()


def execute(
    project: Project,
    state: State,
    analysis: Analysis,
    *,
    target: Path | None = None,
    device: str = "cpu",
    on_cell: OnCell = lambda number, count: None,
) -> LedgerFile:
    """Run `analysis` with the parameters in `state` and put what it finds into `target`.

    Args:
        target: The folder that then holds ledger, figures and notebook; default `results/<run>/<analysis>`.
        device: What models compute on.

    Raises:
        ModelUnavailable: A model of the hub is not here, and the hub can't be reached.
        AnalysisFailed: A cell failed or shows what can't be committed, or an input changed meanwhile; what
            was in `target` before is still there, and the hash of the inputs is noted beside the notebook.
        MechscopeError: An input can't be determined.
    """
    if state.inputs is None:
        raise state.problem or AnalysisFailed(f"{analysis.name} in {state.run}: its inputs are not known.")
    target = target or project.results_dir(state.run, analysis.name)
    note = failed_inputs(project, target)
    try:
        ledger = _execute(project, state, state.inputs, analysis, target, device, on_cell)
    except ModelUnavailable:  # it may be there the next time
        raise
    except MechscopeError:
        if not stopped():
            write_atomically(note, inputs_hash(state.inputs) + "\n")
        raise
    note.unlink(missing_ok=True)
    return ledger


def _execute(
    project: Project,
    state: State,
    inputs: Inputs,
    analysis: Analysis,
    target: Path,
    device: str,
    on_cell: OnCell,
) -> LedgerFile:
    here = environment(device)
    require_models(project, state, analysis)
    script = read_source(analysis.path, project.relative(analysis.path))
    prepared = notebooks.from_script(analysis, script)
    failed = failed_notebook(project, target)
    with tempfile.TemporaryDirectory(prefix="mechscope-", ignore_cleanup_errors=True) as folder:
        executed = _papermill(project, state, analysis, prepared, Path(folder), failed, device, on_cell)
        undeclared = lines_of((Path(folder) / "reads").read_text(encoding="utf-8"))
    try:
        if undeclared:
            raise AnalysisFailed(
                f"{_reader(Notebook.model_validate(executed))} reads {undeclared[0]}, "
                "which the script does not declare.",
                hint=how_to_declare(undeclared[0], state.parameters),
            )
        end_where_it_does_not_apply(executed, analysis)
        ended = Notebook.model_validate(executed)
        _raise_cell_errors(ended, project.relative(analysis.path), script)
        found = extract(ended, analysis)
        notebooks.normalise(executed, found.displays)
        now = present_inputs(project, analysis, state.parameters, state.upstream)
        if changed := why_stale(inputs, now):
            raise AnalysisFailed(f"an input changed while it ran: {'; '.join(changed)}.", hint="run it again")
    except MechscopeError as error:
        kept = _keep(project, failed, executed)
        raise AnalysisFailed(
            f"{analysis.name} in run {state.run}: {error.message}\n  The notebook is kept in {kept}",
            hint=error.hint,
        ) from error
    ledger = LedgerFile(
        analysis=analysis.name,
        run=state.run,
        title=analysis.title,
        description=analysis.description,
        inputs=inputs,
        environment=here,
        findings=found.findings,
        sha256=findings_hash(found.findings),
    )
    with folder_in_place(target) as staged:
        for name, (spec, svg) in found.figures.items():
            spec_file, svg_file = figure_files(staged, name)
            write_atomically(spec_file, spec)
            write_atomically(svg_file, svg)
        write_atomically(staged / NOTEBOOK_NAME, notebooks.notebook_text(executed))
        write_atomically(staged / LEDGER_NAME, ledger_text(ledger))
    failed.unlink(missing_ok=True)
    return ledger


def require_models(project: Project, state: State, analysis: Analysis) -> None:
    """Find out whether the models of an analysis would load, before a kernel ends with a traceback.

    Raises:
        ModelUnavailable: A model of the hub is not here, and the hub can't be reached.
        UnknownName, InvalidInput: There is no such model.
    """
    from mechscope.models.hub import require_within_reach

    for name in analysis.models:
        model = model_of(project, str(state.parameters[name]))
        if model.kind == "hub":
            require_within_reach(model)


def environment(device: str = "cpu") -> dict[str, str]:
    """What numbers may depend on: device and versions. Recorded and shown, never a reason to run again.

    Raises:
        InvalidInput: There is no such device here.
    """
    found = {
        "platform": f"{platform.system()} {platform.machine()}",
        "device": device_name(device),
        "python": platform.python_version(),
    }
    for package in _VERSIONS:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def stop_kernels() -> None:
    """End every kernel that this process started, for good; nobody is told that their analyses fail."""
    _stopped.set()
    for pid in list(_kernels):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def stopped() -> bool:
    """Whether kernels were stopped, so that what fails now is no failure of an analysis."""
    return _stopped.is_set()


def _papermill(
    project: Project,
    state: State,
    analysis: Analysis,
    prepared: Any,
    folder: Path,
    failed: Path,
    device: str,
    on_cell: OnCell,
) -> Any:
    """Execute a notebook; errors of its cells stay in it.

    Args:
        folder: For what is needed meanwhile.
        failed: Where the notebook is kept if its kernel dies.

    Raises:
        AnalysisFailed: The kernel did not start, or died.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    (folder / "reads").touch()
    output = folder / NOTEBOOK_NAME
    codes = notebooks.code_cells(prepared)
    numbers = {cell.id: number for number, cell in enumerate(codes, start=1)}

    running = ""

    def begins(cell: Any, cell_index: int) -> None:
        nonlocal running
        running = cell.id
        if cell.id in numbers:
            on_cell(numbers[cell.id], len(codes))
            running += f" (cell {numbers[cell.id]} of {len(codes)})"

    problem = ""
    ended = _Ended(folder / _KERNEL_LOG)
    try:
        # In a context of its own: the client keeps its event loop in the context, and workers of a dask
        # cluster share one between threads.
        contextvars.Context().run(
            papermill.execute_notebook,
            nbformat.from_dict(prepared),
            str(output),
            parameters=dict(state.parameters),
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=120,
            kernel_manager_class=_kernel_manager(
                _kernel_environment(project, state, analysis, folder) | {DEVICE: device}, folder, ended
            ),
            resources={"metadata": {"path": str(project.analyses)}},
            on_cell_start=begins,
        )
    except papermill.exceptions.PapermillExecutionError:
        pass  # the notebook says which cell
    except DeadKernelError:
        problem = f"its kernel ended {f'in {running}' if running else 'before the first cell'}{ended.how}"
    except RuntimeError as error:
        problem = f"its kernel did not start: {error}{ended.how}"
    executed = nbformat.read(output, as_version=4) if output.is_file() else nbformat.from_dict(prepared)
    notebooks.name_injected(executed)
    if stopped():
        raise AnalysisFailed(f"{analysis.name} in run {state.run}: interrupted.")
    if problem:
        kept = _keep(project, failed, executed)
        said = ended.said()
        raise AnalysisFailed(
            "\n".join(
                [
                    f"{analysis.name} in run {state.run}: {problem}.",
                    *(["  The last lines on its standard error:", _indented(said, "  | ")] if said else []),
                    f"  The notebook is kept in {kept}",
                ]
            )
        )
    return executed


class _Ended:
    """A kernel's end, as far as it is known from outside.

    Args:
        log: What the process wrote to its standard error.

    Attributes:
        process: The kernel's, once it has started.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def how(self) -> str:
        """The signal or the exit code that ended it, to end a sentence with; empty if there is none yet."""
        code = self.process.poll() if self.process else None
        if code is None:
            return ""
        if code >= 0:
            return f", with exit code {code}"
        with suppress(ValueError):
            return f", by signal {-code} ({signal.Signals(-code).name})"
        return f", by signal {-code}"

    def said(self) -> list[str]:
        """The last lines that cells or libraries wrote to standard error; of a crash, its beginning."""
        if not self._log.is_file():
            return []
        text = self._log.read_text(encoding="utf-8", errors="replace")
        lines = [
            line.rstrip() for line in lines_of(text) if line.strip() and not _BARE_ADDRESS.fullmatch(line)
        ]
        crashes = [n for n, line in enumerate(lines) if line.startswith("Fatal Python error")]
        if not crashes:
            return lines[-_TRACEBACK_LINES:]
        # Its stack has the innermost call first: what lies beyond the cells is IPython.
        before, stack = lines[max(0, crashes[0] - _TRACEBACK_LINES) : crashes[0]], lines[crashes[0] :]
        own = takewhile(lambda line: not _OF_THE_KERNEL.search(line), stack)
        return [*before, *(_CELL_FILE.sub("a cell", line) for line in own)]


def _kernel_environment(project: Project, state: State, analysis: Analysis, folder: Path) -> dict[str, str]:
    allowed = [
        analysis.path,
        *data_files(project, analysis),
        *local_modules(project, analysis),
        *(project.results_dir(run, name) for _, run, name in state.upstream),
        *(
            folder
            for name in analysis.models
            for folder in _weights(model_of(project, str(state.parameters[name])))
        ),
        _PACKAGE,
    ]
    reads = {
        "root": str(project.root),
        "allowed": [str(path) for path in allowed],
        "log": str(folder / "reads"),
        "cache": str(cache_folder()),
    }
    threads = {f"{library}_NUM_THREADS": str(THREADS) for library in _THREADED}
    threads["VECLIB_MAXIMUM_THREADS"] = threads.pop("VECLIB_MAXIMUM_NUM_THREADS")
    return {
        **threads,
        "OMP_DYNAMIC": "FALSE",
        "MKL_DYNAMIC": "FALSE",
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        # Not the user's: a startup file there could change results, and its history is a database to lock.
        "IPYTHONDIR": str(folder / "ipython"),
        "MECHSCOPE_ANALYSIS": analysis.name,
        "MECHSCOPE_RUN": state.run,
        NEEDS_VARIABLE: json.dumps({need: run for need, run, _ in state.upstream}),
        VARIABLE: json.dumps(reads),
    }


def _weights(model: Model) -> list[Path]:
    """The folders from which a model loads, whether they are there yet or not."""
    if model.folder:
        return [model.folder]
    if model.kind == "embedded":
        from mechscope.models.embedded import embedded_folders

        return [folder for folder, _ in embedded_folders(model)]
    from huggingface_hub.constants import HF_HUB_CACHE

    return [Path(HF_HUB_CACHE) / f"models--{model.repo.replace('/', '--')}"]


def _kernel_manager(variables: dict[str, str], folder: Path, ended: _Ended) -> type:
    """A class of kernel managers that start our kernel, with these variables in its environment.

    Args:
        ended: Is told of the process.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    # Appended, not PYTHONPATH: that comes before the standard library, and site-packages must not.
    start = (
        f"import sys, runpy; sys.path.append({str(_PACKAGE.parent)!r}); "
        "runpy.run_module('mechscope.pipeline.kernel', run_name='__main__', alter_sys=True)"
    )
    ours = KernelSpec(
        argv=[sys.executable, "-c", start, "-f", "{connection_file}"],
        display_name="Python 3",
        language="python",
        env=variables,
    )

    class AnalysisKernelManager(AsyncKernelManager):
        def __init__(self, **traits: Any) -> None:
            super().__init__(connection_file=str(folder / "kernel.json"), **traits)
            if os.name == "posix" and len(str(folder)) < _SOCKET_FOLDER:
                self.transport = "ipc"  # no ports to race for, and nobody else can listen

        @property
        def kernel_spec(self) -> KernelSpec:
            return ours

        async def _async_pre_start_kernel(self, **arguments: Any) -> Any:
            # What the process itself says (not its cells) is for the message if it dies.
            self._log = (folder / _KERNEL_LOG).open("w")
            arguments["stdout"] = arguments["stderr"] = self._log
            return await super()._async_pre_start_kernel(**arguments)

        pre_start_kernel = _async_pre_start_kernel

        async def _async_post_start_kernel(self, **arguments: Any) -> None:
            self._log.close()
            _kernels.add(self.provisioner.pid)
            ended.process = self.provisioner.process
            if stopped():
                stop_kernels()
            await super()._async_post_start_kernel(**arguments)

        post_start_kernel = _async_post_start_kernel

        async def _async_cleanup_resources(self, restart: bool = False) -> None:
            _kernels.discard(getattr(self.provisioner, "pid", 0))
            await super()._async_cleanup_resources(restart)

        cleanup_resources = _async_cleanup_resources

    return AnalysisKernelManager


def _reader(executed: Notebook) -> str:
    """The cell that was stopped because of an undeclared read, if the script did not swallow that."""
    for cell in notebooks.code_cells(executed):
        if any(output.ename == UndeclaredRead.__name__ for output in cell.outputs):
            return str(cell.id)
    return "a cell"


def _raise_cell_errors(executed: Notebook, file: str, script: str) -> None:
    """AnalysisFailed for the first cell with an error: which, its line in the script, and what was called."""
    codes = notebooks.code_cells(executed)
    for number, cell in enumerate(codes, start=1):
        for output in cell.outputs:
            if output.output_type != "error":
                continue
            traceback = notebooks.plain_traceback(output.traceback)
            source, deeper = _failing_lines(traceback, codes, file, script)
            if not source:
                source, deeper = _indented(lines_of(cell.source), "  | "), traceback
            if output.ename in _OWN_ERRORS:
                deeper = []
            raise AnalysisFailed(
                "\n".join(
                    [
                        f"{cell.id} (cell {number} of {len(codes)}) failed: {output.ename}: {output.evalue}",
                        source,
                        *([_indented(deeper[-_TRACEBACK_LINES:], "  ")] if deeper else []),
                    ]
                )
            )


def _failing_lines(
    traceback: list[str], codes: Sequence[NotebookCell], file: str, script: str
) -> tuple[str, list[str]]:
    """The script's line that failed with those around it, and the part of the traceback that lies deeper.

    Nothing, if the traceback leads through no cell of the script (`sys.exit()`).
    """
    cells = {cell.execution_count: cell for cell in codes}
    frames = [
        (at, cells[int(found[1])], int(found[2]))
        for at, text in enumerate(traceback)
        if (found := _FRAME.match(text)) and int(found[1]) in cells
    ]
    if not frames:
        return "", []
    at, cell, line = frames[-1]
    first = _first_lines(codes, script).get(cell.id)
    lines = lines_of(cell.source)
    place = f"line {first + line} of {file}" if first is not None else f"line {line} of {cell.id}"
    offset = first or 0
    width = len(str(offset + line + _AROUND))
    part = range(max(1, line - _AROUND), min(len(lines), line + _AROUND) + 1)
    window = [f"  {'→' if n == line else ' '} {n + offset:>{width}} | {lines[n - 1]}".rstrip() for n in part]
    deeper = traceback[at:]
    begins = next((n for n, text in enumerate(deeper) if text.startswith("File ")), None)
    return "\n".join([f"  {place}:", *window]), [] if begins is None else deeper[begins:]


def _first_lines(codes: Sequence[NotebookCell], script: str) -> dict[str, int]:
    """How many of the script's lines stand before each cell's source, by the cell's id."""
    found: dict[str, int] = {}
    start = 0
    for cell in codes:
        begins = lines_before(cell.source, script, start)
        if begins is not None:
            found[cell.id] = begins
            start = begins + len(lines_of(cell.source))
    return found


def _indented(lines: list[str], margin: str) -> str:
    return "\n".join(f"{margin}{line}" for line in lines)


def _keep(project: Project, path: Path, executed: Any) -> str:
    write_atomically(path, notebooks.notebook_text(executed))
    return project.relative(path)

"""Renders a run's site with Pandoc and Typst: all pages first, then one exchange of folders."""

from __future__ import annotations

import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mechscope.errors import RenderFailed, UnknownName
from mechscope.files import folder_in_place, read_text, recover_folder
from mechscope.project import Project
from mechscope.publish.pandoc.config import (
    FORMATS,
    USE_QUARTO,
    Config,
    Metadata,
    as_list,
    read_config,
    refused_formats,
)
from mechscope.publish.pandoc.convert import HERE, LIBRARY, Job, Page, convert
from mechscope.publish.pandoc.nav import Site
from mechscope.publish.pandoc.resources import resources_of
from mechscope.publish.pandoc.scan import check
from mechscope.publish.pandoc.settings import unheeded
from mechscope.publish.pandoc.source import FIRST, Source, read_source
from mechscope.publish.render_progress import Report, silent
from mechscope.publish.staging import Built, render_lock

_WORKERS = 2
_LABELS = {"html": "HTML", "typst": "PDF"}


def render_run(
    project: Project, run: str, *, output: Path, only: list[Path] | None = None, report: Report = silent
) -> Built:
    """Render the documents of `run` into `output`, which changes only when everything succeeded.

    Args:
        project: The project; its `_quarto.yml` and `_quarto-<run>.yml` say what to render.
        run: The run, which is also the profile.
        output: The folder of the site; outputs mirror their sources' paths.
        only: Render these documents and keep what `output` holds of the others (None: render all).
        report: Is told which page is being rendered.

    Raises:
        RenderFailed: Lists what is wrong, each with file and line.
        UnknownName: `only` names a document that is not in `project.render`.
    """
    with render_lock(project, run):
        made = _render(project, run, output, only, report)
    return Built(
        pages=[output / page.job.output for page in made if page.job.to == "html"],
        pdfs=[output / page.job.output for page in made if page.job.to == "typst"],
    )


def _render(project: Project, run: str, output: Path, only: list[Path] | None, report: Report) -> list[Page]:
    recover_folder(output)
    config = read_config(project, run)
    sources = _read_all(config)
    jobs, site = _plan(config, sources)
    chosen = _chosen(config, jobs, only)
    pages = _convert_all(chosen, report)
    kept = output if only is not None and output.is_dir() else None
    resources = resources_of(config, pages, {job.output for job in jobs})
    with folder_in_place(output) as folder:
        if kept:
            shutil.copytree(kept, folder, dirs_exist_ok=True)
        _write(config, folder, pages, resources, site)
    return pages


def _read_all(config: Config) -> list[Source]:
    inputs = config.inputs()
    if not inputs:
        raise RenderFailed("_quarto.yml: project.render matches no document.")
    sources, problems, hint = [], [], ""
    for path in inputs:
        try:
            source = read_source(config.project, path)
            check(source)
            sources.append(source)
        except RenderFailed as error:
            problems.append(error.message)
            hint = hint or error.hint
    if problems:
        raise RenderFailed("\n".join(problems), hint=hint)
    return sources


def _plan(config: Config, sources: list[Source]) -> tuple[list[Job], Site]:
    settings: list[tuple[Source, dict[str, Metadata]]] = []
    addresses, titles = {}, {}
    for source in sources:
        formats = config.page(source.path, source.front_matter)
        if refused := refused_formats({"format": list(formats)}):
            # Those in front matter were named with their lines; these come from the project or the folder.
            settings_of = f"{source.file} (by _quarto.yml or _metadata.yml)"
            raise RenderFailed(
                f"{settings_of}: the built-in engine does not know {', '.join(dict.fromkeys(refused))}.",
                hint=USE_QUARTO,
            )
        settings.append((source, formats))
        first = "html" if "html" in formats else next(iter(formats))
        addresses[source.file] = _output(source, first)
        title = str(source.front_matter.get("title") or source.path.stem)
        titles[source.file] = "".join("…" if ord(sign) >= FIRST else sign for sign in title)
    _check_settings(config)
    site = Site(config, addresses, titles)
    jobs = []
    for source, formats in settings:
        for to, metadata in formats.items():
            links = _format_links(metadata.get("format-links", True), formats)
            others = tuple((label, _output(source, name)) for name, label in links.items() if name != to)
            jobs.append(Job(config, site, source, to, metadata, _output(source, to), others))
    return jobs, site


def _check_settings(config: Config) -> None:
    """Refuse what `_quarto.yml`, the profile and `_metadata.yml` set and the engine would ignore."""
    problems = [
        f"{config.project.relative(path)}:{line}: the setting '{name}'{note}"
        for path in config.files()
        for line, name, note in unheeded(read_text(path, path.name))
    ]
    if problems:
        raise RenderFailed("The built-in engine does not know:\n  " + "\n  ".join(problems), hint=USE_QUARTO)


def _format_links(setting: Any, formats: dict[str, Metadata]) -> dict[str, str]:
    """The formats that a page links to, and what each link says."""
    if isinstance(setting, bool):
        return {name: _LABELS[name] for name in formats} if setting else {}
    links = {}
    for entry in as_list(setting):
        name = entry.get("format") if isinstance(entry, dict) else entry
        if name in formats:
            links[str(name)] = (
                str(entry.get("text", _LABELS[name])) if isinstance(entry, dict) else _LABELS[name]
            )
    return links


def _output(source: Source, to: str) -> str:
    return Path(source.file).with_suffix(FORMATS[to]).as_posix()


def _chosen(config: Config, jobs: list[Job], only: list[Path] | None) -> list[Job]:
    if only is None:
        return jobs
    known = {job.source.path.resolve() for job in jobs}
    wanted = {(path if path.is_absolute() else config.root / path).resolve() for path in only}
    for path in wanted - known:
        raise UnknownName(
            "document", config.project.relative(path), [config.project.relative(one) for one in known]
        )
    return [job for job in jobs if job.source.path.resolve() in wanted]


def _convert_all(jobs: list[Job], report: Report) -> list[Page]:
    """All pages, or every problem of every page."""

    begun = itertools.count(1)

    def attempt(job: Job) -> Page | RenderFailed:
        report(f"[{next(begun)}/{len(jobs)}] {job.output}", passing=True)
        try:
            return convert(job)
        except RenderFailed as error:
            return error

    with ThreadPoolExecutor(_WORKERS) as pool:
        results = list(pool.map(attempt, jobs))
    failures = [result for result in results if isinstance(result, RenderFailed)]
    if failures:
        messages = dict.fromkeys(line for failure in failures for line in failure.message.split("\n"))
        hint = next((failure.hint for failure in failures if failure.hint), "")
        raise RenderFailed("\n".join(messages), hint=hint)
    return [result for result in results if isinstance(result, Page)]


def _write(config: Config, folder: Path, pages: list[Page], resources: dict[str, Path], site: Site) -> None:
    for page in pages:
        target = folder / page.job.output
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(page.content)
    own = {f"{LIBRARY}/{name}": HERE / name for name in ("engine.css", "engine.js")}
    for name, path in {**resources, **own}.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    if "index.html" not in site.addresses.values():
        home = config.website.get("navbar") or {}
        first = site.addresses.get(str(home.get("logo-href")).lstrip("/")) if isinstance(home, dict) else None
        first = first or site.addresses.get("paper/index.qmd") or next(iter(site.addresses.values()))
        (folder / "index.html").write_text(
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Home</title>'
            f'<meta http-equiv="refresh" content="0; url={first}"></head>'
            f'<body><p><a href="{first}">Home</a></p></body></html>\n',
            encoding="utf-8",
        )

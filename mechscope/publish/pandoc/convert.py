"""One page in one format: what Pandoc is told, and what it answers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mechscope.articles.pandoc_facts import pandoc_binary
from mechscope.errors import RenderFailed
from mechscope.files import lines_of, read_text, write_atomically
from mechscope.publish.pandoc.config import Config, Metadata, as_list, read_yaml, readable_date
from mechscope.publish.pandoc.nav import Site, relative
from mechscope.publish.pandoc.source import Source

HERE = Path(__file__).parent
LIBRARY = "site_libs/mechscope-engine"
"""Where the engine's own style and script lie in a site."""

_READER = "markdown"
# Told to Pandoc in other ways, or nothing that Pandoc should read as Markdown.
_NOT_METADATA = (
    "format", "project", "website", "filters", "shortcodes", "css", "theme", "execute", "jupyter", "toc",
    "include-in-header", "include-before-body", "include-after-body", "bibliography", "csl", "crossref",
    "resources", "date-modified", "mainfont", "margin", "papersize", "fontsize",
)  # fmt: skip
_FATAL_WARNING = re.compile(
    r"Citeproc: citation (?P<key>\S+) not found|Could not convert TeX math (?P<math>.+?)(?:,|$)"
)


@dataclass(frozen=True)
class Job:
    """A page in one format."""

    config: Config
    site: Site
    source: Source
    to: str
    metadata: Metadata
    output: str
    """Where it goes, relative to the site's root."""
    others: tuple[tuple[str, str], ...] = ()
    """The page's other formats: label and output."""

    @property
    def offset(self) -> str:
        """From the page to the site's root: "../../" or ""."""
        return "../" * self.output.count("/")

    @property
    def folder(self) -> str:
        """The folder of the source, relative to the root."""
        parent = self.source.path.parent.relative_to(self.config.root).as_posix()
        return "" if parent == "." else parent


@dataclass(frozen=True)
class Page:
    """A converted page: HTML or a PDF, the images that a PDF holds, the files that extensions add."""

    job: Job
    content: bytes
    dependencies: dict[str, str] = field(default_factory=dict)


def convert(job: Job) -> Page:
    """Convert one page.

    Raises:
        RenderFailed: A shortcode, cross-reference, citation, formula or image does not resolve; says where.
    """
    text, report = _pandoc(job)
    _check_images(job, report["images"])
    content = _typeset(job, text) if job.to == "typst" else text.encode()
    return Page(job, content, dict(report["dependencies"]))


# What Pandoc is told ---------------------------------------------------------------------------------------


def _scripts(config: Config, kind: str, names: list[Any]) -> list[str]:
    """The Lua files behind the entries of `filters` or `shortcodes`: extensions by name, scripts by path."""
    scripts: list[str] = []
    for entry in names:
        name = str(entry.get("path") if isinstance(entry, dict) else entry)
        if name.endswith(".lua"):
            scripts.append(str(config.root / name))
            continue
        manifests = [
            *config.root.glob(f"_extensions/{name}/_extension.yml"),
            *config.root.glob(f"_extensions/*/{name}/_extension.yml"),
        ]
        if not manifests:
            raise RenderFailed(f"_quarto.yml: '{kind}' names '{name}', and there is no _extensions/{name}.")
        scripts += _contributed(config, manifests[0], kind)
    return scripts


def _contributed(config: Config, manifest: Path, kind: str) -> list[str]:
    contributed = read_yaml(manifest, config.project.relative(manifest)).get("contributes") or {}
    return [
        str(manifest.parent / (entry["path"] if isinstance(entry, dict) else entry))
        for entry in contributed.get(kind) or []
    ]


def _job_file(job: Job, report: str) -> dict[str, Any]:
    config = job.config
    named = [entry for entry in as_list(job.metadata.get("filters")) if entry != "citeproc"]
    split = named.index("quarto") if "quarto" in named else len(named)
    manifests = sorted(
        {
            *config.root.glob("_extensions/*/_extension.yml"),
            *config.root.glob("_extensions/*/*/_extension.yml"),
        }
    )
    shortcodes = [script for manifest in manifests for script in _contributed(config, manifest, "shortcodes")]
    return {
        "lua": str(HERE / "lua"),
        "report": report,
        "root": str(config.root),
        "input": str(job.source.path),
        "output_file": job.output,
        "output": "",
        "folder": job.folder,
        "offset": job.offset,
        "profiles": [config.run],
        "pages": {source: Path(output).suffix for source, output in sorted(job.site.addresses.items())},
        "crossref": job.metadata.get("crossref") or {},
        "shortcodes": job.source.shortcodes,
        "shortcode_files": shortcodes
        + _scripts(config, "shortcodes", as_list(job.metadata.get("shortcodes"))),
        "filters": {
            "before": _scripts(config, "filters", named[:split]),
            "after": _scripts(config, "filters", named[split + 1 :]),
        },
    }


def _metadata(job: Job) -> Metadata:
    metadata = {key: value for key, value in job.metadata.items() if key not in _NOT_METADATA}
    metadata.setdefault("lang", "en")
    metadata.setdefault("link-citations", True)
    metadata.setdefault("reference-section-title", "References")
    if "date" in metadata:
        metadata["date"] = readable_date(metadata["date"], str(metadata["lang"]), job.source.path)
    metadata["bibliography"] = [str(path) for path in as_list(job.metadata.get("bibliography"))]
    if "csl" in job.metadata:
        metadata["csl"] = job.metadata["csl"]
    return metadata


def _defaults(job: Job, metadata_file: str) -> dict[str, Any]:
    filters: list[Any] = [str(HERE / "lua" / "engine.lua")]
    if job.metadata.get("bibliography") and job.metadata.get("citeproc") is not False:
        filters += ["citeproc", str(HERE / "lua" / "references.lua")]
    common: dict[str, Any] = {
        "from": _READER,
        "standalone": True,
        "wrap": "none",
        "filters": filters,
        "metadata-files": [metadata_file],
        "table-of-contents": bool(job.metadata.get("toc")),
        "toc-depth": int(job.metadata.get("toc-depth", 3)),
    }
    variables: dict[str, Any] = {
        "header-includes": _included(job, "include-in-header"),
        "include-before": _included(job, "include-before-body"),
        "include-after": _included(job, "include-after-body"),
    }
    if job.to == "typst":
        language, _, region = str(job.metadata.get("lang", "en")).partition("-")
        variables |= {
            "language": language,
            "region": region,
            "papersize": str(job.metadata.get("papersize", "a4")),
            "margin": ", ".join(
                f"{side}: {width}" for side, width in (job.metadata.get("margin") or {}).items()
            ),
            "mainfont": [str(font) for font in as_list(job.metadata.get("mainfont"))],
            "fontsize": str(job.metadata.get("fontsize", "10.5pt")),
        }
        return common | {
            "to": "typst-citations",
            "template": str(HERE / "template.typ"),
            "syntax-highlighting": "idiomatic",
            "variables": variables,
        }
    website = job.config.website
    title = str(job.metadata.get("title") or job.source.path.stem)
    layout = str(job.metadata.get("page-layout", "article"))
    variables |= {
        "offset": job.offset,
        "library": job.offset + LIBRARY,
        "css": [_stylesheet(job, str(path)) for path in as_list(job.metadata.get("css"))],
        "navbar": job.site.navbar(job.output),
        "sidebar": job.site.sidebar(job.output),
        "footer": job.site.footer(),
        "layout": layout,
        "favicon": relative(str(website["favicon"]), job.output) if website.get("favicon") else "",
        "wrapped-code": job.metadata.get("code-overflow") == "wrap",
        "toc-title": str(job.metadata.get("toc-title", "On this page")),
        "other-formats": [
            {"label": label, "href": relative(output, job.output)} for label, output in job.others
        ],
        "site-title": str(website.get("title", "")) if website.get("title") != title else "",
    }
    return common | {
        "to": "html5",
        "template": str(HERE / "template.html"),
        "section-divs": True,
        "html-math-method": {"method": "mathml"},
        "email-obfuscation": "none",
        "variables": variables,
    }


def _stylesheet(job: Job, path: str) -> str:
    if re.match(r"[a-z]+:", path):
        return path
    return relative(Path(path).relative_to(job.config.root).as_posix(), job.output)


def _included(job: Job, key: str) -> list[str]:
    texts = []
    for entry in as_list(job.metadata.get(key)):
        if "text" in entry:
            texts.append(str(entry["text"]))
            continue
        path = Path(str(entry.get("file")))
        if not path.is_file():
            raise RenderFailed(
                f"{job.source.file}: '{key}' names {job.config.project.relative(path)}, which does not exist."
            )
        texts.append(read_text(path, job.config.project.relative(path)))
    return texts


# What Pandoc answers ---------------------------------------------------------------------------------------


def _pandoc(job: Job) -> tuple[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="mechscope-") as name:
        folder = Path(name)
        report = folder / "report.json"
        paths = {kind: folder / f"{kind}.yaml" for kind in ("job", "metadata", "defaults")}
        # JSON is YAML: what Pandoc reads here needs no escaping of its own.
        for kind, value in (
            ("job", _job_file(job, str(report))),
            ("metadata", _metadata(job)),
            ("defaults", _defaults(job, str(paths["metadata"]))),
        ):
            paths[kind].write_text(_json_as_yaml(value), encoding="utf-8")
        environment = os.environ | {
            "MECHSCOPE_ENGINE_JOB": str(paths["job"]),
            "QUARTO_PROFILE": job.config.run,
            "QUARTO_PROJECT_DIR": str(job.config.root),
        }
        done = subprocess.run(
            [pandoc_binary(), "--defaults", str(paths["defaults"])],
            input=job.source.body.encode(),
            capture_output=True,
            cwd=job.source.path.parent,
            env=environment,
        )
        messages = done.stderr.decode(errors="replace")
        if done.returncode:
            raise RenderFailed(_failure(job, messages))
        answer = json.loads(report.read_text(encoding="utf-8"))
    problems = [
        f"{one.get('where') or job.source.where(one['needle'])}: {one['message']}"
        for one in answer["problems"]
    ]
    for found in _FATAL_WARNING.finditer(messages):
        needle = f"@{found['key']}" if found["key"] else found["math"].strip("'\"")
        problems.append(f"{job.source.where(needle)}: {_explained(found)}")
    if problems:
        raise RenderFailed("\n".join(dict.fromkeys(problems)))
    return done.stdout.decode(), answer


def _json_as_yaml(value: Any) -> str:
    """JSON that is YAML too, which knows no surrogates and takes some characters for ends of lines."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda sign: f"\\u{ord(sign[0]):04x}", text)


def _explained(found: re.Match[str]) -> str:
    if found["key"]:
        return f"@{found['key']} is in no bibliography"
    return f"the formula {found['math']} is not TeX that Pandoc understands"


def _failure(job: Job, messages: str) -> str:
    where, errors = job.source.file, []
    for line in lines_of(messages):
        if line.startswith("(at) "):
            where = line[5:]
        elif line.startswith("(E) "):
            errors.append(line[4:].removeprefix(f"{job.source.file}: "))
    if errors:
        return f"{where}: " + "\n".join(errors)
    return f"{job.source.file}: Pandoc failed:\n{messages.strip()[-2000:]}"


def _check_images(job: Job, images: list[dict[str, str]]) -> None:
    missing = [image for image in images if not (job.config.root / image["path"]).is_file()]
    if missing:
        raise RenderFailed(
            "\n".join(
                f"{job.source.where(image['needle'])}: the image {image['path']} does not exist"
                for image in missing
            )
        )


def _typeset(job: Job, text: str) -> bytes:
    """Compile Typst to PDF with the fonts that the typst package brings, the same on every machine."""
    import typst

    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    # Typst reads files below its root only, and images lie in the project; so does this.
    path = job.config.project.scratch / "typst" / f"{job.source.path.stem}-{digest}.typ"
    write_atomically(path, text)
    try:
        return typst.compile(str(path), root=str(job.config.root), ignore_system_fonts=True)
    except typst.TypstError as error:
        kept = job.config.project.relative(path)
        raise RenderFailed(
            f"{job.source.file}: Typst could not set this page: {error}", hint=f"see {kept}"
        ) from error
    finally:
        if not os.environ.get("MECHSCOPE_KEEP_TYPST"):
            path.unlink(missing_ok=True)

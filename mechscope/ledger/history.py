"""What git remembers of a project, asked for in a few calls however long the history is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from mechscope.ledger.store import LEDGER_NAME
from mechscope.project import Project

Node = tuple[str, str]
"""A run and an analysis."""


def git_prints(project: Project, *arguments: str, told: str = "") -> str | None:
    """What git prints at the project's root; None where there is no git or no repository.

    Args:
        told: What git reads from its standard input.
    """
    try:
        done = subprocess.run(
            ["git", "--no-replace-objects", "-c", "core.quotePath=false", *arguments],
            cwd=project.root,
            input=told,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=120,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


@dataclass(frozen=True)
class Change:
    """A file as a commit left it.

    Attributes:
        path: From the project's root.
        blob: The object with its content; "" where the commit took it away.
    """

    commit: str
    path: str
    blob: str


def changes(project: Project, *paths: str) -> list[Change] | None:
    """Every change of files under `paths` in every ancestor of HEAD, parents first; None without a history.

    A commit with several parents may say a change once for each.
    """
    logged = git_prints(
        project,
        "log",
        "--full-history",
        "--topo-order",
        "--reverse",
        "-m",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        "--relative",
        "--format=%H",
        "--",
        *paths,
    )
    return None if logged is None else list(_changes(logged))


def _changes(logged: str) -> Iterator[Change]:
    commit = ""
    for line in logged.split("\n"):
        if line.startswith(":"):
            numbers, _, path = line.partition("\t")
            *_, blob, status = numbers.split(" ")
            yield Change(commit, path, "" if status.startswith("D") else blob)
        elif line:
            commit = line


def node_of(project: Project, path: str) -> Node | None:
    """The run and the analysis whose ledger lies at `path`, if it is a ledger's."""
    folder, *parts = path.split("/")
    if folder == project.relative(project.results) and len(parts) == 3 and parts[2] == LEDGER_NAME:
        return parts[0], parts[1]
    return None


def results_ever(project: Project) -> set[Node]:
    """The run and the analysis of every ledger that any ancestor of HEAD has."""
    known = changes(project, project.relative(project.results)) or []
    return {node for change in known if change.blob and (node := node_of(project, change.path))}


def contents(project: Project, blobs: list[str]) -> dict[str, str]:
    """What objects hold, by their names; those that are not here are left out."""
    told = "".join(f"{blob}\n" for blob in dict.fromkeys(blobs))
    printed = git_prints(project, "cat-file", "--batch", told=told) if told else None
    found = {}
    rest = (printed or "").encode()
    while rest:
        head, _, rest = rest.partition(b"\n")
        name, _, size = head.decode().partition(" blob ")
        if size:
            found[name] = rest[: int(size)].decode(errors="replace")
            rest = rest[int(size) + 1 :]
    return found

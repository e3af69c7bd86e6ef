"""What `mechscope models` shows: which models there are, what each is, and whether it is here now."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from mechscope.models.embedded import embedded_is_here
from mechscope.models.registry import EMBEDDED, Model, find_model, hub_names, is_legacy, source_hash


@dataclass(frozen=True)
class Row:
    """One line of the table of models; every field is text for a person."""

    name: str
    title: str
    parameters: str
    layers: str
    width: str
    bos: str
    source: str
    here: str


def models_table(names: list[str] | None = None) -> list[Row]:
    """A row for each of `names`; by default the embedded models, then the hub models whose facts are known.

    Raises:
        UnknownName, InvalidInput: As `find_model` does.
    """
    return [_row(find_model(name)) for name in (names if names is not None else listed_names())]


def listed_names() -> list[str]:
    """The names in the default table."""
    from mechscope.models.known import FACTS

    return [*EMBEDDED, *(_shortest_name(repo) for repo in FACTS)]


def _shortest_name(repo: str) -> str:
    """The TransformerLens name that a reader will recognise: "pythia-70m", "gpt2-small", "solu-1l"."""
    if repo == "gpt2":
        return "gpt2-small"
    aliases = [alias for alias, target in hub_names().items() if target == repo and alias not in EMBEDDED]
    plain = repo.split("/")[-1].lower()
    return next(
        (alias for alias in aliases if alias.lower() == plain),
        next((alias for alias in aliases if alias != repo), repo),
    )


def describe(name: str) -> str:
    """What is known about one model, as plain text.

    Raises:
        UnknownName, InvalidInput: As `find_model` does.
    """
    model = find_model(name)
    facts = {
        "source": model.source,
        "licence": model.licence,
        "parameters": _count(model.parameters),
        "on disk": _size(model.disk),
        "layers": _number(model.layers),
        "width (d_model)": _number(model.width),
        "MLP width (d_mlp)": _number(model.mlp_width),
        "heads": _heads(model),
        "vocabulary": _number(model.vocabulary),
        "BOS": _bos(model),
        "notes": model.notes,
        "here now": _here(model),
        "pinned as": source_hash(name),
    }
    widest = max(len(label) for label in facts)
    lines = [f"{model.name}: {model.title}" if model.title != model.name else model.name]
    lines += [f"  {label:<{widest}}  {value}" for label, value in facts.items() if value]
    return "\n".join(lines)


def fetch(name: str) -> Path:
    """Bring a model here, checked in full, so that it loads without the network; return its folder.

    Raises:
        UnknownName, InvalidInput: As `find_model` does.
        ModelUnavailable: It could not be fetched; the hint says how to go on.
        ModelMismatch: What was fetched is not what is pinned.
    """
    from mechscope.models.load import model_folder

    return model_folder(find_model(name))


def is_here(model: Model) -> bool:
    """Whether a model would load without the network (sizes are compared, contents are checked at load)."""
    if model.kind == "embedded":
        return embedded_is_here(model)
    if model.kind == "folder":
        return True
    from mechscope.models.hub import cached_snapshot

    return not is_legacy(model) and cached_snapshot(model) is not None


def table_text(rows: list[Row]) -> str:
    """The rows as aligned columns."""
    heading = Row("model", "title", "parameters", "layers", "width", "BOS", "source", "here")
    cells = [[getattr(row, field.name) for field in fields(Row)] for row in (heading, *rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _row(model: Model) -> Row:
    origin = {"embedded": "package index", "hub": "hub", "folder": "folder"}[model.kind]
    return Row(
        name=model.name,
        title=model.title,
        parameters=_count(model.parameters),
        layers=_number(model.layers),
        width=_number(model.width),
        bos={True: "yes", False: "no", None: ""}[model.prepend_bos],
        source=origin,
        here="yes" if is_here(model) else "no",
    )


def _here(model: Model) -> str:
    if is_here(model):
        return "yes"
    if model.kind == "embedded":
        return f"no; fetched on first use, or by: mechscope models fetch {model.name}"
    return f"no; needs the hub: mechscope models fetch {model.name}"


def _bos(model: Model) -> str:
    if model.prepend_bos is None:
        return model.bos_reason
    return f"{'prepended' if model.prepend_bos else 'not prepended'}: {model.bos_reason}"


def _heads(model: Model) -> str:
    if model.heads is None:
        return ""
    if model.kv_heads in (None, model.heads):
        return str(model.heads)
    return f"{model.heads} ({model.kv_heads} for keys and values)"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _count(parameters: int | None) -> str:
    if parameters is None:
        return ""
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.0f} M"


def _size(size: int | None) -> str:
    if size is None:
        return ""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"

"""Which settings the built-in engine knows; any other is named with its line rather than ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from mechscope.errors import nearest
from mechscope.publish.pandoc.config import FORMATS

# fmt: off
_HEEDED = {
    "title", "subtitle", "date", "author", "authors", "affiliation", "affiliations", "abstract",
    "abstract-title", "description", "keywords", "lang", "bibliography", "csl", "citeproc",
    "link-citations", "link-bibliography", "nocite", "reference-section-title", "toc", "toc-depth",
    "toc-title", "number-sections", "number-depth", "crossref", "format", "filters", "shortcodes", "css",
    "include-in-header", "include-before-body", "include-after-body", "page-layout",
    "format-links", "resources", "mainfont", "fontsize", "margin", "papersize", "code-overflow",
    "pagetitle", "title-meta", "project", "website", "mechscope", "profile",
}
"""Heeded, or refused elsewhere for what they say."""

_WITHOUT_EFFECT = {
    # what computes, in articles that don't
    "execute", "engine", "jupyter", "kernel", "julia", "knitr", "cache", "freeze", "server", "daemon",
    "debug", "fig-width", "fig-height", "fig-format", "fig-dpi", "fig-asp", "df-print", "jupytext",
    "kernelspec",
    # what is for an editor, for the files beside a page, for a mouse that hovers, or for another site
    "editor", "editor_options", "zotero", "quarto-required", "keep-md", "keep-typ", "keep-ipynb",
    "quarto", "citations-hover", "footnotes-hover", "crossrefs-hover", "code-copy", "smooth-scroll",
    "anchor-sections", "search", "order", "image", "image-alt", "image-height", "image-width",
    "canonical-url", "email-obfuscation",
    # what the engine does in its one way
    "theme", "respect-user-color-scheme", "html-math-method", "html-table-processing",
    "html-pre-tag-processing",
}

_CROSSREF = {
    "fig-title", "tbl-title", "title-delim", "fig-prefix", "tbl-prefix", "eq-prefix", "sec-prefix",
    "ref-hyperlink",
}
_AUTHOR = {
    "name", "given", "family", "literal", "url", "orcid", "email", "affiliation", "affiliations", "id",
    "number", "fax", "phone", "note", "acknowledgements", "attributes", "corresponding",
    "equal-contributor", "deceased", "metadata", "degrees", "role", "roles", "dropping-particle",
    "non-dropping-particle",
}
_AFFILIATION = {
    "id", "ref", "name", "department", "group", "city", "region", "state", "country", "url", "address",
    "postal-code", "isni", "ringgold", "ror", "number",
}
# fmt: on
_META = re.compile(r"\{\{<\s*meta\s+[\"']?([\w-]+)")


def unheeded(text: str, first_line: int = 1, body: str = "") -> Iterator[tuple[int, str, str]]:
    """The settings in `text`, a YAML map, that this engine would ignore: line, setting, and a note on it.

    Args:
        first_line: The line of its file at which `text` begins.
        body: The document: a key that it shows, `{{< meta mine >}}`, is an author's own.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return  # reported where it is read
    if isinstance(node, yaml.MappingNode):
        for line, name, note in _settings(node, set(_META.findall(body + text))):
            yield line + first_line, name, note


def _settings(node: yaml.MappingNode, own: set[str]) -> Iterator[tuple[int, str, str]]:
    for key, value in _entries(node):
        name, line = str(key.value), key.start_mark.line
        if name == "format" and isinstance(value, yaml.MappingNode):
            for format_name, options in _entries(value):
                if format_name.value in FORMATS and isinstance(options, yaml.MappingNode):
                    yield from _settings(options, own)
        elif name == "lang":
            if not str(value.value).lower().startswith("en"):
                yield line, f"lang: {value.value}", ": its own words (Figure, Note …) are English"
        elif name == "crossref":
            yield from _unknown(value, _CROSSREF, "crossref: ")
        elif name in ("author", "authors"):
            for author in _items(value):
                yield from _unknown(author, _AUTHOR, "author: ")
                for part, affiliations in _entries(author):
                    if part.value in ("affiliation", "affiliations"):
                        for affiliation in _items(affiliations):
                            yield from _unknown(affiliation, _AFFILIATION, "affiliations: ")
        elif name in ("affiliation", "affiliations"):
            for affiliation in _items(value):
                yield from _unknown(affiliation, _AFFILIATION, "affiliations: ")
        elif name not in _HEEDED | _WITHOUT_EFFECT | own and value.value not in (
            "false",
            "no",
            "null",
            "~",
            "",
        ):
            yield line, name, _proposal(name, _HEEDED)


def _unknown(node: yaml.Node, known: set[str], prefix: str) -> Iterator[tuple[int, str, str]]:
    for key, _ in _entries(node):
        if key.value not in known:
            yield key.start_mark.line, f"{prefix}{key.value}", _proposal(str(key.value), known)


def _proposal(name: str, known: set[str]) -> str:
    near = nearest(name, known)
    return f" — did you mean '{near[0]}'?" if near else ""


def _entries(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _items(node: yaml.Node) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]

"""Markdown that says exactly what it is given: nothing in a text is read as markup or as a shortcode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def escaped(text: object) -> str:
    """`text` as Markdown that reads as itself, on one line."""
    flat = " ".join(str(text).split())
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", flat)


def code(text: object) -> str:
    """`text` as inline code, on one line; shortcodes in it stay as they are written."""
    flat = " ".join(str(text).split())
    if not flat:
        return ""
    if "{{" in flat or "}}" in flat:
        # Shortcodes are expanded in code too; not in HTML that spells them with entities.
        spelled = "".join(f"&#{ord(sign)};" if sign in "&<>{}`|" else sign for sign in flat)
        return f"`<code>{spelled}</code>`{{=html}}"
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def link(text: str, target: str) -> str:
    """A link with `text`, which is Markdown already."""
    return f"[{text}](<{target}>)"


def front_matter(**fields: object) -> str:
    """A YAML header."""
    import yaml

    dumped = yaml.safe_dump(fields, allow_unicode=True, sort_keys=False, width=1000)
    return f"---\n{dumped}---\n"


def definitions(entries: Iterable[tuple[str, str]]) -> str:
    """A definition list; terms are plain text, definitions Markdown; empty definitions are left out."""
    return "\n".join(f"{escaped(term)}\n:   {text}\n" for term, text in entries if text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int] = ()) -> str:
    """A pipe table of Markdown cells; `widths` are the columns' shares when lines are long."""
    rule = [("-" * width if width else "---") for width in (widths or [0] * len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows)) + "\n"


def folded(title: str, content: str, *, classes: str = "") -> str:
    """Markdown that a reader unfolds; `title` is plain text.

    It must not hold headings, of which engines make sections.
    """
    from html import escape

    opened = f'<details class="{classes}">' if classes else "<details>"
    return (
        f"```{{=html}}\n{opened}\n<summary>{escape(title)}</summary>\n```\n\n"
        f"{content.strip()}\n\n```{{=html}}\n</details>\n```\n"
    )


def div(content: str, *, id: str = "", classes: Sequence[str] = (), fence: int = 3) -> str:
    """A fenced Div."""
    attributes = " ".join([*([f"#{id}"] if id else []), *(f".{name}" for name in classes)])
    return f"{':' * fence} {{{attributes}}}\n{content.strip()}\n{':' * fence}\n"

"""Characters that no page, picture or PDF can show, as something that can be read.

Byte-level vocabularies have tokens for them: a form feed, an escape, half of a surrogate pair. XML, and so
SVG, forbids most; UTF-8 cannot hold surrogates; marks of direction turn around the text that follows.
"""

from __future__ import annotations

import re

# Controls but tab and line ends; line and paragraph separators; marks that override the direction of writing;
# surrogates; the characters that Unicode sets aside as none.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


def visible(text: str, brackets: int = 1) -> str:
    """The text with such characters by their number: a form feed is "<U+000C>"; other text stays as it is.

    No backslash is used: what stands in the expressions and field names of a chart is read once more.

    Args:
        brackets: How many pairs of brackets stand around a number, where "<U+000C>" is itself a text.
    """
    return _UNSEEN.sub(lambda match: "<" * brackets + f"U+{ord(match[0]):04X}" + ">" * brackets, text)


def has_unseen(text: str) -> bool:
    """Whether `visible` would change the text."""
    return _UNSEEN.search(text) is not None


def shown_token(token: str) -> str:
    """A token without the spaces around it; white space itself as it would be written in code.

    Characters that no chart can draw are there by number: a form feed is "<U+000C>".
    """
    seen = visible(token)
    return seen.strip() or repr(seen)[1:-1].replace(" ", "␣")

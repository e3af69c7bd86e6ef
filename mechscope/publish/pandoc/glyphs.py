"""The characters of a document that no font of the built-in engine has: a PDF shows them as boxes."""

from __future__ import annotations

import re
import unicodedata

_MOST = 8
"""Characters that are named; each costs a trial of some milliseconds."""

_LACKING = re.compile(r"the text `\"(.+?)\"` could not be displayed")


def without_glyph(text: str) -> str:
    """The characters of a Typst source that cannot be displayed, first come first; "…" ends a longer list.

    Typst warns of none, but refuses them under a standard (PDF/A) that asks for all of them: so they are set
    by themselves under it until it refuses no more.
    """
    import typst

    # Latin, and marks and joiners that stand for nothing by themselves, need no trial.
    rest = [
        letter
        for letter in dict.fromkeys(text)
        if ord(letter) > 0x17F and unicodedata.category(letter)[0] in "LNPS"
    ]
    lacking = ""
    while rest:
        lines = "\n\n".join(f'#"{letter}"' for letter in rest)
        try:
            typst.compile(
                f'#set document(title: "Trial")\n{lines}'.encode(),
                ignore_system_fonts=True,
                pdf_standards="a-2b",
            )
            break
        except typst.TypstError as error:
            found = _LACKING.search(str(error))
            if found is None or found[1] not in rest:
                break  # refused for another reason: what is known so far is a warning all the same
            if len(lacking) == _MOST:
                return lacking + "…"
            lacking += found[1]
            rest.remove(found[1])
    return lacking

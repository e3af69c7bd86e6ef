"""Looks for programs: JSON with everything that the terminal and the page show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mechscope.look.measure import Look


def as_json(looks: Sequence[Look]) -> str:
    """An object whose `looks` has one entry for each prompt."""
    return json.dumps({"looks": [_plain(look) for look in looks]}, ensure_ascii=False, indent=2)


def _plain(look: Look) -> dict[str, Any]:
    fields = asdict(look)
    fields["parts"] = [{"part": part, "adds": adds} for part, adds in look.parts]
    fields["heads"] = [{"head": head, "adds": adds} for head, adds in look.heads]
    for row in fields["lens"]:
        row["top"] = [{"token": token, "probability": probability} for token, probability in row["top"]]
    return fields

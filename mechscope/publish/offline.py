"""Pages make no request to other hosts: what Quarto adds to notebook pages is taken out again."""

from __future__ import annotations

import re
from pathlib import Path

from mechscope.files import write_atomically

# For any HTML output Quarto loads RequireJS and jQuery from a network: it could be a widget that needs them.
_FOREIGN = re.compile(
    r'<script[^>]* src="https://cdn\.jsdelivr\.net/npm/(?:requirejs|jquery)@[^"]*"[^>]*></script>\s*'
    r"|<script[^>]*>define\('jquery',[^<]*</script>\s*"
)


def remove_foreign_scripts(site: Path) -> int:
    """Take those scripts out of the notebook pages of a run's site; returns how many pages had them."""
    changed = 0
    for page in sorted((site / "results").rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        changed += write_atomically(page, _FOREIGN.sub("", text))
    return changed

"""The paper's sources as publishing and lint read them: shortcodes, prose, citations, reading order."""
